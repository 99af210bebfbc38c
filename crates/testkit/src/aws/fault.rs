//! How the services fail, in their own words.

use std::time::Duration;

use http_body_util::Full;
use hyper::StatusCode;
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use hyper::http::request::Parts;
use serde_json::{Value, json};

use super::call;
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
    /// Key Management Service.
    Kms,
    /// Lambda, as the service that configures and invokes functions.
    Lambda,
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
    pub(crate) fn of(headers: &HeaderMap) -> Option<Self> {
        if let Some(target) = call::target(headers) {
            return match target.split_once('.').map_or(target, |(service, _)| service) {
                "secretsmanager" => Some(Self::SecretsManager),
                "AmazonSSM" => Some(Self::Ssm),
                "TrentService" => Some(Self::Kms),
                _ => None,
            };
        }
        // S3 is the one that may be asked without a signature.
        match call::signed_for(headers) {
            Some("s3") | None => Some(Self::S3),
            Some("lambda") => Some(Self::Lambda),
            Some(_) => None,
        }
    }
}

/// The service asks the caller to slow down.
pub(super) fn throttled(service: Service) -> Answer {
    match service {
        Service::SecretsManager | Service::Ssm => json_error(400, "ThrottlingException", "message", "Rate exceeded"),
        Service::S3 => xml_error(503, "SlowDown", "Please reduce your request rate."),
        Service::Kms => {
            let message = "You have exceeded the rate at which you may call KMS. Reduce the frequency of your calls.";
            json_error(400, "ThrottlingException", "message", message)
        }
        Service::Lambda => rest_error(
            429,
            "TooManyRequestsException",
            &json!({"Type": "User", "message": "Rate Exceeded.", "Reason": "CallerRateLimitExceeded"}),
        ),
    }
}

/// The service fails.
pub(super) fn server_error(service: Service) -> Answer {
    let message = "An error occurred on the server side.";
    match service {
        Service::SecretsManager => json_error(500, "InternalServiceError", "Message", message),
        Service::Ssm => json_error(500, "InternalServerError", "message", message),
        Service::S3 => xml_error(500, "InternalError", "We encountered an internal error. Please try again."),
        Service::Kms => json_error(500, "KMSInternalException", "message", message),
        Service::Lambda => {
            rest_error(500, "ServiceException", &json!({"Type": "Service", "Message": "Service is unavailable."}))
        }
    }
}

/// The service refuses the caller what it asks for.
pub(super) fn access_denied(service: Service, head: &Parts) -> Answer {
    denied(service, &denial(&call::action(service, head)))
}

/// The same in these words.
pub(crate) fn denied(service: Service, denial: &str) -> Answer {
    let kind = "AccessDeniedException";
    match service {
        Service::SecretsManager | Service::Ssm | Service::Kms => json_error(400, kind, "Message", denial),
        Service::S3 => xml_error(403, "AccessDenied", denial),
        Service::Lambda => rest_error(403, kind, &json!({"Message": denial})),
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

/// Lambda's REST-JSON: the type stands in a header.
fn rest_error(status: u16, kind: &'static str, body: &Value) -> Answer {
    let mut answer = error(status, "application/json", "x-amzn-requestid", body.to_string());
    answer.headers_mut().insert("x-amzn-errortype", HeaderValue::from_static(kind));
    answer
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
        assert_eq!(of("x-amz-target", "TrentService.Sign"), Some(Service::Kms));
        assert_eq!(of("x-amz-target", "DynamoDB_20120810.GetItem"), None);
        assert_eq!(
            of("authorization", "AWS4-HMAC-SHA256 Credential=a/20260101/us-east-1/s3/aws4_request, .."),
            Some(Service::S3)
        );
        assert_eq!(
            of("authorization", "AWS4-HMAC-SHA256 Credential=a/20260101/us-east-1/lambda/aws4_request, .."),
            Some(Service::Lambda)
        );
        assert_eq!(of("authorization", "AWS4-HMAC-SHA256 Credential=a/20260101/us-east-1/sts/aws4_request, .."), None);
        assert_eq!(Service::of(&HeaderMap::new()), Some(Service::S3));
    }
}
