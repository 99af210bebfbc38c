//! The API of `examples/relying-party`: whom it believes, and everything that it refuses.

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use testkit::clock::Clock;
use testkit::serve::Setup;
use testkit::tools;

use crate::world::{Background, COUNTERSIGN, PERSON, WAREHOUSE, api, example, run, serve, text, token};

/// What the API answers to this `Authorization` header: the status, the `WWW-Authenticate` header and the body.
fn ask(api: &Background, path: &str, authorization: Option<&str>) -> (u16, String, Value) {
    let mut config = format!("url = \"{}{path}\"\n", api.origin());
    if let Some(value) = authorization {
        let _ = writeln!(config, "header = \"Authorization: {value}\"");
    }
    let mut curl = tools::isolated("curl", &std::env::temp_dir());
    curl.args(["--disable", "--config", "-", "--silent", "--show-error", "--output", "-"]);
    curl.args(["--write-out", "\n%{http_code}\n%header{www-authenticate}"]);
    let mut child = curl.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("curl starts");
    child.stdin.take().expect("it is piped").write_all(config.as_bytes()).expect("it reads its input");
    let stdout = text(&child.wait_with_output().expect("it ends").stdout);
    let [body, status, challenge] = stdout.split('\n').collect::<Vec<_>>()[..] else { unreachable!("{stdout}") };
    (status.parse().expect("a status"), challenge.to_owned(), serde_json::from_str(body).expect("JSON"))
}

fn assert_refused(api: &Background, token: &str, fault: &str) {
    let (status, challenge, body) = ask(api, "/whoami", Some(&format!("Bearer {token}")));
    assert_eq!((status, &body), (401, &json!({"error": "invalid_token", "error_description": fault})));
    assert_eq!(challenge, format!("Bearer error=\"invalid_token\", error_description=\"{fault}\""));
}

#[test]
fn it_believes_a_token_for_itself_and_no_other() {
    let (serve, stranger) = (serve(), serve());
    let api = api(&serve, WAREHOUSE, &[]);
    let good = token(&serve, PERSON, "warehouse-api");
    let (status, _, body) = ask(&api, "/whoami", Some(&format!("bearer {good}")));
    assert_eq!((status, &body["subject"]), (200, &json!("JANE")));

    assert_refused(&api, &token(&serve, PERSON, "snowflake"), "InvalidAudienceError");
    assert_refused(&api, &token(&stranger, PERSON, "warehouse-api"), "PyJWKClientError");
    assert_refused(&api, "a.b", "DecodeError");
    // The last character but one of a signature of 86 characters is all signature.
    let (rest, last) = good.split_at(good.len() - 1);
    let changed =
        format!("{}{}{last}", &rest.get(..rest.len() - 1).expect("ASCII"), if rest.ends_with('A') { 'B' } else { 'A' });
    assert_refused(&api, &changed, "InvalidSignatureError");

    for none in [None, Some("Basic dXNlcjpwYXNz"), Some("Bearer"), Some("")] {
        let (status, challenge, body) = ask(&api, "/whoami", none);
        assert_eq!((status, challenge.as_str(), body), (401, "Bearer", json!({"error": "no_token"})));
    }
    assert_eq!(ask(&api, "/other", Some(&format!("Bearer {good}"))).0, 404);
}

#[test]
fn it_believes_a_token_until_it_expires() {
    let (serve, clock) = (serve(), Clock::start());
    let api = api(&serve, WAREHOUSE, &clock.environment());
    let token = token(&serve, PERSON, "warehouse-api");
    assert_eq!(ask(&api, "/whoami", Some(&format!("Bearer {token}"))).0, 200);
    clock.advance(Duration::from_mins(16));
    assert_refused(&api, &token, "ExpiredSignatureError");
}

/// A token of another kind with the same audience: an ID token, say.
#[test]
fn it_refuses_a_token_that_is_no_access_token() {
    let policy = std::fs::read_to_string(example("policy.yaml")).expect("the starting policy");
    let generic = policy.replace("profile: oauth", "profile: generic");
    assert_ne!(generic, policy);
    let serve = Setup::new(COUNTERSIGN).file("policy.yaml", &generic).start();
    let api = api(&serve, WAREHOUSE, &[]);
    assert_refused(&api, &token(&serve, PERSON, "warehouse-api"), "InvalidTokenError");
}

#[test]
fn it_cannot_tell_without_keys() {
    let serve = serve();
    let api = api(&serve, WAREHOUSE, &[]);
    let token = token(&serve, PERSON, "warehouse-api");
    drop(serve);
    let (status, _, body) = ask(&api, "/whoami", Some(&format!("Bearer {token}")));
    assert_eq!((status, body), (503, json!({"error": "keys_unavailable"})));
}

#[test]
fn it_does_not_start_with_an_issuer_of_another_name() {
    let serve = Setup::new(COUNTERSIGN).arg("--issuer-url").arg("https://tokens.acme.example").start();
    let mut command = tools::isolated(tools::python(), serve.data_dir());
    let output = run(command.arg(example("relying-party/api.py")).args([serve.origin(), WAREHOUSE, "0"]));
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("says that it is https://tokens.acme.example"), "{output:?}");
}
