//! What STS's errors mean: which condition, provider or claim to look at, with the token's own values beside it.
//!
//! STS says little on purpose, `AccessDenied` next to nothing, so most of this is a list of what can be the matter, the likeliest
//! first. What is quoted comes from the token, which is not verified: it is escaped, and never the token itself.
//!
//! Sources: STS API Reference, `AssumeRoleWithWebIdentity` and "Common Errors"; IAM User Guide, "Available keys for AWS OIDC
//! federation"; re:Post, "InvalidIdentityToken". What a message of STS is matched by was seen in answers of STS.

use anyhow::anyhow;
use jiff::Timestamp;

use super::Failure;
use super::role::{Session, SessionName};
use super::sts::lines;
use super::token::{WebToken, is_of_provider, listed};
use crate::verify::discovery_url;
use crate::verify::text::{quoted, utc};

/// An error that STS answered with, cleaned.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) code: String,
    pub(super) message: String,
    pub(super) status: u16,
    pub(super) id: Option<String>,
}

/// What STS was asked.
#[derive(Debug)]
pub(super) struct Asked<'a> {
    pub(super) session: &'a Session,
    pub(super) token: &'a WebToken,
    pub(super) name: &'a SessionName,
    pub(super) origin: &'a str,
    pub(super) now: Timestamp,
}

/// What an error of STS is about. The first eight are refusals: the same request gets the same answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Matter {
    Time,
    Token,
    Claim,
    Trust,
    Policy,
    Size,
    Region,
    Request,
    Issuer,
    Haste,
    Service,
    Unknown,
}

impl Matter {
    fn of(said: &Said) -> Self {
        match said.code.as_str() {
            _ if said.status >= 500 => Self::Service,
            "ExpiredTokenException" => Self::Time,
            "InvalidIdentityToken" => Self::Token,
            "IDPRejectedClaim" => Self::Claim,
            "AccessDenied" => Self::Trust,
            "MalformedPolicyDocument" => Self::Policy,
            "PackedPolicyTooLarge" => Self::Size,
            "RegionDisabledException" => Self::Region,
            "ValidationError" | "InvalidParameterValue" | "InvalidParameterCombination" | "MissingParameter" => {
                Self::Request
            }
            "IDPCommunicationError" => Self::Issuer,
            "Throttling"
            | "ThrottlingException"
            | "ThrottledException"
            | "RequestThrottled"
            | "RequestThrottledException"
            | "RequestLimitExceeded"
            | "TooManyRequestsException"
            | "SlowDown" => Self::Haste,
            "InternalFailure" | "ServiceUnavailable" | "RequestTimeout" | "RequestTimeoutException" => Self::Service,
            _ => Self::Unknown,
        }
    }
}

impl Asked<'_> {
    /// The failure that this is, and what to look at.
    pub(super) fn explain(&self, said: &Said) -> Failure {
        let (matter, role) = (Matter::of(said), &self.session.role);
        let further = match matter {
            Matter::Time => self.times(),
            Matter::Token => self.about_token(&said.message),
            Matter::Claim => {
                [vec!["the issuer itself rejected the token: was it revoked?".to_owned()], self.times()].concat()
            }
            Matter::Trust => self.trust(&said.message),
            Matter::Policy => vec![
                "it is about the session policy: `aws accessanalyzer validate-policy --policy-type IDENTITY_POLICY` says more"
                    .to_owned(),
            ],
            Matter::Size => vec![self.sizes()],
            Matter::Region => vec![format!(
                "the role's account has STS switched off in the region of {}: switch it on in the account settings of IAM, or \
                 ask in {}",
                self.origin,
                role.default_region()
            )],
            Matter::Request => self.request(&said.message),
            Matter::Issuer => {
                [vec!["STS could not reach the token's issuer: try again".to_owned()], self.keys()].concat()
            }
            Matter::Haste => vec!["STS is asked too often: try again later".to_owned()],
            Matter::Service => vec!["STS itself is in trouble: try again later".to_owned()],
            Matter::Unknown => vec![format!("STS has no such error for this call: is {} an STS?", self.origin)],
        };
        let further = further.into_iter().chain(said.id.iter().map(|id| format!("request id {id}")));
        let what = format!("{}: {}", said.code, said.message);
        match matter {
            Matter::Issuer | Matter::Haste | Matter::Service | Matter::Unknown => {
                anyhow!(lines(format!("no session of {role} from {}: {what}", self.origin), further)).into()
            }
            _ => Failure::Refused(lines(format!("{} refuses a session of {role}: {what}", self.origin), further)),
        }
    }

    fn issuer(&self) -> &str {
        self.token.issuer().unwrap_or_default()
    }

    /// The issuer as IAM writes it: host and path.
    fn host(&self) -> &str {
        self.issuer().strip_prefix("https://").unwrap_or(self.issuer())
    }

    /// The provider's ARN; of the two issuers that IAM knows by itself, the name.
    fn provider(&self) -> String {
        let (role, host) = (&self.session.role, self.host());
        match host {
            "accounts.google.com" | "cognito-identity.amazonaws.com" => quoted(host),
            _ => quoted(&format!("arn:{}:iam::{}:oidc-provider/{host}", role.partition(), role.account())),
        }
    }

    /// A key of conditions: `"id.acme.com:sub"`.
    fn key(&self, claim: &str) -> String {
        quoted(&format!("{}:{claim}", self.host()))
    }

    fn audience(&self) -> String {
        let of = if self.token.claims().contains_key("azp") { "azp, which counts in place of aud," } else { "aud" };
        format!("the token's {of} is {}", self.token.audience().map_or_else(|| "no text".to_owned(), quoted))
    }

    fn about_token(&self, message: &str) -> Vec<String> {
        let has = |words: &str| message.to_lowercase().contains(words);
        match () {
            () if has("no openidconnect provider") => vec![self.exists(), self.form()],
            () if has("audience") => vec![self.audience(), self.listed_audiences()],
            () if has("verification key") => [self.keys(), vec![self.form()]].concat(),
            () if has("thumbprint") => vec![format!(
                "the certificate of {} is of no authority that AWS knows, and the provider {} has the thumbprint of another one",
                quoted(self.host()),
                self.provider()
            )],
            () if has("roles claim") => vec![format!(
                "the token may take {}, and nothing else",
                listed(&self.token.roles().unwrap_or_default())
            )],
            () if has("required claim") => {
                let claims: Vec<&str> = self.token.claims().keys().map(String::as_str).collect();
                vec![format!("the token has {}", listed(&claims))]
            }
            () if has("principal_tags") || has("session tag") => vec![self.form_of_tags()],
            () => {
                let provider = [self.exists(), self.audience(), self.listed_audiences()].to_vec();
                [provider, self.keys(), self.times(), vec![self.form()]].concat()
            }
        }
        .into_iter()
        .filter(|line| !line.is_empty())
        .collect()
    }

    fn form_of_tags(&self) -> String {
        format!(
            "the session tags are {}: in https://aws.amazon.com/tags, each value of principal_tags is a list of one text, of at most \
             256 letters, digits, spaces and `_.:/=+-@`; keys have 1 to 128, and none differs from another one by capitals only",
            listed(&self.token.tag_keys())
        )
    }

    fn exists(&self) -> String {
        format!(
            "does the role's account have the provider {}? Its URL has to be the token's iss, {}, to the letter: capitals and a \
             slash at the end count",
            self.provider(),
            quoted(self.issuer())
        )
    }

    fn listed_audiences(&self) -> String {
        format!("the provider {} has to list it among its client ids (audiences)", self.provider())
    }

    fn keys(&self) -> Vec<String> {
        let document = quoted(&discovery_url(self.issuer()));
        let key = match self.token.header().get("kid").and_then(serde_json::Value::as_str) {
            Some(kid) => format!("a key with the token's kid, {}", quoted(kid)),
            None => "one key only, because the token names no kid".to_owned(),
        };
        vec![
            format!(
                "STS reads {document} and the jwks_uri in it: both need to be public, and to answer within 5 seconds"
            ),
            format!("the key set has to hold {key}, without key_ops, and at most 100 keys for RSA and 100 for EC"),
        ]
    }

    /// What IAM takes for no issuer; nothing if it does.
    fn form(&self) -> String {
        if is_of_provider(self.issuer()) {
            return String::new();
        }
        format!(
            "the token's iss, {}, is none that IAM takes: https, no port, no query, at most 255 characters",
            quoted(self.issuer())
        )
    }

    fn times(&self) -> Vec<String> {
        let time = |name| self.token.time(name).map_or_else(|| "some time".to_owned(), utc);
        vec![
            format!("the token says that it was made at {} and ends at {}", time("iat"), time("exp")),
            format!(
                "this machine's clock says {}; STS allows for 5 minutes, so the issuer's clock may be off, or the token kept for \
                 too long",
                utc(self.now.as_second())
            ),
        ]
    }

    /// The likeliest first. Of a role that is not there STS says the same.
    fn trust(&self, message: &str) -> Vec<String> {
        let (role, tags, identity) = (&self.session.role, self.tags(), self.source_identity());
        let told: Vec<String> = match () {
            () if message.contains("sts:TagSession") => vec![tags],
            () if message.contains("sts:SetSourceIdentity") => vec![identity],
            () => {
                let subject = self.token.subject().map_or_else(|| "no text".to_owned(), quoted);
                let authorized = if self.token.roles().is_none() {
                    "a condition on sts:RoleAuthorizedByIdp: the token has no claim https://aws.amazon.com/roles"
                        .to_owned()
                } else {
                    String::new()
                };
                vec![
                    "STS does not say why; what the role's trust policy can demand, and what the token has:".to_owned(),
                    format!("a condition on {}: the token's sub is {subject}", self.key("sub")),
                    format!("a condition on {}: {}", self.key("aud"), self.audience()),
                    tags,
                    identity,
                    format!(
                        "sts:AssumeRoleWithWebIdentity has to be allowed to the principal {{\"Federated\": {}}}",
                        self.provider()
                    ),
                    format!("is there a role {role}? Its path and capitals count"),
                    authorized,
                    format!("a condition on sts:RoleSessionName: the session's name is {}", self.name),
                    "a service control or resource control policy of the organization can deny it, too".to_owned(),
                ]
            }
        };
        let command = format!("aws iam get-role --role-name {} | countersign trust lint -", role.name());
        let lint = format!("who gets in, and what is missing: {command} (docs/trust-policies.md)");
        told.into_iter().chain([lint]).filter(|line| !line.is_empty()).collect()
    }

    fn tags(&self) -> String {
        match &self.token.tag_keys()[..] {
            [] => String::new(),
            keys => {
                format!("sts:TagSession has to be allowed as well: the token sets the session tags {}", listed(keys))
            }
        }
    }

    fn source_identity(&self) -> String {
        self.token.source_identity().map_or_else(String::new, |identity| {
            let identity = quoted(identity);
            format!("sts:SetSourceIdentity has to be allowed as well: the token sets the source identity {identity}")
        })
    }

    fn request(&self, message: &str) -> Vec<String> {
        let Session { role, duration, .. } = self.session;
        let has = |words: &str| message.to_lowercase().contains(words);
        vec![match duration {
            Some(duration) if has("maxsessionduration") => format!(
                "{duration} seconds were asked for, and the role allows less: ask for less, or raise the MaxSessionDuration of {role}"
            ),
            _ if has("validate tags") || has("duplicate tag") => self.form_of_tags(),
            _ if has("sourceidentity") => format!(
                "the token's source identity is {}, and has to have 2 to 64 letters, digits and `_+=,.@-`",
                self.token.source_identity().map_or_else(|| "no text".to_owned(), quoted)
            ),
            _ if has("arn is invalid") => {
                format!("the role {role} is of the partition {}: is {} one of its STS?", role.partition(), self.origin)
            }
            _ => format!("asked for: the role {role}, the session name {}", self.name),
        }]
    }

    fn sizes(&self) -> String {
        let Session { policy, policy_arns, .. } = self.session;
        format!(
            "the session policy has {} characters, and there are {} managed policies and {} session tags of the token: \
             packed together, they have a limit of their own",
            policy.as_ref().map_or(0, |policy| policy.as_str().chars().count()),
            policy_arns.len(),
            self.token.tag_keys().len()
        )
    }
}

#[cfg(test)]
mod tests;
