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
use serde::{Deserialize, Serialize};

use super::sts::Assumed;
use super::token::WebToken;
use super::{Failure, profile};

/// What is written has this form. What has another one is not read.
const VERSION: u8 = 1;
/// So long after its end an entry is taken away by the next that is written.
const LEFT_LYING: SignedDuration = SignedDuration::from_hours(24);
/// A clock may step back so far between two processes without an entry counting as one from the future.
const STEP: SignedDuration = SignedDuration::from_secs(5);

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
}

impl Entry {
    /// What STS gave at `now` for this token.
    pub fn new(credentials: Assumed, now: Timestamp, refresh_at: Timestamp, token: &WebToken) -> Self {
        let (issuer, subject) = named(token);
        Self { version: VERSION, credentials, obtained_at: now, refresh_at, issuer, subject }
    }

    /// Given for a token of the one whom this token is of.
    pub fn is_for(&self, token: &WebToken) -> bool {
        (&self.issuer, &self.subject) == (&named(token).0, &named(token).1)
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

/// Issuer and subject of a token.
fn named(token: &WebToken) -> (String, String) {
    let text = |claim: Option<&str>| claim.unwrap_or_default().to_owned();
    (text(token.issuer()), text(token.subject()))
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
    failure: Option<Failed>,
}

/// How an attempt to renew failed.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Failed {
    /// When.
    pub at: Timestamp,
    refused: bool,
    why: String,
}

impl Failed {
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
        let named = || folder.display().to_string();
        DirBuilder::new().recursive(true).mode(0o700).create(&folder).with_context(named)?;
        let found = folder.metadata().with_context(named)?;
        if is_open(&found) {
            bail!("{}: others may read it (mode {:o}): chmod 700", named(), found.mode() & 0o777);
        }
        if !is_ours(&found) {
            bail!("{}: it belongs to somebody else", named());
        }
        Ok(Self(folder))
    }

    /// The slot of the request with this key, a text of hexadecimal digits.
    pub fn slot(&self, key: &str) -> Slot {
        let file = |end: &str| self.0.join(format!("{key}.{end}"));
        Slot { folder: self.0.clone(), entry: file("json"), lock: file("lock") }
    }
}

impl Slot {
    /// What is kept and has not ended.
    pub fn read(&self, now: Timestamp) -> Option<Entry> {
        let mut file = File::open(&self.entry).ok()?;
        let found = file.metadata().ok()?;
        let mut text = zeroize::Zeroizing::new(String::new());
        if !found.is_file() || is_open(&found) || !is_ours(&found) || file.read_to_string(&mut text).is_err() {
            return None;
        }
        let entry: Entry = serde_json::from_str(&text).ok()?;
        (entry.version == VERSION && !entry.is_over(now)).then_some(entry)
    }

    /// Hold the slot, unless somebody does.
    pub fn try_hold(&self) -> io::Result<Option<Held<'_>>> {
        loop {
            let mut file =
                OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(&self.lock)?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Ok(None),
                Err(TryLockError::Error(error)) => return Err(error),
            }
            // Whoever tidies up takes the file away under the lock: a lock on a file without a name excludes nobody.
            let (held, named) = (file.metadata()?, self.lock.metadata());
            if named.is_ok_and(|named| (named.dev(), named.ino()) == (held.dev(), held.ino())) {
                let note = Note { process: std::process::id(), ..note(&mut file) };
                let mut held = Held { slot: self, file, note };
                held.write_note()?;
                return Ok(Some(held));
            }
        }
    }

    /// The process that holds it, if one does.
    pub fn holder(&self) -> Option<u32> {
        Some(note(&mut File::open(&self.lock).ok()?).process)
    }

    /// Takes away what ended long ago, and what nobody finished.
    fn tidy(&self, now: Timestamp) -> io::Result<()> {
        for file in std::fs::read_dir(&self.folder)? {
            let path = file?.path();
            let old = |path: &Path| {
                let changed = path.metadata().and_then(|found| found.modified()).ok();
                changed.and_then(|time| Timestamp::try_from(time).ok()).is_some_and(|time| time + LEFT_LYING < now)
            };
            if !old(&path) || path == self.lock {
                continue;
            }
            let slot = Slot {
                folder: self.folder.clone(),
                entry: path.with_extension("json"),
                lock: path.with_extension("lock"),
            };
            match path.extension().and_then(|end| end.to_str()) {
                Some("json" | "lock") if slot.read(now).is_none() => {
                    if let Some(_held) = slot.try_hold()? {
                        let _ = std::fs::remove_file(&slot.entry);
                        let _ = std::fs::remove_file(&slot.lock);
                    }
                }
                Some("part") => drop(std::fs::remove_file(&path)),
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
        let refused = matches!(failure, Failure::Refused(_));
        self.note.failure = Some(Failed { at: now, refused, why: failure.to_string() });
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
    file.read_to_string(&mut text).ok().and_then(|_| serde_json::from_str(&text).ok()).unwrap_or_default()
}

fn is_open(found: &Metadata) -> bool {
    found.mode() & 0o077 != 0
}

fn is_ours(found: &Metadata) -> bool {
    found.uid() == rustix::process::geteuid().as_raw()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::time::{Duration, SystemTime};

    use super::*;

    fn second(n: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + n).unwrap()
    }

    fn entry(obtained: i64, expires: i64) -> Entry {
        Entry {
            version: VERSION,
            credentials: Assumed {
                access_key_id: "ASIAEXAMPLE".to_owned(),
                secret_access_key: "secret".to_owned().into(),
                session_token: "token".to_owned().into(),
                expiration: second(expires),
                arn: "arn:aws:sts::444455556666:assumed-role/deploy/x".to_owned(),
            },
            obtained_at: second(obtained),
            refresh_at: second(expires - 300),
            issuer: "https://id.acme.com".to_owned(),
            subject: "x".to_owned(),
        }
    }

    fn cache() -> (tempfile::TempDir, Cache) {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::at(folder.path().join("a/countersign")).unwrap();
        (folder, cache)
    }

    fn keep(slot: &Slot, entry: &Entry) {
        slot.try_hold().unwrap().expect("nobody holds it").keep(entry).unwrap();
    }

    fn mode(path: &Path) -> u32 {
        path.metadata().unwrap().mode() & 0o777
    }

    #[test]
    fn what_is_kept_is_read_until_it_ends_and_is_ours_alone() {
        let (_folder, cache) = cache();
        let slot = cache.slot("00");
        assert!(slot.read(second(0)).is_none());
        keep(&slot, &entry(0, 3600));
        let kept = slot.read(second(3599)).unwrap();
        assert_eq!((kept.credentials.secret_access_key.as_str(), kept.obtained_at), ("secret", second(0)));
        assert!(!kept.is_due(second(3299)) && kept.is_due(second(3300)), "5 minutes before the end");
        assert!(!kept.is_due(second(-5)) && kept.is_due(second(-6)), "a clock that went back");
        assert!(slot.read(second(3600)).is_none(), "it has ended");
        assert!(cache.slot("01").read(second(0)).is_none(), "another request");
        assert_eq!((mode(&cache.0), mode(&slot.entry), mode(&slot.lock)), (0o700, 0o600, 0o600));
    }

    #[test]
    fn what_others_may_read_or_nobody_finished_or_another_version_wrote_is_not_read() {
        let (_folder, cache) = cache();
        let slot = cache.slot("00");
        let good = serde_json::to_string(&entry(0, 3600)).unwrap();
        for (text, mode) in [
            (good.clone(), 0o644),
            (good.split_at(good.len() - 20).0.to_owned(), 0o600),
            (String::new(), 0o600),
            (good.replace("\"version\":1", "\"version\":2"), 0o600),
            (good.replace("\"version\":1", "\"version\":1,\"more\":1"), 0o600),
        ] {
            std::fs::write(&slot.entry, text).unwrap();
            std::fs::set_permissions(&slot.entry, PermissionsExt::from_mode(mode)).unwrap();
            assert!(slot.read(second(0)).is_none());
        }
        std::fs::write(&slot.entry, good).unwrap();
        std::fs::set_permissions(&slot.entry, PermissionsExt::from_mode(0o600)).unwrap();
        assert!(slot.read(second(0)).is_some());
        std::fs::set_permissions(&cache.0, PermissionsExt::from_mode(0o750)).unwrap();
        let why = Cache::at(cache.0.clone()).err().unwrap().to_string();
        assert!(why.contains("others may read it (mode 750)"), "{why}");
    }

    #[test]
    fn one_holds_a_slot_and_those_who_wait_learn_how_it_ended() {
        let (_folder, cache) = cache();
        let slot = cache.slot("00");
        let held = slot.try_hold().unwrap().unwrap();
        assert!(slot.try_hold().unwrap().is_none(), "somebody holds it");
        assert!(cache.slot("01").try_hold().unwrap().is_some(), "another one is free");
        assert_eq!(slot.holder(), Some(std::process::id()));
        assert!(held.last_failure().is_none());
        held.give_up(&Failure::Refused("no".to_owned()), second(7)).unwrap();

        let held = slot.try_hold().unwrap().expect("it is free again");
        let failed = held.last_failure().cloned().unwrap();
        assert_eq!(failed.at, second(7));
        assert!(matches!(failed.failure(), Failure::Refused(why) if why == "no"));
        drop(held);
        assert!(slot.try_hold().unwrap().unwrap().last_failure().is_some(), "who did nothing takes nothing away");
        keep(&slot, &entry(0, 3600));
        assert!(slot.try_hold().unwrap().unwrap().last_failure().is_none());
        std::fs::write(&slot.lock, "{\"process\":").unwrap();
        assert!(slot.try_hold().unwrap().unwrap().last_failure().is_none(), "half a note says nothing");
    }

    #[test]
    fn a_lock_whose_file_was_taken_away_is_none() {
        let (_folder, cache) = cache();
        let slot = cache.slot("00");
        let first = slot.try_hold().unwrap().unwrap();
        std::fs::remove_file(&slot.lock).unwrap();
        let second = slot.try_hold().unwrap().expect("the name is free");
        assert!(slot.try_hold().unwrap().is_none());
        drop((first, second));
    }

    #[test]
    fn what_ended_long_ago_is_taken_away_and_nothing_else() {
        let (_folder, cache) = cache();
        let age = |path: &Path| {
            File::options()
                .write(true)
                .open(path)
                .unwrap()
                .set_modified(SystemTime::UNIX_EPOCH + Duration::from_hours(1))
        };
        let (old, lasting, held, fresh) = (cache.slot("00"), cache.slot("01"), cache.slot("02"), cache.slot("03"));
        for (slot, entry) in [(&old, entry(0, 100)), (&lasting, entry(0, 1_000_000)), (&held, entry(0, 100))] {
            keep(slot, &entry);
            age(&slot.entry).unwrap();
            age(&slot.lock).unwrap();
        }
        let (part, other) = (cache.0.join(".tmpx.part"), cache.0.join("README"));
        for path in [&part, &other] {
            std::fs::write(path, "x").unwrap();
            age(path).unwrap();
        }
        let _held = held.try_hold().unwrap().unwrap();
        age(&held.lock).unwrap();
        keep(&fresh, &entry(90_000, 95_000));
        let there = |slot: &Slot| (slot.entry.exists(), slot.lock.exists());
        assert_eq!((there(&old), part.exists()), ((false, false), false));
        assert_eq!(
            (there(&lasting), there(&held), there(&fresh), other.exists()),
            ((true, true), (true, true), (true, true), true)
        );
    }
}
