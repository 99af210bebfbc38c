//! A function's own way to AWS: what comes through it is judged by the function's role, and answered by moto if it may be.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use hyper::Request;
use hyper::body::Incoming;

use super::Shared;
use super::judge::Identity;
use crate::aws::{Service, denied};
use crate::loopback::{Answer, Cut, Server, collect, pass_on};

/// Listens on a port of its own, for as long as it is kept.
pub(super) struct Door {
    server: Server,
}

impl Door {
    pub(super) fn open(shared: &Arc<Shared>, who: Identity) -> Result<Self, String> {
        let (shared, who) = (Arc::downgrade(shared), Arc::new(who));
        let server = Server::start(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), move |request| {
            let (shared, who) = (shared.clone(), Arc::clone(&who));
            async move {
                let shared = shared.upgrade().ok_or(Cut)?;
                shared.pass(&who, request).await
            }
        });
        Ok(Self { server: server.map_err(|error| format!("a door cannot listen: {error}"))? })
    }

    /// What the function's AWS clients take for AWS.
    pub(super) fn endpoint(&self) -> String {
        format!("http://{}", self.server.address())
    }
}

impl Shared {
    async fn pass(&self, who: &Identity, request: Request<Incoming>) -> Result<Answer, Cut> {
        let (head, body) = request.into_parts();
        let body = collect(body).await?;
        match self.judge(who, &head, &body).await {
            Ok(()) => pass_on(self.wire.server(), head, body).await,
            Err(why) => Ok(denied(Service::of(&head.headers).unwrap_or(Service::Lambda), &why)),
        }
    }
}
