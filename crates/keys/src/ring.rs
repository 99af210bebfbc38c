//! The ring as it is stored, private halves and all: one JSON document.
//!
//! Reading it checks what the public side cannot: each private key is parsed, belongs to the public key beside it, and
//! a retired key has none any more. Also read is what the earlier Go service stored, `{"private_key": PEM, ...}`.
//!
//! In place of a private key an entry may name a key of AWS KMS, which signs there.

use std::collections::BTreeMap;
use std::fmt;

use countersign_core::UnixSeconds;
use countersign_core::jwk::{Algorithm, Jwk, KeyId};
use countersign_core::jws::Signer as _;
use countersign_core::plan::Plan;
use countersign_core::ring::{Revoked, Ring, RingFault, RingKey, State};
use countersign_core::status::StateName;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::local::{KeyFault, LocalKey};

/// The ring: its public side, and a signer for each key that may sign.
pub struct Keyring {
    ring: Ring,
    parent: Option<String>,
    keys: BTreeMap<KeyId, Private>,
}

/// The private half of a key, or where it is.
pub enum Private {
    /// Here: parsed, and as it is stored.
    Local(LocalKey, Zeroizing<String>),
    /// In AWS KMS.
    Kms(KmsKeyId),
}

/// A key of AWS KMS: its ARN, or its id.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct KmsKeyId(String);

impl KmsKeyId {
    /// The text, as KMS takes it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Is it the same key, be it named by ARN or by id?
    pub fn is(&self, other: &Self) -> bool {
        let id = |text: &str| text.rsplit('/').next().map(str::to_owned);
        id(&self.0) == id(&other.0)
    }
}

impl TryFrom<String> for KmsKeyId {
    type Error = &'static str;

    /// An alias names another key from one day to the next, so it is none.
    fn try_from(text: String) -> Result<Self, Self::Error> {
        let id = match text.splitn(6, ':').collect::<Vec<_>>().as_slice() {
            ["arn", _, "kms", _, _, resource] => resource.strip_prefix("key/").unwrap_or_default(),
            _ => text.as_str(),
        };
        let legal = (1..=128).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        if legal { Ok(Self(text)) } else { Err("not the ARN or id of a KMS key") }
    }
}

impl From<KmsKeyId> for String {
    fn from(id: KmsKeyId) -> Self {
        id.0
    }
}

/// A key that is yet to be in a ring: its public half, and the private one.
pub struct NewKey {
    public: Jwk,
    private: Private,
}

impl NewKey {
    /// Make one of this lane, here.
    pub fn generate(lane: Algorithm) -> Result<Self, KeyFault> {
        let (key, pem) = LocalKey::generate(lane)?;
        Ok(Self { public: key.key().clone(), private: Private::Local(key, pem) })
    }

    /// One that was made elsewhere, from PEM (PKCS#1 or PKCS#8). Its name is its thumbprint unless it is published under
    /// another.
    ///
    /// What is stored is that key alone, as PKCS#8: what else the text holds is left out, and another private key is refused.
    pub fn from_pem(pem: &str, kid: Option<&KeyId>) -> Result<Self, KeyFault> {
        let key = LocalKey::from_pem_of_any_lane(pem, kid)?;
        let stored = key.to_pem()?;
        Ok(Self { public: key.key().clone(), private: Private::Local(key, stored) })
    }

    /// One that stays in AWS KMS.
    pub fn in_kms(public: Jwk, id: KmsKeyId) -> Self {
        Self { public, private: Private::Kms(id) }
    }

    /// Its public half.
    pub fn public(&self) -> &Jwk {
        &self.public
    }
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
    /// A key that is to be taken in or made: it does not parse, or the generator failed.
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
    #[serde(default, skip_serializing_if = "Option::is_none")]
    kms_key_id: Option<KmsKeyId>,
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
        Self::from_stored(text, |_| None, now)
    }

    /// The same; `published` tells the name under which a key of the Go service is published.
    pub fn from_stored(
        text: &[u8],
        published: impl FnOnce(&Jwk) -> Option<KeyId>,
        now: UnixSeconds,
    ) -> Result<Self, KeyringFault> {
        match serde_json::from_slice::<Document>(text) {
            Ok(document) => Self::from_document(document),
            Err(error) => match serde_json::from_slice::<Earlier>(text) {
                Ok(earlier) => {
                    let key = NewKey::from_pem(&earlier.private_key, None).map_err(KeyringFault::Imported)?;
                    Self::import(&earlier.private_key, published(key.public()).as_ref(), now)
                }
                Err(_) => Err(fault(&error)),
            },
        }
    }

    /// A ring of one signing key, from PEM (PKCS#1 or PKCS#8), under the name that it is already published under.
    pub fn import(pem: &str, kid: Option<&KeyId>, now: UnixSeconds) -> Result<Self, KeyringFault> {
        let key = NewKey::from_pem(pem, kid).map_err(KeyringFault::Imported)?;
        let mut keyring = Self::empty();
        keyring.add(key, State::Signing { announced_at: now, signing_since: now })?;
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
            match (&entry.private_key, &entry.kms_key_id, entry.state) {
                (Some(_), _, StateName::Retired) => return Err(fault("a retired key keeps its public half only")),
                (Some(_), Some(_), _) => return Err(fault("its private half is in two places")),
                (None, None, StateName::Announced | StateName::Signing) => {
                    return Err(fault("its private half is missing"));
                }
                (None, None, StateName::Retired) => {}
                (None, Some(id), _) => {
                    keys.insert(entry.kid.clone(), Private::Kms(id.clone()));
                }
                (Some(pem), None, _) => {
                    let key = LocalKey::from_pem(pem, entry.alg, Some(entry.kid.clone()))
                        .map_err(|why| KeyringFault::Private(entry.kid.clone(), why))?;
                    if *key.key() != entry.public {
                        return Err(fault("its private and public halves are not one key"));
                    }
                    keys.insert(entry.kid.clone(), Private::Local(key, pem.clone()));
                }
            }
            entries.push(RingKey { public: entry.public, state });
        }
        Ok(Self { ring: Ring::new(entries, document.revoked)?, parent: document.parent, keys })
    }

    /// The ring that this plan makes of it, with the keys that the plan asks for, in its order. `imported` is the key that is
    /// taken in, and `parent` the version that this ring is.
    pub fn next(
        mut self,
        plan: &Plan,
        made: Vec<NewKey>,
        imported: Option<NewKey>,
        parent: Option<String>,
    ) -> Result<Self, KeyringFault> {
        let public: Vec<Jwk> = made.iter().map(|key| key.public.clone()).collect();
        let ring = plan.ring(&public)?;
        let new = made.into_iter().chain(imported).map(|key| (key.public.kid().clone(), key.private));
        self.keys.extend(new);
        let mut keys = BTreeMap::new();
        for key in ring.keys() {
            let kid = key.public.kid();
            match (self.keys.remove(kid), key.state.name()) {
                // It signs no more. KMS is told when the key is forgotten: until then an issuer may hold the ring before.
                (Some(Private::Local(..)) | None, StateName::Retired) => {}
                (None, _) => return Err(KeyringFault::Key(kid.clone(), "its private half is missing")),
                (Some(private), _) => {
                    keys.insert(kid.clone(), private);
                }
            }
        }
        // Until KMS has it deleted, a revoked key can sign for whoever may use it: where it is must not be forgotten.
        let in_kms = |kid: &KeyId| match self.keys.get(kid) {
            Some(Private::Kms(id)) => Some(id.as_str().to_owned()),
            _ => None,
        };
        let revoked = ring.revoked().iter().cloned();
        let revoked = revoked.map(|entry| Revoked { kms_key_id: in_kms(&entry.kid).or(entry.kms_key_id), ..entry });
        let ring = Ring::new(ring.keys().to_vec(), revoked.collect())?;
        Ok(Self { ring, parent, keys })
    }

    /// The document to be stored. It holds the private keys.
    pub fn to_json(&self) -> Zeroizing<Vec<u8>> {
        let entries = self.ring.keys().iter().map(|key| {
            let (signing_since, retired_at) = match key.state {
                State::Announced { .. } => (None, None),
                State::Signing { signing_since, .. } => (Some(signing_since), None),
                State::Retired { signing_since, retired_at, .. } => (Some(signing_since), Some(retired_at)),
            };
            let kid = key.public.kid().clone();
            let (private_key, kms_key_id) = match self.keys.get(&kid) {
                Some(Private::Local(_, pem)) => (Some(pem.clone()), None),
                Some(Private::Kms(id)) => (None, Some(id.clone())),
                None => (None, None),
            };
            Entry {
                kid,
                alg: key.public.alg(),
                state: key.state.name(),
                announced_at: key.state.announced_at(),
                signing_since,
                retired_at,
                public: key.public.clone(),
                private_key,
                kms_key_id,
            }
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
    /// For the issuer on one machine, where nobody waits a day for the first token of a new lane. A relying party that keeps
    /// the key set may not know the new key yet: in AWS the rotator announces the first key of a new lane as any other.
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
            let is_announced = |key: &RingKey| key.public.alg() == lane && matches!(key.state, State::Announced { .. });
            let announced = self.ring.keys().iter().any(is_announced);
            let states =
                [State::Signing { announced_at: now, signing_since: now }, State::Announced { announced_at: now }];
            for state in states.into_iter().take(if announced { 1 } else { 2 }) {
                self.add(NewKey::generate(lane).map_err(KeyringFault::Imported)?, state)?;
            }
            opened.push(lane);
        }
        Ok(opened)
    }

    fn add(&mut self, key: NewKey, state: State) -> Result<(), KeyringFault> {
        let mut keys = self.ring.keys().to_vec();
        keys.push(RingKey { public: key.public.clone(), state });
        self.ring = Ring::new(keys, self.ring.revoked().to_vec())?;
        self.keys.insert(key.public.kid().clone(), key.private);
        Ok(())
    }

    /// The public side.
    pub fn public(&self) -> &Ring {
        &self.ring
    }

    /// The version of the secret that this ring was made from.
    pub fn parent(&self) -> Option<&str> {
        self.parent.as_deref()
    }

    /// The signer of this key, if the key is here.
    pub fn signer(&self, kid: &KeyId) -> Option<&LocalKey> {
        match self.keys.get(kid)? {
            Private::Local(key, _) => Some(key),
            Private::Kms(_) => None,
        }
    }

    /// The private half of this key, or where it is.
    pub fn private(&self, kid: &KeyId) -> Option<&Private> {
        self.keys.get(kid)
    }

    /// The keys of AWS KMS that it names.
    pub fn kms_keys(&self) -> impl Iterator<Item = (&KeyId, &KmsKeyId)> {
        self.keys.iter().filter_map(|(kid, private)| match private {
            Private::Kms(id) => Some((kid, id)),
            Private::Local(..) => None,
        })
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
