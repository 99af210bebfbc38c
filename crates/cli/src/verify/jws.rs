//! JWS compact form (RFC 7515 section 7.1), read strictly, and its signature.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::Algorithm;
use jsonwebtoken::crypto::aws_lc;
use serde_json::{Map, Value};

use super::json;
use super::jwk::KeySet;
use super::problem::{Check, Problem};

/// Longest token that is looked at, in bytes.
const MAX_TOKEN: usize = 64 * 1024;

/// Everything that may sign, all of it asymmetric. ES512 and secp256k1 are unknown to `jsonwebtoken`.
const ACCEPTED: [(&str, Algorithm); 9] = [
    ("RS256", Algorithm::RS256),
    ("RS384", Algorithm::RS384),
    ("RS512", Algorithm::RS512),
    ("PS256", Algorithm::PS256),
    ("PS384", Algorithm::PS384),
    ("PS512", Algorithm::PS512),
    ("ES256", Algorithm::ES256),
    ("ES384", Algorithm::ES384),
    ("EdDSA", Algorithm::EdDSA),
];

/// A header and a payload that one key of a sound set signed. The payload is any bytes: what they say is not looked at.
#[derive(Debug, Clone)]
pub struct VerifiedJws {
    header: Map<String, Value>,
    payload: Vec<u8>,
    algorithm: &'static str,
    key: String,
}

impl VerifiedJws {
    /// The protected header.
    pub fn header(&self) -> &Map<String, Value> {
        &self.header
    }

    /// The signed bytes.
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }

    pub(super) fn as_check(&self) -> Check {
        let (algorithm, key) = (self.algorithm, &self.key);
        let message = if self.header.contains_key("kid") {
            format!("{algorithm} with key {key}")
        } else {
            format!("{algorithm} with key {key}, the only one that fits: the token names none")
        };
        Check { code: "signature", message }
    }
}

/// Verifies the signature, and nothing that the payload says. A set with faults verifies nothing.
pub fn verify_signature(token: &str, jwks: &KeySet) -> Result<VerifiedJws, Problem> {
    let compact = Compact::parse(token)?;
    match jwks.faults().first() {
        Some(fault) => Err(fault.clone()),
        None => compact.verify(jwks),
    }
}

/// The three parts, decoded; nothing in them is believed yet.
#[derive(Debug)]
pub(super) struct Compact<'a> {
    pub(super) header: Map<String, Value>,
    pub(super) payload: Vec<u8>,
    signing_input: &'a str,
    signature: Vec<u8>,
}

impl<'a> Compact<'a> {
    pub(super) fn parse(token: &'a str) -> Result<Self, Problem> {
        if token.len() > MAX_TOKEN {
            return Err(malformed(format!("the token has {} bytes, more than {MAX_TOKEN}", token.len())));
        }
        let parts: Vec<&str> = token.split('.').collect();
        let ([header, payload, signature], Some((signing_input, _))) = (parts.as_slice(), token.rsplit_once('.'))
        else {
            let hint = match parts.len() {
                1 if token.is_empty() => ": it is empty",
                5 => ": it looks like an encrypted token (JWE), which cannot be checked",
                _ if token.starts_with('{') => ": the JSON serialization is not accepted",
                _ => "",
            };
            return Err(malformed(format!("the token has {} parts instead of three between dots{hint}", parts.len())));
        };
        let header = json::object(&decode("header", header)?)
            .map_err(|reason| malformed(format!("the header is wrong: {reason}")))?;
        Ok(Self {
            header,
            payload: decode("payload", payload)?,
            signing_input,
            signature: decode("signature", signature)?,
        })
    }

    /// Whether one key of the set made this signature. Faults of the set are the caller's to look at.
    pub(super) fn verify(&self, jwks: &KeySet) -> Result<VerifiedJws, Problem> {
        if let Some(member) = ["crit", "b64"].into_iter().find(|name| self.header.contains_key(*name)) {
            return Err(Problem::UnsupportedHeader { member });
        }
        let found = self.text("alg")?.ok_or_else(|| malformed("the header has no alg".to_owned()))?;
        let Some((name, algorithm)) = ACCEPTED.into_iter().find(|(name, _)| *name == found) else {
            return Err(Problem::Algorithm {
                found: found.to_owned(),
                accepted: ACCEPTED.map(|(name, _)| name).to_vec(),
            });
        };
        let (decoding, key) = jwks.find(self.text("kid")?, algorithm, name)?;
        // By its name and not through the process-wide default, which panics if two providers are compiled in.
        let verified = (aws_lc::DEFAULT_PROVIDER.verifier_factory)(&algorithm, &decoding)
            .is_ok_and(|verifier| verifier.verify(self.signing_input.as_bytes(), &self.signature).is_ok());
        if !verified {
            return Err(Problem::Signature { key: key.to_owned(), algorithm: name });
        }
        Ok(VerifiedJws {
            header: self.header.clone(),
            payload: self.payload.clone(),
            algorithm: name,
            key: key.to_owned(),
        })
    }

    fn text(&self, member: &str) -> Result<Option<&str>, Problem> {
        match self.header.get(member) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(malformed(format!("{member} of the header is not a string"))),
        }
    }
}

/// Without padding, stray bytes or bits set that decode to nothing: one token has one spelling.
fn decode(part: &str, text: &str) -> Result<Vec<u8>, Problem> {
    URL_SAFE_NO_PAD.decode(text).map_err(|error| {
        malformed(format!("the {part} is not base64url without padding: {}", error.to_string().to_lowercase()))
    })
}

fn malformed(reason: String) -> Problem {
    Problem::Malformed { reason }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::fixture::{RSA, Signer, ed25519, es256, es384, set, token, with, without};
    use super::*;

    fn code(token: &str, jwks: &KeySet) -> &'static str {
        verify_signature(token, jwks).map_or_else(|problem| problem.code(), |_| "ok")
    }

    fn reason(token: &str) -> String {
        verify_signature(token, &set(&[])).unwrap_err().to_string()
    }

    #[test]
    fn every_accepted_algorithm_verifies_what_it_signed() {
        let signers = [
            RSA.with_algorithm("RS256"),
            RSA.with_algorithm("RS384"),
            RSA.with_algorithm("RS512"),
            RSA.with_algorithm("PS256"),
            RSA.with_algorithm("PS384"),
            RSA.with_algorithm("PS512"),
            es256("a"),
            es384("b"),
            ed25519("c"),
        ];
        assert_eq!(signers.each_ref().map(|signer| signer.algorithm), ACCEPTED.map(|(name, _)| name));
        for signer in signers {
            let verified = verify_signature(&signer.sign(&json!({}), b"any bytes"), &set(&[&signer.jwk])).unwrap();
            assert_eq!(verified.payload(), b"any bytes");
            assert_eq!(verified.header()["alg"], signer.algorithm);
            assert!(verify_signature(&signer.sign(&json!({}), b""), &set(&[&signer.jwk])).is_ok());
        }
    }

    #[test]
    fn one_changed_byte_is_enough() {
        let signer = es256("a");
        let jwks = set(&[&signer.jwk]);
        let good = signer.sign(&json!({}), br#"{"sub":"somebody"}"#);
        assert_eq!(code(&good, &jwks), "ok");
        for at in 0..good.len() {
            for other in ['A', 'z', '_', '.', '=', ' ', '\n', '\0', '\u{fc}'] {
                let (head, tail) = good.split_at(at);
                let changed: String = head.chars().chain([other]).chain(tail.chars().skip(1)).collect();
                assert!(changed == good || code(&changed, &jwks) != "ok", "{changed}");
                let inserted = format!("{head}{other}{tail}");
                assert_ne!(code(&inserted, &jwks), "ok", "{inserted}");
            }
            assert_ne!(code(good.split_at(at).0, &jwks), "ok");
        }
        for around in [
            format!("{good}\n"),
            format!(" {good}"),
            format!("Bearer {good}"),
            format!("\"{good}\""),
            format!("{good}."),
        ] {
            assert_eq!(code(&around, &jwks), "malformed", "{around}");
        }
    }

    #[test]
    fn what_is_no_compact_jws_says_so() {
        assert_eq!(reason(""), "the token has 1 parts instead of three between dots: it is empty");
        assert!(reason("a.b.c.d.e").ends_with("it looks like an encrypted token (JWE), which cannot be checked"));
        assert!(reason(r#"{"payload":"a"}"#).ends_with("the JSON serialization is not accepted"));
        assert_eq!(reason(&"a".repeat(65_537)), "the token has 65537 bytes, more than 65536");
        assert!(reason("e30=.e30.AA").starts_with("the header is not base64url without padding: invalid"));
        assert!(reason("e30.e3+.AA").starts_with("the payload is not base64url"));
        // The last character has bits that decode to nothing, and they are not zero.
        assert!(reason("e30.e30.AB").starts_with("the signature is not base64url"));
        for header in [
            "[]",
            "{",
            "\"x\"",
            r#"{"alg":"RS256","alg":"RS256"}"#,
            r#"{"alg":"RS256","jwk":{"a":1,"a":1}}"#,
            "{\"alg\":\"\u{0}\"}",
        ] {
            assert!(reason(&token(header, "{}", b"x")).starts_with("the header is wrong: "), "{header}");
        }
        assert_eq!(reason(&token("{}", "{}", b"x")), "the header has no alg");
        assert_eq!(reason(&token(r#"{"alg":null}"#, "{}", b"x")), "alg of the header is not a string");
        assert_eq!(reason(&token(r#"{"alg":"RS256","kid":1}"#, "{}", b"x")), "kid of the header is not a string");
    }

    #[test]
    fn extensions_that_change_what_is_signed_are_refused() {
        let signer = es256("a");
        let jwks = set(&[&signer.jwk]);
        for member in [json!({"crit": ["b64"], "b64": false}), json!({"crit": []}), json!({"b64": true})] {
            assert_eq!(code(&signer.sign(&member, b"{}"), &jwks), "unsupported_header", "{member}");
        }
    }

    #[test]
    fn symmetric_unknown_and_no_algorithms_are_refused() {
        let signer = es256("a");
        let jwks = set(&[&signer.jwk]);
        for alg in ["none", "None", "", "HS256", "HS384", "HS512", "es256", "ES256 ", "ES512", "RSA1_5", "dir"] {
            let problem = verify_signature(&signer.sign(&json!({ "alg": alg }), b"{}"), &jwks).unwrap_err();
            assert_eq!(problem.code(), "algorithm", "{alg}");
            assert!(problem.to_string().starts_with(&format!("algorithm {alg:?} is not accepted")), "{problem}");
        }
        assert_eq!(code(&token(r#"{"alg":"none","kid":"a"}"#, "{}", b""), &jwks), "algorithm");
    }

    #[test]
    fn the_key_comes_from_the_set_alone() {
        let (issuer, thief) = (es256("a"), es256("thief"));
        let jwks = set(&[&issuer.jwk]);
        let brought = json!({"jwk": thief.jwk, "jku": "https://thief.example/jwks", "x5u": "https://thief.example/x", "x5c": ["AA"]});
        let mut forged = brought.clone();
        forged["kid"] = json!("a");
        assert_eq!(code(&thief.sign(&forged, b"{}"), &jwks), "signature");
        assert_eq!(code(&thief.sign(&brought, b"{}"), &jwks), "unknown_kid");
        assert_eq!(code(&issuer.sign(&brought, b"{}"), &jwks), "ok");
    }

    #[test]
    fn the_kid_decides_and_without_one_there_must_be_no_choice() {
        let (a, b) = (es256("a"), es256("b"));
        let problem = verify_signature(&es256("c").sign(&json!({}), b"{}"), &set(&[&a.jwk, &RSA.jwk])).unwrap_err();
        assert_eq!(
            problem,
            Problem::UnknownKeyId { kid: "c".to_owned(), known: vec!["a".to_owned(), RSA.kid.to_owned()] }
        );
        assert_eq!(code(&b.sign(&json!({"kid": "a"}), b"{}"), &set(&[&a.jwk, &b.jwk])), "signature");

        let unnamed = a.sign(&json!({"kid": null}), b"{}");
        let verified = verify_signature(&unnamed, &set(&[&RSA.jwk, &a.jwk, &json!({"kty": "AKP"})])).unwrap();
        assert_eq!(verified.as_check().message, "ES256 with key \"a\", the only one that fits: the token names none");
        assert!(
            verify_signature(&unnamed, &set(&[&without(&a.jwk, "kid")]))
                .unwrap()
                .as_check()
                .message
                .contains("number 1 (no kid)")
        );
        assert!(verify_signature(&unnamed, &set(&[&a.jwk, &with(&b.jwk, "use", json!("enc"))])).is_ok());
        for (jwks, usable) in [(set(&[]), 0), (set(&[&RSA.jwk]), 0), (set(&[&a.jwk, &b.jwk]), 2)] {
            assert_eq!(verify_signature(&unnamed, &jwks).unwrap_err(), Problem::NoKeyId { algorithm: "ES256", usable });
        }
    }

    #[test]
    fn an_unfit_key_or_set_verifies_nothing() {
        let (a, b) = (es256("a"), es256("b"));
        let good = a.sign(&json!({}), b"{}");
        assert_eq!(code(&good, &set(&[&with(&a.jwk, "use", json!("enc"))])), "unusable_key");
        assert_eq!(code(&good, &set(&[&a.jwk, &with(&b.jwk, "d", json!("AA"))])), "private_member");
        assert_eq!(code(&good, &set(&[&a.jwk, &b.jwk, &b.jwk])), "repeated_kid");
        assert_eq!(code(&good, &set(&[&a.jwk, &a.jwk])), "repeated_kid");
    }

    /// A signature of the right key is not enough: RS256 and PS256 share keys, not signatures.
    #[test]
    fn a_signature_of_another_algorithm_does_not_verify() {
        let jwk = without(&RSA.jwk, "alg");
        let pss: Signer = RSA.with_algorithm("PS256");
        let good = pss.sign(&json!({}), b"{}");
        assert_eq!(code(&good, &set(&[&jwk])), "ok");
        let relabelled = pss.sign(&json!({"alg": "RS256"}), b"{}");
        assert_eq!(code(&relabelled, &set(&[&jwk])), "signature");
    }
}
