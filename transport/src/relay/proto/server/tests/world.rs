//! A relay and those around it. Whatever a test does, each output is checked against what may be
//! said at that moment.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use bytes::Bytes;
use dchat_wire::relay::datagram::Datagram;
use dchat_wire::relay::{
    Refusal, RelayAccept, RelayConnect, RelayRefused, RelayReserve, RelayReserved,
};
use dchat_wire::sign::Identity;
use dchat_wire::{Frame, PeerId};

use crate::relay::proto::server::{Config, Event, Input, Limits, Output, Policy, Relay};
use crate::relay::proto::{ConnId, StreamId};

pub(super) const UNIX_MS: u64 = 1_800_000_000_000;
pub(super) const AMPLE: usize = 1 << 40;

/// Derived once: it takes longer than all else here.
static PEERS: LazyLock<Vec<PeerId>> = LazyLock::new(|| {
    let of = |serial: u8| Identity::from_seed(&[serial.wrapping_add(100); 32]).peer_id();
    (0..=255).map(of).collect()
});

pub(super) fn peer(serial: u8) -> PeerId {
    PEERS[usize::from(serial)]
}

pub(super) fn relay_identity() -> Identity {
    Identity::from_seed(&[9; 32])
}

/// Public addresses, each in a /24 of its own.
pub(super) fn ip(serial: u8) -> IpAddr {
    Ipv4Addr::new(203, 0, serial, 7).into()
}

/// A connection as its peer sees it.
#[derive(Debug)]
pub(super) struct Conn {
    pub(super) peer: PeerId,
    pub(super) largest: usize,
    pub(super) room: usize,
    /// Streams that are open, and whether the peer was asked on it.
    pub(super) streams: BTreeMap<StreamId, Kind>,
    next_stream: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Reserve,
    Connect,
    Incoming,
    Nonsense,
}

/// A channel as both ends see it together.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pair {
    pub(super) caller: (ConnId, StreamId),
    pub(super) callee: (ConnId, StreamId),
    pub(super) incoming: u32,
    pub(super) opened: Option<u32>,
    pub(super) accepted: bool,
}

pub(super) struct World {
    pub(super) relay: Relay,
    pub(super) now: Instant,
    pub(super) limits: Limits,
    pub(super) policy: Policy,
    pub(super) conns: BTreeMap<ConnId, Conn>,
    pub(super) pairs: Vec<Pair>,
    /// Datagrams that came out, for whom.
    pub(super) arrived: Vec<(ConnId, Bytes)>,
    /// Connections whose datagrams wait.
    pub(super) waiting: Vec<ConnId>,
    pub(super) events: Vec<Event>,
    next_conn: u64,
    /// Last words of streams since they were asked for last.
    words: BTreeMap<(ConnId, StreamId), Option<Frame>>,
}

impl World {
    pub(super) fn new(change: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config::new(relay_identity());
        change(&mut config);
        let now = Instant::now();
        Self {
            limits: config.limits,
            policy: config.policy.clone(),
            relay: Relay::new(config, now),
            now,
            conns: BTreeMap::new(),
            pairs: Vec::new(),
            arrived: Vec::new(),
            waiting: Vec::new(),
            events: Vec::new(),
            next_conn: 0,
            words: BTreeMap::new(),
        }
    }

    pub(super) fn up_from(&mut self, peer: PeerId, ip: IpAddr, largest: usize) -> ConnId {
        self.next_conn += 1;
        let conn = ConnId(self.next_conn);
        self.conns.insert(
            conn,
            Conn {
                peer,
                largest,
                room: 0,
                streams: BTreeMap::new(),
                next_stream: 0,
            },
        );
        self.input(Input::Up {
            conn,
            peer,
            ip,
            largest,
        });
        conn
    }

    /// A connection of the peer numbered `serial`, with room for whatever comes.
    pub(super) fn up(&mut self, serial: u8) -> ConnId {
        let conn = self.up_from(peer(serial), ip(serial), 1300);
        self.room(conn, AMPLE);
        conn
    }

    pub(super) fn gone(&mut self, conn: ConnId) {
        self.conns.remove(&conn);
        self.pairs
            .retain(|pair| pair.caller.0 != conn || pair.callee.0 != conn);
        self.input(Input::Gone { conn });
    }

    pub(super) fn room(&mut self, conn: ConnId, bytes: usize) {
        if let Some(entry) = self.conns.get_mut(&conn) {
            entry.room = bytes;
        }
        self.waiting.retain(|&waiting| waiting != conn);
        self.input(Input::Room { conn, bytes });
    }

    pub(super) fn wait(&mut self, time: Duration) {
        let until = self.now + time;
        while let Some(due) = self.relay.poll_timeout()
            && due <= until
        {
            self.now = self.now.max(due);
            self.relay.handle_timeout(self.now);
            self.drain();
            assert!(self.relay.poll_timeout().is_none_or(|next| next > due));
        }
        self.now = until;
    }

    /// A request on a new stream; its last word if it is closed by now.
    pub(super) fn request(&mut self, conn: ConnId, frame: Frame) -> (StreamId, Option<Frame>) {
        let kind = match &frame {
            Frame::RelayReserve(_) => Kind::Reserve,
            Frame::RelayConnect(_) => Kind::Connect,
            _ => Kind::Nonsense,
        };
        let entry = self.conns.get_mut(&conn).unwrap();
        let stream = StreamId::theirs(entry.next_stream);
        entry.next_stream += 4;
        entry.streams.insert(stream, kind);
        self.frame(conn, stream, frame);
        let still = self.conns[&conn].streams.contains_key(&stream);
        assert!(!still || kind == Kind::Connect, "{kind:?} stays open");
        (stream, self.last_word(conn, stream))
    }

    pub(super) fn last_word(&mut self, conn: ConnId, stream: StreamId) -> Option<Frame> {
        self.words.remove(&(conn, stream)).flatten()
    }

    pub(super) fn frame(&mut self, conn: ConnId, stream: StreamId, frame: Frame) {
        let unix_ms = UNIX_MS;
        self.input(Input::Frame {
            conn,
            stream,
            frame,
            unix_ms,
        });
    }

    pub(super) fn reserve(&mut self, conn: ConnId) -> Result<RelayReserved, RelayRefused> {
        let frame = Frame::RelayReserve(RelayReserve {
            lifetime_s: 3600,
            extensions: Default::default(),
        });
        match self.request(conn, frame).1 {
            Some(Frame::RelayReserved(reserved)) => Ok(reserved),
            Some(Frame::RelayRefused(refused)) => Err(refused),
            other => panic!("{other:?} answers RESERVE"),
        }
    }

    /// The stream of a CONNECT, and why it is refused if it is at once.
    pub(super) fn connect(&mut self, conn: ConnId, to: PeerId) -> (StreamId, Option<Refusal>) {
        let frame = Frame::RelayConnect(RelayConnect {
            peer: to,
            extensions: Default::default(),
        });
        let (stream, word) = self.request(conn, frame);
        let refused = match word {
            None => None,
            Some(Frame::RelayRefused(refused)) => Some(refused.reason),
            other => panic!("{other:?} answers CONNECT"),
        };
        (stream, refused)
    }

    pub(super) fn refused_with(&mut self, conn: ConnId, stream: StreamId) -> Option<Refusal> {
        match self.last_word(conn, stream) {
            Some(Frame::RelayRefused(refused)) => Some(refused.reason),
            Some(other) => panic!("{other:?} ends a channel"),
            None => None,
        }
    }

    /// The callee of the channel asked for last accepts.
    pub(super) fn accept_last(&mut self) {
        let (conn, stream) = self.pairs.last().unwrap().callee;
        self.accept(conn, stream);
    }

    pub(super) fn accept(&mut self, conn: ConnId, stream: StreamId) {
        for pair in &mut self.pairs {
            if pair.callee == (conn, stream) {
                pair.accepted = true;
            }
        }
        let accept = RelayAccept {
            extensions: Default::default(),
        };
        self.frame(conn, stream, Frame::RelayAccept(accept));
    }

    /// An open channel between two peers, the second of which gets a reservation.
    pub(super) fn channel(&mut self, from: ConnId, to: ConnId) -> Pair {
        let callee = self.conns[&to].peer;
        self.reserve(to).unwrap();
        assert_eq!(self.connect(from, callee).1, None);
        self.accept_last();
        let pair = *self.pairs.last().unwrap();
        assert!(pair.opened.is_some());
        pair
    }

    /// Sends a packet that says where it is from.
    pub(super) fn send(&mut self, conn: ConnId, channel: u32, len: usize) {
        let packet = packet(conn, channel, len);
        let packet = packet.as_slice();
        let mut bytes = Vec::new();
        Datagram::Whole { channel, packet }.append_to(&mut bytes);
        self.send_bytes(conn, bytes);
    }

    pub(super) fn send_bytes(&mut self, conn: ConnId, bytes: Vec<u8>) {
        let datagram = bytes.into();
        self.input(Input::Datagram { conn, datagram });
    }

    pub(super) fn input(&mut self, input: Input) {
        self.relay.handle_input(input, self.now);
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(output) = self.relay.poll_output() {
            match output {
                Output::Open {
                    conn,
                    stream,
                    frame,
                } => self.opened(conn, stream, *frame),
                Output::Write {
                    conn,
                    stream,
                    frame,
                } => self.written(conn, stream, *frame),
                Output::Close {
                    conn,
                    stream,
                    frame,
                } => {
                    let entry = self
                        .conns
                        .get_mut(&conn)
                        .expect("closed on a live connection");
                    let kind = entry.streams.remove(&stream).expect("closed once");
                    let frame = frame.map(|frame| *frame);
                    let fits = match &frame {
                        None => true,
                        Some(Frame::RelayReserved(_)) => kind == Kind::Reserve,
                        Some(Frame::RelayRefused(_)) => kind != Kind::Nonsense,
                        Some(_) => false,
                    };
                    assert!(fits, "{frame:?} closes {kind:?}");
                    self.words.insert((conn, stream), frame);
                    let end = (conn, stream);
                    self.pairs
                        .retain(|pair| pair.caller != end && pair.callee != end);
                }
                Output::Transmit { conn, datagram } => self.arrives(conn, datagram),
                Output::Waiting { conn } => self.waiting.push(conn),
                Output::Event(event) => self.events.push(event),
            }
        }
        self.check_bounds();
    }

    fn opened(&mut self, conn: ConnId, stream: StreamId, frame: Frame) {
        assert!(stream.is_ours());
        let Frame::RelayIncoming(incoming) = frame else {
            panic!("{frame:?} opens a stream")
        };
        let entry = self.conns.get_mut(&conn).expect("a live connection");
        assert_eq!(entry.streams.insert(stream, Kind::Incoming), None);
        // The caller is the one whose CONNECT is not part of a channel yet.
        let of_caller = self.conns.iter().filter(|(_, c)| c.peer == incoming.peer);
        let mut unanswered = of_caller.flat_map(|(&conn, entry)| {
            let connects = entry
                .streams
                .iter()
                .filter(|(_, kind)| **kind == Kind::Connect);
            connects.map(move |(&stream, _)| (conn, stream))
        });
        let caller = unanswered
            .find(|end| self.pairs.iter().all(|pair| pair.caller != *end))
            .expect("INCOMING follows a CONNECT");
        self.pairs.push(Pair {
            caller,
            callee: (conn, stream),
            incoming: incoming.channel,
            opened: None,
            accepted: false,
        });
    }

    fn written(&mut self, conn: ConnId, stream: StreamId, frame: Frame) {
        assert!(self.conns[&conn].streams.contains_key(&stream));
        let Frame::RelayOpened(opened) = frame else {
            panic!("{frame:?} is written")
        };
        let pair = self
            .pairs
            .iter_mut()
            .find(|pair| pair.caller == (conn, stream));
        let pair = pair.expect("OPENED answers CONNECT");
        assert!(pair.accepted, "opened without consent");
        assert_eq!(pair.opened.replace(opened.channel), None, "opened twice");
    }

    fn arrives(&mut self, conn: ConnId, datagram: Bytes) {
        let entry = self.conns.get_mut(&conn).expect("a live connection");
        assert!(datagram.len() <= entry.largest, "larger than fits");
        entry.room = entry.room.checked_sub(datagram.len()).expect("room");
        let number = Datagram::open(&datagram).expect("a datagram").channel();
        let pair = self.pairs.iter().find(|pair| {
            (pair.callee.0 == conn && pair.incoming == number)
                || (pair.caller.0 == conn && pair.opened == Some(number))
        });
        let pair = pair.expect("on a channel both ends have");
        assert!(pair.accepted && pair.opened.is_some(), "without consent");
        if let Some(Datagram::Whole { packet, .. }) = Datagram::open(&datagram)
            && let Some((from, channel)) = origin(packet)
        {
            let (caller, callee) = (pair.caller.0, pair.callee.0);
            let to_callee = (caller, pair.opened.unwrap()) == (from, channel) && conn == callee;
            let to_caller = (callee, pair.incoming) == (from, channel) && conn == caller;
            assert!(to_callee || to_caller, "not the other end's");
        }
        self.arrived.push((conn, datagram));
    }

    fn check_bounds(&self) {
        let (stats, limits) = (self.relay.stats(), &self.limits);
        assert!(stats.connections <= limits.connections);
        assert!(stats.reservations <= limits.reservations);
        assert!(stats.channels + stats.unanswered <= limits.channels);
        assert!(stats.queued <= limits.queue_in_all);
        assert_eq!(stats.channels + stats.unanswered, self.pairs.len());
        let open = self.pairs.iter().filter(|pair| pair.opened.is_some());
        assert_eq!(stats.channels, open.count());
        for (peer, entry) in &self.relay.peers {
            let ends = self
                .pairs
                .iter()
                .flat_map(|pair| [pair.caller.0, pair.callee.0]);
            let of_peer = ends.filter(|conn| self.conns.get(conn).is_some_and(|c| c.peer == *peer));
            assert_eq!(usize::from(entry.channels), of_peer.count());
            assert!(entry.channels <= limits.channels_per_peer);
            assert!(entry.unanswered <= limits.unanswered_per_peer);
        }
    }

    /// Ends everything and sees that nothing is left.
    pub(super) fn end(mut self) {
        for conn in self.conns.keys().copied().collect::<Vec<_>>() {
            self.gone(conn);
        }
        self.wait(self.limits.grace.max(self.limits.lifetime) + Duration::from_secs(7200));
        let relay = &self.relay;
        assert!(relay.links.is_empty() && relay.peers.is_empty() && relay.subnets.is_empty());
        assert!(relay.timers.is_empty() && relay.channels.len() == 0 && relay.outputs.is_empty());
        assert_eq!((relay.away, relay.stats().queued), (0, 0));
        assert_eq!(
            (relay.stats().reservations, relay.stats().unanswered),
            (0, 0)
        );
    }
}

/// At least 13 bytes: who sends it, on which channel of its own.
pub(super) fn packet(from: ConnId, channel: u32, len: usize) -> Vec<u8> {
    let mut packet = vec![0x40];
    packet.extend_from_slice(&from.0.to_le_bytes());
    packet.extend_from_slice(&channel.to_le_bytes());
    packet.resize(len.max(13), 0xaa);
    packet
}

fn origin(packet: &[u8]) -> Option<(ConnId, u32)> {
    let packet = packet.strip_prefix(&[0x40])?;
    let (conn, packet) = packet.split_first_chunk()?;
    let (channel, _) = packet.split_first_chunk()?;
    Some((
        ConnId(u64::from_le_bytes(*conn)),
        u32::from_le_bytes(*channel),
    ))
}
