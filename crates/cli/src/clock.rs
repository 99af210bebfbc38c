//! The wall clock, and how times are shown to people.

use std::time::{SystemTime, UNIX_EPOCH};

use countersign_core::UnixSeconds;

/// Now, in whole seconds.
pub fn now() -> UnixSeconds {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixSeconds::try_from(since.as_secs()).unwrap_or(UnixSeconds::MAX)
}
