//! What is broken on purpose is found, by the rule that it breaks: the model is one that can fail.
//!
//! `searched` draws cases from a fixed seed as the model itself does. Where a certain order of events has to be hit to the second, the
//! story is told step by step, and once more without the fault, to show that nothing else was to blame.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use countersign_core::UnixSeconds;
use countersign_core::jwk::Algorithm::{ES256, ES384};
use countersign_core::jwk::{Jwk, KeyId};
use countersign_core::schedule::Schedule;
use proptest::collection::vec;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};

use crate::invariants::announce_for;
use crate::machine::{Case, Setup};
use crate::sim::Ask;
use crate::transition::transition;
use crate::world::{BOUNDS, Sabotage, schedule};

/// Does a search find a violation of this rule?
fn searched(setup: &Setup, rule: &str) -> bool {
    let config = Config { cases: 300, failure_persistence: None, max_shrink_iters: 0, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let run = runner.run(&vec(transition(), 20..80), |transitions| {
        let mut case = Case::new(setup);
        for transition in transitions {
            case.apply(transition);
            if case.violations().iter().any(|violation| violation.starts_with(rule)) {
                return Err(TestCaseError::fail(rule.to_owned()));
            }
        }
        Ok(())
    });
    run.is_err()
}

/// What the cases come to: a model in which nothing happens holds always.
#[test]
fn finds_its_way_into_every_corner_of_rotation() {
    let config = Config { cases: 100, failure_persistence: None, ..Config::default() };
    let mut seen = BTreeMap::<&str, usize>::new();
    for two in [false, true] {
        let schedule = schedule(&[ES256, ES384]);
        let setup = Setup { opened: true, two, schedule, ..Setup::one() };
        let mut runner = TestRunner::new_with_rng(config.clone(), TestRng::deterministic_rng(RngAlgorithm::ChaCha));
        let sum = RefCell::new(BTreeMap::<&str, usize>::new());
        let run = runner.run(&vec(transition(), 20..80), |transitions| {
            let mut case = Case::new(&setup);
            for transition in transitions {
                case.apply(transition);
                case.violations();
            }
            let world = case.world.borrow();
            let mut sum = sum.borrow_mut();
            for (what, count) in case.answers.borrow().iter() {
                *sum.entry(*what).or_default() += count;
            }
            let kept =
                |kid: &KeyId| world.ring().is_some_and(|ring| ring.keys().iter().any(|key| key.public.kid() == kid));
            let signed: BTreeSet<&KeyId> =
                world.rings.iter().filter_map(|span| span.value.signing(ES256)).map(Jwk::kid).collect();
            let forgotten = signed.iter().filter(|kid| !kept(kid) && !world.withdrawn.contains(kid)).count();
            for (what, count) in [
                ("tokens", case.actors.issued),
                ("signing keys", signed.len()),
                ("forgotten", forgotten),
                ("hasty", world.hasty.len()),
                ("revoked", world.done.len()),
                ("second lane", world.rings.iter().filter(|span| span.value.signing(ES384).is_some()).count()),
            ] {
                *sum.entry(what).or_default() += count;
            }
            Ok(())
        });
        run.unwrap();
        for (what, count) in sum.into_inner() {
            *seen.entry(what).or_default() += count;
        }
    }
    println!("{seen:?}");
    let least = [
        ("done", 1000),
        ("source", 20),
        ("refused", 10),
        ("order", 50),
        ("late", 5),
        ("tokens", 300),
        ("signing keys", 200),
        ("forgotten", 10),
        ("hasty", 100),
        ("revoked", 50),
        ("second lane", 100),
    ];
    for (what, least) in least {
        let count = seen.get(what).copied().unwrap_or_default();
        assert!(count >= least, "{what}: {count} of {least}, of {seen:?}");
    }
}

fn broken(sabotage: Sabotage) -> Setup {
    Setup { sabotage, ..Setup::one() }
}

/// The rules that a story breaks.
fn rules(case: &mut Case) -> Vec<u8> {
    let rule = |violation: &String| violation.strip_prefix('(')?.split(')').next()?.parse().ok();
    let mut rules: Vec<u8> = case.violations().iter().filter_map(rule).collect();
    rules.sort_unstable();
    rules.dedup();
    rules
}

fn announced(announce: u64) -> Setup {
    let least = u32::try_from(BOUNDS.least_retire()).unwrap();
    let schedule = Schedule::dangerous_unchecked([ES256].into(), u32::try_from(announce).unwrap(), least, BOUNDS);
    Setup { schedule, ..Setup::one() }
}

fn retired(retire: u64) -> Setup {
    let least = u32::try_from(BOUNDS.least_announce()).unwrap();
    let schedule = Schedule::dangerous_unchecked([ES256].into(), least, u32::try_from(retire).unwrap(), BOUNDS);
    Setup { schedule, ..Setup::one() }
}

#[test]
fn finds_no_violation_where_a_rotation_is_not_broken() {
    assert!(!searched(&Setup::one(), "("));
}

/// Half of the time: somebody still holds the set from before the key.
#[test]
fn finds_a_rotation_with_half_of_announce_for() {
    assert!(searched(&announced(BOUNDS.least_announce() / 2), "(1)"));
}

/// Each of the terms is needed: without any one of them, whoever it stands for rejects a token.
#[test]
fn finds_a_rotation_that_forgets_one_term_of_announce_for() {
    let least = BOUNDS.least_announce() - u64::from(BOUNDS.margin);
    for term in [BOUNDS.refresh, BOUNDS.last_good, BOUNDS.max_age, BOUNDS.relying_party] {
        assert_eq!(first_promotion(least - u64::from(term)), [1, 2], "{term}");
    }
}

/// Without the margin, and a second less: a set that was fetched when the key was not there yet, held to its end.
#[test]
fn finds_a_rotation_a_second_before_the_least_announce_for() {
    let least = BOUNDS.least_announce() - u64::from(BOUNDS.margin);
    assert_eq!(first_promotion(least - 1), [1, 2]);
    assert_eq!(first_promotion(BOUNDS.least_announce()), [0_u8; 0]);
}

/// A ring whose announced key came a second after a set that somebody fetched, and the rotation that lets it sign.
fn first_promotion(announce: u64) -> Vec<u8> {
    let mut case = Case::new(&Setup { opened: true, ..announced(announce) });
    // The keys of the first ring have their exception: a later one shows what the time is for.
    case.advance(announce_for());
    case.whole(&Ask::Rotate).unwrap();
    case.violations();
    case.advance(UnixSeconds::try_from(announce).unwrap());
    case.whole(&Ask::Rotate).unwrap();
    rules(&mut case)
}

/// Half of the time: tokens of the key are valid when it is forgotten.
#[test]
fn finds_a_rotation_with_half_of_retire_for() {
    assert!(searched(&retired(BOUNDS.least_retire() / 2), "(3)"));
}

/// Without the margin, and a second less: an issuer that held on to the old ring has signed as late as it may.
#[test]
fn finds_a_rotation_a_second_before_the_least_retire_for() {
    let forgets = |retire: u64| {
        let mut case = Case::new(&Setup { opened: true, ..retired(retire) });
        case.advance(announce_for());
        case.whole(&Ask::Rotate).unwrap();
        case.advance(UnixSeconds::try_from(retire).unwrap());
        case.whole(&Ask::Rotate).unwrap();
        rules(&mut case)
    };
    let least = BOUNDS.least_retire() - u64::from(BOUNDS.margin);
    assert_eq!(forgets(least - 1), [1, 3]);
    for term in [BOUNDS.refresh, BOUNDS.last_good, BOUNDS.longest_lifetime, BOUNDS.skew] {
        assert_eq!(forgets(least - u64::from(term)), [1, 3], "{term}");
    }
    assert_eq!(forgets(BOUNDS.least_retire()), [0_u8; 0]);
}

/// The label moves, and only then its keys can be seen: the order of the steps the other way round.
#[test]
fn finds_a_rotation_that_publishes_after_the_label_moved() {
    assert!(searched(&broken(Sabotage::LatePublish), "(6)"));
}

/// The set is replaced by the keys of the next ring, without those of the one that still signs.
#[test]
fn finds_a_rotation_that_drops_the_union() {
    assert!(searched(&broken(Sabotage::NoUnion), "(1)"));
    assert!(searched(&broken(Sabotage::NoUnion), "(3)"));
}

/// The last write of a revocation, which takes the key away, is not seen.
#[test]
fn finds_a_rotation_that_leaves_a_revoked_key_published() {
    assert!(searched(&broken(Sabotage::KeepsKeys), "(5)"));
}

/// What the history says is not true: a key that came late into the set signs when its time from the ring is over.
#[test]
fn finds_a_rotation_that_believes_a_wrong_history() {
    let promotes = |sabotage| {
        let mut case = Case::new(&Setup { opened: true, ..broken(sabotage) });
        case.setup.schedule = schedule(&[ES256, ES384]);
        // The new lane's key is made now, and published only when Secrets Manager tries again.
        let token = case.world.borrow_mut().rotate_secret();
        case.whole(&Ask::Create(token.clone())).unwrap();
        case.advance(100);
        for step in [Ask::Publish, Ask::Finish] {
            case.whole(&step(token.clone())).unwrap();
        }
        case.violations();
        case.advance(announce_for() - 100);
        case.whole(&Ask::Rotate).unwrap();
        rules(&mut case)
    };
    assert_eq!(promotes(Sabotage::OldHistory), [1, 2]);
    assert_eq!(promotes(Sabotage::None), [0_u8; 0]);
}

/// `takes_effect_in_time` is told an old time: the ring says that a key signs no more since then, and it signed on for long.
#[test]
fn finds_a_rotation_that_takes_effect_too_late() {
    let forgets = |clock_stands: bool| {
        let mut case = Case::new(&Setup { opened: true, ..Setup::one() });
        case.advance(announce_for());
        let token = case.world.borrow_mut().rotate_secret();
        case.whole(&Ask::Create(token.clone())).unwrap();
        case.whole(&Ask::Publish(token.clone())).unwrap();
        let planned = case.world.borrow().now;
        case.advance(100);
        case.world.borrow_mut().rotator_clock = clock_stands.then_some(planned);
        let finished = case.whole(&Ask::Finish(token));
        assert_eq!(finished.is_ok(), clock_stands);
        case.world.borrow_mut().rotator_clock = None;
        case.advance(UnixSeconds::try_from(BOUNDS.least_retire()).unwrap() - 100);
        case.whole(&Ask::Rotate).unwrap();
        rules(&mut case)
    };
    assert_eq!(forgets(true), [1, 3]);
    assert_eq!(forgets(false), [0_u8; 0]);
}

/// The label is moved without a look at where it stands: a rotation from before the revocation ends after it.
#[test]
fn finds_a_rotation_that_brings_a_revoked_key_back() {
    let returns = |sabotage| {
        let mut case = Case::new(&Setup { opened: true, ..broken(sabotage) });
        let token = case.world.borrow_mut().rotate_secret();
        case.whole(&Ask::Create(token.clone())).unwrap();
        case.whole(&Ask::Publish(token.clone())).unwrap();
        let mut stale = case.invocation(Ask::Finish(token.clone()));
        // labels, both rings and what is published, the set to test with: the next call moves the label.
        for _ in 0..6 {
            assert!(stale.poll().is_none());
        }
        assert!(case.world.borrow().labels().has(&token, key_rotator::store::Label::Pending));
        let signs = case.world.borrow().ring().unwrap().signing(ES256).unwrap().kid().clone();
        case.whole(&Ask::Revoke(signs)).unwrap();
        let mut answer = None;
        while answer.is_none() {
            answer = stale.poll();
        }
        assert_eq!(answer.unwrap().is_ok(), sabotage == Sabotage::AnyParent);
        rules(&mut case)
    };
    assert!(returns(Sabotage::AnyParent).contains(&5));
    assert_eq!(returns(Sabotage::None), [0_u8; 0]);
}
