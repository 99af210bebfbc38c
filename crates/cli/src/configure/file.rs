//! A file of the user's that is changed: read, written beside, and put in its place if nobody changed it meanwhile.
//!
//! A symbolic link stays one: what it names is replaced. Mode and owner stay as they are. There is no lock that other programs
//! would heed, so between the last look at the file and the renaming, which follow each other, somebody else's change is lost.

use std::fs::{DirBuilder, Metadata, Permissions};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _, fchown};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use tempfile::NamedTempFile;

use crate::credentials::profile;

/// So many links may lead to a file, as in Linux.
const MOST_LINKS: usize = 40;
const MEANWHILE: &str = "somebody changed it meanwhile: run this again";

/// A file, whether it is there or not.
#[derive(Debug)]
pub(super) struct File {
    /// Its name, as it is told.
    pub(super) path: PathBuf,
    /// What it holds: nothing, if it is not there.
    pub(super) text: String,
    /// Where it is, behind all links.
    target: PathBuf,
    found: Option<Metadata>,
}

impl File {
    /// Look at it.
    pub(super) fn read(path: &Path) -> anyhow::Result<Self> {
        Self::look(path).with_context(|| format!("cannot read {}", path.display()))
    }

    fn look(path: &Path) -> anyhow::Result<Self> {
        let mut target = path.to_owned();
        let mut links = 0;
        while let Ok(to) = target.read_link() {
            target = target.parent().unwrap_or(Path::new("/")).join(to);
            links += 1;
            if links > MOST_LINKS {
                bail!("its symbolic links lead nowhere");
            }
        }
        let path = path.to_owned();
        let found = match target.metadata() {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Ok(Self { path, text: String::new(), target, found: None });
            }
            found => found?,
        };
        profile::trusted(&found)?;
        let bytes = std::fs::read(&target)?;
        let text = String::from_utf8(bytes).ok().context("it is no text (UTF-8)")?;
        Ok(Self { path, text, target, found: Some(found) })
    }

    /// Whether it is there.
    pub(super) fn exists(&self) -> bool {
        self.found.is_some()
    }

    /// Write what is to take its place.
    fn stage(&self, text: &str) -> anyhow::Result<NamedTempFile> {
        let folder = self.target.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        if self.target.as_os_str().as_encoded_bytes().last().is_none_or(|last| *last == b'/') {
            bail!("AWS_CONFIG_FILE names no file");
        }
        if self.found.as_ref().is_some_and(|found| found.mode() & 0o222 == 0) {
            bail!("nobody may write to it, so somebody wants it as it is: chmod u+w");
        }
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
        Self::look(&self.path)
            .is_ok_and(|now| (&now.target, &now.text, now.exists()) == (&self.target, &self.text, self.exists()))
    }

    fn place(&self, staged: NamedTempFile) -> anyhow::Result<()> {
        if !self.is_as_it_was() {
            bail!(MEANWHILE);
        }
        let placed = if self.exists() { staged.persist(&self.target) } else { staged.persist_noclobber(&self.target) };
        Ok(placed.map(drop).map_err(|error| error.error)?)
    }
}

/// Put each text in the place of its file, in this order; none, unless all could be written.
pub(super) fn replace(changes: &[(&File, &str)]) -> anyhow::Result<()> {
    let mut all = Vec::new();
    for (file, text) in changes {
        all.push((*file, file.stage(text).with_context(|| failed(file, None))?));
    }
    if let Some((file, _)) = all.iter().find(|(file, _)| !file.is_as_it_was()) {
        bail!("{}: {MEANWHILE}", failed(file, None));
    }
    place_all(all)
}

fn place_all(all: Vec<(&File, NamedTempFile)>) -> anyhow::Result<()> {
    let mut written = None;
    for (file, staged) in all {
        file.place(staged).with_context(|| failed(file, written))?;
        written = Some(file);
    }
    Ok(())
}

fn failed(file: &File, written: Option<&File>) -> String {
    let so_far =
        written.map_or_else(|| "and nothing was changed".into(), |it| format!("but {} is written", it.path.display()));
    format!("cannot write {}, {so_far}", file.path.display())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    fn mode(path: &Path) -> u32 {
        path.metadata().unwrap().mode() & 0o7777
    }

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> =
            fs::read_dir(folder).unwrap().map(|it| it.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_new_file_is_private_and_an_old_one_keeps_its_mode_and_its_links() {
        let home = tempfile::tempdir().unwrap();
        let new = home.path().join(".aws/deep/config");
        replace(&[(&File::read(&new).unwrap(), "a")]).unwrap();
        assert_eq!((mode(&new), mode(new.parent().unwrap()), fs::read(&new).unwrap()), (0o600, 0o700, b"a".to_vec()));

        let (kept, link, again) = (home.path().join("kept"), home.path().join("link"), home.path().join("again"));
        fs::write(&kept, "old").unwrap();
        fs::set_permissions(&kept, Permissions::from_mode(0o640)).unwrap();
        symlink("kept", &link).unwrap();
        symlink(&link, &again).unwrap();
        replace(&[(&File::read(&again).unwrap(), "new")]).unwrap();
        assert!(link.is_symlink() && again.is_symlink());
        assert_eq!((mode(&kept), fs::read(&kept).unwrap()), (0o640, b"new".to_vec()));

        let dangling = home.path().join("dangling");
        symlink("made", &dangling).unwrap();
        replace(&[(&File::read(&dangling).unwrap(), "x")]).unwrap();
        assert!(dangling.is_symlink() && fs::read(home.path().join("made")).unwrap() == b"x");
        assert_eq!(names(home.path()), [".aws", "again", "dangling", "kept", "link", "made"]);
    }

    #[test]
    fn the_owner_stays_or_nothing_is_written() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("config");
        fs::write(&path, "old").unwrap();
        // Only root can set this up: another user's file in one's own folder.
        if std::os::unix::fs::chown(&path, Some(12345), Some(54321)).is_ok() {
            replace(&[(&File::read(&path).unwrap(), "new")]).unwrap();
            let found = path.metadata().unwrap();
            assert_eq!((found.uid(), found.gid(), found.len()), (12345, 54321, 3));
        }
    }

    #[test]
    fn what_cannot_be_replaced_without_loss_is_left_alone() {
        let home = tempfile::tempdir().unwrap();
        let at = |name: &str| home.path().join(name);
        fs::write(at("a"), "old").unwrap();
        fs::hard_link(at("a"), at("b")).unwrap();
        let why = format!("{:#}", replace(&[(&File::read(&at("a")).unwrap(), "new")]).unwrap_err());
        assert!(why.contains("and nothing was changed: it has another name too"), "{why}");

        fs::remove_file(at("b")).unwrap();
        fs::set_permissions(at("a"), Permissions::from_mode(0o444)).unwrap();
        let why = format!("{:#}", replace(&[(&File::read(&at("a")).unwrap(), "new")]).unwrap_err());
        assert!(why.contains("and nothing was changed: nobody may write to it"), "{why}");

        symlink("loop", at("loop")).unwrap();
        fs::create_dir(at("folder")).unwrap();
        fs::write(at("latin"), b"\xe9").unwrap();
        fs::write(at("open"), "").unwrap();
        fs::set_permissions(at("open"), Permissions::from_mode(0o666)).unwrap();
        for (name, expected) in [
            ("loop", "links lead nowhere"),
            ("folder", "it is no file"),
            ("latin", "it is no text (UTF-8)"),
            ("open", "everybody can write to it (mode 666)"),
        ] {
            let why = format!("{:#}", File::read(&at(name)).unwrap_err());
            assert!(why.starts_with("cannot read ") && why.contains(expected), "{why}");
        }
    }

    #[test]
    fn what_somebody_changed_meanwhile_is_not_overwritten_and_both_are_written_or_none() {
        let home = tempfile::tempdir().unwrap();
        let at = |name: &str| home.path().join(name);
        fs::write(at("a"), "old").unwrap();
        let files = ["a", "b"].map(|name| File::read(&at(name)).unwrap());
        fs::write(at("b"), "theirs").unwrap();
        let why = replace(&[(&files[0], "new"), (&files[1], "new")]).unwrap_err().to_string();
        assert!(why.contains("b, and nothing was changed: somebody changed it meanwhile"), "{why}");
        assert_eq!((fs::read(at("a")).unwrap(), fs::read(at("b")).unwrap()), (b"old".to_vec(), b"theirs".to_vec()));
        assert_eq!(names(home.path()), ["a", "b"]);

        // Whoever cannot write the second one leaves the first one as it is.
        let files = [
            File::read(&at("a")).unwrap(),
            File::read(&at("a/b")).unwrap_or(File {
                path: at("a/b"),
                text: String::new(),
                target: at("a/b"),
                found: None,
            }),
        ];
        let why = replace(&[(&files[0], "new"), (&files[1], "new")]).unwrap_err().to_string();
        assert!(why.contains("a/b, and nothing was changed"), "{why}");
        assert_eq!((fs::read(at("a")).unwrap(), names(home.path()).len()), (b"old".to_vec(), 2));
    }

    #[test]
    fn if_only_the_first_one_could_be_put_in_its_place_that_is_said() {
        let home = tempfile::tempdir().unwrap();
        let files = ["a", "b"].map(|name| File::read(&home.path().join(name)).unwrap());
        let staged = files.each_ref().map(|file| file.stage("new").unwrap());
        fs::remove_file(staged[1].path()).unwrap();
        let all = files.iter().zip(staged).collect();
        let why = format!("{:#}", place_all(all).unwrap_err());
        let (a, b) = (files[0].path.display(), files[1].path.display());
        assert!(why.starts_with(&format!("cannot write {b}, but {a} is written: No such file")), "{why}");
        assert_eq!(names(home.path()), ["a"]);
    }
}
