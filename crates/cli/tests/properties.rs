//! Nothing that a stranger writes makes the command line or the local server panic: token texts, key sets, YAML,
//! credentials, Authorization headers.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::SystemTime;

use countersign::serve::credentials::{Credential, Credentials};
use countersign::sigv4::{self, Presented};
use countersign::verify::{Expected, KeySet, check};
use countersign::yaml;
use http::{HeaderMap, HeaderValue, Uri};
use proptest::prelude::*;

/// Pieces that readers look for, in any order, and anything at all.
fn text(pieces: &'static [&'static str]) -> impl Strategy<Value = String> {
    let piece = prop_oneof![3 => proptest::sample::select(pieces).prop_map(str::to_owned), 1 => any::<String>()];
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

const JWS: &[&str] = &["eyJhbGciOiJSUzI1NiIsImtpZCI6ImsifQ", ".", "e30", "eyJhbGciOiJub25lIn0", "=", "AA", "-_", "\n"];
const JWKS: &[&str] = &[
    r#"{"keys":["#,
    "]}",
    r#"{"kty":"RSA","n":"AQAB","e":"AQAB","kid":"k","alg":"RS256"}"#,
    r#"{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}"#,
    ",",
    r#""d":"AA""#,
    "null",
    "[",
    "{",
    "}",
];
const YAML: &[&str] = &[
    "a", ":", " ", "\n", "- ", "[", "]", "{", "}", ",", "&x ", "*x", "!t ", "'", "\"", "#", "|", ">", "---\n", "? ",
    "012", "1e9", "~",
];
const SIGV4: &[&str] = &[
    "AWS4-HMAC-SHA256",
    " ",
    "Credential=",
    "AKIA/20260101/us-east-1/execute-api/aws4_request",
    "SignedHeaders=",
    "host;x-amz-date",
    "Signature=",
    ",",
    "/",
    ";",
    "=",
    "0123456789abcdef",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_token_and_no_key_set_panics(token in text(JWS), jwks in text(JWKS), now in any::<i64>()) {
        let keys = KeySet::parse(jwks.as_bytes()).unwrap_or_else(|_| KeySet::parse(br#"{"keys":[]}"#).unwrap());
        let expected = Expected { issuer: "https://id.acme.com", audience: Some("a"), now, leeway: 0 };
        let report = check(&token, &keys, &expected);
        prop_assert!(!report.is_valid());
        prop_assert!(!report.to_string().is_empty() && serde_json::to_string(&report).is_ok());
    }

    #[test]
    fn no_yaml_and_no_credentials_panic(text in text(YAML)) {
        if let Err(problems) = yaml::parse(&text) {
            prop_assert!(!problems.is_empty());
        }
        let _ = Credentials::parse(&text);
    }

    #[test]
    fn no_authorization_header_panics_or_passes(authorization in text(SIGV4), date in "[0-9TZ]{0,17}", target in "/[!-~]{0,40}") {
        let mut headers = HeaderMap::new();
        headers.insert("host", HeaderValue::from_static("x"));
        for (name, value) in [("authorization", authorization), ("x-amz-date", date)] {
            if let Ok(value) = HeaderValue::from_str(&value) {
                headers.insert(name, value);
            }
        }
        let Ok(uri) = target.parse::<Uri>() else { return Ok(()) };
        let credentials = Credentials::parse("- {access_key_id: AKIA, secret_access_key: s, arn: a}").unwrap();
        let presented = Presented { method: "POST", uri: &uri, headers: &headers, body: b"" };
        let verified = sigv4::verify(&presented, "execute-api", SystemTime::now(), |id| -> Option<&Credential> { credentials.find(id) });
        prop_assert!(verified.is_err());
    }
}
