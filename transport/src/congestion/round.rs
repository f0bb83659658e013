//! One round trip: what it delivered, lost and saw of the queue.

use std::time::{Duration, Instant};

/// Share of a round, as a divisor, that may be lost without counting: 5 %.
const LOSS_TOLERANCE: u64 = 20;
/// Losses fewer than this in packets a round say nothing statistically.
const LOSS_MIN_PACKETS: u64 = 8;

/// What one round has seen so far.
#[derive(Clone, Copy, Debug)]
pub(super) struct Round {
    pub(super) began: Instant,
    pub(super) ends_at_delivered: u64,
    pub(super) acked: u64,
    pub(super) lost: u64,
    pub(super) rtt: Option<Duration>,
    pub(super) rtt_samples: u32,
    pub(super) limited: bool,
}

impl Round {
    /// Begins now and ends when something sent from now on is acknowledged.
    pub(super) fn new(now: Instant, delivered: u64) -> Self {
        Self {
            began: now,
            ends_at_delivered: delivered,
            acked: 0,
            lost: 0,
            rtt: None,
            rtt_samples: 0,
            limited: false,
        }
    }

    /// Whether the round shows a queue as HyStart++ tells one (RFC 9406 §4.2): its smallest of at
    /// least 8 samples is an eighth, and 4 to 16 ms, above the path's.
    pub(super) fn delayed(&self, smallest: Option<Duration>) -> bool {
        let smallest = smallest.unwrap_or_default();
        let queue = (smallest / 8).clamp(Duration::from_millis(4), Duration::from_millis(16));
        self.rtt_samples >= 8 && self.rtt.is_some_and(|rtt| rtt > smallest + queue)
    }

    /// Whether more was lost than chance explains.
    pub(super) fn excessive_loss(&self, mtu: u64) -> bool {
        self.lost >= LOSS_MIN_PACKETS * mtu && self.lost * LOSS_TOLERANCE > self.acked + self.lost
    }
}
