//! The ring as it is stored, private halves and all: one JSON document.
//!
//! Reading it checks what the public side cannot: each private key is parsed, belongs to the public key beside it, and
//! a retired key has none any more. Also read is what the earlier Go service stored, `{"private_key": PEM, ...}`.

use std::collections::BTreeMap;
use std::fmt;

use countersign_core::UnixSeconds;
use countersign_core::jwk::{Algorithm, Jwk, KeyId};
use countersign_core::jws::Signer as _;
use countersign_core::ring::{Revoked, Ring, RingFault, RingKey, State};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::local::{KeyFault, LocalKey};

/// The ring: its public side, and a signer for each key that may sign.
pub struct Keyring {
    ring: Ring,
    parent: Option<String>,
    keys: BTreeMap<KeyId, (LocalKey, Zeroizing<String>)>,
}

/// Why a document is not a key ring. It never repeats what the document holds.
#[derive(Debug, thiserror::Error)]
pub enum KeyringFault {
    /// Not the JSON that a ring is. The position only: serde's text could quote what it found.
    #[error("not a key ring: {what} at line {line} column {column}")]
    Json {
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
        /// The kind of fault.
        what: &'static str,
    },
    /// Another format's version.
    #[error("version {0} of the ring's format is not known")]
    Version(u32),
    /// A key whose parts contradict each other.
    #[error("the key {0}: {1}")]
    Key(KeyId, &'static str),
    /// A private key that does not parse.
    #[error("the private half of the key {0}")]
    Private(KeyId, #[source] KeyFault),
    /// The Go service's private key does not parse.
    #[error("the private key")]
    Imported(#[source] KeyFault),
    /// The keys together are no ring.
    #[error(transparent)]
    Ring(#[from] RingFault),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    version: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    parent: Option<String>,
    keys: Vec<Entry>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    revoked: Vec<Revoked>,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum StateName {
    Announced,
    Signing,
    Retired,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    kid: KeyId,
    alg: Algorithm,
    state: StateName,
    announced_at: UnixSeconds,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    signing_since: Option<UnixSeconds>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    retired_at: Option<UnixSeconds>,
    public: Jwk,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    private_key: Option<Zeroizing<String>>,
}

/// What the Go service kept: whatever it says of the public key is not needed.
#[derive(Deserialize)]
struct Earlier {
    private_key: Zeroizing<String>,
}

impl Entry {
    fn state(&self) -> Result<State, KeyringFault> {
        let announced_at = self.announced_at;
        match (self.state, self.signing_since, self.retired_at) {
            (StateName::Announced, None, None) => Ok(State::Announced { announced_at }),
            (StateName::Signing, Some(signing_since), None) => Ok(State::Signing { announced_at, signing_since }),
            (StateName::Retired, Some(signing_since), Some(retired_at)) => {
                Ok(State::Retired { announced_at, signing_since, retired_at })
            }
            _ => Err(KeyringFault::Key(self.kid.clone(), "its state and its times do not fit together")),
        }
    }
}

impl Keyring {
    /// A ring without keys.
    pub fn empty() -> Self {
        Self { ring: Ring::default(), parent: None, keys: BTreeMap::new() }
    }

    /// Read the stored document. A secret of the Go service becomes a ring of one signing key, published since `now`.
    pub fn from_json(text: &[u8], now: UnixSeconds) -> Result<Self, KeyringFault> {
        match serde_json::from_slice::<Document>(text) {
            Ok(document) => Self::from_document(document),
            Err(error) => match serde_json::from_slice::<Earlier>(text) {
                Ok(earlier) => Self::import(&earlier.private_key, None, now),
                Err(_) => Err(fault(&error)),
            },
        }
    }

    /// A ring of one signing key, from PEM (PKCS#1 or PKCS#8), under the name that it is already published under.
    pub fn import(pem: &str, kid: Option<&KeyId>, now: UnixSeconds) -> Result<Self, KeyringFault> {
        let key = LocalKey::from_pem_of_any_lane(pem, kid).map_err(KeyringFault::Imported)?;
        let mut keyring = Self::empty();
        keyring.add(key, Zeroizing::new(pem.to_owned()), State::Signing { announced_at: now, signing_since: now })?;
        Ok(keyring)
    }

    fn from_document(document: Document) -> Result<Self, KeyringFault> {
        if document.version != 1 {
            return Err(KeyringFault::Version(document.version));
        }
        let mut keys = BTreeMap::new();
        let mut entries = Vec::with_capacity(document.keys.len());
        for entry in document.keys {
            let state = entry.state()?;
            let fault = |what| KeyringFault::Key(entry.kid.clone(), what);
            if *entry.public.kid() != entry.kid || entry.public.alg() != entry.alg {
                return Err(fault("its public half has another kid or alg"));
            }
            match (&entry.private_key, entry.state) {
                (Some(_), StateName::Retired) => return Err(fault("a retired key keeps its public half only")),
                (None, StateName::Announced | StateName::Signing) => return Err(fault("its private half is missing")),
                (None, StateName::Retired) => {}
                (Some(pem), _) => {
                    let key = LocalKey::from_pem(pem, entry.alg, Some(entry.kid.clone()))
                        .map_err(|why| KeyringFault::Private(entry.kid.clone(), why))?;
                    if *key.key() != entry.public {
                        return Err(fault("its private and public halves are not one key"));
                    }
                    keys.insert(entry.kid.clone(), (key, pem.clone()));
                }
            }
            entries.push(RingKey { public: entry.public, state });
        }
        Ok(Self { ring: Ring::new(entries, document.revoked)?, parent: document.parent, keys })
    }

    /// The document to be stored. It holds the private keys.
    pub fn to_json(&self) -> Zeroizing<Vec<u8>> {
        let entries = self.ring.keys().iter().map(|key| {
            let (state, announced_at, signing_since, retired_at) = match key.state {
                State::Announced { announced_at } => (StateName::Announced, announced_at, None, None),
                State::Signing { announced_at, signing_since } => {
                    (StateName::Signing, announced_at, Some(signing_since), None)
                }
                State::Retired { announced_at, signing_since, retired_at } => {
                    (StateName::Retired, announced_at, Some(signing_since), Some(retired_at))
                }
            };
            let kid = key.public.kid().clone();
            let private_key = self.keys.get(&kid).map(|(_, pem)| pem.clone());
            let (alg, public) = (key.public.alg(), key.public.clone());
            Entry { kid, alg, state, announced_at, signing_since, retired_at, public, private_key }
        });
        let document = Document {
            version: 1,
            parent: self.parent.clone(),
            keys: entries.collect(),
            revoked: self.ring.revoked().to_vec(),
        };
        Zeroizing::new(serde_json::to_vec_pretty(&document).unwrap_or_default())
    }

    /// Give each of these lanes that has no signing key one, and an announced one; the lanes that were added.
    ///
    /// An empty lane is one of the two cases in which a key signs before it was announced for long: nobody can hold an
    /// older set that lacks it and still be handed tokens of the lane.
    pub fn open_lanes(
        &mut self,
        lanes: impl IntoIterator<Item = Algorithm>,
        now: UnixSeconds,
    ) -> Result<Vec<Algorithm>, KeyringFault> {
        let mut opened = Vec::new();
        for lane in lanes {
            if self.ring.signing(lane).is_some() {
                continue;
            }
            for state in
                [State::Signing { announced_at: now, signing_since: now }, State::Announced { announced_at: now }]
            {
                let (key, pem) = LocalKey::generate(lane).map_err(KeyringFault::Imported)?;
                self.add(key, pem, state)?;
            }
            opened.push(lane);
        }
        Ok(opened)
    }

    fn add(&mut self, key: LocalKey, pem: Zeroizing<String>, state: State) -> Result<(), KeyringFault> {
        let mut keys = self.ring.keys().to_vec();
        keys.push(RingKey { public: key.key().clone(), state });
        self.ring = Ring::new(keys, self.ring.revoked().to_vec())?;
        self.keys.insert(key.key().kid().clone(), (key, pem));
        Ok(())
    }

    /// The public side.
    pub fn public(&self) -> &Ring {
        &self.ring
    }

    /// The signer of this key.
    pub fn signer(&self, kid: &KeyId) -> Option<&LocalKey> {
        self.keys.get(kid).map(|(key, _)| key)
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keyring").field("keys", &self.ring.keys().len()).finish_non_exhaustive()
    }
}

fn fault(error: &serde_json::Error) -> KeyringFault {
    let what = match error.classify() {
        serde_json::error::Category::Syntax => "no JSON",
        serde_json::error::Category::Eof => "the text ends early",
        serde_json::error::Category::Data => "a missing, unknown, repeated or malformed field",
        serde_json::error::Category::Io => "unreadable",
    };
    KeyringFault::Json { line: error.line(), column: error.column(), what }
}
