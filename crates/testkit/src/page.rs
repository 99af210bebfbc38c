//! One document at one address, for whoever fetches it: a key set as the world sees it.

use std::net::{Ipv4Addr, SocketAddr};

use http_body_util::Full;
use hyper::StatusCode;

use crate::loopback::{Answer, Cut, Server};

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
