//! What can be wrong with a token, each with a stable code and one sentence.

use serde::Serialize;
use thiserror::Error;

use super::text::{quoted, quoted_list, span, utc};

/// Something that was checked (or, in a list of skipped ones, was not), in words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// `signature`, `issuer`, `audience`, `expires`, `not_before` or `issued_at`.
    pub code: &'static str,
    /// What was found.
    pub message: String,
}

/// One thing that is wrong. Times are Unix seconds, lengths of time are seconds.
#[derive(Debug, Clone, PartialEq, Eq, Error, Serialize)]
#[serde(tag = "code", rename_all = "snake_case")]
pub enum Problem {
    /// Not a JWS in compact form (RFC 7515 section 7.1), or its payload is not a set of claims (RFC 7519 section 7.2).
    #[error("{reason}")]
    Malformed {
        /// What is not as it must be.
        reason: String,
    },
    /// The header asks for something that changes what is signed or how, and that we do not do (`crit`, `b64`).
    #[error(
        "the header has {}, which is not supported and may not be ignored (RFC 7515 section 4.1.11, RFC 7797)",
        quoted(member)
    )]
    UnsupportedHeader {
        /// Name of the header parameter.
        member: &'static str,
    },
    /// `alg` is none of the accepted algorithms: unknown, symmetric, or `none`.
    #[error("algorithm {} is not accepted; accepted are {}", quoted(found), accepted.join(", "))]
    Algorithm {
        /// What the header says.
        found: String,
        /// What would be accepted.
        accepted: Vec<&'static str>,
    },
    /// The set has no key of that `kid`.
    #[error("no key {} in the key set; it has {}", quoted(kid), quoted_list(known))]
    #[serde(rename = "unknown_kid")]
    UnknownKeyId {
        /// `kid` of the token.
        kid: String,
        /// Every `kid` of the set.
        known: Vec<String>,
    },
    /// The token names no key, and the set leaves a choice, or none.
    #[error("the token names no key (kid), and the set has {usable} usable {algorithm} keys instead of exactly one")]
    #[serde(rename = "no_kid")]
    NoKeyId {
        /// `alg` of the token.
        algorithm: &'static str,
        /// How many keys of the set could have signed it.
        usable: usize,
    },
    /// The set has more than one key of that `kid`, so a token does not say which key it means.
    #[error("the key set has more than one key {}", quoted(kid))]
    #[serde(rename = "repeated_kid")]
    RepeatedKeyId {
        /// The repeated `kid`.
        kid: String,
    },
    /// The set publishes a private or symmetric key: whoever can read it can sign.
    #[error("the key set publishes private members of key {key}: {}; that key is compromised, and no token of this set can be trusted", members.join(", "))]
    PrivateMember {
        /// The key, as messages name it.
        key: String,
        /// Names of the private members, never their values.
        members: Vec<&'static str>,
    },
    /// The key that the token names may not verify this token.
    #[error("key {key} cannot verify this token: {reason}")]
    UnusableKey {
        /// The key, as messages name it.
        key: String,
        /// Why not.
        reason: String,
    },
    /// The signature is not that key's over that header and payload.
    #[error("the {algorithm} signature does not verify with key {key}")]
    Signature {
        /// The key, as messages name it.
        key: String,
        /// `alg` of the token.
        algorithm: &'static str,
    },
    /// `iss` is another issuer.
    #[error("issuer is {}, expected {}", quoted(found), quoted(expected))]
    Issuer {
        /// `iss` of the token.
        found: String,
        /// The issuer that was asked for.
        expected: String,
    },
    /// `aud` does not hold the expected audience.
    #[error("audience is {}, expected {}", quoted_list(found), quoted(expected))]
    Audience {
        /// `aud` of the token.
        found: Vec<String>,
        /// The audience that was asked for.
        expected: String,
    },
    /// The time is not before `exp`.
    #[error("expired {}, {} ago", utc(*since), span(*ago))]
    Expired {
        /// `exp`.
        since: i64,
        /// How long ago that was.
        ago: u64,
    },
    /// The time is before `nbf`.
    #[error("not valid before {}, in {}", utc(*from), span(*ahead))]
    NotYetValid {
        /// `nbf`.
        from: i64,
        /// How long until then.
        ahead: u64,
    },
    /// The time is before `iat`: this clock or the issuer's is wrong.
    #[error("issued in the future: {}, in {}", utc(*at), span(*ahead))]
    IssuedInFuture {
        /// `iat`.
        at: i64,
        /// How long until then.
        ahead: u64,
    },
    /// A claim that must be there is not.
    #[error("there is no claim {claim}")]
    MissingClaim {
        /// Its name.
        claim: &'static str,
    },
    /// A claim has the wrong type.
    #[error("claim {claim} is not {wanted}")]
    InvalidClaim {
        /// Its name.
        claim: &'static str,
        /// What it must be.
        wanted: &'static str,
    },
}

impl Problem {
    /// The stable name for machines; `code` in the JSON form.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Malformed { .. } => "malformed",
            Self::UnsupportedHeader { .. } => "unsupported_header",
            Self::Algorithm { .. } => "algorithm",
            Self::UnknownKeyId { .. } => "unknown_kid",
            Self::NoKeyId { .. } => "no_kid",
            Self::RepeatedKeyId { .. } => "repeated_kid",
            Self::PrivateMember { .. } => "private_member",
            Self::UnusableKey { .. } => "unusable_key",
            Self::Signature { .. } => "signature",
            Self::Issuer { .. } => "issuer",
            Self::Audience { .. } => "audience",
            Self::Expired { .. } => "expired",
            Self::NotYetValid { .. } => "not_yet_valid",
            Self::IssuedInFuture { .. } => "issued_in_future",
            Self::MissingClaim { .. } => "missing_claim",
            Self::InvalidClaim { .. } => "invalid_claim",
        }
    }
}
