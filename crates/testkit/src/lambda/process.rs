//! The process of a function: its output, its end, and what the kernel counts of it.

use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::clock;
use crate::output::Output;

/// A child whose output is read.
pub(super) struct Process {
    child: Mutex<Child>,
    pid: u32,
    stdout: Output,
    stderr: Output,
}

impl Process {
    pub(super) fn start(mut command: Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{} does not start: {error}", command.get_program().display()));
        let stdout = Output::read(child.stdout.take().expect("it is piped"));
        let stderr = Output::read(child.stderr.take().expect("it is piped"));
        Self { pid: child.id(), child: Mutex::new(child), stdout, stderr }
    }

    pub(super) fn pid(&self) -> u32 {
        self.pid
    }

    pub(super) fn stdout(&self) -> String {
        self.stdout.text()
    }

    pub(super) fn stderr(&self) -> String {
        self.stderr.text()
    }

    pub(super) fn exit_status(&self) -> Option<ExitStatus> {
        self.child().try_wait().expect("it is our child")
    }

    /// Its state and its output, for people.
    pub(super) fn report(&self) -> String {
        let (state, stdout, stderr) = match self.exit_status() {
            Some(status) => (status.to_string(), self.stdout.settle(), self.stderr.settle()),
            None => ("it runs".to_owned(), self.stdout(), self.stderr()),
        };
        format!("state: {state}\nstdout:\n{}\nstderr:\n{}", stdout.trim_end(), stderr.trim_end())
    }

    pub(super) fn kill(&self) {
        let mut child = self.child();
        let _ = child.kill();
        let _ = child.wait();
        clock::sweep(self.pid);
    }

    /// A line of `/proc/PID/status` that is in kB, in bytes.
    pub(super) fn memory(&self, field: &str) -> u64 {
        let status = self.read("status");
        let line = status.lines().find_map(|line| line.strip_prefix(field));
        let kibibytes = line.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
        1024 * kibibytes.unwrap_or_else(|| panic!("the process {} has no memory: it has ended", self.pid))
    }

    pub(super) fn open_descriptors(&self) -> usize {
        let folder = format!("/proc/{}/fd", self.pid);
        std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{folder} cannot be read: {error}")).count()
    }

    pub(super) fn cpu_time(&self) -> Duration {
        let folder = format!("/proc/{}/task", self.pid);
        let threads = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{folder} cannot be read: {error}"));
        let nanoseconds = threads.filter_map(|thread| {
            // A thread that ended since the folder was read has no such file.
            let text = std::fs::read_to_string(thread.ok()?.path().join("schedstat")).ok()?;
            text.split_whitespace().next()?.parse::<u64>().ok()
        });
        Duration::from_nanos(nanoseconds.sum())
    }

    pub(super) fn freeze(&self) {
        self.signal("-STOP");
        self.await_stopped(true);
    }

    pub(super) fn thaw(&self) {
        self.signal("-CONT");
        self.await_stopped(false);
    }

    fn signal(&self, signal: &str) {
        // The standard library can only kill, and calling the C function is unsafe code, which this workspace forbids.
        let status = Command::new("kill").args([signal, &self.pid.to_string()]).status();
        assert!(status.is_ok_and(|status| status.success()), "kill {signal} {} failed", self.pid);
    }

    /// A signal is delivered after `kill` has ended.
    fn await_stopped(&self, stopped: bool) {
        let began = Instant::now();
        loop {
            // `PID (NAME) STATE ..`, and a name may hold anything, so what counts is the last parenthesis.
            let stat = self.read("stat");
            let state = stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next());
            if (state == Some('T')) == stopped {
                return;
            }
            assert!(began.elapsed() < Duration::from_secs(5), "the process {} is in state {state:?}", self.pid);
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    fn read(&self, file: &str) -> String {
        let path = format!("/proc/{}/{file}", self.pid);
        std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path} cannot be read: {error}"))
    }

    fn child(&self) -> MutexGuard<'_, Child> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
