//! The times that key rotation is reckoned with: who may still hold an old copy of what, and for how long.

use serde::Deserialize;

/// All of them, in seconds. What is not named keeps its default.
///
/// They belong together: the functions' snapshots, the `max-age` of the public documents and the schedule of the key
/// ring use one and the same value. Another one than the default is for tests (`DANGEROUS_BOUNDS`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Bounds {
    /// A snapshot older than this is fetched again by the request that notices.
    pub refresh: u32,
    /// For this much longer the last good copy is used while its source fails.
    pub last_good: u32,
    /// `max-age` of the public documents.
    pub max_age: u32,
    /// How long a relying party keeps a key set (Snowflake's documentation says 60 minutes).
    pub relying_party: u32,
    /// The longest lifetime of a token.
    pub longest_lifetime: u32,
    /// How far a verifier's clock may be off.
    pub skew: u32,
    /// To spare.
    pub margin: u32,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            refresh: 300,
            last_good: 3600,
            max_age: 300,
            relying_party: 3600,
            longest_lifetime: 3600,
            skew: 300,
            margin: 600,
        }
    }
}
