//! Stock quinn over a relay's leg: a carrier inside this process that takes packets from one socket to
//! the other.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod stock;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use dchat_nat::agent;
use dchat_transport::PathKind;
use dchat_transport::socket::{
    Carried, Carrier, LegId, PathEvent, PathInfo, Paths, TooManyLegs, Traverse,
};
use dchat_wire::nat::{Candidate, CandidateKind, NatClass};
use dchat_wire::sign::Identity;
use dchat_wire::{Address, Frame, PeerId};
use stock::{Node, configs, node, pattern, probe_keys, transfer};
use tokio::net::UdpSocket;

const MIB: usize = 1 << 20;

fn peer(seed: u8) -> PeerId {
    Identity::from_seed(&[seed; 32]).peer_id()
}

/// One node's connection to a relay that is nothing but a function call.
#[derive(Debug, Default)]
struct InProcess {
    /// The other node's socket, its leg, and what it adds to the number of a channel.
    to: OnceLock<(Paths, LegId, i64)>,
    dead: AtomicBool,
    largest: AtomicUsize,
}

impl Carrier for InProcess {
    fn carry(&self, channel: u32, packet: &[u8]) -> Carried {
        self.largest.fetch_max(packet.len(), Ordering::Relaxed);
        if self.dead.load(Ordering::Relaxed) {
            return Carried::Done;
        }
        let (paths, leg, shift) = self.to.get().unwrap();
        let channel = u32::try_from(i64::from(channel) + shift).unwrap();
        paths.relayed(*leg, channel, Bytes::copy_from_slice(packet));
        Carried::Done
    }
}

/// A relay between two nodes, with a leg on either side.
struct Relay {
    legs: [LegId; 2],
    carriers: [Arc<InProcess>; 2],
}

impl Relay {
    const CHANNELS: [u32; 2] = [5, 1005];

    fn between(one: &Node, other: &Node, number: u8) -> Self {
        let carriers = [Arc::<InProcess>::default(), Arc::default()];
        let socket = SocketAddr::from(([203, 0, 113, 200], u16::from(number)));
        let legs = [(one, 0), (other, 1)].map(|(node, at)| {
            let carrier: Arc<InProcess> = carriers[at].clone();
            let paths = &node.paths;
            paths.add_relay(peer(number), socket, carrier).unwrap()
        });
        let there = |node: &Node, leg, shift| (node.paths.clone(), leg, shift);
        carriers[0].to.set(there(other, legs[1], 1000)).unwrap();
        carriers[1].to.set(there(one, legs[0], -1000)).unwrap();
        Self { legs, carriers }
    }

    /// Takes packets and forwards none.
    fn die(&self) {
        for carrier in &self.carriers {
            carrier.dead.store(true, Ordering::Relaxed);
        }
    }

    fn largest(&self) -> usize {
        let carriers = self.carriers.iter();
        let largest = carriers.map(|carrier| carrier.largest.load(Ordering::Relaxed));
        largest.max().unwrap()
    }
}

/// A connection over the relay, attached on both sides; each move makes quinn look at its new path.
async fn connect(
    one: &Node,
    other: &Node,
    relay: &Relay,
) -> (quinn::Connection, quinn::Connection) {
    let virt = one.paths.dial_relayed(relay.legs[0], Relay::CHANNELS[0]);
    let dial = one
        .endpoint
        .connect_with(one.client.clone(), virt, "peer")
        .unwrap();
    let accept = async { other.endpoint.accept().await.unwrap().await.unwrap() };
    let (dialed, accepted) = tokio::join!(dial, accept);
    let dialed = dialed.unwrap();
    for (node, connection, dialer) in [(one, &dialed, true), (other, &accepted, false)] {
        let virt = connection.remote_address();
        let keys = probe_keys(connection, dialer);
        node.paths.attach(virt, keys, Box::new(|_, _| {}));
    }
    (dialed, accepted)
}

fn pair() -> (Node, Node) {
    let configs = configs(Some(Duration::from_secs(1)));
    (
        node(&["127.0.0.1:0"], 1, &configs),
        node(&["127.0.0.1:0"], 2, &configs),
    )
}

async fn until_moved(node: &mut Node, wanted: impl Fn(&PathInfo) -> bool) -> PathInfo {
    loop {
        if let PathEvent::Switched { path, .. } = node.events.recv().await.unwrap()
            && wanted(&path)
        {
            return path;
        }
    }
}

/// Checks DC-RELAY-025 (positive).
#[tokio::test]
async fn a_handshake_and_a_transfer_run_over_a_relay_in_packets_of_1200_bytes() {
    let (one, other) = pair();
    let relay = Relay::between(&one, &other, 9);
    let (dialed, accepted) = connect(&one, &other, &relay).await;
    let bytes = pattern(4 * MIB);
    transfer(&dialed, &accepted, &bytes).await;
    transfer(&accepted, &dialed, &bytes).await;
    let path = one.paths.current(dialed.remote_address()).unwrap();
    assert_eq!(path.kind, PathKind::Relayed);
    assert_eq!(path.relay, Some(peer(9)));
    assert_eq!(path.remote, SocketAddr::from(([203, 0, 113, 200], 9)));
    // Looking for larger ones ended at the relay's leg.
    assert_eq!(relay.largest(), 1200);
    assert!(one.paths.stats().oversized > 0);
    assert_eq!(one.paths.stats().relayed_dropped, 0);
}

/// Checks DC-NAT-025 (positive).
#[tokio::test]
async fn two_contacts_move_to_a_direct_path_in_the_middle_of_a_transfer() {
    let (one, other) = pair();
    let relay = Relay::between(&one, &other, 9);
    let (dialed, accepted) = connect(&one, &other, &relay).await;
    let bytes = pattern(8 * MIB);
    let ends = [
        (one, dialed.remote_address(), peer(1), peer(2)),
        (other, accepted.remote_address(), peer(2), peer(1)),
    ];
    for (node, virt, ours, theirs) in &ends {
        let host = |addr: &SocketAddr| Candidate {
            kind: CandidateKind::Host,
            address: Address::direct(*addr),
        };
        let local = agent::Local {
            class: NatClass::UNKNOWN,
            candidates: node.paths.local_addrs().iter().map(host).collect(),
        };
        let config = agent::Config {
            // The relay's address is not a loopback's; the peers are on one machine all the same.
            loopback: true,
            ..agent::Config::default()
        };
        let traverse = Traverse {
            config,
            seed: [7; 32],
            told: None,
            local: Some(local),
        };
        node.paths.traverse(*virt, (*ours, *theirs), traverse);
    }
    let [(mut one, ..), (mut other, ..)] = ends;
    let (to_one, to_other) = (one.paths.clone(), other.paths.clone());
    let moves = async {
        let first = follow(&mut one, accepted.remote_address(), &to_other);
        let second = follow(&mut other, dialed.remote_address(), &to_one);
        tokio::join!(first, second)
    };
    let ((), moved) = tokio::join!(transfer(&dialed, &accepted, &bytes), moves);
    for path in [moved.0, moved.1] {
        assert_eq!(path.kind, PathKind::Direct);
        assert_eq!(path.relay, None);
    }
    transfer(&accepted, &dialed, &bytes).await;
    // The relay is gone, and nobody notices.
    for (node, leg) in [(&one, relay.legs[0]), (&other, relay.legs[1])] {
        node.paths.remove_leg(leg);
    }
    transfer(&dialed, &accepted, &bytes).await;
}

/// Carries frames of the control stream to the other node until this one is direct.
async fn follow(node: &mut Node, there: SocketAddr, to: &Paths) -> PathInfo {
    loop {
        match node.events.recv().await.unwrap() {
            PathEvent::Signal { frame, .. } => match *frame {
                Frame::Candidates(candidates) => to.candidates(there, candidates),
                Frame::Punch(punch) => to.punch(there, punch),
                other => panic!("{other:?}"),
            },
            PathEvent::Switched { path, .. } if path.kind == PathKind::Direct => return path,
            _ => {}
        }
    }
}

#[tokio::test]
async fn a_second_relay_takes_over_when_the_first_is_removed_in_a_transfer() {
    let (mut one, mut other) = pair();
    let (first, second) = (
        Relay::between(&one, &other, 9),
        Relay::between(&one, &other, 10),
    );
    let (dialed, accepted) = connect(&one, &other, &first).await;
    for (node, connection, at) in [(&one, &dialed, 0), (&other, &accepted, 1)] {
        let (leg, channel) = (second.legs[at], Relay::CHANNELS[at]);
        node.paths
            .offer_relayed(connection.remote_address(), leg, channel);
    }
    let bytes = pattern(8 * MIB);
    let moves = async {
        // Once it has answered it stands by.
        while second.largest() == 0 {
            tokio::task::yield_now().await;
        }
        first.die();
        let to_second = |path: &PathInfo| path.relay == Some(peer(10));
        tokio::join!(
            until_moved(&mut one, to_second),
            until_moved(&mut other, to_second)
        );
    };
    tokio::join!(transfer(&dialed, &accepted, &bytes), moves);
    for (node, leg) in [(&one, first.legs[0]), (&other, first.legs[1])] {
        node.paths.remove_leg(leg);
    }
    transfer(&accepted, &dialed, &bytes).await;
}

#[tokio::test]
async fn an_attempt_over_a_relay_that_goes_is_lost_at_once() {
    let (mut one, other) = pair();
    let relay = Relay::between(&one, &other, 9);
    relay.die();
    let virt = one.paths.dial_relayed(relay.legs[0], 5);
    let _dial = one
        .endpoint
        .connect_with(one.client.clone(), virt, "peer")
        .unwrap();
    one.paths.remove_leg(relay.legs[0]);
    assert_eq!(one.events.recv().await, Some(PathEvent::Lost { virt }));
}

#[tokio::test]
async fn packets_of_an_unknown_leg_are_dropped_and_counted() {
    let (one, _other) = pair();
    one.paths
        .relayed(LegId(77), 5, Bytes::from_static(&[0x40; 40]));
    assert_eq!(one.paths.stats().relayed_dropped, 1);
}

#[tokio::test]
async fn no_more_relays_than_allowed_carry_channels() {
    let (one, other) = pair();
    let all = dchat_transport::path::bounds::RELAY_LEGS;
    for number in 0..all {
        Relay::between(&one, &other, number as u8);
    }
    let socket = one.paths.local_addrs()[0];
    let more = one
        .paths
        .add_relay(peer(1), socket, Arc::<InProcess>::default());
    assert_eq!(more, Err(TooManyLegs));
}

#[tokio::test]
async fn stun_and_reach_pass_beside_quic_and_only_they() {
    let (one, other) = pair();
    let mut side = one.paths.side_channel();
    let outside = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let to = one.paths.local_addrs()[0];
    let mut stun = vec![0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42];
    stun.resize(20, 7);
    let reach = dchat_wire::nat::reach_datagram::seal(&[9; 16]);
    for datagram in [&stun[..], &[0, 1, 2, 3], &reach] {
        outside.send_to(datagram, to).await.unwrap();
    }
    let first = side.recv().await.unwrap();
    assert_eq!(
        (first.from, &first.bytes[..]),
        (outside.local_addr().unwrap(), &stun[..])
    );
    let second = side.recv().await.unwrap();
    assert_eq!(second.bytes[..], reach);
    // And back, over the leg it came to.
    let sent = one
        .paths
        .send_side(Some(first.leg), first.local, first.from, &stun);
    assert_eq!(sent, Some(first.leg));
    let mut buf = [0; 64];
    let (len, from) = outside.recv_from(&mut buf).await.unwrap();
    assert_eq!((&buf[..len], from), (&stun[..], to));
    // Nothing else goes out that way.
    assert_eq!(
        one.paths.send_side(None, None, first.from, &[0x40; 64]),
        None
    );
    // quinn is not disturbed.
    let (dialed, accepted) = stock::connect(&one, &other, other.paths.local_addrs()[0]).await;
    transfer(&dialed, &accepted, &pattern(MIB)).await;
}
