//! Nodes find each other, and what they stored, through the DHT.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failed assumption fails the test"
)]

mod common;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use common::{Node, chat_open, config, node, start, until, within};
use dchat_kademlia::Key;
use dchat_transport::dht::{Dht, DhtConfig, Serve};
use dchat_transport::{Connection, DhtError, EndpointConfig, Event, Limits};
use dchat_wire::dht::{DhtFind, Refusal, Server, Socket};
use dchat_wire::hash::dht_key;
use dchat_wire::record::{AddressRecord, SignedRecord, kind};
use dchat_wire::sign::Identity;
use dchat_wire::{Address, Frame, FrameReader, List};

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

/// A node with a part in the DHT that only asks.
fn client(seed: u8) -> Node {
    let mut config = member_config(seed, &[]);
    if let Some(dht) = &mut config.dht {
        dht.serve = Serve::Never;
    }
    start(config)
}

async fn network(count: u8) -> Vec<Member> {
    let mut members = vec![first(1)];
    let bootstrap = [members[0].node.address()];
    for seed in 2..=count {
        members.push(member(seed, &bootstrap));
    }
    for member in &members {
        // As many as it goes on looking for by itself.
        until(|| member.dht.stat().contacts >= usize::from(count - 1).min(19)).await;
        until(|| member.dht.stat().serving).await;
    }
    members
}

async fn connect(from: &Node, to: &Node) -> Connection {
    let address = [to.address()];
    let connected = from.endpoint.connect(Some(to.peer()), &address);
    within(connected).await.unwrap()
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

/// Whether the application of `node` is told something about a peer, now or within `time`.
async fn is_told(node: &mut Node, time: Duration) -> bool {
    let told = async {
        loop {
            match node.events.next().await {
                Some(Event::ListenAddrs(_)) => {}
                Some(event) => return event,
                None => panic!("events go on"),
            }
        }
    };
    tokio::time::timeout(time, told).await.is_ok()
}

#[tokio::test]
async fn connections_for_the_table_are_not_told() {
    let mut members = network(3).await;
    assert!(
        members
            .iter()
            .any(|member| member.dht.stat().connections > 0)
    );
    for member in &mut members {
        assert!(member.node.endpoint.connections().is_empty());
        assert!(!is_told(&mut member.node, Duration::ZERO).await);
    }
}

#[tokio::test]
async fn a_connection_for_the_table_is_told_to_each_side_once_it_is_wanted_there() {
    let mut members = network(2).await;
    let (mut b, mut a) = (members.pop().unwrap(), members.pop().unwrap());
    assert_eq!(a.dht.stat().connections, 1);
    let out = connect(&a.node, &b.node).await;
    assert_eq!(a.node.connected().await, out);
    assert_eq!(a.node.endpoint.connections(), std::slice::from_ref(&out));
    assert_eq!(a.dht.stat().connections, 0);
    assert!(b.node.endpoint.connections().is_empty());
    let mut stream = out.open_uni().await.unwrap();
    stream.write_all(&chat_open(1).to_bytes()).await.unwrap();
    let inc = b.node.connected().await;
    assert_eq!(inc.peer_id(), a.node.peer());
    let first = b.node.expect(|event| match event {
        Event::Stream { first, .. } => Some(first),
        _ => None,
    });
    assert_eq!(*first.await, chat_open(1));
    // It is the connection there was.
    assert_eq!(a.dht.stat().counts.dials + b.dht.stat().counts.dials, 1);
}

#[tokio::test]
async fn a_connection_for_the_table_with_a_contact_is_told() {
    let mut a = first(1);
    let config = member_config(2, &[a.node.address()]);
    a.node.endpoint.trust(config.identity.peer_id(), true);
    let b = member_with(config);
    assert_eq!(a.node.connected().await.peer_id(), b.node.peer());
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

#[tokio::test]
async fn twenty_nodes_find_put_and_get() {
    let members = network(20).await;
    let address = Address::direct(([203, 0, 113, 7], 4001).into());
    let (key, record) = address_record(3, 1, address);
    let put = within(members[2].dht.put(key, record)).await.unwrap();
    assert!(put.stored >= 15, "{put:?}");
    let peer = members[2].node.peer();
    for asker in [0, 7, 19] {
        let found = within(members[asker].dht.find_peer(peer)).await.unwrap();
        assert_eq!(found, [address]);
        let (_, at) = members[12].dht.node().unwrap();
        let found = within(members[asker].dht.find(at)).await.unwrap();
        assert_eq!(found.nodes[0].peer, members[12].node.peer());
        assert!(found.nodes.is_sorted_by_key(|node| node.at.distance(&at)));
        assert!(
            found.nodes.len() >= 18 && found.effort.complete,
            "{found:?}"
        );
    }
    // A newer one takes its place.
    let newer = Address::direct(([203, 0, 113, 8], 4001).into());
    let (key, record) = address_record(3, 2, newer);
    within(members[5].dht.put(key, record)).await.unwrap();
    let found = within(members[19].dht.find_peer(peer)).await.unwrap();
    assert_eq!(found, [newer]);
}

/// Checks DC-DHT-015 (negative).
#[tokio::test]
async fn when_a_node_dies_the_others_go_on() {
    let mut members = network(6).await;
    let address = Address::direct(([203, 0, 113, 7], 4001).into());
    let (key, record) = address_record(3, 1, address);
    within(members[2].dht.put(key, record)).await.unwrap();
    let (_, at) = members[2].dht.node().unwrap();
    let dead = members.remove(2);
    let peer = dead.node.peer();
    // Its tasks end without a word to anybody.
    let paths = dead.node.addr;
    drop(dead);
    for asker in &members {
        let found = within(asker.dht.find_peer(peer)).await.unwrap();
        assert_eq!(found, [address]);
        let found = within(asker.dht.find(at)).await.unwrap();
        assert_eq!(found.nodes.len(), 4);
        assert!(found.nodes.iter().all(|node| node.socket != paths));
    }
}

/// Checks DC-DHT-015 (positive).
#[tokio::test]
async fn who_says_goodbye_is_forgotten_at_once() {
    let mut members = network(3).await;
    let leaving = members.pop().unwrap();
    leaving.node.endpoint.shutdown(Duration::from_secs(1)).await;
    let shut = leaving.dht.find(Key([1; 32])).await;
    assert_eq!(shut.unwrap_err(), DhtError::Shutdown);
    for member in &members {
        until(|| member.dht.stat().contacts == 1).await;
    }
}

/// Checks DC-DHT-016 (positive), DC-DHT-042 (positive).
#[tokio::test]
async fn a_node_that_says_it_serves_is_admitted_by_a_pulse_and_no_dial() {
    let members = network(2).await;
    let first = members[0].dht.stat();
    assert_eq!((first.contacts, first.counts.dials), (1, 0));
    assert!(first.counts.pulse_answers >= 1);
    assert!(members[1].dht.stat().counts.pulses_served >= 1);
}

#[tokio::test]
async fn pulses_tell_that_a_node_is_there_without_a_connection() {
    let brief = |seed, bootstrap: &[Address]| {
        let mut config = member_config(seed, bootstrap);
        if let Some(dht) = &mut config.dht {
            dht.serve = Serve::Always;
            dht.limits.idle = Duration::from_millis(100);
        }
        member_with(config)
    };
    let a = brief(1, &[]);
    let b = brief(2, &[a.node.address()]);
    until(|| a.dht.stat().contacts == 1 && b.dht.stat().contacts == 1).await;
    for (asker, asked) in [(&a, &b), (&b, &a)] {
        // They look around a few times at first.
        let quiet = || asker.dht.stat().connections + asked.dht.stat().connections == 0;
        until(quiet).await;
        let before = asked.dht.stat().counts;
        let rtt = within(asker.dht.ping(asked.node.peer())).await;
        assert!(rtt.is_some());
        let after = asked.dht.stat().counts;
        assert_eq!(after.pulses_served, before.pulses_served + 1);
        assert_eq!(after.served, before.served);
    }
    let nobody = Identity::from_seed(&[99; 32]).peer_id();
    assert_eq!(within(a.dht.ping(nobody)).await, None);
}

/// Asks on a stream, as any peer could.
async fn ask(connection: &Connection, question: Frame) -> Frame {
    let (mut send, mut recv) = connection.open_bi().await.unwrap();
    send.write_all(&question.to_bytes()).await.unwrap();
    send.finish().unwrap();
    let answer = recv.read_to_end(1 << 20).await.unwrap();
    let frame = FrameReader::new().read(&mut &answer[..]).unwrap();
    frame.unwrap()
}

fn find(server: Option<Server>) -> Frame {
    Frame::DhtFind(DhtFind {
        target: [7; 32],
        want: 20,
        known: Default::default(),
        server,
        extensions: Default::default(),
    })
}

fn claim(nonce: u64, socket: SocketAddr) -> Option<Server> {
    Some(Server {
        nonce,
        socket: Socket::new(socket).unwrap(),
        other: None,
    })
}

/// Checks DC-DHT-007 (negative), DC-DHT-008 (negative), DC-DHT-017 (negative).
#[tokio::test]
async fn who_says_it_serves_without_a_solved_puzzle_is_refused_by_name() {
    let mut config = member_config(1, &[]);
    if let Some(dht) = &mut config.dht {
        dht.serve = Serve::Always;
        dht.exempt_private = false;
        dht.difficulty = 8;
    }
    let server = member_with(config);
    until(|| server.dht.stat().serving).await;
    let liar = client(9);
    let out = connect(&liar, &server.node).await;
    // One nonce in 256 is a solution.
    let mut refused = 0;
    for nonce in 0..4 {
        match ask(&out, find(claim(nonce, liar.addr))).await {
            Frame::DhtRefused(no) if no.reason == Refusal::BadPuzzle => refused += 1,
            Frame::DhtNodes(_) => {}
            other => panic!("{other:?}"),
        }
    }
    assert!(refused >= 3);
    assert_eq!(server.dht.stat().counts.claims_refused, refused);
    assert_eq!(server.dht.stat().contacts, 0);
    // It is answered as a client.
    assert!(matches!(ask(&out, find(None)).await, Frame::DhtNodes(_)));
}

/// Checks DC-DHT-017 (negative).
#[tokio::test]
async fn who_says_it_serves_elsewhere_is_not_believed() {
    let server = first(1);
    let liar = client(9);
    let out = connect(&liar, &server.node).await;
    let (_open, elsewhere) = {
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let addr = socket.local_addr().unwrap();
        (socket, addr)
    };
    let answer = ask(&out, find(claim(0, elsewhere))).await;
    assert!(matches!(answer, Frame::DhtNodes(_)));
    // It is pulsed there, and nobody answers; the connection that there is says nothing of the place.
    until(|| server.dht.stat().counts.pulses >= 2).await;
    assert_eq!(server.dht.stat().counts.pulse_answers, 0);
    assert_eq!(server.dht.stat().contacts, 0);
}

/// Checks DC-DHT-041 (positive, negative).
#[tokio::test]
async fn no_two_pulses_with_one_key_have_one_nonce_not_even_one_that_nobody_answered() {
    let server = first(1);
    let liar = client(9);
    let out = connect(&liar, &server.node).await;
    let elsewhere = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let at = elsewhere.local_addr().unwrap();
    let answer = ask(&out, find(claim(0, at))).await;
    assert!(matches!(answer, Frame::DhtNodes(_)));
    // What it says of itself is looked into, and the application asks twice beside it.
    until(|| server.dht.stat().counts.pulses >= 1).await;
    let ping = || server.dht.ping(liar.peer());
    let pings = async { tokio::join!(ping(), ping()) };
    let asked = async {
        let mut questions = Vec::new();
        // Each is asked once more after a second of silence.
        while questions.len() < 6 {
            let mut datagram = [0; 64];
            let (length, from) = elsewhere.recv_from(&mut datagram).await.unwrap();
            assert_eq!(from, server.node.addr);
            assert_eq!((length, datagram[0]), (33, 0x24));
            let (id, rest) = datagram[1..].split_first_chunk::<8>().unwrap();
            let (nonce, _) = rest.split_first_chunk::<8>().unwrap();
            questions.push((*id, *nonce));
        }
        questions
    };
    let (questions, answered) = within(async { tokio::join!(asked, pings) }).await;
    assert_eq!(answered, (None, None));
    let ids: BTreeSet<_> = questions.iter().map(|(id, _)| *id).collect();
    assert_eq!(ids.len(), 1, "of one connection, and so of one key");
    let nonces: BTreeSet<_> = questions.iter().map(|(_, nonce)| *nonce).collect();
    assert_eq!(nonces.len(), questions.len(), "{questions:?}");
}

#[tokio::test]
async fn a_flood_of_one_asker_is_refused_and_others_are_served() {
    let mut config = member_config(1, &[]);
    if let Some(dht) = &mut config.dht {
        dht.serve = Serve::Always;
        dht.core.asker_rate = (1, 20);
    }
    let server = member_with(config);
    let (flooder, other) = (node(8), node(9));
    let flood = connect(&flooder, &server.node).await;
    let calm = connect(&other, &server.node).await;
    let mut floods = tokio::task::JoinSet::new();
    for _ in 0..200 {
        let flood = flood.clone();
        floods.spawn(async move { ask(&flood, find(None)).await });
    }
    // Meanwhile.
    let answer = within(ask(&calm, find(None))).await;
    assert!(matches!(answer, Frame::DhtNodes(_)), "{answer:?}");
    let mut refused = 0;
    for answer in within(floods.join_all()).await {
        if let Frame::DhtRefused(no) = answer {
            assert_eq!(no.reason, Refusal::TooMany);
            refused += 1;
        }
    }
    assert!(refused > 100, "{refused}");
    assert_eq!(server.dht.stat().counts.refused, refused);
}

#[tokio::test]
async fn another_key_than_the_books_is_a_failure_of_that_node_and_no_news_of_its_address() {
    let server = first(1);
    let mut known = {
        let other = member(2, &[server.node.address()]);
        until(|| other.dht.stat().contacts == 1).await;
        other.dht.known()
    };
    assert_eq!(known.len(), 1);
    known[0].peer = Identity::from_seed(&[77; 32]).peer_id();
    let mut config = member_config(3, &[]);
    if let Some(dht) = &mut config.dht {
        dht.known = known;
    }
    let lost = member_with(config);
    until(|| lost.dht.stat().counts.dials_failed >= 1).await;
    assert_eq!(lost.dht.stat().contacts, 0);
    let found = within(lost.dht.find(Key([1; 32]))).await;
    assert_eq!(found.unwrap_err(), DhtError::NobodyKnown);
}

#[tokio::test]
async fn known_nodes_are_enough_to_begin_with_after_a_restart() {
    let members = network(3).await;
    let known = members[2].dht.known();
    assert_eq!(known.len(), 2);
    let mut config = member_config(4, &[]);
    if let Some(dht) = &mut config.dht {
        dht.known = known;
    }
    let restarted = member_with(config);
    until(|| restarted.dht.stat().contacts == 3).await;
}

#[tokio::test]
async fn seeds_given_later_are_enough_as_well() {
    let server = first(1);
    let late = member(2, &[]);
    let found = within(late.dht.find(Key([1; 32]))).await;
    assert_eq!(found.unwrap_err(), DhtError::NobodyKnown);
    late.dht.seed(&[server.node.address()]);
    let found = within(late.dht.find(Key([1; 32]))).await.unwrap();
    assert_eq!(found.nodes[0].peer, server.node.peer());
}

#[tokio::test]
async fn a_puzzle_that_is_asked_for_is_solved_in_the_background() {
    let strict = |seed, bootstrap: &[Address]| {
        let mut config = member_config(seed, bootstrap);
        if let Some(dht) = &mut config.dht {
            dht.serve = Serve::Always;
            dht.exempt_private = false;
            dht.difficulty = 4;
            // Everybody is in one subnet here.
            dht.core.subnet_bucket = 20;
        }
        member_with(config)
    };
    let a = strict(1, &[]);
    let b = strict(2, &[a.node.address()]);
    until(|| a.dht.stat().contacts == 1 && b.dht.stat().contacts == 1).await;
    let (nonce, at) = b.dht.node().unwrap();
    let found = within(a.dht.find(at)).await.unwrap();
    assert_eq!(found.nodes[0].at, at);
    assert_eq!(a.dht.known()[0].nonce, nonce);
}

/// Checks DC-DHT-016 (negative).
#[tokio::test]
async fn a_node_that_only_asks_is_in_nobodys_table() {
    let members = network(2).await;
    let mut config = member_config(5, &[members[0].node.address()]);
    if let Some(dht) = &mut config.dht {
        dht.serve = Serve::Never;
    }
    let client = member_with(config);
    until(|| client.dht.stat().contacts == 2).await;
    let found = within(client.dht.find(Key([1; 32]))).await.unwrap();
    assert_eq!(found.nodes.len(), 2);
    assert!(members.iter().all(|member| member.dht.stat().contacts == 1));
    let asker = node(9);
    let out = connect(&asker, &client.node).await;
    let Frame::DhtRefused(no) = ask(&out, find(None)).await else {
        panic!("a client answers nothing");
    };
    assert_eq!(no.reason, Refusal::NotServing);
}
