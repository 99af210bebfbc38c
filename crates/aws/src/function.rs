//! A Lambda function's life: configuration, one start, then request after request.

// cargo-lambda's own default is another one.
#[cfg(not(panic = "unwind"))]
compile_error!("one request that panics would end the process");

use std::panic::AssertUnwindSafe;
use std::process::ExitCode;

use countersign_core::response::{ErrorCode, Response};
use futures_util::FutureExt as _;
use lambda_runtime::{Context, Diagnostic, LambdaEvent, service_fn};
use lambda_runtime_api_client::body::Body;
use serde::Serialize;
use serde_json::value::RawValue;
use tracing::Instrument as _;

use crate::gateway::{Gateway, Reply, Request};
use crate::log;
use crate::settings::{Faults, Settings};

/// One request and what the runtime says of it.
#[derive(Debug)]
pub struct Invocation<'e> {
    /// What the gateway says.
    pub request: Request<'e>,
    /// The gateway's id of the request, or else the invocation's.
    pub request_id: String,
    /// The X-Ray trace that it is part of.
    pub trace_id: Option<String>,
}

/// What a function does with a request.
pub trait Handler {
    /// The API that calls.
    fn gateway(&self) -> &Gateway;

    /// Answer it.
    fn answer(&self, invocation: &Invocation<'_>) -> impl Future<Output = Response>;
}

/// What a function does with an event that comes from no gateway.
pub trait Worker {
    /// Do it. The event's text is never logged: it may hold a secret.
    fn work(&self, event: &str) -> impl Future<Output = Result<Box<RawValue>, Failure>>;
}

/// Why nothing came of an event: Lambda reports it to whoever sent it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// `errorType`: what kind of failure it is.
    pub kind: &'static str,
    /// `errorMessage`, for people.
    pub message: String,
}

/// Run a function behind a gateway for as long as Lambda wants it. `start` makes the handler of the configuration, and
/// fetches what can be fetched ahead of the first request.
pub async fn run<H: Handler>(start: impl AsyncFnOnce(Settings) -> Result<H, Faults>) -> ExitCode {
    serve(start, async |handler: &H, event, context| {
        Ok(respond(handler, event, &context.request_id, context.xray_trace_id).await)
    })
    .await
}

/// Run a function that takes other events than a gateway's.
pub async fn run_worker<W: Worker>(start: impl AsyncFnOnce(Settings) -> Result<W, Faults>) -> ExitCode {
    serve(start, async |worker: &W, event, context| {
        let span = tracing::info_span!("event", request_id = context.request_id, trace_id = context.xray_trace_id);
        let worked = AssertUnwindSafe(worker.work(event)).catch_unwind().instrument(span).await;
        let worked = worked.unwrap_or_else(|_| {
            Err(Failure { kind: "Panic", message: "ended in a panic, of which the log tells".to_owned() })
        });
        worked.map_err(|Failure { kind, message }| {
            tracing::error!(request_id = context.request_id, kind, "{message}");
            Diagnostic { error_type: kind.to_owned(), error_message: message }
        })
    })
    .await
}

async fn serve<H, A: Serialize>(
    start: impl AsyncFnOnce(Settings) -> Result<H, Faults>,
    answer: impl AsyncFn(&H, &str, Context) -> Result<A, Diagnostic>,
) -> ExitCode {
    log::start();
    let handler = match AssertUnwindSafe(start(Settings::of_process())).catch_unwind().await {
        Ok(Ok(handler)) => handler,
        Ok(Err(faults)) => {
            tracing::error!("the configuration is at fault: {faults}");
            report("Configuration", &faults.to_string()).await;
            return ExitCode::FAILURE;
        }
        Err(_) => {
            tracing::error!("the start ended in a panic");
            report("Panic", "the start ended in a panic, of which the log tells").await;
            return ExitCode::FAILURE;
        }
    };
    let (handler, answer) = (&handler, &answer);
    let service =
        service_fn(async |event: LambdaEvent<Box<RawValue>>| answer(handler, event.payload.get(), event.context).await);
    match lambda_runtime::run(service).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, "the Lambda runtime API is lost");
            ExitCode::FAILURE
        }
    }
}

/// Answer one event, whatever happens.
pub async fn respond(handler: &impl Handler, event: &str, invocation_id: &str, trace_id: Option<String>) -> Reply {
    let request = handler.gateway().read(event);
    let request_id = request.request_id.as_deref().filter(|id| is_id(id)).unwrap_or(invocation_id).to_owned();
    let head = request.method == "HEAD";
    let span = tracing::info_span!("request", request_id, trace_id);
    let invocation = Invocation { request, request_id, trace_id };
    let answered = AssertUnwindSafe(handler.answer(&invocation)).catch_unwind().instrument(span).await;
    let response = answered.unwrap_or_else(|_| {
        tracing::error!(request_id = invocation.request_id, "ended in a panic");
        Response::error(ErrorCode::ServerError, "an internal error")
    });
    Reply::new(response, &invocation.request_id, head)
}

/// Fit for a header and a log line.
fn is_id(text: &str) -> bool {
    (1..=128).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic())
}

/// Tell Lambda why there will be no start (Lambda Runtime API, "Initialization error").
async fn report(kind: &str, message: &str) {
    let body = serde_json::json!({ "errorType": kind, "errorMessage": message, "stackTrace": [] });
    let told = async {
        let request = lambda_runtime_api_client::build_request()
            .method("POST")
            .uri("/2018-06-01/runtime/init/error")
            .header("lambda-runtime-function-error-type", format!("Runtime.{kind}"))
            .body(Body::from(body.to_string()))?;
        lambda_runtime_api_client::PooledClient::builder().build().call(request).await
    };
    if let Err(error) = told.await {
        tracing::error!(error, "cannot tell Lambda");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::Kind;

    struct Panics(Gateway);

    impl Handler for Panics {
        fn gateway(&self) -> &Gateway {
            &self.0
        }

        async fn answer(&self, _: &Invocation<'_>) -> Response {
            panic!("with words that no caller may see")
        }
    }

    #[tokio::test]
    async fn a_panic_is_500_without_its_cause_and_the_next_request_is_answered() {
        let handler = Panics(Gateway::new(Kind::Rest, "a1b2c3d4e5".to_owned()));
        for _ in 0..2 {
            let reply = respond(&handler, "{}", "the-invocation", None).await;
            let text = serde_json::to_string(&reply).unwrap();
            assert_eq!(reply.status(), 500);
            assert!(text.contains("server_error") && !text.contains("words"), "{text}");
        }
    }

    #[tokio::test]
    async fn an_answer_is_named_by_the_gateway_s_id_unless_that_is_none() {
        let handler = Panics(Gateway::new(Kind::Rest, "a1b2c3d4e5".to_owned()));
        for (id, expected) in
            [("abc-1", "abc-1"), ("", "invocation"), ("a b", "invocation"), ("\\r\\nx: y", "invocation")]
        {
            let event = format!(r#"{{"resource":"/token","requestContext":{{"requestId":"{id}"}}}}"#);
            let reply = serde_json::to_value(respond(&handler, &event, "invocation", None).await).unwrap();
            assert_eq!(reply["headers"]["x-request-id"], expected);
        }
    }
}
