//! Which of two working paths is better.

use std::net::SocketAddr;
use std::time::Duration;

use super::bounds;
use super::leg::PathKind;

/// What a path is judged by: tier, then round trip with a handicap for IPv4.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Score {
    kind: PathKind,
    cost: Duration,
}

impl Score {
    pub(super) fn new(kind: PathKind, remote: SocketAddr, rtt: Duration) -> Self {
        let handicap = match remote {
            SocketAddr::V4(_) => bounds::IPV6_BONUS,
            SocketAddr::V6(_) => Duration::ZERO,
        };
        Self {
            kind,
            cost: rtt + handicap,
        }
    }

    /// Whether it is worth leaving a working path for this one.
    pub(super) fn clearly_better_than(&self, active: &Self) -> bool {
        let gain = active.cost.saturating_sub(self.cost);
        let enough = active.cost * bounds::BETTER_PERCENT / 100;
        self.kind < active.kind
            || (self.kind == active.kind && gain >= enough.max(bounds::BETTER_MIN))
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::expect_used, reason = "a test fails by panicking")]
    use super::*;

    fn score(remote: &str, ms: u64) -> Score {
        Score::new(
            PathKind::Direct,
            SocketAddr::new(remote.parse().expect("an address"), 1),
            Duration::from_millis(ms),
        )
    }

    #[test]
    fn a_path_must_be_better_by_a_fifth_and_by_two_milliseconds() {
        let active = score("2001:db8::1", 100);
        assert!(score("2001:db8::2", 80).clearly_better_than(&active));
        assert!(!score("2001:db8::2", 81).clearly_better_than(&active));
        let near = score("2001:db8::1", 3);
        assert!(!score("2001:db8::2", 2).clearly_better_than(&near));
        assert!(score("2001:db8::2", 1).clearly_better_than(&near));
    }

    #[test]
    fn of_two_short_equal_paths_ipv6_wins_and_keeps() {
        assert!(score("::1", 0).clearly_better_than(&score("127.0.0.1", 0)));
        assert!(!score("127.0.0.1", 0).clearly_better_than(&score("::1", 0)));
        assert!(!score("2001:db8::1", 100).clearly_better_than(&score("192.0.2.1", 100)));
    }
}
