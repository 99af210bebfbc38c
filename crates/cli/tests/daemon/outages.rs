//! Those who are asked, each of them gone, slow and talking nonsense.

use std::time::Duration;

use testkit::page::{Canned, Front};
use testkit::sts::Fault;

use crate::running::{Files, Running, side_by_side, until};

const TABLES: &str = "[daemon.deploy]\nwrite_env_file = 'RUN/env'\nwrite_token_file = 'RUN/token'\n\
                      [daemon.github]\nwrite_json_file = 'RUN/json'\n";
const LIFETIME: Duration = Duration::from_secs(8);

/// Once somebody is spoiled, the file stays for as long as it is good, and no longer; log and status say who it was; and all is well
/// again by itself.
fn spoiled(files: &Files, daemon: &Running, name: &str, culprit: &str, spoil: impl Fn(), heal: impl Fn()) {
    until("the file", || files.key(name));
    let removed = format!("{name} removed: what stood in it has ended");
    let before = daemon.count(&removed);
    spoil();
    until("no file", || files.none_that_has_ended(name).is_none().then_some(()));
    until("a word", || (daemon.count(&removed) > before).then_some(()));
    until("why", || files.failure(name).filter(|why| why.contains(culprit)));
    assert!(daemon.said().contains(culprit), "{}", daemon.said());
    heal();
    until("recovery", || files.key(name));
}

#[test]
fn whoever_is_spoiled_is_named_and_costs_nothing_that_is_good() {
    side_by_side(&[
        (
            "sts_gone_silent_or_talking_nonsense_costs_nothing_that_is_good_and_is_named",
            sts_gone_silent_or_talking_nonsense_costs_nothing_that_is_good_and_is_named,
        ),
        (
            "a_slow_sts_is_waited_for_and_one_that_never_answers_does_not_keep_a_file_from_its_end",
            a_slow_sts_is_waited_for_and_one_that_never_answers_does_not_keep_a_file_from_its_end,
        ),
        (
            "the_issuer_gone_slow_or_talking_nonsense_is_named_and_so_is_the_runner_of_a_job",
            the_issuer_gone_slow_or_talking_nonsense_is_named_and_so_is_the_runner_of_a_job,
        ),
        (
            "keys_that_sts_cannot_get_are_the_issuers_fault_and_pass",
            keys_that_sts_cannot_get_are_the_issuers_fault_and_pass,
        ),
    ]);
}

fn sts_gone_silent_or_talking_nonsense_costs_nothing_that_is_good_and_is_named() {
    let files = Files::new();
    files.sts.lifetime(LIFETIME);
    files.tables(TABLES);
    let daemon = files.start();
    let endpoint = files.sts.endpoint();
    let heal = || files.sts.heal();
    spoiled(&files, &daemon, "env", &endpoint, || files.sts.close(), || files.sts.open());
    spoiled(&files, &daemon, "env", &endpoint, || files.sts.fail(Fault::Nonsense), heal);
    spoiled(&files, &daemon, "json", "Throttling", || files.sts.fail(Fault::Throttled), heal);
    // The token is none of STS's.
    assert!(files.read("token").is_some() && files.failure("token").is_none());
}

fn a_slow_sts_is_waited_for_and_one_that_never_answers_does_not_keep_a_file_from_its_end() {
    let files = Files::new();
    files.sts.lifetime(Duration::from_secs(12));
    files.tables("[daemon.deploy]\nwrite_env_file = 'RUN/env'\n");
    let daemon = files.start();
    let first = files.key("env").unwrap();
    files.sts.fail(Fault::Slow(Duration::from_millis(500)));
    until("a renewal", || files.key("env").filter(|key| *key != first));
    files.sts.fail(Fault::Silent);
    daemon.wait_until_said("env removed: what stood in it has ended");
    assert!(files.names().is_empty());
    files.sts.heal();
    until("recovery", || files.key("env"));
}

fn the_issuer_gone_slow_or_talking_nonsense_is_named_and_so_is_the_runner_of_a_job() {
    let files = Files::new();
    files.sts.lifetime(LIFETIME);
    let front = Front::start();
    front.lead_to(files.issuer.origin());
    files.tables_asking(&front.origin(), TABLES);
    let daemon = files.start();
    let heal = || front.pass_everything();
    let token = files.read("token").unwrap();
    let answer = |canned: Canned| front.answer("POST /token", canned);
    let place = format!("{}/token", front.origin());
    spoiled(&files, &daemon, "env", &place, || answer(Canned::json(503, &"{}")), heal);
    let nonsense = || answer(Canned { status: 200, body: "<html>".to_owned(), ..Canned::default() });
    spoiled(&files, &daemon, "env", "answered 200 without a token", nonsense, heal);
    answer(Canned { status: 200, after: Duration::from_mins(5), ..Canned::default() });
    until("no file", || files.key("env").is_none().then_some(()));
    front.pass_everything();
    // The attempt that is under way has its own patience.
    until("recovery", || files.key("env"));
    assert_eq!(files.read("token").unwrap(), token, "it was not due");

    spoiled(&files, &daemon, "json", "503", || files.github.fail(&[503; 100]), || files.github.heal());
}

fn keys_that_sts_cannot_get_are_the_issuers_fault_and_pass() {
    let files = Files::new();
    files.sts.lifetime(LIFETIME);
    files.tables("[daemon.deploy]\nwrite_env_file = 'RUN/env'\n");
    let daemon = files.start();
    let front = Front::start();
    let spoil = || files.provider(crate::world::ACCOUNT, crate::world::ISSUER, crate::world::AUDIENCE, &front.origin());
    let heal = || front.lead_to(files.issuer.origin());
    spoiled(&files, &daemon, "env", "Couldn't retrieve verification key", spoil, heal);
}
