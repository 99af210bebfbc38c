//! How the services fail, in their own words.

use std::time::Duration;

use http_body_util::Full;
use hyper::StatusCode;
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use serde_json::json;

use crate::loopback::Answer;

/// The id that every failure of the gate has, so that a log can be searched for it.
pub(super) const REQUEST_ID: &str = "ffffffff-ffff-4fff-8fff-ffffffffffff";

/// A service that the gate tells from others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Service {
    /// Secrets Manager.
    SecretsManager,
    /// Parameter Store, a part of Systems Manager.
    Ssm,
    /// S3.
    S3,
}

/// What a service does with every request until it is healed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It asks the caller to slow down.
    Throttled,
    /// It answers as ever, so much later.
    Slow(Duration),
    /// It fails, and says so.
    ServerError,
    /// It refuses the caller.
    AccessDenied,
    /// It takes the request and never answers.
    Silent,
    /// It takes the request and closes the connection without an answer.
    Cut,
}

impl Service {
    /// The service that a request is for, by what it says itself. None for all that are not told apart.
    pub(super) fn of(headers: &HeaderMap) -> Option<Self> {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        match text("x-amz-target").map(|target| target.split_once('.').map_or(target, |(service, _)| service)) {
            Some("secretsmanager") => Some(Self::SecretsManager),
            Some("AmazonSSM") => Some(Self::Ssm),
            Some(_) => None,
            // The scope of a signature names the service. S3 is the one that may be asked without a signature.
            None => text("authorization").is_none_or(|scope| scope.contains("/s3/aws4_request")).then_some(Self::S3),
        }
    }
}

/// The service asks the caller to slow down.
pub(super) fn throttled(service: Service) -> Answer {
    match service {
        Service::SecretsManager | Service::Ssm => json_error(400, "ThrottlingException", "message", "Rate exceeded"),
        Service::S3 => xml_error(503, "SlowDown", "Please reduce your request rate."),
    }
}

/// The service fails.
pub(super) fn server_error(service: Service) -> Answer {
    let message = "An error occurred on the server side.";
    match service {
        Service::SecretsManager => json_error(500, "InternalServiceError", "Message", message),
        Service::Ssm => json_error(500, "InternalServerError", "message", message),
        Service::S3 => xml_error(500, "InternalError", "We encountered an internal error. Please try again."),
    }
}

/// The service refuses the caller. The action is the one that a function of ours would try.
pub(super) fn access_denied(service: Service) -> Answer {
    let kind = "AccessDeniedException";
    match service {
        Service::SecretsManager => json_error(400, kind, "Message", &denial("secretsmanager:GetSecretValue")),
        Service::Ssm => json_error(400, kind, "Message", &denial("ssm:GetParameter")),
        Service::S3 => xml_error(403, "AccessDenied", &denial("s3:GetObject")),
    }
}

fn denial(action: &str) -> String {
    let role = format!("arn:aws:sts::{}:assumed-role/function-under-test/function-under-test", super::ACCOUNT);
    format!(
        "User: {role} is not authorized to perform: {action} because no identity-based policy allows the {action} action"
    )
}

/// AWS JSON 1.1: the type stands in the body, and the name of the message's field is the service's own.
fn json_error(status: u16, kind: &str, field: &str, message: &str) -> Answer {
    let body = json!({"__type": kind, field: message}).to_string();
    error(status, "application/x-amz-json-1.1", "x-amzn-requestid", body)
}

/// S3's REST-XML: <https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html>.
fn xml_error(status: u16, code: &str, message: &str) -> Answer {
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>{message}</Message>\
         <RequestId>{REQUEST_ID}</RequestId><HostId>{REQUEST_ID}</HostId></Error>"
    );
    error(status, "application/xml", "x-amz-request-id", body)
}

fn error(status: u16, kind: &'static str, id: &'static str, body: String) -> Answer {
    let mut answer = Answer::new(Full::from(body));
    *answer.status_mut() = StatusCode::from_u16(status).expect("it is one of ours");
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    answer.headers_mut().insert(id, HeaderValue::from_static(REQUEST_ID));
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_service_is_told_by_target_or_scope() {
        let of = |name: &'static str, value: &'static str| {
            Service::of(&HeaderMap::from_iter([(name.parse().unwrap(), HeaderValue::from_static(value))]))
        };
        assert_eq!(of("x-amz-target", "secretsmanager.GetSecretValue"), Some(Service::SecretsManager));
        assert_eq!(of("x-amz-target", "AmazonSSM.GetParameter"), Some(Service::Ssm));
        assert_eq!(of("x-amz-target", "TrentService.Sign"), None);
        assert_eq!(
            of("authorization", "AWS4-HMAC-SHA256 Credential=a/20260101/us-east-1/s3/aws4_request, .."),
            Some(Service::S3)
        );
        assert_eq!(of("authorization", "AWS4-HMAC-SHA256 Credential=a/20260101/us-east-1/sts/aws4_request, .."), None);
        assert_eq!(Service::of(&HeaderMap::new()), Some(Service::S3));
    }
}
