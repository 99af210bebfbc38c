//! The authorization token: who may ask the agent, by a file that only they can read.
//!
//! **Refuses** to overwrite what no agent wrote, or one that runs, and to follow a link. The file is written beside and renamed: whoever reads it gets
//! a whole token, or none.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::rand;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::Zeroizing;

use crate::credentials::cache::{PLAIN, is_ours, private_folder};
use crate::credentials::profile;

/// How each begins, so that an agent knows what an agent wrote.
const PREFIX: &str = "countersign-agent-";
/// Random bytes behind that.
const BYTES: usize = 32;
/// No token is longer.
const LONGEST: usize = 256;

/// What a client shows in the header `Authorization`, as it is.
#[derive(Clone)]
pub struct Token(Zeroizing<String>);

impl Token {
    /// One that nobody knows.
    pub fn fresh() -> anyhow::Result<Self> {
        let mut bytes = Zeroizing::new([0; BYTES]);
        rand::fill(bytes.as_mut()).context("the system gives no random numbers")?;
        Ok(Self(Zeroizing::new(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes.as_ref())))))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is this one. How long that takes tells nothing but that the length was right, which is no secret.
    pub fn is(&self, shown: &[u8]) -> bool {
        verify_slices_are_equal(self.0.as_bytes(), shown).is_ok()
    }

    /// The one in this file, which an agent of this user wrote.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let named = || format!("cannot read the authorization token in {}", path.display());
        let file = open(path).with_context(named)?;
        let found = file.metadata().with_context(named)?;
        let mut text = Zeroizing::new(String::with_capacity(LONGEST));
        let read = found.is_file() && is_ours(&found) && file.take(LONGEST as u64).read_to_string(&mut text).is_ok();
        let random = text.strip_prefix(PREFIX).and_then(|rest| URL_SAFE_NO_PAD.decode(rest).ok());
        if !read || random.is_none_or(|random| random.len() != BYTES) {
            bail!("{}: `countersign agent` did not write it", path.display());
        }
        Ok(Self(text))
    }
}

/// A token's file. Dropping it takes the file away, if it is still this token's.
pub struct TokenFile {
    path: PathBuf,
    token: Token,
    /// Locked for as long as the agent runs.
    _held: File,
}

impl TokenFile {
    /// Put the token there, in place of that of an agent before.
    pub fn write(path: PathBuf, token: Token) -> anyhow::Result<Self> {
        match path.symlink_metadata() {
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            _ => {
                Token::read(&path).context("move it away, or name another file (--token-file)")?;
                if matches!(open(&path).map(|file| file.try_lock()), Ok(Err(TryLockError::WouldBlock))) {
                    bail!("{}: it is that of an agent that runs: name another file (--token-file)", path.display());
                }
            }
        }
        let write = || {
            // Nobody else's to read from its first moment on (mode 600).
            let mut file = tempfile::Builder::new().prefix(".countersign-").tempfile_in(folder(&path))?;
            file.write_all(token.as_str().as_bytes())?;
            // Else, after a power failure, the name may be there and the content not.
            file.as_file().sync_all()?;
            // Where there are no locks, nobody looks for one.
            let _ = file.as_file().try_lock();
            file.persist(&path).map_err(|error| error.error)
        };
        let held = write().with_context(|| format!("cannot write the authorization token to {}", path.display()))?;
        Ok(Self { path, token, _held: held })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The token.
    pub fn token(&self) -> &Token {
        &self.token
    }
}

impl Drop for TokenFile {
    fn drop(&mut self) {
        if Token::read(&self.path).is_ok_and(|found| self.token.is(found.as_str().as_bytes())) {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

fn open(path: &Path) -> std::io::Result<File> {
    OpenOptions::new().read(true).custom_flags(PLAIN).open(path)
}

fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Where the token of the agent on this port lies, unless somebody says otherwise, and whether that is in memory.
///
/// `XDG_RUNTIME_DIR` comes first because it is the same for a service of the user's and for their shell, which asks for the status;
/// a service of the system has none, and systemd names its folder in `RUNTIME_DIRECTORY`. Both are in memory. Without either, the
/// folder of the cache is one that the user has anyway, and that nobody else can read.
pub fn default_path(port: u16) -> anyhow::Result<(PathBuf, bool)> {
    let variable = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    // Of several, separated by colons, the first: a path with a colon in it is none that systemd takes.
    let of_service = || {
        let said = std::env::var("RUNTIME_DIRECTORY").ok()?;
        said.split(':').next().map(PathBuf::from).filter(|path| path.is_absolute())
    };
    let in_memory = variable("XDG_RUNTIME_DIR").map(|folder| folder.join("countersign")).or_else(of_service);
    let is_in_memory = in_memory.is_some();
    let folder = in_memory
        .or_else(|| profile::folder("XDG_CACHE_HOME", ".cache"))
        .context("no place for the authorization token: set XDG_RUNTIME_DIR, or name a file (--token-file)")?;
    Ok((folder.join(format!("agent-{port}.token")), is_in_memory))
}

/// The folder of [`default_path`], for us alone.
pub fn make_folder(path: &Path) -> anyhow::Result<()> {
    private_folder(folder(path))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    fn write(path: &Path) -> anyhow::Result<TokenFile> {
        TokenFile::write(path.to_owned(), Token::fresh().unwrap())
    }

    #[test]
    fn a_token_is_a_header_that_nobody_guesses() {
        let [one, other] = [Token::fresh().unwrap(), Token::fresh().unwrap()];
        assert!(one.is(one.as_str().as_bytes()) && !one.is(other.as_str().as_bytes()));
        assert_eq!(one.as_str().len(), PREFIX.len() + 43);
        assert!(one.as_str().bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)));
        let longer = format!("{} ", one.as_str());
        for wrong in ["", PREFIX, longer.as_str(), longer.get(1..).unwrap()] {
            assert!(!one.is(wrong.as_bytes()), "{wrong}");
        }
    }

    #[test]
    fn a_file_is_ours_alone_takes_the_place_of_the_one_before_and_goes_with_us() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        // Of one that was killed.
        fs::write(&path, Token::fresh().unwrap().as_str()).unwrap();
        let first = write(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_to_string(&path).unwrap(), first.token().as_str());
        let why = format!("{:#}", write(&path).err().unwrap());
        assert!(why.ends_with("it is that of an agent that runs: name another file (--token-file)"), "{why}");
        assert_eq!(fs::read_to_string(&path).unwrap(), first.token().as_str());
        drop(first);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        let second = write(&path).unwrap();
        fs::remove_file(&path).unwrap();
        let third = write(&path).unwrap();
        drop(second);
        assert_eq!(fs::read_to_string(&path).unwrap(), third.token().as_str(), "it is the third's");
    }

    #[test]
    fn what_no_agent_wrote_is_not_overwritten_and_no_link_is_followed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        let elsewhere = folder.path().join("elsewhere");
        fs::write(&elsewhere, Token::fresh().unwrap().as_str()).unwrap();
        for make in [
            (|path, _| fs::write(path, "precious")) as fn(&Path, &Path) -> std::io::Result<()>,
            |path, _| fs::write(path, ""),
            |path, _| fs::write(path, format!("{PREFIX}AAAA")),
            |path, _| fs::write(path, format!("{}\n", Token::fresh().unwrap().as_str())),
            |path, elsewhere| symlink(elsewhere, path),
            |path, _| symlink("nowhere", path),
            |path, _| fs::create_dir(path),
        ] {
            make(&path, &elsewhere).unwrap();
            let why = format!("{:#}", write(&path).err().unwrap());
            assert!(why.starts_with("move it away, or name another file (--token-file): "), "{why}");
            assert!(why.contains(&path.display().to_string()), "{why}");
            assert!(fs::remove_file(&path).or_else(|_| fs::remove_dir(&path)).is_ok(), "it is still there");
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "and nothing is left beside it");
    }

    #[test]
    fn a_folder_that_is_not_there_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let why = format!("{:#}", write(&folder.path().join("none/token")).err().unwrap());
        assert!(why.starts_with("cannot write the authorization token to ") && why.contains("No such file"), "{why}");
    }
}
