//! Every error that a client can bring about, the order in which things are checked, and that a refusal tells nothing.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::world::{
    ANALYST, Answer, REFUSED, ROBOT, WORKLOAD, ask, ask_one, by, by_with_form, by_with_json, serve, setup,
};

/// Checks the shape that all errors share, and gives the code.
fn error(answer: &Answer) -> String {
    let body = answer.json();
    let object = body.as_object().expect("an object");
    assert_eq!(object.keys().collect::<BTreeSet<_>>().len(), 2, "{answer:?}");
    assert!(body["error_description"].as_str().is_some_and(|text| !text.is_empty()), "{answer:?}");
    assert!(answer.header("content-type").is_some_and(|is| is.starts_with("application/json")), "{answer:?}");
    assert_eq!(answer.header("cache-control"), Some("no-store"), "{answer:?}");
    assert!(answer.header("x-request-id").is_some_and(|id| !id.is_empty()), "{answer:?}");
    body["error"].as_str().expect("a code").to_owned()
}

fn raw(content_type: Option<&str>, body: impl Into<String>) -> Value {
    by(&WORKLOAD, json!({"content_type": content_type, "body": body.into()}))
}

#[test]
fn a_body_that_is_not_understood_is_an_invalid_request() {
    let serve = serve();
    let json_body = |body: &str| raw(Some("application/json"), body);
    // 16 KiB is 16,384 bytes: the quotes and braces of the object count too.
    let padded = |length: usize| {
        let empty = r#"{"audience":"snowflake"}"#;
        format!("{empty}{}", " ".repeat(length - empty.len()))
    };
    let cases = [
        ("not JSON", json_body("{")),
        ("a list", json_body(r#"["snowflake"]"#)),
        ("a string", json_body(r#""snowflake""#)),
        ("null", json_body("null")),
        ("two objects", json_body("{}{}")),
        ("an unknown field", json_body(r#"{"audience":"snowflake","lifetime":60}"#)),
        ("a field in another letter case", json_body(r#"{"Audience":"snowflake"}"#)),
        ("a repeated field", json_body(r#"{"audience":"snowflake","audience":"snowflake"}"#)),
        ("a field that is null", json_body(r#"{"audience":null}"#)),
        ("an empty string", json_body(r#"{"scope":""}"#)),
        ("a list of audiences", json_body(r#"{"audience":["snowflake"]}"#)),
        ("a quoted number", json_body(r#"{"expires_in":"600"}"#)),
        ("a fraction", json_body(r#"{"expires_in":600.5}"#)),
        ("a whole number written as a fraction", json_body(r#"{"expires_in":600.0}"#)),
        ("a negative number", json_body(r#"{"expires_in":-600}"#)),
        ("less than a minute", json_body(r#"{"expires_in":59}"#)),
        ("zero", json_body(r#"{"expires_in":0}"#)),
        ("a byte too many", json_body(&padded(16 * 1024 + 1))),
        ("far too many", json_body(&padded(200 * 1024))),
        ("an unknown field in a form", by_with_form(&WORKLOAD, "audience=snowflake&resource=x")),
        ("a repeated field in a form", by_with_form(&WORKLOAD, "audience=snowflake&audience=snowflake")),
        ("a repeated empty field in a form", by_with_form(&WORKLOAD, "audience=&audience=snowflake")),
        ("a fraction in a form", by_with_form(&WORKLOAD, "expires_in=600.0")),
        ("a signed number in a form", by_with_form(&WORKLOAD, "expires_in=%2B600")),
        ("less than a minute in a form", by_with_form(&WORKLOAD, "expires_in=59")),
        ("a body of another type", raw(Some("text/plain"), "{}")),
        ("a body of no type", raw(None, r#"{"audience":"snowflake"}"#)),
        ("a form that says it is JSON", json_body("audience=snowflake")),
        ("JSON that says it is a form", by_with_form(&WORKLOAD, r#"{"audience":"snowflake"}"#)),
        ("a query parameter", by(&WORKLOAD, json!({"target": "/token?audience=snowflake"}))),
        ("a query parameter without a value", by(&WORKLOAD, json!({"target": "/token?x"}))),
    ];
    let asks: Vec<Value> = cases.iter().map(|(_, ask)| ask.clone()).collect();
    let mut texts = BTreeSet::new();
    for ((case, _), answer) in cases.iter().zip(ask(&serve, &asks)) {
        assert_eq!((answer.status, error(&answer).as_str()), (400, "invalid_request"), "{case}: {answer:?}");
        texts.insert(answer.json()["error_description"].to_string());
    }
    // It says which: not one sentence for everything.
    assert!(texts.len() > 8, "{texts:?}");

    let largest = ask_one(&serve, json_body(&padded(16 * 1024)));
    assert_eq!(largest.status, 200, "{largest:?}");
}

#[test]
fn an_audience_that_is_not_for_this_caller_is_an_invalid_target() {
    let serve = serve();
    let cases = [
        ("not in the policy", by_with_json(&WORKLOAD, &json!({"audience": "https://nobody.example"}))),
        ("another letter case", by_with_json(&WORKLOAD, &json!({"audience": "Snowflake"}))),
        (
            "a trailing slash",
            by_with_json(&WORKLOAD, &json!({"audience": "https://acme-prod.snowflakecomputing.com/"})),
        ),
        ("of another rule", by_with_json(&WORKLOAD, &json!({"audience": "robots"}))),
        ("of another kind", by_with_json(&ANALYST, &json!({"audience": "warehouse"}))),
        ("in a form", by_with_form(&WORKLOAD, "audience=nobody")),
        ("the default, which is not for this caller", by(&ROBOT, json!({}))),
    ];
    let asks: Vec<Value> = cases.iter().map(|(_, ask)| ask.clone()).collect();
    let answers = ask(&serve, &asks);
    for ((case, _), answer) in cases.iter().zip(&answers) {
        assert_eq!((answer.status, error(answer).as_str()), (400, "invalid_target"), "{case}: {answer:?}");
    }
    // Whether an audience exists is not this caller's to learn.
    assert_eq!(answers[0].body, answers[3].body);
}

#[test]
fn without_a_default_an_audience_has_to_be_named() {
    let policy = crate::world::POLICY.replace("default_audience: snowflake\n", "");
    let serve = setup().file("policy.yaml", &policy).start();
    let answers = ask(&serve, &[by(&WORKLOAD, json!({})), by_with_json(&WORKLOAD, &json!({"audience": "snowflake"}))]);
    assert_eq!((answers[0].status, error(&answers[0]).as_str()), (400, "invalid_target"));
    assert_eq!(answers[1].status, 200, "{:?}", answers[1]);
}

#[test]
fn without_a_rule_everybody_is_refused() {
    // No policy, no token: an empty list of rules is the nearest that a file can say.
    let policy = "version: 1\naudiences: {}\nrules: []\n";
    let serve = setup().file("policy.yaml", policy).start();
    let answer = ask_one(&serve, by(&WORKLOAD, json!({})));
    assert_eq!((answer.status, error(&answer).as_str()), (403, "access_denied"), "{answer:?}");
}

#[test]
fn a_wider_scope_and_another_grant_type_have_their_own_errors() {
    let serve = serve();
    let cases = [
        (json!({"scope": "session:role:ACCOUNTADMIN"}), "invalid_scope"),
        (json!({"scope": "session:role:REPORTER session:role:ACCOUNTADMIN"}), "invalid_scope"),
        (json!({"scope": "session:role:reporter"}), "invalid_scope"),
        (json!({"scope": "session:role-any"}), "invalid_scope"),
        (json!({"grant_type": "password"}), "unsupported_grant_type"),
        (json!({"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer"}), "unsupported_grant_type"),
    ];
    let asks: Vec<Value> = cases.iter().map(|(body, _)| by_with_json(&WORKLOAD, body)).collect();
    for ((body, expected), answer) in cases.iter().zip(ask(&serve, &asks)) {
        assert_eq!((answer.status, error(&answer).as_str()), (400, *expected), "{body}: {answer:?}");
    }
}

#[test]
fn an_unknown_path_is_404_and_a_wrong_method_405_with_allow() {
    let serve = serve();
    let get = |target: &str| json!({"method": "GET", "target": target});
    for target in ["/", "/tokens", "/token/", "/.well-known", "/.well-known/jwks.json/", "/v1/token", "/health"] {
        let answers = ask(&serve, &[get(target), by(&WORKLOAD, json!({"target": target}))]);
        for answer in &answers {
            assert_eq!(answer.status, 404, "{target}: {answer:?}");
            error(answer);
        }
    }
    for method in ["GET", "PUT", "DELETE", "PATCH"] {
        let answer = ask_one(&serve, by(&WORKLOAD, json!({"method": method})));
        assert_eq!((answer.status, answer.header("allow")), (405, Some("POST")), "{method}: {answer:?}");
        error(&answer);
    }
    for target in ["/.well-known/jwks.json", "/.well-known/jwks", "/.well-known/openid-configuration"] {
        let answer = ask_one(&serve, by(&WORKLOAD, json!({"method": "POST", "target": target})));
        assert_eq!(answer.status, 405, "{target}: {answer:?}");
        let allowed: BTreeSet<&str> = answer.header("allow").unwrap_or_default().split(',').map(str::trim).collect();
        assert_eq!(allowed, BTreeSet::from(["GET", "HEAD"]), "{target}");
        error(&answer);
    }
}

/// Caller and their audiences; body; audience asked for; scope. A request with several faults hears of the first.
#[test]
fn what_is_wrong_is_told_in_one_order() {
    let serve = serve();
    let refused = &REFUSED[0].1;
    let cases = [
        ("caller before body", by(refused, json!({"content_type": "text/plain", "body": "{"})), "access_denied"),
        ("caller before query", by(refused, json!({"target": "/token?x=1"})), "access_denied"),
        ("caller before audience", by_with_json(refused, &json!({"audience": "nobody"})), "access_denied"),
        ("caller before scope", by_with_json(refused, &json!({"scope": "nothing"})), "access_denied"),
        ("caller before grant type", by_with_json(refused, &json!({"grant_type": "password"})), "access_denied"),
        ("body before audience", by_with_json(&WORKLOAD, &json!({"audience": "nobody", "x": 1})), "invalid_request"),
        (
            "body before scope",
            by_with_json(&WORKLOAD, &json!({"scope": "nothing", "expires_in": 1})),
            "invalid_request",
        ),
        (
            "query before audience",
            by(
                &WORKLOAD,
                json!({"target": "/token?x=1", "content_type": "application/json", "body": r#"{"audience":"nobody"}"#}),
            ),
            "invalid_request",
        ),
        (
            "audience before scope",
            by_with_json(&WORKLOAD, &json!({"audience": "nobody", "scope": "nothing"})),
            "invalid_target",
        ),
        (
            "scope at last",
            by_with_json(&WORKLOAD, &json!({"audience": "snowflake", "scope": "nothing"})),
            "invalid_scope",
        ),
        ("the default's place is the audience's", by_with_json(&ROBOT, &json!({"scope": "nothing"})), "invalid_target"),
    ];
    let asks: Vec<Value> = cases.iter().map(|(_, ask, _)| ask.clone()).collect();
    for ((case, _, expected), answer) in cases.iter().zip(ask(&serve, &asks)) {
        assert_eq!(error(&answer), *expected, "{case}: {answer:?}");
    }
}

/// Whatever is wrong with a caller, and whatever else the request holds: one answer.
#[test]
fn all_refusals_of_a_caller_are_the_same_bytes_and_headers() {
    let serve = serve();
    let mut cases: Vec<(String, Value)> =
        REFUSED.iter().map(|(reason, caller)| ((*reason).to_owned(), by(caller, json!({})))).collect();
    for (reason, caller) in REFUSED {
        for (case, body) in [
            ("a good body", by_with_json(caller, &json!({"audience": "snowflake"}))),
            ("an unknown audience", by_with_json(caller, &json!({"audience": "nobody"}))),
            ("a bad body", by(caller, json!({"content_type": "application/json", "body": "{"}))),
            ("a body of another type", by(caller, json!({"content_type": "text/plain", "body": "x"}))),
            ("a large body", by(caller, json!({"content_type": "text/plain", "body": "x".repeat(17 * 1024)}))),
            ("a query", by(caller, json!({"target": "/token?audience=snowflake"}))),
        ] {
            cases.push((format!("{reason}, with {case}"), body));
        }
    }
    let asks: Vec<Value> = cases.iter().map(|(_, ask)| ask.clone()).collect();
    let answers = ask(&serve, &asks);
    let first = answers[0].without_date_and_id();
    assert_eq!((answers[0].status, error(&answers[0]).as_str()), (403, "access_denied"));
    for ((case, _), answer) in cases.iter().zip(&answers) {
        assert_eq!(answer.without_date_and_id(), first, "{case}");
    }
    let ids: BTreeSet<_> = answers.iter().map(|answer| answer.header("x-request-id")).collect();
    assert_eq!(ids.len(), answers.len(), "every request has an id of its own");
}
