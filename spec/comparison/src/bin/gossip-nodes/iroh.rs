//! iroh-gossip over iroh's endpoints, without relays and without anything to look addresses up in.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use iroh::address_lookup::memory::MemoryLookup;
use iroh::endpoint::presets;
use iroh::protocol::Router;
use iroh::{Endpoint, EndpointAddr, RelayMode, TransportAddr};
use iroh_gossip::api::{Event, GossipReceiver, GossipSender};
use iroh_gossip::net::Gossip;
use iroh_gossip::proto::TopicId;
use tokio::sync::mpsc;

use super::measure::{Network, body, number};
use super::{Fallible, NODES, SETTLING};

/// Between two readings of the counters.
const READING: Duration = Duration::from_millis(20);

pub async fn start() -> Fallible<Network> {
    let (heard, hear) = mpsc::unbounded_channel();
    let topic = TopicId::from_bytes([3; 32]);
    let lookup = MemoryLookup::new();
    let (mut alive, mut nodes, mut known) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..NODES {
        let endpoint = Endpoint::builder(presets::Minimal)
            .clear_ip_transports()
            .bind_addr((Ipv4Addr::LOCALHOST, 0))?
            .relay_mode(RelayMode::Disabled)
            .address_lookup(lookup.clone())
            .bind()
            .await?;
        let gossip = Gossip::builder().spawn(endpoint.clone());
        let router = Router::builder(endpoint.clone())
            .accept(iroh_gossip::ALPN, gossip.clone())
            .spawn();
        let own = endpoint.bound_sockets().into_iter().map(TransportAddr::Ip);
        lookup.add_endpoint_info(EndpointAddr::from_parts(endpoint.id(), own));
        let (sender, receiver) = gossip.subscribe(topic, known.clone()).await?.split();
        known.push(endpoint.id());
        tokio::spawn(listen(receiver, heard.clone()));
        let (orders, queue) = mpsc::unbounded_channel();
        tokio::spawn(write(sender, queue));
        nodes.push(orders);
        alive.push((router, gossip));
    }
    tokio::time::sleep(SETTLING).await;
    let copies = Arc::new(AtomicU64::new(0));
    let metrics: Vec<_> = alive
        .iter()
        .map(|(_, gossip)| gossip.metrics().clone())
        .collect();
    tokio::spawn(count(metrics, Arc::clone(&copies)));
    Ok(Network {
        say: Box::new(move |node, number| {
            let _ = nodes[node].send(number);
        }),
        heard: hear,
        copies,
        _alive: Box::new(alive),
    })
}

async fn count(metrics: Vec<Arc<iroh_gossip::metrics::Metrics>>, copies: Arc<AtomicU64>) {
    loop {
        let sum = metrics.iter().map(|node| node.msgs_data_recv.get()).sum();
        copies.store(sum, std::sync::atomic::Ordering::SeqCst);
        tokio::time::sleep(READING).await;
    }
}

async fn write(sender: GossipSender, mut orders: mpsc::UnboundedReceiver<u64>) {
    while let Some(number) = orders.recv().await {
        let body = body(number).into_bytes();
        sender.broadcast(body.into()).await.expect("broadcast");
    }
}

async fn listen(mut receiver: GossipReceiver, heard: mpsc::UnboundedSender<(u64, Instant)>) {
    while let Some(Ok(event)) = receiver.next().await {
        match event {
            Event::Received(message) => {
                if let Some(number) = number(&message.content) {
                    let _ = heard.send((number, Instant::now()));
                }
            }
            Event::Lagged => panic!("a reader lags"),
            Event::NeighborUp(_) | Event::NeighborDown(_) => {}
        }
    }
}
