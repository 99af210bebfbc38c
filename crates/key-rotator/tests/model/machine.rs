//! What the transitions do to the real rotation and the simulated world.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use countersign_core::UnixSeconds;
use countersign_core::jwk::{Algorithm, KeyId};
use countersign_core::ring::State;
use countersign_core::schedule::Schedule;
use key_rotator::rotation::RotationFault;
use key_rotator::store::Label;

use crate::actors::Actors;
use crate::invariants::{RING_LASTS, SET_LASTS};
use crate::sim::{Answer, Ask, Invocation, TIMEOUT};
use crate::transition::{Transition, Want};
use crate::world::{BOUNDS, Sabotage, World, schedule};

/// How a case begins.
#[derive(Debug, Clone)]
pub(crate) struct Setup {
    /// A first ring is there.
    pub(crate) opened: bool,
    /// May two invocations be at work at once? The function has a reserved concurrency of one.
    pub(crate) two: bool,
    /// Are keys revoked? Otherwise they are rotated.
    pub(crate) revokes: bool,
    pub(crate) schedule: Schedule,
    pub(crate) sabotage: Sabotage,
}

impl Setup {
    /// One invocation at a time, from a secret without a value.
    pub(crate) fn one() -> Self {
        Self {
            opened: false,
            two: false,
            revokes: true,
            schedule: schedule(&[Algorithm::ES256]),
            sabotage: Sabotage::None,
        }
    }
}

pub(crate) struct Case {
    pub(crate) world: Rc<RefCell<World>>,
    pub(crate) actors: Actors,
    pub(crate) setup: Setup,
    slots: [Option<Invocation>; 2],
    tokens: Vec<String>,
    /// How often what was answered.
    pub(crate) answers: RefCell<BTreeMap<&'static str, usize>>,
}

impl Case {
    pub(crate) fn new(setup: &Setup) -> Self {
        let world = Rc::new(RefCell::new(World::new(setup.sabotage)));
        let case = Self {
            world,
            actors: Actors::default(),
            setup: setup.clone(),
            slots: [None, None],
            tokens: Vec::new(),
            answers: RefCell::default(),
        };
        if setup.opened {
            case.whole(&Ask::Rotate).unwrap();
        }
        case
    }

    /// An invocation that nothing interrupts.
    pub(crate) fn whole(&self, ask: &Ask) -> Answer {
        let answer = self.invocation(ask.clone()).run();
        self.answered(ask, &answer);
        answer
    }

    /// One that is polled by hand.
    pub(crate) fn invocation(&self, ask: Ask) -> Invocation {
        Invocation::new(&self.world, &self.setup.schedule, ask)
    }

    /// All of Secrets Manager's protocol, or its beginning.
    pub(crate) fn protocol(&mut self, steps: u8) -> Answer {
        let token = self.world.borrow_mut().rotate_secret();
        self.tokens.push(token.clone());
        for step in [Ask::Create, Ask::Publish, Ask::Test, Ask::Finish].into_iter().take(steps.into()) {
            self.whole(&step(token.clone()))?;
        }
        Ok(None)
    }

    pub(crate) fn advance(&mut self, seconds: UnixSeconds) {
        let mut world = self.world.borrow_mut();
        world.now += seconds;
        for slot in &mut self.slots {
            slot.take_if(|run| world.now - run.began > TIMEOUT.into());
        }
    }

    /// What no longer holds. Violations are taken, so that each is seen once.
    pub(crate) fn violations(&mut self) -> Vec<String> {
        let mut world = self.world.borrow_mut();
        world.check();
        self.actors.check(&mut world);
        std::mem::take(&mut world.violations)
    }

    /// Is this one of the rules that hold with two invocations at once? What is published has no compare-and-swap: a set that
    /// was read before the other one wrote, and is written after it, may lack the key that the other announces, until the next
    /// call of either. With a revocation it brings the revoked key back, and drops the one that took over: from the first one
    /// on, the rules that are left are those of the ring.
    pub(crate) fn holds_for_two(&self, violation: &str) -> bool {
        let revoked = !self.world.borrow().withdrawn.is_empty();
        let of_the_ring =
            ["(2)", "(4)"].iter().any(|rule| violation.starts_with(rule)) || violation.ends_with("in the ring");
        if revoked { of_the_ring } else { !violation.ends_with("is announced and not published") }
    }

    fn answered(&self, ask: &Ask, answer: &Answer) {
        let mut world = self.world.borrow_mut();
        if let (Ask::Revoke(kid), Ok(_)) = (ask, answer) {
            let now = world.now;
            world.done.insert(kid.clone(), now);
        }
        *self.answers.borrow_mut().entry(kind(answer)).or_default() += 1;
    }

    pub(crate) fn apply(&mut self, transition: Transition) {
        match transition {
            Transition::Advance(seconds) => self.advance(seconds.into()),
            Transition::Edge { which, beside } => {
                let edges = self.edges();
                let now = self.world.borrow().now;
                if let Some(edge) = edges.get(usize::from(which) % edges.len().max(1)) {
                    self.advance((edge + UnixSeconds::from(beside) - now).max(0));
                }
            }
            Transition::RotateSecret => {
                let token = self.world.borrow_mut().rotate_secret();
                self.tokens.push(token);
            }
            Transition::Start(slot, want) => {
                let slot = self.slot(slot);
                if self.slots[slot].is_none() {
                    self.slots[slot] = self.ask(want).map(|ask| self.invocation(ask));
                }
            }
            Transition::Poll(slot, calls) => self.poll(slot, calls),
            Transition::Lose(slot, done) => {
                if let Some(run) = &self.slots[self.slot(slot)] {
                    run.lost.set(Some(done));
                }
                self.poll(slot, 1);
            }
            Transition::Crash(slot) => self.slots[self.slot(slot)] = None,
            Transition::Whole(want) => {
                if self.free()
                    && let Some(ask) = self.ask(want)
                {
                    let _ = self.whole(&ask);
                }
            }
            Transition::Protocol(steps) => {
                if self.free() {
                    let _ = self.protocol(steps);
                }
            }
            Transition::Lanes { both } => {
                let lanes = [Algorithm::ES256, Algorithm::ES384];
                self.setup.schedule = schedule(if both { &lanes } else { &lanes[..1] });
            }
            Transition::Issue { instance, second, lifetime } => {
                let lane = if second { Algorithm::ES384 } else { Algorithm::ES256 };
                self.actors.issue(&mut self.world.borrow_mut(), instance.into(), lane, lifetime.into());
            }
            Transition::Fetch(instance) => self.actors.fetch(&mut self.world.borrow_mut(), instance.into()),
            Transition::Sources { secret, parameter } => {
                (self.actors.secret_up, self.actors.parameter_up) = (secret, parameter);
            }
        }
    }

    /// Whatever has happened, an undisturbed rotation succeeds: Secrets Manager's, at the latest in its second attempt (the first
    /// one may end what was begun and took too long), and an operator's.
    pub(crate) fn heals(&mut self) -> Result<(), String> {
        self.slots = [None, None];
        let first = self.protocol(4);
        if let Err(fault) = first.and_then(|_| self.protocol(4)).or_else(|_| self.protocol(4)) {
            return Err(format!("Secrets Manager's rotation does not come to an end: {fault}"));
        }
        match self.whole(&Ask::Rotate) {
            Ok(Some(report)) if report.status.agree => Ok(()),
            other => Err(format!("a rotation does not heal: {other:?}")),
        }
    }

    fn slot(&self, slot: u8) -> usize {
        if self.setup.two { usize::from(slot) % 2 } else { 0 }
    }

    /// May an invocation begin? With one at a time, only when there is none.
    fn free(&self) -> bool {
        self.setup.two || self.slots.iter().all(Option::is_none)
    }

    fn poll(&mut self, slot: u8, calls: u8) {
        let slot = self.slot(slot);
        for _ in 0..calls {
            let Some(run) = &mut self.slots[slot] else { return };
            if let Some(answer) = run.poll() {
                let ask = run.ask.clone();
                self.slots[slot] = None;
                self.answered(&ask, &answer);
            }
        }
    }

    fn ask(&self, want: Want) -> Option<Ask> {
        let mut world = self.world.borrow_mut();
        Some(match want {
            Want::Rotate => Ask::Rotate,
            Want::Revoke(_) if !self.setup.revokes => Ask::Rotate,
            Want::Revoke(which) => {
                let mut kids: Vec<KeyId> = world.set()?.keys().iter().map(|key| key.kid().clone()).collect();
                kids.extend(world.ring()?.revoked().iter().map(|revoked| revoked.kid.clone()).take(1));
                let count = kids.len();
                Ask::Revoke(kids.swap_remove(usize::from(which) % count))
            }
            Want::Import { named, again } => {
                let name = named.then(|| KeyId::try_from(world.name()).unwrap());
                let key = match again {
                    None => world.key(Algorithm::ES256),
                    Some(which) => world.key_again(which.into()),
                };
                Ask::Import(key, name)
            }
            Want::Step { step, token } => {
                let token = self.tokens.iter().rev().cycle().nth(token.into())?.clone();
                [Ask::Create, Ask::Publish, Ask::Test, Ask::Finish][usize::from(step) % 4](token)
            }
        })
    }

    /// The moments to come at which something begins or ends.
    fn edges(&self) -> Vec<UnixSeconds> {
        let world = self.world.borrow();
        let (now, schedule) = (world.now, &self.setup.schedule);
        let mut edges = vec![now + UnixSeconds::from(BOUNDS.refresh)];
        for key in world.ring().iter().flat_map(|ring| ring.keys()) {
            match key.state {
                State::Announced { announced_at } => {
                    edges.push(schedule.ready_at(world.since(&key.public).unwrap_or(announced_at)));
                }
                State::Retired { retired_at, .. } => edges.push(schedule.gone_at(retired_at)),
                State::Signing { .. } => {}
            }
        }
        if world.labels().with(Label::Pending).is_some() {
            edges.push(now + UnixSeconds::from(schedule.takes_effect_within()));
        }
        edges.extend(world.sets.iter().filter_map(|set| set.until).map(|until| until + UnixSeconds::from(SET_LASTS)));
        edges.extend(
            world.rings.iter().filter_map(|ring| ring.until).map(|until| until + UnixSeconds::from(RING_LASTS)),
        );
        edges.retain(|edge| *edge >= now);
        edges.sort_unstable();
        edges.dedup();
        edges.truncate(6);
        edges
    }
}

fn kind(answer: &Answer) -> &'static str {
    match answer {
        Ok(_) => "done",
        Err(RotationFault::Source(_)) => "source",
        Err(RotationFault::Plan(_) | RotationFault::Keyring(..)) => "refused",
        Err(RotationFault::Order { .. }) => "order",
        Err(RotationFault::Overtaken { .. }) => "overtaken",
        Err(RotationFault::Late) => "late",
        Err(RotationFault::Test(_)) => "test",
        Err(_) => "other",
    }
}
