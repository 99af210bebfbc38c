//! `countersign keys`, of a data directory and through the function key-rotator as it is shipped, and `serve` that rotates.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::io::Write as _;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use testkit::aws::Moto;
use testkit::lambda::{self, Function, InvokeApi, Setup};
use testkit::serve;
use testkit::tools::isolated;

const COUNTERSIGN: &str = env!("CARGO_BIN_EXE_countersign");

struct Ran {
    code: i32,
    stdout: String,
    stderr: String,
}

impl Ran {
    fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {}{}", self.stdout, self.stderr))
    }
}

fn keys(place: &[String], arguments: &[&str], environment: &[(String, String)], stdin: &str) -> Ran {
    let home = tempfile::tempdir().unwrap();
    let mut command = isolated(COUNTERSIGN, home.path());
    command.arg("keys").args(arguments).args(place).envs(environment.iter().cloned());
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdin.take().unwrap().write_all(stdin.as_bytes()));
    let output = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ran { code: output.status.code().unwrap(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

/// A ring, and how to ask for it.
struct Place {
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
    _serve: Option<serve::Serve>,
    aws: Option<(Moto, Function, InvokeApi)>,
}

impl Place {
    fn directory() -> Self {
        let serve = serve::Setup::new(COUNTERSIGN).start();
        let arguments = vec!["--data-dir".to_owned(), serve.data_dir().to_str().unwrap().to_owned()];
        Self { arguments, environment: Vec::new(), _serve: Some(serve), aws: None }
    }

    fn function() -> Self {
        let moto = Moto::start();
        let arn = moto.put_secret("countersign/keys", r#"{"version":1,"keys":[]}"#);
        let rotator = Setup::new(lambda::function("key-rotator"))
            .envs(moto.environment())
            .env("SIGNING_KEY_SECRET_ARN", arn)
            .env("JWKS_SSM_PARAM", "/countersign/jwks")
            .env("KEY_LANES", "RS256,ES256")
            .start();
        let api = InvokeApi::start();
        api.serve("countersign-key-rotator", &rotator);
        let environment = moto.environment().into_iter().chain(api.environment()).collect();
        let arguments = vec!["--function".to_owned(), "countersign-key-rotator".to_owned()];
        let place = Self { arguments, environment, _serve: None, aws: Some((moto, rotator, api)) };
        assert_eq!(place.run(&["rotate"]).code, 0);
        place
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        keys(&self.arguments, arguments, &self.environment, "")
    }

    fn kid(&self, state: &str) -> String {
        let status = self.run(&["status", "--json"]).json();
        let mut found =
            status["keys"].as_array().unwrap().iter().filter(|key| key["state"] == state && key["alg"] == "RS256");
        found.next().unwrap()["kid"].as_str().unwrap().to_owned()
    }
}

/// The same for both: what is shown, what is refused, what is asked.
fn life(place: &Place) {
    let told = place.run(&["status"]);
    assert_eq!((told.code, told.stdout.as_str()), (0, ""));
    for part in
        ["RS256  signing", "RS256  announced", "ES256  signing", "may sign from", "ring and published set agree"]
    {
        assert!(told.stderr.contains(part), "{part}: {}", told.stderr);
    }
    let status = place.run(&["status", "--json"]).json();
    assert_eq!((&status["agree"], status["keys"].as_array().unwrap().len()), (&json!(true), 4));
    for member in ["kid", "alg", "state", "announced_at", "signing_since", "retired_at", "published"] {
        assert!(status["keys"][0].get(member).is_some(), "{member}");
    }

    let early = place.run(&["rotate"]);
    assert!(early.code == 0 && early.stderr.contains("too early"), "{}", early.stderr);

    let (leaked, heir) = (place.kid("signing"), place.kid("announced"));
    let unasked = place.run(&["revoke", "--kid", &leaked]);
    assert!(unasked.code == 2 && unasked.stderr.contains("--yes"), "{}", unasked.stderr);
    assert_eq!(place.kid("signing"), leaked);
    let revoked = place.run(&["revoke", "--kid", &leaked, "--yes"]);
    assert_eq!(revoked.code, 0, "{}", revoked.stderr);
    for part in [
        format!("{leaked} is revoked"),
        "Relying parties may accept it until 20".to_owned(),
        format!("{heir} signs ahead of its time"),
    ] {
        assert!(revoked.stderr.contains(&part), "{part}: {}", revoked.stderr);
    }
    assert_eq!(place.kid("signing"), heir);
    // One thumbprint in 64 begins with a hyphen.
    let hyphen = place.run(&["revoke", "--kid", "-nobody-s", "--yes"]);
    assert_eq!(hyphen.code, 1, "{}", hyphen.stderr);
    let unknown = place.run(&["revoke", "--kid", "nobody-s", "--yes"]);
    assert!(unknown.code == 1 && unknown.stderr.contains("no key nobody-s"), "{}", unknown.stderr);

    let mut pem = tempfile::NamedTempFile::new().unwrap();
    pem.write_all(testkit::keys::RSA_2048_PKCS1.as_bytes()).unwrap();
    let path = pem.path().to_str().unwrap();
    let imported = place.run(&["import", "--pem", path, "--kid", "earlier", "--json"]);
    assert_eq!(imported.code, 0, "{}", imported.stderr);
    assert!(!imported.stdout.contains("PRIVATE") && imported.json()["status"]["agree"] == true);
    assert_eq!(place.kid("announced"), "earlier");
    let again = place.run(&["import", "--pem", path]);
    assert!(again.code == 1 && again.stderr.contains("in the ring already, as earlier"), "{}", again.stderr);
    let piped = keys(&place.arguments, &["import", "--pem", "-"], &place.environment, "no key at all");
    assert!(piped.code == 1 && piped.stderr.contains("not a PEM private key"), "{}", piped.stderr);
    assert_eq!(place.run(&["import", "--pem", "/nowhere"]).code, 2);
    assert_eq!(place.run(&["revoke", "--kid", "earlier", "--yes"]).code, 0);
    let back = place.run(&["import", "--pem", path, "--kid", "another-name"]);
    assert!(back.code == 1 && back.stderr.contains("revoked"), "{}", back.stderr);
}

#[test]
fn keys_of_a_data_directory_are_shown_rotated_revoked_and_imported() {
    life(&Place::directory());
}

#[test]
fn keys_of_a_function_are_shown_rotated_revoked_and_imported() {
    life(&Place::function());
}

#[test]
fn keys_commands_refuse_what_they_cannot_mean() {
    let place = Place::directory();
    for (arguments, place, why) in [
        (vec!["status"], vec![], "--data-dir"),
        (vec!["status", "--function", "f"], place.arguments.clone(), "cannot be used with"),
        (vec!["status", "--region", "r"], place.arguments.clone(), "--function"),
        (
            vec!["rotate", "--announce-for", "1h"],
            place.arguments.clone(),
            "announce_for is 3600 s and must be at least 8400 s",
        ),
        (vec!["rotate", "--retire-for", "never"], place.arguments.clone(), "not a duration"),
        (vec!["rotate", "--dangerous-bounds", "[1]"], place.arguments.clone(), "invalid type"),
        (
            vec!["status", "--function", "f", "--region", "us-east-1", "--announce-for", "24h"],
            vec![],
            "a function's own configuration",
        ),
        (vec!["status", "--function", "f"], vec![], "no credentials found"),
        (vec!["status", "--data-dir", "/nowhere"], vec![], "/nowhere/keyring.json"),
    ] {
        let ran = keys(&place, &arguments, &[], "");
        assert!(ran.code == 2 && ran.stderr.contains(why), "{why}: {} {}", ran.code, ran.stderr);
    }
    let nowhere = [("AWS_REGION".to_owned(), String::new())];
    let ran = keys(&[], &["status", "--function", "f"], &nowhere, "");
    assert!(ran.code == 2 && ran.stderr.contains("no region"), "{}", ran.stderr);
}

#[test]
fn keys_through_a_function_that_is_not_there_or_fails_could_not_tell() {
    let place = Place::function();
    let gone = keys(&["--function".to_owned(), "nobody".to_owned()], &["status"], &place.environment, "");
    assert!(gone.code == 2 && gone.stderr.contains("Function not found"), "{}", gone.stderr);
    let (moto, ..) = place.aws.as_ref().unwrap();
    moto.gate().close();
    let failed = place.run(&["status"]);
    assert!(failed.code == 2 && failed.stderr.contains("DescribeSecret"), "{}", failed.stderr);
}

fn published(directory: &Path) -> Vec<String> {
    let arguments = ["--data-dir".to_owned(), directory.to_str().unwrap().to_owned()];
    let status = keys(&arguments, &["status", "--json"], &[], "").json();
    let keys = status["keys"].as_array().unwrap().iter();
    keys.map(|key| format!("{} {}", key["alg"].as_str().unwrap(), key["state"].as_str().unwrap())).collect()
}

#[test]
fn serve_rotates_by_itself_and_serves_what_it_made() {
    let bounds =
        r#"{"refresh":0,"last_good":0,"max_age":1,"relying_party":0,"longest_lifetime":1,"skew":0,"margin":1}"#;
    let mut setup = serve::Setup::new(COUNTERSIGN);
    for argument in ["--rotate-every", "2s", "--announce-for", "2s", "--retire-for", "2s", "--dangerous-bounds", bounds]
    {
        setup = setup.arg(argument);
    }
    let serve = setup.start();
    let began = Instant::now();
    while !published(serve.data_dir()).contains(&"RS256 retired".to_owned()) {
        assert!(began.elapsed() < Duration::from_mins(1), "no rotation in a minute");
        std::thread::sleep(Duration::from_millis(200));
    }
    let (_, said) = serve.stop();
    assert!(said.contains("signs from now on") && said.contains("--dangerous-bounds"), "{said}");
}

#[test]
fn serve_refuses_a_rotation_that_would_reject_tokens() {
    for (arguments, why) in [
        (["--rotate-every", "1h", "--announce-for", "8400s"], "shorter than a key is announced for"),
        (["--rotate-every", "720h", "--announce-for", "1h"], "announce_for is 3600 s"),
        (["--rotate-every", "720h", "--retire-for", "2h"], "retire_for is 7200 s"),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let mut command = isolated(COUNTERSIGN, directory.path());
        command
            .args(["serve", "--listen", "127.0.0.1:0", "--data-dir"])
            .arg(directory.path().join("data"))
            .args(arguments);
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(2) && said.contains(why), "{why}: {said}");
        assert!(!directory.path().join("data").exists(), "a bad flag leaves nothing behind");
    }
}

#[test]
fn keys_of_a_function_behind_a_certificate_of_one_s_own_need_the_bundle() {
    let moto = Moto::start_tls();
    let function = ["--function".to_owned(), "nobody".to_owned()];
    let known = keys(&function, &["status"], &moto.environment(), "");
    assert!(known.code == 2 && known.stderr.contains("Function not found"), "{}", known.stderr);
    let without: Vec<_> = moto.environment().into_iter().filter(|(name, _)| name != "AWS_CA_BUNDLE").collect();
    let unknown = keys(&function, &["status"], &without, "");
    assert!(unknown.code == 2 && !unknown.stderr.contains("Function not found"), "{}", unknown.stderr);
    let mut bad = without;
    bad.push(("AWS_CA_BUNDLE".to_owned(), "/nowhere.pem".to_owned()));
    let unreadable = keys(&function, &["status"], &bad, "");
    assert!(unreadable.code == 2 && unreadable.stderr.contains("AWS_CA_BUNDLE: cannot read"), "{}", unreadable.stderr);
}
