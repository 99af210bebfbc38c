//! AWS's own clients: the command line, which gets credentials and uses them, and botocore with credentials of all kinds.

use std::io::{BufRead, BufReader, Write as _};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use testkit::sts::{Outcome, Sts, Use};
use testkit::tools;

use crate::world::{DEPLOY, Reply, World};

#[test]
fn the_aws_command_line_gets_a_session_and_is_known_by_it() {
    let world = World::start();
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("token");
    std::fs::write(&file, world.token(&json!({}))).unwrap();
    let aws = |role: &str| {
        let mut aws = tools::isolated(tools::aws(), home.path());
        aws.args(["sts", "get-caller-identity"]).env("AWS_ENDPOINT_URL_STS", world.sts.endpoint());
        aws.env("AWS_ROLE_ARN", role)
            .env("AWS_WEB_IDENTITY_TOKEN_FILE", &file)
            .env("AWS_DEFAULT_REGION", "eu-central-1")
            .env("AWS_ROLE_SESSION_NAME", "cli");
        aws.output().unwrap()
    };
    let output = aws(DEPLOY);
    assert!(output.status.success(), "{output:?}");
    let known: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(known["Arn"], "arn:aws:sts::444455556666:assumed-role/deploy/cli");
    assert_eq!(known["Account"], "444455556666");
    assert!(known["UserId"].as_str().unwrap().ends_with(":cli"), "{known}");
    let calls = world.sts.calls();
    let [call] = &calls[..] else { unreachable!("{calls:?}") };
    let Outcome::Given(access_key_id) = call.outcome.clone() else { unreachable!("{call:?}") };
    let consumed = world.sts.consumed();
    let [Use { access_key_id: used, user_agent, refused: None }] = &consumed[..] else { unreachable!("{consumed:?}") };
    assert_eq!(*used, access_key_id);
    assert!(user_agent.starts_with("aws-cli/"), "{user_agent}");

    let refused = aws("arn:aws:iam::444455556666:role/nobody");
    let told = String::from_utf8(refused.stderr).unwrap();
    let wanted =
        "(AccessDenied) when calling the AssumeRoleWithWebIdentity operation: Not authorized to perform sts:Assume";
    assert!(told.contains(wanted), "{told}");
}

/// `[key id, secret, token]`.
fn credentials(reply: &Reply) -> [String; 3] {
    ["AccessKeyId", "SecretAccessKey", "SessionToken"].map(|name| reply.element(name).unwrap().to_owned())
}

fn botocore(sts: &Sts) -> Command {
    let mut python = tools::isolated(tools::python(), &std::env::temp_dir());
    python.arg(tools::workspace_root().join("crates/testkit/tests/sts/caller.py"));
    python.env("AWS_ENDPOINT_URL_STS", sts.endpoint());
    python
}

#[test]
fn only_credentials_that_were_given_and_have_not_ended_are_known() {
    let world = World::start();
    let [key, secret, token] = credentials(&world.call(&[]));
    let [other_key, other_secret, other_token] = credentials(&world.call(&[]));
    world.sts.lifetime(Duration::from_secs(2));
    let [short_key, short_secret, short_token] = credentials(&world.call(&[("DurationSeconds", "900")]));
    let short = world.sts.session(&short_key).unwrap().expires;

    let mut child = botocore(&world.sts).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut requests = child.stdin.take().unwrap();
    let mut answers = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut ask = |request: Value| {
        writeln!(requests, "{request}").unwrap();
        let answer: Value = serde_json::from_str(&answers.next().unwrap().unwrap()).unwrap();
        answer["error"].as_str().map_or_else(|| answer["answer"]["Arn"].to_string(), str::to_owned)
    };
    let known = "\"arn:aws:sts::444455556666:assumed-role/deploy/app\"";
    assert_eq!(ask(json!([key, secret, token])), known);
    assert_eq!(ask(json!([other_key, other_secret, other_token])), known);
    let (signature, invalid) = ("SignatureDoesNotMatch", "InvalidClientTokenId");
    for (request, expected) in [
        // Halves of two sessions, as of a file that was read while it was written.
        (json!([key, other_secret, token]), signature),
        (json!([key, secret, other_token]), invalid),
        (json!([other_key, secret, token]), invalid),
        (json!(["ASIAAAAAAAAAAAAAAAAA", secret, token]), invalid),
        (json!([key, secret, null]), invalid),
        // What was signed is not what came.
        (json!([key, secret, token, "changed"]), signature),
    ] {
        assert_eq!(ask(request.clone()), expected, "{request}");
    }
    let began = Instant::now();
    while crate::world::now() < short {
        assert!(began.elapsed() < Duration::from_secs(10));
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(ask(json!([short_key, short_secret, short_token])), "ExpiredToken");
    assert_eq!(ask(json!([key, secret, token])), known, "those that were given before live on");

    drop(requests);
    assert!(child.wait().unwrap().success());
    let consumed = world.sts.consumed();
    assert_eq!(consumed.iter().filter(|one| one.refused.is_none()).count(), 3);
    assert_eq!(consumed.len(), 10);
    let Use { access_key_id, refused, .. } = &consumed[8];
    assert_eq!((access_key_id, refused.as_deref()), (&short_key, Some("ExpiredToken")));
}

#[test]
fn a_session_ends_when_it_was_asked_to_or_when_a_test_says() {
    let world = World::start();
    let ends = || {
        let before = crate::world::now();
        let reply = world.call(&[("DurationSeconds", "900")]);
        world.sts.session(reply.element("AccessKeyId").unwrap()).unwrap().expires - before
    };
    assert!((900..=905).contains(&ends()));
    world.sts.lifetime(Duration::from_secs(12));
    assert!((12..=17).contains(&ends()));
    world.sts.lifetime(Duration::from_hours(2));
    assert!((900..=905).contains(&ends()));
}
