//! `countersign token`: sign a request with the AWS credentials at hand, and print the token.

use std::io::{IsTerminal as _, Write as _};

use anyhow::Context as _;
use aws_config::{BehaviorVersion, Region};
use aws_credential_types::provider::ProvideCredentials as _;
use countersign_core::url::{IssuerUrl, is_loopback};
use serde_json::Value;

use super::Ending;
use crate::client::{Answer, patiently, post_signed, region_of, token_endpoint};
use crate::out;

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
    // Where the region is known, nobody asks the metadata service of a virtual machine for one.
    let local = || is_loopback(&url).then(|| std::env::var("AWS_REGION").unwrap_or_else(|_| "us-east-1".to_owned()));
    let mut loader = aws_config::defaults(BehaviorVersion::latest());
    if let Some(region) = args.region.or_else(|| region_of(&url)).or_else(local) {
        loader = loader.region(Region::new(region));
    }
    let config = Box::pin(loader.load());
    let config = patiently("looking for AWS credentials", config).await;
    let provider = config.credentials_provider().context("no AWS credential provider is configured")?;
    let credentials = patiently("looking for AWS credentials", provider.provide_credentials()).await.context(
        "no AWS credentials found by the default chain (environment, profile, SSO, web identity, container, instance)",
    )?;
    let region = config.region().map_or_else(|| "us-east-1".to_owned(), ToString::to_string);
    let mut body = serde_json::Map::new();
    for (name, value) in [("audience", args.audience), ("scope", args.scope)] {
        if let Some(value) = value {
            body.insert(name.to_owned(), Value::String(value));
        }
    }
    if let Some(seconds) = args.expires_in {
        body.insert("expires_in".to_owned(), seconds.into());
    }
    let answer = if body.is_empty() {
        post_signed(&url, &region, &credentials, None, Vec::new()).await?
    } else {
        let body = serde_json::to_vec(&body)?;
        post_signed(&url, &region, &credentials, Some("application/json"), body).await?
    };
    tell(&answer, &url, args.json)
}

fn tell(answer: &Answer, url: &str, json: bool) -> anyhow::Result<Ending> {
    let id = answer.headers.get("x-request-id").or_else(|| answer.headers.get("x-amzn-requestid"));
    let id = id.and_then(|id| id.to_str().ok()).unwrap_or("none");
    let body: Option<Value> = serde_json::from_slice(&answer.body).ok();
    let member = |name: &str| body.as_ref().and_then(|body| body.get(name)).and_then(Value::as_str);
    if answer.status == 200 {
        let token = member("token")
            .filter(|token| is_compact_jws(token))
            .with_context(|| format!("{url} answered 200 without a token (request id {id})"))?;
        if json {
            out::print(body.as_ref().map(Value::to_string).unwrap_or_default())?;
        } else {
            print_token(token)?;
        }
        return Ok(Ending::Done);
    }
    if json && body.is_some() {
        out::print(body.as_ref().map(Value::to_string).unwrap_or_default())?;
    }
    let said = match (member("error"), member("error_description"), member("message").or_else(|| member("Message"))) {
        (Some(error), description, _) => format!("{error}: {}", description.unwrap_or("no description")),
        (None, _, Some(message)) => message.to_owned(),
        (None, _, None) => "no explanation".to_owned(),
    };
    out::say(format_args!("refused with HTTP status {}: {}", answer.status, printable(&said)));
    if let Some(advice) = advice(answer.status, member("error"), &said) {
        out::say(format_args!("  {advice}"));
    }
    out::say(format_args!("  request id {}", printable(id)));
    // These alone say something about the caller.
    if matches!(answer.status, 400 | 401 | 403) { Ok(Ending::Refused) } else { anyhow::bail!("no token from {url}") }
}

/// A token that goes into a file or a pipe has no newline: some of its readers do not strip one.
fn print_token(token: &str) -> anyhow::Result<()> {
    let mut stdout = out::stdout().context("cannot write the token to standard output")?;
    let end = if stdout.is_terminal() { "\n" } else { "" };
    write!(stdout, "{token}{end}").and_then(|()| stdout.flush()).context("cannot write the token to standard output")
}

/// Three parts of base64url (RFC 7515 section 3.1): nothing else goes to stdout as a token, whatever a server says.
fn is_compact_jws(text: &str) -> bool {
    let part = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
    text.split('.').count() == 3 && text.split('.').all(part)
}

/// What the server says goes to a terminal: no control characters.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii_graphic() || c.is_alphanumeric() { c } else { ' ' }).take(1000).collect()
}

/// What to do about it: the gateway's own messages say what, not why.
fn advice(status: u16, error: Option<&str>, said: &str) -> Option<&'static str> {
    Some(match (status, error) {
        (400, Some("invalid_target")) => {
            "see the policy's audiences for the names that this caller may ask for, or leave --audience out for the default"
        }
        (400, Some("invalid_scope")) => "leave --scope out to get every scope that is granted",
        (503, _) => "the issuer cannot reach its keys or policy at the moment: try again in a few seconds",
        (403, _) if said.contains("Missing Authentication Token") => {
            "API Gateway says this of a path that it does not have: is --url the issuer URL, with its stage or base path?"
        }
        (403, _) if said.contains("security token included in the request is") => {
            "AWS does not know these credentials, or they have expired: renew them (`aws sso login`), or look which profile is in use"
        }
        (403, _) if said.contains("signature we calculated does not match") => {
            "wrong secret key, a wrong --region, or something between here and there changes the request"
        }
        (403, _) if said.contains("Signature expired") || said.contains("Signature not yet current") => {
            "this machine's clock is off by more than 5 minutes"
        }
        (403, _) if said.contains("Credential should be scoped") => "sign for the API's region: --region",
        (403, _) if said.contains("explicit deny") => {
            "the API's resource policy denies this caller: another organisation?"
        }
        (403, _) if said.contains("not authorized") => {
            "the caller needs `execute-api:Invoke` on POST /token of this API, in its own policy too if it is in another account"
        }
        (403, _) if said.ends_with("Forbidden") => {
            "a web application firewall in front of the issuer refused the request"
        }
        // Of the issuer itself; the gateway's own refusals above may have the same code.
        (403, Some("access_denied")) => {
            "the signature is good; the issuer's policy gives this caller nothing. See who you are with `aws sts get-caller-identity`, and ask the issuer's owner for `countersign policy explain --arn ...`"
        }
        _ => return None,
    })
}

/// For the demonstration and tests: a token with these credentials, or the refusal's body.
pub(crate) async fn request(url: &str, credentials: &aws_credential_types::Credentials) -> anyhow::Result<Answer> {
    post_signed(url, "us-east-1", credentials, None, Vec::new()).await
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The deployed gateway says it as JSON of our form, `serve` in its own.
    #[test]
    fn a_refusal_of_the_gateway_is_not_taken_for_one_of_the_issuer() {
        let nothing_granted = advice(403, Some("access_denied"), "access_denied: this caller gets no token here");
        assert!(nothing_granted.is_some_and(|advice| advice.contains("policy explain")));
        for (said, expected) in [
            ("Missing Authentication Token", "with its stage or base path"),
            ("The security token included in the request is invalid.", "renew them"),
            ("The request signature we calculated does not match the signature you provided.", "wrong secret key"),
            ("Signature expired: 20260101T000000Z is now earlier than", "clock"),
            ("Credential should be scoped to a valid region.", "--region"),
            ("User: arn is not authorized to perform: execute-api:Invoke with an explicit deny", "resource policy"),
            ("User: arn is not authorized to perform: execute-api:Invoke on resource", "needs `execute-api:Invoke`"),
            ("Forbidden", "firewall"),
        ] {
            for (error, text) in [(Some("access_denied"), format!("access_denied: {said}")), (None, said.to_owned())] {
                let advice = advice(403, error, &text);
                assert!(advice.is_some_and(|advice| advice.contains(expected)), "{text}: {advice:?}");
            }
        }
    }
}
