//! One file: replaced whole, known again, taken away.
//!
//! **Refuses** to touch what we did not write: another content, another owner, a link, a folder; and to write where somebody
//! else could put another file in its place. All of this may take as long as the disk wants to.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use anyhow::{Context as _, bail, ensure};
use rustix::io::Errno;
use zeroize::Zeroizing;

use super::book::{Book, Content};
use super::content::Text;
use crate::credentials::cache::{PLAIN, is_ours};
use crate::credentials::key::hash;

/// Nothing that we write is larger.
const LARGEST: usize = 1024 * 1024;

/// Why a file is not touched.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Foreign(&'static str);

/// What stands in the file, with what is known of it; nothing, if there is no file. If it is not ours, the error is [`Foreign`].
pub(super) fn look(book: &Book, path: &Path) -> anyhow::Result<Option<(Content, Text)>> {
    let named = || path.display().to_string();
    let Some(text) = read(path).with_context(named)? else { return Ok(None) };
    let hash = hash(text.as_bytes());
    let content = book.known(path).into_iter().find(|known| known.hash == hash);
    let foreign =
        "it is not what `countersign daemon` wrote there, so it is left alone: move it away, or name another file";
    Ok(Some((content.ok_or(Foreign(foreign)).with_context(named)?, text)))
}

fn read(path: &Path) -> anyhow::Result<Option<Text>> {
    let file = match OpenOptions::new().read(true).custom_flags(PLAIN).open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) if error.raw_os_error() == Some(Errno::LOOP.raw_os_error()) => {
            bail!(Foreign("it is a link, which is not followed: take it away, or name what it leads to"))
        }
        file => file.context("it cannot be read, so nobody knows whose it is")?,
    };
    let found = file.metadata()?;
    ensure!(found.is_file(), Foreign("it is no file: move it away, or name another one"));
    ensure!(
        is_ours(&found),
        Foreign("it belongs to somebody else, so it is left alone: move it away, or name another file")
    );
    let mut text = Zeroizing::new(Vec::with_capacity(LARGEST.min(found.len().try_into().unwrap_or(LARGEST)) + 1));
    file.take(LARGEST as u64).read_to_end(&mut text)?;
    // What is no text is not ours, and has no hash of ours.
    Ok(Some(Zeroizing::new(String::from_utf8_lossy(&text).into_owned())))
}

/// Writes the file, unless it is somebody else's.
pub(super) fn write(book: &Book, path: &Path, text: &Text, content: Content) -> anyhow::Result<()> {
    let folder = path.parent().context("a file is in a folder")?;
    let is = folder.metadata().with_context(|| format!("the folder {}", folder.display()))?;
    // Of a folder like /tmp (mode 1777), others cannot take away what is ours.
    let shared = is.mode() & 0o022 != 0 && is.mode() & 0o1000 == 0;
    ensure!(
        !shared && (is_ours(&is) || is.uid() == 0),
        "others may write to the folder {} (mode {:o}, user {}), and could put another file in the place of {}: chmod go-w",
        folder.display(),
        is.mode() & 0o7777,
        is.uid(),
        path.display()
    );
    let before = look(book, path)?.map(|(before, _)| before);
    book.know(path, before.into_iter().chain([content.clone()]).collect())?;
    replace(path, text.as_bytes(), book.mark()).with_context(|| format!("cannot write {}", path.display()))?;
    // If this cannot be written, the file is known all the same.
    let _ = book.know(path, vec![content]);
    Ok(())
}

/// Takes the file away, unless it is somebody else's.
pub(super) fn remove(book: &Book, path: &Path) -> anyhow::Result<()> {
    let found = look(book, path);
    if matches!(found, Ok(Some(_))) {
        std::fs::remove_file(path).with_context(|| format!("cannot remove {}", path.display()))?;
    }
    if found.as_ref().err().is_none_or(anyhow::Error::is::<Foreign>) {
        // A file that is not there needs no hash, and does no harm with one.
        let _ = book.forget(path);
    }
    found.map(drop)
}

/// Beside and renamed, for its owner alone.
pub(super) fn replace(path: &Path, content: &[u8], mark: &str) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    let mut part =
        tempfile::Builder::new().prefix(mark).permissions(Permissions::from_mode(0o600)).tempfile_in(folder)?;
    part.write_all(content)?;
    part.as_file().sync_all()?;
    part.persist(path).map_err(|error| error.error)?;
    // The name, too, outlives a machine that stops; not every file system can.
    let _ = File::open(folder).and_then(|folder| folder.sync_all());
    Ok(())
}

/// Takes away what was not finished by a process of the same configuration that was killed: `mark` is this one's.
pub(super) fn tidy(folder: &Path, family: &str, mark: &str) {
    let Ok(files) = std::fs::read_dir(folder) else { return };
    let left = |name: &[u8]| name.starts_with(family.as_bytes()) && !name.starts_with(mark.as_bytes());
    for file in files.flatten().filter(|file| left(file.file_name().as_encoded_bytes())) {
        let _ = std::fs::remove_file(file.path());
    }
}
