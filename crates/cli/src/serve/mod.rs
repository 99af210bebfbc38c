//! The issuer on one machine: the handlers that the Lambda functions have, behind a gateway of our own that verifies
//! SigV4 for real.
//!
//! For development and tests: plain http, loopback only unless somebody says `--dangerous-listen-anywhere`. A crash in
//! one request is answered with 500 and does not end the process.

pub mod credentials;
pub mod data;
pub mod rotation;

use std::fmt::Write as _;
use std::io;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::Context as _;
use countersign_core::audit::Outcome;
use countersign_core::issue::{Ask, Issuer};
use countersign_core::response::{ErrorCode, Response as Answer};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::{Body as _, Bytes, Incoming};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use crate::clock;
use crate::listen::{self, Limits};
use crate::out::Lines;
use crate::sigv4::{self, GatewayRefusal, Presented};
use data::Data;

/// What API Gateway takes of a body; beyond it, 413 before anybody looks at the signature.
const GATEWAY_BODY: usize = 10 * 1024 * 1024;
/// A client that sends slower than this is not waited for.
const PATIENCE: Duration = Duration::from_secs(30);
const LIMITS: Limits = Limits { head: PATIENCE, connections: Semaphore::MAX_PERMITS, keep_alive: true };
/// How often the files are looked at: a change is seen within a second.
const WATCH: Duration = Duration::from_millis(250);

/// Where audit lines go. No token is handed out whose line could not be written.
pub type AuditSink = Arc<dyn Fn(String) -> BoxFuture<'static, io::Result<()>> + Send + Sync>;

/// Audit lines to this writer, through a thread of its own.
pub fn audit_to(writer: impl io::Write + Send + 'static) -> io::Result<AuditSink> {
    let lines = Lines::to(writer)?;
    Ok(Arc::new(move |line| {
        let lines = lines.clone();
        async move { lines.write(line).await }.boxed()
    }))
}

/// A server that listens and is yet to run.
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    data: Data,
    issuer: Issuer,
    audit: AuditSink,
    log: Lines,
}

impl Server {
    /// A server on this listener, with what the data directory holds. What operators should know goes to `log`.
    pub fn new(listener: TcpListener, data: Data, audit: AuditSink, log: Lines) -> anyhow::Result<Self> {
        let address = listener.local_addr().context("the listener has no address")?;
        let issuer = Issuer::new(data.issuer().clone(), None);
        Ok(Self { listener, address, shared: Arc::new(Shared { data, issuer, audit, log }) })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The data directory in use.
    pub fn data(&self) -> &Data {
        &self.shared.data
    }

    /// Serve until `stop` completes, then finish what is running.
    pub async fn run(self, stop: impl Future<Output = ()>) {
        let watcher = tokio::spawn(watch(Arc::clone(&self.shared)));
        let log = self.shared.log.clone();
        let answer = move |request, peer| {
            let shared = Arc::clone(&self.shared);
            async move { shared.answer(request, peer).await }
        };
        listen::serve(self.listener, LIMITS, &log, answer, stop).await;
        watcher.abort();
    }
}

/// Take over what changes in the data directory, for as long as the server runs.
async fn watch(shared: Arc<Shared>) {
    let mut ticks = tokio::time::interval(WATCH);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    loop {
        ticks.tick().await;
        let (shared, log) = (Arc::clone(&shared), shared.log.clone());
        // Files and, for a new lane, the making of keys: nothing that a request should wait for.
        if let Ok(faults) = tokio::task::spawn_blocking(move || shared.data.refresh()).await {
            for fault in faults {
                log.send(format_args!("countersign: {fault}"));
            }
        }
    }
}

impl Shared {
    /// Answer a request, whatever happens, and name it.
    async fn answer(&self, request: Request<Incoming>, peer: SocketAddr) -> Response<Full<Bytes>> {
        let request_id = uuid::Uuid::new_v4().to_string();
        let head = request.method() == Method::HEAD;
        let answered = AssertUnwindSafe(self.route(request, peer, &request_id)).catch_unwind().await;
        let mut response = answered.unwrap_or_else(|_| {
            self.log.send(format_args!("countersign: request {request_id} ended in a panic"));
            own(Answer::error(ErrorCode::ServerError, "an internal error"))
        });
        if head {
            let length = response.body().size_hint().lower();
            *response.body_mut() = Full::default();
            response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(length));
        }
        if let Ok(value) = HeaderValue::from_str(&request_id) {
            response.headers_mut().insert("x-request-id", value);
        }
        response
    }

    async fn route(&self, request: Request<Incoming>, peer: SocketAddr, request_id: &str) -> Response<Full<Bytes>> {
        let root = self.data.issuer().path();
        let path = request.uri().path().strip_prefix(root).map(str::to_owned);
        let snapshot = self.data.current();
        let document = match path.as_deref() {
            Some("/token") if request.method() == Method::POST => return self.token(request, peer, request_id).await,
            Some("/token") => return own(Answer::method_not_allowed("POST")),
            Some("/.well-known/jwks.json" | "/.well-known/jwks") => &snapshot.jwks,
            Some("/.well-known/openid-configuration") => &snapshot.discovery,
            // RFC 8414 section 3.1 puts it elsewhere if the issuer has a path.
            Some("/.well-known/oauth-authorization-server") if root.is_empty() => &snapshot.discovery,
            _ => return own(Answer::error(ErrorCode::NotFound, "there is nothing at this path")),
        };
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            return own(Answer::method_not_allowed("GET, HEAD"));
        }
        // A list may come in several lines (RFC 9110 section 5.3).
        let tags = request.headers().get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
        let tags: Vec<&str> = tags.collect();
        own(document.respond((!tags.is_empty()).then(|| tags.join(",")).as_deref()))
    }

    /// `POST /token`, from the gateway's check of the signature on.
    async fn token(&self, request: Request<Incoming>, peer: SocketAddr, request_id: &str) -> Response<Full<Bytes>> {
        let (parts, body) = request.into_parts();
        let refused = |refusal: GatewayRefusal| {
            self.log
                .send(format_args!("countersign: request {request_id} from {peer} refused by the gateway: {refusal}"));
            refusal.to_response().map(|body| Full::new(Bytes::from(body)))
        };
        // Nobody without a signature makes the server hold ten megabytes.
        if !parts.headers.contains_key(header::AUTHORIZATION) {
            return refused(GatewayRefusal::MissingAuthenticationToken);
        }
        let body = match tokio::time::timeout(PATIENCE, Limited::new(body, GATEWAY_BODY).collect()).await {
            Ok(Ok(collected)) => collected.to_bytes(),
            Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => {
                return gateway(StatusCode::PAYLOAD_TOO_LARGE, "Request Too Long");
            }
            Ok(Err(_)) => return gateway(StatusCode::BAD_REQUEST, "Bad Request"),
            Err(_) => return gateway(StatusCode::REQUEST_TIMEOUT, "Request Timeout"),
        };
        let snapshot = self.data.current();
        let presented =
            Presented { method: parts.method.as_str(), uri: &parts.uri, headers: &parts.headers, body: &body };
        let find = |id: &str| snapshot.credentials.find(id);
        let credential = match sigv4::verify(&presented, "execute-api", SystemTime::now(), find) {
            Ok(credential) => credential,
            Err(refusal) => return refused(refusal),
        };
        let ask = Ask {
            request_id,
            identity: &credential.identity(),
            trace_id: None,
            source_ip: Some(&peer.ip().to_string()),
            has_query: parts.uri.query().is_some_and(|query| !query.is_empty()),
            content_type: text(&parts.headers, &header::CONTENT_TYPE),
            body: &body,
        };
        let (keyring, now) = (&snapshot.keyring, clock::now());
        let token_id = uuid::Uuid::new_v4().to_string();
        let signer = |kid: &_| keyring.signer(kid);
        let (policy, ring) = (Some(&*snapshot.policy), Some(keyring.public()));
        let (answer, audit) = self.issuer.issue(&ask, policy, ring, signer, now, &token_id).await;
        let recorded = (self.audit)(audit.to_line()).await;
        if let Err(error) = recorded {
            self.log
                .send(format_args!("countersign: the audit line of request {request_id} cannot be written: {error}"));
            if audit.outcome == Outcome::Issued {
                let description = "no token can be signed at the moment";
                return own(Answer::error(ErrorCode::TemporarilyUnavailable, description));
            }
        }
        own(answer)
    }
}

/// A header's text; one that is there twice or is not text is as good as none.
fn text<'h>(headers: &'h HeaderMap, name: &header::HeaderName) -> Option<&'h str> {
    let mut values = headers.get_all(name).iter();
    let first = values.next()?;
    if values.next().is_some() {
        return None;
    }
    first.to_str().ok()
}

fn own(answer: Answer) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(answer.body)));
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in answer.headers {
        if let Ok(value) = HeaderValue::from_str(&value) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

/// An answer as API Gateway itself gives it.
fn gateway(status: StatusCode, message: &str) -> Response<Full<Bytes>> {
    let body = serde_json::json!({ "message": message }).to_string();
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// The profile of `AWS_PROFILE` as lines of a curl configuration, so that the secret is in no argument.
const CURL_CONFIG: &str = r#"awk -F' = ' -v p="[$AWS_PROFILE]" '/^\[/ { on = $0 == p } on { v[$1] = $2 } END { printf "user = \"%s:%s\"\n", v["aws_access_key_id"], v["aws_secret_access_key"]; if (v["aws_session_token"]) printf "header = \"x-amz-security-token: %s\"\n", v["aws_session_token"] }' "$AWS_SHARED_CREDENTIALS_FILE""#;

/// What `serve` prints when it starts: what it made, and the lines to copy. Never a secret.
pub fn greeting(data: &Data, address: SocketAddr) -> String {
    let mut text = String::new();
    let directory = std::path::absolute(data.directory()).unwrap_or_else(|_| data.directory().to_owned());
    let shared = directory.join("aws-credentials");
    let issuer = data.issuer();
    let (profile, others) = data.profiles().split_first().map_or(("", &[][..]), |(first, rest)| (first.as_str(), rest));
    let _ = writeln!(text, "countersign serve: a development issuer, plain http, on {address}");
    let _ = writeln!(text, "  issuer          {issuer}");
    let _ = writeln!(text, "  policy          {}", data.policy_path().display());
    let _ = writeln!(text, "  data directory  {}", directory.display());
    if !data.made().is_empty() {
        let _ = writeln!(text, "  made            {}", data.made().join(", "));
    }
    let _ = writeln!(text, "\nCopy into another terminal:\n");
    let _ = writeln!(text, "  export AWS_SHARED_CREDENTIALS_FILE={}", quoted(&shared.to_string_lossy()));
    let _ = write!(text, "  export AWS_PROFILE={}", quoted(profile));
    if !others.is_empty() {
        let _ = write!(text, "    # or {}", others.join(", "));
    }
    if !data.shared_file_is_current() {
        let _ = write!(text, "\n  # aws-credentials lacks keys of credentials.yaml: delete it to have it made anew");
    }
    // The address that it listens on, whatever the issuer is called: these lines are for this server.
    let url = quoted(&format!("http://{address}{}", issuer.path()));
    let this =
        std::env::current_exe().map_or_else(|_| "countersign".into(), |path| path.to_string_lossy().into_owned());
    let _ = writeln!(text, "\n  export AWS_REGION=us-east-1");
    let _ = writeln!(text, "  {} token --url {url}", quoted(&this));
    let _ = writeln!(text, "  awscurl --service execute-api -X POST {url}/token");
    let _ = writeln!(
        text,
        "  {CURL_CONFIG} | \\\n    curl --config - --aws-sigv4 aws:amz:us-east-1:execute-api -X POST {url}/token\n"
    );
    let _ = write!(text, "listening on http://{address}");
    text
}

/// A word for a POSIX shell.
fn quoted(word: &str) -> String {
    let plain = !word.is_empty() && word.bytes().all(|b| b.is_ascii_alphanumeric() || b"/._-@+:=,".contains(&b));
    if plain { word.to_owned() } else { format!("'{}'", word.replace('\'', r"'\''")) }
}
