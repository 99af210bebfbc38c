//! A door with one role behind it, knocked at without a network.

use http_body_util::BodyExt as _;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::*;
use crate::credentials::cache::Failed;
use crate::credentials::sts::Assumed;

const ADDRESS: &str = "127.0.0.1:8911";
const PEER: &str = "127.0.0.1:40000";

fn door(address: &str, token: &Token) -> (Door, watch::Sender<Known>) {
    let status = Status { ends_at: None, next_attempt_at: Timestamp::now(), renewals: 0, failure: None };
    let (tell, known) = watch::channel(Known { held: None, status });
    let arn = "arn:aws:iam::444455556666:role/deploy".parse().unwrap();
    let roles = vec![Role { name: "a b".to_owned(), arn, known }];
    (Door::new(address.parse().unwrap(), token.clone(), roles), tell)
}

/// Credentials that last so many seconds from now on.
fn lasting(seconds: i64) -> Arc<Fresh<Entry>> {
    let now = Moment::now();
    let life = SignedDuration::from_secs(seconds);
    let credentials = Assumed {
        access_key_id: "ASIAEXAMPLE".to_owned(),
        secret_access_key: "secret".to_owned().into(),
        session_token: "token".to_owned().into(),
        expiration: now.wall + life,
        arn: "arn:aws:sts::444455556666:assumed-role/deploy/ci".to_owned(),
    };
    let token = crate::credentials::token::tests::token(&json!({"sub": "ci"}));
    Arc::new(Fresh::new(Entry::new(credentials, now.wall, now.wall, &token), now, life, 0.0))
}

fn request(headers: &[(&str, &str)]) -> Request<()> {
    let mut request = Request::get("/a%20b");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(()).unwrap()
}

async fn answered(door: &Door, request: Request<()>, peer: &str) -> (u16, Value) {
    let response = door.answer(request, peer.parse().unwrap()).await;
    let headers = response.headers();
    assert_eq!(
        (&headers[CACHE_CONTROL], &headers[CONTENT_TYPE]),
        (&"no-store".parse().unwrap(), &"application/json".parse().unwrap())
    );
    assert!(!headers.keys().any(|name| name.as_str().starts_with("access-control-")), "{headers:?}");
    assert_eq!(headers.contains_key(ALLOW), response.status() == 405);
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&body).unwrap())
}

#[tokio::test]
async fn who_has_the_token_and_is_here_gets_what_is_good() {
    let token = Token::fresh().unwrap();
    let (door, tell) = door(ADDRESS, &token);
    tell.send_modify(|known| known.held = Some(lasting(600)));
    for (host, peer) in
        [(ADDRESS, PEER), (ADDRESS, "[::ffff:127.0.0.1]:1"), (ADDRESS, "127.9.9.9:1"), (ADDRESS, "[::1]:1")]
    {
        let (status, body) = answered(&door, request(&[("host", host), ("authorization", token.as_str())]), peer).await;
        assert_eq!(
            (status, &body["AccessKeyId"], &body["Token"]),
            (200, &json!("ASIAEXAMPLE"), &json!("token")),
            "{body}"
        );
        let end: Timestamp = body["Expiration"].as_str().unwrap().parse().unwrap();
        assert!((598..=600).contains(&end.duration_since(Timestamp::now()).as_secs()), "{body}");
        assert!(body["Expiration"].as_str().unwrap().ends_with('Z'), "{body}");
    }
    let request = Request::get("/status").header("host", ADDRESS).header("authorization", token.as_str());
    let (status, body) = answered(&door, request.body(()).unwrap(), PEER).await;
    assert_eq!((status, &body["credentials"][0]["name"]), (200, &json!("a b")));
}

#[tokio::test]
async fn a_name_is_the_agents_own_with_the_port_as_clients_write_it() {
    let token = Token::fresh().unwrap();
    for (address, host, ok) in [
        ("[::1]:8911", "[::1]:8911", true),
        ("[::1]:8911", "127.0.0.1:8911", false),
        ("127.0.0.5:8911", "127.0.0.5:8911", true),
        ("127.0.0.1:80", "127.0.0.1", true),
        ("127.0.0.1:80", "localhost", false),
        (ADDRESS, "localhost:8911", false),
        (ADDRESS, "127.0.0.1", false),
    ] {
        let (door, tell) = door(address, &token);
        tell.send_modify(|known| known.held = Some(lasting(600)));
        let (status, _) = answered(&door, request(&[("host", host), ("authorization", token.as_str())]), PEER).await;
        assert_eq!(status == 200, ok, "{address} {host}");
    }
}

#[tokio::test]
async fn each_refusal_has_its_reason_and_its_place() {
    let token = Token::fresh().unwrap();
    let (door, tell) = door(ADDRESS, &token);
    tell.send_modify(|known| known.held = Some(lasting(600)));
    let (host, good) = (("host", ADDRESS), ("authorization", token.as_str()));
    let bearer = format!("Bearer {}", token.as_str());
    let with = |method: Method, uri: &str, headers: &[(&str, &str)]| {
        let mut request = request(headers);
        (*request.method_mut(), *request.uri_mut()) = (method, uri.parse().unwrap());
        request
    };
    let get = |headers: &[(&str, &str)]| with(Method::GET, "/a%20b", headers);
    for (request, peer, status, code) in [
        // Everything is wrong, and whoever is elsewhere learns only that.
        (with(Method::POST, "/none", &[("origin", "x")]), "192.0.2.2:1", 403, "NotLocal"),
        (get(&[host, good]), "[2001:db8::1]:1", 403, "NotLocal"),
        (get(&[host, good]), "[::ffff:192.0.2.2]:1", 403, "NotLocal"),
        (with(Method::POST, "/none", &[("host", "rebound.example:8911"), ("origin", "x")]), PEER, 403, "WrongHost"),
        (get(&[good]), PEER, 403, "WrongHost"),
        (get(&[host, host, good]), PEER, 403, "WrongHost"),
        (get(&[("host", "127.0.0.1:8912"), good]), PEER, 403, "WrongHost"),
        (get(&[("host", "127.0.0.1:8911.example"), good]), PEER, 403, "WrongHost"),
        (with(Method::GET, "http://rebound.example/a%20b", &[host, good]), PEER, 403, "WrongHost"),
        (with(Method::GET, "http://127.0.0.1:8911/a%20b", &[host, good]), PEER, 403, "WrongHost"),
        (with(Method::POST, "/none", &[host, ("origin", "null")]), PEER, 403, "Browser"),
        (get(&[host, good, ("sec-fetch-site", "same-origin")]), PEER, 403, "Browser"),
        (with(Method::POST, "/none", &[host]), PEER, 405, "MethodNotAllowed"),
        (with(Method::HEAD, "/a%20b", &[host, good]), PEER, 405, "MethodNotAllowed"),
        (with(Method::OPTIONS, "/a%20b", &[host, good]), PEER, 405, "MethodNotAllowed"),
        (with(Method::GET, "/none", &[host]), PEER, 403, "NotAuthorized"),
        (get(&[host, ("authorization", "")]), PEER, 403, "NotAuthorized"),
        (get(&[host, good, good]), PEER, 403, "NotAuthorized"),
        (get(&[host, ("authorization", &bearer)]), PEER, 403, "NotAuthorized"),
        (get(&[host, ("authorization", Token::fresh().unwrap().as_str())]), PEER, 403, "NotAuthorized"),
        (with(Method::GET, "/none", &[host, good]), PEER, 404, "NotFound"),
        (with(Method::GET, "/", &[host, good]), PEER, 404, "NotFound"),
        (with(Method::GET, "/%FF", &[host, good]), PEER, 404, "NotFound"),
        (with(Method::GET, "/a%20b/", &[host, good]), PEER, 404, "NotFound"),
        (with(Method::GET, "//a%20b", &[host, good]), PEER, 404, "NotFound"),
    ] {
        let what = format!("{request:?} {peer}");
        let (found, body) = answered(&door, request, peer).await;
        assert_eq!((found, &body["code"], &body["Code"]), (status, &json!(code), &json!(code)), "{what}: {body}");
        assert!(body["message"] == body["Message"] && !body.to_string().contains("ASIA"), "{what}: {body}");
        match code {
            "NotFound" => assert!(body["message"].as_str().unwrap().ends_with("this agent has /a%20b"), "{body}"),
            "WrongHost" => assert!(body["message"].as_str().unwrap().ends_with("http://127.0.0.1:8911/"), "{body}"),
            _ => {}
        }
    }
}

#[tokio::test]
async fn what_is_under_way_is_awaited_and_what_is_over_is_not_handed_out() {
    let token = Token::fresh().unwrap();
    let (door, tell) = door(ADDRESS, &token);
    let ask = || answered(&door, request(&[("host", ADDRESS), ("authorization", token.as_str())]), PEER);
    let message = |body: &Value| body["message"].as_str().unwrap().to_owned();

    let (status, body) = ask().await;
    assert_eq!(status, 503);
    assert_eq!(
        message(&body),
        "no credentials of arn:aws:iam::444455556666:role/deploy: they are still being asked for"
    );

    let come = async {
        tokio::task::yield_now().await;
        tell.send_modify(|known| known.held = Some(lasting(600)));
    };
    assert_eq!(tokio::join!(ask(), come).0.0, 200, "a request waits for them");

    tell.send_modify(|known| known.held = Some(lasting(0)));
    assert_eq!(ask().await.0, 503);

    let why = "STS refused it".to_owned();
    tell.send_modify(|known| known.status.failure = Some(Failed { at: Timestamp::now(), refused: true, why }));
    let (status, body) = ask().await;
    assert_eq!((status, message(&body).ends_with(": STS refused it")), (503, true), "{body}");

    // A failure to renew takes nothing away.
    tell.send_modify(|known| known.held = Some(lasting(600)));
    assert_eq!(ask().await.0, 200);
}
