//! Links of every MTU from 1280 to 1500 in both families, directly and over a relay, while paths
//! change: real QUIC over the production switch and relay, in virtual time.

#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod forwarder;
mod node;
#[path = "../support/mod.rs"]
mod support;
mod world;

use std::net::SocketAddr;
use std::time::Duration;

use world::{A, B, DIRECT, MS, RELAYED, World};

/// Link MTUs from the least of IPv6 to that of Ethernet; PPPoE has 1492, WireGuard 1420.
const MTUS: [usize; 6] = [1280, 1320, 1380, 1420, 1492, 1500];
/// Until the window has grown and the largest size is found.
const WARM: Duration = Duration::from_millis(1_500);
const SPAN: Duration = Duration::from_millis(1_500);

fn at(v6: bool, host: u8) -> SocketAddr {
    let text = match v6 {
        true => format!("[2001:db8::{host}]:4001"),
        false => format!("192.0.2.{host}:4001"),
    };
    text.parse().unwrap()
}

/// A on a link of this MTU, B on Ethernet.
fn without_relay(v6: bool, mtu: usize) -> World {
    World::new([(at(v6, 1), mtu), (at(v6, 2), 1500)], None)
}

/// The same with a relay on Ethernet.
fn with_relay(v6: bool, mtu: usize) -> World {
    let ends = [(at(v6, 1), mtu), (at(v6, 2), 1500)];
    World::new(ends, Some((at(v6, 3), 1500)))
}

/// Every family and MTU.
fn links() -> impl Iterator<Item = (bool, usize)> {
    let of = |v6| MTUS.map(|mtu| (v6, mtu));
    [false, true].into_iter().flat_map(of)
}

#[test]
fn a_direct_handshake_completes_on_every_link_and_data_flows() {
    for (v6, mtu) in links() {
        let mut world = without_relay(v6, mtu);
        let virts = [world.dial(), world.accepted()];
        assert!(world.elapsed() <= DIRECT * 2, "{v6} {mtu}");
        world.talk(virts, WARM);
        let stall = world.talk(virts, SPAN);
        assert!(stall <= DIRECT, "{v6} {mtu}: {stall:?}");
    }
}

#[test]
fn a_relayed_handshake_completes_on_every_link_and_data_flows() {
    for (v6, mtu) in links() {
        let mut world = with_relay(v6, mtu);
        let virts = [world.dial_relayed(), world.accepted()];
        // The relay is connected to in one and a half direct ones.
        assert!(world.elapsed() <= DIRECT * 2 + RELAYED * 2, "{v6} {mtu}");
        world.talk(virts, WARM);
        let stall = world.talk(virts, SPAN);
        assert!(stall <= RELAYED, "{v6} {mtu}: {stall:?}");
    }
}

#[test]
fn moving_to_a_link_of_another_mtu_stalls_for_three_round_trips_at_most() {
    for (v6, to) in links() {
        for from in [1280, 1500] {
            let mut world = without_relay(v6, from);
            let virts = [world.dial(), world.accepted()];
            world.talk(virts, WARM);
            world.roam(at(v6, 11), to);
            let stall = world.talk(virts, SPAN);
            assert!(stall <= DIRECT * 3, "{v6} {from} {to}: {stall:?}");
        }
    }
}

#[test]
fn moving_while_relayed_stalls_for_three_round_trips_at_most() {
    for (v6, to) in links() {
        for from in [1280, 1500] {
            let mut world = with_relay(v6, from);
            let virts = [world.dial_relayed(), world.accepted()];
            world.talk(virts, WARM);
            world.roam(at(v6, 11), to);
            let stall = world.talk(virts, SPAN);
            // Six bytes less than a packet with its headers: the connection to the relay has to find
            // out that it carries no whole ones any more.
            let narrow = v6 && from > 1280 && to == 1280;
            let most = if narrow { RELAYED * 5 } else { RELAYED * 3 };
            assert!(stall <= most, "{v6} {from} {to}: {stall:?}");
        }
    }
}

#[test]
fn a_direct_path_of_any_mtu_is_taken_from_a_relay_without_a_stall_and_left_within_a_second() {
    for (v6, mtu) in links() {
        let mut world = with_relay(v6, mtu);
        let virts = [world.dial_relayed(), world.accepted()];
        world.talk(virts, WARM);
        world.offer(virts);
        let stall = world.talk(virts, SPAN);
        assert!(world.is_direct(virts), "{v6} {mtu}");
        assert!(stall <= RELAYED * 3, "{v6} {mtu}: {stall:?}");
        world.parted = true;
        let stall = world.talk(virts, SPAN);
        assert!(!world.is_direct(virts), "{v6} {mtu}");
        assert!(stall <= 1_000 * MS, "{v6} {mtu}: {stall:?}");
    }
}

#[test]
fn nothing_is_sent_that_a_link_of_1280_bytes_does_not_carry_but_probes_for_more() {
    for v6 in [false, true] {
        let mut world = without_relay(v6, 1280);
        let virts = [world.dial(), world.accepted()];
        world.talk(virts, WARM);
        assert_eq!(world.too_large, 0, "{v6}");
        assert!(world.nodes[A].mtu(virts[A]) > 1200 && world.nodes[B].mtu(virts[B]) > 1200);
    }
}
