//! What is asked and known in one address family.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use dchat_wire::nat::{Allocation, Filtering, Mapping, NatClass, ReachResult};

use super::asker::{Asker, Event, Purpose};
use super::event::{SERVERS, Server, ServerKind, Socket};
use super::hairpin::Hairpin;
use super::mapping::{self, Testimony};
use super::ports::{self, Law, Sample};
use super::report::{FamilyReport, FaultKind, Lacking};
use super::witness::{Means, Witness};
use super::{filtering, plausible};
use crate::scope::scope;
use crate::stun::{Change, Retry, TransactionId, Why};

/// Asked at first: a majority of three outvotes one. Further ones take the place of those that fail, and
/// are asked when answers differ.
const FIRST: usize = 3;

/// Witnesses: two that contradict each other show which one lies.
const WITNESSES: usize = 2;

/// Other addresses of RFC 5780 servers that are looked at.
const OTHERS: usize = 2;

/// Fresh sockets where the law of the ports is not plain after two, by family: IPv6 is hardly ever
/// translated.
const SAMPLES: [usize; 2] = [8, 3];

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

    pub(super) fn report(&self, asker: &mut Asker) -> FamilyReport {
        let seen = self.verdict();
        for operator in &seen.outvoted {
            if let Some(target) = self.targets.iter().find(|t| t.operator == *operator) {
                asker.fault(target.address, FaultKind::Outvoted);
            }
        }
        let witnesses: Vec<filtering::Witness> = self
            .witnesses
            .iter()
            .map(|(_, witness)| witness.verdict(self.other_answers(witness.operator)))
            .collect();
        for index in filtering::contradicted(&witnesses) {
            if let Some((_, witness)) = self.witnesses.get(index) {
                asker.fault(witness.server, FaultKind::NotSent);
            }
        }
        let works = self.targets.iter().any(|target| target.mapped.is_some());
        let (filter, no_filter) = filtering::verdict(&witnesses, seen.mapping);
        let law = self.law(asker, &seen);
        let mut lacking: Vec<Lacking> = seen.lacking.into_iter().collect();
        if works {
            lacking.extend(no_filter);
            if law.allocation == Allocation::Unknown {
                lacking.push(Lacking::Ports);
            }
        }
        FamilyReport {
            works,
            class: class(seen.mapping, filter, law),
            public: seen.public,
            hairpin: self.hairpins(seen.mapping, filter),
            again: class(seen.mapping, filter, self.law_again(seen.mapping)),
            lacking,
        }
    }

    fn main(&mut self, index: usize, event: &Event, asker: &mut Asker, now: Instant) {
        let own = self.index;
        let Some(target) = self.targets.get_mut(index) else {
            return;
        };
        target.settled = true;
        match event {
            Event::Answered {
                answer, sends, rtt, ..
            } => {
                target.rtt = Some(*rtt);
                target.in_turn = *sends == 1;
                if plausible(answer.mapped, own) {
                    target.mapped = Some(answer.mapped);
                } else {
                    asker.fault(target.address, FaultKind::Implausible);
                }
                let other = answer.other.filter(|_| !target.is_other);
                target.other = other.filter(|other| {
                    plausible(*other, own)
                        && other.ip() != target.address.ip()
                        // A server outside sends us nowhere inside.
                        && scope(other.ip()) == scope(target.address.ip())
                });
                if other.is_some() && target.other.is_none() {
                    asker.fault(target.address, FaultKind::NoOther);
                }
            }
            Event::Failed { why, starved } => {
                if let Why::Refused(_) = why {
                    asker.fault(target.address, FaultKind::Refused);
                }
                if target.is_other && !starved {
                    let operator = target.operator;
                    if let Some(named) = self.targets.iter().find(|t| t.operator == operator) {
                        asker.fault(named.address, FaultKind::NoOther);
                    }
                } else {
                    self.call_reserve(asker, now);
                }
            }
        }
    }

    fn sampled(&mut self, index: usize, event: &Event, asker: &mut Asker, now: Instant) {
        let own = self.index;
        let Some(sample) = self.samples.get_mut(index) else {
            return;
        };
        sample.settled = true;
        if let Event::Answered { answer, sends, .. } = event
            && plausible(answer.mapped, own)
        {
            sample.mapped = Some(answer.mapped);
            sample.in_turn = *sends == 1;
        }
        let mapped = sample.mapped;
        let witness = self
            .witnesses
            .iter_mut()
            .enumerate()
            .find(|(_, (of, _))| *of == index);
        if let Some((nth, (_, witness))) = witness {
            match mapped {
                Some(mapped) => witness.begin((own, nth), mapped, asker, now),
                None => witness.abandon(),
            }
        }
    }

    fn call_reserve(&mut self, asker: &mut Asker, now: Instant) {
        if let Some(server) = self.reserves.pop() {
            let operator = self.operator(server.address.ip());
            self.ask_main(operator, server.address, server.kind, false, asker, now);
        }
    }

    /// Servers of one address are one operator.
    fn operator(&self, ip: IpAddr) -> usize {
        self.targets
            .iter()
            .find(|target| target.address.ip() == ip)
            .map_or(self.targets.len(), |target| target.operator)
    }

    fn ask_main(
        &mut self,
        operator: usize,
        address: SocketAddr,
        kind: ServerKind,
        is_other: bool,
        asker: &mut Asker,
        now: Instant,
    ) {
        let index = self.targets.len();
        self.targets.push(Target {
            operator,
            address,
            kind,
            other: None,
            is_other,
            rtt: None,
            mapped: None,
            in_turn: false,
            settled: false,
        });
        let route = (Socket::Main, address);
        let purpose = Purpose::Main(index);
        asker.ask(
            self.index,
            purpose,
            route,
            Change::Nothing,
            Retry::BRIEF,
            now,
        );
    }

    /// Looks at RFC 5780 servers' other addresses, and where the mapping depends on the destination at
    /// their other ports too.
    fn ask_others(&mut self, asker: &mut Asker, now: Instant) {
        let depends = mapping::depends(&self.testimonies());
        // Either someone lies or the mapping depends on who looks: every further voice helps.
        while depends && !self.reserves.is_empty() {
            self.call_reserve(asker, now);
        }
        let wanted: Vec<(usize, SocketAddr, ServerKind)> = self
            .targets
            .iter()
            .filter_map(|target| target.other.map(|other| (target, other)))
            .take(OTHERS)
            .flat_map(|(target, other)| {
                let port = SocketAddr::new(target.address.ip(), other.port());
                let both = [Some(other), depends.then_some(port)];
                both.into_iter()
                    .flatten()
                    .map(|address| (target.operator, address, target.kind))
            })
            .collect();
        for (operator, address, kind) in wanted {
            if !self.targets.iter().any(|target| target.address == address) {
                self.ask_main(operator, address, kind, true, asker, now);
            }
        }
    }

    fn call_witnesses(&mut self, asker: &mut Asker, now: Instant) {
        let fit: Vec<(SocketAddr, usize, Means, Duration)> = self
            .targets
            .iter()
            .filter(|target| !target.is_other && target.mapped.is_some())
            .filter_map(|target| {
                let means = match (target.kind, target.other) {
                    (ServerKind::Node, _) => Means::Reach,
                    (ServerKind::Stun, Some(_)) => Means::Change,
                    (ServerKind::Stun, None) => return None,
                };
                Some((target.address, target.operator, means, target.rtt?))
            })
            .collect();
        for (server, operator, means, rtt) in fit {
            let known = self
                .witnesses
                .iter()
                .any(|(_, witness)| witness.operator == operator);
            if known || self.witnesses.len() >= WITNESSES {
                continue;
            }
            if let Some((socket, sample)) = self.sample(server, asker, now) {
                let witness = Witness::new(server, operator, means, socket, rtt);
                self.witnesses.push((sample, witness));
            }
        }
    }

    fn take_samples(&mut self, asker: &mut Asker, now: Instant) {
        if self.next > now || !self.wants_sample() {
            return;
        }
        let outvoted = self.verdict().outvoted;
        let sources: Vec<SocketAddr> = self
            .targets
            .iter()
            .filter(|target| target.mapped.is_some() && !target.is_other)
            .filter(|target| !outvoted.contains(&target.operator))
            .map(|target| target.address)
            .collect();
        let nth = self.samples.len();
        let taken = sources
            .get(nth % sources.len().max(1))
            .and_then(|server| self.sample(*server, asker, now));
        self.exhausted = taken.is_none();
    }

    fn sample(
        &mut self,
        server: SocketAddr,
        asker: &mut Asker,
        now: Instant,
    ) -> Option<(u8, usize)> {
        let socket = asker.fresh_socket()?;
        let index = self.samples.len();
        self.samples.push(Taken {
            socket,
            mapped: None,
            in_turn: false,
            settled: false,
        });
        self.next = now + self.pace;
        let route = (Socket::Fresh(socket), server);
        let purpose = Purpose::Sample(index);
        asker.ask(
            self.index,
            purpose,
            route,
            Change::Nothing,
            Retry::BRIEF,
            now,
        );
        Some((socket, index))
    }

    /// Two fresh sockets show whether ports are kept; only if they are not, more are needed.
    fn wants_sample(&self) -> bool {
        let Some(seen) = self.targets.iter().find_map(|target| target.mapped) else {
            return false;
        };
        if self.exhausted || self.locals.contains(&seen) {
            return false;
        }
        let most = SAMPLES.get(self.index).copied().unwrap_or_default();
        let plain = self.locals.iter().any(|local| local.port() == seen.port());
        let answered = self.samples.iter().filter(|sample| sample.settled).count();
        let enough = if plain { 2 } else { most };
        self.samples.len() < enough
            || self.samples.len() < most && answered >= 2 && !self.keeps_ports
    }

    fn try_hairpin(&mut self, now: Instant) {
        if self.hairpin.begun() {
            return;
        }
        let seen = self.verdict();
        let settled = self.targets.iter().all(|target| target.settled);
        if let Some(main) = seen.public
            && seen.mapping != Mapping::None
            && (settled || seen.mapping == Mapping::EndpointIndependent)
            && mapping::vouched(&self.testimonies(), main.ip())
            && let Some((fresh, mapped)) = self
                .samples
                .iter()
                .filter_map(|sample| Some((sample.socket, sample.mapped?)))
                .find(|(_, mapped)| mapped.ip() == main.ip())
        {
            self.hairpin.begin(main, fresh, mapped, now);
        }
    }

    fn testimonies(&self) -> Vec<Testimony> {
        self.targets
            .iter()
            .filter_map(|target| {
                Some(Testimony {
                    operator: target.operator,
                    server: target.address,
                    mapped: target.mapped?,
                })
            })
            .collect()
    }

    fn verdict(&self) -> mapping::Verdict {
        mapping::verdict(&self.testimonies(), &self.locals)
    }

    fn other_answers(&self, operator: usize) -> bool {
        self.targets
            .iter()
            .any(|t| t.is_other && t.operator == operator && t.mapped.is_some())
    }

    fn law(&self, asker: &Asker, seen: &mapping::Verdict) -> Law {
        if seen.mapping == Mapping::None {
            return Law {
                allocation: Allocation::Preserving,
                ..Law::default()
            };
        }
        // The main socket's may have been mapped long ago, and only the first may keep its port.
        let mut own = self.mappings();
        for sample in &mut own {
            sample.in_turn = false;
        }
        if let Some(first) = own.first_mut() {
            first.internal = self.locals.first().map(SocketAddr::port);
        }
        let fresh = self.samples.iter().filter_map(|sample| {
            Some(Sample {
                internal: asker.port_of(sample.socket),
                external: sample.mapped?.port(),
                in_turn: sample.in_turn,
            })
        });
        ports::law(&own.into_iter().chain(fresh).collect::<Vec<_>>())
    }

    fn law_again(&self, mapping: Mapping) -> Law {
        match mapping {
            Mapping::AddressDependent | Mapping::AddressAndPortDependent => {
                ports::law(&self.mappings())
            }
            Mapping::Unknown | Mapping::None | Mapping::EndpointIndependent => Law::default(),
        }
    }

    /// The main socket's mappings to one server after another, each once.
    fn mappings(&self) -> Vec<Sample> {
        let mut seen: Vec<Sample> = Vec::new();
        for target in &self.targets {
            let Some(mapped) = target.mapped else {
                continue;
            };
            if seen.iter().all(|sample| sample.external != mapped.port()) {
                seen.push(Sample {
                    internal: None,
                    external: mapped.port(),
                    in_turn: target.in_turn,
                });
            }
        }
        seen
    }

    /// Silence counts where a NAT that sends it back would have let it in.
    fn hairpins(&self, mapping: Mapping, filter: Filtering) -> Option<bool> {
        let would_show = mapping == Mapping::EndpointIndependent
            || mapping != Mapping::Unknown && filter == Filtering::EndpointIndependent;
        if self.hairpin.arrived {
            Some(true)
        } else {
            (would_show && self.hairpin.silent()).then_some(false)
        }
    }
}

fn class(mapping: Mapping, filtering: Filtering, law: Law) -> NatClass {
    NatClass {
        mapping,
        filtering,
        allocation: law.allocation,
        stride: law.stride,
        block_first: law.block_first,
        block_len: law.block_len,
    }
}
