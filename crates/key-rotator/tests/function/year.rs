//! A year of monthly rotations, seen by an issuer, by the function that publishes, and by relying parties.

use std::time::Duration;

use serde_json::Value;

use crate::world::{DAY, World, ask, served, token_event, verify, version};

const LANES: [&str; 2] = ["RS256", "ES256"];

#[test]
fn a_year_of_monthly_rotations_rejects_no_token() {
    let world = World::new();
    let place = world.place("year");
    let rotator = place.setup("key-rotator").env("KEY_LANES", "RS256,ES256").start();
    place.rotate(&rotator, &version(0));
    let issuer = place.issuer("jwt-issuer").start();
    let publisher = place.reader("jwks").start();
    let now = || world.clock.now();
    let tokens = || LANES.map(|lane| (lane, ask(&issuer, &token_event(lane)).unwrap()));
    let check = |tokens: &[(&str, String)], jwks: &Value| {
        for (lane, token) in tokens {
            verify(token, jwks, lane, now()).unwrap();
        }
    };

    let mut signers = Vec::new();
    for month in 1..=12 {
        world.clock.advance(30 * DAY);
        // What a relying party has fetched just before, and tokens of just before.
        let old = served(&publisher).unwrap();
        let before = tokens();
        check(&before, &old);
        place.rotate(&rotator, &version(month));
        place.assert_agrees();
        check(&before, &place.jwks());
        // The issuer has its copy for five minutes; then the new key signs. Relying parties know it.
        let between = tokens();
        check(&between, &old);
        world.clock.advance(Duration::from_secs(301));
        let after = tokens();
        check(&after, &old);
        check(&after, &served(&publisher).unwrap());
        let kid = verify(&after[0].1, &old, LANES[0], now()).unwrap().kid;
        assert!(place.in_state("signing").contains(&kid), "{kid}");
        signers.push(kid);
        let keys = place.jwks()["keys"].as_array().unwrap().len();
        assert!(keys <= 6, "three a lane: {keys}");
    }
    signers.dedup();
    assert_eq!(signers.len(), 12, "each month has its key");
}
