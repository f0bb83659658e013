//! Token buckets by name, of which only those are kept that are not full.

use crate::time::Time;

/// A bucket: thousandths of a token, and when they were counted.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    name: u64,
    level: u32,
    at: u32,
}

/// Buckets, sorted by name.
#[derive(Clone, Debug)]
pub(super) struct Meter {
    per_second: u32,
    burst: u32,
    most: usize,
    buckets: Vec<Bucket>,
    /// For those who come when there are `most` already.
    shared: Bucket,
}

impl Meter {
    pub(super) fn new((per_second, burst): (u16, u16), most: usize) -> Self {
        let burst = u32::from(burst.max(1)) * 1000;
        Self {
            per_second: u32::from(per_second.max(1)),
            burst,
            most,
            buckets: Vec::new(),
            shared: Bucket {
                name: 0,
                level: burst,
                at: 0,
            },
        }
    }

    /// Takes a token of `name`; false when there is none.
    pub(super) fn take(&mut self, name: u64, now: Time) -> bool {
        // Wraps after 49 days; then a bucket may be refilled early once.
        let now = now.0 as u32;
        let (per_second, burst) = (self.per_second, self.burst);
        let place = self
            .buckets
            .binary_search_by_key(&name, |bucket| bucket.name);
        let index = match place {
            Ok(index) => index,
            Err(_) if self.buckets.len() >= self.most && !self.forget(now) => {
                return self.shared.take(per_second, burst, now);
            }
            Err(_) => {
                if self.buckets.len() == self.buckets.capacity() {
                    self.forget(now);
                    // By half: a busy second should not double what an idle node holds.
                    let len = self.buckets.len();
                    self.buckets.reserve_exact((len / 2).max(4));
                }
                let bucket = Bucket {
                    name,
                    level: burst,
                    at: now,
                };
                let index = self.buckets.partition_point(|bucket| bucket.name < name);
                self.buckets.insert(index, bucket);
                index
            }
        };
        let bucket = self.buckets.get_mut(index);
        bucket.is_some_and(|bucket| bucket.take(per_second, burst, now))
    }

    /// Drops full buckets; whether there is room now.
    fn forget(&mut self, now: u32) -> bool {
        let (per_second, burst) = (self.per_second, self.burst);
        self.buckets
            .retain(|bucket| bucket.refilled(per_second, now) < burst);
        self.buckets.len() < self.most
    }
}

impl Bucket {
    /// A token a second is one thousandth of a token a millisecond.
    fn refilled(&self, per_second: u32, now: u32) -> u32 {
        let passed = now.wrapping_sub(self.at);
        self.level.saturating_add(passed.saturating_mul(per_second))
    }

    fn take(&mut self, per_second: u32, burst: u32, now: u32) -> bool {
        self.level = self.refilled(per_second, now).min(burst);
        self.at = now;
        let has = self.level >= 1000;
        if has {
            self.level -= 1000;
        }
        has
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_taken_and_then_the_rate() {
        let mut meter = Meter::new((10, 5), 4);
        assert_eq!((0..20).filter(|_| meter.take(1, Time(0))).count(), 5);
        let later = (1..=1000).filter(|ms| meter.take(1, Time(*ms))).count();
        assert_eq!(later, 10);
    }

    /// Checks DC-DHT-022 (positive).
    #[test]
    fn who_has_rested_is_forgotten_and_the_map_stays_small() {
        let mut meter = Meter::new((10, 5), 4);
        for name in 0..1000 {
            assert!(meter.take(name, Time(name * 1000)));
        }
        assert!(meter.buckets.len() <= 4);
    }

    /// Checks DC-DHT-022 (negative).
    #[test]
    fn a_crowd_beyond_the_map_shares_one_bucket() {
        let mut meter = Meter::new((1, 2), 4);
        let taken = (0..1000).filter(|name| meter.take(*name, Time(0))).count();
        assert_eq!(taken, 4 + 2);
        assert_eq!(meter.buckets.len(), 4);
    }
}
