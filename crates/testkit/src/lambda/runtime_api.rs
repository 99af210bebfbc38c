//! The Runtime API, version 2018-06-01: a function polls for events and posts what it makes of them.

use std::collections::{HashMap, VecDeque};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError, mpsc};
use std::time::{Duration, Instant};

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use serde_json::{Value, json};
use tokio::sync::Notify;

use super::invocation::{Invocation, Posted};
use crate::clock::{self, Clock};
use crate::loopback::{Answer, Cut, collect};

const PREFIX: &str = "/2018-06-01/runtime/";

/// What one function and its tests share.
pub(super) struct RuntimeApi {
    clock: Option<Clock>,
    arn: String,
    state: Mutex<State>,
    queued: Notify,
    first_next: Condvar,
}

#[derive(Default)]
struct State {
    queue: VecDeque<(Invocation, mpsc::Sender<Posted>)>,
    running: HashMap<String, Running>,
    ready: Option<Instant>,
    init_error: Option<Value>,
}

struct Running {
    since: Instant,
    caller: mpsc::Sender<Posted>,
}

impl RuntimeApi {
    /// For the function with this ARN, which lives in the time of `clock`, else in the machine's: a deadline is a moment of
    /// that time.
    pub(super) fn new(clock: Option<Clock>, arn: String) -> Self {
        Self { clock, arn, state: Mutex::default(), queued: Notify::new(), first_next: Condvar::new() }
    }

    /// Puts an event at the end of the queue. The receiver gets the function's answer.
    pub(super) fn queue(&self, invocation: Invocation) -> mpsc::Receiver<Posted> {
        let (caller, answered) = mpsc::channel();
        self.state().queue.push_back((invocation, caller));
        self.queued.notify_one();
        answered
    }

    /// When the function first asked for an event; waits for that, but not longer than `patience`.
    pub(super) fn ready(&self, patience: Duration) -> Option<Instant> {
        let state = self.state();
        let (state, _) = self
            .first_next
            .wait_timeout_while(state, patience, |state| state.ready.is_none())
            .unwrap_or_else(PoisonError::into_inner);
        state.ready
    }

    /// What the function said of its failure to initialize.
    pub(super) fn init_error(&self) -> Option<Value> {
        self.state().init_error.clone()
    }

    /// Answers the function.
    pub(super) async fn answer(&self, request: Request<Incoming>) -> Result<Answer, Cut> {
        let (head, body) = request.into_parts();
        let steps: Vec<&str> = head.uri.path().strip_prefix(PREFIX).unwrap_or_default().split('/').collect();
        Ok(match (&head.method, &steps[..]) {
            (&Method::GET, ["invocation", "next"]) => self.next().await,
            (&Method::POST, ["invocation", id, "response"]) => self.finish(id, Ok(collect(body).await?)),
            (&Method::POST, ["invocation", id, "error"]) => self.finish(id, Err(collect(body).await?)),
            (&Method::POST, ["init", "error"]) => {
                let body = collect(body).await?;
                // Whatever it is, a test is to see it.
                let report = serde_json::from_slice(&body)
                    .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&body).into_owned()));
                self.state().init_error = Some(report);
                accepted()
            }
            _ => refused(StatusCode::NOT_FOUND, "NotFound", "no such endpoint"),
        })
    }

    async fn next(&self) -> Answer {
        self.state().ready.get_or_insert_with(Instant::now);
        self.first_next.notify_all();
        loop {
            // One permit is kept for whoever comes next, so nothing is lost between the look and the wait.
            if let Some(answer) = self.hand_over() {
                return answer;
            }
            self.queued.notified().await;
        }
    }

    fn hand_over(&self) -> Option<Answer> {
        let mut state = self.state();
        let (invocation, caller) = state.queue.pop_front()?;
        let mut answer = Response::new(Full::from(invocation.event));
        let headers = answer.headers_mut();
        let mut header = |name: &'static str, value: &str| {
            headers.insert(name, HeaderValue::from_str(value).expect("ids are checked when they are given"));
        };
        let since = Instant::now();
        let now = self.clock.as_ref().map_or_else(clock::machine, Clock::since_epoch);
        header("content-type", "application/json");
        header("lambda-runtime-aws-request-id", &invocation.request_id);
        header("lambda-runtime-deadline-ms", &(now + invocation.timeout).as_millis().to_string());
        header("lambda-runtime-invoked-function-arn", &self.arn);
        if let Some(trace_id) = &invocation.trace_id {
            header("lambda-runtime-trace-id", trace_id);
        }
        state.running.insert(invocation.request_id, Running { since, caller });
        Some(answer)
    }

    fn finish(&self, id: &str, result: Result<Bytes, Bytes>) -> Answer {
        let arrived = Instant::now();
        let Some(running) = self.state().running.remove(id) else {
            return refused(StatusCode::BAD_REQUEST, "InvalidRequestID", "Invalid request ID");
        };
        // Nobody listens if the test has given up.
        let _ = running.caller.send(Posted { result, took: arrived - running.since, arrived });
        accepted()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn accepted() -> Answer {
    document(StatusCode::ACCEPTED, &json!({"status": "OK"}))
}

fn refused(status: StatusCode, kind: &str, message: &str) -> Answer {
    document(status, &json!({"errorMessage": message, "errorType": kind}))
}

fn document(status: StatusCode, body: &Value) -> Answer {
    let mut answer = Response::new(Full::from(body.to_string()));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer
}
