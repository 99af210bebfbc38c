//! What the daemon has written, and how it goes: `$STATE_DIRECTORY`, else `$XDG_STATE_HOME/countersign` (default
//! `~/.local/state`), for us alone, in a file of its own for each configuration.
//!
//! **Owns** by which hash a file is known again that we wrote: the one that is to be replaced and the one that comes stand
//! there before the file is renamed, so that it is known at whatever moment we are killed. And a lock of the kernel's, so that
//! nobody else keeps the same configuration.

use std::collections::BTreeMap;
use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read as _, Seek as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::file;
use crate::credentials::cache::{Failed, PLAIN, is_ours};
use crate::credentials::key::hash;
use crate::credentials::profile;
use crate::credentials::status::Row;

/// What is written has this form. What has another one is not read.
const VERSION: u8 = 1;
/// How often the lock is tried: whoever asks for the status holds it for a moment.
const TRIES: usize = 20;

/// A content of a file that we wrote, or were about to write.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Content {
    /// SHA-256, in hexadecimal digits.
    pub hash: String,
    /// When.
    pub written_at: Timestamp,
    /// When each part ends.
    pub ends_at: BTreeMap<String, Timestamp>,
}

/// What stands in the file.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct State {
    version: u8,
    /// Whose it is, for people.
    config: String,
    /// One content, or two while one is being replaced.
    files: BTreeMap<PathBuf, Vec<Content>>,
    /// How it goes.
    pub rows: Vec<Row>,
    /// How the last run of a profile's hook failed.
    pub hooks: BTreeMap<String, Failed>,
}

/// The state, for the one process that may change it.
#[derive(Debug)]
pub struct Book {
    place: Place,
    mark: String,
    state: Mutex<State>,
    _lock: File,
}

/// Where the state of a configuration lies.
#[derive(Debug)]
pub struct Place {
    folder: PathBuf,
    id: String,
}

impl Place {
    /// That of the configuration at this absolute path.
    pub fn of(config: &Path) -> anyhow::Result<Self> {
        // systemd names several, if the unit does.
        let of_unit = std::env::var("STATE_DIRECTORY").ok().and_then(|all| Some(PathBuf::from(all.split(':').next()?)));
        let folder =
            of_unit.filter(|path| path.is_absolute()).or_else(|| profile::folder("XDG_STATE_HOME", ".local/state"));
        let id = hash(config.as_os_str().as_encoded_bytes()).chars().take(16).collect();
        Ok(Self { folder: folder.context("neither STATE_DIRECTORY nor XDG_STATE_HOME nor HOME says where")?, id })
    }

    /// How the names of files begin that are written beside and renamed: those of no other configuration.
    fn family(&self) -> String {
        format!(".countersign-{}-", self.id)
    }

    fn file(&self, end: &str) -> PathBuf {
        self.folder.join(format!("daemon-{}.{end}", self.id))
    }

    /// What was written there, and the process that keeps it, if one does. Nothing, if nobody ever did.
    pub fn look(&self) -> anyhow::Result<Option<(State, Option<String>)>> {
        let mut lock = match OpenOptions::new().read(true).custom_flags(PLAIN).open(self.file("lock")) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            lock => lock.with_context(|| self.file("lock").display().to_string())?,
        };
        let mut holder = None;
        if matches!(lock.try_lock_shared(), Err(TryLockError::WouldBlock)) {
            lock.read_to_string(holder.insert(String::new()))?;
        }
        Ok(self.read()?.map(|state| (state, holder)))
    }

    fn read(&self) -> anyhow::Result<Option<State>> {
        let path = self.file("json");
        let why = || {
            format!(
                "{}: move it away, and the files that it names, which are not known as ours without it",
                path.display()
            )
        };
        let mut text = String::new();
        let mut file = match OpenOptions::new().read(true).custom_flags(PLAIN).open(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            opened => opened.with_context(why)?,
        };
        // What it names is taken away. It may have been put there when the folder was open to others.
        let ours = file.metadata()?.uid() == self.folder.metadata()?.uid();
        ensure!(ours, "it belongs to somebody else: remove {}", path.display());
        file.read_to_string(&mut text).with_context(why)?;
        let state: State = serde_json::from_str(&text).with_context(why)?;
        ensure!(state.version == VERSION, "another version wrote {}", why());
        Ok(Some(state))
    }
}

impl Book {
    /// Take it over, for the configuration at this path.
    pub fn open(place: Place, config: &Path) -> anyhow::Result<Self> {
        let named = || format!("the state, in {}", place.folder.display());
        DirBuilder::new().recursive(true).mode(0o700).create(&place.folder).with_context(named)?;
        let found = place.folder.metadata().with_context(named)?;
        ensure!(
            is_ours(&found) && found.mode() & 0o022 == 0,
            "{}: others may write there (mode {:o}, user {}): it is to be ours alone",
            named(),
            found.mode() & 0o7777,
            found.uid()
        );
        let lock = lock(&place.file("lock"))?;
        let state = place.read()?.unwrap_or_default();
        let state = State { version: VERSION, config: config.display().to_string(), ..state };
        let mark = format!("{}{:08x}-", place.family(), fastrand::u32(..));
        let book = Self { place, mark, state: Mutex::new(state), _lock: lock };
        book.tidy(&book.place.folder);
        // What the last one said is not our word. On a full disk it stays.
        let _ = book.report(Vec::new(), BTreeMap::new());
        Ok(book)
    }

    /// How the names begin of files that this process writes beside others and renames.
    pub fn mark(&self) -> &str {
        &self.mark
    }

    /// Takes away what others of this configuration did not finish: they were killed.
    pub fn tidy(&self, folder: &Path) {
        file::tidy(folder, &self.place.family(), &self.mark);
    }

    /// The files that we wrote.
    pub fn files(&self) -> Vec<PathBuf> {
        self.change(|state| state.files.keys().cloned().collect())
    }

    /// By what a file is known again.
    pub fn known(&self, path: &Path) -> Vec<Content> {
        self.change(|state| state.files.get(path).cloned().unwrap_or_default())
    }

    /// From now on, a file is known by these. They are on the disk when this returns.
    pub fn know(&self, path: &Path, contents: Vec<Content>) -> anyhow::Result<()> {
        self.save(|state| drop(state.files.insert(path.to_owned(), contents)))
    }

    /// The file is not there any more, or not ours.
    pub fn forget(&self, path: &Path) -> anyhow::Result<()> {
        self.save(|state| drop(state.files.remove(path)))
    }

    /// How it goes.
    pub fn report(&self, rows: Vec<Row>, hooks: BTreeMap<String, Failed>) -> anyhow::Result<()> {
        self.save(|state| (state.rows, state.hooks) = (rows, hooks))
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// What could not be written did not happen.
    fn save(&self, change: impl FnOnce(&mut State)) -> anyhow::Result<()> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let mut next = state.clone();
        change(&mut next);
        let path = self.place.file("json");
        let written = file::replace(&path, &serde_json::to_vec(&next)?, &self.mark);
        written.with_context(|| format!("cannot write the state, {}", path.display()))?;
        *state = next;
        Ok(())
    }
}

/// Held as long as the file is open, and by one process.
fn lock(path: &Path) -> anyhow::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600).custom_flags(PLAIN);
    let mut file = options.open(path).with_context(|| path.display().to_string())?;
    for left in (0..TRIES).rev() {
        match file.try_lock() {
            Ok(()) => break,
            Err(TryLockError::WouldBlock) if left == 0 => {
                let mut holder = String::new();
                let _ = file.read_to_string(&mut holder);
                bail!("process {holder} keeps the files of this configuration fresh already: end that one first");
            }
            Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(50)),
            Err(TryLockError::Error(error)) => return Err(error).with_context(|| path.display().to_string()),
        }
    }
    // For people, who do without it on a full disk.
    let _ = file.rewind().and_then(|()| file.set_len(0)).and_then(|()| write!(file, "{}", std::process::id()));
    Ok(file)
}
