//! Two people behind two NATs of one's choice and an internet with two relays, to be tried by
//! hand: `cargo build -p dchat && sudo -E cargo run -p dchat --example lab -- masquerade sequential`.
//!
//! Prints what to type to be either of them, and takes everything down at the end of its input.
#![cfg_attr(not(target_os = "linux"), allow(dead_code))]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "the laboratory is that of the tests, and what it says is for a person"
)]

#[cfg(target_os = "linux")]
#[path = "../tests/lab/mod.rs"]
mod lab;
#[cfg(target_os = "linux")]
#[path = "../tests/support/mod.rs"]
mod support;

#[cfg(target_os = "linux")]
fn main() {
    use lab::{link::Conditions, network::Network, profile};
    use support::command::binary;

    let places: Vec<String> = std::env::args().skip(1).collect();
    let known = |name: &String| profile::PROFILES.iter().any(|(known, _)| known == name);
    if places.len() != 2 || !places.iter().all(known) {
        let names = profile::PROFILES.map(|(name, _)| name).join(" ");
        println!("usage: lab PLACE PLACE, with two of: {names}");
        return;
    }
    let Some(network) = Network::new() else {
        return;
    };
    let peers = [("Alice", &places[0]), ("Bob", &places[1])].map(|(name, place)| {
        network.peer(
            name,
            profile::Profile::named(place),
            Conditions::delayed(10),
        )
    });
    for (peer, place) in peers.iter().zip(&places) {
        let (host, home) = (peer.node.host.name(), peer.node.path().display());
        println!(
            "{} is {} behind {place}. To be this person:",
            peer.name, peer.node.peer
        );
        println!(
            "  sudo ip netns exec {host} {} --home {home}",
            binary().display()
        );
    }
    println!("Bob is reached through a relay:");
    println!(
        "  /add {}/p2p-circuit/p2p/{} --name Bob",
        network.relays[0].addr, peers[1].node.peer
    );
    println!("Press Enter to take everything down.");
    let _ = std::io::stdin().read_line(&mut String::new());
}

#[cfg(not(target_os = "linux"))]
fn main() {
    println!("the laboratory is made of Linux network namespaces");
}
