//! Whether a function may do what it asks AWS for, and whether a service may invoke it.

use std::sync::PoisonError;

use hyper::http::request::Parts;
use serde_json::json;

use super::Shared;
use super::ask::Ask;
use super::holdings::{Read, Role, Target};
use crate::aws::ACCOUNT;
use crate::iam::{Caller, Context, Decision, Document, Policies, Reach, Request};

/// Who asks through a door: a session of a function's role.
#[derive(Debug, Clone)]
pub(crate) struct Identity {
    pub(crate) function: String,
    pub(crate) function_arn: String,
    pub(crate) role: String,
}

/// A service that invokes a function, and for what.
#[derive(Debug, Clone)]
pub(crate) struct Invoker {
    pub(crate) service: String,
    pub(crate) source_arn: String,
    /// Where it is documented that the service says it.
    pub(crate) source_account: Option<&'static str>,
}

impl Identity {
    fn caller(&self) -> Caller {
        Caller::role(&self.role, &self.function)
    }

    /// The role's name.
    fn name(&self) -> &str {
        self.role.rsplit('/').next().unwrap_or(&self.role)
    }
}

impl Shared {
    /// Judges all that a request of a function asks for. An error is what AWS would say, in its words or ours.
    pub(crate) async fn judge(&self, who: &Identity, head: &Parts, body: &[u8]) -> Result<(), String> {
        let judged: Read<Vec<(Ask, Decision)>> = async {
            let asks = self.wire.asks(head, body).await?;
            let role = self.wire.role(&who.role).await?;
            asks.into_iter().map(|ask| self.decide(who, &role, &ask).map(|decision| (ask, decision))).collect()
        }
        .await;
        let judged = judged.inspect_err(|why| self.ledger.violate(format!("{}: {why}", who.name())))?;
        for (ask, decision) in judged {
            if let Decision::Denied(why) = decision {
                let (action, on) = (ask.action, ask.resource.unwrap_or_else(|| "*".to_owned()));
                let session = format!("arn:aws:sts::{ACCOUNT}:assumed-role/{}/{}", who.name(), who.function);
                return Err(format!("User: {session} is not authorized to perform: {action} on resource: {on}: {why}"));
            }
        }
        Ok(())
    }

    /// Judges what Lambda does with a role before the function's code runs: to assume it, to decrypt the function's variables,
    /// and to write its log.
    pub(crate) async fn judge_start(&self, who: &Identity, log_group: &str, is_traced: bool) -> Read<()> {
        let role = self.wire.role(&who.role).await?;
        self.ledger.allows(who.name(), &role.identity);
        let request = Request {
            caller: Caller::Service("lambda.amazonaws.com".to_owned()),
            action: "sts:AssumeRole".to_owned(),
            resource: Some(role.arn.clone()),
            context: Context::default()
                .with("aws:SourceAccount", ACCOUNT)
                .with("aws:SourceArn", &who.function_arn)
                .without(&["sts:ExternalId", "aws:PrincipalOrgID", "aws:SourceOrgID"]),
        };
        let policies = Policies { resource: Some(&role.trust), ..Policies::default() };
        let decision = policies.decide(&request, Reach::ResourceDecides).map_err(|error| error.to_string())?;
        self.ledger.judge("lambda.amazonaws.com", "sts:AssumeRole", &role.arn, &decision);

        self.decide(who, &role, &self.wire.ask_for_variables("kms:Decrypt")?)?;

        let region = self.wire.region();
        let stream = format!("arn:aws:logs:{region}:{ACCOUNT}:log-group:{log_group}:log-stream:2026/01/01/[$LATEST]0");
        let tracing = ["xray:PutTraceSegments", "xray:PutTelemetryRecords"];
        let mut asks = vec![("logs:CreateLogStream", Some(stream.clone())), ("logs:PutLogEvents", Some(stream))];
        asks.extend(tracing.iter().filter(|_| is_traced).map(|action| (*action, None)));
        for (action, resource) in asks {
            let context = Context::default().with_family("aws:ResourceTag/", []);
            let (policy, reach) = (None, Reach::SameAccount);
            self.decide(who, &role, &Ask { action: action.to_owned(), resource, context, policy, reach })?;
        }
        if !self.wire.has_log_group(log_group).await? {
            return Err(format!("there is no log group {log_group}, and the role may not make one"));
        }
        Ok(())
    }

    /// Whether a service may invoke a function: by the function's own policy, and by nothing else.
    pub(crate) async fn judge_invocation(&self, invoker: &Invoker, target: &Target) -> Read<Decision> {
        let decision = self.decide_invocation(invoker, target).await?;
        let who = format!("{} for {}", invoker.service, invoker.source_arn);
        self.ledger.judge_invocation(&invoker.service, &format!("{target} ({who})"), &decision);
        Ok(decision)
    }

    /// The same for a question that nobody acts on.
    pub(crate) async fn decide_invocation(&self, invoker: &Invoker, target: &Target) -> Read<Decision> {
        let policy = self.wire.function_policy(target).await?;
        let request = Request {
            caller: Caller::Service(invoker.service.clone()),
            action: "lambda:InvokeFunction".to_owned(),
            resource: Some(format!("arn:aws:lambda:{}:{ACCOUNT}:function:{target}", self.wire.region())),
            context: Context::default()
                .with("aws:SourceArn", &invoker.source_arn)
                .with_option("aws:SourceAccount", invoker.source_account)
                .without(&["aws:PrincipalOrgID", "lambda:EventSourceToken", "lambda:FunctionUrlAuthType"]),
        };
        let policies = Policies { resource: policy.as_ref(), ..Policies::default() };
        policies.decide(&request, Reach::ResourceDecides).map_err(|error| error.to_string())
    }

    /// Whether a role of this account whose own policies allow everything may do this with a secret.
    pub(crate) async fn decide_with_secret(&self, role: &str, action: &str, secret: &str) -> Read<Decision> {
        let found = self.wire.secret(secret).await?.ok_or_else(|| format!("there is no secret {secret}"))?;
        let everything = json!({ "Effect": "Allow", "Action": "*", "Resource": "*" });
        let everything = Document::of(&json!({ "Version": "2012-10-17", "Statement": everything }));
        let identity = [everything.map_err(|error| error.to_string())?];
        let who = Identity { function: "session".to_owned(), function_arn: String::new(), role: role.to_owned() };
        let own = Context::default()
            .with("secretsmanager:SecretId", secret)
            .with("secretsmanager:ForceDeleteWithoutRecovery", "false")
            .without(&["secretsmanager:VersionId", "secretsmanager:VersionStage"]);
        let request = Request {
            caller: who.caller(),
            action: action.to_owned(),
            resource: Some(found.arn.clone()),
            context: self.everywhere(&who).and(own),
        };
        let policies = Policies { identity: &identity, resource: found.policy.as_ref(), ..Policies::default() };
        policies.decide(&request, Reach::SameAccount).map_err(|error| error.to_string())
    }

    fn decide(&self, who: &Identity, role: &Role, ask: &Ask) -> Read<Decision> {
        let request = Request {
            caller: who.caller(),
            action: ask.action.clone(),
            resource: ask.resource.clone(),
            context: self.everywhere(who).and(ask.context.clone()),
        };
        let organization = self.organization.lock().unwrap_or_else(PoisonError::into_inner);
        let policies = Policies {
            identity: &role.identity,
            boundary: role.boundary.as_ref(),
            resource: ask.policy.as_ref(),
            organization: &organization,
        };
        let decision = policies.decide(&request, ask.reach).map_err(|error| format!("{}: {error}", ask.action))?;
        self.ledger.judge(who.name(), &ask.action, ask.resource.as_deref().unwrap_or("*"), &decision);
        Ok(decision)
    }

    /// The keys that every request of a function has, or has not ("AWS global condition context keys", IAM User Guide).
    /// The stand-in speaks http; the functions' clients would not.
    fn everywhere(&self, who: &Identity) -> Context {
        Context::default()
            .with("aws:PrincipalArn", &who.role)
            .with("aws:PrincipalAccount", ACCOUNT)
            .with("aws:PrincipalType", "AssumedRole")
            .with("aws:PrincipalIsAWSService", "false")
            .with("aws:ViaAWSService", "false")
            .with("aws:SecureTransport", "true")
            .with("aws:RequestedRegion", self.wire.region())
            .with("lambda:SourceFunctionArn", &who.function_arn)
            .with_family("aws:PrincipalTag/", [])
            .without(&["aws:SourceArn", "aws:SourceAccount", "aws:SourceVpc", "aws:SourceVpce"])
            .without(&["aws:PrincipalServiceName", "aws:MultiFactorAuthPresent", "aws:PrincipalOrgID"])
    }
}
