//! What is issued always verifies against what the JWKS shows: for all callers, audiences, lanes and key sizes, by a
//! verifier that shares no code with the signer.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::sync::LazyLock;
use std::time::{SystemTime, UNIX_EPOCH};

use countersign_core::caller::Identity;
use countersign_core::issue::{Ask, Issuer};
use countersign_core::policy::Policy;
use countersign_core::url::IssuerUrl;
use countersign_keys::Keyring;
use proptest::prelude::*;
use serde_json::{Value, json};
use testkit::{keys, verifier};

const ISSUER: &str = "https://id.acme.com/tokens";

/// A ring whose RS256 key is this one, with one key of each elliptic lane beside it.
fn ring(rsa: &str) -> Keyring {
    let now = 0;
    let mut document: Option<Value> = None;
    for pem in [rsa, keys::P256, keys::P384] {
        let one: Value = serde_json::from_slice(&Keyring::import(pem, None, now).unwrap().to_json()).unwrap();
        match &mut document {
            None => document = Some(one),
            Some(all) => all["keys"].as_array_mut().unwrap().push(one["keys"][0].clone()),
        }
    }
    Keyring::from_json(document.unwrap().to_string().as_bytes(), now).unwrap()
}

static RINGS: LazyLock<Vec<Keyring>> =
    LazyLock::new(|| [keys::RSA_2048, keys::RSA_3072, keys::RSA_4096].map(ring).into());

static POLICY: LazyLock<Policy> = LazyLock::new(|| {
    let audience =
        |alg: &str, profile: &str| json!({ "aud": format!("{profile}-{alg}"), "profile": profile, "alg": alg });
    let policy = json!({
        "version": 1,
        "audiences": {
            "a": audience("RS256", "snowflake"), "b": audience("ES256", "generic"), "c": audience("ES384", "oauth"),
            "d": audience("RS256", "aws"), "e": audience("ES256", "snowflake-wif"),
        },
        "rules": [{
            "name": "all", "when": { "kind": "role", "account": ["444455556666"] }, "trust_session_name": true,
            "grant": {
                "audiences": ["a", "b", "c", "d", "e"], "subject": "{role}:{session_name}", "scopes": ["session:role-any"],
                "claims": { "session": "{session_name|upper}", "text": "Größe \"\\ \u{1f600}" }
            }
        }]
    });
    Policy::from_json(policy.to_string().as_bytes()).unwrap_or_else(|problems| panic!("{problems:#?}"))
});

/// A future that never waits.
fn poll<T>(future: impl Future<Output = T>) -> T {
    let mut future = std::pin::pin!(future);
    match future.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop())) {
        std::task::Poll::Ready(done) => done,
        std::task::Poll::Pending => panic!("it waits"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_issued_verifies_against_what_is_published(
        role in "[A-Za-z0-9_+=,.@-]{1,64}",
        session in "[A-Za-z0-9_+=,.@-]{2,64}",
        audience in proptest::sample::select(vec!["a", "b", "c", "d", "e"]),
        expires_in in proptest::option::of(60u32..4000),
        ring in 0usize..3,
    ) {
        prop_assume!(!role.to_ascii_lowercase().starts_with("awsreservedsso_"));
        let keyring = &RINGS[ring];
        let arn = format!("arn:aws:sts::444455556666:assumed-role/{role}/{session}");
        let identity = Identity::supposed(&arn, None, None);
        let body = match expires_in {
            Some(seconds) => json!({ "audience": audience, "expires_in": seconds }),
            None => json!({ "audience": audience }),
        }.to_string();
        let ask = Ask {
            request_id: "r", identity: &identity, trace_id: None, source_ip: None, has_query: false,
            content_type: Some("application/json"), body: body.as_bytes(),
        };
        let now = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap();
        let issuer = Issuer::new(IssuerUrl::new(ISSUER).unwrap(), None);
        let (response, audit) = poll(issuer.issue(&ask, Some(&POLICY), Some(keyring.public()), |kid| keyring.signer(kid), now, "id"));
        prop_assert_eq!(response.status, 200, "{}", audit.to_line());
        let body: Value = serde_json::from_slice(&response.body).unwrap();
        prop_assert_eq!(&body["token"], &body["access_token"]);
        let jwks = serde_json::to_value(keyring.public().published().unwrap()).unwrap();
        let aud = ["snowflake-RS256", "generic-ES256", "oauth-ES384", "aws-RS256", "snowflake-wif-ES256"]
            [usize::from(audience.as_bytes()[0] - b'a')];
        let verified = verifier::verify(body["token"].as_str().unwrap(), &jwks, ISSUER, aud);
        let verified = verified.map_err(|refused| TestCaseError::fail(format!("{refused:?}")))?;
        prop_assert_eq!(verified.claims["sub"].as_str().unwrap(), format!("{role}:{session}"));
        prop_assert_eq!(verified.kid, audit.kid.unwrap());
    }
}
