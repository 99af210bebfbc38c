//! A function's configuration: environment variables, all faults of which are reported at once.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;

use countersign_core::bounds::Bounds;
use countersign_core::url::IssuerUrl;

use crate::gateway::{Gateway, Kind};

/// Everything that is wrong with a configuration: one clause for each variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Faults(Vec<String>);

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("; "))
    }
}

impl std::error::Error for Faults {}

/// The environment, read variable by variable, and what was found wrong with it so far.
#[derive(Debug)]
pub struct Settings {
    /// Those that are not text have no value.
    variables: BTreeMap<String, Option<String>>,
    faults: Vec<String>,
}

impl Settings {
    /// These variables.
    pub fn new(variables: impl IntoIterator<Item = (String, String)>) -> Self {
        let variables = variables.into_iter().map(|(name, value)| (name, Some(value))).collect();
        Self { variables, faults: Vec::new() }
    }

    /// The process's own environment.
    pub fn of_process() -> Self {
        let text = |(name, value): (OsString, OsString)| Some((name.into_string().ok()?, value.into_string().ok()));
        Self { variables: std::env::vars_os().filter_map(text).collect(), faults: Vec::new() }
    }

    /// A variable that may be absent. One that is there and empty, or no text, is a fault: what was meant to restrict or
    /// name something and came out wrong must not pass for "not asked for".
    pub fn optional<T, E: fmt::Display>(&mut self, name: &str, parse: impl FnOnce(&str) -> Result<T, E>) -> Option<T> {
        let Some(text) = self.variables.get(name)? else {
            self.fault(name, "is not text");
            return None;
        };
        if text.trim().is_empty() {
            self.fault(name, "is set and empty");
            return None;
        }
        match parse(text) {
            Ok(value) => Some(value),
            Err(why) => {
                self.fault(name, why);
                None
            }
        }
    }

    /// A variable that must be there.
    pub fn required<T, E: fmt::Display>(&mut self, name: &str, parse: impl FnOnce(&str) -> Result<T, E>) -> Option<T> {
        if !self.variables.contains_key(name) {
            self.fault(name, "is not set");
        }
        self.optional(name, parse)
    }

    /// Note a fault of this variable.
    pub fn fault(&mut self, name: &str, why: impl fmt::Display) {
        let fault = format!("{name}: {why}");
        if !self.faults.contains(&fault) {
            self.faults.push(fault);
        }
    }

    /// What was made of the variables, unless one of them is at fault.
    pub fn finish<T>(self, made: Option<T>) -> Result<T, Faults> {
        match made {
            Some(made) if self.faults.is_empty() => Ok(made),
            _ => Err(Faults(self.faults)),
        }
    }

    /// The function's name, which Lambda sets: the dimension of its metrics.
    pub fn function_name(&self) -> String {
        self.variables.get("AWS_LAMBDA_FUNCTION_NAME").cloned().flatten().unwrap_or_default()
    }

    /// `JWT_ISSUER_URL`: https, no query or trailing slash.
    pub fn issuer_url(&mut self) -> Option<IssuerUrl> {
        self.required("JWT_ISSUER_URL", IssuerUrl::new)
    }

    /// `GATEWAY` (`rest` or `http`) and `GATEWAY_API_ID`: the one API whose events are believed.
    pub fn gateway(&mut self) -> Option<Gateway> {
        let kind = self.required("GATEWAY", |text| match text {
            "rest" => Ok(Kind::Rest),
            "http" => Ok(Kind::Http),
            other => Err(format!("must be `rest` or `http`, and is {other:?}")),
        });
        let api_id = self.required("GATEWAY_API_ID", |text| {
            let legal = text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
            if legal { Ok(text.to_owned()) } else { Err("an API's id has lower-case letters and digits only") }
        });
        Some(Gateway::new(kind?, api_id?))
    }

    /// `DANGEROUS_BOUNDS`: JSON, in seconds, for tests.
    pub fn bounds(&mut self) -> Bounds {
        let given = self.optional("DANGEROUS_BOUNDS", Bounds::from_json);
        if let Some(bounds) = given {
            tracing::warn!(
                ?bounds,
                "DANGEROUS_BOUNDS is set: the times that protect key rotation are not the proven ones"
            );
        }
        given.unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(pairs: &[(&str, &str)]) -> Settings {
        Settings::new(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
    }

    #[test]
    fn all_faults_come_at_once() {
        let mut settings = settings(&[
            ("JWT_ISSUER_URL", "http://id.acme.com"),
            ("GATEWAY", "alb"),
            ("DANGEROUS_BOUNDS", r#"{"refresh":1,"refrsh":2}"#),
            ("ALLOWED_ORG_IDS", " "),
        ]);
        let _ = settings.issuer_url();
        let _ = settings.gateway();
        let _ = settings.bounds();
        let _ = settings.optional("ALLOWED_ORG_IDS", |text| Ok::<_, String>(text.to_owned()));
        let text = settings.finish(Some(())).unwrap_err().to_string();
        for part in [
            "JWT_ISSUER_URL: \"http://id.acme.com\" must be https",
            "GATEWAY: must be `rest` or `http`, and is \"alb\"",
            "GATEWAY_API_ID: is not set",
            "DANGEROUS_BOUNDS: unknown field `refrsh`",
            "ALLOWED_ORG_IDS: is set and empty",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }

    #[test]
    fn bounds_are_an_object_and_a_variable_is_text() {
        let mut settings = settings(&[("DANGEROUS_BOUNDS", "[1,2,3]")]);
        settings.variables.insert("ALLOWED_ORG_IDS".to_owned(), None);
        let _ = settings.bounds();
        assert_eq!(settings.optional("ALLOWED_ORG_IDS", |text| Ok::<_, String>(text.to_owned())), None);
        let text = settings.finish(Some(())).unwrap_err().to_string();
        assert!(
            text.contains("DANGEROUS_BOUNDS: invalid type") && text.contains("ALLOWED_ORG_IDS: is not text"),
            "{text}"
        );
    }

    #[test]
    fn bounds_that_are_not_named_keep_their_default() {
        let mut settings = settings(&[("DANGEROUS_BOUNDS", r#"{"refresh":1}"#)]);
        assert_eq!(settings.bounds(), Bounds { refresh: 1, ..Bounds::default() });
        assert_eq!(settings.finish(Some(())), Ok(()));
    }
}
