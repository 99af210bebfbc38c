//! One document at one address, for whoever fetches it: a key set as the world sees it. And a server in front of another one,
//! which answers as a test wants it: what stands between an issuer and the world.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http_body_util::Full;
use hyper::StatusCode;
use hyper::header::{AUTHORIZATION, HeaderValue};

use crate::loopback::{Answer, Cut, Port, Server, collect, pass_on};

/// A server that answers everything with the same text. Dropping it stops it.
pub struct Page {
    server: Server,
}

impl Page {
    /// Serves `text` with this status on a free port of the loopback.
    ///
    /// # Panics
    /// If it cannot listen, or `status` is none.
    pub fn start(status: u16, text: impl Into<String>) -> Self {
        let (status, text) = (StatusCode::from_u16(status).expect("a status"), text.into());
        let server = Server::start(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), move |_| {
            let mut answer = Answer::new(Full::from(text.clone()));
            *answer.status_mut() = status;
            async move { Ok::<_, Cut>(answer) }
        })
        .unwrap_or_else(|error| panic!("the page cannot be served: {error}"));
        Self { server }
    }

    /// `http://127.0.0.1:PORT/jwks.json`.
    pub fn url(&self) -> String {
        format!("http://{}/jwks.json", self.server.address())
    }
}

/// What a [`Front`] answers by itself.
#[derive(Debug, Clone, Default)]
pub struct Canned {
    /// HTTP status.
    pub status: u16,
    /// Headers.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: String,
    /// So much later.
    pub after: Duration,
}

impl Canned {
    /// JSON with this status, at once.
    pub fn json(status: u16, body: &impl ToString) -> Self {
        let headers = vec![("content-type", "application/json".to_owned())];
        Self { status, headers, body: body.to_string(), after: Duration::ZERO }
    }

    /// With another header, or with another value of one.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.retain(|(known, _)| *known != name);
        self.headers.push((name, value.into()));
        self
    }

    fn to_answer(&self) -> Answer {
        let mut answer = Answer::new(Full::from(self.body.clone()));
        *answer.status_mut() = StatusCode::from_u16(self.status).expect("a status");
        for (name, value) in &self.headers {
            answer.headers_mut().insert(*name, HeaderValue::from_str(value).expect("a header"));
        }
        answer
    }
}

/// A request that came to a [`Front`].
#[derive(Debug, Clone)]
pub struct Came {
    /// Method and path.
    pub what: String,
    /// The header `authorization`, empty without one.
    pub authorization: String,
    /// The body.
    pub body: String,
}

/// A server that passes everything on to another one, but for what a test has it answer by itself.
pub struct Front {
    port: Port,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    behind: Option<SocketAddr>,
    canned: BTreeMap<String, Canned>,
    came: Vec<Came>,
}

impl Front {
    /// Listens on a free port of the loopback, with nothing behind it yet.
    ///
    /// # Panics
    /// If it cannot listen.
    pub fn start() -> Self {
        let state: Arc<Mutex<State>> = Arc::default();
        let shared = Arc::clone(&state);
        let port = Port::open_with(move |request| {
            let shared = Arc::clone(&shared);
            async move {
                let (head, body) = request.into_parts();
                let body = collect(body).await?;
                let what = format!("{} {}", head.method, head.uri.path());
                let authorization = head.headers.get(AUTHORIZATION).map(|value| value.to_str().unwrap_or_default());
                let came = Came {
                    what: what.clone(),
                    authorization: authorization.unwrap_or_default().to_owned(),
                    body: String::from_utf8_lossy(&body).into_owned(),
                };
                let (canned, behind) = {
                    let mut state = shared.lock().unwrap_or_else(PoisonError::into_inner);
                    state.came.push(came);
                    (state.canned.get(&what).cloned(), state.behind)
                };
                if let Some(canned) = canned {
                    tokio::time::sleep(canned.after).await;
                    return Ok(canned.to_answer());
                }
                pass_on(behind.ok_or(Cut)?, head, body).await
            }
        });
        Self { port, state }
    }

    /// `http://127.0.0.1:PORT`.
    pub fn origin(&self) -> String {
        format!("http://{}", self.port.address())
    }

    /// Refuses connections.
    pub fn close(&self) {
        self.port.close();
    }

    /// Listens again, on the same port.
    ///
    /// # Panics
    /// If another process has taken the port and keeps it.
    pub fn open(&self) {
        self.port.open();
    }

    /// Passes on to this `http://127.0.0.1:PORT` from now on.
    ///
    /// # Panics
    /// If it is no such address.
    pub fn lead_to(&self, origin: &str) {
        let address = origin.strip_prefix("http://").and_then(|address| address.parse().ok());
        self.state().behind = Some(address.unwrap_or_else(|| panic!("{origin} is no address")));
    }

    /// Answers `what`, a method and a path, by itself from now on.
    pub fn answer(&self, what: &str, canned: Canned) {
        self.state().canned.insert(what.to_owned(), canned);
    }

    /// Passes everything on again.
    pub fn pass_everything(&self) {
        self.state().canned.clear();
    }

    /// What came since this was asked last.
    pub fn came(&self) -> Vec<Came> {
        std::mem::take(&mut self.state().came)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
