//! A flood costs its own channel.

use std::collections::BTreeMap;

use dchat_wire::relay::datagram::Datagram;

use super::world::{World, peer};
use crate::relay::proto::ConnId;

/// Bytes that arrived at `at`, by its channel numbers.
fn shares(world: &mut World, at: ConnId) -> BTreeMap<u32, usize> {
    let mut shares = BTreeMap::new();
    for (conn, datagram) in world.arrived.drain(..) {
        assert_eq!(conn, at);
        let channel = Datagram::open(&datagram).unwrap().channel();
        *shares.entry(channel).or_default() += datagram.len();
    }
    shares
}

/// Checks DC-RELAY-011 (negative).
#[test]
fn a_flooding_channel_leaves_the_others_their_share_of_a_connection() {
    let mut world = World::new(|_| {});
    let callee = world.up(9);
    let callers: Vec<_> = (1..=3).map(|serial| world.up(serial)).collect();
    let pairs: Vec<_> = callers
        .iter()
        .map(|&caller| world.channel(caller, callee))
        .collect();
    world.room(callee, 0);
    // A tick carries 12,000 bytes. Two want a third of it each at most, one wants all and much more.
    let (tick, modest) = (12_000, 3);
    let mut sent = 0;
    for _ in 0..200 {
        for _ in 0..100 {
            world.send(callers[0], pairs[0].opened.unwrap(), 1195);
        }
        for at in 1..=2 {
            for _ in 0..modest {
                world.send(callers[at], pairs[at].opened.unwrap(), 1195);
                sent += 1200;
            }
        }
        world.room(callee, tick);
    }
    let shares = shares(&mut world, callee);
    for pair in &pairs[1..] {
        let got = shares[&pair.incoming];
        // What is under way at the end is at most two turns.
        assert!(got + 3600 >= sent / 2, "{got} of {}", sent / 2);
    }
    let all: usize = shares.values().sum();
    assert_eq!(all, 200 * tick, "nothing is left unused");
    world.end();
}

/// Checks DC-RELAY-011 (positive).
#[test]
fn channels_that_all_want_more_get_the_same() {
    let mut world = World::new(|_| {});
    let callee = world.up(9);
    let callers: Vec<_> = (1..=4).map(|serial| world.up(serial)).collect();
    let pairs: Vec<_> = callers
        .iter()
        .map(|&caller| world.channel(caller, callee))
        .collect();
    world.room(callee, 0);
    for round in 0..400 {
        for (at, pair) in pairs.iter().enumerate() {
            // Different sizes and different floods.
            for _ in 0..=at {
                world.send(pair.caller.0, pair.opened.unwrap(), 300 * (at + 1) - 5);
            }
        }
        if round >= 100 {
            world.room(callee, 1500);
        }
    }
    let shares = shares(&mut world, callee);
    let (least, most) = (
        shares.values().min().unwrap(),
        shares.values().max().unwrap(),
    );
    assert_eq!(shares.len(), 4);
    assert!(most - least <= 6000, "{shares:?}");
    world.end();
}

/// Checks DC-RELAY-010 (negative).
#[test]
fn connections_that_stop_reading_leave_room_for_the_next() {
    let mut world = World::new(|config| {
        config.limits.queue_in_all = 1 << 20;
        config.limits.queue_per_connection = 1 << 20;
        config.limits.queue_per_channel = 1 << 20;
    });
    let sender = world.up(1);
    for serial in 2..=6 {
        let deaf = world.up(serial);
        let pair = world.channel(sender, deaf);
        world.room(deaf, 0);
        for _ in 0..1500 {
            world.send(sender, pair.opened.unwrap(), 1195);
        }
    }
    let reader = world.up(7);
    world.reserve(reader).unwrap();
    assert_eq!(world.connect(sender, peer(7)).1, None);
    world.accept_last();
    let pair = *world.pairs.last().unwrap();
    world.room(reader, 0);
    for _ in 0..10 {
        world.send(sender, pair.opened.unwrap(), 1195);
    }
    world.room(reader, 12_000);
    assert_eq!(world.arrived.len(), 10);
    assert!(world.relay.stats().drops.queue_full > 0);
    world.end();
}
