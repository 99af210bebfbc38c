//! What operators ask for: status, rotate, revoke, import.

use serde_json::{Value, json};
use testkit::aws::{Fault, Service};
use testkit::lambda::Function;
use testkit::page::Page;

use crate::world::{DAY, World, ask, kids, token_event, verify, version};

fn act(rotator: &Function, action: &Value) -> Value {
    rotator.invoke(action).result.unwrap_or_else(|error| panic!("{action}: {error}"))
}

fn refused(rotator: &Function, action: &Value) -> (String, String) {
    let error = rotator.invoke(action).result.unwrap_err();
    let text = |name: &str| error[name].as_str().unwrap().to_owned();
    (text("errorType"), text("errorMessage"))
}

fn status(rotator: &Function) -> Value {
    act(rotator, &json!({ "action": "status" }))
}

#[test]
fn status_of_a_rotation_tells_each_key_and_where_ring_and_set_disagree() {
    let world = World::new();
    let place = world.place("status");
    let rotator = place.rotator();
    let empty = status(&rotator);
    assert_eq!((&empty["keys"], &empty["agree"]), (&json!([]), &json!(true)));
    place.rotate(&rotator, &version(1));
    world.clock.advance(DAY);
    place.rotate(&rotator, &version(2));
    let told = status(&rotator);
    assert!(!told.to_string().contains("PRIVATE"), "{told}");
    assert_eq!(told["agree"], true);
    let keys = told["keys"].as_array().unwrap();
    let states: Vec<&str> = keys.iter().map(|key| key["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["retired", "signing", "announced"]);
    for key in keys {
        assert_eq!((&key["alg"], &key["published"]), (&json!("RS256"), &json!(true)));
    }
    let time = |key: usize, name: &str| keys[key][name].as_i64().unwrap();
    assert_eq!(time(0, "gone_at"), time(0, "retired_at") + 86_400);
    assert!((time(2, "announced_at") + 86_400..time(2, "announced_at") + 86_420).contains(&time(2, "ready_at")));

    // A stranger in place of the announced key.
    let mut set = place.jwks();
    let stranger = countersign_keys::LocalKey::generate(countersign_core::jwk::Algorithm::ES256).unwrap().0;
    set["keys"][2] = serde_json::to_value(countersign_core::jws::Signer::key(&stranger)).unwrap();
    world.moto.put_parameter(&place.parameter, &set.to_string());
    let told = status(&rotator);
    assert_eq!((&told["agree"], &told["keys"][2]["published"]), (&json!(false), &json!(false)));
    assert_eq!(told["strangers"], json!([set["keys"][2]["kid"]]));
    let warnings = told["warnings"].to_string();
    assert!(warnings.contains("not in the published set") && warnings.contains("not in the ring"), "{warnings}");
    act(&rotator, &json!({ "action": "rotate" }));
    assert_eq!(status(&rotator)["agree"], true);
}

#[test]
fn a_revoked_key_is_gone_from_ring_set_and_secret_and_a_rotation_does_not_bring_it_back() {
    let world = World::new();
    let place = world.place("revoke");
    for name in ["the-issuer", "the-publisher"] {
        make_function(&world, name);
    }
    let rotator = place.setup("key-rotator").env("RESTART_FUNCTIONS", "the-issuer,the-publisher").start();
    place.rotate(&rotator, &version(1));
    world.clock.advance(DAY);
    place.rotate(&rotator, &version(2));
    let [leaked, heir] = ["signing", "announced"].map(|state| place.in_state(state).remove(0));
    let issuer = place.issuer("jwt-issuer").start();
    let token = ask(&issuer, &token_event("RS256")).unwrap();
    verify(&token, &place.jwks(), "RS256", world.clock.now()).unwrap();

    let report = act(&rotator, &json!({ "action": "revoke", "kid": leaked }));
    place.assert_agrees();
    assert_eq!(report["warnings"], json!([]), "{report}");
    assert_eq!(place.in_state("signing"), [heir.as_str()]);
    let secret = world.moto.cli(&["secretsmanager", "list-secret-version-ids", "--secret-id", &place.secret]);
    for version in secret["Versions"].as_array().unwrap() {
        assert_eq!(version["VersionStages"], json!(["AWSCURRENT"]), "{secret}");
    }
    assert_eq!(place.ring()["revoked"][0]["kid"], json!(leaked));
    assert!(
        verify(&token, &place.jwks(), "RS256", world.clock.now())
            .unwrap_err()
            .to_string()
            .contains("0 keys of the set have the token's kid")
    );
    // The heir is as old as the rotation before: too young, and the report says until when.
    let notes = report["notes"].as_array().unwrap();
    let note =
        |name: &str| notes.iter().find(|note| note["note"] == name).unwrap_or_else(|| panic!("{name}: {report}"));
    assert_eq!(note("hasty")["kid"], json!(heir));
    let revoked_at = place.ring()["revoked"][0]["at"].as_i64().unwrap();
    let until = note("revoked")["until"].as_i64().unwrap();
    assert!((revoked_at + 4200..revoked_at + 4230).contains(&until), "{report}");
    assert_eq!(note("revoked")["at_worst"], json!(until + 3600));
    for name in ["the-issuer", "the-publisher"] {
        let found = world.moto.cli(&["lambda", "get-function-configuration", "--function-name", name]);
        let variables = &found["Environment"]["Variables"];
        assert_eq!(variables["KEPT"], "as it was");
        assert!(variables["KEYS_REVOKED_AT"].as_str().unwrap().parse::<i64>().unwrap() >= revoked_at);
    }

    // Once more is no fault; neither rotation nor import brings it back.
    let again = act(&rotator, &json!({ "action": "revoke", "kid": leaked }));
    assert_eq!(again["notes"][0]["note"], "revoked_before");
    world.clock.advance(DAY);
    place.rotate(&rotator, &version(3));
    assert!(!kids(&place.ring()["keys"], |_| true).contains(&leaked));
    let (kind, why) = refused(&rotator, &json!({ "action": "revoke", "kid": "nobody-s" }));
    assert_eq!(kind, "Refused");
    assert!(why.contains("there is no key nobody-s"), "{why}");
}

#[test]
fn a_revocation_is_done_like_a_rotation_even_if_instances_cannot_be_ended() {
    let world = World::new();
    let place = world.place("unended");
    let rotator = place.setup("key-rotator").env("RESTART_FUNCTIONS", "nowhere").start();
    place.rotate(&rotator, &version(1));
    let leaked = place.in_state("announced").remove(0);
    let report = act(&rotator, &json!({ "action": "revoke", "kid": leaked }));
    assert!(report["warnings"][0].as_str().unwrap().contains("instances of nowhere were not ended"), "{report}");
    assert!(!place.jwks().to_string().contains(&leaked));
    let report = act(&place.rotator(), &json!({ "action": "revoke", "kid": place.in_state("announced")[0] }));
    assert!(report["warnings"][0].as_str().unwrap().contains("RESTART_FUNCTIONS"), "{report}");
}

#[test]
fn an_imported_key_is_announced_and_signs_with_a_later_rotation() {
    let world = World::new();
    let place = world.place("import");
    let rotator = place.rotator();
    let import = |pem: &str, kid: Option<&str>| json!({ "action": "import", "pem": pem, "kid": kid });
    // Into an empty ring: it signs at once.
    let report = act(&rotator, &import(testkit::keys::RSA_2048, Some("first")));
    assert!(!report.to_string().contains("PRIVATE"));
    assert_eq!(place.in_state("signing"), ["first"]);
    assert!(place.ring()["keys"].to_string().contains("-----BEGIN PRIVATE KEY-----"));
    place.assert_agrees();
    let made = place.in_state("announced").remove(0);
    act(&rotator, &import(&format!("a note\n{}another", testkit::keys::RSA_3072), None));
    assert!(!place.ring().to_string().contains("a note"), "nothing but the key is stored");
    let imported = place.in_state("announced").remove(0);
    assert_ne!(imported, made, "which made room");
    for (action, kind, why) in [
        (import(testkit::keys::RSA_2048, Some("other")), "Refused", "in the ring already, as first"),
        (import(testkit::keys::P256, None), "Refused", "the lane ES256 is not configured"),
        (import(testkit::keys::RSA_1024, None), "Refused", "neither RSA"),
        (import(testkit::keys::ED25519, None), "Refused", "neither RSA"),
        (import("what is this", None), "Refused", "not a PEM private key"),
        (
            import(&[testkit::keys::RSA_4096, testkit::keys::P256].concat(), None),
            "Refused",
            "more than one private key",
        ),
        (
            import(testkit::keys::RSA_4096, Some("first")),
            "Refused",
            "first is the name or the thumbprint of another key",
        ),
        (json!({ "action": "import", "pem": 1 }), "Event", "neither a rotation step"),
    ] {
        let (is, message) = refused(&rotator, &action);
        assert!(is == kind && message.contains(why), "{why}: {is}: {message}");
    }
    world.clock.advance(DAY);
    place.rotate(&rotator, &version(1));
    assert_eq!(place.in_state("signing"), [imported.as_str()]);
    act(&rotator, &json!({ "action": "revoke", "kid": imported }));
    let (kind, why) = refused(&rotator, &import(testkit::keys::RSA_3072, Some("under-another-name")));
    assert!(kind == "Refused" && why.contains("revoked"), "{why}");
    let said = rotator.lines().join("\n");
    assert!(!said.contains("BEGIN") && !said.contains("what is this"), "{said}");
}

#[test]
fn a_rotation_fails_in_words_while_a_service_fails_and_goes_on_after_it() {
    let world = World::new();
    let place = world.place("outage");
    let rotator = place.rotator();
    place.rotate(&rotator, &version(1));
    for (service, fault, why) in [
        (Service::SecretsManager, Fault::AccessDenied, "DescribeSecret"),
        (Service::Ssm, Fault::AccessDenied, "GetParameter"),
        (Service::Ssm, Fault::Cut, "GetParameter"),
    ] {
        world.moto.gate().fail(service, fault);
        let (kind, message) = refused(&rotator, &json!({ "action": "rotate" }));
        assert!(kind == "Rotation" && message.contains(why), "{kind}: {message}");
        assert!(!message.contains("PRIVATE"), "{message}");
        world.moto.gate().heal(service);
    }
    act(&rotator, &json!({ "action": "rotate" }));
    place.assert_agrees();
}

#[test]
fn a_rotation_s_test_looks_at_the_public_url_too() {
    let world = World::new();
    let place = world.place("public");
    let plain = place.rotator();
    place.rotate(&plain, &version(1));
    let good = Page::start(200, place.jwks().to_string());
    let rotator = place.setup("key-rotator").env("PUBLIC_JWKS_URL", good.url()).start();
    // Its new key is on its way there: that is no fault.
    world.clock.advance(DAY);
    place.rotate(&rotator, &version(2));
    world.clock.advance(DAY);
    let error = place.step(&rotator, "createSecret", &version(3)).and_then(|_| {
        place.step(&rotator, "setSecret", &version(3)).and_then(|_| place.step(&rotator, "testSecret", &version(3)))
    });
    let message = error.unwrap_err()["errorMessage"].as_str().unwrap().to_owned();
    assert!(message.contains("has been published for long and is not served"), "{message}");
    for (status, body, why) in
        [(200, "no json", "no key set"), (200, r#"{"keys":[]}"#, "no key set"), (503, "", "answers 503")]
    {
        let bad = Page::start(status, body);
        let rotator = place.setup("key-rotator").env("PUBLIC_JWKS_URL", bad.url()).start();
        let message = refused(&rotator, &json!({ "action": "rotate" })).1;
        assert!(message.contains(why), "{message}");
        assert!(place.labelled("AWSPENDING").is_none(), "it would keep Secrets Manager from rotating");
    }
    let gone = place.setup("key-rotator").env("PUBLIC_JWKS_URL", "http://127.0.0.1:1/jwks.json").start();
    assert!(refused(&gone, &json!({ "action": "rotate" })).1.contains("127.0.0.1:1"));
    // A leaked key is withdrawn all the same.
    let leaked = place.in_state("signing").remove(0);
    let report = act(&gone, &json!({ "action": "revoke", "kid": leaked }));
    assert!(report["warnings"].to_string().contains("127.0.0.1:1"), "{report}");
    place.assert_agrees();
}

#[test]
fn the_first_rotation_does_not_wait_for_a_public_url_that_is_made_after_it() {
    let world = World::new();
    let place = world.place("first");
    let gone = place.setup("key-rotator").env("PUBLIC_JWKS_URL", "http://127.0.0.1:1/jwks.json").start();
    place.rotate(&gone, &version(1));
    place.assert_agrees();
    assert_eq!((place.in_state("signing").len(), place.in_state("announced").len()), (1, 1));
    gone.lines_until(|lines| lines.iter().any(|line| line.contains("WARN") && line.contains("127.0.0.1:1")));
    // From the second one on it counts.
    world.clock.advance(DAY);
    assert!(refused(&gone, &json!({ "action": "rotate" })).1.contains("127.0.0.1:1"));
}

#[test]
fn a_rotation_event_that_is_none_is_refused_without_its_content() {
    let world = World::new();
    let rotator = world.place("events").rotator();
    for event in [json!({}), json!([]), json!("status"), json!({ "action": "sign", "secret": "hush-hush" })] {
        let (kind, message) = refused(&rotator, &event);
        assert_eq!(kind, "Event");
        assert!(!message.contains("hush"), "{message}");
    }
    assert!(!rotator.lines().join("\n").contains("hush"));
}

/// A function that moto knows of, with a variable in its environment.
fn make_function(world: &World, name: &str) {
    let trust = json!({ "Version": "2012-10-17", "Statement": [{ "Effect": "Allow", "Principal": { "Service": "lambda.amazonaws.com" }, "Action": "sts:AssumeRole" }] });
    let role = world.moto.cli(&[
        "iam",
        "create-role",
        "--role-name",
        name,
        "--assume-role-policy-document",
        &trust.to_string(),
    ]);
    let folder = tempfile::tempdir().unwrap();
    let zip = folder.path().join("function.zip");
    // The smallest zip that there is: without a file.
    std::fs::write(&zip, b"PK\x05\x06\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0").unwrap();
    world.moto.cli(&[
        "lambda",
        "create-function",
        "--function-name",
        name,
        "--runtime",
        "provided.al2023",
        "--handler",
        "bootstrap",
        "--role",
        role["Role"]["Arn"].as_str().unwrap(),
        "--zip-file",
        &format!("fileb://{}", zip.display()),
        "--environment",
        "Variables={KEPT=as it was}",
    ]);
}
