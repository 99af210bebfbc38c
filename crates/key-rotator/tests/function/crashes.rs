//! Killed just after each external call in turn, and called again.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use testkit::lambda::Function;

use crate::world::{DAY, Place, STEPS, World, kids, version};

/// More calls than any of it makes.
const MOST: usize = 100;

/// Runs `work`, with a kill just after external call number `after`. False if it came to its end before.
fn killed_after(place: &Place<'_>, after: usize, work: impl FnOnce(&Function) + Send) -> bool {
    let rotator = Arc::new(place.rotator());
    rotator.wait_until_ready();
    let gate = place.world.moto.gate();
    gate.hold_after(after);
    std::thread::scope(|scope| {
        let running = scope.spawn({
            let rotator = Arc::clone(&rotator);
            move || work(&rotator)
        });
        loop {
            if gate.held(Duration::from_millis(20)) {
                rotator.kill();
                // An invocation whose function is gone is a panic of the one that waits for it.
                drop(running.join());
                gate.release();
                return true;
            }
            if running.is_finished() {
                running.join().unwrap();
                gate.release();
                return false;
            }
        }
    })
}

/// A kill after each call of `work`, each time in a place of its own that `prepare` has made ready; `again` then comes to its
/// end, and `holds` is looked at.
fn at_every_call(
    name: &str,
    prepare: impl Fn(&Place<'_>),
    work: impl Fn(&Place<'_>, &Function) + Sync,
    holds: impl Fn(&Place<'_>),
) {
    let world = World::new();
    for (crashes, after) in (1..MOST).enumerate() {
        let place = world.place(&format!("{name}-{after}"));
        prepare(&place);
        let crashed = killed_after(&place, after, |rotator| work(&place, rotator));
        let rotator = place.rotator();
        work(&place, &rotator);
        holds(&place);
        place.assert_agrees();
        assert!(
            place.versions().as_object().unwrap().values().all(|labels| !labels.to_string().contains("AWSPENDING"))
        );
        // The next one is not disturbed by what was left.
        place.rotate(&rotator, &version(99));
        place.assert_agrees();
        if !crashed {
            println!("{name}: killed after each of {crashes} calls");
            assert!(crashes > 15, "{crashes}");
            return;
        }
    }
    panic!("{name} makes more than {MOST} calls");
}

#[test]
fn the_first_rotation_survives_a_kill_after_each_call() {
    at_every_call(
        "first",
        |_| {},
        |place, rotator| place.rotate(rotator, &version(1)),
        |place| {
            assert_eq!((place.in_state("signing").len(), place.in_state("announced").len()), (1, 1));
        },
    );
}

#[test]
fn a_rotation_that_promotes_survives_a_kill_after_each_call() {
    at_every_call(
        "promotes",
        |place| {
            place.rotate(&place.rotator(), &version(1));
            place.world.clock.advance(DAY);
        },
        |place, rotator| {
            for step in STEPS {
                place.step(rotator, step, &version(2)).unwrap_or_else(|error| panic!("{step}: {error}"));
            }
        },
        |place| {
            let counts = ["retired", "signing", "announced"].map(|state| place.in_state(state).len());
            assert_eq!(counts, [1, 1, 1]);
        },
    );
}

#[test]
fn a_revocation_survives_a_kill_after_each_call_like_a_rotation() {
    at_every_call(
        "revokes",
        |place| {
            let rotator = place.rotator();
            place.rotate(&rotator, &version(1));
            place.world.clock.advance(DAY);
            place.rotate(&rotator, &version(2));
        },
        |place, rotator| {
            // The key that signed before the first attempt.
            let leaked = revoked(place);
            rotator.invoke(&json!({ "action": "revoke", "kid": leaked })).result.unwrap();
        },
        |place| {
            let leaked = revoked(place);
            assert!(!kids(&place.ring()["keys"], |_| true).contains(&leaked));
            assert!(!place.jwks().to_string().contains(&leaked));
            assert_eq!(place.in_state("signing").len(), 1);
            assert!(place.labelled("AWSPREVIOUS").is_none_or(|ring| !ring.to_string().contains(&leaked)));
        },
    );
}

/// The key that is or was to be revoked: the one that is there, or else the one that signed when the second rotation ended.
fn revoked(place: &Place<'_>) -> String {
    let input = json!({ "SecretId": place.secret, "VersionId": version(2) });
    let found = place.world.moto.api("secretsmanager.GetSecretValue", &input).unwrap();
    let ring: serde_json::Value = serde_json::from_str(found["SecretString"].as_str().unwrap()).unwrap();
    kids(&ring["keys"], |key| key["state"] == "signing").remove(0)
}
