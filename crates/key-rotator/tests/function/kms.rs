//! Private keys that never leave KMS: who makes them, who signs with them, and when they are deleted.

use serde_json::{Value, json};
use testkit::aws::{Fault, Service};

use crate::world::{DAY, Place, World, ask, token_event, verify, version};

fn kms_ids(place: &Place<'_>, state: &str) -> Vec<String> {
    let ring = place.ring();
    let keys = ring["keys"].as_array().unwrap().iter().filter(|key| key["state"] == state);
    keys.map(|key| key["kms_key_id"].as_str().unwrap().to_owned()).collect()
}

fn key_state(world: &World, id: &str) -> Value {
    world.moto.cli(&["kms", "describe-key", "--key-id", id])["KeyMetadata"].clone()
}

#[test]
fn keys_in_kms_rotate_and_sign_in_every_lane_and_no_private_key_is_anywhere() {
    let world = World::new();
    let place = world.place("kms");
    let rotator = place.setup("key-rotator-kms").env("KEY_STORE", "kms").env("KEY_LANES", "RS256,ES256,ES384").start();
    place.rotate(&rotator, &version(1));
    place.assert_agrees();
    assert!(!place.ring().to_string().contains("PRIVATE"));
    let first = kms_ids(&place, "signing");
    assert_eq!(first.len(), 3);
    for id in &first {
        let key = key_state(&world, id);
        assert_eq!(key["KeyUsage"], "SIGN_VERIFY");
        let tags = world.moto.cli(&["kms", "list-resource-tags", "--key-id", id]);
        assert!(tags.to_string().contains(&place.secret), "{tags}");
    }
    let issuer = place.issuer("jwt-issuer-kms").start();
    let sign_all = |jwks: &Value| {
        for lane in ["RS256", "ES256", "ES384"] {
            let token = ask(&issuer, &token_event(lane)).unwrap();
            verify(&token, jwks, lane, world.clock.now()).unwrap();
        }
    };
    sign_all(&place.jwks());

    for number in 2..=4 {
        world.clock.advance(DAY);
        let old = place.jwks();
        place.rotate(&rotator, &version(number));
        place.assert_agrees();
        world.clock.advance(std::time::Duration::from_secs(301));
        sign_all(&old);
        sign_all(&place.jwks());
    }
    // The first ones signed until the second rotation; the third forgot them.
    for id in &first {
        assert_eq!(key_state(&world, id)["KeyState"], "PendingDeletion");
    }
    for id in ["retired", "signing", "announced"].iter().flat_map(|state| kms_ids(&place, state)) {
        assert_eq!(key_state(&world, &id)["KeyState"], "Enabled");
    }
    let calls = world.moto.gate().calls();
    let by_rotator = ["TrentService.CreateKey", "TrentService.GetPublicKey", "TrentService.ScheduleKeyDeletion"];
    for call in by_rotator {
        assert!(calls.iter().any(|made| made == call), "{call}");
    }
}

#[test]
fn the_rotation_of_kms_keys_never_signs_and_the_issuer_only_signs() {
    let world = World::new();
    let place = world.place("roles");
    let gate = world.moto.gate();
    gate.release();
    let rotator = place.setup("key-rotator-kms").env("KEY_STORE", "kms").start();
    place.rotate(&rotator, &version(1));
    let of_kms =
        |calls: Vec<String>| -> Vec<String> { calls.into_iter().filter(|call| call.starts_with("Trent")).collect() };
    let calls = of_kms(gate.calls());
    assert!(!calls.is_empty() && !calls.contains(&"TrentService.Sign".to_owned()), "{calls:?}");
    gate.release();
    let issuer = place.issuer("jwt-issuer-kms").start();
    ask(&issuer, &token_event("RS256")).unwrap();
    assert_eq!(of_kms(gate.calls()), ["TrentService.Sign"]);
}

#[test]
fn a_revoked_kms_key_can_sign_no_more_and_kms_outages_are_503_in_rotation_and_out() {
    let world = World::new();
    let place = world.place("revoked");
    let rotator = place.setup("key-rotator-kms").env("KEY_STORE", "kms").start();
    place.rotate(&rotator, &version(1));
    let issuer = place.issuer("jwt-issuer-kms").start();
    ask(&issuer, &token_event("RS256")).unwrap();
    for fault in [Fault::Throttled, Fault::ServerError, Fault::AccessDenied, Fault::Cut] {
        world.moto.gate().fail(Service::Kms, fault);
        assert_eq!(ask(&issuer, &token_event("RS256")), Err(503), "{fault:?}");
        world.moto.gate().heal(Service::Kms);
    }
    ask(&issuer, &token_event("RS256")).unwrap();

    let id = kms_ids(&place, "signing").remove(0);
    let kid = place.in_state("signing").remove(0);
    rotator.invoke(&json!({ "action": "revoke", "kid": kid })).result.unwrap();
    assert_eq!(key_state(&world, &id)["KeyState"], "PendingDeletion");
    // It has its copy of the ring for minutes yet, and cannot use it.
    assert_eq!(ask(&issuer, &token_event("RS256")), Err(503));
    world.clock.advance(std::time::Duration::from_secs(301));
    let token = ask(&issuer, &token_event("RS256")).unwrap();
    verify(&token, &place.jwks(), "RS256", world.clock.now()).unwrap();
}

#[test]
fn a_rotation_moves_from_the_secret_to_kms_and_builds_without_it_say_so() {
    let world = World::new();
    let place = world.place("moves");
    place.rotate(&place.rotator(), &version(1));
    let rotator = place.setup("key-rotator-kms").env("KEY_STORE", "kms").start();
    let issuer = place.issuer("jwt-issuer-kms").start();
    for number in 2..=3 {
        world.clock.advance(DAY);
        place.rotate(&rotator, &version(number));
        world.clock.advance(std::time::Duration::from_secs(301));
        let token = ask(&issuer, &token_event("RS256")).unwrap();
        verify(&token, &place.jwks(), "RS256", world.clock.now()).unwrap();
    }
    assert_eq!(kms_ids(&place, "signing").len(), 1);
    let plain = place.issuer("jwt-issuer").start();
    assert_eq!(ask(&plain, &token_event("RS256")), Err(503));
    plain.lines_until(|lines| lines.iter().any(|line| line.contains("no KMS support")));
    let error = place.rotator().invoke(&json!({ "action": "rotate" })).result.unwrap_err();
    assert!(error["errorMessage"].as_str().unwrap().contains("no KMS support"), "{error}");
}

/// The ring, changed by hand.
fn edit(place: &Place<'_>, name: &str, change: impl Fn(&mut Value)) {
    let mut ring = place.ring();
    for key in ring["keys"].as_array_mut().unwrap() {
        change(key);
    }
    place.world.moto.put_secret(name, &ring.to_string());
}

#[test]
fn a_rotation_knows_a_kms_key_by_arn_and_by_id_and_never_has_one_deleted_that_is_in_use() {
    let world = World::new();
    let place = world.place("ids");
    let rotator = place.setup("key-rotator-kms").env("KEY_STORE", "kms").start();
    place.rotate(&rotator, &version(1));
    edit(&place, "ids", |key| {
        let arn = key["kms_key_id"].as_str().unwrap().to_owned();
        key["kms_key_id"] = arn.rsplit('/').next().unwrap().into();
    });
    place.rotate(&rotator, &version(2));
    for id in ["signing", "announced"].iter().flat_map(|state| kms_ids(&place, state)) {
        assert_eq!(key_state(&world, &id)["KeyState"], "Enabled", "{id}");
    }
}

#[test]
fn a_revoked_kms_key_is_deleted_by_a_later_rotation_if_not_at_once() {
    let world = World::new();
    let place = world.place("later");
    let rotator = place.setup("key-rotator-kms").env("KEY_STORE", "kms").start();
    place.rotate(&rotator, &version(1));
    let id = kms_ids(&place, "signing").remove(0);
    rotator.invoke(&json!({ "action": "revoke", "kid": place.in_state("signing")[0] })).result.unwrap();
    assert!(place.ring()["revoked"].to_string().contains(&id), "it must not be forgotten");
    // As if it had not worked.
    world.moto.cli(&["kms", "cancel-key-deletion", "--key-id", &id]);
    world.moto.cli(&["kms", "enable-key", "--key-id", &id]);
    for number in 2..=3 {
        place.rotate(&rotator, &version(number));
    }
    assert_eq!(key_state(&world, &id)["KeyState"], "PendingDeletion");
}

#[test]
fn a_kms_key_that_is_of_no_use_keeps_no_other_from_being_revoked_and_rotation_goes_on() {
    let world = World::new();
    let place = world.place("useless");
    let rotator = place.setup("key-rotator-kms").env("KEY_STORE", "kms").env("KEY_LANES", "RS256,ES256").start();
    place.rotate(&rotator, &version(1));
    // All of ES256, and the announced key of RS256.
    edit(&place, "useless", |key| {
        if key["alg"] == "ES256" || key["state"] == "announced" {
            key["kms_key_id"] = "00000000-0000-4000-8000-000000000000".into();
        }
    });
    let act = |action: &Value| rotator.invoke(action).result;
    let error = act(&json!({ "action": "rotate" })).unwrap_err();
    assert!(error["errorMessage"].as_str().unwrap().contains("the KMS key of"), "{error}");
    let of = |state: &str| {
        let ring = place.ring();
        crate::world::kids(&ring["keys"], |key| key["alg"] == "RS256" && key["state"] == state).remove(0)
    };
    let leaked = of("signing");
    // The heir cannot sign, so it goes first.
    assert!(act(&json!({ "action": "revoke", "kid": leaked })).is_err());
    let report = act(&json!({ "action": "revoke", "kid": of("announced") })).unwrap();
    assert!(report["warnings"].to_string().contains("the KMS key of"), "{report}");
    act(&json!({ "action": "revoke", "kid": leaked })).unwrap();
    assert!(!place.jwks().to_string().contains(&leaked));
    place.assert_agrees();
}
