//! What goes into a function and what comes out.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use hyper::body::Bytes;
use hyper::header::HeaderValue;
use serde_json::Value;

/// What Lambda's default time-out is; a test that needs another one says so.
const TIMEOUT: Duration = Duration::from_secs(3);

/// One event with what the Runtime API tells about it.
#[derive(Debug, Clone)]
pub struct Invocation {
    pub(super) event: String,
    pub(super) trace_id: Option<String>,
    pub(super) request_id: String,
    pub(super) timeout: Duration,
}

impl Invocation {
    /// An event as raw text, sent as it is: it may hold a key twice, or be no JSON at all. It has a request id of its own,
    /// no trace id, and Lambda's time-out of 3 s.
    pub fn new(event: impl Into<String>) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let request_id = format!("00000000-0000-4000-8000-{number:012x}");
        Self { event: event.into(), trace_id: None, request_id, timeout: TIMEOUT }
    }

    /// The X-Ray trace header, `Root=1-..;Parent=..;Sampled=..`.
    #[must_use]
    pub fn trace_id(mut self, trace_id: &str) -> Self {
        self.trace_id = Some(header(trace_id));
        self
    }

    /// The request id.
    #[must_use]
    pub fn request_id(mut self, request_id: &str) -> Self {
        self.request_id = header(request_id);
        self
    }

    /// How long after it gets the event the function is told that its deadline is. Nothing happens then.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }
}

/// `value`, which is to be sent in a header. The server is a bad place to find out that it cannot be.
fn header(value: &str) -> String {
    assert!(HeaderValue::from_str(value).is_ok(), "this is no value of a header: {value:?}");
    value.to_owned()
}

/// What the function made of one event.
#[derive(Debug, Clone)]
pub struct Answer {
    /// What it posted as the response, or else as the error.
    pub result: Result<Value, Value>,
    /// From the moment it got the event to the moment its answer was here, as the Runtime API saw it.
    pub took: Duration,
    /// When its answer was here.
    pub arrived: Instant,
}

/// An [`Answer`] that nobody has read yet.
pub(super) struct Posted {
    pub(super) result: Result<Bytes, Bytes>,
    pub(super) took: Duration,
    pub(super) arrived: Instant,
}

impl Answer {
    /// Fails with the reason if the function posted something else than JSON.
    pub(super) fn read(posted: &Posted) -> Result<Self, String> {
        let read = |body: &Bytes| {
            serde_json::from_slice::<Value>(body).map_err(|error| {
                format!("the function's answer is not JSON ({error}): {}", String::from_utf8_lossy(body))
            })
        };
        let result = match &posted.result {
            Ok(body) => Ok(read(body)?),
            Err(body) => Err(read(body)?),
        };
        Ok(Self { result, took: posted.took, arrived: posted.arrived })
    }
}
