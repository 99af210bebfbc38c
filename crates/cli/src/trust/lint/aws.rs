//! Principals of AWS: everyone, accounts, roles and users, services.

use super::super::admission::Admission;
use super::super::finding::{Code, Findings, Severity};
use super::super::input::Input;
use super::super::principal::{Principal, arn};

/// Keys that say whose principal calls.
const WHOSE: &[&str] = &["aws:principalarn", "aws:principalaccount", "aws:userid", "aws:principaltag/"];
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
            if !demands(admission, WHOSE) {
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

/// Does a condition demand something of one of these keys?
fn demands(admission: &Admission, keys: &[&str]) -> bool {
    admission.conditions.iter().any(|condition| {
        let named = |key: &&str| condition.key == **key || (key.ends_with('/') && condition.key.starts_with(*key));
        let binding = condition.operator.names() && !condition.operator.holds_without_key();
        keys.iter().any(named)
            && binding
            && condition.values.iter().all(|value| keeps_out(&condition.key, value.written()))
    })
}

/// Does this value keep anybody out whom strangers could be? A wildcard for the account or the organisation does not.
fn keeps_out(key: &str, value: &str) -> bool {
    let wild = |text: &str| text.contains(['*', '?']);
    match key {
        "aws:principalarn" | "aws:sourcearn" => arn(value).is_some_and(|(_, account, _)| !wild(account)),
        "aws:principalorgpaths" | "aws:sourceorgpaths" => !wild(value.split('/').next().unwrap_or_default()),
        "aws:userid" => !wild(value.split(':').next().unwrap_or_default()),
        key if key.starts_with("aws:principaltag/") => value.chars().any(|character| character != '*'),
        _ => !wild(value),
    }
}

fn everyone(admission: &Admission, findings: &mut Findings) {
    // A tag says nothing here: everybody tags the principals of their own account.
    if demands(admission, &["aws:principalarn", "aws:principalaccount", "aws:userid"]) {
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
