//! What would change in a file, for people. Secrets that stand beside it are not shown.

use similar::TextDiff;

use super::file::File;
use super::{PROCESS, process};

/// In names of settings whose value is a secret; and how names of places of secrets end.
const SECRET: [&str; 3] = ["secret", "password", "token"];
const PLACES: [&str; 3] = ["_file", "_env", "_url"];

/// The unified difference.
pub(super) fn of(file: &File, text: &str) -> String {
    let name = file.path.display().to_string();
    let before = if file.exists() { name.as_str() } else { "/dev/null" };
    let (old, new) = (without_secrets(&file.text), without_secrets(text));
    TextDiff::from_lines(&old, &new).unified_diff().header(before, &name).to_string()
}

/// Values that are a secret, or may hold one, as the command of another program. Our own files name places of secrets only.
fn without_secrets(text: &str) -> String {
    let mut hidden = false;
    let shown = |line: &str| {
        let end = if line.ends_with('\n') { "\n" } else { "" };
        if line.trim().is_empty() || (hidden && line.starts_with([' ', '\t'])) {
            // What is indented below such a value belongs to it.
            return if hidden && !line.trim().is_empty() { format!("  (not shown){end}") } else { line.to_owned() };
        }
        let (before, value) = line.split_once(['=', ':']).unwrap_or((line, ""));
        let name = before.trim_start_matches([' ', '\t', '#', ';']).trim_end().to_lowercase();
        let is_secret = SECRET.iter().any(|word| name.contains(word)) && !PLACES.iter().any(|end| name.ends_with(end))
            || (name == PROCESS && process::of_ours(value).is_none());
        if !line.starts_with(['#', ';']) {
            hidden = is_secret;
        }
        if is_secret { format!("{before}= (not shown){end}") } else { without_users(line) }
    };
    text.split_inclusive('\n').map(shown).collect()
}

/// URLs without what stands before an `@`, which may be a password.
fn without_users(line: &str) -> String {
    let shown = |after: &str| {
        let ends = |c: char| c.is_whitespace() || "/?#\"'".contains(c);
        let (host, rest) = after.split_at(after.find(ends).unwrap_or(after.len()));
        host.rsplit_once('@').map_or_else(|| after.to_owned(), |(_, host)| format!("(...)@{host}{rest}"))
    };
    let mut pieces = line.split("://");
    let first = pieces.next().unwrap_or_default().to_owned();
    pieces.fold(first, |text, piece| text + "://" + &shown(piece))
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
            ("api_token = x", "api_token = (not shown)"),
            ("# credential_process = other --password x", "# credential_process = (not shown)"),
            ("# credential_process = countersign credentials", "# credential_process = countersign credentials"),
            (
                "  endpoint_url = https://a:b@c/d@e # http://f@g",
                "  endpoint_url = https://(...)@c/d@e # http://(...)@g",
            ),
            ("oauth_token_url = \"https://a:b@c\"", "oauth_token_url = \"https://(...)@c\""),
            ("# aws_secret_access_key=x", "# aws_secret_access_key= (not shown)"),
            ("aws_secret_access_key: x = y", "aws_secret_access_key= (not shown)"),
            (
                "credential_process = other\n  --password x\n\n  y=z\nregion = r\n",
                "credential_process = (not shown)\n  (not shown)\n\n  (not shown)\nregion = r\n",
            ),
        ] {
            assert_eq!(without_secrets(line), expected);
        }
    }
}
