//! Who may have which token: the policy, loaded and checked.
//!
//! A [`Policy`] that exists keeps the promise of `docs/policy.md`: it never lets one caller pass for another. What
//! people write is [`Document`], a type of its own; what decides is this one. The Lambda reads JSON only, the command
//! line turns YAML into it.

mod automaton;
mod compile;
mod document;
mod explain;
mod overlap;
mod pattern;
mod problem;
mod roster;
pub mod shape;
mod template;
mod warnings;

use std::collections::BTreeSet;

pub use document::{Document, Profile};
pub use explain::{Explanation, RuleVerdict, Verdict};
pub(crate) use pattern::Matcher;
pub use problem::{Path, Problem, Problems, Segment};
pub use roster::{Admission, Principal, Principals};
pub(crate) use template::Template;
pub use template::{Place, RenderFault};

use crate::caller::{Caller, Field, Kind};
use crate::jwk::Algorithm;

/// The largest policy, as JSON text, in bytes.
pub const MAX_BYTES: usize = 64 * 1024;
/// What an SSM parameter of the advanced tier holds; a larger policy is kept in a secret of Secrets Manager.
pub const MAX_SSM_BYTES: usize = 8 * 1024;
/// The most rules of one policy.
pub const MAX_RULES: usize = 500;
/// What a rule may add to a token for AWS, in bytes of JSON. STS takes 20,000 characters, which are 15,000 bytes; header,
/// signature (683 characters with RSA-4096) and what every token says need less than 3,000.
pub(crate) const MAX_AWS_BYTES: usize = 12_000;
/// The shortest lifetime of a token, in seconds.
pub const MIN_LIFETIME: u32 = 60;
/// The longest lifetime of a token, in seconds.
pub const MAX_LIFETIME: u32 = 3600;

/// A loaded policy. The default one has no rules and denies everybody.
#[derive(Debug, Default)]
pub struct Policy {
    default_audience: Option<usize>,
    audiences: Vec<Audience>,
    rules: Vec<Rule>,
}

/// A relying party.
#[derive(Debug)]
pub struct Audience {
    pub(crate) name: String,
    pub(crate) aud: String,
    pub(crate) profile: Profile,
    pub(crate) max_lifetime: u32,
    pub(crate) alg: Algorithm,
    pub(crate) include_caller: bool,
}

#[derive(Debug)]
pub(crate) struct Rule {
    pub(crate) name: String,
    pub(crate) when: When,
    pub(crate) action: Action,
}

#[derive(Debug)]
pub(crate) enum Action {
    /// These audiences, or all of them.
    Deny(Option<BTreeSet<usize>>),
    Allow(Box<Allow>),
}

/// Whom a rule means.
#[derive(Debug)]
pub(crate) struct When {
    kind: Option<Kind>,
    /// Empty: all.
    partitions: Vec<String>,
    accounts: Option<BTreeSet<String>>,
    fields: Vec<(Field, Vec<Matcher>)>,
}

/// What an allow rule gives.
#[derive(Debug)]
pub(crate) struct Allow {
    kind: Kind,
    pub(crate) audiences: BTreeSet<usize>,
    pub(crate) subject: Template,
    pub(crate) scopes: Vec<Template>,
    pub(crate) lifetime: u32,
    pub(crate) claims: Vec<(String, ClaimTemplate)>,
    pub(crate) session_tags: Vec<(String, Template)>,
    pub(crate) transitive_tags: Vec<String>,
    pub(crate) source_identity: Option<Template>,
    pub(crate) roles: Vec<Template>,
    shared_subject: bool,
}

/// A claim whose strings are templates.
#[derive(Debug)]
pub(crate) enum ClaimTemplate {
    Text(Template),
    Plain(serde_json::Value),
    List(Vec<ClaimTemplate>),
    Object(Vec<(String, ClaimTemplate)>),
}

impl Policy {
    /// Load a policy from JSON text. Every mistake is reported, not only the first.
    pub fn from_json(text: &[u8]) -> Result<Self, Vec<Problem>> {
        let whole = |message: String| vec![Problem { path: Path::root(), message }];
        if text.len() > MAX_BYTES {
            return Err(whole(format!(
                "{} bytes as JSON: a policy holds at most {MAX_BYTES} (and an SSM parameter {MAX_SSM_BYTES}: a larger policy is kept in Secrets Manager)",
                text.len()
            )));
        }
        let document::Strict(value) = serde_json::from_slice(text).map_err(|error| whole(error.to_string()))?;
        let mut problems = Problems::default();
        let document = document::read(value, &mut problems);
        let policy = compile::compile(&document, &mut problems);
        if problems.is_empty() { Ok(policy) } else { Err(problems.into_vec()) }
    }

    /// What is legal and yet to be thought about.
    pub fn warnings(&self) -> Vec<Problem> {
        warnings::of(self)
    }

    /// The lanes that the audiences sign with, and RS256 always.
    pub fn lanes(&self) -> BTreeSet<Algorithm> {
        self.audiences.iter().map(|audience| audience.alg).chain([Algorithm::RS256]).collect()
    }

    /// The names of the audiences, in order.
    pub fn audience_names(&self) -> impl Iterator<Item = &str> {
        self.audiences.iter().map(|audience| audience.name.as_str())
    }

    /// How many rules there are.
    pub fn rule_count(&self) -> usize {
        self.rules.len()
    }

    pub(crate) fn audiences(&self) -> &[Audience] {
        &self.audiences
    }

    pub(crate) fn rules(&self) -> &[Rule] {
        &self.rules
    }

    pub(crate) fn default_audience(&self) -> Option<usize> {
        self.default_audience
    }

    /// The audience of this name, or with this `aud`, byte for byte.
    pub(crate) fn audience_asked(&self, asked: &str) -> Option<usize> {
        self.audiences.iter().position(|audience| audience.name == asked || audience.aud == asked)
    }
}

impl When {
    /// The first field that does not match, by its name in a policy; `None` if the caller is meant.
    pub(crate) fn mismatch(&self, caller: &Caller) -> Option<&'static str> {
        if self.kind.is_some_and(|kind| kind != caller.kind()) {
            return Some("kind");
        }
        let differs = self.fields.iter().find_map(|(field, matchers)| {
            let matched = caller.field(*field).is_some_and(|value| matchers.iter().any(|m| m.matches(value)));
            (!matched).then_some(field.as_str())
        });
        if differs.is_some() {
            return differs;
        }
        let partition = caller.field(Field::Partition).unwrap_or_default();
        if !self.partitions.is_empty() && !self.partitions.iter().any(|meant| meant == partition) {
            return Some("partition");
        }
        // Last, because a set of accounts can be large and names tell most rules apart.
        self.accounts.as_ref().and_then(|accounts| (!accounts.contains(caller.account())).then_some("account"))
    }

    /// The entries for a field, where the rule has some.
    fn entries(&self, field: Field) -> Option<&[Matcher]> {
        self.fields.iter().find(|(named, _)| *named == field).map(|(_, matchers)| matchers.as_slice())
    }

    /// The one literal that the field must be, if there is one.
    fn only_literal(&self, field: Field) -> Option<&str> {
        match self.entries(field) {
            Some([Matcher::Exact(text)]) => Some(text),
            _ => None,
        }
    }

    /// The `@domain` that every `user_name` entry ends in, without `*` after the `@`, if it is one and the same.
    fn domain(&self) -> Option<&str> {
        fn domain(matcher: &Matcher) -> Option<&str> {
            let last = matcher.pieces().last()?;
            last.rfind('@').and_then(|at| last.get(at..)).filter(|domain| domain.len() > 1)
        }
        let entries = self.entries(Field::UserName)?;
        let first = entries.first().and_then(domain)?;
        entries.iter().all(|entry| domain(entry) == Some(first)).then_some(first)
    }
}

/// The fields that name a principal within its partition, account and kind.
fn name_fields(kind: Kind) -> &'static [Field] {
    match kind {
        Kind::Role => &[Field::Role],
        Kind::Sso => &[Field::UserName],
        Kind::User => &[Field::Path, Field::User],
    }
}

/// Does the template carry this part of a principal's identity? A role's unique id stands for its name.
fn carries_identity(template: &Template, field: Field) -> bool {
    template.carries(field) || (field == Field::Role && template.carries(Field::RoleId))
}
