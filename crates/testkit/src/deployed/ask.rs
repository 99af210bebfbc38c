//! What a request to AWS asks for, in the words of policies: action, resource, and what conditions look at.
//!
//! Only what functions of this project ask for is known; anything else is refused, and told of. The actions, resources and
//! keys are those of the Service Authorization Reference, `list_awssecretsmanager`, `list_awssystemsmanager`,
//! `list_awskeymanagementservice` and `list_awslambda`.

use hyper::http::request::Parts;
use serde_json::{Value, json};

use super::holdings::{Guarded, Read, Target};
use super::wire::{Wire, unescape};
use crate::aws::{ACCOUNT, Service};
use crate::iam::{Context, Document, Reach};

/// One question for the judge. A request may ask several at once.
#[derive(Debug)]
pub(crate) struct Ask {
    pub(crate) action: String,
    pub(crate) resource: Option<String>,
    pub(crate) context: Context,
    pub(crate) policy: Option<Document>,
    pub(crate) reach: Reach,
}

impl Ask {
    fn new(action: String, resource: Option<String>, context: Context, policy: Option<Document>) -> Self {
        Self { action, resource, context, policy, reach: Reach::SameAccount }
    }
}

impl Wire {
    /// All that a request asks for. None of it is done if one part of it may not be.
    pub(crate) async fn asks(&self, head: &Parts, body: &[u8]) -> Read<Vec<Ask>> {
        let service = Service::of(&head.headers);
        let target = head.headers.get("x-amz-target").and_then(|target| target.to_str().ok());
        let operation = target.and_then(|target| target.split_once('.')).map(|(_, operation)| operation);
        let input = || serde_json::from_slice::<Value>(body).map_err(|error| format!("the body is no JSON: {error}"));
        match (service, operation) {
            (Some(Service::SecretsManager), Some(operation)) => self.of_secret(operation, &input()?).await,
            (Some(Service::Ssm), Some(operation)) => self.of_parameter(operation, &input()?).await,
            (Some(Service::Kms), Some(operation)) => self.of_key(operation, &input()?).await,
            (Some(Service::Lambda), None) => self.of_function(head),
            _ => Err(format!("what {} {} asks for is not known", head.method, target.unwrap_or(head.uri.path()))),
        }
    }

    async fn of_secret(&self, operation: &str, input: &Value) -> Read<Vec<Ask>> {
        let id = input["SecretId"].as_str().ok_or_else(|| format!("{operation} names no secret"))?;
        let secret = self.secret(id).await?.ok_or_else(|| format!("{operation}: there is no secret {id}"))?;
        let context = resource_tags(&secret.tags, "secretsmanager:ResourceTag/")
            .with("secretsmanager:SecretId", id)
            .with_option("secretsmanager:VersionId", input["VersionId"].as_str())
            .with_option("secretsmanager:VersionStage", input["VersionStage"].as_str())
            .with_option("secretsmanager:resource/AllowRotationLambdaArn", secret.rotator.as_deref());
        let action = format!("secretsmanager:{operation}");
        let mut asks = vec![Ask::new(action, Some(secret.arn.clone()), context, secret.policy.clone())];
        // Secrets Manager uses the secret's key on the caller's behalf, also where that is AWS's own
        // (Secrets Manager User Guide, `security-encryption`).
        let actions: &[&str] = match operation {
            "GetSecretValue" => &["kms:Decrypt"],
            "PutSecretValue" => &["kms:GenerateDataKey", "kms:Decrypt"],
            _ => &[],
        };
        let key = match &secret.key {
            Some(key) => self.key(key).await?.ok_or_else(|| format!("the secret's key {key} is not there"))?,
            None => self.key_of_aws("secretsmanager")?,
        };
        let encryption = [("SecretARN".to_owned(), secret.arn.clone())];
        asks.extend(actions.iter().map(|action| self.ask_through("secretsmanager", action, &key, &encryption)));
        Ok(asks)
    }

    async fn of_parameter(&self, operation: &str, input: &Value) -> Read<Vec<Ask>> {
        let name = input["Name"].as_str().ok_or_else(|| format!("{operation} names no parameter"))?;
        let name = name.split_once(":parameter").map_or(name, |(_, name)| name);
        let arn = format!("arn:aws:ssm:{}:{ACCOUNT}:parameter/{}", self.region(), name.trim_start_matches('/'));
        let overwrite = (operation == "PutParameter").then(|| (input["Overwrite"] == true).to_string());
        let context = resource_tags(&self.parameter_tags(name).await?, "ssm:resourceTag/")
            .with_option("ssm:Overwrite", overwrite)
            .with_family("aws:RequestTag/", tags(&input["Tags"], "Key", "Value"));
        Ok(vec![Ask::new(format!("ssm:{operation}"), Some(arn), context, None)])
    }

    async fn of_key(&self, operation: &str, input: &Value) -> Read<Vec<Ask>> {
        let action = format!("kms:{operation}");
        if operation == "CreateKey" {
            let requested = tags(&input["Tags"], "TagKey", "TagValue");
            let context = Context::default()
                .without(&["kms:ViaService"])
                .with("kms:CallerAccount", ACCOUNT)
                .with_option("kms:KeySpec", input["KeySpec"].as_str())
                .with_option("kms:KeyUsage", input["KeyUsage"].as_str())
                .with_option("kms:MultiRegion", input["MultiRegion"].as_bool().map(|flag| flag.to_string()))
                .with_many("aws:TagKeys", requested.iter().map(|(name, _)| name.clone()))
                .with_family("aws:ResourceTag/", [])
                .with_family("aws:RequestTag/", requested.clone());
            let ask = |action: &str| Ask::new(action.to_owned(), None, context.clone(), None);
            let tagging = (!requested.is_empty()).then(|| ask("kms:TagResource"));
            return Ok([ask(&action)].into_iter().chain(tagging).collect());
        }
        let id = input["KeyId"].as_str().ok_or_else(|| format!("{operation} names no key"))?;
        let key = self.key(id).await?.ok_or_else(|| format!("{operation}: there is no key {id}"))?;
        let days = input["PendingWindowInDays"].as_u64().map(|days| days.to_string());
        let context = of_kms(&key, None)
            .with_family("kms:EncryptionContext:", [])
            .with_option("kms:SigningAlgorithm", input["SigningAlgorithm"].as_str())
            .with_option("kms:MessageType", input["MessageType"].as_str())
            .with_option("kms:ScheduleKeyDeletionPendingWindowInDays", days);
        Ok(vec![ask_of_key(action, &key, context)])
    }

    fn of_function(&self, head: &Parts) -> Read<Vec<Ask>> {
        let action = crate::aws::action(Service::Lambda, head);
        let path = head.uri.path().split_once("/functions/").map(|(_, path)| path);
        let name = path.and_then(|path| path.split('/').next()).filter(|name| !name.is_empty());
        match name {
            Some(name) if action != "lambda:*" => {
                let target = Target::parse(&unescape(name));
                let arn = format!("arn:aws:lambda:{}:{ACCOUNT}:function:{target}", self.region());
                // The function's variables are decrypted for whoever reads them, and encrypted for whoever changes them.
                let with_key: &[&str] = match action.as_str() {
                    "lambda:GetFunctionConfiguration" => &["kms:Decrypt"],
                    "lambda:UpdateFunctionConfiguration" => &["kms:Decrypt", "kms:Encrypt", "kms:CreateGrant"],
                    _ => &[],
                };
                let with_key = with_key.iter().map(|action| self.ask_for_variables(action));
                std::iter::once(Ok(Ask::new(action.clone(), Some(arn), Context::default(), None)))
                    .chain(with_key)
                    .collect()
            }
            _ => Err(format!("what {} {} asks for is not known", head.method, head.uri.path())),
        }
    }

    /// What Lambda asks KMS for, as a role, with the variables of a function: at each start, `kms:Decrypt`.
    pub(crate) fn ask_for_variables(&self, action: &str) -> Read<Ask> {
        Ok(self.ask_through("lambda", action, &self.key_of_aws("lambda")?, &[]))
    }

    /// A service's use of a key on behalf of whoever asks the service.
    fn ask_through(&self, service: &str, action: &str, key: &Guarded, encryption: &[(String, String)]) -> Ask {
        let service = format!("{service}.{}.amazonaws.com", self.region());
        let context = of_kms(key, Some(&service)).with_family("kms:EncryptionContext:", encryption.to_vec());
        ask_of_key(action.to_owned(), key, context)
    }

    /// The key of AWS's own that a service uses where nobody names another, with the policy that such keys have: whoever of
    /// the account uses the service may use the key through it. So nothing but a denial keeps the key from a role.
    fn key_of_aws(&self, service: &str) -> Read<Guarded> {
        let region = self.region();
        let policy = json!({ "Version": "2012-10-17", "Statement": [{
            "Effect": "Allow",
            "Principal": { "AWS": "*" },
            "Action": ["kms:CreateGrant", "kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey"],
            "Resource": "*",
            "Condition": { "StringEquals": {
                "kms:CallerAccount": ACCOUNT,
                "kms:ViaService": format!("{service}.{region}.amazonaws.com")
            } }
        }] });
        Ok(Guarded {
            arn: format!("arn:aws:kms:{region}:{ACCOUNT}:key/aws-{service}"),
            tags: Vec::new(),
            policy: Some(Document::of(&policy).map_err(|error| error.to_string())?),
            key: None,
            rotator: None,
        })
    }
}

/// The key's policy decides, and lets the account decide where it says so.
fn ask_of_key(action: String, key: &Guarded, context: Context) -> Ask {
    let reach = Reach::ResourceDecides;
    Ask { action, resource: Some(key.arn.clone()), context, policy: key.policy.clone(), reach }
}

fn of_kms(key: &Guarded, via: Option<&str>) -> Context {
    let context = resource_tags(&key.tags, "aws:ResourceTag/").with_option("kms:ViaService", via);
    context.with("kms:CallerAccount", ACCOUNT).without(&["kms:GrantIsForAWSResource"])
}

fn resource_tags(tags: &[(String, String)], own: &str) -> Context {
    Context::default().with_family("aws:ResourceTag/", tags.to_vec()).with_family(own, tags.to_vec())
}

fn tags(list: &Value, key: &str, value: &str) -> Vec<(String, String)> {
    let tags = list.as_array().into_iter().flatten();
    tags.filter_map(|tag| Some((tag[key].as_str()?.to_owned(), tag[value].as_str()?.to_owned()))).collect()
}
