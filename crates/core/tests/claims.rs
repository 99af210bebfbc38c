//! What tokens of each profile say, whole.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use countersign_core::caller::Identity;
use countersign_core::issue::{Ask, Issuer, Prepared};
use countersign_core::jwk::{Algorithm, Jwk};
use countersign_core::policy::Policy;
use countersign_core::ring::{Ring, RingKey, State};
use countersign_core::url::IssuerUrl;
use serde_json::{Value, json};

const NOW: i64 = 1_700_000_000;

fn prepare(audience: &str) -> Prepared {
    let policy = json!({
        "version": 1,
        "audiences": {
            "snowflake": { "aud": "https://acme.snowflakecomputing.com", "profile": "snowflake", "max_lifetime": "1h" },
            "wif": { "aud": "acme-wif", "profile": "snowflake-wif", "alg": "ES256" },
            "deploy": { "aud": "sts.amazonaws.com", "profile": "aws" },
            "api": { "aud": "https://api.acme.com", "profile": "oauth", "alg": "ES384" },
            "plain": { "aud": "plain", "profile": "generic", "include_caller": true }
        },
        "rules": [{
            "name": "users",
            "when": { "kind": "user", "account": ["111122223333"], "path": ["/ci/"] },
            "grant": {
                "audiences": ["snowflake", "wif", "deploy", "api", "plain"],
                "subject": "ci:{user}",
                "scopes": ["session:role:{user|upper}", "session:role:public"],
                "lifetime": "30m",
                "claims": { "team": "t-{account}", "nested": { "list": ["{user}", 7, null, true] } },
                "session_tags": { "user": "{user}", "team": "platform" },
                "transitive_tags": ["team"],
                "source_identity": "{user}",
                "roles": ["arn:aws:iam::{account}:role/deploy"]
            }
        }]
    });
    let policy = Policy::from_json(policy.to_string().as_bytes()).unwrap_or_else(|problems| panic!("{problems:#?}"));
    let state = State::Signing { announced_at: 0, signing_since: 0 };
    let keys = [
        Jwk::rsa(&[0xff; 256], &[1, 0, 1], None),
        Jwk::ec(Algorithm::ES256, &[4; 65], None),
        Jwk::ec(Algorithm::ES384, &[4; 97], None),
    ];
    let ring = Ring::new(keys.into_iter().map(|k| RingKey { public: k.unwrap(), state }).collect(), vec![]).unwrap();
    let arn = "arn:aws:iam::111122223333:user/ci/deployer";
    let identity = Identity::asserted_by_gateway(arn, "111122223333", "AIDADEPLOYER", Some("o-a1b2c3d4e5"), false);
    let body = json!({ "audience": audience }).to_string();
    let ask = Ask {
        request_id: "r",
        identity: &identity,
        trace_id: None,
        source_ip: None,
        has_query: false,
        content_type: Some("application/json"),
        body: body.as_bytes(),
    };
    let issuer = Issuer::new(IssuerUrl::new("https://id.acme.com").unwrap(), None);
    issuer.prepare(&ask, Some(&policy), Some(&ring), NOW, "id-1").unwrap_or_else(|refusal| panic!("{}", refusal.reason))
}

/// The claims every token has, with these added.
fn expected(aud: &str, lifetime: i64, extra: &Value) -> Value {
    let mut claims = json!({
        "iss": "https://id.acme.com", "sub": "ci:deployer", "aud": aud, "iat": NOW, "nbf": NOW - 60,
        "exp": NOW + lifetime, "jti": "id-1",
        "team": "t-111122223333", "nested": { "list": ["deployer", 7, null, true] },
    });
    claims.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    claims
}

#[track_caller]
fn says(audience: &str, alg: Algorithm, typ: &str, claims: &Value) {
    let prepared = prepare(audience);
    assert_eq!((prepared.alg(), prepared.claims().typ()), (alg, typ));
    assert_eq!(&Value::Object(prepared.claims().as_map().clone()), claims);
}

#[test]
fn snowflake_reads_scp_or_scope() {
    let scopes = json!({
        "scp": ["session:role:DEPLOYER", "session:role:public"],
        "scope": "session:role:DEPLOYER session:role:public"
    });
    let claims = expected("https://acme.snowflakecomputing.com", 1800, &scopes);
    says("snowflake", Algorithm::RS256, "JWT", &claims);
}

#[test]
fn snowflake_wif_has_no_scope() {
    says("wif", Algorithm::ES256, "JWT", &expected("acme-wif", 900, &json!({})));
}

#[test]
fn aws_gets_tags_source_identity_and_roles() {
    let claims = json!({
        "https://aws.amazon.com/tags": {
            "principal_tags": { "user": ["deployer"], "team": ["platform"] },
            "transitive_tag_keys": ["team"]
        },
        "https://aws.amazon.com/source_identity": "deployer",
        "https://aws.amazon.com/roles": ["arn:aws:iam::111122223333:role/deploy"]
    });
    says("deploy", Algorithm::RS256, "JWT", &expected("sts.amazonaws.com", 900, &claims));
}

#[test]
fn oauth_is_rfc_9068() {
    let claims = json!({ "client_id": "ci:deployer", "scope": "session:role:DEPLOYER session:role:public" });
    says("api", Algorithm::ES384, "at+jwt", &expected("https://api.acme.com", 900, &claims));
}

#[test]
fn generic_with_the_caller() {
    let claims = json!({
        "scope": "session:role:DEPLOYER session:role:public",
        "aws": {
            "account": "111122223333", "arn": "arn:aws:iam::111122223333:user/ci/deployer",
            "principal_id": "AIDADEPLOYER", "org": "o-a1b2c3d4e5"
        }
    });
    says("plain", Algorithm::RS256, "JWT", &expected("plain", 900, &claims));
}
