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

use std::time::Duration;

use common::{Node, chat_open, config, ordered, start, until, within};
use dchat_transport::relay::proto::server;
use dchat_transport::{
    CloseReason, Connection, DialError, EndpointConfig, Event, Limits, PathKind, RelayFault,
};
use dchat_wire::close::Code;
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
    assert_eq!(*first, chat_open(mark));
}

/// Checks DC-NAT-009 (negative), DC-RELAY-016 (positive).
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

/// Both regard the other as a contact.
fn befriend(a: &Node, b: &Node) {
    a.endpoint.trust(b.peer(), true);
    b.endpoint.trust(a.peer(), true);
}

/// The node's connection with `peer` once it takes a path that is `wanted`.
async fn on_path(node: &Node, peer: PeerId, wanted: impl Fn(&Address) -> bool) -> Connection {
    let current = || {
        let connection = node.endpoint.connection(&peer)?;
        wanted(&connection.path().addr).then_some(connection)
    };
    until(|| current().is_some()).await;
    current().expect("it stays")
}

fn is_direct(address: &Address) -> bool {
    matches!(address, Address::Direct { .. })
}

fn is_over(relay: PeerId) -> impl Fn(&Address) -> bool {
    move |address| matches!(address, Address::Circuit { relay: over, .. } if *over == relay)
}

/// Reads a stream of the other side to its end and checks that nothing is missing, doubled or out
/// of order: byte n is n modulo 251.
async fn read_all(node: &mut Node) -> usize {
    let mut recv = node
        .expect(|event| match event {
            Event::Stream { recv, .. } => Some(recv),
            _ => None,
        })
        .await;
    let mut total = 0;
    while let Some(chunk) = within(recv.read_chunk(1 << 16, true)).await.unwrap() {
        for byte in &chunk.bytes[..] {
            assert_eq!(usize::from(*byte), total % 251, "byte {total}");
            total += 1;
        }
    }
    total
}

fn pattern(from: usize, len: usize) -> Vec<u8> {
    (from..from + len).map(|n| (n % 251) as u8).collect()
}

/// Checks DC-NAT-009 (positive).
#[tokio::test]
async fn a_transfer_does_not_notice_that_its_path_becomes_direct() {
    const SIZE: usize = 10 << 20;
    let relay = relay(1);
    let mut b = reserved(config(2), &[&relay]).await;
    let a = start(config(3));
    let out = dial(&a, b.peer(), &[circuit(&relay, b.peer())]).await;
    let (peer, here) = (b.peer(), a.peer());
    let mut send = within(out.open_uni()).await.unwrap();
    within(send.write_all(&chat_open(1).to_bytes()))
        .await
        .unwrap();
    within(send.write_all(&pattern(0, 1 << 20))).await.unwrap();
    b.endpoint.trust(here, true);
    a.endpoint.trust(peer, true);
    let writing = tokio::spawn(async move {
        for at in ((1 << 20)..SIZE).step_by(1 << 16) {
            send.write_all(&pattern(at, 1 << 16)).await.unwrap();
        }
        send.finish().unwrap();
        send
    });
    assert_eq!(read_all(&mut b).await, SIZE);
    drop(within(writing).await.unwrap());
    let direct = on_path(&a, peer, is_direct).await;
    assert_eq!(direct, out);
    on_path(&b, here, is_direct).await;
    // The relay stays warm.
    assert_eq!(relay.endpoint.relay_stats().unwrap().channels, 1);
}

fn relay_only(seed: u8) -> EndpointConfig {
    let mut config = config(seed);
    config.relay_only = true;
    config
}

#[tokio::test]
async fn a_conversation_goes_on_when_its_relay_dies() {
    let (one, other) = (relay(1), relay(2));
    let mut b = reserved(relay_only(3), &[&one, &other]).await;
    let mut a = reserved(relay_only(4), &[&one, &other]).await;
    befriend(&a, &b);
    let out = dial(&a, b.peer(), &[circuit(&one, b.peer())]).await;
    let inc = on_path(&b, a.peer(), is_over(one.peer())).await;
    speak(&out, &mut b, 1).await;
    // Both relays carry a path of the pair.
    until(|| other.endpoint.relay_stats().unwrap().channels == 1).await;
    until(|| other.endpoint.relay_stats().unwrap().packets >= 2).await;
    within(one.endpoint.shutdown(Duration::from_secs(1))).await;
    speak(&out, &mut b, 2).await;
    speak(&inc, &mut a, 3).await;
    assert_eq!(a.endpoint.connection(&b.peer()), Some(out));
    on_path(&a, b.peer(), is_over(other.peer())).await;
    on_path(&b, a.peer(), is_over(other.peer())).await;
    until(|| circuits(&b).len() == 1).await;
}

#[tokio::test]
async fn in_relay_only_mode_nobody_learns_our_address() {
    let relay = relay(1);
    let b = reserved(relay_only(2), &[&relay]).await;
    let mut a = start(config(3));
    befriend(&a, &b);
    assert_eq!(b.endpoint.listen_addrs(), circuits(&b));
    dial(&a, b.peer(), &[circuit(&relay, b.peer())]).await;
    let identified = a.expect(|event| match event {
        Event::Identified {
            peer, addresses, ..
        } if peer == b.peer() => Some(addresses),
        _ => None,
    });
    assert_eq!(identified.await, circuits(&b));
    let direct = within(b.endpoint.connect(Some(a.peer()), &[a.address()])).await;
    // There is a connection already; to anybody else none is made.
    assert!(direct.is_ok());
    let c = start(config(4));
    let direct = within(b.endpoint.connect(Some(c.peer()), &[c.address()])).await;
    assert_eq!(direct.unwrap_err(), DialError::RelayOnly);
}

/// Checks DC-CONN-029 (positive, negative).
#[tokio::test]
async fn strangers_are_told_no_circuits_and_contacts_all() {
    let relay = relay(1);
    let b = reserved(config(2), &[&relay]).await;
    let mut a = start(config(3));
    let told = |event| match event {
        Event::Identified {
            peer, addresses, ..
        } => Some((peer, addresses)),
        _ => None,
    };
    // Over the very relay of which it would be told.
    dial(&a, b.peer(), &[circuit(&relay, b.peer())]).await;
    let from_b = |event| told(event).filter(|(peer, _)| *peer == b.peer());
    assert_eq!(a.expect(from_b).await, (b.peer(), Vec::new()));
    b.endpoint.trust(a.peer(), true);
    let all = a.expect(|event| from_b(event).filter(|(_, addresses)| addresses.len() == 2));
    assert_eq!(all.await, (b.peer(), b.endpoint.listen_addrs()));
}

/// Checks DC-CONN-029 (negative).
#[tokio::test]
async fn who_is_relay_only_tells_strangers_that_dial_it_directly_nothing() {
    let relay = relay(1);
    let b = reserved(relay_only(2), &[&relay]).await;
    let mut a = start(config(3));
    // It tells nobody where it listens; the relay sees it.
    let there = relay.endpoint.connection(&b.peer()).unwrap().path().addr;
    dial(&a, b.peer(), &[Address::direct(there.socket())]).await;
    let told = |event| match event {
        Event::Identified {
            peer, addresses, ..
        } if peer == b.peer() => Some(addresses),
        _ => None,
    };
    assert_eq!(a.expect(told).await, []);
    b.endpoint.trust(a.peer(), true);
    let some = |event| told(event).filter(|addresses| !addresses.is_empty());
    assert_eq!(a.expect(some).await, circuits(&b));
}

async fn refusal(from: &Node, to: PeerId, over: &Node) -> Refusal {
    let failed = within(from.endpoint.connect(Some(to), &[circuit(over, to)])).await;
    match failed.unwrap_err() {
        DialError::Relay { refusal, relay } => {
            assert_eq!(relay, circuit(over, to));
            refusal
        }
        other => panic!("another failure: {other}"),
    }
}

/// Checks DC-RELAY-001 (positive, negative).
#[tokio::test]
async fn a_node_without_the_role_relays_nothing() {
    let (a, b, no_relay) = (start(config(1)), start(config(2)), start(config(3)));
    assert!(no_relay.endpoint.relay_stats().is_none());
    let refused = refusal(&a, b.peer(), &no_relay).await;
    assert_eq!(refused, Refusal::NotARelay);
}

#[tokio::test]
async fn a_peer_without_a_reservation_is_not_reached() {
    let (a, b, relay) = (start(config(1)), start(config(2)), relay(3));
    let refused = refusal(&a, b.peer(), &relay).await;
    assert_eq!(refused, Refusal::NoReservation);
}

#[tokio::test]
async fn who_is_denied_gets_no_channel() {
    let a = start(config(1));
    let mut config_of_relay = relay_config(3);
    config_of_relay.relay.policy.denied.insert(a.peer());
    let relay = start(config_of_relay);
    let b = reserved(config(2), &[&relay]).await;
    assert_eq!(refusal(&a, b.peer(), &relay).await, Refusal::NotAllowed);
    relay.endpoint.set_relay_policy(server::Policy::default());
    dial(&a, b.peer(), &[circuit(&relay, b.peer())]).await;
}

#[tokio::test]
async fn strangers_beyond_the_limit_are_declined_and_contacts_are_not() {
    let relay = relay(1);
    let mut config_of_b = config(2);
    config_of_b.limits.stranger_channels = 1;
    let b = reserved(config_of_b, &[&relay]).await;
    let (first, second, friend) = (start(config(3)), start(config(4)), start(config(5)));
    b.endpoint.trust(friend.peer(), true);
    let to_b = [circuit(&relay, b.peer())];
    let held = dial(&first, b.peer(), &to_b).await;
    assert_eq!(refusal(&second, b.peer(), &relay).await, Refusal::Declined);
    dial(&friend, b.peer(), &to_b).await;
    // A place that is free again is given again.
    held.close(Code::Done);
    until(|| relay.endpoint.relay_stats().unwrap().channels == 1).await;
    dial(&second, b.peer(), &to_b).await;
}

#[tokio::test]
async fn a_full_relay_says_so() {
    let mut config_of_relay = relay_config(1);
    config_of_relay.relay.limits.channels_per_peer = 1;
    let relay = start(config_of_relay);
    let b = reserved(config(2), &[&relay]).await;
    let (a, c) = (start(config(3)), start(config(4)));
    dial(&a, b.peer(), &[circuit(&relay, b.peer())]).await;
    assert_eq!(refusal(&c, b.peer(), &relay).await, Refusal::Full);
}

#[tokio::test]
async fn a_relay_that_is_not_there_is_named() {
    let (a, b, relay) = (start(config(1)), start(config(2)), relay(3));
    // The relay's name at another node's address: somebody else answers.
    let elsewhere = Address::Circuit {
        socket: b.addr,
        relay: relay.peer(),
        peer: Some(b.peer()),
    };
    let failed = within(a.endpoint.connect(Some(b.peer()), &[elsewhere])).await;
    let Err(DialError::RelayUnusable {
        relay: over,
        reason,
    }) = failed
    else {
        panic!("another outcome: {failed:?}");
    };
    assert_eq!(over, elsewhere);
    assert!(matches!(reason, RelayFault::Unreachable(_)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dials_over_a_relay_and_directly_at_once_leave_one_connection() {
    let relay = relay(1);
    let (small, large) = ordered(2, 3);
    let b = reserved(config(small), &[&relay]).await;
    let a = reserved(config(large), &[&relay]).await;
    for round in 0..10 {
        let (to_b, to_a) = (
            [circuit(&relay, b.peer()), b.address()],
            [circuit(&relay, a.peer()), a.address()],
        );
        let (from_a, from_b) = tokio::join!(
            a.endpoint.connect(Some(b.peer()), &to_b[..1 + round % 2]),
            b.endpoint.connect(Some(a.peer()), &to_a[1 - round % 2..]),
        );
        assert!(from_a.is_ok(), "round {round}: {from_a:?}");
        assert!(from_b.is_ok(), "round {round}: {from_b:?}");
        // The one that stays is the same at both ends, and lives.
        within(async {
            loop {
                let (one, other) = (
                    a.endpoint.connection(&b.peer()),
                    b.endpoint.connection(&a.peer()),
                );
                if let (Some(one), Some(other)) = (&one, &other)
                    && one.opened_by_us() != other.opened_by_us()
                    && one.ping().await.is_ok()
                    && other.ping().await.is_ok()
                    && a.endpoint.connection(&b.peer()).as_ref() == Some(one)
                    && b.endpoint.connection(&a.peer()).as_ref() == Some(other)
                {
                    break;
                }
                tokio::task::yield_now().await;
            }
        })
        .await;
        // A dial that lost may still come up once the other is gone.
        until(|| {
            let left = [
                a.endpoint.connection(&b.peer()),
                b.endpoint.connection(&a.peer()),
            ];
            for connection in left.iter().flatten() {
                connection.close(Code::Done);
            }
            left.iter().all(Option::is_none)
        })
        .await;
    }
}

#[tokio::test]
async fn a_peer_that_shuts_down_says_so_over_the_relay() {
    let relay = relay(1);
    let b = reserved(config(2), &[&relay]).await;
    let mut a = start(config(3));
    let out = dial(&a, b.peer(), &[circuit(&relay, b.peer())]).await;
    // What comes and goes untold is not told of.
    a.expect(|event| match event {
        Event::Connected(connection) => (connection == out).then_some(()),
        _ => None,
    })
    .await;
    within(b.endpoint.shutdown(Duration::from_secs(2))).await;
    let reason = a.expect(|event| match event {
        Event::Disconnected { peer, reason } if peer == b.peer() => Some(reason),
        _ => None,
    });
    assert_eq!(reason.await, CloseReason::Peer(Code::Done));
}

#[tokio::test]
async fn reservations_end_with_the_wish_for_them() {
    let (one, other) = (relay(1), relay(2));
    let mut b = reserved(config(3), &[&one]).await;
    assert_eq!(b.endpoint.relays().len(), 1);
    assert!(b.endpoint.relays().iter().all(|info| info.reserved));
    b.endpoint.set_relays(&[of(&other)]);
    let over = other.peer();
    b.expect(|event| match event {
        Event::ListenAddrs(addrs) => addrs.iter().any(is_over(over)).then_some(()),
        _ => None,
    })
    .await;
    until(|| circuits(&b).iter().all(is_over(over))).await;
}

#[tokio::test]
async fn a_ping_crosses_the_relay_in_both_directions() {
    let relay = relay(1);
    let b = reserved(config(2), &[&relay]).await;
    let a = start(config(3));
    let out = dial(&a, b.peer(), &[circuit(&relay, b.peer())]).await;
    within(out.ping()).await.unwrap();
    let inc = on_path(&b, a.peer(), is_over(relay.peer())).await;
    within(inc.ping()).await.unwrap();
}

#[tokio::test]
async fn a_relay_without_a_name_is_asked_for_it() {
    let relay = relay(1);
    let mut config_of_b = relay_only(2);
    config_of_b.relays = vec![relay.address()];
    let b = start(config_of_b);
    until(|| circuits(&b).iter().any(is_over(relay.peer()))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_transfer_over_a_relay_arrives_whole() {
    const SIZE: usize = 64 << 20;
    let relay = relay(1);
    let mut b = reserved(config(2), &[&relay]).await;
    let a = start(config(3));
    let out = dial(&a, b.peer(), &[circuit(&relay, b.peer())]).await;
    let mut send = within(out.open_uni()).await.unwrap();
    within(send.write_all(&chat_open(1).to_bytes()))
        .await
        .unwrap();
    let writing = tokio::spawn(async move {
        for at in (0..SIZE).step_by(1 << 16) {
            send.write_all(&pattern(at, 1 << 16)).await.unwrap();
        }
        send.finish().unwrap();
        send
    });
    assert_eq!(read_all(&mut b).await, SIZE);
    drop(within(writing).await.unwrap());
    assert_eq!(out.path().kind, PathKind::Relayed);
}
