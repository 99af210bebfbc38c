//! What loads and deserves a thought: each warning has a case that reaches it and one beside it that does not.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use countersign_core::policy::Policy;
use serde_json::{Value, json};

fn warnings(rules: &Value) -> Vec<String> {
    let policy = json!({
        "version": 1,
        "audiences": {
            "api": { "aud": "api", "profile": "oauth" },
            "snowflake": { "aud": "https://acme.snowflakecomputing.com", "profile": "snowflake" },
            "deploy": { "aud": "sts.amazonaws.com", "profile": "aws" }
        },
        "rules": rules
    });
    let policy = Policy::from_json(policy.to_string().as_bytes()).unwrap_or_else(|problems| panic!("{problems:#?}"));
    policy.warnings().iter().map(ToString::to_string).collect()
}

fn rule(mut when: Value, grant: &Value) -> Value {
    when["account"] = json!(["111122223333"]);
    let mut rule = json!({ "name": "r", "when": when, "grant": { "audiences": ["api"] } });
    for (key, value) in grant.as_object().unwrap().clone() {
        rule["grant"][key] = value;
    }
    rule
}

/// Exactly one warning: this text at this place.
#[track_caller]
fn warns(rules: &Value, place: &str, words: &str) {
    let found = warnings(rules);
    assert!(found.len() == 1 && found[0].starts_with(&format!("{place}: ")) && found[0].contains(words), "{found:#?}");
}

#[track_caller]
fn silent(rules: &Value) {
    let found = warnings(rules);
    assert!(found.is_empty(), "{found:#?}");
}

fn pinned_role(role: &str, subject: &str) -> Value {
    rule(json!({ "kind": "role", "role": [role], "role_id": ["AROAEXAMPLE"] }), &json!({ "subject": subject }))
}

fn named(mut rule: Value, name: &str) -> Value {
    rule["name"] = json!(name);
    rule
}

#[test]
fn names_that_somebody_else_may_come_to_bear() {
    let role = |role: Value| rule(json!({ "kind": "role", "role": role }), &json!({ "subject": "{role}" }));
    warns(&json!([role(json!(["app-*"]))]), "rules[0].when", "can take a name that matches");
    warns(&json!([role(json!(["app"]))]), "rules[0].when", "if the role is deleted");
    silent(&json!([pinned_role("app", "{role}")]));
    let sso = |extra: Value| {
        let mut when = json!({ "kind": "sso" });
        when.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        rule(when, &json!({ "subject": "{user_name}" }))
    };
    warns(
        &json!([sso(json!({ "permission_set": ["Admin"] }))]),
        "rules[0].when",
        "neither `role_id` nor `permission_set_suffix`",
    );
    silent(&json!([sso(json!({ "permission_set_suffix": ["0123456789abcdef"] }))]));
    silent(&json!([sso(json!({ "role_id": ["AROAEXAMPLE"] }))]));
}

#[test]
fn principals_that_a_filter_makes_one() {
    let place = "rules[0].grant.subject";
    warns(&json!([pinned_role("*", "{role|upper}")]), place, "differs only by letter case share a subject");
    warns(&json!([pinned_role("*", "{role|underscore}")]), place, "differs only by - and _ share a subject");
    warns(&json!([pinned_role("*", "{role|lower|underscore}")]), place, "letter case, or by - and _,");
    silent(&json!([pinned_role("*", "{role}")]));
    silent(&json!([pinned_role("a-b", "{role|underscore}")]));
    let two = json!([pinned_role("a-b", "{role|underscore}"), named(pinned_role("a_b", "{role}"), "other")]);
    warns(&two, place, "the role of the rule `other` differs only by - and _ from this one");
}

#[test]
fn a_namesake_may_hide_behind_a_pattern() {
    let place = "rules[0].grant.subject";
    let pattern = json!([pinned_role("loader", "{role|upper}"), named(pinned_role("LOADER*", "{role}"), "other")]);
    warns(&pattern, place, "the role of the rule `other` differs only by letter case");
    let any = rule(json!({ "kind": "role", "role_id": ["AROAOTHER"] }), &json!({ "subject": "{role}" }));
    warns(&json!([pinned_role("loader", "{role|upper}"), named(any, "other")]), place, "the rule `other`");
    silent(&json!([pinned_role("loader", "{role|upper}"), named(pinned_role("kafka*", "{role}"), "other")]));
}

#[test]
fn snowflake_does_not_look_at_letter_case() {
    let role = |name: &str, called: &str| {
        let mut rule = named(pinned_role(name, "{role}"), called);
        rule["grant"]["audiences"] = json!(["snowflake"]);
        rule["grant"]["scopes"] = json!(["session:role-any"]);
        rule
    };
    let found = warnings(&json!([role("Load", "a"), role("load", "b")]));
    assert_eq!(found.len(), 2, "{found:#?}");
    assert!(found[0].contains("the role of the rule `b` differs only by letter case"), "{found:#?}");
    silent(&json!([pinned_role("Load", "{role}"), named(pinned_role("load", "{role}"), "b")]));
}

#[test]
fn people_and_workloads_that_share_a_subject_on_purpose() {
    let shared = |mut rule: Value| {
        rule["shared_subject"] = json!(true);
        rule
    };
    let role = shared(pinned_role("dbt", "DBT"));
    let sso = json!({ "kind": "sso", "role_id": ["AROAEXAMPLE"] });
    let person = named(shared(rule(sso.clone(), &json!({ "subject": "{user_name}" }))), "person");
    warns(&json!([role, person]), "rules[1].grant.subject", "of another kind, of the rule `r` can share a subject");
    let other = named(shared(rule(sso, &json!({ "subject": "person:{user_name}" }))), "person");
    silent(&json!([role, other]));
}

#[test]
fn deny_rules_that_are_evaded() {
    let deny = |when: Value| json!({ "name": "no", "effect": "deny", "when": when });
    let people = rule(json!({ "kind": "sso", "role_id": ["AROAEXAMPLE"] }), &json!({ "subject": "{user_name}" }));
    warns(&json!([deny(json!({ "session_name": ["x*"] }))]), "rules[0].when.session_name", "chooses the session name");
    silent(&json!([deny(json!({ "role": ["*-breakglass"] }))]));
    let evaded = "a permission set with the same power evades this rule";
    warns(&json!([people, deny(json!({ "role": ["*-breakglass"] }))]), "rules[1].when", evaded);
    warns(&json!([people, deny(json!({ "kind": "role" }))]), "rules[1].when", evaded);
    let unrelated = json!({ "kind": "sso", "user_name": ["bob@acme.com"] });
    let rules = json!([people, deny(json!({ "role": ["*-breakglass"] })), named(deny(unrelated), "unrelated")]);
    warns(&rules, "rules[1].when", evaded);
    let both = json!([
        people,
        deny(json!({ "role": ["*-breakglass"] })),
        named(deny(json!({ "permission_set": ["BreakGlass"] })), "too")
    ]);
    silent(&both);
}

#[test]
fn access_that_renews_itself() {
    let may_call = named(pinned_role("deploy", "{role}"), "caller");
    let grant = |role: &str| json!({ "audiences": ["deploy"], "subject": "x:{user}", "roles": [role] });
    let user = |role| rule(json!({ "kind": "user", "path": ["/"] }), &grant(role));
    let renewing = json!([user("arn:aws:iam::111122223333:role/path/deploy"), may_call]);
    warns(&renewing, "rules[0].grant.roles[0]", "the rule `caller` lets this role itself ask for tokens");
    let itself = json!([user("arn:aws:iam::{account}:role/{user}"), may_call]);
    warns(&itself, "rules[0].grant.roles[0]", "access that renews itself");
    silent(&json!([user("arn:aws:iam::111122223333:role/other"), may_call]));
    silent(&json!([user("arn:aws:iam::999999999999:role/deploy"), may_call]));
}

#[test]
fn tags_that_aws_may_find_too_many() {
    let tagged = |length: usize| {
        let tags = json!({ "a": "x".repeat(200), "b": "y".repeat(length) });
        let grant = json!({ "audiences": ["deploy"], "subject": "x:{user}", "session_tags": tags });
        json!([rule(json!({ "kind": "user", "path": ["/"] }), &grant)])
    };
    warns(&tagged(179), "rules[0].grant.session_tags", "have 381 characters or more");
    silent(&tagged(178));
}

#[test]
fn what_can_never_match_and_what_nobody_carries() {
    let role = |name: &str| {
        rule(json!({ "kind": "role", "role": [name], "role_id": ["AROAEXAMPLE"] }), &json!({ "subject": "x:{role}" }))
    };
    warns(&json!([role("a:b")]), "rules[0].when.role[0]", "no role is ever \"a:b\"");
    warns(&json!([role("a/*")]), "rules[0].when.role[0]", "this entry matches nobody");
    let user = rule(json!({ "kind": "user", "path": ["ci"] }), &json!({ "subject": "{user}" }));
    warns(&json!([user]), "rules[0].when.path[0]", "no path is ever \"ci\"");
    let grant = json!({ "audiences": ["deploy"], "subject": "{user}", "scopes": ["x"] });
    warns(&json!([rule(json!({ "kind": "user", "path": ["/"] }), &grant)]), "rules[0].grant.scopes", "carries scopes");
}

/// The comparison of subjects has a budget: a policy that would take minutes is refused.
#[test]
fn subjects_too_intricate_to_compare_are_refused() {
    let pattern = |index: usize| format!("{}{index}", "*a".repeat(31));
    let rules: Vec<Value> = (0..300)
        .map(|index| {
            json!({
                "name": format!("r{index}"), "when": { "kind": "role", "account": [format!("{index:012}")], "role": [pattern(index)] },
                "grant": { "audiences": ["x"], "subject": "{role}" }
            })
        })
        .collect();
    let policy = json!({ "version": 1, "audiences": { "x": { "aud": "x", "profile": "generic" } }, "rules": rules });
    let problems = Policy::from_json(policy.to_string().as_bytes()).unwrap_err();
    assert!(problems.iter().any(|problem| problem.message.contains("too intricate to be compared")), "{problems:#?}");
}
