//! A secret of AWS Secrets Manager, such as the one that holds the ring: reading it.

use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::error::SdkError;
use aws_sdk_secretsmanager::operation::get_secret_value::GetSecretValueError;
use zeroize::Zeroizing;

/// A secret's ARN.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretArn(String);

impl SecretArn {
    /// `arn:PARTITION:secretsmanager:REGION:ACCOUNT:secret:NAME`.
    pub fn new(text: &str) -> Result<Self, &'static str> {
        let parts: Vec<&str> = text.splitn(7, ':').collect();
        match parts.as_slice() {
            ["arn", _, "secretsmanager", _, _, "secret", name] if !name.is_empty() => Ok(Self(text.to_owned())),
            _ => Err("not the ARN of a secret (arn:PARTITION:secretsmanager:REGION:ACCOUNT:secret:NAME)"),
        }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Is it the secret of this ARN? Secrets Manager puts a hyphen and six characters behind a secret's name, and takes an
    /// ARN without them too.
    pub fn names(&self, arn: &str) -> bool {
        let suffix = arn.strip_prefix(&self.0);
        let random = |suffix: &str| suffix.len() == 7 && suffix.starts_with('-') && suffix.is_ascii();
        suffix.is_some_and(|suffix| suffix.is_empty() || random(suffix))
    }
}

/// Why the secret could not be read.
#[derive(Debug, thiserror::Error)]
pub enum SecretFault {
    /// Secrets Manager did not give it.
    #[error("the secret")]
    Call(#[source] Box<SdkError<GetSecretValueError>>),
    /// It holds no text.
    #[error("the secret has no text")]
    NoText,
}

/// One secret.
#[derive(Debug, Clone)]
pub struct Secret {
    client: Client,
    arn: SecretArn,
}

impl Secret {
    /// The secret of this ARN.
    pub fn new(client: Client, arn: SecretArn) -> Self {
        Self { client, arn }
    }

    /// The text of the current version (`secretsmanager:GetSecretValue`).
    pub async fn fetch(self) -> Result<Zeroizing<Vec<u8>>, SecretFault> {
        let answer = self.client.get_secret_value().secret_id(self.arn.0).send().await;
        let output = answer.map_err(|error| SecretFault::Call(Box::new(error)))?;
        output.secret_string.map(|text| Zeroizing::new(text.into_bytes())).ok_or(SecretFault::NoText)
    }
}
