//! Token buckets, by key and bounded.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// How much at once, and how fast it comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rate {
    pub(super) burst: u32,
    /// Time until one more is allowed.
    pub(super) every: Duration,
}

/// One bucket, as the time at which it will be full: nothing to refill, and nothing to keep when full.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bucket {
    full_at: Instant,
}

impl Bucket {
    pub(super) fn full(now: Instant) -> Self {
        Self { full_at: now }
    }

    pub(super) fn allows(&self, rate: Rate, now: Instant) -> bool {
        let debt = self.full_at.saturating_duration_since(now);
        debt + rate.every <= rate.every.saturating_mul(rate.burst)
    }

    pub(super) fn take(&mut self, rate: Rate, now: Instant) {
        self.full_at = self.full_at.max(now) + rate.every;
    }

    fn is_full(&self, now: Instant) -> bool {
        self.full_at <= now
    }
}

/// Buckets of many; those that are full are forgotten first, and if none is, a new key is refused.
#[derive(Debug)]
pub(super) struct Buckets<K> {
    rate: Rate,
    capacity: usize,
    buckets: BTreeMap<K, Bucket>,
}

impl<K: Ord + Copy> Buckets<K> {
    pub(super) fn new(rate: Rate, capacity: usize) -> Self {
        Self {
            rate,
            capacity,
            buckets: BTreeMap::new(),
        }
    }

    /// Whether one more is allowed; makes room for the key if needed.
    pub(super) fn allows(&mut self, key: K, now: Instant) -> bool {
        if let Some(bucket) = self.buckets.get(&key) {
            return bucket.allows(self.rate, now);
        }
        if self.buckets.len() >= self.capacity {
            self.buckets.retain(|_, bucket| !bucket.is_full(now));
        }
        self.rate.burst > 0 && self.buckets.len() < self.capacity
    }

    /// Takes one, where it is allowed.
    pub(super) fn take(&mut self, key: K, now: Instant) {
        if self.allows(key, now) {
            let rate = self.rate;
            self.buckets
                .entry(key)
                .or_insert_with(|| Bucket::full(now))
                .take(rate, now);
        }
    }
}
