//! Lambda's Invoke API in front of functions that run: <https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html>.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use serde_json::{Value, json};

use super::Function;
use super::invocation::Invocation;
use super::sandbox::{Failure, Sandbox};
use crate::loopback::{Answer, Cut, Server, collect};

/// Where clients of Lambda invoke functions by name, such as the AWS command line and an SDK that is told of it by
/// [`Self::environment`].
///
/// **Owns** names and nothing else: it looks at no signature, qualifier or limit, and a function that has ended is not
/// started again. A function takes one event after the other, so one that invokes itself waits for ever.
pub struct InvokeApi {
    server: Server,
    functions: Arc<Functions>,
}

type Functions = Mutex<BTreeMap<String, Arc<Sandbox>>>;

impl InvokeApi {
    /// Listens on a free port of the loopback, and knows no function yet.
    ///
    /// # Panics
    /// If it cannot listen.
    pub fn start() -> Self {
        let functions = Arc::new(Functions::default());
        let known = Arc::clone(&functions);
        let server = Server::start(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), move |request| {
            let functions = Arc::clone(&known);
            async move { answer(&functions, request).await }
        })
        .unwrap_or_else(|error| panic!("the Invoke API cannot listen: {error}"));
        Self { server, functions }
    }

    /// Makes `function` the one that is called `name`, in place of any other. It stays its owner's, who may drop it: then
    /// an invocation, also one that is under way, is answered as if the function had exited.
    pub fn serve(&self, name: &str, function: &Function) {
        lock(&self.functions).insert(name.to_owned(), Arc::clone(&function.sandbox));
    }

    /// `http://127.0.0.1:PORT`.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.server.address())
    }

    /// What a client has to have in its environment, beside credentials and a region, to ask this for Lambda and nothing
    /// else.
    pub fn environment(&self) -> Vec<(String, String)> {
        vec![("AWS_ENDPOINT_URL_LAMBDA".to_owned(), self.endpoint())]
    }
}

async fn answer(functions: &Functions, request: Request<Incoming>) -> Result<Answer, Cut> {
    let (head, body) = request.into_parts();
    let body = collect(body).await?;
    let path = head.uri.path().strip_prefix("/2015-03-31/functions/");
    let asked = path.and_then(|path| path.strip_suffix("/invocations")).filter(|_| head.method == Method::POST);
    let Some(asked) = asked.map(|asked| asked.replace("%3A", ":").replace("%24", "$")) else {
        let what = format!("{} {} is not the operation Invoke", head.method, head.uri.path());
        return Ok(refused(StatusCode::NOT_FOUND, "UnknownOperationException", &what));
    };
    let Some(sandbox) = lock(functions).get(name(&asked)).cloned() else {
        return Ok(refused(
            StatusCode::NOT_FOUND,
            "ResourceNotFoundException",
            &format!("Function not found: {asked}"),
        ));
    };
    let event = match event(body) {
        Ok(event) => event,
        Err(refused) => return Ok(*refused),
    };
    let invocation = Invocation::new(event);
    let id = invocation.request_id.clone();
    // The runtime's one thread is everybody's, and a function takes its time.
    let invoked = tokio::task::spawn_blocking(move || invoke(&sandbox, invocation));
    let kind = head.headers.get("x-amz-invocation-type").and_then(|kind| kind.to_str().ok());
    let mut answer = if kind == Some("Event") {
        document(StatusCode::ACCEPTED, Bytes::new())
    } else {
        let (payload, failed) = invoked.await.map_err(|_| Cut)?;
        let mut answer = document(StatusCode::OK, payload);
        set(&mut answer, "x-amz-executed-version", "$LATEST");
        if failed {
            set(&mut answer, "x-amz-function-error", "Unhandled");
        }
        answer
    };
    set(&mut answer, "x-amzn-requestid", &id);
    Ok(answer)
}

/// The event of a request, or what is answered to one that has none.
pub(crate) fn event(body: Bytes) -> Result<String, Box<Answer>> {
    // Nothing is an event too: an empty object.
    let event = if body.is_empty() { Bytes::from_static(b"{}") } else { body };
    match std::str::from_utf8(&event) {
        Ok(event) if serde_json::from_str::<Value>(event).is_ok() => Ok(event.to_owned()),
        _ => {
            let what = "Could not parse request body into json";
            Err(Box::new(refused(StatusCode::BAD_REQUEST, "InvalidRequestContentException", what)))
        }
    }
}

/// The payload of an answer, and whether it is an error of the function. Lambda words those that it cannot word itself.
pub(super) fn invoke(sandbox: &Sandbox, invocation: Invocation) -> (Bytes, bool) {
    let (timeout, id) = (invocation.timeout, invocation.request_id.clone());
    let (kind, what) = match sandbox.invoke(invocation) {
        Ok(posted) => {
            let failed = posted.result.is_err();
            return (posted.result.unwrap_or_else(|error| error), failed);
        }
        Err(Failure::Ended { status, .. }) => match sandbox.api.init_error() {
            Some(report) => return (Bytes::from(report.to_string()), true),
            None => ("Runtime.ExitError", format!("Runtime exited with error: {status}")),
        },
        Err(Failure::Late { .. }) => {
            ("Sandbox.Timedout", format!("Task timed out after {:.2} seconds", timeout.as_secs_f64()))
        }
        Err(failure @ Failure::Reused { .. }) => ("Runtime.Unknown", failure.to_string()),
    };
    let payload = json!({"errorType": kind, "errorMessage": format!("RequestId: {id} Error: {what}")});
    (Bytes::from(payload.to_string()), true)
}

/// The name in what may be a name, `ACCOUNT:function:NAME` or an ARN, each with a qualifier behind it or without.
fn name(asked: &str) -> &str {
    let name = asked.rsplit_once("function:").map_or(asked, |(_, name)| name);
    name.split(':').next().unwrap_or(name)
}

/// REST-JSON: the type stands in a header.
pub(crate) fn refused(status: StatusCode, kind: &str, message: &str) -> Answer {
    let mut answer = document(status, Bytes::from(json!({"Type": "User", "Message": message}).to_string()));
    set(&mut answer, "x-amzn-errortype", kind);
    answer
}

/// An answer in JSON.
pub(crate) fn document(status: StatusCode, body: Bytes) -> Answer {
    let mut answer = Response::new(Full::new(body));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer
}

/// A header of it.
pub(crate) fn set(answer: &mut Answer, name: &'static str, value: &str) {
    let value = HeaderValue::from_str(value).expect("it is one of ours");
    answer.headers_mut().insert(HeaderName::from_static(name), value);
}

fn lock(functions: &Functions) -> MutexGuard<'_, BTreeMap<String, Arc<Sandbox>>> {
    functions.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_is_asked_for_in_many_ways() {
        for asked in [
            "rotate",
            "rotate:live",
            "123456789012:function:rotate",
            "arn:aws:lambda:us-east-1:123456789012:function:rotate",
            "arn:aws:lambda:us-east-1:123456789012:function:rotate:$LATEST",
        ] {
            assert_eq!(name(asked), "rotate", "{asked}");
        }
    }
}
