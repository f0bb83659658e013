//! What becomes of datagrams.

use std::time::Duration;

use dchat_wire::relay::datagram::{Datagram, Part, WAKE};

use super::world::{AMPLE, World, ip, packet, peer};
use crate::relay::proto::parts::{Numbers, RELAY_NUMBERS, Reassembly, cut};
use crate::relay::proto::server::{CHARGE, Input};
use crate::relay::proto::{ConnId, Rate};

/// The packets that arrived at a connection, parts joined.
fn packets(world: &mut World, at: ConnId) -> Vec<Vec<u8>> {
    let mut parts = Reassembly::new();
    let mut packets = Vec::new();
    for (conn, datagram) in world.arrived.drain(..) {
        assert_eq!(conn, at);
        match Datagram::open(&datagram).unwrap() {
            Datagram::Whole { packet, .. } => packets.push(packet.to_vec()),
            Datagram::Part {
                number,
                part,
                bytes,
                ..
            } => {
                let joined = parts.handle_part(number, part, bytes, world.now);
                packets.extend(joined.map(Vec::from));
            }
        }
    }
    packets
}

/// Checks DC-RELAY-012 (positive), DC-RELAY-021 (positive).
#[test]
fn packets_pass_both_ways_unchanged() {
    let mut world = World::new(|_| {});
    let (caller, callee) = (world.up(1), world.up(2));
    let pair = world.channel(caller, callee);
    let number = pair.opened.unwrap();
    world.send(caller, number, 1200);
    assert_eq!(packets(&mut world, callee), [packet(caller, number, 1200)]);
    world.send(callee, pair.incoming, 20);
    assert_eq!(
        packets(&mut world, caller),
        [packet(callee, pair.incoming, 20)]
    );
    let stats = world.relay.stats();
    assert_eq!((stats.packets, stats.bytes), (2, 1200 + 20 + 2 * 5));
    world.end();
}

#[test]
fn a_buffer_others_hold_is_copied_not_written() {
    let mut world = World::new(|_| {});
    let (caller, callee) = (world.up(1), world.up(2));
    // The callee's number differs from the caller's.
    let other = world.up(3);
    world.channel(other, callee);
    let pair = world.channel(caller, callee);
    assert_ne!(pair.opened, Some(pair.incoming));
    let mut bytes = Vec::new();
    let (channel, packet) = (pair.opened.unwrap(), &[7u8; 50][..]);
    Datagram::Whole { channel, packet }.append_to(&mut bytes);
    let held = bytes::Bytes::from(bytes);
    let before = held.to_vec();
    world.input(Input::Datagram {
        conn: caller,
        datagram: held.clone(),
    });
    assert_eq!(held, before);
    assert_eq!(world.arrived.len(), 1);
    world.end();
}

/// Checks DC-RELAY-014 (negative).
#[test]
fn what_does_not_fit_the_way_out_arrives_in_two_parts() {
    let mut world = World::new(|_| {});
    let caller = world.up(1);
    let callee = world.up_from(peer(2), ip(2), 1200);
    world.room(callee, AMPLE);
    let pair = world.channel(caller, callee);
    let number = pair.opened.unwrap();
    for len in [1195, 1196, 1295, 1472, 2386] {
        world.arrived.clear();
        world.send(caller, number, len);
        let fits = len + 5 <= 1200;
        assert_eq!(world.arrived.len(), if fits { 1 } else { 2 }, "{len}");
        // A reassembly joins no more than an Ethernet packet.
        if len <= 1500 {
            assert_eq!(packets(&mut world, callee), [packet(caller, number, len)]);
        }
    }
    world.arrived.clear();
    world.send(caller, number, 2387);
    assert!(world.arrived.is_empty());
    let stats = world.relay.stats();
    assert_eq!((stats.split, stats.drops.too_large), (4, 1));
    world.end();
}

/// Checks DC-RELAY-023 (positive), DC-RELAY-024 (positive).
#[test]
fn parts_of_an_end_pass_as_they_are_and_the_relays_have_other_numbers() {
    let mut world = World::new(|_| {});
    let caller = world.up(1);
    let callee = world.up_from(peer(2), ip(2), 1200);
    world.room(callee, AMPLE);
    let pair = world.channel(caller, callee);
    let number = pair.opened.unwrap();
    let whole = packet(caller, number, 1400);
    let (first, second) = cut(number, &whole, 1300, &mut Numbers::end()).unwrap();
    world.send_bytes(caller, first.to_vec());
    world.send(caller, number, 1250);
    world.send_bytes(caller, second.unwrap().to_vec());
    let numbers: Vec<_> = world
        .arrived
        .iter()
        .map(|(_, datagram)| match Datagram::open(datagram).unwrap() {
            Datagram::Part { number, part, .. } => (number, part),
            Datagram::Whole { .. } => panic!("whole"),
        })
        .collect();
    assert_eq!(
        numbers,
        [
            (0, Part::First),
            (RELAY_NUMBERS, Part::First),
            (RELAY_NUMBERS, Part::Second),
            (0, Part::Second)
        ]
    );
    let joined = packets(&mut world, callee);
    assert_eq!(joined, [packet(caller, number, 1250), whole]);
    world.end();
}

/// Checks DC-RELAY-024 (negative).
#[test]
fn a_part_that_does_not_fit_is_dropped() {
    let mut world = World::new(|_| {});
    let caller = world.up(1);
    let callee = world.up_from(peer(2), ip(2), 600);
    world.room(callee, AMPLE);
    let pair = world.channel(caller, callee);
    let whole = packet(caller, 0, 1400);
    let (first, _) = cut(pair.opened.unwrap(), &whole, 1300, &mut Numbers::end()).unwrap();
    world.send_bytes(caller, first.to_vec());
    assert_eq!(world.relay.stats().drops.too_large, 1);
    world.input(Input::Largest {
        conn: callee,
        bytes: 1200,
    });
    world.conns.get_mut(&callee).unwrap().largest = 1200;
    world.send_bytes(caller, first.to_vec());
    assert_eq!(world.arrived.len(), 1);
    world.end();
}

/// Checks DC-RELAY-007 (negative).
#[test]
fn nothing_passes_before_the_other_end_has_accepted() {
    let mut world = World::new(|_| {});
    let (caller, callee) = (world.up(1), world.up(2));
    world.reserve(callee).unwrap();
    world.connect(caller, peer(2));
    let pair = world.pairs[0];
    world.send(caller, 0, 100);
    world.send(callee, pair.incoming, 100);
    assert!(world.arrived.is_empty());
    assert_eq!(world.relay.stats().drops.not_open, 2);
    world.end();
}

/// Checks DC-RELAY-012 (negative), DC-RELAY-013 (negative), DC-RELAY-021 (negative).
#[test]
fn hostile_datagrams_are_dropped_and_counted() {
    let mut world = World::new(|_| {});
    let (caller, callee, third) = (world.up(1), world.up(2), world.up(3));
    let pair = world.channel(caller, callee);
    let number = pair.opened.unwrap();
    for bytes in [
        &[][..],
        &[1],
        &[1, 0, 0, 0, 0],
        &[2, 0, 0, 0, 0, 0, 0],
        &[9; 100],
    ] {
        world.send_bytes(caller, bytes.to_vec());
    }
    world.send_bytes(caller, vec![WAKE; 40]);
    world.send(third, number, 100);
    world.send(caller, number + 1, 100);
    world.send(caller, u32::MAX, 100);
    world.send(ConnId(999), number, 100);
    assert!(world.arrived.is_empty());
    let drops = world.relay.stats().drops;
    assert_eq!(
        (
            drops.meaningless,
            drops.no_channel,
            drops.no_connection,
            drops.total()
        ),
        (5, 3, 1, 9)
    );
    world.end();
}

#[test]
fn a_number_is_not_given_twice_on_a_connection() {
    let mut world = World::new(|_| {});
    let (caller, callee) = (world.up(1), world.up(2));
    let first = world.channel(caller, callee);
    let (conn, stream) = first.caller;
    world.input(Input::Ended { conn, stream });
    let second = world.channel(caller, callee);
    assert_ne!(first.opened, second.opened);
    assert_ne!(first.incoming, second.incoming);
    world.send(caller, first.opened.unwrap(), 100);
    assert!(world.arrived.is_empty());
    world.end();
}

#[test]
fn each_rate_drops_what_is_over_it() {
    let rate = Some(Rate {
        per_second: 1000,
        burst: 500,
    });
    for which in 0..3 {
        let mut world = World::new(|config| match which {
            0 => config.limits.bytes_per_channel = rate,
            1 => config.limits.bytes_per_peer = rate,
            _ => config.limits.bytes_in_all = rate,
        });
        let (caller, callee) = (world.up(1), world.up(2));
        let pair = world.channel(caller, callee);
        for _ in 0..10 {
            world.send(caller, pair.opened.unwrap(), 95);
        }
        assert_eq!(world.arrived.len(), 5);
        let drops = world.relay.stats().drops;
        let of_rate = [drops.channel_rate, drops.peer_rate, drops.total_rate];
        assert_eq!((of_rate[which], drops.total()), (5, 5));
        world.send(callee, pair.incoming, 95);
        let other_way = if which == 2 { 5 } else { 6 };
        assert_eq!(world.arrived.len(), other_way, "each sender has its own");
        world.wait(Duration::from_millis(100));
        world.send(caller, pair.opened.unwrap(), 95);
        assert_eq!(world.arrived.len(), other_way + 1);
        world.end();
    }
}

#[test]
fn without_room_datagrams_wait_and_go_when_there_is_some() {
    let mut world = World::new(|_| {});
    let (caller, callee) = (world.up(1), world.up(2));
    let pair = world.channel(caller, callee);
    world.room(callee, 250);
    for _ in 0..5 {
        world.send(caller, pair.opened.unwrap(), 95);
    }
    assert_eq!(world.arrived.len(), 2);
    assert_eq!(world.waiting, [callee], "said once");
    assert_eq!(world.relay.stats().queued, 3 * (100 + CHARGE));
    world.room(callee, 100);
    assert_eq!(
        (world.arrived.len(), world.waiting.len()),
        (3, 1),
        "said again"
    );
    world.room(callee, 1000);
    assert_eq!((world.arrived.len(), world.waiting.len()), (5, 0));
    assert_eq!(world.relay.stats().queued, 0);
    world.end();
}

#[test]
fn what_waits_for_a_channel_that_ends_is_dropped() {
    let mut world = World::new(|_| {});
    let (caller, callee) = (world.up(1), world.up(2));
    let pair = world.channel(caller, callee);
    world.room(callee, 0);
    for _ in 0..3 {
        world.send(caller, pair.opened.unwrap(), 95);
    }
    let (conn, stream) = pair.caller;
    world.input(Input::Ended { conn, stream });
    world.room(callee, AMPLE);
    assert!(world.arrived.is_empty());
    assert_eq!(world.relay.stats().drops.ended, 3);
    world.end();
}

#[test]
fn a_channel_that_carries_nothing_for_long_ends_and_one_in_use_stays() {
    let mut world = World::new(|_| {});
    let (caller, callee, other) = (world.up(1), world.up(2), world.up(3));
    let used = world.channel(caller, callee);
    let _idle = world.channel(other, callee);
    for _ in 0..3 {
        world.wait(world.limits.idle - Duration::from_secs(1));
        world.send(callee, used.incoming, 20);
    }
    assert_eq!(world.pairs.len(), 1);
    assert_eq!(world.pairs[0].caller, used.caller);
    world.wait(world.limits.idle);
    assert!(world.pairs.is_empty());
    world.end();
}
