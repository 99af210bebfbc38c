//! The data directory: made where it is missing, never touched where it is there, watched for changes.
//!
//! A file that turns bad is reported once and the last good copy stays in use. What the server answers with is one
//! [`Snapshot`], so that a request never sees half of a change.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use anyhow::{Context as _, bail};
use countersign_core::jwk::Algorithm;
use countersign_core::policy::Policy;
use countersign_core::url::IssuerUrl;
use countersign_core::well_known::PublicDocument;
use countersign_keys::file::{KeyringFile, Lock, read_private, write_private};
use countersign_keys::{Keyring, file::FileFault};

use super::credentials::Credentials;
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
    /// The files that this start made.
    made: Vec<&'static str>,
    profiles: Vec<String>,
    stamps: RwLock<[Stamp; 3]>,
    current: RwLock<Arc<Snapshot>>,
}

impl Data {
    /// Open the directory, and make what is missing in it. `policy` wins over the directory's own.
    pub fn open(directory: &Path, policy: Option<&Path>, issuer: IssuerUrl) -> anyhow::Result<Self> {
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
        let credentials = {
            let _lock = Lock::of(directory)?;
            if policy.is_none() && !policy_path.exists() {
                write_private(&policy_path, STARTING_POLICY.as_bytes())?;
                made.push("policy.yaml");
            }
            if !credentials_path.exists() {
                write_private(&credentials_path, Credentials::development().to_yaml().as_bytes())?;
                made.push("credentials.yaml");
            }
            let credentials = read_credentials(&credentials_path)?;
            if !shared_path.exists() {
                write_private(&shared_path, credentials.to_shared_file().as_bytes())?;
                made.push("aws-credentials");
            }
            credentials
        };
        let profiles = profiles(&read_private(&shared_path)?);
        let policy = load_policy(&policy_path)?;
        let keyring_file = KeyringFile::in_directory(directory);
        if !keyring_file.path().exists() {
            made.push("keyring.json");
        }
        let keyring = open_keyring(&keyring_file, &policy)?;
        let stamps = [stamp(&policy_path), stamp(keyring_file.path()), stamp(&credentials_path)];
        let current = Snapshot::new(&issuer, Arc::new(policy), Arc::new(keyring), Arc::new(credentials))?;
        Ok(Self {
            directory: directory.to_owned(),
            policy_path,
            issuer,
            made,
            profiles,
            stamps: RwLock::new(stamps),
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

    /// Look whether a file has changed, and take over what is good. The faults are for the log.
    pub fn refresh(&self) -> Vec<String> {
        let keyring_file = KeyringFile::in_directory(&self.directory);
        let credentials_path = self.directory.join("credentials.yaml");
        let found = [stamp(&self.policy_path), stamp(keyring_file.path()), stamp(&credentials_path)];
        let [policy_changed, keyring_changed, credentials_changed] = {
            let mut stamps = self.stamps.write().unwrap_or_else(PoisonError::into_inner);
            let changed = [stamps[0] != found[0], stamps[1] != found[1], stamps[2] != found[2]];
            *stamps = found;
            changed
        };
        if !(policy_changed || keyring_changed || credentials_changed) {
            return Vec::new();
        }
        let before = self.current();
        let mut faults = Vec::new();
        let mut keep = |fault: anyhow::Error| faults.push(format!("{fault:#} (the last good copy stays in use)"));
        let policy =
            if policy_changed { load_policy(&self.policy_path).map(Arc::new) } else { Ok(Arc::clone(&before.policy)) };
        let policy = policy.unwrap_or_else(|fault| {
            keep(fault);
            Arc::clone(&before.policy)
        });
        let lacking = policy.lanes().iter().any(|lane| before.keyring.public().signing(*lane).is_none());
        let keyring = if keyring_changed || lacking {
            open_keyring(&keyring_file, &policy).map(Arc::new)
        } else {
            Ok(Arc::clone(&before.keyring))
        };
        let keyring = keyring.unwrap_or_else(|fault| {
            keep(fault);
            Arc::clone(&before.keyring)
        });
        let credentials = if credentials_changed {
            read_credentials(&credentials_path).map(Arc::new)
        } else {
            Ok(Arc::clone(&before.credentials))
        };
        let credentials = credentials.unwrap_or_else(|fault| {
            keep(fault);
            Arc::clone(&before.credentials)
        });
        match Snapshot::new(&self.issuer, policy, keyring, credentials) {
            Ok(snapshot) => *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(snapshot),
            Err(fault) => keep(fault),
        }
        faults
    }
}

impl Snapshot {
    fn new(
        issuer: &IssuerUrl,
        policy: Arc<Policy>,
        keyring: Arc<Keyring>,
        credentials: Arc<Credentials>,
    ) -> anyhow::Result<Self> {
        let jwks = PublicDocument::jwks(&keyring.public().published()?)?;
        let lanes: BTreeSet<Algorithm> = keyring.public().lanes();
        let discovery = PublicDocument::discovery(issuer, &format!("{issuer}/token"), &lanes);
        Ok(Self { policy, keyring, credentials, jwks, discovery })
    }
}

/// The profiles of a shared credentials file, which may be older than `credentials.yaml`, or somebody's own.
fn profiles(text: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(text);
    text.lines().filter_map(|line| Some(line.trim().strip_prefix('[')?.strip_suffix(']')?.trim().to_owned())).collect()
}

/// RS256, and the lanes that the policy's audiences name.
fn open_keyring(file: &KeyringFile, policy: &Policy) -> anyhow::Result<Keyring> {
    let lanes: Vec<Algorithm> = policy.lanes().into_iter().collect();
    let (keyring, _) = file.open(&lanes, clock::now())?;
    Ok(keyring)
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
