//! What deployers and operators take for AWS: moto, but for what moto only writes down.
//!
//! Nobody is judged here: who deploys or operates is allowed everything.

use std::sync::Arc;

use hyper::body::{Bytes, Incoming};
use hyper::http::request::Parts;
use hyper::{Method, Request, StatusCode};

use super::Shared;
use super::holdings::Target;
use super::instances::Invoked;
use super::wire::unescape;
use crate::lambda::{document, event, refused, set};
use crate::loopback::{Answer, Cut, collect, pass_on};

impl Shared {
    pub(super) async fn front(self: &Arc<Self>, request: Request<Incoming>) -> Result<Answer, Cut> {
        let (head, body) = request.into_parts();
        let body = collect(body).await?;
        if head.headers.get("x-amz-target").is_some_and(|target| target == "secretsmanager.RotateSecret") {
            return self.rotate_secret(head, body).await;
        }
        let path = head.uri.path().trim_matches('/').to_owned();
        let steps: Vec<&str> = path.split('/').collect();
        match (&head.method, &steps[..]) {
            (&Method::POST, [_, "functions", name, "invocations"]) => {
                self.invocation(Target::parse(&unescape(name)), &head, body).await
            }
            (&Method::POST, [_, "functions"]) | (&Method::PUT, [_, "functions", _, "code"]) => {
                if let Err(why) = self.packages.keep(&body) {
                    self.ledger.violate(format!("{} {path}: {why}", head.method));
                }
                pass_on(self.wire.server(), head, body).await
            }
            (&Method::POST, ["restapis", api, "deployments"]) => {
                let answer = pass_on(self.wire.server(), head, body).await?;
                self.deployments.keep(&self.wire, api, &self.ledger).await;
                Ok(answer)
            }
            _ => pass_on(self.wire.server(), head, body).await,
        }
    }

    /// Lambda's Invoke, by somebody who may: <https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html>.
    async fn invocation(self: &Arc<Self>, mut target: Target, head: &Parts, body: Bytes) -> Result<Answer, Cut> {
        if let Some(qualifier) = head.uri.query().and_then(|query| query.strip_prefix("Qualifier=")) {
            target.qualifier = Some(unescape(qualifier));
        }
        let event = match event(body) {
            Ok(event) => event,
            Err(refused) => return Ok(*refused),
        };
        let (shared, name) = (Arc::clone(self), target.to_string());
        // The servers' one thread is everybody's, and a function takes its time.
        let invoked = tokio::task::spawn_blocking(move || shared.invoke(&target, &event));
        if head.headers.get("x-amz-invocation-type").is_some_and(|kind| kind == "Event") {
            return Ok(document(StatusCode::ACCEPTED, Bytes::new()));
        }
        Ok(match invoked.await.map_err(|_| Cut)? {
            Ok(Invoked::Answered { payload, failed, version }) => {
                let mut answer = document(StatusCode::OK, payload);
                set(&mut answer, "x-amz-executed-version", &version);
                if failed {
                    set(&mut answer, "x-amz-function-error", "Unhandled");
                }
                answer
            }
            Ok(Invoked::Absent) => {
                refused(StatusCode::NOT_FOUND, "ResourceNotFoundException", &format!("Function not found: {name}"))
            }
            Ok(Invoked::Throttled) => {
                refused(StatusCode::TOO_MANY_REQUESTS, "TooManyRequestsException", "Rate Exceeded.")
            }
            Err(why) => refused(StatusCode::BAD_GATEWAY, "ServiceException", &why),
        })
    }
}
