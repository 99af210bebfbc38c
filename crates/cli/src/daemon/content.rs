//! What stands in a file: the forms, and a file that was written before, taken apart again.

use std::collections::BTreeMap;

use anyhow::ensure;
use zeroize::Zeroizing;

use super::plan::Form;
use crate::credentials::cache::Entry;
use crate::credentials::output::{Format, text, variables};
use crate::credentials::role::Session;

/// Some of it is secret.
pub(super) type Text = Zeroizing<String>;

/// The first line of a shared credentials file.
const HEAD: &str =
    "# Written by `countersign daemon`, and replaced at each renewal. A file that was changed is left alone.\n";

/// The credentials in this form.
pub(super) fn of_session(entry: &Entry, session: &Session, form: &Form) -> anyhow::Result<Text> {
    // Nobody's value ends a line or a word, or means something to whoever reads the file.
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"+/=_-.".contains(&byte);
    for (name, value) in variables(entry) {
        ensure!(
            value.bytes().all(plain),
            "STS gave a value for {name} that does not go into a file: no letters, digits and +/=_-."
        );
    }
    let printed = |format| Zeroizing::new(text(entry, session, format) + "\n");
    Ok(match form {
        Form::Env => printed(Format::Env),
        Form::Section(_) => {
            let lines = variables(entry).map(|(name, value)| format!("{} = {value}\n", name.to_ascii_lowercase()));
            Zeroizing::new(format!("{}\n{}", form.key(), lines.concat()))
        }
        Form::Json | Form::Token => printed(Format::Process),
    })
}

/// A file of these parts, each with its key.
pub(super) fn file<'a>(parts: impl Iterator<Item = (&'a String, &'a Text)>) -> Text {
    let mut content = Zeroizing::new(String::new());
    for (key, part) in parts {
        if key.starts_with('[') {
            let before = if content.is_empty() { HEAD } else { "" };
            content.extend([before, "\n"]);
        }
        content.push_str(part);
    }
    content
}

/// The parts of a file that was made of those with these keys, each of which begins with the first line of its section.
pub(super) fn parts<'a>(content: &str, keys: impl Iterator<Item = &'a String>) -> BTreeMap<String, Text> {
    keys.map(|key| {
        let first = key.split(' ').next();
        let lines = content.split_inclusive('\n').skip_while(|line| Some(line.trim_end()) != first);
        let section = lines.clone().take(1).chain(lines.skip(1).take_while(|line| line.len() > 1));
        let part = if key.starts_with('[') { section.collect() } else { content.to_owned() };
        (key.clone(), Zeroizing::new(part))
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::credentials::sts::Assumed;
    use crate::credentials::token::tests::token;

    fn entry(secret: &str) -> Entry {
        let credentials = Assumed {
            access_key_id: "ASIA1".to_owned(),
            secret_access_key: Zeroizing::new(secret.to_owned()),
            session_token: Zeroizing::new("t/+==".to_owned()),
            expiration: jiff::Timestamp::UNIX_EPOCH,
            arn: String::new(),
        };
        Entry::new(credentials, jiff::Timestamp::UNIX_EPOCH, jiff::Timestamp::UNIX_EPOCH, &token(&json!({})))
    }

    fn session() -> Session {
        let role = "arn:aws:iam::444455556666:role/a".parse().unwrap();
        Session { role, name: None, duration: None, policy: None, policy_arns: Vec::new(), region: None }
    }

    #[test]
    fn each_form_is_what_its_readers_take() {
        let text = |form| of_session(&entry("s/+="), &session(), &form).unwrap().to_string();
        let env = "AWS_ACCESS_KEY_ID=ASIA1\nAWS_SECRET_ACCESS_KEY=s/+=\nAWS_SESSION_TOKEN=t/+==\n\
                   AWS_CREDENTIAL_EXPIRATION=1970-01-01T00:00:00Z\n";
        assert_eq!(text(Form::Env), env);
        let section = "[a]\naws_access_key_id = ASIA1\naws_secret_access_key = s/+=\naws_session_token = t/+==\n";
        assert_eq!(text(Form::Section("a".to_owned())), section);
        let json: serde_json::Value = serde_json::from_str(&text(Form::Json)).unwrap();
        assert_eq!((&json["Version"], &json["SecretAccessKey"]), (&json!(1), &json!("s/+=")));
    }

    #[test]
    fn no_value_ends_a_line_or_a_word() {
        for strange in ["a\nb", "a b", "a\rb", "\"a\"", "$(id)", "a\\", "a#b", "é"] {
            let said = of_session(&entry(strange), &session(), &Form::Env).unwrap_err().to_string();
            assert!(said.contains("AWS_SECRET_ACCESS_KEY") && !said.contains(strange), "{said}");
        }
    }

    #[test]
    fn a_file_of_sections_is_taken_apart_as_it_was_put_together() {
        let text = |name: &str| of_session(&entry("s"), &session(), &Form::Section(name.to_owned())).unwrap();
        let written: BTreeMap<String, Text> = ["a", "b"].map(|name| (format!("[{name}] 0123"), text(name))).into();
        let content = file(written.iter());
        assert!(content.starts_with("# Written by `countersign daemon`") && content.matches('#').count() == 1);
        assert_eq!(parts(&content, written.keys()), written);
        let token = BTreeMap::from([("token".to_owned(), Zeroizing::new("a.b.c".to_owned()))]);
        assert_eq!(file(token.iter()).as_str(), "a.b.c");
        assert_eq!(parts("a.b.c", token.keys()), token);
    }
}
