//! Those who verify: `PyJWT` and jose with discovery and key set over HTTP, and a stand-in for Snowflake.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use testkit::serve::Serve;
use testkit::verifier;

use crate::world::{
    ANALYST, Answer, SNOWFLAKE, TOOLS, WAREHOUSE, WORKLOAD, ask, ask_one, by, by_with_json, jwks, node, python, run,
    serve, setup,
};

/// Tokens for every profile of the policy, with their audience.
fn tokens(serve: &Serve) -> Vec<(String, &'static str)> {
    let answers = ask(
        serve,
        &[
            by_with_json(&WORKLOAD, &json!({"audience": "snowflake"})),
            by_with_json(&WORKLOAD, &json!({"audience": "warehouse"})),
            by_with_json(&WORKLOAD, &json!({"audience": "tools"})),
            by(&ANALYST, json!({})),
        ],
    );
    answers.iter().map(Answer::token).zip([SNOWFLAKE, WAREHOUSE, TOOLS, SNOWFLAKE]).collect()
}

/// The token with another claim under the same signature.
fn tampered(token: &str) -> String {
    let mut parts: Vec<String> = token.split('.').map(str::to_owned).collect();
    let [_, payload, _] = &mut parts[..] else { unreachable!("a token has three parts") };
    // Four characters of base64url are three bytes, so the last whole group can go and the rest still decodes.
    let changed = if payload.ends_with('A') { 'B' } else { 'A' };
    payload.pop();
    payload.push(changed);
    parts.join(".")
}

/// What a verifier of another language says of good tokens and of bad ones.
fn assert_verifies(serve: &Serve, verify: impl Fn(&Value) -> Value) {
    let good = tokens(serve);
    let mut entries: Vec<Value> =
        good.iter().map(|(token, audience)| json!({"token": token, "audience": audience})).collect();
    entries.push(json!({"token": tampered(&good[0].0), "audience": SNOWFLAKE}));
    entries.push(json!({"token": good[0].0, "audience": WAREHOUSE}));

    let answers = verify(&json!({"issuer": serve.origin(), "tokens": entries}));
    let answers = answers.as_array().expect("a list");
    assert_eq!(answers.len(), entries.len());
    let keys = jwks(serve);
    for ((token, audience), answer) in good.iter().zip(answers) {
        // Two verifiers that agree on every claim read the same token.
        let ours = verifier::verify(token, &keys, serve.origin(), audience).expect("it verifies");
        assert_eq!(answer["claims"], ours.claims, "{answer}");
        assert_eq!(answer["header"]["kid"], json!(ours.kid), "{answer}");
        assert_eq!(answer["header"]["typ"], json!(ours.typ), "{answer}");
    }
    for refused in &answers[good.len()..] {
        assert!(refused["error"].is_string(), "{refused}");
    }
}

#[test]
fn pyjwt_verifies_through_discovery_and_its_key_client() {
    let serve = serve();
    assert_verifies(&serve, |work| run(python(&serve, "verify_pyjwt.py"), work));
}

#[test]
fn jose_verifies_through_discovery_and_a_remote_key_set() {
    let serve = serve();
    assert_verifies(&serve, |work| run(node(&serve, "verify_jose.mjs"), work));
}

#[test]
fn the_independent_verifier_refuses_what_was_changed() {
    let serve = serve();
    let keys = jwks(&serve);
    let (token, audience) = tokens(&serve).remove(0);
    let issuer = serve.origin();
    assert!(verifier::verify(&token, &keys, issuer, audience).is_ok());
    assert!(verifier::verify(&tampered(&token), &keys, issuer, audience).is_err());
    assert!(verifier::verify(&token, &keys, issuer, WAREHOUSE).is_err());
    assert!(verifier::verify(&token, &keys, &format!("{issuer}/"), audience).is_err());
    let other = crate::world::serve();
    assert!(verifier::verify(&token, &jwks(&other), issuer, audience).is_err());
}

/// The security integration as our documentation has people write it.
fn integration(serve: &Serve) -> Value {
    json!({
        "EXTERNAL_OAUTH_ISSUER": serve.origin(),
        "EXTERNAL_OAUTH_JWS_KEYS_URL": serve.url("/.well-known/jwks.json"),
        "EXTERNAL_OAUTH_TOKEN_USER_MAPPING_CLAIM": "sub",
    })
}

/// Logs in with each token and, where it is given, role.
fn log_in(serve: &Serve, integration: &Value, logins: &[Value]) -> Vec<Value> {
    let work = json!({
        "integration": integration,
        "account_url": SNOWFLAKE,
        "users": {
            "SVC:SNOWFLAKE-LOADER": {"roles": ["SNOWFLAKE_LOADER", "REPORTER", "ACCOUNTADMIN"], "default_role": "REPORTER"},
            "JANE.DOE": {"roles": ["ANALYST"], "default_role": "ANALYST"},
        },
        "logins": logins,
    });
    run(python(serve, "snowflake.py"), &work).as_array().expect("a list").clone()
}

#[test]
fn the_snowflake_stand_in_logs_a_workload_in_with_the_roles_of_its_token() {
    let serve = serve();
    let token = ask_one(&serve, by(&WORKLOAD, json!({}))).token();
    let narrow = ask_one(&serve, by_with_json(&WORKLOAD, &json!({"scope": "session:role:SNOWFLAKE_LOADER"}))).token();
    let answers = log_in(
        &serve,
        &integration(&serve),
        &[
            json!({"token": token}),
            json!({"token": token, "role": "snowflake_loader"}),
            json!({"token": narrow, "role": "SNOWFLAKE_LOADER"}),
            // In the user's roles, and neither in the token nor ever allowed to it.
            json!({"token": token, "role": "ACCOUNTADMIN"}),
            // The user's default role, which the narrow token does not carry.
            json!({"token": narrow}),
        ],
    );
    assert_eq!(answers[0], json!({"user": "SVC:SNOWFLAKE-LOADER", "role": "REPORTER"}));
    assert_eq!(answers[1], json!({"user": "SVC:SNOWFLAKE-LOADER", "role": "SNOWFLAKE_LOADER"}));
    assert_eq!(answers[2]["role"], "SNOWFLAKE_LOADER");
    for refused in &answers[3..] {
        assert_eq!(refused["code"], 390_186, "{refused}");
    }
}

#[test]
fn the_snowflake_stand_in_takes_scopes_from_either_claim() {
    let serve = serve();
    let token = ask_one(&serve, by(&WORKLOAD, json!({}))).token();
    let mut from_scope = integration(&serve);
    from_scope["EXTERNAL_OAUTH_SCOPE_MAPPING_ATTRIBUTE"] = json!("scope");
    // Our `scope` is separated by spaces, as OAuth has it, and the integration reads commas unless told otherwise.
    let commas = log_in(&serve, &from_scope, &[json!({"token": token})]);
    assert_eq!(commas[0]["code"], 390_186, "{commas:?}");
    from_scope["EXTERNAL_OAUTH_SCOPE_DELIMITER"] = json!(" ");
    let spaces = log_in(&serve, &from_scope, &[json!({"token": token})]);
    assert_eq!(spaces[0]["role"], "REPORTER", "{spaces:?}");
}

#[test]
fn the_snowflake_stand_in_lets_a_person_take_any_role_only_if_its_mode_says_so() {
    let serve = serve();
    let login = [json!({"token": ask_one(&serve, by(&ANALYST, json!({}))).token()})];
    let disabled = log_in(&serve, &integration(&serve), &login);
    assert_eq!(disabled[0]["code"], 390_303, "{disabled:?}");
    let mut any_role = integration(&serve);
    any_role["EXTERNAL_OAUTH_ANY_ROLE_MODE"] = json!("ENABLE");
    assert_eq!(log_in(&serve, &any_role, &login)[0], json!({"user": "JANE.DOE", "role": "ANALYST"}));
}

#[test]
fn the_snowflake_stand_in_refuses_every_other_token() {
    let serve = serve();
    let integration = integration(&serve);
    let token = ask_one(&serve, by(&WORKLOAD, json!({}))).token();
    let with = |name: &str, value: Value| {
        let mut changed = integration.clone();
        changed[name] = value;
        log_in(&serve, &changed, &[json!({"token": token})]).remove(0)
    };
    let no_slash = with("EXTERNAL_OAUTH_ISSUER", json!(format!("{}/", serve.origin())));
    assert_eq!(no_slash["code"], 390_303, "{no_slash}");
    let no_claim = with("EXTERNAL_OAUTH_SCOPE_MAPPING_ATTRIBUTE", json!("roles"));
    assert_eq!(no_claim["code"], 390_303, "{no_claim}");
    // The mapping finds no such user: the token is fine, and Snowflake says what it says of a wrong password.
    let no_user = with("EXTERNAL_OAUTH_TOKEN_USER_MAPPING_CLAIM", json!("jti"));
    assert_eq!(no_user["code"], 390_100, "{no_user}");

    let tampered = log_in(&serve, &integration, &[json!({"token": tampered(&token)}), json!({"token": "a.b"})]);
    assert_eq!(tampered[0]["name"], "EXTERNAL_OAUTH_JWS_INVALID_SIGNATURE", "{tampered:?}");
    assert_eq!(tampered[1]["name"], "EXTERNAL_OAUTH_JWS_INVALID_FORMAT", "{tampered:?}");

    // A token of the profile `oauth` says at+jwt, even if its audience were accepted; ES256 is not for Snowflake.
    let others = ask(
        &serve,
        &[
            by_with_json(&WORKLOAD, &json!({"audience": "warehouse"})),
            by_with_json(&WORKLOAD, &json!({"audience": "tools"})),
        ],
    );
    let mut accepting = integration.clone();
    accepting["EXTERNAL_OAUTH_AUDIENCE_LIST"] = json!([WAREHOUSE, TOOLS]);
    let logins: Vec<Value> = others.iter().map(|answer| json!({"token": answer.token()})).collect();
    let refused = log_in(&serve, &accepting, &logins);
    assert_eq!(refused[0]["name"], "EXTERNAL_OAUTH_JWS_INVALID_TYPE", "{refused:?}");
    assert_eq!(refused[1]["code"], 390_303, "{refused:?}");
}

/// The policy cannot be written so that a `snowflake` token has no scope; a `generic` one for the same account can.
#[test]
fn the_snowflake_stand_in_refuses_a_token_without_a_scope() {
    let policy = r#"
version: 1
default_audience: plain
audiences:
  plain: { aud: "https://acme-prod.snowflakecomputing.com", profile: generic }
rules:
  - name: workloads
    when: { kind: role, account: ["444455556666"], role: ["snowflake-*"] }
    grant: { audiences: [plain], subject: "svc:{role}" }
"#;
    let serve = setup().file("policy.yaml", policy).start();
    let token = ask_one(&serve, by(&WORKLOAD, json!({}))).token();
    // In every other respect the token is good: it is the missing scope that is refused.
    assert!(verifier::verify(&token, &jwks(&serve), serve.origin(), SNOWFLAKE).is_ok());
    let refused = log_in(&serve, &integration(&serve), &[json!({"token": token})]);
    assert_eq!(refused[0]["code"], 390_303, "{refused:?}");
    assert!(refused[0]["message"].as_str().is_some_and(|text| text.contains("scope")), "{refused:?}");
}

/// What relying parties fetch: public, cacheable, and with nothing private in it.
#[test]
fn the_public_documents_say_what_relying_parties_need() {
    let serve = serve();
    let get = |target: &str| ask_one(&serve, json!({"method": "GET", "target": target}));
    let set = get("/.well-known/jwks.json");
    for target in [
        "/.well-known/jwks.json",
        "/.well-known/jwks",
        "/.well-known/openid-configuration",
        "/.well-known/oauth-authorization-server",
    ] {
        let answer = get(target);
        assert_eq!(answer.status, 200, "{target}: {answer:?}");
        assert!(answer.header("content-type").is_some_and(|is| is.starts_with("application/json")), "{answer:?}");
        assert_eq!(answer.header("cache-control"), Some("public, max-age=300"), "{target}");
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"), "{target}");
        let etag = answer.header("etag").expect("an ETag").to_owned();
        assert!(etag.starts_with('"') && etag.ends_with('"'), "{etag} is not a strong ETag");

        let known = json!({"method": "GET", "target": target, "headers": {"If-None-Match": etag}});
        let head = json!({"method": "HEAD", "target": target});
        // A name in the Host header is a stranger's: nothing is derived from it.
        let other_host = json!({"method": "GET", "target": target, "headers": {"Host": "stranger.example"}});
        let further = ask(&serve, &[known, head, other_host]);
        assert_eq!((further[2].status, &further[2].body), (200, &answer.body), "{target}");
        for answer in &further {
            assert!(answer.header("x-request-id").is_some_and(|id| !id.is_empty()), "{target}: {answer:?}");
        }
        assert_eq!((further[0].status, further[0].body.as_str()), (304, ""), "{target}");
        assert_eq!(further[0].header("etag"), Some(etag.as_str()), "{target}");
        assert_eq!((further[1].status, further[1].body.as_str()), (200, ""), "{target}");
        assert_eq!(further[1].header("etag"), Some(etag.as_str()), "{target}");
    }
    assert_eq!(get("/.well-known/jwks").body, set.body);

    for key in set.json()["keys"].as_array().expect("keys") {
        let members: BTreeSet<&str> = key.as_object().expect("a key").keys().map(String::as_str).collect();
        let expected: &[&str] = match key["kty"].as_str() {
            Some("RSA") => &["alg", "e", "kid", "kty", "n", "use"],
            Some("EC") => &["alg", "crv", "kid", "kty", "use", "x", "y"],
            other => unreachable!("a key of kind {other:?}"),
        };
        assert_eq!(members, expected.iter().copied().collect(), "{key}");
    }

    let discovery = get("/.well-known/openid-configuration").json();
    assert_eq!(discovery["issuer"], serve.origin());
    assert_eq!(discovery["jwks_uri"], serve.url("/.well-known/jwks.json"));
    assert_eq!(discovery["token_endpoint"], serve.url("/token"));
    assert_eq!(discovery["response_types_supported"], json!(["id_token"]));
    assert_eq!(discovery["subject_types_supported"], json!(["public"]));
    let algorithms = discovery["id_token_signing_alg_values_supported"].as_array().expect("algorithms");
    assert!(algorithms.contains(&json!("RS256")) && algorithms.contains(&json!("ES256")), "{algorithms:?}");
    for name in
        ["claims_supported", "scopes_supported", "grant_types_supported", "token_endpoint_auth_methods_supported"]
    {
        assert!(discovery[name].is_array(), "{name}: {discovery}");
    }
}

/// Behind a proxy the issuer has another name than the server, and perhaps a path: then everything is below that path, as
/// the documents say, and the document that RFC 8414 puts elsewhere is not served.
#[test]
fn the_issuer_is_the_configured_url_byte_for_byte() {
    for (issuer, path) in [("https://tokens.acme.example", ""), ("https://tokens.acme.example/Prod", "/Prod")] {
        let serve = setup().arg("--issuer-url").arg(issuer).start();
        let get = |target: &str| json!({"method": "GET", "target": format!("{path}{target}")});
        let answers = ask(
            &serve,
            &[
                by(&WORKLOAD, json!({"target": format!("{path}/token")})),
                get("/.well-known/openid-configuration"),
                get("/.well-known/jwks.json"),
                get("/.well-known/oauth-authorization-server"),
            ],
        );
        let discovery = answers[1].json();
        assert_eq!(discovery["issuer"], issuer, "{answers:?}");
        assert_eq!(discovery["jwks_uri"], format!("{issuer}/.well-known/jwks.json"));
        assert_eq!(discovery["token_endpoint"], format!("{issuer}/token"));
        assert_eq!(answers[3].status, if path.is_empty() { 200 } else { 404 }, "{:?}", answers[3]);
        let verified = verifier::verify(&answers[0].token(), &answers[2].json(), issuer, SNOWFLAKE);
        assert!(verified.is_ok(), "{issuer}: {verified:?}");
    }
}
