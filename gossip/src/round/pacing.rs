//! Fixed, event-driven and adaptive pacing.

use core::time::Duration;

use crate::rng::Rng;
use crate::time::Time;

/// When rounds take place. Whatever the pacing, a new link begins with one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pacing {
    /// Always after the same time.
    Fixed(Duration),
    /// Only on new links and after something was found missing.
    EventDriven,
    /// Trickle (RFC 6206): after a difference at short intervals, which double while all is well. A
    /// member that hears of `enough` equal digests in an interval sends none.
    Adaptive {
        /// Shortest interval.
        least: Duration,
        /// Longest interval.
        most: Duration,
        /// The RFC's redundancy constant.
        enough: u8,
    },
}

impl Default for Pacing {
    fn default() -> Self {
        Self::Adaptive {
            least: Duration::from_secs(1),
            most: Duration::from_secs(64),
            enough: 2,
        }
    }
}

/// How soon after something new a round takes place: in the second half of this, when the slowest
/// paths have brought it.
const NEWS: Duration = Duration::from_secs(4);

/// The clock of rounds.
#[derive(Clone, Debug)]
pub(crate) struct Rounds {
    pacing: Pacing,
    interval: Duration,
    /// When to send, and when the interval ends.
    at: Option<Time>,
    end: Time,
    equal: u8,
}

impl Rounds {
    pub(crate) fn new(pacing: Pacing, now: Time, rng: &mut Rng) -> Self {
        let mut rounds = Self {
            pacing,
            interval: Duration::ZERO,
            at: None,
            end: Time(u64::MAX),
            equal: 0,
        };
        match pacing {
            Pacing::Fixed(every) => rounds.begin(every, now, rng),
            Pacing::EventDriven => {}
            Pacing::Adaptive { least, .. } => rounds.begin(least, now, rng),
        }
        rounds
    }

    fn begin(&mut self, interval: Duration, now: Time, rng: &mut Rng) {
        let half = u64::try_from(interval.as_millis() / 2)
            .unwrap_or(u64::MAX / 4)
            .max(1);
        self.interval = interval;
        self.at = Some(now + Duration::from_millis(half + rng.below(half as usize) as u64));
        self.end = now + interval;
        self.equal = 0;
    }

    pub(crate) fn next(&self) -> Time {
        self.at.unwrap_or(self.end)
    }

    /// Whether a digest is to be sent now.
    pub(crate) fn due(&mut self, now: Time, rng: &mut Rng) -> bool {
        let mut due = false;
        if self.at.is_some_and(|at| at <= now) {
            self.at = None;
            due = match self.pacing {
                Pacing::Adaptive { enough, .. } => self.equal < enough,
                Pacing::Fixed(_) | Pacing::EventDriven => true,
            };
        }
        if self.at.is_none() && self.end <= now {
            match self.pacing {
                Pacing::Fixed(every) => self.begin(every, now, rng),
                Pacing::EventDriven => self.end = Time(u64::MAX),
                Pacing::Adaptive { most, .. } => {
                    self.begin((self.interval * 2).min(most), now, rng);
                }
            }
        }
        due
    }

    /// A digest was equal to ours.
    pub(crate) fn consistent(&mut self) {
        self.equal = self.equal.saturating_add(1);
    }

    /// Something new came: to be compared once it is with everybody, though nothing was missing, so
    /// that the last message of a conversation is not missed for long by who lost it.
    pub(crate) fn news(&mut self, now: Time, rng: &mut Rng) {
        if let Pacing::Adaptive { most, .. } = self.pacing
            && self.next() > now + NEWS
        {
            self.begin(NEWS.min(most), now, rng);
        }
    }

    /// Something was missing.
    pub(crate) fn inconsistent(&mut self, now: Time, rng: &mut Rng) {
        match self.pacing {
            Pacing::Fixed(_) => {}
            Pacing::EventDriven => {
                if self.at.is_none() {
                    self.begin(Duration::from_secs(2), now, rng);
                }
            }
            Pacing::Adaptive { least, .. } => {
                if self.interval > least {
                    self.begin(least, now, rng);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(pacing: Pacing, until: u64, mut each: impl FnMut(&mut Rounds, u64)) -> Vec<u64> {
        let mut rng = Rng::new((1, 2));
        let mut rounds = Rounds::new(pacing, Time(0), &mut rng);
        let mut sent = Vec::new();
        while rounds.next() < Time(until) {
            let now = rounds.next();
            each(&mut rounds, now.0);
            if rounds.due(now, &mut rng) {
                sent.push(now.0);
            }
        }
        sent
    }

    #[test]
    fn fixed_rounds_come_at_one_rate() {
        let sent = run(Pacing::Fixed(Duration::from_secs(1)), 100_000, |_, _| {});
        assert_eq!(sent.len(), 100);
    }

    /// Checks DC-GOSSIP-031 (positive).
    #[test]
    fn adaptive_rounds_grow_rare_while_all_is_well() {
        let sent = run(Pacing::default(), 1_000_000, |_, _| {});
        assert!((18..=24).contains(&sent.len()), "{sent:?}");
    }

    #[test]
    fn who_hears_enough_equal_digests_sends_none() {
        let sent = run(Pacing::default(), 1_000_000, |rounds, _| {
            rounds.consistent();
            rounds.consistent();
        });
        assert_eq!(sent, []);
    }

    /// Checks DC-GOSSIP-031 (negative).
    #[test]
    fn a_difference_makes_adaptive_rounds_frequent_again() {
        let mut rng = Rng::new((1, 2));
        let mut rounds = Rounds::new(Pacing::default(), Time(0), &mut rng);
        while rounds.next() < Time(500_000) {
            let now = rounds.next();
            rounds.due(now, &mut rng);
        }
        rounds.inconsistent(Time(500_000), &mut rng);
        assert!(rounds.next() <= Time(501_000));
    }

    #[test]
    fn what_is_new_is_compared_soon_and_while_more_comes_not_more_often() {
        let mut rng = Rng::new((1, 2));
        let mut rounds = Rounds::new(Pacing::default(), Time(0), &mut rng);
        while rounds.next() < Time(500_000) {
            let now = rounds.next();
            rounds.due(now, &mut rng);
        }
        let mut sent = 0;
        for now in (500_000..600_000).step_by(100).map(Time) {
            rounds.news(now, &mut rng);
            assert!(rounds.next() <= now + NEWS);
            sent += u32::from(rounds.due(now, &mut rng));
        }
        assert!((12..=40).contains(&sent), "{sent}");
    }

    #[test]
    fn event_driven_rounds_come_only_after_a_difference() {
        assert_eq!(run(Pacing::EventDriven, 1_000_000, |_, _| {}), []);
        let mut rng = Rng::new((1, 2));
        let mut rounds = Rounds::new(Pacing::EventDriven, Time(0), &mut rng);
        rounds.inconsistent(Time(5000), &mut rng);
        let now = rounds.next();
        assert!(now <= Time(7000) && rounds.due(now, &mut rng));
    }
}
