//! The file of probes as people write it: shape only. What it means is decided in [`file`](super::file).
//!
//! The types are also what the JSON Schema is generated from.

use serde::Deserialize;
use serde_json::{Map, Value};

/// Probes of a Countersign issuer: callers that must get a token, and callers that must be refused. See `docs/probes.md`.
#[derive(Debug, Default, Deserialize, schemars::JsonSchema)]
#[schemars(title = "Countersign probes")]
#[serde(deny_unknown_fields)]
pub struct Document {
    /// The format's version: 1.
    #[schemars(required, range(min = 1, max = 1))]
    pub(super) version: Option<u64>,
    /// The issuer URL, exactly as tokens have it in `iss`. The flag --url wins.
    pub(super) url: Option<String>,
    /// Where tokens are asked for. Default: the issuer URL and /token.
    pub(super) token_url: Option<String>,
    /// The region to sign for, if the token URL does not name it. Default: that of the AWS configuration.
    pub(super) region: Option<String>,
    /// The probes.
    #[schemars(required, length(min = 1))]
    #[serde(default)]
    pub(super) probes: Vec<ProbeDocument>,
}

/// One caller, what it asks for, and what must come of it.
#[derive(Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ProbeDocument {
    /// The probe's name in reports and metrics; no two probes share one.
    #[schemars(required, length(min = 1, max = 100))]
    pub(super) name: Option<String>,
    /// Who signs the request.
    #[schemars(required)]
    pub(super) credentials: Option<CredentialsDocument>,
    /// What is asked for. Default: the default audience, with everything that is granted.
    pub(super) ask: Option<AskDocument>,
    /// What must come of it.
    #[schemars(required)]
    pub(super) expect: Option<ExpectDocument>,
}

/// Who signs: exactly one of these.
#[derive(Debug, Default, Deserialize, schemars::JsonSchema)]
#[schemars(extend("minProperties" = 1, "maxProperties" = 1))]
#[serde(deny_unknown_fields)]
pub(super) struct CredentialsDocument {
    /// Whoever the default AWS credential chain finds.
    #[schemars(extend("const" = true))]
    pub(super) default: Option<bool>,
    /// A profile of the AWS configuration, whatever the environment holds.
    pub(super) profile: Option<String>,
    /// A role, assumed for 15 minutes.
    pub(super) assume_role: Option<RoleDocument>,
    /// Nobody: the request bears no signature.
    #[schemars(extend("const" = true))]
    pub(super) unsigned: Option<bool>,
}

/// A role to assume.
#[derive(Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RoleDocument {
    /// The role's ARN.
    #[schemars(required)]
    pub(super) arn: Option<String>,
    /// The name of the session. Default: countersign-probe.
    pub(super) session_name: Option<String>,
    /// The profile that assumes it. Default: whoever the default AWS credential chain finds.
    pub(super) profile: Option<String>,
}

/// What is asked for.
#[derive(Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AskDocument {
    /// Name of an audience in the policy, or its `aud`.
    pub(super) audience: Option<String>,
    /// Scopes, separated by spaces.
    pub(super) scope: Option<String>,
    /// Lifetime in seconds.
    pub(super) expires_in: Option<u32>,
}

/// What must come of it: exactly one of these.
#[derive(Debug, Default, Deserialize, schemars::JsonSchema)]
#[schemars(extend("minProperties" = 1, "maxProperties" = 1))]
#[serde(deny_unknown_fields)]
pub(super) struct ExpectDocument {
    /// A token that verifies, and says this.
    pub(super) token: Option<TokenDocument>,
    /// A refusal, and this one.
    pub(super) refused: Option<RefusedDocument>,
}

/// A token that verifies with the published keys, and says this.
#[derive(Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TokenDocument {
    /// What these claims must be, exactly, as JSON. `sub` and `aud` must be among them.
    #[schemars(required, extend("required" = ["sub", "aud"]))]
    #[serde(default)]
    pub(super) claims: Map<String, Value>,
    /// Claims that must not be there.
    #[serde(default)]
    pub(super) absent: Vec<String>,
    /// The longest lifetime that will do: 60s to 1h.
    pub(super) lifetime_at_most: Option<String>,
}

/// A refusal.
#[derive(Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RefusedDocument {
    /// Which one.
    #[schemars(required)]
    pub(super) error: Option<Refusal>,
    /// Its HTTP status, where it matters: 401 or 403 of a gateway.
    #[schemars(range(min = 400, max = 403))]
    pub(super) status: Option<u16>,
}

/// The refusals that can be meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// Of the issuer: its policy gives this caller nothing.
    AccessDenied,
    /// Of the issuer: the audience is not one that this caller may ask for.
    InvalidTarget,
    /// Of the issuer: the scope goes beyond what is granted.
    InvalidScope,
    /// Of the issuer: the request is not understood.
    InvalidRequest,
    /// Of what stands in front of the issuer: an unsigned request, or a caller who may not call at all.
    Gateway,
}

impl Refusal {
    /// As written in the file.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AccessDenied => "access_denied",
            Self::InvalidTarget => "invalid_target",
            Self::InvalidScope => "invalid_scope",
            Self::InvalidRequest => "invalid_request",
            Self::Gateway => "gateway",
        }
    }

    /// The statuses that it can have.
    pub fn statuses(self) -> &'static [u16] {
        match self {
            Self::AccessDenied => &[403],
            Self::InvalidTarget | Self::InvalidScope | Self::InvalidRequest => &[400],
            Self::Gateway => &[401, 403],
        }
    }
}
