//! What the core is told, since it asks nobody: the time, and names that are used once.

use std::time::{SystemTime, UNIX_EPOCH};

use countersign_core::UnixSeconds;

/// Now, in whole seconds.
pub fn now() -> UnixSeconds {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixSeconds::try_from(since.as_secs()).unwrap_or(UnixSeconds::MAX)
}

/// A name that nothing else has: a random UUID (RFC 9562 section 5.4).
pub fn unique() -> String {
    uuid::Uuid::new_v4().to_string()
}
