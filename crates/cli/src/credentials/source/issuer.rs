//! A token of a Countersign issuer.

use std::time::Duration;

use anyhow::{Context as _, anyhow};

use super::{Failure, Issuer};
use crate::client::{self, Ask};
use crate::credentials::token::WebToken;
use crate::signing::{Signer, Signing};

/// The shortest lifetime that an issuer gives. It is enough for a token that is carried to STS at once: how long the session
/// lasts does not depend on it.
pub const SHORTEST: u32 = 60;
/// For AWS credentials to sign with. The SDK waits for ever for some who give them: a program, or an STS that says nothing.
const PATIENCE: Duration = Duration::from_secs(45);

impl Issuer {
    /// What the request is signed with.
    pub async fn signing(&self) -> anyhow::Result<Signing> {
        let url = client::token_endpoint(&self.url);
        let signer = self.aws_profile.clone().map_or(Signer::Chain, Signer::Profile);
        within(PATIENCE, Box::pin(Signing::find(&signer, &url, self.region.as_deref()))).await
    }

    /// A token for whoever signs, which is to last so many seconds; without it, as long as the policy lets it.
    pub async fn token(&self, signing: &Signing, expires_in: Option<u32>) -> Result<WebToken, Failure> {
        let url = client::token_endpoint(&self.url);
        let ask = Ask { audience: self.audience.clone(), scope: None, expires_in };
        let answer = client::ask(&url, &ask, Some(signing)).await?;
        match answer.status {
            200 => {
                let token = answer.token().and_then(|token| WebToken::read(&token).ok());
                let missing = || format!("{url} answered 200 without a token (request id {})", answer.id());
                Ok(token.with_context(missing)?)
            }
            _ if answer.is_refused() => Err(Failure::Refused(format!("{url} {}", answer.refusal()))),
            _ => Err(anyhow!("no token from {url}: {}", answer.refusal()).into()),
        }
    }
}

async fn within<T>(patience: Duration, work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let done = tokio::time::timeout(patience, work).await;
    done.unwrap_or_else(|_| {
        Err(anyhow!("whoever gives the AWS credentials to sign with does not answer ({patience:?})"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn whoever_signs_is_not_waited_for_for_ever() {
        let (short, never) = (Duration::from_millis(5), std::future::pending::<anyhow::Result<()>>());
        assert!(within(short, never).await.unwrap_err().to_string().ends_with("to sign with does not answer (5ms)"));
        assert_eq!(within(PATIENCE, async { Ok(1) }).await.unwrap(), 1);
    }
}
