//! What an alarm looks at, once an hour: is the published set the ring, how old are the keys that sign, and does the public
//! address serve them.
//!
//! **Refuses** to change anything. It looks once and does not wait: the function does one thing at a time, so a rotation that
//! is under way goes on only after the check has answered.

use std::time::Duration;

use countersign_aws::metrics::Metric;
use countersign_core::UnixSeconds;
use countersign_core::jwk::{Jwk, Jwks, KeyId};
use countersign_core::ring::Ring;
use countersign_core::status::{KeyStatus, StateName, Status};
use countersign_keys::Keyring;
use serde::ser::SerializeStruct as _;
use serde::{Serialize, Serializer};

use super::{Rotation, RotationFault, Seen};
use crate::store::{Done, Label, Store};

/// How ring, published set and public address stand.
#[derive(Debug, Serialize)]
pub struct Check {
    /// Ring and published set.
    #[serde(flatten)]
    pub status: Status,
    /// Do they differ by a rotation that is under way, and by nothing else?
    #[serde(skip)]
    pub under_way: bool,
    /// `PUBLIC_JWKS_URL`, if there is one.
    pub public: Option<Public>,
}

/// The key set at the public address: of use to relying parties, or why it is not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Public(Result<(), String>);

/// What is written down of a check.
#[derive(Debug, Serialize)]
pub struct Record<'a> {
    time: UnixSeconds,
    action: &'static str,
    signing: Vec<&'a KeyId>,
    agree: bool,
    under_way: bool,
    strangers: &'a [KeyId],
    warnings: &'a [String],
    public: Option<&'a Public>,
}

impl<S: Store> Rotation<'_, S> {
    /// What [`Rotation::status`] tells, and what relying parties see.
    pub async fn check(&self) -> Result<Check, RotationFault> {
        let seen = self.look().await?;
        let under_way = !seen.status.agree && self.is_under_way(&seen).await?;
        let empty = Keyring::empty();
        let keyring = seen.current.as_ref().map_or(&empty, |current| &current.keyring);
        let public = self.store.served().await.map(|served| Public::of(served, keyring.public()));
        Ok(Check { status: seen.status, under_way, public })
    }

    /// Is what is published exactly what `setSecret` leaves there until `finishSecret`: the keys of the current ring and of
    /// the pending one that was made from it?
    ///
    /// For no longer than a rotation may take. How long, is told by the time at which Parameter Store first had the keys that
    /// are not of the ring: what the pending ring says was written by whoever wrote it.
    async fn is_under_way(&self, seen: &Seen) -> Result<bool, RotationFault> {
        let (Some(version), Some(current)) = (seen.versions.with(Label::Pending), &seen.current) else {
            return Ok(false);
        };
        let value = self.store.value(version).await?;
        // What is no ring explains nothing.
        let pending = value.and_then(|value| Keyring::from_json(&value, self.store.now()).ok());
        let Some(pending) = pending.filter(|pending| pending.parent() == Some(current.version.as_str())) else {
            return Ok(false);
        };
        let (own, next) = (public_keys(&current.keyring), public_keys(&pending));
        let (now, longest) = (self.store.now(), u64::from(self.schedule.takes_effect_within()));
        let since = |key: &Jwk| seen.publication.since(key);
        let complete = own.iter().chain(&next).all(|key| since(key).is_some());
        let explained = |key: &Jwk| {
            own.contains(&key) || next.contains(&key) && since(key).is_some_and(|since| since.abs_diff(now) <= longest)
        };
        Ok(complete && seen.publication.keys().all(explained))
    }
}

impl Check {
    /// For CloudWatch.
    pub fn metrics(&self) -> Vec<Metric> {
        let flag = |name, is| Metric { value: u64::from(is), ..Metric::count(name) };
        let mut metrics = vec![flag("KeysDisagree", !self.status.agree && !self.under_way)];
        if let Some(since) = self.signing().filter_map(|key| key.signing_since).min() {
            // By a clock that went back, no key is younger than new.
            let age = u64::try_from(self.status.at.saturating_sub(since)).unwrap_or_default();
            metrics.push(Metric::age("SigningKeyAge", Duration::from_secs(age)));
        }
        metrics.extend(self.public.as_ref().map(|public| flag("JwksUnusable", public.0.is_err())));
        metrics
    }

    /// For people.
    pub fn record(&self) -> Record<'_> {
        let Status { at, agree, strangers, warnings, .. } = &self.status;
        Record {
            time: *at,
            action: "check",
            signing: self.signing().map(|key| &key.kid).collect(),
            agree: *agree,
            under_way: self.under_way,
            strangers,
            warnings,
            public: self.public.as_ref(),
        }
    }

    fn signing(&self) -> impl Iterator<Item = &KeyStatus> {
        self.status.keys.iter().filter(|key| key.state == StateName::Signing)
    }
}

impl Public {
    /// It has to be a key set, with every key that signs in it. Announced and retired ones are a rotation's to look for.
    fn of(served: Done<Vec<u8>>, ring: &Ring) -> Self {
        let look = || {
            let served = served.map_err(|fault| fault.to_string())?;
            let set: Jwks = serde_json::from_slice(&served).map_err(|error| no_key_set(&error))?;
            let signing =
                ring.keys().iter().filter(|key| key.state.name() == StateName::Signing).map(|key| &key.public);
            let faults: Vec<String> = signing
                .filter(|key| !set.keys().contains(key))
                .map(|key| {
                    let renamed = set.keys().iter().any(|other| other.kid() == key.kid());
                    let what = if renamed { "another key is served under its name" } else { "is not served" };
                    format!("{} signs, and {what}", key.kid())
                })
                .collect();
            if faults.is_empty() { Ok(()) } else { Err(faults.join("; ")) }
        };
        Self(look())
    }
}

impl Serialize for Public {
    /// `{"usable": BOOL, "fault": TEXT or null}`
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let fault = self.0.as_ref().err();
        let mut public = serializer.serialize_struct("Public", 2)?;
        public.serialize_field("usable", &fault.is_none())?;
        public.serialize_field("fault", &fault)?;
        public.end()
    }
}

/// Where, and not what: serde's words would quote a private key that lies in the wrong place.
fn no_key_set(error: &serde_json::Error) -> String {
    match (error.line(), error.column()) {
        // The fault is the set's as a whole.
        (0, _) => "no key set: it has no key, or two of one name".to_owned(),
        (line, column) => format!("no key set, at line {line} column {column}"),
    }
}

fn public_keys(keyring: &Keyring) -> Vec<&Jwk> {
    keyring.public().keys().iter().map(|key| &key.public).collect()
}
