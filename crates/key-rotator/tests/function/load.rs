//! A hundred rotations under load, in a time that runs fast: clients get tokens of two issuers and verify them with the key
//! sets that they keep, for as long as a relying party may keep one.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::Value;
use testkit::clock::Clock;
use testkit::lambda::Function;

use crate::world::{World, ask, served, token_event, verify, version};

const ROTATIONS: usize = 100;
const TOKENS: usize = 100_000;
/// Seconds. A token lasts for a minute at least.
const BOUNDS: &str =
    r#"{"refresh":1,"last_good":2,"max_age":1,"relying_party":2,"longest_lifetime":60,"skew":1,"margin":10}"#;
/// The least that these bounds allow.
const ANNOUNCE: u64 = 1 + 2 + 1 + 2 + 10;
const RETIRE: u64 = 1 + 2 + 60 + 1 + 10;
/// `max_age` and `relying_party`.
const KEPT: i64 = 1 + 2;

/// What a client has seen.
#[derive(Default)]
struct Counts {
    tokens: AtomicUsize,
    verified: AtomicUsize,
    unavailable: AtomicUsize,
}

/// Gets tokens, verifies each with the key set that it keeps, when it gets it and shortly before it ends.
fn client(clock: &Clock, issuer: &Function, publisher: &Function, done: &AtomicBool, counts: &Counts) -> Vec<String> {
    let event = token_event("ES256");
    let mut rejected = Vec::new();
    let mut kept: Option<(i64, Value)> = None;
    let mut held: VecDeque<(i64, String)> = VecDeque::new();
    while !done.load(Ordering::Relaxed) {
        let now = clock.now();
        if kept.as_ref().is_none_or(|(since, _)| now - since > KEPT) {
            let fetched = served(publisher).map(|set| (now, set));
            let Some(fetched) = fetched else { continue };
            kept = Some(fetched);
        }
        let Some((_, set)) = &kept else { continue };
        let mut check = |token: &str, now: i64| match verify(token, set, "ES256", now) {
            Ok(verified) => {
                counts.verified.fetch_add(1, Ordering::Relaxed);
                verified.claims["exp"].as_i64()
            }
            Err(why) => {
                rejected.push(why.to_string());
                None
            }
        };
        match ask(issuer, &event) {
            Ok(token) => {
                counts.tokens.fetch_add(1, Ordering::Relaxed);
                if let Some(exp) = check(&token, clock.now()) {
                    held.push_back((exp, token));
                }
            }
            Err(_) => {
                counts.unavailable.fetch_add(1, Ordering::Relaxed);
            }
        }
        // Time jumps by a second: what has two left is looked at once more.
        while held.front().is_some_and(|(exp, _)| *exp - 2 <= clock.now()) {
            let Some((exp, token)) = held.pop_front() else { break };
            let now = clock.now();
            if now <= exp {
                check(&token, now);
            }
        }
    }
    rejected
}

#[test]
fn a_hundred_rotations_under_load_reject_no_token() {
    let world = World::new();
    let place = world.place("load");
    let rotator = place
        .setup("key-rotator")
        .env("KEY_LANES", "RS256,ES256")
        .env("DANGEROUS_BOUNDS", BOUNDS)
        .env("ANNOUNCE_FOR", format!("{ANNOUNCE}s"))
        .env("RETIRE_FOR", format!("{RETIRE}s"))
        .start();
    place.rotate(&rotator, &version(0));
    let issuers = [(); 2].map(|()| place.issuer("jwt-issuer").env("DANGEROUS_BOUNDS", BOUNDS).start());
    let publisher = place.reader("jwks").env("DANGEROUS_BOUNDS", BOUNDS).start();

    let (done, counts) = (AtomicBool::new(false), Counts::default());
    let mut promoted = 0;
    let rejected: Vec<String> = std::thread::scope(|scope| {
        let clients: Vec<_> = issuers
            .iter()
            .map(|issuer| scope.spawn(|| client(&world.clock, issuer, &publisher, &done, &counts)))
            .collect();
        let mut signing = place.in_state("signing");
        let mut number = 0;
        while promoted < ROTATIONS || counts.tokens.load(Ordering::Relaxed) < TOKENS {
            for _ in 0..=ANNOUNCE {
                world.clock.advance(Duration::from_secs(1));
                std::thread::sleep(Duration::from_millis(20));
            }
            number += 1;
            place.rotate(&rotator, &version(number));
            let now = place.in_state("signing");
            if now != signing {
                promoted += 1;
            }
            signing = now;
        }
        done.store(true, Ordering::Relaxed);
        clients.into_iter().flat_map(|client| client.join().unwrap()).collect()
    });
    let count = |number: &AtomicUsize| number.load(Ordering::Relaxed);
    println!(
        "{promoted} rotations, {} tokens, {} verifications, {} rejected, {} answers without a token; peak memory of the rotator {} KiB",
        count(&counts.tokens),
        count(&counts.verified),
        rejected.len(),
        count(&counts.unavailable),
        rotator.peak_memory() / 1024
    );
    assert_eq!(rejected, Vec::<String>::new());
    assert!(count(&counts.tokens) >= TOKENS);
}
