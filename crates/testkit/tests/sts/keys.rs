//! The provider: its URL, its documents, and for how long they are kept.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use serde_json::{Value, json};
use testkit::page::Canned;
use testkit::sts::{Provider, Sts};

use crate::world::World;

const DISCOVERY: &str = "GET /.well-known/openid-configuration";

/// Fails unless STS cannot get a key, for this reason.
fn no_key(world: &World, why: &str) {
    let told = world.assume(&json!({})).told();
    assert!(told.starts_with("400 InvalidIdentityToken: Couldn't retrieve verification key from"), "{why}: {told}");
    assert!(world.refusal().1.contains(why), "{why}: {:?}", world.refusal());
}

#[test]
fn a_provider_has_an_https_url_without_port_and_query() {
    let sts = Sts::start();
    let takes = |url: &str| {
        let (url, account) = (url.to_owned(), "444455556666".to_owned());
        let provider = Provider { url, client_ids: vec![], account, fetch_from: "http://127.0.0.1:1".to_owned() };
        catch_unwind(AssertUnwindSafe(|| sts.provider(provider))).is_ok()
    };
    let long = |length: usize| format!("https://id.test/{}", "a".repeat(length - 16));
    for (url, expected) in [
        ("https://id.test", true),
        ("https://id.test/tenant/", true),
        (&long(255), true),
        (&long(256), false),
        ("http://id.test", false),
        ("https://id.test:8443", false),
        ("https://id.test?tenant=1", false),
        ("https://id.test#top", false),
        ("https://ada@id.test", false),
        ("https://", false),
        ("id.test", false),
    ] {
        assert_eq!(takes(url), expected, "{url}");
    }
}

#[test]
fn a_discovery_document_has_six_members_and_names_its_issuer() {
    let world = World::start();
    let whole = world.issuer.document();
    for member in whole.as_object().unwrap().keys() {
        let mut partial = whole.clone();
        partial.as_object_mut().unwrap().remove(member);
        world.issuer.discovery(&partial);
        no_key(&world, &format!("no {member}"));
    }
    for (member, value, why) in [
        ("issuer", "https://id.test/", "is of"),
        ("jwks_uri", "https://keys.test/jwks.json", "not below https://id.test"),
        ("jwks_uri", "https://id.testing/jwks.json", "not below https://id.test"),
        ("jwks_uri", "https://id.test/other.json", "does not answer"),
    ] {
        let mut other = whole.clone();
        other[member] = json!(value);
        world.issuer.discovery(&other);
        no_key(&world, why);
    }
    world.issuer.discovery(&whole);
    assert_eq!(world.assume(&json!({})).told(), "200");
}

#[test]
fn an_issuer_may_have_a_path_or_end_with_a_slash() {
    for url in ["https://id.test/", "https://id.test/tenant"] {
        let world = World::of(url, "aws");
        let reply = world.assume(&json!({}));
        assert_eq!(reply.told(), "200", "{url}: {:?}", world.issuer.front.came());
        let name = url.trim_start_matches("https://");
        assert_eq!(reply.element("Provider").unwrap(), format!("arn:aws:iam::444455556666:oidc-provider/{name}"));
    }
}

#[test]
fn a_key_has_a_kid_and_no_key_ops() {
    let world = World::start();
    let whole = world.issuer.jwks();
    let changed = |member: &str, value: Value| {
        let mut jwks = whole.clone();
        jwks["keys"][0][member] = value;
        world.issuer.keys(&jwks);
    };
    changed("key_ops", json!(["verify"]));
    no_key(&world, "without kid or with key_ops");
    changed("kid", Value::Null);
    no_key(&world, "without kid or with key_ops");
    changed("kid", json!("ES256"));
    no_key(&world, "0 keys have the token's kid");
    changed("use", json!("enc"));
    no_key(&world, "not for its algorithm");
    changed("alg", json!("RS384"));
    no_key(&world, "not for its algorithm");
    let mut twice = whole.clone();
    twice["keys"][1]["kid"] = json!("rsa");
    world.issuer.keys(&twice);
    no_key(&world, "2 keys have the token's kid");
    world.issuer.keys(&json!({"keys": {}}));
    no_key(&world, "has no keys");
    changed("alg", json!("RS256"));
    assert_eq!(world.assume(&json!({})).told(), "200");
}

#[test]
fn a_key_set_has_at_most_a_hundred_keys_of_a_kind() {
    let world = World::start();
    for (kind, place) in [("RSA", 0), ("EC", 1)] {
        let whole = world.issuer.jwks();
        let there = whole["keys"].as_array().unwrap().iter().filter(|key| key["kty"] == kind).count();
        for (count, expected) in [(100, true), (101, false)] {
            let mut jwks = whole.clone();
            for more in there..count {
                let mut key = whole["keys"][place].clone();
                key["kid"] = json!(format!("more-{more}"));
                jwks["keys"].as_array_mut().unwrap().push(key);
            }
            world.issuer.keys(&jwks);
            if expected {
                assert_eq!(world.assume(&json!({})).told(), "200", "{kind}");
            } else {
                no_key(&world, &format!("more than 100 {kind} keys"));
            }
        }
    }
}

#[test]
fn an_issuer_that_is_slow_or_down_has_no_keys() {
    let world = World::start();
    let document = Canned::json(200, &world.issuer.document());
    let slow = Canned { after: Duration::from_secs(1), ..document.clone() };
    world.issuer.front.answer(DISCOVERY, slow);
    world.sts.patience(Duration::from_millis(100));
    no_key(&world, "took too long");
    world.sts.patience(Duration::from_secs(30));
    assert_eq!(world.assume(&json!({})).told(), "200");
    for (canned, why) in [
        (Canned { status: 404, ..document.clone() }, "answers with 404"),
        (Canned { status: 302, ..document.clone() }.with("location", "/jwks.json"), "answers with 302"),
        (Canned { body: "<html>".to_owned(), ..document }, "is no JSON"),
    ] {
        world.issuer.front.answer(DISCOVERY, canned);
        no_key(&world, why);
    }
    world.issuer.front.pass_everything();
    no_key(&world, "does not answer");
}

#[test]
fn keys_are_fetched_for_each_token_unless_they_may_be_kept() {
    let world = World::start();
    let fetched = || world.issuer.front.came().iter().map(|came| came.what.clone()).collect::<Vec<_>>();
    for _ in 0..2 {
        assert_eq!(world.assume(&json!({})).told(), "200");
        assert_eq!(fetched(), [DISCOVERY, "GET /jwks.json"]);
    }
    world.sts.keep_keys(Duration::from_mins(10));
    world.issuer.front.pass_everything();
    assert_eq!(world.assume(&json!({})).told(), "200", "they are there from the last time");
    assert_eq!(fetched(), [""; 0]);
    world.sts.keep_keys(Duration::ZERO);
    no_key(&world, "does not answer");
}
