//! `credentials.yaml`: who a signature with a key stands for, on this machine.
//!
//! Entries are taken as they stand; arn, principal id and organisation are judged per request like a gateway's, so that
//! refused callers can be tried. Only the file's form is judged here.

use std::collections::BTreeMap;
use std::fmt;
use std::fmt::Write as _;

use countersign_core::caller::{Caller, Field, Identity};
use countersign_core::policy::Path;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::sigv4::Secret;
use crate::yaml;

/// One key and the caller that it stands for.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Credential {
    /// `AKIA...`, or anything else: nothing is read from its prefix.
    pub access_key_id: String,
    /// The key.
    pub secret_access_key: Zeroizing<String>,
    /// Demanded in `x-amz-security-token` if it is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_token: Option<Zeroizing<String>>,
    /// Who it is.
    pub arn: String,
    /// The unique id, as the gateway would give it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub principal_id: Option<String>,
    /// The organisation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub org_id: Option<String>,
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credential({} = {})", self.access_key_id, self.arn)
    }
}

impl Secret for Credential {
    fn secret_access_key(&self) -> &str {
        &self.secret_access_key
    }

    fn session_token(&self) -> Option<&str> {
        self.session_token.as_ref().map(|token| token.as_str())
    }
}

impl Credential {
    /// What the local server says about whoever signed with this key.
    pub fn identity(&self) -> Identity {
        Identity::asserted_by_local_credentials(&self.arn, self.principal_id.as_deref(), self.org_id.as_deref())
    }

    /// A name for the profile in the shared credentials file: the user's, the role's, or the access key id.
    fn profile(&self) -> String {
        let caller = Caller::new(&self.identity()).ok();
        let name = |field| caller.as_ref().and_then(|caller: &Caller| caller.field(field));
        let name = name(Field::UserName).or_else(|| name(Field::Role)).or_else(|| name(Field::User));
        // The AWS SDKs take no other characters in a profile's name.
        let legal = |c: char| if c.is_ascii_alphanumeric() || "_.@-".contains(c) { c } else { '_' };
        name.unwrap_or(&self.access_key_id).chars().map(legal).collect()
    }
}

/// The credentials by access key id.
#[derive(Debug, Default)]
pub struct Credentials {
    list: Vec<Credential>,
}

impl Credentials {
    /// Read the file's text, YAML or JSON. Every fault comes with its line; none repeats a secret.
    pub fn parse(text: &str) -> Result<Self, Vec<String>> {
        let yaml = yaml::parse(text).map_err(|problems| {
            problems.into_iter().map(|(line, problem)| format!("line {line}: {}", problem.message)).collect::<Vec<_>>()
        })?;
        let serde_json::Value::Array(entries) = &yaml.value else {
            return Err(vec!["line 1: not a list of credentials".to_owned()]);
        };
        let mut faults = Vec::new();
        let mut list: Vec<Credential> = Vec::new();
        let mut seen = BTreeMap::new();
        for (index, entry) in entries.iter().enumerate() {
            let line = yaml.line(&Path::root().index(index));
            if !entry.is_object() {
                faults
                    .push(format!("line {line}: entry {index}: not a map of access_key_id, secret_access_key and arn"));
                continue;
            }
            match serde_path_to_error::deserialize::<_, Credential>(entry) {
                Ok(credential) => {
                    if let Some(first) = seen.insert(credential.access_key_id.clone(), line) {
                        faults.push(format!("line {line}: the access key id is already given in line {first}"));
                    }
                    list.push(credential);
                }
                Err(error) => faults.push(format!("line {line}: entry {index}: {}", without_values(&error))),
            }
        }
        if faults.is_empty() { Ok(Self { list }) } else { Err(faults) }
    }

    /// The credentials of two development principals whom the starting policy knows.
    pub fn development() -> Self {
        let role_id = || format!("AROA{}", letters(17));
        let person = role_id();
        let workload = role_id();
        Self {
            list: vec![
                Self::made(
                    "arn:aws:sts::111122223333:assumed-role/AWSReservedSSO_DataAnalyst_0123456789abcdef/jane@acme.com",
                    &format!("{person}:jane@acme.com"),
                ),
                Self::made(
                    "arn:aws:sts::444455556666:assumed-role/snowflake-loader/i-0123456789abcdef0",
                    &format!("{workload}:i-0123456789abcdef0"),
                ),
            ],
        }
    }

    /// Fresh random credentials for this caller.
    pub(crate) fn made(arn: &str, principal_id: &str) -> Credential {
        Credential {
            access_key_id: format!("AKIA{}", letters(16)),
            secret_access_key: Zeroizing::new(letters(40)),
            session_token: None,
            arn: arn.to_owned(),
            principal_id: Some(principal_id.to_owned()),
            org_id: None,
        }
    }

    /// One more.
    pub(crate) fn push(&mut self, credential: Credential) {
        self.list.push(credential);
    }

    /// All, in the order of the file.
    pub fn list(&self) -> &[Credential] {
        &self.list
    }

    /// The credential of this access key id.
    pub fn find(&self, access_key_id: &str) -> Option<&Credential> {
        self.list.iter().find(|credential| credential.access_key_id == access_key_id)
    }

    /// The file's text. JSON strings are YAML strings, so that nothing needs quoting rules of its own.
    pub fn to_yaml(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::from(
            "# Who a signature with a key stands for: `countersign serve` reads this file. For development only.\n",
        ));
        for credential in &self.list {
            let fields = [
                ("- access_key_id", Some(credential.access_key_id.as_str())),
                ("  secret_access_key", Some(credential.secret_access_key.as_str())),
                ("  session_token", credential.session_token()),
                ("  arn", Some(credential.arn.as_str())),
                ("  principal_id", credential.principal_id.as_deref()),
                ("  org_id", credential.org_id.as_deref()),
            ];
            for (name, value) in fields {
                if let Some(value) = value {
                    let _ = writeln!(text, "{name}: {}", serde_json::Value::from(value));
                }
            }
        }
        text
    }

    /// The same as an AWS shared credentials file, a profile per principal.
    pub fn to_shared_file(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::from(
            "# For development only; made by `countersign serve` from credentials.yaml.\n",
        ));
        let mut names: Vec<String> = Vec::new();
        for credential in &self.list {
            let profile = credential.profile();
            let name = match names.iter().filter(|known| **known == profile).count() {
                0 => profile,
                _ => credential.access_key_id.clone(),
            };
            let _ = writeln!(text, "[{name}]\naws_access_key_id = {}", credential.access_key_id);
            let _ = writeln!(text, "aws_secret_access_key = {}", credential.secret_access_key.as_str());
            if let Some(token) = credential.session_token() {
                let _ = writeln!(text, "aws_session_token = {token}");
            }
            names.push(name);
        }
        text
    }
}

/// What is wrong, without anything that stands in the file: a secret may stand where a name should.
fn without_values(error: &serde_path_to_error::Error<serde_json::Error>) -> String {
    let text = error.inner().to_string();
    if text.starts_with("missing field") {
        return text;
    }
    if text.starts_with("unknown field") {
        return format!("unknown field; there are {FIELDS}");
    }
    format!("{}: not a string", error.path())
}

const FIELDS: &str = "access_key_id, secret_access_key, session_token, arn, principal_id, org_id";

/// So many random capital letters and digits, 5 bits each.
fn letters(count: usize) -> String {
    const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let mut text = String::with_capacity(count);
    while text.len() < count {
        // A version 4 UUID has 122 random bits; its fixed ones are in bytes 6 and 8.
        for (index, byte) in uuid::Uuid::new_v4().into_bytes().into_iter().enumerate() {
            if index != 6 && index != 8 && text.len() < count {
                text.push(char::from(ALPHABET.get(usize::from(byte & 31)).copied().unwrap_or(b'A')));
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "- access_key_id: AKIA1\n  secret_access_key: s3cr3t\n  arn: nonsense\n";

    #[test]
    fn takes_entries_as_they_stand() {
        let credentials = Credentials::parse(GOOD).unwrap();
        assert_eq!(credentials.find("AKIA1").unwrap().arn, "nonsense");
        assert!(credentials.find("AKIA2").is_none());
        let json = r#"[{"access_key_id":"A","secret_access_key":"s","session_token":"t","arn":"a","principal_id":"p","org_id":"o"}]"#;
        assert_eq!(Credentials::parse(json).unwrap().list().len(), 1);
        assert_eq!(Credentials::parse("[]").unwrap().list().len(), 0);
    }

    #[test]
    fn refuses_missing_unknown_and_repeated_fields_and_a_key_given_twice() {
        for (text, why) in [
            ("- access_key_id: A\n  arn: x\n", "line 1: entry 0: missing field `secret_access_key`"),
            (&format!("{GOOD}  role: x\n"), "line 1: entry 0: unknown field; there are access_key_id"),
            (&format!("{GOOD}  arn: y\n"), "line 4: this key appears twice"),
            (&format!("{GOOD}{GOOD}"), "line 4: the access key id is already given in line 1"),
            ("access_key_id: A\n", "not a list"),
            ("- [A, s3cr3t, t, arn, p, o]\n", "line 1: entry 0: not a map"),
            ("", "not a list"),
        ] {
            let faults = Credentials::parse(text).unwrap_err();
            assert!(faults.iter().any(|fault| fault.contains(why)), "{faults:?}");
        }
    }

    #[test]
    fn no_fault_repeats_a_secret() {
        let text = "- access_key_id: A\n  secret_access_key: [s3cr3t]\n  arn: a\n- s3cr3t\n- 1\n- {access_key_id: A, secret_access_key:s3cr3t, arn: x}\n- s3cr3t: x\n- {access_key_id: s3cr3t, secret_access_key: A, arn: x}\n- {access_key_id: s3cr3t, secret_access_key: B, arn: x}\n";
        let faults = Credentials::parse(text).unwrap_err().join("\n");
        assert!(!faults.contains("s3cr3t") && faults.contains("secret_access_key: not a string"), "{faults}");
    }

    #[test]
    fn what_is_written_is_read_again() {
        let made = Credentials::development();
        let read = Credentials::parse(&made.to_yaml()).unwrap();
        assert_eq!(read.list().len(), 2);
        for (a, b) in made.list().iter().zip(read.list()) {
            assert_eq!(
                (&a.access_key_id, &*a.secret_access_key, &a.arn),
                (&b.access_key_id, &*b.secret_access_key, &b.arn)
            );
        }
        let shared = made.to_shared_file();
        assert!(shared.contains("\n[snowflake-loader]\n"), "{}", shared.as_str());
        assert!(shared.contains("[jane@acme.com]\naws_access_key_id = AKIA"));
        assert!(!format!("{made:?}").contains(made.list()[0].secret_access_key.as_str()));
    }
}
