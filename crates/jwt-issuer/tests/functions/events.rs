//! Every event of `events/` through both functions: what they answer and what they write down, whole.

use std::fmt::Write as _;
use std::fs;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use testkit::lambda::{Function, Invocation};
use testkit::tools;
use testkit::verifier;

use crate::world::{ISSUER, SNOWFLAKE, World, ask, body, event, events, records, says};

/// Every event through a function, as one text in which what differs from run to run is masked.
fn table(function: &Function, world: &World, folder: &str) -> String {
    let mut text = String::new();
    let before = records(function).len();
    for name in events(folder) {
        let mut answer = ask(function, &name);
        mask_answer(&mut answer, world);
        let _ = writeln!(text, "== {name}\n{answer:#}");
    }
    // What is read of a pipe comes later than the answer; after the record of the last event there is no other.
    let kind = folder.rsplit('/').next().unwrap();
    for name in ["token", "jwks"] {
        let mut last: Value = serde_json::from_str(&event(&format!("{kind}/default-url.{name}.json"))).unwrap();
        last["requestContext"]["requestId"] = json!("the-last");
        function.invoke(&last).result.unwrap();
    }
    function.lines_until(|lines| lines.iter().any(|line| line.contains("\"the-last\"")));
    let _ = writeln!(text, "== the records");
    for mut record in records(function).split_off(before) {
        if record["request_id"] != "the-last" {
            mask_record(&mut record);
            let _ = writeln!(text, "{record}");
        }
    }
    text
}

fn mask_answer(answer: &mut Value, world: &World) {
    if let Some(etag) = answer.pointer_mut("/headers/etag") {
        *etag = json!("(of the body)");
    }
    let Ok(mut body) = serde_json::from_str::<Value>(answer["body"].as_str().unwrap()) else { return };
    if body == world.jwks {
        answer["body"] = json!("(the key set, as the parameter holds it)");
        return;
    }
    if let Some(token) = body["token"].as_str().map(str::to_owned) {
        assert_eq!(body["access_token"], token);
        body["access_token"] = json!("(the same)");
        let mut parts = token
            .split('.')
            .take(2)
            .map(|part| serde_json::from_slice::<Value>(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap());
        let (mut header, mut claims) = (parts.next().unwrap(), parts.next().unwrap());
        header["kid"] = json!("(of the key)");
        let issued = claims["iat"].as_i64().unwrap();
        claims["jti"] = json!("(unique)");
        claims["iat"] = json!("(now)");
        for time in ["nbf", "exp"] {
            claims[time] = json!(format!("(now){:+}", claims[time].as_i64().unwrap() - issued));
        }
        body["token"] = json!({ "header": header, "claims": claims });
    }
    answer["body"] = body;
}

fn mask_record(record: &mut Value) {
    record["_aws"]["Timestamp"] = json!("(now)");
    for volatile in ["time", "jti", "kid", "RingAge", "PolicyAge", "JwksAge", "SigningTime"] {
        if !record[volatile].is_null() {
            record[volatile] = json!("(masked)");
        } else if let Some(members) = record.as_object_mut() {
            members.remove(volatile);
        }
    }
}

fn golden(name: &str, text: &str) {
    let path = tools::workspace_root().join("crates/jwt-issuer/tests/functions/golden").join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
    }
    let golden = fs::read_to_string(&path).unwrap_or_default();
    assert!(golden == text, "{name} has changed; see the difference with UPDATE_GOLDEN=1 and git diff");
}

#[test]
fn the_answers_to_every_event_are_these() {
    let world = World::new();
    for gateway in ["rest", "http"] {
        for (name, setup) in [("jwt-issuer", world.issuer(gateway)), ("jwks", world.publisher(gateway))] {
            let function = setup.start();
            golden(&format!("{name}.{gateway}.txt"), &table(&function, &world, gateway));
            golden(&format!("{name}.{gateway}.forged.txt"), &table(&function, &world, &format!("forged/{gateway}")));
        }
    }
}

#[test]
fn a_token_verifies_against_what_jwks_serves() {
    let world = World::new();
    for gateway in ["rest", "http"] {
        let (issuer, publisher) = (world.issuer(gateway).start(), world.publisher(gateway).start());
        let served = ask(&publisher, &format!("{gateway}/default-url.jwks.json"));
        assert_eq!(served["body"], world.jwks.to_string(), "exactly as the parameter holds it");
        for deployment in ["default-url", "domain-root", "base-path"] {
            let answer = ask(&issuer, &format!("{gateway}/{deployment}.token.json"));
            let token = body(&answer)["token"].as_str().unwrap_or_else(|| panic!("{deployment}: {answer}")).to_owned();
            verifier::verify(&token, &body(&served), ISSUER, SNOWFLAKE)
                .unwrap_or_else(|why| panic!("{deployment}: {why:?}"));
        }
        let discovery = body(&ask(&publisher, &format!("{gateway}/default-url.openid-configuration.json")));
        assert_eq!(discovery["jwks_uri"], format!("{ISSUER}/.well-known/jwks.json"));
    }
}

#[test]
fn all_forgeries_and_strangers_get_the_same_bytes() {
    let world = World::new();
    for (gateway, other) in [("rest", "http"), ("http", "rest")] {
        let setup = world.issuer(gateway);
        // Only a REST API tells of organisations.
        let setup = if gateway == "rest" { setup.env("ALLOWED_ORG_IDS", "o-a1b2c3d4e5, o-0123456789") } else { setup };
        let function = setup.start();
        let mut refused = events(&format!("forged/{gateway}"));
        if gateway == "http" {
            // Without organisations these are honest.
            refused.retain(|name| !name.contains("organisation-"));
        }
        refused.extend(events(other));
        let mut bodies: Vec<Value> = refused
            .iter()
            .map(|name| {
                let mut answer = ask(&function, name);
                assert_eq!(answer["statusCode"], 403, "{name}: {answer}");
                answer["headers"]["x-request-id"] = Value::Null;
                answer
            })
            .collect();
        bodies.dedup();
        assert_eq!(bodies.len(), 1, "{bodies:#?}");
        let honest = ask(&function, &format!("{gateway}/default-url.token.json"));
        assert_eq!(honest["statusCode"], 200, "{honest}");
        function.lines_until(|lines| lines.iter().any(|line| line.contains("\"Issued\":1")));
        assert_eq!(records(&function).len(), refused.len() + 1, "each has its record");
    }
}

#[test]
fn jwks_has_nothing_for_another_api_and_304_for_whoever_has_it() {
    let world = World::new();
    for (gateway, other) in [("rest", "http"), ("http", "rest")] {
        let function = world.publisher(gateway).start();
        for name in events(other).into_iter().chain(events(&format!("forged/{gateway}"))) {
            assert_eq!(ask(&function, &name)["statusCode"], 404, "{name}");
        }
        for name in
            [format!("{gateway}/base-path.jwks.json"), format!("{gateway}/default-url.openid-configuration.json")]
        {
            let first = ask(&function, &name);
            let etag = first["headers"]["etag"].as_str().unwrap();
            assert!(etag.starts_with('"') && etag.ends_with('"'), "{etag} is strong");
            let mut again: Value = serde_json::from_str(&event(&name)).unwrap();
            if gateway == "rest" {
                again["headers"]["If-None-Match"] = json!(etag);
                again["multiValueHeaders"]["If-None-Match"] = json!(["\"another\"", etag]);
            } else {
                again["headers"]["if-none-match"] = json!(format!("\"another\",{etag}"));
            }
            let answer = function.invoke(&again).result.unwrap();
            assert_eq!((&answer["statusCode"], &answer["body"]), (&json!(304), &json!("")), "{answer}");
            assert_eq!(answer["headers"]["etag"], etag);
        }
    }
}

#[test]
fn an_issuer_with_a_path_has_no_rfc_8414_document_here_and_its_own_token_endpoint() {
    let world = World::new();
    let url = "https://id.acme.com/tokens";
    let setup = world.publisher("rest").env("JWT_ISSUER_URL", url);
    let function = setup.env("TOKEN_ENDPOINT_URL", "https://private.acme.com/v1/token").start();
    assert_eq!(ask(&function, "rest/default-url.oauth-authorization-server.json")["statusCode"], 404);
    let discovery = body(&ask(&function, "rest/default-url.openid-configuration.json"));
    assert_eq!(discovery["issuer"], url);
    assert_eq!(discovery["token_endpoint"], "https://private.acme.com/v1/token");
}

#[test]
fn what_must_not_be_published_is_not_served() {
    let world = World::new();
    let key = world.jwks["keys"][0].clone();
    let with = |name: &str, value: Value| {
        let mut key = key.clone();
        key[name] = value;
        json!({ "keys": [key] }).to_string()
    };
    let short = json!({ "kty": "RSA", "use": "sig", "alg": "RS256", "kid": "short", "e": "AQAB", "n": URL_SAFE_NO_PAD.encode([0xff; 128]) });
    for (what, text) in [
        ("a private member", with("d", json!("AQAB"))),
        ("another private member", with("p", json!("AQAB"))),
        ("key_ops", with("key_ops", json!(["verify"]))),
        ("an unknown kty", with("kty", json!("oct"))),
        ("a repeated kid", json!({ "keys": [key, key] }).to_string()),
        ("RSA below 2048 bits", json!({ "keys": [short] }).to_string()),
        ("no key", json!({ "keys": [] }).to_string()),
        ("a second member", json!({ "keys": [key], "keys2": [] }).to_string()),
        ("no JSON", "not a key set".to_owned()),
    ] {
        world.moto.put_parameter("/forbidden", &text);
        let function = world.publisher("rest").env("JWKS_SSM_PARAM", "/forbidden").start();
        for name in ["rest/default-url.jwks.json", "rest/default-url.openid-configuration.json"] {
            let answer = ask(&function, name);
            assert_eq!(answer["statusCode"], 503, "{what}: {answer}");
            assert!(answer["headers"]["retry-after"].is_string());
        }
        says(&function, "cannot be fetched");
    }
}

#[test]
fn text_that_is_no_event_is_refused_and_the_function_lives_on() {
    let world = World::new();
    let function = world.issuer("rest").start();
    for text in ["null", "[]", "0", "\"\"", "{}", &"[".repeat(100), &format!("{{\"resource\":{}1}}", "[".repeat(5000))]
    {
        // What is no JSON at all is refused by the runtime.
        let answer = function.invoke_with(Invocation::new(text));
        if let Ok(answer) = answer.result {
            assert_eq!(answer["statusCode"], 403, "{text}");
        }
    }
    assert_eq!(ask(&function, "rest/default-url.token.json")["statusCode"], 200);
}
