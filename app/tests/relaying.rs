//! Who learns an address and who does not, where two meet who are near each other, and what
//! relays are needed for, with the real binary.
#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failed expectation is a failed test"
)]

mod lab;
mod support;

use lab::link::Conditions;
use lab::meter::Meter;
use lab::network::Network;
use lab::profile::Profile;
use support::command::run;
use support::daemon::PATIENCE;

#[test]
fn who_is_relay_only_exchanges_no_packet_with_a_contact() {
    let Some(network) = Network::new() else {
        return;
    };
    let clean = Conditions::default();
    let alice = network.peer_with("Alice", open_place(), clean, &["--relay-only"]);
    let bob = network.peer("Bob", open_place(), clean);
    let meter = Meter::with(&bob.node.host, alice.site.public);
    alice.befriend(&bob, &network.relays[0]);
    for number in 0..20 {
        alice.say(&bob, &format!("from Alice {number}"));
        bob.say(&alice, &format!("from Bob {number}"));
    }
    for (one, other) in [(&alice, &bob), (&bob, &alice)] {
        assert_eq!(one.path_to(other).unwrap()["path"], "relay");
    }
    let said = bob.doctor(&["--peer", "Alice"]).to_string();
    assert!(!said.contains(&alice.site.public.to_string()), "{said}");
    assert_eq!(meter.read(), 0);
}

/// Checks DC-CONN-029 (negative), DC-NAT-009 (negative).
#[test]
fn a_stranger_is_told_no_address() {
    let Some(network) = Network::new() else {
        return;
    };
    let clean = Conditions::default();
    let [alice, bob] = ["Alice", "Bob"].map(|name| network.peer(name, open_place(), clean));
    let meter = Meter::with(&bob.node.host, alice.site.public);
    let circuit = format!(
        "{}/p2p-circuit/p2p/{}",
        network.relays[0].addr, bob.node.peer
    );
    assert!(run(&mut alice.node.dchat(&["add", &circuit, "--name", "Bob"])).well());
    let send = ["send", "Bob", "let me in", "--timeout", "5"];
    let ended = run(&mut alice.node.dchat(&send));
    assert_eq!(ended.code, Some(6), "Bob has not accepted: {ended:?}");
    assert_eq!(meter.read(), 0);

    // The control: a contact is.
    assert!(
        run(&mut bob
            .node
            .dchat(&["add", &alice.node.peer, "--name", "Alice"]))
        .well()
    );
    bob.say(&alice, "come in");
    alice.wait_for_path(&bob, "direct", PATIENCE).unwrap();
    assert!(meter.read() > 0);
}

#[test]
fn two_in_one_lan_meet_there_although_their_nat_has_no_hairpin() {
    let Some(network) = Network::new() else {
        return;
    };
    for place in ["kernel-random", "ei-apd"] {
        let alice = network.peer("Alice", Profile::named(place), Conditions::default());
        let bob = network.neighbour("Bob", &alice);
        alice.befriend(&bob, &network.relays[0]);
        alice.say(&bob, "hello");
        for (one, other) in [(&alice, &bob), (&bob, &alice)] {
            one.wait_for_path(other, "direct", PATIENCE).unwrap();
            let path = one.path_to(other).unwrap();
            assert!(
                path["addr"].as_str().unwrap().contains("/192.168.1."),
                "{place}: {path}"
            );
        }
    }
}

#[test]
fn a_direct_path_needs_no_relay_any_more() {
    let Some(mut network) = Network::new() else {
        return;
    };
    let [alice, bob] = ["Alice", "Bob"]
        .map(|name| network.peer(name, Profile::named("ei-apd"), Conditions::default()));
    alice.befriend(&bob, &network.relays[0]);
    alice.say(&bob, "hello");
    for (one, other) in [(&alice, &bob), (&bob, &alice)] {
        one.wait_for_path(other, "direct", PATIENCE).unwrap();
    }
    for relay in &mut network.relays {
        relay.daemon.kill();
    }
    for number in 0..10 {
        alice.say(&bob, &format!("from Alice {number}"));
        bob.say(&alice, &format!("from Bob {number}"));
    }
    assert_eq!(alice.path_to(&bob).unwrap()["path"], "direct");
}

/// Whoever knows the address gets through to it, and there is but one.
fn open_place() -> Profile {
    Profile::named("ei-ei")
}
