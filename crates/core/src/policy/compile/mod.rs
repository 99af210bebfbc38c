//! From the document to the policy: what it means, and everything that keeps it from loading.

mod audience;
mod grant;
mod when;

use std::collections::{BTreeMap, BTreeSet};

use super::document::{Document, Effect, List, RuleDocument, Text, WhenDocument};
use super::overlap;
use super::problem::{Path, Problems};
use super::{Action, Audience, MAX_LIFETIME, MAX_RULES, MIN_LIFETIME, Policy, Profile, Rule, When};
use crate::caller::Field;
use crate::schedule::duration;
use audience::{compile_audience, distinct_audiences};
use grant::{RuleCheck, UNTRUSTED_SESSION_NAME};
use when::{literals, not_a};

struct Compiler<'d> {
    partition: String,
    account_sets: BTreeMap<&'d str, BTreeSet<String>>,
    /// By name; `None` for an audience that is itself wrong, so that rules are not blamed for it.
    audience_names: BTreeMap<&'d str, usize>,
    audiences: Vec<Option<Audience>>,
}

/// Compile the document. What is wrong goes to `problems`; then the policy is not to be used.
pub(super) fn compile(document: &Document, problems: &mut Problems) -> Policy {
    let root = Path::root();
    match document.version {
        Some(1) => {}
        Some(other) => problems.push(root.key("version"), format!("version {other} is not known: write 1")),
        None => problems.push(root.key("version"), "is missing: write `version: 1`"),
    }
    let partition = document.partition.as_ref().map_or("aws", |text| text.0.as_str());
    if !Field::Partition.admits(partition) {
        problems.push(root.key("partition"), not_a(Field::Partition, partition));
    }
    let mut compiler = Compiler {
        partition: partition.to_owned(),
        account_sets: BTreeMap::new(),
        audience_names: BTreeMap::new(),
        audiences: Vec::new(),
    };
    for (name, list) in &document.account_sets {
        let path = root.key("account_sets").key(name);
        let accounts = literals(Field::Account, list, &path, problems);
        compiler.account_sets.insert(name, accounts.into_iter().collect());
    }
    for (name, audience) in &document.audiences {
        let path = root.key("audiences").key(name);
        compiler.audience_names.insert(name, compiler.audiences.len());
        compiler.audiences.push(compile_audience(name, audience, &path, problems));
    }
    distinct_audiences(&compiler.audiences, &root.key("audiences"), problems);
    let default_audience = document.default_audience.as_ref().and_then(|text| {
        let index = compiler.audience_names.get(text.0.as_str()).copied();
        if index.is_none() && !problems.is_unreadable(&root.key("audiences").key(&text.0)) {
            problems.push(root.key("default_audience"), format!("there is no audience `{}`", text.0));
        }
        index
    });
    let rules_path = root.key("rules");
    if document.rules.len() > MAX_RULES {
        problems.push(rules_path.clone(), format!("{} rules: at most {MAX_RULES}", document.rules.len()));
    }
    let mut names = BTreeSet::new();
    let mut rules = Vec::new();
    for (index, rule) in document.rules.iter().enumerate() {
        let path = rules_path.index(index);
        rule_name(rule, &mut names, &path, problems);
        rules.push(compiler.rule(rule, &path, problems));
    }
    overlap::check(&rules, |audience| compiler.is_snowflake(audience), &rules_path, problems);
    Policy {
        default_audience,
        audiences: compiler.audiences.into_iter().flatten().collect(),
        rules: rules.into_iter().flatten().collect(),
    }
}

fn rule_name<'d>(rule: &'d RuleDocument, names: &mut BTreeSet<&'d str>, path: &Path, problems: &mut Problems) {
    let path = path.key("name");
    match rule.name.as_ref().map(|text| text.0.as_str()) {
        None => problems.push(path, "is missing: audit records name the rule"),
        Some(name) if name.is_empty() || name.len() > 64 || name.chars().any(char::is_control) => {
            problems.push(path, "a rule's name has 1 to 64 characters");
        }
        Some(name) if !names.insert(name) => problems.push(path, format!("another rule is called `{name}`")),
        Some(_) => {}
    }
}

fn lifetime(written: Option<&Text>, default: u32, path: &Path, problems: &mut Problems) -> Option<u32> {
    let Some(Text(text)) = written else { return Some(default) };
    match duration(text) {
        Err(why) => problems.push(path.clone(), why),
        Ok(seconds) if (MIN_LIFETIME..=MAX_LIFETIME).contains(&seconds) => return Some(seconds),
        Ok(seconds) => problems.push(path.clone(), format!("{seconds} s: a lifetime is 60s to 1h")),
    }
    None
}

impl Compiler<'_> {
    /// Snowflake's login names have no letter case, so that subjects that differ only by it are one user there.
    fn is_snowflake(&self, audience: usize) -> bool {
        self.audiences
            .get(audience)
            .and_then(Option::as_ref)
            .is_some_and(|audience| audience.profile == Profile::Snowflake)
    }

    fn rule(&self, document: &RuleDocument, path: &Path, problems: &mut Problems) -> Option<Rule> {
        let name = document.name.as_ref().map(|text| text.0.clone()).unwrap_or_default();
        let nobody = WhenDocument::default();
        let when_path = path.key("when");
        let written = document.when.as_ref().unwrap_or_else(|| {
            problems.unreadable(when_path.clone(), "is missing: whom the rule means".to_owned());
            &nobody
        });
        let deny = document.effect == Effect::Deny;
        let when = self.when(written, deny, &when_path, problems);
        if deny {
            return Some(self.deny(document, name, when, path, problems));
        }
        if problems.is_unreadable(&path.key("effect")) {
            return None;
        }
        if document.audiences.is_some() {
            problems.push(path.key("audiences"), "an allow rule names its audiences in `grant`");
        }
        if when.kind.is_none() {
            problems.push(when_path.key("kind"), "is missing in an allow rule: role, sso or user");
        }
        if when.entries(Field::SessionName).is_some() && !document.trust_session_name {
            problems.push(when_path.key("session_name"), UNTRUSTED_SESSION_NAME);
        }
        let Some(grant) = &document.grant else {
            problems.push(path.key("grant"), "is missing: what the rule gives (or `effect: deny`)");
            return None;
        };
        let mut check = RuleCheck { document, when: &when, problems };
        let allow = self.allow(grant, &mut check, &path.key("grant"));
        check.accounts_named(path);
        let allow = allow?;
        check.identified(&allow, path);
        Some(Rule { name, when, action: Action::Allow(Box::new(allow)) })
    }

    fn deny(&self, document: &RuleDocument, name: String, when: When, path: &Path, problems: &mut Problems) -> Rule {
        if document.grant.is_some() {
            problems.push(path.key("grant"), "a deny rule grants nothing");
        }
        if when.kind.is_none() && when.partitions.is_empty() && when.accounts.is_none() && when.fields.is_empty() {
            problems.push(path.key("when"), "a deny rule needs at least one field: this one would deny everybody");
        }
        let audiences = document.audiences.as_ref().map(|list| self.audiences(list, &path.key("audiences"), problems));
        Rule { name, when, action: Action::Deny(audiences) }
    }

    fn audiences(&self, list: &List, path: &Path, problems: &mut Problems) -> BTreeSet<usize> {
        if list.0.is_empty() {
            problems.push(path.clone(), "an empty list: name at least one audience");
        }
        let mut indices = BTreeSet::new();
        for (index, Text(name)) in list.0.iter().enumerate() {
            match self.audience_names.get(name.as_str()) {
                Some(audience) => {
                    indices.insert(*audience);
                }
                None if problems.is_unreadable(&Path::root().key("audiences").key(name)) => {}
                None => problems.push(path.index(index), format!("there is no audience `{name}`")),
            }
        }
        indices
    }
}
