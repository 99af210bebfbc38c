//! What callers see while a source fails, and when what it holds changes.
//!
//! The times are short: a copy is refreshed after one second, and serves for four more while its source fails.

use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use testkit::aws::{Fault, Service};
use testkit::lambda::Function;

use crate::world::{JWKS, POLICY, QUICK, SECRET, World, ask, body, policy_with_lifetime, ring};

const TOKEN: &str = "rest/default-url.token.json";
const KEYS: &str = "rest/default-url.jwks.json";
/// How long a copy serves while its source fails, by `QUICK`.
const USABLE: Duration = Duration::from_secs(5);

fn status(function: &Function, event: &str) -> u64 {
    let answer = ask(function, event);
    let status = answer["statusCode"].as_u64().unwrap();
    if status == 503 {
        assert_eq!(answer["headers"]["retry-after"], "5", "{answer}");
        assert_eq!(body(&answer)["error"], "temporarily_unavailable", "{answer}");
    }
    status
}

/// Ask until the answer is as awaited.
fn until(limit: Duration, mut done: impl FnMut() -> bool) -> Duration {
    let began = Instant::now();
    while !done() {
        assert!(began.elapsed() < limit, "not within {limit:?}");
        sleep(Duration::from_millis(100));
    }
    began.elapsed()
}

/// Both functions through one outage, which `fail` begins and `heal` ends.
fn outage(what: &str, fail: impl Fn(&World), heal: impl Fn(&World)) {
    let world = World::new();
    let issuer = world.issuer("rest").env("DANGEROUS_BOUNDS", QUICK).start();
    let publisher = world.publisher("rest").env("DANGEROUS_BOUNDS", QUICK).start();
    let in_time = |at: &str, function: &Function, event: &str| {
        let began = Instant::now();
        let status = status(function, event);
        // A request waits for at most three seconds; the rest is this machine's.
        assert!(began.elapsed() < Duration::from_millis(4500), "{what}, {at}: {:?}", began.elapsed());
        status
    };
    let both = |at: &str, wanted: u64| {
        for (function, event) in [(&issuer, TOKEN), (&publisher, KEYS)] {
            assert_eq!(in_time(at, function, event), wanted, "{what}, {at}, {event}\n{}", function.stdout());
        }
    };
    // Each copy is younger than this.
    let fetched = Instant::now();
    both("before", 200);
    fail(&world);
    let began = Instant::now();
    // Not one request fails while the last good copy is young enough.
    let at = "with the last good copy";
    let mut answered = 0;
    while fetched.elapsed() < USABLE && began.elapsed() < Duration::from_millis(2500) {
        for (function, event) in [(&issuer, TOKEN), (&publisher, KEYS)] {
            let found = in_time(at, function, event);
            if fetched.elapsed() < USABLE {
                assert_eq!(found, 200, "{what}, {at}, {event}\n{}", function.stdout());
                answered += 1;
            }
        }
        sleep(Duration::from_millis(200));
    }
    assert!(answered > 0, "{what}: to begin it took this machine longer than a copy lasts");
    sleep(Duration::from_millis(5200).saturating_sub(began.elapsed()));
    both("too old", 503);
    heal(&world);
    // At most six seconds of pause after the last failure, and a request's own wait.
    for (function, event) in [(&issuer, TOKEN), (&publisher, KEYS)] {
        until(Duration::from_secs(20), || status(function, event) == 200);
    }
    for function in [&issuer, &publisher] {
        function.lines_until(|lines| {
            let says = |what| lines.iter().any(|line| line.contains(what));
            says("cannot be fetched") && says("fetched again")
        });
    }
}

fn all_services(world: &World, fault: Fault) {
    for service in [Service::SecretsManager, Service::Ssm] {
        world.moto.gate().fail(service, fault);
    }
}

fn healed(world: &World) {
    for service in [Service::SecretsManager, Service::Ssm] {
        world.moto.gate().heal(service);
    }
}

#[test]
fn throttled() {
    outage("throttled", |world| all_services(world, Fault::Throttled), healed);
}

#[test]
fn slow() {
    outage("slow", |world| all_services(world, Fault::Slow(Duration::from_secs(10))), healed);
}

#[test]
fn unreachable() {
    outage("unreachable", |world| world.moto.gate().close(), |world| world.moto.gate().open());
}

#[test]
fn silent() {
    outage("silent", |world| all_services(world, Fault::Silent), healed);
}

#[test]
fn refused_and_broken() {
    outage("refused", |world| all_services(world, Fault::AccessDenied), healed);
    outage("broken", |world| all_services(world, Fault::ServerError), healed);
}

#[test]
fn missing_and_malformed() {
    outage(
        "missing",
        |world| {
            // Within its recovery window a secret keeps its ARN.
            world.moto.cli(&[
                "secretsmanager",
                "delete-secret",
                "--secret-id",
                SECRET,
                "--recovery-window-in-days",
                "7",
            ]);
            world.moto.delete_parameter(JWKS);
        },
        |world| {
            world.moto.cli(&["secretsmanager", "restore-secret", "--secret-id", SECRET]);
            world.moto.put_parameter(JWKS, &world.jwks.to_string());
        },
    );
    outage(
        "malformed",
        |world| {
            world.moto.put_secret(SECRET, r#"{"version":1,"keys":"#);
            world.moto.put_parameter(JWKS, "{}");
        },
        |world| {
            world.moto.put_parameter(JWKS, &world.jwks.to_string());
            world.moto.put_secret(SECRET, std::str::from_utf8(&ring().to_json()).unwrap());
        },
    );
}

#[test]
fn with_no_good_copy_a_request_waits_and_then_tries_anew() {
    let world = World::new();
    world.moto.gate().close();
    let issuer = world.issuer("rest").start();
    let publisher = world.publisher("rest").start();
    for (function, event) in [(&issuer, TOKEN), (&publisher, KEYS)] {
        assert_eq!(status(function, event), 503);
    }
    world.moto.gate().open();
    for (function, event) in [(&issuer, TOKEN), (&publisher, KEYS)] {
        let took = until(Duration::from_secs(15), || status(function, event) == 200);
        assert!(took < Duration::from_secs(8), "five seconds and a little more: {took:?}");
    }
}

#[test]
fn who_is_refused_is_refused_also_without_policy_and_ring() {
    let world = World::new();
    world.moto.gate().close();
    let function = world.issuer("rest").start();
    assert_eq!(status(&function, "forged/rest/cognito.json"), 403);
    assert_eq!(status(&function, TOKEN), 503);
    world.moto.gate().open();
    world.moto.gate().fail(Service::SecretsManager, Fault::AccessDenied);
    let function = world.issuer("rest").start();
    // With the policy there, the order of the checks is what it always is.
    assert_eq!(status(&function, "rest/default-url.token-query.json"), 400);
    assert_eq!(status(&function, TOKEN), 503);
    let records = crate::world::records_until(&function, 2);
    let codes: Vec<&Value> = records.iter().map(|record| &record["reason_code"]).collect();
    assert_eq!(codes, [&json!("request"), &json!("no_ring")]);
    assert_eq!(records[1]["outcome"], "failed");
    assert_eq!(records[1]["Failed"], 1);
}

#[test]
fn a_change_at_the_source_is_seen_within_the_refresh_time() {
    let mut world = World::new();
    let arn = world.moto.put_secret("policy", &policy_with_lifetime("2m"));
    let file = std::env::temp_dir().join(format!("countersign-policy-{}.json", std::process::id()));
    std::fs::write(&file, policy_with_lifetime("3m")).unwrap();
    let quick = |setup: testkit::lambda::Setup| setup.env("DANGEROUS_BOUNDS", QUICK).start();
    let ssm = quick(world.issuer("rest"));
    let secret = quick(world.issuer("rest").env("POLICY_SOURCE", format!("secret:{arn}")));
    let packaged = quick(world.issuer("rest").env("POLICY_SOURCE", format!("file:{}", file.display())));
    let publisher = quick(world.publisher("rest"));
    let lifetime = |function: &Function| body(&ask(function, TOKEN))["expires_in"].clone();
    assert_eq!([lifetime(&ssm), lifetime(&secret), lifetime(&packaged)], [json!(900), json!(120), json!(180)]);
    let old = body(&ask(&publisher, KEYS));

    world.moto.put_parameter(POLICY, &policy_with_lifetime("4m"));
    world.moto.put_secret("policy", &policy_with_lifetime("5m"));
    std::fs::write(&file, policy_with_lifetime("6m")).unwrap();
    world.new_keys();
    sleep(Duration::from_millis(1100));
    assert_eq!([lifetime(&ssm), lifetime(&secret), lifetime(&packaged)], [json!(240), json!(300), json!(360)]);
    let new = body(&ask(&publisher, KEYS));
    assert!(new != old && new == world.jwks);
    for function in [&ssm, &secret, &packaged] {
        let token = body(&ask(function, TOKEN))["token"].as_str().unwrap().to_owned();
        testkit::verifier::verify(&token, &new, crate::world::ISSUER, crate::world::SNOWFLAKE).unwrap();
    }
    std::fs::remove_file(&file).unwrap();
}

#[test]
fn a_policy_of_64_kib_is_read_from_a_secret_and_a_larger_one_from_nowhere() {
    let world = World::new();
    let mut policy = policy_with_lifetime("7m");
    policy += &" ".repeat(65_536 - policy.len());
    let arn = world.moto.put_secret("policy", &policy);
    let function = world.issuer("rest").env("POLICY_SOURCE", format!("secret:{arn}")).start();
    assert_eq!(body(&ask(&function, TOKEN))["expires_in"], 420);

    let file = std::env::temp_dir().join(format!("countersign-large-{}.json", std::process::id()));
    std::fs::write(&file, policy + " ").unwrap();
    let function = world.issuer("rest").env("POLICY_SOURCE", format!("file:{}", file.display())).start();
    assert_eq!(status(&function, TOKEN), 503);
    crate::world::says(&function, "a policy holds at most 65536");
    std::fs::remove_file(&file).unwrap();
}

#[test]
fn an_empty_ring_is_no_failure_of_the_source_and_gives_no_token() {
    let world = World::new();
    let arn = world.moto.put_secret("empty", r#"{"version":1,"keys":[]}"#);
    let function = world.issuer("rest").env("SIGNING_KEY_SECRET_ARN", &arn).start();
    assert_eq!(status(&function, TOKEN), 503);
    assert_eq!(crate::world::records_until(&function, 1)[0]["reason_code"], "no_key");
}

#[test]
fn the_go_service_s_secret_is_read_as_it_stands() {
    let world = World::new();
    for pem in [testkit::keys::RSA_2048, testkit::keys::RSA_4096_PKCS1] {
        let arn = world.moto.put_secret("earlier", &json!({ "private_key": pem, "public_key": "-" }).to_string());
        let function = world.issuer("rest").env("SIGNING_KEY_SECRET_ARN", &arn).start();
        assert_eq!(status(&function, TOKEN), 200);
    }
}
