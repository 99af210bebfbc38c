//! A verifier that shares no line with the code that signs: `jsonwebtoken` checks, and this module is only strict.
//!
//! It does what a careful relying party does: the key is the one that the header names, the algorithm is the one that
//! the *key* names, no leeway, and every claim that a token of ours must have is demanded.

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::jwk::{Jwk, JwkSet};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde_json::Value;

/// A token whose signature, issuer, audience and times are right.
#[derive(Debug, Clone, PartialEq)]
pub struct Verified {
    /// `kid` of the header.
    pub kid: String,
    /// `typ` of the header.
    pub typ: Option<String>,
    /// `alg` of the header and of the key.
    pub alg: String,
    /// The claims.
    pub claims: Value,
}

/// Why a token does not pass.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// The document is no JWK set.
    #[error("the key set cannot be read")]
    KeySet(#[source] serde_json::Error),
    /// The header has no `kid`, so that two keys could not overlap.
    #[error("the token names no key")]
    NoKid,
    /// No key of the set, or more than one, has the token's `kid`.
    #[error("{0} keys of the set have the token's kid")]
    Kid(usize),
    /// The key does not say which algorithm it is for, or says another one than the token.
    #[error("the token says {token:?}, its key says {key:?}")]
    Algorithm {
        /// `alg` of the token.
        token: Algorithm,
        /// `alg` of the key.
        key: Option<String>,
    },
    /// A claim that every token has is missing or of the wrong kind.
    #[error("the claim {0} is missing or not of its kind")]
    Claim(&'static str),
    /// Signature, issuer, audience or time.
    #[error("the token is not valid")]
    Token(#[source] jsonwebtoken::errors::Error),
}

/// Checks `token` with the keys of `jwks` at this moment.
///
/// # Errors
/// The first thing that is wrong with it.
pub fn verify(token: &str, jwks: &Value, issuer: &str, audience: &str) -> Result<Verified, Refused> {
    verify_at(token, jwks, issuer, audience, crate::clock::machine().as_secs())
}

/// The same at a moment of the caller's own, in seconds since 1970: that of a [`crate::clock::Clock`], say.
///
/// # Errors
/// As [`verify`].
pub fn verify_at(token: &str, jwks: &Value, issuer: &str, audience: &str, now: u64) -> Result<Verified, Refused> {
    let set: JwkSet = serde_json::from_value(jwks.clone()).map_err(Refused::KeySet)?;
    let header = decode_header(token).map_err(Refused::Token)?;
    let kid = header.kid.ok_or(Refused::NoKid)?;
    let named: Vec<&Jwk> = set.keys.iter().filter(|key| key.common.key_id.as_deref() == Some(kid.as_str())).collect();
    let [key] = named[..] else { return Err(Refused::Kid(named.len())) };

    // Never the other way round: a token that chooses how it is checked can choose a check that it passes.
    let alg = format!("{:?}", header.alg);
    let of_key = key.common.key_algorithm.map(|algorithm| algorithm.to_string());
    if of_key.as_deref() != Some(alg.as_str()) {
        return Err(Refused::Algorithm { token: header.alg, key: of_key });
    }

    let mut rules = Validation::new(header.alg);
    // The library knows the machine's clock only.
    rules.validate_exp = false;
    rules.set_issuer(&[issuer]);
    rules.set_audience(&[audience]);
    rules.set_required_spec_claims(&["aud", "exp", "iss", "nbf", "sub"]);
    let key = DecodingKey::from_jwk(key).map_err(Refused::Token)?;
    let claims = decode::<Value>(token, &key, &rules).map_err(Refused::Token)?.claims;

    for name in ["iat", "nbf", "exp"] {
        if claims.get(name).and_then(Value::as_u64).is_none() {
            return Err(Refused::Claim(name));
        }
    }
    let time = |name: &str| claims.get(name).and_then(Value::as_u64).unwrap_or_default();
    if time("exp") < now {
        return Err(Refused::Token(ErrorKind::ExpiredSignature.into()));
    }
    if time("nbf") > now {
        return Err(Refused::Token(ErrorKind::ImmatureSignature.into()));
    }
    for name in ["iss", "sub", "aud", "jti"] {
        if claims.get(name).and_then(Value::as_str).is_none_or(str::is_empty) {
            return Err(Refused::Claim(name));
        }
    }
    Ok(Verified { kid, typ: header.typ, alg, claims })
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::rand::SystemRandom;
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use serde_json::json;

    use super::*;

    /// A key and what it publishes.
    struct Issuer {
        key: EcdsaKeyPair,
        jwks: Value,
    }

    fn issuer() -> Issuer {
        let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        let point = key.public_key().as_ref();
        let (x, y) = (URL_SAFE_NO_PAD.encode(&point[1..33]), URL_SAFE_NO_PAD.encode(&point[33..65]));
        let jwk = json!({"kty": "EC", "use": "sig", "alg": "ES256", "kid": "k1", "crv": "P-256", "x": x, "y": y});
        Issuer { key, jwks: json!({ "keys": [jwk] }) }
    }

    impl Issuer {
        fn sign(&self, header: &Value, claims: &Value) -> String {
            let input = format!(
                "{}.{}",
                URL_SAFE_NO_PAD.encode(header.to_string()),
                URL_SAFE_NO_PAD.encode(claims.to_string())
            );
            let signature = self.key.sign(&SystemRandom::new(), input.as_bytes()).unwrap();
            format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature))
        }
    }

    fn now() -> u64 {
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()
    }

    fn claims() -> Value {
        json!({"iss": "https://i", "aud": "a", "sub": "s", "jti": "j", "iat": now(), "nbf": now() - 60, "exp": now() + 600})
    }

    fn header() -> Value {
        json!({"alg": "ES256", "typ": "JWT", "kid": "k1"})
    }

    #[test]
    fn a_good_token_passes_with_its_claims() {
        let issuer = issuer();
        let verified = verify(&issuer.sign(&header(), &claims()), &issuer.jwks, "https://i", "a").unwrap();
        assert_eq!((verified.kid.as_str(), verified.alg.as_str()), ("k1", "ES256"));
        assert_eq!(verified.typ.as_deref(), Some("JWT"));
        assert_eq!(verified.claims["sub"], "s");
    }

    #[test]
    fn each_fault_is_refused() {
        let issuer = issuer();
        let refused = |header: &Value, claims: &Value, jwks: &Value| {
            verify(&issuer.sign(header, claims), jwks, "https://i", "a").expect_err("this token is not valid")
        };
        let changed = |name: &str, value: Value| {
            let mut claims = claims();
            claims[name] = value;
            claims
        };

        for (name, value) in
            [("iss", json!("https://i/")), ("aud", json!("b")), ("exp", json!(now() - 1)), ("nbf", json!(now() + 60))]
        {
            assert!(matches!(refused(&header(), &changed(name, value), &issuer.jwks), Refused::Token(_)), "{name}");
        }
        for (name, value) in
            [("iat", json!(null)), ("jti", json!("")), ("sub", json!("")), ("aud", json!(["a"])), ("exp", json!(9e12))]
        {
            assert!(
                matches!(refused(&header(), &changed(name, value), &issuer.jwks), Refused::Claim(at) if at == name),
                "{name}"
            );
        }

        let no_kid = json!({"alg": "ES256"});
        assert!(matches!(refused(&no_kid, &claims(), &issuer.jwks), Refused::NoKid));
        let other = json!({"alg": "ES256", "kid": "k2"});
        assert!(matches!(refused(&other, &claims(), &issuer.jwks), Refused::Kid(0)));
        let twice = json!({"keys": [issuer.jwks["keys"][0], issuer.jwks["keys"][0]]});
        assert!(matches!(refused(&header(), &claims(), &twice), Refused::Kid(2)));

        let mut for_another = issuer.jwks.clone();
        for_another["keys"][0]["alg"] = json!("ES384");
        assert!(matches!(refused(&header(), &claims(), &for_another), Refused::Algorithm { .. }));
        let symmetric = json!({"alg": "HS256", "kid": "k1"});
        assert!(matches!(refused(&symmetric, &claims(), &issuer.jwks), Refused::Algorithm { .. }));

        let stranger = self::issuer();
        let forged = stranger.sign(&header(), &claims());
        assert!(matches!(verify(&forged, &issuer.jwks, "https://i", "a"), Err(Refused::Token(_))));
    }
}
