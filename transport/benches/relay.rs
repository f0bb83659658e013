//! What a relay costs: `cargo bench -p dchat-transport --bench relay`.
//!
//! * Throughput and round trip over a relay beside those of a direct connection, on loopback, in one
//!   run; the order alternates and the figures are medians. Both ends are in this process, the relay
//!   in one of its own.
//! * CPU per forwarded packet: what the relay's process used while it forwarded, user and system,
//!   divided by the datagrams it handed on.
//! * Memory per reservation: growth of the relay's resident set by a thousand clients with one each,
//!   in a process of their own.
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
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use common::{Node, chat_open, config, raw, start};
use dchat_transport::{Connection, EndpointConfig, Event, Limits, PathKind};
use dchat_wire::hello::role;
use dchat_wire::relay::RelayReserve;
use dchat_wire::sign::Identity;
use dchat_wire::{Address, Frame};

/// Bytes of one transfer.
const SIZE: usize = 256 << 20;
/// Rounds of transfers and of pings.
const ROUNDS: usize = 5;
const PINGS: usize = 500;
const RESERVATIONS: usize = 1000;
/// Until buffers of the handshakes are given back.
const SETTLE: Duration = Duration::from_secs(3);
/// Clock ticks of /proc per second, on every Linux.
const TICKS: f64 = 100.0;
const ROLE: &str = "DCHAT_BENCH_ROLE";

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    match std::env::var(ROLE).ok().as_deref() {
        None => {
            runtime.block_on(traffic());
            runtime.block_on(memory());
        }
        Some("relay") => runtime.block_on(relay()),
        Some(reserve) => runtime.block_on(reserve_many(reserve)),
    }
}

fn roomy() -> Limits {
    Limits {
        connections: 16_384,
        strangers: 16_384,
        connections_per_network: 16_384,
        handshakes: 4096,
        handshakes_per_network: 4096,
        retry_from: 4096,
        ..Limits::default()
    }
}

/// The relay's process: says where it is, then answers each line with its counters.
async fn relay() {
    let mut config = config(1);
    config.roles = role::RELAY;
    config.limits = roomy();
    let mut node = start(config);
    let endpoint = node.endpoint.clone();
    println!("{}", node.address().of(node.peer()));
    tokio::spawn(async move { while node.events.next().await.is_some() {} });
    let answering = tokio::task::spawn_blocking(move || {
        for line in std::io::stdin().lock().lines() {
            if line.is_err() {
                return;
            }
            let stats = endpoint.relay_stats().unwrap();
            println!(
                "{} {} {} {} {} {}",
                stats.packets,
                stats.bytes,
                stats.drops.total(),
                stats.reservations,
                cpu_seconds(),
                resident()
            );
            std::io::stdout().flush().unwrap();
        }
    });
    answering.await.unwrap();
}

/// User and system time of this process.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    // The name in brackets may hold spaces.
    let (_, fields) = stat.rsplit_once(')').unwrap();
    let ticks: f64 = fields
        .split_whitespace()
        .skip(11)
        .take(2)
        .map(|field| field.parse::<f64>().unwrap())
        .sum();
    ticks / TICKS
}

/// Resident memory of this process in KiB.
fn resident() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let figure = line.and_then(|line| line.split_whitespace().nth(1));
    figure.unwrap().parse().unwrap()
}

/// A relay in a process of its own.
struct RelayProcess {
    process: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    address: Address,
}

#[derive(Clone, Copy, Debug)]
struct Counters {
    packets: f64,
    bytes: f64,
    dropped: f64,
    reservations: f64,
    cpu_s: f64,
    resident_kib: f64,
}

impl RelayProcess {
    fn start() -> Self {
        let mut process = myself("relay").stdin(Stdio::piped()).spawn().unwrap();
        let input = process.stdin.take().unwrap();
        let mut output = BufReader::new(process.stdout.take().unwrap());
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        Self {
            process,
            input,
            output,
            address: line.trim().parse().unwrap(),
        }
    }

    fn counters(&mut self) -> Counters {
        writeln!(self.input).unwrap();
        self.input.flush().unwrap();
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        let figures: Vec<f64> = line
            .split_whitespace()
            .map(|figure| figure.parse().unwrap())
            .collect();
        let [packets, bytes, dropped, reservations, cpu_s, resident_kib] = figures[..] else {
            panic!("six figures");
        };
        Counters {
            packets,
            bytes,
            dropped,
            reservations,
            cpu_s,
            resident_kib,
        }
    }
}

impl Drop for RelayProcess {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn myself(role: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.env(ROLE, role).stdout(Stdio::piped());
    command
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn roomy_config(seed: u8) -> EndpointConfig {
    let mut config = config(seed);
    config.limits = roomy();
    config
}

/// Reads streams to their end and says how many bytes each had.
fn sink(mut node: Node) -> tokio::sync::mpsc::Receiver<usize> {
    let (done, ended) = tokio::sync::mpsc::channel(8);
    tokio::spawn(async move {
        // The block would take the events alone, and the endpoint would close.
        let _open = node.endpoint.clone();
        while let Some(event) = node.events.next().await {
            let Event::Stream { mut recv, .. } = event else {
                continue;
            };
            let mut total = 0;
            while let Some(chunk) = recv.read_chunk(1 << 20, true).await.unwrap() {
                total += chunk.bytes.len();
            }
            done.send(total).await.unwrap();
        }
    });
    ended
}

async fn transfer(connection: &Connection, ended: &mut tokio::sync::mpsc::Receiver<usize>) -> f64 {
    let began = Instant::now();
    let mut send = connection.open_uni().await.unwrap();
    send.write_all(&chat_open(1).to_bytes()).await.unwrap();
    let chunk = vec![7; 1 << 20];
    for _ in 0..SIZE >> 20 {
        send.write_all(&chunk).await.unwrap();
    }
    send.finish().unwrap();
    assert_eq!(ended.recv().await, Some(SIZE));
    SIZE as f64 / began.elapsed().as_secs_f64() / f64::from(1 << 20)
}

async fn round_trip_us(connection: &Connection) -> f64 {
    let mut all = Vec::with_capacity(PINGS);
    for _ in 0..PINGS {
        all.push(connection.ping().await.unwrap().as_secs_f64() * 1e6);
    }
    median(&mut all)
}

async fn traffic() {
    let mut relay = RelayProcess::start();
    let Address::Direct {
        socket,
        peer: Some(over),
    } = relay.address
    else {
        panic!("a direct address with a name");
    };
    let mut config_of_b = roomy_config(3);
    config_of_b.relays = vec![relay.address];
    let (a, b) = (start(roomy_config(2)), start(config_of_b));
    let (c, d) = (start(roomy_config(4)), start(roomy_config(5)));
    common::until(|| b.endpoint.relays().iter().any(|relay| relay.reserved)).await;
    let circuit = Address::Circuit {
        socket,
        relay: over,
        peer: Some(b.peer()),
    };
    let relayed = a
        .endpoint
        .connect(Some(b.peer()), &[circuit])
        .await
        .unwrap();
    let direct = c
        .endpoint
        .connect(Some(d.peer()), &[d.address()])
        .await
        .unwrap();
    let (mut at_b, mut at_d) = (sink(b), sink(d));
    // Window and MTU have grown after one.
    transfer(&relayed, &mut at_b).await;
    transfer(&direct, &mut at_d).await;
    let (mut over_relay, mut straight) = (Vec::new(), Vec::new());
    let (mut relay_rtts, mut rtts) = (Vec::new(), Vec::new());
    let (mut cpu, mut sizes, mut dropped) = (Vec::new(), Vec::new(), 0.0);
    for round in 0..ROUNDS {
        if round % 2 == 0 {
            straight.push(transfer(&direct, &mut at_d).await);
        }
        let before = relay.counters();
        over_relay.push(transfer(&relayed, &mut at_b).await);
        let after = relay.counters();
        let packets = after.packets - before.packets;
        cpu.push((after.cpu_s - before.cpu_s) / packets * 1e6);
        sizes.push((after.bytes - before.bytes) / packets);
        dropped += after.dropped - before.dropped;
        if round % 2 == 1 {
            straight.push(transfer(&direct, &mut at_d).await);
        }
        rtts.push(round_trip_us(&direct).await);
        relay_rtts.push(round_trip_us(&relayed).await);
    }
    assert_eq!(relayed.path().kind, PathKind::Relayed);
    let (relay_rate, rate) = (median(&mut over_relay), median(&mut straight));
    let (relay_rtt, rtt) = (median(&mut relay_rtts), median(&mut rtts));
    println!(
        "throughput: relayed {relay_rate:.1} MiB/s, direct {rate:.1} MiB/s, ratio {:.2} \
         ({ROUNDS} x {} MiB, {dropped} datagrams dropped at the relay)",
        relay_rate / rate,
        SIZE >> 20,
    );
    println!(
        "round trip: relayed {relay_rtt:.0} us, direct {rtt:.0} us, {:.0} us more",
        relay_rtt - rtt
    );
    println!(
        "relay: {:.2} us of CPU a datagram of {:.0} bytes on average",
        median(&mut cpu),
        median(&mut sizes)
    );
    drop((a, c));
}

async fn memory() {
    let mut relay = RelayProcess::start();
    let before = relay.counters();
    let mut clients = myself(&format!("reserve@{}", relay.address))
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let out = clients.stdout.take().unwrap();
    let ready = tokio::task::spawn_blocking(move || {
        let mut line = String::new();
        BufReader::new(out).read_line(&mut line).unwrap();
    });
    ready.await.unwrap();
    tokio::time::sleep(SETTLE).await;
    let after = relay.counters();
    drop(clients.stdin.take());
    clients.wait().unwrap();
    let held = after.reservations - before.reservations;
    let grown = after.resident_kib - before.resident_kib;
    println!(
        "memory: {:.1} KiB a reservation with its connection ({held} of them)",
        grown / held
    );
}

/// Reserves under as many identities as there shall be reservations, and holds them until the other
/// process closes our input.
async fn reserve_many(role: &str) {
    let (_, address) = role.split_once('@').unwrap();
    let relay: Address = address.parse().unwrap();
    let mut held = Vec::new();
    let mut endpoint = raw::client(Some(raw::ed25519()), b"dchat/1");
    for n in 0..RESERVATIONS {
        let mut seed = [9; 32];
        seed[..8].copy_from_slice(&n.to_le_bytes());
        let chain = raw::chain_of(&Identity::from_seed(&seed));
        endpoint.set_default_client_config(raw::client_config(chain, b"dchat/1"));
        let connecting = endpoint.connect(relay.socket(), "x.invalid").unwrap();
        let connection = connecting.await.unwrap();
        let control = raw::control(&connection, &raw::hello().to_bytes()).await;
        let (mut send, mut recv) = connection.open_bi().await.unwrap();
        let ask = Frame::RelayReserve(RelayReserve {
            lifetime_s: 3600,
            extensions: Default::default(),
        });
        send.write_all(&ask.to_bytes()).await.unwrap();
        send.finish().unwrap();
        assert!(!recv.read_to_end(16 * 1024).await.unwrap().is_empty());
        held.push((connection, control));
    }
    println!("ready");
    std::io::stdout().flush().unwrap();
    let closed = tokio::task::spawn_blocking(|| std::io::stdin().read(&mut [0]));
    closed.await.unwrap().unwrap();
}
