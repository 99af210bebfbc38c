//! The calling side: sign a request as AWS SDKs do, send it, and read public documents.
//!
//! No redirect is ever followed, no answer larger than a megabyte is read, and nothing is waited for longer than ten
//! seconds; after two, a line on stderr says what is being waited for.

use std::time::{Duration, SystemTime};

use anyhow::{Context as _, bail};
use aws_credential_types::Credentials;
use aws_sigv4::http_request::{PayloadChecksumKind, SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use countersign_core::url::{IssuerUrl, is_loopback};
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, Url};
use serde::Serialize;

use crate::signing::Signing;

const TIMEOUT: Duration = Duration::from_secs(10);
/// More is not read of an answer.
pub const LARGEST: usize = 1024 * 1024;

/// What is asked of `POST /token`. Nothing in it is an empty body.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Ask {
    /// Name of an audience in the policy, or its `aud`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audience: Option<String>,
    /// Space-separated scopes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// Lifetime in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_in: Option<u32>,
}

impl Ask {
    /// Content type and body.
    fn body(&self) -> anyhow::Result<(Option<&'static str>, Vec<u8>)> {
        if *self == Self::default() {
            return Ok((None, Vec::new()));
        }
        Ok((Some("application/json"), serde_json::to_vec(self)?))
    }
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Headers.
    pub headers: HeaderMap,
    /// The body, whole.
    pub body: Vec<u8>,
}

/// A client for this URL. On loopback no proxy of the environment is asked.
fn client(url: &str) -> anyhow::Result<reqwest::Client> {
    let mut builder = reqwest::Client::builder()
        .timeout(TIMEOUT)
        .redirect(reqwest::redirect::Policy::none())
        .user_agent(concat!("countersign/", env!("CARGO_PKG_VERSION")));
    if is_loopback(url) {
        builder = builder.no_proxy();
    }
    if url.starts_with("https://")
        && let Some((_, certificates)) = bundle()?
    {
        builder = builder.tls_certs_merge(certificates);
    }
    builder.build().context("cannot set up the HTTP client")
}

/// The certificates of `AWS_CA_BUNDLE`, as they stand there and parsed, to be trusted beside the system's.
pub fn bundle() -> anyhow::Result<Option<(Vec<u8>, Vec<reqwest::Certificate>)>> {
    let Some(path) = std::env::var_os("AWS_CA_BUNDLE").filter(|path| !path.is_empty()) else { return Ok(None) };
    let pem = std::fs::read(&path).with_context(|| format!("AWS_CA_BUNDLE: cannot read {}", path.display()))?;
    let certificates = reqwest::Certificate::from_pem_bundle(&pem).context("AWS_CA_BUNDLE: not PEM certificates")?;
    if certificates.is_empty() {
        bail!("AWS_CA_BUNDLE: no certificate in {}", path.display());
    }
    Ok(Some((pem, certificates)))
}

async fn send(request: reqwest::RequestBuilder, what: &str) -> anyhow::Result<Answer> {
    patiently(what, async {
        let mut response = request.send().await.map_err(without_url).with_context(|| what.to_owned())?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(without_url).with_context(|| what.to_owned())? {
            if body.len() + chunk.len() > LARGEST {
                bail!("{what}: the answer is larger than {LARGEST} bytes");
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Answer { status, headers, body })
    })
    .await
}

fn without_url(error: reqwest::Error) -> reqwest::Error {
    error.without_url()
}

/// Wait, and after two seconds say for what.
pub async fn patiently<T>(what: &str, work: impl Future<Output = T>) -> T {
    let mut work = std::pin::pin!(work);
    if let Ok(done) = tokio::time::timeout(Duration::from_secs(2), &mut work).await {
        return done;
    }
    crate::out::say(format_args!("still {what} ..."));
    work.await
}

/// Fetch a public document, whatever the status.
pub async fn get(url: &str) -> anyhow::Result<Answer> {
    send(client(url)?.get(url), &format!("fetching {url}")).await
}

/// Fetch a public document; only a 200 will do.
pub async fn fetch(url: &str) -> anyhow::Result<Vec<u8>> {
    let answer = get(url).await?;
    if answer.status != 200 {
        bail!("fetching {url}: HTTP status {}", answer.status);
    }
    Ok(answer.body)
}

/// Send any other request. An error says `what` it was and no more: a URL, too, may be somebody's secret.
pub async fn call(method: Method, url: &Url, headers: HeaderMap, body: String, what: &str) -> anyhow::Result<Answer> {
    send(client(url.as_str())?.request(method, url.clone()).headers(headers).body(body), what).await
}

/// A header's value that shows in no log.
pub fn secret_header(text: &str) -> anyhow::Result<HeaderValue> {
    let mut value = HeaderValue::from_str(text)?;
    value.set_sensitive(true);
    Ok(value)
}

/// The token endpoint of an issuer: `/token` below its URL, unless the path ends in it.
pub fn token_endpoint(issuer: &IssuerUrl) -> String {
    if issuer.path().ends_with("/token") { issuer.to_string() } else { format!("{issuer}/token") }
}

/// The region that a request to this URL is signed for: the one in an API Gateway host name, or in `AWS_REGION`.
pub fn region_of(url: &str) -> Option<String> {
    let host = url.split("://").nth(1)?.split(['/', ':']).next()?;
    match host.split('.').collect::<Vec<_>>().as_slice() {
        [_, "execute-api", region, "amazonaws", ..] => Some((*region).to_owned()),
        _ => None,
    }
}

/// Ask for a token: POST, signed with AWS Signature Version 4 for `execute-api`, or without `signed` by nobody.
pub async fn ask(url: &str, ask: &Ask, signed: Option<&Signing>) -> anyhow::Result<Answer> {
    let (content_type, body) = ask.body()?;
    let headers = match signed {
        Some(Signing { credentials, region }) => signed_headers(url, region, credentials, content_type, &body)?,
        None => content_type.map(|name| (CONTENT_TYPE, HeaderValue::from_static(name))).into_iter().collect(),
    };
    send(client(url)?.post(url).headers(headers).body(body), &format!("asking {url} for a token")).await
}

/// The headers that make it a signed request.
pub fn signed_headers(
    url: &str,
    region: &str,
    credentials: &Credentials,
    content_type: Option<&str>,
    body: &[u8],
) -> anyhow::Result<HeaderMap> {
    let identity = credentials.clone().into();
    let mut settings = SigningSettings::default();
    settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(region)
        .name("execute-api")
        .time(SystemTime::now())
        .settings(settings)
        .build()?
        .into();
    let mut headers = HeaderMap::new();
    if let Some(content_type) = content_type {
        headers.insert(CONTENT_TYPE, HeaderValue::from_str(content_type)?);
    }
    let plain = headers.iter().filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)));
    let signable = SignableRequest::new("POST", url, plain.collect::<Vec<_>>().into_iter(), SignableBody::Bytes(body))?;
    let (instructions, _) = sign(signable, &params)?.into_parts();
    for header in instructions.into_parts().0 {
        headers.insert(HeaderName::from_bytes(header.name().as_bytes())?, secret_header(header.value())?);
    }
    Ok(headers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn token_is_appended_once() {
        let endpoint = |url| token_endpoint(&IssuerUrl::local(url).unwrap());
        assert_eq!(endpoint("https://id.acme.com"), "https://id.acme.com/token");
        assert_eq!(endpoint("https://id.acme.com/v1/token"), "https://id.acme.com/v1/token");
        assert_eq!(endpoint("http://127.0.0.1:8787/dev"), "http://127.0.0.1:8787/dev/token");
    }

    #[test]
    fn region_is_in_the_host_name_of_an_api() {
        let region = |url| region_of(url);
        assert_eq!(
            region("https://abc123.execute-api.eu-central-1.amazonaws.com/v1/token").as_deref(),
            Some("eu-central-1")
        );
        assert_eq!(
            region("https://abc123.execute-api.cn-north-1.amazonaws.com.cn/token").as_deref(),
            Some("cn-north-1")
        );
        assert_eq!(region("https://id.acme.com/token"), None);
        assert_eq!(region("http://127.0.0.1:8787/token"), None);
    }
}
