//! Virtual time.

use std::ops::Add;
use std::time::{Duration, Instant};

/// Nanoseconds since the world began. Nothing in a world knows any other clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(u64);

impl Time {
    /// The beginning.
    pub const ZERO: Self = Self(0);
    /// Later than everything that happens: 584 years.
    pub const NEVER: Self = Self(u64::MAX);

    /// That many nanoseconds after the beginning.
    #[must_use]
    pub fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since the beginning.
    #[must_use]
    pub fn as_nanos(self) -> u64 {
        self.0
    }

    /// How long after `earlier`; zero when it is not.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Time {
    type Output = Self;

    fn add(self, span: Duration) -> Self {
        let nanos = u64::try_from(span.as_nanos()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(nanos))
    }
}

/// Tells the cores, which count in [`Instant`], what time it is in the world.
///
/// An `Instant` has no value of its own; only differences matter. So the caller passes in any one,
/// and no result depends on which.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    epoch: Instant,
}

impl Clock {
    /// A clock on which the world begins at `epoch`.
    #[must_use]
    pub fn new(epoch: Instant) -> Self {
        Self { epoch }
    }

    /// `time` as the cores count.
    #[must_use]
    pub fn instant(&self, time: Time) -> Instant {
        self.epoch + Duration::from_nanos(time.0)
    }

    /// The inverse; the beginning for what lies before it.
    #[must_use]
    pub fn time(&self, instant: Instant) -> Time {
        Time::ZERO + instant.saturating_duration_since(self.epoch)
    }
}
