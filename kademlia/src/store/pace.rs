//! How fast subnets may put records.
//!
//! A token bucket for each subnet heard of lately. Buckets that are full again are forgotten; when
//! [`BUCKETS`] are in use, all further subnets share one, so that a flood from many subnets slows
//! down newcomers and takes no memory.

use crate::contact::Subnet;
use crate::time::Time;

/// Buckets kept, of 24 bytes each.
pub(super) const BUCKETS: usize = 1024;

/// Tokens are counted in thousandths.
const TOKEN: u64 = 1000;

#[derive(Clone, Copy, Debug)]
struct Bucket {
    subnet: Subnet,
    tokens: u64,
    at: Time,
}

/// The buckets, sorted by subnet.
#[derive(Clone, Debug, Default)]
pub(super) struct Pace {
    buckets: Vec<Bucket>,
    shared: Option<Bucket>,
}

/// Rate and burst, in tokens.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rate {
    pub(super) burst: u16,
    pub(super) per_second: u16,
}

impl Rate {
    fn full(self) -> u64 {
        u64::from(self.burst) * TOKEN
    }

    fn refilled(self, bucket: Bucket, now: Time) -> u64 {
        let gained =
            (now.0.saturating_sub(bucket.at.0)).saturating_mul(self.per_second.max(1).into());
        bucket.tokens.saturating_add(gained).min(self.full())
    }

    /// Milliseconds a drained bucket needs to be full again.
    fn fills_in(self) -> u64 {
        self.full().div_ceil(u64::from(self.per_second.max(1)))
    }
}

impl Pace {
    /// Takes a token of `subnet`'s bucket.
    ///
    /// # Errors
    /// Seconds until there is one.
    pub(super) fn take(&mut self, subnet: Subnet, rate: Rate, now: Time) -> Result<(), u32> {
        if subnet.is_exempt() {
            return Ok(());
        }
        let fresh = Bucket {
            subnet,
            tokens: rate.full(),
            at: now,
        };
        let found = self
            .buckets
            .binary_search_by_key(&subnet, |bucket| bucket.subnet);
        let bucket = match found {
            Ok(index) => self.buckets.get_mut(index),
            Err(_) => {
                if self.buckets.len() >= BUCKETS {
                    self.forget(rate, now);
                }
                if self.buckets.len() >= BUCKETS {
                    Some(self.shared.get_or_insert(fresh))
                } else {
                    let index = self.buckets.partition_point(|other| other.subnet < subnet);
                    self.buckets.insert(index, fresh);
                    self.buckets.get_mut(index)
                }
            }
        };
        let Some(bucket) = bucket else { return Ok(()) };
        bucket.tokens = rate.refilled(*bucket, now);
        bucket.at = now;
        match bucket.tokens.checked_sub(TOKEN) {
            Some(left) => {
                bucket.tokens = left;
                Ok(())
            }
            None => {
                let lacking = TOKEN - bucket.tokens;
                let wait = lacking.div_ceil(u64::from(rate.per_second.max(1)) * TOKEN);
                Err(u32::try_from(wait).unwrap_or(u32::MAX))
            }
        }
    }

    /// Forgets the buckets that are full again.
    pub(super) fn forget(&mut self, rate: Rate, now: Time) {
        let full = |bucket: &Bucket| rate.refilled(*bucket, now) >= rate.full();
        self.buckets.retain(|bucket| !full(bucket));
        if self.buckets.is_empty() {
            self.buckets = Vec::new();
        }
        self.shared = self.shared.filter(|bucket| !full(bucket));
    }

    /// When every bucket will be full, unless more is taken.
    pub(super) fn idle_at(&self, rate: Rate) -> Time {
        let last = self.buckets.iter().chain(&self.shared);
        let last = last.map(|bucket| bucket.at.0).max().unwrap_or_default();
        Time(last.saturating_add(rate.fills_in()))
    }

    /// Whether every bucket is full.
    pub(super) fn is_idle(&self) -> bool {
        self.buckets.is_empty() && self.shared.is_none()
    }
}
