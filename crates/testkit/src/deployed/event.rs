//! The event that a REST API makes of a request: one of `events/rest`, with what is different in its place.

use hyper::HeaderMap;
use hyper::http::request::Parts;
use serde_json::{Map, Value, json};

use super::deployments::{Route, Served};
use super::gateway::{CALLER, Guest};
use super::wire::unescape;
use crate::tools::workspace_root;

/// An event for a function that answers this request.
pub(crate) fn event(
    served: &Served,
    route: &Route,
    region: &str,
    head: &Parts,
    body: &[u8],
    guest: Option<&Guest>,
    request_id: &str,
) -> Result<Value, String> {
    // The two differ in who speaks: somebody, or anybody; and in where they ask, which is put right below.
    let file = if guest.is_some() { "default-url.token.json" } else { "default-url.jwks.json" };
    let file = workspace_root().join("events/rest").join(file);
    let text = std::fs::read_to_string(&file).map_err(|error| format!("{}: {error}", file.display()))?;
    let mut event: Value = serde_json::from_str(&text).map_err(|error| format!("{}: {error}", file.display()))?;

    let (path, method) = (head.uri.path(), head.method.as_str());
    let default = format!("{}.execute-api.{region}.amazonaws.com", served.api);
    let host = served.domain.clone().unwrap_or(default);
    let (one, many) = headers(&head.headers, &host);
    let (query, queries) = query(head.uri.query());
    let text = std::str::from_utf8(body).map_err(|_| "a body that is no text is not known here".to_owned())?;
    for (name, value) in [
        ("resource", json!(path)),
        ("path", json!(path)),
        ("httpMethod", json!(method)),
        ("headers", one),
        ("multiValueHeaders", many),
        ("queryStringParameters", query),
        ("multiValueQueryStringParameters", queries),
        ("body", if text.is_empty() { Value::Null } else { json!(text) }),
    ] {
        replace(&mut event, name, value)?;
    }
    let context = &mut event["requestContext"];
    // With a domain at its root the stage is nowhere in the path; in the default URL it is.
    let whole = if served.domain.is_some() { path.to_owned() } else { format!("/{}{path}", served.stage) };
    for (name, value) in [
        ("resourceId", json!(route.id)),
        ("resourcePath", json!(path)),
        ("httpMethod", json!(method)),
        ("path", json!(whole)),
        ("stage", json!(served.stage)),
        ("domainPrefix", json!(host.split('.').next())),
        ("domainName", json!(host)),
        ("requestId", json!(request_id)),
        ("deploymentId", json!(served.deployment)),
        ("apiId", json!(served.api)),
    ] {
        replace(context, name, value)?;
    }
    let identity = &mut context["identity"];
    let agent = head.headers.get("user-agent").and_then(|agent| agent.to_str().ok());
    replace(identity, "userAgent", json!(agent))?;
    if let Some(guest) = guest {
        for (name, value) in [
            ("principalOrgId", json!(guest.organization)),
            ("userArn", json!(guest.arn)),
            ("accountId", json!(guest.account())),
            ("caller", json!(guest.principal_id)),
            ("user", json!(guest.principal_id)),
        ] {
            replace(identity, name, value)?;
        }
    }
    Ok(event)
}

/// Nothing is added to an event: what is not in the file is not in real events either.
fn replace(object: &mut Value, name: &str, value: Value) -> Result<(), String> {
    let member = object.get_mut(name).ok_or_else(|| format!("the event that this one is made of has no {name}"))?;
    *member = value;
    Ok(())
}

/// The headers that a function sees. With IAM the gateway keeps the signature to itself.
fn headers(headers: &HeaderMap, host: &str) -> (Value, Value) {
    let (mut one, mut many) = (Map::new(), Map::new());
    let trace = "Root=1-69a55587-0a1b2c3d4e5f60718293a4b5";
    let added = [("Host", host), ("X-Forwarded-For", "203.0.113.24"), ("X-Forwarded-Port", "443")];
    for (name, value) in added.into_iter().chain([("X-Forwarded-Proto", "https"), ("X-Amzn-Trace-Id", trace)]) {
        one.insert(name.to_owned(), json!(value));
        many.insert(name.to_owned(), json!([value]));
    }
    let kept = |name: &str| !["authorization", "host", "connection", "content-length", CALLER].contains(&name);
    for name in headers.keys().filter(|name| kept(name.as_str())) {
        let values: Vec<&str> = headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).collect();
        one.insert(name.to_string(), json!(values.last()));
        many.insert(name.to_string(), json!(values));
    }
    (Value::Object(one), Value::Object(many))
}

fn query(query: Option<&str>) -> (Value, Value) {
    let Some(query) = query.filter(|query| !query.is_empty()) else { return (Value::Null, Value::Null) };
    let (mut one, mut many) = (Map::new(), Map::new());
    for pair in query.split('&') {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (name, value) = (unescape(name), unescape(value));
        one.insert(name.clone(), json!(value));
        let values = many.entry(name).or_insert_with(|| json!([]));
        values.as_array_mut().expect("it is one").push(json!(value));
    }
    (Value::Object(one), Value::Object(many))
}
