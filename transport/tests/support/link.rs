//! One direction of an emulated link: rate, delay, drop-tail queue, seeded random loss.

use std::time::{Duration, Instant};

/// Names a link of a world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkId(pub usize);

/// What the link saw since the last [`Link::reset_stats`].
#[derive(Clone, Copy, Debug, Default)]
pub struct LinkStats {
    /// Packets that got through.
    pub passed: u64,
    /// Packets dropped because the queue was full.
    pub overflowed: u64,
    /// Packets lost at random or on a dead link.
    pub lost: u64,
    /// Sum of the time packets waited in the queue.
    pub waited: Duration,
    /// Longest such wait.
    pub longest_wait: Duration,
}

impl LinkStats {
    /// Mean time in the queue.
    pub fn mean_wait(&self) -> Duration {
        let passed = u32::try_from(self.passed.max(1)).unwrap_or(u32::MAX);
        self.waited / passed
    }
}

/// A drop-tail bottleneck followed by a constant delay.
#[derive(Clone, Debug)]
pub struct Link {
    rate: f64,
    delay: Duration,
    queue: u64,
    loss: f64,
    dead: bool,
    free_at: Option<Instant>,
    random: u64,
    /// Counters for the tables.
    pub stats: LinkStats,
}

impl Link {
    /// `rate` in bytes a second, one-way `delay`, `queue` in bytes, `loss` as a probability.
    pub fn new(rate: u64, delay: Duration, queue: u64, loss: f64, seed: u64) -> Self {
        Self {
            rate: rate as f64,
            delay,
            queue,
            loss,
            dead: false,
            free_at: None,
            random: seed,
            stats: LinkStats::default(),
        }
    }

    /// Whether the link swallows everything from now on.
    pub fn set_dead(&mut self, dead: bool) {
        self.dead = dead;
    }

    /// Starts the counters anew.
    pub fn reset_stats(&mut self) {
        self.stats = LinkStats::default();
    }

    /// A packet of `bytes` enters at `now`; when it arrives, if it does.
    pub fn transmit(&mut self, now: Instant, bytes: usize) -> Option<Instant> {
        if self.dead {
            self.stats.lost += 1;
            return None;
        }
        let free_at = self.free_at.map_or(now, |free_at| free_at.max(now));
        let wait = free_at - now;
        if wait.as_secs_f64() * self.rate + bytes as f64 > self.queue as f64 {
            self.stats.overflowed += 1;
            return None;
        }
        let done = free_at + Duration::from_secs_f64(bytes as f64 / self.rate);
        self.free_at = Some(done);
        if self.next_random() < self.loss {
            self.stats.lost += 1;
            return None;
        }
        self.stats.passed += 1;
        self.stats.waited += wait;
        self.stats.longest_wait = self.stats.longest_wait.max(wait);
        Some(done + self.delay)
    }

    /// Uniform in [0, 1): splitmix64.
    fn next_random(&mut self) -> f64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.random;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        (mixed >> 11) as f64 / (1u64 << 53) as f64
    }
}
