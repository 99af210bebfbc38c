//! What a rotation needs of the world: a secret with versions and labels, a parameter, keys that are made, and a clock.
//!
//! Each call is one step that others may come between, and after which everything may stop.

use std::collections::{BTreeMap, BTreeSet};

use countersign_aws::snapshot::SourceFault;
use countersign_core::UnixSeconds;
use countersign_core::jwk::{Algorithm, Jwk};
use countersign_keys::ring::{KmsKeyId, NewKey};
use zeroize::Zeroizing;

/// A staging label of a secret's version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Label {
    /// What issuers read.
    Current,
    /// What the next one is to be.
    Pending,
    /// What issuers read before.
    Previous,
}

impl Label {
    /// The name that Secrets Manager has for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Current => "AWSCURRENT",
            Self::Pending => "AWSPENDING",
            Self::Previous => "AWSPREVIOUS",
        }
    }
}

/// The versions of the secret that have a label, by id. A version may be there before it has a value.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Versions(pub BTreeMap<String, BTreeSet<Label>>);

impl Versions {
    /// The version that has the label.
    pub fn with(&self, label: Label) -> Option<&str> {
        self.0.iter().find(|(_, labels)| labels.contains(&label)).map(|(id, _)| id.as_str())
    }

    /// Has this version the label?
    pub fn has(&self, version: &str, label: Label) -> bool {
        self.0.get(version).is_some_and(|labels| labels.contains(&label))
    }
}

/// Something that was asked of the world and was not done, or may not have been.
pub type Done<T> = Result<T, SourceFault>;

/// The world.
#[expect(async_fn_in_trait, reason = "a rotation runs where it was started, one at a time")]
pub trait Store {
    /// The versions and their labels.
    async fn versions(&self) -> Done<Versions>;
    /// What a version holds; none if it has no value, or is not there.
    async fn value(&self, version: &str) -> Done<Option<Zeroizing<Vec<u8>>>>;
    /// Give a version its value and this label, taken from whichever version has it. The same once more is no fault;
    /// another value for the same version is one.
    async fn put(&self, version: &str, value: &[u8], label: Label) -> Done<()>;
    /// Make one version current in place of another. Not done unless that one is current.
    async fn make_current(&self, version: &str, instead_of: &str) -> Done<()>;
    /// Take a label from a version.
    async fn strip(&self, label: Label, version: &str) -> Done<()>;

    /// The published key set as it stands there; none if the parameter is not there.
    async fn published(&self) -> Done<Option<String>>;
    /// All of its values, the oldest first, and since when each held.
    async fn history(&self) -> Done<Vec<(UnixSeconds, String)>>;
    /// Publish this key set in place of whatever is there.
    async fn publish(&self, set: &str) -> Done<()>;
    /// The key set as the world sees it, if it is known where.
    async fn served(&self) -> Option<Done<Vec<u8>>>;

    /// Make a key of this lane.
    async fn make(&self, lane: Algorithm) -> Done<NewKey>;
    /// The public half of a key in KMS, under the name that it is to have.
    async fn public_half(&self, id: &KmsKeyId, of: &Jwk) -> Done<Jwk>;
    /// Let KMS delete a key. It cannot be used from now on. Once more is no fault.
    async fn delete(&self, id: &KmsKeyId) -> Done<()>;

    /// End the instances that hold older copies; what could not be done, in words.
    async fn restart(&self) -> Vec<String>;

    /// Let a little time pass before something is looked at once more.
    async fn pause(&self);
    /// Now.
    fn now(&self) -> UnixSeconds;
    /// A name for a version that nothing else has, of 32 to 64 characters.
    fn unique(&self) -> String;
}
