//! JSON as security needs it: an object, and no member twice (RFC 7515 section 4, RFC 7519 section 4). `serde_json` alone
//! keeps the last of two equal names, another reader keeps the first, and then two programs see two different tokens.

use std::collections::HashSet;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::text::quoted;

/// Reads one JSON object in which no name is repeated, at any depth. Depth is limited to 128 by `serde_json`.
pub(crate) fn object(bytes: &[u8]) -> Result<Map<String, Value>, String> {
    // Two passes, so that numbers and text are exactly what serde_json makes of them.
    let parsed = serde_json::from_slice::<NoRepeats>(bytes).and_then(|NoRepeats| serde_json::from_slice(bytes));
    match parsed {
        Ok(Value::Object(members)) => Ok(members),
        Ok(_) => Err("it is JSON, but not an object".to_owned()),
        Err(error) => Err(format!("it is not proper JSON: {error}")),
    }
}

/// What stands twice in text that is JSON, in words; nothing if all names are told apart.
pub(crate) fn repeated(bytes: &[u8]) -> Option<String> {
    serde_json::from_slice::<NoRepeats>(bytes).err().map(|error| error.to_string())
}

struct NoRepeats;

impl<'de> Deserialize<'de> for NoRepeats {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Walk)
    }
}

struct Walk;

impl<'de> Visitor<'de> for Walk {
    type Value = NoRepeats;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<NoRepeats, E> {
        Ok(NoRepeats)
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<NoRepeats, E> {
        Ok(NoRepeats)
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<NoRepeats, E> {
        Ok(NoRepeats)
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<NoRepeats, E> {
        Ok(NoRepeats)
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<NoRepeats, E> {
        Ok(NoRepeats)
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<NoRepeats, E> {
        Ok(NoRepeats)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<NoRepeats, A::Error> {
        while let Some(NoRepeats) = items.next_element()? {}
        Ok(NoRepeats)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<NoRepeats, A::Error> {
        let mut names = HashSet::new();
        while let Some(name) = members.next_key::<String>()? {
            members.next_value::<NoRepeats>()?;
            if names.contains(&name) {
                return Err(A::Error::custom(format_args!("member {} stands there twice", quoted(&name))));
            }
            names.insert(name);
        }
        Ok(NoRepeats)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_object_with_every_kind_of_value() {
        let members = object(br#" {"a":null,"b":[true,-1,18446744073709551615,1.5,"\u0061"],"c":{"a":{}}} "#).unwrap();
        assert_eq!(members.len(), 3);
    }

    #[test]
    fn everything_else_is_refused() {
        let repeated = [r#"{"a":1,"a":1}"#, r#"{"a":1,"\u0061":2}"#, r#"{"x":[{"a":1,"b":2,"a":3}]}"#];
        for text in repeated {
            assert!(object(text.as_bytes()).unwrap_err().contains("\"a\" stands there twice"), "{text}");
        }
        for text in [
            "",
            "[]",
            "\"a\"",
            "null",
            "{",
            "{}{}",
            "{}x",
            "{'a':1}",
            "{\"a\":1,}",
            "{\"a\":NaN}",
            "{\"a\":1e999}",
            "\u{feff}{}",
        ] {
            assert!(object(text.as_bytes()).is_err(), "{text}");
        }
        assert!(object(b"{\"a\":\"\xff\"}").is_err());
        assert!(object(&[b"{\"a\":".repeat(200), b"1".to_vec(), b"}".repeat(200)].concat()).is_err());
    }
}
