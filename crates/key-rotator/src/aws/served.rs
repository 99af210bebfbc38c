//! The key set as the world sees it.

use std::time::Duration;

use aws_smithy_runtime_api::client::http::HttpConnector as _;
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use countersign_aws::client::Connector;
use countersign_aws::snapshot::SourceFault;
use http_body_util::{BodyExt as _, Limited};

/// How long the whole answer may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// A key set is at most 8,000 bytes.
const LARGEST: usize = 64 * 1024;

/// Where relying parties fetch the key set.
#[derive(Debug)]
pub(crate) struct PublicUrl {
    url: String,
    connector: Connector,
}

/// An https URL, or http on this very machine. It is public, and told wherever it fails: so without a user.
pub(crate) fn public_url(text: &str) -> Result<String, String> {
    let url = text.parse::<http::Uri>().map_err(|error| format!("{text:?}: {error}"))?;
    if url.authority().is_some_and(|authority| authority.as_str().contains('@')) {
        return Err("must not name a user".to_owned());
    }
    let loopback = matches!(url.host(), Some("127.0.0.1" | "[::1]" | "localhost"));
    match url.scheme_str() {
        Some("https") => Ok(text.to_owned()),
        Some("http") if loopback => Ok(text.to_owned()),
        _ => Err(format!("{text:?} must be https")),
    }
}

impl PublicUrl {
    /// This URL.
    pub(crate) fn new(url: String, connector: Connector) -> Self {
        Self { url, connector }
    }

    /// What it answers: 200, at most 64 KiB, without a redirect.
    pub(crate) async fn fetch(&self) -> Result<Vec<u8>, SourceFault> {
        let url = &self.url;
        let answer = async {
            let request = HttpRequest::get(url.as_str()).map_err(|error| SourceFault::of(url, &error))?;
            let answer = self.connector.call(request).await.map_err(|error| SourceFault::of(url, &error))?;
            if answer.status().as_u16() != 200 {
                return Err(SourceFault::new(format!("{url}: answers {}", answer.status().as_u16())));
            }
            let body = Limited::new(answer.into_body(), LARGEST).collect().await;
            let body = body.map_err(|error| SourceFault::of(url, &*error))?;
            Ok(body.to_bytes().to_vec())
        };
        let answered = tokio::time::timeout(PATIENCE, answer).await;
        answered.unwrap_or_else(|_| Err(SourceFault::new(format!("{url}: no answer in {} s", PATIENCE.as_secs()))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_public_url_that_names_a_user_is_refused_without_the_password() {
        assert!(public_url("https://id.acme.com/.well-known/jwks.json").is_ok());
        let why = public_url("https://jane:hush@id.acme.com/jwks.json").unwrap_err();
        assert_eq!(why, "must not name a user");
    }
}
