//! The issuer, an identity provider and STS, each down, silent, and answering nonsense: what is held is handed out for as long as it
//! is good, who is to blame is named, and nobody has to do anything once they are well again.

use std::io::Write as _;
use std::time::Duration;

use jiff::Timestamp;
use testkit::idp::Idp;
use testkit::page::{Canned, Front};

use crate::running::{Agent, until};
use crate::world::{AUDIENCE, ROLE, World};

const OF_IDP: &str = "arn:aws:iam::444455556666:role/idp";
/// A session. An attempt to renew it begins after 18 to 20 seconds, and it is handed out for 25.
const LIFE: Duration = Duration::from_secs(30);
/// So much before its end it is of no use.
const LEAST: i64 = 5;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trouble {
    Down,
    Silent,
    Nonsense,
}

const TROUBLES: [Trouble; 3] = [Trouble::Down, Trouble::Silent, Trouble::Nonsense];

/// A way to somebody who may be in trouble.
struct Way {
    name: String,
    what: &'static str,
    trouble: Trouble,
    front: Front,
}

impl Way {
    fn new(who: &str, what: &'static str, trouble: Trouble, leads_to: &str) -> Self {
        let front = Front::start();
        front.lead_to(leads_to);
        Self { name: format!("{who}-{trouble:?}").to_lowercase(), what, trouble, front }
    }

    fn harm(&self) {
        let page = Canned { status: 200, body: "<html>It works!</html>".to_owned(), ..Canned::default() };
        match self.trouble {
            Trouble::Down => self.front.close(),
            Trouble::Silent => self.front.answer(self.what, Canned { after: Duration::from_mins(5), ..page }),
            Trouble::Nonsense => self.front.answer(self.what, page),
        }
    }

    fn heal(&self) {
        self.front.open();
        self.front.pass_everything();
    }
}

/// All of them, and agents that depend on them.
struct Ways {
    world: World,
    each: Vec<Way>,
    idp: Idp,
}

impl Ways {
    fn new() -> Self {
        let world = World::new();
        let idp = world.idp(OF_IDP);
        let (issuer, sts) = (world.issuer.origin().to_owned(), world.sts.endpoint());
        let ways: Vec<Way> = TROUBLES
            .into_iter()
            .flat_map(|trouble| {
                [
                    Way::new("issuer", "POST /token", trouble, &issuer),
                    Way::new("idp", "POST /token", trouble, idp.origin()),
                    Way::new("sts", "POST /", trouble, &sts),
                ]
            })
            .collect();
        let mut profiles = String::new();
        for Way { name, front, .. } in &ways {
            let (of_front, id) = (front.origin(), idp.client_id());
            let settings = match name.split('-').next() {
                Some("issuer") => format!("url = '{of_front}'\nrole_arn = '{ROLE}'\n"),
                Some("idp") => format!(
                    "oauth_token_url = '{of_front}/token'\noauth_client_id = '{id}'\naudience = '{AUDIENCE}'\nrole_arn = '{OF_IDP}'\n"
                ),
                _ => format!("url = '{issuer}'\nrole_arn = '{ROLE}'\n"),
            };
            profiles.extend(["[profiles.", name, "]\n", &settings]);
        }
        world.configure(&profiles);
        Self { world, each: ways, idp }
    }

    /// One agent for all whose token is in question, and one for each STS: its endpoint is a variable.
    fn agents(&self) -> Vec<Agent> {
        let secret = ("COUNTERSIGN_OAUTH_CLIENT_SECRET", self.idp.client_secret());
        let (of_sts, of_tokens): (Vec<&Way>, _) = self.each.iter().partition(|way| way.what == "POST /");
        let profiles: Vec<&str> = of_tokens.iter().flat_map(|way| ["--profile", &way.name]).collect();
        let start = |profiles: &[&str], endpoint: &str| {
            let mut command = self.world.agent(profiles);
            command.env(secret.0, secret.1).env("AWS_ENDPOINT_URL_STS", endpoint);
            Agent::start(command)
        };
        let tokens = std::iter::once(start(&profiles, &self.world.sts.endpoint()));
        tokens.chain(of_sts.iter().map(|way| start(&["--profile", &way.name], &way.front.origin()))).collect()
    }
}

/// The ways, each with its agent.
fn each<'a>(ways: &'a [Way], agents: &'a [Agent]) -> Vec<(&'a Way, &'a Agent)> {
    let mut of_sts = agents.iter().skip(1);
    ways.iter().map(|way| (way, if way.what == "POST /" { of_sts.next().unwrap() } else { &agents[0] })).collect()
}

#[test]
fn what_is_good_is_handed_out_and_who_keeps_new_ones_back_is_named() {
    // Both wait for long, and do little.
    std::thread::scope(|scope| {
        scope.spawn(trouble_from_the_start);
        trouble_over_a_renewal();
    });
}

fn trouble_over_a_renewal() {
    let all = Ways::new();
    all.world.sts.lifetime(LIFE);
    let agents = all.agents();
    let mut held = Vec::new();
    for (way, agent) in each(&all.each, &agents) {
        let path = format!("/{}", way.name);
        let first = until(&way.name, || agent.get(&path).key().map(str::to_owned));
        way.harm();
        held.push((way, agent, path, first, false));
    }
    let left = |key: &str| all.world.sts.session(key).unwrap().expires - Timestamp::now().as_second();

    let mut waiting: Vec<usize> = (0..held.len()).collect();
    while !waiting.is_empty() {
        waiting.retain(|place| {
            let (way, agent, path, first, failed) = &mut held[*place];
            let got = agent.get(path);
            if let Some(key) = got.key() {
                assert_eq!(key, first, "{}", way.name);
                assert!(left(key) > 0, "{}: it has ended", way.name);
                *failed |= agent.row(&way.name)["failure"].is_object();
                return true;
            }
            assert_eq!(got.status, 503, "{got:?}");
            let pending = way.trouble == Trouble::Silent && got.why().ends_with("they are still being asked for");
            assert!(pending || got.why().contains(&way.front.origin()), "{}: {got:?}", way.name);
            assert!(left(first) <= LEAST + 1, "{}: {} s were left", way.name, left(first));
            false
        });
        std::thread::sleep(Duration::from_millis(50));
    }

    all.each.iter().for_each(Way::heal);
    for (way, agent, path, first, failed) in &held {
        let next = until(&way.name, || agent.get(path).key().map(str::to_owned));
        assert!(next != *first && left(&next) > 0, "{}", way.name);
        let log = agent.stderr();
        assert!(log.contains(&format!("countersign: {}: ended, and nothing took its place\n", way.name)), "{log}");
        // Silence ends after the session did.
        if way.trouble != Trouble::Silent {
            assert!(*failed, "{}: credentials were handed out while new ones were not to be had", way.name);
            let said = format!("countersign: {}: not renewed, next attempt in ", way.name);
            let said = log.lines().find(|line| line.starts_with(&said)).unwrap_or_else(|| panic!("{log}"));
            assert!(said.contains(" s: ") && said.contains(&way.front.origin()), "{said}");
        }
    }
    assert!(all.world.sts.consumed().is_empty());
}

fn trouble_from_the_start() {
    let all = Ways::new();
    all.each.iter().for_each(Way::harm);
    let agents = all.agents();
    for (way, agent) in each(&all.each, &agents) {
        let why = until(&way.name, || {
            let got = agent.get(&format!("/{}", way.name));
            assert_eq!(got.status, 503, "{}: {got:?}", way.name);
            let why = got.why().to_owned();
            let pending = why.ends_with("they are still being asked for");
            assert!(pending || why.contains(&way.front.origin()), "{}: {why}", way.name);
            (!pending).then_some(why)
        });
        println!("{}: {why}", way.name);
        assert!(agent.row(&way.name)["failure"]["why"].as_str().is_some_and(|said| why.ends_with(said)));
    }
    all.each.iter().for_each(Way::heal);
    for (way, agent) in each(&all.each, &agents) {
        until(&way.name, || agent.get(&format!("/{}", way.name)).key().map(drop));
        assert!(agent.row(&way.name)["failure"].is_null());
    }
}

#[test]
fn nobody_has_to_read_what_it_says() {
    let (world, front) = (World::new(), Front::start());
    world.sts.lifetime(Duration::from_secs(10));
    front.lead_to(world.issuer.origin());
    world.configure(&format!("[profiles.deploy]\nurl = '{}'\nrole_arn = '{ROLE}'\n", front.origin()));
    let (unread, stderr) = std::io::pipe().unwrap();
    let mut full = stderr.try_clone().unwrap();
    let agent = Agent::begin(world.agent(&["--profile", "deploy"]), Some(stderr));
    let key = || agent.get("/deploy").key().map(str::to_owned);
    let first = until("there are credentials", key);
    let filling = std::thread::spawn(move || full.write_all(&vec![b' '; 1 << 20]));
    // So slow that it says for whom it waits.
    front.answer("POST /token", Canned { status: 500, after: Duration::from_secs(4), ..Canned::default() });
    until("they have ended", || key().is_none().then_some(()));
    front.pass_everything();
    assert_ne!(until("there are new ones", key), first);
    drop(unread);
    assert!(filling.join().unwrap().is_err(), "the pipe was full all the time");
}
