//! The ring as people look at it: each key, what becomes of it and when, and whether the published set says the same.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::UnixSeconds;
use crate::jwk::{Algorithm, KeyId};
use crate::plan::{Note, Publication};
use crate::ring::{Revoked, Ring, State};
use crate::schedule::Schedule;

/// The state of a key, by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StateName {
    /// Published, does not sign yet.
    Announced,
    /// Signs.
    Signing,
    /// Signs no more, still published.
    Retired,
}

impl fmt::Display for StateName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Announced => "announced",
            Self::Signing => "signing",
            Self::Retired => "retired",
        })
    }
}

impl State {
    /// Its name.
    pub fn name(self) -> StateName {
        match self {
            Self::Announced { .. } => StateName::Announced,
            Self::Signing { .. } => StateName::Signing,
            Self::Retired { .. } => StateName::Retired,
        }
    }
}

/// One key. Times are Unix seconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyStatus {
    /// Its name.
    pub kid: KeyId,
    /// Its lane.
    pub alg: Algorithm,
    /// Where it stands.
    pub state: StateName,
    /// First published, as the ring has it.
    pub announced_at: UnixSeconds,
    /// Signs, or signed, since then.
    pub signing_since: Option<UnixSeconds>,
    /// Signs no more since then.
    pub retired_at: Option<UnixSeconds>,
    /// An announced key: from when on a rotation lets it sign.
    pub ready_at: Option<UnixSeconds>,
    /// A retired key: from when on a rotation forgets it.
    pub gone_at: Option<UnixSeconds>,
    /// Is it in the published set?
    pub published: bool,
    /// Is its private half in KMS?
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kms_key_id: Option<String>,
}

/// The ring and the published set, at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The moment, by the clock of whoever looked.
    pub at: UnixSeconds,
    /// The keys of the ring.
    pub keys: Vec<KeyStatus>,
    /// The keys that may not come back.
    pub revoked: Vec<Revoked>,
    /// Is the published set exactly the ring?
    pub agree: bool,
    /// Keys that are published and not in the ring.
    pub strangers: Vec<KeyId>,
    /// What is amiss, in words.
    pub warnings: Vec<String>,
}

/// What was done with the ring, and how it stands since.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// What people should know.
    pub notes: Vec<Note>,
    /// What was not as it should be, in words: the change holds all the same.
    #[serde(default)]
    pub warnings: Vec<String>,
    /// The ring after it.
    pub status: Status,
}

impl Status {
    /// How this ring stands.
    pub fn new(ring: &Ring, published: &Publication, schedule: &Schedule, now: UnixSeconds) -> Self {
        let keys: Vec<KeyStatus> = ring
            .keys()
            .iter()
            .map(|key| {
                let since = published.since(&key.public);
                let (mut signing_since, mut retired_at, mut ready_at, mut gone_at) = (None, None, None, None);
                match key.state {
                    State::Announced { announced_at } => {
                        // Not published, its time has not even begun.
                        ready_at = since.map(|since| schedule.ready_at(since.max(announced_at)));
                    }
                    State::Signing { signing_since: since, .. } => signing_since = Some(since),
                    State::Retired { signing_since: since, retired_at: at, .. } => {
                        (signing_since, retired_at) = (Some(since), Some(at));
                        gone_at = Some(schedule.gone_at(at));
                    }
                }
                KeyStatus {
                    kid: key.public.kid().clone(),
                    alg: key.public.alg(),
                    state: key.state.name(),
                    announced_at: key.state.announced_at(),
                    signing_since,
                    retired_at,
                    ready_at,
                    gone_at,
                    published: since.is_some(),
                    kms_key_id: None,
                }
            })
            .collect();
        let strangers: Vec<KeyId> = published
            .keys()
            .filter(|key| !ring.keys().iter().any(|own| own.public == **key))
            .map(|key| key.kid().clone())
            .collect();
        let agree = published.agrees_with(ring);
        let mut warnings = Vec::new();
        for key in keys.iter().filter(|key| !key.published) {
            let effect = if key.state == StateName::Announced { "" } else { ": tokens of it are rejected" };
            warnings.push(format!("{} is {} and not in the published set{effect}", key.kid, key.state));
        }
        for kid in &strangers {
            let revoked = ring.revoked().iter().any(|revoked| revoked.kid == *kid);
            let what = if revoked { "is revoked and still published" } else { "is published and not in the ring" };
            warnings.push(format!("{kid} {what}"));
        }
        for lane in schedule.lanes() {
            if ring.signing(*lane).is_none() {
                warnings.push(format!("no key signs in the lane {lane}"));
            }
        }
        if !agree {
            warnings.push(
                "ring and published set disagree: a rotation publishes the ring, even if it comes too early to promote"
                    .to_owned(),
            );
        }
        Self { at: now, keys, revoked: ring.revoked().to_vec(), agree, strangers, warnings }
    }
}
