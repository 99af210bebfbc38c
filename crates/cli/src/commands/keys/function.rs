//! The rotator function, asked through Lambda (`lambda:InvokeFunction`).

use std::time::Duration;

use anyhow::{Context as _, bail};
use aws_config::timeout::TimeoutConfig;
use aws_config::{Region, retry::RetryConfig};
use aws_sdk_lambda::Client;
use aws_sdk_lambda::primitives::Blob;
use serde_json::Value;

use crate::client::patiently;
use crate::signing::loader;

/// A rotation makes some twenty calls to AWS.
const PATIENCE: Duration = Duration::from_mins(2);

/// What a function made of a question.
pub(super) enum Answered {
    /// Its answer.
    With(Value),
    /// What was asked for cannot be: the text says why.
    Refused(String),
}

/// A function in AWS.
pub(super) struct Function {
    client: Client,
    name: String,
}

impl Function {
    /// The function of this name or ARN, with the default AWS credential chain.
    pub(super) async fn find(name: &str, region: Option<&str>) -> anyhow::Result<Self> {
        // Once: a change that was made and whose answer was lost must not be made again unasked.
        let mut loader = loader()?
            .retry_config(RetryConfig::disabled())
            .timeout_config(TimeoutConfig::builder().operation_timeout(PATIENCE).build());
        let of_arn = name.split(':').nth(3).filter(|_| name.starts_with("arn:"));
        if let Some(region) = region.or(of_arn) {
            loader = loader.region(Region::new(region.to_owned()));
        }
        let config = patiently("looking for AWS credentials", Box::pin(loader.load())).await;
        if config.region().is_none_or(|region| region.as_ref().is_empty()) {
            bail!("no region: say --region, or set AWS_REGION");
        }
        Ok(Self { client: Client::new(&config), name: name.to_owned() })
    }

    /// Ask it. The payload may hold a private key, and appears nowhere.
    pub(super) async fn ask(&self, question: &Value) -> anyhow::Result<Answered> {
        let name = &self.name;
        let payload = Blob::new(serde_json::to_vec(question)?);
        let asked = self.client.invoke().function_name(name).payload(payload).send();
        let answer = patiently(&format!("waiting for {name}"), Box::pin(asked)).await;
        let answer = answer.with_context(|| format!("cannot ask {name}"))?;
        let payload = answer.payload.map(Blob::into_inner).unwrap_or_default();
        let value: Value =
            serde_json::from_slice(&payload).with_context(|| format!("{name} does not answer in JSON"))?;
        if answer.function_error.is_none() {
            return Ok(Answered::With(value));
        }
        let member = |name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        match member("errorType").as_str() {
            "Refused" => Ok(Answered::Refused(member("errorMessage"))),
            kind => bail!("{name} failed ({kind}): {}", member("errorMessage")),
        }
    }
}
