//! The dead are noticed, the lost are found again, and it costs little.

use std::time::Duration;

use dchat_kademlia::Config;
use dchat_kademlia::node::{Input, Output};

use crate::net::*;

fn acquainted(count: usize, seed: u64) -> Net {
    let config = Config::default();
    let mut net = Net::new(count, &config, seed);
    net.acquaint(&config);
    net
}

/// Checks DC-DHT-013 (positive).
#[test]
fn the_dead_are_named_to_nobody_after_a_few_minutes() {
    let mut net = acquainted(100, 1);
    for dead in 0..30 {
        net.up[dead] = false;
    }
    net.run(Duration::from_secs(600));
    for node in 30..100 {
        for target in 0..5 {
            let named = net.nodes[node].closest(&key(&[2, target]), 20);
            assert!(named.iter().all(|contact| contact.handle >= 30));
        }
    }
}

#[test]
fn the_living_are_not_forgotten_in_hours_however_bad_the_network() {
    let mut net = acquainted(60, 2);
    net.loss = 50;
    net.run(Duration::from_secs(3 * 3600));
    for node in &net.nodes {
        assert!(node.stat().contacts >= 57, "{:?}", node.stat());
        assert!(node.stat().fresh >= 55, "{:?}", node.stat());
    }
}

/// Checks DC-DHT-014 (positive, negative).
#[test]
fn upkeep_keeps_to_its_budget() {
    let config = Config::default();
    let mut net = acquainted(100, 3);
    let start = 40 * u64::from(config.call_cost);
    let hours = 2;
    net.run(Duration::from_secs(hours * 3600));
    let most = start + hours * 3600 * u64::from(config.budget_bytes_per_s);
    let pings: u64 = net.nodes.iter().map(|node| node.stat().asked).sum();
    assert!(pings / 100 * u64::from(config.ping_cost) <= most);
    assert!(pings / 100 >= 500, "and it does something for it: {pings}");
}

/// Checks DC-DHT-013 (negative).
#[test]
fn after_a_sleep_nobody_is_named_until_heard_of_again() {
    let mut net = acquainted(70, 4);
    net.up[0] = false;
    net.run(Duration::from_secs(3 * 3600));
    net.up[0] = true;
    let now = net.now;
    net.nodes[0].handle_input(Input::Resumed, now);
    assert_eq!(net.nodes[0].stat().fresh, 0);
    net.drain(0);
    net.run(Duration::from_secs(60));
    let nearest = net.nearest(&net.keys[0], 20, |other| other != 0);
    let named = net.nodes[0].closest(&net.keys[0], 20);
    let named: Vec<_> = named.iter().map(|contact| contact.handle).collect();
    assert_eq!(named, nearest);
}

#[test]
fn two_halves_of_a_parted_network_find_each_other_within_five_minutes() {
    let mut net = acquainted(120, 5);
    for node in 0..120 {
        net.side[node] = (node % 2) as u8;
    }
    net.run(Duration::from_secs(3600));
    let strangers = net.nodes[0]
        .contacts()
        .filter(|entry| entry.contact().handle % 2 == 1);
    assert_eq!(strangers.count(), 0, "the halves have forgotten each other");
    net.side.fill(0);
    net.run(Duration::from_secs(300));
    for lookup in 0..40 {
        let from = (lookup * 3 % 120) as u32;
        let wanted = (lookup * 7 + 1) as usize % 120;
        let search = net.nodes[from as usize].find(net.keys[wanted], net.now);
        let outcome = net.finish(from, search);
        let nearest = net.nearest(&net.keys[wanted], 20, |other| other != from);
        let found: Vec<_> = outcome.nodes.iter().map(|node| node.handle).collect();
        assert_eq!(found.first(), nearest.first());
    }
}

#[test]
fn a_node_alone_asks_nothing_and_wants_no_timer() {
    let mut net = Net::new(1, &Config::default(), 6);
    let now = net.now;
    net.nodes[0].handle_timeout(now);
    assert!(net.nodes[0].poll_output().is_none());
    assert_eq!(net.nodes[0].poll_timeout(), None);
}

#[test]
fn without_upkeep_nothing_is_asked() {
    let config = Config {
        maintain: false,
        ..Config::default()
    };
    let mut net = Net::new(100, &config, 7);
    net.acquaint(&config);
    net.run(Duration::from_secs(3600));
    assert_eq!(net.questions, 0);
    let now = net.now;
    while let Some(output) = net.nodes[0].poll_output() {
        assert!(!matches!(output, Output::Call { .. }), "{now:?}");
    }
}
