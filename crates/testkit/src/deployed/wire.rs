//! moto asked over its own wire, by what plays AWS in this process.

use std::fmt::Write as _;
use std::net::SocketAddr;

use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use hyper::{Method, Request};
use serde_json::Value;

use crate::aws::ACCESS_KEY_ID;
use crate::loopback::send;

/// Where moto is, and the region that is asked for. Nobody judges what is asked here.
#[derive(Debug, Clone)]
pub(crate) struct Wire {
    server: SocketAddr,
    region: String,
}

/// What moto answers instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}: {status} {text}")]
pub(crate) struct Refusal {
    what: String,
    status: u16,
    text: String,
}

impl Refusal {
    /// Whether what was asked for is not there.
    fn is_absence(&self) -> bool {
        let words = ["NotFound", "NoSuchEntity", "Resource not found"];
        self.status == 404 || words.iter().any(|word| self.text.contains(word))
    }
}

/// An answer about something that may not be there.
pub(crate) fn if_there(answer: Result<Value, Refusal>) -> Result<Option<Value>, Refusal> {
    match answer {
        Ok(value) => Ok(Some(value)),
        Err(refusal) if refusal.is_absence() => Ok(None),
        Err(refusal) => Err(refusal),
    }
}

impl Wire {
    pub(crate) fn new(server: SocketAddr, region: &str) -> Self {
        Self { server, region: region.to_owned() }
    }

    pub(crate) fn server(&self) -> SocketAddr {
        self.server
    }

    pub(crate) fn region(&self) -> &str {
        &self.region
    }

    /// An operation of AWS JSON 1.1: `AmazonSSM.GetParameter`.
    pub(crate) async fn target(&self, target: &str, input: &Value) -> Result<Value, Refusal> {
        let service = match target.split('.').next() {
            Some("AmazonSSM") => "ssm",
            Some("TrentService") => "kms",
            Some("AWSEvents") => "events",
            Some("Logs_20140328") => "logs",
            _ => "secretsmanager",
        };
        let request = self.request(service, &Method::POST, "/").header("x-amz-target", target);
        let request = request.header(CONTENT_TYPE, "application/x-amz-json-1.1");
        self.exchange(target, request, input.to_string()).await
    }

    /// An operation of IAM's Query protocol, answered in JSON, which moto can. The result is what is in the operation's.
    pub(crate) async fn iam(&self, action: &str, parameters: &[(&str, &str)]) -> Result<Value, Refusal> {
        let mut body = format!("Action={action}&Version=2010-05-08&ContentType=JSON");
        for (name, value) in parameters {
            body = format!("{body}&{name}={}", escape(value));
        }
        let request = self.request("iam", &Method::POST, "/");
        let request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        let mut answer = self.exchange(action, request, body).await?;
        Ok(answer[format!("{action}Response")][format!("{action}Result")].take())
    }

    /// What is at a path of a service that speaks REST.
    pub(crate) async fn get(&self, service: &str, path: &str) -> Result<Value, Refusal> {
        self.exchange(path, self.request(service, &Method::GET, path), String::new()).await
    }

    fn request(&self, service: &str, method: &Method, path: &str) -> hyper::http::request::Builder {
        let scope = format!("{ACCESS_KEY_ID}/20260101/{}/{service}/aws4_request", self.region);
        let authorization = format!("AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0");
        let request = Request::builder().method(method).uri(path).header(HOST, self.server.to_string());
        // moto looks for service and region in it, and checks no signature.
        request.header(AUTHORIZATION, authorization)
    }

    async fn exchange(
        &self,
        what: &str,
        request: hyper::http::request::Builder,
        body: String,
    ) -> Result<Value, Refusal> {
        let fault = |status: u16, text: String| Refusal { what: what.to_owned(), status, text };
        let request = request.body(Full::from(body)).map_err(|error| fault(0, error.to_string()))?;
        let answer = send(self.server, request).await.map_err(|cut| fault(0, cut.to_string()))?;
        let status = answer.status();
        let text = answer.into_body().collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
        if !status.is_success() {
            return Err(fault(status.as_u16(), String::from_utf8_lossy(&text).into_owned()));
        }
        let text = if text.is_empty() { Bytes::from_static(b"null") } else { text };
        serde_json::from_slice(&text)
            .map_err(|error| fault(status.as_u16(), format!("no JSON ({error}): {}", String::from_utf8_lossy(&text))))
    }
}

/// `value` as a part of a path or a form.
pub(crate) fn escape(value: &str) -> String {
    value.bytes().fold(String::new(), |mut text, byte| {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            text.push(char::from(byte));
        } else {
            let _ = write!(text, "%{byte:02X}");
        }
        text
    })
}

/// The other way.
pub(crate) fn unescape(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let digits = after.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) if *first == b'%' => {
                bytes.push(byte);
                rest = after.get(2..).unwrap_or_default();
            }
            _ => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_escaped_can_be_read_again() {
        let text = "arn:aws:lambda:r:1:function:a/b c%2Fd+\u{fc}";
        assert_eq!(unescape(&escape(text)), text);
        assert_eq!(escape("a:b/c"), "a%3Ab%2Fc");
        assert_eq!(unescape("100%"), "100%");
        assert_eq!(unescape("%zz%41"), "%zzA");
    }
}
