//! A token that somebody gave us for AWS, read but not verified: STS verifies it.
//!
//! What is read of it goes into messages, into the name of the session and into the key of the cache; nothing is decided by it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};
use zeroize::Zeroizing;

/// The longest token that STS takes (`AssumeRoleWithWebIdentity`, `WebIdentityToken`), in characters.
pub const LONGEST: usize = 20_000;

/// A JWS in compact form whose payload is a JSON object.
pub struct WebToken {
    text: Zeroizing<String>,
    header: Map<String, Value>,
    claims: Map<String, Value>,
}

/// Why a text is no such token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenFault {
    /// Nothing in it.
    #[error("it is empty")]
    Empty,
    /// STS would refuse it.
    #[error("it is longer than the 20000 characters that STS takes")]
    Long,
    /// Not three parts of base64url with JSON objects in the first two.
    #[error("it is no signed JWT (three parts of base64url, the first two of them JSON objects)")]
    Form,
}

impl WebToken {
    /// Read a token. White space around it is not part of it: most writers of token files end them with a line.
    pub fn read(text: &str) -> Result<Self, TokenFault> {
        let text = text.trim_ascii();
        if text.is_empty() {
            return Err(TokenFault::Empty);
        }
        if text.len() > LONGEST {
            return Err(TokenFault::Long);
        }
        let parts: Vec<&str> = text.split('.').collect();
        let [header, payload, signature] = parts[..] else { return Err(TokenFault::Form) };
        if signature.is_empty() || URL_SAFE_NO_PAD.decode(signature).is_err() {
            return Err(TokenFault::Form);
        }
        let object = |part| URL_SAFE_NO_PAD.decode(part).ok().and_then(|json| serde_json::from_slice(&json).ok());
        match (object(header), object(payload)) {
            (Some(header), Some(claims)) => Ok(Self { text: Zeroizing::new(text.to_owned()), header, claims }),
            _ => Err(TokenFault::Form),
        }
    }

    /// The token itself. It is a secret.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The header.
    pub fn header(&self) -> &Map<String, Value> {
        &self.header
    }

    /// The claims.
    pub fn claims(&self) -> &Map<String, Value> {
        &self.claims
    }

    /// A claim that is a string.
    pub fn claim(&self, name: &str) -> Option<&str> {
        self.claims.get(name)?.as_str()
    }
}

impl std::fmt::Debug for WebToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WebToken").finish_non_exhaustive()
    }
}
