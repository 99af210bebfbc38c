//! What AWS holds: the secret's versions and labels, the parameter's history, and the time. Also what was ever to be seen
//! of them from outside, since when and until when: `invariants` judges by that.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::{Mutex, PoisonError};

use countersign_aws::snapshot::SourceFault;
use countersign_core::UnixSeconds;
use countersign_core::bounds::Bounds;
use countersign_core::jwk::{Algorithm, Jwk, Jwks, KeyId};
use countersign_core::ring::Ring;
use countersign_core::schedule::Schedule;
use countersign_keys::Keyring;
use countersign_keys::local::LocalKey;
use key_rotator::store::{Done, Label, Versions};

/// Small numbers, so that a run of a few hundred seconds holds several rotations.
pub(crate) const BOUNDS: Bounds =
    Bounds { refresh: 5, last_good: 60, max_age: 5, relying_party: 60, longest_lifetime: 60, skew: 5, margin: 10 };

/// Parameter Store keeps so many versions.
const HISTORY: usize = 100;

/// The bounds with their least times. RS256 is left out, which `Schedule::new` would refuse: making its keys would take most
/// of the time, and no rule of rotation asks for the algorithm. `directed` has one life with RS256 and a checked schedule.
pub(crate) fn schedule(lanes: &[Algorithm]) -> Schedule {
    let least = |seconds: u64| u32::try_from(seconds).unwrap();
    let (announce, retire) = (least(BOUNDS.least_announce()), least(BOUNDS.least_retire()));
    Schedule::dangerous_unchecked(lanes.iter().copied().collect(), announce, retire, BOUNDS)
}

/// What is broken on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sabotage {
    /// Nothing.
    None,
    /// What is published is seen only after the label has moved.
    LatePublish,
    /// The label moves whatever it stands on.
    AnyParent,
    /// The history says that everything has been published for ever.
    OldHistory,
    /// A write replaces the set by the keys of the ring that was stored last.
    NoUnion,
    /// A write that takes keys away is not seen outside.
    KeepsKeys,
}

/// Something that was there from one moment on, until another.
pub(crate) struct Span<T> {
    pub(crate) value: T,
    pub(crate) from: UnixSeconds,
    pub(crate) until: Option<UnixSeconds>,
}

impl<T> Span<T> {
    /// Can somebody who may hold a copy for so long still have one?
    pub(crate) fn held(&self, now: UnixSeconds, lasts: u32) -> bool {
        self.until.is_none_or(|until| now <= until + UnixSeconds::from(lasts))
    }
}

#[derive(Default)]
pub(crate) struct Version {
    pub(crate) labels: BTreeSet<Label>,
    pub(crate) value: Option<Vec<u8>>,
}

pub(crate) struct World {
    pub(crate) now: UnixSeconds,
    /// The rotator's clock, where it is made to stand still.
    pub(crate) rotator_clock: Option<UnixSeconds>,
    pub(crate) versions: BTreeMap<String, Version>,
    pub(crate) parameter: Vec<(UnixSeconds, String)>,
    pub(crate) sabotage: Sabotage,
    /// Every ring that was ever current.
    pub(crate) rings: Vec<Span<Rc<Ring>>>,
    /// Every set that was ever published; none where the parameter was lost.
    pub(crate) sets: Vec<Span<Option<Rc<Jwks>>>>,
    /// Keys that an exception let sign ahead of their time, and until when that excuses them.
    pub(crate) hasty: BTreeMap<KeyId, UnixSeconds>,
    /// Keys that a current ring has as revoked.
    pub(crate) withdrawn: BTreeSet<KeyId>,
    /// Keys whose revocation was reported as done, and when.
    pub(crate) done: BTreeMap<KeyId, UnixSeconds>,
    pub(crate) violations: Vec<String>,
    delayed: Option<String>,
    last_put: Option<Vec<u8>>,
    names: usize,
    keys: usize,
}

impl World {
    pub(crate) fn new(sabotage: Sabotage) -> Self {
        Self {
            now: 1_000_000,
            rotator_clock: None,
            versions: BTreeMap::new(),
            parameter: Vec::new(),
            sabotage,
            rings: Vec::new(),
            sets: Vec::new(),
            hasty: BTreeMap::new(),
            withdrawn: BTreeSet::new(),
            done: BTreeMap::new(),
            violations: Vec::new(),
            delayed: None,
            last_put: None,
            names: 0,
            keys: 0,
        }
    }

    /// The ring that issuers read.
    pub(crate) fn ring(&self) -> Option<&Rc<Ring>> {
        self.rings.last().map(|span| &span.value)
    }

    /// The set that the jwks function reads.
    pub(crate) fn set(&self) -> Option<&Rc<Jwks>> {
        self.sets.last().and_then(|span| span.value.as_ref())
    }

    pub(crate) fn name(&mut self) -> String {
        self.names += 1;
        format!("version-{:032}", self.names)
    }

    /// A private key that this world has not seen.
    pub(crate) fn key(&mut self, lane: Algorithm) -> String {
        self.keys += 1;
        pooled(lane, self.keys)
    }

    /// One that it has seen, if it has seen any.
    pub(crate) fn key_again(&self, which: usize) -> String {
        pooled(Algorithm::ES256, 1 + which % self.keys.max(1))
    }

    pub(crate) fn labels(&self) -> Versions {
        let labelled = self.versions.iter().filter(|(_, version)| !version.labels.is_empty());
        Versions(labelled.map(|(id, version)| (id.clone(), version.labels.clone())).collect())
    }

    /// `RotateSecret`: the version that is pending gets another attempt; otherwise a new one is pending, without a value.
    pub(crate) fn rotate_secret(&mut self) -> String {
        let labels = self.labels();
        match labels.with(Label::Pending) {
            Some(pending) if !labels.has(pending, Label::Current) => pending.to_owned(),
            _ => {
                let token = self.name();
                self.move_label(Label::Pending, &token);
                token
            }
        }
    }

    /// `PutSecretValue`
    pub(crate) fn put(&mut self, id: &str, value: &[u8], label: Label) -> Done<()> {
        let first = self.versions.values().all(|version| version.value.is_none());
        let version = self.versions.entry(id.to_owned()).or_default();
        match &version.value {
            Some(there) if there == value => return Ok(()),
            Some(_) => return Err(SourceFault::new("ResourceExistsException")),
            None => version.value = Some(value.to_vec()),
        }
        self.last_put = Some(value.to_vec());
        if first && label != Label::Current {
            self.move_label(Label::Current, id);
        }
        self.move_label(label, id);
        Ok(())
    }

    /// `UpdateSecretVersionStage` of AWSCURRENT
    pub(crate) fn make_current(&mut self, id: &str, instead_of: &str) -> Done<()> {
        let stands = self.labels().has(instead_of, Label::Current) || self.sabotage == Sabotage::AnyParent;
        if !stands || !self.versions.contains_key(id) {
            return Err(SourceFault::new("InvalidParameterException: RemoveFromVersionId"));
        }
        self.move_label(Label::Current, id);
        if let Some(text) = self.delayed.take() {
            self.show(&text);
        }
        Ok(())
    }

    /// `UpdateSecretVersionStage` without a version to move to
    pub(crate) fn strip(&mut self, label: Label, id: &str) -> Done<()> {
        let there = self.versions.get_mut(id).is_some_and(|version| version.labels.remove(&label));
        if there { Ok(()) } else { Err(SourceFault::new("InvalidParameterException: not attached")) }
    }

    fn move_label(&mut self, label: Label, id: &str) {
        let before = self.labels().with(label).map(str::to_owned);
        if let Some(before) = before.as_ref().and_then(|before| self.versions.get_mut(before)) {
            before.labels.remove(&label);
        }
        self.versions.entry(id.to_owned()).or_default().labels.insert(label);
        if label == Label::Current {
            if let Some(before) = before.filter(|before| before != id) {
                self.move_label(Label::Previous, &before);
            }
            let keyring = Keyring::from_json(self.versions[id].value.as_ref().unwrap(), self.now).unwrap();
            self.label_moved(keyring.public());
        }
    }

    /// `PutParameter`
    pub(crate) fn publish(&mut self, text: &str) {
        let mut text = text.to_owned();
        if self.sabotage == Sabotage::NoUnion {
            let keyring = Keyring::from_json(self.last_put.as_ref().unwrap(), self.now).unwrap();
            text = serde_json::to_string(&keyring.public().published().unwrap()).unwrap();
        }
        self.parameter.push((self.now, text.clone()));
        if self.parameter.len() > HISTORY {
            self.parameter.remove(0);
        }
        match self.sabotage {
            Sabotage::LatePublish => self.delayed = Some(text),
            _ => self.show(&text),
        }
    }

    /// Somebody deletes the parameter, history and all.
    pub(crate) fn lose_parameter(&mut self) {
        self.parameter.clear();
        self.replace_set(None);
    }

    fn show(&mut self, text: &str) {
        self.check_text(text);
        let Ok(set) = serde_json::from_str::<Jwks>(text) else { return };
        let loses = |shown: &Rc<Jwks>| shown.keys().iter().any(|key| !set.keys().contains(key));
        if self.sabotage == Sabotage::KeepsKeys && self.set().is_some_and(loses) {
            return;
        }
        self.set_replaced(&set);
        self.replace_set(Some(Rc::new(set)));
    }

    fn replace_set(&mut self, value: Option<Rc<Jwks>>) {
        if let Some(last) = self.sets.last_mut() {
            last.until = Some(self.now);
        }
        self.sets.push(Span { value, from: self.now, until: None });
    }

    /// Since when this key has been published without a break.
    pub(crate) fn since(&self, key: &Jwk) -> Option<UnixSeconds> {
        let has = |span: &&Span<Option<Rc<Jwks>>>| span.value.as_ref().is_some_and(|set| set.keys().contains(key));
        self.sets.iter().rev().take_while(has).last().map(|span| span.from)
    }

    pub(crate) fn history(&self) -> Vec<(UnixSeconds, String)> {
        let since = |at: UnixSeconds| if self.sabotage == Sabotage::OldHistory { 0 } else { at };
        self.parameter.iter().map(|(at, text)| (since(*at), text.clone())).collect()
    }
}

/// Private keys are made once for all cases.
fn pooled(lane: Algorithm, index: usize) -> String {
    static POOL: Mutex<BTreeMap<Algorithm, Vec<String>>> = Mutex::new(BTreeMap::new());
    let mut pool = POOL.lock().unwrap_or_else(PoisonError::into_inner);
    let keys = pool.entry(lane).or_default();
    while keys.len() <= index {
        keys.push(LocalKey::generate(lane).unwrap().1.to_string());
    }
    keys[index].clone()
}
