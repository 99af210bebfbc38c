//! A token of the job that this runs in, from the runner of GitHub Actions.
//!
//! Sources: <https://docs.github.com/en/actions/reference/security/oidc>, and `oidc-utils.ts` of GitHub's own toolkit.

use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderMap, HeaderValue};
use reqwest::{Method, Url};
use zeroize::Zeroizing;

use super::{Failure, encoded};
use crate::client::{call, secret_header};
use crate::credentials::token::WebToken;
use crate::verify::location;

const URL: &str = "ACTIONS_ID_TOKEN_REQUEST_URL";
const TOKEN: &str = "ACTIONS_ID_TOKEN_REQUEST_TOKEN";

/// Before the second and the third attempt. GitHub's toolkit makes eleven, in some ten seconds.
const PAUSES: [Duration; 2] = [Duration::from_millis(250), Duration::from_secs(1)];

/// Where a token is asked for, and by what.
pub fn endpoint() -> anyhow::Result<(Url, Zeroizing<String>)> {
    let (Some(url), Some(bearer)) = (variable(URL), variable(TOKEN)) else {
        bail!(
            "{URL} and {TOKEN} are not both set: GitHub Actions sets them for a job that has `permissions: id-token: write`, \
             and they are nowhere else"
        );
    };
    Ok((location(&url).map_err(|fault| anyhow!("{URL} {fault}"))?, Zeroizing::new(bearer)))
}

pub(super) async fn token(audience: &str) -> Result<WebToken, Failure> {
    let (mut url, bearer) = endpoint()?;
    let query = url.query().map(|query| format!("{query}&")).unwrap_or_default();
    url.set_query(Some(&format!("{query}audience={}", encoded(audience))));
    let authorization =
        secret_header(&format!("bearer {}", *bearer)).with_context(|| format!("{TOKEN} is no token"))?;
    let accept = HeaderValue::from_static("application/json; api-version=2.0");
    let headers = HeaderMap::from_iter([(AUTHORIZATION, authorization), (ACCEPT, accept)]);

    let mut pauses = PAUSES.into_iter();
    let answer = loop {
        let answer = call(Method::GET, &url, headers.clone(), String::new(), "asking GitHub for a token").await?;
        match pauses.next() {
            Some(pause) if answer.status == 429 || answer.status >= 500 => tokio::time::sleep(pause).await,
            _ => break answer,
        }
    };
    if answer.status == 200 {
        let value = answer.json().and_then(|body| WebToken::read(body.get("value")?.as_str()?).ok());
        return Ok(value.context("GitHub answered 200 without a token")?);
    }
    let said = format!("HTTP status {}: {}", answer.status, answer.said_without(&[&bearer]));
    if answer.is_refused() {
        let advice = "the job needs `permissions: id-token: write`, and must still be running";
        return Err(Failure::Refused(format!("GitHub refused a token with {said}\n  {advice}")));
    }
    Err(anyhow!("no token from GitHub: {said}").into())
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
