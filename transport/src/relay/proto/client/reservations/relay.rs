//! A relay that could be used, and how it is being used.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use dchat_wire::PeerId;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// May be used.
    Idle,
    /// Failed lately.
    Resting { until: Instant },
    /// A connection is wanted; `slow` is over when the next relay need not wait for it.
    Connecting {
        slow: Option<Instant>,
        until: Instant,
    },
    /// RESERVE is sent.
    Asking { ask: u64, until: Instant },
    /// Reserved.
    Held { until: Instant, renewal: Renewal },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Renewal {
    At(Instant),
    Asking { ask: u64, until: Instant },
}

#[derive(Debug)]
pub(super) struct Relay {
    pub(super) relay: PeerId,
    pub(super) sockets: Vec<SocketAddr>,
    pub(super) configured: bool,
    pub(super) state: State,
    /// Where the connection leads, while there is one.
    pub(super) socket: Option<SocketAddr>,
    pub(super) rtt: Option<Duration>,
    pub(super) failures: u32,
    /// Of the last voucher.
    pub(super) sequence: Option<u64>,
}

impl Relay {
    pub(super) fn is_held(&self) -> bool {
        matches!(self.state, State::Held { .. })
    }

    /// Whether it is on the way to be held and may be soon.
    pub(super) fn is_promising(&self, now: Instant) -> bool {
        match self.state {
            State::Connecting { slow, .. } => slow.is_some_and(|slow| slow > now),
            State::Asking { .. } => true,
            State::Idle | State::Resting { .. } | State::Held { .. } => false,
        }
    }

    pub(super) fn is_begun(&self) -> bool {
        matches!(self.state, State::Connecting { .. } | State::Asking { .. })
    }

    /// Less is better.
    pub(super) fn rank(&self) -> (bool, Duration) {
        (!self.configured, self.rtt.unwrap_or(Duration::MAX))
    }

    /// Whether it is worth leaving `other` for this one: named by the user where that one is not,
    /// or a third and 10 ms nearer, which is more than round trips wander.
    pub(super) fn clearly_beats(&self, other: &Self) -> bool {
        if self.configured != other.configured {
            return self.configured;
        }
        match (self.rtt, other.rtt) {
            (Some(ours), Some(theirs)) => ours + ours / 3 + Duration::from_millis(10) < theirs,
            (_, _) => false,
        }
    }

    pub(super) fn due(&self) -> Option<Instant> {
        match self.state {
            State::Idle => None,
            State::Resting { until } | State::Asking { until, .. } => Some(until),
            State::Connecting { slow, until } => Some(slow.map_or(until, |slow| slow.min(until))),
            State::Held {
                until,
                renewal: Renewal::At(at) | Renewal::Asking { until: at, .. },
            } => Some(until.min(at)),
        }
    }
}
