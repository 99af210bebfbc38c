//! What API Gateway refuses before a function is called, `serve` refuses in the same way: 403, and `message` alone.

use serde_json::json;

use crate::world::{ANALYST, Answer, REFUSED, WORKLOAD, WRONG_SECRET, ask, by, by_with_json, jwks, serve};

/// The gateway's kind of refusal, and its message.
fn message(answer: &Answer) -> String {
    assert_eq!(answer.status, 403, "{answer:?}");
    let body = answer.json();
    let object = body.as_object().expect("an object");
    assert_eq!(object.keys().collect::<Vec<_>>(), ["message"], "{answer:?}");
    assert!(answer.header("x-amzn-errortype").is_some_and(|kind| !kind.is_empty()), "{answer:?}");
    assert!(answer.header("x-request-id").is_some_and(|id| !id.is_empty()), "{answer:?}");
    assert!(!answer.body.contains("secret/of+") && !answer.body.contains("session+token"), "{answer:?}");
    object["message"].as_str().expect("a text").to_owned()
}

#[test]
fn a_request_that_is_not_signed_as_it_should_be_is_refused_as_by_the_gateway() {
    let serve = serve();
    let asked = json!({"audience": "snowflake"});
    let good = by_with_json(&WORKLOAD, &asked);
    let with = |fields: serde_json::Value| {
        let mut ask = good.clone();
        ask.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        ask
    };
    let cases = [
        ("a wrong secret", with(json!({"secret_key": WRONG_SECRET})), "does not match"),
        ("six minutes old", with(json!({"age": 360})), "expired"),
        ("six minutes ahead", with(json!({"age": -360})), "not yet current"),
        ("another body than signed", with(json!({"body_sent": r#"{"audience":"warehouse"}"#})), "does not match"),
        ("a body where none was signed", by(&WORKLOAD, json!({"body_sent": "expires_in=60"})), "does not match"),
        ("another service", with(json!({"service": "sts"})), "service"),
        ("nobody's key", with(json!({"access_key": "AKIAEXAMPLENOBODY001"})), "token"),
        ("temporary credentials without their token", by(&ANALYST, json!({"session_token": null})), "token"),
        ("another session token", by(&ANALYST, json!({"session_token": "session+token/of-nobody"})), "token"),
        ("a session token too many", with(json!({"session_token": "session+token/of-nobody"})), "token"),
        ("no signature", json!({"body": "{}", "content_type": "application/json"}), "Missing Authentication Token"),
        ("a presigned URL", with(json!({"sign": "query"})), "Missing Authentication Token"),
        ("a presigned URL of nobody", by(&WORKLOAD, json!({"sign": "query", "secret_key": WRONG_SECRET})), "Missing"),
        (
            "a word that is no signature",
            json!({"headers": {"Authorization": "Bearer eyJhbGciOiJub25lIn0.e30."}}),
            "Authorization",
        ),
    ];
    // The first one shows that the rest fail for what is changed in them.
    let asks: Vec<_> = std::iter::once(good.clone()).chain(cases.iter().map(|(_, ask, _)| ask.clone())).collect();
    let answers = ask(&serve, &asks);
    assert_eq!(answers[0].status, 200, "{:?}", answers[0]);
    for ((case, _, expected), answer) in cases.iter().zip(&answers[1..]) {
        let message = message(answer);
        assert!(message.contains(expected), "{case}: {message}");
    }
    // An unsigned and a presigned request hear the gateway's one sentence for both, and nothing else.
    for (at, (case, _, expected)) in cases.iter().enumerate().filter(|(_, (_, _, is))| is.starts_with("Missing")) {
        assert_eq!(message(&answers[at + 1]), "Missing Authentication Token", "{case}, {expected}");
    }
}

#[test]
fn four_minutes_either_way_are_not_too_many() {
    let serve = serve();
    for answer in ask(&serve, &[by(&WORKLOAD, json!({"age": 240})), by(&WORKLOAD, json!({"age": -240}))]) {
        assert_eq!(answer.status, 200, "{answer:?}");
    }
}

#[test]
fn the_gateway_is_asked_before_the_policy() {
    let serve = serve();
    let refused = &REFUSED[0].1;
    let answers = ask(
        &serve,
        &[
            by(refused, json!({"secret_key": WRONG_SECRET, "content_type": "application/json", "body": "{"})),
            by(refused, json!({"sign": "query", "target": "/token?audience=snowflake"})),
        ],
    );
    for answer in &answers {
        message(answer);
    }
}

#[test]
fn the_public_documents_need_no_signature_and_do_not_mind_one() {
    let serve = serve();
    assert!(jwks(&serve)["keys"].as_array().is_some_and(|keys| !keys.is_empty()));
    let document = "/.well-known/jwks.json";
    let answers = ask(
        &serve,
        &[
            by(&WORKLOAD, json!({"method": "GET", "target": document})),
            by(&WORKLOAD, json!({"method": "GET", "target": document, "secret_key": WRONG_SECRET})),
        ],
    );
    for answer in &answers {
        assert_eq!(answer.status, 200, "{answer:?}");
    }
}
