//! One-to-one chat between two nodes in this process, durable on both sides: real sockets on the
//! loopback interface, real databases.
//!
//! `cargo bench -p dchat --bench chat` prints the table of `spec/measurements/chat.md`.
#![allow(clippy::print_stdout, reason = "the table is the result")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a bench that fails is not a result"
)]

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use dchat::Peer;
use dchat::api::{Event, MessageState};
use dchat::seam::PeerConfig;
use tokio::sync::Semaphore;

/// Messages of the sustained run.
const SUSTAINED: usize = 20_000;
/// Calls to `send` under way at once.
const SENDERS: usize = 256;
/// Messages a second of the paced run, and its length.
const PACE: u32 = 500;
const PACED: u32 = 5_000;
/// Restarts for the time until a contact is online.
const RESTARTS: usize = 15;

fn main() {
    // Called by `cargo test --benches` too: then one look that it runs is enough.
    let quick = !std::env::args().any(|argument| argument == "--bench");
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(run(quick));
}

async fn run(quick: bool) {
    let dir = tempfile::tempdir().unwrap();
    let (alice, bob) = (
        start(dir.path(), "Alice").await,
        start(dir.path(), "Bob").await,
    );
    let invite = alice.invite().await.unwrap();
    bob.connect(&invite, None).await.unwrap();
    let hello = bob.send("Alice", "hello").await.unwrap();
    let patience = Duration::from_secs(10);
    let hello = bob
        .wait_for(&hello.id, MessageState::Delivered, patience)
        .await
        .unwrap();
    assert_eq!(hello.state, MessageState::Delivered);

    sustained(&bob, if quick { 500 } else { SUSTAINED }).await;
    paced(&bob, if quick { 50 } else { PACED }).await;
    bob.close().await;
    restarts(dir.path(), &alice, if quick { 1 } else { RESTARTS }).await;
    alice.close().await;
}

async fn start(dir: &Path, name: &str) -> Peer {
    let listen = vec!["/ip4/127.0.0.1/udp/0/quic-v1".parse().unwrap()];
    let config = PeerConfig {
        name: Some(name.to_owned()),
        mdns: false,
        listen,
        ..PeerConfig::new(dir.join(name))
    };
    Peer::open(config).await.unwrap()
}

async fn sustained(from: &Peer, count: usize) {
    let mut events = from.events();
    let began = Instant::now();
    let places = Arc::new(Semaphore::new(SENDERS));
    let sender = from.clone();
    let sending = tokio::spawn(async move {
        for number in 0..count {
            let place = places.clone().acquire_owned().await.unwrap();
            let sender = sender.clone();
            tokio::spawn(async move {
                let text = format!("message number {number}, as long as people write them");
                sender.send("Alice", &text).await.unwrap();
                drop(place);
            });
        }
    });
    let mut delivered = 0;
    while delivered < count {
        match events.next().await.unwrap() {
            Event::MessageState {
                state: MessageState::Delivered,
                ..
            } => delivered += 1,
            Event::Missed { .. } => {
                delivered = count - usize::try_from(from.status().await.unwrap().queued).unwrap();
            }
            _ => {}
        }
    }
    sending.await.unwrap();
    let seconds = began.elapsed().as_secs_f64();
    println!(
        "sustained, {count} messages: {:.0} messages/s",
        count as f64 / seconds
    );
}

async fn paced(from: &Peer, count: u32) {
    let mut tick = tokio::time::interval(Duration::from_secs(1) / PACE);
    let mut runs = Vec::new();
    for _ in 0..count {
        tick.tick().await;
        let from = from.clone();
        runs.push(tokio::spawn(async move {
            let began = Instant::now();
            let sent = from
                .send("Alice", "how long does this take?")
                .await
                .unwrap();
            let patience = Duration::from_secs(10);
            let state = from
                .wait_for(&sent.id, MessageState::Delivered, patience)
                .await
                .unwrap();
            assert_eq!(state.state, MessageState::Delivered);
            began.elapsed()
        }));
    }
    let mut times = Vec::new();
    for run in runs {
        times.push(run.await.unwrap());
    }
    times.sort_unstable();
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
    println!(
        "at {PACE} messages/s, written until durable there and known here: median {:.1?}, p99 {:.1?}",
        at(0.5),
        at(0.99)
    );
}

async fn restarts(dir: &Path, alice: &Peer, count: usize) {
    let mut times = Vec::new();
    for _ in 0..count {
        let mut events = alice.events();
        let began = Instant::now();
        let bob = start(dir, "Bob").await;
        while !matches!(events.next().await.unwrap(), Event::PeerConnected { .. }) {}
        times.push(began.elapsed());
        bob.close().await;
        while !matches!(events.next().await.unwrap(), Event::PeerDisconnected { .. }) {}
    }
    times.sort_unstable();
    let (median, worst) = (times[times.len() / 2], times[times.len() - 1]);
    println!("from start until the contact is connected: median {median:.1?}, worst {worst:.1?}");
}
