//! The switch: whose is a datagram, and which way does it go.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Instant;

use dchat_wire::probe::Probe;

use super::address::{Leg, LegId, Route, VirtualAddress, canonical, may_be_offered};
use super::attached::{Arrival, Attached, ProbePair};
use super::bounds;
use super::connection::{Class, Connection, Stage};
use super::context::{Context, Output, Outputs, Transactions};
use super::limit::Bucket;
use super::packet::{Cid, Packet};
use super::path::{Path, PathInfo};
use super::replies::Replies;
use super::stats::Stats;

/// How large the tables may grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// Virtual addresses in all, default 4096: connections, attempts, and lately released ones.
    /// One takes about 2 KiB while attached.
    pub virtual_addresses: usize,
    /// Attempts of strangers that have shown no round trip, default 1024. It has to hold one batch
    /// of Initials (32 senders) until quinn has answered them; beyond that it only saves work.
    pub provisional: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            virtual_addresses: 4096,
            provisional: 1024,
        }
    }
}

/// What becomes of an inbound datagram.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is QUIC, and comes from this virtual address.
    Deliver(VirtualAddress),
    /// It is QUIC and of one of these connections, all with the same peer address, or a reset of
    /// one: to be delivered under each. quinn drops what comes to a connection from another's.
    Ambiguous(Vec<VirtualAddress>),
    /// It was ours and is dealt with, or is dropped; either way it is counted.
    Consumed,
}

/// What is told to the switch, besides datagrams.
#[derive(Clone, Debug)]
pub enum Input {
    /// TLS and HELLO are done. Without an entry (it was evicted) the address is
    /// [`Lost`](Output::Lost) at once.
    Attach {
        /// The connection.
        virt: VirtualAddress,
        /// What its probes are keyed with.
        keys: ProbePair,
    },
    /// The peer's addresses, replacing earlier ones. The first [`bounds::OFFERED`] are looked at.
    Offer {
        /// The connection.
        virt: VirtualAddress,
        /// Real addresses.
        remotes: Vec<SocketAddr>,
    },
    /// The connection was closed. Its packets are still routed for [`bounds::LINGER`].
    Release {
        /// The connection.
        virt: VirtualAddress,
    },
    /// The operating system refused to send that way: no route, no such source address, interface
    /// down.
    SendFailed {
        /// The connection.
        virt: VirtualAddress,
        /// The way it was to go.
        route: Route,
    },
    /// Interfaces or routes of this host are others now.
    InterfacesChanged,
}

/// The path switch; see the [module](super) for the contract.
#[derive(Debug)]
pub struct Switch {
    config: Config,
    legs: Vec<Leg>,
    key: [u8; 32],
    serial: u64,
    connections: BTreeMap<VirtualAddress, Connection>,
    cids: BTreeMap<Cid, VirtualAddress>,
    tags: BTreeMap<[u8; 8], VirtualAddress>,
    homes: BTreeSet<(LegId, SocketAddr, VirtualAddress)>,
    evictable: BTreeMap<(Class, u64), VirtualAddress>,
    unproven: usize,
    timers: BTreeSet<(Instant, VirtualAddress)>,
    replies: Replies,
    outputs: Outputs,
    transactions: Transactions,
    all_probes: Bucket,
    stats: Stats,
}

impl Switch {
    /// A switch over these legs, of which the first [`bounds::LEGS`] are used. `seed` keys virtual
    /// addresses and transaction ids and must be secret and fresh.
    #[must_use]
    pub fn new(config: Config, mut legs: Vec<Leg>, seed: [u8; 32]) -> Self {
        legs.truncate(bounds::LEGS);
        Self {
            config,
            legs,
            key: seed,
            serial: 0,
            connections: BTreeMap::new(),
            cids: BTreeMap::new(),
            tags: BTreeMap::new(),
            homes: BTreeSet::new(),
            evictable: BTreeMap::new(),
            unproven: 0,
            timers: BTreeSet::new(),
            replies: Replies::new(),
            outputs: Outputs::default(),
            transactions: Transactions::new(seed),
            all_probes: Bucket::new(bounds::ALL_PROBES_PER_SECOND, bounds::ALL_PROBE_BURST),
            stats: Stats::default(),
        }
    }

    /// Whose an inbound datagram is.
    pub fn inbound(&mut self, arrival: Arrival, datagram: &[u8], now: Instant) -> Verdict {
        match Packet::of(datagram) {
            Packet::Short { dcid } => self.inbound_short(&arrival, dcid, datagram.len(), now),
            Packet::Long {
                dcid, scid, opens, ..
            } => {
                let known = Cid::new(dcid).and_then(|cid| self.cids.get(&cid).copied());
                match known {
                    Some(virt) => self.known(virt, &arrival, datagram.len(), now),
                    None => self.handshake(&arrival, scid, opens),
                }
            }
            Packet::Probe => {
                let tag = Probe::tag(datagram);
                let Some(virt) = tag.and_then(|tag| self.tags.get(&tag).copied()) else {
                    self.stats.probe_unknown += 1;
                    return Verdict::Consumed;
                };
                self.attached(virt, now, |attached, cx| {
                    attached.probe_in(&arrival, datagram, cx);
                });
                Verdict::Consumed
            }
            Packet::Foreign => {
                self.stats.foreign += 1;
                Verdict::Consumed
            }
        }
    }

    /// Which way a datagram of quinn's goes: `datagram` is one, or the first of a batch of `len`
    /// bytes. `None` for an address that leads nowhere; it is counted.
    pub fn outbound(
        &mut self,
        virt: VirtualAddress,
        datagram: &[u8],
        len: usize,
        now: Instant,
    ) -> Option<Route> {
        let Some(connection) = self.connections.get_mut(&virt) else {
            let reply = self.replies.route(virt);
            self.stats.unmapped += u64::from(reply.is_none());
            return reply;
        };
        let route = connection.route();
        if matches!(connection.stage, Stage::Attached(_)) {
            self.attached(virt, now, |attached, cx| attached.data_out(len, cx));
        }
        if let Packet::Long {
            scid,
            names_source: true,
            ..
        } = Packet::of(datagram)
            && let Some(cid) = Cid::new(scid)
        {
            self.issue(virt, cid);
        }
        Some(route)
    }

    /// A virtual address for one attempt to reach `remote` over `leg`. When the table is full of
    /// connections, or the leg does not reach there, it leads nowhere and the attempt times out.
    pub fn dial(&mut self, leg: LegId, remote: SocketAddr) -> VirtualAddress {
        self.serial += 1;
        let virt = VirtualAddress::dialed(&self.key, self.serial);
        let remote = canonical(remote);
        let usable = self
            .legs
            .get(usize::from(leg.0))
            .is_some_and(|leg| leg.reaches(remote));
        if usable && self.make_room(Class::Proven) {
            let route = Route {
                leg,
                local: None,
                remote,
            };
            self.insert(virt, Connection::new(Stage::Dialed { lost: false }, route));
        }
        virt
    }

    /// The legs from which `remote` can be reached, in their order.
    pub fn legs_to(&self, remote: SocketAddr) -> impl Iterator<Item = LegId> {
        let remote = canonical(remote);
        let legs = (0..).zip(&self.legs);
        legs.filter(move |(_, leg)| leg.reaches(remote))
            .map(|(at, _)| LegId(at))
    }

    /// The path of a virtual address; `None` for one that leads nowhere.
    #[must_use]
    pub fn current(&self, virt: VirtualAddress, now: Instant) -> Option<PathInfo> {
        self.connections.get(&virt)?.info(&self.legs, now)
    }

    /// Whether probe keys are attached to this address.
    #[must_use]
    pub fn is_attached(&self, virt: VirtualAddress) -> bool {
        let connection = self.connections.get(&virt);
        connection.is_some_and(|connection| matches!(connection.stage, Stage::Attached(_)))
    }

    /// Counters and table sizes.
    #[must_use]
    pub fn stats(&self) -> Stats {
        Stats {
            virtual_addresses: self.connections.len(),
            provisional: self.evictable.range((Class::Unproven, 0)..).count(),
            cids: self.cids.len(),
            ..self.stats
        }
    }

    /// Takes what happened. Unknown virtual addresses are ignored.
    pub fn handle_input(&mut self, input: Input, now: Instant) {
        match input {
            Input::Attach { virt, keys } => self.attach(virt, keys, now),
            Input::Offer { virt, remotes } => self.offer(virt, &remotes, now),
            Input::Release { virt } => self.release(virt, now),
            Input::SendFailed { virt, route } => self.send_failed(virt, route, now),
            Input::InterfacesChanged => {
                let all: Vec<_> = self.connections.keys().copied().collect();
                for virt in all {
                    self.attached(virt, now, Attached::interfaces_changed);
                }
            }
        }
    }

    /// Does what is due at `now`.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some((at, virt)) = self.timers.first().copied().filter(|(at, _)| *at <= now) {
            self.timers.remove(&(at, virt));
            let Some(connection) = self.connections.get_mut(&virt) else {
                continue;
            };
            connection.armed = None;
            match connection.stage {
                Stage::Lingering { until } if until <= now => self.remove(virt),
                Stage::Attached(_) => {
                    self.attached(virt, now, Attached::handle_timeout);
                }
                Stage::Lingering { .. } | Stage::Provisional { .. } | Stage::Dialed { .. } => {
                    self.rearm(virt);
                }
            }
        }
    }

    /// The next thing to do, in order; to be drained after every call.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop()
    }

    /// Whether [`poll_output`](Self::poll_output) has something.
    #[must_use]
    pub fn has_output(&self) -> bool {
        !self.outputs.is_empty()
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due, possibly a little early. `None` when
    /// nothing is in doubt and nothing is pending.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.timers.first().map(|(at, _)| *at)
    }

    fn inbound_short(&mut self, arrival: &Arrival, dcid: Cid, len: usize, now: Instant) -> Verdict {
        if let Some(virt) = self.cids.get(&dcid).copied() {
            return self.known(virt, arrival, len, now);
        }
        let (leg, from) = (arrival.leg, arrival.from);
        let home = (leg, from, VirtualAddress::FIRST)..=(leg, from, VirtualAddress::LAST);
        // Who has shown no round trip has not been told an id either.
        let mut at_home: Vec<VirtualAddress> = self
            .homes
            .range(home)
            .map(|(_, _, virt)| *virt)
            .filter(|virt| self.class_of(*virt) != Some(Class::Unproven))
            .take(bounds::SHARED)
            .collect();
        self.stats.unknown_ids += u64::from(!at_home.is_empty());
        match (at_home.pop(), at_home.is_empty()) {
            (None, _) => self.stranger(VirtualAddress::provisional(&self.key, from, &[]), arrival),
            (Some(virt), true) => {
                self.learn(virt, dcid);
                Verdict::Deliver(virt)
            }
            (Some(virt), false) => {
                at_home.push(virt);
                Verdict::Ambiguous(at_home)
            }
        }
    }

    fn class_of(&self, virt: VirtualAddress) -> Option<Class> {
        self.connections.get(&virt)?.class()
    }

    /// A packet to one of our ids: it belongs to that connection, wherever it comes from.
    fn known(
        &mut self,
        virt: VirtualAddress,
        arrival: &Arrival,
        len: usize,
        now: Instant,
    ) -> Verdict {
        let Some(connection) = self.connections.get_mut(&virt) else {
            return Verdict::Deliver(virt);
        };
        match &mut connection.stage {
            Stage::Attached(_) => {
                self.attached(virt, now, |attached, cx| attached.data_in(arrival, len, cx));
            }
            // An id of ours came back from where our answer went: that address is real.
            Stage::Provisional { proven } if !*proven && connection.only.remote == arrival.from => {
                *proven = true;
                self.classify(virt);
            }
            Stage::Provisional { .. } | Stage::Dialed { .. } | Stage::Lingering { .. } => {}
        }
        Verdict::Deliver(virt)
    }

    /// A long header to an id that is not ours: somebody begins.
    fn handshake(&mut self, arrival: &Arrival, scid: &[u8], opens: bool) -> Verdict {
        let virt = VirtualAddress::provisional(&self.key, arrival.from, scid);
        if self.connections.contains_key(&virt) {
            return Verdict::Deliver(virt);
        }
        if !opens || !self.make_room(Class::Unproven) {
            return self.stranger(virt, arrival);
        }
        self.insert(
            virt,
            Connection::new(Stage::Provisional { proven: false }, arrival.back()),
        );
        Verdict::Deliver(virt)
    }

    fn stranger(&mut self, virt: VirtualAddress, arrival: &Arrival) -> Verdict {
        self.stats.strangers += 1;
        self.replies.note(virt, arrival.back());
        Verdict::Deliver(virt)
    }

    /// Binds an id we chose. It takes precedence over whatever was learned from outside.
    fn issue(&mut self, virt: VirtualAddress, cid: Cid) {
        let Some(connection) = self.connections.get_mut(&virt) else {
            return;
        };
        if connection.cids.issued.contains(&cid) {
            return;
        }
        let dropped = push_bounded(&mut connection.cids.issued, cid);
        let before = self.cids.insert(cid, virt);
        if let Some(other) = before.and_then(|before| self.connections.get_mut(&before)) {
            other.cids.learned.retain(|known| *known != cid);
        }
        self.forget_cid(virt, dropped);
    }

    /// Notes an id the peer begins to use, which was given to it under encryption. Anybody can send
    /// such a packet, so it never displaces what is known.
    fn learn(&mut self, virt: VirtualAddress, cid: Cid) {
        let Some(connection) = self.connections.get_mut(&virt) else {
            return;
        };
        let Stage::Attached(_) = connection.stage else {
            return;
        };
        let dropped = push_bounded(&mut connection.cids.learned, cid);
        self.cids.insert(cid, virt);
        self.forget_cid(virt, dropped);
    }

    fn forget_cid(&mut self, virt: VirtualAddress, cid: Option<Cid>) {
        if let Some(cid) = cid
            && self.cids.get(&cid) == Some(&virt)
        {
            self.cids.remove(&cid);
        }
    }

    fn attach(&mut self, virt: VirtualAddress, keys: ProbePair, now: Instant) {
        let only = self
            .connections
            .get(&virt)
            .and_then(|connection| match connection.stage {
                Stage::Provisional { .. } | Stage::Dialed { .. } => Some(connection.only),
                Stage::Attached(_) | Stage::Lingering { .. } => None,
            });
        let Some(path) = only.and_then(|only| Path::only(only, &self.legs, now)) else {
            if !self.connections.contains_key(&virt) {
                self.outputs.push(Output::Lost { virt }, &mut self.stats);
            }
            return;
        };
        let mut cx = Context {
            now,
            virt,
            legs: &self.legs,
            outputs: &mut self.outputs,
            transactions: &mut self.transactions,
            all_probes: &mut self.all_probes,
            stats: &mut self.stats,
        };
        let attached = Attached::new(keys, path, &mut cx);
        self.tags.insert(attached.their_tag(), virt);
        if let Some(connection) = self.connections.get_mut(&virt) {
            connection.stage = Stage::Attached(Box::new(attached));
        }
        self.classify(virt);
        self.rearm(virt);
    }

    fn offer(&mut self, virt: VirtualAddress, remotes: &[SocketAddr], now: Instant) {
        let Some(connection) = self.connections.get(&virt) else {
            return;
        };
        let loopback = connection.route().remote.ip().is_loopback();
        let mut routes: Vec<(LegId, SocketAddr)> = Vec::new();
        for remote in remotes.iter().take(bounds::OFFERED).copied().map(canonical) {
            if !may_be_offered(remote, loopback) {
                continue;
            }
            routes.extend(self.legs_to(remote).map(|leg| (leg, remote)));
        }
        // The preferred family first; otherwise in the peer's order.
        routes.sort_by_key(|(_, remote)| remote.is_ipv4());
        let mut seen = BTreeSet::new();
        routes.retain(|route| seen.insert(*route));
        self.attached(virt, now, |attached, cx| attached.offer(routes, cx));
    }

    fn release(&mut self, virt: VirtualAddress, now: Instant) {
        let Some(connection) = self.connections.get_mut(&virt) else {
            return;
        };
        connection.only = connection.route();
        let before = std::mem::replace(
            &mut connection.stage,
            Stage::Lingering {
                until: now + bounds::LINGER,
            },
        );
        // Its remaining packets come to ids that are known; others are a newer connection's.
        let (leg, addr) = connection.home;
        self.homes.remove(&(leg, addr, virt));
        self.forget_tag(virt, &before);
        self.classify(virt);
        self.rearm(virt);
    }

    fn send_failed(&mut self, virt: VirtualAddress, route: Route, now: Instant) {
        self.stats.send_failed += 1;
        let Some(connection) = self.connections.get_mut(&virt) else {
            return;
        };
        match &mut connection.stage {
            Stage::Dialed { lost } => {
                if !std::mem::replace(lost, true) {
                    self.outputs.push(Output::Lost { virt }, &mut self.stats);
                }
            }
            Stage::Attached(_) => {
                self.attached(virt, now, |attached, cx| {
                    attached.send_failed(route.leg, route.remote, cx);
                });
            }
            Stage::Provisional { .. } | Stage::Lingering { .. } => connection.only.local = None,
        }
    }

    /// Lets an attached connection act, then keeps the tables about it right.
    fn attached(
        &mut self,
        virt: VirtualAddress,
        now: Instant,
        act: impl FnOnce(&mut Attached, &mut Context<'_>),
    ) {
        let Some(connection) = self.connections.get_mut(&virt) else {
            return;
        };
        let Stage::Attached(attached) = &mut connection.stage else {
            return;
        };
        let mut cx = Context {
            now,
            virt,
            legs: &self.legs,
            outputs: &mut self.outputs,
            transactions: &mut self.transactions,
            all_probes: &mut self.all_probes,
            stats: &mut self.stats,
        };
        act(attached, &mut cx);
        let home = (attached.active().leg, attached.active().remote);
        let wake_at = attached.wake_at();
        if home != connection.home {
            let (leg, addr) = std::mem::replace(&mut connection.home, home);
            self.homes.remove(&(leg, addr, virt));
            self.homes.insert((home.0, home.1, virt));
        }
        Self::arm(&mut self.timers, connection, virt, wake_at);
    }

    fn rearm(&mut self, virt: VirtualAddress) {
        if let Some(connection) = self.connections.get_mut(&virt) {
            let wake_at = connection.wake_at();
            Self::arm(&mut self.timers, connection, virt, wake_at);
        }
    }

    /// Sets the timer if none is set early enough. One that is too early is left: it finds nothing
    /// due and sets the next, which costs less than moving it with every packet.
    fn arm(
        timers: &mut BTreeSet<(Instant, VirtualAddress)>,
        connection: &mut Connection,
        virt: VirtualAddress,
        wake_at: Option<Instant>,
    ) {
        let Some(at) = wake_at.filter(|at| connection.armed.is_none_or(|armed| *at < armed)) else {
            return;
        };
        if let Some(armed) = connection.armed.replace(at) {
            timers.remove(&(armed, virt));
        }
        timers.insert((at, virt));
    }

    fn insert(&mut self, virt: VirtualAddress, connection: Connection) {
        let (leg, addr) = connection.home;
        self.homes.insert((leg, addr, virt));
        self.connections.insert(virt, connection);
        self.classify(virt);
    }

    fn remove(&mut self, virt: VirtualAddress) {
        let Some(connection) = self.connections.remove(&virt) else {
            return;
        };
        let (leg, addr) = connection.home;
        self.homes.remove(&(leg, addr, virt));
        if let Some(at) = connection.armed {
            self.timers.remove(&(at, virt));
        }
        if let Some(key) = connection.evictable {
            self.evictable.remove(&key);
            self.unproven -= usize::from(key.0 == Class::Unproven);
        }
        for cid in connection
            .cids
            .issued
            .iter()
            .chain(&connection.cids.learned)
        {
            self.forget_cid(virt, Some(*cid));
        }
        self.forget_tag(virt, &connection.stage);
    }

    fn forget_tag(&mut self, virt: VirtualAddress, stage: &Stage) {
        if let Stage::Attached(attached) = stage
            && self.tags.get(&attached.their_tag()) == Some(&virt)
        {
            self.tags.remove(&attached.their_tag());
        }
    }

    /// Puts a connection where its stage says it may be evicted.
    fn classify(&mut self, virt: VirtualAddress) {
        let Some(connection) = self.connections.get_mut(&virt) else {
            return;
        };
        self.serial += 1;
        let key = connection.class().map(|class| (class, self.serial));
        let before = std::mem::replace(&mut connection.evictable, key);
        if let Some(before) = before {
            self.evictable.remove(&before);
            self.unproven -= usize::from(before.0 == Class::Unproven);
        }
        if let Some(key) = key {
            self.evictable.insert(key, virt);
            self.unproven += usize::from(key.0 == Class::Unproven);
        }
    }

    /// Makes room for one more by evicting what is worth no more than `worth`, oldest first.
    /// `false` when there is no such.
    fn make_room(&mut self, worth: Class) -> bool {
        if worth == Class::Unproven && self.unproven >= self.config.provisional {
            let oldest = self.evictable.range((Class::Unproven, 0)..).next();
            if let Some((_, virt)) = oldest.map(|(key, virt)| (*key, *virt)) {
                self.stats.evicted += 1;
                self.remove(virt);
            }
        }
        if self.connections.len() < self.config.virtual_addresses {
            return true;
        }
        let Some((key, virt)) = self
            .evictable
            .first_key_value()
            .map(|(key, virt)| (*key, *virt))
        else {
            return false;
        };
        if key.0 > worth {
            return false;
        }
        self.stats.evicted += u64::from(key.0 != Class::Lingering);
        self.remove(virt);
        true
    }
}

fn push_bounded(cids: &mut Vec<Cid>, cid: Cid) -> Option<Cid> {
    let dropped = (cids.len() >= bounds::CIDS).then(|| cids.remove(0));
    cids.push(cid);
    dropped
}
