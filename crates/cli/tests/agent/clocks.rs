//! A wall clock that steps: what is over by any clock is not handed out, and it is said why.

use std::time::Duration;

use testkit::clock::Clock;

use crate::running::{Agent, until};
use crate::world::World;

/// A session, and a step that is longer.
const LIFE: Duration = Duration::from_mins(10);
const STEP: Duration = Duration::from_mins(15);

fn start(world: &World, clock: &Clock) -> Agent {
    let mut command = world.agent(&["--profile", "deploy"]);
    command.envs(clock.environment());
    Agent::start(command)
}

fn key(agent: &Agent) -> String {
    until("there are credentials", || agent.get("/deploy").key().map(str::to_owned))
}

#[test]
fn a_step_forwards_ends_what_is_held_and_a_step_back_brings_new_ones() {
    let (world, clock) = (World::new(), Clock::start());
    world.sts.lifetime(LIFE);
    let agent = start(&world, &clock);
    let first = key(&agent);
    clock.advance(STEP);
    // The issuer's clock has not stepped, and takes no signature of the future.
    let why = until("it says why", || {
        let got = agent.get("/deploy");
        assert!(got.key().is_none(), "they have ended, by its clock: {got:?}");
        got.why().contains("clock").then(|| got.why().to_owned())
    });
    assert!(why.starts_with("no credentials of "), "{why}");
    until("it says that", || agent.stderr().contains("the clock stepped forwards by 15 minutes").then_some(()));
    until("it says that", || agent.stderr().contains("deploy: ended, and nothing took its place").then_some(()));

    clock.retreat(STEP);
    let second = key(&agent);
    assert_ne!(second, first);
    until("it says that", || agent.stderr().contains("the clock stepped back by 15 minutes").then_some(()));
}

#[test]
fn what_was_obtained_by_a_clock_that_was_ahead_does_not_last_longer_and_is_renewed() {
    let (world, clock) = (World::new(), Clock::start());
    // Less than the issuer and STS mind.
    let ahead = Duration::from_mins(4);
    clock.advance(ahead);
    world.sts.lifetime(LIFE);
    let agent = start(&world, &clock);
    let first = key(&agent);
    clock.retreat(ahead);
    let second = until("they are renewed", || {
        let got = agent.get("/deploy");
        let end = got.body["Expiration"].as_str()?.parse::<jiff::Timestamp>().unwrap();
        let left = end.as_second() - clock.now();
        assert!(left <= i64::try_from(LIFE.as_secs()).unwrap() + 1, "{left} s are left, by the agent's clock");
        got.key().filter(|key| *key != first).map(str::to_owned)
    });
    assert!(world.sts.session(&second).is_some());
    assert_eq!(world.asked(), 2);
}
