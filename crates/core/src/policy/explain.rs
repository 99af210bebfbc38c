//! Why a policy decides as it does: each rule's part in it, for one caller and one audience.

use serde::Serialize;

use super::{Action, Policy};
use crate::caller::Caller;
use crate::grant::Standing;

/// What each rule had to say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// The audience's name, if the policy has one that was asked for or is the default.
    pub audience: Option<String>,
    /// Why the caller may not have this audience; none if it may, or if there is no audience.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub denial: Option<String>,
    /// In the order of the policy.
    pub rules: Vec<RuleVerdict>,
}

/// One rule's part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RuleVerdict {
    /// The rule.
    pub rule: String,
    /// `allow` or `deny`.
    pub effect: &'static str,
    /// What came of it.
    #[serde(flatten)]
    pub verdict: Verdict,
}

/// What came of one rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub enum Verdict {
    /// It decides.
    Decides,
    /// It would have matched, after the one that decides.
    MatchesLater,
    /// A field of `when` does not match.
    DoesNotMatch {
        /// The field.
        field: &'static str,
        /// What the caller has there, if anything.
        caller_has: Option<String>,
    },
    /// It is about other audiences.
    OtherAudience,
}

impl Verdict {
    /// As a clause for people.
    pub fn clause(&self) -> String {
        match self {
            Self::Decides => "decides".to_owned(),
            Self::MatchesLater => "matches too, but another rule decides".to_owned(),
            Self::DoesNotMatch { field, caller_has: Some(value) } => {
                format!("{field} does not match: the caller's is {value}")
            }
            Self::DoesNotMatch { field, caller_has: None } => {
                format!("{field} does not match: the caller has none, or nobody told it")
            }
            Self::OtherAudience => "is about other audiences".to_owned(),
        }
    }
}

impl Policy {
    /// Explain the decision for this caller and an audience, by name or `aud`; without one, the default.
    pub fn explain(&self, caller: &Caller, audience: Option<&str>) -> Explanation {
        let audience = self.audience_meant(audience);
        let standing = Standing::new(self, caller);
        // A deny rule for all audiences decides even where no audience is meant.
        let decisive = match audience {
            Some(audience) => standing.decisive(audience),
            None => standing.denied_everything(),
        };
        let rules = self.rules().iter().enumerate().map(|(index, rule)| {
            let (effect, about) = match &rule.action {
                Action::Deny(None) => ("deny", true),
                Action::Deny(Some(audiences)) => ("deny", audience.is_some_and(|a| audiences.contains(&a))),
                Action::Allow(allow) => ("allow", audience.is_some_and(|a| allow.audiences.contains(&a))),
            };
            let verdict = match rule.when.mismatch(caller) {
                _ if decisive == Some(index) => Verdict::Decides,
                Some(field) => Verdict::DoesNotMatch { field, caller_has: caller_has(caller, field) },
                None if !about => Verdict::OtherAudience,
                None => Verdict::MatchesLater,
            };
            RuleVerdict { rule: rule.name.clone(), effect, verdict }
        });
        Explanation {
            audience: audience.and_then(|index| self.audiences().get(index)).map(|audience| audience.name.clone()),
            denial: audience.and_then(|audience| standing.grant(audience).err()).map(|denial| denial.to_string()),
            rules: rules.collect(),
        }
    }

    /// What there is to explain where there is no caller: the audience only.
    pub fn explain_nobody(&self, audience: Option<&str>) -> Explanation {
        let audience = self.audience_meant(audience).and_then(|index| self.audiences().get(index));
        Explanation { audience: audience.map(|audience| audience.name.clone()), denial: None, rules: Vec::new() }
    }

    fn audience_meant(&self, asked: Option<&str>) -> Option<usize> {
        asked.map_or_else(|| self.default_audience(), |asked| self.audience_asked(asked))
    }
}

fn caller_has(caller: &Caller, field: &str) -> Option<String> {
    match crate::caller::Field::named(field) {
        Some(field) => caller.field(field).map(str::to_owned),
        None => Some(caller.kind().to_string()),
    }
}
