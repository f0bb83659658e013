//! A node: quinn's state machines over the production path switch, without sockets or clocks.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use dchat_transport::congestion::{
    PathControl, PathId, carrying_transport_config, recommended_transport_config,
};
use dchat_transport::path::{
    Arrival, ChannelAddress, Config, Input, Leg, LegId, Output, PathKind, ProbePair, Route, Switch,
    Verdict, VirtualAddress,
};
use dchat_transport::relay::proto::parts::{Numbers, Reassembly, cut};
use dchat_wire::probe::ProbeKeys;
use dchat_wire::relay::datagram::{Datagram, WHOLE_HEADER};
use quinn_proto::{
    Connection, ConnectionHandle, DatagramEvent, Dir, Endpoint, EndpointConfig, Event, Side,
    StreamId, TransportConfig,
};

use crate::forwarder::{self, Forwarder};
use crate::support::flow::tls;

/// Datagrams of one transmission, as quinn's own driver has it.
const BATCH: usize = 10;
/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// A conversation.
    Peer,
    /// Packets of others.
    Carrying,
}

/// One connection.
pub struct Session {
    pub quinn: Connection,
    handle: ConnectionHandle,
    control: PathControl,
    pub up: Option<Instant>,
    stream: Option<StreamId>,
    reading: Option<StreamId>,
    /// Bytes read in order.
    pub read: u64,
    pub lost: bool,
}

/// A relay's leg.
struct Carrier {
    /// The connection to the relay.
    outer: VirtualAddress,
    /// Its one channel.
    channel: u32,
    numbers: Numbers,
    parts: Reassembly,
}

/// A datagram that leaves a host.
pub struct Sent {
    pub from: SocketAddr,
    pub to: SocketAddr,
    pub bytes: Bytes,
}

/// See the module.
pub struct Node {
    endpoint: Endpoint,
    pub switch: Switch,
    pub sessions: BTreeMap<VirtualAddress, Session>,
    /// Our addresses; that of a leg changes when the host moves.
    pub addresses: BTreeMap<LegId, SocketAddr>,
    carriers: BTreeMap<LegId, Carrier>,
    /// The relay it is, if it is one.
    pub forwarder: Option<Forwarder>,
    seed: u8,
    pub out: Vec<Sent>,
}

impl Node {
    pub fn new(seed: u8, relays: bool, addresses: &[SocketAddr], now: Instant) -> Self {
        let legs: Vec<Leg> = addresses
            .iter()
            .map(|address| Leg::Udp {
                bound: SocketAddr::new(unspecified(address.ip()), address.port()),
                dual: false,
            })
            .collect();
        let (_, server) = tls();
        let mut server = quinn_proto::ServerConfig::with_crypto(server);
        server.migration(false);
        let mut config = EndpointConfig::default();
        config.grease_quic_bit(false).rng_seed(Some([seed; 32]));
        let endpoint = Endpoint::new(
            Arc::new(config),
            Some(Arc::new(server)),
            true,
            Some([seed; 32]),
        );
        Self {
            endpoint,
            switch: Switch::new(Config::default(), legs, [seed; 32]),
            sessions: BTreeMap::new(),
            addresses: (0..).map(LegId).zip(addresses.iter().copied()).collect(),
            carriers: BTreeMap::new(),
            forwarder: relays.then(|| Forwarder::new(now)),
            seed,
            out: Vec::new(),
        }
    }

    fn settings(&self, purpose: Use, now: Instant) -> (PathControl, Arc<TransportConfig>) {
        let control = PathControl::new(PathId(0), now, u64::from(self.seed));
        let config = match purpose {
            Use::Peer => recommended_transport_config(&control),
            Use::Carrying => carrying_transport_config(&control),
        };
        (control, Arc::new(config))
    }

    /// Dials an address, or the channel of a relay whose leg this is.
    pub fn dial(
        &mut self,
        leg: LegId,
        to: SocketAddr,
        purpose: Use,
        now: Instant,
    ) -> VirtualAddress {
        let virt = self.switch.dial(leg, to);
        let (control, transport) = self.settings(purpose, now);
        let (mut client, _) = tls();
        client.transport_config(transport);
        let (handle, quinn) = self
            .endpoint
            .connect(now, client, virt.socket_addr(), "localhost")
            .unwrap();
        self.add(virt, handle, quinn, control);
        self.drive(now);
        virt
    }

    /// The connection to a relay becomes a leg with one channel.
    pub fn carry(&mut self, outer: VirtualAddress, channel: u32, socket: SocketAddr) -> LegId {
        let relay = forwarder::identity().peer_id();
        let leg = self.switch.add_leg(Leg::Relay { relay, socket }).unwrap();
        let carrier = Carrier {
            outer,
            channel,
            numbers: Numbers::end(),
            parts: Reassembly::new(),
        };
        self.carriers.insert(leg, carrier);
        leg
    }

    fn add(
        &mut self,
        virt: VirtualAddress,
        handle: ConnectionHandle,
        quinn: Connection,
        control: PathControl,
    ) {
        let session = Session {
            quinn,
            handle,
            control,
            up: None,
            stream: None,
            reading: None,
            read: 0,
            lost: false,
        };
        self.sessions.insert(virt, session);
    }

    /// Writes so many bytes to the one stream of a connection. How many fitted.
    pub fn write(&mut self, virt: VirtualAddress, len: usize, now: Instant) -> usize {
        let session = self.sessions.get_mut(&virt).unwrap();
        if session.stream.is_none() {
            session.stream = session.quinn.streams().open(Dir::Uni);
        }
        let stream = session.stream.unwrap();
        let written = session.quinn.send_stream(stream).write(&vec![0x5a; len]);
        self.drive(now);
        written.unwrap_or(0)
    }

    pub fn offer(&mut self, virt: VirtualAddress, remotes: Vec<SocketAddr>, now: Instant) {
        self.switch
            .handle_input(Input::Offer { virt, remotes }, now);
        self.drive(now);
    }

    /// The host is elsewhere: its leg has this address now, and the system says so.
    pub fn moved(&mut self, leg: LegId, to: SocketAddr, now: Instant) {
        self.addresses.insert(leg, to);
        self.switch.handle_input(Input::InterfacesChanged, now);
        self.drive(now);
    }

    /// The connections that carry packets of others.
    pub fn outer(&self) -> Vec<VirtualAddress> {
        self.carriers
            .values()
            .map(|carrier| carrier.outer)
            .collect()
    }

    /// The connection whose peer is there, if it is up.
    pub fn session_from(&self, remote: SocketAddr, now: Instant) -> Option<VirtualAddress> {
        let mut up = self
            .sessions
            .iter()
            .filter(|(_, session)| session.up.is_some());
        let found = up.find(|(virt, _)| self.remote(**virt, now) == remote);
        found.map(|(virt, _)| *virt)
    }

    /// The size of a connection's datagrams.
    pub fn mtu(&self, virt: VirtualAddress) -> u16 {
        self.sessions[&virt].quinn.stats().path.current_mtu
    }

    pub fn kind(&self, virt: VirtualAddress, now: Instant) -> PathKind {
        self.switch.current(virt, now).unwrap().kind
    }

    pub fn remote(&self, virt: VirtualAddress, now: Instant) -> SocketAddr {
        self.switch.current(virt, now).unwrap().remote
    }

    /// A datagram came.
    pub fn receive(&mut self, leg: LegId, from: SocketAddr, bytes: &Bytes, now: Instant) {
        let local = self.addresses.get(&leg).map(SocketAddr::ip);
        let arrival = Arrival { leg, local, from };
        let to = match self.switch.inbound(arrival, bytes, now) {
            Verdict::Deliver(virt) => vec![virt],
            Verdict::Ambiguous(all) => all,
            Verdict::Consumed => Vec::new(),
        };
        for virt in to {
            self.deliver(virt, bytes, now);
        }
        self.drive(now);
    }

    fn deliver(&mut self, virt: VirtualAddress, bytes: &Bytes, now: Instant) {
        let mut answer = Vec::new();
        let event = self.endpoint.handle(
            now,
            virt.socket_addr(),
            None,
            None,
            BytesMut::from(&bytes[..]),
            &mut answer,
        );
        match event {
            Some(DatagramEvent::NewConnection(incoming)) => {
                let purpose = match self.forwarder {
                    Some(_) => Use::Carrying,
                    None => Use::Peer,
                };
                let (control, transport) = self.settings(purpose, now);
                let (_, server) = tls();
                let mut server = quinn_proto::ServerConfig::with_crypto(server);
                server.migration(false).transport_config(transport);
                let accepted =
                    self.endpoint
                        .accept(incoming, now, &mut answer, Some(Arc::new(server)));
                let (handle, quinn) = accepted.expect("an Initial of ours");
                self.add(virt, handle, quinn, control);
            }
            Some(DatagramEvent::ConnectionEvent(handle, event)) => {
                let mut sessions = self.sessions.values_mut();
                if let Some(session) = sessions.find(|session| session.handle == handle) {
                    session.quinn.handle_event(event);
                }
            }
            Some(DatagramEvent::Response(_)) | None => {}
        }
    }

    /// When something is due.
    pub fn poll_timeout(&mut self) -> Option<Instant> {
        let connections = self.sessions.values_mut();
        let timers = connections.filter_map(|session| session.quinn.poll_timeout());
        timers.chain(self.switch.poll_timeout()).min()
    }

    /// Does everything that is due or wanted now.
    pub fn drive(&mut self, now: Instant) {
        if self.switch.poll_timeout().is_some_and(|at| at <= now) {
            self.switch.handle_timeout(now);
        }
        loop {
            let mut busy = self.outputs(now);
            let all: Vec<VirtualAddress> = self.sessions.keys().copied().collect();
            for virt in all {
                busy |= self.advance(virt, now);
            }
            if !busy {
                return;
            }
        }
    }

    fn outputs(&mut self, now: Instant) -> bool {
        let mut busy = false;
        while let Some(output) = self.switch.poll_output() {
            busy = true;
            match output {
                Output::Transmit {
                    route, datagram, ..
                } => self.send(route, datagram.into()),
                Output::Switched { virt, path } => {
                    if let Some(session) = self.sessions.get_mut(&virt) {
                        session.control.switch_path(PathId(path.id.0), now);
                        let kick = Bytes::from_static(&[0]);
                        let _full = session.quinn.datagrams().send(kick, true);
                    }
                }
                _ => {}
            }
        }
        busy
    }

    /// One connection: events, what it receives, what it sends. Whether there was anything.
    fn advance(&mut self, virt: VirtualAddress, now: Instant) -> bool {
        let Some(session) = self.sessions.get_mut(&virt) else {
            return false;
        };
        if session.quinn.poll_timeout().is_some_and(|at| at <= now) {
            session.quinn.handle_timeout(now);
        }
        let mut connected = false;
        while let Some(event) = session.quinn.poll() {
            match event {
                Event::Connected => connected = true,
                Event::ConnectionLost { .. } => session.lost = true,
                _ => {}
            }
        }
        while let Some(event) = session.quinn.poll_endpoint_events() {
            if let Some(event) = self.endpoint.handle_event(session.handle, event) {
                session.quinn.handle_event(event);
            }
        }
        let mut datagrams = Vec::new();
        while let Some(datagram) = session.quinn.datagrams().recv() {
            datagrams.push(datagram);
        }
        session.receive();
        if connected {
            session.up = Some(now);
            let keys = session.keys();
            self.switch.handle_input(Input::Attach { virt, keys }, now);
        }
        let mut busy = connected || !datagrams.is_empty();
        for datagram in datagrams {
            self.datagram(virt, &datagram, now);
        }
        let mut buffer = Vec::new();
        while let Some(transmit) = self
            .sessions
            .get_mut(&virt)
            .and_then(|session| session.quinn.poll_transmit(now, BATCH, &mut buffer))
        {
            busy = true;
            let batch = Bytes::copy_from_slice(&buffer[..transmit.size]);
            buffer.clear();
            let size = transmit.segment_size.unwrap_or(transmit.size);
            let Some(way) =
                self.switch
                    .outbound(virt, &batch[..size.min(batch.len())], batch.len(), now)
            else {
                continue;
            };
            for route in [Some(way.route), way.copy].into_iter().flatten() {
                let mut rest = batch.clone();
                while !rest.is_empty() {
                    let datagram = rest.split_to(size.min(rest.len()));
                    self.send(route, datagram);
                }
            }
        }
        busy
    }

    fn send(&mut self, route: Route, bytes: Bytes) {
        if let Some(carrier) = self.carriers.get_mut(&route.leg) {
            let session = self.sessions.get_mut(&carrier.outer).unwrap();
            let largest = max_size(session);
            let cut = cut(carrier.channel, &bytes, largest, &mut carrier.numbers);
            let Ok((one, other)) = cut else {
                return;
            };
            for datagram in [Some(one), other].into_iter().flatten() {
                let _full = session.quinn.datagrams().send(datagram, true);
            }
            return;
        }
        if let Some(from) = self.addresses.get(&route.leg).copied() {
            let to = route.remote;
            self.out.push(Sent { from, to, bytes });
        }
    }

    /// A datagram of a connection: a packet over a channel.
    fn datagram(&mut self, virt: VirtualAddress, bytes: &Bytes, now: Instant) {
        if self.forwarder.is_some() {
            self.forward(virt, bytes.clone(), now);
            return;
        }
        let mut carriers = self.carriers.iter_mut();
        let found = carriers.find(|(_, carrier)| carrier.outer == virt);
        let Some((leg, carrier)) = found else {
            return;
        };
        let (leg, channel) = (*leg, carrier.channel);
        let packet = match Datagram::open(bytes) {
            Some(Datagram::Whole { .. }) => Some(bytes.slice(WHOLE_HEADER..)),
            Some(Datagram::Part {
                number,
                part,
                bytes,
                ..
            }) => carrier.parts.handle_part(number, part, bytes, now),
            None => None,
        };
        if let Some(packet) = packet {
            let from = ChannelAddress(channel).socket_addr();
            self.receive(leg, from, &packet, now);
        }
    }

    /// Lets the relay forward it, with what it knows of its connections.
    fn forward(&mut self, from: VirtualAddress, bytes: Bytes, now: Instant) {
        let Some(forwarder) = &mut self.forwarder else {
            return;
        };
        let sessions = &mut self.sessions;
        let largest = |virt| max_size(sessions.get_mut(&virt).unwrap());
        for (to, datagram) in forwarder.forward(from, bytes, largest, now) {
            let session = self.sessions.get_mut(&to).unwrap();
            let _full = session.quinn.datagrams().send(datagram, true);
        }
    }
}

fn max_size(session: &mut Session) -> usize {
    session.quinn.datagrams().max_size().unwrap_or(0)
}

fn unspecified(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    }
}

impl Session {
    /// Probe keys, as the driver of a connection makes them.
    fn keys(&self) -> ProbePair {
        let mut exported = [0; ProbeKeys::EXPORTED];
        self.quinn
            .crypto_session()
            .export_keying_material(&mut exported, ProbeKeys::EXPORTER_LABEL, b"")
            .unwrap();
        let (client, server) = ProbeKeys::from_exporter(&exported);
        let (ours, theirs) = match self.quinn.side() {
            Side::Client => (client, server),
            Side::Server => (server, client),
        };
        ProbePair { ours, theirs }
    }

    fn receive(&mut self) {
        if self.reading.is_none() {
            self.reading = self.quinn.streams().accept(Dir::Uni);
        }
        let Some(stream) = self.reading else {
            return;
        };
        let mut stream = self.quinn.recv_stream(stream);
        let Ok(mut chunks) = stream.read(true) else {
            return;
        };
        while let Ok(Some(chunk)) = chunks.next(usize::MAX) {
            self.read += chunk.bytes.len() as u64;
        }
        let _credit = chunks.finalize();
    }
}
