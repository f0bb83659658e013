//! Finding anybody with the real binary: a bootstrap address and PeerIds, nothing else.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failed expectation is a failed test"
)]

mod support;

use std::process::Command;
use std::time::{Duration, Instant};

use dchat::store::{OwnRecord, StoreError};
use dchat::time::rfc3339;
use dchat_wire::record::kind;
use serde_json::Value;
use support::command::{Ended, dchat, object, output, run};
use support::daemon::{Daemon, PATIENCE};
use support::home::store;
use support::pair::Side;

/// Milliseconds.
const HOUR: u64 = 60 * 60 * 1000;

/// A home that takes part in the table.
struct Node {
    side: Side,
    daemon: Option<Daemon>,
}

impl Node {
    fn start(name: &str, more: &[&str]) -> Self {
        let mut node = Self {
            side: Side::new(name),
            daemon: None,
        };
        node.restart(more);
        node
    }

    /// The first node of a network, and its address.
    fn bootstrap() -> Self {
        Self::start("Bootstrap", &["--role", "bootstrap"])
    }

    /// Starts the daemon, instead of one that is killed.
    fn restart(&mut self, more: &[&str]) {
        self.daemon = None;
        let mut command = self.side.daemon_command();
        command.args(more);
        self.daemon = Some(Daemon::start(self.side.home.path(), command));
    }

    /// From now on it listens elsewhere.
    fn move_elsewhere(&mut self) {
        let port = support::pair::free_port();
        self.side.addr = format!("/ip4/127.0.0.1/udp/{port}/quic-v1");
    }

    fn daemon(&mut self) -> &mut Daemon {
        self.daemon.as_mut().unwrap()
    }

    /// `kill -9`.
    fn kill(&mut self) {
        self.daemon().kill();
    }

    fn addr(&self) -> &str {
        &self.side.addr
    }

    fn peer(&self) -> &str {
        &self.side.peer
    }

    fn verb(&self, args: &[&str]) -> Command {
        self.side.verb(args)
    }

    fn object(&self, args: &[&str]) -> Value {
        object(&mut self.verb(&[args, &["--json"]].concat()))
    }

    /// Asks until the answer is `right`.
    fn until(&self, args: &[&str], right: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let ended = run(&mut self.verb(&[args, &["--json"]].concat()));
            let last = ended.objects().pop();
            if let Some(object) = last.filter(|object| ended.well() && right(object)) {
                return object;
            }
            assert!(Instant::now() < deadline, "{args:?}: {ended:?}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Waits until its address record is stored.
    fn published(&self) {
        self.until(&["dht", "stat"], |stat| {
            let published = stat["published"].as_array().unwrap();
            published.iter().any(|own| own["kind"] == "address")
        });
    }

    fn remembers(&self, count: u64) {
        self.until(&["dht", "stat"], |stat| {
            stat["remembered"].as_u64() >= Some(count)
        });
    }
}

fn add(one: &Node, other: &Node, name: &str) {
    output(&mut one.verb(&["add", other.peer(), "--name", name]));
}

fn send(from: &Node, to: &str, text: &str) {
    output(&mut from.verb(&["send", to, text, "--timeout", "60"]));
}

/// Checks DC-DHT-003 (positive).
#[test]
fn two_who_know_a_bootstrap_address_and_each_others_peer_id_chat() {
    let bootstrap = Node::bootstrap();
    let known = ["--bootstrap", bootstrap.addr()];
    let mut alice = Node::start("Alice", &known);
    let mut bob = Node::start("Bob", &known);
    add(&alice, &bob, "Bob");
    add(&bob, &alice, "Alice");
    send(&alice, "Bob", "found you");
    let message = bob.daemon().wait_for("message", |_| true);
    assert_eq!(message["text"], "found you");
    send(&bob, "Alice", "and I you");
    alice.daemon().wait_for("message", |_| true);

    // Nothing of the table is to be seen among the people.
    for (node, other) in [(&alice, &bob), (&bob, &alice)] {
        let peers = run(&mut node.verb(&["peers", "--json"])).objects();
        let peers: Vec<&str> = peers
            .iter()
            .map(|peer| peer["peer_id"].as_str().unwrap())
            .collect();
        assert_eq!(peers, [other.peer()]);
        assert_eq!(output(&mut node.verb(&["requests", "--json"])), "");
    }
    let peers = output(&mut bootstrap.verb(&["peers", "--json"]));
    assert_eq!(peers, "", "it only answers questions");
    for node in [&mut alice, &mut bob] {
        let strange = node.daemon().events().into_iter().any(|(_, event)| {
            event["event"] == "request"
                || event["peer_id"] == bootstrap.peer() && event["event"] == "peer_connected"
        });
        assert!(!strange);
    }
}

#[test]
fn a_command_without_a_daemon_finds_whom_it_writes_to() {
    let bootstrap = Node::bootstrap();
    let known = ["--bootstrap", bootstrap.addr()];
    let mut bob = Node::start("Bob", &known);
    bob.published();
    let alice = Side::new("Alice");
    output(&mut bob.verb(&["add", &alice.peer, "--name", "Alice"]));
    let config = format!("bootstrap = [\"{}\"]\nmdns = false\n", bootstrap.addr());
    std::fs::write(alice.home.path().join("config.toml"), config).unwrap();
    output(&mut alice.verb(&["send", &bob.side.peer, "in passing", "--timeout", "60"]));
    let message = bob.daemon().wait_for("message", |_| true);
    assert_eq!(message["text"], "in passing");
    let put = object(&mut alice.verb(&["dht", "put", "--json"]));
    assert!(put["stored"].as_u64() > Some(0), "{put}");
    let got = bob.object(&["dht", "get", &alice.peer]);
    assert_eq!(got["records"][0]["signer"], alice.peer.as_str());
}

#[test]
fn contacts_that_have_both_moved_find_each_other_again() {
    let bootstrap = Node::bootstrap();
    let known = ["--bootstrap", bootstrap.addr()];
    let mut alice = Node::start("Alice", &known);
    let mut bob = Node::start("Bob", &known);
    add(&alice, &bob, "Bob");
    add(&bob, &alice, "Alice");
    send(&alice, "Bob", "here");
    for node in [&mut alice, &mut bob] {
        node.kill();
        node.move_elsewhere();
    }
    alice.restart(&known);
    bob.restart(&known);
    send(&alice, "Bob", "still here");
    send(&bob, "Alice", "me too");
}

#[test]
fn remembered_nodes_are_enough_when_no_bootstrap_node_is_left() {
    let mut bootstrap = Node::bootstrap();
    let known = ["--bootstrap", bootstrap.addr()].map(str::to_owned);
    let known = known.each_ref().map(String::as_str);
    let mut others = ["Carol", "Dave"].map(|name| Node::start(name, &known));
    let mut alice = Node::start("Alice", &known);
    let mut bob = Node::start("Bob", &known);
    for node in others.iter().chain([&alice, &bob]) {
        node.remembers(4);
    }
    // What is remembered is written down every few seconds, and `kill -9` comes after that.
    std::thread::sleep(Duration::from_secs(7));
    bootstrap.kill();
    for node in others.iter_mut().chain([&mut alice, &mut bob]) {
        node.kill();
    }
    // Those that move are not where anybody remembers them.
    alice.move_elsewhere();
    bob.move_elsewhere();
    for node in &mut others {
        node.restart(&[]);
    }
    alice.restart(&[]);
    bob.restart(&[]);
    add(&alice, &bob, "Bob");
    add(&bob, &alice, "Alice");
    send(&alice, "Bob", "without a bootstrap node");
    send(&bob, "Alice", "indeed");
}

/// Checks DC-DHT-026 (negative), DC-DHT-046 (negative).
#[test]
fn who_is_killed_and_comes_back_with_an_earlier_clock_signs_newer_records_that_end_no_earlier() {
    let bootstrap = Node::bootstrap();
    let known = ["--bootstrap", bootstrap.addr()];
    let mut alice = Node::start("Alice", &known);
    let stored = |put: &Value| put["stored"].as_u64() > Some(0);
    let chess = ["dht", "put", "--kind", "service", "--name", "chess"];
    let put = [
        alice.until(&["dht", "put"], stored),
        alice.until(&chess, stored),
    ];
    alice.kill();
    let (lock, mut store) = store(alice.side.home.path());
    let remembered = store.read(|view| view.own_records());
    let remembered = remembered.unwrap_or_else(|error: StoreError| panic!("{error}"));
    let mut ahead = Vec::new();
    for (kind, put) in [(kind::ADDRESS, &put[0]), (kind::SERVICE, &put[1])] {
        let of_kind = remembered.iter().find(|one| one.kind == kind).unwrap();
        assert!(Some(of_kind.sequence) >= put["sequence"].as_u64(), "{put}");
        let ends = rfc3339(of_kind.expires_at);
        assert!(
            ends.as_str() >= put["expires_at"].as_str().unwrap(),
            "{put}"
        );
        // What a clock that was an hour ahead would have left.
        ahead.push(OwnRecord {
            sequence: of_kind.sequence + HOUR,
            expires_at: of_kind.expires_at + HOUR,
            ..of_kind.clone()
        });
    }
    let left = store.transaction("ahead", |tx| {
        ahead.iter().try_for_each(|one| tx.remember_own_record(one))
    });
    left.unwrap_or_else(|error: StoreError| panic!("{error}"));
    drop((store, lock));

    alice.restart(&known);
    let again = [
        alice.until(&["dht", "put"], stored),
        alice.until(&chess, stored),
    ];
    for (put, ahead) in again.iter().zip(&ahead) {
        assert!(put["sequence"].as_u64() > Some(ahead.sequence), "{put}");
    }
    // A service is advertised for as long as can be, and cannot end later.
    let ends = again[0]["expires_at"].as_str().unwrap();
    assert_eq!(ends, rfc3339(ahead[0].expires_at));
}

#[test]
fn what_the_table_says_has_the_shapes_that_programs_rely_on() {
    let bootstrap = Node::bootstrap();
    let known = ["--bootstrap", bootstrap.addr()];
    let alice = Node::start("Alice", &known);
    let bob = Node::start("Bob", &known);
    for node in [&alice, &bob] {
        node.published();
    }

    let found = alice.until(&["dht", "find", bob.peer()], |found| {
        found["nodes"].as_array().unwrap().len() == 2
    });
    assert_eq!(found["key"].as_str().unwrap().len(), 64);
    let nodes = found["nodes"].as_array().unwrap();
    for node in nodes {
        assert_eq!(node["position"].as_str().unwrap().len(), 64);
        let ends = format!("/p2p/{}", node["peer_id"].as_str().unwrap());
        assert!(node["addr"].as_str().unwrap().ends_with(&ends), "{node}");
    }
    for number in [
        "hops",
        "calls",
        "took_ms",
        "paths",
        "paths_agreed",
        "subnets",
        "density_ratio",
        "size_estimate",
        "conflicts",
    ] {
        assert!(found[number].is_number(), "{number} in {found}");
    }
    assert_eq!(found["complete"], true);
    let same = alice.object(&["dht", "find", found["key"].as_str().unwrap()]);
    assert_eq!(same["key"], found["key"]);

    let got = alice.object(&["dht", "get", bob.peer()]);
    assert_eq!(
        (&got["kind"], &got["key"]),
        (&"address".into(), &found["key"])
    );
    let [record] = got["records"].as_array().unwrap().as_slice() else {
        panic!("{got}");
    };
    assert_eq!(record["signer"], bob.peer());
    assert!(record["sequence"].as_u64() > Some(0));
    for time in ["issued_at", "expires_at"] {
        assert!(record[time].as_str().unwrap().ends_with('Z'), "{record}");
    }
    let address = format!("{}/p2p/{}", bob.addr(), bob.peer());
    assert_eq!(record["addresses"], Value::from(vec![address.clone()]));
    let device = alice.until(&["dht", "get", bob.peer(), "--kind", "device"], |_| true);
    assert_eq!(device["records"][0]["signer"], bob.peer());

    let put = bob.object(&["dht", "put"]);
    assert_eq!(
        (&put["kind"], &put["key"]),
        (&"address".into(), &found["key"])
    );
    assert!(put["stored"].as_u64() > Some(0), "{put}");
    assert!(put["refused"].is_array() && put["took_ms"].is_number());
    assert!(put["sequence"].as_u64() > record["sequence"].as_u64());
    let chess = ["dht", "put", "--kind", "service", "--name", "chess"];
    assert_eq!(bob.object(&chess)["kind"], "service");
    let who = alice.object(&["dht", "get", "chess", "--kind", "service"]);
    assert_eq!(who["records"][0]["signer"], bob.peer());
    assert_eq!(who["records"][0]["addresses"][0], address.as_str());

    let stat = bob.object(&["dht", "stat"]);
    assert_eq!(stat["mode"], "server");
    assert_eq!(stat["position"].as_str().unwrap().len(), 64);
    for number in [
        "nodes",
        "size_estimate",
        "difficulty",
        "siblings",
        "records",
        "record_bytes",
        "searches",
        "connections",
        "remembered",
    ] {
        assert!(stat[number].is_u64(), "{number} in {stat}");
    }
    let published = stat["published"].as_array().unwrap();
    assert!(published.iter().any(|own| own["kind"] == "service"));
    assert!(published.iter().all(|own| own["stored"].as_u64() > Some(0)));
    let status = bob.object(&["status"]);
    assert_eq!(status["dht"]["mode"], "server");
    assert_eq!(status["dht"]["position"], stat["position"]);
}

#[test]
fn what_is_not_there_or_makes_no_sense_is_said() {
    let bootstrap = Node::bootstrap();
    let alice = Node::start("Alice", &["--bootstrap", bootstrap.addr()]);
    let nobody = Side::new("Nobody").peer;
    let ended = run(&mut alice.verb(&["dht", "get", &nobody]));
    assert_eq!(ended.code, Some(3), "{ended:?}");
    assert!(ended.err.contains("never published"), "{ended:?}");
    for (args, word) in [
        (&["dht", "find", "Bob"][..], "PeerId"),
        (&["dht", "get", "4", "--kind", "relay"], "from 0 to 3"),
        (&["dht", "put", "--name", "x"], "--kind service"),
        (&["dht", "dance"], "dance"),
        (&["dht"], "--help"),
    ] {
        let ended = run(&mut alice.verb(args));
        assert_eq!(ended.code, Some(2), "{args:?}: {ended:?}");
        assert!(ended.err.contains(word), "{args:?}: {ended:?}");
    }
}

#[test]
fn a_bootstrap_that_is_no_address_is_refused_where_it_was_set() {
    let side = Side::new("Alice");
    for (addr, word) in [
        ("nowhere", "not an address"),
        ("/ip4/0.0.0.0/udp/4001/quic-v1", "no single node"),
        ("/ip4/192.0.2.1/tcp/4001", "not a DChat address"),
    ] {
        let ended = run(&mut side.verb(&["daemon", "--bootstrap", addr]));
        assert_eq!(ended.code, Some(2), "{ended:?}");
        let told = ended.err.contains("--bootstrap") && ended.err.contains(word);
        assert!(told, "{ended:?}");
        let mut by_variable = side.verb(&["daemon"]);
        let ended = run(by_variable.env("DCHAT_BOOTSTRAP", addr));
        assert!(ended.err.contains("DCHAT_BOOTSTRAP"), "{ended:?}");
    }
}

#[test]
fn a_dead_bootstrap_is_said_and_tried_until_it_is_there() {
    let mut bootstrap = Node::bootstrap();
    bootstrap.kill();
    let known = ["--bootstrap", bootstrap.addr()].map(str::to_owned);
    let known = known.each_ref().map(String::as_str);
    let mut alice = Node::start("Alice", &known);
    let mut bob = Node::start("Bob", &known);
    let told = alice
        .daemon()
        .wait_for("error", |event| event["code"] == "dht_alone");
    assert!(told["message"].as_str().unwrap().contains("--bootstrap"));
    add(&alice, &bob, "Bob");
    add(&bob, &alice, "Alice");
    let queued = run(&mut alice.verb(&["send", "Bob", "patience", "--timeout", "0"]));
    assert_eq!(queued.code, Some(6), "{queued:?}");
    let ended = run(&mut alice.verb(&["dht", "find", bob.peer()]));
    assert_eq!(ended.code, Some(3), "{ended:?}");
    assert!(ended.err.contains("no bootstrap node answers"), "{ended:?}");

    bootstrap.restart(&["--role", "bootstrap"]);
    let message = bob
        .daemon()
        .wait_at_most(Duration::from_secs(180), "message", |_| true);
    assert_eq!(message.unwrap()["text"], "patience");
}

#[test]
fn a_node_without_the_table_takes_no_part_and_says_so() {
    let bootstrap = Node::bootstrap();
    let alice = Node::start("Alice", &["--no-dht", "--bootstrap", bootstrap.addr()]);
    let refused = |ended: Ended| {
        assert_eq!(ended.code, Some(4), "{ended:?}");
        assert!(ended.err.contains("--no-dht"), "{ended:?}");
    };
    refused(run(&mut alice.verb(&["dht", "find", alice.peer()])));
    refused(run(&mut alice.verb(&["dht", "put"])));
    assert_eq!(alice.object(&["status"])["dht"]["mode"], "off");
    let ended =
        run(dchat(alice.side.home.path()).args(["daemon", "--no-dht", "--role", "bootstrap"]));
    assert_eq!(ended.code, Some(2), "{ended:?}");
    let off = Side::new("Offline");
    let stat = object(&mut off.verb(&["dht", "stat", "--json"]));
    assert_eq!(stat["mode"], "off");
}
