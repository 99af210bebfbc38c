//! Set-ups that are broken in one place.
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use testkit::github::{self, GitHub};
use testkit::keys;

use crate::world::AUDIENCE;

/// A token of GitHub's stand-in, with these claims changed; null takes one away.
pub(crate) fn signed(changes: &Value) -> String {
    let now = jiff::Timestamp::now().as_second();
    let mut claims =
        json!({"iss": github::ISSUER, "sub": "svc:app", "aud": AUDIENCE, "iat": now - 60, "exp": now + 600});
    for (name, value) in changes.as_object().unwrap() {
        claims[name] = value.clone();
    }
    claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    let kid = GitHub::jwks()["keys"][0]["kid"].as_str().map(str::to_owned);
    let der: String = keys::RSA_2048_PKCS1.lines().filter(|line| !line.starts_with('-')).collect();
    let key = EncodingKey::from_rsa_der(&STANDARD.decode(der).unwrap());
    jsonwebtoken::encode(&Header { kid, ..Header::new(Algorithm::RS256) }, &claims, &key).unwrap()
}
