//! A source of tokens: what it is, what it needs of this machine, and whether it gives a token.

use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_credential_types::credential_feature::AwsCredentialFeature as Feature;
use jiff::Timestamp;
use reqwest::Url;
use zeroize::Zeroizing;

use super::reach::{BUNDLE, MEND_BUNDLE};
use super::report::{Check, Finding};
use crate::answer::cleaned;
use crate::credentials::source::{Endpoint, OAuth, SHORTEST, Secret, Source, github_endpoint};
use crate::credentials::token::WebToken;
use crate::credentials::{CIRCLE, Failure};
use crate::signing::Signing;
use crate::verify::text::{quoted, utc};
use crate::verify::{discovery_url, location};

/// What the source needs is there.
pub(super) enum Ready {
    /// Who signs the request.
    Signs(Signing),
    /// The token itself.
    Read(WebToken),
    /// The variables of a job, which are read again.
    Job,
    /// The client's secret, which a pipe gives once.
    Knows(Zeroizing<String>),
}

/// Where the token comes from, in words.
pub(super) fn named(source: &Source) -> String {
    match source {
        Source::Issuer(issuer) => {
            let audience = issuer.audience.as_ref().map_or("its default audience", String::as_str);
            format!("a token of {} for {}", issuer.url, cleaned(audience))
        }
        Source::File(path) => format!("the token in {}", path.display()),
        Source::GitHub { audience } => format!("a token of GitHub for {}", cleaned(audience)),
        Source::OAuth(client) => format!("a token of {} for the client {}", at(client), quoted(&client.client_id)),
    }
}

/// Whom an OAuth client asks: no more of a URL than may be seen.
fn at(client: &OAuth) -> String {
    match &client.endpoint {
        Endpoint::Issuer(issuer) => issuer.as_str().to_owned(),
        Endpoint::Token(url) => location(url).map_or_else(|_| "its token URL".to_owned(), |url| origin(&url)),
    }
}

fn origin(url: &Url) -> String {
    url.origin().ascii_serialization()
}

/// What is looked at to see whether the server is there that gives the token.
pub(super) fn place(source: &Source) -> Option<String> {
    match source {
        Source::Issuer(issuer) => Some(discovery_url(super::base(&issuer.url))),
        Source::File(_) => None,
        Source::GitHub { .. } => github_endpoint().ok().map(|(url, _)| origin(&url)),
        Source::OAuth(client) => match &client.endpoint {
            Endpoint::Issuer(issuer) => Some(discovery_url(issuer.as_str())),
            Endpoint::Token(url) => location(url).ok().map(|url| origin(&url)),
        },
    }
}

/// What the source needs, if it is there.
pub(super) async fn ready(source: &Source) -> (Finding, Option<Ready>) {
    let check = Check::Credentials;
    let made = match source {
        Source::Issuer(issuer) => issuer.signing().await.map_err(Failure::from).and_then(|signing| {
            let found = described(&signing.credentials);
            if signing.credentials.expiry().is_some_and(|end| end < SystemTime::now()) {
                return Err(Failure::Refused(format!("{found}: they have ended")));
            }
            Ok((found, Ready::Signs(signing)))
        }),
        Source::File(path) => {
            source.token().await.map(|token| (format!("{} holds a token", path.display()), Ready::Read(token)))
        }
        Source::GitHub { .. } => {
            let found = |(url, _)| (format!("this job may ask {} for tokens", origin(&url)), Ready::Job);
            github_endpoint().map(found).map_err(Failure::from)
        }
        Source::OAuth(OAuth { secret, .. }) => {
            let place = match secret {
                Secret::File(path) => path.display().to_string(),
                Secret::Environment(name) => format!("the variable {name}"),
            };
            let found = |secret| (format!("a client secret is in {place}"), Ready::Knows(secret));
            secret.read().map(found).map_err(Failure::from)
        }
    };
    match made {
        Ok((found, ready)) => (check.ok(found), Some(ready)),
        // What a `credential_process` said stands somewhere in what the SDK says.
        Err(why) if why.to_string().contains(CIRCLE) => (check.unclear(CIRCLE).advise([advice(source)]), None),
        Err(why) => {
            let mut finding = check.failure(&why);
            // What follows in it is how each place was looked at.
            let advice = if finding.found.starts_with(BUNDLE) { MEND_BUNDLE } else { advice(source) };
            finding.advice.insert(0, advice.to_owned());
            (finding, None)
        }
    }
}

fn advice(source: &Source) -> &'static str {
    match source {
        Source::Issuer(_) => "sign in (`aws sso login`), or name the AWS profile that signs (--aws-profile)",
        Source::File(_) => "look at what keeps the file fresh",
        Source::GitHub { .. } => "in the workflow, `permissions: id-token: write` for this job",
        Source::OAuth(_) => {
            "the secret stands in a file (--oauth-client-secret-file) or a variable (--oauth-client-secret-env)"
        }
    }
}

/// Whose credentials, as far as a key id and the SDK tell.
fn described(credentials: &Credentials) -> String {
    let kind = match credentials.access_key_id().get(..4) {
        Some("AKIA") => "a long-term key of a user",
        Some("ASIA") => "a key of a session",
        _ => "a key of no kind that AWS has",
    };
    let features = credentials.get_property::<Vec<Feature>>().map(Vec::as_slice).unwrap_or_default();
    let from = features.iter().find_map(|feature| {
        Some(match feature {
            Feature::CredentialsEnvVars => "the environment",
            Feature::CredentialsSso => "SSO",
            Feature::CredentialsProcess => "a credential_process",
            Feature::CredentialsStsAssumeRole => "a role that the profile assumes",
            Feature::CredentialsProfileStsWebIdToken => "a web identity token file",
            Feature::CredentialsHttp => "the container's endpoint",
            Feature::CredentialsImds => "the instance's metadata",
            Feature::CredentialsProfile => "the AWS profile",
            _ => return None,
        })
    });
    let end = credentials.expiry().and_then(|end| Timestamp::try_from(end).ok());
    let end = end.map(|end| format!(", until {}", utc(end.as_second()))).unwrap_or_default();
    format!("{kind}, from {}{end}", from.unwrap_or("the default chain"))
}

/// A token, which the source gives or not.
pub(super) async fn token(source: &Source, ready: Ready) -> Result<WebToken, Failure> {
    match (source, ready) {
        (_, Ready::Read(token)) => Ok(token),
        (Source::Issuer(issuer), Ready::Signs(signing)) => issuer.token(&signing, Some(SHORTEST)).await,
        (Source::OAuth(client), Ready::Knows(secret)) => client.token(&secret).await,
        _ => source.token().await,
    }
}
