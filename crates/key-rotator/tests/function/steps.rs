//! The protocol: what each step leaves, what is repeated and what is refused.

use serde_json::{Value, json};

use crate::world::{DAY, STEPS, World, kids, version};

#[test]
fn the_first_rotation_makes_the_ring_and_the_next_ones_promote() {
    let world = World::new();
    let place = world.place("first");
    let rotator = place.rotator();
    for (step, labels) in STEPS.iter().zip([
        json!({ version(1): ["AWSPENDING"] }),
        json!({ version(1): ["AWSPENDING"] }),
        json!({ version(1): ["AWSPENDING"] }),
        json!({ version(1): ["AWSCURRENT"] }),
    ]) {
        place.step(&rotator, step, &version(1)).unwrap();
        assert_eq!(place.versions()[version(1)], labels[version(1)], "{step}");
        // Published before the label moves.
        assert_eq!(
            world.moto.try_cli(&["ssm", "get-parameter", "--name", &place.parameter]).is_ok(),
            *step != "createSecret"
        );
    }
    place.assert_agrees();
    let (first, next) = (place.in_state("signing"), place.in_state("announced"));
    assert_eq!((first.len(), next.len()), (1, 1));

    // Too early: it succeeds, and promotes nothing.
    place.rotate(&rotator, &version(2));
    assert_eq!((place.in_state("signing"), place.in_state("announced")), (first.clone(), next.clone()));
    rotator.lines_until(|lines| lines.iter().any(|line| line.contains("too early") && line.contains(&next[0])));

    world.clock.advance(DAY);
    place.rotate(&rotator, &version(3));
    place.assert_agrees();
    assert_eq!((place.in_state("retired"), place.in_state("signing")), (first.clone(), next));
    assert_eq!(place.labelled("AWSPREVIOUS").unwrap()["parent"], version(1));
    assert!(place.ring()["keys"][0].get("private_key").is_none(), "a retired key keeps its public half only");

    world.clock.advance(DAY);
    place.rotate(&rotator, &version(4));
    assert!(!kids(&place.ring()["keys"], |_| true).contains(&first[0]), "nothing that it signed can be valid any more");
    place.assert_agrees();
    rotator.lines_until(|lines| {
        lines.iter().filter(|line| line.contains("finishSecret") || line.contains("Finish")).count() >= 4
    });
    let said = rotator.lines().join("\n");
    assert!(!said.contains("rotation-token") && !said.contains("PRIVATE KEY"), "{said}");
}

#[test]
fn each_rotation_step_may_be_repeated_and_comes_in_its_order() {
    let world = World::new();
    let place = world.place("order");
    let rotator = place.rotator();
    let message = |result: Result<Value, Value>| result.unwrap_err()["errorMessage"].as_str().unwrap().to_owned();
    for step in ["setSecret", "finishSecret"] {
        assert!(message(place.step(&rotator, step, &version(1))).contains("out of order"), "{step}");
    }
    place.step(&rotator, "createSecret", &version(1)).unwrap();
    assert!(message(place.step(&rotator, "finishSecret", &version(1))).contains("is not published"));
    let pending = place.labelled("AWSPENDING");
    place.step(&rotator, "createSecret", &version(1)).unwrap();
    assert_eq!(place.labelled("AWSPENDING"), pending, "the same keys, not new ones");
    for step in &STEPS[1..] {
        place.step(&rotator, step, &version(1)).unwrap();
        place.step(&rotator, step, &version(1)).unwrap();
    }
    let ring = place.ring();
    for step in STEPS {
        place.step(&rotator, step, &version(1)).unwrap();
    }
    assert_eq!(place.ring(), ring);
    assert!(message(place.step(&rotator, "setSecret", &version(9))).contains("not pending"));

    let strange = json!({ "Step": "createSecret", "SecretId": "arn:aws:secretsmanager:us-east-1:1:secret:x", "ClientRequestToken": version(2) });
    let error = rotator.invoke(&strange).result.unwrap_err();
    assert!(error["errorMessage"].as_str().unwrap().contains("another secret"), "{error}");
}

#[test]
fn a_rotation_test_alone_passes_before_anything_was_made_and_with_a_ring() {
    let world = World::new();
    let place = world.place("alone");
    let rotator = place.rotator();
    place.step(&rotator, "testSecret", &version(1)).unwrap();
    place.rotate(&rotator, &version(2));
    place.step(&rotator, "testSecret", &version(3)).unwrap();
    // What is no longer published is found.
    world.moto.put_parameter(&place.parameter, r#"{"keys":[]}"#);
    let error = place.step(&rotator, "testSecret", &version(3)).unwrap_err();
    assert!(error["errorMessage"].as_str().unwrap().contains("is not published"), "{error}");
    // The go service's secret, before its first rotation.
    let earlier = world.place("earlier");
    world.moto.put_secret("earlier", &json!({ "private_key": testkit::keys::RSA_2048 }).to_string());
    earlier.step(&earlier.rotator(), "testSecret", &version(1)).unwrap();
}

#[test]
fn the_go_service_s_key_is_rotated_under_its_published_name() {
    let world = World::new();
    for (name, pem, kid) in
        [("pkcs8", testkit::keys::RSA_2048, Some("the-old-kid")), ("pkcs1", testkit::keys::RSA_4096_PKCS1, None)]
    {
        let place = world.place(name);
        world.moto.put_secret(name, &json!({ "private_key": pem, "public_key": "-" }).to_string());
        let local = countersign_keys::LocalKey::from_pem_of_any_lane(pem, None).unwrap();
        let public = countersign_core::jws::Signer::key(&local);
        let mut old = serde_json::to_value(public).unwrap();
        if let Some(kid) = kid {
            old["kid"] = kid.into();
        }
        // As the go service published it: no set that we would serve.
        old.as_object_mut().unwrap().remove("use");
        old["x5t"] = "AAAA".into();
        world.moto.put_parameter(&place.parameter, &json!({ "keys": [old], "extra": 1 }).to_string());
        place.rotate(&place.rotator(), &version(1));
        let expected = kid.map_or_else(|| public.thumbprint(), str::to_owned);
        assert_eq!(place.in_state("signing"), [expected.as_str()]);
        assert_eq!(place.in_state("announced").len(), 1);
        place.assert_agrees();

        let issuer = place.issuer("jwt-issuer").start();
        let token = crate::world::ask(&issuer, &crate::world::token_event("RS256")).unwrap();
        let verified = crate::world::verify(&token, &place.jwks(), "RS256", world.clock.now()).unwrap();
        assert_eq!(verified.kid, expected);
    }
}

#[test]
fn a_rotation_that_was_overtaken_or_takes_too_long_is_withdrawn() {
    let world = World::new();
    let place = world.place("overtaken");
    let rotator = place.rotator();
    place.rotate(&rotator, &version(1));
    let leaked = place.in_state("signing")[0].clone();
    world.clock.advance(DAY);
    for step in &STEPS[..3] {
        place.step(&rotator, step, &version(2)).unwrap();
    }
    // A revocation comes in between: what was pending holds the leaked key.
    rotator.invoke(&json!({ "action": "revoke", "kid": leaked })).result.unwrap();
    let error = place.step(&rotator, "finishSecret", &version(2)).unwrap_err();
    assert!(error["errorMessage"].as_str().unwrap().contains("not pending"), "{error}");
    let relabel = ["--version-stage", "AWSPENDING", "--move-to-version-id", &version(2)];
    let update = ["secretsmanager", "update-secret-version-stage", "--secret-id", &place.secret];
    world.moto.cli(&[&update[..], &relabel[..]].concat());
    for step in ["createSecret", "setSecret", "finishSecret"] {
        let error = place.step(&rotator, step, &version(2)).unwrap_err();
        let message = error["errorMessage"].as_str().unwrap();
        assert!(
            message.contains("no longer current") || message.contains("withdrawn") || message.contains("not pending"),
            "{step}: {error}"
        );
    }
    assert!(place.labelled("AWSPENDING").is_none());
    assert!(!place.jwks().to_string().contains(&leaked) && !kids(&place.ring()["keys"], |_| true).contains(&leaked));

    world.clock.advance(DAY);
    for step in &STEPS[..3] {
        place.step(&rotator, step, &version(3)).unwrap();
    }
    world.clock.advance(std::time::Duration::from_mins(6));
    let error = place.step(&rotator, "finishSecret", &version(3)).unwrap_err();
    assert!(error["errorMessage"].as_str().unwrap().contains("planned too long ago"), "{error}");
    assert!(place.labelled("AWSPENDING").is_none());
    place.rotate(&rotator, &version(4));
    place.assert_agrees();
}

#[test]
fn a_lost_key_set_is_published_by_the_next_rotation_and_what_was_announced_waits_anew() {
    let world = World::new();
    let place = world.place("lost");
    let rotator = place.rotator();
    place.rotate(&rotator, &version(1));
    let signing = place.in_state("signing");
    world.clock.advance(DAY);
    world.moto.delete_parameter(&place.parameter);
    place.rotate(&rotator, &version(2));
    place.assert_agrees();
    assert_eq!(place.in_state("signing"), signing, "its time counts from its publication");
    world.clock.advance(std::time::Duration::from_mins(24 * 60 - 1));
    place.rotate(&rotator, &version(3));
    assert_eq!(place.in_state("signing"), signing);
    world.clock.advance(std::time::Duration::from_mins(2));
    place.rotate(&rotator, &version(4));
    assert_eq!(place.in_state("retired"), signing);
}

#[test]
fn a_new_lane_of_a_rotation_is_announced_before_it_signs() {
    let world = World::new();
    let place = world.place("lanes");
    place.rotate(&place.rotator(), &version(1));
    let rotator = place.setup("key-rotator").env("KEY_LANES", "RS256, ES256,ES384").start();
    place.rotate(&rotator, &version(2));
    let es256 = |state: &str| kids(&place.ring()["keys"], |key| key["alg"] == "ES256" && key["state"] == state);
    assert_eq!((es256("signing").len(), es256("announced").len()), (0, 1));
    world.clock.advance(DAY);
    place.rotate(&rotator, &version(3));
    assert_eq!((es256("signing").len(), es256("announced").len()), (1, 1));
    place.assert_agrees();
    let issuer = place.issuer("jwt-issuer").start();
    for lane in ["RS256", "ES256", "ES384"] {
        let token = crate::world::ask(&issuer, &crate::world::token_event(lane)).unwrap();
        crate::world::verify(&token, &place.jwks(), lane, world.clock.now()).unwrap();
    }
    // A lane that is not configured any more signs no longer.
    place.rotate(&place.rotator(), &version(4));
    assert_eq!((es256("signing").len(), es256("announced").len(), es256("retired").len()), (0, 0, 2));
}

#[test]
fn a_rotation_whose_heir_was_not_published_all_the_time_is_withdrawn() {
    let world = World::new();
    let place = world.place("interrupted");
    let rotator = place.rotator();
    place.rotate(&rotator, &version(1));
    let signing = place.in_state("signing");
    world.clock.advance(DAY);
    place.step(&rotator, "createSecret", &version(2)).unwrap();
    // Between the plan and the publication, somebody puts a set there that lacks the heir.
    let mut set = place.jwks();
    set["keys"].as_array_mut().unwrap().truncate(1);
    world.moto.put_parameter(&place.parameter, &set.to_string());
    place.step(&rotator, "setSecret", &version(2)).unwrap();
    place.step(&rotator, "testSecret", &version(2)).unwrap();
    let error = place.step(&rotator, "finishSecret", &version(2)).unwrap_err();
    assert!(error["errorMessage"].as_str().unwrap().contains("without a break"), "{error}");
    assert!(place.labelled("AWSPENDING").is_none());
    place.rotate(&rotator, &version(3));
    assert_eq!(place.in_state("signing"), signing);
    world.clock.advance(DAY);
    place.rotate(&rotator, &version(4));
    assert_eq!(place.in_state("retired"), signing);
}

/// Somebody makes the ring before current again, by hand.
fn roll_back(place: &crate::world::Place<'_>, from: usize, to: usize) {
    let update = ["secretsmanager", "update-secret-version-stage", "--secret-id", &place.secret];
    let labels = [
        "--version-stage",
        "AWSCURRENT",
        "--remove-from-version-id",
        &version(from),
        "--move-to-version-id",
        &version(to),
    ];
    place.world.moto.cli(&[&update[..], &labels[..]].concat());
}

#[test]
fn after_a_rollback_by_hand_neither_import_nor_rotation_takes_a_key_away_that_has_signed() {
    let world = World::new();
    let place = world.place("rollback");
    let rotator = place.rotator();
    place.rotate(&rotator, &version(1));
    assert!(place.labelled("AWSPREVIOUS").is_none(), "nobody should go back to a ring without keys");
    world.clock.advance(DAY);
    place.rotate(&rotator, &version(2));
    let has_signed = place.in_state("signing").remove(0);
    roll_back(&place, 2, 1);
    assert_eq!(place.in_state("announced"), [has_signed.as_str()]);
    rotator.invoke(&json!({ "action": "import", "pem": testkit::keys::RSA_3072 })).result.unwrap();
    assert!(place.in_state("retired").contains(&has_signed), "tokens of it may be valid");
    place.assert_agrees();
}

#[test]
fn a_secret_of_another_lane_is_no_ring_to_rotate() {
    let world = World::new();
    let place = world.place("stray");
    world.moto.put_secret("stray", &json!({ "private_key": testkit::keys::P256 }).to_string());
    let error = place.step(&place.rotator(), "createSecret", &version(1)).unwrap_err();
    assert!(error["errorMessage"].as_str().unwrap().contains("the lane ES256 is not configured"), "{error}");
    let rotator = place.setup("key-rotator").env("KEY_LANES", "RS256,ES256").start();
    place.rotate(&rotator, &version(2));
    assert_eq!(place.in_state("signing").len(), 1);
}
