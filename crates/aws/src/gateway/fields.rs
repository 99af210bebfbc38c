//! An object of an event, its members unread until they are asked for.

use std::borrow::Cow;
use std::fmt;

use countersign_core::caller::CallerFault;
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// A JSON object. One in which a member's name comes twice, in whatever letter case, answers no question.
#[derive(Debug, Default)]
pub(super) struct Fields<'e> {
    members: Vec<(Cow<'e, str>, &'e RawValue)>,
}

#[derive(Deserialize)]
struct Text<'e>(#[serde(borrow)] Cow<'e, str>);

impl<'e> Fields<'e> {
    fn find(&self, name: &str) -> Result<Option<&'e RawValue>, CallerFault> {
        let mut found = self.members.iter().filter(|(member, _)| member.eq_ignore_ascii_case(name));
        match (found.next(), found.next()) {
            (None, _) => Ok(None),
            // What is called otherwise is not it; what is nearly called so is nobody's habit.
            (Some((member, value)), None) if member == name => Ok((value.get() != "null").then_some(*value)),
            _ => Err(CallerFault::Ambiguous),
        }
    }

    /// A text, or nothing where there is no such member or null.
    pub(super) fn text(&self, name: &str) -> Result<Option<Cow<'e, str>>, CallerFault> {
        let read = |value: &'e RawValue| serde_json::from_str::<Text<'e>>(value.get()).map(|Text(text)| text);
        self.find(name)?.map(read).transpose().map_err(|_| CallerFault::Ambiguous)
    }

    /// An object; without members where there is no such member or null.
    pub(super) fn object(&self, name: &str) -> Result<Self, CallerFault> {
        let read = |value: &'e RawValue| serde_json::from_str(value.get()).map_err(|_| CallerFault::Ambiguous);
        self.find(name)?.map_or_else(|| Ok(Self::default()), read)
    }

    /// True or false; false where there is no such member or null.
    pub(super) fn flag(&self, name: &str) -> Result<bool, CallerFault> {
        let read = |value: &'e RawValue| serde_json::from_str(value.get()).map_err(|_| CallerFault::Ambiguous);
        self.find(name)?.map_or(Ok(false), read)
    }

    /// Is there such a member, in whatever letter case, and be it null?
    pub(super) fn has(&self, name: &str) -> bool {
        self.members.iter().any(|(member, _)| member.eq_ignore_ascii_case(name))
    }

    /// Is there a member whose name begins so, in whatever letter case, and that is not null?
    pub(super) fn any_named(&self, beginning: &str) -> bool {
        let begins =
            |name: &str| name.get(..beginning.len()).is_some_and(|start| start.eq_ignore_ascii_case(beginning));
        self.members.iter().any(|(name, value)| begins(name) && value.get() != "null")
    }

    /// No members?
    pub(super) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// For headers: all values of this name, texts or lists of texts. A value that is neither is left out.
    pub(super) fn values(&self, name: &str) -> Vec<Cow<'e, str>> {
        let named = self.members.iter().filter(|(member, _)| member.eq_ignore_ascii_case(name));
        let read = |value: &'e RawValue| {
            let one = serde_json::from_str::<Text<'e>>(value.get()).map(|text| vec![text]);
            one.or_else(|_| serde_json::from_str::<Vec<Text<'e>>>(value.get())).unwrap_or_default()
        };
        named.flat_map(|(_, value)| read(value)).map(|Text(text)| text).collect()
    }
}

impl<'de: 'e, 'e> Deserialize<'de> for Fields<'e> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Fields<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields<'de>, A::Error> {
                let mut members = Vec::with_capacity(16);
                while let Some((Text(name), value)) = map.next_entry::<Text<'de>, &'de RawValue>()? {
                    members.push((name, value));
                }
                Ok(Fields { members })
            }
        }
        deserializer.deserialize_map(Members)
    }
}
