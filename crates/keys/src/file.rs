//! Files that hold secrets, and the ring in one: written beside, synced, renamed, so that a crash at any moment leaves
//! the old file or the new one, whole.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use countersign_core::UnixSeconds;
use countersign_core::jwk::Algorithm;
use countersign_core::plan::{Change, Note, PlanFault, Publication, plan};
use countersign_core::schedule::Schedule;

use crate::local::KeyFault;
use crate::ring::{Keyring, KeyringFault, NewKey};

/// Why a file of secrets is not used.
#[derive(Debug, thiserror::Error)]
pub enum FileFault {
    /// The operating system's word.
    #[error("cannot use {0}")]
    Io(PathBuf, #[source] io::Error),
    /// A folder, a pipe, a device, or larger than anything that belongs here.
    #[error("{0} is not a regular file of at most 1 MiB")]
    NotAFile(PathBuf),
    /// Somebody else holds the lock, and does not let go.
    #[error("another process has held the lock {0} for 5 seconds")]
    Locked(PathBuf),
    /// Somebody else may read it.
    #[error(
        "{0} is readable by others (mode {1:04o}): run `chmod 600` on it, and replace what it holds if others may have read it"
    )]
    Readable(PathBuf, u32),
    /// What it holds.
    #[error("cannot use {0}")]
    Keyring(PathBuf, #[source] KeyringFault),
    /// What is asked of it.
    #[error(transparent)]
    Plan(#[from] PlanFault),
    /// A key could not be made.
    #[error("cannot make a key")]
    Key(#[from] KeyFault),
}

fn io_fault(path: &Path) -> impl Fn(io::Error) -> FileFault + '_ {
    move |error| FileFault::Io(path.to_owned(), error)
}

/// Nothing that is kept in a data directory comes near, in bytes.
const LARGEST: u64 = 1024 * 1024;

/// Read a file that nobody but its owner may read. The mode is the opened file's, not that of whatever is there later.
pub fn read_private(path: &Path) -> Result<zeroize::Zeroizing<Vec<u8>>, FileFault> {
    // Opening a pipe would wait for somebody to write into it.
    let sound = fs::metadata(path).map(|data| data.is_file() && data.len() <= LARGEST).map_err(io_fault(path))?;
    if !sound {
        return Err(FileFault::NotAFile(path.to_owned()));
    }
    let mut file = File::open(path).map_err(io_fault(path))?;
    let mode = file.metadata().map_err(io_fault(path))?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(FileFault::Readable(path.to_owned(), mode));
    }
    let mut text = zeroize::Zeroizing::new(Vec::new());
    io::Read::read_to_end(&mut file, &mut text).map_err(io_fault(path))?;
    Ok(text)
}

/// Put a file there with mode 0600, or leave things as they are. The directory is synced too, so that the new name is
/// on disk when this returns.
pub fn write_private(path: &Path, content: &[u8]) -> Result<(), FileFault> {
    // What a link points to is what others read.
    let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let path = target.as_path();
    let directory = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    // One name for all attempts: what a killed process left is overwritten by the next one, not left to pile up.
    // Writers of one file hold a lock.
    let beside = directory.join(format!(".{name}.new"));
    match fs::remove_file(&beside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(FileFault::Io(beside, error)),
        _ => {}
    }
    let mut file =
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside).map_err(io_fault(&beside))?;
    file.write_all(content).and_then(|()| file.sync_all()).map_err(io_fault(&beside))?;
    fs::rename(&beside, path).map_err(io_fault(path))?;
    File::open(directory).and_then(|directory| directory.sync_all()).map_err(io_fault(directory))
}

/// The one lock under which files of a data directory are written. Held until dropped; freed by the kernel when its
/// holder dies.
#[derive(Debug)]
pub struct Lock(#[expect(dead_code, reason = "held for its lock")] File);

impl Lock {
    /// Wait for the lock of this directory, 5 seconds at most.
    pub fn of(directory: &Path) -> Result<Self, FileFault> {
        let path = directory.join(".lock");
        let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path);
        let file = file.map_err(io_fault(&path))?;
        for _ in 0..100 {
            match file.try_lock() {
                Ok(()) => return Ok(Self(file)),
                Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(50)),
                Err(TryLockError::Error(error)) => return Err(FileFault::Io(path, error)),
            }
        }
        Err(FileFault::Locked(path))
    }
}

/// The ring in a file of a data directory.
#[derive(Debug, Clone)]
pub struct KeyringFile {
    path: PathBuf,
}

impl KeyringFile {
    /// `keyring.json` of this directory.
    pub fn in_directory(directory: &Path) -> Self {
        Self { path: directory.join("keyring.json") }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Read it; a file readable by others is refused.
    pub fn read(&self, now: UnixSeconds) -> Result<Keyring, FileFault> {
        let text = read_private(&self.path)?;
        Keyring::from_json(&text, now).map_err(|fault| FileFault::Keyring(self.path.clone(), fault))
    }

    /// Read it, or begin an empty one, and see that these lanes can sign. Written only if a lane was opened.
    pub fn open(&self, lanes: &[Algorithm], now: UnixSeconds) -> Result<(Keyring, Vec<Algorithm>), FileFault> {
        self.with_lanes(lanes, now, true)
    }

    /// The same for a file that is there: if it has gone, somebody took it away, and no other ring takes its place.
    pub fn reopen(&self, lanes: &[Algorithm], now: UnixSeconds) -> Result<(Keyring, Vec<Algorithm>), FileFault> {
        self.with_lanes(lanes, now, false)
    }

    /// Change it, under the lock: what people should know of that, and the ring after it. The file is what is published,
    /// since `serve` takes it over within a second.
    pub fn change(
        &self,
        schedule: &Schedule,
        change: &Change,
        imported: Option<NewKey>,
        now: UnixSeconds,
    ) -> Result<(Vec<Note>, Keyring), FileFault> {
        let _lock = Lock::of(self.path.parent().unwrap_or(Path::new(".")))?;
        let keyring = self.read(now)?;
        let ring = keyring.public();
        let plan = plan(ring, &Publication::of_ring(ring), schedule, change, now)?;
        let made = plan.make().iter().map(|make| NewKey::generate(make.lane)).collect::<Result<_, _>>()?;
        let next = keyring.next(&plan, made, imported, None);
        let next = next.map_err(|fault| FileFault::Keyring(self.path.clone(), fault))?;
        write_private(&self.path, &next.to_json())?;
        Ok((plan.notes().to_vec(), next))
    }

    fn with_lanes(
        &self,
        lanes: &[Algorithm],
        now: UnixSeconds,
        create: bool,
    ) -> Result<(Keyring, Vec<Algorithm>), FileFault> {
        let read = || match self.read(now) {
            Err(FileFault::Io(_, error)) if create && error.kind() == io::ErrorKind::NotFound => Ok(Keyring::empty()),
            other => other,
        };
        // Reading needs no lock, since the file is only ever replaced whole.
        let keyring = read()?;
        if lanes.iter().all(|lane| keyring.public().signing(*lane).is_some()) {
            return Ok((keyring, Vec::new()));
        }
        let _lock = Lock::of(self.path.parent().unwrap_or(Path::new(".")))?;
        let mut keyring = read()?;
        let opened = keyring
            .open_lanes(lanes.iter().copied(), now)
            .map_err(|fault| FileFault::Keyring(self.path.clone(), fault))?;
        if !opened.is_empty() {
            write_private(&self.path, &keyring.to_json())?;
        }
        Ok((keyring, opened))
    }
}
