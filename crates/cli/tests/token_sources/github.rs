//! The runner of GitHub Actions.

use serde_json::{Value, json};
use testkit::github::{GitHub, ISSUER, SUBJECT};
use testkit::page::{Canned, Front, Page};
use testkit::verifier::verify;

use crate::asked::{Asked, ask, fetched};

const AUDIENCE: &str = "sts.amazonaws.com";

fn source(audience: &str) -> Value {
    json!({ "git_hub": { "audience": audience } })
}

/// Asks at this URL with this request token, nothing for a variable that is not there.
fn at(url: Option<&str>, token: Option<&str>) -> Asked {
    let variables = [("ACTIONS_ID_TOKEN_REQUEST_URL", url), ("ACTIONS_ID_TOKEN_REQUEST_TOKEN", token)];
    ask(&source(AUDIENCE), variables.into_iter().filter_map(|(name, value)| Some((name, value?))).collect())
}

#[test]
fn a_job_gets_its_token_for_the_audience_as_it_is_written() {
    let github = GitHub::start();
    for audience in [AUDIENCE, "https://api.test/a b?c=d&e+f=%25#é"] {
        let token = ask(&source(audience), github.environment()).token();
        let verified = verify(token.text(), &GitHub::jwks(), ISSUER, audience).unwrap();
        assert_eq!(verified.claims["sub"], SUBJECT);
    }
    // Where the issuer is looked for, this is at its place.
    let read =
        |path: &str| -> Value { serde_json::from_slice(&fetched(&format!("{}{path}", github.origin()))).unwrap() };
    let document = read("/.well-known/openid-configuration");
    assert_eq!(document["issuer"], ISSUER);
    assert_eq!(read(document["jwks_uri"].as_str().unwrap().strip_prefix(ISSUER).unwrap()), GitHub::jwks());
}

#[test]
fn outside_of_a_job_that_may_have_a_token_that_is_said() {
    for (url, token) in [
        (None, None),
        (Some("http://127.0.0.1:1/?a=b"), None),
        (None, Some("x")),
        (Some(""), Some("x")),
        (Some("http://127.0.0.1:1/?a=b"), Some("")),
    ] {
        at(url, token).unknown(&["are not both set: GitHub Actions sets them", "`permissions: id-token: write`"]);
    }
}

#[test]
fn the_request_token_goes_nowhere_but_to_a_safe_url() {
    let secret = "a-request-token";
    for (url, why) in [
        ("http://runner.test/?a=b", "ACTIONS_ID_TOKEN_REQUEST_URL is neither https nor http with a loopback host"),
        ("http://127.0.0.1.runner.test/", "is neither https nor http with a loopback host"),
        ("https://runner.test@127.0.0.1/", "has a user name or password"),
        ("runner.test", "is not a URL"),
    ] {
        let asked = at(Some(url), Some(secret));
        asked.unknown(&[why]);
        asked.hides(&[secret]);
    }

    let (front, elsewhere) = (Front::start(), Front::start());
    elsewhere.answer("GET /there", Canned::json(200, &json!({"value": "e30.e30.AA"})));
    front.answer("GET /", Canned::json(302, &"").with("location", format!("{}/there", elsewhere.origin())));
    at(Some(&front.origin()), Some(secret)).unknown(&["no token from GitHub: HTTP status 302"]);
    assert_eq!(front.came()[0].authorization, format!("bearer {secret}"));
    assert!(elsewhere.came().is_empty());

    let asked = at(Some(&front.origin()), Some("a\nb"));
    asked.unknown(&["ACTIONS_ID_TOKEN_REQUEST_TOKEN is no token"]);
    assert!(front.came().is_empty());
}

#[test]
fn a_server_that_stumbles_is_asked_three_times_and_a_refusal_once() {
    let github = GitHub::start();
    github.fail(&[503, 429]);
    ask(&source(AUDIENCE), github.environment()).token();
    assert_eq!(github.requests(), 3);

    github.fail(&[500, 502, 504]);
    ask(&source(AUDIENCE), github.environment())
        .unknown(&["no token from GitHub: HTTP status 504: as a test wants it"]);
    assert_eq!(github.requests(), 6);

    github.fail(&[403]);
    ask(&source(AUDIENCE), github.environment()).refused(&[
        "GitHub refused a token with HTTP status 403: as a test wants it\n",
        "`permissions: id-token: write`",
    ]);
    assert_eq!(github.requests(), 7);
}

#[test]
fn a_request_token_that_github_quotes_is_not_repeated() {
    let github = GitHub::start();
    let secret = "short-and-secret";
    let asked = at(Some(&github.environment()[0].1), Some(secret));
    asked.refused(&["HTTP status 401: no job has the token in \"bearer (...)\"", "must still be running"]);
    asked.hides(&[secret]);
}

#[test]
fn an_answer_without_a_token_is_none() {
    for body in ["", "{}", "<html>", r#"{"value": "opaque"}"#, r#"{"value": ""}"#, r#"{"value": 1}"#] {
        at(Some(&Page::start(200, body).url()), Some("x")).unknown(&["GitHub answered 200 without a token"]);
    }
    at(Some("http://127.0.0.1:1/"), Some("x")).unknown(&["asking GitHub for a token"]);
}
