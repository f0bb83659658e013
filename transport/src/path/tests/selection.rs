//! Which of several working paths is taken.

use super::net::{Net, addr, ms};
use crate::path::{Output, bounds};

const V4: [&str; 2] = ["192.0.2.1:4001", "198.51.100.1:4001"];
const V6: [&str; 2] = ["[2001:db8:a::1]:4001", "[2001:db8:b::1]:4001"];

fn with_delays(v4: u64, v6: u64) -> Net {
    let mut net = Net::new(&[V4[0], V6[0]], &[V4[1], V6[1]]);
    net.delays.insert((addr(V4[0]), addr(V4[1])), ms(v4));
    net.delays.insert((addr(V6[0]), addr(V6[1])), ms(v6));
    net.connect();
    net.offer(0, &[V4[1], V6[1]]);
    net.run(ms(3000));
    net
}

#[test]
fn a_clearly_shorter_path_is_taken_after_one_measurement() {
    let net = with_delays(40, 20);
    assert_eq!(net.path(0).remote, addr(V6[1]));
    assert_eq!(net.switches(0), 1);
    let rtt = net.path(0).rtt.unwrap();
    assert_eq!(rtt, ms(40));
}

#[test]
fn a_slightly_shorter_path_is_not() {
    let net = with_delays(40, 36);
    assert_eq!(net.path(0).remote, addr(V4[1]));
    assert_eq!(net.switches(0), 0);
}

#[test]
fn of_equal_short_paths_ipv6_is_taken() {
    let net = with_delays(1, 1);
    assert_eq!(net.path(0).remote, addr(V6[1]));
}

#[test]
fn paths_that_take_turns_in_being_shorter_are_not_flapped_between() {
    let mut net = with_delays(40, 20);
    for round in 0..60u64 {
        let (v4, v6) = if round % 2 == 0 { (10, 40) } else { (40, 10) };
        net.delays.insert((addr(V4[0]), addr(V4[1])), ms(v4));
        net.delays.insert((addr(V6[0]), addr(V6[1])), ms(v6));
        net.talk(0, round * 50..round * 50 + 50);
    }
    // A minute: one measurement every 15 s can change its mind at most that often.
    assert!(net.switches(0) <= 5, "{}", net.switches(0));
}

#[test]
fn no_switch_for_a_shorter_path_comes_soon_after_another() {
    let mut net = with_delays(40, 20);
    for round in 0..100u64 {
        net.delays
            .insert((addr(V4[0]), addr(V4[1])), ms(10 + round % 7 * 10));
        net.offer(0, &[V4[1], V6[1], "[2001:db8:b::99]:1"]);
        net.talk(0, round * 50..round * 50 + 50);
    }
    let at: Vec<_> = net.nodes[0]
        .events
        .iter()
        .filter(|(_, event)| matches!(event, Output::Switched { .. }))
        .map(|(at, _)| *at)
        .collect();
    assert!(at.windows(2).all(|pair| pair[1] - pair[0] >= bounds::DWELL));
}

#[test]
fn two_sides_that_prefer_different_paths_do_not_chase_each_other() {
    let mut net = with_delays(20, 20);
    // The dialer stays on IPv4; the listener is made to prefer IPv6 by learning of it alone.
    net.offer(1, &[V4[0], V6[0]]);
    net.dead.insert(addr(V4[0]));
    net.talk(1, 0..30);
    net.dead.clear();
    let before = net.switches(0) + net.switches(1);
    for round in 1..20u64 {
        net.talk(0, round * 1000..round * 1000 + 50);
        net.talk(1, round * 1000 + 500..round * 1000 + 550);
    }
    let after = net.switches(0) + net.switches(1);
    assert!(after - before <= 2, "{} switches", after - before);
}

#[test]
fn how_the_peer_sees_us_is_said_once() {
    let mut net = with_delays(20, 36);
    let observed = |net: &Net| {
        let events = net.nodes[0].events.iter();
        events
            .filter_map(|(_, event)| match event {
                Output::Observed { addr, .. } => Some(*addr),
                _ => None,
            })
            .collect::<Vec<_>>()
    };
    assert_eq!(observed(&net), [addr(V4[0]), addr(V6[0])]);
    net.talk(0, 0..2000);
    assert_eq!(observed(&net).len(), 2);
}

#[test]
fn an_offer_of_addresses_nobody_may_name_is_ignored() {
    let mut net = Net::connected(&[V4[0], V6[0]], &[V4[1], V6[1]]);
    let before = net.nodes[0].sent.clone();
    net.offer(
        0,
        &[
            "127.0.0.1:53",
            "[::1]:53",
            "0.0.0.0:1",
            "255.255.255.255:7",
            "224.0.0.1:9",
            "[ff02::1]:9",
            "203.0.113.1:0",
            "[fd64:6368:6174:1::5]:80",
        ],
    );
    net.run(ms(3000));
    assert_eq!(
        net.nodes[0].sent.keys().collect::<Vec<_>>(),
        before.keys().collect::<Vec<_>>()
    );
}
