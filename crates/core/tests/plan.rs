//! The plan of the next ring, case by case, and what holds for every plan. Times count from an opening at `T0`.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeSet;

use countersign_core::UnixSeconds;
use countersign_core::bounds::Bounds;
use countersign_core::jwk::Algorithm::{self, ES256, ES384, RS256};
use countersign_core::jwk::{Jwk, Jwks, KeyId};
use countersign_core::plan::{Change, Note, Plan, PlanFault, Publication, plan, takes_effect_in_time};
use countersign_core::ring::{Revoked, Ring, RingFault, RingKey, State};
use countersign_core::schedule::Schedule;
use countersign_core::status::{StateName, Status};
use proptest::prelude::*;

const T0: UnixSeconds = 1_000_000;
const ANNOUNCE: UnixSeconds = 10_000;
const RETIRE: UnixSeconds = 9_000;
/// `Bounds::least_announce` and what a set lasts while the parameter can be fetched, of the default bounds.
const KNOWN: UnixSeconds = 8400;
const SET_LASTS: UnixSeconds = 4200;

fn key(lane: Algorithm, fill: u8) -> Jwk {
    named(lane, fill, None)
}

fn named(lane: Algorithm, fill: u8, name: Option<&str>) -> Jwk {
    let kid = name.map(kid);
    match lane {
        RS256 => Jwk::rsa(&[&[0x80], [fill; 255].as_slice()].concat(), &[1, 0, 1], kid),
        ES256 => Jwk::ec(ES256, &[&[4], [fill; 64].as_slice()].concat(), kid),
        ES384 => Jwk::ec(ES384, &[&[4], [fill; 96].as_slice()].concat(), kid),
    }
    .unwrap()
}

fn kid(name: &str) -> KeyId {
    KeyId::try_from(name.to_owned()).unwrap()
}

fn schedule(lanes: &[Algorithm]) -> Schedule {
    let lanes = lanes.iter().copied().collect();
    let (announce, retire) = (u32::try_from(ANNOUNCE).unwrap(), u32::try_from(RETIRE).unwrap());
    Schedule::new(lanes, announce, retire, Bounds::default()).unwrap()
}

fn announced(announced_at: UnixSeconds) -> State {
    State::Announced { announced_at }
}

fn signing(since: UnixSeconds) -> State {
    State::Signing { announced_at: since, signing_since: since }
}

fn retired(retired_at: UnixSeconds) -> State {
    State::Retired { announced_at: T0, signing_since: T0, retired_at }
}

fn ring(keys: &[(Jwk, State)]) -> Ring {
    let keys = keys.iter().map(|(public, state)| RingKey { public: public.clone(), state: *state });
    Ring::new(keys.collect(), Vec::new()).unwrap()
}

/// Key 1 signs and key 2 is announced, both since T0.
fn usual() -> Ring {
    ring(&[(key(RS256, 1), signing(T0)), (key(RS256, 2), announced(T0))])
}

fn set(keys: &[Jwk]) -> Option<Jwks> {
    Jwks::new(keys.to_vec()).ok()
}

/// The ring that a plan makes, with made-up keys of the fills from 100 on.
fn made(plan: &Plan) -> Ring {
    let keys: Vec<Jwk> = plan.make().iter().zip(100..).map(|(make, fill)| key(make.lane, fill)).collect();
    plan.ring(&keys).unwrap()
}

fn planned(ring: &Ring, change: &Change, now: UnixSeconds) -> Result<(Ring, Vec<Note>), PlanFault> {
    let plan = plan(ring, &Publication::of_ring(ring), &schedule(&[RS256]), change, now)?;
    Ok((made(&plan), plan.notes().to_vec()))
}

fn rotated(ring: &Ring, published: &Publication, lanes: &[Algorithm], now: UnixSeconds) -> (Ring, Vec<Note>) {
    let plan = plan(ring, published, &schedule(lanes), &Change::Rotate, now).unwrap();
    (made(&plan), plan.notes().to_vec())
}

fn states(ring: &Ring) -> Vec<(Jwk, State)> {
    ring.keys().iter().map(|key| (key.public.clone(), key.state)).collect()
}

#[test]
fn rotating_an_empty_ring_opens_every_lane() {
    let (next, notes) = rotated(&Ring::default(), &Publication::nothing(), &[RS256, ES256], T0);
    let expected = [
        (key(RS256, 100), signing(T0)),
        (key(RS256, 101), announced(T0)),
        (key(ES256, 102), signing(T0)),
        (key(ES256, 103), announced(T0)),
    ];
    assert_eq!(states(&next), expected);
    assert_eq!(notes, [Note::Opened { lane: RS256 }, Note::Opened { lane: ES256 }]);
}

#[test]
fn rotating_promotes_on_the_second_and_says_so_if_it_is_early() {
    let ring = usual();
    let (early, notes) = rotated(&ring, &Publication::of_ring(&ring), &[RS256], T0 + ANNOUNCE - 1);
    assert_eq!(early, ring);
    assert_eq!(notes, [Note::Early { lane: RS256, kid: key(RS256, 2).kid().clone(), ready_at: T0 + ANNOUNCE }]);

    let now = T0 + ANNOUNCE;
    let (next, notes) = rotated(&ring, &Publication::of_ring(&ring), &[RS256], now);
    let expected = [
        (key(RS256, 1), retired(now)),
        (key(RS256, 2), State::Signing { announced_at: T0, signing_since: now }),
        (key(RS256, 100), announced(now)),
    ];
    assert_eq!(states(&next), expected);
    assert_eq!(notes, [Note::Promoted { lane: RS256, kid: key(RS256, 2).kid().clone() }]);
}

#[test]
fn rotating_counts_from_the_last_unbroken_publication() {
    let (one, two, both) = (set(&[key(RS256, 1)]), set(&[key(RS256, 2)]), set(&[key(RS256, 1), key(RS256, 2)]));
    let cases = [
        ("late", vec![(T0, one.clone()), (T0 + 50, both.clone())], T0 + 50),
        ("early: the ring is younger", vec![(T0 - 50, both.clone())], T0),
        ("interrupted", vec![(T0, both.clone()), (T0 + 60, one), (T0 + 70, both.clone())], T0 + 70),
        ("no key set in between", vec![(T0, both.clone()), (T0 + 60, None), (T0 + 80, both.clone())], T0 + 80),
        ("another set in between", vec![(T0, both.clone()), (T0 + 60, both.clone()), (T0 + 70, both)], T0),
        ("alone before", vec![(T0, two), (T0 + 60, set(&[key(RS256, 2), key(RS256, 1)]))], T0),
    ];
    for (name, history, since) in cases {
        let published = Publication::from_history(history);
        assert_eq!(published.since(&key(RS256, 2)).unwrap().max(T0), since, "{name}");
        let (next, notes) = rotated(&usual(), &published, &[RS256], since + ANNOUNCE - 1);
        assert!(
            matches!(notes[..], [Note::Early { ready_at, .. }] if ready_at == since + ANNOUNCE),
            "{name}: {notes:?}"
        );
        assert_eq!(states(&next)[1].1, announced(since), "{name}");
        let (next, _) = rotated(&usual(), &published, &[RS256], since + ANNOUNCE);
        assert_eq!(next.signing(RS256), Some(&key(RS256, 2)), "{name}");
    }
}

#[test]
fn a_rotation_history_knows_a_key_by_all_of_it_and_not_by_its_name() {
    let (first, second) = (named(RS256, 1, Some("a")), named(RS256, 2, Some("a")));
    let published =
        Publication::from_history([(1, set(std::slice::from_ref(&first))), (2, set(std::slice::from_ref(&second)))]);
    assert_eq!((published.since(&first), published.since(&second)), (None, Some(2)));
    assert_eq!(Publication::from_history([]), Publication::nothing());
    assert_eq!(Publication::from_history([(1, set(&[first])), (2, None)]), Publication::nothing());
}

#[test]
fn rotating_begins_the_time_of_a_key_that_is_not_published_anew() {
    let (now, two) = (T0 + 5 * ANNOUNCE, key(RS256, 2));
    let published = Publication::from_history([(T0, set(&[key(RS256, 1)]))]);
    let (next, notes) = rotated(&usual(), &published, &[RS256], now);
    assert_eq!(states(&next), [(key(RS256, 1), signing(T0)), (two.clone(), announced(now))]);
    let unpublished = Note::Unpublished { kid: two.kid().clone(), known_at: now + KNOWN };
    let early = Note::Early { lane: RS256, kid: two.kid().clone(), ready_at: now + ANNOUNCE };
    assert_eq!(notes, [unpublished, early]);
}

#[test]
fn rotating_announces_the_first_key_of_a_new_lane_and_one_where_there_is_none() {
    let ring = ring(&[(key(RS256, 1), signing(T0))]);
    let (next, notes) = rotated(&ring, &Publication::of_ring(&ring), &[RS256, ES384], T0 + 1);
    assert_eq!(states(&next)[1..], [(key(RS256, 100), announced(T0 + 1)), (key(ES384, 101), announced(T0 + 1))]);
    let ready_at = T0 + 1 + ANNOUNCE;
    assert_eq!(notes, [Note::NoneAnnounced { lane: RS256, ready_at }, Note::NewLane { lane: ES384, ready_at }]);
    let plan =
        plan(&next, &Publication::of_ring(&next), &schedule(&[RS256, ES384]), &Change::Rotate, ready_at).unwrap();
    let after = plan.ring(&[key(RS256, 200), key(ES384, 201)]).unwrap();
    assert_eq!(after.lanes(), BTreeSet::from([RS256, ES384]));
}

#[test]
fn rotating_closes_a_lane_that_is_not_configured() {
    let old = ring(&[
        (key(ES256, 1), signing(T0)),
        (key(ES256, 2), announced(T0)),
        (key(ES256, 3), retired(T0)),
        (key(ES384, 4), retired(T0)),
        (key(RS256, 5), signing(T0)),
        (key(RS256, 6), announced(T0)),
    ]);
    let (next, notes) = rotated(&old, &Publication::of_ring(&old), &[RS256], T0 + 9);
    let kept: Vec<_> = states(&next).into_iter().map(|(key, state)| (key.alg(), state)).collect();
    let expected = [
        (ES256, retired(T0 + 9)),
        (ES256, State::Retired { announced_at: T0, signing_since: T0 + 9, retired_at: T0 + 9 }),
        (ES256, retired(T0)),
        (ES384, retired(T0)),
        (RS256, signing(T0)),
        (RS256, announced(T0)),
    ];
    assert_eq!(kept, expected);
    assert_eq!(notes.iter().filter(|note| matches!(note, Note::Closed { lane: ES256 })).count(), 1);
    assert!(!notes.contains(&Note::Closed { lane: ES384 }), "it was closed before");
}

#[test]
fn rotating_forgets_a_retired_key_on_the_second() {
    let old =
        ring(&[(key(RS256, 9), retired(T0)), (key(RS256, 1), signing(T0)), (key(RS256, 2), announced(T0 + RETIRE))]);
    let published = Publication::of_ring(&old);
    assert_eq!(rotated(&old, &published, &[RS256], T0 + RETIRE - 1).0, old);
    let (next, notes) = rotated(&old, &published, &[RS256], T0 + RETIRE);
    assert_eq!(states(&next), states(&old)[1..]);
    assert_eq!(notes.last(), Some(&Note::Removed { kid: key(RS256, 9).kid().clone() }));
}

#[test]
fn rotating_with_a_clock_that_went_back_promotes_and_forgets_nothing() {
    let old = ring(&[(key(RS256, 9), retired(T0)), (key(RS256, 1), signing(T0)), (key(RS256, 2), announced(T0))]);
    let published = Publication::from_history([(T0, old.published().ok())]);
    for now in [UnixSeconds::MIN, 0, T0 - 1] {
        let (next, notes) = rotated(&old, &published, &[RS256], now);
        assert_eq!(next, old);
        assert!(matches!(notes[..], [Note::Early { ready_at, .. }] if ready_at == T0 + ANNOUNCE));
    }
    // At the end of time nothing overflows.
    let old = ring(&[(key(RS256, 1), signing(T0)), (key(RS256, 2), announced(UnixSeconds::MAX - 1))]);
    assert!(matches!(rotated(&old, &Publication::of_ring(&old), &[RS256], T0).1[..], [Note::Early { .. }]));
}

#[test]
fn a_rotation_takes_effect_in_time_to_the_second_and_only_a_retirement_can_be_late() {
    let schedule = schedule(&[RS256]);
    let (current, within) = (usual(), i64::from(schedule.takes_effect_within()));
    assert_eq!(within, 300);
    let now = T0 + ANNOUNCE;
    let (pending, _) = planned(&current, &Change::Rotate, now).unwrap();
    assert!(takes_effect_in_time(&pending, &current, &schedule, now - 5));
    assert!(takes_effect_in_time(&pending, &current, &schedule, now + within));
    assert!(!takes_effect_in_time(&pending, &current, &schedule, now + within + 1));
    let late = UnixSeconds::MAX;
    assert!(takes_effect_in_time(&current, &current, &schedule, late), "nothing is retired");
    assert!(takes_effect_in_time(&usual(), &Ring::default(), &schedule, late), "the first ring");
    let revoked = planned(&current, &Change::Revoke(key(RS256, 1).kid().clone()), now).unwrap().0;
    assert!(takes_effect_in_time(&revoked, &current, &schedule, late), "what is revoked is not waited for");
    let closed = ring(&[(key(RS256, 1), retired(now))]);
    assert!(!takes_effect_in_time(&closed, &current, &schedule, now + within + 1), "a closed lane");
}

#[test]
fn a_rotation_revoking_the_key_that_signs_lets_the_announced_one_sign_at_once() {
    let (one, two, now) = (key(RS256, 1).kid().clone(), key(RS256, 2).kid().clone(), T0 + 7);
    let (next, notes) = planned(&usual(), &Change::Revoke(one.clone()), now).unwrap();
    let signs = State::Signing { announced_at: T0, signing_since: now };
    assert_eq!(states(&next), [(key(RS256, 2), signs), (key(RS256, 100), announced(now))]);
    assert_eq!(next.revoked(), [Revoked::new(one.clone(), now)]);
    let (until, at_worst) = (now + SET_LASTS, now + SET_LASTS + 3600);
    let revoked = Note::Revoked { kid: one.clone(), until, at_worst };
    let promoted = Note::Promoted { lane: RS256, kid: two.clone() };
    assert_eq!(notes, [revoked, promoted, Note::Hasty { lane: RS256, kid: two, until: T0 + KNOWN }]);
    // When everybody knows the next one, there is nothing hasty about it.
    let (_, notes) = planned(&usual(), &Change::Revoke(one.clone()), T0 + KNOWN).unwrap();
    assert!(!notes.iter().any(|note| matches!(note, Note::Hasty { .. })));
    // Twice is once.
    let (again, notes) = planned(&next, &Change::Revoke(one.clone()), now + 1).unwrap();
    assert_eq!((again, notes), (next, vec![Note::RevokedBefore { kid: one }]));
}

#[test]
fn a_rotation_revoking_with_no_announced_key_makes_one_that_signs_at_once() {
    let only = ring(&[(key(RS256, 1), signing(T0))]);
    let now = T0 + 7;
    let (next, notes) = planned(&only, &Change::Revoke(key(RS256, 1).kid().clone()), now).unwrap();
    assert_eq!(states(&next), [(key(RS256, 100), signing(now)), (key(RS256, 101), announced(now))]);
    assert_eq!(notes.last(), Some(&Note::HastyNew { lane: RS256, until: now + KNOWN }));
}

#[test]
fn a_rotation_revoking_what_does_not_sign_leaves_what_signs_alone() {
    let old = ring(&[(key(RS256, 9), retired(T0)), (key(RS256, 1), signing(T0)), (key(RS256, 2), announced(T0))]);
    let (next, _) = planned(&old, &Change::Revoke(key(RS256, 2).kid().clone()), T0 + 7).unwrap();
    assert_eq!(states(&next)[..2], states(&old)[..2]);
    assert_eq!(states(&next)[2..], [(key(RS256, 100), announced(T0 + 7))]);
    let (next, _) = planned(&old, &Change::Revoke(key(RS256, 9).kid().clone()), T0 + 7).unwrap();
    assert_eq!(states(&next), states(&old)[1..]);
    assert_eq!(planned(&old, &Change::Revoke(kid("nobody")), T0), Err(PlanFault::Unknown(kid("nobody"))));
}

#[test]
fn a_rotation_revoking_a_key_takes_its_thumbprint_with_it_and_nothing_is_said_of_its_being_missing() {
    let odd = named(RS256, 1, Some("of-my-own-choice"));
    let old = ring(&[(odd.clone(), signing(T0)), (key(RS256, 2), announced(T0))]);
    let published = Publication::from_history([(T0, set(&[key(RS256, 2)]))]);
    let change = Change::Revoke(odd.kid().clone());
    let plan = plan(&old, &published, &schedule(&[RS256]), &change, T0 + 7).unwrap();
    assert!(!plan.notes().iter().any(|note| matches!(note, Note::Unpublished { .. })));
    let next = made(&plan);
    let names: Vec<&str> = next.revoked().iter().map(|revoked| revoked.kid.as_str()).collect();
    assert_eq!(names, ["of-my-own-choice", odd.thumbprint().as_str()]);
    // Neither under its own name nor under a third one.
    for name in [Some("of-my-own-choice"), None, Some("third")] {
        let refused = planned(&next, &Change::Import(named(RS256, 1, name)), T0 + 8).unwrap_err();
        assert!(matches!(refused, PlanFault::Ring(RingFault::Revoked(_))), "{refused}");
    }
    // Nor into a ring that somebody put together.
    let back = RingKey { public: named(RS256, 1, Some("third")), state: announced(T0) };
    assert_eq!(Ring::new(vec![back], next.revoked().to_vec()), Err(RingFault::Revoked(kid("third"))));
}

#[test]
fn a_rotation_revoking_a_stranger_that_is_only_published_keeps_it_from_coming_back() {
    let stranger = named(RS256, 7, Some("stranger"));
    let published = Publication::from_history([(T0, set(&[key(RS256, 1), key(RS256, 2), stranger.clone()]))]);
    let change = Change::Revoke(stranger.kid().clone());
    let plan = plan(&usual(), &published, &schedule(&[RS256]), &change, T0 + 7).unwrap();
    let next = made(&plan);
    assert_eq!(next.keys(), usual().keys());
    assert_eq!(next.revoked().len(), 2);
    assert!(matches!(plan.notes(), [Note::Revoked { .. }]));
}

#[test]
fn a_rotation_importing_into_an_empty_ring_signs_at_once_and_opens_the_other_lanes() {
    let own = named(RS256, 7, Some("as-published"));
    let published = Publication::from_history([(T0 - 99, set(std::slice::from_ref(&own)))]);
    let change = Change::Import(own.clone());
    let plan = plan(&Ring::default(), &published, &schedule(&[RS256, ES256]), &change, T0).unwrap();
    let next = made(&plan);
    let expected = [
        (own, State::Signing { announced_at: T0 - 99, signing_since: T0 }),
        (key(ES256, 100), signing(T0)),
        (key(ES256, 101), announced(T0)),
        (key(RS256, 102), announced(T0)),
    ];
    assert_eq!(states(&next), expected);
}

#[test]
fn a_rotation_importing_replaces_the_announced_key_and_waits_its_time() {
    let own = named(RS256, 7, Some("own"));
    let (next, notes) = planned(&usual(), &Change::Import(own.clone()), T0 + 7).unwrap();
    // It may have signed: somebody may have put the ring before back into its place.
    let replaced = State::Retired { announced_at: T0, signing_since: T0 + 7, retired_at: T0 + 7 };
    let expected = [(key(RS256, 1), signing(T0)), (key(RS256, 2), replaced), (own.clone(), announced(T0 + 7))];
    assert_eq!(states(&next), expected);
    assert_eq!(notes, [Note::Replaced { kid: key(RS256, 2).kid().clone() }]);
    // Twice: under its name, and under its thumbprint.
    for same in [own.clone(), named(RS256, 7, None)] {
        assert_eq!(planned(&next, &Change::Import(same), T0 + 8), Err(PlanFault::Present(own.kid().clone())));
    }
    // Another key under the name or the thumbprint of one that is there: to revoke one would be to revoke both.
    for name in ["own".to_owned(), own.thumbprint()] {
        let other = named(RS256, 8, Some(&name));
        assert_eq!(planned(&next, &Change::Import(other), T0 + 8), Err(PlanFault::Name(kid(&name))));
    }
    let other = key(ES256, 7);
    assert_eq!(planned(&next, &Change::Import(other), T0 + 8), Err(PlanFault::Lane(ES256)));
}

#[test]
fn a_rotation_importing_into_a_lane_without_an_announced_key_replaces_none_and_counts_from_its_publication() {
    let only = ring(&[(key(RS256, 1), signing(T0))]);
    let own = key(RS256, 7);
    let published = Publication::from_history([(T0 + 5, set(&[key(RS256, 1), own.clone()]))]);
    let change = Change::Import(own.clone());
    let plan = plan(&only, &published, &schedule(&[RS256]), &change, T0 + 50).unwrap();
    assert_eq!(states(&made(&plan))[1..], [(own, announced(T0 + 5))]);
    assert!(plan.notes().is_empty() && plan.make().is_empty());
}

#[test]
fn a_rotation_plan_takes_exactly_the_keys_that_it_asks_for() {
    let plan = plan(&Ring::default(), &Publication::nothing(), &schedule(&[RS256]), &Change::Rotate, T0).unwrap();
    let (one, two, wrong) = (key(RS256, 1), key(RS256, 2), key(ES256, 3));
    assert!(plan.ring(&[one.clone(), two.clone()]).is_ok());
    let few: [&[Jwk]; 4] =
        [&[], std::slice::from_ref(&one), &[one.clone(), wrong.clone()], &[one.clone(), two.clone(), key(RS256, 3)]];
    for made in few {
        assert_eq!(plan.ring(made), Err(RingFault::Made(RS256)), "{}", made.len());
    }
    assert_eq!(plan.ring(&[one.clone(), one.clone()]), Err(RingFault::Repeated(one.kid().clone())));
    let fault = PlanFault::from(RingFault::Repeated(one.kid().clone()));
    assert_eq!(fault.to_string(), format!("the key id {} appears twice", one.kid()));
    let two_signing = [one, two].map(|public| RingKey { public, state: signing(T0) });
    assert_eq!(Ring::new(two_signing.to_vec(), Vec::new()), Err(RingFault::TwoSigning(RS256)));
}

#[test]
fn the_status_of_a_rotation_tells_what_becomes_of_each_key_and_when() {
    let old = ring(&[(key(RS256, 9), retired(T0 + 3)), (key(RS256, 1), signing(T0)), (key(RS256, 2), announced(T0))]);
    let published = Publication::from_history([(T0 + 2, old.published().ok())]);
    let status = Status::new(&old, &published, &schedule(&[RS256]), T0 + 9);
    let told: Vec<_> =
        status.keys.iter().map(|key| (key.state, key.signing_since, key.ready_at, key.gone_at)).collect();
    let expected = [
        (StateName::Retired, Some(T0), None, Some(T0 + 3 + RETIRE)),
        (StateName::Signing, Some(T0), None, None),
        (StateName::Announced, None, Some(T0 + 2 + ANNOUNCE), None),
    ];
    assert_eq!(told, expected);
    assert_eq!(status.keys[0].retired_at, Some(T0 + 3));
    assert!(status.agree && status.warnings.is_empty() && status.strangers.is_empty());
    assert!(status.keys.iter().all(|key| key.published));
    assert_eq!(status.at, T0 + 9);
}

#[test]
fn the_status_warns_of_whatever_the_next_rotation_would_repair() {
    let (one, two, stranger, leaked) = (key(RS256, 1), key(RS256, 2), key(RS256, 7), key(RS256, 8));
    let revoked = vec![Revoked::new(leaked.kid().clone(), T0)];
    let keys = usual().keys().to_vec();
    let ring = Ring::new(keys, revoked).unwrap();
    let published = Publication::from_history([(T0, set(&[stranger.clone(), leaked.clone()]))]);
    let status = Status::new(&ring, &published, &schedule(&[RS256, ES384]), T0);
    let expected = [
        format!("{} is signing and not in the published set: tokens of it are rejected", one.kid()),
        format!("{} is announced and not in the published set", two.kid()),
        format!("{} is published and not in the ring", stranger.kid()),
        format!("{} is revoked and still published", leaked.kid()),
        "no key signs in the lane ES384".to_owned(),
        "ring and published set disagree: a rotation publishes the ring, even if it comes too early to promote"
            .to_owned(),
    ];
    assert_eq!(status.warnings, expected);
    assert_eq!(status.strangers, [stranger.kid().clone(), leaked.kid().clone()]);
    assert!(!status.agree);
    assert_eq!(status.keys[1].ready_at, None, "its time has not begun");
    // A key of this name that is another key is a stranger, and the ring's is missing.
    let other = named(RS256, 9, Some(one.kid().as_str()));
    let status = Status::new(&usual(), &Publication::from_history([(T0, set(&[other, two]))]), &schedule(&[RS256]), T0);
    assert!(!status.agree && !status.keys[0].published && status.strangers == [one.kid().clone()]);
}

/// What a case begins with, and what is asked of it one after the other, so many seconds apart.
#[derive(Debug, Clone)]
enum Step {
    Rotate,
    Revoke(usize),
    Import(u8, bool),
    /// Which lanes there are from now on; RS256 always.
    Lanes(bool, bool),
    /// The set is lost, or something else is put there.
    Lost,
}

fn steps() -> impl Strategy<Value = Vec<(UnixSeconds, Step)>> {
    let step = prop_oneof![
        5 => Just(Step::Rotate),
        3 => (0..12_usize).prop_map(Step::Revoke),
        2 => (0..20_u8, any::<bool>()).prop_map(|(fill, named)| Step::Import(fill, named)),
        1 => any::<(bool, bool)>().prop_map(|(second, third)| Step::Lanes(second, third)),
        1 => Just(Step::Lost),
    ];
    let wait = prop_oneof![Just(0), 1..3000_i64, Just(RETIRE), Just(ANNOUNCE - 1), Just(ANNOUNCE), -500..0_i64];
    prop::collection::vec((wait, step), 1..30)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_rotation_keeps_what_it_must_keep(steps in steps()) {
        let (mut ring, mut history, mut lanes, mut now, mut fills) = (Ring::default(), Vec::new(), vec![RS256], T0, 30_u8..);
        for (wait, step) in steps {
            now += wait;
            let change = match step {
                Step::Rotate => Change::Rotate,
                Step::Revoke(which) => match ring.keys().get(which) {
                    Some(key) => Change::Revoke(key.public.kid().clone()),
                    None => continue,
                },
                Step::Import(fill, other) => Change::Import(named(RS256, fill, other.then_some("other"))),
                Step::Lanes(second, third) => {
                    lanes = [(RS256, true), (ES256, second), (ES384, third)].into_iter().filter(|(_, on)| *on).map(|(lane, _)| lane).collect();
                    continue;
                }
                Step::Lost => {
                    history.push((now, None));
                    continue;
                }
            };
            let published = Publication::from_history(history.clone());
            let Ok(plan) = plan(&ring, &published, &schedule(&lanes), &change, now) else { continue };
            let keys: Vec<Jwk> = plan.make().iter().map(|make| key(make.lane, fills.next().unwrap())).collect();
            let Ok(next) = plan.ring(&keys) else { continue };
            check(&ring, &next, &published, &change, now, &lanes)?;
            if !takes_effect_in_time(&next, &ring, &schedule(&lanes), now) {
                return Err(TestCaseError::fail("late at the very moment"));
            }
            history.push((now, next.published().ok()));
            ring = next;
            if fills.start > 200 {
                break;
            }
        }
    }
}

fn check(
    ring: &Ring,
    next: &Ring,
    published: &Publication,
    change: &Change,
    now: UnixSeconds,
    lanes: &[Algorithm],
) -> Result<(), TestCaseError> {
    // `Ring::new` holds it; here it is counted once more.
    for lane in [RS256, ES256, ES384] {
        let signs =
            next.keys().iter().filter(|key| key.public.alg() == lane && matches!(key.state, State::Signing { .. }));
        prop_assert!(signs.count() <= 1);
    }
    prop_assert!(next.published().is_ok(), "an empty set");
    let state_of =
        |ring: &Ring, public: &Jwk| ring.keys().iter().find(|key| key.public == *public).map(|key| key.state);
    let is_revoked = |ring: &Ring, kid: &KeyId| ring.revoked().iter().any(|revoked| revoked.kid == *kid);
    for key in next.keys().iter().filter(|key| matches!(key.state, State::Signing { .. })) {
        let before = state_of(ring, &key.public);
        if ring.keys().is_empty() || matches!(before, Some(State::Signing { .. })) {
            continue;
        }
        let leaves = ring.signing(key.public.alg()).is_some_and(|old| is_revoked(next, old.kid()));
        let since = published.since(&key.public);
        prop_assert!(
            leaves || since.is_some_and(|since| since + ANNOUNCE <= now),
            "{} signs too early",
            key.public.kid()
        );
    }
    for key in ring.keys() {
        let (kid, lane) = (key.public.kid(), key.public.alg());
        if state_of(next, &key.public).is_some() || is_revoked(next, kid) {
            continue;
        }
        let may_leave = match key.state {
            State::Retired { retired_at, .. } => retired_at + RETIRE <= now,
            // It never signed: its lane is closed, or an import took its place.
            State::Announced { .. } => !lanes.contains(&lane) || matches!(change, Change::Import(_)),
            State::Signing { .. } => false,
        };
        prop_assert!(may_leave, "{kid} is lost");
    }
    for revoked in ring.revoked() {
        prop_assert!(is_revoked(next, &revoked.kid), "{} is forgotten as revoked", revoked.kid);
    }
    Ok(())
}
