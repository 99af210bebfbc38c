//! `when`: whom a rule means.

use std::collections::BTreeSet;

use super::Compiler;
use crate::caller::{Field, Kind};
use crate::policy::document::{List, Text, WhenDocument};
use crate::policy::problem::{Path, Problems};
use crate::policy::{Matcher, When};

impl Compiler<'_> {
    pub(super) fn when(&self, document: &WhenDocument, deny: bool, path: &Path, problems: &mut Problems) -> When {
        let mut partitions = Vec::new();
        let mut accounts: Option<BTreeSet<String>> = None;
        let mut fields = Vec::new();
        for field in Field::ALL {
            let Some(list) = written(document, field) else { continue };
            let path = path.key(field.as_str());
            if let Some(kind) = document.kind.filter(|kind| !field.belongs_to(*kind)) {
                problems.push(path.clone(), format!("callers of kind {kind} have no {field}"));
            }
            match field {
                Field::Partition => partitions = literals(field, list, &path, problems),
                Field::Account => accounts = Some(literals(field, list, &path, problems).into_iter().collect()),
                _ if takes_patterns(field) => fields.push((field, patterns(list, &path, problems))),
                _ => {
                    let exact = literals(field, list, &path, problems).into_iter().map(Matcher::Exact).collect();
                    fields.push((field, exact));
                }
            }
        }
        if let Some(names) = &document.account_set {
            let members = self.members(names, &path.key("account_set"), problems);
            accounts = Some(match accounts {
                None => members,
                Some(accounts) => {
                    let both: BTreeSet<String> = accounts.intersection(&members).cloned().collect();
                    if both.is_empty() && !members.is_empty() {
                        problems.push(
                            path.key("account_set"),
                            "no account is in `account` and in `account_set`: both must match",
                        );
                    }
                    both
                }
            });
        }
        let kinds = [Kind::Role, Kind::Sso, Kind::User];
        let possible = |kind: &Kind| fields.iter().all(|(field, _)| field.belongs_to(*kind));
        if document.kind.is_none() && !kinds.iter().any(possible) {
            problems.push(path.clone(), "no kind of caller has all of these fields, so that the rule can never match");
        }
        if partitions.is_empty() && !deny {
            partitions.push(self.partition.clone());
        }
        When { kind: document.kind, partitions, accounts, fields }
    }

    fn members(&self, names: &List, path: &Path, problems: &mut Problems) -> BTreeSet<String> {
        if names.0.is_empty() {
            problems.push(path.clone(), "an empty list matches nobody: leave the key out, or name sets");
        }
        let mut members = BTreeSet::new();
        for (index, Text(name)) in names.0.iter().enumerate() {
            match self.account_sets.get(name.as_str()) {
                Some(set) => members.extend(set.iter().cloned()),
                None if problems.is_unreadable(&Path::root().key("account_sets").key(name)) => {}
                None => problems.push(path.index(index), format!("there is no account set `{name}`")),
            }
        }
        members
    }
}

pub(super) fn not_a(field: Field, text: &str) -> String {
    let form = match field {
        Field::Account => "12 digits",
        Field::Partition => "as aws, aws-cn, aws-us-gov",
        Field::RoleId => "AROA and capital letters and digits",
        Field::UserId => "AIDA and capital letters and digits",
        Field::PermissionSetSuffix => "16 digits of 0-9 and a-f",
        _ => "a literal",
    };
    if text.contains('*') {
        return format!("{text:?}: `{field}` takes no patterns, only literal values ({form})");
    }
    format!("{text:?} is no {field} ({form})")
}

/// The entries of a field that takes literals only.
pub(super) fn literals(field: Field, list: &List, path: &Path, problems: &mut Problems) -> Vec<String> {
    if list.0.is_empty() {
        problems.push(path.clone(), "an empty list matches nobody: leave the key out, or name values");
    }
    for (index, Text(text)) in list.0.iter().enumerate() {
        if !field.admits(text) {
            problems.push(path.index(index), not_a(field, text));
        }
    }
    // What is wrong is said; counted among the others it would only be the cause of further complaints.
    let sound: BTreeSet<&String> = list.0.iter().map(|Text(text)| text).filter(|text| field.admits(text)).collect();
    sound.into_iter().cloned().collect()
}

/// The entries of a field that takes patterns.
fn patterns(list: &List, path: &Path, problems: &mut Problems) -> Vec<Matcher> {
    if list.0.is_empty() {
        problems.push(path.clone(), "an empty list matches nobody: leave the key out, or name values");
    }
    for (index, Text(text)) in list.0.iter().enumerate() {
        if text.is_empty() {
            problems.push(path.index(index), "an empty pattern matches nobody");
        }
    }
    let distinct: BTreeSet<&String> = list.0.iter().map(|Text(text)| text).collect();
    distinct.into_iter().map(|text| Matcher::new(text)).collect()
}

fn takes_patterns(field: Field) -> bool {
    matches!(
        field,
        Field::Role | Field::PermissionSet | Field::User | Field::Path | Field::UserName | Field::SessionName
    )
}

fn written(when: &WhenDocument, field: Field) -> Option<&List> {
    match field {
        Field::Partition => when.partition.as_ref(),
        Field::Account => when.account.as_ref(),
        Field::Role => when.role.as_ref(),
        Field::RoleId => when.role_id.as_ref(),
        Field::SessionName => when.session_name.as_ref(),
        Field::PermissionSet => when.permission_set.as_ref(),
        Field::PermissionSetSuffix => when.permission_set_suffix.as_ref(),
        Field::UserName => when.user_name.as_ref(),
        Field::User => when.user.as_ref(),
        Field::Path => when.path.as_ref(),
        Field::UserId => when.user_id.as_ref(),
    }
}
