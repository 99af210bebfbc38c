//! Inline session policies: enough of their form to catch what was not meant to be one. What IAM makes of the rest, STS says.

use serde_json::{Map, Value};

use super::SessionFault;
use crate::verify::json::repeated;
use crate::verify::text::quoted;

/// The longest that STS takes, in characters.
pub(super) const LONGEST: usize = 2048;

/// A policy without the white space between its parts.
pub(super) fn session_policy(text: &str) -> Result<String, SessionFault> {
    let fault =
        |why: String| SessionFault(format!("a session policy is a JSON object with Version and Statement: {why}"));
    let value: Value = serde_json::from_str(text).map_err(|error| fault(format!("this is no JSON: {error}")))?;
    // Of two members with one name, one reader takes the first and another the last.
    if let Some(why) = repeated(text.as_bytes()) {
        return Err(fault(why));
    }
    form(&value).map_err(fault)?;
    let compact = compact(text);
    if let Some(c) = compact.chars().find(|c| *c > '\u{ff}') {
        return Err(SessionFault(format!(
            "STS takes no characters beyond U+00FF in a session policy, and this has {c:?}"
        )));
    }
    let length = compact.chars().count();
    if length > LONGEST {
        return Err(SessionFault(format!(
            "a session policy has at most {LONGEST} characters, and this has {length} without the white space between its parts"
        )));
    }
    Ok(compact)
}

fn form(policy: &Value) -> Result<(), String> {
    let policy = policy.as_object().ok_or("this is another kind of JSON")?;
    known(policy, &["Version", "Id", "Statement"])?;
    match policy.get("Version").and_then(Value::as_str) {
        Some("2012-10-17" | "2008-10-17") => {}
        _ => return Err(r#"say "Version": "2012-10-17""#.to_owned()),
    }
    let statements = match policy.get("Statement") {
        Some(Value::Array(several)) if !several.is_empty() => several.as_slice(),
        Some(one @ Value::Object(_)) => std::slice::from_ref(one),
        _ => return Err("Statement is an object, or a list of at least one".to_owned()),
    };
    statements
        .iter()
        .enumerate()
        .try_for_each(|(index, one)| statement(one).map_err(|why| format!("statement {}: {why}", index + 1)))
}

fn statement(statement: &Value) -> Result<(), String> {
    let statement = statement.as_object().ok_or("it is no object")?;
    // Who the principal is, is known: the session.
    known(statement, &["Sid", "Effect", "Action", "NotAction", "Resource", "NotResource", "Condition"])?;
    if !matches!(statement.get("Effect").and_then(Value::as_str), Some("Allow" | "Deny")) {
        return Err(r#"Effect is "Allow" or "Deny""#.to_owned());
    }
    for (one, other) in [("Action", "NotAction"), ("Resource", "NotResource")] {
        if statement.contains_key(one) == statement.contains_key(other) {
            return Err(format!("it needs {one} or {other}, and one of them only"));
        }
    }
    Ok(())
}

fn known(members: &Map<String, Value>, names: &[&str]) -> Result<(), String> {
    let unknown = members.keys().find(|name| !names.contains(&name.as_str()));
    unknown
        .map_or(Ok(()), |name| Err(format!("{} does not belong there (names are {})", quoted(name), names.join(", "))))
}

/// Everything but the white space outside of strings, as it was written.
fn compact(json: &str) -> String {
    let (mut string, mut escaped) = (false, false);
    let kept = json.chars().filter(|c| {
        let inside = string;
        match c {
            '"' if !escaped => string = !string,
            _ => {}
        }
        escaped = inside && *c == '\\' && !escaped;
        inside || !c.is_ascii_whitespace()
    });
    kept.collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(text: &str) -> Result<String, String> {
        session_policy(text).map_err(|fault| fault.to_string())
    }

    fn policy(statement: &Value) -> String {
        json!({"Version": "2012-10-17", "Statement": statement}).to_string()
    }

    #[test]
    fn what_is_sent_has_no_white_space_between_its_parts() {
        let spread = "{\n \"Version\" : \"2012-10-17\",\r\n\t\"Statement\": [ { \"Effect\": \"Allow\", \"Action\": \"s3:Get*\", \
                      \"Resource\": \"a \\\" b\\\\\" , \"Condition\": {} } ] }";
        let sent = read(spread).unwrap();
        assert_eq!(
            sent,
            r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:Get*","Resource":"a \" b\\","Condition":{}}]}"#
        );
        let (before, after): (Value, Value) =
            (serde_json::from_str(spread).unwrap(), serde_json::from_str(&sent).unwrap());
        assert_eq!(before, after);
        assert_eq!(read(&sent).unwrap(), sent);
    }

    #[test]
    fn its_length_is_that_of_what_is_sent() {
        let of = |length: usize| {
            let bare = policy(&json!({"Effect": "Deny", "NotAction": "*", "NotResource": ""}));
            bare.replace(r#""NotResource":"""#, &format!(r#""NotResource":"{}""#, "x".repeat(length - bare.len())))
        };
        let longest = of(LONGEST);
        assert_eq!(read(&longest).unwrap().len(), LONGEST);
        assert_eq!(read(&longest.replace(',', &(" ".repeat(500) + ","))).unwrap(), longest);
        let told = read(&of(LONGEST + 1)).unwrap_err();
        assert!(told.contains("at most 2048 characters, and this has 2049"), "{told}");
    }

    #[test]
    fn what_is_no_session_policy_is_told() {
        let good = json!({"Effect": "Allow", "Action": "*", "Resource": "*"});
        let with = |name: &str, value: Value| {
            let mut statement = good.clone();
            statement[name] = value;
            policy(&statement)
        };
        assert!(read(&policy(&good)).is_ok());
        for (text, expected) in [
            ("", "no JSON"),
            ("[]", "another kind of JSON"),
            ("arn:aws:iam::aws:policy/ReadOnlyAccess", "no JSON"),
            (r#"{"Statement": []}"#, r#"say "Version": "2012-10-17""#),
            (&*policy(&json!([])), "at least one"),
            (&*policy(&json!("x")), "at least one"),
            (r#"{"version": "2012-10-17"}"#, r#""version" does not belong there"#),
            (&*with("Principal", json!("*")), r#"statement 1: "Principal" does not belong there"#),
            (&*with("Effect", json!("allow")), r#"Effect is "Allow" or "Deny""#),
            (&*with("NotAction", json!("*")), "Action or NotAction, and one of them only"),
            (
                &*policy(&json!([good, {"Effect": "Allow", "Action": "*"}])),
                "statement 2: it needs Resource or NotResource",
            ),
            (&*policy(&json!([1])), "it is no object"),
            (&*with("Sid", json!("日本")), "beyond U+00FF"),
            (r#"{"Version": "2012-10-17", "Version": "2012-10-17"}"#, "Version"),
        ] {
            let told = read(text).unwrap_err();
            assert!(told.contains(expected), "{text}: {told}");
        }
        let twice = policy(&good).replace(r#""Action":"*""#, r#""Action":"s3:Get*","Action":"*""#);
        assert!(read(&twice).is_err());
    }
}
