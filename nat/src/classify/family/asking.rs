//! Whom to ask next.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use dchat_wire::nat::Mapping;

use super::{Family, Taken, Target};
use crate::classify::asker::{Asker, Purpose};
use crate::classify::event::{ServerKind, Socket};
use crate::classify::mapping;
use crate::classify::witness::{Means, Witness};
use crate::stun::{Change, Retry};

/// Witnesses: two that contradict each other show which one lies.
const WITNESSES: usize = 2;

/// Other addresses of RFC 5780 servers that are looked at.
const OTHERS: usize = 2;

/// Fresh sockets where the law of the ports is not plain after two, by family: IPv6 is hardly ever
/// translated.
const SAMPLES: [usize; 2] = [8, 3];

impl Family {
    pub(super) fn call_reserve(&mut self, asker: &mut Asker, now: Instant) {
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
    pub(super) fn ask_others(&mut self, asker: &mut Asker, now: Instant) {
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
            // Nobody's voice may count for another operator, whose other address this is said to be.
            let is_taken = self.targets.iter().any(|target| {
                let is_same_host = target.address.ip() == address.ip();
                target.address == address || is_same_host && target.operator != operator
            });
            if !is_taken {
                self.ask_main(operator, address, kind, true, asker, now);
            }
        }
    }

    pub(super) fn call_witnesses(&mut self, asker: &mut Asker, now: Instant) {
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

    pub(super) fn take_samples(&mut self, asker: &mut Asker, now: Instant) {
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
    pub(super) fn wants_sample(&self) -> bool {
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

    pub(super) fn try_hairpin(&mut self, now: Instant) {
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
}
