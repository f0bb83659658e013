//! Ten real nodes of each project on bare loopback: what it takes to tell nine others.
//!
//! `cargo run --release --manifest-path spec/comparison/Cargo.toml --bin gossip-nodes`. Each network is
//! a process of its own with two threads, and they take turns. All nodes are connected with all, and
//! write messages of [`BODY`] bytes in turn.
//!
//! - **latency**: one message at a time, 5 ms after the one before has come to everybody: from the call
//!   that writes it to when the last of the nine others tells its application.
//! - **copies**: how often a message comes to each of the nine; of `dchat` how often it is shown, as
//!   the product does not tell the other.
//! - **rate**: messages a second while [`FLIGHT`] are under way, until all have come to everybody.
//! - **processor**: of the whole process, while the rate is measured, for one message at one of the
//!   nine.
//!
//! The networks:
//!
//! - `dchat`: `dchat::Peer`, the whole product: a room, items sealed and signed, databases on disk in
//!   the directory for temporary files; a message is written when it is in the author's database and
//!   has come when it is in the receiver's.
//! - `dchat-memory`: `dchat_gossip::Node` over `dchat_transport`, items signed and checked, nothing
//!   stored; what the next three do.
//! - `gossipsub-signed` and `gossipsub`: libp2p's over QUIC, with its strict signatures and with none.
//! - `iroh-gossip`: over iroh's endpoints, without signatures, which it has none of.

mod dchat;
mod gossipsub;
mod iroh;
mod measure;
mod memory;

use std::error::Error;
use std::process::Command;
use std::time::Duration;

use measure::{Figures, Network, median};

/// Bytes of a message.
const BODY: usize = 256;
const NODES: usize = 10;
/// Until neighbours are those that stay: DChat lets go of those too many after 15 s.
const SETTLING: Duration = Duration::from_secs(20);
/// Messages one at a time, and before what is measured.
const SINGLE: u64 = 300;
const WARM_UP: u64 = 100;
/// Messages as many as go.
const MANY: u64 = 2000;
/// Messages under way.
const FLIGHT: usize = 100;
const ROUNDS: usize = 3;

type Fallible<T> = Result<T, Box<dyn Error + Send + Sync>>;

const NETWORKS: [&str; 5] = [
    "dchat",
    "dchat-memory",
    "gossipsub",
    "gossipsub-signed",
    "iroh-gossip",
];

fn main() -> Fallible<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["--alone", network] => alone(network),
        [] => rounds(&NETWORKS),
        _ => rounds(&arguments),
    }
}

fn rounds(networks: &[&str]) -> Fallible<()> {
    let mut measured: Vec<Vec<Figures>> = vec![Vec::new(); networks.len()];
    for _ in 0..ROUNDS {
        for (figures, network) in measured.iter_mut().zip(networks) {
            let ended = Command::new(std::env::current_exe()?)
                .args(["--alone", network])
                .output()?;
            if ended.status.success() {
                figures.push(Figures::parse(&String::from_utf8_lossy(&ended.stdout))?);
            } else {
                // A round in which a message came to somebody too late counts for nothing but this.
                eprintln!("{network}: {}", String::from_utf8_lossy(&ended.stderr));
            }
        }
    }
    println!("| | rounds | median, ms | p95, ms | copies | a second | processor, µs |");
    println!("|---|---|---|---|---|---|---|");
    for (figures, network) in measured.iter().zip(networks) {
        if figures.is_empty() {
            return Err(format!("no round of {network} came to its end").into());
        }
        let of = |what: fn(&Figures) -> f64| median(figures.iter().map(what).collect());
        println!(
            "| {network} | {} | {:.2} | {:.2} | {:.2} | {:.0} | {:.0} |",
            figures.len(),
            of(|figures| figures.median),
            of(|figures| figures.p95),
            of(|figures| figures.copies),
            of(|figures| figures.rate),
            of(|figures| figures.processor),
        );
    }
    Ok(())
}

fn alone(network: &str) -> Fallible<()> {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.worker_threads(2).enable_all().build()?;
    let figures = runtime.block_on(async {
        let network: Network = match network {
            "dchat" => dchat::start().await?,
            "dchat-memory" => memory::start().await?,
            "gossipsub" => gossipsub::start(false).await?,
            "gossipsub-signed" => gossipsub::start(true).await?,
            "iroh-gossip" => iroh::start().await?,
            other => return Err(format!("no network is called {other}").into()),
        };
        measure::measure(network).await
    });
    println!("{}", figures?);
    // Nodes are not waited for.
    std::process::exit(0);
}
