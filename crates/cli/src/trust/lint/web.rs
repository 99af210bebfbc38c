//! Web identity and SAML: audience, subject and the claims that STS tells of a token.

use super::super::admission::{Admission, written};
use super::super::condition::Condition;
use super::super::finding::{Code, Findings, Severity};
use super::super::pattern::Pattern;
use super::super::principal::{Kind, Principal, Provider};
use super::super::subject;
use super::{exact, lets_all};

pub(super) fn look(admission: &Admission, provider: &Provider, findings: &mut Findings) {
    if keys(admission, provider, findings) {
        return;
    }
    audience(admission, provider, findings);
    match provider.kind() {
        Kind::Cognito => guests(admission, findings),
        Kind::GitHub => {
            workflow(admission, findings);
            subjects(admission, provider, findings);
        }
        _ => subjects(admission, provider, findings),
    }
}

/// Keys that are told of no token of this provider: such a condition never holds, or is never looked at. True if one is
/// another provider's and has to hold: then nobody gets in, whatever else is wrong.
fn keys(admission: &Admission, provider: &Provider, findings: &mut Findings) -> bool {
    let mut nobody = false;
    for condition in &admission.conditions {
        let (of, claim) = condition.halves();
        let (code, why) = if of == provider.host {
            if provider.tells(claim) {
                continue;
            }
            (Code::UnknownClaim, format!("STS tells no claim {claim:?} of tokens of {of}, as far as is documented"))
        } else if of == "https" {
            (Code::ForeignKey, format!("{} is no key: they begin with the issuer without https://", condition.written))
        } else if of.contains('.') || of == "saml" {
            nobody |= !condition.operator.holds_without_key();
            (Code::ForeignKey, format!("{} is no key of tokens of {}", condition.written, provider.name()))
        } else {
            continue;
        };
        if condition.operator.holds_without_key() {
            findings.error(
                code,
                format!("{why}, so {} always holds and keeps out nobody: correct the key", condition.operator),
            );
        } else {
            findings.warn(code, format!("{why}, so {} never holds and nobody gets in: correct the key, or give each provider its own statement", condition.operator));
        }
    }
    nobody
}

fn audience(admission: &Admission, provider: &Provider, findings: &mut Findings) {
    let host = provider.name();
    let usual = provider.usual_audiences();
    let (example, else_in) = match provider.kind() {
        Kind::Cognito => ("the id of the pool", "those of any identity pool, strangers' too,"),
        _ => (
            usual.first().copied().unwrap_or("the audience that your tokens have"),
            "tokens that were made for something else",
        ),
    };
    let claim = if ["graph.facebook.com", "www.amazon.com"].contains(&host) { "app_id" } else { "aud" };
    let negated = negated_only(admission, provider, "aud", findings);
    match admission.claim("aud") {
        // Facebook and Amazon name the app in another claim.
        None if admission.claim("app_id").is_some_and(|any| !any.iter().any(|all| open(all))) => {}
        None if negated => {}
        None => findings.error(
            Code::NoAud,
            format!("no condition demands an audience, so {else_in} get in: add StringEquals {host}:{claim} {example}"),
        ),
        Some(any) if lets_all(&any) => {
            findings.error(
                Code::NoAud,
                format!("the condition on {host}:aud lets every audience through: write StringEquals with {example}"),
            );
        }
        Some(any) => {
            for all in any.iter().filter(|all| open(all)) {
                let pattern = written(all);
                if matches!(provider.kind(), Kind::Cognito | Kind::People) {
                    findings.error(
                        Code::NoAud,
                        format!("the audience {pattern} is that of strangers' pools or apps too: write StringEquals {host}:aud with the one that is yours"),
                    );
                } else {
                    findings.warn(
                        Code::UnusualAud,
                        format!("every audience that {pattern} matches gets in, if the IAM provider lists it: write the one that your tokens have, with StringEquals"),
                    );
                }
            }
            for all in any.iter().filter(|all| !usual.is_empty() && !open(all)) {
                if !usual.iter().any(|usual| all.iter().all(|pattern| pattern.matches(usual))) {
                    findings.note(
                        Code::UnusualAud,
                        format!("the audience {} is not what tokens for AWS usually have here ({}): make sure that they are made for it, and that the IAM provider lists it", written(all), usual.join(", ")),
                    );
                }
            }
        }
    }
}

/// None of the texts that all have to match is a single one.
fn open(all: &[&Pattern]) -> bool {
    !all.iter().any(|pattern| pattern.is_plain())
}

fn negated_only(admission: &Admission, provider: &Provider, claim: &str, findings: &mut Findings) -> bool {
    let key = format!("{}:{claim}", provider.host);
    let mut on: Vec<&Condition> = admission.conditions.iter().filter(|condition| condition.key == key).collect();
    on.retain(|condition| condition.operator.negated);
    let only = !on.is_empty() && admission.claim(claim).is_none();
    if only {
        findings.error(
            Code::NegatedOnly,
            format!("of {claim} it is only said what it must not be, so everything else gets in: say what it has to be, with StringEquals"),
        );
    }
    only
}

/// A pool of Cognito is named by `aud`, and whether someone signed in by `amr`.
fn guests(admission: &Admission, findings: &mut Findings) {
    match admission.claim("amr") {
        None => findings.warn(
            Code::Guests,
            "no condition demands that someone signed in, so guests of the pool get in: add ForAnyValue:StringLike cognito-identity.amazonaws.com:amr authenticated",
        ),
        Some(any) if any.iter().any(|all| all.iter().all(|pattern| pattern.matches("unauthenticated"))) => {
            findings.warn(Code::Guests, "guests of the pool get in, who are everybody on the internet: such a role may do what everybody may");
        }
        Some(_) => {}
    }
}

/// A reusable workflow, which says what runs and not for whom.
fn workflow(admission: &Admission, findings: &mut Findings) {
    let Some(any) = admission.claim("job_workflow_ref") else { return };
    for all in any.iter().filter(|all| !all.iter().any(|pattern| pattern.is_exact())) {
        findings.warn(
            Code::WorkflowWildcard,
            format!("whoever can push a ref or file that {} matches chooses what runs: name the workflow with one ref, OWNER/REPOSITORY/.github/workflows/FILE@refs/heads/BRANCH", written(all)),
        );
    }
}

/// What other claims of GitHub and GitLab can pin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pin {
    Repository,
    Owner,
    Workflow,
    Context,
}

fn pinned(admission: &Admission, kind: Kind) -> Vec<Pin> {
    let claims: &[(Pin, &[&str])] = match kind {
        Kind::GitHub => &[
            (Pin::Repository, &["repository", "repository_id"]),
            (Pin::Owner, &["repository_owner_id"]),
            (Pin::Workflow, &["job_workflow_ref"]),
            (Pin::Context, &["ref", "environment"]),
        ],
        Kind::GitLab => &[(Pin::Repository, &["project_id"]), (Pin::Owner, &["namespace_id"])],
        _ => &[],
    };
    let exactly = |claims: &[&str]| claims.iter().any(|claim| exact(admission.claim(claim).as_ref()));
    claims.iter().filter(|(_, claims)| exactly(claims)).map(|(pin, _)| *pin).collect()
}

fn subjects(admission: &Admission, provider: &Provider, findings: &mut Findings) {
    let (host, kind) = (provider.name(), provider.kind());
    let pinned = pinned(admission, kind);
    let negated = negated_only(admission, provider, "sub", findings);
    let Some(any) = admission.claim("sub") else {
        if !negated {
            no_subject(host, kind, &pinned, findings);
        }
        return;
    };
    for all in &any {
        let mut narrowest: Option<subject::Reading> = None;
        let rank = |reading: &subject::Reading| {
            reading.faults.iter().map(|(severity, ..)| *severity).min().unwrap_or(Severity::Note)
        };
        for pattern in all {
            let reading = subject::read(kind, pattern);
            // All of them have to match, so the one that lets in least is what counts.
            if narrowest.as_ref().is_none_or(|so_far| rank(&reading) > rank(so_far)) {
                narrowest = Some(reading);
            }
        }
        for (severity, code, message) in narrowest.map(|reading| reading.faults).unwrap_or_default() {
            if code == Code::NameOnly && pinned.contains(&Pin::Repository) {
                continue;
            }
            let message = format!("{}: {message}", written(all));
            match eased(severity, code, &pinned) {
                Some((severity, why)) => findings.add(severity, code, format!("{message} ({why})")),
                None => findings.add(severity, code, message),
            }
        }
    }
}

/// What weighs less because another claim pins it.
fn eased(severity: Severity, code: Code, pinned: &[Pin]) -> Option<(Severity, &'static str)> {
    match code {
        Code::AnySubject | Code::WildcardBeforeSeparator | Code::OwnerWide if severity == Severity::Error => {
            if pinned.contains(&Pin::Repository) {
                Some((Severity::Warning, "another condition pins the repository"))
            } else if pinned.contains(&Pin::Owner) {
                Some((Severity::Warning, "another condition pins the owner"))
            } else if pinned.contains(&Pin::Workflow) && code == Code::OwnerWide {
                Some((Severity::Warning, "another condition pins the workflow that runs"))
            } else {
                None
            }
        }
        Code::RepositoryWide | Code::RefWildcard | Code::EnvironmentWildcard if pinned.contains(&Pin::Context) => {
            Some((Severity::Note, "another condition pins the ref or environment"))
        }
        Code::IdWildcard if pinned.contains(&Pin::Repository) => {
            Some((Severity::Note, "another condition pins the repository"))
        }
        _ => None,
    }
}

fn no_subject(host: &str, kind: Kind, pinned: &[Pin], findings: &mut Findings) {
    let add = format!("add StringEquals {host}:sub");
    match kind {
        Kind::People => findings.warn(Code::NoSub, format!("everybody who signs in to the app gets in: {add}, if not everybody is meant")),
        Kind::GitHub | Kind::GitLab if pinned.contains(&Pin::Repository) || (pinned.contains(&Pin::Owner) && pinned.contains(&Pin::Workflow)) => findings.warn(
            Code::NoSub,
            format!("other claims say which repository, but none says on which branch or event, and AWS refuses a new policy without a condition on sub: {add}"),
        ),
        Kind::GitHub if pinned.contains(&Pin::Workflow) => findings.error(
            Code::NoSub,
            format!("job_workflow_ref says which workflow runs, not for whom: every repository that can call it gets in, and those of strangers can if it is public: {add}, or {host}:repository_owner_id"),
        ),
        Kind::GitHub | Kind::GitLab => findings.error(
            Code::NoSub,
            format!("no condition demands a subject, so every repository there is gets in, those of strangers too: {add}"),
        ),
        _ => findings.error(Code::NoSub, format!("no condition demands a subject, so everybody gets in to whom {host} gives a token for this audience: {add}")),
    }
}

/// SAML: the audience is AWS's sign-in page; who it is decides the provider.
pub(super) fn look_saml(admission: &Admission, findings: &mut Findings) {
    if admission.alternatives("saml:aud").is_none_or(|any| lets_all(&any)) {
        findings.warn(
            Code::NoAud,
            "no condition demands the audience of the assertion: add StringEquals SAML:aud https://signin.aws.amazon.com/saml",
        );
    }
    token_keys(admission, findings);
}

/// Keys of tokens, where there is no token: such a condition never holds, or is never looked at.
pub(super) fn token_keys(admission: &Admission, findings: &mut Findings) {
    let saml = matches!(admission.principal, Principal::Saml(_));
    for condition in &admission.conditions {
        let of = condition.halves().0;
        if of.contains('.') || (of == "saml" && !saml) {
            let why = format!("{} is no key of {}", condition.written, admission.principal);
            if condition.operator.holds_without_key() {
                findings.error(
                    Code::ForeignKey,
                    format!("{why}, so {} always holds and keeps out nobody: remove it", condition.operator),
                );
            } else {
                findings.warn(Code::ForeignKey, format!("{why}, so nobody gets in: give it a statement of its own"));
            }
        }
    }
}
