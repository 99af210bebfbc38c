//! The world as it is: Secrets Manager, Parameter Store, KMS, Lambda, and the URL that relying parties fetch keys from.

mod served;

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::time::Duration;

use aws_sdk_lambda::Client as Lambda;
use aws_sdk_lambda::types::Environment;
use aws_sdk_secretsmanager::Client as SecretsManager;
use aws_sdk_secretsmanager::operation::get_secret_value::GetSecretValueError;
use aws_sdk_ssm::Client as Ssm;
use aws_sdk_ssm::operation::get_parameter::GetParameterError;
use aws_sdk_ssm::operation::get_parameter_history::GetParameterHistoryError;
use aws_sdk_ssm::types::{ParameterTier, ParameterType};
use countersign_aws::client::SdkConfig;
use countersign_aws::parameter::ParameterName;
use countersign_aws::snapshot::SourceFault;
use countersign_aws::told;
use countersign_core::UnixSeconds;
use countersign_core::jwk::{Algorithm, Jwk};
use countersign_keys::ring::{KmsKeyId, NewKey};
use countersign_keys::secret::SecretArn;
use zeroize::Zeroizing;

pub(crate) use self::served::{PublicUrl, public_url};
use crate::store::{Done, Label, Store, Versions};

/// How long an eventually consistent service is given before it is asked once more.
const PAUSE: Duration = Duration::from_millis(200);
/// The variable by whose change Lambda makes a function's instances anew.
const REVOKED_AT: &str = "KEYS_REVOKED_AT";

/// Where the private halves of new keys are kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum KeyStore {
    /// In the secret, with the ring.
    #[default]
    Secret,
    /// In AWS KMS.
    #[cfg(feature = "kms")]
    Kms,
}

impl KeyStore {
    /// `secret` or `kms`.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        match text {
            "secret" => Ok(Self::Secret),
            #[cfg(feature = "kms")]
            "kms" => Ok(Self::Kms),
            #[cfg(not(feature = "kms"))]
            "kms" => Err("this build has no KMS support: deploy key-rotator-kms and jwt-issuer-kms".to_owned()),
            other => Err(format!("must be `secret` or `kms`, and is {other:?}")),
        }
    }
}

/// AWS, and what of it is ours.
#[derive(Debug)]
pub(crate) struct Aws {
    secrets: SecretsManager,
    ssm: Ssm,
    lambda: Lambda,
    #[cfg(feature = "kms")]
    kms: aws_sdk_kms::Client,
    secret: SecretArn,
    parameter: ParameterName,
    keys: KeyStore,
    public_url: Option<PublicUrl>,
    restart: Vec<String>,
}

/// The service's words for what it did not do.
fn fault(call: &'static str) -> impl Fn(Box<dyn Error>) -> SourceFault {
    move |error| SourceFault::of(call, &*error)
}

impl Aws {
    pub(crate) fn new(
        config: &SdkConfig,
        secret: SecretArn,
        parameter: ParameterName,
        keys: KeyStore,
        public_url: Option<PublicUrl>,
        restart: Vec<String>,
    ) -> Self {
        Self {
            secrets: SecretsManager::new(config),
            ssm: Ssm::new(config),
            lambda: Lambda::new(config),
            #[cfg(feature = "kms")]
            kms: aws_sdk_kms::Client::new(config),
            secret,
            parameter,
            keys,
            public_url,
            restart,
        }
    }

    /// Another environment is another instance: Lambda sends no more requests to those that there are.
    async fn restart_one(&self, name: &str) -> Result<(), SourceFault> {
        let failed =
            |error: Box<dyn Error>| SourceFault::of(format!("the instances of {name} were not ended"), &*error);
        let answer = self.lambda.get_function_configuration().function_name(name).send().await;
        let found = answer.map_err(|error| failed(error.into()))?;
        let (mut variables, mut fault) = (None, None);
        if let Some(environment) = found.environment {
            (variables, fault) = (environment.variables, environment.error);
        }
        // What it does not show would be wiped.
        if let Some(fault) = fault {
            return Err(failed(
                fault.message.unwrap_or_else(|| "Lambda does not show its environment".to_owned()).into(),
            ));
        }
        let variables = variables.unwrap_or_default();
        let now = (REVOKED_AT.to_owned(), told::now().to_string());
        let environment = Environment::builder().set_variables(Some(variables.into_iter().chain([now]).collect()));
        let update = self.lambda.update_function_configuration().function_name(name).environment(environment.build());
        // Whoever has changed the function in between is not undone.
        let answer = update.set_revision_id(found.revision_id).send().await;
        answer.map(drop).map_err(|error| failed(error.into()))
    }
}

impl Store for Aws {
    /// `secretsmanager:DescribeSecret`
    async fn versions(&self) -> Done<Versions> {
        let answer = self.secrets.describe_secret().secret_id(self.secret.as_str()).send().await;
        let found = answer.map_err(|error| fault("DescribeSecret")(error.into()))?;
        let label =
            |name: &String| [Label::Current, Label::Pending, Label::Previous].into_iter().find(|l| l.as_str() == name);
        let labels = |names: Vec<String>| names.iter().filter_map(label).collect::<BTreeSet<_>>();
        let versions = found.version_ids_to_stages.unwrap_or_default();
        Ok(Versions(versions.into_iter().map(|(id, names)| (id, labels(names))).collect::<BTreeMap<_, _>>()))
    }

    /// `secretsmanager:GetSecretValue`
    async fn value(&self, version: &str) -> Done<Option<Zeroizing<Vec<u8>>>> {
        let answer = self.secrets.get_secret_value().secret_id(self.secret.as_str()).version_id(version).send().await;
        match answer {
            Ok(found) => Ok(found.secret_string.map(|text| Zeroizing::new(text.into_bytes()))),
            // A version without a value, and no version, are the same to Secrets Manager.
            Err(error)
                if error.as_service_error().is_some_and(GetSecretValueError::is_resource_not_found_exception) =>
            {
                Ok(None)
            }
            Err(error) => Err(fault("GetSecretValue")(error.into())),
        }
    }

    /// `secretsmanager:PutSecretValue`
    async fn put(&self, version: &str, value: &[u8], label: Label) -> Done<()> {
        let text = std::str::from_utf8(value).map_err(|error| fault("PutSecretValue")(error.into()))?;
        let put = self.secrets.put_secret_value().secret_id(self.secret.as_str()).client_request_token(version);
        let answer = put.secret_string(text).version_stages(label.as_str()).send().await;
        answer.map(drop).map_err(|error| fault("PutSecretValue")(error.into()))
    }

    /// `secretsmanager:UpdateSecretVersionStage`
    async fn make_current(&self, version: &str, instead_of: &str) -> Done<()> {
        let update = self.secrets.update_secret_version_stage().secret_id(self.secret.as_str());
        let update = update.version_stage(Label::Current.as_str()).move_to_version_id(version);
        let answer = update.remove_from_version_id(instead_of).send().await;
        answer.map(drop).map_err(|error| fault("UpdateSecretVersionStage")(error.into()))
    }

    /// `secretsmanager:UpdateSecretVersionStage`
    async fn strip(&self, label: Label, version: &str) -> Done<()> {
        let update = self.secrets.update_secret_version_stage().secret_id(self.secret.as_str());
        let answer = update.version_stage(label.as_str()).remove_from_version_id(version).send().await;
        answer.map(drop).map_err(|error| fault("UpdateSecretVersionStage")(error.into()))
    }

    /// `ssm:GetParameter`
    async fn published(&self) -> Done<Option<String>> {
        match self.ssm.get_parameter().name(self.parameter.as_str()).send().await {
            Ok(found) => Ok(found.parameter.and_then(|parameter| parameter.value)),
            Err(error) if error.as_service_error().is_some_and(GetParameterError::is_parameter_not_found) => Ok(None),
            Err(error) => Err(fault("GetParameter")(error.into())),
        }
    }

    /// `ssm:GetParameterHistory`
    async fn history(&self) -> Done<Vec<(UnixSeconds, String)>> {
        let mut pages = self.ssm.get_parameter_history().name(self.parameter.as_str()).into_paginator().send();
        let mut history = Vec::new();
        while let Some(page) = pages.next().await {
            match page {
                Ok(page) => history.extend(page.parameters.unwrap_or_default().into_iter().map(|parameter| {
                    // To the next second: rather later than earlier.
                    let since =
                        parameter.last_modified_date.map_or(UnixSeconds::MAX, |date| date.secs().saturating_add(1));
                    (parameter.version, since, parameter.value.unwrap_or_default())
                })),
                Err(error)
                    if error.as_service_error().is_some_and(GetParameterHistoryError::is_parameter_not_found) =>
                {
                    break;
                }
                Err(error) => return Err(fault("GetParameterHistory")(error.into())),
            }
        }
        history.sort_by_key(|(version, ..)| *version);
        Ok(history.into_iter().map(|(_, since, text)| (since, text)).collect())
    }

    /// `ssm:PutParameter`
    async fn publish(&self, set: &str) -> Done<()> {
        let put = self.ssm.put_parameter().name(self.parameter.as_str()).value(set).overwrite(true);
        let put = put.r#type(ParameterType::String).tier(ParameterTier::IntelligentTiering);
        put.send().await.map(drop).map_err(|error| fault("PutParameter")(error.into()))
    }

    async fn served(&self) -> Option<Done<Vec<u8>>> {
        Some(self.public_url.as_ref()?.fetch().await)
    }

    /// `kms:CreateKey`, `kms:TagResource` and `kms:GetPublicKey`, if keys are kept there
    async fn make(&self, lane: Algorithm) -> Done<NewKey> {
        match self.keys {
            KeyStore::Secret => NewKey::generate(lane).map_err(|error| fault("making a key")(error.into())),
            #[cfg(feature = "kms")]
            KeyStore::Kms => {
                let made = countersign_keys::kms::create(&self.kms, lane, &self.secret).await;
                made.map_err(|error| fault("making a KMS key")(error.into()))
            }
        }
    }

    /// `kms:GetPublicKey`
    #[cfg(feature = "kms")]
    async fn public_half(&self, id: &KmsKeyId, of: &Jwk) -> Done<Jwk> {
        let found = countersign_keys::kms::public_key(&self.kms, id, of.alg(), Some(of.kid().clone())).await;
        found.map_err(|error| fault("the public half of a KMS key")(error.into()))
    }

    #[cfg(not(feature = "kms"))]
    async fn public_half(&self, id: &KmsKeyId, _: &Jwk) -> Done<Jwk> {
        Err(SourceFault::new(format!("the ring names the KMS key {}, and this build has no KMS support", id.as_str())))
    }

    /// `kms:ScheduleKeyDeletion`
    #[cfg(feature = "kms")]
    async fn delete(&self, id: &KmsKeyId) -> Done<()> {
        let answer = countersign_keys::kms::schedule_deletion(&self.kms, id).await;
        answer.map_err(|error| fault("the deletion of a KMS key")(error.into()))
    }

    #[cfg(not(feature = "kms"))]
    async fn delete(&self, id: &KmsKeyId) -> Done<()> {
        Err(SourceFault::new(format!(
            "the KMS key {} is to be deleted, and this build has no KMS support",
            id.as_str()
        )))
    }

    /// `lambda:GetFunctionConfiguration` and `lambda:UpdateFunctionConfiguration`
    async fn restart(&self) -> Vec<String> {
        let mut faults = Vec::new();
        if self.restart.is_empty() {
            faults.push(
                "RESTART_FUNCTIONS names no functions: instances that run keep their copies for as long as they may"
                    .to_owned(),
            );
        }
        for name in &self.restart {
            match self.restart_one(name).await {
                Ok(()) => tracing::info!(function = name, "its instances are made to end"),
                Err(fault) => faults.push(fault.to_string()),
            }
        }
        faults
    }

    async fn pause(&self) {
        tokio::time::sleep(PAUSE).await;
    }

    fn now(&self) -> UnixSeconds {
        told::now()
    }

    fn unique(&self) -> String {
        told::unique()
    }
}
