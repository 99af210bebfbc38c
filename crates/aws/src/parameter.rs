//! A parameter of SSM Parameter Store.

use aws_sdk_ssm::Client;
use zeroize::Zeroizing;

use crate::client::SdkConfig;
use crate::snapshot::{Fetched, SourceFault};

/// A parameter's name or ARN (`GetParameter`, `Name`), of at most 1024 characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParameterName(String);

impl ParameterName {
    /// The parameter of this name.
    pub fn new(text: &str) -> Result<Self, &'static str> {
        let name = match text.splitn(6, ':').collect::<Vec<_>>().as_slice() {
            ["arn", _, "ssm", _, _, resource] => resource.strip_prefix("parameter").unwrap_or_default(),
            _ => text,
        };
        // Parameter Store would hand out a secret under such a name.
        if name.trim_start_matches('/').to_ascii_lowercase().starts_with("aws/reference/") {
            return Err("a reference to a secret is no parameter");
        }
        // A colon would choose a version or label, which never changes again.
        let legal = |b: u8| b.is_ascii_alphanumeric() || b"/_.-".contains(&b);
        let form = (1..=1024).contains(&name.len()) && name.bytes().all(legal);
        if form { Ok(Self(text.to_owned())) } else { Err("not the name or ARN of a parameter") }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_chooses_no_version_and_no_secret() {
        for good in ["/countersign/jwks", "jwks", "arn:aws:ssm:eu-west-1:111122223333:parameter/a/b"] {
            assert!(ParameterName::new(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "/a b",
            "/a:3",
            "arn:aws:ssm:eu-west-1:111122223333:parameter/a:3",
            "arn:aws:s3:::bucket",
            "arn:aws:ssm:eu-west-1:111122223333:document/a",
            "/aws/reference/secretsmanager/countersign/keys",
            "/AWS/Reference/secretsmanager/keys",
            "arn:aws:ssm:eu-west-1:111122223333:parameter/aws/reference/secretsmanager/keys",
        ] {
            assert!(ParameterName::new(bad).is_err(), "{bad}");
        }
    }
}
