//! What `countersign configure` is to write: a profile of ours, and one of the AWS configuration that asks for its credentials.
//!
//! [`plan`] reads both files, asks for what is not said if it may, checks all of it as `credentials` would, and says what each
//! file would hold. [`Plan::write`] is the only one that writes. **Refuses** a name under which AWS's tools would find other
//! credentials, and credentials that would have to sign for themselves. Knows no secret, and shows none that lies in the files.

pub mod aws_config;
mod config_toml;
mod difference;
mod file;
mod process;
mod questions;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{Context as _, anyhow, bail};

use self::aws_config::{AwsConfig, Fault, Kind, Setting};
use self::file::File;
use self::questions::ask;
pub use self::questions::confirmed;
use crate::credentials::Failure;
use crate::credentials::profile::{self, Config};
use crate::credentials::settings::Settings;
use crate::credentials::source::Source;
use crate::verify::text::quoted;

/// Settings of the AWS configuration that lead to other credentials, beside those that begin with `sso_`.
const CREDENTIALS: [&str; 9] = [
    "aws_access_key_id",
    "aws_secret_access_key",
    "aws_session_token",
    "credential_source",
    "login_session",
    "role_arn",
    "source_profile",
    "web_identity_token_file",
    PROCESS,
];
const PROCESS: &str = "credential_process";

/// What is said before anybody is asked.
#[derive(Debug, Clone, Default)]
pub struct Said {
    /// The profile of ours.
    pub profile: Option<Name>,
    /// That of the AWS configuration; without one, it is named as ours.
    pub aws_profile_name: Option<Name>,
    /// Settings of the profile.
    pub settings: Settings,
    /// Another program's `credential_process` may go.
    pub replace_process: bool,
}

/// The name of a profile that every tool of AWS takes, and that is one word on a command line.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Name(String);

/// What is to be written.
#[derive(Debug)]
pub struct Plan {
    /// The profile of ours.
    pub profile: Name,
    /// That of the AWS configuration.
    pub aws_profile: Name,
    /// What will surprise somebody, although it is right.
    pub warnings: Vec<String>,
    own: Change,
    aws: Change,
}

/// A file, and what it is to hold.
#[derive(Debug)]
pub struct Change {
    file: File,
    text: String,
}

impl FromStr for Name {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let is_of_name = |c: char| c.is_ascii_alphanumeric() || "_-/.%@:+".contains(c);
        if text.is_empty() || text.starts_with('-') || !text.chars().all(is_of_name) {
            let shown = quoted(text);
            return Err(format!(
                "the name of a profile has letters, digits and `_-/.%@:+`, no `-` first, and this is {shown}"
            ));
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What to write. With `may_ask`, somebody is there to say what is not said yet.
pub fn plan(said: Said, may_ask: bool) -> Result<Plan, Failure> {
    let said = Said { settings: said.settings.for_profile()?, ..said };
    let own = File::read(&profile::path()?)?;
    let mut profiles = Config::parse(&own.text, &own.path)?.profiles;
    let aws = File::read(&aws_path("AWS_CONFIG_FILE", "config")?)?;
    let keys = match aws_path("AWS_SHARED_CREDENTIALS_FILE", "credentials")? {
        // Whoever says /dev/null has none.
        path if path.metadata().is_ok_and(|found| !found.is_file() && !found.is_dir()) => None,
        path => Some(File::read(&path)?),
    };
    let taken = Taken {
        config: parse(&aws)?,
        keys: keys.as_ref().map(|file| Ok::<_, anyhow::Error>((file, parse(file)?))).transpose()?,
        aws: &aws,
        replace_process: said.replace_process,
    };

    if !may_ask {
        all_said(&said, &profiles)?;
    }
    let name = |answer: &str| answer.parse::<Name>().map_err(|why| anyhow!(why));
    let only = profiles.keys().next().filter(|_| profiles.len() == 1).map(String::as_str);
    let profile = said.profile.map_or_else(|| ask("Name of the profile", only, name), Ok)?;
    let aws_profile = match said.aws_profile_name {
        None if may_ask => ask("Name of the profile in the AWS configuration", Some(&profile.0), |answer| {
            let name = name(answer)?;
            taken.check(&name)?;
            Ok(name)
        })?,
        named => named.unwrap_or_else(|| profile.clone()),
    };
    taken.check(&aws_profile)?;

    let before = profiles.get(&profile.0).cloned().unwrap_or_default();
    let mut settings = said.settings;
    if may_ask {
        settings = questions::settings(settings, &before)?;
    }
    let after = settings.clone().over(before.clone())?;
    let request = after.clone().at_home(profile::home().as_deref())?.request()?;
    profiles.insert(profile.0.clone(), after.clone());
    if needs_itself(&aws_profile, &after, &profiles, &taken) {
        return Err(Failure::Refused(format!(
            "the profile {aws_profile} would need its own credentials to sign the request for them: name another profile of the \
             AWS configuration that signs (--aws-profile)"
        )));
    }

    let there = taken.config.profile(&aws_profile.0, Kind::Config).map_err(refused(&aws))?;
    let process = process::command(&profile.0, there.and_then(|there| value_of(there, PROCESS)))?;
    // A region that somebody has changed there since stays.
    let region = questions::text_of(if there.is_some() { &settings } else { &after }, "region");
    let mut lines: Vec<(&str, &str)> = region.iter().map(|region| ("region", region.as_str())).collect();
    lines.push((PROCESS, &process));
    let aws_text = taken.config.with(&aws_profile.0, &lines).map_err(refused(&aws))?;
    let own_text = config_toml::with(&own.text, &own.path, &profile.0, &before, &after)?;

    let mut warnings = Vec::new();
    let is_set = |variable: &str| std::env::var_os(variable).is_some_and(|value| !value.is_empty());
    for (variable, tools) in [("AWS_ACCESS_KEY_ID", "most"), ("AWS_WEB_IDENTITY_TOKEN_FILE", "some")] {
        if is_set(variable) {
            warnings.push(format!(
                "{variable} is set, and wins over AWS_PROFILE={aws_profile} in {tools} of AWS's tools where both are set"
            ));
        }
    }
    for variable in Settings::variables().into_iter().filter(|variable| is_set(variable)) {
        warnings.push(format!("{variable} is set, and wins over the profile {profile} wherever it is"));
    }
    if matches!(&request.source, Source::Issuer(issuer) if issuer.aws_profile.is_none()) {
        warnings.push(format!(
            "nobody is named who signs (--aws-profile), so a program with AWS_PROFILE={aws_profile} gets no credentials but by \
             keys in its environment"
        ));
    }
    drop(taken);
    let (own, aws) = (Change { file: own, text: own_text }, Change { file: aws, text: aws_text });
    Ok(Plan { profile, aws_profile, warnings, own, aws })
}

impl Plan {
    /// Both files, ours first: the other one refers to it.
    pub fn files(&self) -> [&Change; 2] {
        [&self.own, &self.aws]
    }

    /// Write what would change.
    pub fn write(&self) -> anyhow::Result<()> {
        let changes = self.files().into_iter().filter(|change| change.is_one());
        file::replace(&changes.map(|change| (&change.file, change.text.as_str())).collect::<Vec<_>>())
    }
}

impl Change {
    /// The file.
    pub fn path(&self) -> &Path {
        &self.file.path
    }

    /// Whether it is there.
    pub fn exists(&self) -> bool {
        self.file.exists()
    }

    /// Whether anything would change.
    pub fn is_one(&self) -> bool {
        self.file.text != self.text
    }

    /// What would change, as a unified difference: nothing, if nothing would.
    pub fn difference(&self) -> String {
        difference::of(&self.file, &self.text)
    }
}

/// Where a file of AWS is.
fn aws_path(variable: &str, default: &str) -> anyhow::Result<PathBuf> {
    let path = std::env::var_os(variable).map_or_else(|| Path::new("~/.aws").join(default), PathBuf::from);
    // botocore takes them for variables and for other people's homes, SDKs do not.
    let text = path.to_string_lossy();
    if text.contains('$') || (text.starts_with('~') && !path.starts_with("~")) {
        bail!("{variable}: AWS's tools do not all take {text} for the same file: write an absolute path");
    }
    match (path.strip_prefix("~"), profile::home()) {
        // As SDKs read it.
        (Ok(below), Some(home)) => Ok(home.join(below)),
        (Ok(_), None) => bail!("neither {variable} nor HOME says where the AWS configuration is"),
        _ => Ok(path),
    }
}

fn parse(file: &File) -> anyhow::Result<AwsConfig<'_>> {
    let read = AwsConfig::parse(&file.text).with_context(|| format!("{}", file.path.display()));
    read.context("AWS's tools would not all read the AWS configuration, so it is not changed")
}

fn refused(file: &File) -> impl Fn(Fault) -> Failure {
    move |fault| Failure::Refused(format!("{}: {fault}", file.path.display()))
}

/// With nobody to ask, everything that is missing is told at once.
fn all_said(said: &Said, profiles: &BTreeMap<String, Settings>) -> anyhow::Result<()> {
    let before = said.profile.as_ref().and_then(|name| profiles.get(&name.0)).cloned().unwrap_or_default();
    let all = said.settings.clone().over(before)?;
    let missing: Vec<&str> = [
        ("--profile NAME", said.profile.is_none()),
        (
            "one of --url, --web-identity-token-file, --github, --oauth-issuer and --oauth-token-url",
            all.kind()?.is_none(),
        ),
        ("--role-arn ARN", questions::text_of(&all, "role_arn").is_none()),
    ]
    .into_iter()
    .filter_map(|(flag, missing)| missing.then_some(flag))
    .collect();
    if !missing.is_empty() {
        bail!("say {}; or run it in a terminal without --yes to be asked", missing.join(", "));
    }
    Ok(())
}

/// What is there already under some name.
struct Taken<'a> {
    aws: &'a File,
    config: AwsConfig<'a>,
    keys: Option<(&'a File, AwsConfig<'a>)>,
    replace_process: bool,
}

impl Taken<'_> {
    /// Whether AWS's tools find no other credentials under this name.
    fn check(&self, name: &Name) -> Result<(), Failure> {
        let of_config = self.config.profile(&name.0, Kind::Config).map_err(refused(self.aws))?.unwrap_or_default();
        let mut found = vec![(self.aws, of_config, true), (self.aws, self.config.of_all(), false)];
        if let Some((file, keys)) = &self.keys {
            found.push((
                file,
                keys.profile(&name.0, Kind::Credentials).map_err(refused(file))?.unwrap_or_default(),
                false,
            ));
        }
        for (file, settings, is_changed) in found {
            let leads_elsewhere = |setting: &&Setting<'_>| {
                let is_ours = is_changed && setting.name == PROCESS;
                let may_go = is_ours && (self.replace_process || process::of_ours(setting.value).is_some());
                (setting.name.starts_with("sso_") || CREDENTIALS.contains(&setting.name.as_str())) && !may_go
            };
            if let Some(setting) = settings.iter().find(leads_elsewhere) {
                let (path, setting) = (file.path.display(), &setting.name);
                let advice = if is_changed && setting == PROCESS {
                    "say --replace-process to replace it, or"
                } else {
                    "take that out, or"
                };
                return Err(Failure::Refused(format!(
                    "{path}: AWS's tools find other credentials for the profile {name}, by {setting}: {advice} choose another name \
                     (--aws-profile-name)"
                )));
            }
        }
        Ok(())
    }
}

fn value_of<'a>(settings: &[Setting<'a>], name: &str) -> Option<&'a str> {
    settings.iter().find(|setting| setting.name == name).map(|setting| setting.value)
}

/// Whether who signs for the profile comes, over however many profiles, back to it or to one that was there already.
fn needs_itself(name: &Name, own: &Settings, profiles: &BTreeMap<String, Settings>, taken: &Taken<'_>) -> bool {
    let mut seen = BTreeSet::from([name.0.clone()]);
    let mut signer = signer(own);
    while let Some(at) = signer {
        if !seen.insert(at.clone()) {
            return true;
        }
        let of_keys = taken.keys.as_ref().and_then(|(_, keys)| keys.profile(&at, Kind::Credentials).ok()?);
        let found = [of_keys, taken.config.profile(&at, Kind::Config).ok().flatten()];
        let of = |name| found.into_iter().flatten().find_map(|settings| value_of(settings, name));
        signer = match (of("role_arn"), of("source_profile"), of(PROCESS).and_then(process::of_ours)) {
            // With itself for a source, it has keys.
            (Some(_), Some(source), _) => Some(source.to_owned()).filter(|source| *source != at),
            (None, _, Some(ours)) => profiles.get(ours).and_then(self::signer),
            _ => None,
        };
    }
    false
}

/// The profile that signs for these. The default chain looks at `default`.
fn signer(settings: &Settings) -> Option<String> {
    let text = |name| questions::text_of(settings, name);
    text("url").map(|_| text("aws_profile").unwrap_or_else(|| "default".to_owned()))
}
