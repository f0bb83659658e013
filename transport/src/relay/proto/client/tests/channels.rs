//! Consent, and channels asked for.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use dchat_wire::relay::{
    Refusal, RelayAccept, RelayIncoming, RelayOpened, RelayRefused, RelayReserve,
};
use dchat_wire::sign::Identity;
use dchat_wire::{Frame, PeerId};
use proptest::prelude::*;

use crate::relay::proto::client::channels::{Channels, Config, Consent, Failure, Input, Output};
use crate::relay::proto::{ConnId, Rate, StreamId};

const CONN: ConnId = ConnId(1);

/// Derived once: it takes longer than all else here.
static PEERS: LazyLock<Vec<PeerId>> = LazyLock::new(|| {
    let of = |serial| Identity::from_seed(&[serial; 32]).peer_id();
    (0..=255).map(of).collect()
});

fn peer(serial: u8) -> PeerId {
    PEERS[usize::from(serial)]
}

/// Our side of connections to relays. Whatever comes out is checked against what may.
struct World {
    channels: Channels,
    now: Instant,
    conns: BTreeSet<ConnId>,
    streams: BTreeSet<(ConnId, StreamId)>,
    open: BTreeMap<(ConnId, u32), PeerId>,
    asked: usize,
    outcomes: usize,
    failures: Vec<Failure>,
    last: Option<Output>,
    next: u64,
}

impl World {
    fn new(config: Config, consent: Consent) -> Self {
        let now = Instant::now();
        let mut world = Self {
            channels: Channels::new(config, peer(0), consent, now),
            now,
            conns: BTreeSet::new(),
            streams: BTreeSet::new(),
            open: BTreeMap::new(),
            asked: 0,
            outcomes: 0,
            failures: Vec::new(),
            last: None,
            next: 0,
        };
        world.up(CONN);
        world
    }

    fn up(&mut self, conn: ConnId) {
        self.conns.insert(conn);
        let relay = peer(250);
        self.input(Input::Up { conn, relay });
    }

    fn input(&mut self, input: Input) {
        self.channels.handle_input(input, self.now);
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(output) = self.channels.poll_output() {
            match &output {
                Output::Open { conn, stream, .. } => {
                    assert!(self.conns.contains(conn) && stream.is_ours());
                    assert!(self.streams.insert((*conn, *stream)));
                    self.asked += 1;
                }
                Output::Write { conn, stream, .. } => {
                    assert!(self.streams.contains(&(*conn, *stream)));
                }
                Output::Close { conn, stream, .. } => {
                    assert!(self.streams.remove(&(*conn, *stream)), "closed once");
                }
                Output::Opened {
                    conn,
                    peer,
                    channel,
                    asked,
                    ..
                } => {
                    self.outcomes += usize::from(*asked);
                    let before = self.open.insert((*conn, *channel), *peer);
                    assert_eq!(before, None, "one channel a number");
                }
                Output::Failed { failure, .. } => {
                    self.outcomes += 1;
                    self.failures.push(*failure);
                }
                Output::Closed {
                    conn,
                    peer,
                    channel,
                    ..
                } => assert_eq!(self.open.remove(&(*conn, *channel)), Some(*peer)),
            }
            self.last = Some(output);
        }
    }

    fn incoming(&mut self, conn: ConnId, from: PeerId, channel: u32) -> bool {
        self.next += 4;
        let stream = StreamId::theirs(self.next);
        self.streams.insert((conn, stream));
        let frame = Frame::RelayIncoming(RelayIncoming {
            peer: from,
            channel,
            extensions: Default::default(),
        });
        let before = self.channels.stats().accepted;
        self.input(Input::Frame {
            conn,
            stream,
            frame,
        });
        self.channels.stats().accepted > before
    }

    fn ask(&mut self, to: PeerId) -> StreamId {
        self.input(Input::Ask {
            conn: CONN,
            peer: to,
        });
        let newest = self.streams.iter().rfind(|(_, stream)| stream.is_ours());
        newest.map(|(_, stream)| *stream).expect("asked")
    }

    fn frame(&mut self, stream: StreamId, frame: Frame) {
        self.input(Input::Frame {
            conn: CONN,
            stream,
            frame,
        });
    }

    fn opened(&mut self, stream: StreamId, channel: u32) {
        let opened = RelayOpened {
            channel,
            bytes_per_s: 9,
            extensions: Default::default(),
        };
        self.frame(stream, Frame::RelayOpened(opened));
    }

    fn wait(&mut self, time: Duration) {
        self.now += time;
        self.channels.handle_timeout(self.now);
        self.drain();
    }
}

fn world() -> World {
    World::new(Config::default(), Consent::default())
}

#[test]
fn what_is_asked_for_opens_under_the_relays_number() {
    let mut world = world();
    let stream = world.ask(peer(1));
    world.opened(stream, 7);
    assert_eq!(world.open, BTreeMap::from([((CONN, 7), peer(1))]));
    assert!(matches!(
        world.last,
        Some(Output::Opened {
            asked: true,
            bytes_per_s: 9,
            ..
        })
    ));
    world.input(Input::Shut {
        conn: CONN,
        channel: 7,
    });
    assert!(world.open.is_empty() && world.streams.is_empty());
}

#[test]
fn a_refusal_says_why_and_when_to_ask_again() {
    let mut world = world();
    let stream = world.ask(peer(1));
    let refused = RelayRefused {
        reason: Refusal::NoReservation,
        retry_after_s: 10,
        extensions: Default::default(),
    };
    world.frame(stream, Frame::RelayRefused(refused));
    let failure = Failure::Refused {
        reason: Refusal::NoReservation,
        retry_after: Some(Duration::from_secs(10)),
    };
    assert_eq!(world.failures, [failure]);
    assert!(world.streams.is_empty());
}

#[test]
fn silence_the_end_of_the_stream_and_nonsense_are_failures() {
    let mut world = world();
    world.ask(peer(1));
    assert_eq!(
        world.channels.poll_timeout(),
        Some(world.now + Config::default().answer)
    );
    world.wait(Config::default().answer);
    let stream = world.ask(peer(1));
    world.input(Input::Ended { conn: CONN, stream });
    let stream = world.ask(peer(1));
    let accept = RelayAccept {
        extensions: Default::default(),
    };
    world.frame(stream, Frame::RelayAccept(accept));
    world.ask(peer(1));
    world.input(Input::Gone { conn: CONN });
    let expected = [
        Failure::NoAnswer,
        Failure::NoAnswer,
        Failure::Nonsense,
        Failure::NotConnected,
    ];
    assert_eq!(world.failures, expected);
    world.input(Input::Ask {
        conn: CONN,
        peer: peer(1),
    });
    assert_eq!(world.failures.last(), Some(&Failure::NotConnected));
}

#[test]
fn asking_again_while_asking_changes_nothing() {
    let mut world = world();
    let first = world.ask(peer(1));
    assert_eq!(world.ask(peer(1)), first);
    assert_eq!(world.asked, 1);
}

#[test]
fn a_number_in_use_is_the_relays_nonsense() {
    let mut world = world();
    let stream = world.ask(peer(1));
    world.opened(stream, 7);
    let stream = world.ask(peer(2));
    world.opened(stream, 7);
    assert_eq!(world.failures, [Failure::Nonsense]);
    assert!(!world.incoming(CONN, peer(3), 7));
    assert_eq!(world.open.len(), 1);
    assert_eq!(world.channels.stats().nonsense, 2);
}

/// Checks DC-RELAY-027 (positive, negative).
#[test]
fn contacts_are_let_in_however_many_strangers_there_are() {
    let config = Config {
        strangers: 2,
        ..Config::default()
    };
    let consent = Consent {
        contacts: [peer(1)].into(),
        ..Consent::default()
    };
    let mut world = World::new(config, consent);
    assert!(world.incoming(CONN, peer(10), 10));
    assert!(world.incoming(CONN, peer(11), 11));
    assert!(!world.incoming(CONN, peer(12), 12));
    assert!(world.incoming(CONN, peer(1), 1));
    world.input(Input::Shut {
        conn: CONN,
        channel: 10,
    });
    assert!(world.incoming(CONN, peer(12), 13), "a place is free again");
}

/// Checks DC-RELAY-027 (negative).
#[test]
fn strangers_come_no_faster_than_their_rate() {
    let config = Config {
        strangers: 100,
        stranger_rate: Rate {
            per_second: 1,
            burst: 3,
        },
        ..Config::default()
    };
    let mut world = World::new(config, Consent::default());
    let let_in = (0..10).filter(|&at| world.incoming(CONN, peer(at + 1), at.into()));
    assert_eq!(let_in.count(), 3);
    world.wait(Duration::from_secs(1));
    assert!(world.incoming(CONN, peer(50), 50));
    assert!(!world.incoming(CONN, peer(51), 51));
}

#[test]
fn the_denied_ourselves_and_in_private_mode_strangers_stay_out() {
    let consent = Consent {
        contacts: [peer(1), peer(2)].into(),
        denied: [peer(2)].into(),
        strangers: false,
    };
    let mut world = World::new(Config::default(), consent);
    assert!(world.incoming(CONN, peer(1), 1));
    assert!(!world.incoming(CONN, peer(2), 2), "denied wins");
    assert!(!world.incoming(CONN, peer(3), 3));
    assert!(!world.incoming(CONN, peer(0), 4));
    let Some(Output::Close {
        frame: Some(frame), ..
    }) = &world.last
    else {
        panic!("no answer")
    };
    let Frame::RelayRefused(refused) = frame.as_ref() else {
        panic!("not refused")
    };
    assert_eq!(
        (refused.reason, refused.retry_after_s),
        (Refusal::Declined, 0)
    );
}

#[test]
fn a_new_consent_ends_what_it_excludes() {
    let mut world = world();
    assert!(world.incoming(CONN, peer(1), 1));
    assert!(world.incoming(CONN, peer(2), 2));
    let stream = world.ask(peer(3));
    world.opened(stream, 3);
    let asked = world.ask(peer(4));
    world.input(Input::Consent(Consent {
        contacts: [peer(2)].into(),
        denied: [peer(4)].into(),
        strangers: false,
    }));
    let left: Vec<_> = world.open.values().copied().collect();
    assert_eq!(left, [peer(2), peer(3)], "what we asked for stays");
    assert!(!world.streams.contains(&(CONN, asked)));
    assert_eq!(world.channels.stats().strangers, 0);
}

#[test]
fn one_peer_has_so_many_channels_over_a_relay() {
    let consent = Consent {
        contacts: [peer(1)].into(),
        ..Consent::default()
    };
    let mut world = World::new(Config::default(), consent);
    let let_in = (0..10).filter(|&number| world.incoming(CONN, peer(1), number));
    assert_eq!(let_in.count(), 4);
    world.input(Input::Ask {
        conn: CONN,
        peer: peer(1),
    });
    assert_eq!(world.failures, [Failure::TooMany]);
}

#[derive(Clone, Debug)]
enum Op {
    Up(u64),
    Gone(u64),
    Ask(u64, u8),
    Shut(u64, u32),
    Incoming(u64, u8, u32),
    Answer(usize, u8, u32),
    Ended(usize),
    Consent(u8, u8, bool),
    Wait(u64),
}

fn op() -> impl Strategy<Value = Op> {
    let conn = || 1..4u64;
    prop_oneof![
        2 => conn().prop_map(Op::Up),
        1 => conn().prop_map(Op::Gone),
        6 => (conn(), 0..8u8).prop_map(|(conn, peer)| Op::Ask(conn, peer)),
        2 => (conn(), 0..10u32).prop_map(|(conn, channel)| Op::Shut(conn, channel)),
        6 => (conn(), 0..8u8, 0..10u32).prop_map(|(a, b, c)| Op::Incoming(a, b, c)),
        8 => (0..20usize, 0..4u8, 0..10u32).prop_map(|(a, b, c)| Op::Answer(a, b, c)),
        2 => (0..20usize).prop_map(Op::Ended),
        1 => (any::<u8>(), any::<u8>(), any::<bool>()).prop_map(|(a, b, c)| Op::Consent(a, b, c)),
        3 => (0..5000u64).prop_map(Op::Wait),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn one_outcome_for_each_question_and_bounds_in_any_order(
        ops in prop::collection::vec(op(), 1..200),
    ) {
        let config = Config { connections: 2, channels: 8, per_peer: 2, strangers: 3, ..Config::default() };
        let mut world = World::new(config, Consent::default());
        for op in ops {
            match op {
                Op::Up(conn) => {
                    if world.conns.len() < 2 {
                        world.up(ConnId(conn));
                    }
                }
                Op::Gone(conn) => {
                    let conn = ConnId(conn);
                    world.conns.remove(&conn);
                    world.streams.retain(|(of, _)| *of != conn);
                    world.input(Input::Gone { conn });
                }
                Op::Ask(conn, to) if world.conns.contains(&ConnId(conn)) =>
                    world.input(Input::Ask { conn: ConnId(conn), peer: peer(to) }),
                Op::Shut(conn, channel) =>
                    world.input(Input::Shut { conn: ConnId(conn), channel }),
                Op::Incoming(conn, from, channel) if world.conns.contains(&ConnId(conn)) => {
                    world.incoming(ConnId(conn), peer(from), channel);
                }
                Op::Answer(at, kind, channel) => {
                    if let Some(&(conn, stream)) = world.streams.iter().nth(at) {
                        let frame = match kind {
                            0 | 1 => Frame::RelayOpened(RelayOpened {
                                channel, bytes_per_s: 0, extensions: Default::default(),
                            }),
                            2 => Frame::RelayRefused(RelayRefused {
                                reason: Refusal::Ended,
                                retry_after_s: channel,
                                extensions: Default::default(),
                            }),
                            _ => Frame::RelayReserve(RelayReserve {
                                lifetime_s: 1, extensions: Default::default(),
                            }),
                        };
                        world.input(Input::Frame { conn, stream, frame });
                    }
                }
                Op::Ended(at) => {
                    if let Some(&(conn, stream)) = world.streams.iter().nth(at) {
                        world.input(Input::Ended { conn, stream });
                    }
                }
                Op::Consent(contacts, denied, strangers) => {
                    let of = |bits: u8| (0..8).filter(move |bit| bits >> bit & 1 == 1).map(peer);
                    world.input(Input::Consent(Consent {
                        contacts: of(contacts).collect(),
                        denied: of(denied).collect(),
                        strangers,
                    }));
                }
                Op::Wait(ms) => world.wait(Duration::from_millis(ms)),
                Op::Ask(..) | Op::Incoming(..) => {}
            }
            let stats = world.channels.stats();
            prop_assert!(stats.channels <= 8 && stats.strangers <= stats.channels);
            // Each stream is one channel, open or asked for.
            prop_assert_eq!(world.streams.len(), stats.channels);
        }
        world.wait(Duration::from_secs(60));
        prop_assert_eq!(world.streams.len(), world.open.len());
        for conn in std::mem::take(&mut world.conns) {
            world.streams.retain(|(of, _)| *of != conn);
            world.input(Input::Gone { conn });
        }
        prop_assert!(world.open.is_empty());
        // Too many at once is an outcome without a stream.
        let at_once = world.failures.iter().filter(|failure| **failure == Failure::TooMany).count();
        prop_assert_eq!(world.outcomes - at_once, world.asked);
        prop_assert_eq!((world.channels.stats().channels, world.channels.stats().strangers), (0, 0));
        prop_assert_eq!(world.channels.poll_timeout(), None);
    }
}
