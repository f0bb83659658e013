//! Two nodes meet.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failed assumption fails the test"
)]

mod common;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use common::{Node, chat_open, config, node, node_with, ordered, pair, start, until, within};
use dchat_transport::{CloseReason, DialError, Event, FrameStream, Limits, PathKind};
use dchat_wire::close::Code;
use dchat_wire::hello::{capability, role};
use dchat_wire::sign::Identity;
use dchat_wire::{Address, PeerId, grease};

/// Checks DC-CONN-006 (positive), DC-CONN-008 (positive), DC-CONN-009 (positive).
/// Checks DC-CONN-010 (positive), DC-CONN-011 (positive), DC-CONN-012 (positive).
/// Checks DC-CONN-020 (positive).
/// Checks DC-CONN-022 (positive), DC-CONN-024 (positive).
#[tokio::test]
async fn two_nodes_connect_and_see_each_others_hello() {
    let mut other = config(2);
    other.roles = role::BOOTSTRAP;
    let (mut a, mut b) = (node(1), start(other));
    let out = within(a.endpoint.connect(Some(b.peer()), &[b.address()]))
        .await
        .unwrap();
    let inc = b.connected().await;
    assert_eq!(a.connected().await, out);
    assert_eq!((out.peer_id(), inc.peer_id()), (b.peer(), a.peer()));
    assert!(out.opened_by_us() && !inc.opened_by_us());
    assert_eq!(out.hello().roles, role::BOOTSTRAP);
    assert!(inc.hello().capabilities.contains(capability::CHAT));
    let [greased] = inc.hello().extensions.as_slice() else {
        panic!("one extension");
    };
    assert!(grease::is_reserved(greased.kind));
    let path = out.path();
    assert_eq!(path.kind, PathKind::Direct);
    assert_eq!(path.addr.socket(), b.addr);
    assert_eq!(path.addr.peer(), Some(b.peer()));
    assert_eq!(a.endpoint.connections(), std::slice::from_ref(&out));
    assert_eq!(a.endpoint.connection(&b.peer()), Some(out));
}

#[tokio::test]
async fn connecting_again_returns_the_same_connection() {
    let (a, b, out, _) = pair(1, 2).await;
    let again = within(a.endpoint.connect(Some(b.peer()), &[b.address()])).await;
    assert_eq!(again.unwrap(), out);
    let unnamed = within(a.endpoint.connect(None, &[b.address()])).await;
    assert_eq!(unnamed.unwrap(), out);
}

#[tokio::test]
async fn an_unnamed_peer_is_whoever_answers() {
    let (a, b) = (node(1), node(2));
    let out = within(a.endpoint.connect(None, &[b.address()]))
        .await
        .unwrap();
    assert_eq!(out.peer_id(), b.peer());
}

/// Checks DC-CONN-012 (negative).
#[tokio::test]
async fn another_peer_than_expected_is_named() {
    let (a, b) = (node(1), node(2));
    let expected = Identity::from_seed(&[9; 32]).peer_id();
    let failed = within(a.endpoint.connect(Some(expected), &[b.address()])).await;
    let found = b.peer();
    let addr = Box::new(b.address());
    assert_eq!(
        failed.unwrap_err(),
        DialError::WrongPeer {
            addr,
            expected,
            found
        }
    );
    assert!(a.endpoint.connections().is_empty());
}

/// Checks DC-CONN-018 (negative).
#[tokio::test]
async fn a_node_does_not_connect_to_itself() {
    let a = node(1);
    let named = within(a.endpoint.connect(Some(a.peer()), &[a.address()])).await;
    assert_eq!(named.unwrap_err(), DialError::Myself);
    let unnamed = within(a.endpoint.connect(None, &[a.address()])).await;
    assert_eq!(unnamed.unwrap_err(), DialError::Myself);
    let nowhere = within(a.endpoint.connect(None, &[])).await;
    assert_eq!(nowhere.unwrap_err(), DialError::NoAddress);
}

/// Checks DC-CONN-018 (positive), DC-CONN-031 (positive), DC-CONN-033 (positive).
#[tokio::test]
async fn a_ping_is_answered_in_both_directions() {
    let (_a, _b, out, inc) = pair(1, 2).await;
    for connection in [out, inc] {
        let rtt = within(connection.ping()).await.unwrap();
        assert!(rtt > Duration::ZERO);
    }
}

/// An address at which nothing answers, and nothing refuses either.
fn silent() -> (std::net::UdpSocket, SocketAddr) {
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let addr = socket.local_addr().unwrap();
    (socket, addr)
}

#[tokio::test]
async fn a_dead_address_delays_by_one_stagger_only() {
    let (a, b) = (node(1), node(2));
    let (_open, dead) = silent();
    let began = Instant::now();
    let out = within(
        a.endpoint
            .connect(Some(b.peer()), &[Address::direct(dead), b.address()]),
    )
    .await
    .unwrap();
    assert_eq!(out.path().addr.socket(), b.addr);
    // Far below a handshake's timeout, and not before the second attempt could begin.
    assert!(began.elapsed() >= Duration::from_millis(250));
    assert!(began.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn a_wrong_peer_at_one_address_does_not_hide_the_right_one_at_another() {
    let (a, b, c) = (node(1), node(2), node(3));
    let out = within(
        a.endpoint
            .connect(Some(c.peer()), &[b.address(), c.address()]),
    )
    .await
    .unwrap();
    assert_eq!(out.peer_id(), c.peer());
    until(|| b.endpoint.connections().is_empty()).await;
}

async fn settled(a: &Node, b: &Node) -> bool {
    let (Some(one), Some(other)) = (
        a.endpoint.connection(&b.peer()),
        b.endpoint.connection(&a.peer()),
    ) else {
        return false;
    };
    one.opened_by_us() != other.opened_by_us()
        && one.ping().await.is_ok()
        && other.ping().await.is_ok()
        && a.endpoint.connection(&b.peer()) == Some(one)
        && b.endpoint.connection(&a.peer()) == Some(other)
}

/// Checks DC-CONN-032 (negative), DC-CONN-040 (positive).
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn simultaneous_dials_leave_one_and_the_same_connection() {
    for round in 0..40 {
        let (a, b) = (node(1), node(2));
        let (to_a, to_b) = ([a.address()], [b.address()]);
        let (from_a, from_b) = tokio::join!(
            a.endpoint.connect(Some(b.peer()), &to_b),
            b.endpoint.connect(Some(a.peer()), &to_a),
        );
        assert!(from_a.is_ok(), "round {round}: {from_a:?}");
        assert!(from_b.is_ok(), "round {round}: {from_b:?}");
        within(async {
            while !settled(&a, &b).await {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
        assert_eq!(a.endpoint.connections().len(), 1);
        assert_eq!(b.endpoint.connections().len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_callers_of_connect_get_one_connection() {
    let (a, b) = (node(1), node(2));
    let mut dials = tokio::task::JoinSet::new();
    for n in 0..20u8 {
        let (endpoint, addr) = (a.endpoint.clone(), b.addr);
        let peer = (n % 2 == 0).then(|| b.peer());
        dials.spawn(async move { endpoint.connect(peer, &[Address::direct(addr)]).await });
    }
    let connections = within(dials.join_all()).await;
    let live = a.endpoint.connection(&b.peer()).unwrap();
    assert!(
        connections
            .iter()
            .all(|dialed| dialed.as_ref() == Ok(&live))
    );
    until(|| b.endpoint.connections().len() == 1).await;
}

/// A node in a runtime of its own, which can be stopped as if the process were killed.
fn doomed(seed: u8, port: u16) -> (tokio::runtime::Runtime, Node) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let mut config = config(seed);
    config.listen = vec![SocketAddr::from(([127, 0, 0, 1], port))];
    let node = {
        let _guard = runtime.enter();
        start(config)
    };
    (runtime, node)
}

/// Stops everything of a node without a word to anybody.
fn kill(runtime: tokio::runtime::Runtime, node: Node) {
    tokio::task::block_in_place(|| runtime.shutdown_timeout(common::PATIENCE));
    // Its tasks are gone, so nothing of this reaches the network.
    drop(node);
}

fn is_free(addr: SocketAddr) -> bool {
    std::net::UdpSocket::bind(addr).is_ok()
}

/// Checks DC-CONN-032 (positive), DC-CONN-040 (positive).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restarted_peer_replaces_the_connection_its_last_process_had() {
    // Whoever dials: also where the rule for simultaneous dials would keep the old one.
    let (small, large) = ordered(1, 2);
    for (stays, restarts) in [(small, large), (large, small)] {
        let mut a = node(stays);
        let (runtime, b) = doomed(restarts, 0);
        let (peer, addr) = (b.peer(), b.addr);
        let old = within(a.endpoint.connect(Some(peer), &[Address::direct(addr)]))
            .await
            .unwrap();
        assert_eq!(a.connected().await, old);
        kill(runtime, b);
        until(|| is_free(addr)).await;
        assert_eq!(a.endpoint.connection(&peer), Some(old.clone()));
        let (runtime, b) = doomed(restarts, addr.port());
        let began = Instant::now();
        let (endpoint, target) = (b.endpoint.clone(), (a.peer(), a.addr));
        let dial = runtime.spawn(async move {
            endpoint
                .connect(Some(target.0), &[Address::direct(target.1)])
                .await
                .unwrap();
        });
        within(dial).await.unwrap();
        let new = a.connected().await;
        // Long before the old connection's idle timeout; how fast exactly, a bench tells.
        assert!(began.elapsed() < Duration::from_secs(15));
        assert_ne!(new, old);
        // Closed here for the new one, or reset by the new process that does not know it.
        let reason = within(old.closed()).await;
        assert!(
            matches!(
                reason,
                CloseReason::Here(Code::Duplicate) | CloseReason::Reset
            ),
            "{reason}"
        );
        assert_eq!(a.endpoint.connections(), [new]);
        kill(runtime, b);
    }
}

/// Checks DC-CONN-007 (positive).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restarted_peer_resets_a_connection_it_does_not_know() {
    let mut a = node(1);
    let (runtime, b) = doomed(2, 0);
    let (peer, addr) = (b.peer(), b.addr);
    let old = within(a.endpoint.connect(Some(peer), &[Address::direct(addr)]))
        .await
        .unwrap();
    assert_eq!(a.connected().await, old);
    kill(runtime, b);
    until(|| is_free(addr)).await;
    let (runtime, b) = doomed(2, addr.port());
    let asked = within(old.ping()).await;
    assert_eq!(asked.unwrap_err(), CloseReason::Reset.into());
    let reason = a
        .expect(|event| match event {
            Event::Disconnected { reason, .. } => Some(reason),
            _ => None,
        })
        .await;
    assert_eq!(reason, CloseReason::Reset);
    kill(runtime, b);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kept_peer_is_connected_again_after_its_restart() {
    let mut a = node(1);
    let (runtime, b) = doomed(2, 0);
    let (peer, addr) = (b.peer(), b.addr);
    a.endpoint.keep(peer, &[Address::direct(addr)]).unwrap();
    let old = a.connected().await;
    kill(runtime, b);
    until(|| is_free(addr)).await;
    let (runtime, b) = doomed(2, addr.port());
    // What the next message or keepalive would do.
    let _ = within(old.ping()).await;
    assert_ne!(a.connected().await, old);
    kill(runtime, b);
}

#[tokio::test]
async fn a_kept_peer_is_connected_once_it_is_there() {
    let mut a = node(1);
    let (socket, addr) = silent();
    drop(socket);
    let peer = Identity::from_seed(&[2; 32]).peer_id();
    a.endpoint.keep(peer, &[Address::direct(addr)]).unwrap();
    let mut late = config(2);
    late.listen = vec![addr];
    let _b = start(late);
    assert_eq!(a.connected().await.peer_id(), peer);
}

#[tokio::test]
async fn closing_tells_the_peer_why() {
    let (mut a, mut b, out, inc) = pair(1, 2).await;
    out.close(Code::Refused);
    assert_eq!(within(inc.closed()).await, CloseReason::Peer(Code::Refused));
    assert_eq!(within(out.closed()).await, CloseReason::Here(Code::Refused));
    let disconnected = |event| match event {
        Event::Disconnected { peer, reason } => Some((peer, reason)),
        _ => None,
    };
    let (peer_a, peer_b) = (a.peer(), b.peer());
    assert_eq!(
        a.expect(disconnected).await,
        (peer_b, CloseReason::Here(Code::Refused))
    );
    assert_eq!(
        b.expect(disconnected).await,
        (peer_a, CloseReason::Peer(Code::Refused))
    );
}

/// Checks DC-CONN-056 (positive).
#[tokio::test]
async fn shutdown_says_goodbye_and_ends_the_events() {
    let (mut a, _b, _out, inc) = pair(1, 2).await;
    within(a.endpoint.shutdown(Duration::from_secs(5))).await;
    assert_eq!(within(inc.closed()).await, CloseReason::Peer(Code::Done));
    let ended = within(async { while a.events.next().await.is_some() {} });
    ended.await;
    let after = within(a.endpoint.connect(Some(inc.peer_id()), &[a.address()])).await;
    assert!(after.is_err());
}

/// Checks DC-CONN-056 (negative).
#[tokio::test]
async fn dropping_the_last_handle_closes_the_connections() {
    let (a, _b, _out, inc) = pair(1, 2).await;
    drop(a);
    assert_eq!(within(inc.closed()).await, CloseReason::Peer(Code::Done));
}

fn identified(event: Event) -> Option<(PeerId, usize, bool)> {
    match event {
        Event::Identified {
            peer,
            addresses,
            observed,
        } => Some((peer, addresses.len(), observed.is_some())),
        _ => None,
    }
}

/// Checks DC-CONN-027 (positive), DC-CONN-029 (positive, negative), DC-CONN-053 (positive).
#[tokio::test]
async fn addresses_go_to_trusted_peers_only_and_follow_trust() {
    let (a, mut b, _out, _inc) = pair(1, 2).await;
    let peer = a.peer();
    assert_eq!(b.expect(identified).await, (peer, 0, true));
    a.endpoint.trust(b.peer(), true);
    assert_eq!(b.expect(identified).await, (peer, 1, true));
    a.endpoint.trust(b.peer(), false);
    assert_eq!(b.expect(identified).await, (peer, 0, true));
}

#[tokio::test]
async fn a_peer_that_is_trusted_from_the_start_learns_our_addresses_with_hello() {
    let (a, mut b) = (node(1), node(2));
    a.endpoint.trust(b.peer(), true);
    within(a.endpoint.connect(Some(b.peer()), &[b.address()]))
        .await
        .unwrap();
    let addresses = b
        .expect(|event| match event {
            Event::Identified { addresses, .. } => Some(addresses),
            _ => None,
        })
        .await;
    assert_eq!(addresses, a.endpoint.listen_addrs());
}

/// Checks DC-CONN-035 (positive), DC-CONN-062 (positive).
#[tokio::test]
async fn a_chat_stream_is_handed_over_after_its_first_frame() {
    let (_a, mut b, out, inc) = pair(1, 2).await;
    let mut send = out.open_uni().await.unwrap();
    let mut bytes = grease::frame(7, b"skipped");
    bytes.extend(chat_open(1).to_bytes());
    bytes.extend(chat_open(2).to_bytes());
    send.write_all(&bytes).await.unwrap();
    let (conn, recv, first, reader) = b
        .expect(|event| match event {
            Event::Stream {
                conn,
                recv,
                first,
                reader,
                ..
            } => Some((conn, recv, first, reader)),
            _ => None,
        })
        .await;
    assert_eq!(conn, inc);
    assert_eq!(*first, chat_open(1));
    let mut frames = FrameStream::new(recv, reader);
    assert_eq!(within(frames.next()).await, Ok(Some(chat_open(2))));
    send.finish().unwrap();
    assert_eq!(within(frames.next()).await, Ok(None));
}

#[tokio::test]
async fn without_a_reader_of_events_connections_live_and_streams_wait() {
    let (a, mut b, out, _inc) = pair(1, 2).await;
    let mut open = Vec::new();
    for _ in 0..Limits::default().uni_streams - 1 {
        let mut send = out.open_uni().await.unwrap();
        send.write_all(&chat_open(1).to_bytes()).await.unwrap();
        open.push(send);
    }
    // The peer allows no more until the application reads.
    let more = tokio::time::timeout(Duration::from_millis(200), out.open_uni()).await;
    assert!(more.is_err());
    within(out.ping()).await.unwrap();
    for _ in &open {
        b.expect(|event| matches!(event, Event::Stream { .. }).then_some(()))
            .await;
    }
    drop(a);
}

/// Checks DC-CONN-057 (positive, negative), DC-CONN-058 (positive, negative).
#[tokio::test]
async fn connections_beyond_the_limits_are_refused_and_contacts_keep_their_places() {
    let limits = Limits {
        connections: 3,
        strangers: 1,
        ..Limits::default()
    };
    let hub = node_with(1, limits);
    let peers: Vec<Node> = (2..7).map(node).collect();
    hub.endpoint.trust(peers[1].peer(), true);
    let dial = |node: &Node| {
        let endpoint = node.endpoint.clone();
        let (peer, addr) = (hub.peer(), hub.addr);
        async move { within(endpoint.connect(Some(peer), &[Address::direct(addr)])).await }
    };
    let stays = dial(&peers[0]).await.unwrap();
    within(stays.ping()).await.unwrap();
    let second = dial(&peers[2]).await;
    let over = match second {
        Ok(connection) => within(connection.closed()).await,
        Err(DialError::Closed(reason)) => reason,
        Err(other) => panic!("{other}"),
    };
    assert_eq!(over, CloseReason::Peer(Code::Limit));
    let trusted = dial(&peers[1]).await.unwrap();
    within(trusted.ping()).await.unwrap();
    assert_eq!(hub.endpoint.connections().len(), 2);
}

#[tokio::test]
async fn a_host_with_all_its_connections_gets_no_more_and_one_again_when_one_ends() {
    let limits = Limits {
        connections_per_network: 2,
        loopback_is_network: true,
        ..Limits::default()
    };
    let hub = node_with(1, limits);
    let peers: Vec<Node> = (2..6).map(node).collect();
    let mut open = Vec::new();
    for peer in &peers[..2] {
        let connection = within(peer.endpoint.connect(Some(hub.peer()), &[hub.address()])).await;
        open.push(connection.unwrap());
    }
    until(|| hub.endpoint.connections().len() == 2).await;
    let third = within(
        peers[2]
            .endpoint
            .connect(Some(hub.peer()), &[hub.address()]),
    )
    .await;
    assert!(matches!(third, Err(DialError::Refused { .. })), "{third:?}");
    open[0].close(Code::Done);
    until(|| hub.endpoint.connections().len() == 1).await;
    let again = within(async {
        loop {
            let dialed = peers[3]
                .endpoint
                .connect(Some(hub.peer()), &[hub.address()])
                .await;
            if dialed.is_ok() {
                return dialed;
            }
        }
    });
    assert!(again.await.is_ok());
}
