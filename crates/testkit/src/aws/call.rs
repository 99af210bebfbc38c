//! What a request asks for, as its head says it: nobody but the server looks into a body.

use hyper::Method;
use hyper::header::{AUTHORIZATION, HeaderMap};
use hyper::http::request::Parts;

use super::Service;

/// The service and operation of AWS JSON, `secretsmanager.PutSecretValue`. REST has none.
pub(super) fn target(headers: &HeaderMap) -> Option<&str> {
    headers.get("x-amz-target")?.to_str().ok()
}

/// The service in the scope of the signature: `Credential=ID/DATE/REGION/SERVICE/aws4_request`.
pub(super) fn signed_for(headers: &HeaderMap) -> Option<&str> {
    let (scope, _) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once("/aws4_request")?;
    scope.rsplit('/').next()
}

/// A request in one line: its target, or the service that it is signed for with its method and path.
pub(super) fn line(head: &Parts) -> String {
    match target(&head.headers) {
        Some(target) => target.to_owned(),
        None => {
            format!("{} {} {}", signed_for(&head.headers).unwrap_or("unsigned"), head.method, head.uri.path())
        }
    }
}

/// The action that a policy would have to allow.
pub(crate) fn action(service: Service, head: &Parts) -> String {
    let operation = target(&head.headers).and_then(|target| target.split_once('.')).map_or("*", |(_, name)| name);
    match service {
        Service::SecretsManager => format!("secretsmanager:{operation}"),
        Service::Ssm => format!("ssm:{operation}"),
        Service::Kms => format!("kms:{operation}"),
        Service::S3 => match head.method {
            Method::PUT => "s3:PutObject".to_owned(),
            Method::DELETE => "s3:DeleteObject".to_owned(),
            _ => "s3:GetObject".to_owned(),
        },
        Service::Lambda => format!("lambda:{}", lambda_operation(head)),
    }
}

/// Those of Lambda's operations that are told by the last step of their path; the rest is not told apart.
fn lambda_operation(head: &Parts) -> &'static str {
    match (&head.method, head.uri.path().rsplit('/').next()) {
        (&Method::POST, Some("invocations")) => "InvokeFunction",
        (&Method::POST, Some("versions")) => "PublishVersion",
        (&Method::GET, Some("versions")) => "ListVersionsByFunction",
        (&Method::PUT, Some("code")) => "UpdateFunctionCode",
        (&Method::PUT, Some("configuration")) => "UpdateFunctionConfiguration",
        (&Method::GET, Some("configuration")) => "GetFunctionConfiguration",
        _ => "*",
    }
}

#[cfg(test)]
mod tests {
    use hyper::Request;

    use super::*;

    fn head(method: &str, path: &str, name: &str, value: &str) -> Parts {
        Request::builder().method(method).uri(path).header(name, value).body(()).unwrap().into_parts().0
    }

    fn signed(service: &str) -> String {
        format!("AWS4-HMAC-SHA256 Credential=a/20260101/us-east-1/{service}/aws4_request, SignedHeaders=host, ..")
    }

    #[test]
    fn a_call_has_a_line_and_an_action() {
        let put = head("POST", "/", "x-amz-target", "secretsmanager.PutSecretValue");
        assert_eq!(line(&put), "secretsmanager.PutSecretValue");
        assert_eq!(action(Service::SecretsManager, &put), "secretsmanager:PutSecretValue");
        let sign = head("POST", "/", "x-amz-target", "TrentService.Sign");
        assert_eq!(action(Service::Kms, &sign), "kms:Sign");

        let path = "/2015-03-31/functions/x/configuration";
        let update = head("PUT", &format!("{path}?a=b"), "authorization", &signed("lambda"));
        assert_eq!(line(&update), format!("lambda PUT {path}"));
        assert_eq!(action(Service::Lambda, &update), "lambda:UpdateFunctionConfiguration");
        let object = head("DELETE", "/bucket/key", "authorization", &signed("s3"));
        assert_eq!(line(&object), "s3 DELETE /bucket/key");
        assert_eq!(action(Service::S3, &object), "s3:DeleteObject");
        assert_eq!(line(&head("GET", "/", "accept", "*/*")), "unsigned GET /");
    }
}
