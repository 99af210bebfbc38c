//! The four steps of Secrets Manager's rotation, and what else changes the ring: one way for all.
//!
//! ```text
//! create   plan the next ring from the current one, and store it beside: AWSPENDING
//! publish  the keys of both, and whatever else is published         (setSecret)
//! test     sign with it, and verify with what is published          (testSecret)
//! finish   AWSCURRENT moves to it; then its keys are published, and no others
//! ```
//!
//! **Owns** the order: a key is published before the label moves, and leaves the published set only after it. **Relies** on
//! two things of Secrets Manager: the label moves only if it stands where this rotation found it, so that of two
//! rotations that started from one ring only one ends; and a version's value never changes, so that a step that is
//! repeated finds what the first attempt left. Every step may stop after any call, and be called again.
//!
//! The parameter has no such lock: the last write wins. So whoever has written looks once more what is current, and writes
//! that if it is another ring. Between that write and the look, a second rotator can leave out a key that is only just announced,
//! and bring back one that was revoked; if it is killed there, until the next rotation. The function's reserved concurrency of one
//! is what keeps a second one away.
//!
//! **Refuses** a pending ring whose `parent` is no longer current (a revoked key would come back with it), and one that comes
//! so late that a key would be forgotten before its last token has ended.

pub mod check;

use std::collections::BTreeSet;

use countersign_aws::snapshot::SourceFault;
use countersign_core::UnixSeconds;
use countersign_core::jwk::{Jwk, JwkFault, Jwks, KeyId};
use countersign_core::plan::{Change, Note, PlanFault, Publication, plan, still_announced, takes_effect_in_time};
use countersign_core::ring::{Ring, State};
use countersign_core::schedule::Schedule;
use countersign_core::status::{Report, StateName, Status};
use countersign_keys::Keyring;
use countersign_keys::local::verify;
use countersign_keys::ring::{KeyringFault, KmsKeyId, NewKey, Private};

use crate::store::{Label, Store, Versions};

/// The most that the published set may hold, in bytes: what the parameter takes, less a little.
const LARGEST_SET: usize = 8000;
/// The most that a secret may hold, in bytes.
const LARGEST_SECRET: usize = 65_536;
/// How often a write is repeated or looked for before it counts as failed.
const ATTEMPTS: usize = 5;
/// The version of the ring without keys that a secret without a value begins with. A constant, so that two that begin at once
/// do the same.
const FIRST_VERSION: &str = "countersign-0000-the-empty-ring-0000";
/// A ring without keys.
const EMPTY_RING: &[u8] = br#"{"version":1,"keys":[]}"#;

/// What is asked for.
pub enum Order {
    /// Let the announced keys sign, if their time has come.
    Rotate,
    /// Withdraw a key.
    Revoke(KeyId),
    /// Take in a key.
    Import(Box<NewKey>),
}

/// Why a step was not taken. Repeating it is safe.
#[derive(Debug, thiserror::Error)]
pub enum RotationFault {
    /// AWS did not do, or did not answer.
    #[error(transparent)]
    Source(#[from] SourceFault),
    /// The secret holds no ring.
    #[error("the {1} version of the secret")]
    Keyring(#[source] KeyringFault, &'static str),
    /// The plan cannot be made.
    #[error(transparent)]
    Plan(#[from] PlanFault),
    /// The published set is not one.
    #[error("the published key set")]
    Published(#[source] JwkFault),
    /// A step before the one that it needs.
    #[error("{step} out of order: {why}")]
    Order {
        /// Secrets Manager's name of the step.
        step: &'static str,
        /// What is missing.
        why: &'static str,
    },
    /// The ring has changed since this rotation began.
    #[error(
        "the pending ring was made from version {parent}, which is no longer current: it is not taken over, and what was revoked since does not come back"
    )]
    Overtaken {
        /// The version that it was made from.
        parent: String,
    },
    /// It took too long.
    #[error(
        "the pending ring was planned too long ago: a key would be forgotten before its last token has ended. It is withdrawn; rotate again"
    )]
    Late,
    /// The key that was to sign is not known to everybody any more.
    #[error(
        "{0} was to sign, and has not been published without a break for long enough: somebody has changed the published set since. The pending ring is withdrawn; rotate again"
    )]
    Interrupted(KeyId),
    /// More keys than fit.
    #[error(
        "the key set would be {0} bytes long, and a parameter takes {LARGEST_SET}: rotate less often, or use fewer lanes"
    )]
    LargeSet(usize),
    /// More ring than fits.
    #[error("the ring would be {0} bytes long, and a secret takes {LARGEST_SECRET}")]
    LargeRing(usize),
    /// What was written is not what is read.
    #[error("{0} was written and cannot be read back")]
    NotThere(&'static str),
    /// The test failed.
    #[error("the test of the ring failed: {0}")]
    Test(String),
}

/// The protocol, on a store.
pub struct Rotation<'a, S> {
    store: &'a S,
    schedule: &'a Schedule,
}

/// The current ring and its version.
struct Current {
    version: String,
    keyring: Keyring,
}

/// What a step finds: a pending ring, and the current one that it was made from.
struct Stage {
    current: Current,
    pending: Keyring,
}

/// What a look finds that changes nothing.
struct Seen {
    versions: Versions,
    /// None before the first rotation.
    current: Option<Current>,
    publication: Publication,
    status: Status,
}

impl<'a, S: Store> Rotation<'a, S> {
    /// Rotations of this store's ring by this schedule.
    pub fn new(store: &'a S, schedule: &'a Schedule) -> Self {
        Self { store, schedule }
    }

    /// How ring and published set stand.
    pub async fn status(&self) -> Result<Status, RotationFault> {
        Ok(self.look().await?.status)
    }

    async fn look(&self) -> Result<Seen, RotationFault> {
        let versions = self.store.versions().await?;
        let current = self.current(&versions).await?;
        let publication = self.publication().await?;
        let empty = Keyring::empty();
        let keyring = current.as_ref().map_or(&empty, |current| &current.keyring);
        let mut status = Status::new(keyring.public(), &publication, self.schedule, self.store.now());
        for (kid, id) in keyring.kms_keys() {
            if let Some(key) = status.keys.iter_mut().find(|key| key.kid == *kid) {
                key.kms_key_id = Some(id.as_str().to_owned());
            }
        }
        Ok(Seen { versions, current, publication, status })
    }

    /// Change the ring here and now: all four steps, with a version of our own. A rotation that is under way is overtaken.
    pub async fn change(&self, order: Order) -> Result<Report, RotationFault> {
        let version = self.store.unique();
        let changed = self.carry_out(&version, order).await;
        if changed.is_err() {
            // Nobody repeats the steps of this version.
            self.withdraw(&version).await;
        }
        changed
    }

    async fn carry_out(&self, version: &str, order: Order) -> Result<Report, RotationFault> {
        let revokes = matches!(order, Order::Revoke(_));
        let mut notes = self.create(version, order).await?;
        self.publish(version).await?;
        let mut warnings = match self.test(version).await {
            Ok(warnings) => warnings,
            // A leaked key is withdrawn whatever else is wrong, if only the next one signs and is published.
            Err(fault @ RotationFault::Test(_)) if revokes => vec![fault.to_string()],
            Err(fault) => return Err(fault),
        };
        warnings.extend(self.finish(version).await?);
        for note in &mut notes {
            // From now on, not from when it was planned: this is the bound that people rely on.
            if let Note::Revoked { kid, .. } = note {
                *note = Note::revoked(kid.clone(), self.schedule.bounds(), self.store.now());
            }
        }
        if revokes {
            warnings.extend(self.store.restart().await);
            if let Some(previous) = self.store.versions().await?.with(Label::Previous) {
                let stripped = self.store.strip(Label::Previous, previous).await;
                let left = |fault| format!("version {previous} holds the revoked key, and keeps its label: {fault}");
                warnings.extend(stripped.err().map(left));
            }
        }
        Ok(Report { notes, warnings, status: self.status().await? })
    }

    /// `createSecret`: plan the next ring, make its keys, and store it as pending.
    pub async fn create(&self, version: &str, order: Order) -> Result<Vec<Note>, RotationFault> {
        let mut versions = self.store.versions().await?;
        if versions.with(Label::Current).is_none() {
            // The first value would become current by itself, before its keys are published: so the first one has none.
            self.store.put(FIRST_VERSION, EMPTY_RING, Label::Current).await?;
            versions = self.store.versions().await?;
        }
        if versions.has(version, Label::Current) {
            return Ok(Vec::new());
        }
        let current = self.current(&versions).await?.ok_or(RotationFault::NotThere("the first ring"))?;
        if let Some(value) = self.store.value(version).await? {
            if !versions.has(version, Label::Pending) {
                return Err(RotationFault::Order { step: "createSecret", why: "this version was withdrawn" });
            }
            self.pending(version, &value, &current).await?;
            return Ok(Vec::new());
        }
        // What the Go service kept may be a key of another lane, and would be retired before anything else can sign.
        let lanes = self.schedule.lanes();
        let mut stray =
            current.keyring.public().keys().iter().map(|key| key.public.alg()).filter(|lane| !lanes.contains(lane));
        if let (None, Some(lane)) = (current.keyring.parent(), stray.next()) {
            return Err(PlanFault::Lane(lane).into());
        }
        for warning in self.delete_forgotten(&versions, &current.keyring).await? {
            tracing::warn!("{warning}");
        }

        let (change, imported) = match order {
            Order::Rotate => (Change::Rotate, None),
            Order::Revoke(kid) => (Change::Revoke(kid), None),
            Order::Import(key) => (Change::Import(key.public().clone()), Some(*key)),
        };
        let publication = self.publication().await?;
        let plan = plan(current.keyring.public(), &publication, self.schedule, &change, self.store.now())?;
        let mut made = Vec::new();
        for make in plan.make() {
            made.push(self.store.make(make.lane).await?);
        }
        let next = current.keyring.next(&plan, made, imported, Some(current.version));
        let next = next.map_err(|fault| RotationFault::Keyring(fault, "next"))?;
        text_of(&published(next.public())?)?;
        let value = next.to_json();
        if value.len() > LARGEST_SECRET {
            return Err(RotationFault::LargeRing(value.len()));
        }
        self.store.put(version, &value, Label::Pending).await?;
        for _ in 0..ATTEMPTS {
            let there = self.store.value(version).await?.is_some_and(|read| *read == *value);
            if there && self.store.versions().await?.has(version, Label::Pending) {
                return Ok(plan.notes().to_vec());
            }
            self.store.pause().await;
        }
        Err(RotationFault::NotThere("the pending ring"))
    }

    /// `setSecret`: publish the keys of the pending ring beside those of the current one.
    pub async fn publish(&self, version: &str) -> Result<(), RotationFault> {
        let Some(Stage { current, pending }) = self.stage(version, "setSecret").await? else { return Ok(()) };
        let revoked: BTreeSet<&KeyId> = pending.public().revoked().iter().map(|revoked| &revoked.kid).collect();
        for _ in 0..ATTEMPTS {
            let before = self.published_set().await?;
            let mut keys: Vec<Jwk> = Vec::new();
            let rings = pending.public().keys().iter().chain(current.keyring.public().keys()).map(|key| &key.public);
            // Whatever else is published may be another rotation's: it leaves with the label's move, not before.
            let others = before.as_ref().map(Jwks::keys).unwrap_or_default();
            let others = others.iter().filter(|key| !revoked.contains(key.kid()));
            for key in rings.chain(others) {
                if !keys.iter().any(|other| other.kid() == key.kid()) {
                    keys.push(key.clone());
                }
            }
            let set = Jwks::new(keys).map_err(RotationFault::Published)?;
            if before.as_ref() == Some(&set) {
                return Ok(());
            }
            let text = text_of(&set).or_else(|_| text_of(&published(pending.public())?))?;
            self.store.publish(&text).await?;
            // What was current when this set was made may not be any more, and what was revoked since must not stay in it.
            match self.stage(version, "setSecret").await {
                Ok(Some(_)) => {}
                other => {
                    self.settle(version).await?;
                    return other.map(drop);
                }
            }
            if lacking(pending.public(), self.published_set().await?.as_ref()).is_empty() {
                return Ok(());
            }
            self.store.pause().await;
        }
        Err(RotationFault::NotThere("the key set"))
    }

    /// `testSecret`: sign with the pending ring and verify with what is published; what the world does not show yet is a
    /// warning. Called alone, before anything was created, it tests the current ring.
    pub async fn test(&self, version: &str) -> Result<Vec<String>, RotationFault> {
        let versions = self.store.versions().await?;
        let current = self.current(&versions).await?;
        let (mut revoked_from, mut opens) = (None, false);
        let keyring = match (self.store.value(version).await?, current) {
            (Some(value), Some(current)) if current.version != version => {
                if !versions.has(version, Label::Pending) {
                    return Err(RotationFault::Order { step: "testSecret", why: "this version is not pending" });
                }
                let pending = self.pending(version, &value, &current).await?;
                revoked_from = revokes(&pending, &current.keyring).then(|| current.keyring.public().clone());
                opens = current.keyring.public().keys().is_empty();
                pending
            }
            // A ring that no rotation has made has published nothing yet.
            (_, Some(current)) if current.keyring.parent().is_none() => return Ok(Vec::new()),
            (_, Some(current)) => current.keyring,
            (_, None) => return Ok(Vec::new()),
        };
        let mut warnings = self.check_ring(&keyring, revoked_from.as_ref()).await?;
        match self.check_served(keyring.public()).await {
            // No relying party knows an issuer without keys, and the public address may be made after its first ones.
            Err(RotationFault::Test(why)) if opens => warnings.push(why),
            served => warnings.extend(served?),
        }
        Ok(warnings)
    }

    /// `finishSecret`: the pending ring becomes the current one, and what is published is what it says. What comes back was
    /// not tidied up.
    pub async fn finish(&self, version: &str) -> Result<Vec<String>, RotationFault> {
        if let Some(Stage { current, pending }) = self.stage(version, "finishSecret").await? {
            let (next, before) = (pending.public(), current.keyring.public());
            self.check_ring(&pending, revokes(&pending, &current.keyring).then_some(before)).await?;
            let publication = self.publication().await?;
            let now = self.store.now();
            let in_time = takes_effect_in_time(next, before, self.schedule, now).then_some(());
            let ready = in_time.ok_or(RotationFault::Late).and_then(|()| {
                still_announced(next, before, &publication, self.schedule, now).map_err(RotationFault::Interrupted)
            });
            if let Err(fault) = ready {
                self.withdraw(version).await;
                return Err(fault);
            }
            if let Err(fault) = self.store.make_current(version, &current.version).await {
                // The answer may have been lost, and the label moved all the same.
                if !self.store.versions().await?.has(version, Label::Current) {
                    return Err(fault.into());
                }
            }
        }
        self.settle(version).await
    }

    /// Publish exactly the current ring, whichever that is by now, and tidy up.
    async fn settle(&self, version: &str) -> Result<Vec<String>, RotationFault> {
        for attempt in 0.. {
            let versions = self.store.versions().await?;
            let current = self.current(&versions).await?.ok_or(RotationFault::NotThere("the current ring"))?;
            let text = text_of(&published(current.keyring.public())?)?;
            if self.store.published().await?.as_deref() == Some(&text) {
                if versions.has(version, Label::Pending) {
                    self.store.strip(Label::Pending, version).await?;
                }
                // Nobody should go back to a ring without keys.
                if versions.has(FIRST_VERSION, Label::Previous) {
                    self.store.strip(Label::Previous, FIRST_VERSION).await?;
                }
                return self.delete_forgotten(&versions, &current.keyring).await;
            }
            if attempt == ATTEMPTS {
                break;
            }
            self.store.publish(&text).await?;
            if attempt > 0 {
                self.store.pause().await;
            }
        }
        Err(RotationFault::NotThere("the key set"))
    }

    /// Let KMS delete what the ring before named and this one does not, and what is revoked. What cannot be deleted keeps nobody
    /// from rotating, and is tried again by the next rotation.
    async fn delete_forgotten(&self, versions: &Versions, current: &Keyring) -> Result<Vec<String>, RotationFault> {
        let revoked = current.public().revoked().iter();
        let mut gone: Vec<(KeyId, KmsKeyId)> = revoked
            .filter_map(|revoked| Some((revoked.kid.clone(), KmsKeyId::try_from(revoked.kms_key_id.clone()?).ok()?)))
            .collect();
        if let Some(previous) = versions.with(Label::Previous) {
            let value = self.store.value(previous).await?;
            // What cannot be read names nothing.
            let previous = value.and_then(|value| Keyring::from_json(&value, self.store.now()).ok());
            let keys = current.public().keys();
            let kept = |kid: &KeyId| keys.iter().any(|key| key.public.kid() == kid);
            let named = previous.iter().flat_map(Keyring::kms_keys).filter(|(kid, _)| !kept(kid));
            gone.extend(named.map(|(kid, id)| (kid.clone(), id.clone())));
        }
        gone.retain(|(_, id)| current.kms_keys().all(|(_, kept)| !kept.is(id)));
        let mut warnings = Vec::new();
        for (kid, id) in gone {
            if let Err(fault) = self.store.delete(&id).await {
                warnings.push(format!("the KMS key {} of {kid} is not deleted: {fault}", id.as_str()));
            }
        }
        Ok(warnings)
    }

    /// What a step after the first one finds; nothing if the version is current, because an earlier attempt got as far.
    async fn stage(&self, version: &str, step: &'static str) -> Result<Option<Stage>, RotationFault> {
        let versions = self.store.versions().await?;
        if versions.has(version, Label::Current) {
            return Ok(None);
        }
        if !versions.has(version, Label::Pending) {
            return Err(RotationFault::Order { step, why: "this version is not pending" });
        }
        let value = self.store.value(version).await?;
        let value = value.ok_or(RotationFault::Order { step, why: "createSecret has stored nothing yet" })?;
        let current = self.current(&versions).await?.ok_or(RotationFault::NotThere("the current ring"))?;
        let pending = self.pending(version, &value, &current).await?;
        Ok(Some(Stage { current, pending }))
    }

    /// A pending ring, if it was made from what is current; else it is withdrawn.
    async fn pending(&self, version: &str, value: &[u8], current: &Current) -> Result<Keyring, RotationFault> {
        let pending = Keyring::from_json(value, self.store.now());
        let pending = pending.map_err(|fault| RotationFault::Keyring(fault, "pending"))?;
        match pending.parent() {
            Some(parent) if parent == current.version => Ok(pending),
            parent => {
                self.withdraw(version).await;
                Err(RotationFault::Overtaken { parent: parent.unwrap_or_default().to_owned() })
            }
        }
    }

    /// Left there, the label would keep Secrets Manager from rotating again. That it cannot be taken does not matter beside
    /// why it has to be.
    async fn withdraw(&self, version: &str) {
        let withdrawn = async {
            let pending = self.store.versions().await?.has(version, Label::Pending);
            if pending { self.store.strip(Label::Pending, version).await } else { Ok(()) }
        };
        if let Err(fault) = withdrawn.await {
            tracing::warn!(version, %fault, "cannot be withdrawn");
        }
    }

    async fn current(&self, versions: &Versions) -> Result<Option<Current>, RotationFault> {
        let Some(version) = versions.with(Label::Current) else { return Ok(None) };
        let Some(value) = self.store.value(version).await? else { return Ok(None) };
        // Only a key of the Go service has a name to be looked up.
        let set = self.store.published().await?.and_then(|text| serde_json::from_str(&text).ok());
        let name = |key: &Jwk| set.as_ref().and_then(|set| key.name_in(set));
        let keyring = Keyring::from_stored(&value, name, self.store.now());
        let keyring = keyring.map_err(|fault| RotationFault::Keyring(fault, "current"))?;
        Ok(Some(Current { version: version.to_owned(), keyring }))
    }

    /// What is published, and since when.
    async fn publication(&self) -> Result<Publication, RotationFault> {
        let history = self.store.history().await?;
        Ok(Publication::from_history(
            history.into_iter().map(|(since, text)| (since, serde_json::from_str(&text).ok())),
        ))
    }

    /// What is published, if it is a key set.
    async fn published_set(&self) -> Result<Option<Jwks>, RotationFault> {
        Ok(self.store.published().await?.and_then(|text| serde_json::from_str(&text).ok()))
    }

    /// Every key of the ring is published, and those that sign or will make signatures that the published ones verify.
    ///
    /// Where a key is revoked `from` a ring, only those count that sign because of it: another one that is of no use does not keep a
    /// leaked key in its place, and is a warning.
    async fn check_ring(&self, keyring: &Keyring, from: Option<&Ring>) -> Result<Vec<String>, RotationFault> {
        let set = self.published_set().await?;
        if let Some(kid) = lacking(keyring.public(), set.as_ref()).first() {
            return Err(RotationFault::Test(format!("{kid} is not published")));
        }
        let mut warnings = Vec::new();
        for key in keyring.public().keys().iter().filter(|key| key.state.name() != StateName::Retired) {
            if let Err(why) = self.check_key(keyring, &key.public).await {
                let signs = matches!(key.state, State::Signing { .. });
                if from.is_none_or(|from| signs && from.signing(key.public.alg()) != Some(&key.public)) {
                    return Err(RotationFault::Test(why));
                }
                warnings.push(why);
            }
        }
        Ok(warnings)
    }

    /// Is the private half of this published key what it should be?
    async fn check_key(&self, keyring: &Keyring, published: &Jwk) -> Result<(), String> {
        let kid = published.kid();
        match keyring.private(kid) {
            Some(Private::Local(local, _)) => {
                let signed = local.sign_now(kid.as_str().as_bytes());
                let signature = signed.map_err(|error| format!("{kid} does not sign: {error}"))?;
                if verify(published, kid.as_str().as_bytes(), &signature) {
                    return Ok(());
                }
                Err(format!("the signature of {kid} is not that of the published key"))
            }
            // It may not sign: that the keys are one key is all that there is to be seen.
            Some(Private::Kms(id)) => match self.store.public_half(id, published).await {
                Ok(half) if half == *published => Ok(()),
                Ok(_) => Err(format!("the KMS key of {kid} is not the published key")),
                Err(fault) => Err(format!("the KMS key of {kid}: {fault}")),
            },
            None => Err(format!("{kid} has no private half")),
        }
    }

    /// What relying parties see. A key that they must see by now, and do not, is a fault; one that is on its way is not.
    async fn check_served(&self, ring: &Ring) -> Result<Vec<String>, RotationFault> {
        let Some(served) = self.store.served().await else { return Ok(Vec::new()) };
        let failed = |text: String| RotationFault::Test(format!("PUBLIC_JWKS_URL: {text}"));
        let served = served.map_err(|fault| failed(fault.to_string()))?;
        let set: Jwks = serde_json::from_slice(&served).map_err(|error| failed(format!("no key set: {error}")))?;
        let publication = self.publication().await?;
        let bounds = self.schedule.bounds();
        let on_its_way = i64::from(bounds.refresh) + i64::from(bounds.last_good) + i64::from(bounds.max_age);
        let mut warnings = Vec::new();
        for key in ring.keys().iter().filter(|key| !set.keys().contains(&key.public)) {
            let kid = key.public.kid();
            let since = publication.since(&key.public).unwrap_or(UnixSeconds::MAX);
            if since.saturating_add(on_its_way) <= self.store.now() {
                return Err(failed(format!("{kid} has been published for long and is not served")));
            }
            if matches!(key.state, State::Signing { .. }) {
                warnings.push(format!("{kid} signs, and is not served yet"));
            }
        }
        Ok(warnings)
    }
}

/// Is a key revoked with this ring?
fn revokes(pending: &Keyring, current: &Keyring) -> bool {
    pending.public().revoked().len() > current.public().revoked().len()
}

/// The keys of the ring that the set lacks.
fn lacking<'r>(ring: &'r Ring, set: Option<&Jwks>) -> Vec<&'r KeyId> {
    let there = |key: &Jwk| set.is_some_and(|set| set.keys().contains(key));
    ring.keys().iter().map(|key| &key.public).filter(|key| !there(key)).map(Jwk::kid).collect()
}

fn published(ring: &Ring) -> Result<Jwks, RotationFault> {
    ring.published().map_err(RotationFault::Published)
}

/// A key set as it is published.
fn text_of(set: &Jwks) -> Result<String, RotationFault> {
    let text = serde_json::to_string(set).unwrap_or_default();
    if text.len() > LARGEST_SET { Err(RotationFault::LargeSet(text.len())) } else { Ok(text) }
}
