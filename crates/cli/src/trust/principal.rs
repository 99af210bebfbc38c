//! Who a statement names, and what is known of the providers of web identity.
//!
//! Source of the keys: the Service Authorization Reference of AWS STS, `AssumeRoleWithWebIdentity`; STS fills the named
//! claims for these providers only, and `aud`, `sub` and `amr` for all.

use std::fmt;

/// One principal of a statement.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Principal {
    /// `*`, or `"AWS": "*"`.
    Everyone,
    /// An account: its id, or the ARN of its root.
    Account(String),
    /// A role, user or session, by its ARN.
    Arn(String),
    /// The unique id of a role or user that was deleted.
    Deleted(String),
    /// An AWS service.
    Service(String),
    /// A provider of web identity.
    Web(Provider),
    /// A SAML provider, by its ARN.
    Saml(String),
    /// None of these, in words.
    Unknown(String),
}

/// Someone who issues tokens that `AssumeRoleWithWebIdentity` takes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Provider {
    /// As the statement names it: an ARN, or the name of one that AWS has built in.
    pub written: String,
    /// The issuer's URL without `https://`, in small letters as in condition keys.
    pub host: String,
}

/// Whose subjects they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// GitHub Actions.
    GitHub,
    /// GitLab.
    GitLab,
    /// A Kubernetes cluster.
    Kubernetes,
    /// Subjects that begin with `organization:`, of an issuer for all organisations.
    Organizations,
    /// A Cognito identity pool.
    Cognito,
    /// Google, Facebook, Amazon: people of an app, which `aud` or `app_id` names.
    People,
    /// Anybody else.
    Other,
}

const GITHUB_CLAIMS: &[&str] = &[
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
const GITLAB_CLAIMS: &[&str] = &[
    "namespace_id",
    "pipeline_source",
    "project_id",
    "ref_protected",
    "runner_environment",
    "user_access_level",
    "user_email",
    "user_id",
    "user_login",
];
const BUILDKITE_CLAIMS: &[&str] = &[
    "build_branch",
    "cluster_id",
    "cluster_name",
    "organization_id",
    "organization_slug",
    "pipeline_id",
    "pipeline_slug",
];

impl Provider {
    /// The issuer's URL without `https://`, as it was written.
    pub fn name(&self) -> &str {
        self.written.split_once("oidc-provider/").map_or(&self.written, |(_, name)| name)
    }

    /// Whose tokens they are.
    pub fn kind(&self) -> Kind {
        let (name, path) = self.host.split_once('/').unwrap_or((&self.host, ""));
        match name {
            "token.actions.githubusercontent.com" => Kind::GitHub,
            _ if name.starts_with("token.actions.") && name.ends_with(".ghe.com") => Kind::GitHub,
            _ if path == "_services/token" => Kind::GitHub,
            "gitlab.com" => Kind::GitLab,
            _ if name.starts_with("oidc.eks.") && path.starts_with("id/") => Kind::Kubernetes,
            "app.terraform.io" | "agent.buildkite.com" => Kind::Organizations,
            "cognito-identity.amazonaws.com" => Kind::Cognito,
            "accounts.google.com" | "graph.facebook.com" | "www.amazon.com" => Kind::People,
            _ => Kind::Other,
        }
    }

    /// Does STS tell this claim of its tokens, as far as is documented?
    pub fn tells(&self, claim: &str) -> bool {
        let more: &[&str] = match (self.kind(), self.host.as_str()) {
            (Kind::GitHub, host) if !host.ends_with("/_services/token") => GITHUB_CLAIMS,
            (Kind::GitLab, _) => GITLAB_CLAIMS,
            (Kind::Organizations, "agent.buildkite.com") => BUILDKITE_CLAIMS,
            (Kind::People, _) => &["app_id", "email", "google/organization_number", "id", "oaud", "user_id"],
            (Kind::Other, host) if host.starts_with("oidc.circleci.com/org/") => &["oidc.circleci.com/project-id"],
            (Kind::Other, host) if host.ends_with(".identity.oraclecloud.com") => &["rpst_id"],
            _ => &[],
        };
        ["aud", "sub", "amr", "email"].contains(&claim) || more.contains(&claim)
    }

    /// The audiences that its tokens for AWS usually have; none where there is no such custom.
    pub fn usual_audiences(&self) -> &'static [&'static str] {
        match self.kind() {
            Kind::GitHub | Kind::Kubernetes => &["sts.amazonaws.com", "sts.amazonaws.com.cn"],
            Kind::GitLab => &["https://gitlab.com", "sts.amazonaws.com"],
            Kind::Organizations if self.host == "app.terraform.io" => &["aws.workload.identity"],
            _ => &[],
        }
    }
}

impl Principal {
    /// A value of `Principal`, under its type.
    pub(super) fn parse(kind: &str, value: &str) -> Self {
        match kind {
            "AWS" => Self::aws(value),
            "Service" => Self::Service(value.to_owned()),
            "Federated" if value == "*" => Self::Everyone,
            "Federated" if value.contains(['*', '?']) => Self::Unknown(format!("Federated {value}")),
            "Federated" => {
                let arn = arn(value).filter(|(service, ..)| *service == "iam");
                match arn.map(|(_, _, resource)| resource.split_once('/').unwrap_or((resource, ""))) {
                    Some(("oidc-provider", host)) if !host.is_empty() => {
                        Self::Web(Provider { written: value.to_owned(), host: host.to_ascii_lowercase() })
                    }
                    Some(("saml-provider", name)) if !name.is_empty() => Self::Saml(value.to_owned()),
                    None if !value.contains([':', '/']) && value.contains('.') => {
                        Self::Web(Provider { written: value.to_owned(), host: value.to_ascii_lowercase() })
                    }
                    _ => Self::Unknown(format!("Federated {value}")),
                }
            }
            _ => Self::Unknown(format!("{kind} {value}")),
        }
    }

    fn aws(value: &str) -> Self {
        if value == "*" {
            return Self::Everyone;
        }
        if is_account(value) {
            return Self::Account(value.to_owned());
        }
        if ["AROA", "AIDA"].iter().any(|prefix| value.starts_with(prefix)) && !value.contains(':') {
            return Self::Deleted(value.to_owned());
        }
        match arn(value) {
            Some(("iam", account, "root")) if is_account(account) => Self::Account(account.to_owned()),
            Some(("iam" | "sts", _, _)) => Self::Arn(value.to_owned()),
            _ => Self::Unknown(format!("AWS {value}")),
        }
    }

    /// The account that it belongs to, if it is of one.
    pub fn account(&self) -> Option<&str> {
        match self {
            Self::Account(account) => Some(account),
            Self::Arn(text) => arn(text).map(|(_, account, _)| account),
            _ => None,
        }
    }
}

pub(super) fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Service, account and resource of an ARN.
pub(super) fn arn(text: &str) -> Option<(&str, &str, &str)> {
    let mut parts = text.splitn(6, ':');
    let (arn, _partition, service) = (parts.next()?, parts.next()?, parts.next()?);
    let (_region, account, resource) = (parts.next()?, parts.next()?, parts.next()?);
    (arn == "arn").then_some((service, account, resource))
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Everyone => f.write_str("everyone (*)"),
            Self::Account(account) => write!(f, "every principal of account {account} that its own policies allow to"),
            Self::Arn(arn) => f.write_str(arn),
            Self::Deleted(id) => write!(f, "{id}, a principal that was deleted"),
            Self::Service(name) => write!(f, "the service {name}"),
            Self::Web(provider) => {
                let kind = match provider.kind() {
                    Kind::GitHub => " (GitHub Actions)",
                    Kind::GitLab => " (GitLab)",
                    Kind::Kubernetes => " (Kubernetes)",
                    Kind::Cognito => " (Cognito identity pools)",
                    Kind::Organizations | Kind::People | Kind::Other => "",
                };
                write!(f, "tokens of {}{kind}", provider.name())
            }
            Self::Saml(arn) => write!(f, "whoever the SAML provider {arn} asserts"),
            Self::Unknown(what) => write!(f, "{what} (not understood)"),
        }
    }
}
