//! A file of the user's that is changed: read, written beside, and put in its place if nobody changed it meanwhile.
//!
//! A symbolic link stays one: what it names is replaced. Mode and owner stay as they are. There is no lock that other programs
//! would heed, so between the last look at the file and the renaming, which follow each other, somebody else's change is lost.

use std::fs::{DirBuilder, File as Opened, Metadata, Permissions};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _, fchown};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use tempfile::NamedTempFile;

use crate::credentials::profile;

/// So many links may lead to a file, as in Linux.
const MOST_LINKS: usize = 40;

/// A file, whether it is there or not.
#[derive(Debug)]
pub(super) struct File {
    /// Its name, as it is told.
    pub(super) named: PathBuf,
    /// What it holds: nothing, if it is not there.
    pub(super) text: String,
    /// Where it is, behind all links.
    path: PathBuf,
    found: Option<Metadata>,
}

impl File {
    /// Look at it.
    pub(super) fn read(named: PathBuf) -> anyhow::Result<Self> {
        Self::look(&named).with_context(|| format!("cannot read {}", named.display()))
    }

    fn look(named: &Path) -> anyhow::Result<Self> {
        let mut path = named.to_owned();
        let mut links = 0;
        while let Ok(to) = path.read_link() {
            path = path.parent().unwrap_or(Path::new("/")).join(to);
            links += 1;
            if links > MOST_LINKS {
                bail!("its symbolic links lead nowhere");
            }
        }
        let named = named.to_owned();
        let mut opened = match Opened::open(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Ok(Self { named, text: String::new(), path, found: None });
            }
            opened => opened?,
        };
        let found = opened.metadata()?;
        profile::trusted(&found)?;
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut opened, &mut bytes)?;
        let text = String::from_utf8(bytes).ok().context("it is no text (UTF-8)")?;
        Ok(Self { named, text, path, found: Some(found) })
    }

    /// Whether it is there.
    pub(super) fn exists(&self) -> bool {
        self.found.is_some()
    }

    /// Write what is to take its place.
    fn stage(&self, text: &str) -> anyhow::Result<NamedTempFile> {
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        // Nobody else can read it.
        let mut staged = tempfile::Builder::new().prefix(".countersign-").tempfile_in(folder)?;
        staged.write_all(text.as_bytes())?;
        if let Some(found) = &self.found {
            if found.nlink() > 1 {
                bail!(
                    "it has another name too (a hard link), which would keep what it is now: make it a symbolic link"
                );
            }
            let made = staged.as_file().metadata()?;
            if (made.uid(), made.gid()) != (found.uid(), found.gid()) {
                fchown(staged.as_file(), Some(found.uid()), Some(found.gid()))
                    .with_context(|| format!("it is of user {} and group {}", found.uid(), found.gid()))?;
            }
            staged.as_file().set_permissions(Permissions::from_mode(found.mode() & 0o7777))?;
        }
        staged.as_file().sync_all()?;
        Ok(staged)
    }

    fn is_as_it_was(&self) -> bool {
        Self::look(&self.named)
            .is_ok_and(|now| (&now.path, &now.text, now.exists()) == (&self.path, &self.text, self.exists()))
    }

    fn place(&self, staged: NamedTempFile) -> anyhow::Result<()> {
        if !self.is_as_it_was() {
            bail!("somebody changed it meanwhile: run this again");
        }
        let placed = if self.exists() { staged.persist(&self.path) } else { staged.persist_noclobber(&self.path) };
        Ok(placed.map(drop).map_err(|error| error.error)?)
    }
}

/// Put each text in the place of its file, in this order; none, unless all could be written.
pub(super) fn replace(changes: &[(&File, &str)]) -> anyhow::Result<()> {
    let failed = |file: &File, after: &str| format!("cannot write {}{after}", file.named.display());
    let nothing = ", and nothing was changed";
    let mut all = Vec::new();
    for (file, text) in changes {
        all.push((*file, file.stage(text).with_context(|| failed(file, nothing))?));
    }
    if let Some((file, _)) = all.iter().find(|(file, _)| !file.is_as_it_was()) {
        bail!("{}: somebody changed it meanwhile: run this again", failed(file, nothing));
    }
    let mut written = String::new();
    for (file, staged) in all {
        let so_far = if written.is_empty() { nothing } else { &written };
        file.place(staged).with_context(|| failed(file, so_far))?;
        written = format!("{written}, but {} is written", file.named.display());
    }
    Ok(())
}
