//! The socket on real loopback sockets, with stock quinn above it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod stock;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};

use dchat_transport::socket::{BindCause, PathEvent, PathEvents, bind};
use stock::{Node, configs, connect, connect_hooked, node, pattern, transfer};
use tokio::net::UdpSocket;
use tokio::sync::watch;

const MIB: usize = 1 << 20;

fn pair() -> (Node, Node) {
    let configs = configs(None);
    (
        node(&["127.0.0.1:0"], 1, &configs),
        node(&["127.0.0.1:0"], 2, &configs),
    )
}

async fn switched(events: &mut PathEvents) -> (SocketAddr, SocketAddr) {
    loop {
        if let PathEvent::Switched { virt, path } = events.recv().await.unwrap() {
            return (virt, path.remote);
        }
    }
}

/// Forwards datagrams to `to` and back. Every number sent on the channel makes it use another
/// outgoing port, as a NAT that forgot its mapping does.
async fn forwarder(to: SocketAddr) -> (SocketAddr, watch::Sender<u32>) {
    let inside = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = inside.local_addr().unwrap();
    let (sender, mut rebind) = watch::channel(0);
    tokio::spawn(async move {
        let mut outside = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let mut client = None;
        let (mut there, mut back) = (vec![0; 65536], vec![0; 65536]);
        loop {
            tokio::select! {
                changed = rebind.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    outside = UdpSocket::bind("127.0.0.1:0").await.unwrap();
                }
                received = inside.recv_from(&mut there) => {
                    let (len, from) = received.unwrap();
                    client = Some(from);
                    let _ = outside.send_to(&there[..len], to).await;
                }
                received = outside.recv_from(&mut back) => {
                    let (len, _) = received.unwrap();
                    if let Some(client) = client {
                        let _ = inside.send_to(&back[..len], client).await;
                    }
                }
            }
        }
    });
    (address, sender)
}

#[tokio::test]
async fn sixty_four_mebibytes_arrive_intact_each_way() {
    let (one, other) = pair();
    let (dialed, accepted) = connect(&one, &other, other.paths.local_addrs()[0]).await;
    let bytes = pattern(64 * MIB);
    transfer(&dialed, &accepted, &bytes).await;
    transfer(&accepted, &dialed, &bytes).await;
    assert_eq!(one.paths.stats().unmapped, 0);
    assert_eq!(one.paths.stats().switches, 0);
}

#[tokio::test]
async fn a_transfer_survives_that_the_dialers_port_changes() {
    let (one, mut other) = pair();
    let (address, rebind) = forwarder(other.paths.local_addrs()[0]).await;
    let (dialed, accepted) = connect(&one, &other, address).await;
    let bytes = pattern(16 * MIB);
    let before = other
        .paths
        .current(accepted.remote_address())
        .unwrap()
        .remote;
    let moves = async {
        let mut at = before;
        for number in 1..=3 {
            rebind.send(number).unwrap();
            let (virt, remote) = switched(&mut other.events).await;
            assert_eq!(virt, accepted.remote_address());
            assert_ne!(remote, at);
            at = remote;
        }
    };
    let moved = AtomicBool::new(false);
    let moves = async {
        moves.await;
        moved.store(true, Ordering::Relaxed);
    };
    let transfers = async {
        // Both ways at once, for as long as the moves take.
        while !moved.load(Ordering::Relaxed) {
            tokio::join!(
                transfer(&dialed, &accepted, &bytes),
                transfer(&accepted, &dialed, &bytes)
            );
        }
        transfer(&dialed, &accepted, &bytes).await;
    };
    tokio::join!(moves, transfers);
    assert_eq!(other.paths.stats().switches, 3);
}

#[tokio::test]
async fn a_retry_is_passed_under_the_same_address() {
    let (one, other) = pair();
    let virt = one.paths.dial(other.paths.local_addrs()[0]);
    let dial = one
        .endpoint
        .connect_with(one.client.clone(), virt, "peer")
        .unwrap();
    let accept = async {
        let first = other.endpoint.accept().await.unwrap();
        let before = first.remote_address();
        assert!(other.paths.current(before).is_some());
        first.retry().unwrap();
        let second = other.endpoint.accept().await.unwrap();
        assert_eq!(second.remote_address(), before);
        assert!(second.remote_address_validated());
        second.await.unwrap()
    };
    let (dialed, accepted) = tokio::join!(dial, accept);
    transfer(&dialed.unwrap(), &accepted, &pattern(MIB)).await;
}

#[tokio::test]
async fn dials_from_both_sides_at_once_make_two_connections() {
    let (one, other) = pair();
    let (first, second) = tokio::join!(
        connect(&one, &other, other.paths.local_addrs()[0]),
        connect(&other, &one, one.paths.local_addrs()[0]),
    );
    let bytes = pattern(8 * MIB);
    tokio::join!(
        transfer(&first.0, &first.1, &bytes),
        transfer(&second.0, &second.1, &bytes),
        transfer(&first.1, &first.0, &bytes),
        transfer(&second.1, &second.0, &bytes),
    );
    assert_ne!(first.0.remote_address(), second.1.remote_address());
}

#[tokio::test]
async fn the_better_of_two_families_is_found_and_taken() {
    let configs = configs(None);
    let listen = ["127.0.0.1:0", "[::1]:0"];
    let (mut one, other) = (node(&listen, 1, &configs), node(&listen, 2, &configs));
    let (hook, hooked) = std::sync::mpsc::channel();
    let hook = Box::new(move |id, _| hook.send(id).unwrap());
    let to = other.paths.local_addrs()[0];
    let (dialed, accepted) = connect_hooked(&one, &other, to, hook).await;
    one.paths
        .offer(dialed.remote_address(), &other.paths.local_addrs());
    let (_, remote) = switched(&mut one.events).await;
    assert_eq!(remote, other.paths.local_addrs()[1]);
    let now = one.paths.current(dialed.remote_address()).unwrap();
    assert_eq!(hooked.try_iter().collect::<Vec<_>>(), [now.id]);
    transfer(&dialed, &accepted, &pattern(4 * MIB)).await;
}

#[tokio::test]
async fn a_wildcard_socket_carries_both_families_and_learns_where_it_was_met() {
    let configs = configs(None);
    let (one, other) = (
        node(&["[::]:0"], 1, &configs),
        node(&["[::]:0"], 2, &configs),
    );
    let port = other.paths.local_addrs()[0].port();
    for host in ["127.0.0.1", "::1", "127.0.0.77"] {
        let address = SocketAddr::new(host.parse().unwrap(), port);
        let (dialed, accepted) = connect(&one, &other, address).await;
        transfer(&dialed, &accepted, &pattern(MIB)).await;
        assert_eq!(
            one.paths.current(dialed.remote_address()).unwrap().remote,
            address
        );
        let met = other
            .paths
            .current(accepted.remote_address())
            .unwrap()
            .local;
        assert_eq!(met, Some(address), "answers come from where it was asked");
    }
}

#[tokio::test]
async fn garbage_changes_nothing() {
    let (one, other) = pair();
    let (dialed, accepted) = connect(&one, &other, other.paths.local_addrs()[0]).await;
    let to = other.paths.local_addrs()[0];
    let bytes = pattern(8 * MIB);
    let flood = async {
        let sockets = [
            UdpSocket::bind("127.0.0.1:0").await.unwrap(),
            UdpSocket::bind("127.0.0.1:0").await.unwrap(),
        ];
        let noise = pattern(MIB);
        for (at, chunk) in noise.chunks(97).enumerate() {
            let mut datagram = chunk.to_vec();
            match at % 4 {
                0 => datagram[0] = 0x21,
                1 => datagram[0] = 0x40,
                2 => {
                    datagram.resize(1200, 0);
                    datagram[..6].copy_from_slice(&[0xc0, 0, 0, 0, 1, 8]);
                }
                _ => {}
            }
            let _ = sockets[at % 2].send_to(&datagram, to).await;
            if at % 64 == 0 {
                tokio::task::yield_now().await;
            }
        }
        // Of what comes back nothing is longer than a question.
        let mut buf = [0; 2048];
        while let Ok(len) = sockets[0].try_recv(&mut buf) {
            assert!(len <= 1200);
        }
    };
    tokio::join!(flood, transfer(&dialed, &accepted, &bytes));
    let stats = other.paths.stats();
    assert!(stats.probe_unknown > 0 && stats.foreign > 0);
    assert!(stats.provisional <= 1024);
    transfer(&accepted, &dialed, &bytes).await;
}

#[tokio::test]
async fn a_close_still_reaches_the_peer_after_the_release() {
    let (one, other) = pair();
    let (dialed, accepted) = connect(&one, &other, other.paths.local_addrs()[0]).await;
    dialed.close(7u32.into(), b"done");
    one.paths.release(dialed.remote_address());
    let error = accepted.closed().await;
    assert!(
        matches!(error, quinn::ConnectionError::ApplicationClosed(close) if close.error_code == 7u32.into())
    );
}

#[tokio::test]
async fn an_attempt_nowhere_is_lost_at_once() {
    let configs = configs(None);
    let mut one = node(&["0.0.0.0:0"], 1, &configs);
    // A broadcast address: the socket has no permission to send there.
    let virt = one.paths.dial("255.255.255.255:9".parse().unwrap());
    let _dial = one
        .endpoint
        .connect_with(one.client.clone(), virt, "peer")
        .unwrap();
    assert_eq!(one.events.recv().await, Some(PathEvent::Lost { virt }));
    // No socket of ours has that family.
    let unreachable = one.paths.dial("[::1]:9".parse().unwrap());
    assert_eq!(one.paths.current(unreachable), None);
}

#[tokio::test]
async fn the_events_end_with_the_last_handle() {
    let (one, _other) = pair();
    let Node {
        endpoint,
        paths,
        mut events,
        ..
    } = one;
    endpoint.close(0u32.into(), b"");
    endpoint.wait_idle().await;
    drop((endpoint, paths));
    assert_eq!(events.recv().await, None);
}

#[tokio::test]
async fn an_address_that_cannot_be_bound_is_named_with_its_reason() {
    let taken = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap();
    let free = "127.0.0.1:0".parse().unwrap();
    let error = bind(&[free, addr], [0; 32]).unwrap_err();
    assert_eq!(error.addr, addr);
    assert!(matches!(error.cause, BindCause::InUse));
    let foreign = "192.0.2.1:4001".parse().unwrap();
    let error = bind(&[foreign], [0; 32]).unwrap_err();
    assert!(matches!(error.cause, BindCause::NotAssigned));
    assert!(matches!(
        bind(&[], [0; 32]).unwrap_err().cause,
        BindCause::Count
    ));
}

#[test]
fn without_a_runtime_binding_is_an_error() {
    let error = bind(&["127.0.0.1:0".parse().unwrap()], [0; 32]).unwrap_err();
    assert!(matches!(error.cause, BindCause::NoRuntime));
}
