//! How often something may happen, or how many bytes may pass.

use std::time::Instant;

/// What a token bucket gives: `per_second` in the long run, and `burst` at once after a rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Tokens (requests or bytes) that come back each second.
    pub per_second: u64,
    /// Tokens a full bucket holds. For bytes at least a few datagrams, else none ever passes.
    pub burst: u64,
}

/// Parts of a token that are counted: a nanosecond at one token per second.
const FRACTIONS: u64 = 1_000_000_000;

/// A token bucket, full at first. Exact: what has passed by any time never exceeds
/// `burst + per_second * time`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bucket {
    rate: Rate,
    /// Fractions of tokens at `at`.
    level: u64,
    at: Instant,
}

impl Bucket {
    pub(super) fn new(rate: Rate, now: Instant) -> Self {
        Self {
            rate,
            level: rate.burst.saturating_mul(FRACTIONS),
            at: now,
        }
    }

    /// Whether `tokens` are there.
    pub(super) fn has(&mut self, tokens: u64, now: Instant) -> bool {
        self.fill(now);
        self.level >= tokens.saturating_mul(FRACTIONS)
    }

    /// Takes `tokens` if they are there.
    pub(super) fn take(&mut self, tokens: u64, now: Instant) -> bool {
        let enough = self.has(tokens, now);
        if enough {
            self.level -= tokens.saturating_mul(FRACTIONS);
        }
        enough
    }

    fn fill(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.at).as_nanos();
        let came = u64::try_from(passed)
            .unwrap_or(u64::MAX)
            .saturating_mul(self.rate.per_second);
        let depth = self.rate.burst.saturating_mul(FRACTIONS);
        self.level = self.level.saturating_add(came).min(depth);
        self.at = self.at.max(now);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_full_bucket_passes_its_burst_and_then_its_rate() {
        let start = Instant::now();
        let rate = Rate {
            per_second: 1000,
            burst: 3000,
        };
        let mut bucket = Bucket::new(rate, start);
        assert!(bucket.take(3000, start));
        assert!(!bucket.take(1, start));
        assert!(!bucket.take(100, start + Duration::from_millis(99)));
        assert!(bucket.take(100, start + Duration::from_millis(100)));
        let rested = start + Duration::from_secs(3600);
        assert!(!bucket.take(3001, rested));
        assert!(bucket.take(3000, rested));
    }

    proptest! {
        #[test]
        fn no_more_passes_than_burst_and_rate_allow_and_no_less_when_asked_for_ones(
            per_second in 1..2_000_000_000u64,
            burst in 1..5_000u64,
            steps in prop::collection::vec((0..2_000_000u64, 0..3_000u64), 1..200),
        ) {
            let start = Instant::now();
            let mut bucket = Bucket::new(Rate { per_second, burst }, start);
            let (mut nanos, mut passed) = (0u64, 0u64);
            for (wait, ask) in steps {
                nanos += wait;
                let now = start + Duration::from_nanos(nanos);
                if bucket.take(ask, now) {
                    passed += ask;
                }
                let allowed = u128::from(burst)
                    + u128::from(per_second) * u128::from(nanos) / u128::from(FRACTIONS);
                prop_assert!(u128::from(passed) <= allowed);
                // Greedy: emptied one by one, the bucket gives all that is there.
                while bucket.take(1, now) {
                    passed += 1;
                }
                prop_assert!(u128::from(passed) <= allowed);
                prop_assert!(!bucket.has(1, now));
            }
        }
    }
}
