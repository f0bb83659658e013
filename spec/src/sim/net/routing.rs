//! Moving packets, and time with them.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;

use super::host::{Host, HostId, Interface, InterfaceId, Unroutable};
use super::link::{Fate, Link, Loss, Quality};
use super::packet::Packet;
use super::realm::{BoxId, Middlebox, Place, Realm, RealmId};
use crate::sim::nat::{Behaviour, Mapping, Refused, Translator};
use crate::sim::queue::Queue;
use crate::sim::rng::Rng;
use crate::sim::time::Time;
use crate::sim::trace::Trace;

/// Something the caller of [`Net::next`] has to deal with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Occurrence {
    /// A datagram came to an address of a host.
    Datagram {
        /// To whom.
        host: HostId,
        /// As it came in.
        packet: Packet,
    },
    /// The timer of a host rings.
    Wake {
        /// Whose.
        host: HostId,
    },
    /// A moment that was asked for.
    Due {
        /// What was given to [`Net::schedule`].
        token: u64,
    },
}

/// Packets that did not arrive, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Drops {
    /// Lost by chance on a link.
    pub chance: u64,
    /// Larger than a link's MTU.
    pub too_large: u64,
    /// Into a full queue.
    pub queue: u64,
    /// Into a link that is cut.
    pub cut: u64,
    /// To an address nobody has, and no gateway leads to.
    pub unroutable: u64,
    /// By a box: no mapping.
    pub no_mapping: u64,
    /// By a box: filtered.
    pub filtered: u64,
    /// By a box: no place for a mapping.
    pub exhausted: u64,
    /// By a box: no hairpinning.
    pub no_hairpin: u64,
}

#[derive(Debug)]
enum Step {
    /// A packet stands in a realm.
    In(RealmId, Packet),
    /// It comes to a box from outside.
    Outside(BoxId, Packet),
    /// It comes to a host.
    Host(HostId, Packet),
    Wake(HostId),
    Due(u64),
}

/// Kinds of events in the trace.
mod kind {
    pub(super) const DELIVERED: u8 = 1;
    pub(super) const SENT: u8 = 2;
    pub(super) const DROPPED: u8 = 3;
    pub(super) const WAKE: u8 = 4;
    pub(super) const DUE: u8 = 5;
    pub(super) const ACTION: u8 = 6;
}

/// The network; see the [module](super) for the contract.
#[derive(Debug)]
pub struct Net {
    seed: u64,
    now: Time,
    queue: Queue<Step>,
    realms: Vec<Realm>,
    hosts: Vec<Host>,
    links: u64,
    trace: Trace,
    drops: Drops,
    /// Pairs of public addresses between which nothing gets through, the lower one first.
    parted: BTreeSet<[IpAddr; 2]>,
    pub(super) boxes: Vec<Middlebox>,
}

impl Net {
    /// The internet, with nobody in it.
    pub const INTERNET: RealmId = RealmId(0);

    /// An empty network. Everything random in it comes from `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            now: Time::ZERO,
            queue: Queue::new(),
            realms: vec![Realm::default()],
            hosts: Vec::new(),
            links: 0,
            trace: Trace::new(),
            drops: Drops::default(),
            parted: BTreeSet::new(),
            boxes: Vec::new(),
        }
    }

    /// Adds a realm that nothing leads to yet.
    pub fn realm(&mut self) -> RealmId {
        self.realms.push(Realm::default());
        RealmId(self.realms.len() - 1)
    }

    /// Adds a box between two realms. It passes the family of its public addresses; without any it
    /// is a firewall for IPv6. `outside` is the quality of its link outside.
    pub fn middlebox(
        &mut self,
        (inside, outside): (RealmId, RealmId),
        behaviour: Behaviour,
        public: Vec<IpAddr>,
        quality: Quality,
    ) -> BoxId {
        let id = BoxId(self.boxes.len());
        let ipv6 = public.first().is_none_or(IpAddr::is_ipv6);
        if let Some(realm) = self.realms.get_mut(outside.0) {
            realm
                .places
                .extend(public.iter().map(|ip| (*ip, Place::Outside(id))));
            if behaviour.mapping == Mapping::None {
                realm.firewalls.push(id);
            }
        }
        if let Some(realm) = self.realms.get_mut(inside.0) {
            realm.gateways.push(id);
        }
        let rng = Rng::new(self.seed, "middlebox", id.0 as u64);
        let link = self.link(quality);
        self.boxes.push(Middlebox {
            translator: Translator::new(behaviour, public, rng),
            inside,
            outside,
            ipv6,
            link,
        });
        id
    }

    /// Adds a host without an interface.
    pub fn host(&mut self) -> HostId {
        self.hosts.push(Host::default());
        HostId(self.hosts.len() - 1)
    }

    /// Adds an interface to a host.
    pub fn interface(
        &mut self,
        host: HostId,
        realm: RealmId,
        addresses: Vec<IpAddr>,
        quality: Quality,
    ) -> InterfaceId {
        let link = self.link(quality);
        let mut id = InterfaceId(0);
        if let Some(host) = self.hosts.get_mut(host.0) {
            id = InterfaceId(host.interfaces.len());
            host.interfaces.push(Interface {
                realm,
                addresses,
                link,
                up: true,
            });
        }
        self.attach(host, id);
        id
    }

    /// What time it is.
    #[must_use]
    pub fn now(&self) -> Time {
        self.now
    }

    /// Everything that happened so far.
    #[must_use]
    pub fn trace(&self) -> &Trace {
        &self.trace
    }

    /// What did not arrive so far.
    #[must_use]
    pub fn drops(&self) -> Drops {
        self.drops
    }

    /// A box, to look at.
    #[must_use]
    pub fn translator(&self, at: BoxId) -> Option<&Translator> {
        self.boxes.get(at.0).map(|middlebox| &middlebox.translator)
    }

    /// The addresses a host has now, of interfaces that are up, in their order.
    #[must_use]
    pub fn addresses(&self, host: HostId) -> Vec<IpAddr> {
        let interfaces = self
            .hosts
            .get(host.0)
            .map_or(&[][..], |host| &host.interfaces);
        let up = interfaces.iter().filter(|interface| interface.up);
        up.flat_map(|interface| interface.addresses.iter().copied())
            .collect()
    }

    /// A host sends a datagram from a port of its own, from `source` if it insists on one.
    ///
    /// # Errors
    /// [`Unroutable`] when no interface can send it. Nothing was sent.
    pub fn send(
        &mut self,
        host: HostId,
        (source, port): (Option<IpAddr>, u16),
        dst: SocketAddr,
        payload: Bytes,
    ) -> Result<(), Unroutable> {
        let found = self.hosts.get(host.0).ok_or(Unroutable)?;
        if found.dead {
            return Err(Unroutable);
        }
        if found.has(dst.ip()) {
            let src = SocketAddr::new(source.unwrap_or(dst.ip()), port);
            let packet = Packet { src, dst, payload };
            self.trace
                .note(kind::SENT, self.now, [src, dst], &packet.payload);
            self.queue.push(self.now, Step::Host(host, packet));
            return Ok(());
        }
        let ways = found.interfaces.iter().enumerate();
        let mut ways = ways.filter_map(|(at, way)| Some((at, way.source(source, dst.ip())?)));
        // A neighbour before a gateway, as a longer prefix does.
        let near = ways.clone().find(|(at, _)| {
            let realm = found.interfaces.get(*at).map(|way| way.realm);
            let realm = realm.and_then(|realm| self.realms.get(realm.0));
            realm.is_some_and(|realm| realm.places.contains_key(&dst.ip()))
        });
        let (at, ip) = near.or_else(|| ways.next()).ok_or(Unroutable)?;
        let packet = Packet {
            src: SocketAddr::new(ip, port),
            dst,
            payload,
        };
        let ends = [packet.src, dst];
        self.trace.note(kind::SENT, self.now, ends, &packet.payload);
        let interface = self
            .interface_mut(host, InterfaceId(at))
            .ok_or(Unroutable)?;
        let realm = interface.realm;
        let now = self.now;
        let interface = self
            .interface_mut(host, InterfaceId(at))
            .ok_or(Unroutable)?;
        match interface.link.up.pass(packet.size(), now) {
            Fate::Arrives(at) => self.queue.push(at, Step::In(realm, packet)),
            Fate::Dropped(loss) => self.lost(loss, &packet),
        }
        Ok(())
    }

    /// Sets the timer of a host in place of the one before; `None` stops it.
    pub fn wake(&mut self, host: HostId, at: Option<Time>) {
        let now = self.now;
        let Some(found) = self.hosts.get_mut(host.0).filter(|found| !found.dead) else {
            return;
        };
        let at = at.map(|at| at.max(now));
        if found.wake != at {
            found.wake = at;
            if let Some(at) = at {
                self.queue.push(at, Step::Wake(host));
            }
        }
    }

    /// Asks for an [`Occurrence::Due`] after `span`.
    pub fn schedule(&mut self, span: Duration, token: u64) {
        self.queue.push(self.now + span, Step::Due(token));
    }

    /// When the next step is, which need not become an occurrence.
    #[must_use]
    pub fn next_at(&self) -> Option<Time> {
        self.queue.next_at()
    }

    /// Moves time to the next occurrence no later than `until`. `None` when there is none; time is
    /// where the last step was.
    pub fn next(&mut self, until: Time) -> Option<Occurrence> {
        while self.queue.next_at().is_some_and(|at| at <= until) {
            let (at, step) = self.queue.pop()?;
            self.now = at;
            match step {
                Step::In(realm, packet) => self.route(realm, packet),
                Step::Outside(at, packet) => self.enter(at, packet),
                Step::Host(host, packet) => {
                    let there = self.hosts.get(host.0);
                    if there.is_some_and(|host| !host.dead && host.has(packet.dst.ip())) {
                        self.note(kind::DELIVERED, &packet);
                        return Some(Occurrence::Datagram { host, packet });
                    }
                    self.drops.unroutable += 1;
                    self.note(kind::DROPPED, &packet);
                }
                Step::Wake(host) => {
                    let found = self.hosts.get_mut(host.0);
                    if let Some(found) = found.filter(|found| found.wake == Some(at)) {
                        found.wake = None;
                        self.trace.mark(kind::WAKE, at, host.0 as u64);
                        return Some(Occurrence::Wake { host });
                    }
                }
                Step::Due(token) => {
                    self.trace.mark(kind::DUE, at, token);
                    return Some(Occurrence::Due { token });
                }
            }
        }
        None
    }

    /// From a realm, one link further.
    fn route(&mut self, realm: RealmId, packet: Packet) {
        let to = packet.dst.ip();
        if realm == Self::INTERNET && !self.parted.is_empty() {
            let mut ends = [packet.src.ip(), to];
            ends.sort_unstable();
            if self.parted.contains(&ends) {
                self.lost(Loss::Cut, &packet);
                return;
            }
        }
        let Some(found) = self.realms.get(realm.0) else {
            return;
        };
        let place = found.places.get(&to).copied().or_else(|| {
            let mut firewalls = found.firewalls.iter().copied();
            firewalls
                .find(|at| self.is_behind(*at, to))
                .map(Place::Outside)
        });
        let now = self.now;
        match place {
            Some(Place::Interface(host, interface)) => {
                let Some(interface) = self.interface_mut(host, interface) else {
                    return;
                };
                match interface.link.down.pass(packet.size(), now) {
                    Fate::Arrives(at) => self.queue.push(at, Step::Host(host, packet)),
                    Fate::Dropped(loss) => self.lost(loss, &packet),
                }
            }
            Some(Place::Outside(id)) => {
                let Some(middlebox) = self.boxes.get_mut(id.0) else {
                    return;
                };
                match middlebox.link.down.pass(packet.size(), now) {
                    Fate::Arrives(at) => self.queue.push(at, Step::Outside(id, packet)),
                    Fate::Dropped(loss) => self.lost(loss, &packet),
                }
            }
            None => self.leave(realm, packet),
        }
    }

    /// Out of a realm by its gateway.
    fn leave(&mut self, realm: RealmId, mut packet: Packet) {
        let now = self.now;
        let ipv6 = packet.dst.is_ipv6();
        let gateways = self
            .realms
            .get(realm.0)
            .map_or(&[][..], |realm| &realm.gateways);
        let mut serving = gateways.iter().copied();
        let gateway = serving.find(|at| self.boxes.get(at.0).is_some_and(|at| at.ipv6 == ipv6));
        let Some(middlebox) = gateway.and_then(|at| self.boxes.get_mut(at.0)) else {
            self.drops.unroutable += 1;
            self.note(kind::DROPPED, &packet);
            return;
        };
        if middlebox.translator.owns(packet.dst.ip()) {
            match middlebox.translator.hairpin(packet.src, packet.dst, now) {
                Ok((src, dst)) => {
                    (packet.src, packet.dst) = (src, dst);
                    self.queue.push(now, Step::In(realm, packet));
                }
                Err(refused) => self.refused(refused, &packet),
            }
            return;
        }
        match middlebox.translator.outbound(packet.src, packet.dst, now) {
            Ok(src) => {
                packet.src = src;
                let outside = middlebox.outside;
                match middlebox.link.up.pass(packet.size(), now) {
                    Fate::Arrives(at) => self.queue.push(at, Step::In(outside, packet)),
                    Fate::Dropped(loss) => self.lost(loss, &packet),
                }
            }
            Err(refused) => self.refused(refused, &packet),
        }
    }

    /// Into the realm behind a box.
    fn enter(&mut self, id: BoxId, mut packet: Packet) {
        let now = self.now;
        let Some(middlebox) = self.boxes.get_mut(id.0) else {
            return;
        };
        match middlebox.translator.inbound(packet.src, packet.dst, now) {
            Ok(dst) => {
                packet.dst = dst;
                let inside = middlebox.inside;
                self.route(inside, packet);
            }
            Err(refused) => self.refused(refused, &packet),
        }
    }

    fn is_behind(&self, at: BoxId, ip: IpAddr) -> bool {
        let inside = self.boxes.get(at.0).map(|middlebox| middlebox.inside);
        let realm = inside.and_then(|inside| self.realms.get(inside.0));
        realm.is_some_and(|realm| {
            realm.places.contains_key(&ip)
                || realm
                    .firewalls
                    .iter()
                    .any(|further| self.is_behind(*further, ip))
        })
    }

    fn link(&mut self, quality: Quality) -> Link {
        let link = Link::new(quality, self.seed, self.links);
        self.links += 1;
        link
    }

    pub(super) fn interface_mut(
        &mut self,
        host: HostId,
        interface: InterfaceId,
    ) -> Option<&mut Interface> {
        self.hosts.get_mut(host.0)?.interfaces.get_mut(interface.0)
    }

    pub(super) fn attach(&mut self, host: HostId, interface: InterfaceId) {
        let Some(found) = self.interface_mut(host, interface) else {
            return;
        };
        let (realm, addresses) = (found.realm, found.addresses.clone());
        if let Some(realm) = self.realms.get_mut(realm.0) {
            let place = Place::Interface(host, interface);
            realm
                .places
                .extend(addresses.into_iter().map(|ip| (ip, place)));
        }
    }

    pub(super) fn detach(&mut self, host: HostId, interface: InterfaceId) {
        let place = Place::Interface(host, interface);
        for realm in &mut self.realms {
            realm.places.retain(|_, who| *who != place);
        }
    }

    pub(super) fn renumber(&mut self, id: BoxId, public: Vec<IpAddr>) {
        let Some(middlebox) = self.boxes.get_mut(id.0) else {
            return;
        };
        if let Some(realm) = self.realms.get_mut(middlebox.outside.0) {
            let place = Place::Outside(id);
            realm.places.retain(|_, who| *who != place);
            realm.places.extend(public.iter().map(|ip| (*ip, place)));
        }
        middlebox.translator.renumber(public);
    }

    pub(super) fn kill(&mut self, host: HostId) {
        let Some(found) = self.hosts.get_mut(host.0) else {
            return;
        };
        found.dead = true;
        found.wake = None;
        for interface in 0..found.interfaces.len() {
            self.detach(host, InterfaceId(interface));
        }
    }

    pub(super) fn revive(&mut self, host: HostId) {
        let Some(found) = self.hosts.get_mut(host.0) else {
            return;
        };
        found.dead = false;
        for interface in 0..found.interfaces.len() {
            self.attach(host, InterfaceId(interface));
        }
    }

    pub(super) fn part(&mut self, mut ends: [IpAddr; 2], part: bool) {
        ends.sort_unstable();
        if part {
            self.parted.insert(ends);
        } else {
            self.parted.remove(&ends);
        }
    }

    pub(super) fn note_action(&mut self, code: u64) {
        self.trace.mark(kind::ACTION, self.now, code);
    }

    fn note(&mut self, kind: u8, packet: &Packet) {
        let ends = [packet.src, packet.dst];
        self.trace.note(kind, self.now, ends, &packet.payload);
    }

    fn lost(&mut self, loss: Loss, packet: &Packet) {
        let counter = match loss {
            Loss::Chance => &mut self.drops.chance,
            Loss::TooLarge => &mut self.drops.too_large,
            Loss::Queue => &mut self.drops.queue,
            Loss::Cut => &mut self.drops.cut,
        };
        *counter += 1;
        self.note(kind::DROPPED, packet);
    }

    fn refused(&mut self, refused: Refused, packet: &Packet) {
        let counter = match refused {
            Refused::NoMapping => &mut self.drops.no_mapping,
            Refused::Filtered => &mut self.drops.filtered,
            Refused::Exhausted => &mut self.drops.exhausted,
            Refused::NoHairpin => &mut self.drops.no_hairpin,
        };
        *counter += 1;
        self.note(kind::DROPPED, packet);
    }
}
