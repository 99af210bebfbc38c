//! The file of probes, loaded and checked.
//!
//! The next may rely on: a [`Probe`] that exists can pass and can fail. What can do only one of them is an error here: a token
//! that may say anything, a claim that is new each time, a lifetime beyond all lifetimes, a refusal with the status of another
//! one, an unsigned request that the issuer itself is to refuse.

use std::collections::BTreeSet;
use std::path::Path as FilePath;

use anyhow::Context as _;
use countersign_core::policy::{MAX_LIFETIME, MIN_LIFETIME, Path, Problem, Problems, Segment, shape};
use countersign_core::schedule::duration;
use countersign_core::url::IssuerUrl;
use serde_json::{Map, Value};

use super::document::{
    CredentialsDocument, Document, ExpectDocument, ProbeDocument, Refusal, RefusedDocument, RoleDocument, TokenDocument,
};
use super::routes::ROUTES;
use crate::client::Ask;
use crate::commands::policy::{Finding, does_not_load, read_bounded};
use crate::signing::Signer;
use crate::yaml;

/// The session's name where nobody says another one.
const SESSION_NAME: &str = "countersign-probe";
/// New in each token: no file can know them.
const NEW_EACH_TIME: [&str; 4] = ["exp", "iat", "jti", "nbf"];

/// What a file says.
#[derive(Debug)]
pub struct File {
    /// The issuer.
    pub url: Option<IssuerUrl>,
    /// Where tokens are asked for, if not below the issuer.
    pub token_url: Option<IssuerUrl>,
    /// The region to sign for, where the URL does not name it.
    pub region: Option<String>,
    /// At least one.
    pub probes: Vec<Probe>,
}

/// A caller, what it asks for, and what must come of it.
#[derive(Debug, Clone)]
pub struct Probe {
    /// Its name; no two have the same.
    pub name: String,
    /// Who signs; nobody, if there is none.
    pub signer: Option<Signer>,
    /// What is asked for.
    pub ask: Ask,
    /// What must come of it.
    pub expect: Expect,
}

/// What must come of it.
#[derive(Debug, Clone)]
pub enum Expect {
    /// A token that verifies.
    Token {
        /// What it says, `sub` and `aud` among it.
        claims: Map<String, Value>,
        /// What it does not say.
        absent: Vec<String>,
        /// In seconds.
        lifetime_at_most: Option<u32>,
    },
    /// A refusal.
    Refused {
        /// Which one.
        error: Refusal,
        /// Its status, where it matters.
        status: Option<u16>,
    },
}

impl File {
    /// Load a file; the inner error is everything that is wrong with it, with lines.
    pub fn load(path: &FilePath) -> anyhow::Result<Result<Self, String>> {
        let text = read_bounded(path).with_context(|| format!("cannot read {}", path.display()))?;
        Ok(Self::parse(&text).map_err(|found| does_not_load(path, found)))
    }

    fn parse(text: &str) -> Result<Self, Vec<Finding>> {
        let found = |(line, problem)| Finding::new(line, problem);
        let document = yaml::parse(text).map_err(|problems| problems.into_iter().map(found).collect::<Vec<_>>())?;
        compile(document.value.clone()).map_err(|problems| {
            let line = |problem: Problem| (document.line(&problem.path), problem);
            let mut found: Vec<Finding> = problems.into_iter().map(line).map(found).collect();
            found.sort_by_key(|finding| finding.line);
            found
        })
    }

    /// What is legal and yet to be thought about.
    pub fn warnings(&self) -> Vec<&'static str> {
        let refused = |probe: &Probe| matches!(probe.expect, Expect::Refused { .. });
        let mut warnings = Vec::new();
        if !self.probes.iter().any(refused) {
            warnings.push("no probe expects a refusal: an issuer that gives everybody a token would pass");
        }
        if self.probes.iter().all(refused) {
            warnings.push("no probe expects a token: an issuer that refuses everybody would pass");
        }
        warnings
    }
}

fn compile(mut value: Value) -> Result<File, Vec<Problem>> {
    let mut problems = Problems::default();
    let root = Path::root();
    let document: Document = if value.is_object() {
        // In claims null is JSON.
        shape::refuse_nulls(&mut value, &mut Path::root(), is_claims, &mut problems);
        demand_maps(&mut value, &mut problems);
        shape::read(value, &mut problems)
    } else {
        problems.unreadable(Path::root(), "a file of probes is a map with `version`, `url` and `probes`".to_owned());
        Document::default()
    };
    match document.version {
        Some(1) => {}
        Some(other) => problems.push(root.key("version"), format!("{other}: this program reads version 1")),
        None => problems.push(root.key("version"), "is missing: write `version: 1`"),
    }
    let mut url = |text: Option<String>, key: &str| {
        let read = text.map(|text| IssuerUrl::local(&text)).transpose();
        read.unwrap_or_else(|fault| {
            problems.push(root.key(key), fault.to_string());
            None
        })
    };
    let (issuer, token_url) = (url(document.url, "url"), url(document.token_url, "token_url"));
    if document.probes.is_empty() {
        problems.push(root.key("probes"), "is empty: a run that asks nothing finds nothing");
    }
    let mut names = BTreeSet::new();
    let mut probes = Vec::new();
    for (index, written) in document.probes.into_iter().enumerate() {
        let path = root.key("probes").index(index);
        probes.extend(probe(written, &path, &mut names, &mut problems));
    }
    if !problems.is_empty() {
        return Err(problems.into_vec());
    }
    Ok(File { url: issuer, token_url, region: document.region, probes })
}

/// One probe; nothing if there is a problem with it.
fn probe(written: ProbeDocument, path: &Path, names: &mut BTreeSet<String>, problems: &mut Problems) -> Option<Probe> {
    let ProbeDocument { name, credentials, ask, expect } = written;
    let at = path.key("name");
    match &name {
        None => problems.push(at, "is missing: reports and metrics name the probe"),
        Some(name) if name.is_empty() || name.len() > 100 || name.trim() != name || !name.bytes().all(printable) => {
            problems.push(at, "a probe's name has 1 to 100 printable ASCII characters, and no space at either end");
        }
        Some(name) if name == ROUTES => {
            problems.push(at, format!("`{ROUTES}` is what the check of the public documents is called"));
        }
        Some(name) if !names.insert(name.clone()) => problems.push(at, format!("another probe is called `{name}`")),
        Some(_) => {}
    }
    let signer = signer(credentials, &path.key("credentials"), problems);
    let ask = ask.unwrap_or_default();
    let ask = Ask { audience: ask.audience, scope: ask.scope, expires_in: ask.expires_in };
    let expect = expectation(expect, &path.key("expect"), problems);
    let (name, signer, expect) = (name?, signer.ok()?, expect?);
    if signer.is_none() && !matches!(expect, Expect::Refused { error: Refusal::Gateway, .. }) {
        let why = "an unsigned request does not reach the issuer: expect { refused: { error: gateway } }";
        problems.push(path.key("expect"), why);
    }
    Some(Probe { name, signer, ask, expect })
}

fn printable(byte: u8) -> bool {
    byte == b' ' || byte.is_ascii_graphic()
}

/// Who signs, if that is anybody. An error is among the problems.
fn signer(written: Option<CredentialsDocument>, path: &Path, problems: &mut Problems) -> Result<Option<Signer>, ()> {
    let CredentialsDocument { default, profile, assume_role, unsigned } = written.unwrap_or_default();
    let mut meant = |value: Option<bool>, key: &str| {
        if value == Some(false) {
            problems.push(path.key(key), "write `true`, or leave the key out");
        }
        value.is_some()
    };
    match (meant(default, "default"), profile, assume_role, meant(unsigned, "unsigned")) {
        (true, None, None, false) => Ok(Some(Signer::Chain)),
        (false, Some(name), None, false) => Ok(Some(Signer::Profile(name))),
        (false, None, Some(written), false) => role(written, &path.key("assume_role"), problems).map(Some).ok_or(()),
        (false, None, None, true) => Ok(None),
        _ => {
            let choice =
                "exactly one of `default: true`, `profile: NAME`, `assume_role: { arn: ARN }` and `unsigned: true`";
            problems.push(path.clone(), choice);
            Err(())
        }
    }
}

fn role(written: RoleDocument, path: &Path, problems: &mut Problems) -> Option<Signer> {
    let RoleDocument { arn, session_name, profile } = written;
    let is_role = |arn: &String| {
        let parts: Vec<&str> = arn.splitn(6, ':').collect();
        matches!(parts.as_slice(), ["arn", _, "iam", "", account, role]
            if account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit()) && role.starts_with("role/"))
    };
    if !arn.as_ref().is_some_and(is_role) {
        problems.push(path.key("arn"), "the ARN of a role is needed here: arn:aws:iam::111122223333:role/NAME");
    }
    let session_name = session_name.unwrap_or_else(|| SESSION_NAME.to_owned());
    let legal = |b: u8| b.is_ascii_alphanumeric() || b"_+=,.@-".contains(&b);
    if !(2..=64).contains(&session_name.len()) || !session_name.bytes().all(legal) {
        problems.push(path.key("session_name"), "a session's name has 2 to 64 characters of A-Z a-z 0-9 _+=,.@-");
    }
    Some(Signer::Role { arn: arn?, session_name, profile })
}

fn expectation(written: Option<ExpectDocument>, path: &Path, problems: &mut Problems) -> Option<Expect> {
    let ExpectDocument { token, refused } = written.unwrap_or_default();
    match (token, refused) {
        (Some(written), None) => Some(token_expected(written, &path.key("token"), problems)),
        (None, Some(RefusedDocument { error, status })) => {
            let at = path.key("refused");
            if error.is_none() {
                let choice = "is missing: access_denied, invalid_target, invalid_scope, invalid_request or gateway";
                problems.push(at.key("error"), choice);
            }
            if let (Some(error), Some(status)) = (error, status)
                && !error.statuses().contains(&status)
            {
                let statuses = error.statuses().iter().map(u16::to_string).collect::<Vec<_>>().join(" or ");
                problems.push(at.key("status"), format!("the status of {} is {statuses}", error.as_str()));
            }
            Some(Expect::Refused { error: error?, status })
        }
        _ => {
            let choice = "exactly one of `token: { claims: ... }` and `refused: { error: ... }`";
            problems.push(path.clone(), choice);
            None
        }
    }
}

fn token_expected(written: TokenDocument, path: &Path, problems: &mut Problems) -> Expect {
    let TokenDocument { claims, absent, lifetime_at_most } = written;
    let at = path.key("claims");
    for (claim, what) in [("sub", "whom"), ("aud", "which relying party")] {
        match claims.get(claim) {
            None => problems.push(at.key(claim), format!("is missing: say {what} the token is for")),
            Some(Value::String(_)) => {}
            Some(_) => problems.push(at.key(claim), "is a text in every token"),
        }
    }
    for claim in claims.keys() {
        if NEW_EACH_TIME.contains(&claim.as_str()) {
            problems.push(at.key(claim), "is new in each token, and checked anyway: see `lifetime_at_most`");
        }
    }
    for (index, claim) in absent.iter().enumerate() {
        let at = path.key("absent").index(index);
        if claims.contains_key(claim) {
            problems.push(at, format!("`{claim}` is also among the claims that must be there"));
        } else if claim == "iss" || NEW_EACH_TIME.contains(&claim.as_str()) {
            problems.push(at, format!("every token has `{claim}`"));
        }
    }
    let lifetime_at_most = lifetime_at_most.and_then(|text| {
        let seconds = duration(&text).and_then(|seconds| {
            // A shorter one cannot be had, and no token lives longer: the probe could only fail, or could not.
            let possible = (MIN_LIFETIME..=MAX_LIFETIME).contains(&seconds);
            possible.then_some(seconds).ok_or_else(|| format!("{seconds} s: a lifetime is 60s to 1h"))
        });
        seconds.map_err(|why| problems.push(path.key("lifetime_at_most"), why)).ok()
    });
    Expect::Token { claims, absent, lifetime_at_most }
}

fn is_claims(path: &Path) -> bool {
    matches!(path.segments(), [Segment::Key(probes), Segment::Index(_), Segment::Key(expect), Segment::Key(token), Segment::Key(claims)]
        if probes == "probes" && expect == "expect" && token == "token" && claims == "claims")
}

fn demand_maps(document: &mut Value, problems: &mut Problems) {
    let Some(Value::Array(probes)) = document.get_mut("probes") else { return };
    for (index, probe) in probes.iter_mut().enumerate() {
        let path = Path::root().key("probes").index(index);
        shape::demand_map(probe, &path, problems);
        for keys in [
            &["credentials"][..],
            &["credentials", "assume_role"],
            &["ask"],
            &["expect"],
            &["expect", "token"],
            &["expect", "refused"],
        ] {
            let part = keys.iter().try_fold(&mut *probe, |part, key| part.get_mut(*key));
            if let Some(part) = part {
                shape::demand_map(part, &keys.iter().fold(path.clone(), |path, key| path.key(key)), problems);
            }
        }
    }
}

#[cfg(test)]
mod tests;
