//! A server that a test closes and opens again on the same port, which nobody else gets in between.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hyper::Request;
use hyper::body::Incoming;

use super::{Answer, Cut, Reservation, Server};

/// How long it may take to get the port back, in the unlikely case that somebody took it in between.
const REOPEN: Duration = Duration::from_secs(10);

/// A port of the loopback, open or closed.
pub(crate) struct Port {
    address: SocketAddr,
    listen: Box<dyn Fn(SocketAddr) -> Server + Send + Sync>,
    door: Mutex<Door>,
}

/// Either way, what it holds is held for what becomes of the port while it is there and when it goes.
#[expect(dead_code, reason = "see above: nothing asks for it")]
enum Door {
    Open(Server),
    Closed(Option<Reservation>),
}

impl Port {
    /// Listens on a free port of the loopback, and answers with `handle` whenever it is open.
    pub(crate) fn open_with<H, F>(handle: H) -> Self
    where
        H: Fn(Request<Incoming>) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Result<Answer, Cut>> + Send + 'static,
    {
        let listen = move |address| listen(address, &handle);
        let server = listen(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
        Self { address: server.address(), listen: Box::new(listen), door: Mutex::new(Door::Open(server)) }
    }

    /// Where it listens, also while it is closed.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Refuses connections, and cuts those that there are. Returns when that is so.
    pub(crate) fn close(&self) {
        let mut door = self.door();
        if matches!(*door, Door::Open(_)) {
            *door = Door::Closed(None);
            *door = Door::Closed(Reservation::of(self.address));
        }
    }

    /// Listens again, on the same port. Panics if another process has taken the port and keeps it.
    pub(crate) fn open(&self) {
        let mut door = self.door();
        if matches!(*door, Door::Closed(_)) {
            *door = Door::Closed(None);
            *door = Door::Open((self.listen)(self.address));
        }
    }

    fn door(&self) -> MutexGuard<'_, Door> {
        self.door.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn listen<H, F>(address: SocketAddr, handle: &H) -> Server
where
    H: Fn(Request<Incoming>) -> F + Clone + Send + 'static,
    F: Future<Output = Result<Answer, Cut>> + Send + 'static,
{
    let began = Instant::now();
    loop {
        match Server::start(address, handle.clone()) {
            Ok(server) => return server,
            Err(error) if began.elapsed() > REOPEN => panic!("nothing can listen on {address}: {error}"),
            Err(_) => std::thread::sleep(Duration::from_millis(10)),
        }
    }
}
