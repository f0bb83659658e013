//! The gateway's clock, which betrays that it restarted and forgot all mappings.

use std::time::{Duration, Instant};

/// How the clock stood, and when.
#[derive(Clone, Copy, Debug)]
pub(super) struct Epoch {
    seconds: u32,
    at: Instant,
}

impl Epoch {
    pub(super) fn new(seconds: u32, at: Instant) -> Self {
        Self { seconds, at }
    }

    /// Whether a later reading belongs to the same run of the gateway (RFC 6887 §8.5): its clock did
    /// not go back by more than a second, and it went as fast as ours to one part in 16 and 2 s.
    pub(super) fn continues(&self, later: &Self) -> bool {
        if later.seconds.saturating_add(1) < self.seconds {
            return false;
        }
        let theirs = Duration::from_secs(u64::from(later.seconds.saturating_sub(self.seconds)));
        let ours = later.at.saturating_duration_since(self.at);
        let slack = Duration::from_secs(2);
        ours + slack >= theirs - theirs / 16 && theirs + slack >= ours - ours / 16
    }
}
