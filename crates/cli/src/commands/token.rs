//! `countersign token`: sign a request with the AWS credentials at hand, and print the token.

use std::io::{IsTerminal as _, Write as _};

use anyhow::Context as _;
use aws_credential_types::Credentials;
use countersign_core::url::IssuerUrl;
use serde_json::Value;

use super::Ending;
use crate::client::{self, Answer, Ask, token_endpoint};
use crate::out;
use crate::signing::{Signer, Signing};

/// Sign a request with the default AWS credential chain and print the token
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The issuer URL; /token is appended unless the path ends in it
    #[arg(long, value_name = "URL")]
    url: String,
    /// Name of an audience in the policy, or its `aud` [default: the policy's]
    #[arg(long, value_name = "A")]
    audience: Option<String>,
    /// Space-separated scopes [default: everything granted]
    #[arg(long, value_name = "S")]
    scope: Option<String>,
    /// Lifetime in seconds, at least 60 [default: the longest granted]
    #[arg(long, value_name = "N")]
    expires_in: Option<u32>,
    /// Region to sign for [default: the one in the API's host name, else that of the AWS configuration, else us-east-1]
    #[arg(long, value_name = "R")]
    region: Option<String>,
    /// Print the whole answer as JSON
    #[arg(long)]
    json: bool,
}

/// Ask for a token.
pub async fn run(args: Args) -> anyhow::Result<Ending> {
    let url = token_endpoint(&IssuerUrl::local(&args.url).context("--url")?);
    let signing = Signing::find(&Signer::Chain, &url, args.region.as_deref()).await?;
    let ask = Ask { audience: args.audience, scope: args.scope, expires_in: args.expires_in };
    let answer = client::ask(&url, &ask, Some(&signing)).await?;
    tell(&answer, &url, args.json)
}

fn tell(answer: &Answer, url: &str, json: bool) -> anyhow::Result<Ending> {
    let body = answer.json();
    if answer.status == 200 {
        let token = answer
            .token()
            .with_context(|| format!("{url} answered 200 without a token (request id {})", answer.id()))?;
        if json {
            out::print(body.as_ref().map(Value::to_string).unwrap_or_default())?;
        } else {
            print_token(&token)?;
        }
        return Ok(Ending::Done);
    }
    if json && let Some(body) = &body {
        out::print(body)?;
    }
    out::say(answer.refusal());
    if answer.is_refused() { Ok(Ending::Refused) } else { anyhow::bail!("no token from {url}") }
}

/// A token that goes into a file or a pipe has no newline: some of its readers do not strip one.
fn print_token(token: &str) -> anyhow::Result<()> {
    let mut stdout = out::stdout().context("cannot write the token to standard output")?;
    let end = if stdout.is_terminal() { "\n" } else { "" };
    write!(stdout, "{token}{end}").and_then(|()| stdout.flush()).context("cannot write the token to standard output")
}

/// For the demonstration and tests: a token with these credentials, or the refusal's body.
pub(crate) async fn request(url: &str, credentials: Credentials) -> anyhow::Result<Answer> {
    client::ask(url, &Ask::default(), Some(&Signing { credentials, region: "us-east-1".to_owned() })).await
}
