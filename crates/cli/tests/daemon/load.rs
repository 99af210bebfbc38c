//! Programs that are not ours, unchanged, under a constant load of calls while what they read is renewed. STS checks each call.
//!
//! `cargo test --workspace --test daemon -- load --nocapture` prints the figures that stand in `docs/daemon.md`.

use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use testkit::github;
use testkit::sts::Outcome;
use testkit::tools::python;

use crate::running::{Files, Running, claims, until};
use crate::world::{ran, run};

/// So many tokens and sessions are seen by each reader: five renewals, and what was there before.
const SEEN: usize = 6;
/// So short is a life; so long if the machine does much else.
const LIFETIME: [Duration; 2] = [Duration::from_secs(12), Duration::from_secs(40)];

/// Sessions of their own, which read the file again: one of boto3's reads it once. Until standard input ends.
const BOTO3: &str = "
import sys, threading, time, boto3
done = threading.Event()
threading.Thread(target=lambda: (sys.stdin.read(), done.set()), daemon=True).start()
while not done.is_set():
    sts = boto3.Session().client('sts')
    for _ in range(5):
        sts.get_caller_identity()
        time.sleep(0.02)
";
/// One session for as long as it runs, which reads the token when it needs a new session.
const LONG: &str = "
import sys, threading, time, boto3
done = threading.Event()
threading.Thread(target=lambda: (sys.stdin.read(), done.set()), daemon=True).start()
sts = boto3.Session().client('sts')
while not done.is_set():
    sts.get_caller_identity()
    time.sleep(0.1)
";

/// Everybody who has no credentials but those of the files.
fn bare(mut command: Command) -> Command {
    command
        .env_remove("AWS_ACCESS_KEY_ID")
        .env_remove("AWS_SECRET_ACCESS_KEY")
        .env("AWS_DEFAULT_REGION", "eu-central-1");
    command
}

/// Reads the file without a pause: what was seen, and how often.
fn watch(path: &Path, done: &AtomicBool, is_whole: impl Fn(&str) -> bool) -> (BTreeSet<String>, usize) {
    let (mut seen, mut reads) = (BTreeSet::new(), 0);
    while !done.load(Ordering::Relaxed) {
        let text = match fs::read_to_string(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => panic!("{} is missing", path.display()),
            text => text.unwrap(),
        };
        assert!(is_whole(&text), "half of it: {text:?}");
        reads += 1;
        seen.insert(text);
        std::thread::sleep(Duration::from_micros(200));
    }
    (seen, reads)
}

/// Ends the readers, also when something fails.
struct Done<'a>(&'a AtomicBool);

impl Drop for Done<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn the_aws_cli_and_boto3_work_on_over_five_renewals_of_a_token_file_and_of_a_credentials_file() {
    let files = Files::new();
    files.tables(
        "[daemon.github]\nwrite_token_file = 'RUN/token'\n[daemon.deploy]\nwrite_credentials_file = 'RUN/credentials'\n",
    );
    let by_file = || {
        let mut command = bare(files.consumer("aws"));
        command.env("AWS_SHARED_CREDENTIALS_FILE", files.at("credentials")).env("AWS_PROFILE", "deploy");
        command
    };
    let by_token = || {
        let mut command = bare(files.consumer("aws"));
        command
            .env("AWS_WEB_IDENTITY_TOKEN_FILE", files.at("token"))
            .env("AWS_ROLE_ARN", crate::running::OF_GITHUB)
            .env("AWS_ROLE_SESSION_NAME", "by-token");
        command
    };
    // As fast as this machine is at the moment.
    let warm = files.start();
    let began = Instant::now();
    let call = |mut command: Command| {
        let ran = run(command.args(["sts", "get-caller-identity"]));
        assert_eq!(ran.code, Some(0), "{ran:?}");
    };
    call(by_file());
    let lifetime = (began.elapsed() * 4).clamp(LIFETIME[0], LIFETIME[1]);
    drop(warm);
    files.sts.lifetime(lifetime);
    files.github.lifetime(lifetime);
    let before = (files.asked(), files.sts.consumed().len(), files.github.requests());
    let daemon = Running::begin(&mut files.command(&[]));
    until("both files anew", || (files.github.requests() > before.2 && daemon.count(" written") >= 2).then_some(()));

    let programs = [(BOTO3, by_file()), (LONG, by_token())].map(|(program, command)| {
        let mut python = Command::new(python());
        python.args(["-c", program]).env_clear();
        python.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        python.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("Python starts")
    });
    let began = Instant::now();
    let done = AtomicBool::new(false);
    let good = |token: &str| claims(token)["exp"].as_i64().is_some_and(|end| end > jiff::Timestamp::now().as_second());
    let whole = |text: &str| text.starts_with('#') && text.ends_with('\n') && text.matches(" = ").count() == 3;
    let (tokens, sections) = std::thread::scope(|scope| {
        let tokens = scope.spawn(|| watch(&files.at("token"), &done, good));
        let sections = scope.spawn(|| watch(&files.at("credentials"), &done, whole));
        let _done = Done(&done);
        while daemon.count("token renewed") < SEEN || daemon.count("session renewed") < SEEN {
            assert!(began.elapsed() < 12 * lifetime, "{}", daemon.said());
            call(by_file());
            call(by_token());
        }
        // What was renewed last is read, too.
        call(by_file());
        done.store(true, Ordering::Relaxed);
        (tokens.join().unwrap(), sections.join().unwrap())
    });
    for mut program in programs {
        drop(program.stdin.take());
        let ran = ran(program.wait_with_output().expect("it ends"));
        assert_eq!(ran.code, Some(0), "{ran:?}");
    }

    let (elapsed, used) = (began.elapsed(), files.sts.consumed().split_off(before.1));
    assert!(used.iter().all(|used| used.refused.is_none()), "{used:?}");
    let asked = files.sts.calls().split_off(before.0);
    assert!(asked.iter().all(|call| matches!(call.outcome, Outcome::Given(_))), "{asked:?}");
    let of = |name: &str, subject: &str| {
        let mine = used.iter().filter(|used| used.user_agent.starts_with(name));
        let mine: Vec<&String> = mine
            .map(|used| &used.access_key_id)
            .filter(|key| files.sts.session(key).is_some_and(|session| session.subject == subject))
            .collect();
        (mine.len(), mine.iter().collect::<BTreeSet<_>>().len())
    };
    for (name, subject) in
        ["aws-cli/", "Boto3/"].into_iter().flat_map(|name| [(name, crate::world::SUBJECT), (name, github::SUBJECT)])
    {
        let (calls, sessions) = of(name, subject);
        println!("{name} {subject}: {calls} calls with {sessions} sessions, none refused");
        assert!(sessions >= SEEN - 1, "{name} {subject}: {calls} {sessions}");
    }
    println!(
        "{} calls in {elapsed:.1?}, lives of {lifetime:.1?}; {} tokens in {} reads, {} sessions in {} reads, none missing or half",
        used.len(),
        tokens.0.len(),
        tokens.1,
        sections.0.len(),
        sections.1,
    );
    assert!(tokens.0.len() >= SEEN && sections.0.len() >= SEEN);
    // Nor is anybody asked oftener than a life demands: STS counts in whole seconds, and a fifth of the last third is chance.
    let soonest = lifetime.saturating_sub(Duration::from_secs(1)).mul_f64(0.6);
    let most = elapsed.as_secs_f64() / soonest.as_secs_f64() + 2.0;
    let renewals = u32::try_from(daemon.count("token renewed")).unwrap();
    assert!(f64::from(renewals) <= most, "{renewals} in {elapsed:?}");
}
