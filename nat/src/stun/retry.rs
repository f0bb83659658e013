//! When a question is repeated.

use std::time::Duration;

/// Sends of one question, and the pause after each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    /// Pause after the first send; it doubles after each.
    pub first: Duration,
    /// How often it is sent in all, at least 1; more than 16 count as 16.
    pub sends: u8,
    /// Pause after the last send, as a multiple of the first one.
    pub patience: u8,
}

impl Retry {
    /// As RFC 8489 §6.2.1 has it for an unreliable transport: 39.5 s in all.
    pub const RFC8489: Self = Self {
        first: Duration::from_millis(500),
        sends: 7,
        patience: 16,
    };

    /// For answers within 2 s: sent at 0, 250 and 750 ms, given up after 1,250.
    pub const BRIEF: Self = Self {
        first: Duration::from_millis(250),
        sends: 3,
        patience: 2,
    };

    /// The pause after the `nth` send, from 1.
    #[must_use]
    pub fn pause(&self, nth: u8) -> Duration {
        if nth >= self.sends() {
            self.first.saturating_mul(u32::from(self.patience))
        } else {
            self.first
                .saturating_mul(1 << u32::from(nth.saturating_sub(1).min(15)))
        }
    }

    /// Sends in all.
    #[must_use]
    pub fn sends(&self) -> u8 {
        self.sends.clamp(1, 16)
    }

    /// From the first send until it is given up.
    #[must_use]
    pub fn total(&self) -> Duration {
        (1..=self.sends()).map(|nth| self.pause(nth)).sum()
    }
}
