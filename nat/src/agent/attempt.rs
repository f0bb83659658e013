//! One attempt to find a direct path, from the first probe to its outcome.

use std::net::SocketAddr;
use std::time::Instant;

use super::bounds;
use super::pairs::Pairs;
use super::punching::Punching;
use crate::candidate::Rank;
use crate::plan::Plan;

/// State of an attempt.
#[derive(Clone, Debug)]
pub(super) struct Attempt {
    pub(super) began: Instant,
    /// Probes sent.
    pub(super) probes: u32,
    /// A probe was withheld by the ledger.
    pub(super) limited: bool,
    /// The peer's probe came in.
    pub(super) asked: bool,
    /// How good the best path is that was found.
    pub(super) won: Option<Rank>,
    /// Where the peer's probe to our usual socket came from.
    pub(super) learned: Option<SocketAddr>,
    pub(super) pairs: Pairs,
    pub(super) plan: Plan,
    pub(super) punching: Option<Punching>,
    /// When the attempt ends if nothing else keeps it.
    pub(super) until: Instant,
}

impl Attempt {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            began: now,
            probes: 0,
            limited: false,
            asked: false,
            won: None,
            learned: None,
            pairs: Pairs::default(),
            plan: Plan::Direct,
            punching: None,
            until: now + bounds::SETTLE,
        }
    }

    /// When the next thing is to be done that is no probe.
    pub(super) fn wake_at(&self) -> Instant {
        let punching = self.punching.as_ref().and_then(Punching::wake_at);
        let end = self.end();
        punching.into_iter().chain(end).min().unwrap_or(self.last())
    }

    /// When the attempt ends, once nothing is left to send or to wait for.
    pub(super) fn end(&self) -> Option<Instant> {
        let last = self.last();
        if self.won.is_some() {
            return Some(self.until.min(last));
        }
        let busy = self.pairs.next().is_some()
            || self
                .punching
                .as_ref()
                .is_some_and(|punching| !punching.is_over());
        let settled = self
            .pairs
            .last()
            .map_or(self.until, |sent| (sent + bounds::SETTLE).max(self.until));
        if busy {
            Some(last)
        } else {
            Some(settled.min(last))
        }
    }

    /// Sends no more guesses. Says whether extra sockets are open.
    pub(super) fn stop_guessing(&mut self) -> bool {
        let Some(punching) = &mut self.punching else {
            return false;
        };
        punching.stop();
        std::mem::take(&mut punching.open) > 0
    }

    fn last(&self) -> Instant {
        self.began + bounds::ATTEMPT
    }
}
