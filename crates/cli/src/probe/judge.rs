//! What an answer means for a probe: pure, so that the table of deviations is a test.

use countersign_core::UnixSeconds;
use countersign_core::url::IssuerUrl;
use serde_json::{Map, Value};

use super::document::Refusal;
use super::file::{Expect, Probe};
use super::report::Outcome;
use super::routes::Keys;
use crate::answer::{Denial, Said, cleaned};
use crate::client::Answer;
use crate::verify::{Expected, check};

/// How far the clock of whoever probes may be off. The issuer backdates `nbf` as far, and a probe is not to fail for a second.
const LEEWAY: i64 = 60;

/// Does this status say nothing about the caller? Too many requests, and everything that is a fault of the server's.
pub(super) fn says_nothing(status: u16) -> bool {
    status == 429 || status >= 500
}

/// Is the answer what the probe expects?
pub(super) fn judge(probe: &Probe, answer: &Answer, keys: &Keys, issuer: &IssuerUrl, now: UnixSeconds) -> Outcome {
    if says_nothing(answer.status) {
        return Outcome::CouldNotTell(described(answer));
    }
    let denial = Denial::of(&answer.said());
    // These are about whoever probes, and neither a token nor a refusal can be read out of them.
    let ours = matches!(denial, Denial::Credentials | Denial::Clock | Denial::Region);
    if probe.signer.is_some() && matches!(answer.status, 401 | 403) && ours {
        return Outcome::CouldNotTell(described(answer));
    }
    let faults = match (&probe.expect, answer.token()) {
        (Expect::Token { claims, .. }, Some(token)) => {
            let keys = match keys {
                Ok(keys) => keys,
                Err(why) => return Outcome::CouldNotTell(format!("a token, which cannot be verified: {why}")),
            };
            let audience = claims.get("aud").and_then(Value::as_str);
            let report = check(&token, keys, &Expected { issuer: issuer.as_str(), audience, now, leeway: LEEWAY });
            let problems = report.problems.iter();
            let mut faults: Vec<String> =
                problems.map(|problem| cleaned(&format!("{}: {problem}", problem.code()))).collect();
            if let Some(Value::Object(claims)) = report.claims() {
                faults.extend(deviations(probe, claims));
                faults.extend(contradictions(answer, &token, claims));
            } else if faults.is_empty() {
                faults.push("the token has no claims".to_owned());
            }
            faults
        }
        (Expect::Token { .. }, None) => vec![described(answer)],
        (Expect::Refused { error, .. }, Some(_)) => vec![format!("a token, and not {}", error.as_str())],
        (Expect::Refused { error, status }, None) => refusal(*error, *status, probe.signer.is_some(), answer, denial),
    };
    if faults.is_empty() { Outcome::AsExpected } else { Outcome::NotAsExpected(faults) }
}

/// What happened, and what to do about it.
fn described(answer: &Answer) -> String {
    let said = answer.said();
    let mut text = match answer.status {
        200 => "HTTP status 200 without a token".to_owned(),
        status @ 300..400 => format!("HTTP status {status}: redirects are not followed"),
        status if said == (Said { error: None, text: None }) => format!("HTTP status {status}"),
        status => format!("HTTP status {status}: {said}"),
    };
    if matches!(answer.status, 401 | 403)
        && let Some(advice) = Denial::of(&said).advice()
    {
        text.push_str(": ");
        text.push_str(advice);
    }
    text
}

/// Is it the refusal that was meant, by whom it was meant?
fn refusal(error: Refusal, status: Option<u16>, signed: bool, answer: &Answer, denial: Denial) -> Vec<String> {
    let said = answer.said();
    let code = said.error.as_deref();
    let in_words = match error {
        Refusal::AccessDenied => denial == Denial::Issuer,
        Refusal::InvalidTarget | Refusal::InvalidScope | Refusal::InvalidRequest => code == Some(error.as_str()),
        Refusal::Gateway => match denial {
            Denial::ResourcePolicy | Denial::NotAllowed | Denial::Forbidden => true,
            // Of a signed request it means that the path is wrong.
            Denial::NoSignature => !signed,
            _ => false,
        },
    };
    let meant = in_words && error.statuses().contains(&answer.status);
    let mut faults = Vec::new();
    if !meant {
        faults.push(format!("not {}, but {}", error.as_str(), described(answer)));
    }
    if let Some(status) = status.filter(|status| meant && *status != answer.status) {
        faults.push(format!("HTTP status {}, and not {status}", answer.status));
    }
    faults
}

/// Where the claims are other than the probe expects.
fn deviations(probe: &Probe, claims: &Map<String, Value>) -> Vec<String> {
    let Expect::Token { claims: wanted, absent, lifetime_at_most } = &probe.expect else { return Vec::new() };
    let mut faults = Vec::new();
    for (name, wanted) in wanted {
        match claims.get(name) {
            Some(found) if found == wanted => {}
            Some(found) => faults.push(format!("claim {name} is {}, expected {}", shown(found), shown(wanted))),
            None => faults.push(format!("there is no claim {name}, expected {}", shown(wanted))),
        }
    }
    for name in absent {
        if let Some(found) = claims.get(name) {
            faults.push(format!("claim {name} is {}, expected none", shown(found)));
        }
    }
    let most = [*lifetime_at_most, probe.ask.expires_in].into_iter().flatten().min();
    if let Some(most) = most {
        match lifetime(claims) {
            Some(seconds) if seconds <= i64::from(most) => {}
            Some(seconds) => faults.push(format!("the token lives for {seconds} s, expected at most {most} s")),
            None => faults.push("the token does not say for how long it lives: `iat` and `exp`".to_owned()),
        }
    }
    faults
}

/// Where the answer says otherwise than the token in it.
fn contradictions(answer: &Answer, token: &str, claims: &Map<String, Value>) -> Vec<String> {
    let body = answer.json().unwrap_or_default();
    let mut faults = Vec::new();
    if body.get("access_token").and_then(Value::as_str) != Some(token) {
        faults.push("the answer's access_token is not its token".to_owned());
    }
    if body.get("expires_in").and_then(Value::as_i64) != lifetime(claims) {
        faults.push("the answer's expires_in is not the token's lifetime".to_owned());
    }
    faults
}

fn lifetime(claims: &Map<String, Value>) -> Option<i64> {
    let time = |name: &str| claims.get(name).and_then(Value::as_i64);
    time("exp")?.checked_sub(time("iat")?)
}

/// A claim in a message: short, and without anything that a terminal would act upon.
fn shown(value: &Value) -> String {
    cleaned(&value.to_string())
}
