//! One end of a connection.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::assembly::Assembly;
use super::packet::{Cid, Form, Frame, OVERHEAD, Packet, SIZE, StreamId};
use super::received::Received;
use super::recovery::Recovery;
use super::rtt::MAX_ACK_DELAY;

/// Bytes of a ClientHello with X25519MLKEM768, of the server's flight with a certificate, and of
/// the client's certificate and Finished: two datagrams, two, one.
const FLIGHTS: [u64; 3] = [1_500, 1_900, 900];
/// Bytes of a frame of stream data at most: with its header it fits a packet of either form beside
/// a short acknowledgement.
const CHUNK: usize = 1_000;
/// Bytes that a PeerId takes at the front of the first flight of either side.
const NAME: usize = 32;
/// BLAKE3 context of the exported secret.
const EXPORTER: &str = "dchat-sim 2026 exported secret";

/// Timers of a connection.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// Silence after which it is over.
    pub idle: Duration,
    /// Silence after which a client asks for a sign of life.
    pub keep_alive: Duration,
}

/// Which end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Dialed.
    Client,
    /// Accepted.
    Server,
}

/// What a connection tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// TLS is done. Said once.
    Connected {
        /// The key the other side has proven.
        peer: [u8; 32],
    },
    /// The next bytes of a stream, in order.
    Stream {
        /// Which.
        id: StreamId,
        /// At least one byte, unless it is the end.
        bytes: Bytes,
        /// Whether nothing follows.
        fin: bool,
    },
    /// A datagram.
    Datagram(Bytes),
    /// The other side closed it, or it was silent for too long. Nothing follows.
    Closed,
}

/// One end of a connection.
#[derive(Debug)]
pub struct Connection {
    config: Config,
    role: Role,
    name: [u8; NAME],
    ours: Cid,
    /// What the client guessed at first; both know it.
    first: Cid,
    theirs: Option<Cid>,
    connected: bool,
    closed: bool,
    crypto: Assembly,
    peer: Vec<u8>,
    crypto_sent: u64,
    streams_in: BTreeMap<StreamId, Assembly>,
    streams_out: BTreeMap<StreamId, u64>,
    next_stream: u64,
    pending: VecDeque<Frame>,
    probes: VecDeque<Vec<Frame>>,
    number: u32,
    recovery: Recovery,
    received: Received,
    unacknowledged: u32,
    ack_due: Option<Instant>,
    heard: Instant,
    asked: Instant,
    events: VecDeque<Event>,
}

impl Connection {
    /// Dials: `ours` and `first` are fresh random ids, `name` the own key.
    #[must_use]
    pub fn dial(config: Config, name: [u8; 32], ours: Cid, first: Cid, now: Instant) -> Self {
        let mut connection = Self::new(config, Role::Client, name, (ours, first), None, now);
        connection.send_flight(FLIGHTS[0]);
        connection
    }

    /// Accepts what a first packet asks for. `None` when it is not one.
    #[must_use]
    pub fn accept(
        config: Config,
        name: [u8; 32],
        ours: Cid,
        packet: &Packet,
        now: Instant,
    ) -> Option<Self> {
        let ids = (ours, packet.dcid);
        let theirs = Some(packet.scid);
        (packet.form == Form::Initial)
            .then(|| Self::new(config, Role::Server, name, ids, theirs, now))
    }

    fn new(
        config: Config,
        role: Role,
        name: [u8; 32],
        (ours, first): (Cid, Cid),
        theirs: Option<Cid>,
        now: Instant,
    ) -> Self {
        Self {
            config,
            role,
            name,
            ours,
            first,
            theirs,
            connected: false,
            closed: false,
            crypto: Assembly::default(),
            peer: Vec::new(),
            crypto_sent: 0,
            streams_in: BTreeMap::new(),
            streams_out: BTreeMap::new(),
            next_stream: u64::from(role == Role::Server),
            pending: VecDeque::new(),
            probes: VecDeque::new(),
            number: 0,
            recovery: Recovery::new(),
            received: Received::default(),
            unacknowledged: 0,
            ack_due: None,
            heard: now,
            asked: now,
            events: VecDeque::new(),
        }
    }

    /// Which end it is.
    #[must_use]
    pub fn role(&self) -> Role {
        self.role
    }

    /// Whether TLS is done on this side.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.connected && !self.closed
    }

    /// Whether it is over.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.closed
    }

    /// The smoothed round trip.
    #[must_use]
    pub fn rtt(&self) -> Duration {
        self.recovery.rtt().smoothed()
    }

    /// 80 bytes that both ends know, and none that belongs to another connection. `None` before TLS
    /// is done.
    #[must_use]
    pub fn exported(&self) -> Option<[u8; 80]> {
        let theirs = self.theirs.filter(|_| self.connected)?;
        let (client, server) = match self.role {
            Role::Client => (self.ours, theirs),
            Role::Server => (theirs, self.ours),
        };
        let mut exported = [0; 80];
        blake3::Hasher::new_derive_key(EXPORTER)
            .update(&client)
            .update(&server)
            .finalize_xof()
            .fill(&mut exported);
        Some(exported)
    }

    /// A new stream; both ends may write to it.
    pub fn open(&mut self) -> StreamId {
        let id = StreamId(self.next_stream);
        self.next_stream += 2;
        id
    }

    /// Writes to a stream, and ends it if `fin`.
    pub fn write(&mut self, id: StreamId, bytes: &[u8], fin: bool) {
        let offset = self.streams_out.entry(id).or_default();
        let mut chunks = bytes.chunks(CHUNK).peekable();
        if fin && chunks.peek().is_none() {
            self.pending.push_back(Frame::Stream {
                id,
                offset: *offset,
                fin,
                bytes: Bytes::new(),
            });
        }
        while let Some(chunk) = chunks.next() {
            self.pending.push_back(Frame::Stream {
                id,
                offset: *offset,
                fin: fin && chunks.peek().is_none(),
                bytes: Bytes::copy_from_slice(chunk),
            });
            *offset += chunk.len() as u64;
        }
    }

    /// Sends a datagram, once.
    pub fn send_datagram(&mut self, bytes: Bytes) {
        self.pending.push_back(Frame::Datagram { bytes });
    }

    /// Makes the connection ask at once: it moved to another path, as the node's driver does.
    pub fn kick(&mut self) {
        self.recovery.forgive();
        if self.connected {
            self.pending.push_back(Frame::Ping);
        }
    }

    /// Ends it.
    pub fn close(&mut self) {
        self.pending.clear();
        self.pending.push_back(Frame::Close);
    }

    /// Takes a packet to one of our ids.
    pub fn handle_packet(&mut self, packet: Packet, now: Instant) {
        if self.closed {
            return;
        }
        if packet.form == Form::Reset {
            self.over();
            return;
        }
        // The keys for it are not there yet.
        if packet.form == Form::Short && !self.connected {
            return;
        }
        let Some(in_order) = self.received.insert(packet.number) else {
            return;
        };
        self.heard = now;
        if packet.form != Form::Short {
            self.theirs = Some(packet.scid);
        }
        let eliciting = packet.frames.iter().any(Frame::is_eliciting);
        for frame in packet.frames {
            self.handle_frame(frame, now);
        }
        if eliciting {
            self.unacknowledged += 1;
            let at_once = !in_order || self.unacknowledged >= 2 || packet.form != Form::Short;
            let due = if at_once { now } else { now + MAX_ACK_DELAY };
            self.ack_due = Some(self.ack_due.map_or(due, |before| before.min(due)));
        }
    }

    fn handle_frame(&mut self, frame: Frame, now: Instant) {
        match frame {
            Frame::Ack { runs } => {
                let lost = self.recovery.acknowledged(&runs, now);
                self.again(lost);
            }
            Frame::Crypto { offset, bytes } => {
                self.crypto.insert(offset, bytes, false);
                while let Some(bytes) = self.crypto.read() {
                    let wanted = NAME - self.peer.len();
                    self.peer.extend(bytes.iter().take(wanted));
                }
                self.advance_handshake();
            }
            Frame::Stream {
                id,
                offset,
                fin,
                bytes,
            } => {
                let stream = self.streams_in.entry(id).or_default();
                stream.insert(offset, bytes, fin);
                while let Some(bytes) = stream.read() {
                    let fin = stream.finish();
                    self.events.push_back(Event::Stream { id, bytes, fin });
                }
                if stream.finish() {
                    let bytes = Bytes::new();
                    let fin = true;
                    self.events.push_back(Event::Stream { id, bytes, fin });
                }
            }
            Frame::Datagram { bytes } => self.events.push_back(Event::Datagram(bytes)),
            Frame::Ping => {}
            Frame::Close => self.over(),
        }
    }

    fn advance_handshake(&mut self) {
        let received = self.crypto.len();
        let [hello, server, finished] = FLIGHTS;
        match self.role {
            Role::Client if received >= server && !self.connected => {
                self.send_flight(finished);
                self.connect();
            }
            Role::Server if received >= hello && self.crypto_sent == 0 => self.send_flight(server),
            Role::Server if received >= hello + finished && !self.connected => self.connect(),
            Role::Client | Role::Server => {}
        }
    }

    fn connect(&mut self) {
        self.connected = true;
        // What the other end has answered has arrived.
        self.recovery.discard_handshake();
        let mut peer = [0; NAME];
        peer.copy_from_slice(&self.peer);
        self.events.push_back(Event::Connected { peer });
    }

    fn send_flight(&mut self, len: u64) {
        let mut bytes = vec![0; usize::try_from(len).unwrap_or_default()];
        if self.crypto_sent == 0 {
            bytes[..NAME].copy_from_slice(&self.name);
        }
        let bytes = Bytes::from(bytes);
        for (at, chunk) in bytes.chunks(CHUNK).enumerate() {
            self.pending.push_back(Frame::Crypto {
                offset: self.crypto_sent + (at * CHUNK) as u64,
                bytes: bytes.slice_ref(chunk),
            });
        }
        self.crypto_sent += len;
    }

    /// What was lost goes before what is new, in its own order.
    fn again(&mut self, lost: Vec<Frame>) {
        for frame in lost.into_iter().rev() {
            self.pending.push_front(frame);
        }
    }

    fn over(&mut self) {
        if !std::mem::replace(&mut self.closed, true) {
            self.events.push_back(Event::Closed);
        }
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.closed {
            return;
        }
        if self.heard + self.config.idle <= now {
            self.over();
            return;
        }
        if self.recovery.loss_at().is_some_and(|at| at <= now) {
            let lost = self.recovery.lost(now);
            self.again(lost);
        } else if self.recovery.probe_at().is_some_and(|at| at <= now) {
            self.probes.extend(self.recovery.probe());
        }
        if self.keep_alive_at().is_some_and(|at| at <= now) {
            self.asked = now;
            self.pending.push_back(Frame::Ping);
        }
    }

    fn keep_alive_at(&self) -> Option<Instant> {
        let client = self.role == Role::Client && self.connected;
        client.then(|| self.heard.max(self.asked) + self.config.keep_alive)
    }

    /// The next event.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        if self.closed {
            return None;
        }
        let timers = [
            Some(self.heard + self.config.idle),
            self.recovery.wake_at(),
            self.keep_alive_at(),
            self.ack_due,
        ];
        timers.into_iter().flatten().min()
    }

    /// The next datagram to send.
    pub fn poll_transmit(&mut self, now: Instant) -> Option<Bytes> {
        if self.closed {
            return None;
        }
        let ack = self.ack_due.is_some_and(|due| due <= now);
        if !ack && self.pending.is_empty() && self.probes.is_empty() {
            return None;
        }
        let mut frames = Vec::new();
        if self.unacknowledged > 0 {
            frames.push(Frame::Ack {
                runs: self.received.runs().to_vec(),
            });
            self.unacknowledged = 0;
            self.ack_due = None;
        }
        let mut space = SIZE - OVERHEAD - HEADERS - frames.iter().map(Frame::size).sum::<usize>();
        if let Some(probe) = self.probes.pop_front() {
            // What it repeats still counts as under way in the packet that first carried it.
            frames.extend(probe);
            frames.push(Frame::Ping);
        } else {
            while let Some(frame) = self.pending.front() {
                // A relayed packet may be as large as a datagram by itself: it goes alone.
                let alone = frame.size() > SIZE - OVERHEAD - HEADERS;
                if frame.size() > space && !(alone && frames.is_empty()) {
                    break;
                }
                space = space.saturating_sub(frame.size());
                frames.extend(self.pending.pop_front());
            }
        }
        if frames.is_empty() {
            return None;
        }
        let closes = frames.contains(&Frame::Close);
        let packet = Packet {
            form: self.form(&frames),
            dcid: self.theirs.unwrap_or(self.first),
            scid: self.ours,
            number: self.number,
            frames,
        };
        self.number += 1;
        let bytes = packet.seal();
        if packet.frames.iter().any(Frame::is_eliciting) {
            let reliable = packet.frames.into_iter().filter(Frame::is_reliable);
            self.recovery.sent(packet.number, reliable.collect(), now);
        }
        if closes {
            self.over();
        }
        Some(bytes)
    }

    fn form(&self, frames: &[Frame]) -> Form {
        let crypto = frames
            .iter()
            .any(|frame| matches!(frame, Frame::Crypto { .. }));
        match (self.connected, self.role) {
            (true, Role::Client) if crypto => Form::Handshake,
            (true, Role::Client | Role::Server) => Form::Short,
            (false, Role::Client | Role::Server) => Form::Initial,
        }
    }
}

/// Bytes that a long header has more than a short one.
const HEADERS: usize = 4 + 1 + 1 + 8;
