//! Whom an audience's rules mean, as far as the policy alone says it: for relying parties that have to know their users
//! before the first token comes.
//!
//! It decides nothing. Deny rules and the order of rules are left out, so a listed principal may still be refused; one
//! that is not listed is one that the rules mean by a pattern.

use std::collections::{BTreeMap, BTreeSet};

use super::{Action, Allow, Audience, Matcher, Policy, Profile, Rule, Template, template::Place};
use crate::caller::{Field, Kind};

/// An allow rule's part in an audience. Templates and patterns are as they were written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admission {
    /// The rule's name.
    pub rule: String,
    /// The kind of its callers.
    pub kind: Kind,
    /// Whom it means: each field with its entries, accounts of sets among them.
    pub when: Vec<(Field, Vec<String>)>,
    /// The subject.
    pub subject: String,
    /// The scopes.
    pub scopes: Vec<String>,
    /// The subjects that there can be.
    pub principals: Principals,
}

/// The subjects that a rule can give.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Principals {
    /// All of them: `when` says each value of every field that the subject carries.
    All(Vec<Principal>),
    /// Without number, or more than were asked for. One that the rule might mean, if one could be made up.
    Endless(Option<Principal>),
}

/// A subject, and the scopes of its tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// What `sub` says.
    pub subject: String,
    /// The scopes that follow from the subject.
    pub scopes: Vec<String>,
    /// Scopes, as written, that depend on more of the caller than the subject tells.
    pub open_scopes: Vec<String>,
}

impl Audience {
    /// The name in the policy.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The token's `aud`.
    pub fn aud(&self) -> &str {
        &self.aud
    }

    /// What the relying party expects.
    pub fn profile(&self) -> Profile {
        self.profile
    }
}

impl Policy {
    /// The relying parties with a profile.
    pub fn audiences_with(&self, profile: Profile) -> impl Iterator<Item = &Audience> {
        self.audiences().iter().filter(move |audience| audience.profile == profile)
    }

    /// The allow rules for an audience, in their order. A rule with more than `most` subjects counts as endless.
    pub fn admissions(&self, audience: &Audience, most: usize) -> Vec<Admission> {
        let granted = |allow: &Allow| {
            allow.audiences.iter().any(|index| self.audiences().get(*index).is_some_and(|a| a.name == audience.name))
        };
        let rules = self.rules().iter().filter_map(|rule| match &rule.action {
            Action::Allow(allow) if granted(allow) => Some(admission(rule, allow, most)),
            _ => None,
        });
        rules.collect()
    }
}

fn admission(rule: &Rule, allow: &Allow, most: usize) -> Admission {
    let entries = Field::ALL.into_iter().map(|field| (field, entries(rule, field)));
    let when: Vec<(Field, Vec<Matcher>)> = entries.filter(|(_, list)| !list.is_empty()).collect();
    Admission {
        rule: rule.name.clone(),
        kind: allow.kind,
        subject: allow.subject.written(),
        scopes: allow.scopes.iter().map(Template::written).collect(),
        principals: principals(&when, allow, most),
        when: when.into_iter().map(|(field, list)| (field, list.iter().map(Matcher::written).collect())).collect(),
    }
}

/// What the rule says of a field; nothing if any value will do.
fn entries(rule: &Rule, field: Field) -> Vec<Matcher> {
    let exact = |texts: Vec<&String>| texts.into_iter().cloned().map(Matcher::Exact).collect();
    match field {
        Field::Partition => exact(rule.when.partitions.iter().collect()),
        Field::Account => exact(rule.when.accounts.iter().flatten().collect()),
        _ => rule.when.entries(field).unwrap_or_default().to_vec(),
    }
}

/// A value for each of some fields.
type Values = BTreeMap<Field, String>;

fn principals(when: &[(Field, Vec<Matcher>)], allow: &Allow, most: usize) -> Principals {
    // An entry that no caller can have means nobody.
    let possible = |field: Field, list: &[Matcher]| list.iter().any(|m| m.literal().is_none_or(|t| field.admits(t)));
    if !when.iter().all(|(field, list)| possible(*field, list)) {
        return Principals::All(Vec::new());
    }
    // What is the same for all callers of the rule is told as well as what the subject carries.
    let mut told: Vec<Values> = vec![when.iter().filter_map(|(field, list)| Some((*field, only(list)?))).collect()];
    let carried: BTreeSet<Field> = allow.subject.fields().map(|(field, _)| field).collect();
    for field in carried {
        let list = when.iter().find(|(named, _)| *named == field).map_or(&[][..], |(_, list)| list);
        let literals: Option<Vec<&str>> = list.iter().map(Matcher::literal).collect();
        let values = literals.filter(|values| !values.is_empty() && values.len().saturating_mul(told.len()) <= most);
        let Some(values) = values else { return Principals::Endless(example(when, allow)) };
        let values: Vec<&str> = values.into_iter().filter(|value| field.admits(value)).collect();
        told = told.iter().flat_map(|one| values.iter().map(move |value| with(one, field, value))).collect();
    }
    Principals::All(told.iter().filter_map(|values| principal(values, allow)).collect())
}

fn with(values: &Values, field: Field, value: &str) -> Values {
    let mut values = values.clone();
    values.insert(field, value.to_owned());
    values
}

fn only(list: &[Matcher]) -> Option<String> {
    match list {
        [Matcher::Exact(text)] => Some(text.clone()),
        _ => None,
    }
}

/// The subject and scopes for these values; none if the subject cannot be rendered, which is a denial.
fn principal(values: &Values, allow: &Allow) -> Option<Principal> {
    let value = |field: Field| values.get(&field).map(String::as_str);
    let subject = allow.subject.render_with(value, Place::Subject).ok()?;
    let (mut scopes, mut open_scopes) = (Vec::new(), Vec::new());
    for scope in &allow.scopes {
        if scope.fields().all(|(field, _)| values.contains_key(&field)) {
            // As with the subject: a scope that cannot be rendered denies its caller everything.
            scopes.push(scope.render_with(value, Place::Scope).ok()?);
        } else {
            open_scopes.push(scope.written());
        }
    }
    Some(Principal { subject, scopes, open_scopes })
}

/// Somebody whom the rule might mean.
fn example(when: &[(Field, Vec<Matcher>)], allow: &Allow) -> Option<Principal> {
    let value = |field: Field| {
        if let Some((_, list)) = when.iter().find(|(named, _)| *named == field) {
            // What a `*` can stand for, a whole path among it.
            let fillings = |entry: &Matcher| ["example", "example/", ""].map(|filling| entry.pieces().join(filling));
            return list.iter().flat_map(fillings).find(|text| field.admits(text));
        }
        let made_up = match field {
            Field::Partition => "aws",
            Field::Account => "111122223333",
            Field::Role | Field::SessionName | Field::PermissionSet | Field::User => "example",
            Field::RoleId => "AROAEXAMPLE",
            Field::PermissionSetSuffix => "0123456789abcdef",
            Field::UserName => "example@example.com",
            Field::Path => "/",
            Field::UserId => "AIDAEXAMPLE",
        };
        Some(made_up.to_owned())
    };
    let fields = Field::ALL.into_iter().filter(|field| field.belongs_to(allow.kind));
    let values: Values = fields.filter_map(|field| Some((field, value(field)?))).collect();
    principal(&values, allow)
}
