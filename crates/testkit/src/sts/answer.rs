//! What STS answers, in the XML of the query protocol, and each of its refusals.

use std::sync::atomic::{AtomicU64, Ordering};

use http_body_util::Full;
use hyper::StatusCode;
use hyper::header::{CONTENT_TYPE, HeaderValue};

use super::call::{Form, Outcome};
use super::identity::{Held, instant};
use super::token::Claims;
use crate::loopback::Answer;

/// STS says no.
#[derive(Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    pub(super) code: &'static str,
    message: String,
    /// What STS does not tell.
    why: Option<String>,
}

impl Refusal {
    pub(super) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), why: None }
    }

    pub(super) fn because(self, why: impl Into<String>) -> Self {
        Self { why: Some(why.into()), ..self }
    }

    pub(super) fn validation(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "ValidationError", message)
    }

    pub(super) fn token(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "InvalidIdentityToken", message)
    }

    pub(super) fn no_provider(issuer: &str) -> Self {
        Self::token(format!("No OpenIDConnect provider found in your account for {issuer}"))
    }

    pub(super) fn no_key(why: impl Into<String>) -> Self {
        Self::token(
            "Couldn't retrieve verification key from your identity provider,  please reference \
             AssumeRoleWithWebIdentity documentation for requirements",
        )
        .because(why)
    }

    /// Documented, and never quoted.
    pub(super) fn not_validated(why: &str) -> Self {
        Self::token(
            "The web identity token that was passed could not be validated by AWS. Get a new identity token from the \
             identity provider and then retry the request.",
        )
        .because(why)
    }

    pub(super) fn expired(now: i64, expires: i64) -> Self {
        let told = format!("Token expired: current date/time {now} must be before the expiration date/time {expires}");
        Self::new(StatusCode::BAD_REQUEST, "ExpiredTokenException", told)
    }

    pub(super) fn denied(action: &str, why: &str) -> Self {
        Self::new(StatusCode::FORBIDDEN, "AccessDenied", format!("Not authorized to perform {action}")).because(why)
    }

    pub(super) fn malformed_policy() -> Self {
        Self::new(StatusCode::BAD_REQUEST, "MalformedPolicyDocument", "Syntax errors in policy.")
    }

    pub(super) fn too_large(message: String) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "PackedPolicyTooLarge", message)
    }

    pub(super) fn no_operation(form: &Form) -> Self {
        let part = |name| form.get(name).unwrap_or_default();
        let told = format!("Could not find operation {} for version {}", part("Action"), part("Version"));
        Self::new(StatusCode::BAD_REQUEST, "InvalidAction", told)
    }

    pub(super) fn throttled() -> Self {
        Self::new(StatusCode::BAD_REQUEST, "Throttling", "Rate exceeded")
    }

    /// Documented, and never quoted.
    pub(super) fn idp_unreachable() -> Self {
        let told = "The request could not be fulfilled because the identity provider (IDP) that was asked to verify the \
                    incoming identity token could not be reached.";
        Self::new(StatusCode::BAD_REQUEST, "IDPCommunicationError", told)
    }

    /// Documented, and never quoted for OpenID Connect.
    pub(super) fn idp_rejected_claim() -> Self {
        let told = "The identity provider (IdP) reported that authentication failed. This might be because the claim is invalid.";
        Self::new(StatusCode::FORBIDDEN, "IDPRejectedClaim", told)
    }

    pub(super) fn region_disabled(form: &Form) -> Self {
        let account = form.get("RoleArn").and_then(|arn| arn.split(':').nth(4)).unwrap_or_default();
        let told = format!(
            "STS is not activated in this region for account:{account}. Your account administrator can activate STS in \
             this region using the IAM Console."
        );
        Self::new(StatusCode::FORBIDDEN, "RegionDisabledException", told)
    }

    /// Nothing was decided: a test asks for more than is known here.
    pub(super) fn unknown(what: &str) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "InternalFailure", what)
    }

    pub(super) fn outcome(&self) -> Outcome {
        Outcome::Refused { code: self.code.to_owned(), why: self.why.as_ref().unwrap_or(&self.message).clone() }
    }

    pub(super) fn answer(&self) -> Answer {
        let id = request_id();
        let fault = if self.status.is_server_error() { "Receiver" } else { "Sender" };
        let body = format!(
            "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\n  <Error>\n    <Type>{fault}</Type>\n    \
             <Code>{}</Code>\n    <Message>{}</Message>\n  </Error>\n  <RequestId>{id}</RequestId>\n</ErrorResponse>\n",
            self.code,
            text(&self.message)
        );
        page(self.status, "text/xml", &id, body)
    }
}

/// The answer to `AssumeRoleWithWebIdentity`.
pub(super) fn session(held: &Held, claims: &Claims, provider: &str, packed: usize) -> Answer {
    let mut parts = element("Audience", &claims.audience)
        + &format!(
            "<AssumedRoleUser>{}{}</AssumedRoleUser>",
            element("AssumedRoleId", &held.user_id),
            element("Arn", &held.session.arn)
        )
        + &element("Provider", provider)
        + &format!(
            "<Credentials>{}{}{}{}</Credentials>",
            element("AccessKeyId", &held.access_key_id),
            element("SecretAccessKey", &held.secret),
            element("SessionToken", &held.token),
            element("Expiration", &instant(held.session.expires))
        )
        + &element("SubjectFromWebIdentityToken", &claims.subject);
    // STS leaves these two out where there is nothing to tell.
    if packed > 0 {
        parts += &element("PackedPolicySize", &packed.to_string());
    }
    if let Some(source_identity) = &claims.source_identity {
        parts += &element("SourceIdentity", source_identity);
    }
    result("AssumeRoleWithWebIdentity", &parts)
}

/// The answer to `GetCallerIdentity`.
pub(super) fn caller(held: &Held) -> Answer {
    let account = held.session.arn.split(':').nth(4).unwrap_or_default();
    let parts = [("Arn", held.session.arn.as_str()), ("UserId", &held.user_id), ("Account", account)];
    result("GetCallerIdentity", &parts.map(|(name, value)| element(name, value)).concat())
}

/// What is no answer.
pub(super) fn nonsense() -> Answer {
    page(
        StatusCode::OK,
        "text/html",
        "",
        "<!doctype html><title>Sign in</title><p>This network needs a login.".to_owned(),
    )
}

fn result(action: &str, parts: &str) -> Answer {
    let id = request_id();
    let body = format!(
        "<{action}Response xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\n<{action}Result>{parts}</{action}Result>\n\
         <ResponseMetadata><RequestId>{id}</RequestId></ResponseMetadata>\n</{action}Response>\n"
    );
    page(StatusCode::OK, "text/xml", &id, body)
}

fn page(status: StatusCode, kind: &'static str, id: &str, body: String) -> Answer {
    let mut answer = Answer::new(Full::from(body));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    answer.headers_mut().insert("x-amzn-requestid", HeaderValue::from_str(id).expect("digits"));
    answer
}

/// Another one for each answer, as long as the process lives.
fn request_id() -> String {
    static ANSWERS: AtomicU64 = AtomicU64::new(1);
    format!("{:08x}-0000-4000-8000-000000000000", ANSWERS.fetch_add(1, Ordering::Relaxed))
}

fn element(name: &str, value: &str) -> String {
    format!("<{name}>{}</{name}>", text(value))
}

fn text(value: &str) -> String {
    value.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
