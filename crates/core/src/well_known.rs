//! The public documents: JWKS and discovery (OpenID Connect Discovery 1.0 section 3, RFC 8414 section 2).
//!
//! Every URL in them comes from configuration, `issuer` byte for byte; nothing is derived from a request.

use std::collections::BTreeSet;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::jwk::{Algorithm, Jwks};
use crate::response::Response;
use crate::url::IssuerUrl;

/// A document as it is served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicDocument {
    body: Vec<u8>,
    etag: String,
    /// In seconds.
    max_age: u32,
}

impl PublicDocument {
    /// These bytes of JSON, with a strong entity tag made of them (RFC 9110 section 8.8.3). A relying party may keep
    /// them for `max_age` seconds without asking again: [`Bounds::max_age`](crate::bounds::Bounds::max_age).
    pub fn new(body: Vec<u8>, max_age: u32) -> Self {
        let etag = format!("\"{}\"", URL_SAFE_NO_PAD.encode(Sha256::digest(&body)));
        Self { body, etag, max_age }
    }

    /// The key set.
    pub fn jwks(jwks: &Jwks, max_age: u32) -> Result<Self, serde_json::Error> {
        Ok(Self::new(serde_json::to_vec(jwks)?, max_age))
    }

    /// The discovery document: all six members that an IAM OIDC provider asks for, and what RFC 8414 adds.
    pub fn discovery(issuer: &IssuerUrl, token_endpoint: &str, lanes: &BTreeSet<Algorithm>, max_age: u32) -> Self {
        let algorithms: BTreeSet<&str> =
            lanes.iter().copied().chain([Algorithm::RS256]).map(Algorithm::as_str).collect();
        let document = json!({
            "issuer": issuer.as_str(),
            "jwks_uri": format!("{issuer}/.well-known/jwks.json"),
            "token_endpoint": token_endpoint,
            "response_types_supported": ["id_token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": algorithms,
            "claims_supported": ["iss", "sub", "aud", "exp", "nbf", "iat", "jti", "scope", "scp", "client_id"],
            // Not all of them (RFC 8414 allows that), but never an empty list (RFC 8414 section 3.2 forbids it).
            "scopes_supported": ["session:role-any"],
            "grant_types_supported": ["client_credentials"],
            // No registered name means "an AWS signature"; the default would be client_secret_basic, which is wrong.
            "token_endpoint_auth_methods_supported": ["aws_sigv4"],
        });
        Self::new(Value::to_string(&document).into_bytes(), max_age)
    }

    /// Answer a GET, or a HEAD: then the host leaves the body out.
    pub fn respond(&self, if_none_match: Option<&str>) -> Response {
        let fresh = if_none_match.is_some_and(|header| {
            header.trim() == "*"
                || header.split(',').any(|tag| {
                    let tag = tag.trim();
                    tag.strip_prefix("W/").unwrap_or(tag) == self.etag
                })
        });
        let mut response =
            Response::json(if fresh { 304 } else { 200 }, if fresh { Vec::new() } else { self.body.clone() });
        response.headers.extend([
            ("cache-control", format!("public, max-age={}", self.max_age)),
            ("etag", self.etag.clone()),
            ("access-control-allow-origin", "*".to_owned()),
        ]);
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn discovery_holds_what_relying_parties_ask_for() {
        let issuer = IssuerUrl::new("https://id.acme.com/tokens").unwrap();
        let lanes = BTreeSet::from([Algorithm::ES256]);
        let document = PublicDocument::discovery(&issuer, "https://id.acme.com/tokens/token", &lanes, 300);
        let json: Value = serde_json::from_slice(&document.respond(None).body).unwrap();
        assert_eq!(json["issuer"], "https://id.acme.com/tokens");
        assert_eq!(json["jwks_uri"], "https://id.acme.com/tokens/.well-known/jwks.json");
        assert_eq!(json["id_token_signing_alg_values_supported"], json!(["ES256", "RS256"]));
        for member in [
            "response_types_supported",
            "subject_types_supported",
            "claims_supported",
            "scopes_supported",
            "grant_types_supported",
            "token_endpoint_auth_methods_supported",
        ] {
            assert!(json[member].as_array().is_some_and(|list| !list.is_empty()), "{member}");
        }
    }

    #[test]
    fn answers_304_to_whoever_has_it() {
        let document = PublicDocument::new(b"{}".to_vec(), 300);
        let full = document.respond(None);
        let etag = full.headers.iter().find(|(name, _)| *name == "etag").unwrap().1.clone();
        assert_eq!((full.status, full.body.as_slice()), (200, &b"{}"[..]));
        for header in [etag.clone(), format!("W/{etag}"), format!("\"x\", {etag}"), "*".to_owned()] {
            let answer = document.respond(Some(&header));
            assert_eq!((answer.status, answer.body.len()), (304, 0), "{header}");
            assert!(answer.headers.contains(&("cache-control", "public, max-age=300".to_owned())));
        }
        assert_eq!(document.respond(Some("\"other\"")).status, 200);
    }
}
