//! Nodes of the table, from one start to the next.

use super::*;
use crate::store::DhtNode;
use crate::store::limits::{DHT_NODE_LIFETIME_MS, MAX_DHT_NODES};

fn node(number: u16, last_seen: i64) -> DhtNode {
    let mut peer = [0; 32];
    peer[..2].copy_from_slice(&number.to_be_bytes());
    DhtNode {
        peer,
        nonce: u64::MAX - u64::from(number),
        socket: std::net::SocketAddr::from(([192, 0, 2, 1], 1 + number)),
        other: None,
        last_seen,
        rtt_ms: Some(number),
    }
}

fn remember(store: &mut Store, nodes: &[DhtNode], now: i64) {
    store
        .transaction("dht", |tx| tx.remember_dht_nodes(nodes, now))
        .unwrap_or_else(|error: StoreError| panic!("{error}"));
}

fn known(store: &mut Store, now: i64) -> Vec<DhtNode> {
    store
        .read(|view| view.dht_nodes(now))
        .unwrap_or_else(|error: StoreError| panic!("{error}"))
}

#[test]
fn nodes_come_back_as_they_were_latest_first() {
    let profile = Profile::new();
    let mut two = node(2, NOW);
    two.other = Some("[2001:db8::1]:4001".parse().unwrap());
    two.rtt_ms = None;
    let nodes = [node(1, NOW - 1), two.clone(), node(3, NOW - 2)];
    let mut store = profile.open();
    remember(&mut store, &nodes, NOW);
    store.close().unwrap();
    let found = known(&mut profile.open(), NOW);
    assert_eq!(found, [two, node(1, NOW - 1), node(3, NOW - 2)]);
}

#[test]
fn what_is_newer_of_a_node_stays() {
    let mut store = Profile::new().open();
    remember(&mut store, &[node(1, NOW)], NOW);
    let moved = DhtNode {
        socket: "192.0.2.77:7".parse().unwrap(),
        rtt_ms: None,
        ..node(1, NOW - 1)
    };
    remember(&mut store, std::slice::from_ref(&moved), NOW);
    assert_eq!(known(&mut store, NOW), [node(1, NOW)]);
    let moved = DhtNode {
        last_seen: NOW + 1,
        ..moved
    };
    remember(&mut store, std::slice::from_ref(&moved), NOW + 1);
    // What was measured is kept until it is measured again.
    let expected = DhtNode {
        rtt_ms: Some(1),
        ..moved
    };
    assert_eq!(known(&mut store, NOW + 1), [expected]);
}

#[test]
fn a_node_not_seen_for_a_week_is_forgotten() {
    let mut store = Profile::new().open();
    remember(&mut store, &[node(1, NOW)], NOW);
    assert_eq!(known(&mut store, NOW + DHT_NODE_LIFETIME_MS - 1).len(), 1);
    assert!(known(&mut store, NOW + DHT_NODE_LIFETIME_MS).is_empty());
    remember(&mut store, &[], NOW + DHT_NODE_LIFETIME_MS);
    assert!(known(&mut store, NOW).is_empty(), "not only hidden");
}

#[test]
fn the_latest_are_kept_when_there_are_too_many() {
    let mut store = Profile::new().open();
    let most = u16::try_from(MAX_DHT_NODES).unwrap();
    let all: Vec<DhtNode> = (0..most).map(|n| node(n, NOW + i64::from(n))).collect();
    remember(&mut store, &all, NOW);
    remember(&mut store, &[node(most, NOW + i64::from(most))], NOW);
    let found = known(&mut store, NOW);
    assert_eq!(found.len(), MAX_DHT_NODES);
    assert_eq!(found.first(), Some(&node(most, NOW + i64::from(most))));
    assert!(!found.contains(&node(0, NOW)));
}
