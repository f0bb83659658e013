//! The questions of a classification: their budget, their sockets, and what each is for.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use dchat_wire::nat::ReachFrom;

use super::event::{Config, FRESH, Output, Socket};
use super::report::{Fault, FaultKind};
use crate::stun::{self, Answer, Change, Retry, TransactionId, Transactions, Why};

/// BLAKE3 context of reach tokens and of what is sent to ourselves.
const TOKENS: &str = "dchat/1 2026-11 classification tokens";

/// Faults kept: each server and kind once, and the servers are bounded.
const FAULTS: usize = 64;

/// What a question is for; the number is an index into the family's list of such things.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// How the main socket is seen.
    Main(usize),
    /// How a fresh socket is seen.
    Sample(usize),
    /// Whether an answer from elsewhere comes in to a witness's socket.
    Elsewhere(usize, Origin),
}

/// From where a datagram is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// The same address, another port.
    Near,
    /// Another address.
    Far,
}

/// What became of a question.
#[derive(Clone, Debug)]
pub(super) enum Event {
    Answered {
        answer: Answer,
        from: SocketAddr,
        sends: u8,
        rtt: Duration,
    },
    /// `starved`: it was not sent as often as it should have been.
    Failed { why: Why, starved: bool },
}

#[derive(Debug)]
pub(super) struct Asker {
    config: Config,
    transactions: Transactions<Socket>,
    tokens: blake3::OutputReader,
    purposes: BTreeMap<TransactionId, (usize, Purpose)>,
    events: VecDeque<(usize, Purpose, Event)>,
    pub(super) outputs: VecDeque<Output>,
    fresh: u8,
    ports: BTreeMap<u8, u16>,
    pub(super) faults: Vec<Fault>,
    pub(super) sent: u32,
    pub(super) received: u32,
}

impl Asker {
    pub(super) fn new(config: Config, seed: [u8; 32]) -> Self {
        Self {
            config,
            transactions: Transactions::new(stun::Config::default(), seed),
            tokens: blake3::Hasher::new_derive_key(TOKENS)
                .update(&seed)
                .finalize_xof(),
            purposes: BTreeMap::new(),
            events: VecDeque::new(),
            outputs: VecDeque::new(),
            fresh: 0,
            ports: BTreeMap::new(),
            faults: Vec::new(),
            sent: 0,
            received: 0,
        }
    }

    pub(super) fn ask(
        &mut self,
        family: usize,
        purpose: Purpose,
        route: (Socket, SocketAddr),
        change: Change,
        retry: Retry,
        now: Instant,
    ) {
        let (socket, to) = route;
        match self.transactions.ask(socket, to, change, retry, now) {
            Ok(id) => {
                self.purposes.insert(id, (family, purpose));
            }
            Err(stun::Busy) => self.starve(family, purpose),
        }
        self.drain();
    }

    /// A socket nobody used, if there is one left.
    pub(super) fn fresh_socket(&mut self) -> Option<u8> {
        let next = self.fresh;
        if usize::from(next) >= FRESH {
            return None;
        }
        self.fresh += 1;
        Some(next)
    }

    pub(super) fn opened(&mut self, socket: Socket, port: u16) {
        if let Socket::Fresh(nth) = socket
            && usize::from(nth) < FRESH
        {
            self.ports.insert(nth, port);
        }
    }

    pub(super) fn port_of(&self, fresh: u8) -> Option<u16> {
        self.ports.get(&fresh).copied()
    }

    pub(super) fn reach(
        &mut self,
        helper: SocketAddr,
        origin: Origin,
        target: SocketAddr,
    ) -> [u8; 16] {
        let mut token = [0; 16];
        self.tokens.fill(&mut token);
        self.outputs.push_back(Output::Reach {
            helper,
            from: match origin {
                Origin::Near => ReachFrom::OtherPort,
                Origin::Far => ReachFrom::OtherNode,
            },
            token,
            target,
        });
        token
    }

    /// Sends a request to an address of our own; its id, unless the budget is spent.
    pub(super) fn send_home(&mut self, socket: Socket, to: SocketAddr) -> Option<TransactionId> {
        if self.sent >= self.config.packets {
            return None;
        }
        let mut id = [0; 12];
        self.tokens.fill(&mut id);
        let id = TransactionId(id);
        self.sent += 1;
        self.outputs.push_back(Output::Send {
            socket,
            to,
            datagram: stun::request(id, Change::Nothing),
        });
        Some(id)
    }

    pub(super) fn datagram(
        &mut self,
        socket: Socket,
        from: SocketAddr,
        bytes: &[u8],
        now: Instant,
    ) {
        let input = stun::Input::Datagram {
            socket,
            from,
            bytes,
        };
        self.transactions.handle_input(input, now);
        self.drain();
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        self.transactions.handle_timeout(now);
        self.drain();
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.transactions.poll_timeout()
    }

    pub(super) fn poll_event(&mut self) -> Option<(usize, Purpose, Event)> {
        self.events.pop_front()
    }

    /// Takes back what was not picked up.
    pub(super) fn discard(&mut self) {
        for output in self.outputs.drain(..) {
            self.sent -= u32::from(matches!(output, Output::Send { .. }));
        }
    }

    pub(super) fn has_events(&self) -> bool {
        !self.events.is_empty()
    }

    pub(super) fn fault(&mut self, server: SocketAddr, kind: FaultKind) {
        let fault = Fault { server, kind };
        if self.faults.len() < FAULTS && !self.faults.contains(&fault) {
            self.faults.push(fault);
        }
    }

    fn drain(&mut self) {
        while let Some(output) = self.transactions.poll_output() {
            match output {
                stun::Output::Send {
                    socket,
                    id,
                    to,
                    datagram,
                } => {
                    if self.sent < self.config.packets {
                        self.sent += 1;
                        self.outputs.push_back(Output::Send {
                            socket,
                            to,
                            datagram,
                        });
                    } else {
                        self.cancel(id);
                    }
                }
                stun::Output::Answered {
                    id,
                    answer,
                    from,
                    sends,
                    rtt,
                } => {
                    self.received += 1;
                    let event = Event::Answered {
                        answer,
                        from,
                        sends,
                        rtt,
                    };
                    self.ended(id, event);
                }
                stun::Output::Failed { id, why } => {
                    let starved = false;
                    self.ended(id, Event::Failed { why, starved });
                }
            }
        }
    }

    fn ended(&mut self, id: TransactionId, event: Event) {
        if let Some((family, purpose)) = self.purposes.remove(&id) {
            self.events.push_back((family, purpose, event));
        }
    }

    fn cancel(&mut self, id: TransactionId) {
        if let Some((family, purpose)) = self.purposes.remove(&id) {
            self.starve(family, purpose);
        }
        // The clock does not matter to what is cancelled.
        self.transactions.cancel(id);
    }

    fn starve(&mut self, family: usize, purpose: Purpose) {
        let event = Event::Failed {
            why: Why::Silence,
            starved: true,
        };
        self.events.push_back((family, purpose, event));
    }
}
