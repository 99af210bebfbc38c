//! Key rotation against everything that may come between: the real `Rotation` over a simulated AWS.
//!
//! **Modelled:** a secret with versions, labels and values that never change, as Secrets Manager has them; a parameter with its
//! history; Secrets Manager's four steps, in order and out of it, repeated, and given up; operators' orders; an invocation
//! that ends between any two calls, whose answer is lost, or which the function's timeout ends; two lanes, of which one
//! comes and goes; issuers, key servers and relying parties that hold what they fetched for as long as they may.
//!
//! **Not modelled:** signatures of tokens (a token is a key's name and an end), clocks that differ (the other half of the
//! margin), KMS, reads that are behind writes, a write that is done after the invocation that sent it has ended, and a
//! parameter that others write (`directed` has the one that was lost).
//!
//! `ROTATION_CASES` says how many cases; by default 400 of 20 to 80 transitions, and as many with two invocations at once.
//! For those the very first ring is there: the function has a reserved concurrency of one, and two first rings that are made at once
//! are two secrets' worth of keys of which one is thrown away.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod actors;
mod directed;
mod invariants;
mod machine;
mod sabotage;
mod sim;
mod transition;
mod world;

use countersign_core::jwk::Algorithm::{ES256, ES384};
use proptest::prelude::*;
use proptest::test_runner::Config;
use proptest_state_machine::{ReferenceStateMachine, StateMachineTest, prop_state_machine};

use machine::{Case, Setup};
use transition::{Transition, transition};
use world::schedule;

fn config() -> Config {
    let cases = std::env::var("ROTATION_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(400);
    Config { cases, failure_persistence: None, max_shrink_iters: 3000, ..Config::default() }
}

/// One invocation at a time, or two.
struct Model<const TWO: bool>;

impl<const TWO: bool> ReferenceStateMachine for Model<TWO> {
    type State = Setup;
    type Transition = Transition;

    fn init_state() -> BoxedStrategy<Setup> {
        let setup = |(opened, revokes, both)| Setup {
            opened: opened || TWO,
            two: TWO,
            revokes: revokes || !TWO,
            schedule: schedule(if both { &[ES256, ES384] } else { &[ES256] }),
            ..Setup::one()
        };
        any::<(bool, bool, bool)>().prop_map(setup).boxed()
    }

    fn transitions(_: &Setup) -> BoxedStrategy<Transition> {
        transition().boxed()
    }

    fn apply(state: Setup, _: &Transition) -> Setup {
        state
    }
}

impl<const TWO: bool> StateMachineTest for Model<TWO> {
    type SystemUnderTest = Case;
    type Reference = Self;

    fn init_test(setup: &Setup) -> Case {
        Case::new(setup)
    }

    fn apply(mut case: Case, _: &Setup, transition: Transition) -> Case {
        case.apply(transition);
        let mut violations = case.violations();
        if TWO {
            violations.retain(|violation| case.holds_for_two(violation));
        }
        assert!(violations.is_empty(), "{violations:#?}");
        case
    }

    fn teardown(mut case: Case, _: Setup) {
        if let Err(fault) = case.heals() {
            panic!("{fault}");
        }
        let violations = case.violations();
        assert!(violations.is_empty(), "{violations:#?}");
    }
}

prop_state_machine! {
    #![proptest_config(config())]

    #[test]
    fn no_rotation_rejects_a_valid_token_whatever_comes_between(sequential 20..80 => Model<false>);

    #[test]
    fn two_rotations_at_once_reject_no_valid_token(sequential 20..80 => Model<true>);
}
