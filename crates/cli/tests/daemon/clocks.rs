//! Clocks that step while files are kept fresh.

use std::time::Duration;

use testkit::clock::Clock;

use crate::running::{Files, Running, until};
use crate::world::{key_of_warned, run};

#[test]
fn a_clock_that_steps_forwards_ends_what_is_over_at_once_and_one_that_steps_back_renews() {
    let files = Files::new();
    files.sts.lifetime(Duration::from_mins(2));
    files.tables("[daemon.deploy]\nwrite_env_file = 'RUN/env'\n");
    let clock = Clock::start();
    // Within what an issuer takes for its own clock: nobody but us knows that it is wrong.
    clock.advance(Duration::from_secs(30));
    let daemon = Running::begin(files.command(&[]).envs(clock.environment()));
    let first = until("the file", || files.key("env"));
    // Nobody knows how old it is now, so there is a new one, and none is missed.
    clock.retreat(Duration::from_secs(30));
    let second = until("a renewal", || {
        let key = files.key("env").expect("it stays until it is replaced");
        (key != first).then_some(key)
    });
    assert_eq!(daemon.count("removed"), 0, "{}", daemon.said());

    clock.advance(Duration::from_mins(4));
    until("no file", || files.key("env").is_none().then_some(()));
    daemon.wait_until_said("env removed: what stood in it has ended");
    daemon.wait_until_said("and this machine's clock says ");
    let why = until("why", || files.failure("env"));
    assert!(why.contains("its credentials ended at "), "{why}");
    clock.retreat(Duration::from_mins(4));
    assert_ne!(until("recovery", || files.key("env")), second);
    // In an orderly way: what moves the clock tidies up then.
    assert_eq!(daemon.stop().0, Some(0));
}

#[test]
fn what_was_written_by_a_clock_that_is_ahead_of_this_one_is_good_for_nobody_knows_how_long() {
    let files = Files::new();
    files.tables("[daemon.deploy]\nwrite_env_file = 'RUN/env'\n");
    let clock = Clock::start();
    clock.advance(Duration::from_mins(2));
    let daemon = Running::begin(files.command(&[]).envs(clock.environment()));
    until("the file", || files.key("env"));
    assert_eq!(daemon.stop().0, Some(0));
    files.sts.close();
    let daemon = Running::begin(&mut files.command(&[]));
    daemon.wait_until_said("env removed: what stood in it has ended");
    assert!(files.names().is_empty());
}

#[test]
fn who_stood_still_for_longer_than_a_life_takes_away_what_has_ended_first() {
    let files = Files::new();
    files.sts.lifetime(Duration::from_secs(5));
    files.tables("[daemon.deploy]\nwrite_env_file = 'RUN/env'\n");
    let daemon = files.start();
    files.sts.close();
    daemon.signal("STOP");
    let Some(end) = files.key("env").map(|key| files.sts.session(&key).unwrap().expires) else { return };
    until("its end", || (jiff::Timestamp::now().as_second() > end).then_some(()));
    daemon.signal("CONT");
    daemon.wait_until_said("env removed: what stood in it has ended");
    files.sts.open();
    until("recovery", || files.none_that_has_ended("env"));
}

/// Of `credentials`, which the daemon shares.
#[test]
fn credentials_of_a_clock_that_is_behind_end_within_their_hour_by_that_clock_with_a_warning() {
    let files = Files::new();
    let clock = Clock::start();
    clock.retreat(Duration::from_mins(3));
    let ran = run(files.credentials(&[]).envs(clock.environment()));
    let key = key_of_warned(&ran);
    let told = ran.stderr.contains("this machine's clock is ") && ran.stderr.contains(" minutes behind that of STS");
    assert!(told, "{ran:?}");
    let printed: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    let end: jiff::Timestamp = printed["Expiration"].as_str().unwrap().parse().unwrap();
    let (left, of_sts) = (end.as_second() - clock.now(), files.sts.session(&key).unwrap().expires);
    assert!(left <= 3600 && left > 3000, "{left}");
    assert!(end.as_second() < of_sts - 100, "{end} {of_sts}");
}
