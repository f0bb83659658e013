//! Two daemons on real networks made of namespaces.
#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failed expectation is a failed test"
)]

mod support;

use std::time::Duration;

use support::command::{object, output};
use support::history;
use support::namespace::Host;
use support::node::Node;

#[test]
fn two_daemons_on_one_cable_discover_each_other_chat_and_notice_a_death() {
    let (Some(a), Some(b)) = (Host::new(), Host::new()) else {
        return;
    };
    a.cable(("eth0", "10.9.1.1/24"), &b, ("eth0", "10.9.1.2/24"));
    let (alice, bob) = (Node::new(a, "Alice"), Node::new(b, "Bob"));
    let mut alice_daemon = alice.start(&[]);
    let mut bob_daemon = bob.start(&[]);
    for (daemon, other) in [(&mut alice_daemon, &bob), (&mut bob_daemon, &alice)] {
        let found = daemon.wait_for("discovered", |e| e["peer_id"] == other.peer.as_str());
        assert_eq!(found["via"], "mdns");
    }

    output(&mut alice.dchat(&["add", &bob.peer, "--name", "Bob"]));
    output(&mut bob.dchat(&["add", &alice.peer, "--name", "Alice"]));
    output(&mut alice.dchat(&["send", "Bob", "hello over the cable"]));
    let message = bob_daemon.wait_for("message", |_| true);
    assert_eq!(message["text"], "hello over the cable");
    assert_eq!(message["from"], alice.peer.as_str());

    bob_daemon.kill();
    alice_daemon
        .wait_at_most(Duration::from_secs(180), "expired", |e| {
            e["peer_id"] == bob.peer.as_str()
        })
        .unwrap();
}

#[test]
fn a_conversation_survives_the_move_to_another_interface() {
    let (Some(a), Some(b)) = (Host::new(), Host::new()) else {
        return;
    };
    a.cable(("eth0", "10.9.2.1/24"), &b, ("eth0", "10.9.2.2/24"));
    a.cable(("eth1", "10.9.3.1/24"), &b, ("eth1", "10.9.3.2/24"));
    let (alice, bob) = (Node::new(a, "Alice"), Node::new(b, "Bob"));
    let port = "/udp/4200/quic-v1";
    let listen = format!("/ip4/0.0.0.0{port}");
    let mut alice_daemon = alice.start(&["--no-mdns", "--listen", &listen]);
    let invite = object(&mut alice.dchat(&["invite", "--json"]));
    let mut bob_daemon = bob.start(&["--no-mdns", "--listen", &listen]);
    output(&mut bob.dchat(&["add", invite["invite"].as_str().unwrap()]));
    alice_daemon.wait_for("contact", |event| event["peer_id"] == bob.peer.as_str());
    output(&mut bob.dchat(&["send", "Alice", "Bob 1"]));

    // The interface in use goes away under the conversation, and comes back under another name.
    let in_use = object(&mut bob.dchat(&["peers", "--json"]));
    let (cable, left) = if in_use["addr"].as_str().unwrap().contains("10.9.2.") {
        ("eth0", "10.9.3.")
    } else {
        ("eth1", "10.9.2.")
    };
    bob.host.ip(&["link", "delete", cable]);
    for number in 2..=20 {
        output(&mut bob.dchat(&["send", "Alice", &format!("Bob {number}")]));
        output(&mut alice.dchat(&["send", "Bob", &format!("Alice {number}")]));
    }
    let now = object(&mut bob.dchat(&["peers", "--json"]));
    assert!(now["addr"].as_str().unwrap().contains(left), "{now}");
    let second = Duration::from_millis(100);
    assert_eq!(
        bob_daemon.wait_at_most(second, "peer_disconnected", |_| true),
        None
    );
    alice_daemon.stop();
    bob_daemon.stop();

    let entries = history::of(alice.path(), &alice.peer, &bob.peer);
    history::assert_said(&entries, &bob.peer, "Bob", 20);
    history::assert_delivered(&entries);
}
