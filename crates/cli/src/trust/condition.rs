//! Conditions: an operator, a key, values; and what they do to a request that lacks the key.
//!
//! Source: IAM User Guide, `reference_policies_elements_condition_operators` and
//! `reference_policies_condition-single-vs-multi-valued-context-keys`.

use std::fmt;

use super::pattern::{Compare, Pattern};

/// One operator with one key and its values. All conditions of a statement have to hold; of the values, one is enough.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Condition {
    /// The operator.
    pub operator: Operator,
    /// The key in small letters: letter case means nothing in it.
    pub key: String,
    /// The key as it was written.
    pub written: String,
    /// The values.
    pub values: Vec<Pattern>,
}

/// An operator that IAM has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Operator {
    name: &'static str,
    compares: Option<Compare>,
    /// It holds if no value is equal: also if the key is not there.
    pub negated: bool,
    /// How several values of the request count.
    pub quantifier: Quantifier,
    /// It holds if the key is not there.
    pub if_exists: bool,
}

/// `ForAnyValue:` and `ForAllValues:`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Quantifier {
    /// Neither.
    One,
    /// One value of the request has to fit; none does if the key is not there.
    Any,
    /// All values have to fit; which they do if the key is not there.
    All,
}

/// Every operator, with how it compares strings if it does.
const OPERATORS: &[(&str, Option<Compare>, bool)] = &[
    ("StringEquals", Some(Compare::Equal), false),
    ("StringNotEquals", Some(Compare::Equal), true),
    ("StringEqualsIgnoreCase", Some(Compare::IgnoringCase), false),
    ("StringNotEqualsIgnoreCase", Some(Compare::IgnoringCase), true),
    ("StringLike", Some(Compare::Like), false),
    ("StringNotLike", Some(Compare::Like), true),
    ("ArnEquals", None, false),
    ("ArnLike", None, false),
    ("ArnNotEquals", None, true),
    ("ArnNotLike", None, true),
    ("Bool", None, false),
    ("Null", None, false),
    ("BinaryEquals", None, false),
    ("IpAddress", None, false),
    ("NotIpAddress", None, true),
    ("NumericEquals", None, false),
    ("NumericNotEquals", None, true),
    ("NumericLessThan", None, false),
    ("NumericLessThanEquals", None, false),
    ("NumericGreaterThan", None, false),
    ("NumericGreaterThanEquals", None, false),
    ("DateEquals", None, false),
    ("DateNotEquals", None, true),
    ("DateLessThan", None, false),
    ("DateLessThanEquals", None, false),
    ("DateGreaterThan", None, false),
    ("DateGreaterThanEquals", None, false),
];

impl Operator {
    /// An operator by its name, or the one that was probably meant.
    pub(super) fn parse(written: &str) -> Result<Self, Option<String>> {
        let (quantifier, rest) = match written.split_once(':') {
            Some(("ForAnyValue", rest)) => (Quantifier::Any, rest),
            Some(("ForAllValues", rest)) => (Quantifier::All, rest),
            _ => (Quantifier::One, written),
        };
        let (base, if_exists) = rest.strip_suffix("IfExists").map_or((rest, false), |base| (base, true));
        let found = OPERATORS.iter().find(|(name, ..)| *name == base);
        match found {
            Some((name, compares, negated)) if !(*name == "Null" && if_exists) => {
                Ok(Self { name, compares: *compares, negated: *negated, quantifier, if_exists })
            }
            _ => {
                let bare = rest.rsplit(':').next().unwrap_or_default().to_ascii_lowercase();
                let bare = bare.strip_suffix("ifexists").unwrap_or(&bare);
                Err(OPERATORS
                    .iter()
                    .find(|(name, ..)| name.to_ascii_lowercase() == bare)
                    .map(|(name, ..)| (*name).to_owned()))
            }
        }
    }

    /// How it compares strings; none if it compares something else.
    pub fn compares(self) -> Option<Compare> {
        self.compares
    }

    /// It compares text or ARNs, so it can say who somebody is.
    pub fn names(self) -> bool {
        self.compares.is_some() || self.name.starts_with("Arn")
    }

    /// It holds for a request without the key.
    pub fn holds_without_key(self) -> bool {
        self.negated || self.if_exists || self.quantifier == Quantifier::All
    }
}

impl fmt::Display for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.quantifier {
            Quantifier::One => "",
            Quantifier::Any => "ForAnyValue:",
            Quantifier::All => "ForAllValues:",
        })?;
        write!(f, "{}{}", self.name, if self.if_exists { "IfExists" } else { "" })
    }
}

impl Condition {
    /// The texts that the key may be, one of which it has to be; none if the condition does not say that.
    pub fn demands(&self) -> Option<&[Pattern]> {
        (self.operator.compares.is_some() && !self.operator.holds_without_key()).then_some(self.values.as_slice())
    }

    /// The key's two halves: what it is a key of, and which.
    pub fn halves(&self) -> (&str, &str) {
        self.key.split_once(':').unwrap_or(("", &self.key))
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let values: Vec<&str> = self.values.iter().map(Pattern::written).collect();
        write!(f, "{} {} {}", self.written, self.operator, values.join(" | "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operators_are_known_by_their_exact_names() {
        for (written, without_key, compares) in [
            ("StringEquals", false, true),
            ("StringEqualsIfExists", true, true),
            ("StringNotLike", true, true),
            ("ForAnyValue:StringLike", false, true),
            ("ForAllValues:StringEquals", true, true),
            ("ForAllValues:StringLikeIfExists", true, true),
            ("ArnLike", false, false),
            ("NumericLessThanEquals", false, false),
            ("Null", false, false),
        ] {
            let operator = Operator::parse(written).unwrap();
            assert_eq!(
                (operator.holds_without_key(), operator.compares().is_some()),
                (without_key, compares),
                "{written}"
            );
            assert_eq!(operator.to_string(), written);
        }
        for (written, meant) in [
            ("stringEquals", Some("StringEquals")),
            ("forAnyValue:StringLike", Some("StringLike")),
            ("StringEqualsIfexists", Some("StringEquals")),
            ("NullIfExists", Some("Null")),
            ("StringMatches", None),
            ("", None),
        ] {
            assert_eq!(Operator::parse(written), Err(meant.map(str::to_owned)), "{written}");
        }
    }
}
