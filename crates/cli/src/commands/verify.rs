//! `countersign verify`: fetch an issuer's documents and say what is right and wrong with a token.

use std::io::Read as _;

use anyhow::Context as _;
use countersign_core::url::IssuerUrl;

use super::Ending;
use crate::client::fetch;
use crate::verify::{Discovery, Expected, KeySet, Report, check, discovery_url};
use crate::{clock, out};

/// The longest input that is looked at; the check itself refuses anything over 64 KiB.
const LONGEST: u64 = 1024 * 1024;

/// Check a token against an issuer's discovery document and JWKS
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The token, or - to read it from standard input (arguments can be seen by other processes)
    token: String,
    /// The issuer URL, exactly as in the token's `iss`
    #[arg(long, value_name = "URL")]
    issuer: String,
    /// What `aud` must hold
    #[arg(long, value_name = "A")]
    audience: Option<String>,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
}

/// Check one token.
pub async fn run(args: Args) -> anyhow::Result<Ending> {
    let issuer = IssuerUrl::local(&args.issuer).context("--issuer")?;
    let token = if args.token == "-" {
        let mut text = String::new();
        std::io::stdin()
            .take(LONGEST)
            .read_to_string(&mut text)
            .context("cannot read the token from standard input")?;
        text
    } else {
        args.token
    };
    let report = report(token.trim(), &issuer, args.audience.as_deref()).await?;
    if args.json {
        out::print(&serde_json::to_string_pretty(&report)?)?;
    } else {
        out::say(report.to_string().trim_end());
    }
    Ok(if report.is_valid() { Ending::Done } else { Ending::Refused })
}

/// Fetch the issuer's documents and check the token with them, now.
pub(crate) async fn report(token: &str, issuer: &IssuerUrl, audience: Option<&str>) -> anyhow::Result<Report> {
    let discovery = fetch(&discovery_url(issuer.as_str())).await?;
    let discovery = Discovery::parse(&discovery, issuer.as_str())?;
    let jwks = KeySet::parse(&fetch(discovery.jwks_uri().as_str()).await?).context("the JWKS cannot be read")?;
    let expected = Expected { issuer: issuer.as_str(), audience, now: clock::now(), leeway: 0 };
    Ok(check(token, &jwks, &expected))
}
