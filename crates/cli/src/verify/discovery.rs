//! The discovery document (`OpenID` Connect Discovery 1.0 section 4.3, RFC 8414 section 3.3): whose it is, and where the keys are.

use std::net::Ipv4Addr;

use reqwest::Url;
use serde_json::Value;
use thiserror::Error;

use super::json;
use super::text::quoted;

/// What an IAM OIDC provider asks for beside `issuer` and `jwks_uri` (facts of `AssumeRoleWithWebIdentity`).
const FOR_AWS: [&str; 4] = [
    "claims_supported",
    "response_types_supported",
    "subject_types_supported",
    "id_token_signing_alg_values_supported",
];

/// A discovery document that belongs to the issuer that was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Discovery {
    jwks_uri: Url,
    missing_for_aws: Vec<&'static str>,
}

/// Why a document says nothing about the issuer that was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DiscoveryError {
    /// Not one JSON object.
    #[error("the discovery document cannot be read: {0}")]
    Malformed(String),
    /// A member that must be a string is not there, or is something else.
    #[error("the discovery document has no {0}")]
    Missing(&'static str),
    /// Somebody else's document, or the issuer is spelled differently.
    #[error("the discovery document is of issuer {}, expected {}", quoted(found), quoted(expected))]
    Issuer {
        /// What the document says.
        found: String,
        /// What was asked for.
        expected: String,
    },
    /// The keys are where they must not be fetched from.
    #[error("jwks_uri {} {reason}", quoted(found))]
    JwksUri {
        /// What the document says.
        found: String,
        /// What is wrong with it.
        reason: &'static str,
    },
}

impl Discovery {
    /// Reads a document. `issuer` is compared byte for byte: a relying party has no other way to tell issuers apart.
    pub fn parse(document: &[u8], issuer: &str) -> Result<Self, DiscoveryError> {
        let members = json::object(document).map_err(DiscoveryError::Malformed)?;
        let text = |name| members.get(name).and_then(Value::as_str).ok_or(DiscoveryError::Missing(name));
        let found = text("issuer")?;
        if found != issuer {
            return Err(DiscoveryError::Issuer { found: found.to_owned(), expected: issuer.to_owned() });
        }
        let found = text("jwks_uri")?;
        match location(found) {
            Ok(jwks_uri) => Ok(Self {
                jwks_uri,
                missing_for_aws: FOR_AWS
                    .into_iter()
                    .filter(|name| members.get(*name).and_then(Value::as_array).is_none_or(Vec::is_empty))
                    .collect(),
            }),
            Err(reason) => Err(DiscoveryError::JwksUri { found: found.to_owned(), reason }),
        }
    }

    /// Where the keys are: https, or http on this machine. Parsed by the client that will fetch it, so that nobody reads
    /// another host in it than was checked here. Redirects are for the caller to refuse.
    pub fn jwks_uri(&self) -> &Url {
        &self.jwks_uri
    }

    /// The lists without which AWS takes no OIDC provider, if they are not there or empty.
    pub fn missing_for_aws(&self) -> &[&'static str] {
        &self.missing_for_aws
    }
}

/// Where an issuer's discovery document is (section 4.1): a slash at the issuer's end goes before this is added.
pub(crate) fn discovery_url(issuer: &str) -> String {
    format!("{}/.well-known/openid-configuration", issuer.strip_suffix('/').unwrap_or(issuer))
}

/// A URL of a discovery document: https, or http on this machine. The error says what it is or has instead.
pub(crate) fn location(text: &str) -> Result<Url, &'static str> {
    // The parser drops line breaks and outer spaces, and turns `\` into `/`.
    if text.chars().any(|character| character.is_whitespace() || character.is_control() || character == '\\') {
        return Err("has spaces, control characters or backslashes");
    }
    let url = Url::parse(text).map_err(|_| "is not a URL")?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err("has a user name or password");
    }
    if url.fragment().is_some() {
        return Err("has a fragment");
    }
    match url.scheme() {
        "https" => Ok(url),
        "http" if url.host_str().is_some_and(is_loopback) => Ok(url),
        _ => Err("is neither https nor http with a loopback host"),
    }
}

/// 127.0.0.0/8, `[::1]` and `localhost`, in the form that the URL parser gives to hosts.
fn is_loopback(host: &str) -> bool {
    host == "localhost" || host == "[::1]" || host.parse().is_ok_and(|address: Ipv4Addr| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(issuer: &str, jwks_uri: &str) -> Result<Discovery, DiscoveryError> {
        Discovery::parse(
            json!({"issuer": issuer, "jwks_uri": jwks_uri, "other": []}).to_string().as_bytes(),
            "https://issuer.example",
        )
    }

    #[test]
    fn keys_come_over_https_or_from_this_machine() {
        let good = [
            "https://issuer.example/.well-known/jwks.json",
            "https://keys.example:8443/x?y=z",
            "http://127.0.0.1:8787/jwks",
            "http://127.255.0.1/",
            "http://localhost:1/",
            "http://LOCALHOST/",
            "http://[::1]:1/",
        ];
        for uri in good {
            assert!(read("https://issuer.example", uri).is_ok(), "{uri}");
        }
        assert_eq!(read("https://issuer.example", good[0]).unwrap().jwks_uri().as_str(), good[0]);
        let bad = [
            "",
            "/jwks.json",
            "http://issuer.example/jwks",
            "http://localhost.example/",
            "http://localhost./",
            "http://127.0.0.1.example/",
            "http://127.0.0.1@issuer.example/",
            "http://128.0.0.1/",
            "http://0.0.0.0/",
            "http://[::]/",
            "http://[::ffff:127.0.0.1]/",
            "https://somebody@issuer.example/",
            "https://:secret@issuer.example/",
            "https://issuer.example/#x",
            " https://issuer.example/",
            "https://issuer.example/\n",
            "https:\\\\issuer.example/",
            "https://",
            "file:///etc/passwd",
            "ftp://127.0.0.1/",
            "data:application/json,{}",
        ];
        for uri in bad {
            assert!(matches!(read("https://issuer.example", uri), Err(DiscoveryError::JwksUri { .. })), "{uri}");
        }
    }

    #[test]
    fn the_issuer_is_compared_byte_for_byte() {
        for issuer in [
            "https://issuer.example/",
            "https://ISSUER.example",
            "http://issuer.example",
            "",
            "https://issuer.example ",
        ] {
            let error = read(issuer, "https://issuer.example/jwks").unwrap_err();
            assert!(matches!(error, DiscoveryError::Issuer { .. }), "{issuer}");
            assert_eq!(
                error.to_string(),
                format!("the discovery document is of issuer {issuer:?}, expected \"https://issuer.example\"")
            );
        }
    }

    #[test]
    fn what_is_no_document_is_refused() {
        let parse = |text: &str| Discovery::parse(text.as_bytes(), "x").unwrap_err();
        for text in ["", "[]", "<html>", r#"{"issuer":"x","issuer":"x","jwks_uri":"https://x/"}"#] {
            assert!(matches!(parse(text), DiscoveryError::Malformed(_)), "{text}");
        }
        assert_eq!(parse("{}"), DiscoveryError::Missing("issuer"));
        assert_eq!(parse(r#"{"issuer":1}"#), DiscoveryError::Missing("issuer"));
        assert_eq!(parse(r#"{"issuer":"x"}"#), DiscoveryError::Missing("jwks_uri"));
    }
}
