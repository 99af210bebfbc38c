//! One process of a function and the queue of events that it takes, for all who invoke it.

use std::process::ExitStatus;
use std::sync::Arc;
use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};

use super::invocation::{Invocation, Posted};
use super::process::Process;
use super::runtime_api::RuntimeApi;
use super::{LOOK, PATIENCE};

/// Whoever has a share of it may invoke; only [`super::Function`] ends it.
pub(super) struct Sandbox {
    pub(super) process: Process,
    pub(super) api: Arc<RuntimeApi>,
}

/// Why an invocation has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Failure {
    #[error("the request id {id} was used twice at once")]
    Reused { id: String },
    #[error("the function ended during the invocation {id} ({status})")]
    Ended { id: String, status: ExitStatus },
    #[error("the invocation {id} is not answered after {patience:?}")]
    Late { id: String, patience: Duration },
}

impl Sandbox {
    /// Sends an event and waits for what the function makes of it.
    pub(super) fn invoke(&self, invocation: Invocation) -> Result<Posted, Failure> {
        let patience = invocation.timeout + PATIENCE;
        let id = invocation.request_id.clone();
        let answered = self.api.queue(invocation);
        let began = Instant::now();
        loop {
            // Asked before the wait: what a process posts just before its end is then here after it.
            let ended = self.process.exit_status();
            match (answered.recv_timeout(LOOK), ended) {
                (Ok(posted), _) => return Ok(posted),
                (Err(RecvTimeoutError::Disconnected), _) => return Err(Failure::Reused { id }),
                (Err(RecvTimeoutError::Timeout), Some(status)) => return Err(Failure::Ended { id, status }),
                (Err(RecvTimeoutError::Timeout), None) if began.elapsed() > patience => {
                    return Err(Failure::Late { id, patience });
                }
                (Err(RecvTimeoutError::Timeout), None) => {}
            }
        }
    }
}
