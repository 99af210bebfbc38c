//! What would change in a file, for people. Secrets that stand beside it are not shown.

use similar::TextDiff;

use super::file::File;
use super::{PROCESS, process};

/// The unified difference.
pub(super) fn of(file: &File, text: &str) -> String {
    let name = file.named.display().to_string();
    let before = if file.exists() { name.as_str() } else { "/dev/null" };
    let (old, new) = (without_secrets(&file.text), without_secrets(text));
    TextDiff::from_lines(&old, &new).unified_diff().header(before, &name).to_string()
}

/// Values that are a secret, or may hold one, as the command of another program. Our own files name places of secrets only.
fn without_secrets(text: &str) -> String {
    let shown = |line: &str| {
        let Some((before, value)) = line.split_once('=') else { return line.to_owned() };
        let (name, value) = (before.trim().to_lowercase(), value.trim());
        let is_secret =
            ["secret", "password", "session_token", "security_token"].iter().any(|word| name.contains(word))
                && !["_file", "_env"].iter().any(|end| name.ends_with(end));
        if is_secret || (name == PROCESS && process::of_ours(value).is_none()) {
            let end = if line.ends_with('\n') { "\n" } else { "" };
            return format!("{before}= (not shown){end}");
        }
        line.to_owned()
    };
    text.split_inclusive('\n').map(shown).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_not_shown() {
        for (line, expected) in [
            ("aws_secret_access_key = x", "aws_secret_access_key = (not shown)"),
            ("AWS_SESSION_TOKEN=x\n", "AWS_SESSION_TOKEN= (not shown)\n"),
            ("credential_process = other --password x", "credential_process = (not shown)"),
            ("credential_process = countersign credentials", "credential_process = countersign credentials"),
            ("web_identity_token_file = /t", "web_identity_token_file = /t"),
            ("oauth_client_secret_env = \"S\"", "oauth_client_secret_env = \"S\""),
            ("oauth_token_url = \"u\"", "oauth_token_url = \"u\""),
            ("# a comment", "# a comment"),
        ] {
            assert_eq!(without_secrets(line), expected);
        }
    }
}
