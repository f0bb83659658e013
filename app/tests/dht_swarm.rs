//! A real network of many nodes on the loopback interface, each the real binary with its own home,
//! of which half is killed by `kill -9` at once.
//!
//! `DCHAT_DHT_NODES=200 cargo test -p dchat --test dht_swarm -- --nocapture` runs a large one and
//! prints what it measured.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failed expectation is a failed test"
)]
#![allow(clippy::print_stderr, reason = "what was measured is a result")]

mod support;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use dchat::api::{DhtRecords, DhtStat, RecordKind, Reply, Request};
use dchat::control::{CallError, Client};
use support::command::{dchat, output};
use support::daemon::Daemon;
use support::home::Home;
use support::talk::runtime;
use tokio::task::JoinSet;

/// Nodes, unless `DCHAT_DHT_NODES` says otherwise.
const NODES: usize = 40;
/// Nodes of which all others know the addresses at the start.
const BOOTSTRAP: usize = 3;
/// Pairs of survivors that look for each other.
const PAIRS: usize = 200;
/// Nodes started and lookups made at a time: the machine has few cores for many processes.
const AT_ONCE: usize = 4;
/// Longest time for a network to form on a loaded machine.
const FORMING: Duration = Duration::from_secs(300);

struct Node {
    home: Home,
    daemon: Daemon,
    peer: String,
    addr: String,
}

impl Node {
    fn start(args: &[String]) -> Self {
        let home = Home::new();
        let mut command = dchat(home.path());
        command.args(["daemon", "--json", "--no-mdns", "--listen"]);
        command.arg("/ip4/127.0.0.1/udp/0/quic-v1").args(args);
        let mut daemon = Daemon::spawn(home.path(), &mut command);
        let listening = daemon.wait_for("listening", |_| true);
        let named = listening["addr"].as_str().unwrap();
        let (addr, peer) = named.split_once("/p2p/").unwrap();
        Self {
            home,
            daemon,
            peer: peer.to_owned(),
            addr: addr.to_owned(),
        }
    }

    fn path(&self) -> PathBuf {
        self.home.path().to_owned()
    }
}

/// A generator for choices that repeat (xorshift64*).
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let mixed = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33;
        usize::try_from(mixed).unwrap() % bound
    }
}

#[test]
fn when_half_of_a_network_is_killed_the_others_find_each_other_and_records_stay() {
    let count = std::env::var("DCHAT_DHT_NODES").map_or(NODES, |set| set.parse().unwrap());
    let runtime = runtime();
    let began = Instant::now();
    let mut nodes = network(count);
    runtime.block_on(until_published(&nodes));
    eprintln!("{count} nodes, all published after {:?}", began.elapsed());
    let before = runtime.block_on(look_for(&pairs(&nodes, &nodes, PAIRS / 4)));
    report("before", &before);

    // Two of the three that everybody began with are among them.
    let mut dice = Dice(count as u64);
    let mut dead: Vec<Node> = nodes.drain(..BOOTSTRAP - 1).collect();
    while dead.len() < count / 2 {
        let chosen = dice.below(nodes.len());
        dead.push(nodes.swap_remove(chosen));
    }
    for node in &mut dead {
        node.daemon.kill();
    }
    let killed = Instant::now();
    let after = runtime.block_on(search("each other", &pairs(&nodes, &nodes, PAIRS)));
    let records = runtime.block_on(search("the dead", &pairs(&nodes, &dead, dead.len())));
    eprintln!("all that within {:?} of the death", killed.elapsed());

    // And what it is all for: people who knew nothing of each other talk.
    let (one, other) = (&nodes[0], &nodes[nodes.len() - 1]);
    for (who, whom) in [(one, other), (other, one)] {
        output(dchat(who.home.path()).args(["add", &whom.peer]));
    }
    let send = ["send", &other.peer, "we are left", "--timeout", "60"];
    output(dchat(one.home.path()).args(send));

    for (what, results) in [("before", before), ("after", after), ("dead", records)] {
        let lost: Vec<&Lookup> = results.iter().filter(|one| !one.found).collect();
        assert!(lost.is_empty(), "{what}: {lost:#?}");
    }
}

fn network(count: usize) -> Vec<Node> {
    let role = ["--role", "bootstrap"].map(str::to_owned);
    let mut nodes = Vec::new();
    let mut known: Vec<String> = Vec::new();
    for _ in 0..BOOTSTRAP {
        let node = Node::start(&[&role[..], &known].concat());
        known.extend(["--bootstrap".to_owned(), node.addr.clone()]);
        nodes.push(node);
    }
    std::thread::scope(|scope| {
        let each = |share: usize| (BOOTSTRAP + share..count).step_by(AT_ONCE);
        let known = &known;
        let threads: Vec<_> = (0..AT_ONCE)
            .map(|share| scope.spawn(move || each(share).map(|_| Node::start(known)).collect()))
            .collect();
        for thread in threads {
            nodes.extend::<Vec<Node>>(thread.join().unwrap());
        }
    });
    nodes
}

/// Waits until every node has stored its address record and serves.
async fn until_published(nodes: &[Node]) {
    let deadline = Instant::now() + FORMING;
    for node in nodes {
        let mut client = Client::connect(node.home.path()).await.unwrap().unwrap();
        loop {
            let stat = stat(&mut client).await;
            let put = stat.published.iter();
            if put.clone().any(|own| own.kind == RecordKind::Address) {
                break;
            }
            assert!(Instant::now() < deadline, "{stat:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

async fn stat(client: &mut Client) -> DhtStat {
    match client.call(&Request::DhtStat).await {
        Ok(Reply::DhtStat(stat)) => *stat,
        other => panic!("{other:?}"),
    }
}

/// Who looks for whom, and where it should be found.
type Pair = (PathBuf, String, String);

/// Pairs of different nodes: all of `whom` in turn, looked for by nodes of `who` chosen by chance.
fn pairs(who: &[Node], whom: &[Node], count: usize) -> Vec<Pair> {
    let mut dice = Dice(7);
    (0..count)
        .map(|number| {
            let sought = &whom[number % whom.len()];
            let seeker = loop {
                let seeker = &who[dice.below(who.len())];
                if seeker.peer != sought.peer {
                    break seeker;
                }
            };
            (seeker.path(), sought.peer.clone(), sought.addr.clone())
        })
        .collect()
}

/// One lookup and what came of it.
#[derive(Debug)]
struct Lookup {
    pair: Pair,
    found: bool,
    took: Duration,
    calls: u64,
    hops: u64,
    #[allow(dead_code, reason = "shown when it fails")]
    answer: String,
}

/// Looks for all, and once more for those whose lookup ran out of time: half of what everybody
/// knows is dead, and the machine has few cores. What is lost is lost twice.
async fn search(whom: &str, pairs: &[Pair]) -> Vec<Lookup> {
    let mut results = look_for(pairs).await;
    report(&format!("survivors look for {whom}"), &results);
    let again: Vec<Pair> = results
        .extract_if(.., |one| !one.found)
        .map(|one| one.pair)
        .collect();
    if !again.is_empty() {
        let more = look_for(&again).await;
        report("  once more for the others", &more);
        results.extend(more);
    }
    results
}

async fn look_for(pairs: &[Pair]) -> Vec<Lookup> {
    let (mut results, mut running) = (Vec::new(), JoinSet::new());
    for pair in pairs {
        while running.len() >= AT_ONCE {
            results.push(running.join_next().await.unwrap().unwrap());
        }
        let (home, peer, addr) = pair.clone();
        running.spawn(async move { look((home, peer, addr)).await });
    }
    while let Some(done) = running.join_next().await {
        results.push(done.unwrap());
    }
    results
}

async fn look(pair: Pair) -> Lookup {
    let (home, peer, addr) = &pair;
    let mut client = Client::connect(home).await.unwrap().unwrap();
    let request = Request::DhtGet {
        target: peer.clone(),
        kind: RecordKind::Address,
    };
    let began = Instant::now();
    let answer = client.call(&request).await;
    let took = began.elapsed();
    let there = format!("{addr}/p2p/{peer}");
    let leads_there = |got: &DhtRecords| {
        let mut records = got.records.iter();
        records.any(|one| one.signer == *peer && one.addresses.contains(&there))
    };
    let shown = format!("{answer:?}");
    match answer {
        Ok(Reply::DhtRecords(got)) => Lookup {
            pair: pair.clone(),
            found: leads_there(&got),
            took,
            calls: got.effort.calls,
            hops: got.effort.hops,
            answer: shown,
        },
        Ok(_) | Err(CallError::Refused(_)) => Lookup {
            pair: pair.clone(),
            found: false,
            took,
            calls: 0,
            hops: 0,
            answer: shown,
        },
        Err(error) => panic!("{error}"),
    }
}

fn report(what: &str, results: &[Lookup]) {
    let found = results.iter().filter(|one| one.found).count();
    let mut times: Vec<Duration> = results.iter().map(|one| one.took).collect();
    times.sort_unstable();
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
    let mean =
        |of: fn(&Lookup) -> u64| results.iter().map(of).sum::<u64>() as f64 / results.len() as f64;
    eprintln!(
        "{what}: {found} of {} found, p50 {:?}, p95 {:?}, longest {:?}, {:.1} questions and {:.1} hops in the mean",
        results.len(),
        at(0.5),
        at(0.95),
        at(1.0),
        mean(|one| one.calls),
        mean(|one| one.hops),
    );
}
