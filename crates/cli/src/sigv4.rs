//! API Gateway's `AWS_IAM` authorization, for the issuer on one machine.
//!
//! **Owns** the question whether a received request carries a Signature Version 4 made with a key that we know, and the
//! words, the `x-amzn-errortype` and the order in which API Gateway says no (403, `{"message": ..}`).
//!
//! **Refuses** to decide who the caller is or what they may have: a key that verifies stands for whatever
//! `credentials.yaml` says, and that is judged like a gateway's event. It does not read presigned URLs (a bearer token
//! that lies in logs), chunked or unsigned payloads, `SigV4A`, or a `Date` header in place of `X-Amz-Date`. It logs
//! nothing, and no error holds a secret, a session token, a computed signature or the Authorization header.
//!
//! **The next may rely on** this: method, body, every header named in `SignedHeaders`, and path and query *as Signature
//! Version 4 canonicalizes them* are what the holder of the secret signed at most five minutes ago. Canonical means that
//! `/x/../token` and `//token` share the signature of `/token`, and `+` that of `%20`. A header that was not signed says
//! nothing (the session token apart, which is compared), and a request can be replayed within its five minutes, as at AWS.
//!
//! **Why the official signer**: it is the code that clients sign with, so its canonical form is right by definition,
//! it is already linked for `countersign token`, and it runs against AWS's own vectors, which `tests/sigv4_vectors.rs`
//! runs against this module too. A verifier crate (`scratchstack-aws-signature`) brings its own canonicalization and an
//! async service stack for what is one comparison here; code of our own would be a third opinion of one fixed algorithm.
//! What the signer takes for granted, since its input is normally the caller's own, is checked before it is called: it
//! panics without a `Host` header, on a target that grows beyond 64 KiB when encoded, and on tens of thousands of headers.
//! At trace level it writes signed headers, session token included, to `tracing`: a subscriber must keep it above that.
//!
//! Sources: IAM user guide, "Create a signed AWS API request" and "Troubleshoot Signature Version 4"; the messages and
//! their order are those that people report from API Gateway and from `DynamoDB`, which share AWS's front end.

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_lc_rs::{constant_time::verify_slices_are_equal, digest};
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, Uri};
use jiff::{Timestamp, civil, tz::TimeZone};

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
const X_AMZ_DATE: HeaderName = HeaderName::from_static("x-amz-date");
const X_AMZ_SECURITY_TOKEN: HeaderName = HeaderName::from_static("x-amz-security-token");
const X_AMZ_CONTENT_SHA256: HeaderName = HeaderName::from_static("x-amz-content-sha256");

/// ISO 8601's basic format, the only one in which `X-Amz-Date` is written.
const BASIC_FORMAT: &str = "%Y%m%dT%H%M%SZ";

/// How far `X-Amz-Date` may be from now, either way. Exactly this far passes.
const SKEW: Duration = Duration::from_mins(5);

/// API Gateway's quota for request line and headers together, in bytes. Also keeps the signer from panicking: it
/// encodes one byte of a query as at most three, and `http::Uri` ends at 64 KiB.
const LONGEST_TARGET: usize = 10_240;

/// More values than fit into that quota, and far fewer than the 24,576 at which the signer's header map panics.
const MOST_SIGNED_VALUES: usize = 2_048;

/// A request exactly as it came over the wire.
pub struct Presented<'a> {
    /// The method.
    pub method: &'a str,
    /// Path and query as received, nothing decoded; scheme and authority are not looked at.
    pub uri: &'a Uri,
    /// Every header.
    pub headers: &'a HeaderMap,
    /// The whole body.
    pub body: &'a [u8],
}

/// What the verifier needs to know of a key.
pub trait Secret {
    /// The secret access key.
    fn secret_access_key(&self) -> &str;
    /// The session token, if the key is a temporary one.
    fn session_token(&self) -> Option<&str>;
}

/// Why the gateway refuses. `Display` is API Gateway's own message where that is known (without the hash of the
/// Authorization header that it appends to some), and otherwise says plainly what is wrong.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum GatewayRefusal {
    /// No Authorization header, whatever the query holds.
    #[error("Missing Authentication Token")]
    MissingAuthenticationToken,
    /// A header that must be unambiguous was sent more than once.
    #[error("The '{0}' header must be sent once only.")]
    RepeatedHeader(HeaderName),
    /// A header that is read or signed is not UTF-8 text.
    #[error("The '{0}' header is not text.")]
    UnreadableHeader(HeaderName),
    /// Something in the Authorization header is no `key=value`.
    #[error("Invalid key=value pair (missing equal-sign) in Authorization header.")]
    NotKeyValue,
    /// Parts of a signature are not there; each sentence names one.
    #[error("{}", .0.join(" "))]
    MissingParts(Vec<&'static str>),
    /// A parameter that is repeated, or that is none of the three.
    #[error("Authorization header must hold 'Credential', 'SignedHeaders' and 'Signature' once each and nothing else.")]
    UnexpectedParameter,
    /// `X-Amz-Date` is not a time in the basic format.
    #[error("Date must be in ISO-8601 'basic format'. See http://en.wikipedia.org/wiki/ISO_8601")]
    MalformedDate,
    /// Signed more than five minutes ago.
    #[error("Signature expired: {} is now earlier than {} ({} - 5 min.)", basic(*.signed), basic(earliest(*.now)), basic(*.now))]
    Expired {
        /// `X-Amz-Date`.
        signed: Timestamp,
        /// The gateway's clock.
        now: Timestamp,
    },
    /// Signed more than five minutes ahead of our clock.
    #[error("Signature not yet current: {} is still later than {} ({} + 5 min.)", basic(*.signed), basic(latest(*.now)), basic(*.now))]
    NotYetCurrent {
        /// `X-Amz-Date`.
        signed: Timestamp,
        /// The gateway's clock.
        now: Timestamp,
    },
    /// `SignedHeaders` is not a list of header names in lower case, sorted, each once.
    #[error("'SignedHeaders' must be lower-case header names, sorted, each once, separated by semicolons.")]
    MalformedSignedHeaders,
    /// `Host` is not signed.
    #[error("'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.")]
    HostNotSigned,
    /// `X-Amz-Date` is not signed.
    #[error("'X-Amz-Date' must be a 'SignedHeader' in the AWS Authorization.")]
    DateNotSigned,
    /// A header that was signed did not arrive.
    #[error("The signed header '{0}' is not in the request.")]
    SignedHeaderAbsent(HeaderName),
    /// Not `AWS4-HMAC-SHA256`.
    #[error("Unsupported AWS 'algorithm' (only AWS4-HMAC-SHA256 for now).")]
    UnsupportedAlgorithm,
    /// The credential is not of five parts.
    #[error("Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term.")]
    MalformedCredential,
    /// The credential is for something else; each sentence names one fault.
    #[error("{}", .0.join(" "))]
    WrongScope(Vec<String>),
    /// The access key id is unknown, or the session token is not that key's. One answer for both, as at AWS.
    #[error("The security token included in the request is invalid.")]
    InvalidSecurityToken,
    /// The signature is not the one that the secret makes of this request, or `x-amz-content-sha256` not the body's.
    #[error(
        "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access \
         Key and signing method. Consult the service documentation for details."
    )]
    SignatureDoesNotMatch,
}

impl GatewayRefusal {
    /// The value of the `x-amzn-errortype` header.
    pub fn error_type(&self) -> &'static str {
        match self {
            Self::MissingAuthenticationToken => "MissingAuthenticationTokenException",
            Self::RepeatedHeader(_)
            | Self::UnreadableHeader(_)
            | Self::NotKeyValue
            | Self::MissingParts(_)
            | Self::UnexpectedParameter
            | Self::MalformedDate
            | Self::MalformedSignedHeaders
            | Self::UnsupportedAlgorithm
            | Self::MalformedCredential => "IncompleteSignatureException",
            Self::InvalidSecurityToken => "UnrecognizedClientException",
            Self::Expired { .. }
            | Self::NotYetCurrent { .. }
            | Self::HostNotSigned
            | Self::DateNotSigned
            | Self::SignedHeaderAbsent(_)
            | Self::WrongScope(_)
            | Self::SignatureDoesNotMatch => "InvalidSignatureException",
        }
    }

    /// The gateway's answer: 403, `{"message": ..}`, `x-amzn-errortype`.
    pub fn to_response(&self) -> Response<String> {
        let mut response = Response::new(serde_json::json!({ "message": self.to_string() }).to_string());
        *response.status_mut() = StatusCode::FORBIDDEN;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(HeaderName::from_static("x-amzn-errortype"), HeaderValue::from_static(self.error_type()));
        response
    }
}

/// The key that signed this request for `service`, in any region, at most five minutes from `now`.
///
/// `find` looks an access key id up. It is asked only when everything that can be judged without a key is in order, and
/// the session token is judged together with the id, so that a temporary key id tells nothing without its token.
pub fn verify<'k, S: Secret>(
    request: &Presented<'_>,
    service: &str,
    now: SystemTime,
    find: impl Fn(&str) -> Option<&'k S>,
) -> Result<&'k S, GatewayRefusal> {
    let headers = request.headers;
    let authorization = only(headers, AUTHORIZATION)?
        .filter(|text| !text.trim().is_empty())
        .ok_or(GatewayRefusal::MissingAuthenticationToken)?;
    only(headers, HOST)?;
    let date = only(headers, X_AMZ_DATE)?;
    let token = only(headers, X_AMZ_SECURITY_TOKEN)?;
    let payload_hash = only(headers, X_AMZ_CONTENT_SHA256)?;

    let authorization = Authorization::parse(authorization, date)?;
    let signed_at = parse_basic(authorization.date).ok_or(GatewayRefusal::MalformedDate)?;
    in_time(signed_at, now)?;
    let signed_headers = signed_headers(authorization.signed_headers, headers)?;
    if authorization.algorithm != ALGORITHM {
        return Err(GatewayRefusal::UnsupportedAlgorithm);
    }
    let scope = Scope::parse(authorization.credential, authorization.date, service)?;

    let key =
        find(scope.access_key_id).filter(|key| is_token_of(*key, token)).ok_or(GatewayRefusal::InvalidSecurityToken)?;
    if payload_hash.is_some_and(|declared| !same(declared, &sha256_hex(request.body))) {
        return Err(GatewayRefusal::SignatureDoesNotMatch);
    }
    // A signature that is not 64 lower-case hex digits is refused here too: ours always is.
    expected_signature(request, signed_headers, signed_at, scope.region, service, key.secret_access_key())
        .filter(|expected| same(expected, authorization.signature))
        .map(|_| key)
        .ok_or(GatewayRefusal::SignatureDoesNotMatch)
}

/// The Authorization header taken apart, with the date that belongs to it; nothing judged but that all of it is there.
struct Authorization<'a> {
    algorithm: &'a str,
    credential: &'a str,
    signed_headers: &'a str,
    signature: &'a str,
    date: &'a str,
}

impl<'a> Authorization<'a> {
    /// `ALGORITHM Credential=.., SignedHeaders=.., Signature=..` in any order, with or without blanks at the commas.
    /// So a key id with a comma cannot be sent; AWS has none.
    fn parse(text: &'a str, date: Option<&'a str>) -> Result<Self, GatewayRefusal> {
        let (algorithm, parameters) = text.split_once(' ').unwrap_or((text, ""));
        let (mut credential, mut signed_headers, mut signature) = (None, None, None);
        let mut unexpected = false;
        // Without any parameter (`Authorization: something`) the gateway lists what is missing.
        for pair in parameters.split(',').filter(|_| !parameters.trim().is_empty()) {
            let (name, value) = pair.trim_matches(' ').split_once('=').ok_or(GatewayRefusal::NotKeyValue)?;
            let slot = match name {
                "Credential" => &mut credential,
                "SignedHeaders" => &mut signed_headers,
                "Signature" => &mut signature,
                _ => {
                    unexpected = true;
                    continue;
                }
            };
            unexpected |= slot.replace(value).is_some();
        }

        let mut missing = Vec::new();
        let mut required = |part: Option<&'a str>, sentence| {
            part.filter(|value| !value.is_empty()).unwrap_or_else(|| {
                missing.push(sentence);
                ""
            })
        };
        let parsed = Self {
            algorithm,
            credential: required(credential, "Authorization header requires 'Credential' parameter."),
            signature: required(signature, "Authorization header requires 'Signature' parameter."),
            signed_headers: required(signed_headers, "Authorization header requires 'SignedHeaders' parameter."),
            date: required(date, "Authorization header requires existence of a 'X-Amz-Date' header."),
        };
        if !missing.is_empty() {
            return Err(GatewayRefusal::MissingParts(missing));
        }
        // After what is missing: a bearer token that ends in `=` looks like a parameter, and gets the gateway's list.
        if unexpected { Err(GatewayRefusal::UnexpectedParameter) } else { Ok(parsed) }
    }
}

/// What of the credential is not fixed.
struct Scope<'a> {
    access_key_id: &'a str,
    region: &'a str,
}

impl<'a> Scope<'a> {
    fn parse(credential: &'a str, signed_at: &str, service: &str) -> Result<Self, GatewayRefusal> {
        let parts: Vec<&str> = credential.split('/').collect();
        let [access_key_id, date, region, for_service, terminator] = parts[..] else {
            return Err(GatewayRefusal::MalformedCredential);
        };
        let faults: Vec<String> = [
            (region.is_empty(), "Credential should be scoped to a valid region.".to_owned()),
            (for_service != service, format!("Credential should be scoped to correct service: '{service}'.")),
            (
                terminator != "aws4_request",
                "Credential should be scoped with a valid terminator: 'aws4_request'.".to_owned(),
            ),
            (
                Some(date) != signed_at.get(..8),
                "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP.".to_owned(),
            ),
        ]
        .into_iter()
        .filter_map(|(wrong, sentence)| wrong.then_some(sentence))
        .collect();
        if faults.is_empty() { Ok(Self { access_key_id, region }) } else { Err(GatewayRefusal::WrongScope(faults)) }
    }
}

/// The value of a header that may be there once.
fn only(headers: &HeaderMap, name: HeaderName) -> Result<Option<&str>, GatewayRefusal> {
    let mut values = headers.get_all(&name).into_iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(GatewayRefusal::RepeatedHeader(name));
    }
    str::from_utf8(value.as_bytes()).map(Some).map_err(|_| GatewayRefusal::UnreadableHeader(name))
}

/// The headers named in `SignedHeaders`, with all their values in the order received.
fn signed_headers<'a>(list: &'a str, headers: &'a HeaderMap) -> Result<Vec<(&'a str, &'a str)>, GatewayRefusal> {
    let names: Vec<&str> = list.split(';').collect();
    if !names.is_sorted_by(|a, b| a < b) {
        return Err(GatewayRefusal::MalformedSignedHeaders);
    }
    let mut signed = Vec::with_capacity(names.len());
    for name in &names {
        let parsed = HeaderName::from_lowercase(name.as_bytes()).map_err(|_| GatewayRefusal::MalformedSignedHeaders)?;
        let before = signed.len();
        for value in headers.get_all(&parsed) {
            let value = str::from_utf8(value.as_bytes());
            signed.push((*name, value.map_err(|_| GatewayRefusal::UnreadableHeader(parsed.clone()))?));
        }
        if signed.len() == before {
            return Err(GatewayRefusal::SignedHeaderAbsent(parsed));
        }
    }
    if !names.contains(&HOST.as_str()) {
        return Err(GatewayRefusal::HostNotSigned);
    }
    if !names.contains(&X_AMZ_DATE.as_str()) {
        return Err(GatewayRefusal::DateNotSigned);
    }
    Ok(signed)
}

/// What the holder of `secret` would have signed this request with, or nothing if no such request can be signed.
fn expected_signature(
    request: &Presented<'_>,
    signed_headers: Vec<(&str, &str)>,
    signed_at: Timestamp,
    region: &str,
    service: &str,
    secret: &str,
) -> Option<String> {
    let target = request.uri.path_and_query()?.as_str();
    if target.len() > LONGEST_TARGET || signed_headers.len() > MOST_SIGNED_VALUES {
        return None;
    }
    // The defaults encode twice and normalize the path, as every service but S3 does. The signer would leave out
    // `user-agent` and others; clients choose what they sign, and named it.
    let mut settings = SigningSettings::default();
    settings.excluded_headers = None;
    // Neither key id nor session token is in the string to sign; a signed token is one of the headers.
    let identity = Credentials::new("", secret, None, None, "sigv4").into();
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(region)
        .name(service)
        .time(signed_at.into())
        .settings(settings)
        .build()
        .ok()?
        .into();
    let body = SignableBody::Bytes(request.body);
    let signable = SignableRequest::new(request.method, target, signed_headers.into_iter(), body).ok()?;
    Some(sign(signable, &params).ok()?.into_parts().1)
}

fn is_token_of<S: Secret>(key: &S, presented: Option<&str>) -> bool {
    match (key.session_token(), presented) {
        (None, None) => true,
        (Some(expected), Some(presented)) => same(expected, presented),
        (Some(_), None) | (None, Some(_)) => false,
    }
}

/// In constant time, the length apart.
fn same(a: &str, b: &str) -> bool {
    verify_slices_are_equal(a.as_bytes(), b.as_bytes()).is_ok()
}

fn sha256_hex(body: &[u8]) -> String {
    let digest = digest::digest(&digest::SHA256, body);
    let digits = digest.as_ref().iter().flat_map(|byte| [byte >> 4, byte & 0xf]);
    digits.filter_map(|digit| char::from_digit(digit.into(), 16)).collect()
}

/// Both sides in whole seconds, as `X-Amz-Date` counts.
fn in_time(signed: Timestamp, now: SystemTime) -> Result<(), GatewayRefusal> {
    // A clock beyond the year 9999 makes everything expired.
    let now = Timestamp::try_from(now).unwrap_or(Timestamp::MAX);
    let now = Timestamp::from_second(now.as_second()).unwrap_or(now);
    if signed < earliest(now) {
        return Err(GatewayRefusal::Expired { signed, now });
    }
    if signed > latest(now) {
        return Err(GatewayRefusal::NotYetCurrent { signed, now });
    }
    Ok(())
}

fn earliest(now: Timestamp) -> Timestamp {
    now.checked_sub(SKEW).unwrap_or(Timestamp::MIN)
}

fn latest(now: Timestamp) -> Timestamp {
    now.checked_add(SKEW).unwrap_or(Timestamp::MAX)
}

fn basic(time: Timestamp) -> String {
    time.strftime(BASIC_FORMAT).to_string()
}

/// Only what is written exactly as [`basic`] writes it: jiff's parser is more lenient, and the signer writes the date
/// anew.
fn parse_basic(text: &str) -> Option<Timestamp> {
    let time = civil::DateTime::strptime(BASIC_FORMAT, text).ok()?.to_zoned(TimeZone::UTC).ok()?.timestamp();
    (basic(time) == text).then_some(time)
}

#[cfg(test)]
mod tests;
