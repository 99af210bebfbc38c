//! Who may ask for what, and what they get: the container-credentials protocol, as AWS's SDKs speak it.
//!
//! **Refuses**, in this order: whoever is not on this machine; a `Host` that is not the agent's own, which is how a page in a
//! browser reaches it by a name that it has rebound; whatever a browser sends; another method than `GET`; a token that is missing,
//! repeated or wrong, all with the same bytes; a path that is not there. What has ended is never handed out. No answer says that a
//! page of another origin may read it, none is kept by anybody, and a body is not read.
//!
//! A refusal is 403: SDKs ask again at a 5xx, and 401 demands a challenge (RFC 9110 section 11.6.1) that no SDK answers.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use http::header::{ALLOW, AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, HOST, HeaderName, HeaderValue, ORIGIN};
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Bytes;
use percent_encoding::percent_decode_str;
use serde_json::json;
use tokio::sync::watch;

use super::token::Token;
use crate::credentials::cache::Entry;
use crate::credentials::fresh::{Fresh, Moment};
use crate::credentials::role::RoleArn;
use crate::credentials::status::{Row, Status};

/// How long a request waits for credentials that are being asked for. AWS's SDK for JavaScript waits a second, those for Python
/// and Rust two and five.
const PATIENCE: Duration = Duration::from_millis(800);
/// What a browser says of a request, and no SDK does.
const OF_BROWSERS: [HeaderName; 2] = [ORIGIN, HeaderName::from_static("sec-fetch-site")];

/// What is known of a role at the moment.
#[derive(Clone)]
pub(super) struct Known {
    /// Its credentials, which may be over.
    pub(super) held: Option<Arc<Fresh<Entry>>>,
    /// The rest.
    pub(super) status: Status,
}

/// A role that can be asked for.
pub(super) struct Role {
    /// The name in the path.
    pub(super) name: String,
    pub(super) arn: RoleArn,
    pub(super) known: watch::Receiver<Known>,
}

impl Role {
    /// It was asked for, and that came to something.
    pub(super) fn is_settled(&self) -> bool {
        let known = self.known.borrow();
        known.status.renewals > 0 || known.status.failure.is_some()
    }

    pub(super) fn row(&self) -> Row {
        Row { name: self.name.clone(), what: self.arn.to_string(), status: self.known.borrow().status.clone() }
    }
}

/// What stands between the roles and whoever asks for them.
pub(super) struct Door {
    host: String,
    token: Token,
    roles: Vec<Role>,
}

/// What was asked for.
enum Wanted<'a> {
    Status,
    Credentials(&'a Role),
}

/// Why there is no answer to it.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
enum Refusal {
    #[error("this agent answers requests of this machine only")]
    Peer,
    #[error("this agent is not called so: the URL in AWS_CONTAINER_CREDENTIALS_FULL_URI has to begin with http://{0}/")]
    Host(String),
    #[error("this agent answers no browser")]
    Browser,
    #[error("this agent takes GET only")]
    Method,
    #[error(
        "the authorization token is missing or wrong: AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE has to name the file that the agent wrote"
    )]
    Token,
    #[error("there is nothing at this path: this agent has {0}")]
    Path(String),
    #[error("no credentials of {0}: {1}")]
    Nothing(RoleArn, String),
}

impl Door {
    /// A door at this address.
    pub(super) fn new(address: SocketAddr, token: Token, roles: Vec<Role>) -> Self {
        // As clients write it.
        let port = if address.port() == 80 { String::new() } else { format!(":{}", address.port()) };
        let host =
            if address.is_ipv6() { format!("[{}]{port}", address.ip()) } else { format!("{}{port}", address.ip()) };
        Self { host, token, roles }
    }

    pub(super) fn roles(&self) -> &[Role] {
        &self.roles
    }

    /// Answer a request.
    pub(super) async fn answer<B>(&self, request: Request<B>, peer: SocketAddr) -> Response<Full<Bytes>> {
        // The body is none of ours, and goes here.
        let (head, _) = request.into_parts();
        let head = Request::from_parts(head, ());
        let answer = match self.admit(&head, peer.ip()) {
            Ok(Wanted::Status) => Ok(json!({ "credentials": self.rows() }).to_string()),
            Ok(Wanted::Credentials(role)) => credentials(role).await,
            Err(refusal) => Err(refusal),
        };
        let mut response = Response::default();
        if let Err(refusal) = &answer {
            *response.status_mut() = refusal.status();
            if *refusal == Refusal::Method {
                response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET"));
            }
        }
        *response.body_mut() = Full::from(answer.unwrap_or_else(|refusal| refusal.body()));
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }

    fn rows(&self) -> Vec<Row> {
        self.roles.iter().map(Role::row).collect()
    }

    fn admit(&self, request: &Request<()>, peer: IpAddr) -> Result<Wanted<'_>, Refusal> {
        let headers = request.headers();
        let one = |name| {
            let mut values = headers.get_all(name).iter().map(HeaderValue::as_bytes);
            values.next().filter(|_| values.next().is_none())
        };
        if !peer.to_canonical().is_loopback() {
            return Err(Refusal::Peer);
        }
        // A URI with a host in it is for a proxy, and would count in place of the header.
        let host = one(HOST).filter(|_| request.uri().authority().is_none());
        // Nor is it `localhost`: of its two addresses, somebody else may hold the other, and is shown the token.
        if host != Some(self.host.as_bytes()) {
            return Err(Refusal::Host(self.host.clone()));
        }
        if OF_BROWSERS.iter().any(|name| headers.contains_key(name)) {
            return Err(Refusal::Browser);
        }
        if request.method() != Method::GET {
            return Err(Refusal::Method);
        }
        if !self.token.is(one(AUTHORIZATION).unwrap_or_default()) {
            return Err(Refusal::Token);
        }
        let path = request.uri().path();
        let name = percent_decode_str(path.strip_prefix('/').unwrap_or_default()).decode_utf8().unwrap_or_default();
        if name == super::STATUS {
            return Ok(Wanted::Status);
        }
        self.roles.iter().find(|role| role.name == name).map(Wanted::Credentials).ok_or_else(|| {
            let names = self.roles.iter().map(|role| super::path(&role.name));
            Refusal::Path(names.collect::<Vec<_>>().join(", "))
        })
    }
}

impl Refusal {
    fn status(&self) -> StatusCode {
        match self {
            Self::Peer | Self::Host(_) | Self::Browser | Self::Token => StatusCode::FORBIDDEN,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::Path(_) => StatusCode::NOT_FOUND,
            Self::Nothing(..) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Peer => "NotLocal",
            Self::Host(_) => "WrongHost",
            Self::Browser => "Browser",
            Self::Method => "MethodNotAllowed",
            Self::Token => "NotAuthorized",
            Self::Path(_) => "NotFound",
            Self::Nothing(..) => "NoCredentials",
        }
    }

    /// The names that Go, Java and Rust read, and those that JavaScript does.
    fn body(&self) -> String {
        let (code, message) = (self.code(), self.to_string());
        json!({ "code": code, "message": message, "Code": code, "Message": message }).to_string()
    }
}

/// The credentials of a role, as `ContainerProvider` of botocore and its like read them.
async fn credentials(role: &Role) -> Result<String, Refusal> {
    let good = |known: &Known| {
        let now = Moment::now();
        known.held.clone().filter(|held| !held.is_over(now)).map(|held| (held, now))
    };
    let mut known = role.known.clone();
    // Why there are none is an answer too.
    let _ =
        tokio::time::timeout(PATIENCE, known.wait_for(|known| good(known).is_some() || known.status.failure.is_some()))
            .await;
    let known = role.known.borrow().clone();
    let Some((held, now)) = good(&known) else {
        let why = known.status.failure.map_or_else(|| "they are still being asked for".to_owned(), |failed| failed.why);
        return Err(Refusal::Nothing(role.arn.clone(), why));
    };
    let given = &held.value.credentials;
    Ok(json!({
        "AccessKeyId": given.access_key_id,
        "SecretAccessKey": given.secret_access_key.as_str(),
        "Token": given.session_token.as_str(),
        "Expiration": format!("{:.0}", held.end(now)),
        "RoleArn": role.arn.as_str(),
    })
    .to_string())
}

#[cfg(test)]
mod tests;
