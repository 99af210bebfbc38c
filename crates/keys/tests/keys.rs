//! Keys and rings: every format that is read, everything that is refused, and that no text repeats a secret.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::error::Error as _;

use countersign_core::jwk::{Algorithm, KeyId};
use countersign_core::jws::Signer as _;
use countersign_core::ring::State;
use countersign_keys::{Keyring, LocalKey};
use serde_json::{Value, json};
use testkit::keys;

const NOW: i64 = 1_700_000_000;

fn kid(text: &str) -> KeyId {
    KeyId::try_from(text.to_owned()).unwrap()
}

#[test]
fn reads_pkcs8_and_pkcs1_of_every_size_and_curve() {
    for (pem, alg) in [
        (keys::RSA_2048, Algorithm::RS256),
        (keys::RSA_2048_PKCS1, Algorithm::RS256),
        (keys::RSA_3072, Algorithm::RS256),
        (keys::RSA_4096, Algorithm::RS256),
        (keys::RSA_4096_PKCS1, Algorithm::RS256),
        (keys::P256, Algorithm::ES256),
        (keys::P384, Algorithm::ES384),
    ] {
        let key = LocalKey::from_pem_of_any_lane(pem, None).unwrap();
        assert_eq!(key.key().alg(), alg);
        assert_eq!(key.key().kid().as_str(), key.key().thumbprint());
        assert!(!key.sign_now(b"x").unwrap().is_empty());
    }
    let one = |pem| LocalKey::from_pem(pem, Algorithm::RS256, None).unwrap().key().clone();
    assert_eq!(one(keys::RSA_2048), one(keys::RSA_2048_PKCS1), "one key in two formats is one key");
}

#[test]
fn refuses_other_keys() {
    for pem in [keys::RSA_1024, keys::P521, keys::ED25519, keys::P256_SEC1, "", "-----BEGIN PRIVATE KEY-----\n"] {
        assert!(LocalKey::from_pem_of_any_lane(pem, None).is_err());
    }
    assert!(LocalKey::from_pem(keys::P256, Algorithm::ES384, None).is_err());
    assert!(LocalKey::from_pem(keys::P256, Algorithm::RS256, None).is_err());
    assert!(LocalKey::from_pem(keys::RSA_2048, Algorithm::ES256, None).is_err());
    assert!(LocalKey::from_pem(keys::P256_SEC1, Algorithm::ES256, None).is_err());
}

#[test]
fn makes_a_key_for_every_lane() {
    for alg in [Algorithm::RS256, Algorithm::ES256, Algorithm::ES384] {
        let (key, pem) = LocalKey::generate(alg).unwrap();
        assert_eq!(LocalKey::from_pem(&pem, alg, None).unwrap().key(), key.key());
        assert!(pem.lines().all(|line| line.len() <= 64) && pem.starts_with("-----BEGIN PRIVATE KEY-----\n"));
    }
}

#[test]
fn an_empty_ring_gets_a_signing_and_an_announced_key_per_lane() {
    let mut keyring = Keyring::from_json(br#"{"version":1,"keys":[]}"#, NOW).unwrap();
    let lanes = [Algorithm::RS256, Algorithm::ES256];
    assert_eq!(keyring.open_lanes(lanes, NOW).unwrap(), lanes);
    assert_eq!(keyring.open_lanes(lanes, NOW + 9).unwrap(), [], "a lane that can sign is left alone");
    let states: Vec<State> = keyring.public().keys().iter().map(|key| key.state).collect();
    let pair = [State::Signing { announced_at: NOW, signing_since: NOW }, State::Announced { announced_at: NOW }];
    assert_eq!(states, [pair, pair].concat());
    assert_eq!(keyring.public().published().unwrap().keys().len(), 4);
    for lane in lanes {
        let kid = keyring.public().signing(lane).unwrap().kid();
        assert_eq!(keyring.signer(kid).unwrap().key().kid(), kid);
    }
    let read = Keyring::from_json(&keyring.to_json(), NOW + 99).unwrap();
    assert_eq!(read.public(), keyring.public());
}

#[test]
fn reads_both_formats_of_the_go_service() {
    for pem in [keys::RSA_4096_PKCS1, keys::RSA_4096] {
        let secret = json!({ "private_key": pem, "public_key": "-----BEGIN PUBLIC KEY-----\n..." }).to_string();
        let keyring = Keyring::from_json(secret.as_bytes(), NOW).unwrap();
        let signing = keyring.public().signing(Algorithm::RS256).unwrap();
        assert_eq!(signing.kid().as_str(), signing.thumbprint());
        let state = keyring.public().keys()[0].state;
        assert_eq!(state, State::Signing { announced_at: NOW, signing_since: NOW });
    }
    let published = kid("my-old-kid");
    let keyring = Keyring::import(keys::RSA_4096_PKCS1, Some(&published), NOW).unwrap();
    assert_eq!(
        keyring.public().signing(Algorithm::RS256).unwrap().kid(),
        &published,
        "the kid that is published stays"
    );
    let read = Keyring::from_json(&keyring.to_json(), NOW).unwrap();
    assert_eq!(read.signer(&published).unwrap().key().kid(), &published);
}

/// A ring as it is stored: retired, signing, announced.
fn stored() -> Value {
    let entry = |pem: &str, extra: Value| {
        let key = LocalKey::from_pem_of_any_lane(pem, None).unwrap();
        let public = serde_json::to_value(key.key()).unwrap();
        let mut entry = json!({ "kid": public["kid"], "alg": public["alg"], "announced_at": 1, "public": public, "private_key": pem });
        for (name, value) in extra.as_object().unwrap() {
            entry[name] = value.clone();
        }
        entry
    };
    let mut retired = entry(keys::RSA_3072, json!({ "state": "retired", "signing_since": 2, "retired_at": 3 }));
    retired.as_object_mut().unwrap().remove("private_key");
    json!({
        "version": 1,
        "parent": "v0",
        "keys": [
            retired,
            entry(keys::RSA_2048, json!({ "state": "signing", "signing_since": 2 })),
            entry(keys::RSA_4096, json!({ "state": "announced" })),
        ],
        "revoked": [{ "kid": "leaked", "at": 5 }]
    })
}

#[test]
fn reads_and_writes_the_stored_ring() {
    let keyring = Keyring::from_json(stored().to_string().as_bytes(), NOW).unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&keyring.to_json()).unwrap(), stored());
    assert_eq!(keyring.public().published().unwrap().keys().len(), 3);
    let retired = kid(stored()["keys"][0]["kid"].as_str().unwrap());
    assert!(keyring.signer(&retired).is_none());
}

#[test]
fn refuses_a_ring_that_contradicts_itself_and_repeats_no_secret() {
    let change = |pointer: &str, value: Value| {
        let mut ring = stored();
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        let parent = ring.pointer_mut(parent).unwrap().as_object_mut().unwrap();
        if value.is_null() {
            parent.remove(key)
        } else {
            parent.insert(key.to_owned(), value)
        };
        ring
    };
    let other = stored()["keys"][2].clone();
    for (ring, words) in [
        (change("/version", json!(2)), "version 2"),
        (change("/extra", json!(1)), "unknown, repeated or malformed field"),
        (change("/keys/1/extra", json!(1)), "unknown, repeated or malformed field"),
        (change("/keys/1/state", json!("resting")), "unknown, repeated or malformed field"),
        (change("/keys/1/signing_since", Value::Null), "its state and its times do not fit together"),
        (change("/keys/2/retired_at", json!(9)), "its state and its times do not fit together"),
        (change("/keys/1/kid", json!("other")), "another kid or alg"),
        (change("/keys/1/alg", json!("ES256")), "another kid or alg"),
        (change("/keys/1/private_key", Value::Null), "its private half is missing"),
        (change("/keys/0/private_key", json!(keys::RSA_3072)), "keeps its public half only"),
        (change("/keys/1/private_key", json!(keys::RSA_4096)), "are not one key"),
        (change("/keys/1/private_key", json!("garbage")), "not a PEM private key"),
        (change("/keys/1/private_key", json!(keys::RSA_1024)), "not a usable RS256 key"),
        (change("/keys/1/public/d", json!("AQAB")), "malformed field"),
        (change("/keys/2/state", json!("signing")), "its state and its times do not fit together"),
        (change("/revoked", json!([{ "kid": other["kid"], "at": 1 }])), "is revoked and may not come back"),
        (json!({ "private_key": "garbage" }), "the private key: not a PEM private key"),
        (json!({ "private_key": keys::P521 }), "the private key: neither RSA"),
        (json!([]), "not a key ring"),
    ] {
        let error = Keyring::from_json(ring.to_string().as_bytes(), NOW).unwrap_err();
        let text = format!("{error}: {} {error:?}", error.source().map(ToString::to_string).unwrap_or_default());
        assert!(!text.contains("PRIVATE KEY-----") && !text.contains("garbage"), "{text}");
        assert!(text.contains(words), "{words}: {text}");
    }
    let mut twice = stored();
    twice["keys"].as_array_mut().unwrap().push(other);
    assert!(Keyring::from_json(twice.to_string().as_bytes(), NOW).unwrap_err().to_string().contains("appears twice"));
    let mut two = stored();
    two["keys"][2]["state"] = json!("signing");
    two["keys"][2]["signing_since"] = json!(3);
    assert!(Keyring::from_json(two.to_string().as_bytes(), NOW).unwrap_err().to_string().contains("two RS256 keys"));
    assert!(Keyring::from_json(b"{", NOW).unwrap_err().to_string().contains("the text ends early"));
}

#[test]
fn nothing_prints_a_private_key() {
    let keyring = Keyring::from_json(stored().to_string().as_bytes(), NOW).unwrap();
    let key = LocalKey::from_pem_of_any_lane(keys::P256, None).unwrap();
    let shown = format!("{keyring:?} {key:?}");
    assert!(shown.len() < 200 && !shown.contains("PRIVATE"), "{shown}");
}

#[test]
fn a_secret_is_known_by_its_arn_with_and_without_the_characters_that_secrets_manager_adds() {
    let bare = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:countersign/keys";
    let arn = countersign_keys::secret::SecretArn::new(bare).unwrap();
    assert!(arn.names(bare) && arn.names(&format!("{bare}-AbCdEf")));
    for other in ["-AbCdE", "-AbCdEfG", "s-AbCdEf", "-old-AbCdEf"] {
        assert!(!arn.names(&format!("{bare}{other}")), "{other}");
    }
    let full = countersign_keys::secret::SecretArn::new(&format!("{bare}-AbCdEf")).unwrap();
    assert!(!full.names(bare) && !full.names(&format!("{bare}-XbCdEf")));
}
