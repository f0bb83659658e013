//! Whether what is sent to the own public address comes back in.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::asker::Asker;
use super::event::Socket;
use crate::stun::TransactionId;

/// How often it is tried, each time in both directions: one opens the other's filter.
const ROUNDS: u8 = 2;

/// From one round to the next, and after the last: a NAT of the provider's may be a few hops away.
const PAUSE: Duration = Duration::from_millis(150);

#[derive(Debug, Default)]
pub(super) struct Hairpin {
    /// The main socket outside, the fresh socket, and that outside.
    between: Option<(SocketAddr, Socket, SocketAddr)>,
    ids: Vec<TransactionId>,
    rounds: u8,
    next: Option<Instant>,
    pub(super) arrived: bool,
}

impl Hairpin {
    pub(super) fn begin(&mut self, main: SocketAddr, fresh: u8, seen: SocketAddr, now: Instant) {
        if self.between.is_none() {
            self.between = Some((main, Socket::Fresh(fresh), seen));
            self.next = Some(now);
        }
    }

    pub(super) fn advance(&mut self, asker: &mut Asker, now: Instant) {
        let (Some((main, fresh, seen)), Some(next)) = (self.between, self.next) else {
            return;
        };
        if next > now {
            return;
        }
        if self.rounds >= ROUNDS || self.arrived {
            self.next = None;
            return;
        }
        self.rounds += 1;
        self.next = Some(now + PAUSE);
        self.ids.extend(asker.send_home(fresh, main));
        self.ids.extend(asker.send_home(Socket::Main, seen));
    }

    /// A request came in; whether it was one of ours.
    pub(super) fn arrived(&mut self, id: TransactionId) -> bool {
        let ours = self.ids.contains(&id);
        if ours {
            self.arrived = true;
            self.next = None;
        }
        ours
    }

    /// Whether every round was sent in full, and nothing came.
    pub(super) fn silent(&self) -> bool {
        !self.arrived && self.next.is_none() && self.ids.len() >= 2 * usize::from(ROUNDS)
    }

    pub(super) fn begun(&self) -> bool {
        self.between.is_some()
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.next
    }
}
