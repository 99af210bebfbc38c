//! What loads and still deserves a thought. `policy check` shows these and ends with exit 0.

use super::overlap;
use super::problem::{Path, Problem};
use super::template::{Filter, Part};
use super::{Action, Allow, Matcher, Policy, Profile, Rule, name_fields};
use crate::caller::{Field, Kind};

/// Every warning of the policy, in the order of its rules.
pub(super) fn of(policy: &Policy) -> Vec<Problem> {
    let mut warnings = Vec::new();
    for (index, rule) in policy.rules().iter().enumerate() {
        let path = Path::root().key("rules").index(index);
        impossible(rule, &path, &mut warnings);
        match &rule.action {
            Action::Deny(_) => deny(policy, rule, &path, &mut warnings),
            Action::Allow(allow) => {
                folded(policy, rule, allow, &path, &mut warnings);
                scopeless(policy, allow, &path, &mut warnings);
                unpinned(rule, allow, &path, &mut warnings);
                renewing(policy, allow, &path, &mut warnings);
                packed(allow, &path, &mut warnings);
            }
        }
    }
    shared_across_kinds(policy, &mut warnings);
    warnings
}

fn warn(warnings: &mut Vec<Problem>, path: Path, message: impl Into<String>) {
    warnings.push(Problem { path, message: message.into() });
}

/// Entries that no caller can have.
fn impossible(rule: &Rule, path: &Path, warnings: &mut Vec<Problem>) {
    for (field, matchers) in &rule.when.fields {
        for (index, matcher) in matchers.iter().enumerate() {
            let possible = match matcher.literal() {
                Some(text) => field.admits(text),
                None => matcher.pieces().iter().all(|piece| piece.bytes().all(|byte| field.alphabet(byte))),
            };
            if !possible {
                let path = path.key("when").key(field.as_str()).index(index);
                warn(warnings, path, format!("no {field} is ever {:?}: this entry matches nobody", matcher.written()));
            }
        }
    }
}

fn deny(policy: &Policy, rule: &Rule, path: &Path, warnings: &mut Vec<Problem>) {
    let when = path.key("when");
    if rule.when.entries(Field::SessionName).is_some() {
        warn(
            warnings,
            when.key("session_name"),
            "whoever assumes the role chooses the session name, and so evades this rule",
        );
    }
    let roles_only = rule.when.kind == Some(Kind::Role) || rule.when.entries(Field::Role).is_some();
    let people =
        policy.rules().iter().any(|other| matches!(&other.action, Action::Allow(allow) if allow.kind == Kind::Sso));
    // A deny rule for permission sets, or for all people, is taken for the other half.
    let denied_too = policy.rules().iter().any(|other| {
        let everybody = other.when.kind == Some(Kind::Sso) && other.when.fields.is_empty();
        matches!(other.action, Action::Deny(_)) && (everybody || other.when.entries(Field::PermissionSet).is_some())
    });
    if roles_only && people && !denied_too {
        warn(
            warnings,
            when,
            "people of Identity Center are callers of kind sso: a permission set with the same power evades this rule (write a deny rule for it too)",
        );
    }
}

/// Principals that differ only by what a filter folds share a subject: callers of one rule, or of two.
fn folded(policy: &Policy, rule: &Rule, allow: &Allow, path: &Path, warnings: &mut Vec<Problem>) {
    for part in allow.subject.parts() {
        let Part::Field(field, filters) = part else { continue };
        if allow.shared_subject || !name_fields(allow.kind).contains(field) {
            continue;
        }
        let case = filters.iter().any(|filter| matches!(filter, Filter::Upper | Filter::Lower));
        let dashes = filters.contains(&Filter::Underscore);
        let filtered = case || dashes;
        // Snowflake's login names have no letter case, whatever the filters.
        let snowflake = |index: &usize| policy.audiences().get(*index).is_some_and(|a| a.profile == Profile::Snowflake);
        let what = match (case || allow.audiences.iter().any(snowflake), dashes) {
            (true, true) => "letter case, or by - and _,",
            (true, false) => "letter case",
            (false, true) => "- and _",
            (false, false) => continue,
        };
        let path = path.key("grant").key("subject");
        let Some(only) = rule.when.only_literal(*field) else {
            if filtered {
                warn(warnings, path, format!("callers whose {field} differs only by {what} share a subject"));
            }
            continue;
        };
        let fold = |text: &str| text.to_ascii_lowercase().replace('-', "_");
        let namesake = policy.rules().iter().find(|other| {
            let Action::Allow(theirs) = &other.action else { return false };
            !std::ptr::eq(&raw const **theirs, allow)
                && theirs.kind == allow.kind
                && !theirs.audiences.is_disjoint(&allow.audiences)
                && other.when.entries(*field).is_none_or(|entries| {
                    entries.iter().any(|entry| {
                        entry.literal() != Some(only) && Matcher::new(&fold(&entry.written())).matches(&fold(only))
                    })
                })
        });
        if let Some(other) = namesake {
            warn(
                warnings,
                path,
                format!(
                    "the {field} of the rule `{}` differs only by {what} from this one: they may share a subject",
                    other.name
                ),
            );
        }
    }
}

/// Scopes that no token will carry.
fn scopeless(policy: &Policy, allow: &Allow, path: &Path, warnings: &mut Vec<Problem>) {
    let carried =
        allow.audiences.iter().any(|index| policy.audiences().get(*index).is_some_and(|a| a.profile.carries_scopes()));
    if !allow.scopes.is_empty() && !carried {
        warn(
            warnings,
            path.key("grant").key("scopes"),
            "no audience of this rule has a profile that carries scopes (snowflake, oauth, generic)",
        );
    }
}

/// Names that somebody else may come to bear.
fn unpinned(rule: &Rule, allow: &Allow, path: &Path, warnings: &mut Vec<Problem>) {
    let has = |field| rule.when.entries(field).is_some();
    match allow.kind {
        Kind::Role if !has(Field::RoleId) => {
            let literal = rule.when.only_literal(Field::Role).is_some();
            let who = if literal {
                "if the role is deleted, whoever may create roles can take its name"
            } else {
                "whoever may create roles in the account, also under a path, can take a name that matches"
            };
            warn(warnings, path.key("when"), format!("no `role_id`: {who}"));
        }
        Kind::Sso if !has(Field::RoleId) && !has(Field::PermissionSetSuffix) => warn(
            warnings,
            path.key("when"),
            "neither `role_id` nor `permission_set_suffix`: a permission set of the same name, made again or by another Identity Center instance, matches too",
        ),
        _ => {}
    }
}

/// A role that a token may assume and that may itself call for the next token renews its own access for ever.
fn renewing(policy: &Policy, allow: &Allow, path: &Path, warnings: &mut Vec<Problem>) {
    let aws =
        allow.audiences.iter().any(|index| policy.audiences().get(*index).is_some_and(|a| a.profile == Profile::Aws));
    if !aws {
        return;
    }
    for (index, role) in allow.roles.iter().enumerate() {
        // A field can be anything here.
        let arn: String =
            role.parts().iter().map(|part| if let Part::Literal(text) = part { text } else { "*" }).collect();
        let (account, name) =
            (arn.split(':').nth(4).unwrap_or_default(), arn.rsplit(['/', ':']).next().unwrap_or_default());
        let (account, name) = (Matcher::new(account), Matcher::new(name));
        let admits = |rule: &&Rule| {
            matches!(&rule.action, Action::Allow(allow) if allow.kind == Kind::Role)
                && rule.when.accounts.as_ref().is_some_and(|accounts| accounts.iter().any(|own| account.matches(own)))
                && rule.when.entries(Field::Role).is_none_or(|entries| {
                    // Two patterns: to be on the safe side, they can meet.
                    entries.iter().any(|entry| match (entry.literal(), name.literal()) {
                        (Some(literal), _) => name.matches(literal),
                        (None, Some(literal)) => entry.matches(literal),
                        (None, None) => true,
                    })
                })
        };
        if let Some(rule) = policy.rules().iter().find(admits) {
            warn(
                warnings,
                path.key("grant").key("roles").index(index),
                format!("the rule `{}` lets this role itself ask for tokens: access that renews itself", rule.name),
            );
        }
    }
}

/// AWS packs session tags and policies into a space of its own, and tells neither how nor how large it is. The six tags of EKS
/// Pod Identity, some 285 characters, were seen to take 74 percent of it.
fn packed(allow: &Allow, path: &Path, warnings: &mut Vec<Problem>) {
    let least = allow.session_tags.iter().map(|(key, value)| key.len() + value.least()).sum::<usize>();
    if least > 380 {
        let message = format!(
            "keys and values have {least} characters or more: AWS packs them into a space that was seen to be full with some 380, and then refuses the session (PackedPolicyTooLarge)"
        );
        warn(warnings, path.key("grant").key("session_tags"), message);
    }
}

/// Two rules that share subjects on purpose, of different kinds: a person and a workload are one to the relying party.
fn shared_across_kinds(policy: &Policy, warnings: &mut Vec<Problem>) {
    let snowflake = |index: usize| policy.audiences().get(index).is_some_and(|a| a.profile == Profile::Snowflake);
    let rules = policy.rules();
    let found = overlap::meetings(rules.iter().enumerate(), snowflake, |first, second| {
        first.shared_subject && second.shared_subject && first.kind != second.kind
    });
    for (first, second) in found.unwrap_or_default() {
        let name = rules.get(first).map_or("", |rule| rule.name.as_str());
        warn(
            warnings,
            Path::root().key("rules").index(second).key("grant").key("subject"),
            format!(
                "callers of this rule and, of another kind, of the rule `{name}` can share a subject (both say `shared_subject`)"
            ),
        );
    }
}
