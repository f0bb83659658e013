//! A reservation belongs to a peer.

use std::time::Duration;

use dchat_wire::Frame;
use dchat_wire::relay::{Refusal, RelayReserve, Voucher};

use super::world::{UNIX_MS, World, ip, peer, relay_identity};
use crate::relay::proto::server::{Event, Release};

/// Checks DC-RELAY-018 (positive, negative).
#[test]
fn the_voucher_is_the_relays_word_for_as_long_as_the_reservation() {
    let mut world = World::new(|config| config.limits.lifetime = Duration::from_secs(600));
    let conn = world.up(1);
    let reserved = world.reserve(conn).unwrap();
    assert_eq!(reserved.lifetime_s, 600);
    assert_eq!(reserved.channels, world.limits.channels_per_peer);
    let relay = relay_identity().peer_id();
    let voucher = reserved.voucher.open::<Voucher>(&relay, UNIX_MS).unwrap();
    assert_eq!(voucher.payload.peer, peer(1));
    assert_eq!(voucher.expires_at, UNIX_MS + 600_000);
    let again = world.reserve(conn).unwrap();
    let again = again.voucher.open::<Voucher>(&relay, UNIX_MS).unwrap();
    assert!(again.sequence > voucher.sequence, "in the same millisecond");
    world.end();
}

/// Checks DC-RELAY-017 (positive, negative).
#[test]
fn a_lifetime_is_neither_too_short_nor_too_long() {
    let mut world = World::new(|_| {});
    let conn = world.up(1);
    for (asked, given) in [(0, 60), (60, 60), (1800, 1800), (u32::MAX, 3600)] {
        let frame = Frame::RelayReserve(RelayReserve {
            lifetime_s: asked,
            extensions: Default::default(),
        });
        let (_, Some(Frame::RelayReserved(reserved))) = world.request(conn, frame) else {
            panic!("refused")
        };
        assert_eq!(reserved.lifetime_s, given);
    }
    world.end();
}

/// Checks DC-RELAY-003 (negative).
#[test]
fn one_that_is_not_renewed_expires() {
    let mut world = World::new(|_| {});
    let (caller, callee) = (world.up(1), world.up(2));
    world.reserve(callee).unwrap();
    world.wait(world.limits.lifetime / 2);
    world.reserve(callee).unwrap();
    world.wait(world.limits.lifetime - Duration::from_secs(1));
    assert_eq!(world.connect(caller, peer(2)).1, None);
    world.wait(Duration::from_secs(1));
    assert_eq!(
        world.connect(caller, peer(2)).1,
        Some(Refusal::NoReservation)
    );
    let (peer, reason) = (peer(2), Release::Expired);
    assert!(world.events.contains(&Event::Released { peer, reason }));
    world.end();
}

#[test]
fn an_open_channel_outlives_the_reservation() {
    let mut world = World::new(|config| config.limits.lifetime = Duration::from_secs(60));
    let (caller, callee) = (world.up(1), world.up(2));
    let pair = world.channel(caller, callee);
    world.wait(Duration::from_secs(61));
    assert_eq!(world.relay.stats().reservations, 0);
    world.send(caller, pair.opened.unwrap(), 100);
    assert_eq!(world.arrived.len(), 1);
    world.end();
}

#[test]
fn it_moves_with_its_peer_to_a_new_connection() {
    let mut world = World::new(|_| {});
    let (caller, first) = (world.up(1), world.up(2));
    world.reserve(first).unwrap();
    let second = world.up(2);
    world.connect(caller, peer(2));
    assert_eq!(
        world.pairs.last().unwrap().callee.0,
        second,
        "the newest is asked"
    );
    world.gone(first);
    world.connect(caller, peer(2));
    assert_eq!(world.pairs.last().unwrap().callee.0, second);
    world.end();
}

/// Checks DC-RELAY-003 (positive, negative).
#[test]
fn it_waits_for_a_peer_that_is_away_for_a_moment_only() {
    let mut world = World::new(|_| {});
    let (caller, callee) = (world.up(1), world.up(2));
    world.reserve(callee).unwrap();
    world.gone(callee);
    world.wait(world.limits.grace - Duration::from_secs(1));
    let callee = world.up(2);
    assert_eq!(world.connect(caller, peer(2)).1, None);
    world.gone(callee);
    world.wait(world.limits.grace);
    assert_eq!(world.relay.stats().reservations, 0);
    let _back = world.up(2);
    assert_eq!(
        world.connect(caller, peer(2)).1,
        Some(Refusal::NoReservation)
    );
    world.end();
}

#[test]
fn one_that_moves_to_another_network_is_counted_there() {
    let mut world = World::new(|config| config.limits.reservations_per_subnet = 1);
    let one = world.up_from(peer(1), ip(1), 1300);
    world.reserve(one).unwrap();
    world.gone(one);
    let one = world.up_from(peer(1), ip(2), 1300);
    world.reserve(one).unwrap();
    let two = world.up_from(peer(2), ip(1), 1300);
    assert!(
        world.reserve(two).is_ok(),
        "its old network has a place again"
    );
    let three = world.up_from(peer(3), ip(2), 1300);
    assert_eq!(world.reserve(three).unwrap_err().reason, Refusal::Limited);
    world.end();
}

#[test]
fn the_oldest_of_too_many_connections_gives_way_to_the_newest() {
    let mut world = World::new(|config| config.limits.connections_per_peer = 2);
    let (caller, first) = (world.up(1), world.up(2));
    let pair = world.channel(caller, first);
    let _second = world.up(2);
    let third = world.up(2);
    for (conn, stream) in [pair.caller, pair.callee] {
        assert_eq!(world.refused_with(conn, stream), Some(Refusal::Ended));
    }
    assert_eq!(world.reserve(first).unwrap_err().reason, Refusal::Full);
    world.connect(caller, peer(2));
    assert_eq!(world.pairs.last().unwrap().callee.0, third);
    world.end();
}
