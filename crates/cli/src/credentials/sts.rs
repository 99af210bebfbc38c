//! `AssumeRoleWithWebIdentity`, and what its refusals mean.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::Failure;
use super::role::Session;
use super::token::WebToken;

/// Credentials that STS gave. What is secret in them is wiped when they are dropped.
#[derive(Clone, Serialize, Deserialize)]
pub struct Assumed {
    /// `ASIA...`.
    pub access_key_id: String,
    /// The secret.
    pub secret_access_key: Zeroizing<String>,
    /// The session token.
    pub session_token: Zeroizing<String>,
    /// When they end.
    pub expiration: Timestamp,
    /// `arn:PARTITION:sts::ACCOUNT:assumed-role/ROLE/SESSION`.
    pub arn: String,
}

/// Trade the token for a session of the role.
pub async fn assume(session: &Session, token: &WebToken) -> Result<Assumed, Failure> {
    let _ = (session, token);
    Err(Failure::Unknown(anyhow::anyhow!("not there yet")))
}
