//! Every reason for a refusal, the order of the checks, and what a caller is told: nothing that helps.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use countersign_core::audit::Outcome;
use countersign_core::caller::{CallerFault, Identity};
use countersign_core::issue::{Ask, Issuer, Prepared, Reason, Refusal, sign};
use countersign_core::jwk::{Algorithm, Jwk};
use countersign_core::jws::{Signer, SigningInput, Unavailable};
use countersign_core::policy::Policy;
use countersign_core::response::Response;
use countersign_core::ring::{Ring, RingKey, State};
use countersign_core::url::IssuerUrl;
use serde_json::{Value, json};
use testkit::cast::CAST;

const NOW: i64 = 1_700_000_000;

fn policy() -> Policy {
    let policy = json!({
        "version": 1,
        "default_audience": "api",
        "audiences": {
            "api": { "aud": "https://api.acme.com", "profile": "oauth" },
            "snowflake": { "aud": "https://acme.snowflakecomputing.com", "profile": "snowflake" },
            "wif": { "aud": "acme-wif", "profile": "snowflake-wif" },
            "fast": { "aud": "fast", "profile": "generic", "alg": "ES256" }
        },
        "rules": [
            {
                "name": "loaders",
                "when": { "kind": "role", "account": ["444455556666"], "role": ["snowflake-*"] },
                "grant": {
                    "audiences": ["api", "snowflake", "wif", "fast"], "subject": "svc:{role}", "lifetime": "5m",
                    "scopes": ["read", "write", "session:role:{role}"]
                }
            },
            { "name": "not-in-snowflake", "effect": "deny", "when": { "role": ["*-transform"] }, "audiences": ["snowflake"] },
            { "name": "never", "effect": "deny", "when": { "role": ["*-breakglass"] } },
            {
                "name": "people",
                "when": { "kind": "sso", "account": ["111122223333"], "user_name": ["*@acme.com"] },
                "grant": { "audiences": ["api"], "subject": "{user_name|local_part}" }
            }
        ]
    });
    Policy::from_json(policy.to_string().as_bytes()).unwrap_or_else(|problems| panic!("{problems:#?}"))
}

fn ring() -> Ring {
    let state = State::Signing { announced_at: 0, signing_since: 0 };
    Ring::new(vec![RingKey { public: Jwk::rsa(&[0xff; 256], &[1, 0, 1], None).unwrap(), state }], vec![]).unwrap()
}

struct Request<'a> {
    who: &'a str,
    query: bool,
    content_type: Option<&'a str>,
    body: &'a str,
}

fn prepare(request: &Request<'_>) -> Result<Prepared, Refusal> {
    prepare_with(request, &policy())
}

fn prepare_with(request: &Request<'_>, policy: &Policy) -> Result<Prepared, Refusal> {
    let character = CAST.iter().find(|character| character.who.starts_with(request.who)).expect(request.who);
    let identity = character.identity();
    let ask = Ask {
        request_id: "r1",
        identity: &identity,
        trace_id: None,
        source_ip: Some("192.0.2.1"),
        has_query: request.query,
        content_type: request.content_type,
        body: request.body.as_bytes(),
    };
    let issuer = Issuer::new(IssuerUrl::new("https://id.acme.com").unwrap(), Some(vec!["o-a1b2c3d4e5".into()]));
    issuer.prepare(&ask, Some(policy), Some(&ring()), NOW, "id-1")
}

fn json_body<'a>(who: &'a str, body: &'a str) -> Request<'a> {
    Request { who, query: false, content_type: Some("application/json"), body }
}

fn refusal(request: &Request<'_>) -> Refusal {
    prepare(request).expect_err(request.who)
}

fn error(reason: &Reason) -> (u16, String, String) {
    let response = Response::refusal(reason);
    let body: Value = serde_json::from_slice(&response.body).unwrap();
    let text = |name: &str| body[name].as_str().unwrap().to_owned();
    (response.status, text("error"), text("error_description"))
}

const LOADER: &str = "workload on EC2";

#[test]
fn every_refusal_of_a_caller_is_the_same_bytes_and_headers() {
    let hostile = [
        Request { who: "", query: false, content_type: None, body: "" },
        Request { who: "", query: true, content_type: Some("text/plain"), body: "{{{" },
        Request { who: "", query: false, content_type: Some("application/json"), body: r#"{"audience":"api"}"# },
        Request {
            who: "",
            query: false,
            content_type: Some("application/json"),
            body: r#"{"audience":"nobody","scope":"x"}"#,
        },
        Request { who: "", query: false, content_type: Some("application/json"), body: r#"{"grant_type":"password"}"# },
    ];
    let mut answers = Vec::new();
    let mut refused = 0;
    for character in CAST {
        let may = prepare(&json_body(character.who, "{}")).is_ok();
        for request in &hostile {
            let request = Request { who: character.who, ..*request };
            match prepare(&request) {
                Err(refusal) if !may => {
                    refused += 1;
                    assert_eq!(refusal.audit.outcome, Outcome::Refused);
                    assert!(refusal.audit.reason.is_some());
                    answers.push(Response::refusal(&refusal.reason));
                }
                Ok(_) if !may => panic!("{} got a token", character.who),
                _ => {}
            }
        }
    }
    assert!(refused > 100, "{refused}");
    assert!(answers.iter().all(|answer| *answer == answers[0]));
    assert_eq!(answers[0].status, 403);
    assert_eq!(answers[0].body, br#"{"error":"access_denied","error_description":"this caller gets no token here"}"#);
}

#[test]
fn every_reason_is_reached() {
    let reason = |request: &Request<'_>| refusal(request).reason.to_string();
    for (who, expected) in [
        ("root", "the root user is never accepted"),
        ("federated user", "federated users are never accepted"),
        ("assumed root", "assumed-root sessions are never accepted"),
        ("AWS service", "service principals are never accepted"),
        ("nobody", "the ARN is malformed"),
        (
            "forged role name, reserved prefix without",
            "the role name begins with AWSReservedSSO_ and is not Identity Center's form",
        ),
        ("unauthenticated Cognito", "Cognito identities are never accepted"),
        ("loader, account id of somebody else", "the ARN's account contradicts the account id"),
        ("loader, unique id of another session", "the principal id contradicts the ARN"),
        ("loader of another organisation", "the caller's organisation is o-zzzzzzzzzz"),
        ("loader of no organisation", "the caller's organisation is not known"),
        ("loader, organisation not resolved", "the caller's organisation is not known"),
        ("the loader's name in a stranger's account", "no audience for this caller: no rule allows it"),
        ("break-glass role", "no audience for this caller: the rule `never` denies it"),
        (
            "analyst with two @",
            "no audience for this caller: the rule `people` does not render: user_name has not exactly one @ with something before it",
        ),
    ] {
        assert_eq!(reason(&json_body(who, "{}")), expected, "{who}");
    }
}

#[test]
fn what_sts_would_not_take_is_a_denial() {
    let role = format!("arn:aws:iam::{{account}}:role/{{role}}-{}", "x".repeat(50));
    let claims: serde_json::Map<_, _> = (0..12).map(|n| (format!("c{n}"), json!("x".repeat(1000)))).collect();
    for (key, value, expected) in [
        (
            "session_tags",
            json!({ "who": format!("{{role}}:{}", "x".repeat(250)) }),
            "a session tag would be empty or hold",
        ),
        ("session_tags", json!({ "who": "{partition}:{role}" }), "a session tag would be empty or hold"),
        (
            "source_identity",
            json!(format!("{{role}}-{}", "x".repeat(60))),
            "the source identity would be empty or hold",
        ),
        ("roles", json!([format!("{role}{}", "x".repeat(2000))]), "a role would be empty or hold"),
        ("roles", json!(vec![role; 160]), "the token would be longer than the 20000 characters that AWS STS takes"),
        ("claims", Value::Object(claims), "the token would be longer than the 20000 characters that AWS STS takes"),
    ] {
        let mut policy = json!({
            "version": 1,
            "default_audience": "aws",
            "audiences": { "aws": { "aud": "sts.amazonaws.com", "profile": "aws" } },
            "rules": [{
                "name": "r",
                "when": { "kind": "role", "account": ["444455556666"], "role": ["snowflake-*"] },
                "grant": { "audiences": ["aws"], "subject": "svc:{role}" }
            }]
        });
        policy["rules"][0]["grant"][key] = value;
        let policy =
            Policy::from_json(policy.to_string().as_bytes()).unwrap_or_else(|problems| panic!("{problems:#?}"));
        let reason = prepare_with(&json_body(LOADER, "{}"), &policy).expect_err(key).reason.to_string();
        assert!(reason.contains(expected), "{key}: {reason}");
    }
}

#[test]
fn every_error_on_the_wire() {
    for (body, expected) in [
        (r#"{"audience":"nobody"}"#, (400, "invalid_target")),
        (r#"{"audience":"API"}"#, (400, "invalid_target")),
        (r#"{"audience":"https://api.acme.com/"}"#, (400, "invalid_target")),
        (r#"{"audience":"api","scope":"read admin"}"#, (400, "invalid_scope")),
        (r#"{"scope":"read  write"}"#, (400, "invalid_scope")),
        (r#"{"scope":" read"}"#, (400, "invalid_scope")),
        (r#"{"audience":"wif","scope":"read"}"#, (400, "invalid_scope")),
        (r#"{"grant_type":"authorization_code"}"#, (400, "unsupported_grant_type")),
        (r#"{"expires_in":1}"#, (400, "invalid_request")),
        (r#"{"audience":"fast"}"#, (503, "temporarily_unavailable")),
    ] {
        let refusal = refusal(&json_body(LOADER, body));
        let (status, code, description) = error(&refusal.reason);
        assert_eq!((status, code.as_str()), expected, "{body}: {description}");
        let headers = Response::refusal(&refusal.reason).headers;
        assert!(headers.contains(&("cache-control", "no-store".into())), "{headers:?}");
        assert_eq!(headers.iter().any(|(name, _)| *name == "retry-after"), status == 503, "{headers:?}");
    }
    let unavailable = refusal(&json_body(LOADER, r#"{"audience":"fast"}"#));
    assert_eq!(
        (unavailable.reason.clone(), unavailable.audit.outcome),
        (Reason::NoKey(Algorithm::ES256), Outcome::Failed)
    );
    let transform = refusal(&json_body("workload on Lambda", r#"{"audience":"snowflake"}"#));
    assert_eq!(error(&transform.reason).1, "invalid_target", "one audience denied, others not");
    assert_eq!(
        transform.reason.to_string(),
        "the audience is not for this caller: the rule `not-in-snowflake` denies it"
    );
    let bug = Reason::Bug("the secret cause".into());
    assert_eq!(error(&bug), (500, "server_error".into(), "an internal error".into()));
}

#[test]
fn a_refusal_is_recorded_with_its_audience_and_the_rule_that_decided() {
    let audit = |who, body| {
        let audit = refusal(&json_body(who, body)).audit;
        (audit.audience, audit.rule, audit.subject)
    };
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(audit("break-glass role", "{}"), (None, text("never"), None));
    assert_eq!(audit("analyst with two @", "{}"), (None, text("people"), None));
    assert_eq!(audit(LOADER, r#"{"audience":"nobody"}"#), (text("nobody"), None, None));
    assert_eq!(
        audit("workload on Lambda", r#"{"audience":"snowflake"}"#),
        (text("snowflake"), text("not-in-snowflake"), None)
    );
    assert_eq!(audit("analyst, a person", r#"{"audience":"acme-wif"}"#), (text("wif"), None, None));
    assert_eq!(audit(LOADER, r#"{"scope":"admin"}"#), (text("api"), text("loaders"), None));
    let reason = refusal(&json_body(LOADER, r#"{"scope":"read admin"}"#)).reason.to_string();
    assert_eq!(reason, r#"the scope "admin" is not granted"#);
}

#[test]
fn without_a_default_an_audience_must_be_named() {
    let policy = json!({
        "version": 1,
        "audiences": { "api": { "aud": "https://api.acme.com", "profile": "oauth" } },
        "rules": [{ "name": "loaders", "when": { "kind": "role", "account": ["444455556666"] },
            "grant": { "audiences": ["api"], "subject": "svc:{role}" } }]
    });
    let policy = Policy::from_json(policy.to_string().as_bytes()).unwrap();
    let refused = prepare_with(&json_body(LOADER, ""), &policy).unwrap_err();
    assert_eq!(
        (refused.reason.clone(), error(&refused.reason).1.as_str()),
        (Reason::NoDefaultAudience, "invalid_target")
    );
    assert!(prepare_with(&json_body(LOADER, r#"{"audience":"https://api.acme.com"}"#), &policy).is_ok());
    assert!(prepare_with(&json_body(LOADER, ""), &Policy::default()).is_err(), "no policy: every request is denied");
}

/// Caller and organisation; the caller's audiences; query and body; the audience asked for; the scope.
#[test]
fn the_order_of_the_checks() {
    let bad_everything = r#"{"audience":"nobody","scope":"admin","unknown":1}"#;
    let code = |request: &Request<'_>| error(&refusal(request).reason).1;
    let request = |who, query, content_type, body| Request { who, query, content_type, body };
    let json = Some("application/json");
    assert_eq!(code(&request("root", true, json, bad_everything)), "access_denied");
    assert_eq!(code(&request("loader of another organisation", true, json, bad_everything)), "access_denied");
    assert_eq!(code(&request("break-glass role", true, json, bad_everything)), "access_denied");
    assert_eq!(code(&request(LOADER, true, json, bad_everything)), "invalid_request");
    assert_eq!(
        refusal(&request(LOADER, true, json, bad_everything)).reason.to_string(),
        "the token endpoint takes no query parameters; put them into the body"
    );
    assert_eq!(code(&request(LOADER, false, None, bad_everything)), "invalid_request");
    assert_eq!(
        code(&request(LOADER, false, json, r#"{"audience":"nobody","grant_type":"password","scope":"admin"}"#)),
        "unsupported_grant_type"
    );
    assert_eq!(code(&request(LOADER, false, json, r#"{"audience":"nobody","scope":"admin"}"#)), "invalid_target");
    assert_eq!(code(&request(LOADER, false, json, r#"{"audience":"api","scope":"admin"}"#)), "invalid_scope");
}

#[test]
fn scopes_and_lifetime_are_narrowed_to_what_is_asked() {
    let audit = |body: &str| prepare(&json_body(LOADER, body)).unwrap().audit().clone();
    let all = audit("{}");
    assert_eq!(all.scopes.unwrap(), ["read", "write", "session:role:snowflake-loader"]);
    assert_eq!(all.lifetime, Some(300), "the rule's");
    let some = audit(r#"{"scope":"write read write","expires_in":120}"#);
    assert_eq!((some.scopes.unwrap(), some.lifetime), (vec!["read".to_owned(), "write".to_owned()], Some(120)));
    assert_eq!(audit(r#"{"expires_in":86400}"#).lifetime, Some(300), "never longer than granted");
    assert_eq!(audit(r#"{"audience":"wif"}"#).scopes.unwrap(), Vec::<String>::new(), "a profile without scopes");
}

#[test]
fn the_audit_record_names_everything_and_holds_no_second_line() {
    let prepared = prepare(&json_body(LOADER, "{}")).unwrap();
    let line = prepared.audit().to_line();
    let record: Value = serde_json::from_str(&line).unwrap();
    let kid = prepared.kid().as_str();
    assert_eq!(
        record,
        json!({
            "time": NOW, "request_id": "r1", "outcome": "issued", "account": "444455556666", "kind": "role",
            "principal_id": "AROALOADER23456789ABC:i-0123456789abcdef0",
            "arn": "arn:aws:sts::444455556666:assumed-role/snowflake-loader/i-0123456789abcdef0",
            "source_ip": "192.0.2.1", "audience": "api", "rule": "loaders", "subject": "svc:snowflake-loader",
            "scopes": ["read", "write", "session:role:snowflake-loader"], "lifetime": 300, "jti": "id-1", "kid": kid,
        })
    );
    let forged = Identity::supposed("arn\n{\"outcome\":\"issued\"}", None, None);
    let ask = Ask {
        request_id: "r",
        identity: &forged,
        trace_id: None,
        source_ip: None,
        has_query: false,
        content_type: None,
        body: b"",
    };
    let issuer = Issuer::new(IssuerUrl::new("https://id.acme.com").unwrap(), None);
    let line = issuer.prepare(&ask, Some(&policy()), Some(&ring()), NOW, "id").unwrap_err().audit.to_line();
    assert!(
        !line.contains('\n')
            && line.contains(r#""outcome":"refused","reason_code":"caller","reason":"the ARN is malformed""#),
        "{line}"
    );
    let long = Identity::supposed(&"x".repeat(100_000), None, None);
    let ask = Ask { identity: &long, ..ask };
    assert!(issuer.prepare(&ask, Some(&policy()), Some(&ring()), NOW, "id").unwrap_err().audit.to_line().len() < 3000);
}

/// The order of the checks is the same while a source fails: who is refused learns nothing of it.
#[test]
fn without_policy_or_ring_the_checks_before_it_are_as_ever() {
    let issuer = Issuer::new(IssuerUrl::new("https://id.acme.com").unwrap(), None);
    let (policy, ring) = (policy(), ring());
    let code = |identity: &Identity, body: &'static [u8], policy: Option<&Policy>, ring: Option<&Ring>| {
        let (trace_id, content_type) = (Some("Root=1"), Some("application/json"));
        let ask = Ask { request_id: "r", identity, trace_id, source_ip: None, has_query: false, content_type, body };
        let refusal = issuer.prepare(&ask, policy, ring, NOW, "id").unwrap_err();
        assert_eq!(refusal.audit.reason_code, Some(refusal.reason.code()));
        assert_eq!(refusal.audit.trace_id.as_deref(), Some("Root=1"));
        (refusal.reason.code(), refusal.audit.outcome, Response::refusal(&refusal.reason).status)
    };
    let loader = CAST.iter().find(|one| one.who == LOADER).unwrap().identity();
    let disbelieved = Identity::disbelieved(loader.arn(), CallerFault::OtherApi);
    for (policy, ring) in [(Some(&policy), Some(&ring)), (None, None)] {
        assert_eq!(code(&disbelieved, b"", policy, ring), ("caller", Outcome::Refused, 403));
    }
    assert_eq!(code(&loader, b"", None, Some(&ring)), ("no_policy", Outcome::Failed, 503));
    assert_eq!(code(&loader, b"{", Some(&policy), None), ("request", Outcome::Refused, 400));
    assert_eq!(code(&loader, b"", Some(&policy), None), ("no_ring", Outcome::Failed, 503));
}

struct Broken(Jwk);

impl Signer for Broken {
    fn key(&self) -> &Jwk {
        &self.0
    }

    async fn sign(&self, _: &SigningInput) -> Result<Vec<u8>, Unavailable> {
        Err(Unavailable::Failed("the signer's own words".into()))
    }
}

#[test]
fn a_signer_that_fails_or_is_another_key_gives_no_token() {
    let same = ring().signing(Algorithm::RS256).unwrap().clone();
    let other = Jwk::rsa(&[0xfe; 256], &[1, 0, 1], None).unwrap();
    for (key, words) in [(same, "the signer's own words"), (other, "the signer holds key")] {
        let prepared = prepare(&json_body(LOADER, "{}")).unwrap();
        let refusal = poll(sign(prepared, &Broken(key))).unwrap_err();
        assert!(refusal.audit.reason.as_deref().unwrap().contains(words), "{:?}", refusal.audit);
        assert_eq!(refusal.audit.outcome, Outcome::Failed);
        assert_eq!(
            error(&refusal.reason),
            (503, "temporarily_unavailable".into(), "no token can be signed at the moment".into())
        );
    }
}

/// A future that never waits.
fn poll<T>(future: impl Future<Output = T>) -> T {
    let mut future = std::pin::pin!(future);
    match future.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop())) {
        std::task::Poll::Ready(done) => done,
        std::task::Poll::Pending => panic!("it waits"),
    }
}
