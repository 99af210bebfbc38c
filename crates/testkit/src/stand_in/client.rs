//! A client of the deployed API, and the callers that it has.

use std::net::SocketAddr;

use http_body_util::{BodyExt as _, Full};
use hyper::header::HOST;
use hyper::{Method, Request};
use serde_json::Value;

use super::checks::Run;
use crate::deployed::{CALLER, Guest};
use crate::iam::Document;
use crate::loopback::{send, wait};

/// The organisation that may ask.
pub(super) const ORGANIZATION: &str = "o-a1b2c3d4e5";
/// Another one.
pub(super) const STRANGERS: &str = "o-z9y8x7w6v5";

/// An answer of the gateway.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) status: u16,
    pub(super) body: String,
    etag: Option<String>,
}

impl Said {
    pub(super) fn json(&self) -> Run<Value> {
        serde_json::from_str(&self.body).map_err(|error| format!("{} {}: no JSON: {error}", self.status, self.body))
    }

    pub(super) fn etag(&self) -> Option<&str> {
        self.etag.as_deref()
    }

    /// An error unless it has this status, and this as its `error`.
    pub(super) fn refuses(&self, status: u16, error: &str) -> Run<()> {
        let refused = self.status == status && self.json().is_ok_and(|body| body["error"] == error);
        if refused { Ok(()) } else { Err(format!("{} {}", self.status, self.body)) }
    }
}

/// Sends requests to a gateway.
pub(super) struct Client {
    gateway: String,
}

impl Client {
    pub(super) fn new(gateway: String) -> Self {
        Self { gateway }
    }

    pub(super) fn get(&self, path: &str) -> Run<Said> {
        self.ask(&Method::GET, path, &[], "")
    }

    /// Asks for a token, as this caller if there is one.
    pub(super) fn token(&self, caller: Option<&str>, body: &str) -> Run<Said> {
        let caller = caller.map(|caller| (CALLER, caller));
        let headers: Vec<_> = caller.into_iter().chain([("content-type", "application/json")]).collect();
        self.ask(&Method::POST, "/token", &headers, body)
    }

    pub(super) fn ask(&self, method: &Method, path: &str, headers: &[(&str, &str)], body: &str) -> Run<Said> {
        let fault = |why: String| format!("{method} {path}: {why}");
        let address = self.gateway.trim_start_matches("http://");
        let address: SocketAddr = address.parse().map_err(|error| fault(format!("{address}: {error}")))?;
        let request = Request::builder().method(method).uri(path).header(HOST, address.to_string());
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        let request = request.body(Full::from(body.to_owned())).map_err(|error| fault(error.to_string()))?;
        wait(async {
            let answer = send(address, request).await.map_err(|cut| fault(cut.to_string()))?;
            let status = answer.status().as_u16();
            let etag = answer.headers().get("etag").and_then(|etag| etag.to_str().ok()).map(str::to_owned);
            let body = answer.into_body().collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
            Ok(Said { status, body: String::from_utf8_lossy(&body).into_owned(), etag })
        })
    }
}

/// Everybody who asks, by name. `invoke` is what the deployment says that callers need.
pub(super) fn guests(invoke: &Document) -> Vec<(&'static str, Guest)> {
    let person = "AWSReservedSSO_DataAnalyst_0123456789abcdef";
    let of = |account: &str, path: &str, role: &str, session: &str| Guest {
        arn: format!("arn:aws:sts::{account}:assumed-role/{role}/{session}"),
        role: Some(format!("arn:aws:iam::{account}:role/{path}{role}")),
        principal_id: format!("AROAEXAMPLE23456789AB:{session}"),
        organization: Some(ORGANIZATION.to_owned()),
        policies: vec![invoke.clone()],
    };
    let reserved = "aws-reserved/sso.amazonaws.com/eu-central-1/";
    let analyst = of("111122223333", reserved, person, "jane@acme.com");
    let workload = of("444455556666", "", "snowflake-transform", "nightly");
    vec![
        ("analyst", analyst.clone()),
        ("workload", workload.clone()),
        // In the account of the deployment itself, where one policy would be enough.
        ("neighbour", of("123456789012", "", "snowflake-transform", "nightly")),
        ("stranger", Guest { organization: Some(STRANGERS.to_owned()), ..analyst.clone() }),
        ("loner", Guest { organization: None, ..of("123456789012", "", "snowflake-transform", "nightly") }),
        ("forger", of("111122223333", "", person, "jane@acme.com")),
        ("unpermitted", Guest { policies: Vec::new(), ..analyst }),
        ("unknown", of("444455556666", "", "reporting", "nightly")),
    ]
}
