//! A connection that begins over a relay, leaves it, and comes back.

use std::time::Duration;

use super::net::{Net, addr, ms, relay_id, relay_socket};
use crate::path::{
    Arrival, ChannelAddress, Input, LegId, Output, PathKind, Verdict, VirtualAddress, bounds,
};

const DIALER: &str = "192.0.2.1:4001";
const LISTENER: &str = "198.51.100.1:4001";

fn over_relay() -> Net {
    Net::connected_by_relay(&[DIALER], &[LISTENER], ms(30))
}

/// Began over a relay and has moved to the direct path, on both sides.
fn upgraded() -> Net {
    let mut net = over_relay();
    net.offer(0, &[LISTENER]);
    net.offer(1, &[DIALER]);
    net.run(ms(1000));
    assert!((0..2).all(|node| net.path(node).kind == PathKind::Direct));
    net
}

/// When the node last changed its path.
fn moved_at(net: &Net, node: usize) -> std::time::Instant {
    let events = net.nodes[node].events.iter();
    let moves = events.filter(|(_, event)| matches!(event, Output::Switched { .. }));
    moves.map(|(at, _)| *at).next_back().unwrap()
}

/// How long after it was first sent the latest of these messages arrived, at one a `gap`.
fn slowest(net: &Net, seqs: std::ops::Range<u64>, began: std::time::Instant) -> Duration {
    let node = &net.nodes[1];
    let first = seqs.start;
    let late = seqs.map(|seq| {
        let sent = began + ms(20) * (seq - first) as u32;
        node.arrived[&seq].saturating_duration_since(sent)
    });
    late.max().unwrap()
}

#[test]
fn it_begins_over_the_relay_and_names_it() {
    let mut net = over_relay();
    net.talk(0, 0..20);
    net.run(ms(100));
    assert_eq!(net.nodes[1].got.len(), 20);
    let path = net.path(0);
    assert_eq!(path.kind, PathKind::Relayed);
    assert_eq!(path.relay, Some(relay_id(0)));
    assert_eq!(path.remote, relay_socket(0));
    assert_eq!(path.rtt, Some(ms(60)));
    let shown = path.address().to_string();
    assert!(shown.contains("/p2p-circuit"), "{shown}");
}

/// Checks DC-NAT-027 (positive), DC-NAT-028 (positive), DC-NAT-029 (positive).
#[test]
fn it_moves_to_a_direct_path_after_two_answers() {
    let mut net = over_relay();
    let offered = net.now;
    net.offer(0, &[LISTENER]);
    net.talk(0, 0..20);
    let path = net.path(0);
    assert_eq!((path.kind, path.remote), (PathKind::Direct, addr(LISTENER)));
    // A small probe and one of full size, 20 ms each.
    assert_eq!(moved_at(&net, 0) - offered, ms(40));
    assert_eq!(net.nodes[1].got.len(), 20);
    assert_eq!(net.nodes[1].delivered.len(), 1, "one virtual address");
}

/// Checks DC-NAT-029 (negative).
#[test]
fn the_relayed_path_is_never_the_better_one_however_short() {
    let mut net = Net::connected_by_relay(&[DIALER], &[LISTENER], ms(1));
    net.default_delay = ms(150);
    net.offer(0, &[LISTENER]);
    net.talk(0, 0..3000);
    assert_eq!(net.path(0).kind, PathKind::Direct);
    assert_eq!(net.switches(0), 1);
}

/// Checks DC-NAT-030 (positive).
#[test]
fn the_relayed_path_stays_warm_and_is_not_crowded_out() {
    let mut net = upgraded();
    for round in 0..20u16 {
        let ports = (0..16u16).map(|port| format!("198.51.100.7:{}", 1 + round * 16 + port));
        let ports: Vec<String> = ports.collect();
        let ports: Vec<&str> = ports.iter().map(String::as_str).collect();
        net.offer(0, &ports);
        let at = u64::from(round) * 100;
        net.talk(0, at..at + 100);
    }
    // Half a minute later it still takes over at once.
    net.dead.insert(addr(LISTENER));
    let died = net.now;
    net.talk_reliably(0, 10_000..10_050, ms(20));
    assert_eq!(net.path(0).kind, PathKind::Relayed);
    assert!(moved_at(&net, 0) - died <= ms(400));
}

/// Checks DC-NAT-031 (positive).
#[test]
fn when_the_direct_path_dies_the_relay_carries_copies_and_then_all() {
    let mut net = upgraded();
    net.talk(0, 0..50);
    assert_eq!(net.nodes[0].copies, 0);
    net.dead.insert(addr(LISTENER));
    let died = net.now;
    net.talk_reliably(0, 100..200, ms(20));
    net.run(ms(200));
    assert!(net.nodes[0].copies > 0, "sent twice while in doubt");
    assert_eq!(net.path(0).kind, PathKind::Relayed);
    assert_eq!(net.path(1).kind, PathKind::Relayed);
    let slowest = slowest(&net, 100..200, died);
    assert!(slowest <= ms(500), "{slowest:?}");
    // And once settled nothing is sent twice any more.
    let copies = net.nodes[0].copies;
    net.talk(0, 300..400);
    assert_eq!(net.nodes[0].copies, copies);
}

/// Checks DC-NAT-032 (positive, negative).
#[test]
fn no_copies_go_over_a_path_that_was_silent_for_half_a_minute() {
    for (silent, copied) in [(ms(0), true), (bounds::CONSENT + ms(10_000), false)] {
        let mut net = upgraded();
        net.relays[0].dead = !silent.is_zero();
        let rounds = silent.as_secs();
        for round in 0..rounds {
            net.talk(0, round * 100..round * 100 + 2);
            net.run(ms(1000));
        }
        assert_eq!(net.path(0).kind, PathKind::Direct);
        assert_eq!(net.nodes[0].copies, 0);
        net.dead.insert(addr(LISTENER));
        net.talk_reliably(0, 10_000..10_050, ms(20));
        assert_eq!(net.nodes[0].copies > 0, copied, "silent for {silent:?}");
    }
}

/// Checks DC-NAT-031 (positive).
#[test]
fn a_path_in_doubt_that_answers_again_keeps_its_place() {
    let mut net = upgraded();
    net.talk(0, 0..50);
    net.dead.insert(addr(LISTENER));
    net.talk(0, 100..111);
    net.dead.clear();
    net.talk(0, 200..300);
    assert_eq!(net.switches(0), 1, "only the upgrade");
    assert!((200..300).all(|seq| net.nodes[1].got.contains(&seq)));
}

/// Checks DC-NAT-030 (negative).
#[test]
fn when_a_leg_is_removed_the_second_relay_takes_over_in_the_same_call() {
    let mut net = over_relay();
    let second = net.relay(ms(40));
    net.offer_relay(second);
    net.run(ms(1000));
    assert_eq!(net.path(0).relay, Some(relay_id(0)));
    net.remove_relay(0);
    for node in 0..2 {
        assert_eq!(net.path(node).relay, Some(relay_id(1)));
    }
    let removed = net.now;
    net.talk_reliably(0, 0..50, ms(20));
    net.run(ms(100));
    assert!(slowest(&net, 0..50, removed) <= ms(40));
}

#[test]
fn when_a_relay_dies_silently_the_second_carries_on_within_a_second() {
    let mut net = over_relay();
    let second = net.relay(ms(40));
    net.offer_relay(second);
    net.talk(0, 0..50);
    net.relays[0].dead = true;
    let died = net.now;
    net.talk_reliably(0, 100..200, ms(20));
    net.run(ms(300));
    assert_eq!(net.path(0).relay, Some(relay_id(1)));
    let slowest = slowest(&net, 100..200, died);
    assert!(slowest <= ms(700), "{slowest:?}");
}

#[test]
fn when_the_only_relay_is_gone_the_direct_path_is_taken_even_if_unheard_for_long() {
    let mut net = upgraded();
    net.talk(0, 0..50);
    net.remove_relay(0);
    assert_eq!(net.path(0).kind, PathKind::Direct);
    net.talk(0, 100..150);
    assert!((100..150).all(|seq| net.nodes[1].got.contains(&seq)));
}

#[test]
fn with_the_last_leg_gone_it_is_lost_and_comes_back_with_the_next() {
    let mut net = over_relay();
    net.talk(0, 0..20);
    net.remove_relay(0);
    let virt = net.nodes[0].virt;
    let lost = net.nodes[0].events.iter();
    let lost = lost.filter(|(_, event)| *event == Output::Lost { virt });
    assert_eq!(lost.count(), 1);
    net.data(0, 20);
    let next = net.relay(ms(30));
    net.offer_relay(next);
    net.run(ms(500));
    assert_eq!(net.path(0).relay, Some(relay_id(1)));
    net.talk(0, 30..50);
    net.run(ms(100));
    assert!((30..50).all(|seq| net.nodes[1].got.contains(&seq)));
}

#[test]
fn a_closed_channel_ends_its_path_and_no_other() {
    let mut net = over_relay();
    let second = net.relay(ms(40));
    net.offer_relay(second);
    net.run(ms(1000));
    let (leg, channel) = net.relays[0].ends[0];
    let other = channel + 1;
    net.input(
        0,
        Input::ChannelClosed {
            leg,
            channel: other,
        },
    );
    assert_eq!(net.path(0).relay, Some(relay_id(0)));
    net.input(0, Input::ChannelClosed { leg, channel });
    assert_eq!(net.path(0).relay, Some(relay_id(1)));
}

#[test]
fn a_dial_over_a_leg_that_ends_is_lost_at_once() {
    let mut net = Net::new(&[DIALER], &[LISTENER]);
    let relay = net.relay(ms(30));
    let (leg, channel) = net.relays[relay].ends[0];
    let to = ChannelAddress(channel).socket_addr();
    let virt = net.nodes[0].switch.dial(leg, to);
    net.remove_relay(relay);
    assert_eq!(net.nodes[0].events[0].1, Output::Lost { virt });
    // And over no leg at all it leads nowhere.
    let virt = net.nodes[0].switch.dial(leg, to);
    assert_eq!(net.nodes[0].switch.current(virt, net.now), None);
}

/// Checks DC-NAT-027 (negative).
#[test]
fn a_path_too_small_for_quic_is_not_taken() {
    let mut net = over_relay();
    net.mtu.insert(addr(LISTENER), 1100);
    net.offer(0, &[LISTENER]);
    net.talk(0, 0..200);
    net.run(ms(100));
    assert_eq!(net.path(0).kind, PathKind::Relayed);
    assert_eq!(net.nodes[1].got.len(), 200);
    // It was asked with a few padded probes, and later again.
    let before = net.nodes[0].probes[&addr(LISTENER)];
    net.mtu.clear();
    net.talk(0, 1000..2000);
    assert!(net.nodes[0].probes[&addr(LISTENER)] > before);
    assert_eq!(net.path(0).kind, PathKind::Direct);
}

#[test]
fn a_smaller_path_is_taken_from_a_relay_and_not_from_a_larger_direct_one() {
    const V6: [&str; 2] = ["[2001:db8:a::1]:4001", "[2001:db8:b::1]:4001"];
    let mut net = Net::connected_by_relay(&[DIALER, V6[0]], &[LISTENER, V6[1]], ms(30));
    net.offer(0, &[LISTENER]);
    net.run(ms(500));
    assert_eq!(net.path(0).kind, PathKind::Direct);
    // quinn has found that 1,452 bytes pass, and sends them in batches.
    let bulk = |net: &mut Net| {
        let packet = super::net::short(&net.nodes[1].cid, b"bulk", 1452);
        let node = &mut net.nodes[0];
        let ways = node.switch.outbound(node.virt, &packet, 14_520, net.now);
        ways.unwrap()
    };
    bulk(&mut net);
    // A path a tenth as long, for datagrams up to 1,300.
    net.delays.insert((addr(V6[0]), addr(V6[1])), ms(1));
    net.mtu.insert(addr(V6[1]), 1300);
    net.offer(0, &[LISTENER, V6[1]]);
    net.run(ms(10_000));
    assert_eq!(net.path(0).remote, addr(LISTENER));
    // With the larger one dead it is taken rather than the relay.
    net.dead.insert(addr(LISTENER));
    net.talk(0, 0..50);
    assert_eq!(net.path(0).remote, addr(V6[1]));
}

#[test]
fn probes_for_a_larger_size_stay_off_the_relay_and_data_does_not() {
    let mut net = over_relay();
    let packet = super::net::short(&net.nodes[1].cid, b"probe", 1452);
    let (virt, now) = (net.nodes[0].virt, net.now);
    let switch = &mut net.nodes[0].switch;
    assert_eq!(switch.outbound(virt, &packet, 1452, now), None);
    assert!(switch.outbound(virt, &packet, 2904, now).is_some());
    assert_eq!(switch.stats().oversized, 1);
}

#[test]
fn the_address_of_a_channel_is_a_forgery_from_a_network() {
    for channel in [0, 1, 0xffff, 0x1_0000, u32::MAX] {
        let there = ChannelAddress(channel).socket_addr();
        assert_eq!(
            ChannelAddress::from_socket_addr(there),
            Some(ChannelAddress(channel))
        );
        assert_eq!(VirtualAddress::from_socket_addr(there), None);
    }
    let mut net = over_relay();
    let (leg, channel) = net.relays[0].ends[0];
    let packet = super::net::short(&net.nodes[0].cid, b"forged", 300);
    let forged = |leg| Arrival {
        leg,
        local: None,
        from: ChannelAddress(channel).socket_addr(),
    };
    let now = net.now;
    let switch = &mut net.nodes[0].switch;
    assert_eq!(
        switch.inbound(forged(LegId(0)), &packet, now),
        Verdict::Consumed
    );
    assert_ne!(switch.inbound(forged(leg), &packet, now), Verdict::Consumed);
    assert_eq!(switch.stats().foreign, 1);
}

#[test]
fn legs_are_bounded_by_kind_and_their_ids_are_not_used_again() {
    let mut net = Net::new(&[DIALER], &[LISTENER]);
    for _ in 0..bounds::RELAY_LEGS {
        net.relay(ms(1));
    }
    let relay = crate::path::Leg::Relay {
        relay: relay_id(9),
        socket: relay_socket(9),
    };
    let switch = &mut net.nodes[0].switch;
    assert_eq!(switch.add_leg(relay), None);
    let leg = net.relays[3].ends[0].0;
    switch.handle_input(Input::LegGone { leg }, net.now);
    let added = switch.add_leg(relay).unwrap();
    assert!(net.relays.iter().all(|relay| relay.ends[0].0 < added));
}

#[test]
fn ten_thousand_moves_lose_nothing_and_nobody_above_sees_them() {
    let mut net = Net::connected_by_relay(&[DIALER], &[LISTENER], ms(2));
    let mut seq = 0;
    for _ in 0..10_000 {
        let relay = net.relay(ms(2));
        net.offer_relay(relay);
        net.talk_reliably(0, seq..seq + 10, ms(50));
        seq += 10;
        // The older one is killed; packets on it are lost.
        net.data(0, seq);
        net.unacked.insert(seq, net.now);
        seq += 1;
        net.remove_relay(0);
        net.relays.remove(0);
        net.nodes.iter_mut().for_each(|node| node.events.clear());
    }
    for _ in 0..20 {
        net.run(ms(50));
        net.repeat(0);
    }
    assert_eq!(net.nodes[1].got.len() as u64, seq);
    assert_eq!(net.nodes[0].switch.stats().switches, 10_000);
    assert_eq!(net.nodes[1].delivered.len(), 1);
    assert_eq!(net.nodes[0].switch.stats().unmapped, 0);
}
