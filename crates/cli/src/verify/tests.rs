use serde_json::json;

use super::fixture::{RSA, es256, set, token, with};
use super::*;

const ISSUER: &str = "https://issuer.example";
const NOW: i64 = 1_767_226_080;

fn expected() -> Expected<'static> {
    Expected { issuer: ISSUER, audience: Some("db"), now: NOW, leeway: 0 }
}

fn claims() -> Vec<u8> {
    json!({"iss": ISSUER, "aud": "db", "sub": "ada", "iat": NOW, "exp": NOW + 900}).to_string().into_bytes()
}

fn codes(report: &Report) -> Vec<&'static str> {
    report.problems.iter().map(Problem::code).collect()
}

#[test]
fn a_good_token_is_valid_and_says_why() {
    let report = check(&RSA.sign(&json!({"typ": "JWT"}), &claims()), &set(&[&RSA.jwk]), &expected());
    assert!(report.is_valid() && report.signature_verified());
    assert_eq!(codes(&report), [""; 0]);
    assert_eq!(report.claims().unwrap()["sub"], "ada");
    assert_eq!(report.unverified_claims(), None);
    let text = report.to_string();
    let wanted = "the token is valid\n  ok       signature: RS256 with key \"rsa\"\n  ok       issuer: \"https://issuer.example\"\n  ok       audience: \"db\"\n  ok       expires: 2026-01-01 00:23:00 UTC, in 15 minutes\n  ok       issued_at: 2026-01-01 00:08:00 UTC, 0 seconds ago\nheader: {\n";
    assert!(text.starts_with(wanted), "{text}");
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(
        (&json["valid"], &json["signature_verified"], &json["problems"]),
        (&json!(true), &json!(true), &json!([]))
    );
    assert_eq!(json["passed"][0], json!({"code": "signature", "message": "RS256 with key \"rsa\""}));
    assert_eq!(json["header"]["typ"], "JWT");
    assert_eq!(json["claims"]["sub"], "ada");
    assert!(json.get("unverified_claims").is_none());
}

#[test]
fn a_signed_token_with_bad_claims_is_verified_and_not_valid() {
    let payload = json!({"iss": "https://other.example", "aud": ["x"], "exp": NOW - 180}).to_string();
    let report = check(&RSA.sign(&json!({}), payload.as_bytes()), &set(&[&RSA.jwk]), &expected());
    assert!(!report.is_valid() && report.signature_verified());
    assert_eq!(codes(&report), ["issuer", "audience", "expired"]);
    assert!(report.to_string().starts_with("the token is not valid\n  problem  issuer: "));
    let json = serde_json::to_value(&report).unwrap();
    let expired = json!({"code": "expired", "since": NOW - 180, "ago": 180, "message": "expired 2026-01-01 00:05:00 UTC, 3 minutes ago"});
    assert_eq!(json["problems"][2], expired);
    assert_eq!(json["claims"]["aud"], json!(["x"]));
}

#[test]
fn without_a_good_signature_claims_are_unverified_and_the_report_says_so_first() {
    let (issuer, thief) = (es256("a"), es256("a"));
    let payload = json!({"iss": ISSUER, "aud": "db", "exp": NOW - 1, "sub": "\u{9b}2J"}).to_string();
    let report = check(&thief.sign(&json!({}), payload.as_bytes()), &set(&[&issuer.jwk]), &expected());
    assert!(!report.is_valid() && !report.signature_verified());
    assert_eq!(codes(&report), ["signature", "expired"]);
    assert_eq!(report.passed, [], "what nobody signed proves nothing");
    assert_eq!(report.claims(), None);
    assert_eq!(report.unverified_claims().unwrap()["iss"], ISSUER);
    let text = report.to_string();
    assert!(text.starts_with("the signature is NOT verified"), "{text}");
    assert!(
        text.contains("claims, NOT verified: {") && text.contains("\\u{9b}2J") && !text.contains('\u{9b}'),
        "{text}"
    );
    let json = serde_json::to_value(&report).unwrap();
    assert!(json.get("claims").is_none());
    assert_eq!(json["unverified_claims"]["iss"], ISSUER);
}

#[test]
fn a_set_with_faults_verifies_nothing_and_every_fault_is_named() {
    let (a, b) = (es256("a"), es256("b"));
    let leaked = with(&b.jwk, "d", json!("AA"));
    let good = a.sign(&json!({}), &claims());
    let report = check(&good, &set(&[&a.jwk, &leaked, &leaked]), &expected());
    assert!(!report.is_valid() && !report.signature_verified());
    assert_eq!(codes(&report), ["private_member", "private_member", "repeated_kid"]);
    assert_eq!(report.passed, []);
    assert!(report.unverified_claims().is_some());
    let doubled = check(&good, &set(&[&a.jwk, &a.jwk]), &expected());
    assert_eq!(codes(&doubled), ["repeated_kid"], "said once");
    let forged = check(&es256("a").sign(&json!({}), &claims()), &set(&[&a.jwk, &leaked]), &expected());
    assert_eq!(codes(&forged), ["signature", "private_member"]);
}

#[test]
fn a_malformed_token_shows_nothing_and_a_malformed_payload_only_its_header() {
    let report = check("not a token", &set(&[&RSA.jwk]), &expected());
    assert_eq!(codes(&report), ["malformed"]);
    assert!(report.header.is_none() && report.claims().is_none() && report.unverified_claims().is_none());
    for payload in ["", "[]", "text", r#"{"iss":"a","iss":"b"}"#, "{\"iss\":\"a\"}{}"] {
        let report = check(&RSA.sign(&json!({}), payload.as_bytes()), &set(&[&RSA.jwk]), &expected());
        assert_eq!(codes(&report), ["malformed"], "{payload}");
        assert!(report.signature_verified() && !report.is_valid());
        assert!(report.claims().is_none());
    }
}

#[test]
fn every_problem_has_the_same_code_in_both_forms() {
    let text = String::new;
    let all = [
        Problem::Malformed { reason: text() },
        Problem::UnsupportedHeader { member: "crit" },
        Problem::Algorithm { found: text(), accepted: vec![] },
        Problem::UnknownKeyId { kid: text(), known: vec![] },
        Problem::NoKeyId { algorithm: "RS256", usable: 0 },
        Problem::RepeatedKeyId { kid: text() },
        Problem::PrivateMember { key: text(), members: vec![] },
        Problem::UnusableKey { key: text(), reason: text() },
        Problem::Signature { key: text(), algorithm: "RS256" },
        Problem::Issuer { found: text(), expected: text() },
        Problem::Audience { found: vec![], expected: text() },
        Problem::Expired { since: 0, ago: 0 },
        Problem::NotYetValid { from: 0, ahead: 0 },
        Problem::IssuedInFuture { at: 0, ahead: 0 },
        Problem::MissingClaim { claim: "exp" },
        Problem::InvalidClaim { claim: "exp", wanted: "a number" },
    ];
    for problem in all {
        assert_eq!(serde_json::to_value(&problem).unwrap()["code"], problem.code());
    }
}

/// Everything that a stranger may send: nothing of it panics, and nothing of it is valid.
#[test]
fn no_input_panics() {
    let good = RSA.sign(&json!({}), &claims());
    let pieces = ["", ".", "..", "...", "e30", "e30.e30.", "\u{0}", "\u{1f600}", "{", "=", "AAAA", "bnVsbA", &good];
    let sets = [set(&[]), set(&[&RSA.jwk]), set(&[&json!({"kty": "RSA", "n": "", "e": ""})])];
    for first in pieces {
        for second in pieces {
            for jwks in &sets {
                let text = format!("{first}{second}");
                let report = check(&text, jwks, &expected());
                assert_eq!(
                    report.is_valid(),
                    text == good && jwks.faults().is_empty() && report.claims().is_some(),
                    "{text}"
                );
                let _ = (report.to_string(), serde_json::to_string(&report).unwrap());
            }
        }
    }
    for alg in ["RS256", "PS384", "ES256", "ES384", "EdDSA"] {
        let header = json!({"alg": alg, "kid": "x"}).to_string();
        for jwk in [
            json!({}),
            json!({"kty": 1}),
            json!({"kty": "RSA", "n": "AA", "e": "AA"}),
            json!({"kty": "EC", "crv": "P-256", "x": "", "y": ""}),
        ] {
            for length in [0, 1, 63, 64, 65, 96, 256, 1025] {
                let report = check(
                    &token(&header, "{}", &vec![0xff; length]),
                    &set(&[&with(&jwk, "kid", json!("x"))]),
                    &expected(),
                );
                assert!(!report.is_valid());
            }
        }
    }
}
