use std::cell::Cell;

use aws_sigv4::http_request::{PayloadChecksumKind, SessionTokenMode};

use super::*;

struct Key {
    id: &'static str,
    secret: &'static str,
    token: Option<&'static str>,
}

impl Secret for Key {
    fn secret_access_key(&self) -> &str {
        self.secret
    }
    fn session_token(&self) -> Option<&str> {
        self.token
    }
}

static USER: Key = Key { id: "AKIALOCAL", secret: "a secret/with+signs", token: None };
static ROLE: Key = Key { id: "ASIA=odd id.", secret: "another secret", token: Some("FwoGZXIvY==the token") };
static WRONG: Key = Key { id: "AKIALOCAL", secret: "not the secret", token: None };

/// 2026-01-01T00:00:00Z
const SIGNED_AT: u64 = 1_767_225_600;

fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

struct Received {
    method: &'static str,
    uri: Uri,
    headers: HeaderMap,
    body: Vec<u8>,
}

/// What the client does beyond the ordinary.
#[derive(Default)]
struct How {
    key: Option<&'static Key>,
    region: Option<&'static str>,
    token_unsigned: bool,
    content_sha256: bool,
}

/// A request as a client sends it, with some headers signed that the SDKs leave out.
fn signed(uri: &'static str, how: &How) -> Received {
    let mut headers = HeaderMap::new();
    for (name, value) in [
        ("host", "127.0.0.1:8787"),
        ("content-type", "application/json"),
        ("user-agent", "curl/8  (x)"),
        ("x-amzn-trace-id", "Root=1-1"),
        ("x-twice", "b"),
        ("x-twice", "a"),
        ("x-utf8", "\u{fc}n\u{ef}code"),
    ] {
        headers.append(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    sign_over(Received { method: "POST", uri: Uri::from_static(uri), headers, body: b"{}".to_vec() }, how)
}

fn sign_over(mut request: Received, how: &How) -> Received {
    let key = how.key.unwrap_or(&USER);
    let mut settings = SigningSettings::default();
    settings.excluded_headers = None;
    if how.token_unsigned {
        settings.session_token_mode = SessionTokenMode::Exclude;
    }
    if how.content_sha256 {
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
    }
    let identity = Credentials::new(key.id, key.secret, key.token.map(str::to_owned), None, "test").into();
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(how.region.unwrap_or("eu-central-1"))
        .name("execute-api")
        .time(at(SIGNED_AT))
        .settings(settings)
        .build()
        .unwrap()
        .into();
    let headers =
        request.headers.iter().map(|(name, value)| (name.as_str(), str::from_utf8(value.as_bytes()).unwrap()));
    let target = request.uri.path_and_query().unwrap().as_str();
    let signable = SignableRequest::new(request.method, target, headers, SignableBody::Bytes(&request.body)).unwrap();
    let (instructions, _) = sign(signable, &params).unwrap().into_parts();
    for header in instructions.into_parts().0 {
        request.headers.append(header.name(), HeaderValue::from_str(header.value()).unwrap());
    }
    request
}

impl Received {
    fn verify_among(&self, keys: &[&'static Key], now: SystemTime) -> Result<&'static str, GatewayRefusal> {
        let presented = Presented { method: self.method, uri: &self.uri, headers: &self.headers, body: &self.body };
        verify(&presented, "execute-api", now, |id| keys.iter().copied().find(|key| key.id == id)).map(|key| key.id)
    }

    fn verify(&self) -> Result<&'static str, GatewayRefusal> {
        self.verify_among(&[&USER, &ROLE], at(SIGNED_AT))
    }

    fn authorization(&self) -> &str {
        self.headers[AUTHORIZATION].to_str().unwrap()
    }

    fn with_authorization(mut self, edit: impl Fn(&str) -> String) -> Self {
        let text = edit(self.authorization());
        self.headers.insert(AUTHORIZATION, HeaderValue::from_str(&text).unwrap());
        self
    }

    fn with(mut self, edit: impl Fn(&mut Self)) -> Self {
        edit(&mut self);
        self
    }
}

fn plain() -> Received {
    signed("/token", &How::default())
}

fn as_role() -> How {
    How { key: Some(&ROLE), ..How::default() }
}

fn edited(from: &str, to: &str) -> Result<&'static str, GatewayRefusal> {
    let request = plain();
    assert!(request.authorization().contains(from), "nothing to edit: {from}");
    request.with_authorization(|text| text.replacen(from, to, 1)).verify()
}

fn header(request: Received, name: &'static str, value: &str) -> Received {
    request.with(|request| {
        request.headers.insert(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
    })
}

fn appended(request: Received, name: &'static str, value: &'static str) -> Received {
    request.with(|request| {
        request.headers.append(name, HeaderValue::from_static(value));
    })
}

use GatewayRefusal as R;

#[test]
fn what_clients_sign_is_accepted() {
    assert_eq!(plain().verify(), Ok(USER.id));
    assert_eq!(signed("/", &How::default()).verify(), Ok(USER.id));
    assert_eq!(signed("/v1/a%20b/%C3%BC?b=2&a=1&a=%2F&c", &How::default()).verify(), Ok(USER.id));
    assert_eq!(signed("/token", &How { region: Some("mars-1"), ..How::default() }).verify(), Ok(USER.id));
    assert_eq!(signed("/token", &How { content_sha256: true, ..How::default() }).verify(), Ok(USER.id));
    assert_eq!(signed("/token", &as_role()).verify(), Ok(ROLE.id));
    assert_eq!(signed("/token", &How { token_unsigned: true, ..as_role() }).verify(), Ok(ROLE.id));
}

#[test]
fn the_signer_excludes_nothing_that_was_signed() {
    assert!(plain().authorization().contains("user-agent;x-amz-date;x-amzn-trace-id;x-twice;x-utf8"));
}

#[test]
fn an_unsigned_header_may_be_added() {
    assert_eq!(header(plain(), "x-forwarded-for", "10.0.0.1").verify(), Ok(USER.id));
    let not_text = plain().with(|request| {
        request.headers.insert("x-proxy", HeaderValue::from_bytes(b"\xff").unwrap());
    });
    assert_eq!(not_text.verify(), Ok(USER.id));
}

#[test]
fn header_names_are_the_same_in_any_case() {
    let request = plain();
    let mut headers = HeaderMap::new();
    for (name, value) in &request.headers {
        let upper = HeaderName::from_bytes(name.as_str().to_uppercase().as_bytes()).unwrap();
        headers.append(upper, value.clone());
    }
    assert_eq!(Received { headers, ..request }.verify(), Ok(USER.id));
    // In the signature they are lower case.
    assert_eq!(edited("=content-type;host", "=content-type;Host"), Err(R::MalformedSignedHeaders));
}

#[test]
fn the_parameters_may_come_in_any_order_and_with_any_blanks_at_the_commas() {
    assert_eq!(plain().with_authorization(|text| text.replace(", ", ",")).verify(), Ok(USER.id));
    assert_eq!(plain().with_authorization(|text| text.replace(", ", " ,  ")).verify(), Ok(USER.id));
    let turned = plain().with_authorization(|text| {
        let mut parts: Vec<&str> = text.split_once(' ').unwrap().1.split(", ").collect();
        parts.reverse();
        format!("{ALGORITHM} {}", parts.join(", "))
    });
    assert_eq!(turned.verify(), Ok(USER.id));
}

#[test]
fn whatever_was_signed_and_then_changed_is_refused() {
    let changed = [
        ("method", plain().with(|request| request.method = "PUT")),
        ("method case", plain().with(|request| request.method = "post")),
        ("path", plain().with(|request| request.uri = Uri::from_static("/tokens"))),
        ("path case", plain().with(|request| request.uri = Uri::from_static("/Token"))),
        ("query", plain().with(|request| request.uri = Uri::from_static("/token?a=1"))),
        (
            "query value",
            signed("/token?a=1", &How::default()).with(|request| request.uri = Uri::from_static("/token?a=2")),
        ),
        ("body", plain().with(|request| request.body.push(b' '))),
        ("no body", plain().with(|request| request.body.clear())),
        ("header", header(plain(), "content-type", "text/plain")),
        ("excluded by default", header(plain(), "user-agent", "other")),
        ("host", header(plain(), "host", "issuer.example")),
        ("header added to", appended(plain(), "x-twice", "c")),
        (
            "order of values",
            plain().with(|request| {
                request.headers.insert("x-twice", HeaderValue::from_static("a"));
                request.headers.append("x-twice", HeaderValue::from_static("b"));
            }),
        ),
        ("date", header(plain(), "x-amz-date", "20260101T000001Z")),
        ("region", plain().with_authorization(|text| text.replace("eu-central-1", "eu-west-1"))),
        ("secret", signed("/token", &How { key: Some(&WRONG), ..How::default() })),
        ("last digit missing", plain().with_authorization(|text| text.split_at(text.len() - 1).0.to_owned())),
        (
            "upper case",
            plain().with_authorization(|text| {
                let (rest, signature) = text.rsplit_once('=').unwrap();
                format!("{rest}={}", signature.to_uppercase())
            }),
        ),
        ("fewer signed headers", plain().with_authorization(|text| text.replace("content-type;", ""))),
    ];
    for (what, request) in changed {
        assert_eq!(request.verify(), Err(R::SignatureDoesNotMatch), "{what}");
    }
}

#[test]
fn the_declared_hash_is_that_of_the_body() {
    let hash = sha256_hex(b"{}");
    assert_eq!(header(plain(), "x-amz-content-sha256", &hash).verify(), Ok(USER.id));
    for wrong in [&sha256_hex(b""), &hash.to_uppercase(), "UNSIGNED-PAYLOAD", "STREAMING-UNSIGNED-PAYLOAD-TRAILER", ""]
    {
        let unsigned = header(plain(), "x-amz-content-sha256", wrong);
        assert_eq!(unsigned.verify(), Err(R::SignatureDoesNotMatch), "{wrong}");
        // Signed, with the hash of the real body in its place.
        let request = header(Received { headers: HeaderMap::new(), ..plain() }, "x-amz-content-sha256", wrong);
        let request = sign_over(header(request, "host", "h"), &How::default());
        assert_eq!(request.verify(), Err(R::SignatureDoesNotMatch), "{wrong}");
    }
    let signed_body_swapped =
        signed("/token", &How { content_sha256: true, ..How::default() }).with(|request| request.body = b"[]".to_vec());
    assert_eq!(signed_body_swapped.verify(), Err(R::SignatureDoesNotMatch));
}

#[test]
fn the_session_token_belongs_to_the_key() {
    let without = |how: &How| {
        signed("/token", how).with(|request| {
            request.headers.remove("x-amz-security-token");
        })
    };
    let unsigned = How { token_unsigned: true, ..as_role() };
    let refused = [
        without(&unsigned),
        header(signed("/token", &unsigned), "x-amz-security-token", "another"),
        header(signed("/token", &unsigned), "x-amz-security-token", ""),
        header(signed("/token", &as_role()), "x-amz-security-token", "another"),
        header(plain(), "x-amz-security-token", "FwoGZXIvY==the token"),
        header(plain(), "x-amz-security-token", ""),
    ];
    for request in refused {
        assert_eq!(request.verify(), Err(R::InvalidSecurityToken));
    }
    // Signed, but not sent.
    assert_eq!(without(&as_role()).verify(), Err(R::SignedHeaderAbsent(X_AMZ_SECURITY_TOKEN)));
}

#[test]
fn an_unknown_key_and_a_temporary_one_without_its_token_get_the_same_answer() {
    assert_eq!(plain().verify_among(&[&ROLE], at(SIGNED_AT)), Err(R::InvalidSecurityToken));
    assert_eq!(edited("AKIALOCAL/", "/"), Err(R::InvalidSecurityToken));
    assert_eq!(edited("AKIALOCAL/", "akialocal/"), Err(R::InvalidSecurityToken));
    assert_eq!(edited("AKIALOCAL/", "ASIA=odd id./"), Err(R::InvalidSecurityToken));
}

#[test]
fn five_minutes_either_way_pass_and_a_second_more_does_not() {
    let request = plain();
    let verify_at = |now| request.verify_among(&[&USER], now);
    assert_eq!(verify_at(at(SIGNED_AT + 300)), Ok(USER.id));
    assert_eq!(verify_at(at(SIGNED_AT + 300) + Duration::from_millis(999)), Ok(USER.id));
    assert_eq!(verify_at(at(SIGNED_AT - 300)), Ok(USER.id));
    assert_eq!(verify_at(at(SIGNED_AT - 300) + Duration::from_millis(999)), Ok(USER.id));
    assert_eq!(
        verify_at(at(SIGNED_AT + 301)).unwrap_err().to_string(),
        "Signature expired: 20260101T000000Z is now earlier than 20260101T000001Z (20260101T000501Z - 5 min.)"
    );
    assert_eq!(
        verify_at(at(SIGNED_AT - 301)).unwrap_err().to_string(),
        "Signature not yet current: 20260101T000000Z is still later than 20251231T235959Z (20251231T235459Z + 5 min.)"
    );
    // Clocks that are no clocks.
    assert!(matches!(verify_at(SystemTime::UNIX_EPOCH), Err(R::NotYetCurrent { .. })));
    assert!(matches!(verify_at(at(1 << 40)), Err(R::Expired { .. })));
}

#[test]
fn no_signature_in_the_header_is_no_authentication_at_all() {
    let without = |uri| {
        signed(uri, &How::default()).with(|request| {
            request.headers.remove(AUTHORIZATION);
        })
    };
    assert_eq!(without("/token").verify(), Err(R::MissingAuthenticationToken));
    assert_eq!(header(plain(), "authorization", "  ").verify(), Err(R::MissingAuthenticationToken));
    let presigned = "/token?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIALOCAL%2F20260101&X-Amz-Signature=00";
    assert_eq!(without(presigned).verify(), Err(R::MissingAuthenticationToken));
    // With both, the header decides; the issuer refuses a query by itself.
    assert_eq!(signed(presigned, &How::default()).verify(), Ok(USER.id));
}

#[test]
fn headers_that_must_be_unambiguous_are_sent_once() {
    for name in ["authorization", "host", "x-amz-date", "x-amz-security-token", "x-amz-content-sha256"] {
        let request = signed("/token", &How { content_sha256: true, ..as_role() }).with(|request| {
            let value = request.headers[name].clone();
            request.headers.append(name, value);
        });
        assert_eq!(request.verify(), Err(R::RepeatedHeader(HeaderName::from_static(name))));
    }
}

#[test]
fn headers_that_are_read_are_text() {
    for name in ["authorization", "host", "x-amz-date", "x-amz-security-token", "x-amz-content-sha256", "user-agent"] {
        let request = signed("/token", &How { content_sha256: true, ..as_role() }).with(|request| {
            request.headers.insert(name, HeaderValue::from_bytes(b"caf\xe9").unwrap());
        });
        assert_eq!(request.verify(), Err(R::UnreadableHeader(HeaderName::from_static(name))));
    }
}

#[test]
fn other_schemes_are_told_what_a_signature_needs() {
    let verify = |text: &str| header(plain(), "authorization", text).verify();
    assert_eq!(verify("Bearer eyJhbGciOi.J9"), Err(R::NotKeyValue));
    for text in ["something", ALGORITHM, "AWS4-HMAC-SHA256 ", "Bearer dG9rZW4="] {
        let said = verify(text).unwrap_err().to_string();
        assert_eq!(
            said,
            "Authorization header requires 'Credential' parameter. Authorization header requires 'Signature' \
             parameter. Authorization header requires 'SignedHeaders' parameter."
        );
    }
}

#[test]
fn each_part_is_there_once_and_nothing_else() {
    let missing = |sentence| Err(R::MissingParts(vec![sentence]));
    let no_credential = missing("Authorization header requires 'Credential' parameter.");
    assert_eq!(edited("Credential=AKIALOCAL/20260101/eu-central-1/execute-api/aws4_request, ", ""), no_credential);
    assert_eq!(
        edited("Credential=AKIALOCAL/20260101/eu-central-1/execute-api/aws4_request", "Credential="),
        no_credential
    );
    let no_signature = plain().with_authorization(|text| text.split_once(", Signature").unwrap().0.to_owned());
    assert_eq!(no_signature.verify(), missing("Authorization header requires 'Signature' parameter."));
    let no_headers = plain().with_authorization(|text| {
        let (before, after) = text.split_once("SignedHeaders=").unwrap();
        format!("{before}{}", after.split_once(", ").unwrap().1)
    });
    assert_eq!(no_headers.verify(), missing("Authorization header requires 'SignedHeaders' parameter."));
    let no_date = plain().with(|request| {
        request.headers.remove("x-amz-date");
        request.headers.insert("date", HeaderValue::from_static("Thu, 01 Jan 2026 00:00:00 GMT"));
    });
    assert_eq!(no_date.verify(), missing("Authorization header requires existence of a 'X-Amz-Date' header."));

    assert_eq!(edited("Signature=", "Signature=00, Signature="), Err(R::UnexpectedParameter));
    assert_eq!(edited("Signature=", "SignedHeaders=host, Signature="), Err(R::UnexpectedParameter));
    assert_eq!(edited("Signature=", "Credential=a/b/c/d/e, Signature="), Err(R::UnexpectedParameter));
    assert_eq!(edited("Signature=", "Expires=1, Signature="), Err(R::UnexpectedParameter));
    let lower_case = ["Authorization header requires 'Signature' parameter."];
    assert_eq!(edited("Signature=", "signature="), Err(R::MissingParts(lower_case.to_vec())));
    assert_eq!(edited(", Signature", ", , Signature"), Err(R::NotKeyValue));
    assert_eq!(edited("AKIALOCAL", "AKIA,LOCAL"), Err(R::NotKeyValue));
    assert_eq!(plain().with_authorization(|text| format!("{text},")).verify(), Err(R::NotKeyValue));
}

#[test]
fn only_one_algorithm() {
    for other in ["AWS4-ECDSA-P256-SHA256", "AWS4-HMAC-SHA512", "aws4-hmac-sha256", ""] {
        assert_eq!(edited(ALGORITHM, other), Err(R::UnsupportedAlgorithm), "{other}");
    }
}

#[test]
fn the_date_is_written_in_one_way() {
    for text in [
        "",
        "20260101",
        "2026-01-01T00:00:00Z",
        "20260101T000000",
        "20260101T000000z",
        "20260101T000000+0000",
        "20260101T 00000Z",
        "20251231T235960Z",
        "20261301T000000Z",
        "Thu, 01 Jan 2026 00:00:00 GMT",
        "20260101T000000Z, 20260101T000000Z",
        "\u{ff12}\u{ff10}260101T000000Z",
    ] {
        let expected = if text.is_empty() {
            R::MissingParts(vec!["Authorization header requires existence of a 'X-Amz-Date' header."])
        } else {
            R::MalformedDate
        };
        assert_eq!(header(plain(), "x-amz-date", text).verify(), Err(expected), "{text}");
    }
}

#[test]
fn the_signed_headers_are_a_sorted_list_with_host_and_date() {
    let list = |list: &str| {
        plain()
            .with_authorization(|text| {
                let (before, after) = text.split_once("SignedHeaders=").unwrap();
                format!("{before}SignedHeaders={list}, {}", after.split_once(", ").unwrap().1)
            })
            .verify()
    };
    for malformed in [
        "x-amz-date;host",
        "host;host;x-amz-date",
        "host;x-amz-date;",
        ";host;x-amz-date",
        "host;X-Amz-Date",
        "Host;x-amz-date",
        "Content-Type;host;x-amz-date",
        "host x-amz-date",
        "host;x amz;x-amz-date",
    ] {
        assert_eq!(list(malformed), Err(R::MalformedSignedHeaders), "{malformed}");
    }
    assert_eq!(list("x-amz-date"), Err(R::HostNotSigned));
    assert_eq!(list("host"), Err(R::DateNotSigned));
    assert_eq!(list("host;range;x-amz-date"), Err(R::SignedHeaderAbsent(http::header::RANGE)));
    assert_eq!(list("host;x-amz-date"), Err(R::SignatureDoesNotMatch));
    assert_eq!(list("authorization;host;x-amz-date"), Err(R::SignatureDoesNotMatch));
}

#[test]
fn the_credential_is_for_this_service_and_day() {
    for malformed in ["AKIALOCAL", "20260101/eu-central-1", "AKIALOCAL/20260101/eu/central-1"] {
        assert_eq!(edited("AKIALOCAL/20260101/eu-central-1", malformed), Err(R::MalformedCredential), "{malformed}");
    }
    let wrong = |from, to, sentence: &str| {
        assert_eq!(edited(from, to), Err(R::WrongScope(vec![sentence.to_owned()])));
    };
    wrong("/execute-api/", "/sts/", "Credential should be scoped to correct service: 'execute-api'.");
    wrong("/execute-api/", "/Execute-Api/", "Credential should be scoped to correct service: 'execute-api'.");
    wrong("aws4_request", "aws4", "Credential should be scoped with a valid terminator: 'aws4_request'.");
    wrong("eu-central-1", "", "Credential should be scoped to a valid region.");
    let other_day = "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP.";
    wrong("/20260101/", "/20260102/", other_day);
    wrong("/20260101/", "/2026010/", other_day);
    wrong("/20260101/", "//", other_day);
    assert_eq!(
        edited("20260101/eu-central-1/execute-api", "20260102/eu-central-1/s3").unwrap_err().to_string(),
        format!("Credential should be scoped to correct service: 'execute-api'. {other_day}")
    );
}

#[test]
fn no_key_is_looked_up_before_all_else_is_in_order() {
    let expired = header(plain(), "x-amz-date", "20250101T000000Z");
    let malformed = plain().with_authorization(|text| text.replace("host;", ""));
    for (request, lookups) in [(expired, 0), (malformed, 0), (plain(), 1)] {
        let asked = Cell::new(0);
        let presented = Presented { method: "POST", uri: &request.uri, headers: &request.headers, body: &request.body };
        let answer = verify(&presented, "execute-api", at(SIGNED_AT), |_| {
            asked.set(asked.get() + 1);
            None::<&Key>
        });
        assert!(answer.is_err());
        assert_eq!(asked.get(), lookups);
    }
}

#[test]
fn the_answer_is_the_gateways() {
    let table = [
        (R::MissingAuthenticationToken, "MissingAuthenticationTokenException", "Missing Authentication Token"),
        (
            R::InvalidSecurityToken,
            "UnrecognizedClientException",
            "The security token included in the request is invalid.",
        ),
        (
            R::SignatureDoesNotMatch,
            "InvalidSignatureException",
            "The request signature we calculated does not match the signature you provided. Check your AWS Secret \
             Access Key and signing method. Consult the service documentation for details.",
        ),
        (
            R::HostNotSigned,
            "InvalidSignatureException",
            "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.",
        ),
        (
            R::UnsupportedAlgorithm,
            "IncompleteSignatureException",
            "Unsupported AWS 'algorithm' (only AWS4-HMAC-SHA256 for now).",
        ),
    ];
    for (refusal, error_type, message) in table {
        let response = refusal.to_response();
        assert_eq!(response.status(), 403);
        assert_eq!(response.headers()["x-amzn-errortype"], error_type);
        assert_eq!(response.headers()["content-type"], "application/json");
        assert_eq!(*response.body(), serde_json::json!({ "message": message }).to_string());
    }
}

#[test]
fn no_refusal_repeats_what_is_secret() {
    let role = signed("/token", &as_role());
    let signature = role.authorization().rsplit_once('=').unwrap().1.to_owned();
    let refusals = [
        header(signed("/token", &as_role()), "content-type", "x").verify(),
        header(signed("/token", &as_role()), "authorization", &format!("Bearer {signature}")).verify(),
        header(signed("/token", &as_role()), "x-amz-security-token", "other").verify(),
        signed("/token", &as_role()).verify_among(&[&USER], at(SIGNED_AT)),
        signed("/token", &as_role()).verify_among(&[&ROLE], at(0)),
        signed("/token", &as_role()).with_authorization(|text| text.replace("execute-api", "sts")).verify(),
    ];
    for refusal in refusals {
        let said = format!("{0} {0:?}", refusal.unwrap_err());
        for secret in [ROLE.secret, ROLE.token.unwrap(), &signature] {
            assert!(!said.contains(secret), "{said}");
        }
    }
}

#[test]
fn a_request_that_the_signer_cannot_stand_is_refused() {
    let target = |text: String| plain().with(|request| request.uri = text.parse().unwrap()).verify();
    // Encoded, each of these is three times as long, and a URI ends at 64 KiB.
    assert_eq!(target(format!("/token?{}", "(".repeat(60_000))), Err(R::SignatureDoesNotMatch));
    assert_eq!(target(format!("/token?{}", "(".repeat(LONGEST_TARGET - 7))), Err(R::SignatureDoesNotMatch));
    assert_eq!(target(format!("/token?{}", "%FF".repeat(3_400))), Err(R::SignatureDoesNotMatch));
    assert_eq!(target(format!("/token?{}", "a&".repeat(5_000))), Err(R::SignatureDoesNotMatch));
    for odd in ["*", "issuer.example:443", "http://issuer.example", "http://issuer.example?x"] {
        assert_eq!(target(odd.to_owned()), Err(R::SignatureDoesNotMatch), "{odd}");
    }
    // A proxy's form of the same target.
    assert_eq!(target("http://issuer.example/token".to_owned()), Ok(USER.id));

    let mut without_host = plain();
    without_host.headers.remove(HOST);
    assert_eq!(without_host.verify(), Err(R::SignedHeaderAbsent(HOST)));

    let mut many = plain();
    for _ in 0..30_000 {
        many.headers.append("x-twice", HeaderValue::from_static(""));
    }
    assert_eq!(many.verify(), Err(R::SignatureDoesNotMatch));
    let mut as_many_as_may_be = Received { headers: HeaderMap::new(), ..plain() };
    as_many_as_may_be.headers.insert(HOST, HeaderValue::from_static("h"));
    for _ in 0..MOST_SIGNED_VALUES - 2 {
        as_many_as_may_be.headers.append("x-twice", HeaderValue::from_static(""));
    }
    assert_eq!(sign_over(as_many_as_may_be, &How::default()).verify(), Ok(USER.id));
}

/// Every single-byte edit, and 20,000 of several bytes from a fixed sequence: nothing panics, and nothing is accepted
/// but blanks where blanks may be.
#[test]
fn no_authorization_text_panics_and_no_edit_of_one_is_accepted() {
    let mut request = plain();
    let original = request.authorization().as_bytes().to_vec();
    let without_blanks = |text: &[u8]| text.iter().copied().filter(|byte| *byte != b' ').collect::<Vec<_>>();
    let mut check = |text: &[u8]| {
        let Ok(value) = HeaderValue::from_bytes(text) else { return };
        request.headers.insert(AUTHORIZATION, value);
        if request.verify().is_ok() {
            assert_eq!(without_blanks(text), without_blanks(&original), "{}", text.escape_ascii());
        }
    };
    let bytes = b" \t,=;/0aZ-_\"'%\x80\xc3\xff";
    for position in 0..original.len() {
        check(&original[..position]);
        check(&original[position..]);
        check(&[&original[..position], &original[position + 1..]].concat());
        check(&[&original[..], &original[position..]].concat());
        for byte in bytes {
            check(&[&original[..position], &[*byte], &original[position..]].concat());
            check(&[&original[..position], &[*byte], &original[position + 1..]].concat());
        }
    }
    // Knuth's linear congruential generator: the same sequence in every run.
    let mut state = 1_u64;
    let mut below = |limit: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).unwrap() % limit
    };
    for _ in 0..20_000 {
        let mut text = original.clone();
        for _ in 0..=below(6) {
            let from = below(text.len());
            let to = (from + below(12)).min(text.len());
            let piece = [bytes[below(bytes.len())], bytes[below(bytes.len())]];
            text.splice(from..to, piece[..below(3)].iter().copied());
            if text.is_empty() {
                break;
            }
        }
        check(&text);
    }
}
