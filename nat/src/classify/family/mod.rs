//! What is asked and known in one address family.

mod answers;
mod asking;
mod conclude;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use dchat_wire::nat::{Allocation, ReachResult};

use super::asker::{Asker, Event, Purpose};
use super::event::{SERVERS, Server, ServerKind, Socket};
use super::hairpin::Hairpin;
use super::witness::Witness;
use crate::stun::TransactionId;

/// Asked at first: a majority of three outvotes one. Further ones take the place of those that fail, and
/// are asked when answers differ.
const FIRST: usize = 3;

/// A destination of the main socket.
#[derive(Debug)]
struct Target {
    operator: usize,
    address: SocketAddr,
    kind: ServerKind,
    /// The other address it names, where it may be one.
    other: Option<SocketAddr>,
    /// Whether this is itself an other address.
    is_other: bool,
    rtt: Option<Duration>,
    mapped: Option<SocketAddr>,
    /// Answered to the first datagram.
    in_turn: bool,
    settled: bool,
}

/// A fresh socket's first mapping.
#[derive(Debug)]
struct Taken {
    socket: u8,
    mapped: Option<SocketAddr>,
    in_turn: bool,
    settled: bool,
}

/// One family's share of the classification.
#[derive(Debug)]
pub(super) struct Family {
    index: usize,
    locals: Vec<SocketAddr>,
    reserves: Vec<Server>,
    targets: Vec<Target>,
    samples: Vec<Taken>,
    witnesses: Vec<(usize, Witness)>,
    hairpin: Hairpin,
    keeps_ports: bool,
    /// No fresh socket is left, or nobody to ask from it.
    exhausted: bool,
    /// When the next fresh socket may send.
    next: Instant,
    pace: Duration,
}

impl Family {
    /// `index` is 0 for IPv4 and 1 for IPv6; `servers` are those of the family.
    pub(super) fn new(
        index: usize,
        mut servers: Vec<Server>,
        locals: Vec<SocketAddr>,
        pace: Duration,
        now: Instant,
    ) -> Self {
        servers.truncate(SERVERS);
        servers.reverse();
        Self {
            index,
            locals,
            reserves: servers,
            targets: Vec::new(),
            samples: Vec::new(),
            witnesses: Vec::new(),
            hairpin: Hairpin::default(),
            keeps_ports: false,
            exhausted: false,
            next: now,
            pace,
        }
    }

    pub(super) fn begin(&mut self, asker: &mut Asker, now: Instant) {
        for _ in 0..FIRST {
            self.call_reserve(asker, now);
        }
    }

    pub(super) fn event(
        &mut self,
        purpose: Purpose,
        event: &Event,
        asker: &mut Asker,
        now: Instant,
    ) {
        match purpose {
            Purpose::Main(index) => self.main(index, event, asker, now),
            Purpose::Sample(index) => self.sampled(index, event, asker, now),
            Purpose::Elsewhere(index, origin) => {
                if let Some((_, witness)) = self.witnesses.get_mut(index) {
                    witness.changed(origin, event, asker);
                }
            }
        }
    }

    /// Asks whatever has become worth asking.
    pub(super) fn advance(&mut self, asker: &mut Asker, now: Instant) {
        self.keeps_ports = self.law(asker, &self.verdict()).allocation == Allocation::Preserving;
        self.ask_others(asker, now);
        self.call_witnesses(asker, now);
        self.take_samples(asker, now);
        for (_, witness) in &mut self.witnesses {
            witness.advance(asker, now);
        }
        self.try_hairpin(now);
        self.hairpin.advance(asker, now);
    }

    /// A reach datagram; whether a witness asked for it.
    pub(super) fn reached(&mut self, socket: Socket, from: SocketAddr, token: [u8; 16]) -> bool {
        self.witnesses
            .iter_mut()
            .filter(|(_, witness)| Socket::Fresh(witness.socket) == socket)
            .any(|(_, witness)| witness.reached(from, token))
    }

    pub(super) fn said(
        &mut self,
        helper: SocketAddr,
        token: [u8; 16],
        result: ReachResult,
        now: Instant,
    ) {
        for (_, witness) in &mut self.witnesses {
            if witness.server == helper {
                witness.said(token, result, now);
            }
        }
    }

    /// A request of ours that came back; whether it was one.
    pub(super) fn returned(&mut self, id: TransactionId) -> bool {
        self.hairpin.arrived(id)
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let sample = self.wants_sample().then_some(self.next);
        self.witnesses
            .iter()
            .filter_map(|(_, witness)| witness.poll_timeout())
            .chain(sample)
            .chain(self.hairpin.poll_timeout())
            .min()
    }

    pub(super) fn done(&self) -> bool {
        self.targets.iter().all(|target| target.settled)
            && self.samples.iter().all(|sample| sample.settled)
            && self.witnesses.iter().all(|(_, witness)| witness.done())
            && !self.wants_sample()
            && self.hairpin.poll_timeout().is_none()
    }

    /// Round trip and mapped address of a configured server.
    pub(super) fn answer_of(&self, server: SocketAddr) -> (Option<Duration>, Option<SocketAddr>) {
        self.targets
            .iter()
            .find(|target| target.address == server)
            .map_or((None, None), |target| (target.rtt, target.mapped))
    }
}
