//! AWS's own Signature Version 4 test suite (`$VECTORS_DIR/sigv4`, from awslabs/aws-c-auth) against the verifier of
//! `countersign serve`. The project holds no copy; without `VECTORS_DIR` the test says that it did not run.
//!
//! `header-signed-request.txt` is read as a server reads a request, so each case ends up in exactly one of three sets,
//! two of which are written down here: the suite cannot shrink, and nothing is left out in silence.

#![allow(clippy::unwrap_used, clippy::panic, reason = "the helpers are test code too")]

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use countersign::sigv4::{GatewayRefusal, Presented, Secret, verify};
use http::{HeaderMap, HeaderName, HeaderValue, Uri};

/// Cases in the suite. More of them are welcome, and must be looked at.
const CASES: usize = 38;

/// No server can hand us these: hyper refuses them before there is a request.
const UNDELIVERABLE: [(&str, &str); 3] = [
    ("get-header-value-multiline", "a header folded over several lines (RFC 9112 section 5.2 lets a server refuse it)"),
    ("get-space-normalized", "a bare space in the request target"),
    ("get-space-unnormalized", "a bare space in the request target"),
];

/// Signed with `normalize: false`, which S3 alone uses; API Gateway's canonical path is normalized.
const REFUSED: [&str; 6] = [
    "get-relative-relative-unnormalized",
    "get-relative-unnormalized",
    "get-slash-dot-slash-unnormalized",
    "get-slash-pointless-dot-unnormalized",
    "get-slash-unnormalized",
    "get-slashes-unnormalized",
];

/// What `context.json` says of the key and the time.
#[derive(Clone)]
struct Context {
    access_key_id: String,
    secret: String,
    token: Option<String>,
    service: String,
    timestamp: SystemTime,
    signs_body: bool,
    omits_token: bool,
    normalizes: bool,
}

impl Secret for Context {
    fn secret_access_key(&self) -> &str {
        &self.secret
    }
    fn session_token(&self) -> Option<&str> {
        self.token.as_deref()
    }
}

impl Context {
    fn read(case: &Path) -> Self {
        let json: serde_json::Value = serde_json::from_str(&read(&case.join("context.json"))).unwrap();
        let text = |value: &serde_json::Value| value.as_str().map(str::to_owned);
        let timestamp: jiff::Timestamp = json["timestamp"].as_str().unwrap().parse().unwrap();
        Self {
            access_key_id: text(&json["credentials"]["access_key_id"]).unwrap(),
            secret: text(&json["credentials"]["secret_access_key"]).unwrap(),
            token: text(&json["credentials"]["token"]),
            service: text(&json["service"]).unwrap(),
            timestamp: timestamp.into(),
            signs_body: json["sign_body"].as_bool().unwrap(),
            omits_token: json["omit_session_token"].as_bool().unwrap_or(false),
            normalizes: json["normalize"].as_bool().unwrap(),
        }
    }
}

#[derive(Clone)]
struct Received {
    method: String,
    uri: Uri,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Received {
    /// A request as hyper reads it: a target without blanks, and one line per header, blanks around its value cut off.
    fn parse(raw: &str) -> Result<Self, String> {
        let (head, body) = raw.split_once("\n\n").unwrap_or((raw.trim_end_matches('\n'), ""));
        let (request_line, header_lines) = head.split_once('\n').ok_or("no headers")?;
        let [method, target, "HTTP/1.1"] = request_line.split(' ').collect::<Vec<_>>()[..] else {
            return Err(format!("request line {request_line:?}"));
        };
        let mut headers = HeaderMap::new();
        for line in header_lines.lines() {
            let (name, value) = line.split_once(':').ok_or_else(|| format!("header line {line:?}"))?;
            headers.append(
                HeaderName::from_bytes(name.as_bytes()).map_err(|error| error.to_string())?,
                HeaderValue::from_bytes(value.trim_matches([' ', '\t']).as_bytes())
                    .map_err(|error| error.to_string())?,
            );
        }
        let uri = Uri::try_from(target.as_bytes()).map_err(|error| error.to_string())?;
        Ok(Self { method: method.to_owned(), uri, headers, body: body.as_bytes().to_vec() })
    }

    fn verify(&self, known: &Context) -> Result<(), GatewayRefusal> {
        self.verify_at(known, known.timestamp)
    }

    fn verify_at(&self, known: &Context, now: SystemTime) -> Result<(), GatewayRefusal> {
        let request = Presented { method: &self.method, uri: &self.uri, headers: &self.headers, body: &self.body };
        verify(&request, &known.service, now, |id| (id == known.access_key_id).then_some(known)).map(|_| ())
    }

    /// With another target; `None` if that is no URI.
    fn at(&self, target: &str) -> Option<Self> {
        Some(Self { uri: Uri::try_from(target.as_bytes()).ok()?, ..self.clone() })
    }

    fn with_signature(&self, edit: impl Fn(&str) -> String) -> Self {
        let text = self.headers["authorization"].to_str().unwrap();
        let (before, signature) = text.rsplit_once("Signature=").unwrap();
        let mut edited = self.clone();
        let text = format!("{before}Signature={}", edit(signature));
        edited.headers.insert("authorization", HeaderValue::from_str(&text).unwrap());
        edited
    }
}

/// Where the vectors are. If nobody says, a line that goes around libtest's capture says so: a test that passes is mute.
fn suite() -> Option<PathBuf> {
    let folder = std::env::var_os("VECTORS_DIR").filter(|folder| !folder.is_empty());
    if folder.is_none() {
        let reason = "VECTORS_DIR is not set (it names the folder that holds `sigv4/`)";
        let line = format!("sigv4_vectors: DID NOT RUN: {reason}\n");
        std::io::stderr().write_all(line.as_bytes()).unwrap();
    }
    Some(Path::new(&folder?).join("sigv4"))
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Raw UTF-8 in a target as most clients send it.
fn percent_encoded(target: &str) -> String {
    target
        .bytes()
        .map(|byte| if byte.is_ascii() { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

/// An accepted request, changed in one place at a time.
fn every_change_is_refused(name: &str, request: &Received, known: &Context) {
    use GatewayRefusal::{Expired, InvalidSecurityToken, NotYetCurrent, SignatureDoesNotMatch};
    for digit in [0, 31, 63] {
        let edited = request.with_signature(|signature| {
            let mut digits: Vec<char> = signature.chars().collect();
            digits[digit] = if digits[digit] == '0' { '1' } else { '0' };
            digits.into_iter().collect()
        });
        assert_eq!(edited.verify(known), Err(SignatureDoesNotMatch), "{name}: digit {digit} of the signature");
    }

    let other = Context { secret: format!("{}x", known.secret), ..known.clone() };
    assert_eq!(request.verify(&other), Err(SignatureDoesNotMatch), "{name}: secret");
    let other = Context { access_key_id: "AKIDOTHER".to_owned(), ..known.clone() };
    assert_eq!(request.verify(&other), Err(InvalidSecurityToken), "{name}: key id");
    let other = Context { token: known.token.is_none().then(|| "token".to_owned()), ..known.clone() };
    assert_eq!(request.verify(&other), Err(InvalidSecurityToken), "{name}: token of another kind of key");

    let query = request.uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    let elsewhere = request.at(&format!("{}x{query}", request.uri.path())).unwrap();
    assert_eq!(elsewhere.verify(known), Err(SignatureDoesNotMatch), "{name}: path");
    let asked = if query.is_empty() { "?x=1".to_owned() } else { format!("{query}&x=1") };
    let asked = request.at(&format!("{}{asked}", request.uri.path())).unwrap();
    assert_eq!(asked.verify(known), Err(SignatureDoesNotMatch), "{name}: query");
    let longer = Received { body: [&request.body[..], b"x"].concat(), ..request.clone() };
    assert_eq!(longer.verify(known), Err(SignatureDoesNotMatch), "{name}: body");
    let other = Received { method: "PUT".to_owned(), ..request.clone() };
    assert_eq!(other.verify(known), Err(SignatureDoesNotMatch), "{name}: method");

    let minutes = |minutes| Duration::from_mins(minutes);
    let late = request.verify_at(known, known.timestamp + minutes(6));
    assert!(matches!(late, Err(Expired { .. })), "{name}: late");
    let early = request.verify_at(known, known.timestamp - minutes(6));
    assert!(matches!(early, Err(NotYetCurrent { .. })), "{name}: early");
}

/// The suite's contexts in which a client leaves something out of the signature, as the requests show it.
fn context_agrees(name: &str, request: &Received, known: &Context) {
    let authorization = request.headers["authorization"].to_str().unwrap();
    let signed = |header| authorization.split(['=', ';', ',']).any(|word| word == header);
    assert_eq!(request.headers.contains_key("x-amz-content-sha256"), known.signs_body, "{name}");
    assert_eq!(signed("x-amz-content-sha256"), known.signs_body, "{name}");
    assert_eq!(request.headers.contains_key("x-amz-security-token"), known.token.is_some(), "{name}");
    assert_eq!(signed("x-amz-security-token"), known.token.is_some() && !known.omits_token, "{name}");
}

#[test]
fn aws_test_suite() {
    let Some(suite) = suite() else { return };
    let entries = std::fs::read_dir(&suite).unwrap_or_else(|error| panic!("{}: {error}", suite.display()));
    let cases: BTreeSet<String> = entries
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.path().is_dir())
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();

    let (mut accepted, mut refused, mut undeliverable) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for name in &cases {
        let folder = suite.join(name);
        let known = Context::read(&folder);
        let Ok(request) = Received::parse(&read(&folder.join("header-signed-request.txt"))) else {
            undeliverable.insert(name.as_str());
            continue;
        };
        context_agrees(name, &request, &known);
        match request.verify(&known) {
            Ok(()) => {
                every_change_is_refused(name, &request, &known);
                accepted.insert(name.as_str());
            }
            Err(GatewayRefusal::SignatureDoesNotMatch) => {
                assert!(!known.normalizes, "{name} is refused, and its path is normalized");
                refused.insert(name.as_str());
            }
            Err(other) => panic!("{name}: {other}"),
        }
    }

    assert_eq!(undeliverable, UNDELIVERABLE.iter().map(|(name, _)| *name).collect(), "cases that no server delivers");
    assert_eq!(refused, REFUSED.into(), "cases signed over a path that is not normalized");
    assert_eq!(cases.len(), CASES, "{cases:?}");
    assert_eq!(accepted.len(), CASES - UNDELIVERABLE.len() - REFUSED.len(), "{accepted:?}");
    println!("sigv4 vectors: {} accepted, {} refused, left out: {UNDELIVERABLE:?}", accepted.len(), refused.len());
}

/// Two cases hold raw UTF-8 in their target, which hyper delivers and the suite above runs. Most clients send it
/// percent-encoded. In a query that is the same request. In a path it is not: the suite encodes once what every
/// service but S3, API Gateway among them, sees encoded twice.
#[test]
fn raw_utf8_as_clients_send_it() {
    let Some(suite) = suite() else { return };
    let encoded = |name: &str| {
        let folder = suite.join(name);
        let request = Received::parse(&read(&folder.join("header-signed-request.txt"))).unwrap();
        let target = request.uri.to_string();
        assert!(!target.is_ascii(), "{name} is here for its raw UTF-8");
        (request.at(&percent_encoded(&target)).unwrap(), Context::read(&folder))
    };
    let (request, known) = encoded("get-vanilla-utf8-query");
    assert_eq!(request.verify(&known), Ok(()));
    every_change_is_refused("get-vanilla-utf8-query, encoded", &request, &known);
    let (request, known) = encoded("get-utf8");
    assert_eq!(request.verify(&known), Err(GatewayRefusal::SignatureDoesNotMatch));
}
