//! Who gets in: one principal of one Allow statement, under the statement's conditions.

use std::fmt::Write as _;

use serde::{Serialize, Serializer};
use serde_json::json;

use super::condition::{Condition, Quantifier};
use super::document::{Policy, Statement};
use super::pattern::{Pattern, Within, within};
use super::principal::{Principal, Provider};
use super::subject;

/// The most combinations of several conditions on one key that are taken apart. Beyond it the first condition stands for
/// all: that is more than gets in, never less.
const COMBINATIONS: usize = 64;

/// Those who get in by one principal of one Allow statement. Deny statements are not taken off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admission {
    /// The statement's place, from 1.
    pub statement: usize,
    /// Its name.
    pub sid: Option<String>,
    /// Who.
    pub principal: Principal,
    /// What they may call.
    pub actions: Vec<Pattern>,
    /// What has to hold.
    pub conditions: Vec<Condition>,
    /// Nothing in the statement was left out.
    pub understood: bool,
    /// The statement itself but for its name.
    pub text: String,
}

/// Keys with several values: each may please another condition. Most attributes of SAML are such.
pub(super) fn has_several_values(key: &str) -> bool {
    ["aws:tagkeys", "sts:transitivetagkeys", "sts:requestcontextproviders", "aws:principalorgpaths"].contains(&key)
        || key.ends_with(":amr")
        || (key.starts_with("saml:") && !["saml:aud", "saml:iss", "saml:sub", "saml:sub_type"].contains(&key))
}

/// The texts that one key may be: each of the outer list is enough, and in it all have to match.
pub(super) type Alternatives<'a> = Vec<Vec<&'a Pattern>>;

impl Admission {
    /// All of a policy.
    pub fn of(policy: &Policy) -> Vec<Self> {
        policy.statements.iter().filter(|statement| statement.allows).flat_map(Self::of_statement).collect()
    }

    pub(super) fn of_statement(statement: &Statement) -> Vec<Self> {
        let mut principals = statement.principals.clone();
        if principals.is_empty() {
            principals.push(Principal::Unknown("a statement that names nobody plainly".to_owned()));
        }
        let one = |principal| Self {
            statement: statement.number,
            sid: statement.sid.clone(),
            principal,
            actions: statement.actions.clone(),
            conditions: statement.conditions.clone(),
            understood: statement.understood,
            text: statement.text.clone(),
        };
        principals.into_iter().map(one).collect()
    }

    /// Is what [`Self::alternatives`] says of this key all that is demanded of it, and not more than gets in?
    pub(super) fn says_all_of(&self, key: &str) -> bool {
        let on = || self.conditions.iter().filter(|condition| condition.key == key && condition.demands().is_some());
        let pairs = on().try_fold(1_usize, |so_far, condition| so_far.checked_mul(condition.values.len()));
        on().count() < 2
            || (on().all(|condition| condition.operator.quantifier == Quantifier::One)
                && !has_several_values(key)
                && pairs.is_some_and(|pairs| pairs <= COMBINATIONS))
    }

    /// What this key of the request may be; none if nothing demands anything of it.
    pub(super) fn alternatives(&self, key: &str) -> Option<Alternatives<'_>> {
        let on = || self.conditions.iter().filter(|condition| condition.key == key);
        let one = |condition: &&Condition| condition.operator.quantifier == Quantifier::One && !has_several_values(key);
        let demands: Vec<&[Pattern]> = if on().any(|condition| one(&condition) && condition.demands().is_some()) {
            on().filter(one).filter_map(Condition::demands).collect()
        } else {
            // Of several values each may please another condition.
            on().filter_map(Condition::demands).take(1).collect()
        };
        let mut lists = demands.into_iter();
        let mut all: Alternatives = lists.next()?.iter().map(|pattern| vec![pattern]).collect();
        for list in lists {
            if all.len() * list.len() > COMBINATIONS {
                continue;
            }
            let pairs = all.iter().flat_map(|have| {
                list.iter().map(move |more| {
                    let mut both = have.clone();
                    // One of the two says it already, or both have to be kept.
                    let says = |one: &Pattern, other: &Pattern| {
                        // What has a wildcard is never a single text, which would take long to find out.
                        (one.is_plain() || !other.is_plain()) && within(&[one], &[other]) == Within::Yes
                    };
                    if !both.iter().any(|pattern| says(pattern, more)) {
                        both.retain(|pattern| !says(more, pattern));
                        both.push(more);
                    }
                    both
                })
            });
            all = pairs.filter(|both| within(both, &[]) != Within::Yes).collect();
        }
        Some(all)
    }

    /// The claim `claim` of the provider, if this is one of web identity.
    pub(super) fn claim(&self, claim: &str) -> Option<Alternatives<'_>> {
        self.alternatives(&format!("{}:{claim}", self.provider()?.host))
    }

    pub(super) fn provider(&self) -> Option<&Provider> {
        match &self.principal {
            Principal::Web(provider) => Some(provider),
            _ => None,
        }
    }

    /// Could a token of this provider with these claims get in here? What is not known of it is taken to hold.
    pub fn admits(&self, provider: &str, audience: &str, subject: &str) -> bool {
        let fits = |claim: &str, value: &str| {
            self.claim(claim).is_none_or(|any| any.iter().any(|all| all.iter().all(|pattern| pattern.matches(value))))
        };
        match &self.principal {
            Principal::Web(own) => own.written == provider && fits("aud", audience) && fits("sub", subject),
            Principal::Everyone | Principal::Unknown(_) => true,
            _ => false,
        }
    }

    /// The conditions but for those on `aud` and `sub` that say what they may be.
    fn others(&self) -> Vec<String> {
        let host = self.provider().map(|provider| provider.host.as_str());
        let told = |condition: &&Condition| {
            let (of, claim) = condition.halves();
            Some(of) == host && ["aud", "sub"].contains(&claim) && condition.demands().is_some()
        };
        self.conditions.iter().filter(|condition| !told(condition)).map(ToString::to_string).collect()
    }

    /// The subjects with what each means.
    fn subjects(&self) -> Option<Vec<(String, String)>> {
        let kind = self.provider()?.kind();
        let words = |all: &Vec<&Pattern>| {
            let readings: Vec<String> = all.iter().map(|pattern| subject::read(kind, pattern).words).collect();
            (written(all), readings.join(", and also "))
        };
        Some(self.claim("sub")?.iter().map(words).collect())
    }

    /// In words.
    pub fn words(&self) -> String {
        let sid = self.sid.as_ref().map(|sid| format!(" ({sid})")).unwrap_or_default();
        let actions: Vec<&str> = self.actions.iter().map(Pattern::written).collect();
        let mut text = format!("statement {}{sid}: {}", self.statement, self.principal);
        let _ = write!(
            text,
            "\n    may call {}",
            if actions.is_empty() { "(not understood)".into() } else { actions.join(", ") }
        );
        if self.provider().is_some() {
            let audiences = self.claim("aud").map(|any| any.iter().map(|all| written(all)).collect::<Vec<_>>());
            let _ = write!(text, "\n    audience: {}", list(audiences, "any that the IAM provider lists"));
            match self.subjects() {
                None => text.push_str("\n    subject: any"),
                Some(subjects) if subjects.is_empty() => {
                    text.push_str("\n    subject: none, the conditions exclude each other");
                }
                Some(subjects) => {
                    for (subject, words) in subjects {
                        let _ = write!(text, "\n    subject: {subject}: {words}");
                    }
                }
            }
        }
        for condition in self.others() {
            let _ = write!(text, "\n    if {condition}");
        }
        if !self.understood {
            text.push_str("\n    and what was not understood in the statement: it may let in more than this");
        }
        text
    }
}

pub(super) fn written(all: &[&Pattern]) -> String {
    all.iter().map(|pattern| pattern.written()).collect::<Vec<_>>().join(" and ")
}

fn list(values: Option<Vec<String>>, otherwise: &str) -> String {
    match values {
        None => otherwise.to_owned(),
        Some(values) if values.is_empty() => "none, the conditions exclude each other".to_owned(),
        Some(values) => values.join(" | "),
    }
}

impl Serialize for Admission {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let subjects = self.subjects();
        let subject = |(subject, words): (String, String)| json!({ "subject": subject, "words": words });
        json!({
            "statement": self.statement,
            "sid": self.sid,
            "principal": self.principal.to_string(),
            "actions": self.actions.iter().map(Pattern::written).collect::<Vec<_>>(),
            "audiences": self.claim("aud").map(|any| any.iter().map(|all| written(all)).collect::<Vec<_>>()),
            "subjects": subjects.map(|subjects| subjects.into_iter().map(subject).collect::<Vec<_>>()),
            "conditions": self.others(),
            "understood": self.understood,
        })
        .serialize(serializer)
    }
}
