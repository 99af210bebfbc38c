//! The documents of the token's issuer, as STS would look at them: over the network, five seconds each, to the letter.

use std::time::Duration;

use reqwest::Url;
use serde_json::Value;

use super::reach::{Visit, Visits};
use super::report::{Check, Finding};
use crate::answer::cleaned;
use crate::credentials::token::{WebToken, is_of_provider};
use crate::verify::text::quoted;
use crate::verify::{Discovery, DiscoveryError, KeySet, Problem, discovery_url, verify_signature};

/// STS waits for each document so long.
const PATIENCE: Duration = Duration::from_secs(5);

/// Said of a fault of either.
const MEND: &str = "the issuer has to mend it: IAM and STS read it as it is, within 5 seconds";

/// An issuer and where its documents are looked at: there, or on this machine in its place.
pub(super) struct Place<'a> {
    /// `iss`; without a token, what the document says of itself.
    pub(super) issuer: Option<&'a str>,
    /// Below this.
    pub(super) base: &'a str,
    /// This machine stands for the issuer.
    pub(super) is_here: bool,
}

/// Look at both.
pub(super) async fn look(visits: &mut Visits, place: &Place<'_>, token: Option<&WebToken>) -> [Finding; 2] {
    let discovery = visits.at(&discovery_url(place.base)).await;
    let (finding, keys) = place.discovery(discovery);
    let Some(keys) = keys else { return [finding, Check::Jwks.needs(Check::Discovery)] };
    let jwks = jwks(visits.at(&keys).await, token);
    [finding, jwks]
}

impl Place<'_> {
    /// What is to be said of the document, and where the keys are.
    fn discovery(&self, visit: &Visit) -> (Finding, Option<String>) {
        let check = Check::Discovery;
        let body = match body(visit, check) {
            Ok(body) => body,
            Err(finding) => return (finding, None),
        };
        let own: Value = serde_json::from_slice(body).unwrap_or_default();
        let issuer = self.issuer.or(own.get("issuer").and_then(Value::as_str)).unwrap_or_default();
        let document = match Discovery::parse(body, issuer) {
            Ok(document) => document,
            Err(why) => {
                let advice = match why {
                    DiscoveryError::Issuer { .. } => {
                        "STS compares it with the token's iss to the letter: capitals and a slash at the end count"
                    }
                    _ => MEND,
                };
                return (check.failed(why.to_string()).advise([advice]), None);
            }
        };
        let mut faults: Vec<String> = Vec::new();
        if !is_of_provider(issuer) {
            faults.push(not_of_provider(issuer));
        }
        let missing = document.missing_for_aws();
        if !missing.is_empty() {
            faults.push(format!("there is no {}, without which AWS takes no OIDC provider", missing.join(", ")));
        }
        // Whoever listens on this machine is not whom an issuer elsewhere can mean.
        let stray = document.jwks_uri().scheme() != "https" && issuer.starts_with("https://");
        if stray {
            faults.push(format!(
                "jwks_uri {} is not https, and STS fetches no keys there",
                cleaned(document.jwks_uri().as_str())
            ));
        }
        faults.extend(slow(visit));
        let keys = (!stray).then(|| self.moved(document.jwks_uri(), issuer));
        if !faults.is_empty() {
            return (check.failed(faults.join("; ")).advise([MEND]), keys);
        }
        let said = match (self.is_here, self.issuer) {
            (true, _) => format!(
                "of {}; looked at on this machine, at {}: STS looks at the issuer itself",
                quoted(issuer),
                self.base
            ),
            (false, Some(_)) => format!("of {}, as the token's iss", quoted(issuer)),
            (false, None) => format!("of {}; there is no token whose iss it should be", quoted(issuer)),
        };
        (check.ok(said), keys)
    }

    /// Where this machine has what stands below the issuer's URL.
    fn moved(&self, url: &Url, issuer: &str) -> String {
        let below = url.as_str().strip_prefix(issuer).filter(|_| self.is_here);
        below.map_or_else(|| url.to_string(), |path| format!("{}{path}", self.base))
    }
}

/// What is to be said of the key set.
fn jwks(visit: &Visit, token: Option<&WebToken>) -> Finding {
    let check = Check::Jwks;
    let body = match body(visit, check) {
        Ok(body) => body,
        Err(finding) => return finding,
    };
    let failed = |found: String| check.failed(found).advise([MEND, "after a rotation, try again in some minutes"]);
    let keys = match KeySet::parse(body) {
        Ok(keys) => keys,
        Err(why) => return failed(why.to_string()),
    };
    let mut faults: Vec<String> = keys.faults().iter().map(ToString::to_string).collect();
    faults.extend(keys.faults_for_aws());
    if keys.is_empty() {
        faults.push("the key set is empty".to_owned());
    }
    faults.extend(slow(visit));
    let Some(token) = token else {
        if faults.is_empty() {
            return check.ok("keys that STS can read; there is no token that they could have signed");
        }
        return failed(listed(&faults));
    };
    let kid = token.header().get("kid").and_then(Value::as_str);
    if kid.is_none() {
        faults.push("the token names no key (kid), and STS wants one".to_owned());
    }
    match verify_signature(token.text(), &keys) {
        Ok(_) => {}
        // STS knows it, and the library that verifies here does not.
        Err(Problem::Algorithm { found, .. }) if found == "ES512" && faults.is_empty() => {
            return check.warning("the signature is by ES512, which is not verified here");
        }
        Err(problem) if keys.faults().contains(&problem) => {}
        Err(problem) => faults.push(problem.to_string()),
    }
    if faults.is_empty() {
        return check.ok(format!("the signature is by the key {}", kid.map(quoted).unwrap_or_default()));
    }
    failed(listed(&faults))
}

/// Said of an issuer.
pub(super) fn not_of_provider(issuer: &str) -> String {
    format!("IAM takes no issuer {}: https, no port, no query, at most 255 characters", quoted(issuer))
}

/// Some of them: a stranger's set may have thousands.
fn listed(faults: &[String]) -> String {
    const LISTED: usize = 8;
    let more = faults.len().checked_sub(LISTED).filter(|more| *more > 0).map(|more| format!("and {more} more"));
    faults.iter().take(LISTED).cloned().chain(more).collect::<Vec<_>>().join("; ")
}

/// The body of a 200.
fn body(visit: &Visit, check: Check) -> Result<&[u8], Finding> {
    let answer = match (&visit.answer, visit.trouble()) {
        (Ok(answer), _) => answer,
        (_, trouble) => return Err(check.needs(trouble.unwrap_or(Check::Endpoint))),
    };
    let (url, status) = (visit.place(), answer.status);
    match status {
        200 => Ok(&answer.body),
        429 | 500.. => Err(check.unclear(format!("{url}: HTTP status {status}")).advise(["try again"])),
        300..400 => {
            Err(check.failed(format!("{url}: HTTP status {status}, and redirects are not followed")).advise([MEND]))
        }
        _ => Err(check.failed(format!("{url}: HTTP status {status}")).advise(["both documents have to be public"])),
    }
}

fn slow(visit: &Visit) -> Option<String> {
    let took = visit.took;
    (took > PATIENCE).then(|| format!("{} took {took:.0?}, and STS waits for {PATIENCE:?}", visit.place()))
}
