//! Fifty nodes of each of two projects on bare loopback: what a lookup costs.
//!
//! `cargo run --release --manifest-path spec/comparison/Cargo.toml --bin loopback`. Each network is a
//! process of its own with two threads, and the two take turns. In each all nodes know the first one
//! and have had [`SETTLING`] to meet; then nodes look in turn for the 20 nearest to random positions,
//! one lookup at a time. Latency is the median; the processor's time is that of the whole process by
//! lookups, so both ends of each question count; memory is what the process has more than before its
//! nodes, by nodes.

use std::collections::HashMap;
use std::error::Error;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::Command;
use std::time::{Duration, Instant};

use dchat_kademlia::Key;
use dchat_transport::dht::{Dht, DhtConfig, Serve};
use dchat_transport::{Endpoint, EndpointConfig, Events, Limits};
use dchat_wire::Address;
use dchat_wire::sign::Identity;
use futures_util::StreamExt as _;
use libp2p::swarm::{NetworkBehaviour, SwarmEvent};
use libp2p::{PeerId, StreamProtocol, Swarm, identify, kad};
use tokio::sync::{mpsc, oneshot};

const NODES: usize = 50;
const LOOKUPS: u32 = 500;
const WARM_UP: u32 = 100;
const ROUNDS: usize = 3;
/// Until every node has met those it wants to meet.
const SETTLING: Duration = Duration::from_secs(10);

type Fallible<T> = Result<T, Box<dyn Error>>;

fn main() -> Fallible<()> {
    match std::env::args().nth(1).as_deref() {
        Some("dchat") => alone(ours()),
        Some("libp2p") => alone(theirs()),
        _ => both(),
    }
}

fn both() -> Fallible<()> {
    println!("| | lookup, ms | processor a lookup, ms | memory a node, MB | found |");
    println!("|---|---|---|---|---|");
    for _ in 0..ROUNDS {
        for network in ["dchat", "libp2p"] {
            let ended = Command::new(std::env::current_exe()?)
                .arg(network)
                .output()?;
            if !ended.status.success() {
                return Err(String::from_utf8_lossy(&ended.stderr).into());
            }
            print!("{}", String::from_utf8_lossy(&ended.stdout));
        }
    }
    Ok(())
}

fn alone(network: impl Future<Output = Fallible<()>>) -> Fallible<()> {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    runtime
        .worker_threads(2)
        .enable_all()
        .build()?
        .block_on(network)
}

/// What is measured of one network.
struct Measure {
    name: &'static str,
    empty: f64,
    times: Vec<f64>,
    found: usize,
    began: f64,
}

impl Measure {
    fn new(name: &'static str) -> Fallible<Self> {
        Ok(Self {
            name,
            empty: resident()?,
            times: Vec::new(),
            found: 0,
            began: 0.0,
        })
    }

    fn took(&mut self, number: u32, asked: Instant, found: usize) -> Fallible<()> {
        if number + 1 == WARM_UP {
            self.began = processor()?;
        }
        if number >= WARM_UP {
            self.times.push(asked.elapsed().as_secs_f64() * 1e3);
            self.found += found;
        }
        Ok(())
    }

    fn print(mut self) -> Fallible<()> {
        let lookups = f64::from(LOOKUPS);
        self.times.sort_by(f64::total_cmp);
        println!(
            "| {} | {:.2} | {:.2} | {:.2} | {:.1} |",
            self.name,
            self.times[self.times.len() / 2],
            (processor()? - self.began) / lookups * 1e3,
            (resident()? - self.empty) / NODES as f64 / 1e6,
            self.found as f64 / lookups,
        );
        Ok(())
    }
}

async fn ours() -> Fallible<()> {
    let mut measure = Measure::new("DChat")?;
    let mut nodes: Vec<(Endpoint, Dht)> = Vec::new();
    let mut bootstrap: Vec<Address> = Vec::new();
    for number in 0..NODES {
        let seed = *blake3::hash(&number.to_le_bytes()).as_bytes();
        let (endpoint, events) = Endpoint::bind(EndpointConfig {
            listen: vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 0))],
            mdns: None,
            // All are of one network here.
            limits: Limits {
                connections_per_network: 4096,
                handshakes_per_network: 4096,
                retry_from: 4096,
                ..Limits::default()
            },
            dht: Some(DhtConfig {
                bootstrap: bootstrap.clone(),
                serve: Serve::Always,
                ..DhtConfig::default()
            }),
            ..EndpointConfig::new(Identity::from_seed(&seed))
        })?;
        tokio::spawn(listen(events));
        if bootstrap.is_empty() {
            let own = endpoint.listen_addrs();
            bootstrap.extend(own.first().map(|own| own.of(endpoint.peer_id())));
        }
        let dht = endpoint.dht().ok_or("no part in the table")?;
        nodes.push((endpoint, dht));
    }
    tokio::time::sleep(SETTLING).await;
    for number in 0..WARM_UP + LOOKUPS {
        let (_, dht) = &nodes[number as usize % NODES];
        let asked = Instant::now();
        let found = dht.find(Key(target(number))).await?;
        measure.took(number, asked, found.nodes.len())?;
    }
    measure.print()
}

async fn listen(mut events: Events) {
    while events.next().await.is_some() {}
}

#[derive(NetworkBehaviour)]
struct Behaviour {
    kad: kad::Behaviour<kad::store::MemoryStore>,
    identify: identify::Behaviour,
}

/// Where to, and whom to tell how many were found.
type Ask = (Vec<u8>, oneshot::Sender<usize>);

async fn theirs() -> Fallible<()> {
    let mut measure = Measure::new("libp2p-kad")?;
    let mut nodes = Vec::new();
    let mut first = None;
    for _ in 0..NODES {
        let mut swarm = swarm()?;
        swarm.listen_on("/ip4/127.0.0.1/udp/0/quic-v1".parse()?)?;
        let own = loop {
            if let SwarmEvent::NewListenAddr { address, .. } = swarm.select_next_some().await {
                break address;
            }
        };
        swarm.add_external_address(own.clone());
        let peer = *swarm.local_peer_id();
        if let Some((peer, address)) = first.clone() {
            let kad = &mut swarm.behaviour_mut().kad;
            kad.add_address(&peer, address);
            kad.bootstrap()?;
        } else {
            first = Some((peer, own));
        }
        let (asks, queue) = mpsc::channel(8);
        tokio::spawn(drive(swarm, queue));
        nodes.push(asks);
    }
    tokio::time::sleep(SETTLING).await;
    for number in 0..WARM_UP + LOOKUPS {
        let (done, found) = oneshot::channel();
        let asked = Instant::now();
        let ask = (target(number).to_vec(), done);
        nodes[number as usize % NODES].send(ask).await?;
        measure.took(number, asked, found.await?)?;
    }
    measure.print()
}

fn swarm() -> Fallible<Swarm<Behaviour>> {
    let swarm = libp2p::SwarmBuilder::with_new_identity()
        .with_tokio()
        .with_quic()
        .with_behaviour(|key| {
            let peer: PeerId = key.public().to_peer_id();
            let config = kad::Config::new(StreamProtocol::new("/comparison/kad/1.0.0"));
            let store = kad::store::MemoryStore::new(peer);
            let mut kad = kad::Behaviour::with_config(peer, store, config);
            kad.set_mode(Some(kad::Mode::Server));
            let identify = identify::Config::new("/comparison/1".to_owned(), key.public());
            Behaviour {
                kad,
                identify: identify::Behaviour::new(identify),
            }
        })?
        // As long as ours keeps an idle connection of its table.
        .with_swarm_config(|config| config.with_idle_connection_timeout(Duration::from_secs(60)))
        .build();
    Ok(swarm)
}

async fn drive(mut swarm: Swarm<Behaviour>, mut asks: mpsc::Receiver<Ask>) {
    let mut open = HashMap::new();
    loop {
        tokio::select! {
            ask = asks.recv() => {
                let Some((target, done)) = ask else { return };
                open.insert(swarm.behaviour_mut().kad.get_closest_peers(target), done);
            }
            event = swarm.select_next_some() => match event {
                SwarmEvent::Behaviour(BehaviourEvent::Kad(
                    kad::Event::OutboundQueryProgressed {
                        id,
                        result: kad::QueryResult::GetClosestPeers(result),
                        ..
                    },
                )) => {
                    if let Some(done) = open.remove(&id) {
                        let _ = done.send(result.map_or(0, |found| found.peers.len()));
                    }
                }
                SwarmEvent::Behaviour(BehaviourEvent::Identify(
                    identify::Event::Received { peer_id, info, .. },
                )) => {
                    for address in info.listen_addrs {
                        swarm.behaviour_mut().kad.add_address(&peer_id, address);
                    }
                }
                _ => {}
            }
        }
    }
}

fn target(number: u32) -> [u8; 32] {
    *blake3::hash(&number.to_le_bytes()).as_bytes()
}

/// Seconds of processor time of this process so far.
fn processor() -> Fallible<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let (_, fields) = stat.rsplit_once(')').ok_or("no name in brackets")?;
    let fields: Vec<&str> = fields.split_whitespace().skip(11).take(2).collect();
    let ticks: Result<Vec<f64>, _> = fields.iter().map(|ticks| ticks.parse()).collect();
    // USER_HZ is 100 wherever this runs.
    Ok(ticks?.iter().sum::<f64>() / 100.0)
}

/// Bytes this process has resident.
fn resident() -> Fallible<f64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib: f64 = line
        .ok_or("no VmRSS")?
        .trim()
        .trim_end_matches(" kB")
        .parse()?;
    Ok(kib * 1024.0)
}
