//! Noticing that the machine slept: the gateway may be another one when it wakes, and has forgotten
//! the mappings of a long sleep in any case.
//!
//! `Instant` stands still while the machine sleeps (`CLOCK_MONOTONIC`); the time since boot that
//! Linux tells in `/proc/uptime` goes on, and so does the time of day elsewhere. When the second has
//! gone on for longer than the first, the machine slept, or somebody set the clock: looking again
//! costs a few packets, so the two need not be told apart.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Between two looks: how late a wake-up may be noticed.
const LOOK: Duration = Duration::from_secs(5);
/// Sleep of less is none: clocks are adjusted by little, and mappings outlive it.
const NAP: Duration = Duration::from_secs(10);

/// The two clocks at one time.
#[derive(Clone, Copy, Debug)]
struct Clocks {
    awake: Instant,
    /// Since any fixed time, sleep included.
    all: Duration,
}

impl Clocks {
    fn now() -> Self {
        let of_day = || SystemTime::now().duration_since(UNIX_EPOCH).ok();
        Self {
            awake: Instant::now(),
            all: uptime().or_else(of_day).unwrap_or_default(),
        }
    }

    /// How long the machine slept since `then`.
    fn slept_since(&self, then: &Self) -> Duration {
        let all = self.all.saturating_sub(then.all);
        all.saturating_sub(self.awake.saturating_duration_since(then.awake))
    }
}

/// The first number of `/proc/uptime`: seconds since boot, with two decimals.
fn uptime() -> Option<Duration> {
    let text = std::fs::read_to_string("/proc/uptime").ok()?;
    let seconds: f64 = text.split_ascii_whitespace().next()?.parse().ok()?;
    Duration::try_from_secs_f64(seconds).ok()
}

/// Waits for wake-ups.
#[derive(Debug)]
pub(crate) struct SleepWatch {
    last: Clocks,
    looks: tokio::time::Interval,
}

impl SleepWatch {
    pub(crate) fn new() -> Self {
        let mut looks = tokio::time::interval(LOOK);
        looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        Self {
            last: Clocks::now(),
            looks,
        }
    }

    /// Returns at most 5 s after the machine woke from a sleep of more than 10 s. May be dropped and
    /// called again without missing one.
    pub(crate) async fn woke(&mut self) {
        loop {
            self.looks.tick().await;
            let now = Clocks::now();
            let slept = now.slept_since(&self.last);
            self.last = now;
            if slept > NAP {
                tracing::debug!(seconds = slept.as_secs(), "the machine slept");
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn later(from: Clocks, awake: u64, all: u64) -> Clocks {
        Clocks {
            awake: from.awake + Duration::from_secs(awake),
            all: from.all + Duration::from_secs(all),
        }
    }

    #[test]
    fn what_only_the_second_clock_counted_was_sleep() {
        let start = Clocks::now();
        let now = later(start, 5, 3_605);
        assert_eq!(now.slept_since(&start), Duration::from_secs(3_600));
        assert_eq!(later(start, 5, 5).slept_since(&start), Duration::ZERO);
    }

    #[test]
    fn a_clock_that_was_set_back_is_no_sleep() {
        let start = Clocks {
            awake: Instant::now(),
            all: Duration::from_secs(1_000),
        };
        let now = Clocks {
            awake: start.awake + Duration::from_secs(5),
            all: Duration::from_secs(10),
        };
        assert_eq!(now.slept_since(&start), Duration::ZERO);
    }
}
