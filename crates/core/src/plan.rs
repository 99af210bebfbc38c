//! The next ring: what a rotation, a revocation or an import makes of the one that there is.
//!
//! [`plan`] is pure. It says which keys stay and in which state, and which have to be made; whoever has the private halves
//! makes them, publishes, and stores the result. It trusts no time of the ring alone: a key is published since the *later*
//! of what the ring says and what was seen where it is published.

use serde::{Deserialize, Serialize};

use crate::UnixSeconds;
use crate::bounds::Bounds;
use crate::jwk::{Algorithm, Jwk, Jwks, KeyId};
use crate::ring::{Revoked, Ring, RingFault, RingKey, State};
use crate::schedule::Schedule;
use crate::status::StateName;

/// The published set, and since when each key of it has been in it without a break.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Publication {
    keys: Vec<(Jwk, UnixSeconds)>,
}

impl Publication {
    /// Nothing is published.
    pub fn nothing() -> Self {
        Self::default()
    }

    /// Where the ring is what is published, as in a data directory: as it says itself.
    pub fn of_ring(ring: &Ring) -> Self {
        Self { keys: ring.keys().iter().map(|key| (key.public.clone(), key.state.announced_at())).collect() }
    }

    /// From all that was ever published, the oldest first, each with the moment at which it took the place of the one
    /// before. What was no key set breaks every key's time.
    pub fn from_history(history: impl IntoIterator<Item = (UnixSeconds, Option<Jwks>)>) -> Self {
        let mut current = Self::nothing();
        for (since, set) in history {
            let before = current;
            let keys = set.into_iter().flat_map(|set| set.keys().to_vec());
            current = Self {
                keys: keys.map(|key| (before.since(&key).unwrap_or(since), key)).map(|(s, k)| (k, s)).collect(),
            };
        }
        current
    }

    /// Since when this very key has been published, if it is.
    pub fn since(&self, key: &Jwk) -> Option<UnixSeconds> {
        self.keys.iter().find(|(published, _)| published == key).map(|(_, since)| *since)
    }

    /// The keys that are published now.
    pub fn keys(&self) -> impl Iterator<Item = &Jwk> {
        self.keys.iter().map(|(key, _)| key)
    }

    /// Is exactly this ring published?
    pub fn agrees_with(&self, ring: &Ring) -> bool {
        self.keys.len() == ring.keys().len() && ring.keys().iter().all(|key| self.since(&key.public).is_some())
    }
}

/// What is asked of the ring.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Let each lane's announced key sign, if its time has come.
    Rotate,
    /// Withdraw a key for good, at once.
    Revoke(KeyId),
    /// Take in a key that was made elsewhere.
    Import(Jwk),
}

/// A key that has to be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Make {
    /// Its lane.
    pub lane: Algorithm,
    /// The state that it has from the start.
    pub state: State,
}

/// Something about a plan that people should know. Times are Unix seconds.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(tag = "note", rename_all = "snake_case")]
pub enum Note {
    /// The ring was empty.
    #[error("{lane}: the ring was empty, so a new key signs at once")]
    Opened {
        /// The lane.
        lane: Algorithm,
    },
    /// A lane that had no key.
    #[error("{lane}: a new lane. Its first key is announced now, and signs with the first rotation after {ready_at}")]
    NewLane {
        /// The lane.
        lane: Algorithm,
        /// When its key may sign.
        ready_at: UnixSeconds,
    },
    /// A lane that is not asked for any more.
    #[error("{lane}: the lane is not configured any more; its keys sign no longer")]
    Closed {
        /// The lane.
        lane: Algorithm,
    },
    /// The announced key took over.
    #[error("{lane}: {kid} signs from now on")]
    Promoted {
        /// The lane.
        lane: Algorithm,
        /// The key.
        kid: KeyId,
    },
    /// The rotation comes too early: nothing was promoted.
    #[error("{lane}: too early. The announced key {kid} may sign from {ready_at} on; nothing was promoted")]
    Early {
        /// The lane.
        lane: Algorithm,
        /// The announced key.
        kid: KeyId,
        /// When it may sign.
        ready_at: UnixSeconds,
    },
    /// There was no announced key that could take over.
    #[error("{lane}: there was no announced key; one is announced now, and may sign from {ready_at} on")]
    NoneAnnounced {
        /// The lane.
        lane: Algorithm,
        /// When it may sign.
        ready_at: UnixSeconds,
    },
    /// A key of the ring was missing from the published set.
    #[error("{kid} was not published, and is now: until {known_at} relying parties may hold a key set without it")]
    Unpublished {
        /// The key.
        kid: KeyId,
        /// When nobody holds the old set any more.
        known_at: UnixSeconds,
    },
    /// A key is forgotten, since nothing that it signed can be valid any more.
    #[error("{kid} is gone: nothing that it signed can be valid any more")]
    Removed {
        /// The key.
        kid: KeyId,
    },
    /// A key was withdrawn.
    #[error(
        "{kid} is revoked. Relying parties may accept it until {until}, and until {at_worst} if the key set cannot be fetched"
    )]
    Revoked {
        /// The key.
        kid: KeyId,
        /// When nobody holds a set with it any more.
        until: UnixSeconds,
        /// The same if the parameter cannot be read from now on.
        at_worst: UnixSeconds,
    },
    /// It was withdrawn before: what was left to do is done.
    #[error("{kid} was revoked before")]
    RevokedBefore {
        /// The key.
        kid: KeyId,
    },
    /// A key signs before everybody can know it, since the one before it was withdrawn.
    #[error(
        "{lane}: {kid} signs ahead of its time: until {until} relying parties may still hold a key set without it, and reject its tokens"
    )]
    Hasty {
        /// The lane.
        lane: Algorithm,
        /// The key.
        kid: KeyId,
        /// When nobody holds a set without it any more.
        until: UnixSeconds,
    },
    /// No key was announced when the one that signed was withdrawn.
    #[error(
        "{lane}: no key was announced, so a new one signs at once: until {until} relying parties may still hold a key set without it, and reject its tokens"
    )]
    HastyNew {
        /// The lane.
        lane: Algorithm,
        /// When nobody holds a set without it any more.
        until: UnixSeconds,
    },
    /// An announced key made room for an imported one.
    #[error("{kid} is retired, and makes room for the imported key")]
    Replaced {
        /// The key.
        kid: KeyId,
    },
}

impl Note {
    /// This key leaves the published set now.
    pub fn revoked(kid: KeyId, bounds: Bounds, now: UnixSeconds) -> Self {
        let until = later(now, bounds.key_set_lasts());
        Self::Revoked { kid, until, at_worst: until.saturating_add(bounds.last_good.into()) }
    }
}

/// Why there is no plan.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanFault {
    /// Neither in the ring nor published.
    #[error("there is no key {0}, neither in the ring nor in the published set")]
    Unknown(KeyId),
    /// The same key is there already, under this name.
    #[error("the key is in the ring already, as {0}")]
    Present(KeyId),
    /// The name belongs to another key: one cannot be withdrawn without the other.
    #[error("{0} is the name or the thumbprint of another key in the ring")]
    Name(KeyId),
    /// No lane takes the key.
    #[error("the lane {0} is not configured")]
    Lane(Algorithm),
    /// The keys together are no ring.
    #[error(transparent)]
    Ring(#[from] RingFault),
}

/// The next ring, but for the keys that have yet to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    kept: Vec<RingKey>,
    revoked: Vec<Revoked>,
    make: Vec<Make>,
    notes: Vec<Note>,
}

impl Plan {
    /// The keys to make, in the order in which [`Plan::ring`] takes them.
    pub fn make(&self) -> &[Make] {
        &self.make
    }

    /// What people should know.
    pub fn notes(&self) -> &[Note] {
        &self.notes
    }

    /// The next ring, with the keys that were made: one for each [`Make`], of its lane.
    pub fn ring(&self, made: &[Jwk]) -> Result<Ring, RingFault> {
        let mut keys = self.kept.clone();
        for (make, public) in self.make.iter().zip(made) {
            if public.alg() != make.lane {
                return Err(RingFault::Made(make.lane));
            }
            keys.push(RingKey { public: public.clone(), state: make.state });
        }
        if made.len() != self.make.len() {
            return Err(RingFault::Made(self.make.get(made.len()).map_or(Algorithm::RS256, |make| make.lane)));
        }
        Ring::new(keys, self.revoked.clone())
    }
}

/// What this change makes of the ring at this moment.
pub fn plan(
    ring: &Ring,
    published: &Publication,
    schedule: &Schedule,
    change: &Change,
    now: UnixSeconds,
) -> Result<Plan, PlanFault> {
    let mut planner = Planner {
        published,
        schedule,
        now,
        plan: Plan { kept: Vec::new(), revoked: ring.revoked().to_vec(), make: Vec::new(), notes: Vec::new() },
    };
    planner.keep(ring);
    match change {
        Change::Rotate => planner.rotate(ring.keys().is_empty()),
        Change::Revoke(kid) => planner.revoke(kid)?,
        Change::Import(key) => planner.import(key, ring.keys().is_empty())?,
    }
    Ok(planner.plan)
}

/// May the announced keys that `pending` lets sign still take over from `current`? Not if that comes so late that their
/// predecessors would be forgotten too early.
pub fn takes_effect_in_time(pending: &Ring, current: &Ring, schedule: &Schedule, now: UnixSeconds) -> bool {
    current.keys().iter().filter(|key| matches!(key.state, State::Signing { .. })).all(|signing| {
        let after = pending.keys().iter().find(|key| key.public == signing.public);
        match after.map(|key| key.state) {
            Some(State::Retired { retired_at, .. }) => {
                now <= retired_at.saturating_add(schedule.takes_effect_within().into())
            }
            _ => true,
        }
    })
}

/// Have the announced keys that `pending` lets sign been published for long enough, without a break, to this very moment? What
/// takes over from a revoked key need not have been.
pub fn still_announced(
    pending: &Ring,
    current: &Ring,
    published: &Publication,
    schedule: &Schedule,
    now: UnixSeconds,
) -> Result<(), KeyId> {
    if pending.revoked().len() > current.revoked().len() {
        return Ok(());
    }
    for key in current.keys().iter().filter(|key| matches!(key.state, State::Announced { .. })) {
        let signs = pending.signing(key.public.alg()) == Some(&key.public);
        let ready = published.since(&key.public).is_some_and(|since| schedule.ready_at(since) <= now);
        if signs && !ready {
            return Err(key.public.kid().clone());
        }
    }
    Ok(())
}

/// When the next rotation is worth while, if each key is to sign for `every` seconds: not before a key that could take over may
/// do so, and at once where a lane has none.
pub fn next_rotation(ring: &Ring, published: &Publication, schedule: &Schedule, every: u32) -> UnixSeconds {
    let of_lane = |lane: &Algorithm| {
        let keys = ring.keys().iter().filter(|key| key.public.alg() == *lane);
        let (mut over_at, mut ready_at) = (UnixSeconds::MIN, UnixSeconds::MIN);
        for key in keys {
            match key.state {
                State::Signing { signing_since, .. } => over_at = signing_since.saturating_add(every.into()),
                State::Announced { announced_at } => {
                    let since = published.since(&key.public).map_or(announced_at, |since| since.max(announced_at));
                    ready_at = schedule.ready_at(since);
                }
                State::Retired { .. } => {}
            }
        }
        // Nothing could take over: a key has to be announced first.
        if ready_at == UnixSeconds::MIN { UnixSeconds::MIN } else { over_at.max(ready_at) }
    };
    schedule.lanes().iter().map(of_lane).min().unwrap_or(UnixSeconds::MAX)
}

struct Planner<'a> {
    published: &'a Publication,
    schedule: &'a Schedule,
    now: UnixSeconds,
    plan: Plan,
}

impl Planner<'_> {
    /// Everything that was there, with the time at which it was really published.
    fn keep(&mut self, ring: &Ring) {
        for key in ring.keys() {
            let seen = self.published.since(&key.public);
            if seen.is_none() {
                let kid = key.public.kid().clone();
                self.note(Note::Unpublished { kid, known_at: self.known_at(self.now) });
            }
            let since = seen.unwrap_or(self.now).max(key.state.announced_at());
            let state = match key.state {
                State::Announced { .. } => State::Announced { announced_at: since },
                // What signs or has signed did so under the time that it had then.
                other => other,
            };
            self.plan.kept.push(RingKey { public: key.public.clone(), state });
        }
    }

    fn rotate(&mut self, empty: bool) {
        for lane in self.schedule.lanes().clone() {
            if empty {
                self.open(lane);
            } else {
                self.rotate_lane(lane);
            }
        }
        self.close_other_lanes();
        self.forget();
    }

    /// A lane of an empty ring.
    fn open(&mut self, lane: Algorithm) {
        let (announced_at, signing_since) = (self.now, self.now);
        self.make(lane, State::Signing { announced_at, signing_since });
        self.make(lane, State::Announced { announced_at });
        self.note(Note::Opened { lane });
    }

    fn rotate_lane(&mut self, lane: Algorithm) {
        let (now, ready_at) = (self.now, self.schedule.ready_at(self.now));
        let signs = self.find(lane, |state| matches!(state, State::Signing { .. })).is_some();
        let Some((kid, announced_at)) = self.find(lane, |state| matches!(state, State::Announced { .. })) else {
            self.make(lane, State::Announced { announced_at: now });
            self.note(if signs { Note::NoneAnnounced { lane, ready_at } } else { Note::NewLane { lane, ready_at } });
            return;
        };
        let ready_at = self.schedule.ready_at(announced_at);
        if ready_at <= now {
            self.promote(lane, &kid);
            self.make(lane, State::Announced { announced_at: now });
        } else {
            self.note(Note::Early { lane, kid, ready_at });
        }
    }

    /// The announced key of the lane signs, and the one that signed is retired.
    fn promote(&mut self, lane: Algorithm, kid: &KeyId) {
        let now = self.now;
        for key in self.plan.kept.iter_mut().filter(|key| key.public.alg() == lane) {
            key.state = match key.state {
                State::Signing { .. } => retired(key.state, now),
                State::Announced { announced_at } if key.public.kid() == kid => {
                    State::Signing { announced_at, signing_since: now }
                }
                other => other,
            };
        }
        self.note(Note::Promoted { lane, kid: kid.clone() });
    }

    /// Lanes that are not configured any more: none of their keys signs.
    fn close_other_lanes(&mut self) {
        let (now, lanes) = (self.now, self.schedule.lanes());
        let mut closed = Vec::new();
        for key in self.plan.kept.iter_mut().filter(|key| !lanes.contains(&key.public.alg())) {
            let lane = key.public.alg();
            if key.state.name() != StateName::Retired && !closed.contains(&lane) {
                closed.push(lane);
            }
            key.state = retired(key.state, now);
        }
        self.plan.notes.extend(closed.into_iter().map(|lane| Note::Closed { lane }));
    }

    /// Retired keys whose time is over.
    fn forget(&mut self) {
        let (now, schedule) = (self.now, self.schedule);
        let over = |key: &RingKey| match key.state {
            State::Retired { retired_at, .. } => schedule.gone_at(retired_at) <= now,
            _ => false,
        };
        let (gone, kept): (Vec<_>, Vec<_>) = std::mem::take(&mut self.plan.kept).into_iter().partition(over);
        self.plan.kept = kept;
        self.plan.notes.extend(gone.into_iter().map(|key| Note::Removed { kid: key.public.kid().clone() }));
    }

    fn revoke(&mut self, kid: &KeyId) -> Result<(), PlanFault> {
        if self.plan.revoked.iter().any(|revoked| revoked.kid == *kid) {
            self.note(Note::RevokedBefore { kid: kid.clone() });
            return Ok(());
        }
        // Under whatever name it comes back: the key itself is withdrawn, by its thumbprint.
        let named =
            self.plan.kept.iter().map(|key| &key.public).chain(self.published.keys()).find(|key| key.kid() == kid);
        let thumbprint = named.ok_or_else(|| PlanFault::Unknown(kid.clone()))?.thumbprint();
        let held =
            self.plan.kept.iter().position(|key| key.public.kid() == kid || key.public.thumbprint() == thumbprint);
        let held = held.map(|at| self.plan.kept.remove(at));
        let now = self.now;
        let mut names = vec![kid.clone()];
        for name in held.iter().map(|key| key.public.kid().clone()).chain(KeyId::try_from(thumbprint)) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        // What is withdrawn need not be published any more, so nothing is said of its being missing.
        self.plan.notes.retain(|note| !matches!(note, Note::Unpublished { kid, .. } if names.contains(kid)));
        self.plan.revoked.extend(names.into_iter().map(|kid| Revoked::new(kid, now)));
        self.note(Note::revoked(kid.clone(), self.schedule.bounds(), now));
        let Some(RingKey { public, state }) = held else { return Ok(()) };
        let lane = public.alg();
        match state {
            State::Retired { .. } => {}
            State::Announced { .. } => self.make(lane, State::Announced { announced_at: now }),
            State::Signing { .. } => {
                if let Some((kid, announced_at)) = self.find(lane, |state| matches!(state, State::Announced { .. })) {
                    self.promote(lane, &kid);
                    let until = self.known_at(announced_at);
                    if until > now {
                        self.note(Note::Hasty { lane, kid, until });
                    }
                } else {
                    self.make(lane, State::Signing { announced_at: now, signing_since: now });
                    self.note(Note::HastyNew { lane, until: self.known_at(now) });
                }
                self.make(lane, State::Announced { announced_at: now });
            }
        }
        Ok(())
    }

    fn import(&mut self, key: &Jwk, empty: bool) -> Result<(), PlanFault> {
        let (lane, now) = (key.alg(), self.now);
        if !self.schedule.lanes().contains(&lane) {
            return Err(PlanFault::Lane(lane));
        }
        let thumbprint = key.thumbprint();
        for present in self.plan.kept.iter().map(|present| &present.public) {
            if present.thumbprint() == thumbprint {
                return Err(PlanFault::Present(present.kid().clone()));
            }
            let names = [present.kid().as_str(), &present.thumbprint()];
            if names.contains(&key.kid().as_str()) || names.contains(&thumbprint.as_str()) {
                return Err(PlanFault::Name(key.kid().clone()));
            }
        }
        let names = [key.kid().as_str(), &thumbprint];
        if let Some(revoked) = self.plan.revoked.iter().find(|revoked| names.contains(&revoked.kid.as_str())) {
            return Err(RingFault::Revoked(revoked.kid.clone()).into());
        }
        let announced_at = self.published.since(key).unwrap_or(now);
        if empty {
            for other in self.schedule.lanes().iter().copied().filter(|other| *other != lane).collect::<Vec<_>>() {
                self.open(other);
            }
            let state = State::Signing { announced_at, signing_since: now };
            self.plan.kept.push(RingKey { public: key.clone(), state });
            self.make(lane, State::Announced { announced_at: now });
            return Ok(());
        }
        let replaced = |key: &RingKey| key.public.alg() == lane && matches!(key.state, State::Announced { .. });
        if let Some(replaced) = self.plan.kept.iter_mut().find(|key| replaced(key)) {
            replaced.state = retired(replaced.state, now);
            let kid = replaced.public.kid().clone();
            self.note(Note::Replaced { kid });
        }
        self.plan.kept.push(RingKey { public: key.clone(), state: State::Announced { announced_at } });
        Ok(())
    }

    /// The key of the lane in this state, and since when it is published.
    fn find(&self, lane: Algorithm, state: impl Fn(State) -> bool) -> Option<(KeyId, UnixSeconds)> {
        let found = self.plan.kept.iter().find(|key| key.public.alg() == lane && state(key.state))?;
        Some((found.public.kid().clone(), found.state.announced_at()))
    }

    /// When nobody can hold a set any more that lacks a key published since then.
    fn known_at(&self, published: UnixSeconds) -> UnixSeconds {
        later(published, self.schedule.bounds().least_announce())
    }

    fn make(&mut self, lane: Algorithm, state: State) {
        self.plan.make.push(Make { lane, state });
    }

    fn note(&mut self, note: Note) {
        self.plan.notes.push(note);
    }
}

/// It signs no more. An announced key is retired too: it has signed, if somebody put the ring before back into its place.
fn retired(state: State, now: UnixSeconds) -> State {
    let announced_at = state.announced_at();
    match state {
        State::Announced { .. } => State::Retired { announced_at, signing_since: now, retired_at: now },
        State::Signing { signing_since, .. } => State::Retired { announced_at, signing_since, retired_at: now },
        State::Retired { .. } => state,
    }
}

fn later(time: UnixSeconds, by: u64) -> UnixSeconds {
    time.saturating_add(i64::try_from(by).unwrap_or(i64::MAX))
}
