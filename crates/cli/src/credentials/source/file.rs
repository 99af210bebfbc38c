//! A token that something else writes into a file.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;
use std::sync::mpsc;
use std::time::Duration;

use anyhow::anyhow;
use zeroize::Zeroizing;

use super::Failure;
use crate::credentials::token::{TokenFault, WebToken};

/// More is not read of a file: three times the longest token.
pub(super) const LARGEST: usize = 64 * 1024;
/// For what a pipe brings.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why there is no token in a file. Neither path nor content is in it.
#[derive(Debug, thiserror::Error)]
pub enum FileFault {
    /// No such file.
    #[error("there is no such file: what keeps it fresh has not written it yet, or writes another one")]
    Missing,
    /// Not for us, or no file.
    #[error("it cannot be read")]
    Unreadable(#[source] io::Error),
    /// Empty, half written, or something else.
    #[error("{0}: what keeps it fresh is still writing it, or this is another kind of file")]
    NoToken(TokenFault),
}

/// The token that stands in this file at the moment.
pub fn read_file(path: &Path) -> Result<WebToken, FileFault> {
    let content = content(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => FileFault::Missing,
        _ => FileFault::Unreadable(error),
    })?;
    if content.len() > LARGEST {
        return Err(FileFault::NoToken(TokenFault::Long));
    }
    let text = std::str::from_utf8(&content).map_err(|_| FileFault::NoToken(TokenFault::Form))?;
    WebToken::read(text).map_err(FileFault::NoToken)
}

pub(super) fn token(path: &Path) -> Result<WebToken, Failure> {
    read_file(path).map_err(|fault| anyhow!(fault).context(format!("the token file {}", path.display())).into())
}

/// All of a file, or more than [`LARGEST`] bytes of it.
pub(super) fn content(path: &Path) -> io::Result<Zeroizing<Vec<u8>>> {
    if path.metadata()?.is_file() {
        return read(path);
    }
    // A pipe, `<(command)` for instance, which nobody need ever write.
    let (path, (done, content)) = (path.to_owned(), mpsc::channel());
    std::thread::spawn(move || done.send(read(&path)));
    content.recv_timeout(PATIENCE).unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

fn read(path: &Path) -> io::Result<Zeroizing<Vec<u8>>> {
    // As large as it will be: a buffer that grows leaves copies behind.
    let mut content = Zeroizing::new(Vec::with_capacity(LARGEST + 1));
    File::open(path)?.take(LARGEST as u64 + 1).read_to_end(&mut content)?;
    Ok(content)
}
