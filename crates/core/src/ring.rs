//! The public side of the key ring: which keys there are, which one signs, and what is published.
//!
//! The private halves are `countersign-keys`' own. A [`Ring`] that exists has at most one signing key a lane, no name
//! twice, and no revoked name among its keys.

use std::collections::BTreeSet;

use crate::UnixSeconds;
use crate::jwk::{Algorithm, Jwk, JwkFault, Jwks, KeyId};

/// Where a key stands in its life. `announced_at` is when it was first *published*, not when it was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Published, so that relying parties come to know it; does not sign yet.
    Announced {
        /// First published.
        announced_at: UnixSeconds,
    },
    /// The one key of its lane that signs.
    Signing {
        /// First published.
        announced_at: UnixSeconds,
        /// Signs from then on.
        signing_since: UnixSeconds,
    },
    /// Signs no more, still published for what it signed.
    Retired {
        /// First published.
        announced_at: UnixSeconds,
        /// Signed from then on.
        signing_since: UnixSeconds,
        /// Signs no more from then on.
        retired_at: UnixSeconds,
    },
}

impl State {
    /// When the key was first published.
    pub fn announced_at(self) -> UnixSeconds {
        match self {
            Self::Announced { announced_at }
            | Self::Signing { announced_at, .. }
            | Self::Retired { announced_at, .. } => announced_at,
        }
    }
}

/// One key of the ring, public half.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RingKey {
    /// The key as published.
    pub public: Jwk,
    /// Where it stands.
    pub state: State,
}

/// A key withdrawn for good.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Revoked {
    /// Its name, which no import may bring back.
    pub kid: KeyId,
    /// When it was withdrawn.
    pub at: UnixSeconds,
    /// Its private half in AWS KMS, which has to be deleted there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kms_key_id: Option<String>,
}

impl Revoked {
    /// Withdrawn at this moment.
    pub fn new(kid: KeyId, at: UnixSeconds) -> Self {
        Self { kid, at, kms_key_id: None }
    }
}

/// Why a set of keys is not a ring.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RingFault {
    /// Two keys of one lane sign.
    #[error("two {0} keys are in state signing")]
    TwoSigning(Algorithm),
    /// One name twice.
    #[error("the key id {0} appears twice")]
    Repeated(KeyId),
    /// A revoked key is back.
    #[error("the key {0} is revoked and may not come back")]
    Revoked(KeyId),
    /// The keys that were made are not those that were asked for.
    #[error("a key for the lane {0} was to be made, and was not")]
    Made(Algorithm),
}

/// The ring, public side.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ring {
    keys: Vec<RingKey>,
    revoked: Vec<Revoked>,
}

impl Ring {
    /// A ring of these keys.
    pub fn new(keys: Vec<RingKey>, revoked: Vec<Revoked>) -> Result<Self, RingFault> {
        let mut names = BTreeSet::new();
        let mut signing = BTreeSet::new();
        for key in &keys {
            let kid = key.public.kid();
            if !names.insert(kid) {
                return Err(RingFault::Repeated(kid.clone()));
            }
            // A name of somebody's own choice does not get round it: a thumbprint is the key.
            if revoked.iter().any(|r| r.kid == *kid || r.kid.as_str() == key.public.thumbprint()) {
                return Err(RingFault::Revoked(kid.clone()));
            }
            if matches!(key.state, State::Signing { .. }) && !signing.insert(key.public.alg()) {
                return Err(RingFault::TwoSigning(key.public.alg()));
            }
        }
        Ok(Self { keys, revoked })
    }

    /// Every key, in the order in which it is stored.
    pub fn keys(&self) -> &[RingKey] {
        &self.keys
    }

    /// The keys that may not come back.
    pub fn revoked(&self) -> &[Revoked] {
        &self.revoked
    }

    /// The key that signs in this lane, if the lane has one.
    pub fn signing(&self, lane: Algorithm) -> Option<&Jwk> {
        self.keys
            .iter()
            .find(|key| key.public.alg() == lane && matches!(key.state, State::Signing { .. }))
            .map(|key| &key.public)
    }

    /// The lanes that have a signing key.
    pub fn lanes(&self) -> BTreeSet<Algorithm> {
        self.keys.iter().filter(|k| matches!(k.state, State::Signing { .. })).map(|k| k.public.alg()).collect()
    }

    /// What is published: every key, whatever its state.
    pub fn published(&self) -> Result<Jwks, JwkFault> {
        Jwks::new(self.keys.iter().map(|key| key.public.clone()).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(fill: u8, state: State) -> RingKey {
        RingKey { public: Jwk::ec(Algorithm::ES256, &[&[4], [fill; 64].as_slice()].concat(), None).unwrap(), state }
    }

    const ANNOUNCED: State = State::Announced { announced_at: 1 };
    const SIGNING: State = State::Signing { announced_at: 1, signing_since: 2 };
    const RETIRED: State = State::Retired { announced_at: 1, signing_since: 2, retired_at: 3 };

    #[test]
    fn every_state_is_published_and_one_signs() {
        let ring = Ring::new(vec![key(1, RETIRED), key(2, SIGNING), key(3, ANNOUNCED)], vec![]).unwrap();
        assert_eq!(ring.published().unwrap().keys().len(), 3);
        assert_eq!(ring.signing(Algorithm::ES256), Some(&key(2, SIGNING).public));
        assert_eq!(ring.signing(Algorithm::RS256), None);
        assert_eq!(ring.lanes().into_iter().collect::<Vec<_>>(), [Algorithm::ES256]);
    }

    #[test]
    fn an_empty_ring_publishes_nothing() {
        assert_eq!(Ring::default().published(), Err(JwkFault::Empty));
    }

    #[test]
    fn refuses_two_signing_keys_a_repeated_kid_and_a_revoked_one() {
        let kid = key(1, SIGNING).public.kid().clone();
        assert_eq!(
            Ring::new(vec![key(1, SIGNING), key(2, SIGNING)], vec![]),
            Err(RingFault::TwoSigning(Algorithm::ES256))
        );
        assert_eq!(Ring::new(vec![key(1, SIGNING), key(1, RETIRED)], vec![]), Err(RingFault::Repeated(kid.clone())));
        let revoked = vec![Revoked::new(kid.clone(), 9)];
        assert_eq!(Ring::new(vec![key(1, SIGNING)], revoked), Err(RingFault::Revoked(kid)));
    }
}
