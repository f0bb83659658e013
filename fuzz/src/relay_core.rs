//! The relay's side of its protocol.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use bytes::Bytes;
use dchat_transport::relay::proto::server::{Access, Config, Input, Limits, Output, Policy, Relay};
use dchat_transport::relay::proto::{ConnId, Rate, StreamId};
use dchat_wire::relay::datagram::{Datagram, Part};
use dchat_wire::relay::{Refusal, RelayAccept, RelayConnect, RelayRefused, RelayReserve};
use dchat_wire::{Frame, PeerId};

use crate::samples;
use crate::script::{Script, start};

/// Input: a script of connections, requests, answers, datagrams and time.
///
/// Whatever that is: a datagram leaves on nothing but the other end of a channel that both ends
/// agreed to, within the room and the size that connection has; each stream is closed once, a
/// request at once; no table grows over its bound; and after a shutdown nothing is open.
///
/// # Panics
/// When it is not so.
pub fn relay_core(data: &[u8]) {
    let mut script = Script::new(data);
    let mut world = World::new();
    let mut steps = 0;
    while let Some(step) = script.step() {
        steps += 1;
        if steps > 500 {
            break;
        }
        world.step(step, &mut script);
    }
    world.end();
}

const PEERS: usize = 6;

static IDS: LazyLock<Vec<PeerId>> =
    LazyLock::new(|| (0..PEERS as u8).map(|n| samples::peer(40 + n)).collect());

struct Conn {
    largest: usize,
    room: usize,
    /// Open streams; true for a CONNECT or INCOMING, whose end is that of a channel.
    streams: BTreeMap<StreamId, bool>,
    next_stream: u64,
}

#[derive(Clone, Copy)]
struct End {
    conn: ConnId,
    stream: StreamId,
    number: Option<u32>,
}

/// A channel, asked for or open.
struct Channel {
    caller: End,
    callee: End,
    accepted: bool,
    /// What its packets are filled with, from the caller; one more from the callee.
    mark: u8,
}

struct World {
    relay: Relay,
    limits: Limits,
    now: Instant,
    conns: BTreeMap<ConnId, Conn>,
    channels: Vec<Channel>,
    /// Names of streams of the relay's that are closed by now.
    closed: Vec<(ConnId, StreamId)>,
    /// The request that is being made: whose INCOMING goes out now.
    asking: Option<(ConnId, StreamId)>,
    serial: u64,
    mark: u8,
}

impl World {
    fn new() -> Self {
        // Small, so that every bound is met.
        let mut config = Config::new(samples::identity(9));
        let limits = &mut config.limits;
        limits.connections = 8;
        limits.connections_per_peer = 2;
        limits.reservations = 4;
        limits.reservations_per_subnet = 3;
        limits.channels = 8;
        limits.channels_per_peer = 5;
        limits.channels_per_pair = 3;
        limits.unanswered_per_peer = 3;
        limits.requests_per_peer = Rate {
            per_second: 4,
            burst: 20,
        };
        limits.queue_per_channel = 5_000;
        limits.queue_per_connection = 9_000;
        limits.queue_in_all = 20_000;
        limits.bytes_per_peer = Some(Rate {
            per_second: 20_000,
            burst: 20_000,
        });
        limits.idle = Duration::from_secs(20);
        let limits = *limits;
        let now = start();
        Self {
            relay: Relay::new(config, now),
            limits,
            now,
            conns: BTreeMap::new(),
            channels: Vec::new(),
            closed: Vec::new(),
            asking: None,
            serial: 0,
            mark: 0,
        }
    }

    fn step(&mut self, step: u8, script: &mut Script<'_>) {
        match step % 16 {
            0 => self.up(script),
            1 => {
                if let Some(conn) = self.nth(script) {
                    self.gone(conn);
                }
            }
            2 | 3 => {
                let lifetime_s = script.u16().into();
                let frame = Frame::RelayReserve(RelayReserve {
                    lifetime_s,
                    extensions: Default::default(),
                });
                self.request(script, frame);
            }
            4 | 5 => {
                let frame = Frame::RelayConnect(RelayConnect {
                    peer: IDS[script.below(PEERS)],
                    extensions: Default::default(),
                });
                self.request(script, frame);
            }
            6 | 7 => self.answer(script, accept()),
            8 => {
                let frame = Frame::RelayRefused(RelayRefused {
                    reason: script.one_of(Refusal::ALL),
                    retry_after_s: script.u32(),
                    extensions: Default::default(),
                });
                self.answer(script, frame);
            }
            9 => {
                let caller = script.flag();
                if let Some(channel) = self.channel(script) {
                    let end = if caller {
                        channel.caller
                    } else {
                        channel.callee
                    };
                    let (conn, stream) = (end.conn, end.stream);
                    self.input(Input::Ended { conn, stream });
                }
            }
            10 => self.strange(script),
            11 | 12 => self.send(script),
            13 => {
                if let Some(conn) = self.nth(script) {
                    let datagram = Bytes::copy_from_slice(script.bytes(64));
                    // Marked by nobody: it has to go nowhere, or it is a datagram with a mark.
                    let forged = Datagram::open(&datagram).map(|opened| opened.channel());
                    if forged.is_none_or(|number| !self.is_end(conn, number)) {
                        self.input(Input::Datagram { conn, datagram });
                    }
                }
            }
            14 => {
                let bytes = usize::from(script.u16()) % 6_000;
                let largest = script.flag();
                let Some(conn) = self.nth(script) else {
                    return;
                };
                let Some(entry) = self.conns.get_mut(&conn) else {
                    return;
                };
                if largest {
                    let bytes = bytes % 1_500;
                    entry.largest = bytes;
                    self.input(Input::Largest { conn, bytes });
                } else {
                    entry.room = bytes;
                    self.input(Input::Room { conn, bytes });
                }
            }
            _ => match script.u8() {
                bits @ ..32 => {
                    let of = |bits: u8| -> BTreeSet<PeerId> {
                        let numbers = (0..PEERS).filter(|at| bits >> at & 1 == 1);
                        numbers.map(|at| IDS[at]).collect()
                    };
                    let policy = Policy {
                        reservations: [Access::Anyone, Access::Listed][usize::from(bits & 1)],
                        connects: [Access::Anyone, Access::Listed][usize::from(bits >> 1 & 1)],
                        allowed: of(script.u8()),
                        denied: of(script.u8()),
                        private_exempt: bits & 4 == 0,
                    };
                    self.input(Input::Policy(policy));
                }
                _ => self.pass(script.time()),
            },
        }
    }

    fn nth(&self, script: &mut Script<'_>) -> Option<ConnId> {
        let at = usize::from(script.u8());
        let conns = self.conns.keys();
        conns.copied().nth(at % self.conns.len().max(1))
    }

    fn channel(&self, script: &mut Script<'_>) -> Option<&Channel> {
        let at = usize::from(script.u8());
        self.channels.get(at % self.channels.len().max(1))
    }

    fn is_end(&self, conn: ConnId, number: u32) -> bool {
        let ends = self.channels.iter().flat_map(|c| [c.caller, c.callee]);
        let mut ends = ends.filter(|end| end.conn == conn);
        // What the caller's number is, is not known to it before OPENED.
        ends.any(|end| end.number.is_none_or(|own| own == number))
    }

    fn up(&mut self, script: &mut Script<'_>) {
        if self.conns.len() >= 12 {
            return;
        }
        self.serial += 1;
        let conn = ConnId(self.serial);
        let largest = usize::from(script.u16()) % 1_500;
        let entry = Conn {
            largest,
            room: 0,
            streams: BTreeMap::new(),
            next_stream: 0,
        };
        self.conns.insert(conn, entry);
        let peer = IDS[script.below(PEERS)];
        let ip = Ipv4Addr::new(203, 0, script.u8() & 3, 7).into();
        self.input(Input::Up {
            conn,
            peer,
            ip,
            largest,
        });
    }

    fn gone(&mut self, conn: ConnId) {
        self.conns.remove(&conn);
        for channel in &mut self.channels {
            // Its other end's stream is closed by the relay; until then it carries nothing.
            if channel.caller.conn == conn || channel.callee.conn == conn {
                channel.accepted = false;
            }
        }
        self.input(Input::Gone { conn });
        let live = |end: &End| self.conns.contains_key(&end.conn);
        self.channels.retain(|c| live(&c.caller) || live(&c.callee));
    }

    fn request(&mut self, script: &mut Script<'_>, frame: Frame) {
        let Some(conn) = self.nth(script) else {
            return;
        };
        let Some(entry) = self.conns.get_mut(&conn) else {
            return;
        };
        let connects = matches!(frame, Frame::RelayConnect(_));
        let stream = StreamId::theirs(entry.next_stream);
        entry.next_stream += 4;
        entry.streams.insert(stream, connects);
        self.asking = Some((conn, stream));
        self.frame(conn, stream, frame);
        self.asking = None;
        let open = |c: &Conn| c.streams.contains_key(&stream);
        let waits = self.conns.get(&conn).is_some_and(open);
        assert!(connects || !waits, "a request that stays open");
    }

    fn answer(&mut self, script: &mut Script<'_>, frame: Frame) {
        let at = usize::from(script.u8());
        let count = self.channels.len().max(1);
        if let Some(channel) = self.channels.get_mut(at % count) {
            let end = channel.callee;
            if self.conns.contains_key(&end.conn) {
                channel.accepted |= matches!(frame, Frame::RelayAccept(_));
                self.frame(end.conn, end.stream, frame);
            }
        }
    }

    /// Frames where they do not belong: on a new stream, on one of the relay's that is closed, or
    /// from the caller.
    fn strange(&mut self, script: &mut Script<'_>) {
        match script.u8() % 3 {
            0 => self.request(script, accept()),
            1 => {
                let at = usize::from(script.u8());
                if let Some((conn, stream)) = self.closed.get(at).copied() {
                    self.frame(conn, stream, accept());
                    self.input(Input::Ended { conn, stream });
                }
            }
            _ => {
                if let Some(end) = self.channel(script).map(|channel| channel.caller)
                    && self.conns.contains_key(&end.conn)
                {
                    self.frame(end.conn, end.stream, accept());
                }
            }
        }
    }

    fn send(&mut self, script: &mut Script<'_>) {
        let (caller, kind) = (script.flag(), script.u8());
        let len = 1 + usize::from(script.u16()) % 1_500;
        let Some(channel) = self.channel(script) else {
            return;
        };
        let (from, fill) = if caller {
            (channel.caller, channel.mark)
        } else {
            (channel.callee, channel.mark + 1)
        };
        let packet = vec![fill; len];
        let (number, packet) = (from.number.unwrap_or_default(), packet.as_slice());
        let mut datagram = Vec::new();
        let content = match kind {
            ..128 => Datagram::Whole {
                channel: number,
                packet,
            },
            _ => Datagram::Part {
                channel: number,
                number: script.u16(),
                part: if kind & 1 == 0 {
                    Part::First
                } else {
                    Part::Second
                },
                bytes: packet,
            },
        };
        content.append_to(&mut datagram);
        // A caller that guesses its number before OPENED may name another channel of its own.
        if from.number.is_some() {
            let (conn, datagram) = (from.conn, datagram.into());
            self.input(Input::Datagram { conn, datagram });
        }
    }

    fn frame(&mut self, conn: ConnId, stream: StreamId, frame: Frame) {
        self.input(Input::Frame {
            conn,
            stream,
            frame,
            unix_ms: 1_800_000_000_000,
        });
    }

    fn input(&mut self, input: Input) {
        self.relay.handle_input(input, self.now);
        self.drain();
    }

    fn pass(&mut self, span: Duration) {
        let until = self.now + span;
        while let Some(due) = self.relay.poll_timeout().filter(|due| *due <= until) {
            self.now = self.now.max(due);
            self.relay.handle_timeout(self.now);
            self.drain();
            let next = self.relay.poll_timeout();
            assert!(next.is_none_or(|next| next > due), "the timer stands still");
        }
        self.now = until;
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
                Output::Close { conn, stream, .. } => self.closes(conn, stream),
                Output::Transmit { conn, datagram } => self.transmits(conn, &datagram),
                Output::Waiting { conn } => assert!(self.conns.contains_key(&conn)),
                Output::Event(_) => {}
            }
        }
        let (stats, limits) = (self.relay.stats(), &self.limits);
        assert!(stats.connections <= limits.connections);
        assert!(stats.reservations <= limits.reservations);
        assert!(stats.channels + stats.unanswered <= limits.channels);
        assert!(stats.queued <= limits.queue_in_all);
    }

    fn opened(&mut self, conn: ConnId, stream: StreamId, frame: Frame) {
        let Frame::RelayIncoming(incoming) = frame else {
            panic!("a stream opened for {}", frame.frame_type().name());
        };
        let (from, request) = self.asking.expect("INCOMING without a CONNECT");
        let entry = self
            .conns
            .get_mut(&conn)
            .expect("opened on a live connection");
        assert!(stream.is_ours());
        assert_eq!(entry.streams.insert(stream, true), None, "a name again");
        self.mark = self.mark.wrapping_add(2);
        self.channels.push(Channel {
            caller: End {
                conn: from,
                stream: request,
                number: None,
            },
            callee: End {
                conn,
                stream,
                number: Some(incoming.channel),
            },
            accepted: false,
            mark: self.mark,
        });
    }

    fn written(&mut self, conn: ConnId, stream: StreamId, frame: Frame) {
        let Frame::RelayOpened(opened) = frame else {
            panic!("{} is written", frame.frame_type().name());
        };
        let mut channels = self.channels.iter_mut();
        let channel = channels.find(|c| (c.caller.conn, c.caller.stream) == (conn, stream));
        let channel = channel.expect("OPENED answers a CONNECT");
        assert!(channel.accepted, "opened without consent");
        let before = channel.caller.number.replace(opened.channel);
        assert_eq!(before, None, "opened twice");
    }

    fn closes(&mut self, conn: ConnId, stream: StreamId) {
        let entry = self
            .conns
            .get_mut(&conn)
            .expect("closed on a live connection");
        assert!(entry.streams.remove(&stream).is_some(), "closed twice");
        if stream.is_ours() && self.closed.len() < 64 {
            self.closed.push((conn, stream));
        }
        let is = |end: &End| (end.conn, end.stream) == (conn, stream);
        self.channels.retain(|c| !is(&c.caller) && !is(&c.callee));
    }

    fn transmits(&mut self, conn: ConnId, datagram: &[u8]) {
        let entry = self
            .conns
            .get_mut(&conn)
            .expect("sent to a live connection");
        assert!(datagram.len() <= entry.largest, "larger than it takes");
        let room = entry.room.checked_sub(datagram.len());
        entry.room = room.expect("more than there is room for");
        let (number, packet) = match Datagram::open(datagram).expect("a datagram") {
            Datagram::Whole { channel, packet } => (channel, packet),
            Datagram::Part { channel, bytes, .. } => (channel, bytes),
        };
        let to = |end: &End| end.conn == conn && end.number == Some(number);
        let mut channels = self.channels.iter();
        let channel = channels.find(|c| to(&c.caller) || to(&c.callee));
        let channel = channel.expect("sent on no channel");
        assert!(
            channel.accepted && channel.caller.number.is_some(),
            "sent without consent"
        );
        let mark = if to(&channel.callee) {
            channel.mark
        } else {
            channel.mark + 1
        };
        assert!(
            packet.iter().all(|byte| *byte == mark),
            "not the other end's"
        );
    }

    fn end(mut self) {
        let conns: Vec<ConnId> = self.conns.keys().copied().collect();
        for conn in conns {
            if let Some(entry) = self.conns.get_mut(&conn) {
                entry.room = 1 << 30;
            }
            let bytes = 1 << 30;
            self.input(Input::Room { conn, bytes });
        }
        assert_eq!(self.relay.stats().queued, 0, "room, and still waiting");
        self.input(Input::Shutdown);
        let open = self.conns.values().any(|conn| !conn.streams.is_empty());
        assert!(!open, "open after the shutdown");
    }
}

fn accept() -> Frame {
    Frame::RelayAccept(RelayAccept {
        extensions: Default::default(),
    })
}
