//! The only writer of the ring and of the published key set: Secrets Manager's rotation function, and what operators ask for.
//! Once an hour it looks whether both still say the same.
//!
//! One event at a time: the function is to have a reserved concurrency of one.

mod aws;
pub mod event;
pub mod rotation;
pub mod store;

use std::collections::BTreeSet;
use std::io;

use countersign_aws::function::{Failure, Worker};
use countersign_aws::metrics::Line;
use countersign_aws::parameter::ParameterName;
use countersign_aws::settings::{Faults, Settings};
use countersign_aws::{client, log};
use countersign_core::jwk::Algorithm;
use countersign_core::plan::Note;
use countersign_core::schedule::{self, Schedule};
use countersign_keys::ring::NewKey;
use countersign_keys::secret::SecretArn;
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

use aws::{Aws, KeyStore, PublicUrl, public_url};
use event::{Action, Event, RotationStep, Step};
use rotation::check::Check;
use rotation::{Order, Rotation, RotationFault};

/// The function, ready for events.
#[derive(Debug)]
pub struct KeyRotator {
    function: String,
    secret: SecretArn,
    schedule: Schedule,
    store: Aws,
}

impl KeyRotator {
    /// Read the configuration. Nothing is fetched ahead.
    pub fn start(mut settings: Settings) -> Result<Self, Faults> {
        let function = settings.function_name();
        let secret = settings.required("SIGNING_KEY_SECRET_ARN", SecretArn::new);
        let parameter = settings.required("JWKS_SSM_PARAM", ParameterName::new);
        let lanes = settings.optional("KEY_LANES", lanes).unwrap_or_else(|| BTreeSet::from([Algorithm::RS256]));
        let announce_for = settings.optional("ANNOUNCE_FOR", schedule::duration).unwrap_or(schedule::DEFAULT);
        let retire_for = settings.optional("RETIRE_FOR", schedule::duration).unwrap_or(schedule::DEFAULT);
        let bounds = settings.bounds();
        let schedule = Schedule::new(lanes, announce_for, retire_for, bounds).map_err(|faults| {
            for fault in faults {
                settings.fault(fault.variable(), fault);
            }
        });
        let keys = settings.optional("KEY_STORE", KeyStore::parse).unwrap_or_default();
        let public_url = settings.optional("PUBLIC_JWKS_URL", public_url);
        let public_url = public_url.map(|url| PublicUrl::new(url, client::connector(&mut settings)));
        let restart = settings.optional("RESTART_FUNCTIONS", functions).unwrap_or_default();
        let config = client::config(&mut settings);
        let made = (|| {
            let (secret, parameter, schedule) = (secret?, parameter?, schedule.ok()?);
            let store = Aws::new(&config?, secret.clone(), parameter, keys, public_url, restart);
            Some(Self { function, secret, schedule, store })
        })();
        settings.finish(made)
    }

    async fn step(&self, event: &RotationStep) -> Result<(), RotationFault> {
        let rotation = Rotation::new(&self.store, &self.schedule);
        let version = event.client_request_token.as_str();
        match event.step {
            Step::Create => tell(&rotation.create(version, Order::Rotate).await?),
            Step::Set => rotation.publish(version).await?,
            Step::Test => {
                for warning in rotation.test(version).await? {
                    tracing::warn!("{warning}");
                }
            }
            Step::Finish => {
                for warning in rotation.finish(version).await? {
                    tracing::warn!("{warning}");
                }
            }
        }
        tracing::info!(version, step = ?event.step, "done");
        Ok(())
    }

    async fn act(&self, action: Action) -> Result<Box<RawValue>, Failure> {
        let rotation = Rotation::new(&self.store, &self.schedule);
        let order = match action {
            Action::Status {} => return answer(&rotation.status().await.map_err(|fault| failure(&fault))?),
            Action::Check {} => {
                let check = rotation.check().await.map_err(|fault| failure(&fault))?;
                self.record(&check)?;
                return answer(&check);
            }
            Action::Rotate {} => Order::Rotate,
            Action::Revoke { kid } => Order::Revoke(kid),
            Action::Import { pem, kid } => {
                let key = NewKey::from_pem(&pem, kid.as_ref());
                Order::Import(Box::new(key.map_err(|fault| Failure { kind: "Refused", message: fault.to_string() })?))
            }
        };
        let report = rotation.change(order).await.map_err(|fault| failure(&fault))?;
        tell(&report.notes);
        for warning in &report.warnings {
            tracing::warn!("{warning}");
        }
        answer(&report)
    }

    /// A check of which nobody is told is none.
    fn record(&self, check: &Check) -> Result<(), Failure> {
        let (metrics, record) = (check.metrics(), check.record());
        let line = Line::new(&self.function, &metrics, &record).to_text();
        line.map_err(Into::into).and_then(|line| log::line(&line)).map_err(|error: io::Error| Failure {
            kind: "Rotation",
            message: format!("the metrics of the check cannot be written: {error}"),
        })
    }
}

impl Worker for KeyRotator {
    async fn work(&self, event: &str) -> Result<Box<RawValue>, Failure> {
        let event = Event::read(event).map_err(|why| Failure { kind: "Event", message: why.to_owned() })?;
        match event {
            Event::Action(action) => Box::pin(self.act(action)).await,
            Event::Step(step) if !self.secret.names(&step.secret_id) => Err(Failure {
                kind: "Event",
                message: "SecretId is another secret than SIGNING_KEY_SECRET_ARN".to_owned(),
            }),
            Event::Step(step) => {
                Box::pin(self.step(&step)).await.map_err(|fault| failure(&fault))?;
                answer(&())
            }
        }
    }
}

fn tell(notes: &[Note]) {
    for note in notes {
        match note {
            Note::Opened { .. } | Note::NewLane { .. } | Note::Promoted { .. } | Note::Removed { .. } => {
                tracing::info!("{note}");
            }
            _ => tracing::warn!("{note}"),
        }
    }
}

fn answer(value: &impl Serialize) -> Result<Box<RawValue>, Failure> {
    to_raw_value(value).map_err(|error| Failure { kind: "Rotation", message: error.to_string() })
}

/// The fault and its causes, in words. What was asked for in vain is told from what did not work.
fn failure(fault: &RotationFault) -> Failure {
    let kind = if matches!(fault, RotationFault::Plan(_)) { "Refused" } else { "Rotation" };
    let mut message = fault.to_string();
    let mut cause = std::error::Error::source(fault);
    while let Some(error) = cause {
        message = format!("{message}: {error}");
        cause = error.source();
    }
    Failure { kind, message }
}

/// `RS256,ES256`.
fn lanes(text: &str) -> Result<BTreeSet<Algorithm>, String> {
    text.split(',')
        .map(|name| Algorithm::named(name.trim()))
        .collect::<Option<_>>()
        .ok_or_else(|| format!("{text:?} must be lanes, comma-separated: RS256, ES256, ES384"))
}

/// Names or ARNs of functions, comma-separated.
fn functions(text: &str) -> Result<Vec<String>, String> {
    let legal = |name: &str| {
        (1..=170).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || b":-_".contains(&b))
    };
    let names: Vec<String> = text.split(',').map(|name| name.trim().to_owned()).collect();
    if names.iter().all(|name| legal(name)) { Ok(names) } else { Err(format!("{text:?} is no list of functions")) }
}
