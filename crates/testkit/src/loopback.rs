//! HTTP servers of the test process itself, on the loopback, in the background.
//!
//! **Owns** the one runtime that they all share: a test may start a hundred. Tests stay synchronous, and nothing here
//! blocks on the runtime, so that a test which runs inside another one may use it too.

mod port;

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::{Mutex, OnceLock, PoisonError, mpsc};

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONNECTION, EXPECT, TRANSFER_ENCODING};
use hyper::http::request::Parts;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

pub(crate) use self::port::Port;

/// An answer, held whole.
pub(crate) type Answer = Response<Full<Bytes>>;

/// In place of an answer: the connection ends here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the connection is cut")]
pub(crate) struct Cut;

/// A server that listens. Dropping it closes the port and cuts its connections.
pub(crate) struct Server {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    // Says nothing, ever. It is disconnected when the port and all connections are closed. A receiver cannot be shared.
    stopped: Mutex<mpsc::Receiver<Infallible>>,
}

impl Server {
    /// Listens on `address`, port 0 for any, and answers with `handle` until it is stopped.
    pub(crate) fn start<H, F>(address: SocketAddr, handle: H) -> io::Result<Self>
    where
        H: Fn(Request<Incoming>) -> F + Clone + Send + 'static,
        F: Future<Output = Result<Answer, Cut>> + Send + 'static,
    {
        let _inside = runtime().enter();
        let listener = bind(address)?.listen(1024)?;
        let address = listener.local_addr()?;
        let (stop, asked) = oneshot::channel();
        let (alive, stopped) = mpsc::channel();
        runtime().spawn(async move {
            serve(listener, asked, handle).await;
            drop::<mpsc::Sender<Infallible>>(alive);
        });
        Ok(Self { address, stop: Some(stop), stopped: Mutex::new(stopped) })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        let _ = self.stopped.get_mut().unwrap_or_else(PoisonError::into_inner).recv();
    }
}

/// A port that refuses connections and that nobody else gets: bound, and not listened on.
struct Reservation {
    _socket: TcpSocket,
}

impl Reservation {
    /// Nothing if the port cannot be had.
    fn of(address: SocketAddr) -> Option<Self> {
        bind(address).ok().map(|socket| Self { _socket: socket })
    }
}

fn bind(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = TcpSocket::new_v4()?;
    // Connections that were cut linger on the port, and it is to be taken again at once.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket)
}

/// The runtime of all servers of this process. One thread: they pass small messages on and compute nothing.
fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("testkit-loopback")
            .enable_all()
            .build()
            .expect("a thread and a poll")
    })
}

/// Waits for something that goes on there. Not from within what a server does itself: it would wait for itself.
pub(crate) fn wait<F: Future>(what: F) -> F::Output {
    runtime().block_on(what)
}

async fn serve<H, F>(listener: TcpListener, asked: oneshot::Receiver<()>, handle: H)
where
    H: Fn(Request<Incoming>) -> F + Clone + Send + 'static,
    F: Future<Output = Result<Answer, Cut>> + Send + 'static,
{
    let mut connections = JoinSet::new();
    let mut asked = pin!(asked);
    loop {
        tokio::select! {
            biased;
            _ = &mut asked => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => {
                // What fails here is a connection that has gone, or descriptors that have run out: the next may do better.
                if let Ok((stream, _)) = accepted {
                    connections.spawn(connection(stream, handle.clone()));
                }
            }
        }
    }
    drop(listener);
    connections.shutdown().await;
}

async fn connection<H, F>(stream: TcpStream, handle: H)
where
    H: Fn(Request<Incoming>) -> F,
    F: Future<Output = Result<Answer, Cut>>,
{
    // The times that a benchmark reads here must not be those of Nagle's algorithm.
    let _ = stream.set_nodelay(true);
    // No timer, hence no time-out: a long poll may wait for as long as a test does.
    let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(handle)).await;
}

/// Sends `request` to `address` on a connection of its own and gives the answer, held whole.
pub(crate) async fn send(address: SocketAddr, request: Request<Full<Bytes>>) -> Result<Answer, Cut> {
    let stream = TcpStream::connect(address).await.map_err(|_| Cut)?;
    let _ = stream.set_nodelay(true);
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|_| Cut)?;
    let exchange = async {
        let (head, body) = sender.send_request(request).await.map_err(|_| Cut)?.into_parts();
        Ok(Response::from_parts(head, Full::new(collect(body).await?)))
    };
    // The connection moves in this task: a request that is given up takes its connection with it.
    let connection = async {
        let _ = connection.await;
        std::future::pending::<Infallible>().await
    };
    tokio::select! {
        answer = exchange => answer,
        never = connection => match never {},
    }
}

/// Sends on to `address` what arrived here, and gives what comes back.
pub(crate) async fn pass_on(address: SocketAddr, mut head: Parts, body: Bytes) -> Result<Answer, Cut> {
    // What holds for one connection is not passed on to the next; the length is that of the body anyway.
    for name in [CONNECTION, TRANSFER_ENCODING, EXPECT] {
        head.headers.remove(name);
    }
    let mut answer = send(address, Request::from_parts(head, Full::new(body))).await?;
    for name in [CONNECTION, TRANSFER_ENCODING] {
        answer.headers_mut().remove(name);
    }
    Ok(answer)
}

/// All of a body.
pub(crate) async fn collect(body: Incoming) -> Result<Bytes, Cut> {
    use http_body_util::BodyExt as _;
    Ok(body.collect().await.map_err(|_| Cut)?.to_bytes())
}
