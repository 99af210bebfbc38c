//! What stands between a client and the server: it passes requests on, writes them down, and fails or stops on command.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hyper::Request;
use hyper::body::Incoming;
use hyper::http::request::Parts;

use super::call;
use super::fault::{self, Fault, Service};
use super::hold::{Calls, Turn};
use crate::loopback::{Answer, Cut, Port, collect, pass_on};

/// A reverse proxy on a port of its own. A fault meets the requests that arrive after it was set.
pub struct Gate {
    port: Port,
    traffic: Arc<Traffic>,
}

struct Traffic {
    server: SocketAddr,
    faults: Mutex<BTreeMap<Service, Fault>>,
    requests: Mutex<BTreeMap<Service, usize>>,
    calls: Mutex<Calls>,
}

impl Gate {
    /// An open gate before `server`.
    pub(super) fn start(server: SocketAddr) -> Self {
        let traffic =
            Arc::new(Traffic { server, faults: Mutex::default(), requests: Mutex::default(), calls: Mutex::default() });
        let shared = Arc::clone(&traffic);
        let port = Port::open_with(move |request| {
            let traffic = Arc::clone(&shared);
            async move { traffic.pass(request).await }
        });
        Self { port, traffic }
    }

    /// `http://127.0.0.1:PORT`, also while it is closed.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.port.address())
    }

    /// Every request to the service that arrives from now on meets this fault, instead of any other.
    pub fn fail(&self, service: Service, fault: Fault) {
        lock(&self.traffic.faults).insert(service, fault);
    }

    /// The service is well again. Requests that it was silent about get no answer any more.
    pub fn heal(&self, service: Service) {
        lock(&self.traffic.faults).remove(&service);
    }

    /// How many requests to the service have arrived, whatever became of them. A client's own repetitions count.
    pub fn requests(&self, service: Service) -> usize {
        lock(&self.traffic.requests).get(&service).copied().unwrap_or_default()
    }

    /// All requests since the start or the last [`Self::release`] in the order of their arrival, whatever became of them:
    /// `secretsmanager.PutSecretValue`, `AmazonSSM.PutParameter`, `TrentService.CreateKey`,
    /// `lambda PUT /2015-03-31/functions/x/configuration`. A client's own repetitions are among them.
    pub fn calls(&self) -> Vec<String> {
        lock(&self.traffic.calls).lines()
    }

    /// Lets `number` more requests through, of all services together. The last of them is done and never answered; those
    /// that come after it are neither. Killing the client when [`Self::held`] says so is killing it just after that call.
    ///
    /// # Panics
    /// If `number` is 0.
    pub fn hold_after(&self, number: usize) {
        lock(&self.traffic.calls).hold_after(number);
    }

    /// Waits until the last request that was let through is done; false if it is not within `timeout`. A fault that it
    /// met is no work done, unless it was an answer.
    ///
    /// # Panics
    /// If nothing is to be held.
    pub fn held(&self, timeout: Duration) -> bool {
        let hold = lock(&self.traffic.calls).hold().expect("Gate::hold_after comes before Gate::held");
        hold.wait(timeout)
    }

    /// Lets all through again and forgets the calls. Requests that wait get no answer any more.
    pub fn release(&self) {
        *lock(&self.traffic.calls) = Calls::default();
    }

    /// Refuses connections, and cuts those that there are. Returns when that is so.
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
}

impl Traffic {
    async fn pass(&self, request: Request<Incoming>) -> Result<Answer, Cut> {
        let (head, body) = request.into_parts();
        let service = Service::of(&head.headers);
        if let Some(service) = service {
            *lock(&self.requests).entry(service).or_default() += 1;
        }
        let turn = lock(&self.calls).arrive(call::line(&head));
        match turn {
            Turn::Free => self.exchange(service, head, body).await,
            Turn::Last(hold) => {
                drop(self.exchange(service, head, body).await?);
                hold.reach();
                std::future::pending().await
            }
            Turn::Late => std::future::pending().await,
        }
    }

    async fn exchange(&self, service: Option<Service>, head: Parts, body: Incoming) -> Result<Answer, Cut> {
        let fault = service.and_then(|service| Some((service, *lock(&self.faults).get(&service)?)));
        // Also where the body changes nothing: an answer before the end of a request is another failure than was asked for.
        let body = collect(body).await?;
        match fault {
            None => {}
            Some((_, Fault::Slow(delay))) => tokio::time::sleep(delay).await,
            Some((_, Fault::Silent)) => std::future::pending().await,
            Some((_, Fault::Cut)) => return Err(Cut),
            Some((service, Fault::Throttled)) => return Ok(fault::throttled(service)),
            Some((service, Fault::ServerError)) => return Ok(fault::server_error(service)),
            Some((service, Fault::AccessDenied)) => return Ok(fault::access_denied(service, &head)),
        }
        pass_on(self.server, head, body).await
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
