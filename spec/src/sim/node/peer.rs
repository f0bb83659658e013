//! A peer: what a person's node does, from its start to a conversation.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Instant;

use dchat_nat::agent::{self, Local, Outcome};
use dchat_nat::classify::{Report, Server, Setup};
use dchat_nat::stun;
use dchat_transport::path::{Input as PathInput, LegId, VirtualAddress};
use dchat_transport::relay::proto::client::reservations::Candidate as RelayCandidate;
use dchat_wire::hello::{Capabilities, Hello, Versions, capability};
use dchat_wire::nat::{Candidate, CandidateKind, NatClass};
use dchat_wire::{Address, Frame, List, PeerId};

use super::chat::Chat;
use super::classification::Classification;
use super::endpoint::{CHAT, Endpoint, Event, PORT};
use super::relaying::{Opened, Relaying};
use super::sampling::Sampling;
use super::streams::Streams;
use crate::sim::net::{HostId, Net, Packet};
use crate::sim::quic::{self, Role};
use crate::sim::rng::Rng;
use crate::sim::time::{Clock, Time};

/// What a peer is given.
#[derive(Clone, Debug)]
pub struct PeerConfig {
    /// Its name.
    pub peer_id: PeerId,
    /// Whom it asks about its NAT.
    pub servers: Vec<Server>,
    /// Relays it may hold reservations at.
    pub relays: Vec<RelayCandidate>,
}

/// A connection with another peer.
#[derive(Debug)]
pub struct Session {
    /// With whom.
    pub peer: PeerId,
    /// When HELLO had come.
    pub up: Option<Time>,
    /// The messages.
    pub chat: Chat,
    role: Role,
    /// What the peer was told of us together with HELLO.
    told: Local,
}

/// How far a peer has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// It knows its NAT.
    pub classified: bool,
    /// Reservations it holds.
    pub reservations: usize,
}

/// A peer.
#[derive(Debug)]
pub struct Peer {
    /// Its endpoint.
    pub endpoint: Endpoint,
    config: PeerConfig,
    seed: u64,
    classifications: u16,
    classification: Classification,
    report: Option<Report>,
    relaying: Relaying,
    sampling: Sampling,
    streams: Streams,
    sessions: BTreeMap<VirtualAddress, Session>,
    /// Connections that are being made, and with whom.
    dialing: BTreeMap<VirtualAddress, PeerId>,
    /// What sessions that ended leave behind.
    past: Vec<Chat>,
    switches: u64,
}

impl Peer {
    /// Starts: it classifies its NAT and connects to its relays.
    #[must_use]
    pub fn new(net: &Net, host: HostId, config: PeerConfig, clock: Clock, seed: u64) -> Self {
        let index = host.index() as u64;
        let name = *config.peer_id.public_key();
        let mut endpoint = Endpoint::new(host, name, clock, seed);
        endpoint.advance(net.now());
        let now = endpoint.instant();
        let secret = Rng::secret(seed, "reservations", index);
        let relaying = Relaying::new(config.peer_id, config.relays.clone(), secret, now);
        let setup = setup(net, host, &config);
        let secret = Rng::secret(seed, "classification", index);
        let mut servers = config.servers.iter().map(|server| server.address);
        let reflector = servers.find(SocketAddr::is_ipv4);
        Self {
            endpoint,
            config,
            seed,
            classifications: 0,
            classification: Classification::new(host, &setup, secret, 0, now),
            report: None,
            relaying,
            sampling: Sampling::new(reflector, Rng::secret(seed, "sampling", index)),
            streams: Streams::default(),
            sessions: BTreeMap::new(),
            dialing: BTreeMap::new(),
            past: Vec::new(),
            switches: 0,
        }
    }

    /// Its name.
    #[must_use]
    pub fn peer_id(&self) -> PeerId {
        self.config.peer_id
    }

    /// How far it has come.
    #[must_use]
    pub fn progress(&self) -> Progress {
        Progress {
            classified: self.report.is_some(),
            reservations: self.relaying.held(),
        }
    }

    /// What it found its NAT to do.
    #[must_use]
    pub fn report(&self) -> Option<&Report> {
        self.report.as_ref()
    }

    /// Its connections with other peers.
    #[must_use]
    pub fn sessions(&self) -> &BTreeMap<VirtualAddress, Session> {
        &self.sessions
    }

    /// Sessions that ended.
    #[must_use]
    pub fn closed(&self) -> u64 {
        self.past.len() as u64
    }

    /// The messages of all sessions, those that ended included.
    pub fn chats(&self) -> impl Iterator<Item = &Chat> {
        let now = self.sessions.values().map(|session| &session.chat);
        self.past.iter().chain(now)
    }

    /// Times the packets of any session took another path.
    #[must_use]
    pub fn switches(&self) -> u64 {
        self.switches
    }

    /// How its agent judges a session.
    #[must_use]
    pub fn outcome(&self, virt: VirtualAddress) -> Option<Outcome> {
        self.endpoint.switch.outcome(virt)
    }

    /// The relays over which it has a channel to a peer.
    #[must_use]
    pub fn channels_to(&self, peer: PeerId) -> Vec<PeerId> {
        self.relaying.channels_to(peer)
    }

    /// The relays at which it holds a reservation.
    #[must_use]
    pub fn reserved_at(&self) -> Vec<PeerId> {
        self.relaying.held_at()
    }

    /// Dials a peer at a relay where both hold a reservation.
    pub fn dial(&mut self, net: &mut Net, relay: PeerId, peer: PeerId) {
        self.endpoint.advance(net.now());
        self.relaying.ask(relay, peer, self.endpoint.instant());
        self.settle(net);
    }

    /// Writes one message to every session that is up.
    pub fn say(&mut self, net: &mut Net) {
        self.endpoint.advance(net.now());
        let all: Vec<VirtualAddress> = self.sessions.keys().copied().collect();
        for virt in all {
            self.write(virt);
        }
        self.settle(net);
    }

    /// The operating system says that interfaces or addresses are others now.
    pub fn interfaces_changed(&mut self, net: &mut Net) {
        self.endpoint.advance(net.now());
        let now = self.endpoint.instant();
        self.endpoint
            .switch
            .handle_input(PathInput::InterfacesChanged, now);
        self.relaying.network_changed(now);
        self.classify(net);
        self.settle(net);
    }

    fn classify(&mut self, net: &Net) {
        self.classifications += 1;
        let host = self.endpoint.host();
        let index = (host.index() as u64) << 32 | u64::from(self.classifications);
        let secret = Rng::secret(self.seed, "classification", index);
        let setup = setup(net, host, &self.config);
        let now = self.endpoint.instant();
        let serial = self.classifications;
        self.classification = Classification::new(host, &setup, secret, serial, now);
        self.report = None;
    }

    pub(super) fn datagram(&mut self, net: &mut Net, packet: Packet) {
        self.endpoint.advance(net.now());
        let now = self.endpoint.instant();
        if stun::is_stun(&packet.payload) {
            let Packet { src, dst, payload } = packet;
            let port = dst.port();
            if self.sampling.is_at(port) {
                self.sampling.datagram(port, src, &payload, now);
            } else if let Some(socket) = self.classification.socket(port) {
                self.classification.datagram(socket, src, &payload, now);
            }
        } else {
            self.endpoint.datagram(packet);
        }
        self.settle(net);
    }

    pub(super) fn wake(&mut self, net: &mut Net) {
        self.endpoint.advance(net.now());
        let now = self.endpoint.instant();
        self.endpoint.handle_timeout();
        self.classification.handle_timeout(now);
        self.relaying.handle_timeout(now);
        self.sampling.handle_timeout(now);
        self.settle(net);
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let timers = [
            self.endpoint.poll_timeout(),
            self.classification.poll_timeout(),
            self.relaying.poll_timeout(),
            self.sampling.poll_timeout(),
        ];
        timers.into_iter().flatten().min()
    }

    /// Works until nothing is left to do now.
    pub(super) fn settle(&mut self, net: &mut Net) {
        let now = self.endpoint.instant();
        loop {
            let mut busy = self.classification.act(net, now);
            if self.report.is_none()
                && let Some(report) = self.classification.report()
            {
                self.report = Some(report.clone());
                self.announce_all(net);
            }
            busy |= self.relaying.act(&mut self.endpoint);
            for opened in self.relaying.opened() {
                self.opened(opened);
            }
            busy |= self.sampling.act(&mut self.endpoint, net);
            self.endpoint.flush(net);
            while let Some(event) = self.endpoint.poll_event() {
                busy = true;
                self.event(net, event);
            }
            if !busy {
                break;
            }
        }
    }

    fn opened(&mut self, opened: Opened) {
        let Opened::Channel {
            peer,
            leg,
            channel,
            asked,
        } = opened;
        let attached = self
            .sessions
            .iter()
            .filter(|(_, session)| session.up.is_some());
        for (virt, _) in attached.filter(|(_, session)| session.peer == peer) {
            offer(&mut self.endpoint, *virt, (leg, channel));
        }
        let dialing = &self.dialing;
        let connected = self.sessions.values().any(|session| session.peer == peer);
        if asked && !connected && !dialing.values().any(|dialed| *dialed == peer) {
            let virt = self.endpoint.dial_channel(leg, channel);
            self.dialing.insert(virt, peer);
        }
    }

    fn event(&mut self, net: &mut Net, event: Event) {
        match event {
            Event::Quic { virt, event } => self.quic(net, virt, event),
            Event::Switched { virt, .. } => {
                if self.sessions.contains_key(&virt) {
                    self.switches += 1;
                    // Somebody always has something to say; it is what shows that the path works.
                    self.write(virt);
                }
            }
            Event::Signal { virt, frame } => {
                let role = self.sessions.get(&virt).map(|session| session.role);
                if let (Some(role), Some(connection)) = (role, self.endpoint.connection(virt)) {
                    connection.write(control(role), &frame.to_bytes(), false);
                }
            }
            Event::Sample { virt } => self.sampling.begin(&mut self.endpoint, virt),
            Event::Lost { .. } => {}
        }
    }

    fn quic(&mut self, net: &mut Net, virt: VirtualAddress, event: quic::Event) {
        let relay = self.relaying.is_relay(virt);
        match event {
            quic::Event::Connected { peer } => {
                let Ok(peer) = PeerId::from_public_key(peer) else {
                    return;
                };
                if relay {
                    let rtt = self
                        .endpoint
                        .connection(virt)
                        .map(|connection| connection.rtt());
                    self.relaying
                        .connected(&mut self.endpoint, virt, rtt.unwrap_or_default());
                } else {
                    self.connected(net, virt, peer);
                }
            }
            quic::Event::Stream { id, bytes, fin } => {
                if relay {
                    let frames = self.streams.read(virt, id, &bytes, fin);
                    self.relaying
                        .stream(&mut self.endpoint, virt, id, frames, fin);
                } else if CHAT.contains(&id) {
                    let now = net.now();
                    if let Some(session) = self.sessions.get_mut(&virt) {
                        session.chat.read(&bytes, now);
                    }
                } else {
                    for frame in self.streams.read(virt, id, &bytes, fin) {
                        self.control(net, virt, frame);
                    }
                }
            }
            quic::Event::Datagram(datagram) => {
                if let Some(leg) = self.relaying.datagram(virt) {
                    self.endpoint.relayed(leg, &datagram);
                }
            }
            quic::Event::Closed => {
                self.streams.forget(virt);
                if relay {
                    self.relaying.closed(&mut self.endpoint, virt);
                }
                self.dialing.remove(&virt);
                let session = self.sessions.remove(&virt);
                self.past.extend(session.map(|session| session.chat));
            }
        }
    }

    /// TLS with another peer is done: HELLO on the control stream, and the first message.
    fn connected(&mut self, net: &Net, virt: VirtualAddress, peer: PeerId) {
        let told = self.local(net);
        let Some(connection) = self.endpoint.connection(virt) else {
            return;
        };
        self.dialing.remove(&virt);
        let role = connection.role();
        let (control, chat) = (connection.open(), connection.open());
        debug_assert!(control == self::control(role) && CHAT.contains(&chat));
        let capabilities = [capability::CHAT, capability::PUNCH];
        let hello = Frame::Hello(Hello {
            versions: Versions::OURS,
            instance: [0; 16],
            roles: 0,
            capabilities: Capabilities::new(List::first_of(capabilities)).unwrap_or_default(),
            extensions: Default::default(),
        });
        connection.write(control, &hello.to_bytes(), false);
        // In the same flight: TLS has proven who the peer is, and it is a contact.
        let candidates = told.opening(&agent::Config::default());
        connection.write(control, &Frame::Candidates(candidates).to_bytes(), false);
        self.endpoint.attach(virt);
        let session = Session {
            peer,
            up: None,
            chat: Chat::default(),
            role,
            told,
        };
        self.sessions.insert(virt, session);
        self.write(virt);
    }

    fn control(&mut self, net: &mut Net, virt: VirtualAddress, frame: Frame) {
        let now = self.endpoint.instant();
        let ended = self.closed();
        let Some(session) = self.sessions.get_mut(&virt) else {
            return;
        };
        let input = match frame {
            Frame::Hello(_) => {
                session.up = Some(net.now());
                let index = (self.endpoint.host().index() as u64) << 32 | ended;
                let traverse = PathInput::Traverse {
                    virt,
                    config: agent::Config::default(),
                    ours: self.config.peer_id,
                    theirs: session.peer,
                    seed: Rng::secret(self.seed, "agent", index),
                };
                let (peer, local) = (session.peer, session.told.clone());
                self.endpoint.switch.handle_input(traverse, now);
                let told = PathInput::Told { virt, local };
                self.endpoint.switch.handle_input(told, now);
                for further in self.relaying.channels_of(peer) {
                    offer(&mut self.endpoint, virt, further);
                }
                self.announce(net, virt);
                return;
            }
            Frame::Candidates(candidates) => PathInput::Candidates { virt, candidates },
            Frame::Punch(punch) => PathInput::Punch { virt, punch },
            _ => return,
        };
        self.endpoint.switch.handle_input(input, now);
    }

    fn announce_all(&mut self, net: &Net) {
        let all: Vec<VirtualAddress> = self.sessions.keys().copied().collect();
        for virt in all {
            self.announce(net, virt);
        }
    }

    fn announce(&mut self, net: &Net, virt: VirtualAddress) {
        let local = self.local(net);
        let now = self.endpoint.instant();
        self.endpoint
            .switch
            .handle_input(PathInput::Local { virt, local }, now);
    }

    /// What we tell others of ourselves.
    fn local(&self, net: &Net) -> Local {
        let host = net.addresses(self.endpoint.host());
        let own = host
            .into_iter()
            .map(|ip| (CandidateKind::Host, SocketAddr::new(ip, PORT)));
        let public = self
            .report
            .iter()
            .flat_map(|report| [report.v4.public, report.v6.public]);
        let seen = public
            .flatten()
            .map(|socket| (CandidateKind::Reflexive, socket));
        let candidate = |(kind, socket)| Candidate {
            kind,
            address: Address::direct(socket),
        };
        Local {
            class: self
                .report
                .as_ref()
                .map_or(NatClass::UNKNOWN, |report| report.v4.class.clone()),
            candidates: own.chain(seen).map(candidate).collect(),
        }
    }

    fn write(&mut self, virt: VirtualAddress) {
        let now = self.endpoint.clock().time(self.endpoint.instant());
        let Some(session) = self.sessions.get_mut(&virt) else {
            return;
        };
        let message = session.chat.write(now);
        let chat = match session.role {
            Role::Client => CHAT[0],
            Role::Server => CHAT[1],
        };
        if let Some(connection) = self.endpoint.connection(virt) {
            connection.write(chat, &message, false);
        }
    }
}

/// A further way to a peer: the switch knows those that it has already.
fn offer(endpoint: &mut Endpoint, virt: VirtualAddress, (leg, channel): (LegId, u32)) {
    let now = endpoint.instant();
    let further = PathInput::OfferRelayed { virt, leg, channel };
    endpoint.switch.handle_input(further, now);
}

fn control(role: Role) -> quic::StreamId {
    match role {
        Role::Client => quic::StreamId(0),
        Role::Server => quic::StreamId(1),
    }
}

fn setup(net: &Net, host: HostId, config: &PeerConfig) -> Setup {
    let locals = net
        .addresses(host)
        .into_iter()
        .map(|ip| SocketAddr::new(ip, PORT));
    Setup {
        servers: config.servers.clone(),
        locals: locals.collect(),
        gateway: None,
    }
}
