//! Whom a policy lists. How it is written down is the command line's to test, and so are most cases.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use countersign_core::policy::{Policy, Principal, Principals, Profile};
use serde_json::{Value, json};

fn policy(when: &Value, subject: &str, scopes: &Value) -> Policy {
    let policy = json!({
        "version": 1,
        "audiences": {
            "api": { "aud": "api", "profile": "oauth" },
            "other": { "aud": "other", "profile": "oauth" },
        },
        "rules": [
            { "name": "r", "when": when, "grant": { "audiences": ["api"], "subject": subject, "scopes": scopes } },
            { "name": "no", "effect": "deny", "when": { "role": ["z"] } },
        ],
    });
    Policy::from_json(policy.to_string().as_bytes()).unwrap_or_else(|problems| panic!("{problems:#?}"))
}

fn principals(policy: &Policy, most: usize) -> Vec<Principals> {
    let audiences = policy.audiences_with(Profile::Oauth).filter(|audience| audience.name() == "api");
    audiences.flat_map(|audience| policy.admissions(audience, most)).map(|admission| admission.principals).collect()
}

#[test]
fn each_combination_of_what_the_subject_carries_is_one_but_for_whom_a_deny_rule_means() {
    let when = json!({ "kind": "role", "account": ["111122223333", "222233334444"], "role": ["a", "b-c", "z"] });
    let policy = policy(&when, "{account}:{role|upper}", &json!(["read:{role|underscore}"]));
    let [Principals::All(listed)] = &principals(&policy, 6)[..] else { panic!("{policy:?}") };
    let one = |subject: &str, scope: &str| Principal {
        subject: subject.to_owned(),
        scopes: vec![scope.to_owned()],
        open_scopes: Vec::new(),
    };
    let expected = [
        one("111122223333:A", "read:a"),
        one("111122223333:B-C", "read:b_c"),
        one("222233334444:A", "read:a"),
        one("222233334444:B-C", "read:b_c"),
    ];
    assert_eq!(*listed, expected);
    // One more than asked for is endless, and the example is one of them.
    let [Principals::Endless(Some(example))] = &principals(&policy, 5)[..] else { panic!("{policy:?}") };
    assert!(listed.contains(example), "{example:?}");
}

#[test]
fn scopes_follow_from_the_subject_or_are_open() {
    let when = json!({ "kind": "sso", "account": ["111122223333"], "permission_set": ["A", "B"], "user_name": ["j"] });
    let policy = policy(&when, "{user_name}", &json!(["{user_name}", "{account}", "{permission_set}"]));
    let expected = Principal {
        subject: "j".to_owned(),
        scopes: vec!["j".to_owned(), "111122223333".to_owned()],
        open_scopes: vec!["{permission_set}".to_owned()],
    };
    assert_eq!(principals(&policy, 9), [Principals::All(vec![expected])]);
    assert_eq!(policy.audiences_with(Profile::Snowflake).count(), 0);
}
