//! A peer's side of relaying: which relays it holds, and its channels on them.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use dchat_transport::path::{Input as PathInput, Leg, LegId, VirtualAddress};
use dchat_transport::relay::proto::client::channels::{self, Channels, Consent};
use dchat_transport::relay::proto::client::reservations::{self, Candidate, Reservations};
use dchat_transport::relay::proto::{ConnId, StreamId};
use dchat_wire::{Frame, PeerId};

use super::endpoint::Endpoint;
use super::relay::BEGAN_UNIX_MS;
use crate::sim::quic::StreamId as QuicStream;

/// A relay and the connection to it, if there is one.
#[derive(Clone, Copy, Debug)]
struct Link {
    relay: PeerId,
    socket: SocketAddr,
    virt: VirtualAddress,
    leg: Option<LegId>,
    conn: ConnId,
}

/// What came of a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opened {
    /// One we asked for is there.
    Channel {
        peer: PeerId,
        leg: LegId,
        channel: u32,
        asked: bool,
    },
}

/// Everything about relays at a peer.
#[derive(Debug)]
pub(super) struct Relaying {
    links: Vec<Link>,
    reservations: Reservations,
    channels: Channels,
    streams: BTreeMap<(ConnId, StreamId), QuicStream>,
    called: BTreeMap<(ConnId, QuicStream), StreamId>,
    /// Streams with a RESERVE on them.
    asks: BTreeMap<(VirtualAddress, QuicStream), (PeerId, u64)>,
    serial: u64,
    opened: Vec<Opened>,
    /// Channels that are there, and to whom.
    open: BTreeMap<(ConnId, u32), PeerId>,
}

impl Relaying {
    pub(super) fn new(ours: PeerId, relays: Vec<Candidate>, seed: [u8; 32], now: Instant) -> Self {
        let mut reservations = Reservations::new(reservations::Config::default(), ours, seed);
        reservations.handle_input(reservations::Input::Candidates(relays), now);
        Self {
            links: Vec::new(),
            reservations,
            channels: Channels::new(channels::Config::default(), ours, Consent::default(), now),
            streams: BTreeMap::new(),
            called: BTreeMap::new(),
            asks: BTreeMap::new(),
            serial: 0,
            opened: Vec::new(),
            open: BTreeMap::new(),
        }
    }

    /// Whether this connection is one to a relay.
    pub(super) fn is_relay(&self, virt: VirtualAddress) -> bool {
        self.links.iter().any(|link| link.virt == virt)
    }

    /// Reservations held now.
    pub(super) fn held(&self) -> usize {
        self.reservations.held().count()
    }

    /// The relays over which there is a channel to `peer`.
    pub(super) fn channels_to(&self, peer: PeerId) -> Vec<PeerId> {
        let open = self.open.iter().filter(|((..), of)| **of == peer);
        let relay = |conn| self.links.iter().find(|link| link.conn == conn);
        open.filter_map(|((conn, _), _)| Some(relay(*conn)?.relay))
            .collect()
    }

    /// The channels to `peer`.
    pub(super) fn channels_of(&self, peer: PeerId) -> Vec<(LegId, u32)> {
        let leg = |conn| self.links.iter().find(|link| link.conn == conn)?.leg;
        let open = self.open.iter().filter(|(_, of)| **of == peer);
        let ways = open.filter_map(|((conn, channel), _)| Some((leg(*conn)?, *channel)));
        ways.collect()
    }

    /// The relays at which a reservation is held.
    pub(super) fn held_at(&self) -> Vec<PeerId> {
        self.reservations.held().map(|held| held.relay).collect()
    }

    /// Asks for a channel to `peer` at `relay`. Nothing happens without a connection to it.
    pub(super) fn ask(&mut self, relay: PeerId, peer: PeerId, now: Instant) {
        if let Some(link) = self.links.iter().find(|link| link.relay == relay) {
            let conn = link.conn;
            self.channels
                .handle_input(channels::Input::Ask { conn, peer }, now);
        }
    }

    pub(super) fn opened(&mut self) -> Vec<Opened> {
        std::mem::take(&mut self.opened)
    }

    pub(super) fn network_changed(&mut self, now: Instant) {
        self.reservations
            .handle_input(reservations::Input::NetworkChanged, now);
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        self.reservations.handle_timeout(now);
        self.channels.handle_timeout(now);
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let timers = [
            self.reservations.poll_timeout(),
            self.channels.poll_timeout(),
        ];
        timers.into_iter().flatten().min()
    }

    pub(super) fn connected(
        &mut self,
        endpoint: &mut Endpoint,
        virt: VirtualAddress,
        rtt: Duration,
    ) {
        let now = endpoint.instant();
        let Some(link) = self.links.iter_mut().find(|link| link.virt == virt) else {
            return;
        };
        let (relay, socket, conn) = (link.relay, link.socket, link.conn);
        endpoint.attach(virt);
        link.leg = endpoint.add_relay(virt, Leg::Relay { relay, socket });
        self.channels
            .handle_input(channels::Input::Up { conn, relay }, now);
        let up = reservations::Input::Up { relay, socket, rtt };
        self.reservations.handle_input(up, now);
    }

    pub(super) fn closed(&mut self, endpoint: &mut Endpoint, virt: VirtualAddress) {
        let now = endpoint.instant();
        let Some(at) = self.links.iter().position(|link| link.virt == virt) else {
            return;
        };
        let Link {
            relay, leg, conn, ..
        } = self.links.remove(at);
        self.streams.retain(|(of, _), _| *of != conn);
        self.called.retain(|(of, _), _| *of != conn);
        self.asks.retain(|(of, _), _| *of != virt);
        if let Some(leg) = leg {
            endpoint.remove_relay(leg);
        }
        self.channels
            .handle_input(channels::Input::Gone { conn }, now);
        self.reservations
            .handle_input(reservations::Input::Gone { relay }, now);
    }

    /// A datagram of a relay's.
    pub(super) fn datagram(&self, virt: VirtualAddress) -> Option<LegId> {
        self.links.iter().find(|link| link.virt == virt)?.leg
    }

    /// Frames on a stream of a connection to a relay.
    pub(super) fn stream(
        &mut self,
        endpoint: &mut Endpoint,
        virt: VirtualAddress,
        id: QuicStream,
        frames: Vec<Frame>,
        fin: bool,
    ) {
        let now = endpoint.instant();
        if let Some((relay, ask)) = self.asks.get(&(virt, id)).copied() {
            if fin || !frames.is_empty() {
                self.asks.remove(&(virt, id));
                let since = endpoint.clock().time(now).as_nanos() / 1_000_000;
                let answer = reservations::Input::Answer {
                    relay,
                    ask,
                    frame: frames.into_iter().next(),
                    unix_ms: BEGAN_UNIX_MS + since,
                };
                self.reservations.handle_input(answer, now);
            }
            return;
        }
        let Some(link) = self.links.iter().find(|link| link.virt == virt) else {
            return;
        };
        let conn = link.conn;
        let known = self.called.get(&(conn, id)).copied();
        let stream = known.unwrap_or(StreamId::theirs(id.0));
        self.streams.entry((conn, stream)).or_insert(id);
        for frame in frames {
            let input = channels::Input::Frame {
                conn,
                stream,
                frame,
            };
            self.channels.handle_input(input, now);
        }
        if fin {
            self.channels
                .handle_input(channels::Input::Ended { conn, stream }, now);
        }
    }

    /// Does what is wanted. `false` when there was nothing.
    pub(super) fn act(&mut self, endpoint: &mut Endpoint) -> bool {
        let mut busy = false;
        while let Some(output) = self.reservations.poll_output() {
            busy = true;
            self.reserve(endpoint, output);
        }
        while let Some(output) = self.channels.poll_output() {
            busy = true;
            self.channel(endpoint, output);
        }
        busy
    }

    fn reserve(&mut self, endpoint: &mut Endpoint, output: reservations::Output) {
        match output {
            reservations::Output::Connect { relay, sockets } => {
                let Some(socket) = sockets.first().copied() else {
                    return;
                };
                self.serial += 1;
                self.links.push(Link {
                    relay,
                    socket,
                    virt: endpoint.dial(socket),
                    leg: None,
                    conn: ConnId(self.serial),
                });
            }
            reservations::Output::Reserve { relay, ask, frame } => {
                let link = self.links.iter().find(|link| link.relay == relay);
                let Some(link) = link else {
                    return;
                };
                if let Some(connection) = endpoint.connection(link.virt) {
                    let id = connection.open();
                    connection.write(id, &frame.to_bytes(), true);
                    self.asks.insert((link.virt, id), (relay, ask));
                }
            }
            reservations::Output::Release { .. }
            | reservations::Output::Circuits(_)
            | reservations::Output::Event(_) => {}
        }
    }

    fn channel(&mut self, endpoint: &mut Endpoint, output: channels::Output) {
        let now = endpoint.instant();
        match output {
            channels::Output::Open {
                conn,
                stream,
                frame,
            } => {
                let Some(connection) = self.connection(endpoint, conn) else {
                    return;
                };
                let id = connection.open();
                connection.write(id, &frame.to_bytes(), false);
                self.streams.insert((conn, stream), id);
                self.called.insert((conn, id), stream);
            }
            channels::Output::Write {
                conn,
                stream,
                frame,
            } => self.write(endpoint, (conn, stream), &frame.to_bytes(), false),
            channels::Output::Close {
                conn,
                stream,
                frame,
            } => {
                let bytes = frame.map(|frame| frame.to_bytes()).unwrap_or_default();
                self.write(endpoint, (conn, stream), &bytes, true);
            }
            channels::Output::Opened {
                conn,
                peer,
                channel,
                asked,
                ..
            } => {
                self.open.insert((conn, channel), peer);
                let link = self.links.iter().find(|link| link.conn == conn);
                if let Some(leg) = link.and_then(|link| link.leg) {
                    self.opened.push(Opened::Channel {
                        peer,
                        leg,
                        channel,
                        asked,
                    });
                }
            }
            channels::Output::Closed { conn, channel, .. } => {
                self.open.remove(&(conn, channel));
                let link = self.links.iter().find(|link| link.conn == conn);
                if let Some(leg) = link.and_then(|link| link.leg) {
                    let closed = PathInput::ChannelClosed { leg, channel };
                    endpoint.switch.handle_input(closed, now);
                }
            }
            channels::Output::Failed { .. } => {}
        }
    }

    fn write(
        &self,
        endpoint: &mut Endpoint,
        (conn, stream): (ConnId, StreamId),
        bytes: &[u8],
        fin: bool,
    ) {
        let id = self.streams.get(&(conn, stream)).copied();
        if let (Some(id), Some(connection)) = (id, self.connection(endpoint, conn)) {
            connection.write(id, bytes, fin);
        }
    }

    fn connection<'a>(
        &self,
        endpoint: &'a mut Endpoint,
        conn: ConnId,
    ) -> Option<&'a mut crate::sim::quic::Connection> {
        let link = self.links.iter().find(|link| link.conn == conn)?;
        endpoint.connection(link.virt)
    }
}
