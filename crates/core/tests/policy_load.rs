//! Everything that keeps a policy from loading: each has a case that reaches it, with its place and its words.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use countersign_core::policy::{MAX_BYTES, Policy, Problem};
use serde_json::{Value, json};

/// One sound rule for each kind, three audiences.
fn sound() -> Value {
    json!({
        "version": 1,
        "account_sets": { "data": ["444455556666", "777788889999"] },
        "audiences": {
            "snowflake": { "aud": "https://acme.snowflakecomputing.com", "profile": "snowflake" },
            "api": { "aud": "https://api.acme.com", "profile": "oauth" },
            "deploy": { "aud": "sts.amazonaws.com", "profile": "aws" }
        },
        "rules": [
            {
                "name": "people",
                "when": { "kind": "sso", "account": ["111122223333"], "user_name": ["*@acme.com"] },
                "grant": { "audiences": ["snowflake"], "subject": "{user_name|local_part|upper}", "scopes": ["session:role-any"] }
            },
            {
                "name": "workloads",
                "when": { "kind": "role", "account": ["444455556666"], "role": ["snowflake-*"] },
                "grant": { "audiences": ["snowflake"], "subject": "svc:{role}", "scopes": ["session:role-any"] }
            },
            {
                "name": "users",
                "when": { "kind": "user", "account": ["111122223333"], "path": ["/ci/"] },
                "grant": { "audiences": ["deploy"], "subject": "ci:{user}", "session_tags": { "team": "x" }, "transitive_tags": ["team"] }
            }
        ]
    })
}

fn load(policy: &Value) -> Result<Policy, Vec<Problem>> {
    Policy::from_json(&serde_json::to_vec(policy).unwrap())
}

/// The sound policy with one thing replaced (null: removed), as JSON Pointer.
fn with(changes: &[(&str, Value)]) -> Value {
    let mut policy = sound();
    for (pointer, value) in changes {
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        match policy.pointer_mut(parent).unwrap_or_else(|| panic!("no {parent}")) {
            Value::Object(map) if value.is_null() => drop(map.remove(key)),
            Value::Object(map) => drop(map.insert(key.to_owned(), value.clone())),
            Value::Array(list) if key == "-" => list.push(value.clone()),
            Value::Array(list) => list[key.parse::<usize>().unwrap()] = value.clone(),
            other => panic!("{parent} is {other}"),
        }
    }
    policy
}

/// The policy does not load, and says exactly one thing: this text at this place.
#[track_caller]
fn refused(changes: &[(&str, Value)], path: &str, words: &str) {
    let problems = load(&with(changes)).expect_err(words);
    let found: Vec<String> = problems.iter().map(ToString::to_string).collect();
    assert_eq!(problems.len(), 1, "{found:#?}");
    assert_eq!(problems[0].path.to_string(), path, "{found:?}");
    assert!(problems[0].message.contains(words), "{found:?}");
}

#[track_caller]
fn loads(changes: &[(&str, Value)]) {
    if let Err(problems) = load(&with(changes)) {
        panic!("{:#?}", problems.iter().map(ToString::to_string).collect::<Vec<_>>());
    }
}

const PEOPLE: &str = "rules[0].grant";
const ROLE: &str = "rules[1]";

#[test]
fn the_sound_policy_loads() {
    loads(&[]);
}

#[test]
fn no_policy_denies_everybody() {
    assert_eq!(Policy::default().rule_count(), 0);
    loads(&[("/rules", json!([]))]);
}

#[test]
fn shape() {
    for (pointer, value, path, words) in [
        ("/version", Value::Null, "version", "is missing"),
        ("/version", json!(2), "version", "version 2 is not known"),
        ("/version", json!("1"), "version", "invalid type: string"),
        ("/verson", json!(1), "verson", "unknown field `verson`"),
        ("/audiences/api/alias", json!("x"), "audiences.api.alias", "unknown field `alias`"),
        ("/rules/1/wen", json!({}), "rules[1].wen", "unknown field `wen`"),
        ("/rules/1/when/rolle", json!(["x"]), "rules[1].when.rolle", "unknown field `rolle`"),
        ("/rules/1/grant/scope", json!(["x"]), "rules[1].grant.scope", "unknown field `scope`"),
        (
            "/rules/1/when/role",
            json!("snowflake-*"),
            "rules[1].when.role",
            "a bare string where a list is needed: write [\"snowflake-*\"]",
        ),
        ("/rules/1/when/account", json!([444_455_556_666_u64]), "rules[1].when.account[0]", "write \"444455556666\""),
        ("/rules/1/when/account", json!(444_455_556_666_u64), "rules[1].when.account", "write [\"444455556666\"]"),
        (
            "/rules/1/when/kind",
            json!("rolle"),
            "rules[1].when.kind",
            "unknown variant `rolle`, expected one of `role`, `sso`, `user`",
        ),
        ("/rules/1/effect", json!("maybe"), "rules[1].effect", "unknown variant `maybe`"),
        ("/rules/1/shared_subject", json!("yes"), "rules[1].shared_subject", "invalid type"),
        ("/audiences/api/profile", json!("oidc"), "audiences.api.profile", "unknown variant `oidc`"),
        ("/audiences/api/alg", json!("HS256"), "audiences.api.alg", "unknown variant `HS256`"),
        ("/rules/1/grant/subject", json!(true), "rules[1].grant.subject", "write \"true\""),
        ("/rules", json!({}), "rules", "invalid type: map, expected a sequence"),
        ("/rules/1", json!("x"), "rules[1]", "a map of keys and values is needed here"),
        ("/rules/1/when", json!(["role"]), "rules[1].when", "a map of keys"),
        ("/rules/1/grant", json!("x"), "rules[1].grant", "a map of keys"),
        ("/audiences/api", json!("x"), "audiences.api", "a map of keys"),
        ("/audiences/api", json!(["x", "oauth", "5m", "RS256", true]), "audiences.api", "a map of keys"),
    ] {
        refused(&[(pointer, value)], path, words);
    }
}

#[test]
fn a_key_without_a_value_is_not_a_default() {
    let mut policy = sound();
    policy["rules"][1]["grant"]["lifetime"] = Value::Null;
    let problems = load(&policy).unwrap_err();
    assert_eq!(problems[0].to_string(), "rules[1].grant.lifetime: no value: give one, or leave the key out");
    policy["rules"][1]["grant"]["lifetime"] = json!("10m");
    policy["rules"][1]["grant"]["claims"] = json!({ "nothing": null });
    assert!(load(&policy).is_ok(), "in claims, null is JSON");
}

#[test]
fn a_repeated_key_in_json_is_refused() {
    let problems = Policy::from_json(br#"{"version":1,"audiences":{},"rules":[],"rules":[]}"#).unwrap_err();
    assert!(problems[0].message.contains("the key `rules` appears twice"), "{problems:?}");
    assert!(Policy::from_json(b"not json").is_err());
    for text in [&b"[]"[..], b"null", b"1"] {
        assert_eq!(
            Policy::from_json(text).unwrap_err()[0].to_string(),
            "a policy is a map with `version`, `audiences` and `rules`"
        );
    }
}

#[test]
fn every_mistake_is_reported_at_once() {
    let problems = load(&with(&[
        ("/version", json!(3)),
        ("/audiences/api/aud", json!("")),
        ("/rules/0/grant/subject", json!("{user_nam}")),
        ("/rules/0/grant/lifetime", json!("1d")),
        ("/rules/1/when/role", json!("x")),
        ("/rules/1/name", json!("people")),
        ("/rules/2/grant/claims", json!({ "iss": "x", "azp": "y" })),
        ("/rules/-", json!({ "name": "bare", "grant": { "subject": "{x}", "lifetime": "1" } })),
        ("/rules/-", json!({ "name": "unclear", "effect": "alow", "when": { "role": ["a", ""] } })),
    ]))
    .unwrap_err();
    let mut places: Vec<String> = problems.iter().map(|problem| problem.path.to_string()).collect();
    places.sort();
    let expected = [
        "audiences.api.aud",
        "rules[0].grant.lifetime",
        "rules[0].grant.subject",
        "rules[1].name",
        "rules[1].when.role",
        "rules[2].grant.claims.azp",
        "rules[2].grant.claims.iss",
        "rules[3].grant.audiences",
        "rules[3].grant.lifetime",
        "rules[3].grant.subject",
        "rules[3].when",
        "rules[4].effect",
        "rules[4].when.role[1]",
        "version",
    ];
    assert_eq!(places, expected, "{problems:#?}");
}

#[test]
fn limits() {
    let large = format!("{}{}", sound(), " ".repeat(MAX_BYTES));
    let problems = Policy::from_json(large.as_bytes()).unwrap_err();
    assert!(
        problems[0].message.contains("at most 65536") && problems[0].message.contains("Secrets Manager"),
        "{problems:?}"
    );
    let deny = |index: usize| json!({ "name": format!("r{index}"), "effect": "deny", "when": { "role": ["x"] } });
    let rules = |count: usize| json!((0..count).map(deny).collect::<Vec<_>>());
    loads(&[("/rules", rules(500))]);
    refused(&[("/rules", rules(501))], "rules", "501 rules: at most 500");
}

#[test]
fn audiences() {
    for (pointer, value, path, words) in [
        ("/audiences/api/aud", Value::Null, "audiences.api.aud", "is missing"),
        ("/audiences/api/aud", json!("a b"), "audiences.api.aud", "printable ASCII"),
        ("/audiences/api/profile", Value::Null, "audiences.api.profile", "is missing"),
        ("/audiences/api/max_lifetime", json!("59s"), "audiences.api.max_lifetime", "60s to 1h"),
        ("/audiences/api/max_lifetime", json!("61m"), "audiences.api.max_lifetime", "60s to 1h"),
        ("/audiences/api/max_lifetime", json!("900"), "audiences.api.max_lifetime", "not a duration"),
        ("/audiences/api/max_lifetime", json!("1.5m"), "audiences.api.max_lifetime", "not a duration"),
        ("/audiences/api/max_lifetime", json!("99999999999h"), "audiences.api.max_lifetime", "not a duration"),
        (
            "/audiences/snowflake/alg",
            json!("ES256"),
            "audiences.snowflake.alg",
            "the profile snowflake does not take ES256",
        ),
        ("/audiences/deploy/alg", json!("ES384"), "audiences.deploy.alg", "the profile aws does not take ES384"),
        ("/default_audience", json!("nobody"), "default_audience", "there is no audience `nobody`"),
        ("/partition", json!("gcp"), "partition", "is no partition"),
        (
            "/audiences/bad name",
            json!({ "aud": "x", "profile": "generic" }),
            "audiences[\"bad name\"]",
            "printable ASCII",
        ),
        (
            "/audiences/sts",
            json!({ "aud": "https://STS.amazonaws.com/", "profile": "generic" }),
            "audiences.sts.aud",
            "write `profile: aws`",
        ),
        (
            "/audiences/sts",
            json!({ "aud": "sts.amazonaws.com.cn", "profile": "oauth" }),
            "audiences.sts.aud",
            "write `profile: aws`",
        ),
        (
            "/audiences/wif",
            json!({ "aud": "SnowflakeComputing.com", "profile": "snowflake-wif" }),
            "audiences.wif.aud",
            "every Snowflake account",
        ),
        (
            "/audiences/wif",
            json!({ "aud": "acme", "profile": "snowflake-wif", "alg": "ES384" }),
            "audiences.wif.alg",
            "does not take ES384",
        ),
    ] {
        refused(&[(pointer, value)], path, words);
    }
    loads(&[(
        "/audiences/wif",
        json!({ "aud": "https://acme.snowflakecomputing.com/wif", "profile": "snowflake-wif", "alg": "ES256" }),
    )]);
    loads(&[("/audiences/api/alg", json!("ES384"))]);
}

#[test]
fn two_audiences_share_neither_name_nor_aud() {
    for other in [
        json!({ "aud": "https://api.acme.com", "profile": "generic" }),
        json!({ "aud": "https://API.acme.com/", "profile": "generic" }),
        json!({ "aud": "API", "profile": "generic" }),
    ] {
        refused(&[("/audiences/other", other)], "audiences.other", "is also that of the audience `api`");
    }
    let twins = json!({ "aud": "https://elsewhere.acme.com", "profile": "generic" });
    refused(&[("/audiences/API", twins)], "audiences.api", "is also that of the audience `API`");
}

#[test]
fn account_sets_and_literals() {
    for (pointer, value, path, words) in [
        ("/account_sets/data", json!(["4444"]), "account_sets.data[0]", "is no account (12 digits)"),
        ("/account_sets/data", json!([]), "account_sets.data", "empty list"),
        ("/rules/1/when/account", json!([]), "rules[1].when.account", "empty list"),
        ("/rules/1/when/account", json!(["4444*"]), "rules[1].when.account[0]", "takes no patterns"),
        (
            "/rules/1/when/account_set",
            json!(["nobody"]),
            "rules[1].when.account_set[0]",
            "there is no account set `nobody`",
        ),
        ("/rules/1/when/partition", json!(["aws*"]), "rules[1].when.partition[0]", "takes no patterns"),
        ("/rules/1/when/role_id", json!(["AROA*"]), "rules[1].when.role_id[0]", "takes no patterns"),
        ("/rules/1/when/role_id", json!(["AIDAEXAMPLE"]), "rules[1].when.role_id[0]", "is no role_id"),
        (
            "/rules/0/when/permission_set_suffix",
            json!(["0123456789ABCDEF"]),
            "rules[0].when.permission_set_suffix[0]",
            "16 digits",
        ),
        ("/rules/2/when/user_id", json!(["AROAEXAMPLE"]), "rules[2].when.user_id[0]", "is no user_id"),
        ("/rules/1/when/role", json!([]), "rules[1].when.role", "empty list"),
        ("/rules/1/when/role", json!([""]), "rules[1].when.role[0]", "an empty pattern"),
    ] {
        refused(&[(pointer, value)], path, words);
    }
    refused(
        &[("/rules/1/when/account", json!(["111122223333"])), ("/rules/1/when/account_set", json!(["data"]))],
        "rules[1].when.account_set",
        "both must match",
    );
    loads(&[("/rules/1/when/account_set", json!(["data"]))]);
}

#[test]
fn fields_that_a_kind_does_not_have() {
    for (pointer, value, path) in [
        ("/rules/0/when/role", json!(["x"]), "rules[0].when.role"),
        ("/rules/0/when/user", json!(["x"]), "rules[0].when.user"),
        ("/rules/1/when/permission_set", json!(["x"]), "rules[1].when.permission_set"),
        ("/rules/1/when/user_id", json!(["AIDAEXAMPLE"]), "rules[1].when.user_id"),
        ("/rules/2/when/user_name", json!(["x"]), "rules[2].when.user_name"),
        ("/rules/1/grant/subject", json!("{role}:{user}"), "rules[1].grant.subject"),
    ] {
        refused(&[(pointer, value)], path, "have no");
    }
}

#[test]
fn rules() {
    for (pointer, value, path, words) in [
        ("/rules/1/name", Value::Null, "rules[1].name", "is missing"),
        ("/rules/1/name", json!(""), "rules[1].name", "1 to 64"),
        ("/rules/1/name", json!("people"), "rules[1].name", "another rule is called `people`"),
        ("/rules/1/when", Value::Null, "rules[1].when", "is missing"),
        ("/rules/1/grant", Value::Null, "rules[1].grant", "is missing"),
        ("/rules/1/when/kind", Value::Null, "rules[1].when.kind", "is missing in an allow rule"),
        ("/rules/1/audiences", json!(["api"]), "rules[1].audiences", "names its audiences in `grant`"),
        ("/rules/1/grant/audiences", Value::Null, "rules[1].grant.audiences", "is missing"),
        ("/rules/1/grant/audiences", json!([]), "rules[1].grant.audiences", "empty list"),
        ("/rules/1/grant/audiences", json!(["nobody"]), "rules[1].grant.audiences[0]", "there is no audience `nobody`"),
        ("/rules/1/grant/subject", Value::Null, "rules[1].grant.subject", "is missing"),
        ("/rules/1/grant/lifetime", json!("2h"), "rules[1].grant.lifetime", "60s to 1h"),
        ("/rules/1/grant/scopes", json!([]), "rules[1].grant.scopes", "empty list"),
        ("/rules/1/grant/scopes", Value::Null, "rules[1].grant.scopes", "Snowflake refuses a token without a scope"),
        ("/rules/1/grant/scopes", json!(["a,b"]), "rules[1].grant.scopes[0]", "comma and space"),
        ("/rules/1/grant/scopes", json!(["a b"]), "rules[1].grant.scopes[0]", "comma and space"),
        ("/rules/1/grant/session_tags", json!({ "a": "b" }), "rules[1].grant.session_tags", "profile aws only"),
        ("/rules/1/grant/transitive_tags", json!([]), "rules[1].grant.transitive_tags", "profile aws only"),
        ("/rules/1/grant/source_identity", json!("xx"), "rules[1].grant.source_identity", "profile aws only"),
        (
            "/rules/1/grant/roles",
            json!(["arn:aws:iam::111122223333:role/x"]),
            "rules[1].grant.roles",
            "profile aws only",
        ),
        (
            "/rules/2/grant/roles",
            json!(["arn:aws:iam::111122223333:user/x"]),
            "rules[2].grant.roles[0]",
            "a role cannot be",
        ),
        ("/rules/2/grant/roles", json!([]), "rules[2].grant.roles", "empty list"),
        (
            "/rules/2/grant/session_tags",
            json!({ "team": "a,b" }),
            "rules[2].grant.session_tags.team",
            "a session tag cannot be",
        ),
        (
            "/rules/2/grant/session_tags",
            json!({ "team": "b", "aws:x": "y" }),
            "rules[2].grant.session_tags[\"aws:x\"]",
            "a tag's key",
        ),
        (
            "/rules/2/grant/session_tags",
            json!({ "team": "Aws:{user}" }),
            "rules[2].grant.session_tags.team",
            "a session tag cannot be",
        ),
        (
            "/rules/2/grant/transitive_tags",
            json!(["other"]),
            "rules[2].grant.transitive_tags[0]",
            "there is no session tag `other`",
        ),
        ("/rules/2/grant/transitive_tags", json!([]), "rules[2].grant.transitive_tags", "empty list"),
        (
            "/rules/2/grant/session_tags",
            json!({ "team": "x", "Team": "y" }),
            "rules[2].grant.session_tags.team",
            "differs only by letter case",
        ),
        (
            "/rules/2/grant/source_identity",
            json!("x"),
            "rules[2].grant.source_identity",
            "the source identity cannot be",
        ),
    ] {
        refused(&[(pointer, value)], path, words);
    }
    let tags: Value = (0..51)
        .map(|n| (format!("t{n}"), json!("x")))
        .chain([("team".into(), json!("x"))])
        .collect::<serde_json::Map<_, _>>()
        .into();
    refused(&[("/rules/2/grant/session_tags", tags)], "rules[2].grant.session_tags", "at most 50");
    let roles = |count: usize| json!(vec![format!("arn:aws:iam::444455556666:role/{}", "x".repeat(64)); count]);
    refused(&[("/rules/2/grant/roles", roles(130))], "rules[2].grant", "longer than the 20000 characters");
    loads(&[("/rules/2/grant/roles", roles(120))]);
}

#[test]
fn claims_that_are_the_issuers() {
    for name in [
        "iss",
        "sub",
        "aud",
        "exp",
        "nbf",
        "iat",
        "jti",
        "azp",
        "act",
        "cnf",
        "client_id",
        "scope",
        "scp",
        "aws",
        "https://aws.amazon.com/tags",
        "https://sts.amazonaws.com/x",
    ] {
        let problems = load(&with(&[("/rules/1/grant/claims", json!({ name: "x" }))])).expect_err(name);
        assert!(problems[0].message.contains("is the issuer's to set"), "{problems:?}");
    }
    refused(&[("/rules/1/grant/claims", json!({ "": "x" }))], "rules[1].grant.claims[\"\"]", "needs a name");
    refused(
        &[("/rules/1/grant/claims", json!({ "a": [{ "b": "" }] }))],
        "rules[1].grant.claims.a[0].b",
        "a claim cannot be",
    );
    loads(&[("/rules/1/grant/claims", json!({ "Iss": 1, "nested": { "sub": ["{role}", 1.5, true, null] } }))]);
}

#[test]
fn deny_rules() {
    let deny = |extra: Value| {
        let mut rule = json!({ "name": "no", "effect": "deny", "when": { "role": ["x"] } });
        rule.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        vec![("/rules/-", rule)]
    };
    loads(&deny(json!({})));
    loads(&deny(json!({ "audiences": ["api"] })));
    loads(&deny(json!({ "when": { "kind": "role" } })));
    refused(&deny(json!({ "when": {} })), "rules[3].when", "at least one field");
    refused(&deny(json!({ "grant": {} })), "rules[3].grant", "grants nothing");
    refused(&deny(json!({ "audiences": [] })), "rules[3].audiences", "empty list");
    refused(&deny(json!({ "audiences": ["nobody"] })), "rules[3].audiences[0]", "there is no audience");
    refused(&deny(json!({ "when": { "role": ["x"], "user": ["y"] } })), "rules[3].when", "can never match");
}

#[test]
fn templates() {
    for (subject, words) in [
        ("{rolle}", "no field is called `rolle`"),
        ("svc:{role|loud}", "no filter is called `loud`"),
        ("svc:{role", "never closed"),
        ("svc:role}:{role}", "never opened"),
        ("a b:{role}", "cannot be"),
        ("größe:{role}", "cannot be"),
        ("x:{role|local_part}", "local_part is for user_name, not for role"),
        ("x:{role}{role_id}", "put `:` or `/` between them"),
        ("x:{role}-{role_id}", "put `:` or `/` between them"),
        ("x:{role}-{account}-{role_id}", "put `:` or `/` between them"),
    ] {
        refused(&[("/rules/1/grant/subject", json!(subject))], "rules[1].grant.subject", words);
    }
    let empty = load(&with(&[("/rules/1/grant/subject", json!(""))])).unwrap_err();
    assert!(empty[0].message.contains("the subject cannot be \"\""), "{empty:?}");
    for subject in ["x:{role}:{role_id}", "{account}{role}:x", "{role}/x-{role_id}", "{partition}:{account}-{role}"] {
        loads(&[("/rules/1/grant/subject", json!(subject))]);
    }
    // "In one string" means every template, not only the subject.
    refused(&[("/rules/1/grant/claims", json!({ "x": "{role}{role_id}" }))], "rules[1].grant.claims.x", "between them");
    refused(&[("/rules/1/grant/scopes", json!(["{role}-{role_id}"]))], "rules[1].grant.scopes[0]", "between them");
}

#[test]
fn a_path_stands_last_or_before_the_user() {
    let users = |subject: &str| vec![("/rules/2/grant/subject", json!(subject)), ("/rules/2/when/path", Value::Null)];
    for subject in ["{path}{user}", "{user}:{path}", "x:{path}{user}:{account}"] {
        loads(&users(subject));
    }
    refused(&users("{path}:{user}"), "rules[2].grant.subject", "{path} stands only last or directly before {user}");
}

#[test]
fn local_part_needs_one_literal_domain() {
    for entries in [
        json!(["*"]),
        json!(["*@acme.*"]),
        json!(["*@acme.com", "*@acme.org"]),
        json!(["jane@"]),
        json!(["*@acme.com*"]),
    ] {
        refused(&[("/rules/0/when/user_name", entries)], &format!("{PEOPLE}.subject"), "local_part drops the domain");
    }
    refused(&[("/rules/0/when/user_name", Value::Null)], &format!("{PEOPLE}.subject"), "local_part drops the domain");
    loads(&[("/rules/0/when/user_name", json!(["jane@acme.com", "j*@acme.com", "*@acme.com"]))]);
}

/// Go service, hole 4: `bob@a.com` and `bob@b.com` were one user.
#[test]
fn go_service_hole_4_two_domains_are_not_one_user() {
    refused(
        &[("/rules/0/when/user_name", json!(["*@a.com", "*@b.com"]))],
        &format!("{PEOPLE}.subject"),
        "local_part drops the domain",
    );
    let other = json!({
        "name": "others",
        "when": { "kind": "sso", "account": ["111122223333"], "user_name": ["*@b.com"] },
        "grant": { "audiences": ["snowflake"], "subject": "{user_name|local_part|upper}", "scopes": ["session:role-any"] }
    });
    refused(&[("/rules/-", other)], "rules[3].grant.subject", "can have the same subject");
}

/// Go service, hole 2: the account was never looked at.
#[test]
fn go_service_hole_2_a_rule_names_its_accounts() {
    refused(&[("/rules/1/when/account", Value::Null)], &format!("{ROLE}.when.account"), "a stranger");
    refused(
        &[("/rules/1/when/account", Value::Null), ("/rules/1/shared_subject", json!(true))],
        &format!("{ROLE}.when.account"),
        "a stranger",
    );
}

#[test]
fn a_session_name_is_trusted_only_if_that_is_said() {
    let places: [(&str, Value, &str); 5] = [
        ("/rules/1/when/session_name", json!(["etl-*"]), "rules[1].when.session_name"),
        ("/rules/1/grant/subject", json!("{role}:{session_name}"), "rules[1].grant.subject"),
        ("/rules/1/grant/scopes", json!(["x:{session_name}"]), "rules[1].grant.scopes[0]"),
        ("/rules/1/grant/claims", json!({ "s": ["{session_name}"] }), "rules[1].grant.claims.s[0]"),
        ("/rules/1/when/session_name", json!(["*"]), "rules[1].when.session_name"),
    ];
    for (pointer, value, path) in places {
        refused(&[(pointer, value.clone())], path, "trust_session_name: true");
        loads(&[(pointer, value), ("/rules/1/trust_session_name", json!(true))]);
    }
    let aws = |trust: bool, key: &'static str, value: Value| {
        let when = json!({ "kind": "role", "account": ["111122223333"], "role": ["ci"] });
        let mut grant = json!({ "audiences": ["deploy"], "subject": "role:{role}" });
        grant[key] = value;
        vec![("/rules/-", json!({ "name": "r", "when": when, "grant": grant, "trust_session_name": trust }))]
    };
    for (key, value, path) in [
        ("session_tags", json!({ "s": "{session_name}" }), "rules[3].grant.session_tags.s"),
        ("source_identity", json!("{session_name}"), "rules[3].grant.source_identity"),
        ("roles", json!(["arn:aws:iam::111122223333:role/{session_name}"]), "rules[3].grant.roles[0]"),
    ] {
        refused(&aws(false, key, value.clone()), path, "trust_session_name: true");
        loads(&aws(true, key, value));
    }
}

#[test]
fn a_subject_tells_its_own_callers_apart() {
    for (changes, words) in [
        (vec![("/rules/1/grant/subject", json!("svc:all"))], "put {role} into it"),
        (vec![("/rules/1/grant/subject", json!("svc:{account}"))], "put {role} into it"),
        (vec![("/rules/1/when/account", json!(["444455556666", "777788889999"]))], "put {account} into it"),
        (
            vec![("/rules/1/when/account", Value::Null), ("/rules/1/when/account_set", json!(["data"]))],
            "put {account} into it",
        ),
        (vec![("/rules/1/when/partition", json!(["aws", "aws-cn"]))], "put {partition} into it"),
    ] {
        refused(&changes, "rules[1].grant.subject", words);
        let shared = [changes, vec![("/rules/1/shared_subject", json!(true))]].concat();
        loads(&shared);
    }
    refused(&[("/rules/2/when/path", Value::Null)], "rules[2].grant.subject", "put {path} into it");
    refused(&[("/rules/2/grant/subject", json!("ci"))], "rules[2].grant.subject", "put {user} into it");
    refused(
        &[("/rules/0/grant/subject", json!("{permission_set}"))],
        "rules[0].grant.subject",
        "put {user_name} into it",
    );
    loads(&[("/rules/1/grant/subject", json!("svc:fixed")), ("/rules/1/when/role", json!(["snowflake-app"]))]);
    loads(&[("/rules/1/grant/subject", json!("id:{role_id}"))]);
    loads(&[("/rules/2/grant/subject", json!("fixed")), ("/rules/2/when/user", json!(["ci"]))]);
}

#[test]
fn what_is_listed_twice_is_one() {
    loads(&[
        ("/rules/1/when/partition", json!(["aws", "aws"])),
        ("/rules/1/when/account", json!(["444455556666", "444455556666"])),
    ]);
    loads(&[("/rules/1/when/role", json!(["app", "app"])), ("/rules/1/grant/subject", json!("svc:fixed"))]);
}

#[test]
fn many_mistakes_of_shape_are_cut_off() {
    let numbers: Vec<u64> = vec![1; 9000];
    let problems = load(&with(&[("/account_sets/data", json!(numbers))])).unwrap_err();
    assert_eq!(problems.len(), 101, "{}", problems.len());
    assert!(problems[100].message.contains("the first 100 mistakes"));
}

#[test]
fn accounts_behind_the_same_text_are_compared_first() {
    // Disjoint sets of many accounts and no pattern anywhere: nothing here is intricate.
    let accounts = |first: u64| json!((0..150).map(|n| format!("{:012}", first + n * 7_919_333)).collect::<Vec<_>>());
    let rule = |name: String, when: Value, subject: &str| json!({ "name": name, "when": when, "grant": { "audiences": ["x"], "subject": subject } });
    let mut rules = Vec::new();
    for index in 0..24 {
        rules.push(rule(format!("r{index}"), json!({ "kind": "role", "account_set": ["prod"] }), "{account}:{role}"));
        rules.push(rule(
            format!("s{index}"),
            json!({ "kind": "sso", "account_set": ["dev"] }),
            "{account}:{user_name}",
        ));
    }
    let mut policy = json!({
        "version": 1, "account_sets": { "prod": accounts(1), "dev": accounts(500_000_000_000) },
        "audiences": { "x": { "aud": "x", "profile": "generic" } }, "rules": rules
    });
    assert!(load(&policy).is_ok());
    policy["account_sets"]["dev"][7] = policy["account_sets"]["prod"][9].clone();
    assert!(load(&policy).unwrap_err()[0].message.contains("can have the same subject"));
}

fn second_rule(when: &Value, subject: &str, shared: bool) -> Vec<(&'static str, Value)> {
    let grant = json!({ "audiences": ["snowflake"], "subject": subject, "scopes": ["session:role-any"] });
    vec![("/rules/-", json!({ "name": "second", "when": when, "grant": grant, "shared_subject": shared }))]
}

#[test]
fn two_rules_do_not_give_one_subject_to_different_callers() {
    let role = |account: &str, role: &str| json!({ "kind": "role", "account": [account], "role": [role] });
    let overlap = "can have the same subject";
    for (when, subject) in [
        // Another account, the same names.
        (role("777788889999", "snowflake-*"), "svc:{role}"),
        (role("777788889999", "*"), "svc:{role}"),
        (role("777788889999", "*-app"), "svc:{role}"),
        // The same account, another way to the same text.
        (role("444455556666", "svc"), "svc:snowflake-x"),
        (json!({ "kind": "sso", "account": ["444455556666"], "user_name": ["a*"] }), "svc:snowflake-{user_name}"),
        (json!({ "kind": "role", "account": ["444455556666"], "role": ["*"], "partition": ["aws-cn"] }), "svc:{role}"),
        (role("444455556666", "app-*"), "svc:snowflake-{role}"),
    ] {
        refused(&second_rule(&when, subject, false), "rules[3].grant.subject", overlap);
        refused(&second_rule(&when, subject, true), "rules[3].grant.subject", overlap);
        let both = [second_rule(&when, subject, true), vec![("/rules/1/shared_subject", json!(true))]].concat();
        loads(&both);
    }
    for (when, subject) in [
        (role("777788889999", "snowflake-*"), "other:{role}"),
        (role("777788889999", "kafka-*"), "svc:{role}"),
        // The same account and the same template: an equal subject is an equal caller.
        (role("444455556666", "snowflake-admin"), "svc:{role}"),
        (role("444455556666", "*"), "svc:{role}"),
        (json!({ "kind": "sso", "account": ["444455556666"] }), "sso:{user_name}"),
    ] {
        loads(&second_rule(&when, subject, false));
    }
}

#[test]
fn filters_count_when_subjects_are_compared() {
    let people = |entry: &str| json!({ "kind": "sso", "account": ["999999999999"], "user_name": [entry] });
    // JANE of acme.com by `upper`, and JANE by name.
    refused(&second_rule(&people("JANE"), "{user_name}", false), "rules[3].grant.subject", "can have the same subject");
    // Snowflake's login names have no letter case; elsewhere JANE and jane are two.
    refused(&second_rule(&people("jane"), "{user_name}", false), "rules[3].grant.subject", "can have the same subject");
    let elsewhere =
        [second_rule(&people("jane"), "{user_name}", false), vec![("/audiences/snowflake/profile", json!("generic"))]];
    loads(&elsewhere.concat());
    loads(&second_rule(&people("*@acme.com"), "{user_name}", false));
    refused(
        &second_rule(&people("*@acme.org"), "{user_name|local_part}", false),
        "rules[3].grant.subject",
        "can have the same subject",
    );
    loads(&second_rule(&people("*@acme.org"), "{user_name|local_part|lower}:x", false));
}

#[test]
fn many_accounts_are_told_apart_one_by_one() {
    let accounts = |first: u64| json!((0..40).map(|n| format!("{:012}", first + n)).collect::<Vec<_>>());
    let mut policy = sound();
    policy["account_sets"] = json!({ "a": accounts(100), "b": accounts(200), "c": accounts(239) });
    let rule = |name: &str, set: &str, role: &str, subject: &str| {
        json!({
            "name": name,
            "when": { "kind": "role", "account_set": [set], "role": [role] },
            "grant": { "audiences": ["api"], "subject": subject }
        })
    };
    policy["rules"] = json!([rule("a", "a", "*", "{account}:{role}"), rule("b", "b", "*", "{account}:x-{role}")]);
    assert!(load(&policy).is_ok(), "disjoint accounts");
    policy["rules"] = json!([rule("b", "b", "*", "{account}:{role}"), rule("c", "c", "*", "{account}:x-{role}")]);
    assert!(load(&policy).is_err(), "one account in common, and two ways to one text");
    policy["rules"] = json!([rule("b", "b", "*", "{account}:{role}"), rule("c", "c", "*", "{account}:{role}")]);
    assert!(load(&policy).is_ok(), "one account in common, and the same template: an equal subject is an equal caller");
}
