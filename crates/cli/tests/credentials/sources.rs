//! From a source of tokens to a session: files, GitHub, and an identity provider that is not ours. And that what is secret
//! in all that gets out nowhere else.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use testkit::github::{self, GitHub};
use testkit::idp::Idp;
use testkit::page::{Canned, Front};
use testkit::sts::Fault;

use crate::world::{ACCOUNT, AUDIENCE, Ran, World, key_of, run};

const IDP: &str = "https://idp.test";
const OF_IDP: &str = "arn:aws:iam::444455556666:role/idp";
const OF_GITHUB: &str = "arn:aws:iam::444455556666:role/github";
const CLIENT_SECRET: &str = "COUNTERSIGN_OAUTH_CLIENT_SECRET";
const REQUEST_TOKEN: &str = "ACTIONS_ID_TOKEN_REQUEST_TOKEN";

struct Sources {
    world: World,
    idp: Idp,
    github: GitHub,
    /// The identity provider under a name that can be reached: its discovery document says https.
    front: Front,
}

impl Sources {
    fn new() -> Self {
        let (world, idp, github) = (World::new(), Idp::start_with(Some(IDP), "client_secret_basic"), GitHub::start());
        let front = Front::start();
        front.lead_to(idp.origin());
        let (origin, token_url) = (front.origin(), format!("{}/token", front.origin()));
        let document = json!({"issuer": origin, "token_endpoint": token_url});
        front.answer("GET /.well-known/openid-configuration", Canned::json(200, &document));
        for (role, url, from, subject) in [
            (OF_IDP, IDP, idp.origin(), idp.client_id()),
            (OF_GITHUB, github::ISSUER, github.origin().as_str(), github::SUBJECT),
        ] {
            let key = |claim: &str| format!("{}:{claim}", url.trim_start_matches("https://"));
            world.provider(ACCOUNT, url, AUDIENCE, from);
            let condition = json!({"StringEquals": {(key("aud")): AUDIENCE, (key("sub")): subject}});
            world.role(role, url, &["AssumeRoleWithWebIdentity"], &condition);
        }

        let file = |name: &str, content: &str| {
            let path = world.home().join(name);
            fs::write(&path, content).expect("a file");
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("a mode");
            path.display().to_string()
        };
        let secret = file("secret", &format!("{}\n", idp.client_secret()));
        let (of_idp, of_github) = (file("idp", &token_of_idp(&idp)), file("github", &token_of_github(&github)));
        let client =
            format!("oauth_client_id = '{}'\naudience = '{AUDIENCE}'\nrole_arn = '{OF_IDP}'\n", idp.client_id());
        world.configure(&format!(
            "[profiles.idp-file]\nweb_identity_token_file = '{of_idp}'\nrole_arn = '{OF_IDP}'\n\
             [profiles.github-file]\nweb_identity_token_file = '{of_github}'\nrole_arn = '{OF_GITHUB}'\n\
             [profiles.github]\ngithub = true\nrole_arn = '{OF_GITHUB}'\n\
             [profiles.url]\noauth_token_url = '{token_url}'\noauth_client_secret_file = '{secret}'\n{client}\
             [profiles.issuer]\noauth_issuer = '{origin}'\n{client}"
        ));
        Self { world, idp, github, front }
    }

    /// The command, in an environment that knows all secrets: those of a job of GitHub, and the client's.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.world.countersign(arguments);
        command.envs(self.github.environment()).env(CLIENT_SECRET, self.idp.client_secret());
        command
    }
}

/// What a curl of these arguments gets.
fn curl(arguments: &[&str]) -> Value {
    let output = Command::new("curl").args(["--silent", "--fail", "--noproxy", "*"]).args(arguments).output();
    serde_json::from_slice(&output.expect("curl runs").stdout).expect("JSON")
}

fn token_of_idp(idp: &Idp) -> String {
    let (user, audience) =
        (format!("{}:{}", encoded(idp.client_id()), encoded(idp.client_secret())), format!("audience={AUDIENCE}"));
    let form = ["--user", &user, "--data", "grant_type=client_credentials", "--data", &audience];
    curl(&[&form[..], &[&format!("{}/token", idp.origin())]].concat())["access_token"]
        .as_str()
        .expect("a token")
        .to_owned()
}

fn token_of_github(github: &GitHub) -> String {
    let environment: BTreeMap<String, String> = github.environment().into_iter().collect();
    let bearer = format!("authorization: bearer {}", environment[REQUEST_TOKEN]);
    let url = format!("{}&audience={AUDIENCE}", environment["ACTIONS_ID_TOKEN_REQUEST_URL"]);
    let headers = ["--header", &bearer, "--header", "accept: application/json; api-version=2.0"];
    curl(&[&headers[..], &[&url]].concat())["value"].as_str().expect("a token").to_owned()
}

fn encoded(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

#[test]
fn every_source_leads_to_a_session_of_its_subject_by_flags_and_by_a_profile() {
    let sources = Sources::new();
    let Sources { world, idp, github, front } = &sources;
    let at = |name: &str| world.home().join(name).display().to_string();
    let (of_idp, of_github, secret) = (at("idp"), at("github"), at("secret"));
    let (origin, token_url) = (front.origin(), format!("{}/token", front.origin()));
    let client = ["--oauth-client-id", idp.client_id(), "--audience", AUDIENCE];
    let job = github.environment();
    let client_secret = vec![(CLIENT_SECRET.to_owned(), idp.client_secret().to_owned())];
    let (by_url, by_issuer) = (["--oauth-token-url", &token_url], ["--oauth-issuer", &origin]);
    for (profile, flags, environment, role) in [
        ("idp-file", vec!["--web-identity-token-file", &of_idp], vec![], OF_IDP),
        ("github-file", vec!["--web-identity-token-file", &of_github], vec![], OF_GITHUB),
        ("github", vec!["--github"], job, OF_GITHUB),
        ("url", [&by_url[..], &client, &["--oauth-client-secret-file", &secret]].concat(), vec![], OF_IDP),
        ("issuer", [&by_issuer[..], &client].concat(), client_secret, OF_IDP),
    ] {
        let (subject, name) = match role {
            OF_IDP => (idp.client_id(), "idp/ci-nightly+build"),
            _ => (github::SUBJECT, "github/repo-octo-org-octo-repo-environment-prod"),
        };
        let flags = [&["credentials", "--no-cache", "--role-arn", role], &flags[..]].concat();
        for arguments in [&["credentials", "--no-cache", "--profile", profile][..], &flags] {
            let key = key_of(&run(world.countersign(arguments).envs(environment.clone())));
            let session = world.sts.session(&key).unwrap();
            assert_eq!(session.subject, subject, "{arguments:?}");
            assert_eq!(session.arn, format!("arn:aws:sts::{ACCOUNT}:assumed-role/{name}"), "{arguments:?}");
        }
    }
    assert!(front.came().iter().all(|came| !came.body.contains("client_secret")), "HTTP Basic is what it announces");
}

/// Runs it, and all that others can see of it: its arguments and those of what it starts.
fn watched(command: &mut Command, world: &World) -> (Ran, String) {
    let output = |name: &str| world.home().join(name);
    command.stdout(File::create(output("stdout")).unwrap()).stderr(File::create(output("stderr")).unwrap());
    let mut child = command.spawn().unwrap();
    let read = |path: String| fs::read_to_string(path).unwrap_or_default();
    let mut seen = String::new();
    let status = loop {
        let id = child.id();
        seen += &read(format!("/proc/{id}/cmdline"));
        for child in read(format!("/proc/{id}/task/{id}/children")).split_whitespace() {
            seen += &read(format!("/proc/{child}/cmdline"));
        }
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    let text = |name| fs::read_to_string(output(name)).unwrap();
    (Ran { code: status.code(), stdout: text("stdout"), stderr: text("stderr") }, seen)
}

#[test]
fn what_is_secret_is_where_it_is_asked_for_and_nowhere_else() {
    let sources = Sources::new();
    let Sources { world, idp, github, front } = &sources;
    let credentials = |profile: &str| sources.command(&["credentials", "--no-cache", "--profile", profile]);
    let with = |profile: &str, name: &str, value: &str| {
        let mut command = credentials(profile);
        command.env(name, value);
        command
    };
    let deploy = ["--url", world.issuer.origin(), "--role-arn", crate::world::ROLE];
    let missing = world.home().join("missing").display().to_string();
    let mut runs: Vec<(Option<Fault>, Command, i32)> = Vec::new();
    for profile in ["idp-file", "github-file", "github", "url", "issuer"] {
        runs.push((None, credentials(profile), 0));
        runs.push((Some(Fault::RegionDisabled), credentials(profile), 1));
        runs.push((Some(Fault::Nonsense), credentials(profile), 2));
        // Who answers is no STS, and no such role.
        runs.push((None, with(profile, "AWS_ENDPOINT_URL_STS", idp.origin()), 2));
        runs.push((None, with(profile, "COUNTERSIGN_ROLE_ARN", "arn:aws:iam::444455556666:role/none"), 1));
        runs.push((None, with(profile, "COUNTERSIGN_DURATION_SECONDS", "60"), 2));
    }
    runs.push((None, sources.command(&[&["credentials", "--no-cache"], &deploy[..]].concat()), 0));
    runs.push((None, sources.command(&["exec", "--profile", "url", "--", "sleep", "0.1"]), 0));
    runs.push((None, sources.command(&["exec", "--profile", "github", "--", "no-such-command"]), 127));
    runs.push((None, with("issuer", CLIENT_SECRET, "not the secret"), 1));
    runs.push((None, with("issuer", CLIENT_SECRET, ""), 2));
    runs.push((None, with("issuer", "COUNTERSIGN_OAUTH_CLIENT_SECRET_FILE", &missing), 2));
    runs.push((None, with("issuer", "COUNTERSIGN_OAUTH_CLIENT_ID", "web"), 1));
    runs.push((None, with("issuer", "COUNTERSIGN_AUDIENCE", "https://nobody.test"), 1));
    runs.push((None, with("issuer", "COUNTERSIGN_OAUTH_ISSUER", idp.origin()), 2));
    // Our issuer is no identity provider, and quotes what it does not understand.
    runs.push((None, with("url", "COUNTERSIGN_OAUTH_TOKEN_URL", &world.issuer.url("/token")), 1));
    runs.push((None, with("github", REQUEST_TOKEN, "not-the-request-token"), 1));
    runs.push((None, with("github", REQUEST_TOKEN, "a\nb"), 2));
    runs.push((None, with("github", "ACTIONS_ID_TOKEN_REQUEST_URL", "http://runner.test/"), 2));
    runs.push((None, with("github-file", "AWS_ENDPOINT_URL_STS", "http://sts.test"), 2));
    runs.push((None, sources.command(&["credentials", "--profile", "nobody"]), 2));

    let environment: BTreeMap<String, String> = github.environment().into_iter().collect();
    let basic = format!("{}:{}", encoded(idp.client_id()), encoded(idp.client_secret()));
    let mut secrets = vec![
        // Every token begins so.
        "eyJ".to_owned(),
        "secret/of+ci".to_owned(),
        "not the secret".to_owned(),
        "not-the-request-token".to_owned(),
        environment[REQUEST_TOKEN].clone(),
        idp.client_secret().to_owned(),
        encoded(idp.client_secret()),
        STANDARD.encode(basic),
        STANDARD.encode(idp.client_secret()),
    ];
    let (mut heard, mut seen) = (Vec::new(), String::new());
    for (fault, command, code) in &mut runs {
        match fault {
            Some(fault) => world.sts.fail(*fault),
            None => world.sts.heal(),
        }
        let command = command.env("AWS_MAX_ATTEMPTS", "1").env("RUST_LOG", "trace").env("RUST_BACKTRACE", "1");
        let (ran, arguments) = watched(command, world);
        assert_eq!(ran.code, Some(*code), "{command:?}: {ran:?}");
        seen += &arguments;
        heard.push(ran.stderr);
        if *code == 0 && !ran.stdout.is_empty() {
            let printed: Value = serde_json::from_str(&ran.stdout).unwrap();
            secrets.extend(["SecretAccessKey", "SessionToken"].map(|name| printed[name].as_str().unwrap().to_owned()));
        } else {
            heard.push(ran.stdout);
        }
    }
    assert!(seen.contains("credentials") && seen.contains("sleep"), "{seen}");
    heard.push(seen);
    assert_eq!(secrets.len(), 9 + 2 * 6, "each source gave credentials");
    for secret in &secrets {
        assert!(heard.iter().all(|text| !text.contains(secret)), "{secret} is in {heard:#?}");
    }
    assert!(front.came().iter().any(|came| came.authorization.starts_with("Basic ")));
}
