//! Peers that meet over a relay: three or more nodes on loopback in one process.
//!
//! Two peers cannot reach each other directly here as long as neither trusts the other: then no
//! address of theirs is told, and only the relay's is dialed.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failed assumption fails the test"
)]

mod common;

use common::{Node, chat_open, config, start, until, within};
use dchat_transport::{
    Connection, DialError, EndpointConfig, Event, FrameStream, Limits, PathKind, RelayFault,
};
use dchat_wire::hello::{capability, role};
use dchat_wire::relay::Refusal;
use dchat_wire::{Address, PeerId};

fn relay_config(seed: u8) -> EndpointConfig {
    let mut config = config(seed);
    config.roles = role::RELAY;
    config.limits = Limits::relay();
    config
}

fn relay(seed: u8) -> Node {
    start(relay_config(seed))
}

/// The relay's address as it is configured.
fn of(relay: &Node) -> Address {
    relay.address().of(relay.peer())
}

fn circuit(relay: &Node, peer: PeerId) -> Address {
    Address::Circuit {
        socket: relay.addr,
        relay: relay.peer(),
        peer: Some(peer),
    }
}

/// A node that holds reservations at all of `relays`.
async fn reserved(mut config: EndpointConfig, relays: &[&Node]) -> Node {
    config.relays = relays.iter().map(|relay| of(relay)).collect();
    let node = start(config);
    until(|| circuits(&node).len() == relays.len()).await;
    node
}

fn circuits(node: &Node) -> Vec<Address> {
    let mut listen = node.endpoint.listen_addrs();
    listen.retain(|address| matches!(address, Address::Circuit { .. }));
    listen
}

async fn dial(from: &Node, to: PeerId, addrs: &[Address]) -> Connection {
    within(from.endpoint.connect(Some(to), addrs))
        .await
        .expect("a connection")
}

/// A chat stream from one end is read at the other.
async fn speak(from: &Connection, to: &mut Node, mark: u8) {
    let mut send = within(from.open_uni()).await.unwrap();
    send.write_all(&chat_open(mark).to_bytes()).await.unwrap();
    let first = to
        .expect(|event| match event {
            Event::Stream { first, .. } => Some(first),
            _ => None,
        })
        .await;
    assert_eq!(first, chat_open(mark));
}

#[tokio::test]
async fn two_strangers_speak_over_a_relay_and_stay_there() {
    let relay = relay(1);
    let mut b = reserved(config(2), &[&relay]).await;
    let mut a = start(config(3));
    let out = dial(&a, b.peer(), &[circuit(&relay, b.peer())]).await;
    let inc = b.expect(|event| match event {
        Event::Connected(connection) if connection.peer_id() == a.peer() => Some(connection),
        _ => None,
    });
    let inc = inc.await;
    for connection in [&out, &inc] {
        let path = connection.path();
        assert_eq!(path.kind, PathKind::Relayed);
        let Address::Circuit {
            socket,
            relay: over,
            peer,
        } = path.addr
        else {
            panic!("a circuit");
        };
        assert_eq!((socket, over), (relay.addr, relay.peer()));
        assert_eq!(peer, Some(connection.peer_id()));
        assert!(connection.hello().capabilities.contains(capability::PUNCH));
    }
    speak(&out, &mut b, 7).await;
    speak(&inc, &mut a, 8).await;
    let stats = relay.endpoint.relay_stats().unwrap();
    assert_eq!((stats.reservations, stats.channels), (1, 1));
    assert!(stats.packets > 4);
    assert_eq!(out.path().kind, PathKind::Relayed);
}
