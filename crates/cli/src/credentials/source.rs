//! Where a token for AWS comes from: exactly one of four.
//!
//! **Refuses** to send anything secret over http to another machine, to follow a redirect with it, and to repeat it in an
//! error.

mod file;
mod github;
mod issuer;
mod oauth;
mod secret;

use std::path::{Path, PathBuf};
use std::str::FromStr;

use countersign_core::url::{IssuerUrl, UrlFault};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};

use super::Failure;
use super::token::WebToken;
pub use file::{FileFault, read_file};
pub use github::endpoint as github_endpoint;
pub use issuer::SHORTEST;

/// A source of tokens. Its JSON goes into the key of the cache, so it holds names of secrets and never a secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// `POST /token` of a Countersign issuer, signed with AWS credentials.
    Issuer(Issuer),
    /// A file that something else keeps fresh.
    File(#[serde(serialize_with = "as_path")] PathBuf),
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
    /// How it says who it is; without it, as the discovery document demands, else [`ClientAuth::Basic`].
    pub auth: Option<ClientAuth>,
    /// `audience`, as Auth0 and others take it.
    pub audience: Option<String>,
    /// `scope`.
    pub scope: Option<String>,
}

/// How a client authenticates (RFC 6749 section 2.3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum ClientAuth {
    /// HTTP Basic: every provider has to know it.
    Basic,
    /// In the form, which some demand nevertheless.
    Post,
}

/// Where an identity provider gives tokens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Endpoint {
    /// The issuer, whose discovery document names the token endpoint.
    Issuer(ProviderUrl),
    /// The token endpoint itself: https, or http with a loopback host.
    Token(String),
}

/// The issuer of an identity provider as its discovery document writes it: an issuer URL, at whose end there may be a slash, as
/// Auth0 has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct ProviderUrl(String);

impl ProviderUrl {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for ProviderUrl {
    type Error = UrlFault;

    fn try_from(text: String) -> Result<Self, UrlFault> {
        IssuerUrl::local(text.strip_suffix('/').unwrap_or(&text))?;
        Ok(Self(text))
    }
}

impl FromStr for ProviderUrl {
    type Err = UrlFault;

    fn from_str(text: &str) -> Result<Self, UrlFault> {
        Self::try_from(text.to_owned())
    }
}

/// Where a client secret stands. Never on a command line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Secret {
    /// A file. A line's end after it is not part of it.
    File(#[serde(serialize_with = "as_path")] PathBuf),
    /// A variable of the environment, by its name.
    Environment(String),
}

impl Source {
    /// A fresh token, to be carried to STS at once.
    pub async fn token(&self) -> Result<WebToken, Failure> {
        match self {
            Self::Issuer(issuer) => issuer.token(&issuer.signing().await?, Some(SHORTEST)).await,
            Self::File(path) => file::token(path),
            Self::GitHub { audience } => github::token(audience).await,
            Self::OAuth(client) => client.token(&client.secret.read()?).await,
        }
    }

    /// Whether the next token comes from it, too. A pipe that nobody writes any more would be waited for, and the others with it.
    pub fn can_be_read_again(&self) -> anyhow::Result<()> {
        if let Self::File(path) | Self::OAuth(OAuth { secret: Secret::File(path), .. }) = self
            && path.metadata().is_ok_and(|found| !found.is_file())
        {
            anyhow::bail!("{}: it is no file, and it is read for each renewal", path.display());
        }
        Ok(())
    }

    /// A fresh token, to be used for as long as its issuer lets it last.
    pub async fn lasting_token(&self) -> Result<WebToken, Failure> {
        match self {
            Self::Issuer(issuer) => issuer.token(&issuer.signing().await?, None).await,
            _ => self.token().await,
        }
    }
}

fn as_text<S: serde::Serializer>(url: &IssuerUrl, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(url.as_str())
}

/// A path need not be text, and each has to be another one.
fn as_path<S: serde::Serializer>(path: &Path, to: S) -> Result<S::Ok, S::Error> {
    match path.to_str() {
        Some(text) => text.serialize(to),
        None => path.as_os_str().as_encoded_bytes().serialize(to),
    }
}

/// What is written otherwise in forms and queries. A provider that forgets to decode what came by HTTP Basic understands the
/// rest all the same.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

pub(crate) fn encoded(text: &str) -> String {
    utf8_percent_encode(text, ENCODED).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_says_what_was_meant() {
        assert_eq!(encoded("aZ9-._~ +&=%:/é"), "aZ9-._~%20%2B%26%3D%25%3A%2F%C3%A9");
    }
}
