//! Principals of AWS: everyone, accounts, roles and users, services.

use super::super::admission::Admission;
use super::super::condition::Condition;
use super::super::finding::{Code, Findings, Severity};
use super::super::input::Input;
use super::super::pattern::{Compare, Pattern, WILD};
use super::super::principal::{Principal, is_account};

/// Keys that say whose principal calls.
const WHOSE: &[&str] = &["aws:principalarn", "aws:principalaccount", "aws:userid"];
/// Tags are written by the principal's own account: they say which of its principals it is, and not whose.
const TAGS: &[&str] = &["aws:principaltag/"];
/// Keys that say of which organisation they are.
const ORGANIZATION: &[&str] = &["aws:principalorgid", "aws:principalorgpaths"];
/// Keys that say on whose behalf a service calls.
const SOURCE: &[&str] = &["aws:sourceaccount", "aws:sourcearn", "aws:sourceorgid", "aws:sourceorgpaths"];
/// They hand a role over only after `iam:PassRole` in the role's own account, and send none of these keys when they take
/// it, as far as is documented.
const PASSED_ROLES: &[&str] = &["ec2.amazonaws.com", "lambda.amazonaws.com"];

pub(super) fn look(admission: &Admission, input: &Input, findings: &mut Findings) {
    if !matches!(admission.principal, Principal::Everyone | Principal::Unknown(_)) {
        super::web::token_keys(admission, findings);
    }
    match &admission.principal {
        Principal::Everyone => everyone(admission, findings),
        Principal::Account(account) => {
            let eased = demands(admission, &["sts:externalid"]) || input.account.as_ref() == Some(account);
            if !demands(admission, WHOSE) && !demands(admission, TAGS) {
                findings.add(
                    if eased { Severity::Note } else { Severity::Warning },
                    Code::AccountRoot,
                    format!("account {account} itself decides which of its principals get in: name the roles, or add a condition on aws:PrincipalArn"),
                );
            }
            external_id(admission, input, findings);
        }
        Principal::Arn(arn) if arn.contains(['*', '?']) => findings.warn(
            Code::PrincipalWildcard,
            format!("a wildcard in the principal {arn} is a plain character, or AWS refuses it: name the account, and put the pattern into ArnLike aws:PrincipalArn"),
        ),
        Principal::Arn(_) => external_id(admission, input, findings),
        Principal::Deleted(id) => findings.warn(
            Code::DeletedPrincipal,
            format!("{id} is what AWS shows of a role or user that was deleted: nobody gets in by it, also not one of the same name; remove it or name the new one"),
        ),
        Principal::Service(name) => service(admission, name, input, findings),
        Principal::Web(_) | Principal::Saml(_) | Principal::Unknown(_) => {}
    }
}

/// Does a condition demand one of these keys, with values that no stranger's can be?
fn demands(admission: &Admission, keys: &[&str]) -> bool {
    admission.conditions.iter().any(|condition| {
        let named = |key: &&str| condition.key == **key || (key.ends_with('/') && condition.key.starts_with(*key));
        let operator = condition.operator;
        keys.iter().any(named)
            && operator.names()
            && !operator.holds_without_key()
            && condition.values.iter().all(|value| pins(condition, value))
    })
}

/// Does this value leave no room for a stranger? What says whose it is has to stand there without a wildcard.
fn pins(condition: &Condition, value: &Pattern) -> bool {
    // The role's own account and organisation, as far as STS tells them.
    let own = ["${aws:ResourceAccount}", "${aws:ResourceOrgID}"];
    if own.iter().any(|own| own.eq_ignore_ascii_case(value.written())) {
        return true;
    }
    let of_arns = condition.operator.compares().is_none();
    let form = if of_arns { Pattern::new(value.written(), Compare::Like, true).form() } else { value.form() };
    let head = form.split(WILD).next().unwrap_or_default();
    // In an ARN the wildcards of one part end at the colon; in a text they may go on over it.
    let part = |number: usize| if of_arns { &form } else { head }.splitn(6, ':').nth(number).unwrap_or_default();
    match condition.key.as_str() {
        // A bucket's has no account: then it is the bucket that has to stand there.
        "aws:sourcearn" if part(4).is_empty() => {
            let resource = part(5);
            !resource.is_empty()
                && (head == form || head.splitn(6, ':').nth(5).is_some_and(|begun| begun.contains('/')))
        }
        "aws:principalarn" | "aws:sourcearn" => is_account(part(4)),
        "aws:principalorgpaths" | "aws:sourceorgpaths" => head.contains('/'),
        // An id of 21 characters, a colon and the session's name, which the caller chooses.
        "aws:userid" => head == form || head.contains(':') || head.len() >= 20,
        key if key.starts_with("aws:principaltag/") => !head.is_empty(),
        _ => head == form,
    }
}

fn everyone(admission: &Admission, findings: &mut Findings) {
    if demands(admission, WHOSE) {
        return;
    }
    if demands(admission, ORGANIZATION) {
        findings.warn(
            Code::OrganizationWide,
            "every principal of the organisation gets in that its own account's policies allow to: name accounts or roles",
        );
    } else {
        findings.error(
            Code::AnyPrincipal,
            "every principal of every AWS account gets in that fits the conditions: name the principals, or demand aws:PrincipalArn with its account, aws:PrincipalAccount or aws:PrincipalOrgID",
        );
    }
}

/// The confused deputy among accounts: a third party that acts for many must say for whom.
fn external_id(admission: &Admission, input: &Input, findings: &mut Findings) {
    let Some(account) = admission.principal.account() else { return };
    if demands(admission, &["sts:externalid"]) || input.account.as_deref() == Some(account) {
        return;
    }
    let whose = if input.account.is_some() { "another account" } else { "an account that may be another's" };
    findings.note(
        Code::NoExternalId,
        format!("account {account} is {whose}: if it is a third party that does the same for others, demand an sts:ExternalId, so that nobody makes it act here"),
    );
}

fn service(admission: &Admission, name: &str, input: &Input, findings: &mut Findings) {
    if name.contains(['*', '?']) {
        findings.warn(
            Code::PrincipalWildcard,
            format!("a wildcard in the service {name} is a plain character, or AWS refuses it: name the services"),
        );
    } else if PASSED_ROLES.contains(&name) && !demands(admission, SOURCE) {
        findings.note(
            Code::NoSource,
            format!("{name} is handed a role by iam:PassRole in the role's own account, as far as is documented: who may pass it decides"),
        );
    } else if !input.service_linked && !demands(admission, SOURCE) {
        findings.warn(
            Code::NoSource,
            format!("{name} may take the role on behalf of another account: demand aws:SourceAccount or aws:SourceArn, if the service sends them"),
        );
    }
}
