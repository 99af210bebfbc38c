//! Where the policy is kept: `ssm:NAME`, `secret:ARN` or `file:PATH`.

use std::path::PathBuf;

use aws_sdk_secretsmanager::Client as SecretsManager;
use countersign_aws::client::SdkConfig;
use countersign_aws::parameter::{Parameter, ParameterName};
use countersign_aws::snapshot::{Snapshot, SourceFault};
use countersign_core::bounds::Bounds;
use countersign_core::policy::Policy;
use countersign_keys::secret::{Secret, SecretArn};
use futures_util::FutureExt as _;
use zeroize::Zeroizing;

/// Where the policy is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PolicySource {
    /// A parameter of SSM Parameter Store, of at most 8 KiB.
    Parameter(ParameterName),
    /// A secret of Secrets Manager, of at most 64 KiB, as large as a policy may be. It holds nothing secret then.
    Secret(SecretArn),
    /// A file of the function's package or of a layer.
    File(PathBuf),
}

impl PolicySource {
    /// `ssm:NAME`, `secret:ARN` or `file:PATH`.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            Some(("ssm", name)) => Ok(Self::Parameter(ParameterName::new(name)?)),
            Some(("secret", arn)) => Ok(Self::Secret(SecretArn::new(arn)?)),
            Some(("file", path)) if !path.is_empty() => Ok(Self::File(path.into())),
            Some(("s3", _)) => Err("S3 is not read; a policy of more than 8 KiB goes into secret:ARN".to_owned()),
            _ => Err(format!("must be ssm:NAME, secret:ARN or file:PATH, and is {text:?}")),
        }
    }

    /// The policy of this source, while it lasts.
    pub(crate) fn snapshot(self, aws: &SdkConfig, bounds: Bounds) -> Snapshot<Policy> {
        match self {
            Self::Parameter(name) => {
                let parameter = Parameter::new(aws, name);
                Snapshot::new("policy", bounds, move || parameter.clone().fetch().boxed(), parse)
            }
            Self::Secret(arn) => {
                let secret = Secret::new(SecretsManager::new(aws), arn);
                let fetch = move || {
                    let fetched = secret.clone().fetch();
                    fetched.map(|fetched| fetched.map_err(|error| SourceFault::of("policy", &error))).boxed()
                };
                // Of a secret nothing is repeated: it may be another one than was meant.
                let parse = |text: &[u8]| {
                    Policy::from_json(text).map_err(|problems| {
                        let count = problems.len();
                        SourceFault::new(format!("{count} problems, which `countersign policy check` names"))
                    })
                };
                Snapshot::new("policy", bounds, fetch, parse)
            }
            Self::File(path) => {
                let read = move || {
                    let text = std::fs::read(&path).map(Zeroizing::new);
                    std::future::ready(text.map_err(|error| SourceFault::of(path.display(), &error))).boxed()
                };
                Snapshot::new("policy", bounds, read, parse)
            }
        }
    }
}

fn parse(text: &[u8]) -> Result<Policy, SourceFault> {
    Policy::from_json(text).map_err(|problems| {
        let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
        SourceFault::new(problems.join("; "))
    })
}
