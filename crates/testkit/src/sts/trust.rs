//! What the trust policy of a role is asked.

use std::slice::from_ref;

use serde_json::Value;

use super::Provider;
use super::answer::Refusal;
use super::call::Ask;
use super::token::Claims;
use crate::iam::{Caller, Context, Document, Request, Verdict};

/// What a session for a token is.
pub(super) const ASSUME: &str = "sts:AssumeRoleWithWebIdentity";

const GITHUB: &str = "https://token.actions.githubusercontent.com";
/// The claims of GitHub's tokens that are condition keys: `reference_policies_iam-condition-keys`.
const GITHUB_CLAIMS: [&str; 10] = [
    "actor",
    "actor_id",
    "enterprise_id",
    "environment",
    "job_workflow_ref",
    "ref",
    "repository",
    "repository_id",
    "repository_owner_id",
    "workflow",
];

/// Panics if IAM would not take it (`MalformedPolicyDocument`), or if it is not known whom it lets in: whether an allowed `*` means
/// the provider of a token, AWS does not document.
pub(super) fn check(trust: &Value) {
    let statements = trust["Statement"].as_array().map_or_else(|| from_ref(&trust["Statement"]), Vec::as_slice);
    for statement in statements {
        let has = |member: &str| statement.get(member).is_some();
        assert!(!has("Resource") && !has("NotResource"), "the trust policy: Has prohibited field Resource");
        assert!(has("Principal"), "the trust policy: Missing required field Principal");
        let everyone = statement["Principal"] == "*" || statement["Principal"]["AWS"] == "*";
        assert!(!everyone || statement["Effect"] == "Deny", "the trust policy: whom * lets in is not known");
    }
}

/// Whether it lets the token in, and what the token brings with it.
pub(super) fn admit(
    trust: &Document,
    provider: &Provider,
    partition: &str,
    ask: &Ask<'_>,
    claims: &Claims,
) -> Result<(), Refusal> {
    let arn = provider.arn(partition);
    let context = context(provider, &arn, ask, claims);
    for (action, wanted) in [
        (ASSUME, true),
        ("sts:TagSession", !claims.tags.is_empty()),
        ("sts:SetSourceIdentity", claims.source_identity.is_some()),
    ] {
        let request = Request {
            caller: Caller::Federated(arn.clone()),
            action: action.to_owned(),
            resource: None,
            context: context.clone(),
        };
        match wanted.then(|| trust.of_resource(&request)) {
            None | Some(Ok(Verdict::Allowed(_))) => {}
            Some(Ok(verdict)) => return Err(Refusal::denied(action, &format!("the trust policy: {verdict:?}"))),
            Some(Err(unknown)) => return Err(Refusal::unknown(&unknown.to_string())),
        }
    }
    Ok(())
}

fn context(provider: &Provider, arn: &str, ask: &Ask<'_>, claims: &Claims) -> Context {
    let key = |claim: &str| format!("{}:{claim}", provider.name());
    let tags = claims.tags.iter().map(|(key, value)| (key.clone(), value.clone()));
    let mut context = Context::default()
        // No other claim is a key, whatever the token holds.
        .with_family(&key(""), [])
        .with(&key("aud"), &claims.audience)
        .with(&key("sub"), &claims.subject)
        .with_many(&key("amr"), claims.amr.iter().cloned())
        .with("sts:RoleSessionName", ask.session_name)
        .with("sts:RoleAuthorizedByIdp", claims.authorized.to_string())
        .with_option("sts:SourceIdentity", claims.source_identity.as_ref())
        // That of a session, which there is none yet.
        .without(&["aws:SourceIdentity"])
        .with("aws:FederatedProvider", arn)
        .with_family("aws:RequestTag/", tags)
        .with_many("aws:TagKeys", claims.tags.keys().cloned())
        .with_many("sts:TransitiveTagKeys", claims.transitive_tags.iter().cloned());
    if provider.url == GITHUB {
        for claim in GITHUB_CLAIMS {
            context = context.with_option(&key(claim), claims.others.get(claim));
        }
    }
    context
}
