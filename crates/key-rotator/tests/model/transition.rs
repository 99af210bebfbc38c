//! The transitions.
//!
//! They are drawn without looking at the state: numbers in them are counted round among what there is, so that every
//! sequence is one, and shrinking may leave out any of them.

use proptest::prelude::*;

#[derive(Debug, Clone, Copy)]
pub(crate) enum Want {
    Rotate,
    Revoke(u8),
    /// A new key, or one that this world has made before, in whatever state it is; under its own name or another.
    Import {
        named: bool,
        again: Option<u8>,
    },
    /// Secret Manager's steps, of the latest token or one of those before.
    Step {
        step: u8,
        token: u8,
    },
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Transition {
    Advance(u8),
    /// To one of the moments at which something begins or ends, or a second beside it.
    Edge {
        which: u8,
        beside: i8,
    },
    RotateSecret,
    Start(u8, Want),
    Poll(u8, u8),
    /// The answer to the next call is lost; was it done?
    Lose(u8, bool),
    Crash(u8),
    /// From start to end.
    Whole(Want),
    /// `RotateSecret`, and this many of the four steps.
    Protocol(u8),
    Lanes {
        both: bool,
    },
    Issue {
        instance: u8,
        second: bool,
        lifetime: u8,
    },
    Fetch(u8),
    Sources {
        secret: bool,
        parameter: bool,
    },
}

fn want() -> impl Strategy<Value = Want> {
    prop_oneof![
        4 => Just(Want::Rotate),
        3 => any::<u8>().prop_map(Want::Revoke),
        2 => (any::<bool>(), prop::option::of(any::<u8>())).prop_map(|(named, again)| Want::Import { named, again }),
        6 => (0..4_u8, prop_oneof![4 => Just(0), 1 => 0..3_u8]).prop_map(|(step, token)| Want::Step { step, token }),
    ]
}

pub(crate) fn transition() -> impl Strategy<Value = Transition> {
    prop_oneof![
        3 => (0..8_u8).prop_map(Transition::Advance),
        8 => (any::<u8>(), -1..=1_i8).prop_map(|(which, beside)| Transition::Edge { which, beside }),
        2 => Just(Transition::RotateSecret),
        6 => (0..2_u8, want()).prop_map(|(slot, want)| Transition::Start(slot, want)),
        12 => (0..2_u8, 1..40_u8).prop_map(|(slot, calls)| Transition::Poll(slot, calls)),
        2 => (0..2_u8, any::<bool>()).prop_map(|(slot, done)| Transition::Lose(slot, done)),
        2 => (0..2_u8).prop_map(Transition::Crash),
        3 => want().prop_map(Transition::Whole),
        3 => (1..=4_u8).prop_map(Transition::Protocol),
        1 => prop::bool::weighted(0.7).prop_map(|both| Transition::Lanes { both }),
        4 => (0..2_u8, any::<bool>(), 1..=60_u8)
            .prop_map(|(instance, second, lifetime)| Transition::Issue { instance, second, lifetime }),
        4 => (0..2_u8).prop_map(Transition::Fetch),
        1 => any::<(bool, bool)>().prop_map(|(secret, parameter)| Transition::Sources { secret, parameter }),
    ]
}
