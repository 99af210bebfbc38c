//! The credentials that were given, and who calls with them: `GetCallerIdentity`, with the signature really checked.

use std::time::Duration;

use aws_credential_types::Credentials;
use aws_lc_rs::rand;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::StatusCode;
use hyper::header::{AUTHORIZATION, USER_AGENT};
use hyper::http::request::Parts;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::answer::{self, Refusal};
use super::call::Ask;
use super::token::Claims;
use super::{Session, Shared, Use, now};
use crate::loopback::Answer;

/// How far the date of a signature may be from now, either way.
const SKEW: Duration = Duration::from_mins(15);

/// Credentials, and the session that they are of.
pub(super) struct Held {
    pub(super) access_key_id: String,
    pub(super) secret: String,
    pub(super) token: String,
    /// `AROA..:SESSION`.
    pub(super) user_id: String,
    pub(super) session: Session,
}

impl Held {
    pub(super) fn new(partition: &str, role_id: &str, ask: &Ask<'_>, claims: &Claims, expires: i64) -> Self {
        let Ask { account, role_name, session_name, .. } = ask;
        Self {
            access_key_id: random_id("ASIA", 16),
            secret: STANDARD.encode(random::<30>()),
            token: STANDARD.encode(random::<300>()),
            user_id: format!("{role_id}:{session_name}"),
            session: Session {
                arn: format!("arn:{partition}:sts::{account}:assumed-role/{role_name}/{session_name}"),
                role: ask.role.to_owned(),
                subject: claims.subject.clone(),
                expires,
                tags: claims.tags.clone(),
                transitive_tags: claims.transitive_tags.clone(),
                source_identity: claims.source_identity.clone(),
                policy: ask.policy.map(str::to_owned),
                policy_arns: ask.policy_arns.iter().map(|arn| (*arn).to_owned()).collect(),
            },
        }
    }
}

impl Shared {
    pub(super) fn caller_identity(&self, head: &Parts, body: &[u8]) -> Answer {
        let signature = Signature::of(head);
        let mut book = self.book();
        let (access_key_id, given) = match signature {
            Ok(signature) => {
                let held = book.held.get(signature.access_key_id);
                let held = held.filter(|held| header(head, "x-amz-security-token") == Some(&held.token));
                let held = held.ok_or_else(|| {
                    no("InvalidClientTokenId", "The security token included in the request is invalid.")
                });
                (signature.access_key_id.to_owned(), held.and_then(|held| signature.check(head, body, held)))
            }
            Err(refusal) => (String::new(), Err(refusal)),
        };
        let refused = given.as_ref().err().map(|refusal| refusal.code.to_owned());
        let answer = match given {
            Ok(held) => answer::caller(held),
            Err(refusal) => refusal.answer(),
        };
        let user_agent = header(head, USER_AGENT.as_str()).unwrap_or_default().to_owned();
        book.uses.push(Use { access_key_id, user_agent, refused });
        answer
    }
}

/// An `Authorization` header taken apart.
struct Signature<'a> {
    access_key_id: &'a str,
    date: &'a str,
    region: &'a str,
    signed_headers: Vec<&'a str>,
    hex: &'a str,
}

impl<'a> Signature<'a> {
    fn of(head: &'a Parts) -> Result<Self, Refusal> {
        let written = header(head, AUTHORIZATION.as_str());
        let written =
            written.ok_or_else(|| no("MissingAuthenticationToken", "Request is missing Authentication Token"))?;
        let fields: Vec<_> =
            written.strip_prefix("AWS4-HMAC-SHA256 ").into_iter().flat_map(|rest| rest.split(',')).collect();
        let field = |name| fields.iter().find_map(|field| field.trim().strip_prefix(name)?.strip_prefix('='));
        let incomplete = || no("IncompleteSignature", "The Authorization header is no signature of version 4");
        let [Some(credential), Some(signed_headers), Some(signature)] =
            ["Credential", "SignedHeaders", "Signature"].map(field)
        else {
            return Err(incomplete());
        };
        let scope: Vec<&str> = credential.split('/').collect();
        let [access_key_id, date, region, "sts", "aws4_request"] = scope[..] else { return Err(incomplete()) };
        let signed_headers: Vec<&str> = signed_headers.split(';').collect();
        Ok(Self { access_key_id, date, region, signed_headers, hex: signature })
    }

    /// In the order of STS, which looks into the session token before it looks at the signature.
    fn check<'h>(&self, head: &Parts, body: &[u8], held: &'h Held) -> Result<&'h Held, Refusal> {
        if held.session.expires <= now() {
            return Err(no("ExpiredToken", "The security token included in the request is expired"));
        }
        let written = header(head, "x-amz-date").filter(|written| written.get(..8) == Some(self.date));
        let date = written.and_then(|written| DateTime::strptime("%Y%m%dT%H%M%SZ", written).ok());
        let date = date.and_then(|date| date.to_zoned(TimeZone::UTC).ok()).map(|date| date.timestamp());
        let skew = SignedDuration::try_from(SKEW).expect("minutes");
        let date = date.filter(|date| Timestamp::now().duration_since(*date).abs() <= skew);
        let date = date.ok_or_else(|| no("SignatureDoesNotMatch", "Signature expired, or not of its date"))?;
        if self.again(head, body, held, date).as_deref() == Some(self.hex) {
            return Ok(held);
        }
        Err(no(
            "SignatureDoesNotMatch",
            "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access \
             Key and signing method. Consult the service documentation for details.",
        ))
    }

    /// What the holder of the secret would have signed the same request with.
    fn again(&self, head: &Parts, body: &[u8], held: &Held, date: Timestamp) -> Option<String> {
        // What is not signed could be changed by anybody.
        if ["host", "x-amz-date", "x-amz-security-token"].iter().any(|name| !self.signed_headers.contains(name)) {
            return None;
        }
        let names = self.signed_headers.iter().map(|name| Some((*name, header(head, name)?)));
        let headers: Vec<(&str, &str)> = names.collect::<Option<_>>()?;
        // The signer would leave out `user-agent` and others; clients choose what they sign, and named it.
        let mut settings = SigningSettings::default();
        settings.excluded_headers = None;
        // Neither key id nor session token is in the string to sign; the token is one of the headers.
        let identity = Credentials::new("", &held.secret, None, None, "testkit").into();
        let parameters = v4::SigningParams::builder().identity(&identity).region(self.region).name("sts");
        let parameters = parameters.time(date.into()).settings(settings).build().ok()?.into();
        let target = head.uri.path_and_query()?.as_str();
        let request =
            SignableRequest::new(head.method.as_str(), target, headers.into_iter(), SignableBody::Bytes(body));
        Some(sign(request.ok()?, &parameters).ok()?.into_parts().1)
    }
}

fn no(code: &'static str, message: &str) -> Refusal {
    let status = if code == "IncompleteSignature" { StatusCode::BAD_REQUEST } else { StatusCode::FORBIDDEN };
    Refusal::new(status, code, message)
}

/// The one value of a header.
fn header<'a>(head: &'a Parts, name: &str) -> Option<&'a str> {
    let mut values = head.headers.get_all(name).iter();
    values.next().filter(|_| values.next().is_none())?.to_str().ok()
}

/// A time as AWS writes it: `2026-01-02T03:04:05Z`.
pub(super) fn instant(seconds: i64) -> String {
    Timestamp::from_second(seconds).map(|time| time.to_string()).unwrap_or_default()
}

/// An id of AWS's form: a prefix, and so many capitals and digits.
pub(super) fn random_id(prefix: &str, length: usize) -> String {
    let letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let chosen = random::<32>().map(|byte| char::from(letters[usize::from(byte % 32)]));
    prefix.chars().chain(chosen.into_iter().take(length)).collect()
}

fn random<const LENGTH: usize>() -> [u8; LENGTH] {
    let mut bytes = [0; LENGTH];
    rand::fill(&mut bytes).expect("randomness");
    bytes
}
