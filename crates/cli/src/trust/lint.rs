//! What is wrong with a trust policy, and who gets in by it.

mod aws;
mod web;

use std::collections::BTreeSet;
use std::fmt;

use serde::Serialize;

use super::admission::{Admission, has_several_values};
use super::condition::{Condition, Quantifier};
use super::document::{Policy, Statement};
use super::finding::{Code, Finding, Findings, Severity};
use super::input::Input;
use super::pattern::{Compare, Pattern, Within, within};
use super::principal::Principal;

/// What is said of one trust policy.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// The role's name, if it is known.
    pub role: Option<String>,
    /// No finding is an error.
    pub ok: bool,
    /// Who gets in.
    pub admitted: Vec<Admission>,
    /// What was found.
    pub findings: Vec<Finding>,
}

/// Looks at one policy.
pub fn lint(input: &Input) -> Report {
    let (policy, findings) = examine(input);
    let findings = findings.sorted();
    Report {
        role: input.role.clone(),
        ok: findings.iter().all(|finding| finding.severity != Severity::Error),
        admitted: Admission::of(&policy),
        findings,
    }
}

/// The policy itself, and everything that was found.
pub(super) fn examine(input: &Input) -> (Policy, Findings) {
    let mut findings = Findings::default();
    if let Some(repeated) = &input.repeated {
        findings.error(
            Code::DuplicateKey,
            format!("{repeated}: one reader takes the first and another the last, and only the last is looked at here; keep one"),
        );
    }
    let policy = Policy::read(&input.document, &mut findings);
    for statement in &policy.statements {
        findings.statement = Some(statement.number);
        if !statement.allows {
            findings.note(Code::Deny, "what a Deny takes away is not taken off from who gets in");
            continue;
        }
        for condition in &statement.conditions {
            condition_alone(condition, &mut findings);
        }
    }
    for statement in policy.statements.iter().filter(|statement| statement.allows) {
        findings.statement = Some(statement.number);
        actions(statement, &mut findings);
        for admission in Admission::of_statement(statement) {
            // A statement for session tags alone lets in nobody.
            let takes = |action: &Pattern| rights(&admission.principal).iter().any(|right| action.matches(right));
            if !statement.actions.is_empty() && !statement.actions.iter().any(takes) {
                continue;
            }
            match &admission.principal {
                Principal::Web(provider) => web::look(&admission, provider, &mut findings),
                Principal::Saml(_) => web::look_saml(&admission, &mut findings),
                _ => aws::look(&admission, input, &mut findings),
            }
            empty(&admission, &mut findings);
        }
    }
    findings.statement = None;
    (policy, findings)
}

/// What is wrong with a condition whoever the principal is.
fn condition_alone(condition: &Condition, findings: &mut Findings) {
    let Condition { operator, written: key, .. } = condition;
    let (of, claim) = condition.halves();
    let of_a_token = of.contains('.') || of == "saml";
    if !of_a_token && !["aws", "sts", "iam", "https"].contains(&of) {
        findings.warn(
            Code::NotUnderstood,
            format!("the condition key {key} is not known: nothing is said about whom it keeps out"),
        );
    }
    let severity = if of_a_token { Severity::Error } else { Severity::Warning };
    // An assertion without the attribute would do, so it is no exception for SAML.
    if operator.quantifier == Quantifier::All && (of == "saml" || !has_several_values(&condition.key)) {
        findings.add(
            severity,
            Code::ForAllValues,
            format!("{operator} holds for a request without {key}: write the operator without ForAllValues"),
        );
    } else if operator.if_exists {
        findings.add(
            severity,
            Code::IfExists,
            format!("{operator} holds for a request without {key}: write the operator without IfExists"),
        );
    }
    if operator.quantifier == Quantifier::Any && of_a_token && claim != "amr" && of != "saml" {
        findings.note(
            Code::ForAnyValue,
            format!("{key} has one value, so ForAnyValue has no meaning: write the operator without it"),
        );
    }
    let wildcard = |value: &&Pattern| value.written().contains(['*', '?']) && value.is_exact();
    match operator.compares() {
        Some(Compare::Equal | Compare::IgnoringCase) if !operator.negated => {
            // `${*}` is meant as a character.
            if let Some(value) = condition.values.iter().find(wildcard).filter(|value| !value.written().contains("${"))
            {
                findings.warn(
                    Code::LiteralWildcard,
                    format!("{operator} takes the wildcard in {:?} for a plain character, so {key} never equals it: use StringLike, or better the full text", value.written()),
                );
            }
        }
        Some(Compare::Like) if claim != "amr" && condition.values.iter().all(Pattern::is_exact) => {
            findings.note(Code::StringLike, format!("{operator} on {key} without a wildcard: StringEquals says the same, and a * that slips in later opens nothing"));
        }
        _ => {}
    }
    if operator.compares() == Some(Compare::IgnoringCase) && of_a_token {
        findings.warn(Code::IgnoreCase, format!("{operator} lets in every spelling of {key}, and names that differ by letter case may be different people's: use StringEquals"));
    }
}

/// What goes along with assuming a role.
const ALONG: [&str; 3] = ["sts:TagSession", "sts:SetSourceIdentity", "sts:SetContext"];

/// What this principal may call to take the role.
fn rights(principal: &Principal) -> &'static [&'static str] {
    match principal {
        Principal::Web(_) => &["sts:AssumeRoleWithWebIdentity"],
        Principal::Saml(_) => &["sts:AssumeRoleWithSAML"],
        Principal::Everyone | Principal::Unknown(_) => {
            &["sts:AssumeRole", "sts:AssumeRoleWithSAML", "sts:AssumeRoleWithWebIdentity"]
        }
        _ => &["sts:AssumeRole"],
    }
}

/// Actions that do not fit who is named, and ones that are more than one.
fn actions(statement: &Statement, findings: &mut Findings) {
    let all: BTreeSet<&str> = statement.principals.iter().flat_map(rights).copied().collect();
    let named = all.iter().copied().collect::<Vec<_>>().join(" or ");
    let along = |action: &Pattern| ALONG.iter().any(|along| action.is_plain() && action.matches(along));
    for action in &statement.actions {
        if !action.is_plain() {
            findings.warn(
                Code::ActionWildcard,
                format!("{} stands for actions that nobody thought of, session tags and source identity among them: name {named}", action.written()),
            );
        } else if !along(action) && !all.iter().any(|right| action.matches(right)) {
            findings.error(
                Code::WrongAction,
                format!("{} is not what those who are named can be let call: it is {named}", action.written()),
            );
        }
    }
    if statement.actions.iter().all(along) {
        return;
    }
    for principal in &statement.principals {
        let own = rights(principal);
        if !statement.actions.iter().any(|action| own.iter().any(|right| action.matches(right))) {
            findings.error(
                Code::WrongAction,
                format!("no action is {}, which is what {principal} would call", own.join(" or ")),
            );
        }
    }
}

/// Conditions on one key that exclude each other.
fn empty(admission: &Admission, findings: &mut Findings) {
    for condition in &admission.conditions {
        if admission.alternatives(&condition.key).is_some_and(|any| any.is_empty()) {
            findings.warn(
                Code::Nobody,
                format!(
                    "the conditions on {} exclude each other, and all have to hold: nobody gets in",
                    condition.written
                ),
            );
        }
    }
}

/// Whether every text that is let through is a single one.
fn exact(alternatives: Option<&super::admission::Alternatives<'_>>) -> bool {
    alternatives
        .is_some_and(|any| !any.is_empty() && any.iter().all(|all| all.iter().any(|pattern| pattern.is_exact())))
}

/// Whether some alternative lets every text through.
fn lets_all(alternatives: &super::admission::Alternatives<'_>) -> bool {
    // No claim is empty.
    let any = Pattern::new("?*", Compare::Like, false);
    alternatives.iter().any(|all| all.iter().all(|pattern| within(&[&any], &[pattern]) == Within::Yes))
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "who gets in{}:", self.role.as_ref().map(|role| format!(" as {role}")).unwrap_or_default())?;
        if self.admitted.is_empty() {
            writeln!(f, "  nobody: no statement allows anything")?;
        }
        for admission in &self.admitted {
            writeln!(f, "  {}", admission.words())?;
        }
        for Finding { statement, severity, code, message } in &self.findings {
            let severity = match severity {
                Severity::Error => "error",
                Severity::Warning => "warning",
                Severity::Note => "note",
            };
            let place = statement.map(|number| format!("statement {number}: ")).unwrap_or_default();
            writeln!(f, "{severity}[{}]: {place}{message}", code.as_str())?;
        }
        Ok(())
    }
}
