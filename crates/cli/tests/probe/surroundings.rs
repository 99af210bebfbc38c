//! What stands between the world and the issuer, and what the issuer publishes: what a run makes of it.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use testkit::page::{Canned, Front};

use crate::world::World;

const TOKEN: &str = "POST /token";
const JWKS: &str = "GET /.well-known/jwks.json";
const DISCOVERY: &str = "GET /.well-known/openid-configuration";

/// A document with the headers that it needs.
fn document(body: &Value) -> Canned {
    Canned::json(200, body)
        .with("cache-control", "public, max-age=300")
        .with("etag", "\"x\"")
        .with("access-control-allow-origin", "*")
}

/// What the front answers in place of the issuer, the exit code, and outcomes with words of `routes`, `loader` and `stranger`.
struct Case {
    what: &'static str,
    canned: Canned,
    code: i32,
    told: [(&'static str, &'static str); 3],
}

const OK: (&str, &str) = ("as_expected", "");

fn failed(words: &'static str) -> (&'static str, &'static str) {
    ("not_as_expected", words)
}

fn unclear(words: &'static str) -> (&'static str, &'static str) {
    ("could_not_tell", words)
}

/// A key set, a discovery document: as published, with something wrong.
fn published(world: &World) -> Vec<Case> {
    let case = |what, canned, code, routes, loader| Case { what, canned, code, told: [routes, loader, OK] };
    let (keys, discovery) =
        (world.published("/.well-known/jwks.json"), world.published("/.well-known/openid-configuration"));
    let with = |document: &Value, pointer: &str, value: Value| {
        let mut changed = document.clone();
        *changed.pointer_mut(pointer).unwrap() = value;
        changed
    };
    // Every key, so that it is the one that signs, too.
    let every_key = |member: &str, change: &dyn Fn(&str) -> String| {
        let mut changed = keys.clone();
        for key in changed["keys"].as_array_mut().unwrap() {
            if let Some(text) = key[member].as_str() {
                key[member] = change(text).into();
            }
        }
        changed
    };
    let strangers = every_key("kid", &|kid| format!("{kid}x"));
    // Another modulus of the same size.
    let others = every_key("n", &|n| {
        let ((first, middle), end) = (n.split_at(200).0.split_at(100), n.split_at(200).1);
        format!("{}{middle}{}{end}", first.split_at(4).0, first.split_at(4).1)
    });
    let mut private = keys.clone();
    private["keys"][0]["d"] = "AQAB".into();
    let mut no_claims = discovery.clone();
    no_claims.as_object_mut().unwrap().remove("claims_supported");
    let lost = unclear("cannot be verified");
    vec![
        case(JWKS, document(&strangers), 1, OK, failed("unknown_kid: no key")),
        case(JWKS, document(&others), 1, OK, failed("signature")),
        case(JWKS, document(&private), 1, failed("publishes private members"), failed("private_member")),
        case(JWKS, document(&json!({"keys": []})), 1, failed("the key set is empty"), failed("unknown_kid")),
        case(JWKS, document(&json!({"key": []})), 1, failed("not a key set"), lost),
        case(JWKS, Canned::json(404, &json!({"error": "not_found"})), 1, failed("HTTP status 404: not_found"), lost),
        case(JWKS, Canned::json(503, &""), 2, unclear("HTTP status 503"), lost),
        case(
            JWKS,
            Canned::json(302, &"").with("location", world.serve.url("/.well-known/jwks.json")),
            1,
            failed("follow no redirect"),
            lost,
        ),
        case(
            JWKS,
            document(&keys).with("cache-control", "public, max-age=86400"),
            1,
            failed("cache-control is \"public, max-age=86400\""),
            OK,
        ),
        case(JWKS, document(&keys).with("content-type", "text/plain"), 1, failed("content-type"), OK),
        case(DISCOVERY, document(&discovery), 0, OK, OK),
        case(
            DISCOVERY,
            document(&with(&discovery, "/issuer", json!("https://id.acme.com"))),
            1,
            failed("the discovery document is of issuer"),
            lost,
        ),
        case(
            DISCOVERY,
            document(&with(&discovery, "/token_endpoint", json!("https://id.acme.com/token"))),
            1,
            failed("token_endpoint is https://id.acme.com/token"),
            OK,
        ),
        case(
            DISCOVERY,
            document(&with(&discovery, "/jwks_uri", json!("http://127.0.0.1:1/jwks.json"))),
            2,
            unclear("fetching http://127.0.0.1:1"),
            lost,
        ),
        case(DISCOVERY, document(&no_claims), 1, failed("there is no claims_supported"), OK),
        case(DISCOVERY, Canned::json(200, &"<html>"), 1, failed("cannot be read"), lost),
        // What was wrong before nobody answered any more is wrong all the same.
        case(
            DISCOVERY,
            document(&with(&discovery, "/jwks_uri", json!("http://127.0.0.1:1/jwks.json"))).with("etag", ""),
            1,
            failed("no etag"),
            lost,
        ),
    ]
}

/// `POST /token`, answered by somebody else than the issuer.
fn answered(world: &World) -> Vec<Case> {
    let case = |canned, code, told| Case { what: TOKEN, canned, code, told: [OK, told, told] };
    let said =
        |status, message: &str| Canned::json(status, &json!({"error": "access_denied", "error_description": message}));
    let denied = "User: x is not authorized to perform: execute-api:Invoke on resource: y with an explicit deny";
    // A real token, in an answer that says otherwise than the token.
    let mut command = testkit::tools::isolated(crate::world::COUNTERSIGN, world.serve.data_dir());
    command.args(["token", "--json", "--url", &world.front.origin()]).env("AWS_PROFILE", "snowflake-loader");
    command.env("AWS_SHARED_CREDENTIALS_FILE", world.serve.data_dir().join("aws-credentials"));
    let answer: Value = serde_json::from_slice(&command.output().unwrap().stdout).unwrap();
    let with = |member: &str, value: Value| {
        let mut changed = answer.clone();
        changed[member] = value;
        Canned::json(200, &changed)
    };
    let only_loader = |canned, told: (&'static str, &'static str)| Case {
        what: TOKEN,
        canned,
        code: 1,
        told: [OK, told, failed("a token, and not access_denied")],
    };
    let echo = format!("x-amz-security-token:{} and so on", answer["token"].as_str().unwrap());
    let mut cases = vec![
        case(
            Canned::json(503, &json!({"error": "temporarily_unavailable"})),
            2,
            unclear("HTTP status 503: temporarily_unavailable"),
        ),
        case(Canned::json(429, &""), 2, unclear("HTTP status 429")),
        case(Canned::json(500, &json!({"error": "server_error"})), 2, unclear("HTTP status 500")),
        case(Canned::json(502, &"<html>"), 2, unclear("HTTP status 502")),
        case(said(403, "The security token included in the request is expired"), 2, unclear("is expired")),
        case(
            said(403, "Signature expired: 20260101T000000Z is now earlier than 20260101T000500Z"),
            2,
            unclear("clock is off"),
        ),
        case(said(403, denied), 1, failed("explicit deny: the API's resource policy denies this caller")),
        case(said(403, "Missing Authentication Token"), 1, failed("a path that it does not have")),
        case(Canned::json(403, &json!({"message": "Forbidden"})), 1, failed("firewall")),
        case(said(403, &echo), 1, failed("x-amz-security-token:(...) and so on")),
        case(said(403, "\u{1b}[2J"), 1, failed(" [2J")),
        case(said(403, &format!("Signature={}", "0f".repeat(32))), 1, failed("HTTP status 403: access_denied: (...)")),
        case(said(401, "this caller gets no token here"), 1, failed("HTTP status 401")),
        case(Canned::json(404, &json!({"error": "not_found"})), 1, failed("HTTP status 404: not_found")),
        case(Canned::json(200, &"<html>"), 1, failed("HTTP status 200 without a token")),
        case(Canned::json(200, &json!({"token": "not-a-token"})), 1, failed("HTTP status 200 without a token")),
        only_loader(with("expires_in", json!(1)), failed("the answer's expires_in is not the token's lifetime")),
        only_loader(with("access_token", json!("x")), failed("the answer's access_token is not its token")),
        only_loader(with("token", json!("eyJx.eyJx.eyJx")), failed("malformed")),
    ];
    for status in [301, 302, 307, 308] {
        let redirect = Canned::json(status, &"").with("location", world.serve.url("/token"));
        cases.push(case(redirect, 1, failed("redirects are not followed")));
    }
    cases
}

#[test]
fn whatever_stands_between_is_not_taken_for_the_issuer() {
    let world = World::new();
    let probes = json!([World::loader(), World::stranger()]);
    let good = world.probe(&probes, &["--json"]);
    assert_eq!((good.code, good.json()["as_expected"].as_bool()), (0, Some(true)), "{}", good.stderr);
    for Case { what, canned, code, told } in published(&world).into_iter().chain(answered(&world)) {
        world.front.pass_everything();
        world.front.answer(what, canned.clone());
        let ran = world.probe(&probes, &["--json"]);
        for (name, (outcome, words)) in ["routes", "loader", "stranger"].into_iter().zip(told) {
            let (found, faults) = ran.outcome(name);
            assert!(found == outcome && faults.contains(words), "{what} {canned:?}\n{name}: {found}: {faults}");
        }
        assert_eq!(ran.code, code, "{what} {canned:?}\n{}", ran.stderr);
    }
}

#[test]
fn a_refusal_by_the_gateway_that_is_meant_passes() {
    let world = World::new();
    let mut guest = World::stranger();
    guest["expect"] = json!({"refused": {"error": "gateway"}});
    let nobody =
        json!({"name": "nobody", "credentials": {"unsigned": true}, "expect": {"refused": {"error": "gateway"}}});
    let probes = json!([guest, nobody]);
    let (ok, failed) = ("as_expected", "not_as_expected");
    for (status, message, stranger, nobody) in [
        (403, "User: x is not authorized to perform: execute-api:Invoke on resource: y with an explicit deny", ok, ok),
        (403, "User: x is not authorized to perform: execute-api:Invoke on resource: y", ok, ok),
        (403, "Forbidden", ok, ok),
        (403, "Missing Authentication Token", failed, ok),
        (401, "Unauthorized", failed, failed),
        (403, "You are not authorized to visit this site", failed, failed),
        (400, "Forbidden", failed, failed),
    ] {
        for body in [json!({"message": message}), json!({"error": "access_denied", "error_description": message})] {
            world.front.answer(TOKEN, Canned::json(status, &body));
            let ran = world.probe(&probes, &["--json"]);
            assert_eq!(
                (ran.outcome("stranger").0.as_str(), ran.outcome("nobody").0.as_str()),
                (stranger, nobody),
                "{body}"
            );
        }
    }
}

#[test]
fn who_does_not_answer_has_refused_nobody() {
    let world = World::new();
    let probes = json!([World::loader(), World::stranger()]);
    world.front.answer(TOKEN, Canned { after: Duration::from_secs(20), ..Canned::json(200, &"") });
    let began = Instant::now();
    let ran = world.probe(&probes, &["--json", "--timeout", "1s"]);
    assert!(began.elapsed() < Duration::from_secs(15), "it waits no longer than it is told");
    assert_eq!(ran.code, 2, "{}", ran.stderr);
    for name in ["loader", "stranger"] {
        let (outcome, faults) = ran.outcome(name);
        assert_eq!((outcome.as_str(), faults.as_str()), ("could_not_tell", "no answer within 1 s"));
    }
    let ran = world.probe(&probes, &["--json", "--url", "http://127.0.0.1:1"]);
    assert_eq!((ran.code, ran.json()["as_expected"].as_bool()), (2, Some(false)), "{}", ran.stderr);
    for name in ["routes", "loader", "stranger"] {
        assert_eq!(ran.outcome(name).0, "could_not_tell");
    }
    // A connection that is cut.
    let ran = world.probe(&probes, &["--url", &Front::start().origin()]);
    assert_eq!(ran.code, 2, "{}", ran.stderr);
}

#[test]
fn another_name_of_the_same_server_is_another_issuer() {
    let world = World::new();
    let probes = json!([World::loader(), World::stranger()]);
    let other = world.front.origin().replace("127.0.0.1", "localhost");
    let ran = world.probe(&probes, &["--json", "--url", &other]);
    let (outcome, faults) = ran.outcome("routes");
    assert!(outcome == "not_as_expected" && faults.contains("discovery document is of issuer"), "{faults}");
    assert_eq!((ran.code, ran.outcome("stranger").0.as_str()), (1, "as_expected"));
    // The token URL may be another one; the discovery document has to say so.
    let ran = world.probe(&probes, &["--json", "--token-url", &world.serve.url("/token")]);
    let (outcome, faults) = ran.outcome("routes");
    assert!(outcome == "not_as_expected" && faults.contains("token_endpoint is"), "{faults}");
    assert_eq!(ran.outcome("loader").0, "as_expected");
}

#[test]
fn after_a_deployment_it_asks_until_all_is_as_expected() {
    let world = World::new();
    let probes = json!([World::loader(), World::stranger()]);
    world.front.answer(TOKEN, Canned::json(503, &""));
    let waiting = std::thread::scope(|scope| {
        let waiting = scope.spawn(|| world.probe(&probes, &["--json", "--wait", "1m"]));
        let began = Instant::now();
        while world.front.came().iter().all(|came| came.what != TOKEN) {
            assert!(began.elapsed() < Duration::from_mins(1), "nobody asks");
            std::thread::sleep(Duration::from_millis(10));
        }
        world.front.pass_everything();
        waiting.join().unwrap()
    });
    assert_eq!((waiting.code, waiting.json()["as_expected"].as_bool()), (0, Some(true)), "{}", waiting.stderr);
    assert!(
        waiting.json()["rounds"].as_u64() > Some(1) && waiting.stderr.contains("not yet as expected: "),
        "{}",
        waiting.stderr
    );
    world.front.answer(JWKS, Canned::json(404, &""));
    let ran = world.probe(&probes, &["--wait", "1s"]);
    assert!(ran.code == 1 && ran.stderr.contains("FAILED   routes"), "{}", ran.stderr);
}
