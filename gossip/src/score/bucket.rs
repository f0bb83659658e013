//! Rates.

use crate::time::Time;

/// A token bucket: `rate` a second, and `burst` at once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bucket {
    rate: u32,
    burst: u32,
    /// Thousandths of a token.
    tokens: u64,
    at: Time,
}

impl Bucket {
    pub(crate) fn new(rate: u32, burst: u32, now: Time) -> Self {
        Self {
            rate,
            burst,
            tokens: u64::from(burst) * 1000,
            at: now,
        }
    }

    /// Takes `amount` tokens if they are there.
    pub(crate) fn take(&mut self, amount: u32, now: Time) -> bool {
        let passed = now.0.saturating_sub(self.at.0).min(3_600_000);
        let most = u64::from(self.burst) * 1000;
        self.tokens = (self.tokens + passed * u64::from(self.rate)).min(most);
        self.at = self.at.max(now);
        let amount = u64::from(amount) * 1000;
        let enough = self.tokens >= amount;
        if enough {
            self.tokens -= amount;
        }
        enough
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_and_then_the_rate() {
        let mut bucket = Bucket::new(10, 50, Time(0));
        let taken = (0..100).filter(|_| bucket.take(1, Time(0))).count();
        assert_eq!(taken, 50);
        let taken = (0..10_000).filter(|ms| bucket.take(1, Time(*ms))).count();
        assert_eq!(taken, 99);
    }
}
