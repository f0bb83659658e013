//! The round trip, estimated (RFC 9002 §5).

use std::time::Duration;

/// Of the peer, at most (RFC 9000 §18.2).
pub(super) const MAX_ACK_DELAY: Duration = Duration::from_millis(25);
/// Before the first sample (RFC 9002 §6.2.2).
const INITIAL: Duration = Duration::from_millis(333);
/// Of timers (RFC 9002 §6.1.2).
const GRANULARITY: Duration = Duration::from_millis(1);

#[derive(Clone, Copy, Debug)]
pub(super) struct Rtt {
    latest: Duration,
    smoothed: Option<Duration>,
    variation: Duration,
    least: Duration,
}

impl Rtt {
    pub(super) fn new() -> Self {
        Self {
            latest: INITIAL,
            smoothed: None,
            variation: INITIAL / 2,
            least: Duration::MAX,
        }
    }

    /// A packet sent that long ago was acknowledged, which the peer held back for `delay`.
    pub(super) fn sample(&mut self, sample: Duration, delay: Duration) {
        self.latest = sample;
        self.least = self.least.min(sample);
        let Some(smoothed) = self.smoothed else {
            self.smoothed = Some(sample);
            self.variation = sample / 2;
            return;
        };
        let adjusted = match sample.checked_sub(delay) {
            Some(adjusted) if adjusted >= self.least => adjusted,
            Some(_) | None => sample,
        };
        self.variation = self.variation * 3 / 4 + smoothed.abs_diff(adjusted) / 4;
        self.smoothed = Some(smoothed * 7 / 8 + adjusted / 8);
    }

    pub(super) fn smoothed(&self) -> Duration {
        self.smoothed.unwrap_or(INITIAL)
    }

    /// The base of the probe timeout (RFC 9002 §6.2.1).
    pub(super) fn timeout(&self) -> Duration {
        self.smoothed() + (self.variation * 4).max(GRANULARITY) + MAX_ACK_DELAY
    }

    /// How much older than an acknowledged one a packet may be (RFC 9002 §6.1.2).
    pub(super) fn loss_delay(&self) -> Duration {
        (self.latest.max(self.smoothed()) * 9 / 8).max(GRANULARITY)
    }
}
