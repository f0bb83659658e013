//! What is known about one path's round trip, from probes alone: a transaction id is used once, so
//! no sample is ambiguous.

use std::time::Duration;

use super::bounds;

/// Round-trip estimate of a path.
#[derive(Clone, Debug, Default)]
pub(super) struct Rtt {
    estimate: Option<Estimate>,
    /// Least sample of the present measurement, and how many there were.
    least: Option<Duration>,
    samples: u32,
}

#[derive(Clone, Copy, Debug)]
struct Estimate {
    smoothed: Duration,
    variation: Duration,
}

impl Rtt {
    /// Takes one sample (RFC 9002 §5.3).
    pub(super) fn sample(&mut self, rtt: Duration) {
        self.estimate = Some(match self.estimate {
            None => Estimate {
                smoothed: rtt,
                variation: rtt / 2,
            },
            Some(old) => Estimate {
                smoothed: (old.smoothed * 7 + rtt) / 8,
                variation: (old.variation * 3 + old.smoothed.abs_diff(rtt)) / 4,
            },
        });
        self.least = Some(self.least.map_or(rtt, |least| least.min(rtt)));
        self.samples = self.samples.saturating_add(1);
    }

    /// Begins a measurement: only samples from here on count for [`least`](Self::least).
    pub(super) fn restart(&mut self) {
        self.least = None;
        self.samples = 0;
    }

    /// Smoothed round trip.
    pub(super) fn smoothed(&self) -> Option<Duration> {
        self.estimate.map(|estimate| estimate.smoothed)
    }

    /// Least round trip of the present measurement, if it has at least `samples`.
    pub(super) fn least(&self, samples: u32) -> Option<Duration> {
        self.least.filter(|_| self.samples >= samples)
    }

    /// How long to wait for an answer before its lack means something: the variation is allowed for
    /// four times (RFC 9002 §6.2.1), but no more than one further round trip, since the first sample
    /// says nothing of it and somebody else has answered already when this matters.
    pub(super) fn answer_within(&self) -> Duration {
        match self.estimate {
            None => bounds::ANSWER_UNKNOWN,
            Some(Estimate {
                smoothed,
                variation,
            }) => smoothed + (variation * 4).clamp(smoothed / 4, smoothed) + bounds::ANSWER_SLACK,
        }
    }

    /// How long after a send silence means doubt.
    pub(super) fn doubt_after(&self) -> Duration {
        match self.smoothed() {
            None => bounds::DOUBT_UNKNOWN,
            Some(smoothed) => (smoothed * 3).max(bounds::DOUBT_MIN),
        }
    }
}
