//! Whom an audience's rules mean, as far as the policy alone says it: for relying parties that have to know their users
//! before the first token comes.
//!
//! It decides nothing. Whom a deny rule or an earlier allow rule means in any case is left out; where that depends on more
//! than is known here, a listed principal may still be refused. One that is not listed is one that the rules mean by a
//! pattern.

use std::collections::{BTreeMap, BTreeSet};

use super::{Action, Allow, Audience, Matcher, Policy, Profile, Rule, Template, When, template::Place};
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
    /// All of them: `when` says each value of every field that the subject carries. No two have one subject.
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
        let is_it = |index: &usize| self.audiences().get(*index).is_some_and(|a| a.name == audience.name);
        // Who is meant here gets nothing from the rules that follow.
        let denied = self.rules().iter().filter(|rule| match &rule.action {
            Action::Deny(audiences) => audiences.as_ref().is_none_or(|audiences| audiences.iter().any(is_it)),
            Action::Allow(_) => false,
        });
        let mut decided: Vec<Meant> = denied.map(|rule| Meant::by(&rule.when)).collect();
        let mut admissions = Vec::new();
        for rule in self.rules() {
            match &rule.action {
                Action::Allow(allow) if allow.audiences.iter().any(is_it) => {
                    admissions.push(admission(rule, allow, &decided, audience.profile, most));
                    decided.push(Meant::by(&rule.when));
                }
                _ => {}
            }
        }
        admissions
    }
}

/// Whom a rule means: the fields for which not any value will do.
struct Meant {
    kind: Option<Kind>,
    fields: Vec<(Field, Vec<Matcher>)>,
}

fn admission(rule: &Rule, allow: &Allow, decided: &[Meant], profile: Profile, most: usize) -> Admission {
    let when = Meant::by(&rule.when).fields;
    Admission {
        rule: rule.name.clone(),
        kind: allow.kind,
        subject: allow.subject.written(),
        scopes: allow.scopes.iter().map(Template::written).collect(),
        principals: principals(&when, allow, decided, profile, most),
        when: when.into_iter().map(|(field, list)| (field, list.iter().map(Matcher::written).collect())).collect(),
    }
}

/// What the rule says of a field; nothing if any value will do.
fn entries(when: &When, field: Field) -> Vec<Matcher> {
    let exact = |texts: Vec<&String>| texts.into_iter().cloned().map(Matcher::Exact).collect();
    match field {
        Field::Partition => exact(when.partitions.iter().collect()),
        Field::Account => exact(when.accounts.iter().flatten().collect()),
        _ => when.entries(field).unwrap_or_default().to_vec(),
    }
}

/// A value for each of some fields.
type Values = BTreeMap<Field, String>;

fn principals(
    when: &[(Field, Vec<Matcher>)],
    allow: &Allow,
    decided: &[Meant],
    profile: Profile,
    most: usize,
) -> Principals {
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
    told.retain(|values| !decided.iter().any(|other| other.holds_all(allow.kind, when, values)));
    Principals::All(distinct(told.iter().filter_map(|values| rendered(values, allow)), allow, profile))
}

impl Meant {
    fn by(when: &When) -> Self {
        let fields = Field::ALL.into_iter().map(|field| (field, entries(when, field)));
        Self { kind: when.kind, fields: fields.filter(|(_, list)| !list.is_empty()).collect() }
    }

    /// Everybody of this kind whom an allow rule with this `when` means and who has these values?
    fn holds_all(&self, kind: Kind, when: &[(Field, Vec<Matcher>)], values: &Values) -> bool {
        let holds = |(field, meant): &(Field, Vec<Matcher>)| {
            let matches = |value: &str| meant.iter().any(|entry| entry.matches(value));
            let in_full = |entry: &Matcher| entry.literal().map_or_else(|| meant.contains(entry), matches);
            match values.get(field) {
                Some(value) => matches(value),
                None => when.iter().find(|(named, _)| named == field).is_some_and(|(_, list)| list.iter().all(in_full)),
            }
        };
        self.kind.is_none_or(|own| own == kind) && self.fields.iter().all(holds)
    }
}

/// A subject, and each scope of the rule; none where the values do not tell it.
struct Rendered {
    subject: String,
    scopes: Vec<Option<String>>,
}

/// Filters can make one subject of several callers. What only some of them have, the subject does not tell.
fn distinct(all: impl Iterator<Item = Rendered>, allow: &Allow, profile: Profile) -> Vec<Principal> {
    let mut known = BTreeMap::new();
    let mut distinct: Vec<Rendered> = Vec::new();
    for one in all {
        // Snowflake's login names have no letter case.
        let key = if profile == Profile::Snowflake { one.subject.to_ascii_uppercase() } else { one.subject.clone() };
        let index = *known.entry(key).or_insert(distinct.len());
        let Some(same) = distinct.get_mut(index) else {
            distinct.push(one);
            continue;
        };
        for (scope, other) in same.scopes.iter_mut().zip(one.scopes) {
            if *scope != other {
                *scope = None;
            }
        }
    }
    distinct.into_iter().map(|one| one.principal(allow)).collect()
}

impl Rendered {
    fn principal(self, allow: &Allow) -> Principal {
        let mut principal = Principal { subject: self.subject, scopes: Vec::new(), open_scopes: Vec::new() };
        for (scope, template) in self.scopes.into_iter().zip(&allow.scopes) {
            match scope {
                Some(scope) => principal.scopes.push(scope),
                None => principal.open_scopes.push(template.written()),
            }
        }
        principal
    }
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
fn rendered(values: &Values, allow: &Allow) -> Option<Rendered> {
    let value = |field: Field| values.get(&field).map(String::as_str);
    let subject = allow.subject.render_with(value, Place::Subject).ok()?;
    let scope = |scope: &Template| {
        let is_told = scope.fields().all(|(field, _)| values.contains_key(&field));
        // As with the subject: a scope that cannot be rendered denies its caller everything.
        is_told.then(|| scope.render_with(value, Place::Scope).ok()).map_or(Some(None), |rendered| rendered.map(Some))
    };
    let scopes = allow.scopes.iter().map(scope).collect::<Option<_>>()?;
    Some(Rendered { subject, scopes })
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
    rendered(&values, allow).map(|rendered| rendered.principal(allow))
}
