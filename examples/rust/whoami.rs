//! Gets a token with the AWS SDK's own signer, calls an API with it, and prints what the API answers:
//!
//! ```sh
//! cargo run --example whoami -- ISSUER_URL AUDIENCE API_URL
//! ```
//!
//! Here it is an example of the crate `countersign`, whose dependencies it shares. In a package of your own:
//!
//! ```sh
//! cargo add anyhow aws-config aws-credential-types aws-sigv4 reqwest serde_json
//! cargo add tokio --features macros,rt-multi-thread
//! ```
//!
//! Credentials come from the SDK's default chain (environment, profiles, SSO, containers, instances).

use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, bail};
use aws_config::{BehaviorVersion, SdkConfig};
use aws_credential_types::provider::ProvideCredentials as _;
use aws_sigv4::http_request::{PayloadChecksumKind, SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use serde_json::{Value, json};

/// An API Gateway host name holds the region to sign for. A domain of your own does not.
fn region_of<'a>(issuer: &'a str, config: &'a SdkConfig) -> &'a str {
    let in_name = issuer.split_once(".execute-api.").and_then(|(_, rest)| rest.split_once(".amazonaws."));
    in_name.map(|(region, _)| region).or(config.region().map(AsRef::as_ref)).unwrap_or("us-east-1")
}

/// A token, and for how many seconds it is good. Keep it, and ask for the next one when a fifth of that is left.
async fn token(
    client: &reqwest::Client,
    config: &SdkConfig,
    issuer: &str,
    audience: &str,
) -> anyhow::Result<(String, u64)> {
    let provider = config.credentials_provider().context("no AWS credentials")?;
    let identity = provider.provide_credentials().await.context("no AWS credentials")?.into();
    let url = format!("{issuer}/token");
    let body = json!({ "audience": audience }).to_string();

    let mut settings = SigningSettings::default();
    settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
    let parameters = v4::SigningParams::builder()
        .identity(&identity)
        .region(region_of(issuer, config))
        .name("execute-api")
        .time(SystemTime::now())
        .settings(settings)
        .build()?
        .into();
    let headers = [("content-type", "application/json")];
    let signable = SignableRequest::new("POST", &url, headers.into_iter(), SignableBody::Bytes(body.as_bytes()))?;
    let (instructions, _signature) = sign(signable, &parameters)?.into_parts();

    let mut request = client.post(&url);
    for (name, value) in headers.into_iter().chain(instructions.headers()) {
        request = request.header(name, value);
    }
    let answer: Value = serde_json::from_str(&text(request.body(body)).await.context("no token")?)?;
    let value = answer["token"].as_str().context("no token in the answer: is it the issuer's URL?")?;
    Ok((value.to_owned(), answer["expires_in"].as_u64().unwrap_or(0)))
}

/// The body of a 200. Every other answer is an error with its body.
async fn text(request: reqwest::RequestBuilder) -> anyhow::Result<String> {
    let answer = request.send().await?;
    let status = answer.status();
    let body = answer.text().await?;
    if status != 200 {
        bail!("HTTP status {status}: {body}");
    }
    Ok(body)
}

async fn run() -> anyhow::Result<String> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [issuer, audience, api] = arguments.as_slice() else {
        bail!("usage: whoami ISSUER_URL AUDIENCE API_URL");
    };
    // It keeps credentials, and renews those that expire. One for the whole program.
    let config = aws_config::load_defaults(BehaviorVersion::latest()).await;
    // Neither a signed request nor a token goes anywhere else than where it was sent.
    let client = reqwest::Client::builder()
        .timeout(Duration::from_secs(10))
        .redirect(reqwest::redirect::Policy::none())
        .build()?;

    let (token, _expires_in) = token(&client, &config, issuer, audience).await?;
    text(client.get(format!("{api}/whoami")).bearer_auth(token)).await.context("the API")
}

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(answer) => {
            println!("{answer}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}
