//! The hourly look: its metrics, its line, and what it answers.

use std::time::Duration;

use countersign_core::jwk::Algorithm;
use countersign_core::jws::Signer as _;
use countersign_keys::LocalKey;
use serde_json::{Value, json};
use testkit::aws::{Fault, Service};
use testkit::lambda::{self, Function, Setup};
use testkit::page::Page;

use crate::world::{DAY, Place, STEPS, World, version};

/// What a check came to: the answer, and the line, in which every metric is what CloudWatch takes.
struct Checked {
    answer: Value,
    line: Value,
}

impl Checked {
    /// The metric's value, if it was measured.
    fn metric(&self, name: &str) -> Option<u64> {
        self.line.get(name).map(|value| value.as_u64().unwrap())
    }
}

fn lines(rotator: &Function) -> Vec<Value> {
    let lines = rotator.lines();
    lines.iter().filter(|line| line.contains("_aws")).map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// A check, which has to succeed.
fn check(place: &Place<'_>, rotator: &Function) -> Checked {
    let before = lines(rotator).len();
    let result = rotator.invoke(&json!({ "action": "check" })).result;
    let answer = result.unwrap_or_else(|error| panic!("{error}"));
    rotator.lines_until(|all| all.iter().filter(|line| line.contains("_aws")).count() > before);
    let mut lines = lines(rotator).split_off(before);
    assert_eq!(lines.len(), 1, "one line: {lines:?}");
    let line = lines.remove(0);
    assert_is_emf(&line, place.world.clock.now());
    assert_tells_nothing_private(place, &rotator.lines().join("\n"));
    assert_tells_nothing_private(place, &answer.to_string());
    for member in ["strangers", "agree", "warnings", "public"] {
        assert_eq!(line[member], answer[member], "{member}");
    }
    assert_eq!((&line["time"], &line["action"]), (&answer["at"], &json!("check")));
    assert_eq!(line["signing"], json!(crate::world::kids(&answer["keys"], |key| key["state"] == "signing")));
    Checked { answer, line }
}

/// CloudWatch User Guide, "Specification: Embedded metric format": what `_aws` names is there, and is a number or a text.
fn assert_is_emf(line: &Value, now: i64) {
    let at = line["_aws"]["Timestamp"].as_i64().unwrap() / 1000;
    assert!((now - 60..=now).contains(&at), "{at} is not {now}");
    let directives = line["_aws"]["CloudWatchMetrics"].as_array().unwrap();
    let mut named = Vec::new();
    for directive in directives {
        assert_eq!(directive["Namespace"], "Countersign");
        assert_eq!(directive["Dimensions"], json!([["function"]]));
        for metric in directive["Metrics"].as_array().unwrap() {
            let name = metric["Name"].as_str().unwrap();
            assert_eq!(metric["Unit"], if name == "SigningKeyAge" { "Seconds" } else { "Count" });
            assert!(line[name].is_u64(), "{name}: {line}");
            named.push(name.to_owned());
        }
    }
    assert_eq!(line["function"], "countersign-key-rotator");
    for name in ["KeysDisagree", "SigningKeyAge", "JwksUnusable"] {
        assert_eq!(line.get(name).is_some(), named.iter().any(|other| other == name), "{name}: {line}");
    }
}

/// Neither a PEM text, nor any private key of the secret.
fn assert_tells_nothing_private(place: &Place<'_>, text: &str) {
    assert!(!text.contains("BEGIN") && !text.contains("PRIVATE") && !text.contains("hush"), "{text}");
    for ring in ["AWSCURRENT", "AWSPENDING"].into_iter().filter_map(|label| place.labelled(label)) {
        for pem in ring["keys"].as_array().into_iter().flatten().filter_map(|key| key["private_key"].as_str()) {
            let body = pem.lines().find(|line| !line.starts_with("-----")).unwrap();
            assert!(!text.contains(body), "{text}");
        }
    }
}

fn status(rotator: &Function) -> Value {
    rotator.invoke(&json!({ "action": "status" })).result.unwrap()
}

fn stranger() -> Value {
    serde_json::to_value(LocalKey::generate(Algorithm::ES256).unwrap().0.key()).unwrap()
}

fn publish(place: &Place<'_>, set: &Value) {
    let input = json!({ "Name": place.parameter, "Value": set.to_string(), "Type": "String", "Overwrite": true });
    place.world.moto.api("AmazonSSM.PutParameter", &input).unwrap();
}

#[test]
fn a_check_answers_as_status_does_and_writes_one_line_of_metrics() {
    let world = World::new();
    let place = world.place("agreement");
    let rotator = place.rotator();
    // Before the first rotation no key signs, and none has an age.
    let empty = check(&place, &rotator);
    assert_eq!((empty.metric("KeysDisagree"), empty.metric("SigningKeyAge")), (Some(0), None));
    assert_eq!((&empty.answer["keys"], &empty.line["signing"]), (&json!([]), &json!([])));

    place.rotate(&rotator, &version(1));
    world.moto.gate().release();
    let checked = check(&place, &rotator);
    // All of it is in the rotator's role for what else it does, and nothing of it writes.
    assert_eq!(
        world.moto.gate().calls(),
        [
            "secretsmanager.DescribeSecret",
            "secretsmanager.GetSecretValue",
            "AmazonSSM.GetParameter",
            "AmazonSSM.GetParameterHistory"
        ]
    );
    assert_eq!((checked.metric("KeysDisagree"), checked.metric("JwksUnusable")), (Some(0), None));
    assert!(checked.metric("SigningKeyAge").unwrap() < 60);
    assert_eq!(checked.line["under_way"], false);
    assert_eq!(checked.line["signing"], json!(place.in_state("signing")));
    let written = lines(&rotator).len();
    let mut told = status(&rotator);
    assert_eq!(lines(&rotator).len(), written, "a status measures nothing");
    assert!(told.get("public").is_none(), "{told}");
    told["public"] = Value::Null;
    told["at"] = checked.answer["at"].clone();
    assert_eq!(checked.answer, told);
}

#[test]
fn a_check_tells_the_age_of_the_oldest_key_that_signs() {
    let world = World::new();
    let place = world.place("age");
    let rotator = place.setup("key-rotator").env("KEY_LANES", "RS256,ES256").start();
    place.rotate(&rotator, &version(1));
    let since = |lane: &str| {
        let keys = place.ring()["keys"].as_array().unwrap().clone();
        let key = keys.into_iter().find(|key| key["state"] == "signing" && key["alg"] == lane).unwrap();
        key["signing_since"].as_i64().unwrap()
    };
    let age = |lane: &str| {
        let checked = check(&place, &rotator);
        let expected = checked.answer["at"].as_i64().unwrap() - since(lane);
        assert_eq!(checked.metric("SigningKeyAge"), Some(expected.unsigned_abs()));
        expected
    };
    world.clock.advance(30 * DAY);
    assert!(age("RS256") >= 30 * 86_400);
    // The other lane has a younger key from now on. The old one still counts.
    let leaked = place.in_state("signing").into_iter().find(|kid| {
        let keys = place.ring()["keys"].as_array().unwrap().clone();
        keys.iter().any(|key| key["kid"] == json!(kid) && key["alg"] == "RS256")
    });
    rotator.invoke(&json!({ "action": "revoke", "kid": leaked })).result.unwrap();
    assert!(since("RS256") > since("ES256"));
    assert!(age("ES256") >= 30 * 86_400);
    place.rotate(&rotator, &version(2));
    assert!(check(&place, &rotator).metric("SigningKeyAge").unwrap() < 3600);
    // By a clock that went back, it is new.
    let mut ring = place.ring();
    for key in ring["keys"].as_array_mut().unwrap().iter_mut().filter(|key| key["state"] == "signing") {
        key["signing_since"] = json!(world.clock.now() + 86_400);
    }
    let input = json!({ "SecretId": place.secret, "ClientRequestToken": version(3), "SecretString": ring.to_string() });
    world.moto.api("secretsmanager.PutSecretValue", &input).unwrap();
    assert_eq!(check(&place, &rotator).metric("SigningKeyAge"), Some(0));
}

#[test]
fn a_check_finds_what_somebody_else_has_published() {
    let world = World::new();
    let place = world.place("foreign");
    let rotator = place.rotator();
    publish(&place, &json!({ "keys": [stranger()] }));
    assert_eq!(check(&place, &rotator).metric("KeysDisagree"), Some(1), "and there is no ring yet");
    place.rotate(&rotator, &version(1));
    let ours = place.jwks();
    let (mut more, mut less, mut replaced) = (ours.clone(), ours.clone(), ours.clone());
    more["keys"].as_array_mut().unwrap().push(stranger());
    less["keys"].as_array_mut().unwrap().truncate(1);
    let other = LocalKey::generate(Algorithm::ES256).unwrap().0;
    replaced["keys"][0] = serde_json::to_value(other.key()).unwrap();
    replaced["keys"][0]["kid"] = ours["keys"][0]["kid"].clone();
    let nonsense = json!({ "keys": [], "private_key": "hush" });
    for (name, set, strangers) in [
        ("a key more", &more, json!([more["keys"][2]["kid"]])),
        ("a key less", &less, json!([])),
        ("another key under a known name", &replaced, json!([ours["keys"][0]["kid"]])),
        ("no key set", &nonsense, json!([])),
    ] {
        publish(&place, set);
        let checked = check(&place, &rotator);
        assert_eq!(checked.metric("KeysDisagree"), Some(1), "{name}");
        assert_eq!((&checked.line["strangers"], &checked.line["agree"]), (&strangers, &json!(false)), "{name}");
        assert!(checked.line["warnings"].to_string().contains("disagree"), "{name}");
        assert!(checked.metric("SigningKeyAge").is_some(), "{name}");
    }
    publish(&place, &ours);
    assert_eq!(check(&place, &rotator).metric("KeysDisagree"), Some(0));
    world.moto.delete_parameter(&place.parameter);
    assert_eq!(check(&place, &rotator).metric("KeysDisagree"), Some(1));
}

#[test]
fn a_check_between_a_rotation_s_steps_is_no_alarm_until_the_rotation_hangs() {
    let world = World::new();
    let place = world.place("steps");
    let rotator = place.rotator();
    // The first rotation as much as one that promotes.
    for number in 1..=2 {
        for step in STEPS {
            place.step(&rotator, step, &version(number)).unwrap();
            let checked = check(&place, &rotator);
            assert_eq!(checked.metric("KeysDisagree"), Some(0), "{number}: after {step}");
            let between = matches!(step, "setSecret" | "testSecret");
            assert_eq!(
                (&checked.line["agree"], &checked.line["under_way"]),
                (&json!(!between), &json!(between)),
                "{number}: after {step}"
            );
        }
        world.clock.advance(DAY);
    }

    for step in &STEPS[..2] {
        place.step(&rotator, step, &version(3)).unwrap();
    }
    let union = place.jwks();
    let disagrees = |why: &str| {
        let checked = check(&place, &rotator);
        assert_eq!(
            (checked.metric("KeysDisagree"), &checked.line["under_way"]),
            (Some(1), &json!(false)),
            "{why}: {}",
            checked.line
        );
    };
    // A key of nobody's beside those of the two rings, and each ring with a key less.
    let mut set = union.clone();
    set["keys"].as_array_mut().unwrap().push(stranger());
    publish(&place, &set);
    disagrees("a stranger");
    for key in 0..union["keys"].as_array().unwrap().len() {
        let mut set = union.clone();
        set["keys"].as_array_mut().unwrap().remove(key);
        publish(&place, &set);
        let (checked, ring) = (check(&place, &rotator), place.ring());
        let kid = &union["keys"][key]["kid"];
        let is_next = !crate::world::kids(&ring["keys"], |_| true).contains(&kid.as_str().unwrap().to_owned());
        // Without what only the next ring has, it is the ring itself.
        assert_eq!(checked.metric("KeysDisagree"), Some(u64::from(!is_next)), "{kid}: {}", checked.line);
    }
    publish(&place, &union);
    assert_eq!(check(&place, &rotator).metric("KeysDisagree"), Some(0));
    // Nobody comes for the other steps.
    world.clock.advance(Duration::from_secs(270));
    assert_eq!(check(&place, &rotator).metric("KeysDisagree"), Some(0));
    world.clock.advance(Duration::from_mins(1));
    disagrees("it hangs");
    world.clock.advance(DAY);
    disagrees("it still hangs");
    place.rotate(&rotator, &version(4));
    assert_eq!(check(&place, &rotator).metric("KeysDisagree"), Some(0));
}

#[test]
fn a_check_takes_no_pending_version_for_a_rotation_that_is_none() {
    let world = World::new();
    let place = world.place("pending");
    let rotator = place.rotator();
    place.rotate(&rotator, &version(1));
    let ours = place.jwks();
    let (key, pem) = LocalKey::generate(Algorithm::ES256).unwrap();
    let key = serde_json::to_value(key.key()).unwrap();
    let mut set = ours.clone();
    set["keys"].as_array_mut().unwrap().push(key.clone());
    publish(&place, &set);
    let pend = |number: usize, value: &str| {
        let input = json!({
            "SecretId": place.secret,
            "ClientRequestToken": version(number),
            "SecretString": value,
            "VersionStages": ["AWSPENDING"]
        });
        world.moto.api("secretsmanager.PutSecretValue", &input).unwrap();
    };
    let ring = |parent: usize, entries: &[Value]| {
        let mut ring = place.ring();
        ring["parent"] = json!(version(parent));
        ring["keys"].as_array_mut().unwrap().extend_from_slice(entries);
        ring.to_string()
    };
    let theirs = json!({
        "kid": key["kid"],
        "alg": "ES256",
        "state": "announced",
        "announced_at": world.clock.now(),
        "public": key,
        "private_key": *pem
    });
    let disagrees = |why: &str, is: bool| {
        let checked = check(&place, &rotator);
        assert_eq!(checked.metric("KeysDisagree"), Some(u64::from(is)), "{why}: {}", checked.line);
    };
    disagrees("nothing is pending", true);
    pend(10, r#"{"keys":"hush"}"#);
    disagrees("no ring", true);
    pend(11, &ring(9, std::slice::from_ref(&theirs)));
    disagrees("of another parent", true);
    pend(12, &ring(1, &[]));
    disagrees("without the key", true);
    // The one that a rotation could have made: whoever wrote it has five minutes, by Parameter Store's clock.
    pend(13, &ring(1, std::slice::from_ref(&theirs)));
    disagrees("as a rotation would have it", false);
    world.clock.advance(Duration::from_mins(6));
    let mut late = theirs.clone();
    late["announced_at"] = json!(world.clock.now());
    pend(14, &ring(1, &[late]));
    disagrees("written anew, and published before", true);
}

#[test]
fn a_check_looks_whether_the_public_address_serves_the_keys_that_sign() {
    let world = World::new();
    let place = world.place("address");
    let plain = place.rotator();
    place.rotate(&plain, &version(1));
    world.clock.advance(DAY);
    place.rotate(&plain, &version(2));
    let ours = place.jwks();
    let signing = place.in_state("signing").remove(0);
    let only = |state: &str| {
        let kid = place.in_state(state).remove(0);
        let keys: Vec<Value> =
            ours["keys"].as_array().unwrap().iter().filter(|key| key["kid"] == kid).cloned().collect();
        json!({ "keys": keys })
    };
    let mut renamed = only("retired");
    renamed["keys"][0]["kid"] = json!(signing);
    let mut private = ours.clone();
    private["keys"][0]["d"] = json!("hush");
    let mut twice = ours.clone();
    twice["keys"].as_array_mut().unwrap().push(ours["keys"][0].clone());
    let usable = Page::start(200, ours.to_string());
    // A key that does not sign yet is on its way, and one that signs no more is a rotation's to look for.
    let enough = Page::start(200, only("signing").to_string());
    for page in [&usable, &enough] {
        let rotator = place.setup("key-rotator").env("PUBLIC_JWKS_URL", page.url()).start();
        let checked = check(&place, &rotator);
        assert_eq!(checked.metric("JwksUnusable"), Some(0));
        assert_eq!(checked.answer["public"], json!({ "usable": true, "fault": null }));
        assert_eq!(checked.metric("KeysDisagree"), Some(0));
    }
    let lacks = format!("{signing} signs, and is not served");
    let other = format!("{signing} signs, and another key is served under its name");
    for (status, body, why) in [
        (200, only("announced").to_string(), lacks.as_str()),
        (200, renamed.to_string(), other.as_str()),
        (200, "-----BEGIN PRIVATE KEY----- hush".to_owned(), "no key set, at line 1 column"),
        (200, private.to_string(), "no key set, at line 1 column"),
        (200, r#"{"keys":[]}"#.to_owned(), "no key set: it has no key, or two of one name"),
        (200, twice.to_string(), "no key set: it has no key, or two of one name"),
        (200, " ".repeat(70_000), "length limit exceeded"),
        (503, "hush".to_owned(), "answers 503"),
        (301, "hush".to_owned(), "answers 301"),
    ] {
        let page = Page::start(status, body);
        let rotator = place.setup("key-rotator").env("PUBLIC_JWKS_URL", page.url()).start();
        assert_unusable(&place, &rotator, why);
    }
    let gone = place.setup("key-rotator").env("PUBLIC_JWKS_URL", "http://127.0.0.1:1/jwks.json").start();
    assert_unusable(&place, &gone, "http://127.0.0.1:1/jwks.json: ");
}

fn assert_unusable(place: &Place<'_>, rotator: &Function, why: &str) {
    let checked = check(place, rotator);
    assert_eq!(checked.metric("JwksUnusable"), Some(1), "{why}");
    assert_eq!(checked.answer["public"]["usable"], false, "{why}");
    let fault = checked.answer["public"]["fault"].as_str().unwrap();
    assert!(fault.contains(why), "{why}: {fault}");
    // What the world sees is one thing, and what is published another.
    assert_eq!(checked.metric("KeysDisagree"), Some(0), "{why}");
}

#[test]
fn a_check_fails_as_status_does_where_the_ring_cannot_be_read() {
    let world = World::new();
    let place = world.place("unread");
    let page = Page::start(200, "unused");
    let rotator = place.setup("key-rotator").env("PUBLIC_JWKS_URL", page.url()).start();
    place.rotate(&place.rotator(), &version(1));
    let fails = |why: &str| {
        let [check, status] =
            ["check", "status"].map(|action| rotator.invoke(&json!({ "action": action })).result.unwrap_err());
        assert_eq!((&check, &check["errorType"]), (&status, &json!("Rotation")));
        assert!(check["errorMessage"].as_str().unwrap().contains(why), "{why}: {check}");
    };
    for (service, why) in [(Service::SecretsManager, "DescribeSecret"), (Service::Ssm, "GetParameter")] {
        world.moto.gate().fail(service, Fault::AccessDenied);
        fails(why);
        world.moto.gate().heal(service);
    }
    world.moto.put_secret("unread", r#"{"keys":"hush"}"#);
    fails("the current version of the secret: not a key ring");
    rotator.lines_until(|lines| lines.iter().filter(|line| line.contains("ERROR")).count() >= 6);
    let said = rotator.lines().join("\n");
    assert!(!said.contains("_aws") && !said.contains("hush"), "{said}");
}

#[test]
fn a_check_with_anything_beside_it_is_refused_and_measures_nothing() {
    let world = World::new();
    let rotator = world.place("unknown").rotator();
    for event in [json!({ "action": "check", "deep": true }), json!({ "action": "check", "kid": "hush" })] {
        let error = rotator.invoke(&event).result.unwrap_err();
        assert_eq!(error["errorType"], "Event");
        assert!(!error.to_string().contains("hush"), "{error}");
    }
    let said = rotator.lines().join("\n");
    assert!(!said.contains("_aws") && !said.contains("hush"), "{said}");
}

#[test]
fn a_check_whose_line_cannot_be_written_has_failed() {
    let world = World::new();
    let place = world.place("full");
    let binary = lambda::function("key-rotator").display().to_string();
    let rotator = Setup::new("/bin/sh")
        .arg("-c")
        .arg("exec \"$0\" > /dev/full")
        .arg(binary)
        .envs(world.moto.environment())
        .clock(&world.clock)
        .env("SIGNING_KEY_SECRET_ARN", &place.secret)
        .env("JWKS_SSM_PARAM", &place.parameter)
        .start();
    status(&rotator);
    let error = rotator.invoke(&json!({ "action": "check" })).result.unwrap_err();
    assert_eq!(error["errorType"], "Rotation");
    assert!(error["errorMessage"].as_str().unwrap().contains("the metrics of the check cannot be written"), "{error}");
}
