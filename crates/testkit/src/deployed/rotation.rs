//! What Secrets Manager does after it has answered RotateSecret: the steps, one after the other, and all of them again if
//! one fails (Secrets Manager User Guide, "Lambda rotation functions", "Rotate immediately").

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hyper::body::Bytes;
use hyper::http::request::Parts;
use serde_json::{Value, json};

use super::Shared;
use super::holdings::Target;
use super::instances::Invoked;
use super::judge::Invoker;
use crate::aws::{ACCOUNT, Service, denied};
use crate::iam::Decision;
use crate::loopback::{Answer, Cut, pass_on, wait};

const STEPS: [&str; 4] = ["createSecret", "setSecret", "testSecret", "finishSecret"];

/// How often all steps are taken before the rotation has failed, and the pause before the second time; it doubles.
const ATTEMPTS: u32 = 5;
const PAUSE: Duration = Duration::from_secs(1);

/// Secrets Manager sends one with each step, and no log may hold it.
pub const ROTATION_TOKEN: &str = "rotation-token-that-no-log-may-hold";

/// One rotation, or one trial of a rotation's set-up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rotation {
    /// The ARN of the secret.
    pub secret: String,
    /// The id of the version that is to be made.
    pub version: String,
    /// Whether testSecret alone was to be called.
    pub is_trial: bool,
    /// How often it was begun.
    pub attempts: u32,
    /// The failure of each attempt that failed.
    pub failures: Vec<String>,
    /// Whether it has come to its end, a good one or not.
    pub has_ended: bool,
    /// Whether all of its steps were taken.
    pub is_done: bool,
}

/// All rotations since the start, in their order.
#[derive(Default)]
pub(crate) struct Rotations {
    all: Mutex<Vec<Rotation>>,
    changed: Condvar,
}

impl Rotations {
    /// All of them as soon as none is under way, or after `patience`.
    pub(crate) fn settle(&self, patience: Duration) -> Vec<Rotation> {
        let open = |all: &mut Vec<Rotation>| all.iter().any(|rotation| !rotation.has_ended);
        let settled = self.changed.wait_timeout_while(self.lock(), patience, open);
        settled.unwrap_or_else(PoisonError::into_inner).0.clone()
    }

    fn begin(&self, secret: &str, version: &str, is_trial: bool) -> usize {
        let mut all = self.lock();
        let (secret, version, failures) = (secret.to_owned(), version.to_owned(), Vec::new());
        all.push(Rotation { secret, version, is_trial, attempts: 0, failures, has_ended: false, is_done: false });
        all.len() - 1
    }

    fn update(&self, number: usize, update: impl FnOnce(&mut Rotation)) {
        if let Some(rotation) = self.lock().get_mut(number) {
            update(rotation);
        }
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Rotation>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shared {
    /// RotateSecret: recorded by moto, and begun.
    pub(super) async fn rotate_secret(self: &Arc<Self>, head: Parts, body: Bytes) -> Result<Answer, Cut> {
        let input: Value = serde_json::from_slice(&body).unwrap_or_default();
        let id = input["SecretId"].as_str().unwrap_or_default();
        let (secret, function) = match self.wire.secret(id).await {
            Ok(Some(secret)) => {
                let function = input["RotationLambdaARN"].as_str().map(str::to_owned).or(secret.rotator);
                (secret.arn, function)
            }
            // moto says it in its own words.
            Ok(None) => return pass_on(self.wire.server(), head, body).await,
            Err(why) => {
                self.ledger.violate(format!("RotateSecret: {why}"));
                return Err(Cut);
            }
        };
        if let Some(function) = &function {
            let decision = self.judge_invocation(&invoker(&secret), &Target::parse(function)).await;
            if !matches!(decision, Ok(Decision::Allowed(_))) {
                let why = "Secrets Manager cannot invoke the specified Lambda function. Ensure that the function policy \
                           grants access to the principal secretsmanager.amazonaws.com.";
                return Ok(denied(Service::SecretsManager, why));
            }
        }
        let answer = pass_on(self.wire.server(), head, body).await?;
        if !answer.status().is_success() {
            return Ok(answer);
        }
        // It is held whole, and is looked at without being taken apart.
        let (parts, body) = answer.into_parts();
        let body = http_body_util::BodyExt::collect(body).await.map(http_body_util::Collected::to_bytes);
        let body = body.unwrap_or_default();
        let version = serde_json::from_slice::<Value>(&body).unwrap_or_default()["VersionId"].take();
        if let (Some(version), Some(function)) = (version.as_str().map(str::to_owned), function) {
            let is_trial = input["RotateImmediately"] == false;
            let number = self.rotations.begin(&secret, &version, is_trial);
            let shared = Arc::clone(self);
            std::thread::spawn(move || {
                shared.carry_out(number, &secret, &version, &Target::parse(&function), is_trial);
            });
        }
        Ok(Answer::from_parts(parts, http_body_util::Full::new(body)))
    }

    fn carry_out(self: &Arc<Self>, number: usize, secret: &str, version: &str, function: &Target, is_trial: bool) {
        let mut pause = PAUSE;
        let mut outcome = Err(String::new());
        for attempt in 1..=ATTEMPTS {
            self.rotations.update(number, |rotation| rotation.attempts = attempt);
            let steps = if is_trial { &STEPS[2..3] } else { &STEPS[..] };
            outcome = steps.iter().try_for_each(|step| self.step(step, secret, version, function));
            match &outcome {
                Ok(()) => break,
                Err(why) => self.rotations.update(number, |rotation| rotation.failures.push(why.clone())),
            }
            if attempt < ATTEMPTS {
                std::thread::sleep(pause);
                pause *= 2;
            }
        }
        if is_trial {
            // The version of a trial has never been there.
            let strip = json!({ "SecretId": secret, "VersionStage": "AWSPENDING", "RemoveFromVersionId": version });
            if let Err(why) = wait(self.wire.target("secretsmanager.UpdateSecretVersionStage", &strip)) {
                self.ledger.violate(format!("after the trial of a rotation: {why}"));
            }
        }
        if let Err(why) = &outcome {
            self.ledger.violate(format!("the rotation of {secret} has failed {ATTEMPTS} times, at last with: {why}"));
        }
        self.rotations.update(number, |rotation| (rotation.has_ended, rotation.is_done) = (true, outcome.is_ok()));
    }

    fn step(self: &Arc<Self>, step: &str, secret: &str, version: &str, function: &Target) -> Result<(), String> {
        let event = json!({
            "Step": step,
            "SecretId": secret,
            "ClientRequestToken": version,
            "RotationToken": ROTATION_TOKEN,
        });
        match self.invoke_for(&invoker(secret), function, &event.to_string()) {
            Ok(Invoked::Answered { failed: false, .. }) => Ok(()),
            Ok(Invoked::Answered { payload, .. }) => Err(format!("{step}: {}", String::from_utf8_lossy(&payload))),
            Ok(Invoked::Absent) => Err(format!("{step}: there is no function {function}")),
            Ok(Invoked::Throttled) => Err(format!("{step}: {function} is at work")),
            Err(why) => Err(format!("{step}: {why}")),
        }
    }
}

/// Secrets Manager for one secret. It says both (Secrets Manager User Guide, "Lambda rotation function permissions").
fn invoker(secret: &str) -> Invoker {
    Invoker {
        service: "secretsmanager.amazonaws.com".to_owned(),
        source_arn: secret.to_owned(),
        source_account: Some(ACCOUNT),
    }
}
