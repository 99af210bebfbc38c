//! Where a token for AWS comes from: exactly one of four.

use std::path::PathBuf;

use countersign_core::url::IssuerUrl;
use serde::Serialize;

use super::Failure;
use super::token::WebToken;

/// A source of tokens. Its JSON goes into the key of the cache, so it holds names of secrets and never a secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// `POST /token` of a Countersign issuer, signed with AWS credentials.
    Issuer(Issuer),
    /// A file that something else keeps fresh.
    File(PathBuf),
    /// The runner of GitHub Actions, by `ACTIONS_ID_TOKEN_REQUEST_URL` and `ACTIONS_ID_TOKEN_REQUEST_TOKEN`.
    GitHub {
        /// The audience asked for; GitHub's own default is the URL of the repository's owner.
        audience: String,
    },
    /// The token endpoint of an OAuth identity provider, by client credentials (RFC 6749 section 4.4).
    OAuth(OAuth),
}

/// See [`Source::Issuer`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Issuer {
    /// The issuer URL.
    #[serde(serialize_with = "as_text")]
    pub url: IssuerUrl,
    /// Name of an audience in the policy, or its `aud`; without it, the policy's default.
    pub audience: Option<String>,
    /// The region to sign for; without it, that of the URL or of the AWS configuration.
    pub region: Option<String>,
    /// The profile of the AWS configuration that signs; without it, the default chain.
    pub aws_profile: Option<String>,
}

/// See [`Source::OAuth`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OAuth {
    /// Where tokens are asked for.
    pub endpoint: Endpoint,
    /// The client.
    pub client_id: String,
    /// Where its secret stands.
    pub secret: Secret,
    /// `audience`, as Auth0 and others take it.
    pub audience: Option<String>,
    /// `scope`.
    pub scope: Option<String>,
}

/// Where an identity provider gives tokens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Endpoint {
    /// The issuer, whose discovery document names the token endpoint.
    #[serde(serialize_with = "as_text")]
    Issuer(IssuerUrl),
    /// The token endpoint itself: https, or http with a loopback host.
    Token(String),
}

/// Where a client secret stands. Never on a command line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Secret {
    /// A file. A line's end after it is not part of it.
    File(PathBuf),
    /// A variable of the environment, by its name.
    Environment(String),
}

impl Source {
    /// A fresh token.
    pub async fn token(&self) -> Result<WebToken, Failure> {
        Err(Failure::Unknown(anyhow::anyhow!("not there yet")))
    }
}

fn as_text<S: serde::Serializer>(url: &IssuerUrl, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(url.as_str())
}
