//! Nodes find each other, and what they stored, through the DHT.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failed assumption fails the test"
)]

mod common;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use common::{Node, config, start, until, within};
use dchat_kademlia::Key;
use dchat_transport::dht::{Dht, DhtConfig, Serve};
use dchat_transport::{EndpointConfig, Limits};
use dchat_wire::hash::dht_key;
use dchat_wire::record::{AddressRecord, SignedRecord, kind};
use dchat_wire::sign::Identity;
use dchat_wire::{Address, List};

/// A node of the DHT on loopback that begins with `bootstrap`. All are of one network, so what one
/// network may take is raised.
fn member_config(seed: u8, bootstrap: &[Address]) -> EndpointConfig {
    let mut config = config(seed);
    config.limits = Limits {
        connections_per_network: 512,
        handshakes_per_network: 64,
        retry_from: 64,
        ..Limits::default()
    };
    config.dht = Some(DhtConfig {
        bootstrap: bootstrap.to_vec(),
        ..DhtConfig::default()
    });
    config
}

struct Member {
    node: Node,
    dht: Dht,
}

fn member_with(config: EndpointConfig) -> Member {
    let node = start(config);
    let dht = node.endpoint.dht().unwrap();
    Member { node, dht }
}

fn member(seed: u8, bootstrap: &[Address]) -> Member {
    member_with(member_config(seed, bootstrap))
}

/// The first node of a network.
fn first(seed: u8) -> Member {
    let mut config = member_config(seed, &[]);
    if let Some(dht) = &mut config.dht {
        dht.serve = Serve::Always;
    }
    member_with(config)
}

async fn network(count: u8) -> Vec<Member> {
    let mut members = vec![first(1)];
    let bootstrap = [members[0].node.address()];
    for seed in 2..=count {
        members.push(member(seed, &bootstrap));
    }
    if std::env::var("SHOW").is_ok() {
    for _ in 0..8 {
        for m in &members { let s = m.dht.stat(); println!("{:?} c={} s={} serving={} conn={} {:?}", s.position, s.contacts, s.siblings, s.serving, s.connections, s.counts); }
        println!();
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    }
    for member in &members {
        until(|| member.dht.stat().contacts >= usize::from(count - 1).min(20)).await;
        until(|| member.dht.stat().serving).await;
    }
    members
}

fn now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    u64::try_from(now.as_millis()).unwrap()
}

fn address_record(seed: u8, sequence: u64, address: Address) -> (Key, SignedRecord) {
    let identity = Identity::from_seed(&[seed; 32]);
    let record = AddressRecord {
        addresses: List::first_of([address]),
        extensions: Default::default(),
    };
    let record = SignedRecord::issue(&identity, sequence, now(), 3_600_000, &record);
    let peer = identity.peer_id();
    (Key(dht_key(kind::ADDRESS, peer.public_key())), record)
}

#[tokio::test]
async fn three_nodes_with_one_bootstrap_find_each_other() {
    let members = network(3).await;
    for asker in &members {
        for sought in &members {
            if asker.node.peer() == sought.node.peer() {
                continue;
            }
            let (_, at) = sought.dht.node().unwrap();
            let found = within(asker.dht.find(at)).await.unwrap();
            let nearest = found.nodes.first().unwrap();
            assert_eq!(nearest.peer, sought.node.peer());
            assert_eq!(nearest.at, at);
            assert_eq!(nearest.socket, sought.node.addr);
        }
    }
}

#[tokio::test]
async fn connections_for_the_table_are_not_told() {
    let mut members = network(3).await;
    assert!(members.iter().any(|member| member.dht.stat().connections > 0));
    for member in &mut members {
        assert!(member.node.endpoint.connections().is_empty());
        let next = tokio::time::timeout(Duration::ZERO, async {
            member
                .node
                .expect(|event| {
                    use dchat_transport::Event::{Connected, Disconnected, Identified};
                    matches!(event, Connected(_) | Disconnected { .. } | Identified { .. })
                        .then_some(())
                })
                .await;
        });
        assert!(next.await.is_err());
    }
}

#[tokio::test]
async fn a_record_is_found_by_who_knows_the_peer_id_alone() {
    let members = network(5).await;
    let address = Address::direct(([203, 0, 113, 7], 4001).into());
    let (key, record) = address_record(1, 1, address);
    let put = within(members[0].dht.put(key, record)).await.unwrap();
    assert!(put.stored >= 3, "{put:?}");
    for asker in &members[1..] {
        let peer = members[0].node.peer();
        let addresses = within(asker.dht.find_peer(peer)).await.unwrap();
        assert_eq!(addresses, [address]);
    }
}
