//! A clock that a test moves, for processes that are not ours to change: functions, moto, any client.
//!
//! **Owns** what `CLOCK_REALTIME` is in the processes that get [`Clock::environment`]: the machine's time and an offset,
//! which libfaketime reads from a file at every look. **Refuses** to touch monotonic time: a timer, a time-out and tokio
//! go on as ever, so an hour that is skipped wakes nobody.
//!
//! The library is preloaded, so it needs Linux on x86-64 and a program that is linked dynamically. That it works here is
//! proved by the first clock of a process: a test that believes in a time that nobody sees would prove nothing.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, Once, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tempfile::TempDir;

use crate::tools::{self, isolated};

/// The clock of some processes. Its clones are the same clock.
#[derive(Clone)]
pub struct Clock(Arc<Shared>);

struct Shared {
    folder: TempDir,
    library: PathBuf,
    /// In nanoseconds; less than nothing, if it is behind.
    ahead: Mutex<i128>,
}

impl Clock {
    /// A clock that shows the machine's time.
    ///
    /// # Panics
    /// If the library is not there, or does not work on this machine.
    pub fn start() -> Self {
        static PROOF: Once = Once::new();
        PROOF.call_once(|| Self::new().prove());
        Self::new()
    }

    fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("testkit-clock-").tempdir().expect("a temporary folder");
        let clock = Self(Arc::new(Shared { folder, library: tools::faketime(), ahead: Mutex::default() }));
        clock.write(0);
        clock
    }

    /// Moves it forward. A process that looks from now on sees it; one that sleeps sleeps on.
    pub fn advance(&self, by: Duration) {
        self.step(nanoseconds(by));
    }

    /// Moves it back.
    pub fn retreat(&self, by: Duration) {
        self.step(-nanoseconds(by));
    }

    fn step(&self, by: i128) {
        let mut ahead = self.ahead();
        *ahead += by;
        self.write(*ahead);
    }

    /// What it shows, in seconds since 1970.
    ///
    /// # Panics
    /// If that is more than an `i64` holds.
    pub fn now(&self) -> i64 {
        i64::try_from(self.since_epoch().as_secs()).expect("a time of this world")
    }

    /// What it shows, since 1970.
    ///
    /// # Panics
    /// If it was moved by centuries.
    pub(crate) fn since_epoch(&self) -> Duration {
        let ahead = *self.ahead();
        let by = Duration::from_nanos(u64::try_from(ahead.unsigned_abs()).expect("a step of this world"));
        if ahead < 0 { machine().saturating_sub(by) } else { machine() + by }
    }

    /// What a process has to have in its environment to live in this time. [`crate::lambda::Setup::clock`] and
    /// [`crate::aws::Moto::start_with`] do it themselves. The clock has to outlive the process.
    pub fn environment(&self) -> Vec<(String, String)> {
        [
            ("LD_PRELOAD", self.0.library.display().to_string()),
            ("FAKETIME_TIMESTAMP_FILE", self.0.folder.path().join("offset").display().to_string()),
            // Else the file is read every ten seconds.
            ("FAKETIME_NO_CACHE", "1".to_owned()),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
            // Else, with a glibc of 2.30 or newer, every timed wait for a monotonic condition is over at once.
            ("FAKETIME_FORCE_MONOTONIC_FIX", "0".to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .to_vec()
    }

    /// Beside and renamed: who reads in between gets the old offset or the new one, and no half.
    fn write(&self, ahead: i128) {
        let folder = self.0.folder.path();
        let next = folder.join("next");
        // Always of one length, as the library copies it into a buffer that its threads share.
        let (sign, by) = (if ahead < 0 { '-' } else { '+' }, ahead.unsigned_abs());
        let text = format!("{sign}{:011}.{:09}\n", by / 1_000_000_000, by % 1_000_000_000);
        std::fs::write(&next, text).expect("space on the disk");
        std::fs::rename(&next, folder.join("offset")).expect("both are files of one folder");
    }

    /// Fails unless a process sees a day that has been skipped.
    fn prove(&self) {
        self.advance(Duration::from_hours(24));
        let mut python = isolated(tools::python(), self.0.folder.path());
        python.args(["-I", "-S", "-c", "import time; print(int(time.time()))"]).envs(self.environment());
        let before = self.now();
        let output = python.output().unwrap_or_else(|error| panic!("Python does not start: {error}"));
        let shown = String::from_utf8_lossy(&output.stdout).trim().parse::<i64>();
        assert!(
            shown.as_ref().is_ok_and(|shown| (before..=self.now()).contains(shown)),
            "{} does not move the time of a process on this machine; it is made for Linux on x86-64: {}",
            self.0.library.display(),
            String::from_utf8_lossy(&output.stderr)
        );
    }

    fn ahead(&self) -> MutexGuard<'_, i128> {
        self.0.ahead.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn nanoseconds(by: Duration) -> i128 {
    i128::try_from(by.as_nanos()).expect("a step of this world")
}

/// The machine's time since 1970.
pub(crate) fn machine() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("it is later than 1970")
}

/// Removes what the library keeps in shared memory for a process that was killed: it tidies up at an orderly end only.
pub(crate) fn sweep(pid: u32) {
    for name in [format!("sem.faketime_sem_{pid}"), format!("faketime_shm_{pid}")] {
        let _ = std::fs::remove_file(PathBuf::from("/dev/shm").join(name));
    }
}
