//! What goes back over HTTP: the one map from what happened to status, headers and body.
//!
//! Two voices: operators read the audit record, callers read this. Whatever is refused about the caller is the same
//! bytes and the same headers. Error bodies are RFC 6749 section 5.2.

use serde::Serialize;

use crate::issue::Reason;
use crate::jws::Token;

/// An answer. The host adds `x-request-id`, which is the same in the audit record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// HTTP status.
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Vec<u8>,
}

/// The error codes on the wire, and nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorCode {
    /// 403.
    AccessDenied,
    /// 400.
    InvalidRequest,
    /// 400 (RFC 8707 section 2).
    InvalidTarget,
    /// 400.
    InvalidScope,
    /// 400.
    UnsupportedGrantType,
    /// 503.
    TemporarilyUnavailable,
    /// 500.
    ServerError,
    /// 404.
    NotFound,
    /// 405.
    MethodNotAllowed,
}

impl ErrorCode {
    fn wire(self) -> (u16, &'static str) {
        match self {
            Self::AccessDenied => (403, "access_denied"),
            Self::InvalidRequest => (400, "invalid_request"),
            Self::InvalidTarget => (400, "invalid_target"),
            Self::InvalidScope => (400, "invalid_scope"),
            Self::UnsupportedGrantType => (400, "unsupported_grant_type"),
            Self::TemporarilyUnavailable => (503, "temporarily_unavailable"),
            Self::ServerError => (500, "server_error"),
            Self::NotFound => (404, "not_found"),
            Self::MethodNotAllowed => (405, "method_not_allowed"),
        }
    }
}

#[derive(Serialize)]
struct ErrorBody<'a> {
    error: &'a str,
    error_description: &'a str,
}

#[derive(Serialize)]
struct TokenBody<'a> {
    token: &'a str,
    access_token: &'a str,
    issued_token_type: &'a str,
    token_type: &'a str,
    expires_in: u32,
    scope: String,
}

/// What every caller is told who gets no token at all. Nobody else says it: a gateway has words of its own.
pub const NO_TOKEN_HERE: &str = "this caller gets no token here";

/// How long a client waits before it asks again, in seconds: a failed refresh is not tried again sooner.
const RETRY_AFTER: &str = "5";

impl Response {
    /// An error, never to be stored by anybody.
    pub fn error(code: ErrorCode, description: &str) -> Self {
        let (status, error) = code.wire();
        let body = ErrorBody { error, error_description: description };
        let mut response = Self::json(status, serde_json::to_vec(&body).unwrap_or_default());
        response.headers.push(("cache-control", "no-store".into()));
        if code == ErrorCode::TemporarilyUnavailable {
            response.headers.push(("retry-after", RETRY_AFTER.into()));
        }
        response
    }

    /// 405 with the methods that the path has (RFC 9110 section 15.5.6).
    pub fn method_not_allowed(allow: &str) -> Self {
        let mut response = Self::error(ErrorCode::MethodNotAllowed, "the path does not have this method");
        response.headers.push(("allow", allow.to_owned()));
        response
    }

    pub(crate) fn json(status: u16, body: Vec<u8>) -> Self {
        Self { status, headers: vec![("content-type", "application/json".into())], body }
    }

    /// 200 with the token (RFC 6749 section 5.1, RFC 8693 section 2.2.1).
    pub(crate) fn token(token: &Token, lifetime: u32, scopes: &[String]) -> Self {
        let body = TokenBody {
            token: token.expose(),
            access_token: token.expose(),
            issued_token_type: "urn:ietf:params:oauth:token-type:jwt",
            token_type: "Bearer",
            expires_in: lifetime,
            scope: scopes.join(" "),
        };
        let mut response = Self::json(200, serde_json::to_vec(&body).unwrap_or_default());
        response.headers.push(("cache-control", "no-store".into()));
        response
    }

    /// The answer to a refusal.
    pub fn refusal(reason: &Reason) -> Self {
        let (code, description) = match reason {
            Reason::Caller(_) | Reason::Organisation(_) | Reason::NoAudience(_) => {
                (ErrorCode::AccessDenied, NO_TOKEN_HERE.to_owned())
            }
            Reason::Request(fault @ crate::request::RequestFault::GrantType) => {
                (ErrorCode::UnsupportedGrantType, fault.to_string())
            }
            Reason::Request(fault) => (ErrorCode::InvalidRequest, fault.to_string()),
            Reason::NoDefaultAudience => (ErrorCode::InvalidTarget, "name an audience: there is no default".to_owned()),
            Reason::Audience(_) => {
                (ErrorCode::InvalidTarget, "the audience is not one that this caller may ask for".to_owned())
            }
            Reason::Scope(_) => (ErrorCode::InvalidScope, "the scope goes beyond what is granted".to_owned()),
            Reason::NoPolicy | Reason::NoRing | Reason::NoKey(_) | Reason::Signing(_) => {
                (ErrorCode::TemporarilyUnavailable, "no token can be signed at the moment".to_owned())
            }
            Reason::Bug(_) => (ErrorCode::ServerError, "an internal error".to_owned()),
        };
        Self::error(code, &description)
    }
}
