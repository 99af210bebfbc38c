//! Trust policies as they should be: always with an audience and a subject, with a wildcard only where one was asked for.
//!
//! **Owns** the forms of subjects and what may stand in them. **Refuses** every value that could mean more than it says: a
//! wildcard that spans a separator, a policy variable, a name that the provider does not allow.

use std::collections::BTreeMap;

use countersign_core::url::IssuerUrl;
use serde::Serialize;

mod countersign;
mod github;
mod gitlab;
mod kubernetes;

pub use countersign::Countersign;
pub use github::GitHub;
pub use gitlab::GitLab;
pub use kubernetes::Kubernetes;

/// A flag's value that cannot stand in a trust policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{flag} {value:?}: {why}")]
pub struct Fault {
    flag: &'static str,
    value: String,
    why: String,
}

impl Fault {
    fn new(flag: &'static str, value: &str, why: impl Into<String>) -> Self {
        Self { flag, value: value.to_owned(), why: why.into() }
    }
}

/// A policy document, in the order in which people write one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Document {
    version: &'static str,
    statement: Vec<Statement>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Statement {
    effect: &'static str,
    principal: BTreeMap<&'static str, String>,
    action: Values,
    condition: BTreeMap<&'static str, BTreeMap<String, Values>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
enum Values {
    One(String),
    Many(Vec<String>),
}

impl Values {
    fn of(mut values: Vec<String>) -> Self {
        values.dedup();
        match <[String; 1]>::try_from(values) {
            Ok([only]) => Self::One(only),
            Err(values) => Self::Many(values),
        }
    }
}

/// Whose provider it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    partition: String,
    account: String,
}

const PARTITIONS: &[&str] =
    &["aws", "aws-cn", "aws-us-gov", "aws-iso", "aws-iso-b", "aws-iso-e", "aws-iso-f", "aws-eusc"];

impl Place {
    /// A partition and an account of it.
    pub fn new(partition: &str, account: &str) -> Result<Self, Fault> {
        if !PARTITIONS.contains(&partition) {
            return Err(Fault::new("--partition", partition, format!("the partitions are {}", PARTITIONS.join(", "))));
        }
        if account.len() != 12 || !account.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(Fault::new("--account", account, "an account id has 12 digits, leading zeros included"));
        }
        Ok(Self { partition: partition.to_owned(), account: account.to_owned() })
    }
}

/// What a token has to say: exact values, or patterns because somebody asked for a wildcard.
struct Demand {
    claim: String,
    values: Vec<String>,
}

impl Demand {
    fn new(claim: &str, values: Vec<String>) -> Self {
        Self { claim: claim.to_owned(), values }
    }
}

/// Puts a document together. In `demands` stand `aud`, `sub` and whatever else is wanted.
fn document(place: &Place, issuer: &IssuerUrl, more_actions: &[&str], demands: Vec<Demand>) -> Document {
    let host = issuer.as_str().trim_start_matches("https://");
    let arn = format!("arn:{}:iam::{}:oidc-provider/{host}", place.partition, place.account);
    let mut condition: BTreeMap<&'static str, BTreeMap<String, Values>> = BTreeMap::new();
    for Demand { claim, values } in demands {
        let operator = if values.iter().any(|value| value.contains('*')) { "StringLike" } else { "StringEquals" };
        condition.entry(operator).or_default().insert(format!("{host}:{claim}"), Values::of(values));
    }
    let actions = ["sts:AssumeRoleWithWebIdentity"].iter().chain(more_actions).map(|action| (*action).to_owned());
    Document {
        version: "2012-10-17",
        statement: vec![Statement {
            effect: "Allow",
            principal: BTreeMap::from([("Federated", arn)]),
            action: Values::of(actions.collect()),
            condition,
        }],
    }
}

/// An issuer as IAM takes it for a provider: https, no port, no query.
fn issuer(flag: &'static str, url: &str) -> Result<IssuerUrl, Fault> {
    let issuer = IssuerUrl::new(url).map_err(|fault| Fault::new(flag, url, fault.to_string()))?;
    let host = url.trim_start_matches("https://").split('/').next().unwrap_or_default();
    if host.contains([':', '[']) || host.parse::<std::net::Ipv4Addr>().is_ok() {
        return Err(Fault::new(flag, url, "IAM takes no port and no address for an OIDC provider"));
    }
    if host.bytes().any(|byte| byte.is_ascii_uppercase()) || url.contains('*') {
        return Err(Fault::new(
            flag,
            url,
            "no token has this `iss`: a host is in small letters, and no * stands in it",
        ));
    }
    Ok(issuer)
}

fn audience(value: &str) -> Result<Demand, Fault> {
    let printable = value.bytes().all(|byte| byte.is_ascii_graphic());
    if value.is_empty() || value.len() > 255 || !printable || value.contains(['*', '?']) || value.contains("${") {
        return Err(Fault::new(
            "--audience",
            value,
            "1 to 255 printable ASCII characters without space are needed, and no *, ? or ${",
        ));
    }
    Ok(Demand::new("aud", vec![value.to_owned()]))
}

/// The name of a branch or tag as git takes it, `*` allowed: git has none in its names.
fn git_name<'a>(flag: &'static str, name: &'a str) -> Result<&'a str, Fault> {
    let fault = |why: &str| Err(Fault::new(flag, name, why));
    if name.starts_with("refs/") {
        return fault("the name alone is needed, without refs/heads/ or refs/tags/");
    }
    let forbidden = |character: char| character.is_control() || " ~^:?[\\".contains(character);
    let bad_step = |step: &str| step.is_empty() || step.starts_with('.') || step.strip_suffix(".lock").is_some();
    let bad = name.contains(forbidden) || name.contains("..") || name.contains("@{") || name.ends_with('.');
    if bad || name == "@" || name.len() > 250 || name.split('/').any(bad_step) {
        return fault("git has no such name (of wildcards, * is taken)");
    }
    no_variable(flag, name)
}

fn no_variable<'a>(flag: &'static str, text: &'a str) -> Result<&'a str, Fault> {
    if text.contains("${") {
        return Err(Fault::new(flag, text, "IAM takes ${ for the begin of a policy variable"));
    }
    Ok(text)
}

/// The name of an environment, `*` allowed.
fn environment_name<'a>(flag: &'static str, name: &'a str) -> Result<&'a str, Fault> {
    if name.is_empty()
        || name.len() > 255
        || name.contains(|character: char| character.is_control() || character == '?')
    {
        return Err(Fault::new(flag, name, "1 to 255 characters are needed, and no ?"));
    }
    no_variable(flag, name)
}

fn number<'a>(flag: &'static str, id: &'a str) -> Result<&'a str, Fault> {
    if id.is_empty() || id.len() > 20 || id.starts_with('0') || !id.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Fault::new(flag, id, "an id is a number"));
    }
    Ok(id)
}
