//! What is written to stdout and stderr, and what happens when nobody reads it.
//!
//! A message for people is best effort: a reader who went away never ends a command or a request. Machine-readable
//! output that could not be written is an error. A server writes through a thread of its own, so that a pipe that nobody
//! empties stops no request; an audit line is awaited, because no token is handed out without its record.

use std::fmt::Display;
use std::fs::{File, Permissions};
use std::io::{self, Write};
use std::os::fd::AsFd as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use tokio::sync::oneshot;

/// How many lines may wait for a slow reader.
const BACKLOG: usize = 1024;
/// How long an audit line may wait to be written.
const PATIENCE: Duration = Duration::from_secs(2);

/// Where what is said goes in a server.
static SERVER: Mutex<Option<Lines>> = Mutex::new(None);

/// From now on, what is said waits for no reader: it goes by these lines. With none, to stderr itself again.
pub fn say_by(lines: Option<Lines>) {
    *SERVER.lock().unwrap_or_else(PoisonError::into_inner) = lines;
}

/// A line for people, on stderr; whole, whoever else writes there.
pub fn say(text: impl Display) {
    if let Some(lines) = &*SERVER.lock().unwrap_or_else(PoisonError::into_inner) {
        return lines.send(text);
    }
    let _ = io::stderr().lock().write_all((harmless(&text.to_string()) + "\n").as_bytes());
}

/// Some of it may come from elsewhere: nothing in it commands a terminal.
pub fn harmless(text: &str) -> String {
    let shown = |c: char| if c.is_control() && c != '\n' && c != '\t' { char::REPLACEMENT_CHARACTER } else { c };
    text.chars().map(shown).collect()
}

/// Standard output as a file of its own. `io::stdout()` takes a descriptor that cannot be written for success.
pub fn stdout() -> io::Result<File> {
    io::stdout().as_fd().try_clone_to_owned().map(File::from)
}

/// Machine-readable output, on stdout, with a line's end.
pub fn print(text: impl Display) -> anyhow::Result<()> {
    let mut stdout = stdout().context("cannot write to standard output")?;
    stdout
        .write_all(format!("{text}\n").as_bytes())
        .and_then(|()| stdout.flush())
        .context("cannot write to standard output")
}

/// A file that others read, written in one step: nobody reads half of it, and everybody may read it.
pub fn replace(path: &Path, content: &[u8]) -> anyhow::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let write = || {
        let mut file = tempfile::Builder::new().prefix(".countersign-").tempfile_in(folder)?;
        file.write_all(content)?;
        file.as_file().set_permissions(Permissions::from_mode(0o644))?;
        file.persist(path).map_err(|error| error.error)
    };
    write().map(drop).with_context(|| format!("cannot write {}", path.display()))
}

/// Lines of cells, one below the other.
pub fn columns<const N: usize>(rows: impl IntoIterator<Item = [String; N]>) -> Vec<String> {
    let rows: Vec<[String; N]> = rows.into_iter().collect();
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or_default()
    };
    let widths: [usize; N] = std::array::from_fn(width);
    let line = |row: &[String; N]| {
        let cells: Vec<String> = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        cells.join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

/// Lines on their way to a writer that may be slow or gone.
#[derive(Clone)]
pub struct Lines {
    sender: SyncSender<(String, Option<oneshot::Sender<io::Result<()>>>)>,
}

impl Lines {
    /// Write to this, in a thread of its own.
    pub fn to(mut writer: impl Write + Send + 'static) -> io::Result<Self> {
        let (sender, receiver) = sync_channel::<(String, Option<oneshot::Sender<io::Result<()>>>)>(BACKLOG);
        std::thread::Builder::new().name("lines".to_owned()).spawn(move || {
            for (line, done) in receiver {
                let written = writeln!(writer, "{line}").and_then(|()| writer.flush());
                if let Some(done) = done {
                    let _ = done.send(written);
                }
            }
        })?;
        Ok(Self { sender })
    }

    /// Hand over a line, whether it is ever read or not. With a full backlog it is dropped.
    pub fn send(&self, line: impl Display) {
        let _ = self.sender.try_send((harmless(&line.to_string()), None));
    }

    /// Write a line, and come back when it is written or cannot be.
    pub async fn write(&self, line: String) -> io::Result<()> {
        let (done, written) = oneshot::channel();
        self.sender.try_send((line, Some(done))).map_err(|_| io::Error::other("too many lines wait to be written"))?;
        match tokio::time::timeout(PATIENCE, written).await {
            Ok(Ok(written)) => written,
            Ok(Err(_)) => Err(io::Error::other("the writer has ended")),
            Err(_) => Err(io::Error::from(io::ErrorKind::TimedOut)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Stuck;

    impl Write for Stuck {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            std::thread::sleep(Duration::from_hours(1));
            Ok(0)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    struct Full;

    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::Error::from(io::ErrorKind::StorageFull))
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn nothing_that_is_said_commands_a_terminal() {
        assert_eq!(harmless("a\u{1b}[2J\r\u{9b}0m\tb\nc"), "a\u{fffd}[2J\u{fffd}\u{fffd}0m\tb\nc");
    }

    #[tokio::test]
    async fn a_line_that_cannot_be_written_is_an_error_and_nobody_waits_for_ever() {
        let error = Lines::to(Full).unwrap().write("x".to_owned()).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        let stuck = Lines::to(Stuck).unwrap();
        assert_eq!(stuck.write("x".to_owned()).await.unwrap_err().kind(), io::ErrorKind::TimedOut);
        for _ in 0..2 * BACKLOG {
            stuck.send("dropped when the backlog is full");
        }
        assert!(stuck.write("x".to_owned()).await.unwrap_err().to_string().contains("too many lines"));
    }
}
