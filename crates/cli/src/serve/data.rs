//! The data directory: made where it is missing, never touched where it is there, watched for changes.
//!
//! A file that turns bad is reported once and the last good copy stays in use. What the server answers with is one
//! [`Snapshot`], so that a request never sees half of a change.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use anyhow::{Context as _, bail};
use countersign_core::jwk::Algorithm;
use countersign_core::policy::Policy;
use countersign_core::url::IssuerUrl;
use countersign_core::well_known::PublicDocument;
use countersign_keys::file::{KeyringFile, Lock, read_private, write_private};
use countersign_keys::{Keyring, file::FileFault};

use super::credentials::Credentials;
use super::rotation::Rotation;
use crate::clock;
use crate::commands::policy::load_policy;

/// The starting policy, which is also the example.
const STARTING_POLICY: &str = include_str!("../../../../examples/policy.yaml");

/// Everything that one request needs, all of one moment.
#[derive(Debug)]
pub struct Snapshot {
    /// Who may have what.
    pub policy: Arc<Policy>,
    /// The keys.
    pub keyring: Arc<Keyring>,
    /// Who signs with which key.
    pub credentials: Arc<Credentials>,
    /// `/.well-known/jwks.json`.
    pub jwks: PublicDocument,
    /// `/.well-known/openid-configuration`.
    pub discovery: PublicDocument,
}

/// What says whether a file is still the one that was read.
type Stamp = Option<(u64, i64, i64, u64, i64, i64)>;

fn stamp(path: &Path) -> Stamp {
    let data = fs::metadata(path).ok()?;
    Some((data.ino(), data.mtime(), data.mtime_nsec(), data.size(), data.ctime(), data.ctime_nsec()))
}

/// A data directory in use.
#[derive(Debug)]
pub struct Data {
    directory: PathBuf,
    policy_path: PathBuf,
    issuer: IssuerUrl,
    rotation: Rotation,
    /// The files that this start made.
    made: Vec<&'static str>,
    profiles: Vec<String>,
    shared_is_current: bool,
    watched: Mutex<Watched>,
    current: RwLock<Arc<Snapshot>>,
}

impl Data {
    /// Open the directory, and make what is missing in it. `policy` wins over the directory's own.
    pub fn open(
        directory: &Path,
        policy: Option<&Path>,
        issuer: IssuerUrl,
        rotation: Rotation,
    ) -> anyhow::Result<Self> {
        if !directory.exists() {
            fs::DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(directory)
                .with_context(|| format!("cannot make {}", directory.display()))?;
        }
        let mut made = Vec::new();
        let policy_path = policy.map_or_else(|| directory.join("policy.yaml"), Path::to_owned);
        let credentials_path = directory.join("credentials.yaml");
        let shared_path = directory.join("aws-credentials");
        let keyring_file = KeyringFile::in_directory(directory);
        // Before anything is read, so that no later change is taken for what was read.
        let mut stamps = [stamp(&policy_path), stamp(keyring_file.path()), stamp(&credentials_path)];
        let missing = |path: &Path| !path.exists();
        if (policy.is_none() && missing(&policy_path)) || missing(&credentials_path) || missing(&shared_path) {
            let _lock = Lock::of(directory)?;
            if policy.is_none() && missing(&policy_path) {
                write_private(&policy_path, STARTING_POLICY.as_bytes())?;
                made.push("policy.yaml");
            }
            if missing(&credentials_path) {
                write_private(&credentials_path, Credentials::development().to_yaml().as_bytes())?;
                made.push("credentials.yaml");
            }
            if missing(&shared_path) {
                write_private(&shared_path, read_credentials(&credentials_path)?.to_shared_file().as_bytes())?;
                made.push("aws-credentials");
            }
            stamps = [stamp(&policy_path), stamp(keyring_file.path()), stamp(&credentials_path)];
        }
        let credentials = read_credentials(&credentials_path)?;
        let shared = read_private(&shared_path)?;
        let current_keys = |text: &str| credentials.list().iter().all(|c| text.contains(&c.access_key_id));
        let shared_is_current = current_keys(&String::from_utf8_lossy(&shared));
        let profiles = profiles(&shared);
        let policy = load_policy(&policy_path)?;
        if !keyring_file.path().exists() {
            made.push("keyring.json");
        }
        let (keyring, _) = keyring_file.open(&lanes(&policy), clock::now())?;
        let max_age = rotation.bounds().max_age;
        let current = Snapshot::new(&issuer, max_age, Arc::new(policy), Arc::new(keyring), Arc::new(credentials))?;
        Ok(Self {
            directory: directory.to_owned(),
            policy_path,
            issuer,
            rotation,
            made,
            profiles,
            shared_is_current,
            watched: Mutex::new(Watched { stamps, faults: Vec::new() }),
            current: RwLock::new(Arc::new(current)),
        })
    }

    /// The snapshot of this moment.
    pub fn current(&self) -> Arc<Snapshot> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The issuer's URL.
    pub fn issuer(&self) -> &IssuerUrl {
        &self.issuer
    }

    /// The directory.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The policy file in use.
    pub fn policy_path(&self) -> &Path {
        &self.policy_path
    }

    /// The files that this start made.
    pub fn made(&self) -> &[&'static str] {
        &self.made
    }

    /// The profiles of the shared credentials file.
    pub fn profiles(&self) -> &[String] {
        &self.profiles
    }

    /// Does the shared credentials file name every key of `credentials.yaml`?
    pub fn shared_file_is_current(&self) -> bool {
        self.shared_is_current
    }

    /// Look whether a file has changed, and take over what is good; rotate the keys if it is time for that. What could not be
    /// done is tried again the next time; what comes back is for the log, each fault once as long as it lasts.
    pub fn refresh(&self) -> Vec<String> {
        let mut watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        let keyring_file = KeyringFile::in_directory(&self.directory);
        let credentials_path = self.directory.join("credentials.yaml");
        let found = [stamp(&self.policy_path), stamp(keyring_file.path()), stamp(&credentials_path)];
        let [policy_changed, keyring_changed, credentials_changed] = {
            let [policy, keyring, credentials] = watched.stamps;
            [policy != found[0], keyring != found[1], credentials != found[2]]
        };
        let before = self.current();
        let mut faults: Vec<String> = Vec::new();
        let mut stamps = watched.stamps;
        let [policy_stamp, keyring_stamp, credentials_stamp] = &mut stamps;
        let mut policy = Arc::clone(&before.policy);
        if policy_changed {
            policy = take(load_policy(&self.policy_path), &policy, policy_stamp, found[0], &mut faults);
        }
        let mut credentials = Arc::clone(&before.credentials);
        if credentials_changed {
            let read = read_credentials(&credentials_path);
            credentials = take(read, &credentials, credentials_stamp, found[2], &mut faults);
        }
        let mut swap = |policy: &Arc<Policy>, keyring: &Arc<Keyring>, credentials: &Arc<Credentials>| {
            let (max_age, issuer) = (self.rotation.bounds().max_age, &self.issuer);
            let new = Snapshot::new(issuer, max_age, Arc::clone(policy), Arc::clone(keyring), Arc::clone(credentials));
            match new {
                Ok(new) => *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(new),
                Err(fault) => faults.push(format!("{fault:#} (the last good copy stays in use)")),
            }
        };
        let keyring = Arc::clone(&before.keyring);
        // At once: whoever lost something must not keep it while the ring waits for its lock. A lane that is not open yet
        // answers 503.
        if policy_changed || credentials_changed {
            swap(&policy, &keyring, &credentials);
        }
        let lacking = policy.lanes().iter().any(|lane| keyring.public().signing(*lane).is_none());
        if keyring_changed || lacking {
            match keyring_file.reopen(&lanes(&policy), clock::now()) {
                Ok((keyring, _)) => {
                    *keyring_stamp = found[1];
                    swap(&policy, &Arc::new(keyring), &credentials);
                }
                Err(fault) => {
                    faults.push(format!("{:#} (the last good copy stays in use)", anyhow::Error::from(fault)));
                }
            }
        }
        // Of what is there now: what this writes is seen the next time.
        let current = self.current();
        let rotated = self.rotation.when_due(&keyring_file, current.keyring.public(), current.policy.lanes());
        let notes = match rotated {
            Ok(notes) => notes,
            Err(fault) => {
                faults.push(format!("the keys cannot be rotated: {fault:#}"));
                Vec::new()
            }
        };
        watched.stamps = stamps;
        let known = std::mem::replace(&mut watched.faults, faults.clone());
        let new = faults.into_iter().filter(|fault| !known.contains(fault));
        notes.iter().map(ToString::to_string).chain(new).collect()
    }
}

/// Take what is new and note its stamp, or keep what is there and note the fault.
fn take<T>(new: anyhow::Result<T>, kept: &Arc<T>, stamp: &mut Stamp, found: Stamp, faults: &mut Vec<String>) -> Arc<T> {
    match new {
        Ok(new) => {
            *stamp = found;
            Arc::new(new)
        }
        Err(fault) => {
            faults.push(format!("{fault:#} (the last good copy stays in use)"));
            Arc::clone(kept)
        }
    }
}

/// What is known of the files.
#[derive(Debug)]
struct Watched {
    stamps: [Stamp; 3],
    /// What is wrong with them at the moment.
    faults: Vec<String>,
}

impl Snapshot {
    fn new(
        issuer: &IssuerUrl,
        max_age: u32,
        policy: Arc<Policy>,
        keyring: Arc<Keyring>,
        credentials: Arc<Credentials>,
    ) -> anyhow::Result<Self> {
        let jwks = PublicDocument::jwks(&keyring.public().published()?, max_age)?;
        let lanes: BTreeSet<Algorithm> = keyring.public().lanes();
        let discovery = PublicDocument::discovery(issuer, &format!("{issuer}/token"), &lanes, max_age);
        Ok(Self { policy, keyring, credentials, jwks, discovery })
    }
}

/// The profiles of a shared credentials file, which may be older than `credentials.yaml`, or somebody's own.
fn profiles(text: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(text);
    text.lines().filter_map(|line| Some(line.trim().strip_prefix('[')?.strip_suffix(']')?.trim().to_owned())).collect()
}

/// RS256, and the lanes that the policy's audiences name.
fn lanes(policy: &Policy) -> Vec<Algorithm> {
    policy.lanes().into_iter().collect()
}

fn read_credentials(path: &Path) -> anyhow::Result<Credentials> {
    let text = match read_private(path) {
        Ok(text) => text,
        Err(fault @ FileFault::Readable(..)) => bail!(fault),
        Err(fault) => return Err(fault).context("cannot read the credentials"),
    };
    let text = std::str::from_utf8(&text).with_context(|| format!("{}: not UTF-8", path.display()))?;
    Credentials::parse(text).map_err(|faults| anyhow::anyhow!("{}: {}", path.display(), faults.join("; ")))
}
