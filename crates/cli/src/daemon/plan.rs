//! What is kept fresh, and where it is written: the tables `[daemon.NAME]` of a configuration with the profiles that they name.
//!
//! The next may rely on: each file has one writer or, if it is a shared credentials file, a section for each; its path is
//! absolute; every profile names what it needs.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail, ensure};

use crate::credentials::Request;
use crate::credentials::key::hash;
use crate::credentials::profile::{Config, Written, home};
use crate::credentials::settings::{Settings, absolute_at};
use crate::credentials::source::{OAuth, Secret, Source};

/// The variable of a hook for each kind of file.
pub const PATHS: [&str; 4] = [
    "COUNTERSIGN_WRITE_TOKEN_FILE",
    "COUNTERSIGN_WRITE_CREDENTIALS_FILE",
    "COUNTERSIGN_WRITE_ENV_FILE",
    "COUNTERSIGN_WRITE_JSON_FILE",
];

/// All of it.
#[derive(Debug)]
pub struct Plan {
    /// By the profile's name.
    pub profiles: BTreeMap<String, Profile>,
    /// What stands in each file, in this order.
    pub files: BTreeMap<PathBuf, Vec<Part>>,
}

/// What a profile is asked for, and what is run afterwards.
#[derive(Debug)]
pub struct Profile {
    /// For a token.
    pub token: Option<Source>,
    /// For a session.
    pub session: Option<Request>,
    /// The command; none if it is empty.
    pub hook: Vec<String>,
    /// Where its files are, by the variable that tells the command.
    pub paths: Vec<(&'static str, PathBuf)>,
    /// The variable in which a client secret stands.
    pub secret: Option<String>,
}

/// What of a profile stands in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// The profile.
    pub profile: String,
    /// In which form.
    pub form: Form,
    /// A hash of whose it is: the role and what limits it, or the token's source.
    pub whose: String,
}

impl Part {
    /// What parts of a file differ by, also those that stood there before: another role's are not this one's.
    pub fn key(&self) -> String {
        format!("{} {}", self.form.key(), self.whose)
    }
}

/// A form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Form {
    /// The token, and nothing around it.
    Token,
    /// Lines `NAME=value`.
    Env,
    /// JSON for `credential_process`.
    Json,
    /// A section of a shared credentials file.
    Section(String),
}

impl Form {
    /// What parts of a file differ by. Of a section, its first line.
    pub fn key(&self) -> String {
        match self {
            Self::Token => "token".to_owned(),
            Self::Env => "env".to_owned(),
            Self::Json => "json".to_owned(),
            Self::Section(name) => format!("[{name}]"),
        }
    }
}

impl Plan {
    /// What the file at `path` wants.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let config = Config::read(path)?;
        ensure!(
            !config.daemon.is_empty(),
            "{} names nothing to keep fresh: write a table [daemon.NAME] for a profile",
            path.display()
        );
        let mut plan = Self { profiles: BTreeMap::new(), files: BTreeMap::new() };
        for (name, written) in &config.daemon {
            let within = || format!("{}: [daemon.{name}]", path.display());
            let settings = config.profile(name, path).with_context(within)?;
            plan.add(name, settings, written, home().as_deref()).with_context(within)?;
        }
        let mut places = BTreeMap::new();
        for file in plan.files.keys() {
            let folder = file.parent().and_then(|folder| folder.canonicalize().ok());
            if let Some(other) = folder.and_then(|folder| places.insert(folder.join(file.file_name()?), file)) {
                bail!("{} and {} are one file: write it in the same way", other.display(), file.display());
            }
        }
        Ok(plan)
    }

    fn add(&mut self, name: &str, settings: Settings, written: &Written, home: Option<&Path>) -> anyhow::Result<()> {
        let section = written.write_credentials_section.as_deref();
        ensure!(
            section.is_none() || written.write_credentials_file.is_some(),
            "write_credentials_section is one of a write_credentials_file, which is not there"
        );
        let sessions = [&written.write_credentials_file, &written.write_env_file, &written.write_json_file];
        let sessions = sessions.into_iter().any(Option::is_some);
        ensure!(
            !sessions || settings.role().is_some(),
            "which role? Credentials are those of a role, and the profile names none: role_arn = \"arn:aws:iam::ACCOUNT:role/NAME\""
        );
        let session = sessions.then(|| settings.clone().request()).transpose()?;
        let source = settings.token_source()?;
        source.can_be_read_again()?;
        let of_session =
            session.as_ref().map(|Request { session, .. }| (&session.role, &session.policy, &session.policy_arns));
        let whose = [serde_json::to_vec(&source)?, serde_json::to_vec(&of_session)?];
        let whose = whose.map(|whose| hash(&whose).chars().take(16).collect::<String>());
        let mut paths = Vec::new();
        for (variable, setting, path, form) in [
            (PATHS[0], "write_token_file", &written.write_token_file, Form::Token),
            (
                PATHS[1],
                "write_credentials_file",
                &written.write_credentials_file,
                Form::Section(section.unwrap_or(name).to_owned()),
            ),
            (PATHS[2], "write_env_file", &written.write_env_file, Form::Env),
            (PATHS[3], "write_json_file", &written.write_json_file, Form::Json),
        ] {
            let Some(path) = path else { continue };
            // Without a slash at the end, which makes a folder of it.
            let path: PathBuf = absolute_at(home, setting, path)?.components().collect();
            ensure!(path.file_name().is_some(), "{setting}: {} is no file's name", path.display());
            let whose = whose[usize::from(form != Form::Token)].clone();
            self.take(&path, Part { profile: name.to_owned(), form, whose })?;
            paths.push((variable, path));
        }
        ensure!(
            !paths.is_empty(),
            "it writes nothing: say write_token_file, write_credentials_file, write_env_file or write_json_file"
        );
        let secret = match &source {
            Source::OAuth(OAuth { secret: Secret::Environment(name), .. }) => Some(name.clone()),
            _ => None,
        };
        if written.write_token_file.is_some() && matches!(source, Source::File(_)) {
            bail!(
                "write_token_file: the token comes from a file already (web_identity_token_file), which something else keeps fresh: use that one"
            );
        }
        let hook = written.hook.clone().unwrap_or_default();
        ensure!(written.hook.is_none() || !hook.is_empty(), "the hook is empty: write the command and its arguments");
        let token = written.write_token_file.is_some().then_some(source);
        self.profiles.insert(name.to_owned(), Profile { token, session, hook, paths, secret });
        Ok(())
    }

    /// The part has a place in this file.
    fn take(&mut self, path: &Path, part: Part) -> anyhow::Result<()> {
        if let Form::Section(name) = &part.form {
            // What AWS SDKs agree on in a section's name.
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.@+=:/".contains(&byte);
            ensure!(
                !name.is_empty() && name.bytes().all(plain),
                "write_credentials_section: a section's name is of letters, digits and _-.@+=:/ and this is {name:?}"
            );
        }
        match self.files.entry(path.to_owned()) {
            Entry::Vacant(entry) => drop(entry.insert(vec![part])),
            Entry::Occupied(mut entry) => {
                let sections = |part: &Part| matches!(part.form, Form::Section(_));
                if let Some(other) = entry.get().iter().find(|other| !sections(&part) || !sections(other)) {
                    bail!(
                        "{} is written for [daemon.{}] already: only sections share a file",
                        path.display(),
                        other.profile
                    );
                }
                if let Some(other) = entry.get().iter().find(|other| other.form == part.form) {
                    bail!(
                        "{} has the section {} of [daemon.{}] already",
                        path.display(),
                        part.form.key(),
                        other.profile
                    );
                }
                entry.get_mut().push(part);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROFILES: &str = "[profiles.a]\nurl = 'https://id.acme.com'\nrole_arn = 'arn:aws:iam::444455556666:role/a'\n\
        [profiles.b]\noauth_issuer = 'https://b.acme.com'\noauth_client_id = 'b'\noauth_client_secret_env = 'OF_B'\n\
        [profiles.file]\nweb_identity_token_file = '/t'\nrole_arn = 'arn:aws:iam::444455556666:role/a'\n";

    fn read(text: &str) -> Result<Plan, String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), format!("{PROFILES}{text}")).unwrap();
        let said = Plan::read(file.path()).map_err(|error| format!("{error:#}"));
        said.map_err(|said| said.replace(&file.path().display().to_string(), "FILE"))
    }

    #[test]
    fn each_table_says_what_is_asked_for_and_where_it_stands() {
        let plan = read(
            "[daemon.a]\nwrite_credentials_file = '/c'\nwrite_env_file = '/e'\nhook = ['true']\n\
             [daemon.b]\nwrite_token_file = '/b'\n\
             [daemon.file]\nwrite_credentials_file = '/c'\nwrite_credentials_section = 'f'\n",
        )
        .unwrap();
        let (a, b) = (&plan.profiles["a"], &plan.profiles["b"]);
        assert!(a.token.is_none() && a.session.is_some() && a.hook == ["true"]);
        assert_eq!(a.paths, [(PATHS[1], PathBuf::from("/c")), (PATHS[2], PathBuf::from("/e"))]);
        assert!(b.token.is_some() && b.session.is_none() && b.hook.is_empty());
        assert_eq!(b.secret.as_deref(), Some("OF_B"));
        let keys: Vec<String> = plan.files[Path::new("/c")].iter().map(|part| part.form.key()).collect();
        assert_eq!((plan.files.len(), keys), (3, vec!["[a]".to_owned(), "[f]".to_owned()]));
    }

    #[test]
    fn a_file_is_one_however_it_is_written() {
        let folder = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(folder.path(), folder.path().join("link")).unwrap();
        for (other, expected) in
            [("./c/", None), ("none/c", None), ("../RUN/c", Some("are one file")), ("link/c", Some("are one file"))]
        {
            let tables = format!(
                "[daemon.a]\nwrite_credentials_file = 'RUN/c'\n[daemon.file]\nwrite_credentials_file = 'RUN/{other}'\n"
            );
            let name = folder.path().file_name().unwrap().to_str().unwrap();
            let tables =
                tables.replace("../RUN", &format!("../{name}")).replace("RUN", folder.path().to_str().unwrap());
            let said = read(&tables).map(|plan| plan.files.len());
            match expected {
                None => assert_eq!(said, Ok(if other == "./c/" { 1 } else { 2 })),
                Some(expected) => assert!(said.as_ref().is_err_and(|said| said.contains(expected)), "{said:?}"),
            }
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_its_table() {
        for (text, expected) in [
            (
                "[profiles.pipe]\nweb_identity_token_file = '/dev/null'\nrole_arn = 'arn:aws:iam::444455556666:role/a'\n[daemon.pipe]\nwrite_env_file = '/e'",
                "/dev/null: it is no file, and it is read for each renewal",
            ),
            ("", "FILE names nothing to keep fresh: write a table [daemon.NAME]"),
            ("[daemon.c]\nwrite_env_file = '/e'", "FILE: [daemon.c]: there is no profile c in FILE: it has a, b, file"),
            ("[daemon.a]", "FILE: [daemon.a]: it writes nothing"),
            ("[daemon.a]\nwrite_env_file = 'e'", "write_env_file: write an absolute path"),
            ("[daemon.a]\nwrite_env_file = '/'", "write_env_file: / is no file's name"),
            ("[daemon.a]\nwrite_env_file = '/e'\nenv_file = '/e'", "FILE:13: unknown field `env_file`"),
            ("[daemon.b]\nwrite_env_file = '/e'", "[daemon.b]: which role?"),
            ("[daemon.file]\nwrite_token_file = '/e'", "the token comes from a file already"),
            ("[daemon.a]\nwrite_env_file = '/e'\nhook = []", "the hook is empty"),
            ("[daemon.a]\nwrite_env_file = '/e'\nwrite_json_file = '//e'", "/e is written for [daemon.a] already"),
            ("[daemon.a]\nwrite_env_file = '/e'\nwrite_credentials_section = 'x'", "which is not there"),
            (
                "[daemon.a]\nwrite_credentials_file = '/e'\nwrite_credentials_section = 'x]\\n[y'",
                "a section's name is of",
            ),
            (
                "[daemon.a]\nwrite_credentials_file = '/e'\n[daemon.file]\nwrite_credentials_file = '/e'\nwrite_credentials_section = 'a'",
                "[daemon.file]: /e has the section [a] of [daemon.a] already",
            ),
            (
                "[daemon.a]\nwrite_credentials_file = '/e'\n[daemon.b]\nwrite_token_file = '/e'",
                "[daemon.b]: /e is written for [daemon.a] already: only sections share a file",
            ),
        ] {
            let said = read(text).unwrap_err();
            assert!(said.contains(expected), "{text}: {said}");
        }
    }
}
