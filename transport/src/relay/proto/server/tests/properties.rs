//! What holds whatever happens. The world checks each output; here is what it is put through.

use std::time::Duration;

use dchat_wire::Frame;
use dchat_wire::relay::{Refusal, RelayAccept, RelayRefused, RelayReserve};
use proptest::prelude::*;

use super::world::{Kind, World, ip, peer};
use crate::relay::proto::server::{Access, Input, Policy};
use crate::relay::proto::{ConnId, Rate, StreamId};

#[derive(Clone, Debug)]
enum Op {
    Up {
        peer: u8,
        subnet: u8,
        largest: usize,
    },
    Gone {
        conn: usize,
    },
    Reserve {
        conn: usize,
        lifetime_s: u32,
    },
    Connect {
        conn: usize,
        to: u8,
    },
    Accept {
        pair: usize,
    },
    Decline {
        pair: usize,
    },
    End {
        pair: usize,
        caller: bool,
    },
    Nonsense {
        conn: usize,
        stream: u64,
        ours: bool,
    },
    Send {
        pair: usize,
        caller: bool,
        len: usize,
    },
    Forge {
        conn: usize,
        channel: u32,
        len: usize,
    },
    Noise {
        conn: usize,
        bytes: Vec<u8>,
    },
    Room {
        conn: usize,
        bytes: usize,
    },
    Largest {
        conn: usize,
        bytes: usize,
    },
    Policy {
        listed: bool,
        allowed: u8,
        denied: u8,
    },
    Wait {
        ms: u64,
    },
}

fn op() -> impl Strategy<Value = Op> {
    let conn = || 0..12usize;
    let pair = || 0..16usize;
    prop_oneof![
        6 => (0..8u8, 0..3u8, 0..1500usize)
            .prop_map(|(peer, subnet, largest)| Op::Up { peer, subnet, largest }),
        2 => conn().prop_map(|conn| Op::Gone { conn }),
        6 => (conn(), 0..4000u32).prop_map(|(conn, lifetime_s)| Op::Reserve { conn, lifetime_s }),
        10 => (conn(), 0..8u8).prop_map(|(conn, to)| Op::Connect { conn, to }),
        10 => pair().prop_map(|pair| Op::Accept { pair }),
        1 => pair().prop_map(|pair| Op::Decline { pair }),
        2 => (pair(), any::<bool>()).prop_map(|(pair, caller)| Op::End { pair, caller }),
        2 => (conn(), 0..40u64, any::<bool>())
            .prop_map(|(conn, stream, ours)| Op::Nonsense { conn, stream, ours }),
        20 => (pair(), any::<bool>(), 13..1500usize)
            .prop_map(|(pair, caller, len)| Op::Send { pair, caller, len }),
        4 => (conn(), 0..6u32, 13..100usize)
            .prop_map(|(conn, channel, len)| Op::Forge { conn, channel, len }),
        2 => (conn(), prop::collection::vec(any::<u8>(), 0..20))
            .prop_map(|(conn, bytes)| Op::Noise { conn, bytes }),
        8 => (conn(), 0..6000usize).prop_map(|(conn, bytes)| Op::Room { conn, bytes }),
        1 => (conn(), 0..1500usize).prop_map(|(conn, bytes)| Op::Largest { conn, bytes }),
        1 => (any::<bool>(), any::<u8>(), any::<u8>())
            .prop_map(|(listed, allowed, denied)| Op::Policy { listed, allowed, denied }),
        4 => (0..20_000u64).prop_map(|ms| Op::Wait { ms }),
    ]
}

/// Small enough that every bound is met often.
fn small() -> World {
    World::new(|config| {
        let limits = &mut config.limits;
        limits.connections = 10;
        limits.connections_per_peer = 2;
        limits.reservations = 5;
        limits.reservations_per_subnet = 3;
        limits.channels = 10;
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
        limits.lifetime = Duration::from_secs(120);
    })
}

fn nth(world: &World, at: usize) -> Option<ConnId> {
    world
        .conns
        .keys()
        .nth(at % world.conns.len().max(1))
        .copied()
}

/// Answers RESERVE and CONNECT as the policy and the tables demand.
fn check_reserve(world: &World, conn: ConnId, answer: Option<&Frame>) {
    let who = world.conns[&conn].peer;
    let known = world.relay.links.contains_key(&conn);
    match answer {
        Some(Frame::RelayReserved(reserved)) => {
            assert!(known && world.policy.may_reserve(&who));
            assert!((60..=120).contains(&reserved.lifetime_s));
            assert!(world.relay.reserved_until(&who).is_some());
        }
        Some(Frame::RelayRefused(refused)) => match refused.reason {
            Refusal::NotAllowed => assert!(!world.policy.may_reserve(&who)),
            Refusal::Full => {
                let full = world.relay.stats().reservations == world.limits.reservations;
                assert!(!known || full);
            }
            Refusal::Limited => assert!(refused.retry_after_s > 0),
            other => panic!("{other:?} refuses RESERVE"),
        },
        other => panic!("{other:?} answers RESERVE"),
    }
}

fn check_connect(world: &World, conn: ConnId, to: u8, refused: Option<Refusal>) {
    let who = world.conns[&conn].peer;
    let reserved = world.relay.reserved_until(&peer(to)).is_some();
    match refused {
        None => assert!(reserved && world.policy.may_connect(&who) && who != peer(to)),
        Some(Refusal::NotAllowed) => assert!(!world.policy.may_connect(&who) || who == peer(to)),
        Some(Refusal::NoReservation) => {
            let there = world.relay.links.values().any(|link| link.peer == peer(to));
            assert!(!reserved || !there);
        }
        Some(Refusal::Full | Refusal::Limited) => {}
        Some(other) => panic!("{other:?} refuses CONNECT"),
    }
}

fn apply(world: &mut World, op: Op) {
    match op {
        Op::Up {
            peer: serial,
            subnet,
            largest,
        } => {
            if world.conns.len() < 14 {
                world.up_from(peer(serial), ip(subnet), largest);
            }
        }
        Op::Gone { conn } => {
            if let Some(conn) = nth(world, conn) {
                world.gone(conn);
            }
        }
        Op::Reserve { conn, lifetime_s } => {
            if let Some(conn) = nth(world, conn) {
                let frame = Frame::RelayReserve(RelayReserve {
                    lifetime_s,
                    extensions: Default::default(),
                });
                let (_, answer) = world.request(conn, frame);
                check_reserve(world, conn, answer.as_ref());
            }
        }
        Op::Connect { conn, to } => {
            if let Some(conn) = nth(world, conn) {
                let (_, refused) = world.connect(conn, peer(to));
                check_connect(world, conn, to, refused);
            }
        }
        Op::Accept { pair } => {
            let waiting: Vec<_> = world.pairs.iter().filter(|pair| !pair.accepted).collect();
            if let Some((conn, stream)) = waiting.get(pair % waiting.len().max(1)).map(|p| p.callee)
            {
                world.accept(conn, stream);
            }
        }
        Op::Decline { pair } => {
            if let Some((conn, stream)) = world.pairs.get(pair).map(|pair| pair.callee) {
                let refused = RelayRefused {
                    reason: Refusal::Declined,
                    retry_after_s: 3,
                    extensions: Default::default(),
                };
                world.frame(conn, stream, Frame::RelayRefused(refused));
            }
        }
        Op::End { pair, caller } => {
            if let Some(pair) = world.pairs.get(pair) {
                let (conn, stream) = if caller { pair.caller } else { pair.callee };
                world.input(Input::Ended { conn, stream });
            }
        }
        Op::Nonsense { conn, stream, ours } => nonsense(world, conn, stream, ours),
        Op::Send { pair, caller, len } => {
            if let Some(pair) = world.pairs.get(pair % world.pairs.len().max(1)) {
                let (conn, channel) = if caller {
                    (pair.caller.0, pair.opened.unwrap_or(0))
                } else {
                    (pair.callee.0, pair.incoming)
                };
                world.send(conn, channel, len);
            }
        }
        Op::Forge { conn, channel, len } => {
            if let Some(conn) = nth(world, conn) {
                world.send(conn, channel, len);
            }
        }
        Op::Noise { conn, bytes } => {
            if let Some(conn) = nth(world, conn) {
                world.send_bytes(conn, bytes);
            }
        }
        Op::Room { conn, bytes } => {
            if let Some(conn) = nth(world, conn) {
                world.room(conn, bytes);
            }
        }
        Op::Largest { conn, bytes } => {
            if let Some(conn) = nth(world, conn) {
                world.conns.get_mut(&conn).unwrap().largest = bytes;
                world.input(Input::Largest { conn, bytes });
            }
        }
        Op::Policy {
            listed,
            allowed,
            denied,
        } => {
            let of = |bits: u8| (0..8).filter(move |bit| bits >> bit & 1 == 1).map(peer);
            let access = if listed {
                Access::Listed
            } else {
                Access::Anyone
            };
            world.policy = Policy {
                reservations: access,
                connects: access,
                allowed: of(allowed).collect(),
                denied: of(denied & allowed.rotate_left(3)).collect(),
                private_exempt: true,
            };
            world.input(Input::Policy(world.policy.clone()));
        }
        Op::Wait { ms } => world.wait(Duration::from_millis(ms)),
    }
}

/// A frame that belongs nowhere, on a stream that exists or does not.
fn nonsense(world: &mut World, conn: usize, stream: u64, ours: bool) {
    let Some(conn) = nth(world, conn) else {
        return;
    };
    let accept = Frame::RelayAccept(RelayAccept {
        extensions: Default::default(),
    });
    let stream = if ours {
        StreamId::ours(stream)
    } else {
        StreamId::theirs(1_000_000 + stream * 4)
    };
    let mut pairs = world.pairs.iter();
    if let Some(place) = pairs.position(|pair| pair.callee == (conn, stream)) {
        let (conn, stream) = world.pairs[place].callee;
        return world.accept(conn, stream);
    }
    let entry = world.conns.get_mut(&conn).unwrap();
    if !ours {
        entry.streams.insert(stream, Kind::Nonsense);
    }
    world.frame(conn, stream, accept);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn bounds_consent_and_one_answer_each_hold_in_any_order(
        ops in prop::collection::vec(op(), 1..250),
    ) {
        let mut world = small();
        for op in ops {
            apply(&mut world, op);
        }
        // With room for everything nothing is left behind.
        for conn in world.conns.keys().copied().collect::<Vec<_>>() {
            world.room(conn, 1 << 30);
        }
        prop_assert_eq!(world.relay.stats().queued, 0);
        // Each stream that is still open is one of a channel.
        for (&conn, entry) in &world.conns {
            for &stream in entry.streams.keys() {
                let ends = world.pairs.iter().flat_map(|pair| [pair.caller, pair.callee]);
                prop_assert!(ends.into_iter().any(|end| end == (conn, stream)));
            }
        }
        world.input(Input::Shutdown);
        prop_assert!(world.conns.values().all(|conn| conn.streams.is_empty()));
        world.end();
    }
}
