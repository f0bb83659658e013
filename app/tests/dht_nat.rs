//! Finding each other through the table where both are behind NATs, with the real binary: a
//! public bootstrap node, public relays that know only that, and two peers that know only that
//! and each other's PeerId.
#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failed expectation is a failed test"
)]

mod lab;
mod support;

use std::time::{Duration, Instant};

use lab::internet::{Internet, public};
use lab::link::Conditions;
use lab::network::{Peer, start};
use lab::profile::{Profile, Site};
use serde_json::Value;
use support::command::{object, run};
use support::daemon::{Daemon, PATIENCE};
use support::namespace::Host;
use support::node::Node;

/// A public node and its daemon.
type Public = (Node, Daemon);

/// A bootstrap node and relays that know only that.
struct World {
    bootstrap: Public,
    relays: Vec<Public>,
    known: [String; 2],
    internet: Internet,
}

impl World {
    fn new(relays: u8) -> Option<Self> {
        let internet = Internet::new()?;
        let at = public(false, 1);
        let node = Node::new(internet.host(&at)?, "Bootstrap");
        let daemon = start(&node, &["--role", "bootstrap"]);
        let addr = format!("/ip4/{}/udp/4001/quic-v1", at[0]);
        let mut world = Self {
            bootstrap: (node, daemon),
            relays: Vec::new(),
            known: ["--bootstrap".to_owned(), addr],
            internet,
        };
        for number in 0..relays {
            let at = public(number % 2 == 0, 2 + number);
            let node = Node::new(world.internet.host(&at)?, "Relay");
            let daemon = start(&node, &[&["--role", "relay"], &world.known()[..]].concat());
            world.relays.push((node, daemon));
        }
        Some(world)
    }

    /// What everybody knows.
    fn known(&self) -> [&str; 2] {
        self.known.each_ref().map(String::as_str)
    }

    fn peer(&self, name: &str, profile: &str) -> Peer {
        let host = Host::new().unwrap();
        let profile = Profile::named(profile);
        let site = Site::around(&self.internet, profile, &host, Conditions::default()).unwrap();
        let node = Node::new(host, name);
        let daemon = start(&node, &self.known());
        let name = name.to_owned();
        Peer {
            node,
            daemon,
            site,
            name,
        }
    }
}

/// What a node says of the table.
fn stat(node: &Node) -> Value {
    object(&mut node.dchat(&["dht", "stat", "--json"]))
}

/// Waits until a peer has published circuits over exactly these relays, and no address of its own.
fn published(peer: &Peer, relays: &[&Public]) {
    let mut wanted: Vec<String> = relays
        .iter()
        .map(|(relay, _)| format!("/p2p/{}/p2p-circuit/p2p/{}", relay.peer, peer.node.peer))
        .collect();
    wanted.sort();
    let deadline = Instant::now() + 2 * PATIENCE;
    loop {
        let stat = stat(&peer.node);
        let published = stat["published"].as_array().unwrap();
        let addresses = published
            .iter()
            .filter(|own| own["kind"] == "address")
            .flat_map(|own| own["addresses"].as_array().unwrap());
        let mut circuits: Vec<String> = addresses
            .map(|one| {
                let one = one.as_str().unwrap();
                let relay = one.find("/p2p/").unwrap();
                assert!(one.contains("/p2p-circuit/"), "behind a NAT: {one}");
                one[relay..].to_owned()
            })
            .collect();
        circuits.sort();
        if circuits == wanted {
            assert_eq!(stat["mode"], "client", "{stat}");
            return;
        }
        assert!(Instant::now() < deadline, "{wanted:#?} is not in {stat:#}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Makes contacts of two who know nothing but each other's PeerId.
fn befriend(alice: &Peer, bob: &Peer) {
    for (one, other) in [(alice, bob), (bob, alice)] {
        let add = ["add", &other.node.peer, "--name", &other.name];
        assert!(run(&mut one.node.dchat(&add)).well());
    }
}

#[test]
fn two_behind_nats_meet_at_a_relay_found_in_the_table_and_become_direct() {
    let Some(world) = World::new(1) else {
        return;
    };
    let [mut alice, mut bob] = ["Alice", "Bob"].map(|name| world.peer(name, "masquerade"));
    let relay = &world.relays[0];
    for peer in [&alice, &bob] {
        published(peer, &[relay]);
    }
    befriend(&alice, &bob);
    alice.say(&bob, "hello");
    bob.say(&alice, "hello yourself");
    let names = [alice.node.peer.clone(), bob.node.peer.clone()];
    for (peer, other) in [(&mut alice, &names[1]), (&mut bob, &names[0])] {
        let events = peer.daemon.events().into_iter();
        let mut events = events.map(|(_, event)| event);
        let first = events
            .find(|event| event["event"] == "peer_connected" && event["peer_id"] == other.as_str())
            .unwrap();
        assert_eq!(first["path"], "relay", "{first}");
        assert!(first["addr"].as_str().unwrap().contains(&relay.0.peer));
    }
    for (one, other) in [(&alice, &bob), (&bob, &alice)] {
        one.wait_for_path(other, "direct", PATIENCE).unwrap();
    }
}

#[test]
fn two_relays_are_held_and_the_death_of_one_and_of_the_bootstrap_node_is_survived() {
    let Some(mut world) = World::new(2) else {
        return;
    };
    let [alice, bob] = ["Alice", "Bob"].map(|name| world.peer(name, "kernel-random"));
    for peer in [&alice, &bob] {
        let both: Vec<&Public> = world.relays.iter().collect();
        published(peer, &both);
    }
    world.bootstrap.1.kill();
    world.relays[0].1.kill();
    befriend(&alice, &bob);
    alice.say(&bob, "over what is left");
    bob.say(&alice, "and back");
    for peer in [&alice, &bob] {
        published(peer, &[&world.relays[1]]);
    }
}
