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

impl Bounds {
    /// From JSON, in seconds: an object that names those that are not to be the default.
    pub fn from_json(text: &str) -> Result<Self, serde_json::Error> {
        // Serde would take a list of the members in their order for the object.
        let object = if text.trim_start().starts_with('{') { text } else { "0" };
        serde_json::from_str(object)
    }

    /// The least time for which a key must be published before it signs: until the last key set without it has run out, in
    /// an instance of the function that serves it, on its way, and at a relying party.
    pub fn least_announce(self) -> u64 {
        sum([self.refresh, self.last_good, self.max_age, self.relying_party, self.margin])
    }

    /// The least time for which a key must be published after it stopped signing: until the last instance of the issuer has
    /// let go of it, and the last token of it has ended, for a verifier whose clock is slow.
    pub fn least_retire(self) -> u64 {
        sum([self.refresh, self.last_good, self.longest_lifetime, self.skew, self.margin])
    }

    /// How long after a key set was replaced somebody may still hold the old one, in seconds, while the parameter can be
    /// fetched.
    pub fn key_set_lasts(self) -> u64 {
        sum([self.refresh, self.max_age, self.relying_party])
    }
}

fn sum<const N: usize>(terms: [u32; N]) -> u64 {
    terms.into_iter().map(u64::from).sum()
}
