//! What moto holds at this moment, as far as it decides anything: functions, roles, and the policies of what is asked for.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::wire::{Wire, escape, if_there, unescape};
use crate::iam::Document;

/// A function and, if it is asked for by one, its alias or version.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Target {
    pub(crate) name: String,
    pub(crate) qualifier: Option<String>,
}

/// A role with all that says what it may do.
#[derive(Debug, Clone)]
pub(crate) struct Role {
    pub(crate) arn: String,
    pub(crate) trust: Document,
    pub(crate) identity: Vec<Document>,
    pub(crate) boundary: Option<Document>,
}

/// What may be asked for with a policy of its own: a secret or a key.
#[derive(Debug, Clone)]
pub(crate) struct Guarded {
    pub(crate) arn: String,
    pub(crate) tags: Vec<(String, String)>,
    pub(crate) policy: Option<Document>,
    /// The key that a secret is encrypted with, if it is not Secrets Manager's own.
    pub(crate) key: Option<String>,
    /// The function that rotates a secret.
    pub(crate) rotator: Option<String>,
}

impl Target {
    /// From what may be a name, `ACCOUNT:function:NAME` or an ARN, with a qualifier behind it or without.
    pub(crate) fn parse(asked: &str) -> Self {
        let name = asked.rsplit_once("function:").map_or(asked, |(_, name)| name);
        let (name, qualifier) = name.split_once(':').map_or((name, None), |(name, rest)| (name, Some(rest)));
        Self { name: name.to_owned(), qualifier: qualifier.map(str::to_owned) }
    }

    fn query(&self) -> String {
        self.qualifier.as_ref().map_or_else(String::new, |qualifier| format!("?Qualifier={}", escape(qualifier)))
    }
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.name)?;
        self.qualifier.as_ref().map_or(Ok(()), |qualifier| write!(f, ":{qualifier}"))
    }
}

/// What cannot be read is a fault of the stand-in or of what was deployed, in words.
pub(crate) type Read<T> = Result<T, String>;

fn told<T>(result: Result<T, super::wire::Refusal>) -> Read<T> {
    result.map_err(|refusal| refusal.to_string())
}

fn text(value: &Value, field: &str, of: &str) -> Read<String> {
    let found = value[field].as_str();
    found.map(str::to_owned).ok_or_else(|| format!("{of} has no {field}: {value}"))
}

impl Wire {
    /// A function's configuration, as `GetFunctionConfiguration` has it.
    pub(crate) async fn function(&self, target: &Target) -> Read<Option<Value>> {
        let path = format!("/2015-03-31/functions/{}/configuration{}", escape(&target.name), target.query());
        told(if_there(self.get("lambda", &path).await))
    }

    /// How many instances a function may have, if that is said.
    pub(crate) async fn reserved_concurrency(&self, name: &str) -> Read<Option<u64>> {
        let path = format!("/2019-09-30/functions/{}/concurrency", escape(name));
        let answer = told(if_there(self.get("lambda", &path).await))?;
        Ok(answer.and_then(|answer| answer["ReservedConcurrentExecutions"].as_u64()))
    }

    /// Who may invoke a function, beside those whom their own policies allow it.
    pub(crate) async fn function_policy(&self, target: &Target) -> Read<Option<Document>> {
        let path = format!("/2015-03-31/functions/{}/policy{}", escape(&target.name), target.query());
        let Some(answer) = told(if_there(self.get("lambda", &path).await))? else { return Ok(None) };
        let policy = text(&answer, "Policy", "a function's policy")?;
        let mut policy: Value = serde_json::from_str(&policy).map_err(|error| error.to_string())?;
        for statement in policy["Statement"].as_array_mut().into_iter().flatten() {
            // moto keeps what a permission was asked for with, and AWS does not hand it back.
            if let Some(members) = statement.as_object_mut() {
                members.retain(|name, _| !["FunctionName", "Qualifier", "EventSourceToken"].contains(&name.as_str()));
            }
        }
        Document::of(&policy).map(Some).map_err(|error| format!("the policy of the function {target}: {error}"))
    }

    /// A role, with its policies.
    pub(crate) async fn role(&self, arn: &str) -> Read<Role> {
        let name = arn.rsplit('/').next().unwrap_or(arn);
        let of_role = [("RoleName", name)];
        let found = told(self.iam("GetRole", &of_role).await)?;
        let role = &found["Role"];
        if role["Arn"] != arn {
            return Err(format!("the role {name} is {}, and {arn} was named", role["Arn"]));
        }
        let fault = |what: &str| {
            let what = what.to_owned();
            move |error: crate::iam::Unknown| format!("{what} of the role {name}: {error}")
        };
        let read = |escaped: &str, what: &str| Document::parse(&unescape(escaped)).map_err(fault(what));

        let trust = read(&text(role, "AssumeRolePolicyDocument", name)?, "the trust policy")?;
        let mut identity = Vec::new();
        for policy in names(&told(self.iam("ListRolePolicies", &of_role).await)?, "PolicyNames", None)? {
            let asked = [("RoleName", name), ("PolicyName", policy.as_str())];
            let found = told(self.iam("GetRolePolicy", &asked).await)?;
            identity.push(read(&text(&found, "PolicyDocument", &policy)?, &policy)?);
        }
        let attached = told(self.iam("ListAttachedRolePolicies", &of_role).await)?;
        for policy in names(&attached, "AttachedPolicies", Some("PolicyArn"))? {
            identity.push(read(&self.managed_policy(&policy).await?, &policy)?);
        }
        let boundary = match role["PermissionsBoundary"]["PermissionsBoundaryArn"].as_str() {
            Some(policy) => Some(read(&self.managed_policy(policy).await?, policy)?),
            None => None,
        };
        Ok(Role { arn: arn.to_owned(), trust, identity, boundary })
    }

    async fn managed_policy(&self, arn: &str) -> Read<String> {
        let found = told(self.iam("GetPolicy", &[("PolicyArn", arn)]).await)?;
        let version = text(&found["Policy"], "DefaultVersionId", arn)?;
        let asked = [("PolicyArn", arn), ("VersionId", version.as_str())];
        let found = told(self.iam("GetPolicyVersion", &asked).await)?;
        match &found["PolicyVersion"]["Document"] {
            Value::String(document) => Ok(document.clone()),
            document => Ok(document.to_string()),
        }
    }

    /// A secret, by its name or ARN.
    pub(crate) async fn secret(&self, id: &str) -> Read<Option<Guarded>> {
        let input = json!({ "SecretId": id });
        let answer = self.target("secretsmanager.DescribeSecret", &input).await;
        let Some(found) = told(if_there(answer))? else { return Ok(None) };
        let policy = told(self.target("secretsmanager.GetResourcePolicy", &input).await)?;
        let policy = policy["ResourcePolicy"].as_str().map(Document::parse).transpose();
        let own_key = |key: &&str| !key.is_empty() && !key.ends_with("aws/secretsmanager");
        Ok(Some(Guarded {
            arn: text(&found, "ARN", id)?,
            tags: tags(&found["Tags"], "Key", "Value"),
            policy: policy.map_err(|error| format!("the policy of the secret {id}: {error}"))?,
            key: found["KmsKeyId"].as_str().filter(own_key).map(str::to_owned),
            rotator: found["RotationLambdaARN"].as_str().filter(|arn| !arn.is_empty()).map(str::to_owned),
        }))
    }

    /// A key of KMS, by its id or ARN.
    pub(crate) async fn key(&self, id: &str) -> Read<Option<Guarded>> {
        let input = json!({ "KeyId": id });
        let Some(found) = told(if_there(self.target("TrentService.DescribeKey", &input).await))? else {
            return Ok(None);
        };
        let arn = text(&found["KeyMetadata"], "Arn", id)?;
        let tagged = told(self.target("TrentService.ListResourceTags", &json!({ "KeyId": arn })).await)?;
        let policy = json!({ "KeyId": arn, "PolicyName": "default" });
        let policy = told(self.target("TrentService.GetKeyPolicy", &policy).await)?;
        let policy = Document::parse(&text(&policy, "Policy", id)?);
        Ok(Some(Guarded {
            tags: tags(&tagged["Tags"], "TagKey", "TagValue"),
            policy: Some(policy.map_err(|error| format!("the policy of the key {id}: {error}"))?),
            key: None,
            rotator: None,
            arn,
        }))
    }

    /// The tags of a parameter.
    pub(crate) async fn parameter_tags(&self, name: &str) -> Read<Vec<(String, String)>> {
        let input = json!({ "ResourceType": "Parameter", "ResourceId": name });
        let answer = told(if_there(self.target("AmazonSSM.ListTagsForResource", &input).await))?;
        Ok(answer.map_or_else(Vec::new, |found| tags(&found["TagList"], "Key", "Value")))
    }

    /// Whether there is a log group of this name.
    pub(crate) async fn has_log_group(&self, name: &str) -> Read<bool> {
        let input = json!({ "logGroupNamePrefix": name });
        let found = told(self.target("Logs_20140328.DescribeLogGroups", &input).await)?;
        Ok(found["logGroups"].as_array().into_iter().flatten().any(|group| group["logGroupName"] == name))
    }
}

/// A list of names, which has to be whole.
fn names(answer: &Value, list: &str, field: Option<&str>) -> Read<Vec<String>> {
    if answer["IsTruncated"] == true {
        return Err(format!("{list} goes on on another page, which is not read: {answer}"));
    }
    let entries = answer[list].as_array().cloned().unwrap_or_default();
    let name = |entry: &Value| field.map_or(entry, |field| &entry[field]).as_str().map(str::to_owned);
    entries.iter().map(|entry| name(entry).ok_or_else(|| format!("{list} holds {entry}"))).collect()
}

fn tags(list: &Value, key: &str, value: &str) -> Vec<(String, String)> {
    let tags = list.as_array().into_iter().flatten();
    let tags: BTreeMap<_, _> =
        tags.filter_map(|tag| Some((tag[key].as_str()?.to_owned(), tag[value].as_str()?.to_owned()))).collect();
    tags.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_is_asked_for_in_many_ways() {
        for (asked, name, qualifier) in [
            ("f", "f", None),
            ("f:live", "f", Some("live")),
            ("123456789012:function:f", "f", None),
            ("arn:aws:lambda:r:1:function:f", "f", None),
            ("arn:aws:lambda:r:1:function:f:7", "f", Some("7")),
        ] {
            let target = Target::parse(asked);
            assert_eq!((target.name.as_str(), target.qualifier.as_deref()), (name, qualifier), "{asked}");
        }
    }
}
