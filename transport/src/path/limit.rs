//! How often something may happen.

use std::time::{Duration, Instant};

/// A token bucket, filled by the passing of time.
#[derive(Clone, Debug)]
pub(super) struct Bucket {
    /// What one token takes to come back.
    interval: Duration,
    /// Time a full bucket is worth.
    depth: Duration,
    /// When the bucket was empty, or would have been: never more than `depth` ago.
    empty_at: Option<Instant>,
}

impl Bucket {
    /// A full bucket of `burst` tokens, `per_second` of which come back each second.
    pub(super) fn new(per_second: u32, burst: u32) -> Self {
        let interval = Duration::from_secs(1) / per_second.max(1);
        Self {
            interval,
            depth: interval * burst,
            empty_at: None,
        }
    }

    /// Takes a token if there is one.
    pub(super) fn take(&mut self, now: Instant) -> bool {
        self.take_above(0, now)
    }

    /// Takes a token if `reserve` others are left after it.
    pub(super) fn take_above(&mut self, reserve: u32, now: Instant) -> bool {
        let saved = match self.empty_at {
            Some(at) => now.saturating_duration_since(at).min(self.depth),
            None => self.depth,
        };
        match saved.checked_sub(self.interval) {
            Some(rest) if rest >= self.interval * reserve => {
                // Before the clock's origin there is nothing to remember: the bucket is full.
                self.empty_at = now.checked_sub(rest);
                true
            }
            Some(_) | None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_then_one_per_interval() {
        let start = Instant::now();
        let mut bucket = Bucket::new(10, 3);
        let passed = (0..10).filter(|_| bucket.take(start)).count();
        assert_eq!(passed, 3);
        assert!(!bucket.take(start + Duration::from_millis(99)));
        assert!(bucket.take(start + Duration::from_millis(100)));
        assert!(!bucket.take(start + Duration::from_millis(100)));
    }

    #[test]
    fn a_long_rest_fills_no_more_than_the_burst() {
        let start = Instant::now();
        let mut bucket = Bucket::new(10, 3);
        assert!(bucket.take(start));
        let later = start + Duration::from_secs(3600);
        assert_eq!((0..10).filter(|_| bucket.take(later)).count(), 3);
    }
}
