//! The endpoint that gives a job of GitHub Actions its token, and the issuer of that token, written from GitHub's
//! documentation: <https://docs.github.com/en/actions/reference/security/oidc> and, for the request, `oidc-utils.ts` of
//! GitHub's toolkit.
//!
//! **Owns** the form of the request, which it takes literally, and the claims of one job. **Refuses** to know any other job.

use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use hyper::{Method, Request, StatusCode};
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

use crate::keys;
use crate::loopback::{Answer, Cut, Server};

/// Who signs. Discovery and key set are served on the loopback, below [`GitHub::origin`].
pub const ISSUER: &str = "https://token.actions.githubusercontent.com";
/// The subject of the job.
pub const SUBJECT: &str = "repo:octo-org/octo-repo:environment:prod";
/// What the runner hands to the job, and the endpoint wants to see. It opens nothing.
const REQUEST_TOKEN: &str = "the-request-token-of-a-test";
const REQUEST_PATH: &str = "/17//idtoken/1/2";
const KID: &str = "of-a-test";

/// GitHub, for one job. Dropping it stops it.
pub struct GitHub {
    server: Server,
    state: Arc<Mutex<State>>,
}

struct State {
    failures: VecDeque<u16>,
    requests: usize,
    lifetime: Duration,
}

impl GitHub {
    /// Listens on a free port of the loopback.
    ///
    /// # Panics
    /// If it cannot.
    pub fn start() -> Self {
        let lifetime = Duration::from_mins(5);
        let state = Arc::new(Mutex::new(State { failures: VecDeque::new(), requests: 0, lifetime }));
        let shared = Arc::clone(&state);
        let server = Server::start(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), move |request| {
            let (status, body) = answer(&mut lock(&shared), &request);
            async move { Ok::<_, Cut>(to_answer(status, &body)) }
        })
        .unwrap_or_else(|error| panic!("GitHub's stand-in cannot listen: {error}"));
        Self { server, state }
    }

    /// `http://127.0.0.1:PORT`.
    pub fn origin(&self) -> String {
        format!("http://{}", self.server.address())
    }

    /// What the runner puts into the environment of a job that has `permissions: id-token: write`.
    pub fn environment(&self) -> Vec<(String, String)> {
        let url = format!("{}{REQUEST_PATH}?api-version=2.0", self.origin());
        vec![
            ("ACTIONS_ID_TOKEN_REQUEST_URL".to_owned(), url),
            ("ACTIONS_ID_TOKEN_REQUEST_TOKEN".to_owned(), REQUEST_TOKEN.to_owned()),
        ]
    }

    /// The next requests for a token are answered with these statuses, before they are looked at.
    pub fn fail(&self, statuses: &[u16]) {
        lock(&self.state).failures.extend(statuses);
    }

    /// No request fails any more.
    pub fn heal(&self) {
        lock(&self.state).failures.clear();
    }

    /// Tokens last so long, in place of GitHub's five minutes.
    pub fn lifetime(&self, lifetime: Duration) {
        lock(&self.state).lifetime = lifetime;
    }

    /// How many requests for a token came.
    pub fn requests(&self) -> usize {
        lock(&self.state).requests
    }

    /// Its public keys.
    pub fn jwks() -> Value {
        let key = Jwk::from_encoding_key(&key(), Algorithm::RS256).expect("an RSA key");
        let mut key = serde_json::to_value(key).expect("JSON");
        key["kid"] = json!(KID);
        key["use"] = json!("sig");
        json!({ "keys": [key] })
    }
}

fn answer(state: &mut State, request: &Request<Incoming>) -> (u16, Value) {
    match (request.method(), request.uri().path()) {
        (&Method::GET, "/.well-known/openid-configuration") => (200, discovery()),
        (&Method::GET, "/.well-known/jwks") => (200, GitHub::jwks()),
        (&Method::GET, REQUEST_PATH) => {
            state.requests += 1;
            if let Some(status) = state.failures.pop_front() {
                return (status, json!({"message": "as a test wants it"}));
            }
            token_for(request, state.lifetime)
                .map_or_else(|(status, why)| (status, json!({ "message": why })), |token| (200, token))
        }
        _ => (404, json!({"message": "Not Found"})),
    }
}

fn token_for(request: &Request<Incoming>, lifetime: Duration) -> Result<Value, (u16, String)> {
    let header = |name| request.headers().get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    if header(AUTHORIZATION) != Some(&format!("bearer {REQUEST_TOKEN}")) {
        // It quotes what it does not know, as careless servers do.
        return Err((401, format!("no job has the token in {:?}", header(AUTHORIZATION).unwrap_or_default())));
    }
    if header(ACCEPT) != Some("application/json; api-version=2.0") {
        return Err((400, "no version of the API is asked for".to_owned()));
    }
    // As the toolkit writes it: appended to the query that is already there, by `encodeURIComponent`.
    let query = request.uri().query().unwrap_or_default();
    let audience = query.strip_prefix("api-version=2.0&audience=").and_then(decoded);
    let audience = audience.ok_or_else(|| (400, format!("no audience in {query}")))?;
    let header = Header { kid: Some(KID.to_owned()), ..Header::new(Algorithm::RS256) };
    let token = jsonwebtoken::encode(&header, &claims(&audience, lifetime), &key()).expect("an RSA key signs");
    Ok(json!({"count": token.len(), "value": token}))
}

/// The documentation's example of a token, at this moment.
fn claims(audience: &str, lifetime: Duration) -> Value {
    let now = crate::clock::machine().as_secs();
    json!({
        "jti": "example-id",
        "sub": SUBJECT,
        "environment": "prod",
        "aud": audience,
        "ref": "refs/heads/main",
        "sha": "example-sha",
        "repository": "octo-org/octo-repo",
        "repository_owner": "octo-org",
        "actor_id": "12",
        "repository_visibility": "private",
        "repository_id": "74",
        "repository_owner_id": "65",
        "run_id": "example-run-id",
        "run_number": "10",
        "run_attempt": "2",
        "runner_environment": "github-hosted",
        "actor": "octocat",
        "workflow": "example-workflow",
        "head_ref": "",
        "base_ref": "",
        "event_name": "workflow_dispatch",
        "ref_type": "branch",
        "job_workflow_ref": "octo-org/octo-automation/.github/workflows/oidc.yml@refs/heads/main",
        "iss": ISSUER,
        "nbf": now - 600,
        "exp": now + lifetime.as_secs(),
        "iat": now,
    })
}

fn discovery() -> Value {
    json!({
        "issuer": ISSUER,
        "jwks_uri": format!("{ISSUER}/.well-known/jwks"),
        "subject_types_supported": ["public", "pairwise"],
        "response_types_supported": ["id_token"],
        "claims_supported": ["sub", "aud", "exp", "iat", "iss", "jti", "nbf", "ref", "sha", "repository", "repository_id",
            "repository_owner", "repository_owner_id", "job_workflow_ref", "environment", "runner_environment"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "scopes_supported": ["openid"],
    })
}

/// Signs nothing that anybody outside of a test believes.
fn key() -> EncodingKey {
    let der: String = keys::RSA_2048_PKCS1.lines().filter(|line| !line.starts_with('-')).collect();
    EncodingKey::from_rsa_der(&STANDARD.decode(der).expect("base64"))
}

/// What `encodeURIComponent` wrote.
fn decoded(text: &str) -> Option<String> {
    let mut parts = text.split('%');
    let mut bytes = parts.next()?.as_bytes().to_vec();
    for part in parts {
        bytes.push(u8::from_str_radix(part.get(..2)?, 16).ok()?);
        bytes.extend_from_slice(part.get(2..)?.as_bytes());
    }
    String::from_utf8(bytes).ok().filter(|text| !text.is_empty())
}

fn to_answer(status: u16, body: &Value) -> Answer {
    let mut answer = Answer::new(Full::from(Bytes::from(body.to_string())));
    *answer.status_mut() = StatusCode::from_u16(status).expect("a status");
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
    answer
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
