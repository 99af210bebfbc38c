//! What an attack on `doctor` found: that it says what `credentials` would do, and to whom it goes, whatever others say.

use std::process::Command;

use serde_json::{Value, json};
use testkit::github;
use testkit::internet::Certificate;
use testkit::page::{Canned, Front};

use crate::broken::{DISCOVERY, Issuer, JWKS, OF_GITHUB, signed};
use crate::chain::Chain;
use crate::world::{ACCOUNT, AUDIENCE, ROLE, run, write};

/// Long ago.
const STALE: &str = "Thu, 01 Jan 2026 00:00:00 GMT";

fn in_file(chain: &Chain, path: &str) -> Command {
    chain.doctor(&["--web-identity-token-file", path, "--role-arn", OF_GITHUB])
}

/// An STS that says another time than its own.
fn stale_sts(chain: &Chain) -> Front {
    let sts = Front::start();
    sts.lead_to(&chain.world.sts.endpoint());
    sts.answer("GET /", Canned::json(200, &"{}").with("date", STALE));
    sts
}

#[test]
fn a_clock_that_turns_out_to_be_right_stops_nothing() {
    let chain = Chain::new();
    let (sts, file) = (stale_sts(&chain), chain.file("token", &signed(&json!({}))));
    let told = chain.told(in_file(&chain, &file).env("AWS_ENDPOINT_URL_STS", sts.origin()));
    let [check, status, found] = told.first().unwrap();
    assert!([check, status] == ["clock", "warning"] && found.contains("do not agree"), "{told:#?}");
    let [check, status, _] = *told.checks().last().unwrap();
    assert_eq!((check, status, told.code), ("role", "ok", Some(0)), "{told:#?}");
}

#[test]
fn what_was_not_asked_because_of_the_clock_is_not_good_whatever_others_say_of_it_then() {
    let chain = Chain::new();
    let (keys, front, sts) = (Issuer::new(&chain, "keys"), Front::start(), stale_sts(&chain));
    let document = keys.discovery(&json!({"issuer": "https://stale.test"}));
    front.answer(DISCOVERY, Canned::json(200, &document).with("date", STALE));
    chain.internet.lead("stale.test", &front.origin(), Certificate::Good);
    let mut command = chain.doctor(&["--url", "https://stale.test", "--role-arn", ROLE]);
    let told = chain.told(command.env("AWS_ENDPOINT_URL_STS", sts.origin()));
    assert_eq!(told.first().map(|[check, status, _]| [check, status]), Some(["clock", "failed"]), "{told:#?}");
    assert_eq!((told.code, &told.json["ok"]), (Some(1), &json!(false)), "{told:#?}");
}

#[test]
fn an_issuer_that_sts_reaches_and_this_machine_does_not_is_a_warning() {
    let chain = Chain::new();
    let issuer = Issuer::new(&chain, "far");
    let document =
        issuer.discovery(&json!({"issuer": "https://farther.test", "jwks_uri": "https://farther.test/jwks"}));
    issuer.front.answer(DISCOVERY, Canned::json(200, &document));
    chain.lets_in("farther", "https://farther.test", &issuer.front.origin(), github::SUBJECT);
    let (file, role) =
        (signed(&json!({"iss": "https://farther.test"})), format!("arn:aws:iam::{ACCOUNT}:role/farther"));
    let file = chain.file("farther", &file);
    let told = chain.told(&mut chain.doctor(&["--web-identity-token-file", &file, "--role-arn", &role]));
    assert_eq!(told.first().map(|[check, status, _]| [check, status]), Some(["endpoint", "warning"]), "{told:#?}");
    assert_eq!((told.code, &told.json["ok"]), (Some(0), &json!(true)), "{told:#?}");
}

#[test]
fn a_front_page_without_an_end_is_not_what_is_asked_for() {
    let (chain, front) = (Chain::new(), Front::start());
    front.lead_to(&chain.github.origin());
    front.answer("GET /", Canned::json(200, &json!("x".repeat(1024 * 1024))));
    let mut command = chain.doctor(&["--github", "--role-arn", OF_GITHUB]);
    for (name, value) in chain.github.environment() {
        command.env(name, value.replace(&chain.github.origin(), &front.origin()));
    }
    let told = chain.told(&mut command);
    assert_eq!(told.first().map(|[check, status, _]| [check, status]), Some(["endpoint", "warning"]), "{told:#?}");
    assert_eq!(told.code, Some(0), "{told:#?}");
}

#[test]
fn a_pipe_gives_a_secret_once() {
    let chain = Chain::new();
    let (pipe, secret) = (chain.world.home().join("pipe"), chain.idp.client_secret().to_owned());
    assert!(Command::new("mkfifo").args(["-m", "600"]).arg(&pipe).status().unwrap().success());
    let (path, role) = (pipe.display().to_string(), format!("arn:aws:iam::{ACCOUNT}:role/idp"));
    let client =
        ["--oauth-issuer", "https://idp.test", "--oauth-client-id", chain.idp.client_id(), "--audience", AUDIENCE];
    let mut command =
        chain.doctor(&[&client[..], &["--role-arn", &role, "--oauth-client-secret-file", &path]].concat());
    let writer = std::thread::spawn(move || std::fs::write(pipe, secret).unwrap());
    let told = chain.told(command.env_remove("COUNTERSIGN_OAUTH_CLIENT_SECRET"));
    assert_eq!(told.code, Some(0), "{told:#?}");
    writer.join().unwrap();
}

#[test]
fn a_token_does_not_say_who_is_asked_on_this_machine() {
    let (chain, here) = (Chain::new(), Front::start());
    let told = chain.told(&mut in_file(&chain, &chain.file("token", &signed(&json!({"iss": here.origin()})))));
    let [check, _, found] = told.first().unwrap();
    assert!(check == "discovery" && found.contains("IAM takes no issuer \"http://127.0.0.1"), "{told:#?}");
    assert!(here.came().is_empty());
}

#[test]
fn what_to_do_is_about_what_was_found() {
    let chain = Chain::new();
    let (html, many, idp) = (Issuer::new(&chain, "html"), Issuer::new(&chain, "many"), Front::start());
    html.front.answer(DISCOVERY, Canned::json(200, &"<html>"));
    let keys: Vec<Value> = (0..5000).map(|_| json!({"kty": "RSA"})).collect();
    many.front.answer(JWKS, Canned::json(200, &json!({"keys": keys})));
    let document = json!({"issuer": idp.origin(), "token_endpoint": "https://nowhere.test/token"});
    idp.answer(DISCOVERY, Canned::json(200, &document));
    let idp = idp.origin();
    let client = chain.doctor(&["--oauth-issuer", &idp, "--oauth-client-id", "x", "--role-arn", ROLE]);
    let home = chain.world.home().display().to_string();
    let empty = chain.file("empty.pem", "no certificate\n");
    let file = chain.file("token", &signed(&json!({})));
    let deploy = || chain.doctor(&["--profile", "deploy"]);
    let with = |mut command: Command, name, value: &str| {
        command.env(name, value);
        command
    };
    for (mut command, check, found, advice) in [
        (html.doctor(), "discovery", "it is not proper JSON", "the issuer has to mend it"),
        (many.doctor(), "jwks", "and 4994 more", "the issuer has to mend it"),
        (client, "token", "asking https://nowhere.test/token", "is that where tokens are given?"),
        (with(deploy(), "AWS_CA_BUNDLE", &home), "credentials", "AWS_CA_BUNDLE: cannot read", "names a file of cert"),
        (with(deploy(), "AWS_CA_BUNDLE", &empty), "credentials", "AWS_CA_BUNDLE: no certificate in", "names a file of"),
        (with(in_file(&chain, &file), "AWS_CA_BUNDLE", &empty), "endpoint", "no certificate in", "names a file of"),
        (
            with(in_file(&chain, &file), "AWS_USE_FIPS_ENDPOINT", "true"),
            "endpoint",
            "sts-fips.",
            "AWS_USE_FIPS_ENDPOINT",
        ),
        (with(deploy(), "AWS_SECRET_ACCESS_KEY", "secret/of+ci\n"), "credentials", "a line's end", "sign in"),
    ] {
        let told = chain.told(&mut command);
        let first = told.first().unwrap();
        assert!(first[0] == check && first[2].contains(found) && first[2].len() < 2000, "{check} {found}: {told:#?}");
        assert!(told.advice(check).any(|line| line.contains(advice)), "{check} {found}: {told:#?}");
        assert!(!told.advice(check).any(|line| line.contains("to the letter")), "{told:#?}");
    }
    let told = chain.told(&mut with(deploy(), "HTTPS_PROXY", "http://127.0.0.1:1"));
    assert!(!told.advice("endpoint").any(|line| line.contains("AWS_USE_FIPS_ENDPOINT")), "{told:#?}");
    // How each place was looked at is no advice, and comes after it.
    let told = chain.told(deploy().env_remove("AWS_ACCESS_KEY_ID"));
    assert!(told.advice("credentials").next().unwrap().starts_with("sign in"), "{told:#?}");
}

#[test]
fn flags_that_are_none_have_their_answer_in_json_too() {
    let chain = Chain::new();
    for flags in [&["--role-arn", "arn:nothing"][..], &["--nope"], &["--duration-seconds", "1"]] {
        let told = chain.told(&mut chain.doctor(flags));
        assert_eq!(told.first().map(|[check, status, _]| [check, status]), Some(["settings", "failed"]), "{told:#?}");
        assert_eq!((told.code, &told.json["ok"]), (Some(2), &json!(false)), "{told:#?}");
    }
    let help = run(&mut chain.doctor(&["--json", "--help"]));
    assert!(help.code == Some(0) && help.stdout.starts_with("Look at everything"), "{help:?}");
}

#[test]
fn a_region_that_is_empty_says_nothing() {
    let (chain, front) = (Chain::new(), Front::start());
    write(&chain.world.home().join(".aws/config"), "[default]\nregion = eu-west-1\n");
    front.answer("POST /token", Canned::json(403, &"{}"));
    chain.internet.lead("front.test", &front.origin(), Certificate::Good);
    let signed_for = |variables: &[(&str, &str)]| {
        let mut command = chain.doctor(&["--url", "https://front.test", "--role-arn", ROLE]);
        chain.internet.lead("sts.eu-west-1.amazonaws.com", &chain.world.sts.endpoint(), Certificate::Good);
        front.answer(DISCOVERY, Canned::json(404, &"{}"));
        let told = chain.told(command.env_remove("AWS_REGION").envs(variables.iter().copied()));
        assert!(told.checks()[3][2].starts_with("STS is https://sts.eu-west-1."), "{told:#?}");
        let came = front.came().into_iter().find(|came| came.what == "POST /token").unwrap();
        came.authorization.split('/').nth(2).unwrap().to_owned()
    };
    for variables in [&[][..], &[("AWS_REGION", "")], &[("AWS_REGION", ""), ("AWS_DEFAULT_REGION", "")]] {
        assert_eq!(signed_for(variables), "eu-west-1", "{variables:?}");
    }
    write(&chain.world.home().join(".aws/config"), "");
    assert_eq!(signed_for(&[("AWS_REGION", ""), ("AWS_DEFAULT_REGION", "eu-west-1")]), "eu-west-1");
}
