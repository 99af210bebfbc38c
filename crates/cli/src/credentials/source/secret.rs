//! The secret of an OAuth client.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use anyhow::{Context as _, bail, ensure};
use zeroize::Zeroizing;

use super::Secret;
use super::file::{LARGEST, content};
use crate::out;

impl Secret {
    /// The secret itself.
    pub fn read(&self) -> anyhow::Result<Zeroizing<String>> {
        let (secret, place) = match self {
            Self::File(path) => (of_file(path)?, path.display().to_string()),
            // What the error of a variable that is no text says is its value.
            Self::Environment(name) => match std::env::var_os(name).map(std::ffi::OsString::into_string) {
                Some(Ok(secret)) => (Zeroizing::new(secret), format!("the variable {name}")),
                Some(Err(_)) => bail!("the variable {name} is no text, and should hold the client secret"),
                None => bail!("the variable {name}, which should hold the client secret, is not set"),
            },
        };
        ensure!(!secret.is_empty(), "{place} is empty, and should hold the client secret");
        Ok(secret)
    }
}

fn of_file(path: &Path) -> anyhow::Result<Zeroizing<String>> {
    let place = path.display();
    let content = content(path).with_context(|| format!("{place}, which should hold the client secret"))?;
    ensure!(content.len() <= LARGEST, "{place} is larger than {LARGEST} bytes, and should hold the client secret");
    // It may be somebody else's file, or on a system that knows no better: a Kubernetes volume, say.
    if path.metadata().is_ok_and(|is| is.permissions().mode() & 0o077 != 0) {
        out::say(format_args!("warning: {place} holds a secret and others can read it: chmod 600 {place}"));
    }
    let text = std::str::from_utf8(&content).ok().with_context(|| format!("{place} is no text"))?;
    let line = text.strip_suffix('\n').unwrap_or(text);
    Ok(Zeroizing::new(line.strip_suffix('\r').unwrap_or(line).to_owned()))
}
