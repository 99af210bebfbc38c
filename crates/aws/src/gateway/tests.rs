//! The events under `events/`, and what becomes of those that are bent.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use countersign_core::caller::Caller;
use countersign_core::response::ErrorCode;
use proptest::prelude::*;
use serde_json::{Value, json};
use testkit::cast::CAST;

use super::*;

const API: &str = "a1b2c3d4e5";
const ORG: &str = "o-a1b2c3d4e5";
const JANE: &str = "arn:aws:sts::111122223333:assumed-role/AWSReservedSSO_DataAnalyst_0123456789abcdef/jane@acme.com";
const LOADER: &str = "arn:aws:sts::444455556666:assumed-role/snowflake-loader/i-0123456789abcdef0";
const TRANSFORM: &str = "arn:aws:sts::444455556666:assumed-role/snowflake-transform/nightly-transform";
const DEPLOYER: &str = "arn:aws:iam::111122223333:user/ci/deployer";
const JWKS: &str = "/.well-known/jwks.json";
const KINDS: [Kind; 2] = [Kind::Rest, Kind::Http];

fn gateway(kind: Kind) -> Gateway {
    Gateway::new(kind, API.to_owned())
}

fn folder(kind: Kind) -> &'static str {
    match kind {
        Kind::Rest => "rest",
        Kind::Http => "http",
    }
}

fn other(kind: Kind) -> Kind {
    match kind {
        Kind::Rest => Kind::Http,
        Kind::Http => Kind::Rest,
    }
}

fn crates() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn events(folder: &str) -> BTreeSet<String> {
    let entries = fs::read_dir(crates().join("../events").join(folder)).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap().replace(".json", "")).collect()
}

fn event(folder: &str, name: &str) -> String {
    fs::read_to_string(crates().join("../events").join(folder).join(format!("{name}.json"))).unwrap()
}

/// Jane's `POST /token` at the default URL.
fn jane(kind: Kind) -> String {
    event(folder(kind), "default-url.token")
}

/// The same with another value at a place.
fn with(kind: Kind, place: &str, value: Value) -> String {
    let mut event: Value = serde_json::from_str(&jane(kind)).unwrap();
    let (object, member) = place.rsplit_once('/').unwrap();
    event.pointer_mut(object).unwrap()[member] = value;
    event.to_string()
}

/// The same without a member.
fn without(kind: Kind, place: &str) -> String {
    let mut event: Value = serde_json::from_str(&jane(kind)).unwrap();
    let (object, member) = place.rsplit_once('/').unwrap();
    event.pointer_mut(object).unwrap().as_object_mut().unwrap().remove(member).unwrap();
    event.to_string()
}

/// The same with something more at the beginning of an object.
fn with_more(kind: Kind, object: &str, members: &str) -> String {
    let opening = if object.is_empty() { "{".to_owned() } else { format!("\"{object}\": {{") };
    let event = jane(kind);
    assert!(event.contains(&opening), "{object}");
    event.replacen(&opening, &format!("{opening}{members},"), 1)
}

/// Where the identity stands.
fn identity_place(kind: Kind) -> &'static str {
    match kind {
        Kind::Rest => "/requestContext/identity",
        Kind::Http => "/requestContext/authorizer/iam",
    }
}

fn judge(kind: Kind, event: &str) -> Result<Caller, CallerFault> {
    Caller::new(&gateway(kind).read(event).identity)
}

/// What the gateway says of one of the cast.
fn asserted(arn: &str) -> Identity {
    CAST.iter().find(|character| character.arn == arn).unwrap().identity()
}

fn nobody() -> Identity {
    Identity::asserted_by_gateway("", "", "", None, false)
}

#[test]
fn every_deployment_has_a_token_endpoint() {
    for (deployment, arn, body) in [
        ("default-url", JANE, ""),
        ("domain-root", LOADER, r#"{"scope":"session:role:SNOWFLAKE_LOADER","expires_in":300}"#),
        ("base-path", TRANSFORM, "grant_type=client_credentials&audience=snowflake"),
        ("named-stage", DEPLOYER, r#"{"audience":"deploy"}"#),
    ] {
        for kind in KINDS {
            let event = event(folder(kind), &format!("{deployment}.token"));
            let request = gateway(kind).read(&event);
            assert_eq!((&*request.method, &*request.path), ("POST", "/token"), "{deployment} {kind:?}");
            assert_eq!(request.identity, asserted(arn), "{deployment} {kind:?}");
            assert!(request.is_ours && !request.has_query);
            assert_eq!(String::from_utf8_lossy(&request.body), body, "{deployment} {kind:?}");
            assert_eq!(request.source_ip.as_deref(), Some("203.0.113.24"));
            assert_eq!(Caller::new(&request.identity).unwrap().org_id(), Some(ORG));
        }
    }
}

#[test]
fn every_deployment_has_the_key_set_and_it_is_for_everybody() {
    for deployment in ["default-url", "domain-root", "base-path", "named-stage"] {
        for kind in KINDS {
            let event = event(folder(kind), &format!("{deployment}.jwks"));
            let request = gateway(kind).read(&event);
            assert_eq!((&*request.method, &*request.path), ("GET", JWKS), "{deployment} {kind:?}");
            assert_eq!(request.identity, nobody(), "{deployment} {kind:?}");
            assert!(request.is_ours && !request.has_query && request.body.is_empty());
            assert_eq!(judge(kind, &event), Err(CallerFault::Malformed));
        }
    }
}

#[test]
fn what_else_the_default_url_is_asked_for() {
    for (name, kinds, method, path) in [
        ("jwks-alias", &KINDS[..], "GET", "/.well-known/jwks"),
        ("jwks-head", &KINDS, "HEAD", JWKS),
        ("jwks-if-none-match", &KINDS, "GET", JWKS),
        ("openid-configuration", &KINDS, "GET", "/.well-known/openid-configuration"),
        ("oauth-authorization-server", &KINDS, "GET", "/.well-known/oauth-authorization-server"),
        ("token-wrong-method", &KINDS, "GET", "/token"),
        ("token-query", &KINDS, "POST", "/token"),
        ("proxy", &[Kind::Rest], "POST", "/{proxy+}"),
        ("default-route", &[Kind::Http], "POST", ""),
    ] {
        for &kind in kinds {
            let event = event(folder(kind), &format!("default-url.{name}"));
            let request = gateway(kind).read(&event);
            assert_eq!((&*request.method, &*request.path), (method, path), "{name} {kind:?}");
            assert_eq!(request.has_query, name == "token-query", "{name} {kind:?}");
        }
    }
}

#[test]
fn every_event_is_of_one_kind_of_api() {
    for kind in KINDS {
        for folder in [folder(kind).to_owned(), format!("forged/{}", folder(kind))] {
            for name in events(&folder) {
                let event = event(&folder, &name);
                let request = gateway(other(kind)).read(&event);
                assert_eq!(request.identity, Identity::disbelieved("", CallerFault::OtherGateway), "{folder} {name}");
                assert!(!request.is_ours && request.path.is_empty() && request.body.is_empty(), "{folder} {name}");
                assert_eq!(request.request_id, None, "{folder} {name}");
                assert_eq!(gateway(kind).read(&event).is_ours, believed(&folder, &name), "{folder} {name}");
            }
        }
    }
}

/// Is an event the configured gateway's, whoever asks in it?
fn believed(folder: &str, name: &str) -> bool {
    !folder.starts_with("forged") || {
        let fault = FORGED.iter().find(|(forged, _)| *forged == name).and_then(|(_, fault)| *fault);
        let callers = [
            CallerFault::AccountContradicts,
            CallerFault::Cognito,
            CallerFault::Malformed,
            CallerFault::PrincipalIdContradicts,
        ];
        fault.is_none_or(|fault| callers.contains(&fault))
    }
}

/// What is wrong with each forged event; nothing, if only the organisation is.
const FORGED: &[(&str, Option<CallerFault>)] = &[
    ("account-contradicts-arn", Some(CallerFault::AccountContradicts)),
    ("array-identity", Some(CallerFault::Ambiguous)),
    ("case-duplicate-arn", Some(CallerFault::Ambiguous)),
    ("case-duplicate-request-context", Some(CallerFault::Ambiguous)),
    ("cognito", Some(CallerFault::Cognito)),
    ("cognito-unauthenticated", Some(CallerFault::Cognito)),
    ("direct-invoke", Some(CallerFault::OtherGateway)),
    ("event-is-a-list", Some(CallerFault::OtherGateway)),
    ("exact-duplicate-arn", Some(CallerFault::Ambiguous)),
    ("function-url", Some(CallerFault::OtherApi)),
    ("no-identity", Some(CallerFault::Malformed)),
    ("number-for-arn", Some(CallerFault::Ambiguous)),
    ("organisation-literal", None),
    ("organisation-missing", None),
    ("organisation-null", None),
    ("organisation-other", None),
    ("other-api", Some(CallerFault::OtherApi)),
    ("payload-1.0", Some(CallerFault::OtherGateway)),
    ("principal-id-contradicts-arn", Some(CallerFault::PrincipalIdContradicts)),
    ("test-invoke-stage", Some(CallerFault::TestStage)),
];

#[test]
fn nobody_is_believed_for_a_forged_event() {
    for kind in KINDS {
        let folder = format!("forged/{}", folder(kind));
        let expected = FORGED.iter().filter(|(name, _)| kind == Kind::Http || *name != "function-url");
        let mut names = BTreeSet::new();
        for (name, fault) in expected {
            assert_eq!(judge(kind, &event(&folder, name)).err(), *fault, "{folder} {name}");
            names.insert((*name).to_owned());
        }
        assert_eq!(names, events(&folder));
    }
}

#[test]
fn a_refused_callers_arn_is_kept_for_the_record() {
    for kind in KINDS {
        for (name, why) in [("other-api", CallerFault::OtherApi), ("test-invoke-stage", CallerFault::TestStage)] {
            let event = event(&format!("forged/{}", folder(kind)), name);
            let request = gateway(kind).read(&event);
            assert_eq!(request.identity, Identity::disbelieved(JANE, why), "{name} {kind:?}");
            assert!(request.request_id.is_some());
        }
    }
}

#[test]
fn an_organisation_is_told_as_the_gateway_tells_it() {
    for kind in KINDS {
        for (name, said, org_id) in [
            ("missing", None, None),
            ("null", None, None),
            ("literal", Some("aws:PrincipalOrgID"), None),
            ("other", Some("o-zzzzzzzzzz"), Some("o-zzzzzzzzzz")),
        ] {
            let event = event(&format!("forged/{}", folder(kind)), &format!("organisation-{name}"));
            let identity = gateway(kind).read(&event).identity;
            let jane = ("111122223333", "AROAANALYST23456789AB:jane@acme.com");
            assert_eq!(identity, Identity::asserted_by_gateway(JANE, jane.0, jane.1, said, false), "{name} {kind:?}");
            assert_eq!(Caller::new(&identity).unwrap().org_id(), org_id, "{name} {kind:?}");
        }
    }
}

#[test]
fn no_uri_stage_or_domain_makes_a_route() {
    for (kind, place) in [
        (Kind::Rest, "/path"),
        (Kind::Rest, "/requestContext/path"),
        (Kind::Rest, "/requestContext/resourcePath"),
        (Kind::Rest, "/requestContext/stage"),
        (Kind::Rest, "/requestContext/domainName"),
        (Kind::Http, "/rawPath"),
        (Kind::Http, "/requestContext/http/path"),
        (Kind::Http, "/requestContext/routeKey"),
        (Kind::Http, "/requestContext/stage"),
        (Kind::Http, "/requestContext/domainName"),
    ] {
        for text in ["", "/", "/auth/v1/token", JWKS, "GET /.well-known/jwks.json", "..%2f", "\u{fffd}"] {
            let event = with(kind, place, json!(text));
            let request = gateway(kind).read(&event);
            assert_eq!((&*request.method, &*request.path), ("POST", "/token"), "{place} {text}");
            assert_eq!(request.identity, asserted(JANE), "{place} {text}");
        }
    }
}

#[test]
fn a_route_key_is_a_method_or_any_and_a_path() {
    for (route, path) in [
        ("POST /token", "/token"),
        ("ANY /token", "/token"),
        ("POST /auth/token", "/auth/token"),
        ("GET /token", ""),
        ("post /token", ""),
        ("any /token", ""),
        ("$default", ""),
        ("/token", ""),
        ("", ""),
    ] {
        let event = with(Kind::Http, "/routeKey", json!(route));
        assert_eq!(gateway(Kind::Http).read(&event).path, path, "{route}");
    }
}

#[test]
fn another_api_or_none_is_not_believed() {
    for kind in KINDS {
        let place = "/requestContext/apiId";
        for id in [json!("z9y8x7w6v5"), json!("A1B2C3D4E5"), json!("a1b2c3d4e5 "), json!(""), Value::Null] {
            assert_eq!(judge(kind, &with(kind, place, id)), Err(CallerFault::OtherApi), "{kind:?}");
        }
        assert_eq!(judge(kind, &without(kind, place)), Err(CallerFault::OtherApi), "{kind:?}");
        assert_eq!(judge(kind, &without(kind, "/requestContext")), Err(CallerFault::OtherApi), "{kind:?}");
        assert_eq!(judge(kind, &without(kind, "/requestContext/stage")), Err(CallerFault::OtherGateway), "{kind:?}");
    }
}

#[test]
fn a_version_is_what_tells_the_kinds_apart() {
    for value in [json!("1.0"), json!("2.0"), Value::Null] {
        for name in ["version", "Version"] {
            let member = format!("\"{name}\": {value}");
            assert_eq!(judge(Kind::Rest, &with_more(Kind::Rest, "", &member)), Err(CallerFault::OtherGateway));
        }
    }
    assert_eq!(judge(Kind::Rest, &without(Kind::Rest, "/resource")), Err(CallerFault::OtherGateway));
    assert_eq!(judge(Kind::Http, &without(Kind::Http, "/version")), Err(CallerFault::OtherGateway));
    for version in [json!("1.0"), json!("2"), json!("2.00"), json!("3.0"), Value::Null] {
        assert_eq!(judge(Kind::Http, &with(Kind::Http, "/version", version)), Err(CallerFault::OtherGateway));
    }
    assert_eq!(judge(Kind::Http, &with(Kind::Http, "/version", json!(2.0))), Err(CallerFault::Ambiguous));
}

/// Everything that is read, by the object that holds it.
const READ: &[(Kind, &str, &[&str])] = &[
    (Kind::Rest, "", &["requestContext", "httpMethod", "resource", "multiValueHeaders", "body", "isBase64Encoded"]),
    (Kind::Rest, "", &["queryStringParameters", "multiValueQueryStringParameters"]),
    (Kind::Rest, "requestContext", &["identity", "apiId", "stage", "requestId"]),
    (Kind::Rest, "identity", &["userArn", "accountId", "caller", "principalOrgId", "sourceIp"]),
    (Kind::Http, "", &["version", "requestContext", "routeKey", "rawQueryString", "headers", "isBase64Encoded"]),
    (Kind::Http, "requestContext", &["authorizer", "http", "apiId", "stage", "requestId"]),
    (Kind::Http, "authorizer", &["iam"]),
    (Kind::Http, "http", &["method", "sourceIp"]),
    (Kind::Http, "iam", &["userArn", "accountId", "callerId", "principalOrgId"]),
];

#[test]
fn whatever_is_read_is_there_once() {
    for (kind, object, names) in READ {
        for name in *names {
            let escaped = format!("\\u{:04x}{}", name.as_bytes()[0], name.get(1..).unwrap());
            for twin in [(*name).to_owned(), name.to_uppercase(), name.to_lowercase(), escaped] {
                for value in ["null", "\"\"", "\"another\"", "{}", "[]", "0", "true"] {
                    let event = with_more(*kind, object, &format!("\"{twin}\": {value}"));
                    let request = gateway(*kind).read(&event);
                    let doubted = Err(CallerFault::Ambiguous);
                    assert_eq!(Caller::new(&request.identity), doubted, "{kind:?} {object} {twin} {value}");
                    assert!(!request.is_ours);
                }
            }
        }
    }
}

#[test]
fn a_member_that_is_nearly_called_so_is_not_it() {
    for kind in KINDS {
        let object = if kind == Kind::Rest { "identity" } else { "iam" };
        for name in ["userArn", "accountId", "principalOrgId"] {
            for nearly in [name.to_uppercase(), name.to_lowercase()] {
                let value: Value = serde_json::from_str(&jane(kind)).unwrap();
                let value = &value.pointer(identity_place(kind)).unwrap()[name];
                let event: String = without(kind, &format!("{}/{name}", identity_place(kind)));
                let opening = format!("\"{object}\":{{");
                let event = event.replacen(&opening, &format!("{opening}\"{nearly}\":{value},"), 1);
                assert_eq!(judge(kind, &event), Err(CallerFault::Ambiguous), "{kind:?} {nearly}");
            }
        }
    }
}

#[test]
fn any_cognito_member_makes_a_cognito_caller() {
    for (kind, object) in [(Kind::Rest, "identity"), (Kind::Http, "iam")] {
        for name in ["cognitoAmr", "COGNITOSOMETHING", "Cognito", "\\u0063ognitoNew"] {
            for value in ["\"\"", "\"null\"", "false", "[]", "{}"] {
                let event = with_more(kind, object, &format!("\"{name}\": {value}"));
                assert_eq!(judge(kind, &event), Err(CallerFault::Cognito), "{kind:?} {name} {value}");
            }
            let event = with_more(kind, object, &format!("\"{name}\": null"));
            assert_eq!(judge(kind, &event).unwrap().arn(), JANE);
        }
        // Shorter than the word, and no character boundary where it would end.
        for name in ["cogni", "cognitö", "ccccccö"] {
            let event = with_more(kind, object, &format!("\"{name}\": 1"));
            assert_eq!(judge(kind, &event).unwrap().arn(), JANE);
        }
    }
}

#[test]
fn an_identity_of_other_types_is_ambiguous() {
    for kind in KINDS {
        let principal_id = if kind == Kind::Rest { "caller" } else { "callerId" };
        for name in ["userArn", "accountId", principal_id, "principalOrgId"] {
            for value in [json!(1), json!(true), json!([JANE]), json!({ "arn": JANE })] {
                let event = with(kind, &format!("{}/{name}", identity_place(kind)), value);
                assert_eq!(judge(kind, &event), Err(CallerFault::Ambiguous), "{kind:?} {name}");
            }
        }
        for value in [json!(1), json!(JANE), json!([]), json!(false)] {
            assert_eq!(judge(kind, &with(kind, identity_place(kind), value)), Err(CallerFault::Ambiguous), "{kind:?}");
        }
        let lone_surrogate = jane(kind).replace("jane@acme.com\"", "jane@acme.com\\ud800\"");
        assert_eq!(judge(kind, &lone_surrogate), Err(CallerFault::Ambiguous), "{kind:?}");
    }
}

#[test]
fn an_arn_may_be_written_with_escapes() {
    for kind in KINDS {
        let event = jane(kind).replace("arn:aws:sts", "\\u0061rn:aws:sts").replace("\"userArn\"", "\"\\u0075serArn\"");
        assert_eq!(gateway(kind).read(&event).identity, asserted(JANE), "{kind:?}");
    }
}

#[test]
fn a_body_is_decoded_if_the_gateway_says_so() {
    let cases: &[(Value, Value, &[u8])] = &[
        (Value::Null, json!(false), b""),
        (Value::Null, json!(true), b""),
        (json!(""), json!(true), b""),
        (json!("{\"audience\":\"snowflake\"}\n"), json!(false), b"{\"audience\":\"snowflake\"}\n"),
        (json!("e30="), json!(false), b"e30="),
        (json!("e30="), Value::Null, b"e30="),
        (json!("e30="), json!(true), b"{}"),
        (json!("AP+AgA=="), json!(true), &[0, 0xff, 0x80, 0x80]),
    ];
    for kind in KINDS {
        for (body, encoded, expected) in cases {
            let mut event: Value = serde_json::from_str(&jane(kind)).unwrap();
            event["body"] = body.clone();
            event["isBase64Encoded"] = encoded.clone();
            let event = event.to_string();
            assert_eq!(&*gateway(kind).read(&event).body, *expected, "{kind:?} {body} {encoded}");
        }
        assert_eq!(gateway(kind).read(&without(kind, "/isBase64Encoded")).identity, asserted(JANE));
        // No padding, the other alphabet, a line break, no base64 at all: the event contradicts itself.
        for malformed in ["e30", "AP-AgA==", "e30=\n", "{}"] {
            let mut event: Value = serde_json::from_str(&jane(kind)).unwrap();
            (event["body"], event["isBase64Encoded"]) = (json!(malformed), json!(true));
            assert_eq!(judge(kind, &event.to_string()), Err(CallerFault::Ambiguous), "{kind:?} {malformed}");
        }
        for (place, value) in [("/body", json!({})), ("/body", json!(1)), ("/isBase64Encoded", json!("true"))] {
            assert_eq!(judge(kind, &with(kind, place, value)), Err(CallerFault::Ambiguous), "{kind:?} {place}");
        }
    }
}

#[test]
fn a_header_that_is_there_twice_is_as_good_as_none() {
    let json = || Some("application/json");
    let cases = [
        (json!({ "content-type": "application/json" }), json(), Some("application/json")),
        (json!({ "content-type": "application/json,text/plain" }), None, Some("application/json,text/plain")),
        (json!({ "Content-Type": ["application/json"] }), json(), Some("application/json")),
        (json!({ "CONTENT-TYPE": ["application/json"], "x": ["y"] }), json(), Some("application/json")),
        (json!({ "content-type": ["a/b", "c/d"] }), None, Some("a/b,c/d")),
        (json!({ "content-type": ["a/b"], "Content-Type": ["c/d"] }), None, None),
        (json!({ "content-type": [], "x": ["y"] }), None, None),
        (json!({ "content-type": 7 }), None, None),
        (json!({ "content-type": ["a/b", 7] }), None, None),
        (json!({ "content-type": null, "x": "y" }), None, None),
        (json!({ "x-content-type": "a/b" }), None, None),
    ];
    for (kind, place) in [(Kind::Rest, "multiValueHeaders"), (Kind::Rest, "headers"), (Kind::Http, "headers")] {
        for (headers, one, list) in &cases {
            let mut event: Value = serde_json::from_str(&jane(kind)).unwrap();
            event["multiValueHeaders"] = Value::Null;
            event[place] = headers.clone();
            let event = event.to_string();
            let request = gateway(kind).read(&event);
            assert_eq!(request.header("content-type").as_deref(), *one, "{kind:?} {headers}");
            if headers.get("Content-Type").is_none() || headers.get("content-type").is_none() {
                assert_eq!(request.header_list("content-type").as_deref(), *list, "{kind:?} {headers}");
            } else {
                // Either order: the members of an object have none.
                assert_eq!(request.header_list("content-type").unwrap().len(), "a/b,c/d".len());
            }
            assert_eq!(request.header("absent"), None);
            assert_eq!(request.header_list("absent"), None);
        }
    }
}

#[test]
fn a_rest_apis_headers_are_those_with_all_their_values() {
    for kind in KINDS {
        let event = event(folder(kind), "default-url.jwks-if-none-match");
        let request = gateway(kind).read(&event);
        let list = concat!(
            "\"EXAMPLE0000000000000000000000000000000000000\"",
            ",W/\"EXAMPLE1111111111111111111111111111111111111\""
        );
        assert_eq!(request.header_list("if-none-match").as_deref(), Some(list), "{kind:?}");
    }
    for event in [without(Kind::Rest, "/multiValueHeaders"), with(Kind::Rest, "/multiValueHeaders", json!({}))] {
        assert_eq!(gateway(Kind::Rest).read(&event).header("host").unwrap().split('.').next(), Some(API));
    }
    // A value that is there twice among those is there once in `headers`.
    let event = event("rest", "default-url.jwks-if-none-match");
    assert_eq!(gateway(Kind::Rest).read(&event).header("if-none-match"), None);
}

#[test]
fn a_query_is_one_parameter_or_more() {
    let (one, all) = ("/queryStringParameters", "/multiValueQueryStringParameters");
    for (place, value, has) in [
        (one, json!({}), false),
        (one, Value::Null, false),
        (one, json!({ "": "" }), true),
        (one, json!({ "audience": "snowflake" }), true),
        (one, json!({ "audience": null }), true),
        (all, json!({}), false),
        (all, json!({ "audience": [] }), true),
        (all, json!({ "audience": ["snowflake"] }), true),
    ] {
        assert_eq!(gateway(Kind::Rest).read(&with(Kind::Rest, place, value.clone())).has_query, has, "{place} {value}");
    }
    for (value, has) in [(Value::Null, false), (json!(""), false), (json!("a"), true), (json!("a=b&a=c"), true)] {
        let event = with(Kind::Http, "/rawQueryString", value.clone());
        assert_eq!(gateway(Kind::Http).read(&event).has_query, has, "{value}");
    }
    assert!(!gateway(Kind::Rest).read(&without(Kind::Rest, one)).has_query);
    assert!(!gateway(Kind::Http).read(&without(Kind::Http, "/rawQueryString")).has_query);
    for (kind, place) in [(Kind::Rest, one), (Kind::Rest, all), (Kind::Http, "/rawQueryString")] {
        assert_eq!(judge(kind, &with(kind, place, json!(["a"]))), Err(CallerFault::Ambiguous), "{place}");
    }
}

#[test]
fn no_depth_and_no_length_is_too_much() {
    const DEEP: usize = 200_000;
    let nested = |opening: &str, closing: &str| opening.repeat(DEEP) + "1" + &closing.repeat(DEEP);
    for kind in KINDS {
        for text in ["[".repeat(DEEP), "{\"a\":".repeat(DEEP), nested("[", "]"), nested("{\"requestContext\":", "}")] {
            assert_eq!(judge(kind, &text).err(), Some(CallerFault::OtherGateway));
        }
        for deep in [nested("[", "]"), nested("{\"a\":", "}")] {
            let event = with_more(kind, "", &format!("\"deep\": {deep}"));
            assert_eq!(judge(kind, &event).unwrap().arn(), JANE);
            for member in ["\"cognitoDeep\"", "\"userArn\"", "\"identity\""] {
                let event =
                    with_more(kind, if kind == Kind::Rest { "identity" } else { "iam" }, &format!("{member}: {deep}"));
                assert_eq!(judge(kind, &event).is_ok(), member == "\"identity\"", "{kind:?} {member}");
            }
        }
        // The largest event that Lambda takes is of 6 MB.
        let event = with(kind, "/body", json!("é".repeat(3 << 20)));
        assert_eq!(gateway(kind).read(&event).body.len(), 6 << 20);
        let arn = JANE.replace("jane", &"j".repeat(6 << 20));
        let event = with(kind, &format!("{}/userArn", identity_place(kind)), json!(arn));
        assert_eq!(judge(kind, &event), Err(CallerFault::Malformed));
    }
}

#[test]
fn half_an_event_and_one_with_something_after_it_are_none() {
    for kind in KINDS {
        let event = jane(kind);
        let event = event.trim_end();
        for end in 0..event.len() {
            assert_eq!(judge(kind, event.get(..end).unwrap()), Err(CallerFault::OtherGateway), "{end}");
        }
        for after in ["}", ",", "{}", event, "\0", "\u{feff}"] {
            assert_eq!(judge(kind, &format!("{event}{after}")), Err(CallerFault::OtherGateway));
        }
        assert_eq!(judge(kind, &format!("\u{feff}{event}")), Err(CallerFault::OtherGateway));
        for text in ["", " ", "null", "true", "0", "\"\"", "[]", "{}", "[{}]", "\u{0}", "🦀"] {
            assert_eq!(judge(kind, text), Err(CallerFault::OtherGateway), "{text}");
        }
    }
}

/// Pieces of events, in any order, and anything at all.
fn text() -> impl Strategy<Value = String> {
    let pieces: &'static [&'static str] = &[
        "{",
        "}",
        "[",
        "]",
        ":",
        ",",
        "\"",
        "\\",
        "\\u",
        "null",
        "true",
        "1e9",
        " ",
        "\n",
        "\"requestContext\"",
        "\"identity\"",
        "\"userArn\"",
        "\"UserArn\"",
        "\"resource\"",
        "\"version\"",
        "\"2.0\"",
        "\"authorizer\"",
        "\"iam\"",
        "\"apiId\"",
        "\"a1b2c3d4e5\"",
        "\"stage\"",
        "\"arn:aws:iam::111122223333:user/bob\"",
    ];
    let piece = prop_oneof![3 => proptest::sample::select(pieces).prop_map(str::to_owned), 1 => any::<String>()];
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn no_text_is_a_caller(text in prop_oneof![any::<String>(), text()]) {
        for kind in KINDS {
            prop_assert!(judge(kind, &text).is_err());
        }
    }

    /// Whoever is believed is the one whom another reader finds at the one place where a gateway puts them.
    #[test]
    fn no_bent_event_is_somebody_elses(
        bends in prop::collection::vec((any::<prop::sample::Index>(), 0_usize..40, text()), 1..4),
    ) {
        for kind in KINDS {
            let mut bent = jane(kind);
            for (at, gone, new) in &bends {
                let start = bent.floor_char_boundary(at.index(bent.len()));
                let end = bent.ceil_char_boundary((start + gone).min(bent.len()));
                bent.replace_range(start..end, new);
            }
            let request = gateway(kind).read(&bent);
            let _ = (request.header("content-type"), request.header_list("if-none-match"));
            if let Ok(caller) = Caller::new(&request.identity) {
                let event: Value = serde_json::from_str(&bent).unwrap_or_default();
                let said = |place: String| event.pointer(&place).and_then(Value::as_str).unwrap_or_default().to_owned();
                let place = identity_place(kind);
                prop_assert_eq!(said(format!("{place}/userArn")), caller.arn());
                prop_assert_eq!(said(format!("{place}/accountId")), caller.account());
                prop_assert_eq!(said("/requestContext/apiId".to_owned()), API);
            }
        }
    }

    /// A member more, wherever it stands and whatever it is called, gives nobody another name.
    #[test]
    fn no_further_member_is_another_caller(
        at in any::<prop::sample::Index>(),
        name in "[a-zA-Z]{0,16}|(?i:userArn|identity|iam)",
        value in text(),
    ) {
        for kind in KINDS {
            let event = jane(kind);
            let openings: Vec<usize> = event.match_indices('{').map(|(index, _)| index + 1).collect();
            let at = *at.get(&openings);
            let value = json!(value);
            for value in [value.clone(), json!([value]), json!({ "userArn": value })] {
                let mut bent = event.clone();
                bent.insert_str(at, &format!("\"{name}\":{value},"));
                if let Ok(caller) = judge(kind, &bent) {
                    prop_assert_eq!(caller.arn(), JANE);
                }
            }
        }
    }
}

#[test]
fn a_reply_is_of_the_form_that_both_kinds_take() {
    let response = Response::error(ErrorCode::NotFound, "nothing \"here\"");
    let reply = |response: &Response, head| {
        let reply = Reply::new(response.clone(), "0a1b-EXAMPLE=", head);
        assert_eq!(reply.status(), response.status);
        serde_json::to_string(&reply).unwrap()
    };
    let full = concat!(
        r#"{"statusCode":404,"headers":{"content-type":"application/json","cache-control":"no-store","#,
        r#""x-request-id":"0a1b-EXAMPLE="},"#,
        r#""body":"{\"error\":\"not_found\",\"error_description\":\"nothing \\\"here\\\"\"}","isBase64Encoded":false}"#
    );
    assert_eq!(reply(&response, false), full);

    let response = Response { status: 200, headers: vec![("etag", "\"é\"".to_owned())], body: b"{}".to_vec() };
    let with_body = |body: &str| {
        let headers = r#"{"etag":"\"é\"","x-request-id":"0a1b-EXAMPLE="}"#;
        format!(r#"{{"statusCode":200,"headers":{headers},"body":"{body}","isBase64Encoded":false}}"#)
    };
    assert_eq!(reply(&response, false), with_body("{}"));
    assert_eq!(reply(&response, true), with_body(""));
}

#[test]
fn the_events_hold_nobodys_secrets() {
    for folder in ["rest", "http", "forged/rest", "forged/http"] {
        for name in events(folder) {
            for line in event(folder, &name).lines().filter(|line| !line.contains("null")) {
                let secret = line.contains("\"accessKey\"") || line.contains("IQoJb3JpZ2luX2Vj");
                assert!(!secret || line.contains("EXAMPLE"), "{folder} {name}: {line}");
                let signature = line.split("Signature=").nth(1).unwrap_or("0").trim_matches(['"', ',']);
                assert!(signature.bytes().all(|byte| byte == b'0'), "{folder} {name}: {line}");
            }
        }
    }
}

/// The gateway is believed in one function only. Core makes the statement, and testkit's cast quotes it.
#[test]
fn the_gateway_is_believed_in_one_place() {
    fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                sources(&path, found);
            } else if path.extension().is_some_and(|kind| kind == "rs") {
                found.push(path);
            }
        }
    }
    let mut files = Vec::new();
    for entry in fs::read_dir(crates()).unwrap() {
        let folder = entry.unwrap().path();
        let source = folder.join("src");
        if source.is_dir() && !folder.ends_with("core") && !folder.ends_with("testkit") {
            sources(&source, &mut files);
        }
    }
    let mut believers = Vec::new();
    for file in files.iter().filter(|file| !file.ends_with("tests.rs")) {
        let text = fs::read_to_string(file).unwrap();
        // What follows `mod tests {` is tests, up to the end.
        let source = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
        believers.extend(source.lines().filter(|line| line.contains("asserted_by_gateway")).map(|_| file.clone()));
    }
    assert_eq!(believers, [crates().join("aws/src/gateway.rs")]);
}
