//! Callers and answers: what each expectation makes of them.

use serde_json::{Value, json};

use crate::world::{SNOWFLAKE, World};

/// A probe, and what must come of it: outcome and words.
struct Case {
    probe: Value,
    outcome: &'static str,
    words: &'static str,
}

fn case(credentials: Value, ask: Value, expect: Value, outcome: &'static str, words: &'static str) -> Case {
    Case { probe: json!({"credentials": credentials, "ask": ask, "expect": expect}), outcome, words }
}

fn as_(profile: &str) -> Value {
    json!({"profile": profile})
}

fn token(subject: &str, claims: Value, more: Value) -> Value {
    let (Value::Object(mut claims), Value::Object(mut token)) = (claims, more) else { panic!("two objects") };
    claims.entry("sub").or_insert_with(|| subject.into());
    claims.entry("aud").or_insert_with(|| SNOWFLAKE.into());
    token.insert("claims".to_owned(), claims.into());
    json!({"token": token})
}

fn refused(error: &str) -> Value {
    json!({"refused": {"error": error}})
}

const LOADER: &str = "svc:444455556666:snowflake-loader";
const OK: &str = "as_expected";
const FAILED: &str = "not_as_expected";
const UNCLEAR: &str = "could_not_tell";

fn passes() -> Vec<Case> {
    let (none, ok) = (|| json!({}), |credentials, ask, expect| case(credentials, ask, expect, OK, ""));
    let tags = json!({
        "aud": "sts.amazonaws.com",
        "https://aws.amazon.com/source_identity": "bob",
        "https://aws.amazon.com/roles": ["arn:aws:iam::444455556666:role/deploy"],
    });
    let loader = json!({"scp": ["session:role:SNOWFLAKE_LOADER"], "scope": "session:role:SNOWFLAKE_LOADER"});
    let jane = json!({"scp": ["session:role-any"], "department": "analytics"});
    vec![
        ok(
            as_("snowflake-loader"),
            none(),
            token(LOADER, loader, json!({"absent": ["aws", "department"], "lifetime_at_most": "10m"})),
        ),
        ok(as_("jane@acme.com"), none(), token("JANE", jane, json!({"lifetime_at_most": "15m"}))),
        ok(as_("jane@acme.com"), json!({"expires_in": 90}), token("JANE", none(), json!({"lifetime_at_most": "90s"}))),
        ok(as_("bob"), json!({"audience": "deploy"}), token("ci:bob", tags, json!({"absent": ["scp", "scope"]}))),
        ok(as_("stranger"), none(), refused("access_denied")),
        ok(
            as_("stranger"),
            json!({"audience": "deploy"}),
            json!({"refused": {"error": "access_denied", "status": 403}}),
        ),
        ok(as_("snowflake-loader"), json!({"audience": "warehouse-api"}), refused("invalid_target")),
        ok(as_("snowflake-loader"), json!({"scope": "session:role-any"}), refused("invalid_scope")),
        ok(as_("snowflake-loader"), json!({"expires_in": 5}), refused("invalid_request")),
        ok(json!({"unsigned": true}), none(), refused("gateway")),
        ok(
            json!({"unsigned": true}),
            json!({"audience": "snowflake"}),
            json!({"refused": {"error": "gateway", "status": 403}}),
        ),
    ]
}

fn fails() -> Vec<Case> {
    let none = || json!({});
    let loader =
        |claims, more, words| case(as_("snowflake-loader"), json!({}), token(LOADER, claims, more), FAILED, words);
    let jane = |claims, more, words| case(as_("jane@acme.com"), json!({}), token("JANE", claims, more), FAILED, words);
    let mut cases = vec![
        loader(
            json!({"sub": "svc:444455556666:snowflake-other"}),
            none(),
            "claim sub is \"svc:444455556666:snowflake-loader\", expected \"svc:444455556666:snowflake-other\"",
        ),
        loader(json!({"aud": "https://other.snowflakecomputing.com"}), none(), "audience: audience is"),
        loader(json!({"iss": "https://id.acme.com"}), none(), "claim iss is"),
        loader(json!({"scp": []}), none(), "claim scp is [\"session:role:SNOWFLAKE_LOADER\"], expected []"),
        loader(json!({"scp": ["session:role:SNOWFLAKE_LOADER", "session:role:OTHER"]}), none(), "claim scp is"),
        loader(json!({"scp": "session:role:SNOWFLAKE_LOADER"}), none(), "claim scp is"),
        loader(json!({"department": "analytics"}), none(), "there is no claim department, expected \"analytics\""),
        loader(json!({"nothing": null}), none(), "there is no claim nothing, expected null"),
        jane(json!({"department": "finance"}), none(), "claim department is \"analytics\""),
        jane(none(), json!({"absent": ["aws", "department"]}), "claim department is \"analytics\", expected none"),
        jane(none(), json!({"lifetime_at_most": "14m"}), "the token lives for 900 s, expected at most 840 s"),
        case(
            as_("stranger"),
            none(),
            token(LOADER, none(), none()),
            FAILED,
            "HTTP status 403: access_denied: this caller gets no token here",
        ),
        case(
            as_("snowflake-loader"),
            json!({"audience": "deploy"}),
            token(LOADER, none(), none()),
            FAILED,
            "invalid_target",
        ),
        case(as_("snowflake-loader"), json!({"scope": "x"}), token(LOADER, none(), none()), FAILED, "invalid_scope"),
        case(
            json!({"unsigned": true}),
            none(),
            json!({"refused": {"error": "gateway", "status": 401}}),
            FAILED,
            "HTTP status 403, and not 401",
        ),
        // The gateway refuses, and yet it is not about the caller's rights: somebody changes the request, or the secret is wrong.
        case(as_("mistaken"), none(), token(LOADER, none(), none()), FAILED, "signature we calculated does not match"),
        case(as_("mistaken"), none(), refused("access_denied"), FAILED, "not access_denied, but HTTP status 403"),
        case(as_("mistaken"), none(), refused("gateway"), FAILED, "not gateway, but HTTP status 403"),
    ];
    for error in ["access_denied", "invalid_target", "invalid_scope", "invalid_request", "gateway"] {
        cases.push(case(as_("snowflake-loader"), none(), refused(error), FAILED, "a token, and not"));
        // Each refusal, where another one is meant.
        for (profile, ask, found) in [
            ("stranger", json!({}), "access_denied"),
            ("snowflake-loader", json!({"audience": "nobody"}), "invalid_target"),
            ("snowflake-loader", json!({"scope": "nothing"}), "invalid_scope"),
            ("snowflake-loader", json!({"expires_in": 1}), "invalid_request"),
        ] {
            if found != error {
                cases.push(case(as_(profile), ask, refused(error), FAILED, found));
            }
        }
    }
    cases
}

fn unclear() -> Vec<Case> {
    let expectations = || [token(LOADER, json!({}), json!({})), refused("access_denied"), refused("gateway")];
    let unknown = expectations().map(|expect| {
        case(as_("unknown"), json!({}), expect, UNCLEAR, "security token included in the request is invalid")
    });
    let nowhere = expectations()
        .map(|expect| case(as_("nowhere"), json!({}), expect, UNCLEAR, "no AWS credentials from the profile nowhere"));
    let chain = case(
        json!({"default": true}),
        json!({}),
        refused("access_denied"),
        UNCLEAR,
        "no AWS credentials found by the default chain",
    );
    unknown.into_iter().chain(nowhere).chain([chain]).collect()
}

#[test]
fn every_expectation_passes_when_it_should_and_fails_when_it_should() {
    let world = World::new();
    let mut cases: Vec<Case> = passes().into_iter().chain(fails()).chain(unclear()).collect();
    let mut probes = Vec::new();
    for (index, case) in cases.iter_mut().enumerate() {
        case.probe["name"] = format!("case {index}").into();
        probes.push(case.probe.clone());
    }
    let ran = world.probe(&json!(probes), &["--json"]);
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    assert_eq!(ran.outcome("routes"), (OK.to_owned(), String::new()));
    for case in &cases {
        let (outcome, faults) = ran.outcome(case.probe["name"].as_str().unwrap());
        assert_eq!(outcome, case.outcome, "{}\n{faults}", case.probe);
        assert!(faults.contains(case.words), "{}\n{faults}", case.probe);
    }
    let told: Vec<Value> = ran.json()["probes"].as_array().unwrap().iter().map(|probe| probe["name"].clone()).collect();
    let expected: Vec<Value> =
        std::iter::once(json!("routes")).chain(probes.iter().map(|probe| probe["name"].clone())).collect();
    assert_eq!(told, expected, "in the order of the file");
}

#[test]
fn a_contradiction_weighs_more_than_what_could_not_be_told() {
    let world = World::new();
    let mut wrong = World::loader();
    wrong["name"] = "wrong".into();
    wrong["expect"]["token"]["claims"]["sub"] = "x".into();
    let lost = json!({"name": "lost", "credentials": as_("nowhere"), "expect": refused("gateway")});
    let probes = json!([World::loader(), World::stranger(), wrong, lost]);
    for (only, code) in [
        (&["loader", "stranger"][..], 0),
        (&["wrong"], 1),
        (&["loader", "lost"], 2),
        (&["lost", "wrong"], 1),
        (&["nobody"], 2),
    ] {
        let arguments: Vec<&str> = only.iter().flat_map(|name| ["--only", name]).collect();
        let ran = world.probe(&probes, &arguments);
        assert_eq!((ran.code, ran.stdout.as_str()), (code, ""), "{only:?}: {}", ran.stderr);
    }
}
