//! The path switch with its sockets below and connections above, as the node's endpoint has it.

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant};

use bytes::Bytes;
use dchat_transport::path::{
    Arrival, ChannelAddress, Config, ExtraArrival, Input, Leg, LegId, Output, PathInfo, PathKind,
    ProbePair, Route, Switch, Verdict, VirtualAddress, canonical,
};
use dchat_transport::relay::proto::parts::{Numbers, Reassembly, cut};
use dchat_wire::Frame;
use dchat_wire::probe::{self, ProbeKeys};
use dchat_wire::relay::datagram::Datagram;

use crate::sim::net::{HostId, Net, Packet};
use crate::sim::quic::{self, Connection, Packet as QuicPacket, Role, StreamId};
use crate::sim::rng::Rng;
use crate::sim::time::{Clock, Time};

/// Every node's own port.
pub const PORT: u16 = 4001;
/// Bytes of a QUIC DATAGRAM that a connection to a relay takes: at an MTU of 1,452, less header,
/// tag and frame.
pub(super) const LARGEST: usize = 1_414;
/// The streams a client and a server open second: their messages.
pub(super) const CHAT: [StreamId; 2] = [StreamId(2), StreamId(3)];
/// As `dchat_transport::limits` has them.
const QUIC: quic::Config = quic::Config {
    idle: Duration::from_secs(30),
    keep_alive: Duration::from_secs(15),
};

/// What an endpoint tells.
#[derive(Clone, Debug)]
pub enum Event {
    /// Of a connection.
    Quic {
        /// Which.
        virt: VirtualAddress,
        /// What.
        event: quic::Event,
    },
    /// Its packets take another path.
    Switched {
        /// Which.
        virt: VirtualAddress,
        /// The path now active.
        path: PathInfo,
    },
    /// A frame is to be written on its control stream.
    Signal {
        /// Which.
        virt: VirtualAddress,
        /// CANDIDATES or PUNCH.
        frame: Box<Frame>,
    },
    /// A new mapping is to be made and told.
    Sample {
        /// For which.
        virt: VirtualAddress,
    },
    /// No path leads to its peer.
    Lost {
        /// Which.
        virt: VirtualAddress,
    },
}

/// First port of extra sockets, and how many are used in turn.
const EXTRA: u16 = 40_000;
const EXTRAS: u16 = 20_000;

/// A connection to a relay, as a leg.
#[derive(Debug)]
struct Carrier {
    outer: VirtualAddress,
    numbers: BTreeMap<u32, Numbers>,
    parts: BTreeMap<u32, Reassembly>,
}

/// What was seen of a connection's application data on direct paths.
#[derive(Clone, Copy, Debug, Default)]
pub struct Direct {
    /// When some came in that way first.
    pub first: Option<Time>,
}

/// An endpoint.
#[derive(Debug)]
pub struct Endpoint {
    /// The switch; inputs may be given to it directly.
    pub switch: Switch,
    host: HostId,
    clock: Clock,
    rng: Rng,
    name: [u8; 32],
    udp: LegId,
    connections: BTreeMap<VirtualAddress, Connection>,
    carriers: BTreeMap<LegId, Carrier>,
    /// Extra sockets that became legs, by port.
    adopted: BTreeMap<u16, LegId>,
    /// Extra sockets that did not: whose, and which.
    extra: BTreeMap<u16, (VirtualAddress, u16)>,
    next_extra: u16,
    direct: BTreeMap<VirtualAddress, Direct>,
    events: VecDeque<Event>,
    resets: Vec<(VirtualAddress, Bytes)>,
    probes: u64,
    now: Time,
}

impl Endpoint {
    /// On this host; everything random comes from the host's own stream of `seed`. `name` is the
    /// node's public key.
    #[must_use]
    pub fn new(host: HostId, name: [u8; 32], clock: Clock, seed: u64) -> Self {
        let index = host.index() as u64;
        let bound = SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), PORT);
        let dual = true;
        let legs = vec![Leg::Udp { bound, dual }];
        let secret = Rng::secret(seed, "switch", index);
        Self {
            switch: Switch::new(Config::default(), legs, secret),
            host,
            clock,
            rng: Rng::new(seed, "endpoint", index),
            name,
            udp: LegId(0),
            connections: BTreeMap::new(),
            carriers: BTreeMap::new(),
            adopted: BTreeMap::new(),
            extra: BTreeMap::new(),
            next_extra: 0,
            direct: BTreeMap::new(),
            events: VecDeque::new(),
            resets: Vec::new(),
            probes: 0,
            now: Time::ZERO,
        }
    }

    /// Its host.
    #[must_use]
    pub fn host(&self) -> HostId {
        self.host
    }

    /// The clock it goes by.
    #[must_use]
    pub fn clock(&self) -> Clock {
        self.clock
    }

    /// Path probes sent to real addresses so far.
    #[must_use]
    pub fn probes(&self) -> u64 {
        self.probes
    }

    /// What was seen of a connection's data on direct paths.
    #[must_use]
    pub fn direct(&self, virt: VirtualAddress) -> Direct {
        self.direct.get(&virt).copied().unwrap_or_default()
    }

    /// The active path of a connection.
    #[must_use]
    pub fn path(&self, virt: VirtualAddress) -> Option<PathInfo> {
        self.switch.current(virt, self.clock.instant(self.now))
    }

    /// Connections that are not over.
    pub fn connections(&mut self) -> impl Iterator<Item = (VirtualAddress, &mut Connection)> {
        self.connections
            .iter_mut()
            .map(|(virt, connection)| (*virt, connection))
    }

    /// A connection.
    pub fn connection(&mut self, virt: VirtualAddress) -> Option<&mut Connection> {
        self.connections.get_mut(&virt)
    }

    /// Dials a real address.
    pub fn dial(&mut self, remote: SocketAddr) -> VirtualAddress {
        self.dial_over(self.udp, remote)
    }

    /// Dials over a channel of a relay.
    pub fn dial_channel(&mut self, leg: LegId, channel: u32) -> VirtualAddress {
        self.dial_over(leg, ChannelAddress(channel).socket_addr())
    }

    fn dial_over(&mut self, leg: LegId, remote: SocketAddr) -> VirtualAddress {
        let virt = self.switch.dial(leg, remote);
        let [ours, first] = [self.cid(), self.cid()];
        let now = self.instant();
        let connection = Connection::dial(QUIC, self.name, ours, first, now);
        self.connections.insert(virt, connection);
        virt
    }

    /// Makes a connection to a relay a leg; `None` when there are too many.
    pub fn add_relay(&mut self, outer: VirtualAddress, leg: Leg) -> Option<LegId> {
        let id = self.switch.add_leg(leg)?;
        let carrier = Carrier {
            outer,
            numbers: BTreeMap::new(),
            parts: BTreeMap::new(),
        };
        self.carriers.insert(id, carrier);
        Some(id)
    }

    /// A relay is gone.
    pub fn remove_relay(&mut self, leg: LegId) {
        self.carriers.remove(&leg);
        let now = self.instant();
        self.switch.handle_input(Input::LegGone { leg }, now);
    }

    /// Attaches the probe keys of a connection that is up.
    pub fn attach(&mut self, virt: VirtualAddress) {
        let Some(connection) = self.connections.get(&virt) else {
            return;
        };
        let Some(exported) = connection.exported() else {
            return;
        };
        let (client, server) = ProbeKeys::from_exporter(&exported);
        let keys = match connection.role() {
            Role::Client => ProbePair {
                ours: client,
                theirs: server,
            },
            Role::Server => ProbePair {
                ours: server,
                theirs: client,
            },
        };
        let now = self.instant();
        self.switch.handle_input(Input::Attach { virt, keys }, now);
    }

    /// Time is `now`.
    pub fn advance(&mut self, now: Time) {
        self.now = now;
    }

    /// Now, as the cores count.
    #[must_use]
    pub fn instant(&self) -> Instant {
        self.clock.instant(self.now)
    }

    /// A datagram came to a port; to one that is none of the endpoint's it is ignored.
    pub fn datagram(&mut self, packet: Packet) {
        let Packet { src, dst, payload } = packet;
        let (from, port) = (canonical(src), dst.port());
        if let Some((virt, socket)) = self.extra.get(&port).copied() {
            let bound = SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), port);
            let arrival = ExtraArrival {
                virt,
                socket,
                bound,
                from,
            };
            let now = self.instant();
            self.switch.inbound_extra(arrival, &payload, now);
            return;
        }
        let leg = match port {
            PORT => Some(self.udp),
            _ => self.adopted.get(&port).copied(),
        };
        if let Some(leg) = leg {
            let local = Some(dst.ip().to_canonical());
            self.inbound(Arrival { leg, local, from }, payload);
        }
    }

    /// A datagram came over a relay.
    pub fn relayed(&mut self, leg: LegId, datagram: &Bytes) {
        let now = self.instant();
        let Some(carrier) = self.carriers.get_mut(&leg) else {
            return;
        };
        let packet = match Datagram::open(datagram) {
            Some(Datagram::Whole { channel, packet }) => (channel, datagram.slice_ref(packet)),
            Some(Datagram::Part {
                channel,
                number,
                part,
                bytes,
            }) => {
                let parts = carrier.parts.entry(channel).or_insert_with(Reassembly::new);
                match parts.handle_part(number, part, bytes, now) {
                    Some(packet) => (channel, packet),
                    None => return,
                }
            }
            None => return,
        };
        let (channel, bytes) = packet;
        let from = ChannelAddress(channel).socket_addr();
        self.inbound(
            Arrival {
                leg,
                local: None,
                from,
            },
            bytes,
        );
    }

    fn inbound(&mut self, arrival: Arrival, bytes: Bytes) {
        let now = self.instant();
        match self.switch.inbound(arrival, &bytes, now) {
            Verdict::Consumed => {}
            Verdict::Deliver(virt) => self.deliver(virt, &arrival, bytes),
            Verdict::Ambiguous(several) => {
                for virt in several {
                    self.deliver(virt, &arrival, bytes.clone());
                }
            }
        }
    }

    fn deliver(&mut self, virt: VirtualAddress, arrival: &Arrival, bytes: Bytes) {
        let Some(packet) = QuicPacket::open(bytes) else {
            return;
        };
        let now = self.instant();
        if !self.connections.contains_key(&virt) {
            let ours = self.cid();
            match Connection::accept(QUIC, self.name, ours, &packet, now) {
                Some(connection) => self.connections.insert(virt, connection),
                None => {
                    let cid = self.cid();
                    self.resets
                        .extend(packet.reset(cid).map(|bytes| (virt, bytes)));
                    return;
                }
            };
        }
        let chat = packet.streams().any(|id| CHAT.contains(&id));
        if chat && !self.carriers.contains_key(&arrival.leg) {
            let direct = self.direct.entry(virt).or_default();
            direct.first.get_or_insert(self.now);
        }
        if let Some(connection) = self.connections.get_mut(&virt) {
            connection.handle_packet(packet, now);
        }
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self) {
        let now = self.instant();
        self.switch.handle_timeout(now);
        for connection in self.connections.values_mut() {
            if connection.poll_timeout().is_some_and(|at| at <= now) {
                connection.handle_timeout(now);
            }
        }
    }

    /// Sends all there is to send and collects what was told.
    pub fn flush(&mut self, net: &mut Net) {
        let now = self.instant();
        loop {
            let mut packets = std::mem::take(&mut self.resets);
            for (virt, connection) in &mut self.connections {
                while let Some(bytes) = connection.poll_transmit(now) {
                    packets.push((*virt, bytes));
                }
            }
            let mut idle = packets.is_empty();
            for (virt, bytes) in packets {
                self.send(net, virt, bytes);
            }
            while let Some(output) = self.switch.poll_output() {
                idle = false;
                self.output(net, output);
            }
            if idle {
                break;
            }
        }
        self.collect();
    }

    fn send(&mut self, net: &mut Net, virt: VirtualAddress, bytes: Bytes) {
        let now = self.instant();
        let Some(outbound) = self.switch.outbound(virt, &bytes, bytes.len(), now) else {
            return;
        };
        if let Some(copy) = outbound.copy {
            self.transmit(net, virt, copy, bytes.clone());
        }
        self.transmit(net, virt, outbound.route, bytes);
    }

    fn output(&mut self, net: &mut Net, output: Output) {
        match output {
            Output::Transmit {
                virt,
                route,
                datagram,
            } => self.transmit(net, virt, route, datagram.into()),
            Output::Switched { virt, path } => {
                if let Some(connection) = self.connections.get_mut(&virt) {
                    connection.kick();
                }
                self.events.push_back(Event::Switched { virt, path });
            }
            Output::Lost { virt } => self.events.push_back(Event::Lost { virt }),
            Output::Signal { virt, frame } => {
                self.events.push_back(Event::Signal { virt, frame });
            }
            Output::Sample { virt } => self.events.push_back(Event::Sample { virt }),
            Output::Scatter { virt, sockets } => {
                self.extra.retain(|_, (of, _)| *of != virt);
                for socket in 0..sockets {
                    let port = EXTRA + self.next_extra;
                    self.next_extra = (self.next_extra + 1) % EXTRAS;
                    self.extra.insert(port, (virt, socket));
                }
            }
            Output::TransmitExtra {
                virt,
                socket,
                remote,
                datagram,
            } => {
                let mut extra = self.extra.iter();
                let from = extra.find(|(_, extra)| **extra == (virt, socket));
                if let Some((port, _)) = from {
                    let source = (None, *port);
                    // The agent repeats what matters.
                    let _unroutable = self.send_datagram(net, source, remote, datagram.into());
                }
            }
            Output::Adopt { virt, socket, leg } => {
                let mut extra = self.extra.iter();
                let port = extra.find(|(_, extra)| **extra == (virt, socket));
                if let Some(port) = port.map(|(port, _)| *port) {
                    self.extra.remove(&port);
                    self.adopted.insert(port, leg);
                }
            }
            Output::EndScatter { virt } => self.extra.retain(|_, (of, _)| *of != virt),
            Output::CloseLeg { leg } => self.adopted.retain(|_, of| *of != leg),
            Output::Observed { .. } | Output::Outcome { .. } => {}
        }
    }

    fn transmit(&mut self, net: &mut Net, virt: VirtualAddress, route: Route, bytes: Bytes) {
        if let Some(ChannelAddress(channel)) = ChannelAddress::from_socket_addr(route.remote) {
            self.carry(route.leg, channel, &bytes);
            return;
        }
        let adopted = self.adopted.iter().find(|(_, leg)| **leg == route.leg);
        let port = adopted.map_or(PORT, |(port, _)| *port);
        if self
            .send_datagram(net, (route.local, port), route.remote, bytes)
            .is_err()
        {
            let now = self.instant();
            self.switch
                .handle_input(Input::SendFailed { virt, route }, now);
        }
    }

    /// Sends a datagram of whatever kind from a port of ours.
    ///
    /// # Errors
    /// As [`Net::send`].
    pub fn send_datagram(
        &mut self,
        net: &mut Net,
        source: (Option<IpAddr>, u16),
        to: SocketAddr,
        bytes: Bytes,
    ) -> Result<(), crate::sim::net::Unroutable> {
        self.probes += u64::from(bytes.first() == Some(&probe::PROBE));
        net.send(self.host, source, to, bytes)
    }

    fn carry(&mut self, leg: LegId, channel: u32, packet: &[u8]) {
        let Some(carrier) = self.carriers.get_mut(&leg) else {
            return;
        };
        let numbers = carrier.numbers.entry(channel).or_insert_with(Numbers::end);
        let Some(outer) = self.connections.get_mut(&carrier.outer) else {
            return;
        };
        // Nothing of ours is larger than two datagrams.
        if let Ok((first, second)) = cut(channel, packet, LARGEST, numbers) {
            outer.send_datagram(first);
            if let Some(second) = second {
                outer.send_datagram(second);
            }
        }
    }

    fn collect(&mut self) {
        let mut over = Vec::new();
        for (virt, connection) in &mut self.connections {
            while let Some(event) = connection.poll_event() {
                self.events.push_back(Event::Quic { virt: *virt, event });
            }
            if connection.is_closed() {
                over.push(*virt);
            }
        }
        let now = self.instant();
        for virt in over {
            self.connections.remove(&virt);
            self.switch.handle_input(Input::Release { virt }, now);
        }
    }

    /// The next thing to tell.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let connections = self
            .connections
            .values()
            .filter_map(Connection::poll_timeout);
        connections.chain(self.switch.poll_timeout()).min()
    }

    /// Whether the active path of a connection is direct.
    #[must_use]
    pub fn is_direct(&self, virt: VirtualAddress) -> bool {
        self.path(virt)
            .is_some_and(|path| path.kind == PathKind::Direct)
    }

    fn cid(&mut self) -> [u8; 8] {
        let mut cid = [0; 8];
        self.rng.fill(&mut cid);
        cid
    }
}
