//! A parameter of SSM Parameter Store.

use aws_sdk_ssm::Client;
use zeroize::Zeroizing;

use crate::client::SdkConfig;
use crate::snapshot::{Fetched, SourceFault};

/// A parameter's name or ARN (`GetParameter`, `Name`: at most 2048 characters).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParameterName(String);

impl ParameterName {
    /// The parameter of this name.
    pub fn new(text: &str) -> Result<Self, &'static str> {
        // A colon would also choose a version or label, which never changes again.
        let (is_arn, name) = text.strip_prefix("arn:").map_or((false, text), |rest| (true, rest));
        let legal = |b: u8| b.is_ascii_alphanumeric() || b"/_.-".contains(&b) || (is_arn && b == b':');
        let form = (1..=2048).contains(&name.len()) && name.bytes().all(legal);
        if form { Ok(Self(text.to_owned())) } else { Err("not the name or ARN of a parameter") }
    }
}

/// Fetches one parameter.
#[derive(Debug, Clone)]
pub struct Parameter {
    client: Client,
    name: ParameterName,
}

impl Parameter {
    /// The parameter of this name.
    pub fn new(config: &SdkConfig, name: ParameterName) -> Self {
        Self { client: Client::new(config), name }
    }

    /// Its value now (`ssm:GetParameter`).
    pub async fn fetch(self) -> Fetched {
        let answer = self.client.get_parameter().name(&self.name.0).with_decryption(true).send().await;
        let output = answer.map_err(|error| SourceFault::of(&self.name.0, &error))?;
        let value = output.parameter.and_then(|parameter| parameter.value);
        value
            .map(|text| Zeroizing::new(text.into_bytes()))
            .ok_or_else(|| SourceFault::new(format!("{}: without a value", self.name.0)))
    }
}
