//! What `aws iam` prints, and files with the policy alone: the trust policies in it, with their roles.

use serde_json::Value;

use super::principal::arn;
use crate::verify::json::repeated;

/// A trust policy and what is known of its role.
#[derive(Debug, Clone, PartialEq)]
pub struct Input {
    /// The role's name, if it is known.
    pub role: Option<String>,
    /// The role's account, if it is known.
    pub account: Option<String>,
    /// AWS wrote it, and nobody else can change it: a service-linked role.
    pub service_linked: bool,
    /// The document.
    pub document: Value,
    /// A member that stands in it twice, in words. Which of the two counts depends on who reads it.
    pub repeated: Option<String>,
}

/// Why a file holds no trust policy.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// It is not JSON.
    #[error("it is not JSON: {0}")]
    Json(String),
    /// It is JSON, but nothing that is known here.
    #[error(
        "there is no trust policy in it: a policy document is needed, or what `aws iam get-role`, `list-roles` or `get-account-authorization-details` prints"
    )]
    NoPolicy,
    /// A role's document is neither JSON nor URL-encoded JSON.
    #[error("the document of the role {0} is not JSON, not even URL-encoded")]
    Document(String),
}

/// Reads a file: a bare policy, a role, or a list of roles.
pub fn read(bytes: &[u8]) -> Result<Vec<Input>, Unreadable> {
    let value: Value = serde_json::from_slice(bytes).map_err(|error| Unreadable::Json(error.to_string()))?;
    let twice = repeated(bytes);
    // A document as a string, with or without quotes of JSON around it, is how the API itself gives it.
    if let Value::String(_) = value {
        let (document, inner) = document(&value, "in the file")?;
        return Ok(vec![bare(document, twice.or(inner))]);
    }
    // A policy with a role beside its statements is not passed over for the role.
    if value.get("Statement").is_some() {
        return Ok(vec![bare(value, twice)]);
    }
    if value.get("AssumeRolePolicyDocument").is_some() {
        return Ok(vec![role(&value, twice)?]);
    }
    if let Some(one) = value.get("Role") {
        return Ok(vec![role(one, twice)?]);
    }
    let list = value.get("Roles").or_else(|| value.get("RoleDetailList")).and_then(Value::as_array);
    if let Some(roles) = list {
        return roles.iter().map(|one| role(one, twice.clone())).collect();
    }
    if value.get("Version").is_some() {
        return Ok(vec![bare(value, twice)]);
    }
    Err(Unreadable::NoPolicy)
}

fn bare(document: Value, repeated: Option<String>) -> Input {
    Input { role: None, account: None, service_linked: false, document, repeated }
}

fn role(value: &Value, twice: Option<String>) -> Result<Input, Unreadable> {
    let text = |name: &str| value.get(name).and_then(Value::as_str);
    let written = value.get("AssumeRolePolicyDocument").ok_or(Unreadable::NoPolicy)?;
    let name = text("RoleName");
    let (document, inner) = document(written, name.unwrap_or("without a name"))?;
    Ok(Input {
        role: name.map(str::to_owned),
        account: text("Arn").and_then(arn).map(|(_, account, _)| account.to_owned()),
        service_linked: text("Path").is_some_and(|path| path.starts_with("/aws-service-role/")),
        document,
        repeated: twice.or(inner),
    })
}

/// An object, or a string that holds one, URL-encoded or not.
fn document(value: &Value, role: &str) -> Result<(Value, Option<String>), Unreadable> {
    let Value::String(text) = value else { return Ok((value.clone(), None)) };
    let decoded = percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned();
    for text in [text, &decoded] {
        if let Ok(document) = serde_json::from_str(text) {
            return Ok((document, repeated(text.as_bytes())));
        }
    }
    Err(Unreadable::Document(role.to_owned()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const POLICY: &str = r#"{"Version":"2012-10-17","Statement":[]}"#;

    fn one(text: &str) -> Input {
        let mut inputs = read(text.as_bytes()).unwrap();
        assert_eq!(inputs.len(), 1, "{text}");
        inputs.remove(0)
    }

    #[test]
    fn every_form_in_which_aws_gives_a_document() {
        let encoded = "%7B%22Version%22%3A%222012-10-17%22%2C%22Statement%22%3A%5B%5D%7D";
        let policy: Value = serde_json::from_str(POLICY).unwrap();
        for text in [
            POLICY.to_owned(),
            json!(POLICY).to_string(),
            json!(encoded).to_string(),
            json!({ "AssumeRolePolicyDocument": policy }).to_string(),
            json!({ "Role": { "AssumeRolePolicyDocument": encoded } }).to_string(),
            json!({ "Roles": [{ "AssumeRolePolicyDocument": policy }] }).to_string(),
            json!({ "RoleDetailList": [{ "AssumeRolePolicyDocument": POLICY }], "Policies": [] }).to_string(),
        ] {
            assert_eq!(one(&text).document, policy, "{text}");
        }
        let role = json!({ "Role": {
            "Path": "/aws-service-role/x.amazonaws.com/", "RoleName": "deploy",
            "Arn": "arn:aws:iam::111122223333:role/deploy", "AssumeRolePolicyDocument": policy,
        }});
        let input = one(&role.to_string());
        assert_eq!((input.role.as_deref(), input.account.as_deref()), (Some("deploy"), Some("111122223333")));
        assert!(input.service_linked && input.repeated.is_none());
    }

    #[test]
    fn what_stands_twice_is_seen_in_both_layers() {
        let twice = r#"{"Version":"2012-10-17","Statement":[],"Statement":[]}"#;
        assert!(one(twice).repeated.unwrap().contains("\"Statement\" stands there twice"));
        let role = json!({ "Role": { "AssumeRolePolicyDocument": twice } }).to_string();
        assert!(one(&role).repeated.is_some());
    }

    #[test]
    fn everything_else_is_unreadable() {
        for (text, words) in [
            ("", "not JSON"),
            ("Version: 2012-10-17", "not JSON"),
            ("[]", "no trust policy"),
            ("{}", "no trust policy"),
            (r#"{"Role":{}}"#, "no trust policy"),
            (r#"{"Roles":[{}]}"#, "no trust policy"),
            (r#"{"Role":{"RoleName":"a","AssumeRolePolicyDocument":"%7B"}}"#, "the role a is not JSON"),
            ("\"x\"", "in the file is not JSON"),
        ] {
            let error = read(text.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(words), "{text}: {error}");
        }
    }
}
