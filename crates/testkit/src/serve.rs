//! The real `countersign serve`, on a free port of the loopback, with a data directory of its own.
//!
//! It is the built binary as a user starts it; nothing is linked. Its stdout (audit lines) and stderr are kept whole,
//! so that a test can look for what must never be in them. Dropping a [`Serve`] stops the process and removes the data.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::output::Output;
use crate::tools::write_private;

/// How long a start may take. It makes an RSA key or two, in an unoptimized build, on a machine that runs other tests.
const START: Duration = Duration::from_mins(1);

/// How long a stop may take before the process is killed.
const STOP: Duration = Duration::from_secs(10);

/// What it prints when it is ready; the address follows.
const READY: &str = "listening on ";

/// A server that has not been started: its data directory, flags and environment.
pub struct Setup {
    binary: PathBuf,
    data: TempDir,
    arguments: Vec<String>,
}

/// A running server.
pub struct Serve {
    child: Child,
    origin: String,
    data: TempDir,
    stdout: Output,
    stderr: Output,
}

impl Setup {
    /// A server of `binary` with an empty data directory. Tests pass `env!("CARGO_BIN_EXE_countersign")`.
    pub fn new(binary: impl Into<PathBuf>) -> Self {
        let data = tempfile::Builder::new().prefix("countersign-serve-").tempdir().expect("a temporary folder");
        Self { binary: binary.into(), data, arguments: Vec::new() }
    }

    /// Puts a file into the data directory, readable by its owner alone, as `serve` demands of secrets.
    #[must_use]
    pub fn file(self, name: &str, content: &str) -> Self {
        write_private(&self.data.path().join(name), content);
        self
    }

    /// Adds a flag or a value.
    #[must_use]
    pub fn arg(mut self, argument: impl Into<String>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// The data directory.
    pub fn data_dir(&self) -> &Path {
        self.data.path()
    }

    /// Starts it and waits until it listens.
    ///
    /// # Panics
    /// If it ends or does not say that it listens, with what it wrote.
    pub fn start(self) -> Serve {
        self.try_start().unwrap_or_else(|why| panic!("serve did not start {why}"))
    }

    /// The same for a server that may refuse to start.
    ///
    /// # Errors
    /// How it ended, and all that it wrote.
    ///
    /// # Panics
    /// If it cannot be run at all.
    pub fn try_start(self) -> Result<Serve, String> {
        // The process knows nothing of the machine's AWS settings: what it does must come from its flags and files.
        let mut child = crate::tools::isolated(&self.binary, self.data.path())
            .args(["serve", "--listen", "127.0.0.1:0", "--data-dir"])
            .arg(self.data.path())
            .args(&self.arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{} does not start: {error}", self.binary.display()));
        let stdout = Output::read(child.stdout.take().expect("it is piped"));
        let stderr = Output::read(child.stderr.take().expect("it is piped"));

        let began = Instant::now();
        loop {
            if let Some(origin) = stderr.text().lines().find_map(listening_on) {
                return Ok(Serve { child, origin, data: self.data, stdout, stderr });
            }
            let ended = child.try_wait().expect("it is our child");
            if ended.is_some() || began.elapsed() > START {
                // A moment for the readers: what it wrote last says why.
                std::thread::sleep(Duration::from_millis(100));
                let _ = child.kill();
                let _ = child.wait();
                let state = ended.map_or_else(|| format!("said nothing for {START:?}"), |status| status.to_string());
                return Err(format!("({state})\nstdout:\n{}\nstderr:\n{}", stdout.text(), stderr.text()));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Serve {
    /// `http://127.0.0.1:PORT`, which is also the issuer unless `--issuer-url` said otherwise.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The URL of a path that begins with `/`.
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.origin)
    }

    /// The data directory.
    pub fn data_dir(&self) -> &Path {
        self.data.path()
    }

    /// Replaces a file of the data directory in one step, as an editor or `keys` does.
    pub fn replace_file(&self, name: &str, content: &str) {
        let new = self.data.path().join(format!("{name}.new"));
        write_private(&new, content);
        std::fs::rename(&new, self.data.path().join(name)).expect("the file can be replaced");
    }

    /// What it wrote to stdout so far.
    pub fn stdout(&self) -> String {
        self.stdout.text()
    }

    /// What it wrote to stderr so far.
    pub fn stderr(&self) -> String {
        self.stderr.text()
    }

    /// The audit lines so far: every line of stdout, each of which has to be one JSON object.
    ///
    /// # Panics
    /// If a line is anything else.
    pub fn audit(&self) -> Vec<Value> {
        let text = self.stdout();
        // A line that is being written has no end yet.
        let whole = text.rfind('\n').map_or("", |end| text.get(..end).unwrap_or_default());
        whole
            .lines()
            .map(|line| {
                let value: Value = serde_json::from_str(line)
                    .unwrap_or_else(|error| panic!("a line of stdout is not JSON ({error}): {line}"));
                assert!(value.is_object(), "a line of stdout is not a JSON object: {line}");
                value
            })
            .collect()
    }

    /// The audit lines as soon as `done` is satisfied with them. A line is written after the answer that it is about.
    ///
    /// # Panics
    /// If that takes more than 5 s, with the lines there are.
    pub fn audit_until(&self, done: impl Fn(&[Value]) -> bool) -> Vec<Value> {
        let began = Instant::now();
        loop {
            let lines = self.audit();
            if done(&lines) {
                return lines;
            }
            if began.elapsed() > Duration::from_secs(5) {
                let mut text = String::new();
                for line in &lines {
                    let _ = writeln!(text, "{line}");
                }
                panic!("the audit lines are not as awaited:\n{text}");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Asks it to end and gives all that it wrote to stdout and stderr.
    ///
    /// # Panics
    /// If it has to be killed, or ends with anything but 0.
    pub fn stop(mut self) -> (String, String) {
        let status = terminate(&mut self.child);
        // Both pipes are closed with the process; the readers then end by themselves.
        let (stdout, stderr) = (self.stdout.end(), self.stderr.end());
        assert_eq!(status, Some(0), "serve did not end by itself after SIGTERM\nstderr:\n{stderr}");
        (stdout, stderr)
    }
}

impl Drop for Serve {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("stdout of serve:\n{}\nstderr of serve:\n{}", self.stdout.text(), self.stderr.text());
        }
        terminate(&mut self.child);
    }
}

/// SIGTERM, then patience, then SIGKILL. The exit code, if it ended with one.
fn terminate(child: &mut Child) -> Option<i32> {
    if let Ok(Some(status)) = child.try_wait() {
        return status.code();
    }
    // The standard library can only kill, and calling the C function is unsafe code, which this workspace forbids.
    let _ = Command::new("kill").args(["-TERM", &child.id().to_string()]).status();
    let began = Instant::now();
    while began.elapsed() < STOP {
        if let Ok(Some(status)) = child.try_wait() {
            return status.code();
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    let _ = child.kill();
    let _ = child.wait();
    None
}

/// The address in a line of the kind `listening on http://127.0.0.1:PORT`, whatever stands around it.
fn listening_on(line: &str) -> Option<String> {
    let (_, rest) = line.split_once(READY)?;
    let origin = rest.split_whitespace().next()?;
    origin.starts_with("http://").then(|| origin.trim_end_matches('/').to_owned())
}

#[cfg(test)]
mod tests {
    use super::listening_on;

    #[test]
    fn the_address_is_found_in_the_line_that_says_it_is_ready() {
        assert_eq!(listening_on("listening on http://127.0.0.1:8787").as_deref(), Some("http://127.0.0.1:8787"));
        assert_eq!(listening_on("countersign: listening on http://[::1]:1/ now").as_deref(), Some("http://[::1]:1"));
        assert_eq!(listening_on("listening on nothing"), None);
        assert_eq!(listening_on("made http://127.0.0.1:8787"), None);
    }
}
