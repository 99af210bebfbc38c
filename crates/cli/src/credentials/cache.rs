//! What STS gave, kept for the next process: `$XDG_CACHE_HOME/countersign` (default `~/.cache`), for us alone.
//!
//! An entry is a file that is written beside and renamed, so that it is whole or not there; its name is a hash of everything
//! that went into it. Beside it lies a lock of the kernel's, which ends with whoever holds it, however it ends. In the lock's
//! file stands who holds it and how the last attempt failed, for those who wait.
//!
//! The next may rely on: an entry that is read has not ended, is of this request, and was written by this user.

use std::fs::{DirBuilder, File, Metadata, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use jiff::{SignedDuration, Timestamp};
use rustix::fs::OFlags;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::sts::Assumed;
use super::token::WebToken;
use super::{Failure, profile};

/// What is written has this form. What has another one is not read.
const VERSION: u8 = 1;
/// So long after its end an entry is taken away by the next that is written.
const LEFT_LYING: SignedDuration = SignedDuration::from_hours(24);
/// A clock may step back so far between two processes without an entry counting as one from the future.
const STEP: SignedDuration = SignedDuration::from_secs(5);
/// Nothing that we write is larger.
const LARGEST: usize = 64 * 1024;
/// A pipe in place of a file is not waited for, and no link is followed to what is not ours.
pub(crate) const PLAIN: i32 = OFlags::NONBLOCK.union(OFlags::NOFOLLOW).bits().cast_signed();

/// Credentials, and what is known of them.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    version: u8,
    /// What STS gave.
    pub credentials: Assumed,
    /// When.
    pub obtained_at: Timestamp,
    /// From then on they are to be renewed.
    pub refresh_at: Timestamp,
    /// `iss` of the token that they were given for.
    pub issuer: String,
    /// `sub` of it.
    pub subject: String,
    /// These and what else of it decides which session it gives.
    claims: Map<String, Value>,
}

impl Entry {
    /// What STS gave at `now` for this token.
    pub fn new(credentials: Assumed, now: Timestamp, refresh_at: Timestamp, token: &WebToken) -> Self {
        let text = |claim: Option<&str>| claim.unwrap_or_default().to_owned();
        let (issuer, subject) = (text(token.issuer()), text(token.subject()));
        Self { version: VERSION, credentials, obtained_at: now, refresh_at, issuer, subject, claims: decisive(token) }
    }

    /// Given for a token that says the same to AWS as this one.
    pub fn is_for(&self, token: &WebToken) -> bool {
        self.claims == decisive(token)
    }

    /// Not to be handed out without an attempt to renew it. A clock that went back tells nothing of an entry's age.
    pub fn is_due(&self, now: Timestamp) -> bool {
        now >= self.refresh_at || self.obtained_at > now + STEP
    }

    /// Of no use to anybody.
    pub fn is_over(&self, now: Timestamp) -> bool {
        now >= self.credentials.expiration
    }
}

/// Who a token is of and for, and its tags, roles and source identity: all but times and what the issuer says to others.
fn decisive(token: &WebToken) -> Map<String, Value> {
    let decides =
        |name: &str| ["iss", "sub", "aud", "azp"].contains(&name) || name.starts_with("https://aws.amazon.com/");
    token.claims().iter().filter(|(name, _)| decides(name)).map(|(name, claim)| (name.clone(), claim.clone())).collect()
}

/// The folder.
pub struct Cache(PathBuf);

/// Where the entry of one request lies.
pub struct Slot {
    folder: PathBuf,
    entry: PathBuf,
    lock: PathBuf,
}

/// A slot that nobody else renews.
pub struct Held<'a> {
    slot: &'a Slot,
    file: File,
    note: Note,
}

/// What stands in the lock's file.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
struct Note {
    process: u32,
    /// Within which that number counts, where there is such a thing: containers may share a folder.
    namespace: Option<PathBuf>,
    failure: Option<Failed>,
}

/// How an attempt to renew failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failed {
    /// When.
    pub at: Timestamp,
    /// Somebody said no.
    pub refused: bool,
    /// The reason, for people.
    pub why: String,
}

impl Failed {
    /// At this moment.
    pub fn new(failure: &Failure, at: Timestamp) -> Self {
        Self { at, refused: matches!(failure, Failure::Refused(_)), why: failure.to_string() }
    }

    /// The same for somebody who waited for it.
    pub fn failure(self) -> Failure {
        if self.refused { Failure::Refused(self.why) } else { Failure::Unknown(anyhow::Error::msg(self.why)) }
    }
}

impl Cache {
    /// The user's own, made if it is not there.
    pub fn open() -> anyhow::Result<Self> {
        let folder =
            profile::folder("XDG_CACHE_HOME", ".cache").context("neither XDG_CACHE_HOME nor HOME says where")?;
        Self::at(folder)
    }

    /// The one in this folder.
    pub fn at(folder: PathBuf) -> anyhow::Result<Self> {
        private_folder(&folder)?;
        Ok(Self(folder))
    }

    /// The slot of the request with this key, a text of hexadecimal digits.
    pub fn slot(&self, key: &str) -> Slot {
        let file = |end: &str| self.0.join(format!("{key}.{end}"));
        Slot { folder: self.0.clone(), entry: file("json"), lock: file("lock") }
    }
}

/// A folder that nobody else can read or write, made if it is not there.
pub(crate) fn private_folder(folder: &Path) -> anyhow::Result<()> {
    let named = || folder.display().to_string();
    DirBuilder::new().recursive(true).mode(0o700).create(folder).with_context(named)?;
    let found = folder.metadata().with_context(named)?;
    if is_open(&found) {
        bail!("{}: others may read it (mode {:o}): chmod 700", named(), found.mode() & 0o777);
    }
    if !is_ours(&found) {
        bail!("{}: it belongs to somebody else", named());
    }
    Ok(())
}

impl Slot {
    /// What is kept and has not ended.
    pub fn read(&self, now: Timestamp) -> Option<Entry> {
        let file = OpenOptions::new().read(true).custom_flags(PLAIN).open(&self.entry).ok()?;
        let found = file.metadata().ok()?;
        // As large as it will be: a buffer that grows leaves copies behind.
        let mut text = zeroize::Zeroizing::new(String::with_capacity(LARGEST));
        let ours = found.is_file() && !is_open(&found) && is_ours(&found);
        if !ours || file.take(LARGEST as u64).read_to_string(&mut text).is_err() {
            return None;
        }
        let entry: Entry = serde_json::from_str(&text).ok()?;
        (entry.version == VERSION && !entry.is_over(now)).then_some(entry)
    }

    /// Hold the slot, unless somebody does.
    pub fn try_hold(&self) -> anyhow::Result<Option<Held<'_>>> {
        self.hold().with_context(|| self.lock.display().to_string())
    }

    fn hold(&self) -> io::Result<Option<Held<'_>>> {
        loop {
            let mut options = OpenOptions::new();
            options.read(true).write(true).create(true).truncate(false).mode(0o600).custom_flags(PLAIN);
            let mut file = options.open(&self.lock)?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Ok(None),
                Err(TryLockError::Error(error)) => return Err(error),
            }
            // Whoever tidies up takes the file away under the lock: a lock on a file without a name excludes nobody.
            let (held, named) = (file.metadata()?, self.lock.metadata());
            if named.is_ok_and(|named| (named.dev(), named.ino()) == (held.dev(), held.ino())) {
                let note = Note { process: std::process::id(), namespace: namespace(), ..note(&mut file) };
                let mut held = Held { slot: self, file, note };
                held.write_note()?;
                return Ok(Some(held));
            }
        }
    }

    /// The process that holds it, if one does that has a number here.
    pub fn holder(&self) -> Option<u32> {
        let file = OpenOptions::new().read(true).custom_flags(PLAIN).open(&self.lock);
        let note = note(&mut file.ok()?);
        (note.process != 0 && note.namespace == namespace()).then_some(note.process)
    }

    /// Takes away what ended long ago, and what nobody finished.
    fn tidy(&self, now: Timestamp) -> anyhow::Result<()> {
        for file in std::fs::read_dir(&self.folder)? {
            let path = file?.path();
            let old = |path: &Path| {
                let changed = path.metadata().and_then(|found| found.modified()).ok();
                changed.and_then(|time| Timestamp::try_from(time).ok()).is_some_and(|time| time < now - LEFT_LYING)
            };
            if !old(&path) || path == self.lock {
                continue;
            }
            let slot = Slot {
                folder: self.folder.clone(),
                entry: path.with_extension("json"),
                lock: path.with_extension("lock"),
            };
            let name = path.file_stem().and_then(|name| name.to_str()).unwrap_or_default();
            match path.extension().and_then(|end| end.to_str()) {
                Some("json" | "lock") if is_key(name) && slot.read(now).is_none() => {
                    let held = slot.try_hold()?;
                    // Somebody may have been quicker, and kept new ones.
                    if held.is_some() && slot.read(now).is_none() {
                        let _ = std::fs::remove_file(&slot.entry);
                        let _ = std::fs::remove_file(&slot.lock);
                    }
                }
                Some("part") if name.starts_with(".tmp") => drop(std::fs::remove_file(&path)),
                _ => {}
            }
        }
        Ok(())
    }
}

impl Held<'_> {
    /// Keep this, in place of what was kept.
    pub fn keep(mut self, entry: &Entry) -> anyhow::Result<()> {
        let text = zeroize::Zeroizing::new(serde_json::to_vec(entry)?);
        // A temporary file is nobody else's to read (mode 600).
        let mut part = tempfile::Builder::new().suffix(".part").tempfile_in(&self.slot.folder)?;
        part.write_all(&text)?;
        part.as_file().sync_all()?;
        part.persist(&self.slot.entry)?;
        self.note.failure = None;
        self.write_note()?;
        // Not worth an error: the next one tries again.
        let _ = self.slot.tidy(entry.obtained_at);
        Ok(())
    }

    /// How the last attempt failed, if it did.
    pub fn last_failure(&self) -> Option<&Failed> {
        self.note.failure.as_ref()
    }

    /// Tell those who wait how this attempt failed.
    pub fn give_up(mut self, failure: &Failure, now: Timestamp) -> io::Result<()> {
        self.note.failure = Some(Failed::new(failure, now));
        self.write_note()
    }

    fn write_note(&mut self) -> io::Result<()> {
        self.file.rewind()?;
        self.file.set_len(0)?;
        self.file.write_all(serde_json::to_string(&self.note)?.as_bytes())
    }
}

/// What cannot be read says nothing: whoever wrote it was stopped.
fn note(file: &mut File) -> Note {
    let mut text = String::new();
    let read = file.take(LARGEST as u64).read_to_string(&mut text);
    read.ok().and_then(|_| serde_json::from_str(&text).ok()).unwrap_or_default()
}

/// What the number of a process counts within.
fn namespace() -> Option<PathBuf> {
    std::fs::read_link("/proc/self/ns/pid").ok()
}

/// Nothing else in the folder is ours.
fn is_key(name: &str) -> bool {
    name.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn is_open(found: &Metadata) -> bool {
    found.mode() & 0o077 != 0
}

pub(crate) fn is_ours(found: &Metadata) -> bool {
    found.uid() == rustix::process::geteuid().as_raw()
}

#[cfg(test)]
mod tests;
