//! A path dies; the others take over, and silence costs nothing.

use super::net::{Net, addr, ms};
use crate::path::{Input, LegId, Output, Route};

const V4: [&str; 2] = ["192.0.2.1:4001", "198.51.100.1:4001"];
const V6: [&str; 2] = ["[2001:db8:a::1]:4001", "[2001:db8:b::1]:4001"];

fn two_paths() -> Net {
    let mut net = Net::connected(&[V4[0], V6[0]], &[V4[1], V6[1]]);
    net.offer(0, &[V4[1], V6[1]]);
    net.offer(1, &[V4[0], V6[0]]);
    net.run(ms(2000));
    net
}

/// Checks DC-CONN-052 (negative).
#[test]
fn a_quiet_connection_has_no_timeout() {
    let mut net = two_paths();
    net.talk(0, 0..50);
    net.run(ms(3000));
    for node in &net.nodes {
        assert_eq!(node.switch.poll_timeout(), None);
    }
}

/// Checks DC-NAT-031 (negative).
#[test]
fn an_acknowledgement_that_nobody_answers_is_no_doubt() {
    let mut net = two_paths();
    net.talk(0, 0..50);
    net.run(ms(3000));
    assert_eq!(net.nodes[0].switch.stats().doubts, 0);
    assert_eq!(net.nodes[1].switch.stats().doubts, 0);
}

/// Checks DC-CONN-052 (positive).
#[test]
fn when_the_active_path_dies_the_other_takes_over() {
    let mut net = two_paths();
    let used = net.path(0).remote;
    net.talk(0, 0..50);
    net.dead.insert(used);
    let died = net.now;
    net.talk(0, 50..100);
    assert_ne!(net.path(0).remote, used);
    let (at, _) = net.nodes[0]
        .events
        .iter()
        .rfind(|(_, event)| matches!(event, Output::Switched { .. }))
        .unwrap();
    // 200 ms of silence, a round trip, and its variation.
    assert!(*at - died <= ms(300), "{:?}", *at - died);
    net.talk(0, 100..120);
    assert!((100..120).all(|seq| net.nodes[1].got.contains(&seq)));
    assert_eq!(net.nodes[1].delivered.len(), 1);
}

#[test]
fn a_send_error_switches_within_a_round_trip() {
    let mut net = two_paths();
    let used = net.path(0);
    net.dead.insert(used.remote);
    let leg = if used.remote.is_ipv4() {
        LegId(0)
    } else {
        LegId(1)
    };
    let virt = net.nodes[0].virt;
    let route = Route {
        leg,
        local: None,
        remote: used.remote,
    };
    net.input(0, Input::SendFailed { virt, route });
    net.run(ms(25));
    assert_ne!(net.path(0).remote, used.remote);
}

#[test]
fn the_peer_follows_to_a_path_it_already_knows() {
    let mut net = two_paths();
    let (mine, theirs) = (net.path(0).remote, net.path(1).remote);
    net.talk(0, 0..50);
    net.dead.insert(mine);
    net.dead.insert(theirs);
    net.talk(0, 50..120);
    assert_ne!(net.path(0).remote, mine);
    assert_ne!(net.path(1).remote, theirs);
    net.talk(1, 500..520);
    assert!((500..520).all(|seq| net.nodes[0].got.contains(&seq)));
}

#[test]
fn with_every_path_dead_the_peer_is_lost_once_and_probes_end() {
    let mut net = two_paths();
    net.dead.extend([addr(V4[1]), addr(V6[1])]);
    net.data(0, 0);
    net.run(ms(60_000));
    let lost = net.nodes[0]
        .events
        .iter()
        .filter(|(_, event)| matches!(event, Output::Lost { .. }));
    assert_eq!(lost.count(), 1);
    assert_eq!(net.nodes[0].switch.poll_timeout(), None);
    let probes = net.nodes[0].switch.stats().probes_sent;
    assert!(probes < 60, "{probes}");
    // It is found again when it comes back and there is something to send.
    net.dead.clear();
    net.talk(0, 1..100);
    assert_eq!(net.nodes[1].got.len(), 99);
}

#[test]
fn a_failed_dial_is_said_at_once() {
    let mut net = Net::new(&[V4[0]], &[V4[1]]);
    let virt = net.nodes[0].switch.dial(LegId(0), addr(V4[1]));
    let route = Route {
        leg: LegId(0),
        local: None,
        remote: addr(V4[1]),
    };
    net.input(0, Input::SendFailed { virt, route });
    net.input(0, Input::SendFailed { virt, route });
    assert_eq!(net.nodes[0].events.len(), 1);
    assert_eq!(net.nodes[0].events[0].1, Output::Lost { virt });
}

#[test]
fn changed_interfaces_have_every_path_probed_at_once() {
    let mut net = two_paths();
    let before = net.nodes[0].switch.stats().probes_sent;
    net.input(0, Input::InterfacesChanged);
    assert_eq!(net.nodes[0].switch.stats().probes_sent, before + 2);
}
