//! Both sides of the protocol, frame for frame: what one says the other understands.

use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use dchat_wire::relay::Refusal;
use dchat_wire::sign::Identity;
use dchat_wire::{Address, Frame, PeerId};

use crate::relay::proto::client::{Candidate, Channels, Consent, Reservations};
use crate::relay::proto::client::{channels, reservations};
use crate::relay::proto::parts::{Numbers, cut};
use crate::relay::proto::server::{Config, Input, Output, Relay};
use crate::relay::proto::{ConnId, StreamId};

const UNIX_MS: u64 = 1_800_000_000_000;

struct Peer {
    id: PeerId,
    conn: ConnId,
    reservations: Reservations,
    channels: Channels,
    circuits: Vec<Address>,
    open: Vec<(PeerId, u32)>,
    failures: Vec<channels::Failure>,
    next_stream: u64,
}

struct Net {
    relay: Relay,
    id: PeerId,
    peers: Vec<Peer>,
    now: Instant,
    got: Vec<(ConnId, Vec<u8>)>,
}

impl Net {
    fn new(consent: [Consent; 2]) -> Self {
        let identity = Identity::from_seed(&[1; 32]);
        let (id, now) = (identity.peer_id(), Instant::now());
        let mut serial = 1;
        let peers = consent.map(|consent| {
            serial += 1;
            let peer = Identity::from_seed(&[serial; 32]).peer_id();
            Peer {
                id: peer,
                conn: ConnId(serial.into()),
                reservations: Reservations::new(
                    reservations::Config::default(),
                    peer,
                    [serial; 32],
                ),
                channels: Channels::new(channels::Config::default(), peer, consent, now),
                circuits: Vec::new(),
                open: Vec::new(),
                failures: Vec::new(),
                next_stream: 0,
            }
        });
        let mut net = Self {
            relay: Relay::new(Config::new(identity), now),
            id,
            peers: peers.into(),
            now,
            got: Vec::new(),
        };
        for at in 0..2 {
            let peer = &mut net.peers[at];
            let candidate = Candidate {
                relay: id,
                sockets: vec![socket()],
                configured: true,
            };
            let input = reservations::Input::Candidates(vec![candidate]);
            peer.reservations.handle_input(input, now);
        }
        net.settle();
        net
    }

    fn server(&mut self, input: Input) {
        self.relay.handle_input(input, self.now);
    }

    fn frame(&mut self, conn: ConnId, stream: StreamId, frame: Frame) {
        // As on the wire.
        let bytes = frame.to_bytes();
        let mut input = &bytes[..];
        let frame = dchat_wire::FrameReader::new()
            .read(&mut input)
            .unwrap()
            .unwrap();
        let unix_ms = UNIX_MS;
        self.server(Input::Frame {
            conn,
            stream,
            frame,
            unix_ms,
        });
    }

    /// Carries everything until nobody has anything to say.
    fn settle(&mut self) {
        loop {
            let said = self.hear_peers() | self.hear_relay();
            if !said {
                return;
            }
        }
    }

    fn hear_peers(&mut self) -> bool {
        let mut said = false;
        for at in 0..self.peers.len() {
            let peer = &mut self.peers[at];
            let conn = peer.conn;
            let mut asked: VecDeque<_> = VecDeque::new();
            while let Some(output) = peer.reservations.poll_output() {
                said = true;
                match output {
                    reservations::Output::Connect { relay, .. } => {
                        let up = reservations::Input::Up {
                            relay,
                            socket: socket(),
                            rtt: Duration::from_millis(20),
                        };
                        peer.reservations.handle_input(up, self.now);
                        peer.channels
                            .handle_input(channels::Input::Up { conn, relay }, self.now);
                        self.relay.handle_input(
                            Input::Up {
                                conn,
                                peer: peer.id,
                                ip: Ipv4Addr::new(203, 0, at as u8, 1).into(),
                                largest: 1200,
                            },
                            self.now,
                        );
                        let bytes = 1 << 30;
                        self.relay
                            .handle_input(Input::Room { conn, bytes }, self.now);
                    }
                    reservations::Output::Reserve { ask, frame, .. } => {
                        peer.next_stream += 4;
                        asked.push_back((ask, StreamId::theirs(peer.next_stream), frame));
                    }
                    reservations::Output::Circuits(circuits) => peer.circuits = circuits,
                    reservations::Output::Release { .. } | reservations::Output::Event(_) => {}
                }
            }
            for (ask, stream, frame) in asked {
                self.frame(conn, stream, *frame);
                let answer = self.answer_to(stream);
                let input = reservations::Input::Answer {
                    relay: self.id,
                    ask,
                    frame: answer,
                    unix_ms: UNIX_MS,
                };
                self.peers[at].reservations.handle_input(input, self.now);
            }
            while let Some(output) = self.peers[at].channels.poll_output() {
                said = true;
                self.hear_channels(at, output);
            }
        }
        said
    }

    fn hear_channels(&mut self, at: usize, output: channels::Output) {
        use channels::Output as Said;
        match output {
            // To the relay our streams are theirs.
            Said::Open {
                conn,
                stream,
                frame,
            } => self.frame(conn, mirrored(stream), *frame),
            Said::Write {
                conn,
                stream,
                frame,
            } => self.frame(conn, mirrored(stream), *frame),
            Said::Close {
                conn,
                stream,
                frame,
            } => {
                let stream = mirrored(stream);
                if let Some(frame) = frame {
                    self.frame(conn, stream, *frame);
                }
                self.server(Input::Ended { conn, stream });
            }
            Said::Opened { peer, channel, .. } => self.peers[at].open.push((peer, channel)),
            Said::Failed { failure, .. } => self.peers[at].failures.push(failure),
            Said::Closed { channel, .. } => self.peers[at].open.retain(|open| open.1 != channel),
        }
    }

    /// The last word on a stream, which has just been asked on.
    fn answer_to(&mut self, stream: StreamId) -> Option<Frame> {
        loop {
            match self.relay.poll_output()? {
                Output::Close {
                    stream: closed,
                    frame,
                    ..
                } if closed == stream => return frame.map(|frame| *frame),
                Output::Event(_) => {}
                other => panic!("{other:?} answers RESERVE"),
            }
        }
    }

    fn hear_relay(&mut self) -> bool {
        let mut said = false;
        while let Some(output) = self.relay.poll_output() {
            said = true;
            let (conn, stream, frame, ends) = match output {
                Output::Open {
                    conn,
                    stream,
                    frame,
                }
                | Output::Write {
                    conn,
                    stream,
                    frame,
                } => (conn, stream, Some(frame), false),
                Output::Close {
                    conn,
                    stream,
                    frame,
                } => (conn, stream, frame, true),
                Output::Transmit { conn, datagram } => {
                    self.got.push((conn, datagram.to_vec()));
                    continue;
                }
                Output::Waiting { .. } | Output::Event(_) => continue,
            };
            let stream = mirrored(stream);
            let channels = &mut self
                .peers
                .iter_mut()
                .find(|p| p.conn == conn)
                .unwrap()
                .channels;
            if let Some(frame) = frame {
                let frame = *frame;
                channels.handle_input(
                    channels::Input::Frame {
                        conn,
                        stream,
                        frame,
                    },
                    self.now,
                );
            }
            if ends {
                channels.handle_input(channels::Input::Ended { conn, stream }, self.now);
            }
        }
        said
    }

    fn ask(&mut self, from: usize, to: usize) {
        let (conn, peer) = (self.peers[from].conn, self.peers[to].id);
        let input = channels::Input::Ask { conn, peer };
        self.peers[from].channels.handle_input(input, self.now);
        self.settle();
    }
}

/// The same stream from the other side: what one side had opened is the other's.
fn mirrored(stream: StreamId) -> StreamId {
    let bare = StreamId::theirs(stream.0).0;
    if stream.is_ours() {
        StreamId::theirs(bare | 1 << 40)
    } else {
        StreamId::ours(bare & !(1 << 40))
    }
}

fn socket() -> SocketAddr {
    (Ipv4Addr::new(198, 51, 100, 1), 4001).into()
}

/// Checks DC-RELAY-007 (positive), DC-RELAY-009 (positive), DC-RELAY-013 (positive).
#[test]
fn two_peers_reserve_connect_and_exchange_packets() {
    let mut net = Net::new([Consent::default(), Consent::default()]);
    for peer in &net.peers {
        let circuit = Address::Circuit {
            socket: socket(),
            relay: net.id,
            peer: Some(peer.id),
        };
        assert_eq!(peer.circuits, [circuit]);
    }
    net.ask(0, 1);
    let (one, other) = (net.peers[0].open.clone(), net.peers[1].open.clone());
    assert_eq!((one.len(), other.len()), (1, 1));
    assert_eq!((one[0].0, other[0].0), (net.peers[1].id, net.peers[0].id));
    let (first, second) = cut(one[0].1, &[5; 1400], 1300, &mut Numbers::end()).unwrap();
    for datagram in [Some(first), second].into_iter().flatten() {
        let conn = net.peers[0].conn;
        net.server(Input::Datagram { conn, datagram });
    }
    net.settle();
    assert_eq!(net.got.len(), 2);
    let conn = net.peers[0].conn;
    let channel = one[0].1;
    let shut = channels::Input::Shut { conn, channel };
    net.peers[0].channels.handle_input(shut, net.now);
    net.settle();
    assert!(net.peers.iter().all(|peer| peer.open.is_empty()));
    assert_eq!(net.relay.stats().channels, 0);
}

#[test]
fn both_may_ask_at_once() {
    let mut net = Net::new([Consent::default(), Consent::default()]);
    for (from, to) in [(0, 1), (1, 0)] {
        let (conn, peer) = (net.peers[from].conn, net.peers[to].id);
        let input = channels::Input::Ask { conn, peer };
        net.peers[from].channels.handle_input(input, net.now);
    }
    net.settle();
    assert!(net.peers.iter().all(|peer| peer.open.len() == 2));
    assert_eq!(net.relay.stats().channels, 2);
}

#[test]
fn a_stranger_is_declined_in_private_mode_and_a_contact_is_not() {
    let private = Consent {
        strangers: false,
        ..Consent::default()
    };
    let mut net = Net::new([Consent::default(), private.clone()]);
    net.ask(0, 1);
    let declined = channels::Failure::Refused {
        reason: Refusal::Declined,
        retry_after: None,
    };
    assert_eq!(net.peers[0].failures, [declined]);
    let consent = Consent {
        contacts: [net.peers[0].id].into(),
        ..private
    };
    let input = channels::Input::Consent(consent);
    net.peers[1].channels.handle_input(input, net.now);
    net.ask(0, 1);
    assert_eq!(net.peers[1].open.len(), 1);
}

/// Checks DC-RELAY-008 (negative).
#[test]
fn the_loss_of_one_end_closes_the_channel_of_the_other() {
    let mut net = Net::new([Consent::default(), Consent::default()]);
    net.ask(0, 1);
    let conn = net.peers[0].conn;
    net.server(Input::Gone { conn });
    net.settle();
    assert!(net.peers[1].open.is_empty());
    net.ask(1, 0);
    let [channels::Failure::Refused { reason, .. }] = net.peers[1].failures[..] else {
        panic!("{:?}", net.peers[1].failures)
    };
    assert_eq!(reason, Refusal::NoReservation);
}
