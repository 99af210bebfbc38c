//! What a stand-in that is too lenient would take, and STS or IAM does not.

use std::panic::{AssertUnwindSafe, catch_unwind};

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use testkit::sts::{Role, Sts};

use crate::world::{PLAIN, World};

#[test]
fn no_token_of_another_making_passes() {
    let world = World::start();
    let good = world.token(&json!({}));
    let (message, signature) = good.rsplit_once('.').unwrap();
    let (_, claims) = message.split_once('.').unwrap();
    let raw = URL_SAFE_NO_PAD.decode(signature).unwrap();
    let forged = |header: Value, sign: &dyn Fn(&str) -> String| {
        let message = format!("{}.{claims}", URL_SAFE_NO_PAD.encode(header.to_string()));
        let signature = sign(&message);
        format!("{message}.{signature}")
    };
    // The public key as the secret of a MAC, the oldest confusion of all.
    let modulus = world.issuer.jwks()["keys"][0]["n"].as_str().unwrap().to_owned();
    let mac = |message: &str| {
        let key = hmac::Key::new(hmac::HMAC_SHA256, modulus.as_bytes());
        URL_SAFE_NO_PAD.encode(hmac::sign(&key, message.as_bytes()).as_ref())
    };
    let tokens = [
        forged(json!({"alg": "HS256", "kid": "rsa"}), &mac),
        forged(json!({"alg": "RS256", "kid": "rsa"}), &mac),
        forged(json!({"alg": "none", "kid": "rsa"}), &|_| String::new()),
        forged(json!({"alg": "RS256", "kid": ["rsa"]}), &|_| signature.to_owned()),
        // The key travels with the token.
        world
            .issuer
            .sign_with(&json!({"alg": "RS256", "jwk": world.issuer.jwks()["keys"][0]}), &world.claims(&json!({}))),
        format!("{good}."),
        format!(".{good}"),
        format!("{good}.{signature}"),
        format!("{good}\n"),
        format!(" {good}"),
        format!("{good}=="),
        format!("{message}."),
        format!("{message}.{}", URL_SAFE.encode(&raw)),
        format!("{message}.{}", STANDARD.encode(&raw)),
        format!("{message}.{}", URL_SAFE_NO_PAD.encode([&raw[..], b"x"].concat())),
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(&raw[1..])),
    ];
    for token in tokens {
        let told = world.call(&[("WebIdentityToken", &token)]).told();
        assert!(told.starts_with("400 InvalidIdentityToken: "), "{told}: {token}");
    }
}

#[test]
fn lists_of_a_discovery_document_are_lists() {
    let world = World::start();
    for (member, value) in [
        ("claims_supported", json!([])),
        ("response_types_supported", Value::Null),
        ("subject_types_supported", json!("public")),
        ("id_token_signing_alg_values_supported", json!([1])),
        ("jwks_uri", json!(["https://id.test/jwks.json"])),
    ] {
        let mut document = world.issuer.document();
        document[member] = value;
        world.issuer.discovery(&document);
        let told = world.assume(&json!({})).told();
        assert!(told.starts_with("400 InvalidIdentityToken: Couldn't retrieve"), "{member}: {told}");
        assert_eq!(world.refusal().1, format!("the discovery document has no {member}"));
    }
}

#[test]
fn parameters_are_held_to_their_patterns() {
    let world = World::start();
    let policy = |resource: &str| {
        json!({"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": resource}})
            .to_string()
    };
    assert_eq!(world.call(&[("Policy", &policy("ä"))]).told(), "200");
    let told = world.call(&[("Policy", &policy("日"))]).told();
    assert!(
        told.starts_with("400 ValidationError: 1 validation error detected: Value '{") && told.contains("u00FF]+"),
        "{told}"
    );
    for seconds in ["+900", "900 ", "9e2", "0x384", "-900", ""] {
        let told = world.call(&[("DurationSeconds", seconds)]).told();
        assert!(told.starts_with("400 ValidationError: ") && told.contains("durationSeconds"), "{seconds}: {told}");
    }
}

#[test]
fn a_trust_policy_that_iam_refuses_is_a_mistake_of_the_test() {
    let sts = Sts::start();
    let takes = |change: Value| {
        let mut statement = json!({"Effect": "Allow", "Principal": {"Federated": "id.test"}, "Action": "sts:AssumeRoleWithWebIdentity"});
        for (name, value) in change.as_object().unwrap() {
            statement[name] = value.clone();
        }
        statement.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        ["one", "several"].map(|form| {
            let statement = if form == "one" { statement.clone() } else { json!([statement]) };
            let trust = json!({"Version": "2012-10-17", "Statement": statement});
            catch_unwind(AssertUnwindSafe(|| sts.role(Role { arn: PLAIN.to_owned(), trust, max_session: 3600 })))
                .is_ok()
        })
    };
    assert_eq!(takes(json!({})), [true; 2]);
    assert_eq!(takes(json!({"Effect": "Deny", "Principal": "*"})), [true; 2]);
    for change in [
        json!({"Resource": "*"}),
        json!({"NotResource": "*"}),
        json!({"Principal": null}),
        json!({"Principal": "*"}),
        json!({"Principal": {"AWS": "*"}}),
        json!({"Principal": {"Federated": "*"}}),
        json!({"Condition": {"StringEquals": {"id.test:sub": "${aws:username}"}}}),
        json!({"NotPrincipal": {"Federated": "id.test"}}),
    ] {
        assert_eq!(takes(change.clone()), [false; 2], "{change}");
    }
}
