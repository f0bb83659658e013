//! A node that relays and answers STUN.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Instant;

use dchat_nat::stun;
use dchat_transport::path::VirtualAddress;
use dchat_transport::relay::proto::server::{Config, Input, Output, Relay};
use dchat_transport::relay::proto::{ConnId, StreamId};
use dchat_wire::PeerId;
use dchat_wire::sign::Identity;

use super::endpoint::{Endpoint, Event, LARGEST, PORT};
use super::streams::Streams;
use crate::sim::net::{HostId, Net, Packet};
use crate::sim::quic::{self, StreamId as QuicStream};
use crate::sim::time::{Clock, Time};

/// Bytes of datagrams a connection takes at a time: links of the world are never full for long.
const ROOM: usize = 64 * 1024;
/// When worlds begin: 2026-01-01, in milliseconds since 1970. Only vouchers want to know.
pub(super) const BEGAN_UNIX_MS: u64 = 1_767_225_600_000;

/// A node that relays.
#[derive(Debug)]
pub struct RelayNode {
    endpoint: Endpoint,
    peer_id: PeerId,
    relay: Relay,
    streams: Streams,
    conns: BTreeMap<ConnId, VirtualAddress>,
    names: BTreeMap<VirtualAddress, ConnId>,
    opened: BTreeMap<(ConnId, StreamId), QuicStream>,
    called: BTreeMap<(ConnId, QuicStream), StreamId>,
    serial: u64,
}

impl RelayNode {
    /// On this host, with the relay's defaults.
    #[must_use]
    pub fn new(host: HostId, identity: Identity, clock: Clock, seed: u64) -> Self {
        let peer_id = identity.peer_id();
        Self {
            endpoint: Endpoint::new(host, *peer_id.public_key(), clock, seed),
            peer_id,
            relay: Relay::new(Config::new(identity), clock.instant(Time::ZERO)),
            streams: Streams::default(),
            conns: BTreeMap::new(),
            names: BTreeMap::new(),
            opened: BTreeMap::new(),
            called: BTreeMap::new(),
            serial: 0,
        }
    }

    /// Its name.
    #[must_use]
    pub fn peer_id(&self) -> PeerId {
        self.peer_id
    }

    pub(super) fn datagram(&mut self, net: &mut Net, packet: Packet) {
        self.endpoint.advance(net.now());
        if stun::is_stun(&packet.payload) {
            if let Some(answer) = stun::answer(&packet.payload, packet.src) {
                let source = (Some(packet.dst.ip()), PORT);
                // Whoever asked asks again.
                let _unroutable =
                    self.endpoint
                        .send_datagram(net, source, packet.src, answer.into());
            }
        } else {
            self.endpoint.datagram(packet);
        }
        self.settle(net);
    }

    pub(super) fn wake(&mut self, net: &mut Net) {
        self.endpoint.advance(net.now());
        self.endpoint.handle_timeout();
        self.relay.handle_timeout(self.endpoint.instant());
        self.settle(net);
    }

    fn settle(&mut self, net: &mut Net) {
        loop {
            self.endpoint.flush(net);
            let mut idle = true;
            while let Some(event) = self.endpoint.poll_event() {
                idle = false;
                self.event(event);
            }
            while let Some(output) = self.relay.poll_output() {
                idle = false;
                self.output(output);
            }
            if idle {
                break;
            }
        }
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let timers = [self.endpoint.poll_timeout(), self.relay.poll_timeout()];
        timers.into_iter().flatten().min()
    }

    fn event(&mut self, event: Event) {
        let now = self.endpoint.instant();
        let Event::Quic { virt, event } = event else {
            return;
        };
        let conn = self.names.get(&virt).copied();
        match (event, conn) {
            (quic::Event::Connected { peer }, None) => {
                let Ok(peer) = PeerId::from_public_key(peer) else {
                    return;
                };
                self.endpoint.attach(virt);
                self.serial += 1;
                let conn = ConnId(self.serial);
                self.conns.insert(conn, virt);
                self.names.insert(virt, conn);
                let ip = self.endpoint.path(virt).map(|path| path.remote.ip());
                let ip = ip.unwrap_or(IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED));
                let largest = LARGEST;
                let up = Input::Up {
                    conn,
                    peer,
                    ip,
                    largest,
                };
                self.relay.handle_input(up, now);
                let bytes = ROOM;
                self.relay.handle_input(Input::Room { conn, bytes }, now);
            }
            (quic::Event::Stream { id, bytes, fin }, Some(conn)) => {
                let stream = self.called.get(&(conn, id)).copied();
                let stream = stream.unwrap_or(StreamId::theirs(id.0));
                self.opened.entry((conn, stream)).or_insert(id);
                let since = self.endpoint.clock().time(now).as_nanos() / 1_000_000;
                for frame in self.streams.read(virt, id, &bytes, fin) {
                    let input = Input::Frame {
                        conn,
                        stream,
                        frame,
                        unix_ms: BEGAN_UNIX_MS + since,
                    };
                    self.relay.handle_input(input, now);
                }
                if fin {
                    self.relay.handle_input(Input::Ended { conn, stream }, now);
                }
            }
            (quic::Event::Datagram(datagram), Some(conn)) => {
                self.relay
                    .handle_input(Input::Datagram { conn, datagram }, now);
            }
            (quic::Event::Closed, Some(conn)) => {
                self.names.remove(&virt);
                self.conns.remove(&conn);
                self.streams.forget(virt);
                self.opened.retain(|(of, _), _| *of != conn);
                self.called.retain(|(of, _), _| *of != conn);
                self.relay.handle_input(Input::Gone { conn }, now);
            }
            (_, _) => {}
        }
    }

    fn output(&mut self, output: Output) {
        let now = self.endpoint.instant();
        match output {
            Output::Open {
                conn,
                stream,
                frame,
            } => {
                let Some(connection) = connection(&self.conns, &mut self.endpoint, conn) else {
                    return;
                };
                let id = connection.open();
                connection.write(id, &frame.to_bytes(), false);
                self.opened.insert((conn, stream), id);
                self.called.insert((conn, id), stream);
            }
            Output::Write {
                conn,
                stream,
                frame,
            } => self.write(conn, stream, &frame.to_bytes(), false),
            Output::Close {
                conn,
                stream,
                frame,
            } => {
                let bytes = frame.map(|frame| frame.to_bytes()).unwrap_or_default();
                self.write(conn, stream, &bytes, true);
            }
            Output::Transmit { conn, datagram } => {
                if let Some(connection) = connection(&self.conns, &mut self.endpoint, conn) {
                    connection.send_datagram(datagram);
                }
                let bytes = ROOM;
                self.relay.handle_input(Input::Room { conn, bytes }, now);
            }
            Output::Waiting { conn } => {
                let bytes = ROOM;
                self.relay.handle_input(Input::Room { conn, bytes }, now);
            }
            Output::Event(_) => {}
        }
    }

    fn write(&mut self, conn: ConnId, stream: StreamId, bytes: &[u8], fin: bool) {
        let Some(id) = self.opened.get(&(conn, stream)).copied() else {
            return;
        };
        if let Some(connection) = connection(&self.conns, &mut self.endpoint, conn) {
            connection.write(id, bytes, fin);
        }
    }
}

fn connection<'a>(
    conns: &BTreeMap<ConnId, VirtualAddress>,
    endpoint: &'a mut Endpoint,
    conn: ConnId,
) -> Option<&'a mut quic::Connection> {
    endpoint.connection(*conns.get(&conn)?)
}
