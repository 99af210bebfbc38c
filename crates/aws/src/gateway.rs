//! API Gateway's events: what was asked for, and who is said to ask.
//!
//! Exactly one shape is read, the configured one; nothing is guessed from what an event looks like. The event comes
//! from whoever may invoke the function, so it is read strictly: a member that is there twice, in whatever letter case,
//! or that is no text is refused, because two readers could see two callers in it.
//!
//! Sources: API Gateway Developer Guide, "Input format of a Lambda function for proxy integration" (REST API) and
//! "Create AWS Lambda proxy integrations for HTTP APIs", payload format version 2.0 (HTTP API).

mod fields;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use countersign_core::caller::{CallerFault, Identity};
use countersign_core::response::Response;
use serde::Serialize;
use serde::ser::{SerializeMap as _, Serializer};

use fields::Fields;

/// The two kinds of API. An HTTP API has no resource policy, and does not tell reliably of which organisation a caller is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A REST API.
    Rest,
    /// An HTTP API, with payload format 2.0.
    Http,
}

/// The one API whose events are believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gateway {
    kind: Kind,
    api_id: String,
}

/// A request, as an event tells it.
#[derive(Debug, Default)]
pub struct Request<'e> {
    /// As the client sent it; empty if the event could not be read.
    pub method: Cow<'e, str>,
    /// The route as it was deployed, without base path and stage: `/token`. Empty if it is none of ours.
    pub path: Cow<'e, str>,
    /// Who is said to ask, or why that is not believed.
    pub identity: Identity,
    /// Did the configured gateway send it?
    pub is_ours: bool,
    /// The gateway's own id of the request.
    pub request_id: Option<Cow<'e, str>>,
    /// Where from.
    pub source_ip: Option<Cow<'e, str>>,
    /// Is there any query parameter?
    pub has_query: bool,
    /// The body, decoded.
    pub body: Cow<'e, [u8]>,
    headers: Fields<'e>,
}

impl Gateway {
    /// The API of this kind and id.
    pub fn new(kind: Kind, api_id: String) -> Self {
        Self { kind, api_id }
    }

    /// The kind of API.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Read an event. What cannot be read is a request of nobody for nothing.
    pub fn read<'e>(&self, event: &'e str) -> Request<'e> {
        let read =
            serde_json::from_str(event).map_err(|_| CallerFault::OtherGateway).and_then(|event| match self.kind {
                Kind::Rest => self.rest(&event),
                Kind::Http => self.http(&event),
            });
        read.unwrap_or_else(|fault| Request { identity: Identity::disbelieved("", fault), ..Request::default() })
    }

    fn rest<'e>(&self, event: &Fields<'e>) -> Result<Request<'e>, CallerFault> {
        // An HTTP API that was told to use payload format 1.0 looks the same but for this member.
        if event.has("version") || !event.has("resource") {
            return Err(CallerFault::OtherGateway);
        }
        let context = event.object("requestContext")?;
        let caller = context.object("identity")?;
        let doubt = self.doubt(&context)?;
        let multi = event.object("multiValueHeaders")?;
        Ok(Request {
            method: event.text("httpMethod")?.unwrap_or_default(),
            path: event.text("resource")?.unwrap_or_default(),
            identity: identity(&caller, "caller", doubt)?,
            is_ours: doubt.is_none(),
            request_id: context.text("requestId")?,
            source_ip: caller.text("sourceIp")?,
            has_query: !event.object("queryStringParameters")?.is_empty()
                || !event.object("multiValueQueryStringParameters")?.is_empty(),
            body: body(event)?,
            // `headers` has the last value of each only.
            headers: if multi.is_empty() { event.object("headers")? } else { multi },
        })
    }

    fn http<'e>(&self, event: &Fields<'e>) -> Result<Request<'e>, CallerFault> {
        if event.text("version")?.as_deref() != Some("2.0") {
            return Err(CallerFault::OtherGateway);
        }
        let context = event.object("requestContext")?;
        let caller = context.object("authorizer")?.object("iam")?;
        let http = context.object("http")?;
        let doubt = self.doubt(&context)?;
        let method = http.text("method")?.unwrap_or_default();
        // `POST /token`, or `ANY /token` for a route that takes every method; `$default` is no route of ours.
        let route = event.text("routeKey")?.unwrap_or_default();
        let path = match route.split_once(' ') {
            Some((of, path)) if of == "ANY" || of == method => path.to_owned(),
            _ => String::new(),
        };
        Ok(Request {
            method,
            path: path.into(),
            identity: identity(&caller, "callerId", doubt)?,
            is_ours: doubt.is_none(),
            request_id: context.text("requestId")?,
            source_ip: http.text("sourceIp")?,
            has_query: event.text("rawQueryString")?.is_some_and(|query| !query.is_empty()),
            body: body(event)?,
            headers: event.object("headers")?,
        })
    }

    /// Why an event of the right kind is not believed all the same.
    fn doubt(&self, context: &Fields<'_>) -> Result<Option<CallerFault>, CallerFault> {
        let stage = context.text("stage")?;
        Ok(match context.text("apiId")? {
            Some(id) if id == self.api_id => match stage.as_deref() {
                None => Some(CallerFault::OtherGateway),
                Some("test-invoke-stage") => Some(CallerFault::TestStage),
                Some(_) => None,
            },
            _ => Some(CallerFault::OtherApi),
        })
    }
}

/// Who is calling: the one place where a gateway is believed.
fn identity(said: &Fields<'_>, principal_id: &str, doubt: Option<CallerFault>) -> Result<Identity, CallerFault> {
    let arn = said.text("userArn")?.unwrap_or_default();
    let account = said.text("accountId")?.unwrap_or_default();
    let principal_id = said.text(principal_id)?.unwrap_or_default();
    let org_id = said.text("principalOrgId")?;
    if let Some(why) = doubt {
        return Ok(Identity::disbelieved(&arn, why));
    }
    // `cognitoIdentityId`, `cognitoIdentityPoolId`, `cognitoAuthenticationType`, ..., or the object `cognitoIdentity`.
    let cognito = said.any_named("cognito");
    Ok(Identity::asserted_by_gateway(&arn, &account, &principal_id, org_id.as_deref(), cognito))
}

/// The body, decoded.
fn body<'e>(event: &Fields<'e>) -> Result<Cow<'e, [u8]>, CallerFault> {
    let text = event.text("body")?.unwrap_or_default();
    if event.flag("isBase64Encoded")? {
        let decoded = STANDARD.decode(text.as_bytes());
        return decoded.map(Cow::Owned).map_err(|_| CallerFault::Ambiguous);
    }
    Ok(match text {
        Cow::Borrowed(text) => text.as_bytes().into(),
        Cow::Owned(text) => text.into_bytes().into(),
    })
}

impl Request<'_> {
    /// All values of a header, as one list (RFC 9110 section 5.3).
    pub fn header_list(&self, name: &str) -> Option<String> {
        let values = self.headers.values(name);
        (!values.is_empty()).then(|| values.join(","))
    }

    /// A header's value; one that is there twice is as good as none. An HTTP API puts a comma between the two.
    pub fn header(&self, name: &str) -> Option<Cow<'_, str>> {
        let mut values = self.headers.values(name);
        if values.len() == 1 { values.pop().filter(|value| !value.contains(',')) } else { None }
    }
}

/// An answer, in the form that both kinds of API take.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Reply {
    status_code: u16,
    #[serde(serialize_with = "map")]
    headers: Vec<(&'static str, String)>,
    body: String,
    is_base64_encoded: bool,
}

impl Reply {
    /// This answer to the request of this id. To a HEAD the body is left out.
    pub fn new(response: Response, request_id: &str, head: bool) -> Self {
        let mut headers = response.headers;
        headers.push(("x-request-id", request_id.to_owned()));
        // Every body of ours is JSON, and so text.
        let body = if head { String::new() } else { String::from_utf8(response.body).unwrap_or_default() };
        Self { status_code: response.status, headers, body, is_base64_encoded: false }
    }

    /// The HTTP status.
    pub fn status(&self) -> u16 {
        self.status_code
    }
}

fn map<S: Serializer>(headers: &[(&'static str, String)], serializer: S) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(headers.len()))?;
    for (name, value) in headers {
        map.serialize_entry(name, value)?;
    }
    map.end()
}
