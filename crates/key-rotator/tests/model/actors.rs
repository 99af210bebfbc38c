//! Some issuers, some instances of the jwks function, and relying parties, each with the copy that it holds, by the rules of
//! `countersign_aws::snapshot`. A token is the name of a key and an end.

use std::rc::Rc;

use countersign_core::UnixSeconds;
use countersign_core::jwk::{Algorithm, Jwks, KeyId};
use countersign_core::ring::Ring;

use crate::invariants::{RING_LASTS, SET_LASTS};
use crate::world::{BOUNDS, World};

const INSTANCES: usize = 2;

struct Copy<T> {
    value: Rc<T>,
    since: UnixSeconds,
}

pub(crate) struct Actors {
    issuers: [Option<Copy<Ring>>; INSTANCES],
    servers: [Option<Copy<Jwks>>; INSTANCES],
    relying: Vec<Copy<Jwks>>,
    tokens: Vec<(KeyId, UnixSeconds)>,
    pub(crate) secret_up: bool,
    pub(crate) parameter_up: bool,
    pub(crate) issued: usize,
}

impl Default for Actors {
    fn default() -> Self {
        Self {
            issuers: [const { None }; INSTANCES],
            servers: [const { None }; INSTANCES],
            relying: Vec::new(),
            tokens: Vec::new(),
            secret_up: true,
            parameter_up: true,
            issued: 0,
        }
    }
}

/// The copy to use: as it is up to `refresh`, then another one; the last good one while there is none.
fn snapshot<T>(held: &mut Option<Copy<T>>, source: Option<&Rc<T>>, now: UnixSeconds) -> Option<Rc<T>> {
    let age = held.as_ref().map(|copy| now - copy.since);
    if age.is_none_or(|age| age > UnixSeconds::from(BOUNDS.refresh))
        && let Some(value) = source
    {
        *held = Some(Copy { value: Rc::clone(value), since: now });
    }
    let usable = |copy: &&Copy<T>| now - copy.since <= UnixSeconds::from(RING_LASTS);
    held.as_ref().filter(usable).map(|copy| Rc::clone(&copy.value))
}

impl Actors {
    /// An issuer is asked for a token of this lane.
    pub(crate) fn issue(&mut self, world: &mut World, instance: usize, lane: Algorithm, lifetime: u32) {
        let source = world.ring().filter(|_| self.secret_up);
        let Some(ring) = snapshot(&mut self.issuers[instance % INSTANCES], source, world.now) else { return };
        if !world.rings.iter().any(|span| span.held(world.now, RING_LASTS) && Rc::ptr_eq(&span.value, &ring)) {
            world.violated(0, "an issuer uses a ring that nobody should hold any more");
        }
        if let Some(key) = ring.signing(lane) {
            let lifetime = lifetime.min(BOUNDS.longest_lifetime);
            self.tokens.push((key.kid().clone(), world.now + UnixSeconds::from(lifetime)));
            self.issued += 1;
        }
    }

    /// A relying party fetches the set.
    pub(crate) fn fetch(&mut self, world: &mut World, instance: usize) {
        let source = world.set().filter(|_| self.parameter_up);
        let Some(set) = snapshot(&mut self.servers[instance % INSTANCES], source, world.now) else { return };
        let late = |at: &UnixSeconds| self.parameter_up && world.now > at + UnixSeconds::from(BOUNDS.refresh);
        let gone = |key: &KeyId| world.done.get(key).is_some_and(late);
        if let Some(key) = set.keys().iter().find(|key| gone(key.kid())) {
            world.violated(5, &format!("{} is revoked and served", key.kid()));
        }
        self.relying.push(Copy { value: set, since: world.now });
    }

    /// Every token that is still valid, at every relying party.
    pub(crate) fn check(&mut self, world: &mut World) {
        let now = world.now;
        self.tokens.retain(|(_, exp)| now < exp + UnixSeconds::from(BOUNDS.skew));
        self.relying.retain(|held| now - held.since <= UnixSeconds::from(BOUNDS.max_age + BOUNDS.relying_party));
        let mut rejected = Vec::new();
        for held in &self.relying {
            let known = |span: &crate::world::Span<Option<Rc<Jwks>>>| {
                span.held(now, SET_LASTS) && span.value.as_ref().is_some_and(|set| Rc::ptr_eq(set, &held.value))
            };
            if !world.sets.iter().any(known) {
                world.violated(0, "a relying party uses a set that nobody should hold any more");
            }
            for (kid, _) in self.tokens.iter().filter(|(kid, _)| !world.excused(kid)) {
                if held.value.keys().iter().all(|key| key.kid() != kid) {
                    rejected.push(kid.clone());
                }
            }
        }
        for kid in rejected {
            world.violated(1, &format!("a token of {kid} is rejected"));
        }
    }
}
