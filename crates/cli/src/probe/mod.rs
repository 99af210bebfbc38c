//! `countersign probe`: callers that must get a token and callers that must be refused, asked over the public URL as the world
//! sees it.
//!
//! Owns: the file of probes, one round of asking, and what is told of it. A token is not only looked at but verified, with the
//! code of `countersign verify` and the keys that the issuer publishes.
//!
//! Refuses: to take anything for the refusal that was meant which is another one. A failed connection, a 5xx or expired
//! credentials say nothing about a policy: that probe could not tell. And to repeat a token, whatever becomes of it.

mod document;
mod file;
mod judge;
mod report;
mod routes;

use std::collections::BTreeMap;
use std::time::{Duration, Instant, SystemTime};

use countersign_core::url::IssuerUrl;
use futures_util::{StreamExt as _, stream};
use tokio::sync::Mutex;

pub use document::{Document, Refusal};
pub use file::{Expect, File, Probe};
pub use report::{Outcome, Report, Run};

use crate::answer::cleaned;
use crate::client::{self, Answer};
use crate::clock;
use crate::signing::{Signer, Signing};

/// How many callers ask at the same time. The gateway of a small deployment throttles at some more.
const AT_ONCE: usize = 4;
/// Credentials that end sooner are fetched anew.
const SOON: Duration = Duration::from_mins(2);

/// Where probes go.
#[derive(Debug)]
pub struct Target {
    /// The issuer.
    pub issuer: IssuerUrl,
    /// Where tokens are asked for.
    pub token_url: String,
    /// The region to sign for, if it is not to be found out.
    pub region: Option<String>,
    /// The longest that a probe may take.
    pub patience: Duration,
}

/// Probes, and whose credentials they need. Those are looked for once, and not again for each round.
pub struct Prober {
    target: Target,
    probes: Vec<Probe>,
    found: BTreeMap<Signer, Mutex<Option<Signing>>>,
}

impl Prober {
    /// Nothing is asked yet.
    pub fn new(target: Target, probes: Vec<Probe>) -> Self {
        let signers = probes.iter().filter_map(|probe| probe.signer.clone());
        let found = signers.map(|signer| (signer, Mutex::default())).collect();
        Self { target, probes, found }
    }

    /// Where the probes go.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// Look at the public documents, then ask for every probe once. The reports come in the order of the file.
    pub async fn round(&self) -> Vec<Report> {
        let (routes, keys) = routes::look(&self.target).await;
        let asked = stream::iter(&self.probes).map(|probe| self.ask(probe, &keys)).buffered(AT_ONCE);
        stream::iter([routes]).chain(asked).collect().await
    }

    async fn ask(&self, probe: &Probe, keys: &routes::Keys) -> Report {
        let patience = self.target.patience;
        let asked = tokio::time::timeout(patience, self.answer(probe)).await;
        let asked = asked.unwrap_or_else(|_| Err(anyhow::anyhow!("no answer within {} s", patience.as_secs())));
        match asked {
            Ok((answer, latency)) => Report {
                name: probe.name.clone(),
                outcome: judge::judge(probe, &answer, keys, &self.target.issuer, clock::now()),
                latency: Some(latency),
                request_id: answer.request_id(),
            },
            Err(why) => Report::unclear(&probe.name, cleaned(&format!("{why:#}"))),
        }
    }

    /// The answer, and how long it took. That the credentials had to be found first does not count.
    async fn answer(&self, probe: &Probe) -> anyhow::Result<(Answer, Duration)> {
        let signing = match &probe.signer {
            Some(signer) => Some(self.signing(signer).await?),
            None => None,
        };
        let began = Instant::now();
        let answer = client::ask(&self.target.token_url, &probe.ask, signing.as_ref()).await?;
        Ok((answer, began.elapsed()))
    }

    async fn signing(&self, signer: &Signer) -> anyhow::Result<Signing> {
        let Target { token_url, region, .. } = &self.target;
        let Some(found) = self.found.get(signer) else {
            return Signing::find(signer, token_url, region.as_deref()).await;
        };
        // Whoever comes second waits here for the first.
        let mut found = found.lock().await;
        if let Some(signing) = &*found
            && signing.credentials.expiry().is_none_or(|end| end > SystemTime::now() + SOON)
        {
            return Ok(signing.clone());
        }
        let signing = Signing::find(signer, token_url, region.as_deref()).await?;
        *found = Some(signing.clone());
        Ok(signing)
    }
}
