//! What must hold, whatever the order of events. Each violation begins with the number of its rule:
//!
//! 1. a token that is still valid, of a key that is not revoked, verifies with every key set that anybody may hold;
//! 2. a key signs only after it was published for `announce_for` without a break;
//! 3. a key leaves the published set only when every token of it has ended, and `skew` has passed;
//! 4. what is published is a key set of public members, and never an empty one;
//! 5. a key whose revocation was reported as done is in no ring and no set any more;
//! 6. every key of a ring is published when the label moves to it.
//!
//! Rule 2 has two exceptions, and rule 1 the same until the key was published for `announce_for`: the keys of the very
//! first ring, and the key that takes over from one that this very ring revokes.
//!
//! Who holds what is not drawn by lot here: a ring that was current until a moment may sign for `refresh + last_good`
//! more, and a set that was published until then may be verified with for `refresh + last_good + max_age +
//! relying_party` more. So each check is of every number of instances and relying parties, at every moment at which they may have
//! fetched, with sources up or down. `actors` has some of them as they are, and shows that they stay within this.

use std::rc::Rc;

use countersign_core::UnixSeconds;
use countersign_core::jwk::{Jwk, Jwks, KeyId};
use countersign_core::ring::{Ring, State};
use serde_json::Value;

use crate::world::{BOUNDS, Span, World};

/// How long a copy of the ring signs, after the label has moved on.
pub(crate) const RING_LASTS: u32 = BOUNDS.refresh + BOUNDS.last_good;
/// How long a copy of a set is verified with, after another was published.
pub(crate) const SET_LASTS: u32 = BOUNDS.refresh + BOUNDS.last_good + BOUNDS.max_age + BOUNDS.relying_party;
/// How long after that the last token of a ring's key may be accepted.
const TOKEN_LASTS: u32 = BOUNDS.longest_lifetime + BOUNDS.skew;

impl World {
    pub(crate) fn violated(&mut self, rule: u8, what: &str) {
        self.violations.push(format!("({rule}) at {}: {what}", self.now - 1_000_000));
    }

    /// The label moves to this ring.
    pub(crate) fn label_moved(&mut self, ring: &Ring) {
        let (now, before) = (self.now, self.ring().cloned().unwrap_or_default());
        for key in ring.keys() {
            if self.set().is_none_or(|set| !set.keys().contains(&key.public)) {
                let how = if matches!(key.state, State::Announced { .. }) { "announced" } else { "in the ring" };
                self.violated(6, &format!("{} is {how} and not published", key.public.kid()));
            }
        }
        for key in signing(ring).filter(|key| before.signing(key.alg()) != Some(key)) {
            let ready_at = self.since(key).unwrap_or(now) + announce_for();
            let first = before.keys().is_empty();
            let leaves = before.signing(key.alg()).map(Jwk::kid);
            let revokes = |kid: &KeyId| ring.revoked().iter().any(|r| r.kid == *kid);
            if ready_at <= now {
                continue;
            }
            if first || leaves.is_some_and(revokes) {
                self.hasty.insert(key.kid().clone(), ready_at);
            } else {
                self.violated(2, &format!("{} signs {} s too early", key.kid(), ready_at - now));
            }
        }
        self.withdrawn.extend(ring.revoked().iter().map(|revoked| revoked.kid.clone()));
        if let Some(last) = self.rings.last_mut() {
            last.until = Some(now);
        }
        self.rings.push(Span { value: Rc::new(ring.clone()), from: now, until: None });
    }

    /// This set takes the place of the one that is published.
    pub(crate) fn set_replaced(&mut self, set: &Jwks) {
        let Some(before) = self.set().cloned() else { return };
        let mut early = Vec::new();
        for key in before.keys().iter().filter(|key| !set.keys().contains(key) && !self.withdrawn.contains(key.kid())) {
            let last = self.rings.iter().rev().find(|span| span.value.signing(key.alg()) == Some(key));
            if last.is_some_and(|span| !self.over(span)) {
                early.push(key.kid());
            }
        }
        for kid in early {
            self.violated(3, &format!("{kid} leaves, and tokens of it are valid"));
        }
    }

    /// Has the last token that this ring signed ended, even for a verifier whose clock is slow?
    fn over(&self, span: &Span<Rc<Ring>>) -> bool {
        span.until.is_some_and(|until| self.now >= until + UnixSeconds::from(RING_LASTS + TOKEN_LASTS))
    }

    /// This is what anybody can fetch from now on.
    pub(crate) fn check_text(&mut self, text: &str) {
        let allowed = ["kty", "use", "alg", "kid", "n", "e", "crv", "x", "y"];
        let set: Value = serde_json::from_str(text).unwrap_or_default();
        let keys = set["keys"].as_array().cloned().unwrap_or_default();
        let members = keys.iter().filter_map(Value::as_object).flat_map(|key| key.keys());
        if let Some(other) = members.into_iter().find(|name| !allowed.contains(&name.as_str())) {
            self.violated(4, &format!("the member {other} is published"));
        }
        if serde_json::from_str::<Jwks>(text).is_err() {
            self.violated(4, &format!("not a key set is published: {text}"));
        }
    }

    /// What can be seen at any moment.
    pub(crate) fn check(&mut self) {
        let mut found = Vec::new();
        if self.sets.last().is_some_and(|span| span.value.is_none()) {
            found.push((4, "nothing is published any more".to_owned()));
        }
        let now = self.now;
        let sets: Vec<&Rc<Jwks>> =
            self.sets.iter().filter(|span| span.held(now, SET_LASTS)).filter_map(|span| span.value.as_ref()).collect();
        for span in self.rings.iter().filter(|span| !self.over(span)) {
            for key in signing(&span.value).filter(|key| !self.excused(key.kid())) {
                if sets.is_empty() || sets.iter().any(|set| !set.keys().contains(key)) {
                    found.push((1, format!("somebody may hold a set without {}, which signed", key.kid())));
                }
            }
        }
        for kid in self.done.keys() {
            if self.ring().is_some_and(|ring| ring.keys().iter().any(|key| key.public.kid() == kid)) {
                found.push((5, format!("{kid} is revoked and in the ring")));
            }
            if self.set().is_some_and(|set| set.keys().iter().any(|key| key.kid() == kid)) {
                found.push((5, format!("{kid} is revoked and published")));
            }
        }
        for (rule, what) in found {
            self.violated(rule, &what);
        }
    }

    /// Is it nobody's fault if a token of this key is rejected at this moment?
    pub(crate) fn excused(&self, kid: &KeyId) -> bool {
        self.withdrawn.contains(kid) || self.hasty.get(kid).is_some_and(|until| self.now <= *until)
    }
}

pub(crate) fn announce_for() -> UnixSeconds {
    UnixSeconds::try_from(BOUNDS.least_announce()).unwrap()
}

fn signing(ring: &Ring) -> impl Iterator<Item = &Jwk> {
    ring.keys().iter().filter(|key| matches!(key.state, State::Signing { .. })).map(|key| &key.public)
}
