//! What the DHT costs on real sockets: `cargo bench -p dchat-transport --bench dht`.
//!
//! * Acquaintance: IP packets and bytes on the loopback interface while a node that knows nobody dials
//!   another, asks it two small questions and is pulsed by it once. Only a network namespace of one's
//!   own has nothing else on it: `unshare -rn sh -c 'ip link set lo up; cargo bench …'`.
//! * Bytes: UDP payload of both directions as the asking side counts it, for an ordinary dial until
//!   everything that follows the handshake has settled, for a question and its answer on the
//!   connection then, and for keeping it a minute.
//! * Lookups: 50 nodes in one process on loopback, each known to the others through one of them;
//!   lookups of random positions one after the other from nodes in turn. Time is the median, and the
//!   processor's is the process's own divided by the lookups, so both ends of each question count.
//! * Memory: the growth of the resident set by these nodes, divided by them, before the lookups and
//!   after.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a measurement that cannot go on stops, and prints what it found"
)]

#[path = "../tests/common/mod.rs"]
mod common;

use std::time::{Duration, Instant};

use common::{Node, config, start, until};
use dchat_kademlia::Key;
use dchat_transport::dht::{Dht, DhtConfig, Serve};
use dchat_transport::{Connection, Limits};
use dchat_wire::dht::{DhtFind, DhtGet};
use dchat_wire::{Address, Frame, FrameReader};

const NODES: u8 = 50;
const LOOKUPS: u32 = 1_000;
const WARM_UP: u32 = 100;
/// Until acknowledgements and path probes are over.
const SETTLE: Duration = Duration::from_secs(3);
/// Clock ticks a second of `/proc/self/stat`, as on every Linux.
const TICKS: f64 = 100.0;

struct Member {
    node: Node,
    dht: Dht,
}

fn member(seed: u8, bootstrap: &[Address]) -> Member {
    let mut config = config(seed);
    config.limits = Limits {
        connections_per_network: 4096,
        handshakes_per_network: 4096,
        retry_from: 4096,
        ..Limits::default()
    };
    config.dht = Some(DhtConfig {
        bootstrap: bootstrap.to_vec(),
        serve: Serve::Always,
        ..DhtConfig::default()
    });
    let node = start(config);
    let dht = node.endpoint.dht().unwrap();
    Member { node, dht }
}

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        acquaintance().await;
        let empty = resident();
        let members = network().await;
        let nodes = f64::from(NODES);
        println!(
            "memory: {:.2} MB a node once all know each other",
            (resident() - empty) / nodes
        );
        lookups(&members).await;
        println!(
            "memory: {:.2} MB a node after the lookups",
            (resident() - empty) / nodes
        );
        let connections: usize = members.iter().map(|m| m.dht.stat().connections).sum();
        println!("connections: {:.1} a node", connections as f64 / nodes);
        bytes(&members).await;
    });
}

async fn acquaintance() {
    let (asker, asked) = (member(201, &[]), member(202, &[]));
    let before = loopback();
    asker.dht.seed(&[asked.node.address()]);
    until(|| asked.dht.stat().contacts == 1).await;
    tokio::time::sleep(SETTLE).await;
    let after = loopback();
    println!(
        "acquaintance: {} packets, {} bytes with IP headers; {:?}",
        after.1 - before.1,
        after.0 - before.0,
        asker.dht.stat().counts,
    );
}

/// Bytes and packets that the loopback interface has received.
fn loopback() -> (u64, u64) {
    let text = std::fs::read_to_string("/proc/net/dev").unwrap();
    let line = text
        .lines()
        .find_map(|line| line.trim().strip_prefix("lo:"));
    let mut fields = line.unwrap().split_whitespace();
    let mut field = || fields.next().unwrap().parse().unwrap();
    (field(), field())
}

async fn network() -> Vec<Member> {
    let mut members = vec![member(1, &[])];
    let bootstrap = [members[0].node.address()];
    for seed in 2..=NODES {
        members.push(member(seed, &bootstrap));
    }
    for member in &members {
        until(|| member.dht.stat().contacts >= 20).await;
    }
    members
}

async fn lookups(members: &[Member]) {
    let mut times = Vec::new();
    let (mut calls, mut hops) = (0.0, 0.0);
    let mut began = (Instant::now(), processor());
    for number in 0..WARM_UP + LOOKUPS {
        if number == WARM_UP {
            began = (Instant::now(), processor());
        }
        let member = &members[number as usize % members.len()];
        let target = Key(*blake3::hash(&number.to_le_bytes()).as_bytes());
        let asked = Instant::now();
        let found = member.dht.find(target).await.unwrap();
        if number >= WARM_UP {
            times.push(asked.elapsed().as_secs_f64() * 1e3);
            calls += f64::from(found.effort.calls);
            hops += f64::from(found.effort.hops);
        }
    }
    let (wall, cpu) = (began.0.elapsed().as_secs_f64(), processor() - began.1);
    times.sort_by(f64::total_cmp);
    let lookups = f64::from(LOOKUPS);
    println!(
        "lookup: {:.2} ms median, {:.2} ms p95, {:.2} ms mean, {:.2} ms of processor, {:.1} calls, {:.1} hops",
        times[times.len() / 2],
        times[times.len() * 95 / 100],
        wall / lookups * 1e3,
        cpu / lookups * 1e3,
        calls / lookups,
        hops / lookups,
    );
}

async fn bytes(members: &[Member]) {
    let asker = member(200, &[]);
    let asked = &members[7];
    let peer = asked.node.peer();
    let address = [asked.node.address()];
    let connection = asker
        .node
        .endpoint
        .connect(Some(peer), &address)
        .await
        .unwrap();
    tokio::time::sleep(SETTLE).await;
    let mut last = (0, 0);
    show("handshake, HELLO and what follows", &connection, &mut last);
    for _ in 0..2 {
        ask(&connection, find()).await;
        show("find, 20 nodes", &connection, &mut last);
    }
    ask(&connection, get()).await;
    show("get, no record, 20 nodes", &connection, &mut last);
    tokio::time::sleep(Duration::from_secs(60)).await;
    show("a minute without a question", &connection, &mut last);
}

fn show(what: &str, connection: &Connection, last: &mut (u64, u64)) {
    let stats = connection.stats();
    let (tx, rx) = (stats.udp_tx.bytes, stats.udp_rx.bytes);
    println!(
        "bytes: {what}: {} out, {} in; mtu probes so far {}",
        tx - last.0,
        rx - last.1,
        stats.path.sent_plpmtud_probes,
    );
    *last = (tx, rx);
}

fn find() -> Frame {
    Frame::DhtFind(DhtFind {
        target: [7; 32],
        want: 20,
        known: Default::default(),
        server: None,
        extensions: Default::default(),
    })
}

fn get() -> Frame {
    Frame::DhtGet(DhtGet {
        key: [7; 32],
        want: 20,
        known: Default::default(),
        have: Default::default(),
        server: None,
        extensions: Default::default(),
    })
}

async fn ask(connection: &Connection, question: Frame) {
    let (mut send, mut recv) = connection.open_bi().await.unwrap();
    send.write_all(&question.to_bytes()).await.unwrap();
    send.finish().unwrap();
    let answer = recv.read_to_end(1 << 20).await.unwrap();
    let frame = FrameReader::new().read(&mut &answer[..]).unwrap();
    match frame {
        Some(Frame::DhtNodes(found)) => assert_eq!(found.nodes.len(), 20),
        Some(Frame::DhtValues(found)) => assert_eq!(found.nodes.len(), 20),
        other => panic!("{other:?}"),
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
}

/// Megabytes of this process in memory.
fn resident() -> f64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: f64 = text.split_whitespace().nth(1).unwrap().parse().unwrap();
    pages * 4096.0 / 1e6
}

/// Seconds of processor this process has taken.
fn processor() -> f64 {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap();
    let after_name = text.rsplit_once(')').unwrap().1;
    let fields: Vec<&str> = after_name.split_whitespace().collect();
    let ticks: f64 = [fields[11], fields[12]]
        .iter()
        .map(|field| field.parse::<f64>().unwrap())
        .sum();
    ticks / TICKS
}
