//! The public documents as relying parties fetch them: discovery and key set, with the headers that they count on.
//!
//! It is a probe of its own, and always on: what it fetches verifies the tokens of the others.

use std::time::Instant;

use countersign_core::bounds::Bounds;
use reqwest::header::{ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, CONTENT_TYPE, ETAG, HeaderMap, HeaderName};
use serde_json::Value;

use super::report::{Outcome, Report};
use super::{Target, judge};
use crate::answer::cleaned;
use crate::client::{self, Answer};
use crate::verify::{Discovery, KeySet, discovery_url};

/// The name of this probe in reports and metrics.
pub(super) const ROUTES: &str = "routes";
/// The keys that verify tokens, or why there are none.
pub(super) type Keys = Result<KeySet, String>;

/// What ends the look at the documents: nothing can be said, or nothing good.
enum Stop {
    Unclear(String),
    Fault(String),
}

/// Look at both documents.
pub(super) async fn look(target: &Target) -> (Report, Keys) {
    let began = Instant::now();
    let mut faults = Vec::new();
    let looked = tokio::time::timeout(target.patience, documents(target, &mut faults)).await;
    let looked = looked.unwrap_or_else(|_| {
        Err(Stop::Unclear(format!("the public documents took longer than {} s", target.patience.as_secs())))
    });
    let keys = match looked {
        Ok(keys) => Ok(keys),
        Err(Stop::Fault(fault)) => {
            faults.push(fault);
            Err(format!("the key set cannot be had: see {ROUTES}"))
        }
        // A fault that was found before stays one.
        Err(Stop::Unclear(why)) if faults.is_empty() => return (Report::unclear(ROUTES, why.clone()), Err(why)),
        Err(Stop::Unclear(why)) => Err(why),
    };
    let outcome = if faults.is_empty() { Outcome::AsExpected } else { Outcome::NotAsExpected(faults) };
    (Report { name: ROUTES.to_owned(), outcome, latency: Some(began.elapsed()), request_id: None }, keys)
}

async fn documents(target: &Target, faults: &mut Vec<String>) -> Result<KeySet, Stop> {
    let issuer = target.issuer.as_str();
    let url = discovery_url(issuer);
    let answer = fetch(&url, faults).await?;
    let discovery = Discovery::parse(&answer.body, issuer).map_err(|error| Stop::Fault(error.to_string()))?;
    let members: Value = answer.json().unwrap_or_default();
    let endpoint = members.get("token_endpoint").and_then(Value::as_str);
    if endpoint != Some(&target.token_url) {
        let found = endpoint.map_or_else(|| "none".to_owned(), cleaned);
        faults.push(format!("{url}: token_endpoint is {found}, and tokens are asked for at {}", target.token_url));
    }
    for name in discovery.missing_for_aws() {
        faults.push(format!("{url}: there is no {name}, without which AWS takes no OIDC provider"));
    }
    let url = discovery.jwks_uri().as_str();
    let answer = fetch(url, faults).await?;
    let keys = KeySet::parse(&answer.body).map_err(|error| Stop::Fault(format!("{url}: {error}")))?;
    faults.extend(keys.faults().iter().map(|fault| format!("{url}: {fault}")));
    if keys.is_empty() {
        faults.push(format!("{url}: the key set is empty"));
    }
    Ok(keys)
}

/// The document at this URL; what is wrong with its headers goes to `faults`.
async fn fetch(url: &str, faults: &mut Vec<String>) -> Result<Answer, Stop> {
    let answer = client::get(url).await.map_err(|error| Stop::Unclear(format!("{error:#}")))?;
    match answer.status {
        200 => {}
        status if judge::says_nothing(status) => return Err(Stop::Unclear(format!("{url}: HTTP status {status}"))),
        status @ 300..400 => {
            return Err(Stop::Fault(format!("{url}: HTTP status {status}: relying parties follow no redirect")));
        }
        status => return Err(Stop::Fault(format!("{url}: HTTP status {status}: {}", answer.said()))),
    }
    faults.extend(headers(&answer.headers).into_iter().map(|fault| format!("{url}: {fault}")));
    Ok(answer)
}

/// What relying parties, browsers and caches on the way count on.
fn headers(headers: &HeaderMap) -> Vec<String> {
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let mut faults = Vec::new();
    let media_type = text(CONTENT_TYPE).split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if media_type != "application/json" {
        faults.push(format!("the content-type is {:?}, not application/json", cleaned(&media_type)));
    }
    let cache = text(CACHE_CONTROL).to_ascii_lowercase();
    let directives: Vec<&str> = cache.split(',').map(str::trim).collect();
    let most = Bounds::default().max_age;
    let ages = directives
        .iter()
        .filter_map(|directive| directive.strip_prefix("max-age=").or_else(|| directive.strip_prefix("s-maxage=")));
    let ages: Vec<Option<u32>> = ages.map(|age| age.parse().ok()).collect();
    let may_be_kept = !directives.iter().any(|directive| matches!(*directive, "no-store" | "no-cache" | "private"));
    // Longer, and the key schedule no longer holds; not at all, and every verification of a relying party comes here.
    if !may_be_kept || ages.is_empty() || ages.iter().any(|age| !age.is_some_and(|age| (1..=most).contains(&age))) {
        let cache = cleaned(&cache);
        faults.push(format!("cache-control is {cache:?}: the key schedule counts on a max-age of 1 to {most}"));
    }
    if text(ETAG).is_empty() {
        faults.push("there is no etag".to_owned());
    }
    if text(ACCESS_CONTROL_ALLOW_ORIGIN) != "*" {
        faults.push("access-control-allow-origin is not *: relying parties in a browser cannot read it".to_owned());
    }
    faults
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderValue;

    use super::*;

    fn faults(changes: &[(HeaderName, &'static str)]) -> Vec<String> {
        let mut all = HeaderMap::new();
        for (name, value) in [
            (CONTENT_TYPE, "application/json"),
            (CACHE_CONTROL, "public, max-age=300"),
            (ETAG, "\"x\""),
            (ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
        ] {
            all.insert(name, HeaderValue::from_static(value));
        }
        for (name, value) in changes {
            all.insert(name, HeaderValue::from_static(value));
        }
        headers(&all)
    }

    #[test]
    fn each_header_that_somebody_counts_on() {
        for good in [
            &[][..],
            &[(CONTENT_TYPE, "Application/JSON; charset=utf-8")],
            &[(CACHE_CONTROL, "max-age=1")],
            &[(CACHE_CONTROL, "Public, S-MaxAge=60, max-age=300")],
            &[(ETAG, "W/\"x\"")],
        ] {
            assert_eq!(faults(good), Vec::<String>::new(), "{good:?}");
        }
        for (bad, words) in [
            (&[(CONTENT_TYPE, "text/html")][..], "content-type"),
            (&[(CONTENT_TYPE, "")], "content-type"),
            (&[(CACHE_CONTROL, "")], "cache-control"),
            (&[(CACHE_CONTROL, "no-store")], "cache-control"),
            (&[(CACHE_CONTROL, "public, max-age=300, no-cache")], "cache-control"),
            (&[(CACHE_CONTROL, "private, max-age=300")], "cache-control"),
            (&[(CACHE_CONTROL, "max-age=0")], "cache-control"),
            (&[(CACHE_CONTROL, "max-age=301")], "cache-control"),
            (&[(CACHE_CONTROL, "max-age=300, s-maxage=86400")], "cache-control"),
            (&[(CACHE_CONTROL, "max-age=soon")], "cache-control"),
            (&[(ETAG, "")], "etag"),
            (&[(ACCESS_CONTROL_ALLOW_ORIGIN, "https://acme.com")], "access-control"),
        ] {
            let found = faults(bad);
            assert!(matches!(found.as_slice(), [only] if only.contains(words)), "{bad:?}: {found:?}");
        }
    }
}
