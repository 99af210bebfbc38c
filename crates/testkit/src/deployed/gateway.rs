//! A REST API on the loopback: what was deployed of it, at the root of a host, in front of the functions.
//!
//! **Owns** routes, who may call, the event, and what the gateway says by itself. **Refuses** to be more: there is no TLS, no
//! signature is checked (a caller is named by a header that nobody else understands), and neither throttles nor WAF, access
//! log or cache are there. Who may call is told as AWS documents it (API Gateway Developer Guide, "How API Gateway resource
//! policies affect authorization workflow").

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Request, Response, StatusCode};
use serde_json::Value;

use super::Shared;
use super::deployments::{Deployment, Served};
use super::event::event;
use super::holdings::Target;
use super::instances::Invoked;
use super::judge::Invoker;
use crate::aws::ACCOUNT;
use crate::iam::{Caller, Context, Decision, Document, Policies, Reach, Request as Asked};
use crate::loopback::{Answer, Cut, collect};

/// The header by which a caller is named, in place of a signature.
pub const CALLER: &str = "x-stand-in-caller";

/// Somebody who signs requests.
#[derive(Debug, Clone)]
pub struct Guest {
    /// The ARN that the gateway sees: of a session, or of a user.
    pub arn: String,
    /// For a session, the ARN of its role, with the role's path.
    pub role: Option<String>,
    /// `AROA..:SESSION` or `AIDA..`.
    pub principal_id: String,
    /// The organisation of the account, if it is in one.
    pub organization: Option<String>,
    /// What the caller's own policies say.
    pub policies: Vec<Document>,
}

/// The callers by their names.
#[derive(Default)]
pub(crate) struct Guests(Mutex<BTreeMap<String, Guest>>);

impl Guests {
    pub(crate) fn admit(&self, name: &str, guest: Guest) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), guest);
    }

    fn of(&self, head: &Parts) -> Result<Option<Guest>, String> {
        let Some(name) = head.headers.get(CALLER) else { return Ok(None) };
        let name = name.to_str().unwrap_or_default();
        let guest = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned();
        guest.map(Some).ok_or_else(|| format!("nobody told the gateway who {name} is"))
    }
}

impl Guest {
    /// The account.
    pub fn account(&self) -> &str {
        self.arn.split(':').nth(4).unwrap_or_default()
    }

    fn caller(&self) -> Caller {
        match &self.role {
            Some(role) => Caller::Role { role: role.clone(), session: self.arn.clone() },
            None => Caller::User(self.arn.clone()),
        }
    }
}

/// What the gateway says by itself: the case, the status that it has by default, and its words.
struct Words(&'static str, u16, String);

impl Shared {
    pub(super) async fn gateway(self: &Arc<Self>, request: Request<Incoming>) -> Result<Answer, Cut> {
        let (head, body) = request.into_parts();
        let body = collect(body).await?;
        match self.serve(&head, &body).await {
            Ok(answer) => Ok(answer),
            Err(why) => {
                self.ledger.violate(format!("gateway, {} {}: {why}", head.method, head.uri.path()));
                let mut answer = Response::new(Full::from(why));
                *answer.status_mut() = StatusCode::NOT_IMPLEMENTED;
                Ok(answer)
            }
        }
    }

    /// An error is a fault of what was deployed or of this stand-in, and never an answer of the gateway.
    async fn serve(self: &Arc<Self>, head: &Parts, body: &[u8]) -> Result<Answer, String> {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        // So answers a host of API Gateway's at which nothing is deployed.
        let Some(served) = Served::find(&self.wire).await? else { return Ok(forbidden()) };
        let deployment = self.deployments.of(&served.deployment);
        let deployment = deployment.ok_or_else(|| format!("the deployment {} is not known", served.deployment))?;
        if served.domain.is_none() && !served.has_default_endpoint {
            return Ok(forbidden());
        }
        let request_id = format!("0a1b2c3d-0000-4e5f-8a9b-{:012x}", NEXT.fetch_add(1, Ordering::Relaxed));
        let guest = self.guests.of(head)?;
        let (path, method) = (head.uri.path(), head.method.as_str());
        let say = |words: &Words| say(&deployment, words, &request_id);
        let missing = || Words("MISSING_AUTHENTICATION_TOKEN", 403, "Missing Authentication Token".to_owned());

        let route = deployment.route(path);
        let found = route.and_then(|route| Some((route, route.methods.get(method)?)));
        let Some((route, found)) = found else { return say(&missing()) };
        if found.needs_iam && guest.is_none() {
            return say(&missing());
        }
        let guest = guest.filter(|_| found.needs_iam);
        let arn = served.arn(self.wire.region(), method, path);
        if let Decision::Denied(why) = admits(&deployment, guest.as_ref(), &arn)? {
            let who = guest.as_ref().map_or("anonymous", |guest| guest.arn.as_str());
            let what =
                format!("User: {who} is not authorized to perform: execute-api:Invoke on resource: {arn}: {why}");
            return say(&Words("ACCESS_DENIED", 403, what));
        }
        let event = event(&served, route, self.wire.region(), head, body, guest.as_ref(), &request_id)?;
        let invoker = Invoker { service: "apigateway.amazonaws.com".to_owned(), source_arn: arn, source_account: None };
        let (shared, target) = (Arc::clone(self), Target::parse(&found.function));
        let invoked = tokio::task::spawn_blocking(move || shared.invoke_for(&invoker, &target, &event.to_string()));
        match invoked.await.map_err(|error| error.to_string())? {
            Ok(Invoked::Answered { payload, failed: false, .. }) => answer(&payload, method == "HEAD"),
            Ok(Invoked::Answered { payload, .. }) => {
                let why = format!("the function fails: {}", String::from_utf8_lossy(&payload));
                self.ledger.violate(format!("{method} {path}: {why}"));
                say(&Words("DEFAULT_5XX", 502, "Internal server error".to_owned()))
            }
            Ok(Invoked::Throttled) => say(&Words("DEFAULT_5XX", 500, "Internal server error".to_owned())),
            Ok(Invoked::Absent) => Err(format!("there is no function {}", found.function)),
            Err(why) => Err(why),
        }
    }
}

/// Whether the API lets the caller in: its own policy for everybody, and the caller's for who signs.
fn admits(deployment: &Deployment, guest: Option<&Guest>, arn: &str) -> Result<Decision, String> {
    let account = guest.map(Guest::account);
    let request = Asked {
        caller: guest.map_or(Caller::Anonymous, Guest::caller),
        action: "execute-api:Invoke".to_owned(),
        resource: Some(arn.to_owned()),
        context: Context::default()
            .with_option("aws:PrincipalArn", guest.map(|guest| guest.role.as_ref().unwrap_or(&guest.arn)))
            .with_option("aws:PrincipalAccount", account)
            .with_option("aws:PrincipalOrgID", guest.and_then(|guest| guest.organization.as_ref()))
            .with_option("aws:userid", guest.map(|guest| &guest.principal_id))
            .with("aws:SourceIp", "203.0.113.24")
            .with("aws:SecureTransport", "true")
            .without(&["aws:SourceVpc", "aws:SourceVpce", "aws:SourceArn", "aws:username"]),
    };
    let identity = guest.map_or(&[][..], |guest| &guest.policies[..]);
    let policies = Policies { identity, resource: deployment.policy.as_ref(), ..Policies::default() };
    let reach = match account {
        // Without a policy of the API, whoever needs not sign is let in.
        None if deployment.policy.is_none() => return Ok(Decision::Allowed("there is no policy".to_owned())),
        None => Reach::ResourceDecides,
        Some(account) if account == ACCOUNT => Reach::SameAccount,
        Some(_) => Reach::OtherAccount,
    };
    policies.decide(&request, reach).map_err(|error| error.to_string())
}

/// What the function answered, as HTTP (API Gateway Developer Guide, "Output format of a Lambda function for proxy
/// integration").
fn answer(payload: &Bytes, without_body: bool) -> Result<Answer, String> {
    let fault = |why: &str| format!("the function's answer {why}: {}", String::from_utf8_lossy(payload));
    let value: Value = serde_json::from_slice(payload).map_err(|_| fault("is no JSON"))?;
    let known = ["statusCode", "headers", "multiValueHeaders", "body", "isBase64Encoded"];
    if value.as_object().is_none_or(|members| members.keys().any(|name| !known.contains(&name.as_str()))) {
        return Err(fault("is no object, or has a member that is not known"));
    }
    if value["isBase64Encoded"] == true {
        return Err(fault("is in Base64, and the API names no binary media type"));
    }
    let status = value["statusCode"].as_u64().and_then(|status| u16::try_from(status).ok());
    let status = status.and_then(|status| StatusCode::from_u16(status).ok()).ok_or_else(|| fault("has no status"))?;
    let body = if without_body { "" } else { value["body"].as_str().unwrap_or_default() };
    let mut answer = Response::new(Full::from(body.to_owned()));
    *answer.status_mut() = status;
    let mut add = |name: &str, value: &Value| {
        let name: HeaderName = name.parse().map_err(|_| fault("has a header that is none"))?;
        let value = value.as_str().and_then(|value| HeaderValue::from_str(value).ok());
        answer.headers_mut().append(name, value.ok_or_else(|| fault("has a header that is none"))?);
        Ok::<(), String>(())
    };
    for (name, value) in value["headers"].as_object().into_iter().flatten() {
        add(name, value)?;
    }
    for (name, values) in value["multiValueHeaders"].as_object().into_iter().flatten() {
        values.as_array().into_iter().flatten().try_for_each(|value| add(name, value))?;
    }
    Ok(answer)
}

/// What is said for no API in particular.
fn forbidden() -> Answer {
    let mut answer = Response::new(Full::from("{\"message\":\"Forbidden\"}"));
    *answer.status_mut() = StatusCode::FORBIDDEN;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer
}

/// The gateway's own words, in the form that was deployed for them.
fn say(deployment: &Deployment, words: &Words, request_id: &str) -> Result<Answer, String> {
    let Words(kind, status, message) = words;
    let form = deployment.response(kind, *status);
    let quoted = Value::from(message.as_str()).to_string();
    let template = form.template.unwrap_or_else(|| "{\"message\":$context.error.messageString}".to_owned());
    // The longer name first.
    let body = template
        .replace("$context.error.messageString", &quoted)
        .replace("$context.error.message", message)
        .replace("$context.requestId", request_id);
    if body.contains("$context") {
        return Err(format!("the template of {kind} names something that is not known: {template}"));
    }
    let mut answer = Response::new(Full::from(body));
    *answer.status_mut() = StatusCode::from_u16(form.status.unwrap_or(*status)).map_err(|error| error.to_string())?;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    for (name, value) in &form.headers {
        let value = match value.strip_prefix('\'').and_then(|value| value.strip_suffix('\'')) {
            Some(literal) => literal,
            None if value == "context.requestId" => request_id,
            None => return Err(format!("the header {name} of {kind} is {value}, which is not known")),
        };
        let name: HeaderName = name.parse().map_err(|_| format!("{name} is no header"))?;
        answer.headers_mut().insert(name, HeaderValue::from_str(value).map_err(|error| error.to_string())?);
    }
    Ok(answer)
}
