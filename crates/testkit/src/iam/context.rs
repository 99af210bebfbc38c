//! What is known of a request beside who, what and with what: condition keys and their values.

use std::collections::{BTreeMap, BTreeSet};

use super::Unknown;

/// Condition keys with what they are in one request. A key that was never mentioned is not known, which is another thing
/// than a key that the request does not have.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Context {
    keys: BTreeMap<String, Values>,
    families: BTreeSet<String>,
}

/// The values of a key in a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Values {
    /// The request does not have the key.
    Absent,
    /// The key has one value at most, and this is it.
    One(String),
    /// The key may have several.
    Many(Vec<String>),
}

impl Context {
    /// A key with one value.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Into<String>) -> Self {
        self.keys.insert(key.to_ascii_lowercase(), Values::One(value.into()));
        self
    }

    /// A key with one value, or known not to be there.
    #[must_use]
    pub fn with_option(self, key: &str, value: Option<impl Into<String>>) -> Self {
        match value {
            Some(value) => self.with(key, value),
            None => self.without(&[key]),
        }
    }

    /// A key that may have several values.
    #[must_use]
    pub fn with_many(mut self, key: &str, values: impl IntoIterator<Item = String>) -> Self {
        let values: Vec<String> = values.into_iter().collect();
        let values = if values.is_empty() { Values::Absent } else { Values::Many(values) };
        self.keys.insert(key.to_ascii_lowercase(), values);
        self
    }

    /// Keys that the request is known not to have.
    #[must_use]
    pub fn without(mut self, keys: &[&str]) -> Self {
        self.keys.extend(keys.iter().map(|key| (key.to_ascii_lowercase(), Values::Absent)));
        self
    }

    /// All keys that begin so, such as `aws:ResourceTag/`: those of `values`, and no other one is there.
    #[must_use]
    pub fn with_family(mut self, prefix: &str, values: impl IntoIterator<Item = (String, String)>) -> Self {
        let prefix = prefix.to_ascii_lowercase();
        for (name, value) in values {
            self.keys.insert(format!("{prefix}{}", name.to_ascii_lowercase()), Values::One(value));
        }
        self.families.insert(prefix);
        self
    }

    /// Both; what `other` says goes before.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.keys.extend(other.keys);
        self.families.extend(other.families);
        self
    }

    pub(super) fn values(&self, key: &str) -> Result<&Values, Unknown> {
        let key = key.to_ascii_lowercase();
        if let Some(values) = self.keys.get(&key) {
            return Ok(values);
        }
        if self.families.iter().any(|prefix| key.starts_with(prefix.as_str())) {
            return Ok(&Values::Absent);
        }
        Err(Unknown::new(format!("the condition key {key} is not known for this request")))
    }
}
