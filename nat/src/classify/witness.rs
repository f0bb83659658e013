//! One server that is asked to let datagrams come from elsewhere, to a fresh socket that has sent to
//! nobody else.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use dchat_wire::nat::ReachResult;

use super::asker::{Asker, Event, Origin, Purpose};
use super::event::Socket;
use super::filtering::{self, Heard};
use super::report::FaultKind;
use crate::stun::{Change, Retry, Why};

/// How often a datagram from elsewhere is asked for: at 5 % loss each way, three questions and their
/// answers are all lost once in a thousand times.
const TRIES: u8 = 3;

/// REACHes said to be sent, below which their absence proves nothing.
const SAID: u8 = 2;

/// How long a REACH's datagram is waited for, beyond two round trips: the node may have to ask another.
const REACH_WAIT: Duration = Duration::from_millis(150);

/// What makes a server a witness.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Means {
    /// RFC 5780: it answers from its other address, which is this by its own account.
    Change,
    /// A node, which is asked for REACH.
    Reach,
}

#[derive(Debug, Default)]
struct Trial {
    heard: Heard,
    done: bool,
    /// Tokens of a node's tries, and how many it says it sent.
    tokens: Vec<[u8; 16]>,
    said: u8,
    /// When the next try is due.
    next: Option<Instant>,
}

/// A witness at work.
#[derive(Debug)]
pub(super) struct Witness {
    pub(super) server: SocketAddr,
    pub(super) operator: usize,
    pub(super) means: Means,
    /// The fresh socket, and the sample that it takes by the way.
    pub(super) socket: u8,
    rtt: Duration,
    target: Option<SocketAddr>,
    near: Trial,
    far: Trial,
    gone: bool,
}

impl Witness {
    pub(super) fn new(
        server: SocketAddr,
        operator: usize,
        means: Means,
        socket: u8,
        rtt: Duration,
    ) -> Self {
        Self {
            server,
            operator,
            means,
            socket,
            rtt,
            target: None,
            near: Trial::default(),
            far: Trial::default(),
            gone: false,
        }
    }

    /// The fresh socket is mapped: `mapped` may be sent to from elsewhere.
    pub(super) fn begin(
        &mut self,
        at: (usize, usize),
        mapped: SocketAddr,
        asker: &mut Asker,
        now: Instant,
    ) {
        self.target = Some(mapped);
        match self.means {
            Means::Change => {
                let (family, index) = at;
                let retry = Retry {
                    first: (2 * self.rtt)
                        .clamp(Duration::from_millis(100), Duration::from_millis(200)),
                    sends: TRIES,
                    patience: 2,
                };
                let route = (Socket::Fresh(self.socket), self.server);
                for (origin, change) in [
                    (Origin::Far, Change::AddressAndPort),
                    (Origin::Near, Change::Port),
                ] {
                    let purpose = Purpose::Elsewhere(index, origin);
                    asker.ask(family, purpose, route, change, retry, now);
                }
            }
            Means::Reach => {
                self.far.next = Some(now);
                self.near.next = Some(now);
                self.advance(asker, now);
            }
        }
    }

    /// The fresh socket is not seen by anyone: there is nothing to ask.
    pub(super) fn abandon(&mut self) {
        self.gone = true;
    }

    /// A question with CHANGE-REQUEST has ended.
    pub(super) fn changed(&mut self, origin: Origin, event: &Event, asker: &mut Asker) {
        let server = self.server;
        match event {
            Event::Answered { from, .. } => {
                if !self.arrived(*from) {
                    asker.fault(server, FaultKind::IgnoredChange);
                }
                self.trial(origin).done = true;
            }
            Event::Failed { why, starved } => {
                let trial = self.trial(origin);
                trial.done = true;
                if let Why::Refused(_) = why {
                    asker.fault(server, FaultKind::Refused);
                } else if !starved && trial.heard == Heard::Void {
                    trial.heard = Heard::Silence;
                }
            }
        }
    }

    /// A reach datagram came in on the witness's socket; whether it was one asked for.
    pub(super) fn reached(&mut self, from: SocketAddr, token: [u8; 16]) -> bool {
        let ours = self.near.tokens.contains(&token) || self.far.tokens.contains(&token);
        ours && self.arrived(from)
    }

    /// The node says what it did.
    pub(super) fn said(&mut self, token: [u8; 16], result: ReachResult, now: Instant) {
        let wait = 2 * self.rtt + REACH_WAIT;
        for trial in [&mut self.near, &mut self.far] {
            if trial.tokens.contains(&token) && !trial.done {
                match result {
                    ReachResult::Sent => {
                        trial.said = trial.said.saturating_add(1);
                        trial.next = Some(now + wait);
                    }
                    ReachResult::Forbidden | ReachResult::Limited | ReachResult::Unable => {
                        trial.conclude();
                    }
                }
            }
        }
    }

    /// Asks a node again where it is due.
    pub(super) fn advance(&mut self, asker: &mut Asker, now: Instant) {
        let (server, rtt) = (self.server, self.rtt);
        let Some(target) = self.target else {
            return;
        };
        for (origin, trial) in [(Origin::Far, &mut self.far), (Origin::Near, &mut self.near)] {
            if trial.done || trial.next.is_none_or(|next| next > now) {
                continue;
            }
            if trial.tokens.len() < usize::from(TRIES) {
                let token = asker.reach(server, origin, target);
                trial.tokens.push(token);
                // Longer than until it has said something, after which the wait is counted anew.
                trial.next = Some(now + 3 * rtt + 2 * REACH_WAIT);
            } else {
                trial.conclude();
            }
        }
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        [&self.near, &self.far]
            .into_iter()
            .filter(|trial| !trial.done && !self.gone)
            .filter_map(|trial| trial.next)
            .min()
    }

    pub(super) fn done(&self) -> bool {
        self.gone || self.near.done && self.far.done
    }

    /// What it amounts to; `other` tells whether the server's other address is known to answer.
    pub(super) fn verdict(&self, other: bool) -> filtering::Witness {
        let worth = |heard: Heard| match (self.means, heard) {
            (Means::Change, Heard::Silence) if !other => Heard::Void,
            (Means::Change | Means::Reach, heard) => heard,
        };
        filtering::Witness {
            near: worth(self.near.heard),
            far: worth(self.far.heard),
        }
    }

    /// Takes an arrival for what its source makes it, whatever was asked for.
    fn arrived(&mut self, from: SocketAddr) -> bool {
        let from = SocketAddr::new(from.ip().to_canonical(), from.port());
        let trial = if from.ip() != self.server.ip() {
            // Who is let in from another address is so from another port.
            self.near.done = true;
            &mut self.far
        } else if from.port() != self.server.port() {
            &mut self.near
        } else {
            return false;
        };
        trial.heard = Heard::Arrived;
        trial.done = true;
        true
    }

    fn trial(&mut self, origin: Origin) -> &mut Trial {
        match origin {
            Origin::Near => &mut self.near,
            Origin::Far => &mut self.far,
        }
    }
}

impl Trial {
    fn conclude(&mut self) {
        self.done = true;
        if self.heard == Heard::Void && self.said >= SAID {
            self.heard = Heard::Silence;
        }
    }
}
