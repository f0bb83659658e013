//! Questions to addresses that are not paths yet: what the agent of a connection asks.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::bounds;
use super::leg::LegId;

/// Where a question left from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// A leg.
    Leg(LegId),
    /// The n-th socket of the scatter.
    Extra(u16),
}

#[derive(Clone, Copy, Debug)]
struct Question {
    transaction: [u8; 8],
    from: Origin,
    to: SocketAddr,
    at: Instant,
}

/// The last [`bounds::QUESTIONS`] of them, oldest first.
#[derive(Debug, Default)]
pub(super) struct Questions(VecDeque<Question>);

impl Questions {
    pub(super) fn ask(&mut self, transaction: [u8; 8], from: Origin, to: SocketAddr, now: Instant) {
        if self.0.len() >= bounds::QUESTIONS {
            self.0.pop_front();
        }
        self.0.push_back(Question {
            transaction,
            from,
            to,
            at: now,
        });
    }

    /// The round trip, if this answers a question: the same transaction, from where it was asked to
    /// where it came from. It is forgotten.
    pub(super) fn answer(
        &mut self,
        transaction: [u8; 8],
        from: Origin,
        to: SocketAddr,
        now: Instant,
    ) -> Option<Duration> {
        let at = self.0.iter().position(|question| {
            question.transaction == transaction && question.from == from && question.to == to
        })?;
        let question = self.0.remove(at)?;
        Some(now.saturating_duration_since(question.at))
    }
}
