//! What a child process writes, kept whole.

use std::io::{BufRead, BufReader, Read};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long the last lines of a process that has ended may take. Not for ever: a grandchild may hold the pipe open.
const LAST_LINES: Duration = Duration::from_secs(1);

/// All that came out of a pipe, read by a thread so that the process never waits for us.
pub(crate) struct Output {
    text: Arc<Mutex<String>>,
    reader: Option<JoinHandle<()>>,
}

impl Output {
    /// Reads `pipe` until it is closed.
    pub(crate) fn read(pipe: impl Read + Send + 'static) -> Self {
        let text = Arc::new(Mutex::new(String::new()));
        let sink = Arc::clone(&text);
        let reader = std::thread::spawn(move || {
            let mut lines = BufReader::new(pipe);
            let mut line = Vec::new();
            while lines.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
                sink.lock().unwrap_or_else(PoisonError::into_inner).push_str(&String::from_utf8_lossy(&line));
                line.clear();
            }
        });
        Self { text, reader: Some(reader) }
    }

    /// What came out so far, in whole lines.
    pub(crate) fn text(&self) -> String {
        self.text.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// All of it. Returns when the pipe is closed.
    pub(crate) fn end(&mut self) -> String {
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
        self.text()
    }

    /// All of it, of a process that has ended: waits for the reader, but not for ever.
    pub(crate) fn settle(&self) -> String {
        let began = Instant::now();
        while self.reader.as_ref().is_some_and(|reader| !reader.is_finished()) && began.elapsed() < LAST_LINES {
            std::thread::sleep(Duration::from_millis(5));
        }
        self.text()
    }
}
