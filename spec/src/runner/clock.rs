//! The clock, for what is valid at a time.

use std::time::{SystemTime, UNIX_EPOCH};

/// Milliseconds since 1970.
#[must_use]
pub fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    // Before 1970 every check of a time fails, as it should.
    since.map_or(0, |since| since.as_millis() as u64)
}
