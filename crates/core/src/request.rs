//! The body of `POST /token`: what is asked for. Strict: what is not understood is refused, never guessed.

use std::collections::BTreeSet;

use serde::Deserialize;

use crate::policy::MIN_LIFETIME;

/// The largest body, in bytes.
pub const MAX_BODY: usize = 16 * 1024;

/// What a caller asks for.
#[derive(Debug, Default, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TokenRequest {
    /// Name or `aud` of an audience; without it, the policy's default.
    #[serde(deserialize_with = "text")]
    pub audience: Option<String>,
    /// Space-separated scopes; without it, everything that is granted.
    #[serde(deserialize_with = "text")]
    pub scope: Option<String>,
    /// Lifetime in whole seconds, at least 60.
    #[serde(deserialize_with = "seconds")]
    pub expires_in: Option<u32>,
    /// `client_credentials` or absent (RFC 6749 section 4.4).
    #[serde(deserialize_with = "text")]
    pub grant_type: Option<String>,
}

/// Why a body is refused; the text goes to the caller.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestFault {
    /// A query parameter.
    #[error("the token endpoint takes no query parameters; put them into the body")]
    Query,
    /// More than [`MAX_BODY`].
    #[error("the body is larger than 16 KiB")]
    TooLarge,
    /// Neither JSON nor a form.
    #[error("the body's Content-Type must be application/json or application/x-www-form-urlencoded")]
    ContentType,
    /// Not understood.
    #[error("{0}")]
    Body(String),
    /// Another grant type.
    #[error("the only grant type is client_credentials")]
    GrantType,
}

impl TokenRequest {
    /// Read a body. An empty one, with any Content-Type or none, asks for the defaults.
    pub fn parse(content_type: Option<&str>, body: &[u8]) -> Result<Self, RequestFault> {
        if body.is_empty() {
            return Ok(Self::default());
        }
        if body.len() > MAX_BODY {
            return Err(RequestFault::TooLarge);
        }
        let essence = content_type.and_then(|text| text.split(';').next()).unwrap_or_default().trim();
        let request = if essence.eq_ignore_ascii_case("application/json") {
            Self::from_json(body)?
        } else if essence.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            Self::from_form(body)?
        } else {
            return Err(RequestFault::ContentType);
        };
        match request.grant_type.as_deref() {
            None | Some("client_credentials") => Ok(request),
            Some(_) => Err(RequestFault::GrantType),
        }
    }

    fn from_json(body: &[u8]) -> Result<Self, RequestFault> {
        // Serde would take an array of the fields in their order for the struct.
        if body.iter().find(|byte| !byte.is_ascii_whitespace()) != Some(&b'{') {
            return Err(RequestFault::Body("the body is not a JSON object".to_owned()));
        }
        let mut reader = serde_json::Deserializer::from_slice(body);
        let request = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
            let path = error.path().iter().next().map_or_else(|| ".".to_owned(), ToString::to_string);
            let text = error.inner().to_string();
            // Where in the text it stands is of no use in one line, and an unknown field's name is in the text already.
            let text = text.split(" at line ").next().unwrap_or_default();
            let named = path == "." || path == "?" || text.contains(" field `");
            RequestFault::Body(if named { printable(text) } else { printable(&format!("{path}: {text}")) })
        })?;
        reader.end().map_err(|_| RequestFault::Body("something follows the JSON object".to_owned()))?;
        Ok(request)
    }

    fn from_form(body: &[u8]) -> Result<Self, RequestFault> {
        let mut request = Self::default();
        let mut seen = BTreeSet::new();
        for (name, value) in form_urlencoded::parse(body) {
            let known = matches!(name.as_ref(), "audience" | "scope" | "expires_in" | "grant_type");
            if !known {
                return Err(RequestFault::Body(format!("unknown field `{}`", printable(&name))));
            }
            if !seen.insert(name.clone()) {
                return Err(RequestFault::Body(format!("the field `{name}` appears twice")));
            }
            // An empty value counts as absent (RFC 6749 section 3.2).
            let value = (!value.is_empty()).then(|| value.into_owned());
            match name.as_ref() {
                "audience" => request.audience = value,
                "scope" => request.scope = value,
                "grant_type" => request.grant_type = value,
                _ => request.expires_in = value.map(|text| digits(&text)).transpose().map_err(RequestFault::Body)?,
            }
        }
        Ok(request)
    }
}

/// What goes back into an error text: short, and of the characters that an `error_description` may hold (RFC 6749
/// section 5.2).
fn printable(text: &str) -> String {
    let legal = |c: char| (c.is_ascii_graphic() || c == ' ') && !matches!(c, '"' | '\\');
    text.chars().map(|c| if legal(c) { c } else { '?' }).take(200).collect()
}

fn text<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    match String::deserialize(deserializer)? {
        text if text.is_empty() => Err(serde::de::Error::custom("an empty string; leave the field out")),
        text => Ok(Some(text)),
    }
}

fn seconds<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    let number = serde_json::Value::deserialize(deserializer)?.as_u64();
    number.ok_or_else(|| WHOLE_SECONDS.to_owned()).and_then(bounded).map(Some).map_err(serde::de::Error::custom)
}

const WHOLE_SECONDS: &str = "a number of whole seconds is needed";

fn digits(text: &str) -> Result<u32, String> {
    let number = text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse::<u64>().ok()).flatten();
    number.ok_or_else(|| WHOLE_SECONDS.to_owned()).and_then(bounded).map_err(|why| format!("expires_in: {why}"))
}

/// Longer than any lifetime is as good as the longest.
fn bounded(seconds: u64) -> Result<u32, String> {
    if seconds < u64::from(MIN_LIFETIME) {
        return Err(format!("at least {MIN_LIFETIME} seconds"));
    }
    Ok(u32::try_from(seconds).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(body: &str) -> Result<TokenRequest, RequestFault> {
        TokenRequest::parse(Some("application/json"), body.as_bytes())
    }

    fn form(body: &str) -> Result<TokenRequest, RequestFault> {
        TokenRequest::parse(Some("application/x-www-form-urlencoded"), body.as_bytes())
    }

    fn full() -> TokenRequest {
        TokenRequest {
            audience: Some("snowflake".into()),
            scope: Some("a b".into()),
            expires_in: Some(300),
            grant_type: Some("client_credentials".into()),
        }
    }

    #[test]
    fn reads_json_and_forms() {
        let written = r#" {"audience":"snowflake","scope":"a b","expires_in":300,"grant_type":"client_credentials"} "#;
        assert_eq!(json(written).unwrap(), full());
        assert_eq!(form("audience=snowflake&scope=a+b&expires_in=300&grant_type=client_credentials").unwrap(), full());
        assert_eq!(json("{}").unwrap(), TokenRequest::default());
        assert_eq!(form("audience=&scope=").unwrap(), TokenRequest::default());
        for content_type in [None, Some("text/plain"), Some("application/json")] {
            assert_eq!(TokenRequest::parse(content_type, b"").unwrap(), TokenRequest::default());
        }
        let charset = TokenRequest::parse(Some("Application/JSON; charset=utf-8"), b"{}");
        assert_eq!(charset.unwrap(), TokenRequest::default());
    }

    #[test]
    fn refuses_what_it_does_not_understand() {
        for (body, why) in [
            ("[]", "not a JSON object"),
            ("null", "not a JSON object"),
            (r#"["snowflake"]"#, "not a JSON object"),
            ("{", "EOF"),
            ("{} {}", "something follows"),
            (r#"{"audience":"a","audience":"b"}"#, "duplicate field `audience`"),
            (r#"{"resource":"a"}"#, "unknown field `resource`"),
            (r#"{"audience":null}"#, "audience: invalid type: null"),
            (r#"{"audience":""}"#, "audience: an empty string"),
            (r#"{"audience":["a"]}"#, "audience: invalid type: sequence"),
            (r#"{"expires_in":"300"}"#, "expires_in: a number of whole seconds"),
            (r#"{"expires_in":300.0}"#, "expires_in: a number of whole seconds"),
            (r#"{"expires_in":3e2}"#, "expires_in: a number of whole seconds"),
            (r#"{"expires_in":-300}"#, "expires_in: a number of whole seconds"),
            (r#"{"expires_in":59}"#, "expires_in: at least 60"),
            (r#"{"expires_in":1e400}"#, "expires_in: number out of range"),
        ] {
            let error = json(body).unwrap_err().to_string();
            assert!(error.contains(why), "{body}: {error}");
        }
        for (body, why) in [
            ("audience=a&audience=b", "`audience` appears twice"),
            ("scope=&scope=a", "`scope` appears twice"),
            ("resource=a", "unknown field `resource`"),
            ("expires_in=3e2", "expires_in: a number of whole seconds"),
            ("expires_in=%2B300", "expires_in: a number of whole seconds"),
            ("expires_in=-1", "expires_in: a number of whole seconds"),
            ("expires_in=99999999999999999999999", "expires_in: a number of whole seconds"),
            ("expires_in=59", "expires_in: at least 60"),
            ("{}", "unknown field `{}`"),
        ] {
            let error = form(body).unwrap_err().to_string();
            assert!(error.contains(why), "{body}: {error}");
        }
        for content_type in [None, Some(""), Some("text/plain"), Some("application/jsonx")] {
            assert_eq!(TokenRequest::parse(content_type, b"{}"), Err(RequestFault::ContentType), "{content_type:?}");
        }
        let large = vec![b' '; MAX_BODY + 1];
        assert_eq!(TokenRequest::parse(Some("application/json"), &large), Err(RequestFault::TooLarge));
    }

    #[test]
    fn refuses_another_grant_type() {
        assert_eq!(json(r#"{"grant_type":"password"}"#), Err(RequestFault::GrantType));
        assert_eq!(form("grant_type=password"), Err(RequestFault::GrantType));
    }

    #[test]
    fn longer_than_any_lifetime_is_as_good_as_the_longest() {
        assert_eq!(json(r#"{"expires_in":18446744073709551615}"#).unwrap().expires_in, Some(u32::MAX));
    }
}
