//! The time of the table: a monotonic clock anchored to the calendar, moved forward after a sleep.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use dchat_kademlia::Time;

/// See the [module](self). State: the anchor. Invariant: never goes back.
#[derive(Debug)]
pub(super) struct Clock {
    anchor: Time,
    since: Instant,
}

impl Clock {
    /// A clock that agrees with the calendar now.
    pub(super) fn new() -> Self {
        Self {
            anchor: calendar(),
            since: Instant::now(),
        }
    }

    pub(super) fn now(&self) -> Time {
        self.anchor + self.since.elapsed()
    }

    /// The machine slept, or may have: what the calendar gained is caught up.
    pub(super) fn catch_up(&mut self) {
        let now = self.now().max(calendar());
        (self.anchor, self.since) = (now, Instant::now());
    }

    /// When that will be; at once when it has been.
    pub(super) fn instant(&self, at: Time) -> Instant {
        self.since + (at - self.anchor)
    }
}

fn calendar() -> Time {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let since = since.unwrap_or(Duration::ZERO);
    Time::default() + since
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_calendar_that_was_set_back_changes_nothing_and_one_that_gained_is_followed() {
        let ahead = calendar() + Duration::from_secs(1_000);
        let mut clock = Clock {
            anchor: ahead,
            since: Instant::now(),
        };
        clock.catch_up();
        assert!(clock.now() >= ahead);
        let mut late = Clock {
            anchor: Time(5),
            since: Instant::now(),
        };
        late.catch_up();
        assert!(late.now() + Duration::from_secs(1_000) >= ahead);
    }

    #[test]
    fn times_become_instants() {
        let clock = Clock::new();
        let later = clock.instant(clock.now() + Duration::from_secs(60));
        let wait = later.saturating_duration_since(Instant::now());
        assert!(wait > Duration::from_secs(50) && wait <= Duration::from_secs(60));
        assert!(clock.instant(Time(0)) <= Instant::now());
    }
}
