//! Single stories: what the model leaves out, or comes upon too rarely.

use countersign_core::UnixSeconds;
use countersign_core::jwk::{Algorithm, KeyId};
use countersign_core::plan::Note;
use countersign_core::ring::State;
use countersign_core::schedule::Schedule;
use key_rotator::rotation::RotationFault;
use key_rotator::store::Label;

use crate::invariants::announce_for;
use crate::machine::{Case, Setup};
use crate::sim::Ask;
use crate::world::BOUNDS;

fn opened() -> Case {
    Case::new(&Setup { opened: true, ..Setup::one() })
}

fn signs(case: &Case, lane: Algorithm) -> KeyId {
    case.world.borrow().ring().unwrap().signing(lane).unwrap().kid().clone()
}

fn announced(case: &Case) -> (KeyId, UnixSeconds) {
    let world = case.world.borrow();
    let mut keys = world.ring().unwrap().keys().iter();
    let key = keys.find(|key| matches!(key.state, State::Announced { .. })).unwrap();
    (key.public.kid().clone(), key.state.announced_at())
}

fn clean(case: &mut Case) {
    assert_eq!(case.violations(), Vec::<String>::new());
}

/// The lane that is left out elsewhere, and a schedule that was checked.
#[test]
fn a_rotation_of_rs256_lives_its_whole_life() {
    let lanes = [Algorithm::RS256, Algorithm::ES256];
    let schedule = Schedule::new(lanes.into(), 140, 140, BOUNDS).unwrap();
    let mut case = Case::new(&Setup { opened: true, schedule, ..Setup::one() });
    let first = signs(&case, Algorithm::RS256);
    let (next, _) = announced(&case);
    for round in 0..3 {
        case.advance(announce_for());
        case.protocol(4).unwrap();
        clean(&mut case);
        if round == 0 {
            assert_eq!(signs(&case, Algorithm::RS256), next);
        }
    }
    let world = case.world.borrow();
    assert!(world.ring().unwrap().keys().iter().all(|key| *key.public.kid() != first), "the first key is forgotten");
    assert_eq!(world.set().unwrap().keys().len(), 6);
}

/// Nobody can reject less than everything while there is no set. The next rotation publishes the ring, and what was announced
/// begins again.
#[test]
fn a_lost_key_set_is_repaired_by_the_next_rotation_and_announced_keys_begin_again() {
    let mut case = opened();
    let (before, (kid, _)) = (signs(&case, Algorithm::ES256), announced(&case));
    case.advance(announce_for() - 1);
    case.world.borrow_mut().lose_parameter();
    assert!(case.violations().iter().any(|violation| violation.starts_with("(4)")));
    case.advance(1);
    let report = case.whole(&Ask::Rotate).unwrap().unwrap();
    let now = case.world.borrow().now;
    let unpublished = |note: &&Note| matches!(note, Note::Unpublished { .. });
    assert_eq!(report.notes.iter().filter(unpublished).count(), 2);
    assert!(report.notes.contains(&Note::Early {
        lane: Algorithm::ES256,
        kid: kid.clone(),
        ready_at: now + announce_for()
    }));
    assert!(report.status.agree);
    assert_eq!((signs(&case, Algorithm::ES256), announced(&case)), (before, (kid.clone(), now)));
    case.advance(announce_for() - 1);
    case.whole(&Ask::Rotate).unwrap();
    assert_ne!(signs(&case, Algorithm::ES256), kid);
    case.advance(1);
    case.whole(&Ask::Rotate).unwrap();
    assert_eq!(signs(&case, Algorithm::ES256), kid);
    clean(&mut case);
}

/// Not a key set at all, written by somebody else.
#[test]
fn garbage_in_place_of_the_key_set_is_repaired_by_the_next_rotation() {
    let mut case = opened();
    for garbage in ["", "{}", r#"{"keys":[]}"#, "\u{0}", "<html>"] {
        case.advance(20);
        let now = case.world.borrow().now;
        case.world.borrow_mut().parameter.push((now, garbage.to_owned()));
        let report = case.whole(&Ask::Rotate).unwrap().unwrap();
        assert!(report.status.agree, "{garbage}");
        assert_eq!(announced(&case).1, now, "{garbage}: its time begins again");
    }
}

#[test]
fn a_rotation_that_a_revocation_overtook_ends_and_leaves_no_label() {
    let mut case = opened();
    case.advance(announce_for());
    let token = case.world.borrow_mut().rotate_secret();
    case.whole(&Ask::Create(token.clone())).unwrap();
    case.whole(&Ask::Publish(token.clone())).unwrap();
    let kid = signs(&case, Algorithm::ES256);
    case.whole(&Ask::Revoke(kid.clone())).unwrap();
    for step in [Ask::Create, Ask::Publish, Ask::Test, Ask::Finish] {
        let fault = case.whole(&step(token.clone())).unwrap_err();
        assert!(matches!(fault, RotationFault::Order { .. }), "{fault}");
    }
    clean(&mut case);
    case.protocol(4).unwrap();
    clean(&mut case);
    assert!(
        !case.world.borrow().labels().0.values().any(|labels| labels.len() == 1 && labels.contains(&Label::Pending))
    );
}

/// Planned at one moment, finished when half of the margin is over, and a second later.
#[test]
fn a_rotation_may_take_half_of_the_margin_and_no_longer() {
    for (late, ok) in [(BOUNDS.margin / 2, true), (BOUNDS.margin / 2 + 1, false)] {
        let mut case = opened();
        case.advance(announce_for());
        let token = case.world.borrow_mut().rotate_secret();
        for step in [Ask::Create, Ask::Publish, Ask::Test] {
            case.whole(&step(token.clone())).unwrap();
        }
        case.advance(late.into());
        let answer = case.whole(&Ask::Finish(token));
        assert_eq!(answer.is_ok(), ok, "{late}");
        assert!(ok || matches!(answer, Err(RotationFault::Late)));
        case.protocol(4).unwrap();
        clean(&mut case);
    }
}

/// A parameter has no compare-and-swap: a set that was read before a revocation and is written after it brings the revoked key
/// back. Whoever wrote it finds that out with its next call, and undoes it; only one that is ended in between leaves it to
/// the next rotation. Two invocations at once can do that, and so the function has a reserved concurrency of one.
#[test]
fn what_a_second_rotation_at_once_undoes_of_a_revocation_it_repairs_itself() {
    for calls in 0.. {
        let mut case = Case::new(&Setup { opened: true, two: true, ..Setup::one() });
        let mut stale = case.invocation(Ask::Rotate);
        if (0..calls).any(|_| stale.poll().is_some()) {
            assert!(calls > 20, "a rotation takes more calls");
            break;
        }
        let kid = signs(&case, Algorithm::ES256);
        let report = case.whole(&Ask::Revoke(kid.clone())).unwrap().unwrap();
        assert!(report.status.agree);
        let _ = stale.run();
        let _ = case.violations();
        let world = case.world.borrow();
        let ring = world.ring().unwrap().published().unwrap();
        assert_eq!(world.set().map(|set| &**set), Some(&ring), "after {calls} calls");
        drop(world);
        assert_ne!(signs(&case, Algorithm::ES256), kid, "the label has its compare-and-swap");
        let report = case.whole(&Ask::Rotate).unwrap().unwrap();
        assert!(report.status.agree && report.status.revoked.iter().any(|revoked| revoked.kid == kid));
        clean(&mut case);
    }
}

/// Two invocations at once, one between the other's reading and writing of the set, whose write then comes just before the label
/// moves: a key that is only just announced can be missing there. None that signs, and none at the end.
#[test]
fn two_rotations_at_once_miss_only_a_key_just_announced_and_end_with_all_published() {
    let mut missing = 0;
    for (first, second) in (0..24).flat_map(|first| (0..40).map(move |second| (first, second))) {
        let mut case = Case::new(&Setup { opened: true, two: true, ..Setup::one() });
        case.advance(announce_for());
        let (mut stale, mut other) = (case.invocation(Ask::Rotate), case.invocation(Ask::Rotate));
        let ended = (0..first).any(|_| stale.poll().is_some()) || (0..second).any(|_| other.poll().is_some());
        if ended || stale.poll().is_some() {
            continue;
        }
        let _ = (other.run(), stale.run());
        let (excepted, violations) = case.violations().into_iter().partition::<Vec<_>, _>(|it| !case.holds_for_two(it));
        assert_eq!(violations, Vec::<String>::new(), "after {first} and {second} calls");
        missing += excepted.len();
        let world = case.world.borrow();
        let ring = world.ring().unwrap().published().unwrap();
        assert_eq!(world.set().map(|set| &**set), Some(&ring), "after {first} and {second} calls");
    }
    assert!(missing > 0, "a rule that holds needs no exception");
}

/// Its label, left on a ring whose parent is not current, would be attempted again and again, and refused each time.
#[test]
fn a_rotation_that_another_overtook_does_not_block_those_to_come() {
    let mut overtaken = 0;
    for calls in 0.. {
        let mut case = Case::new(&Setup { opened: true, two: true, ..Setup::one() });
        let kid = signs(&case, Algorithm::ES256);
        let mut stale = case.invocation(Ask::Revoke(kid));
        if (0..calls).any(|_| stale.poll().is_some()) {
            break;
        }
        case.whole(&Ask::Rotate).unwrap();
        overtaken += usize::from(matches!(stale.run(), Err(RotationFault::Overtaken { .. })));
        assert_eq!(case.heals(), Ok(()), "after {calls} calls");
    }
    assert!(overtaken > 0);
}

/// Keys that are kept for ever fill the parameter. What does not fit is refused before anything is stored, and what there is stays.
#[test]
fn a_rotation_that_would_overfill_the_parameter_is_refused_and_changes_nothing() {
    let least = u32::try_from(announce_for()).unwrap();
    let schedule = Schedule::dangerous_unchecked([Algorithm::ES256].into(), least, u32::MAX, BOUNDS);
    let mut case = Case::new(&Setup { opened: true, schedule, ..Setup::one() });
    let bytes = loop {
        case.advance(announce_for());
        let before = case.world.borrow().ring().cloned();
        match case.whole(&Ask::Rotate) {
            Ok(_) => {}
            Err(RotationFault::LargeSet(bytes)) => {
                assert_eq!(case.world.borrow().ring().cloned(), before);
                break bytes;
            }
            Err(fault) => panic!("{fault}"),
        }
    };
    assert!(bytes > 8000, "{bytes}");
    clean(&mut case);
}
