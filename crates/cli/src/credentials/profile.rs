//! Profiles: settings under a name, in `$XDG_CONFIG_HOME/countersign/config.toml` (default `~/.config`).

use std::collections::BTreeMap;
use std::fs::Metadata;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use serde::Deserialize;

use super::settings::Settings;

/// The file.
#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// By name.
    pub profiles: BTreeMap<String, Settings>,
    /// What `countersign daemon` keeps fresh, by profile.
    pub daemon: BTreeMap<String, Written>,
}

/// What is written for a profile: `[daemon.NAME]`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Written {
    /// The token itself.
    pub write_token_file: Option<PathBuf>,
    /// A section of a shared credentials file, in which other profiles may have sections too.
    pub write_credentials_file: Option<PathBuf>,
    /// The section's name; without it, the profile's.
    pub write_credentials_section: Option<String>,
    /// A line `NAME=value` each.
    pub write_env_file: Option<PathBuf>,
    /// JSON, as `credential_process` has it.
    pub write_json_file: Option<PathBuf>,
    /// A command that is run after each renewal, and its arguments.
    pub hook: Option<Vec<String>>,
}

impl Config {
    /// What this file says.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        Self::parse(&read(path).with_context(|| format!("cannot read {}", path.display()))?, path)
    }

    /// What the file says that holds this.
    pub fn parse(text: &str, path: &Path) -> anyhow::Result<Self> {
        toml::from_str(text).map_err(|error| {
            let line =
                error.span().map_or(1, |span| 1 + text.bytes().take(span.start).filter(|byte| *byte == b'\n').count());
            anyhow::anyhow!("{}:{line}: {}", path.display(), error.message().trim_end())
        })
    }

    /// The settings of the profile `name` of the file at `path`.
    pub fn profile(&self, name: &str, path: &Path) -> anyhow::Result<Settings> {
        let Some(settings) = self.profiles.get(name) else {
            let known: Vec<&str> = self.profiles.keys().map(String::as_str).collect();
            let known =
                if known.is_empty() { "it has none".to_owned() } else { format!("it has {}", known.join(", ")) };
            bail!("there is no profile {name} in {}: {known}", path.display());
        };
        let at_home = settings.clone().at_home(home().as_deref());
        at_home.with_context(|| format!("profile {name} in {}", path.display()))
    }
}

/// The settings of the profile `name`.
pub fn find(name: &str) -> anyhow::Result<Settings> {
    let path = path()?;
    if matches!(path.metadata(), Err(error) if error.kind() == ErrorKind::NotFound) {
        bail!("there is no profile {name}: {} does not exist", path.display());
    }
    Config::read(&path)?.profile(name, &path)
}

fn read(path: &Path) -> anyhow::Result<String> {
    trusted(&std::fs::metadata(path)?)?;
    Ok(std::fs::read_to_string(path)?)
}

/// Whoever can write such a file says whose credentials are handed out.
pub fn trusted(found: &Metadata) -> anyhow::Result<()> {
    let mode = found.mode();
    if !found.is_file() {
        bail!("it is no file");
    }
    if mode & 0o002 != 0 {
        bail!("everybody can write to it (mode {:o}): chmod o-w", mode & 0o777);
    }
    Ok(())
}

/// Where the file is, whether it is there or not.
pub fn path() -> anyhow::Result<PathBuf> {
    Ok(folder("XDG_CONFIG_HOME", ".config")
        .context("neither XDG_CONFIG_HOME nor HOME says where profiles are")?
        .join("config.toml"))
}

/// Our folder below one of the XDG base directories (<https://specifications.freedesktop.org/basedir-spec/latest/>), which are
/// absolute or do not count.
pub(crate) fn folder(variable: &str, default: &str) -> Option<PathBuf> {
    let said = std::env::var_os(variable).map(PathBuf::from).filter(|path| path.is_absolute());
    Some(said.or_else(|| Some(home()?.join(default)))?.join("countersign"))
}

/// The user's home.
pub fn home() -> Option<PathBuf> {
    std::env::home_dir().filter(|path| path.is_absolute())
}
