//! In which form credentials are handed over.

use serde_json::json;

use super::cache::Entry;
use super::role::Session;

/// A form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// JSON for `credential_process`
    Process,
    /// A line `NAME=value` each: files of systemd, Docker and GitHub Actions
    Env,
    /// A line `export NAME=value` each, for a shell to evaluate
    Export,
    /// JSON with everything that is known
    Json,
}

/// The credentials as variables of the environment.
pub fn variables(entry: &Entry) -> [(&'static str, &str); 3] {
    let given = &entry.credentials;
    [
        ("AWS_ACCESS_KEY_ID", &given.access_key_id),
        ("AWS_SECRET_ACCESS_KEY", &given.secret_access_key),
        ("AWS_SESSION_TOKEN", &given.session_token),
    ]
}

/// The text, without a line's end.
///
/// `Process` is version 1 of
/// <https://docs.aws.amazon.com/sdkref/latest/guide/feature-process-credentials.html>.
pub fn text(entry: &Entry, session: &Session, format: Format) -> String {
    let given = &entry.credentials;
    let (key, secret, token) = (&given.access_key_id, given.secret_access_key.as_str(), given.session_token.as_str());
    let expiration = format!("{:.0}", given.expiration);
    let lines = |before: &str, written: fn(&str) -> String| {
        let mut lines: Vec<String> =
            variables(entry).iter().map(|(name, value)| format!("{before}{name}={}", written(value))).collect();
        lines.push(format!("{before}AWS_CREDENTIAL_EXPIRATION={expiration}"));
        lines.join("\n")
    };
    match format {
        Format::Process => json!({
            "Version": 1,
            "AccessKeyId": key,
            "SecretAccessKey": secret,
            "SessionToken": token,
            "Expiration": expiration,
        })
        .to_string(),
        Format::Env => lines("", str::to_owned),
        Format::Export => lines("export ", for_shell),
        Format::Json => json!({
            "access_key_id": key,
            "secret_access_key": secret,
            "session_token": token,
            "expiration": expiration,
            "renew_after": format!("{:.0}", entry.refresh_at),
            "obtained_at": format!("{:.0}", entry.obtained_at),
            "role_arn": session.role.as_str(),
            "arn": given.arn,
            "issuer": entry.issuer,
            "subject": entry.subject,
        })
        .to_string(),
    }
}

/// STS's own need no quotes, and a shell does nothing that another server has written.
pub(crate) fn for_shell(value: &str) -> String {
    if value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+/=_-.".contains(&byte)) {
        return value.to_owned();
    }
    format!("'{}'", value.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_does_nothing_that_a_server_has_written() {
        assert_eq!(for_shell("aZ9+/=_-."), "aZ9+/=_-.");
        assert_eq!(for_shell("$(id)'`x`;"), r"'$(id)'\''`x`;'");
    }
}
