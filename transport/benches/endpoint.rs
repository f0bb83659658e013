//! What an endpoint costs beside plain quinn: `cargo bench -p dchat-transport --bench endpoint`.
//!
//! * Handshake: from the dial until both sides have proven their keys, with X25519MLKEM768 on both
//!   and Ed25519 certificates. Ours ends when HELLO has come as well. One pair after the other in
//!   one process, the order alternating; the figures are the medians and the median of the ratios.
//! * Memory: growth of the accepting process's resident set by 1,000 idle connections, divided by
//!   them. The dialing peers are in a process of their own, the same for both.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a measurement that cannot go on stops, and prints what it found"
)]

#[path = "../tests/common/mod.rs"]
mod common;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use common::{Node, config, raw, start};
use dchat_transport::Limits;
use dchat_wire::close::Code;
use dchat_wire::sign::Identity;

/// Pairs of handshakes after the warm-up.
const HANDSHAKES: usize = 300;
const WARM_UP: usize = 20;
/// Pairs of memory measurements.
const MEMORY_PAIRS: usize = 5;
const CONNECTIONS: usize = 1000;
/// Until buffers of the handshakes are given back and delayed acknowledgements are out.
const SETTLE: Duration = Duration::from_secs(3);
const ROLE: &str = "DCHAT_BENCH_ROLE";

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    match std::env::var(ROLE).ok().as_deref() {
        None => {
            runtime.block_on(handshakes());
            memory();
        }
        Some("ours") => println!("{}", runtime.block_on(resident_ours())),
        Some("plain") => println!("{}", runtime.block_on(resident_plain())),
        Some(dialers) => runtime.block_on(dial_many(dialers)),
    }
}

fn roomy() -> Limits {
    Limits {
        connections: 4096,
        strangers: 4096,
        connections_per_network: 4096,
        handshakes: 4096,
        handshakes_per_network: 4096,
        retry_from: 4096,
        ..Limits::default()
    }
}

fn roomy_node(seed: u8) -> Node {
    let mut config = config(seed);
    config.limits = roomy();
    start(config)
}

fn median<T: PartialOrd + Copy>(values: &mut [T]) -> T {
    values.sort_by(|a, b| a.partial_cmp(b).unwrap());
    values[values.len() / 2]
}

async fn handshakes() {
    let (dialer, mut accepter) = (roomy_node(1), roomy_node(2));
    let server = raw::server(raw::ed25519(), b"dchat/1");
    let client = raw::client(Some(raw::ed25519()), b"dchat/1");
    let target = server.local_addr().unwrap();
    let (mut ours, mut plain, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..WARM_UP + HANDSHAKES {
        let (mine, its) = if round % 2 == 0 {
            let mine = handshake_ours(&dialer, &mut accepter).await;
            (mine, handshake_plain(&client, &server, target).await)
        } else {
            let its = handshake_plain(&client, &server, target).await;
            (handshake_ours(&dialer, &mut accepter).await, its)
        };
        if round >= WARM_UP {
            ours.push(mine);
            plain.push(its);
            ratios.push(mine / its);
        }
    }
    println!(
        "handshake: ours {:.0} us, plain quinn {:.0} us, ratio {:.3} ({HANDSHAKES} pairs)",
        median(&mut ours),
        median(&mut plain),
        median(&mut ratios),
    );
}

async fn handshake_ours(dialer: &Node, accepter: &mut Node) -> f64 {
    let began = Instant::now();
    let target = [accepter.address()];
    let dialed = dialer.endpoint.connect(Some(accepter.peer()), &target);
    let connection = dialed.await.unwrap();
    let took = began.elapsed();
    let accepted = accepter.connected().await;
    connection.close(Code::Done);
    accepted.closed().await;
    while !accepter.endpoint.connections().is_empty() || !dialer.endpoint.connections().is_empty() {
        tokio::task::yield_now().await;
    }
    took.as_secs_f64() * 1e6
}

async fn handshake_plain(
    client: &quinn::Endpoint,
    server: &quinn::Endpoint,
    target: SocketAddr,
) -> f64 {
    let began = Instant::now();
    let dial = async { client.connect(target, "x.invalid").unwrap().await.unwrap() };
    let accept = async { server.accept().await.unwrap().await.unwrap() };
    let (dialed, accepted) = tokio::join!(dial, accept);
    let took = began.elapsed();
    dialed.close(0u32.into(), b"");
    accepted.closed().await;
    took.as_secs_f64() * 1e6
}

fn memory() {
    let (mut ours, mut plain, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..MEMORY_PAIRS {
        let (mine, its) = (measured("ours"), measured("plain"));
        ours.push(mine);
        plain.push(its);
        ratios.push(mine / its);
    }
    println!(
        "memory: ours {:.1} KiB, plain quinn {:.1} KiB an idle connection, ratio {:.3} \
         ({MEMORY_PAIRS} pairs, {CONNECTIONS} connections)",
        median(&mut ours),
        median(&mut plain),
        median(&mut ratios),
    );
}

fn myself(role: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.env(ROLE, role).stdout(Stdio::piped());
    command
}

fn measured(role: &str) -> f64 {
    let output = myself(role).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.trim().parse().expect("a figure")
}

/// Resident memory of this process in KiB.
fn resident() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let figure = line.and_then(|line| line.split_whitespace().nth(1));
    figure.unwrap().parse().unwrap()
}

/// KiB a connection once `dialers` have connected to `addr` and `count` sees them all.
async fn growth(dialers: &str, addr: SocketAddr, mut count: impl FnMut() -> usize) -> f64 {
    let before = resident();
    let mut child = myself(&format!("{dialers}@{addr}"))
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let mut ready = String::new();
    let out = child.stdout.take().unwrap();
    let ready = tokio::task::spawn_blocking(move || {
        BufReader::new(out).read_line(&mut ready).unwrap();
    });
    ready.await.unwrap();
    while count() < CONNECTIONS {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    tokio::time::sleep(SETTLE).await;
    let after = resident();
    drop(child.stdin.take());
    child.wait().unwrap();
    (after - before) / CONNECTIONS as f64
}

async fn resident_ours() -> f64 {
    let mut node = roomy_node(1);
    let endpoint = node.endpoint.clone();
    let reading = tokio::spawn(async move { while node.events.next().await.is_some() {} });
    let addr = endpoint.listen_addrs()[0].socket();
    let grown = growth("greeting", addr, || endpoint.connections().len()).await;
    reading.abort();
    grown
}

async fn resident_plain() -> f64 {
    let server = raw::server(raw::ed25519(), b"dchat/1");
    let addr = server.local_addr().unwrap();
    let held = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let keeping = std::sync::Arc::clone(&held);
    tokio::spawn(async move {
        while let Some(incoming) = server.accept().await {
            let keeping = std::sync::Arc::clone(&keeping);
            tokio::spawn(async move {
                let connection = incoming.await.unwrap();
                keeping.lock().unwrap().push(connection);
            });
        }
    });
    growth("silent", addr, || held.lock().unwrap().len()).await
}

/// Connects under as many identities as there shall be connections, and holds them until the other
/// process closes our input.
async fn dial_many(role: &str) {
    let (role, addr) = role.split_once('@').unwrap();
    let addr: SocketAddr = addr.parse().unwrap();
    let mut held = Vec::new();
    let mut endpoint = raw::client(Some(raw::ed25519()), b"dchat/1");
    for n in 0..CONNECTIONS {
        let mut seed = [9; 32];
        seed[..8].copy_from_slice(&n.to_le_bytes());
        let chain = raw::chain_of(&Identity::from_seed(&seed));
        endpoint.set_default_client_config(raw::client_config(chain, b"dchat/1"));
        let connection = endpoint.connect(addr, "x.invalid").unwrap().await.unwrap();
        let control = if role == "greeting" {
            Some(raw::control(&connection, &raw::hello().to_bytes()).await)
        } else {
            None
        };
        held.push((connection, control));
    }
    println!("ready");
    std::io::stdout().flush().unwrap();
    let closed = tokio::task::spawn_blocking(|| std::io::stdin().read(&mut [0]));
    closed.await.unwrap().unwrap();
}
