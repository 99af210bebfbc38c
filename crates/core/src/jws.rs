//! The last two arrows: [`Claims`] -> [`SigningInput`] -> [`Token`] (RFC 7515, compact serialization).
//!
//! `alg` and `kid` come from the key that signs and from nowhere else, so header and JWKS cannot disagree. Nobody but
//! [`sign`] makes a [`Token`], and the only thing that it can be made of is a [`SigningInput`].

use std::fmt;
use std::future::Future;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Serialize;

use crate::claims::Claims;
use crate::jwk::{Jwk, KeyId};

/// What is to be signed: `BASE64URL(header) . BASE64URL(claims)` (RFC 7515 section 5.1), and for which key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SigningInput {
    text: String,
    kid: KeyId,
}

#[derive(Serialize)]
struct Header<'a> {
    alg: &'a str,
    kid: &'a str,
    typ: &'a str,
}

impl SigningInput {
    /// These claims, to be signed by this key.
    pub fn new(claims: &Claims, key: &Jwk) -> Result<Self, serde_json::Error> {
        let header = Header { alg: key.alg().as_str(), kid: key.kid().as_str(), typ: claims.typ() };
        let mut text = URL_SAFE_NO_PAD.encode(serde_json::to_vec(&header)?);
        text.push('.');
        URL_SAFE_NO_PAD.encode_string(serde_json::to_vec(claims)?, &mut text);
        Ok(Self { text, kid: key.kid().clone() })
    }

    /// The bytes to sign.
    pub fn as_bytes(&self) -> &[u8] {
        self.text.as_bytes()
    }

    /// The key that must sign them.
    pub fn kid(&self) -> &KeyId {
        &self.kid
    }
}

/// A key that can sign, here or far away. It says itself which key it is: header and JWKS come from [`Signer::key`].
pub trait Signer {
    /// The public half.
    fn key(&self) -> &Jwk;

    /// Sign, in the form that a JWS wants: PKCS#1 v1.5 for RSA, `R || S` for elliptic keys (RFC 7518 section 3.4).
    fn sign(&self, input: &SigningInput) -> impl Future<Output = Result<Vec<u8>, Unavailable>> + Send;
}

impl<S: Signer> Signer for &S {
    fn key(&self) -> &Jwk {
        (**self).key()
    }

    fn sign(&self, input: &SigningInput) -> impl Future<Output = Result<Vec<u8>, Unavailable>> + Send {
        (**self).sign(input)
    }
}

/// Why there is no signature. The text is for operators.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unavailable {
    /// The input was made for another key: ring and signer come from different snapshots.
    #[error("the signer holds key {held}, the token names {named}")]
    OtherKey {
        /// The signer's.
        held: KeyId,
        /// The header's.
        named: KeyId,
    },
    /// The signer failed.
    #[error("signing failed: {0}")]
    Failed(String),
}

/// A signed token. Shown only by [`Token::expose`]: a log line or a debug print of it says nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// The token in its compact form.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

/// Sign: the only await of the pipeline, and the only maker of a [`Token`].
pub async fn sign(input: SigningInput, signer: &impl Signer) -> Result<Token, Unavailable> {
    let held = signer.key().kid();
    if *held != input.kid {
        return Err(Unavailable::OtherKey { held: held.clone(), named: input.kid });
    }
    let signature = signer.sign(&input).await?;
    let mut token = input.text;
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(signature, &mut token);
    Ok(Token(token))
}
