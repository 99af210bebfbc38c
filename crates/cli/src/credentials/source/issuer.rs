//! A token of a Countersign issuer.

use anyhow::{Context as _, anyhow};

use super::{Failure, Issuer};
use crate::client::{self, Ask};
use crate::credentials::token::WebToken;
use crate::signing::{Signer, Signing};

/// The shortest lifetime that an issuer gives: the token is carried to STS at once, and how long the session lasts does not
/// depend on it.
const LIFETIME: u32 = 60;

impl Issuer {
    pub(super) async fn token(&self) -> Result<WebToken, Failure> {
        let url = client::token_endpoint(&self.url);
        let signer = self.aws_profile.clone().map_or(Signer::Chain, Signer::Profile);
        let signing = Signing::find(&signer, &url, self.region.as_deref()).await?;
        let ask = Ask { audience: self.audience.clone(), scope: None, expires_in: Some(LIFETIME) };
        let answer = client::ask(&url, &ask, Some(&signing)).await?;
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
