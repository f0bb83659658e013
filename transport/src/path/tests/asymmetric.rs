//! The two sides send over different paths, and one of these dies.

use std::ops::Range;
use std::time::{Duration, Instant};

use super::net::{Net, addr, ms, short};
use crate::path::{Input, LegId, Output, PathKind, Route};

const DIALER: &str = "192.0.2.1:4001";
const LISTENER: &str = "198.51.100.1:4001";

/// The relay is the shorter way: whoever doubts the direct path hears from the relay first.
fn upgraded() -> Net {
    let mut net = Net::connected_by_relay(&[DIALER], &[LISTENER], ms(5));
    net.offer(0, &[LISTENER]);
    net.offer(1, &[DIALER]);
    net.run(ms(1000));
    assert!((0..2).all(|node| net.path(node).kind == PathKind::Direct));
    net
}

/// The dialer sends over the direct path and knows that it works; the listener was refused it once
/// and sends over the relay.
fn parted_ways() -> Net {
    let mut net = upgraded();
    let route = Route {
        leg: LegId(0),
        local: None,
        remote: addr(DIALER),
    };
    let virt = net.nodes[1].virt;
    net.input(1, Input::SendFailed { virt, route });
    net.run(ms(15));
    both_talk(&mut net, 0..25);
    assert_eq!(net.path(0).kind, PathKind::Direct);
    assert_eq!(net.path(1).kind, PathKind::Relayed);
    net
}

/// Both send a message each 20 ms; the dialer repeats its own until they are acknowledged.
fn both_talk(net: &mut Net, seqs: Range<u64>) {
    for seq in seqs {
        net.data(1, 1_000_000 + seq);
        net.talk_reliably(0, seq..seq + 1, ms(20));
    }
}

fn left_direct_at(net: &Net, node: usize) -> Option<Instant> {
    let events = net.nodes[node].events.iter();
    let mut moves = events.filter_map(|(at, event)| match event {
        Output::Switched { path, .. } if path.kind == PathKind::Relayed => Some(*at),
        _ => None,
    });
    moves.next_back()
}

/// How long the latest of the dialer's messages took, one sent each 20 ms from `began`.
fn slowest(net: &Net, seqs: Range<u64>, began: Instant) -> Duration {
    let first = seqs.start;
    let took = seqs.map(|seq| {
        let sent = began + ms(20) * (seq - first) as u32;
        net.nodes[1].arrived[&seq].saturating_duration_since(sent)
    });
    took.max().unwrap()
}

#[test]
fn packets_over_another_path_do_not_hide_that_the_active_one_is_dead() {
    let mut net = parted_ways();
    net.dead.insert(addr(LISTENER));
    let died = net.now;
    both_talk(&mut net, 100..200);
    assert_eq!(net.path(0).kind, PathKind::Relayed);
    // 200 ms of silence, then a round trip and its variation for the answer.
    let moved = left_direct_at(&net, 0).unwrap() - died;
    assert!(moved <= ms(300), "{moved:?}");
    let slowest = slowest(&net, 100..200, died);
    assert!(slowest <= ms(500), "{slowest:?}");
}

#[test]
fn a_side_that_only_acknowledges_leaves_a_dead_path_too() {
    let mut net = parted_ways();
    net.dead.insert(addr(LISTENER));
    let died = net.now;
    net.talk(1, 100..150);
    // A message and its way, 200 ms of silence, and the time an answer has.
    let moved = left_direct_at(&net, 0).unwrap() - died;
    assert!(moved <= ms(300) + ms(20), "{moved:?}");
    assert!(net.nodes[1].acked.contains(&149));
}

#[test]
fn sending_over_different_paths_that_work_is_no_doubt() {
    let mut net = parted_ways();
    let before = net.nodes[0].switch.stats();
    let copies = net.nodes[0].copies;
    both_talk(&mut net, 100..250);
    let after = net.nodes[0].switch.stats();
    assert_eq!(after.doubts, before.doubts);
    assert_eq!(net.nodes[0].copies, copies);
    assert_eq!(net.switches(0), 1, "only the upgrade");
    // Three seconds: a question over each of the two paths every 200 ms, at most.
    let probes = after.probes_sent - before.probes_sent;
    assert!(probes <= 30, "{probes}");
}

#[test]
fn parted_ways_have_no_timeout_when_nothing_is_sent() {
    let mut net = parted_ways();
    net.run(ms(3000));
    for node in &net.nodes {
        assert_eq!(node.switch.poll_timeout(), None);
    }
}

#[test]
fn a_packet_replayed_from_elsewhere_does_not_hold_up_the_doubt() {
    let mut net = upgraded();
    both_talk(&mut net, 0..25);
    net.dead.insert(addr(LISTENER));
    let died = net.now;
    both_talk(&mut net, 100..105);
    // It would be to a node that is not reached any more; the thief's own link is another.
    net.dead.clear();
    let packet = short(&net.nodes[0].cid, b"replayed", 300);
    net.inject(addr("203.0.113.66:6"), addr(DIALER), packet);
    net.run(ms(10));
    net.dead.insert(addr(LISTENER));
    both_talk(&mut net, 105..200);
    assert_eq!(net.path(0).kind, PathKind::Relayed);
    let slowest = slowest(&net, 100..200, died);
    assert!(slowest <= ms(500), "{slowest:?}");
}
