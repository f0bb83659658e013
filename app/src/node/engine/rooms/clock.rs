//! Time that never goes back.

use std::time::{Duration, Instant};

use dchat_gossip::Time;

use crate::store::UnixMillis;

/// The calendar, as nodes need it: it follows the system's clock forward, and goes on by itself while
/// that is set back.
#[derive(Debug, Default)]
pub(super) struct Clock(Option<(Instant, u64)>);

impl Clock {
    /// Now, the system's clock saying `wall`.
    pub(super) fn now(&mut self, wall: UnixMillis) -> Time {
        self.at(wall, Instant::now())
    }

    fn at(&mut self, wall: UnixMillis, at: Instant) -> Time {
        let wall = wall.max(0).unsigned_abs();
        let passed = |(since, time): (Instant, u64)| {
            let passed = at.saturating_duration_since(since).as_millis();
            time.saturating_add(u64::try_from(passed).unwrap_or(u64::MAX))
        };
        let now = self.0.map_or(wall, passed).max(wall);
        // Kept while it is less than a second old, so that parts of milliseconds are not lost.
        let old = |(since, _): (Instant, u64)| at - since >= Duration::from_secs(1);
        if now == wall || self.0.is_none_or(old) {
            self.0 = Some((at, now));
        }
        Time(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks DC-GOSSIP-013 (negative).
    #[test]
    fn the_clock_follows_the_system_forward_and_goes_on_when_that_is_set_back() {
        let start = Instant::now();
        let after = |ms| start + Duration::from_millis(ms);
        let mut clock = Clock::default();
        assert_eq!(clock.at(1_000, start), Time(1_000));
        assert_eq!(clock.at(90_000, after(10)), Time(90_000));
        assert_eq!(clock.at(5_000, after(510)), Time(90_500));
        assert_eq!(clock.at(6_000, after(1_510)), Time(91_500));
        assert_eq!(clock.at(95_000, after(1_520)), Time(95_000));
    }
}
