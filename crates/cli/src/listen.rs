//! The connections of a server: taken for as long as it runs, and finished when it is told to stop.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use crate::out::Lines;

/// What is running when the server is told to stop has this long to finish.
const GRACE: Duration = Duration::from_secs(10);

/// What one client may take of a server.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// A request whose head takes longer is not waited for, nor is the next one of a connection.
    pub head: Duration,
    /// So many connections at a time; others wait to be accepted.
    pub connections: usize,
    /// Whether a connection stays for the next request.
    pub keep_alive: bool,
}

/// Answer what comes to the listener until `stop` completes, then finish what is running.
pub async fn serve<A, F>(listener: TcpListener, limits: Limits, log: &Lines, answer: A, stop: impl Future<Output = ()>)
where
    A: Fn(Request<Incoming>, SocketAddr) -> F + Clone + Send + 'static,
    F: Future<Output = Response<Full<Bytes>>> + Send + 'static,
{
    let graceful = GracefulShutdown::new();
    let free = Arc::new(Semaphore::new(limits.connections));
    let mut stop = std::pin::pin!(stop);
    loop {
        let next = async {
            let place = Arc::clone(&free).acquire_owned().await;
            (place, listener.accept().await)
        };
        let (place, accepted) = tokio::select! {
            () = &mut stop => break,
            next = next => next,
        };
        match accepted {
            Ok((stream, peer)) => {
                let answer = answer.clone();
                let service = service_fn(move |request| {
                    let answered = answer(request, peer);
                    async move { Ok::<_, Infallible>(answered.await) }
                });
                let connection = hyper::server::conn::http1::Builder::new()
                    .timer(TokioTimer::new())
                    .header_read_timeout(limits.head)
                    .keep_alive(limits.keep_alive)
                    .serve_connection(TokioIo::new(stream), service);
                let connection = graceful.watch(connection);
                tokio::spawn(async move {
                    // A connection that breaks is its client's affair.
                    drop(connection.await);
                    drop(place);
                });
            }
            Err(error) => {
                // Out of descriptors, most likely: let some be closed before the next attempt.
                log.send(format_args!("countersign: cannot accept a connection: {error}"));
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
    drop(listener);
    if tokio::time::timeout(GRACE, graceful.shutdown()).await.is_err() {
        let seconds = GRACE.as_secs();
        log.send(format_args!("countersign: requests were still running after {seconds} s and are cut off"));
    }
}
