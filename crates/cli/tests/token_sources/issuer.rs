//! Our own issuer.

use serde_json::{Value, json};
use testkit::page::{Canned, Front};
use testkit::serve::{Serve, Setup};

use crate::asked::{Asked, ask, text};

const POLICY: &str = r#"
version: 1
audiences:
  aws: { aud: sts.amazonaws.com, profile: aws }
  other: { aud: "https://other.test", profile: generic }
rules:
  - name: loaders
    when: { kind: role, account: ["444455556666"], role: [loader] }
    grant: { audiences: [aws], subject: "svc:{role}", lifetime: 15m }
"#;

const CREDENTIALS: &str = r"
- access_key_id: AKIALOADER
  secret_access_key: secret-of-the-loader
  arn: arn:aws:sts::444455556666:assumed-role/loader/job
- access_key_id: AKIANOBODY
  secret_access_key: secret-of-nobody
  arn: arn:aws:sts::444455556666:assumed-role/nobody/job
";

fn serve() -> Serve {
    Setup::new(env!("CARGO_BIN_EXE_countersign"))
        .file("policy.yaml", POLICY)
        .file("credentials.yaml", CREDENTIALS)
        .start()
}

fn source(url: &str, audience: Option<&str>, profile: Option<&str>) -> Value {
    json!({ "issuer": { "url": url, "audience": audience, "region": null, "aws_profile": profile } })
}

fn by(key: &str, secret: &str, source: &Value) -> Asked {
    ask(source, vec![("AWS_ACCESS_KEY_ID", key), ("AWS_SECRET_ACCESS_KEY", secret)])
}

#[test]
fn a_caller_of_the_chain_or_of_a_profile_gets_a_token_of_a_minute() {
    let serve = serve();
    let by_chain = by("AKIALOADER", "secret-of-the-loader", &source(serve.origin(), Some("aws"), None));
    // A profile is meant, whatever else the environment holds.
    let shared = serve.data_dir().join("aws-credentials");
    let by_profile = ask(
        &source(&serve.url("/token"), Some("sts.amazonaws.com"), Some("loader")),
        vec![
            ("AWS_SHARED_CREDENTIALS_FILE", text(&shared)),
            ("AWS_ACCESS_KEY_ID", "AKIANOBODY"),
            ("AWS_SECRET_ACCESS_KEY", "secret-of-nobody"),
        ],
    );
    for asked in [by_chain, by_profile] {
        let token = asked.token();
        let claim = |name| token.claim(name);
        assert_eq!((claim("iss"), claim("aud")), (Some(serve.origin()), Some("sts.amazonaws.com")));
        assert_eq!(claim("sub"), Some("svc:loader"));
        let time = |name: &str| token.claims()[name].as_i64().unwrap();
        assert_eq!(time("exp") - time("iat"), 60);
    }
}

#[test]
fn a_refusal_is_told_as_the_command_token_tells_it() {
    let serve = serve();
    let audience = |audience| source(serve.origin(), audience, None);
    let refused = by("AKIANOBODY", "secret-of-nobody", &audience(None));
    refused.refused(&[
        "/token refused with HTTP status 403: access_denied: ",
        "`countersign policy explain",
        "\n  request id ",
    ]);
    let loader = |source| by("AKIALOADER", "secret-of-the-loader", source);
    loader(&audience(Some("other"))).refused(&["HTTP status 400: invalid_target: ", "\n  see the policy's audiences"]);
    let wrong = by("AKIALOADER", "wrong", &audience(Some("aws")));
    wrong.refused(&["HTTP status 403: ", "\n  wrong secret key"]);
}

#[test]
fn what_says_nothing_of_the_caller_is_no_refusal() {
    let front = Front::start();
    let asked = |canned| {
        front.answer("POST /token", canned);
        by("AKIALOADER", "secret-of-the-loader", &source(&front.origin(), None, None))
    };
    let away = json!({"error": "temporarily_unavailable", "error_description": "later"});
    asked(Canned::json(503, &away))
        .unknown(&["no token from ", "HTTP status 503: temporarily_unavailable: later\n  the issuer cannot"]);
    asked(Canned::json(404, &"<html>")).unknown(&["HTTP status 404: no explanation"]);
    for answer in [json!({}), json!({"token": "opaque"}), json!({"token": "aa.bb.cc"})] {
        let id = Canned::json(200, &answer).with("x-request-id", "id-1");
        asked(id).unknown(&["/token answered 200 without a token (request id id-1)"]);
    }
    let nobody = ask(&source(&front.origin(), None, Some("missing")), vec![("AWS_CONFIG_FILE", "/dev/null")]);
    nobody.unknown(&["no AWS credentials from the profile missing"]);
    by("AKIALOADER", "x", &source("http://127.0.0.1:1", None, None))
        .unknown(&["asking http://127.0.0.1:1/token for a token"]);
}
