//! A token that something else writes into a file.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use anyhow::anyhow;
use zeroize::Zeroizing;

use super::Failure;
use crate::credentials::token::{TokenFault, WebToken};

/// More is not read of a file: three times the longest token.
pub(super) const LARGEST: usize = 64 * 1024;

/// Why there is no token in a file. Neither path nor content is in it.
#[derive(Debug, thiserror::Error)]
pub enum FileFault {
    /// No such file.
    #[error("there is no such file: what keeps it fresh has not written it yet, or writes another one")]
    Missing,
    /// Not for us, or no file.
    #[error("it cannot be read")]
    Unreadable(#[source] io::Error),
    /// A pipe or a device: it may never end, and has its content for one reader only.
    #[error("it is no regular file, and a token is read from it again and again")]
    Irregular,
    /// Empty, half written, or something else.
    #[error("{0}: what keeps it fresh is still writing it, or this is another kind of file")]
    NoToken(TokenFault),
}

/// The token that stands in this file at the moment.
pub fn read_file(path: &Path) -> Result<WebToken, FileFault> {
    let fault = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => FileFault::Missing,
        _ => FileFault::Unreadable(error),
    };
    // Looked at before it is opened: a pipe that nobody writes to does not open.
    let kind = std::fs::metadata(path).map_err(fault)?.file_type();
    if !kind.is_file() && !kind.is_dir() {
        return Err(FileFault::Irregular);
    }
    let content = File::open(path).and_then(|file| content(&file)).map_err(fault)?;
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
pub(super) fn content(file: &File) -> io::Result<Zeroizing<Vec<u8>>> {
    // As large as it will be: a buffer that grows leaves copies behind.
    let mut content = Zeroizing::new(Vec::with_capacity(LARGEST + 1));
    file.take(LARGEST as u64 + 1).read_to_end(&mut content)?;
    Ok(content)
}
