//! The token: form, algorithms, times, audience, and the claims that STS alone reads.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use testkit::sts::{Outcome, Sts};

use crate::world::{AUDIENCE, DEPLOY, PLAIN, World, now, post};

const NO_JWT: &str = "400 InvalidIdentityToken: The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)";
const NO_KEY: &str = "400 InvalidIdentityToken: Couldn't retrieve verification key from your identity provider,  please reference AssumeRoleWithWebIdentity documentation for requirements";
const WRONG_AUDIENCE: &str = "400 InvalidIdentityToken: Incorrect token audience";
const BAD_TAGS: &str = "400 ValidationError: Unable to validate tags";

#[test]
fn a_token_that_is_right_gives_a_session_with_all_that_sts_tells() {
    let world = World::start();
    let reply = world.assume(&json!({
        "sub": "svc:<a&b>",
        "https://aws.amazon.com/tags": {
            "principal_tags": {"team": ["data"], "stage": ["prod"]}, "transitive_tag_keys": ["team"]
        },
        "https://aws.amazon.com/source_identity": "ada@acme.com",
        "https://aws.amazon.com/roles": [PLAIN, DEPLOY],
    }));
    assert_eq!(reply.told(), "200", "{reply:?}");
    assert!(
        reply
            .body
            .starts_with("<AssumeRoleWithWebIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">")
    );
    let key = reply.element("AccessKeyId").unwrap();
    let session = world.sts.session(key).unwrap();
    let expiration = reply.element("Expiration").unwrap();
    assert!(key.starts_with("ASIA") && key.len() == 20, "{key}");
    assert_eq!(reply.element("SecretAccessKey").unwrap().len(), 40);
    assert_eq!(reply.element("SessionToken").unwrap().len(), 400);
    assert_eq!(expiration.parse::<jiff::Timestamp>().unwrap().as_second(), session.expires);
    assert!((now() + 3590..=now() + 3600).contains(&session.expires), "an hour, unless asked otherwise");
    let id = reply.element("AssumedRoleId").unwrap();
    assert!(id.starts_with("AROA") && id.ends_with(":app"), "{id}");
    for (name, value) in [
        ("Arn", "arn:aws:sts::444455556666:assumed-role/deploy/app"),
        ("Audience", AUDIENCE),
        ("Provider", "arn:aws:iam::444455556666:oidc-provider/id.test"),
        ("SubjectFromWebIdentityToken", "svc:&lt;a&amp;b&gt;"),
        ("SourceIdentity", "ada@acme.com"),
        ("PackedPolicySize", "5"),
    ] {
        assert_eq!(reply.element(name), Some(value));
    }
    let request = reply.element("RequestId").unwrap();
    assert!(reply.head.contains(&format!("x-amzn-requestid: {request}")), "{}", reply.head);
    assert_eq!(session.arn, "arn:aws:sts::444455556666:assumed-role/deploy/app");
    assert_eq!((session.role.as_str(), session.subject.as_str()), (DEPLOY, "svc:<a&b>"));
    let tags = [("stage", "prod"), ("team", "data")].map(|(key, value)| (key.to_owned(), value.to_owned()));
    assert_eq!(session.tags, BTreeMap::from(tags));
    assert_eq!((session.transitive_tags, session.source_identity), (vec!["team".into()], Some("ada@acme.com".into())));
    assert_eq!(world.sts.calls()[0].outcome, Outcome::Given(key.to_owned()));

    let other = world.assume(&json!({}));
    assert_ne!(other.element("AccessKeyId").unwrap(), key, "each call has its own");
    assert_ne!(other.element("RequestId").unwrap(), request);
    assert_eq!((other.element("SourceIdentity"), other.element("PackedPolicySize")), (None, None));
}

#[test]
fn without_provider_or_role_every_token_is_refused() {
    let world = World::start();
    let token = world.token(&json!({}));
    let ask = |sts: &Sts, role: &str| {
        let call = [("Action", "AssumeRoleWithWebIdentity"), ("Version", "2011-06-15"), ("RoleArn", role)];
        post(sts, &[&call[..], &[("RoleSessionName", "app"), ("WebIdentityToken", &token)]].concat()).told()
    };
    let no_provider = "400 InvalidIdentityToken: No OpenIDConnect provider found in your account for https://id.test";
    assert_eq!(ask(&Sts::start(), DEPLOY), no_provider);
    assert_eq!(ask(&world.sts, "arn:aws:iam::777788889999:role/deploy"), no_provider, "it is of another account");
    let denied = "403 AccessDenied: Not authorized to perform sts:AssumeRoleWithWebIdentity";
    assert_eq!(ask(&world.sts, "arn:aws:iam::444455556666:role/deploy"), denied, "the path is part of the name");
    assert_eq!(ask(&world.sts, DEPLOY), "200");
    let other = world.assume(&json!({"iss": "https://id.test/"}));
    assert_eq!(other.told(), format!("{no_provider}/"), "byte for byte");
}

#[test]
fn six_algorithms_and_no_others() {
    let world = World::start();
    let claims = world.claims(&json!({}));
    let told = |header: &Value| world.call(&[("WebIdentityToken", &world.issuer.sign_with(header, &claims))]).told();
    for alg in ["RS256", "RS384", "RS512"] {
        assert_eq!(told(&json!({"alg": alg, "kid": "rsa"})), "200", "{alg}");
    }
    for alg in ["ES256", "ES384", "ES512"] {
        assert_eq!(told(&json!({"alg": alg, "kid": alg})), "200", "{alg}");
        assert_eq!(told(&json!({"alg": alg, "kid": "rsa"})), NO_KEY, "{alg} by a key for RSA");
    }
    for alg in ["EdDSA", "PS256", "HS256", "none", "rs256"] {
        assert_eq!(told(&json!({"alg": alg, "kid": "rsa"})), NO_JWT, "{alg}");
    }
    assert_eq!(told(&json!({"alg": "RS256", "kid": "ES256"})), NO_KEY);
    assert_eq!(told(&json!({"alg": "RS256", "kid": "other"})), NO_KEY);
    assert_eq!(told(&json!({"alg": "RS256"})), NO_KEY);
    assert_eq!(world.refusal().1, "the token names no key");
    assert_eq!(told(&json!({"alg": "RS256", "kid": "rsa", "crit": ["b64"]})), NO_JWT);
}

#[test]
fn a_signature_of_something_else_does_not_count() {
    let world = World::start();
    for alg in ["RS256", "ES256", "ES384", "ES512"] {
        let header = json!({"alg": alg, "kid": if alg == "RS256" { "rsa" } else { alg }});
        let signed = |claims: &Value| world.issuer.sign_with(&header, &world.claims(claims));
        let (good, other) = (signed(&json!({})), signed(&json!({"sub": "admin"})));
        let (message, _) = good.rsplit_once('.').unwrap();
        let (_, signature) = other.rsplit_once('.').unwrap();
        let reply = world.call(&[("WebIdentityToken", &format!("{message}.{signature}"))]);
        assert!(reply.told().starts_with("400 InvalidIdentityToken: The web identity token"), "{alg}: {reply:?}");
    }
    let token = world.token(&json!({}));
    for text in [token.rsplit_once('.').unwrap().0, "an access token", "e30.e30.e30", &token.replace('.', "+")] {
        assert_eq!(world.call(&[("WebIdentityToken", text)]).told(), NO_JWT, "{text}");
    }
}

#[test]
fn times_are_whole_numbers_and_five_minutes_of_skew_are_allowed() {
    let world = World::start();
    let told = |claims: &Value| world.assume(claims).told();
    // A minute less than the limit, or beyond it: no test waits for a second that passes.
    for claims in [
        json!({"exp": now() - 240}),
        json!({"iat": now() + 240}),
        json!({"nbf": now() + 240}),
        json!({"nbf": now() - 9000, "iat": now() - 9000}),
    ] {
        assert_eq!(told(&claims), "200", "{claims}");
    }
    let exp = now() - 301;
    let expired = told(&json!({"exp": exp}));
    let (before, after) = expired.split_once(" must be ").unwrap();
    assert!(before.starts_with("400 ExpiredTokenException: Token expired: current date/time 1"), "{before}");
    assert_eq!(after, format!("before the expiration date/time {exp}"));
    for claims in [json!({"iat": now() + 360}), json!({"nbf": now() + 360})] {
        assert_eq!(told(&claims), "400 InvalidIdentityToken: The token is not valid yet", "{claims}");
    }
    for (name, value) in [("exp", json!(9e9)), ("iat", json!("1")), ("nbf", json!(1.5)), ("exp", json!(u64::MAX))] {
        assert!(told(&json!({ name: value })).ends_with(&format!("{name} is no whole number")), "{name} {value}");
    }
    for name in ["exp", "iat", "sub", "aud"] {
        assert!(told(&json!({ name: null })).contains(&format!("has no {name}")), "{name}");
    }
    for (length, expected) in [(255, true), (256, false)] {
        assert_eq!(told(&json!({"sub": "s".repeat(length)})) == "200", expected, "{length}");
    }
}

#[test]
fn the_end_of_a_token_is_not_the_end_of_its_session() {
    let world = World::start();
    let token = world.token(&json!({"exp": now() + 60}));
    let reply = world.call(&[("WebIdentityToken", &token), ("DurationSeconds", "7200")]);
    let session = world.sts.session(reply.element("AccessKeyId").unwrap()).unwrap();
    assert!(session.expires > now() + 7100);
}

#[test]
fn the_audience_is_azp_or_the_only_one_of_aud() {
    let world = World::start();
    let told = |claims: &Value| world.assume(claims).told();
    for claims in [
        json!({"aud": [AUDIENCE]}),
        json!({"aud": [AUDIENCE, "other"], "azp": AUDIENCE}),
        json!({"aud": "other", "azp": AUDIENCE}),
    ] {
        assert_eq!(told(&claims), "200", "{claims}");
    }
    for claims in [
        json!({"aud": "other"}),
        json!({"aud": [AUDIENCE, "other"]}),
        json!({"azp": "other"}),
        json!({"azp": 1}),
        json!({"aud": []}),
        json!({"aud": "STS.amazonaws.com"}),
    ] {
        assert_eq!(told(&claims), WRONG_AUDIENCE, "{claims}");
    }
    assert!(told(&json!({"aud": [1]})).contains("has no aud"));
    world.provider(&["other", AUDIENCE]);
    let reply = world.assume(&json!({"azp": AUDIENCE, "aud": "other"}));
    assert_eq!(reply.element("Audience"), Some(AUDIENCE), "{reply:?}");
}

#[test]
fn a_claim_of_roles_names_the_role_exactly() {
    let world = World::start();
    let told = |roles: &Value| world.assume(&json!({"https://aws.amazon.com/roles": roles})).told();
    for roles in [json!(DEPLOY), json!([DEPLOY]), json!([PLAIN, DEPLOY])] {
        assert_eq!(told(&roles), "200", "{roles}");
    }
    let absent =
        "400 InvalidIdentityToken: The target role ARN is not present in the roles claim of the identity token";
    for roles in [json!(PLAIN), json!([]), json!("arn:aws:iam::444455556666:role/team/*"), json!("deploy"), json!([1])]
    {
        assert_eq!(told(&roles), absent, "{roles}");
    }
    // Before the trust policy is asked, and before it is known whether there is one.
    let token = world.token(&json!({"https://aws.amazon.com/roles": DEPLOY}));
    let nobody = "arn:aws:iam::444455556666:role/nobody";
    assert_eq!(world.call(&[("WebIdentityToken", &token), ("RoleArn", nobody)]).told(), absent);
}

#[test]
fn tags_have_their_form_and_their_limits() {
    let world = World::start();
    let told = |tags: &Value| world.assume(&json!({"https://aws.amazon.com/tags": tags})).told();
    let of = |tags: &Value| json!({ "principal_tags": tags });
    let many = |count: usize| (0..count).map(|place| (format!("k{place}"), json!(["v"]))).collect::<Value>();
    for tags in [
        of(&json!({"team": ["data"]})),
        of(&json!({"Zürich 1_.:/=+-@": [""]})),
        of(&json!({("k".repeat(128)): ["v".repeat(256)]})),
        of(&many(50)),
        of(&json!({})),
        json!({"principal_tags": {"a": ["1"], "b": ["2"]}, "transitive_tag_keys": ["a", "b"]}),
        json!({"principal_tags": {"a": ["1"]}, "transitive_tag_keys": []}),
    ] {
        assert_eq!(told(&tags), "200", "{tags}");
    }
    for (tags, why) in [
        (json!({"team": ["data"]}), "principal_tags is no object"),
        (json!("team"), "principal_tags is no object"),
        (of(&json!({"team": "data"})), "no array of one string"),
        (of(&json!({"team": ["data", "ops"]})), "no array of one string"),
        (of(&json!({"team": []})), "no array of one string"),
        (of(&json!({"team": [1]})), "no array of one string"),
        (of(&json!({"": ["v"]})), "beyond the limits"),
        (of(&json!({("k".repeat(129)): ["v"]})), "beyond the limits"),
        (of(&json!({"k": ["v".repeat(257)]})), "beyond the limits"),
        (of(&json!({"k": ["a;b"]})), "beyond the limits"),
        (of(&json!({"k#": ["v"]})), "beyond the limits"),
        (of(&json!({"AWS:k": ["v"]})), "AWS's own"),
        (of(&json!({"k": ["Aws:v"]})), "AWS's own"),
        (of(&many(51)), "more than 50"),
        (json!({"principal_tags": {"a": ["1"]}, "transitive_tag_keys": ["A"]}), "A is transitive, and no tag"),
        (json!({"principal_tags": {"a": ["1"]}, "transitive_tag_keys": 1}), "no strings"),
    ] {
        assert_eq!(told(&tags), BAD_TAGS, "{tags}");
        assert!(world.refusal().1.contains(why), "{tags}: {:?}", world.refusal());
    }
    let twice = told(&of(&json!({"team": ["a"], "Team": ["b"]})));
    assert!(twice.starts_with("400 ValidationError: Duplicate tag keys found."), "{twice}");
    let large: Value = (0..3).map(|place| (format!("k{place}"), json!(["v".repeat(200)]))).collect();
    let told = told(&of(&large));
    assert_eq!(told, "400 PackedPolicyTooLarge: Packed size of session tags consumes 148% of allotted space.");
}

#[test]
fn a_source_identity_is_a_name() {
    let world = World::start();
    let told = |text: &Value| world.assume(&json!({"https://aws.amazon.com/source_identity": text})).told();
    for text in [json!("ab"), json!("x".repeat(64)), json!("Ada_+=,.@-9")] {
        assert_eq!(told(&text), "200", "{text}");
    }
    for text in [json!("a"), json!("x".repeat(65)), json!("a b"), json!("svc:app"), json!(["ab"])] {
        assert!(told(&text).starts_with("400 ValidationError: 1 validation error detected: Value '"), "{text}");
    }
}

#[test]
fn a_claim_of_aws_that_is_not_known_is_not_passed_over() {
    let told = World::start().assume(&json!({"https://aws.amazon.com/tags/principal_tags/team": "data"})).told();
    assert!(told.starts_with("500 InternalFailure: the claim https://aws.amazon.com/tags/"), "{told}");
}
