//! `countersign doctor`: the whole chain from a token's source to a session of the role, link by link, and what is wrong with it.
//!
//! **Owns** the order of the links, and which cannot be looked at without which. What each means is decided where credentials are
//! really asked for: the same calls are made. **Refuses** to read or write credentials that are kept, and to tell a token or a
//! secret. The next may rely on: there is one [`Finding`] a link, in order, and a failure is told once, where it is.

mod clock;
mod documents;
mod place;
mod reach;
mod report;
mod source;

use countersign_core::url::{IssuerUrl, is_loopback};
use jiff::Timestamp;

pub use report::{Check, Finding, Report, Status};

use self::documents::Place;
use self::reach::{Visit, Visits, visit};
use crate::credentials::source::Source;
use crate::credentials::token::WebToken;
use crate::credentials::{Failure, Request, sts};
use crate::verify::location;
use crate::verify::text::{quoted, utc};

/// Said of an STS that is not there.
const STS_IS: &str = "where STS is, the region says (--region, AWS_REGION, the AWS profile), AWS_USE_FIPS_ENDPOINT, \
                      AWS_USE_DUALSTACK_ENDPOINT and AWS_ENDPOINT_URL_STS";

/// Nothing but the settings can be looked at.
pub fn no_request(why: anyhow::Error) -> Report {
    Report(vec![Check::Settings.failure(&Failure::Unknown(why))])
}

/// Look at everything that leads to the session that is asked for.
pub async fn examine(request: &Request) -> Report {
    let Request { source, session } = request;
    let role = &session.role;
    let settings = Check::Settings.ok(format!("{}, for {role}", source::named(source)));
    let sts = sts::endpoint(session).await;
    let (credentials, ready) = Box::pin(source::ready(source)).await;

    let mut visits = Visits::default();
    let look = async |url: Option<String>| match url {
        Some(url) => Some(visit(&url).await),
        None => None,
    };
    let (at_source, at_sts) = tokio::join!(look(source::place(source)), look(sts.as_ref().ok().cloned()));
    // What stands between here and the source, and between here and STS.
    let before_source = at_source.as_ref().and_then(Visit::barrier);
    let before_sts = if sts.is_err() { Some(Check::Endpoint) } else { at_sts.as_ref().and_then(Visit::barrier) };
    visits.0.extend([at_source, at_sts].into_iter().flatten());
    let mut clock = visits.clock();
    let off = (clock.status == Status::Failed).then_some(Check::Clock);

    let giving = match source {
        Source::Issuer(_) => Check::Policy,
        // It was read.
        Source::File(_) => Check::Credentials,
        Source::GitHub { .. } | Source::OAuth(_) => Check::Token,
    };
    let token = match ready {
        None => Err(giving.needs(Check::Credentials)),
        Some(ready) => match off.filter(|_| giving != Check::Credentials).or(before_source) {
            Some(first) => Err(giving.needs(first)),
            None => Box::pin(source::token(source, ready)).await.map_err(|why| {
                giving
                    .failure(&why)
                    .or_advise("try again; is that where tokens are given? See settings for who is asked")
            }),
        },
    };
    let [discovery, jwks] = documents(&mut visits, source, token.as_ref().map_err(|_| giving)).await;
    // Further servers may say that the clock is right. What was not asked because of it stays so.
    if token.is_ok() || off.is_none() {
        clock = visits.clock();
    }
    let off = off.filter(|_| clock.status == Status::Failed);
    let (claims, answer) = match &token {
        Err(_) => (Check::Claims.needs(giving), Check::Role.needs(giving)),
        Ok(token) => {
            let claims = judged(token, request, off);
            let first = (!claims.is_good()).then_some(Check::Claims).or(before_sts);
            let answer = match first {
                Some(first) => Check::Role.needs(first),
                None => answered(request, token).await,
            };
            (claims, answer)
        }
    };
    let audience = token.as_ref().ok().and_then(WebToken::audience);
    let endpoint = reached(&visits, request, &sts, audience);
    let mut findings = vec![settings, clock, credentials, endpoint, visits.tls(), discovery, jwks];
    let given =
        |token: WebToken| giving.ok(format!("a token with the sub {}", quoted(token.subject().unwrap_or_default())));
    findings.extend((giving != Check::Credentials).then(|| token.map_or_else(|finding| finding, given)));
    // STS looked at what nobody could look at from here.
    if answer.is_good() {
        findings = findings.into_iter().map(Finding::or_perhaps).collect();
    }
    findings.extend([claims, answer]);
    Report(findings)
}

/// The issuer URL of `--url`, which may be the token endpoint itself.
fn base(url: &IssuerUrl) -> &str {
    url.as_str().strip_suffix("/token").unwrap_or(url.as_str())
}

/// The documents of the token's issuer; without a token, of the one that would give it.
async fn documents(visits: &mut Visits, source: &Source, token: Result<&WebToken, Check>) -> [Finding; 2] {
    let neither = |finding: Finding| [finding, Check::Jwks.needs(Check::Discovery)];
    let here = match source {
        Source::Issuer(issuer) if is_loopback(issuer.url.as_str()) => Some(base(&issuer.url)),
        _ => None,
    };
    let place = match (token.map(WebToken::issuer), source) {
        (Err(_), Source::Issuer(issuer)) => Place { issuer: None, base: base(&issuer.url), is_here: here.is_some() },
        (Err(giving), _) => return neither(Check::Discovery.needs(giving)),
        (Ok(None), _) => return neither(Check::Discovery.needs(Check::Claims)),
        (Ok(Some(issuer)), _) => {
            // Whoever wrote the token names what is fetched, and on this machine that is for its user to name.
            let fault = match location(issuer) {
                Err(fault) => Some(format!("the token's iss, {}, {fault}", quoted(issuer))),
                Ok(url) => (url.scheme() != "https" && here.is_none()).then(|| documents::not_of_provider(issuer)),
            };
            if let Some(found) = fault {
                return neither(Check::Discovery.failed(found).advise(["IAM takes https URLs"]));
            }
            Place { issuer: Some(issuer), base: here.unwrap_or(issuer), is_here: here.is_some() }
        }
    };
    documents::look(visits, &place, token.ok()).await
}

fn reached(visits: &Visits, request: &Request, sts: &anyhow::Result<String>, audience: Option<&str>) -> Finding {
    let (check, role) = (Check::Endpoint, &request.session.role);
    let faults = place::faults(&request.source, role, sts.as_ref().ok().map(String::as_str));
    if !faults.is_empty() {
        return check.failed(faults.join("; "));
    }
    let (mut absent, mut advice) = visits.absent();
    // If all others are there, AWS may have no STS of that name: what it is made of.
    if let ([line], Ok(sts)) = (absent.as_slice(), sts)
        && line.starts_with(&format!("{sts}: "))
    {
        advice.push(STS_IS.to_owned());
    }
    absent.extend(sts.as_ref().err().map(|why| format!("{why:#}")));
    if !absent.is_empty() {
        return check.unclear(absent.join("; ")).advise(advice);
    }
    if let Some(why) = audience.and_then(|audience| place::audience(role, audience)) {
        return check
            .warning(why)
            .advise(["the provider in the role's account has to list the one that the token has"]);
    }
    check.ok(format!("STS is {}, the partition {}", sts.as_deref().unwrap_or_default(), role.partition()))
}

fn judged(token: &WebToken, Request { session, .. }: &Request, off: Option<Check>) -> Finding {
    let check = Check::Claims;
    if let Some(off) = off {
        return check.needs(off);
    }
    let faults = token.faults(session, Timestamp::now());
    if !faults.is_empty() {
        let advice = "who gives the token decides what it says: the rule of the policy, or the settings of the identity provider";
        return check.failed(format!("STS would not take the token: {}", faults.join("; "))).advise([advice]);
    }
    let audience = quoted(token.audience().unwrap_or_default());
    check.ok(format!("the aud {audience}, until {}", utc(token.time("exp").unwrap_or_default())))
}

async fn answered(Request { session, .. }: &Request, token: &WebToken) -> Finding {
    match Box::pin(sts::assume(session, token)).await {
        Ok(given) => Check::Role.ok(format!("{} until {}", given.arn, utc(given.expiration.as_second()))),
        Err(why) => Check::Role.failure(&why).or_advise("try again; is that an STS? AWS_ENDPOINT_URL_STS names it"),
    }
}
