//! Conditions: operators, and what they make of a key that is not there.

use serde_json::Value;

use super::context::Values;
use super::{Context, Unknown, pattern};

/// One operator with one key and the values that it is held against. All of a statement have to hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Condition {
    operator: Operator,
    quantifier: Quantifier,
    if_exists: bool,
    key: String,
    values: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    String(Compare, Sense),
    Arn(Sense),
    Bool,
    Null,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Compare {
    Equal,
    EqualIgnoringCase,
    Like,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sense {
    Is,
    IsNot,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Quantifier {
    One,
    Any,
    All,
}

impl Condition {
    /// All conditions of a statement.
    pub(super) fn parse(block: &Value) -> Result<Vec<Self>, Unknown> {
        let operators = block.as_object().ok_or_else(|| Unknown::new("Condition is no object"))?;
        let mut conditions = Vec::new();
        for (name, keys) in operators {
            let (operator, quantifier, if_exists) = Self::operator(name)?;
            let keys = keys.as_object().ok_or_else(|| Unknown::new(format!("{name} is no object")))?;
            for (key, values) in keys {
                let values = strings(values).ok_or_else(|| Unknown::new(format!("{name} {key}: not strings")))?;
                if let Some(variable) = values.iter().find(|value| value.contains("${")) {
                    return Err(Unknown::new(format!("{name} {key}: the policy variable in {variable} is not known")));
                }
                let bad = |value: &&String| match operator {
                    Operator::Bool | Operator::Null => !["true", "false"].contains(&value.as_str()),
                    Operator::Arn(_) => !pattern::is_arn(value),
                    Operator::String(..) => false,
                };
                if let Some(value) = values.iter().find(bad) {
                    return Err(Unknown::new(format!("{name} {key}: {value} is no value for it")));
                }
                conditions.push(Self { operator, quantifier, if_exists, key: key.clone(), values });
            }
        }
        Ok(conditions)
    }

    fn operator(name: &str) -> Result<(Operator, Quantifier, bool), Unknown> {
        let (quantifier, rest) = match name.split_once(':') {
            Some(("ForAnyValue", rest)) => (Quantifier::Any, rest),
            Some(("ForAllValues", rest)) => (Quantifier::All, rest),
            _ => (Quantifier::One, name),
        };
        let (rest, if_exists) = rest.strip_suffix("IfExists").map_or((rest, false), |rest| (rest, true));
        let operator = match rest {
            "StringEquals" => Operator::String(Compare::Equal, Sense::Is),
            "StringNotEquals" => Operator::String(Compare::Equal, Sense::IsNot),
            "StringEqualsIgnoreCase" => Operator::String(Compare::EqualIgnoringCase, Sense::Is),
            "StringNotEqualsIgnoreCase" => Operator::String(Compare::EqualIgnoringCase, Sense::IsNot),
            "StringLike" => Operator::String(Compare::Like, Sense::Is),
            "StringNotLike" => Operator::String(Compare::Like, Sense::IsNot),
            // The two behave identically.
            "ArnEquals" | "ArnLike" => Operator::Arn(Sense::Is),
            "ArnNotEquals" | "ArnNotLike" => Operator::Arn(Sense::IsNot),
            "Bool" => Operator::Bool,
            "Null" if !if_exists && quantifier == Quantifier::One => Operator::Null,
            _ => return Err(Unknown::new(format!("the condition operator {name} is not known"))),
        };
        Ok((operator, quantifier, if_exists))
    }

    pub(super) fn holds(&self, context: &Context) -> Result<bool, Unknown> {
        let values = context.values(&self.key)?;
        if self.operator == Operator::Null {
            let absent = *values == Values::Absent;
            return Ok(self.values.iter().any(|value| (value == "true") == absent));
        }
        Ok(match (values, self.quantifier) {
            (Values::Absent, _) if self.if_exists => true,
            (Values::Absent, Quantifier::One) => self.is_negated(),
            (Values::Absent, Quantifier::Any) => false,
            (Values::Absent, Quantifier::All) => true,
            (Values::One(value), Quantifier::One) => self.fits(value)?,
            (Values::Many(values), Quantifier::Any) => {
                values.iter().try_fold(false, |found, value| Ok::<_, Unknown>(self.fits(value)? || found))?
            }
            (Values::Many(values), Quantifier::All) => {
                values.iter().try_fold(true, |all, value| Ok::<_, Unknown>(self.fits(value)? && all))?
            }
            (Values::Many(_), Quantifier::One) => {
                return Err(Unknown::new(format!("{} may have several values: ForAnyValue or ForAllValues", self.key)));
            }
            (Values::One(_), Quantifier::Any | Quantifier::All) => {
                return Err(Unknown::new(format!(
                    "{} has one value: ForAnyValue or ForAllValues is a mistake",
                    self.key
                )));
            }
        })
    }

    /// A key that is not there is not equal to anything.
    fn is_negated(&self) -> bool {
        matches!(self.operator, Operator::String(_, Sense::IsNot) | Operator::Arn(Sense::IsNot))
    }

    /// One value of the request against all of the policy: equal to one of them, or to none.
    fn fits(&self, value: &str) -> Result<bool, Unknown> {
        let same = |wanted: &String| match self.operator {
            Operator::String(Compare::Equal, _) => wanted == value,
            Operator::String(Compare::Like, _) => pattern::matches(wanted, value),
            Operator::Arn(_) => pattern::matches_arn(wanted, value),
            Operator::String(Compare::EqualIgnoringCase, _) | Operator::Bool | Operator::Null => {
                wanted.eq_ignore_ascii_case(value)
            }
        };
        if matches!(self.operator, Operator::Arn(_)) && !pattern::is_arn(value) {
            return Err(Unknown::new(format!("{} is {value}, which is no ARN", self.key)));
        }
        Ok(self.values.iter().any(same) != self.is_negated())
    }
}

/// A string, a boolean, or a list of these.
pub(super) fn strings(value: &Value) -> Option<Vec<String>> {
    let one = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(flag) => Some(flag.to_string()),
        _ => None,
    };
    match value {
        Value::Array(values) if !values.is_empty() => values.iter().map(one).collect(),
        value => Some(vec![one(value)?]),
    }
}
