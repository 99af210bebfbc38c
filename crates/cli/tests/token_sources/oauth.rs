//! An identity provider, by client credentials.

use countersign::verify::{Expected, KeySet, check};
use serde_json::{Value, json};
use testkit::idp::{AUDIENCE, Idp};
use testkit::page::{Canned, Front};

use crate::asked::{Asked, ask, fetched};

const ISSUER: &str = "https://idp.test";

/// A client of `endpoint` whose secret is in the variable `SECRET`, changed in this.
pub(crate) fn client(id: &str, endpoint: &Value, changes: &Value) -> Value {
    let mut client = json!({
        "endpoint": endpoint, "client_id": id, "secret": {"environment": "SECRET"}, "auth": null,
        "audience": AUDIENCE, "scope": null,
    });
    client.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    json!({ "o_auth": client })
}

/// Asks with this secret.
pub(crate) fn with(secret: &str, client: &Value) -> Asked {
    ask(client, vec![("SECRET", secret)])
}

/// The keys of the provider, as STS would fetch them.
fn keys(idp: &Idp) -> KeySet {
    KeySet::parse(&fetched(&format!("{}/jwks", idp.origin()))).unwrap()
}

#[test]
fn a_client_gets_a_jwt_that_its_provider_signed() {
    let idp = Idp::start();
    let issuer = json!({ "issuer": idp.issuer() });
    let token_url = json!({ "token": format!("{}/token", idp.origin()) });
    for (endpoint, scope) in [(&issuer, None), (&token_url, Some("read"))] {
        let client = client(idp.client_id(), endpoint, &json!({ "scope": scope }));
        let token = with(idp.client_secret(), &client).token();
        let now = token.claims()["iat"].as_i64().unwrap();
        let expected = Expected { issuer: idp.issuer(), audience: Some(AUDIENCE), now, leeway: 0 };
        let report = check(token.text(), &keys(&idp), &expected);
        assert!(report.is_valid(), "{report}");
        let claim = |name| token.claim(name);
        assert_eq!((claim("sub"), claim("auth"), claim("scope")), (Some(idp.client_id()), Some("basic"), scope));
    }
}

#[test]
fn a_provider_that_wants_the_secret_in_the_form_gets_it_there() {
    let idp = Idp::start_with(Some(ISSUER), "client_secret_post");
    let front = Front::start();
    front.lead_to(idp.origin());
    let document = json!({
        "issuer": front.origin(), "token_endpoint": format!("{}/token", front.origin()),
        "token_endpoint_auth_methods_supported": ["client_secret_post"],
    });
    front.answer("GET /.well-known/openid-configuration", Canned::json(200, &document));
    let issuer = json!({ "issuer": front.origin() });
    let token_url = json!({ "token": format!("{}/token", front.origin()) });
    for (endpoint, auth, used) in [
        (&issuer, Value::Null, "post"),
        (&issuer, json!("basic"), "basic"),
        (&token_url, Value::Null, "basic"),
        (&token_url, json!("post"), "post"),
    ] {
        let token = with(idp.client_secret(), &client(idp.client_id(), endpoint, &json!({ "auth": auth }))).token();
        assert_eq!((token.claim("auth"), token.claim("iss")), (Some(used), Some(ISSUER)));
    }
    for came in front.came().iter().filter(|came| came.what == "POST /token") {
        assert!(came.authorization.is_empty() == came.body.contains("client_secret="), "the secret goes one way");
    }
}

#[test]
fn what_the_provider_refuses_is_explained() {
    let idp = Idp::start();
    let endpoint = json!({ "issuer": idp.issuer() });
    let asked = |id: &str, secret: &str, changes: Value| with(secret, &client(id, &endpoint, &changes));
    let (id, secret) = (idp.client_id(), idp.client_secret());

    let wrong = asked(id, "not-the-secret", json!({}));
    wrong.refused(&["/token refused the client \"ci:nightly+build\" with HTTP status 401: invalid_client: "]);
    wrong
        .refused(&["\n  the provider does not know this client id with this secret", "`oauth_client_auth = \"post\"`"]);
    wrong.hides(&["not-the-secret"]);

    let other_way = asked(id, secret, json!({ "auth": "post" }));
    other_way.refused(&["HTTP status 401: invalid_client: "]);
    other_way.hides(&["oauth_client_auth", secret]);

    asked(id, secret, json!({ "scope": "write" }))
        .refused(&["400: invalid_scope: ", "\n  the client may not have this scope"]);
    asked(id, secret, json!({ "audience": "x" }))
        .refused(&["400: invalid_target: no such API\n  the provider knows no API"]);
    asked("web", secret, json!({}))
        .refused(&["400: invalid_request: requested grant type is not allowed for this client"]);
    asked(id, secret, json!({ "audience": null })).unknown(&[
        "an access token that STS would not take",
        "(Auth0)",
        "it is no signed JWT",
    ]);
}

#[test]
fn an_issuer_is_asked_for_its_own_document() {
    let idp = Idp::start_with(Some(ISSUER), "client_secret_basic");
    let asked = |issuer: &str| with("x", &client("id", &json!({ "issuer": issuer }), &json!({})));
    asked(idp.origin())
        .unknown(&["the discovery document of http://127.0.0.1:", "it is of issuer \"https://idp.test\": set"]);

    let front = Front::start();
    front.answer("GET /.well-known/openid-configuration", Canned::json(404, &""));
    asked(&front.origin())
        .unknown(&["no discovery document; the token URL can be set instead: fetching ", "HTTP status 404"]);
    let elsewhere = json!({ "issuer": front.origin(), "token_endpoint": "http://idp.test/token" });
    front.answer("GET /.well-known/openid-configuration", Canned::json(200, &elsewhere));
    asked(&front.origin())
        .unknown(&["its token_endpoint \"http://idp.test/token\" is neither https nor http with a loopback"]);
    for (url, why) in [
        ("http://idp.test/token", "the token URL is neither https nor http with a loopback host"),
        ("https://id:hidden@idp.test/token", "the token URL has a user name or password"),
    ] {
        let asked = with("x", &client("id", &json!({ "token": url }), &json!({})));
        asked.unknown(&[why]);
        asked.hides(&["hidden"]);
    }
}

#[test]
fn the_errors_of_other_providers_are_explained_and_no_secret_is_repeated() {
    let front = Front::start();
    let endpoint = json!({ "token": format!("{}/token", front.origin()) });
    let secret = "s+cret";
    let asked = |canned: Canned| {
        front.answer("POST /token", canned);
        with(secret, &client("id", &endpoint, &json!({})))
    };
    for (status, error, words) in [
        (400, "unauthorized_client", "Keycloak: service accounts"),
        (403, "access_denied", "the client may not use this API"),
        (400, "invalid_resource", "the provider knows no API"),
        (400, "unsupported_grant_type", "is it the provider's token endpoint?"),
        (400, "invalid_request", "`oauth_client_auth = \"post\"`"),
    ] {
        asked(Canned::json(status, &json!({ "error": error }))).refused(&[error, words]);
    }
    asked(Canned::json(403, &"<html>")).refused(&["HTTP status 403: no explanation"]);

    // A gateway says what it does not understand.
    let quoted = json!({"message": "what is Basic aWQ6cyUyQmNyZXQ=, or s+cret, or s%2Bcret?"});
    let asked_of_gateway = asked(Canned::json(403, &quoted));
    assert_eq!(front.came().last().unwrap().authorization, "Basic aWQ6cyUyQmNyZXQ=");
    asked_of_gateway.refused(&["what is Basic (...), or (...), or (...)?"]);

    for (status, body) in [(429, json!({"error": "slow_down"})), (500, json!({})), (404, json!({}))] {
        asked(Canned::json(status, &body))
            .unknown(&["no token from http://127.0.0.1:", &format!("HTTP status {status}: ")]);
    }
    for body in [json!({}), json!({"access_token": 1}), json!({"token": "e30.e30.AA"})] {
        asked(Canned::json(200, &body)).unknown(&["/token answered 200 without an access_token"]);
    }

    // Some refuse with a 200.
    asked(Canned::json(200, &json!({"error": "bad_verification_code", "error_description": "no"})))
        .unknown(&["/token answered 200 without an access_token: bad_verification_code: no"]);

    let elsewhere = Front::start();
    elsewhere.answer("POST /token", Canned::json(200, &json!({"access_token": "e30.e30.AA"})));
    let redirect = Canned::json(307, &"").with("location", format!("{}/token", elsewhere.origin()));
    asked(redirect).unknown(&["HTTP status 307"]);
    assert!(elsewhere.came().is_empty());
}

#[test]
fn no_piece_of_a_secret_and_no_query_is_repeated() {
    let front = Front::start();
    let endpoint = json!({ "token": format!("{}/token?code=hunter2", front.origin()) });
    let secret = "Xk29fQ/aLongPiece+&7Gh2mNq";
    for (status, quoted) in [
        (401, "what is Xk29fQ/aLongPiece+&amp;7Gh2mNq?"),
        (401, "what is Xk29fQ%2faLongPiece%2b%267Gh2mNq?"),
        (401, "what is Xk29fQ/aLong\nPiece+&7Gh2mNq?"),
        (500, "what is Xk29fQ\\/aLongPiece+&7Gh2mNq?"),
        (200, "Xk29fQ/aLongPiece+&7Gh2mN"),
    ] {
        front.answer("POST /token", Canned::json(status, &json!({"error": "x", "error_description": quoted})));
        let asked = with(secret, &client("id", &endpoint, &json!({})));
        assert!(asked.text.contains("(...)"), "{asked:?}");
        asked.hides(&["Xk29fQ", "LongPiece", "7Gh2m", "hunter2"]);
    }
}

#[test]
fn a_provider_of_another_name_publishes_as_if_it_were_there() {
    let idp = Idp::start_with(Some(ISSUER), "client_secret_basic");
    let document = fetched(&format!("{}/.well-known/openid-configuration", idp.origin()));
    let document: Value = serde_json::from_slice(&document).unwrap();
    assert_eq!((&document["issuer"], &document["jwks_uri"]), (&json!(ISSUER), &json!("https://idp.test/jwks")));
}
