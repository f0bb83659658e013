//! libp2p's gossipsub over QUIC.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use libp2p::gossipsub::{
    self, AllowAllSubscriptionFilter, Behaviour, ConfigBuilder, DataTransform, Event, IdentTopic,
    MessageAuthenticity, RawMessage, TopicHash, ValidationMode,
};
use libp2p::swarm::SwarmEvent;
use libp2p::{Multiaddr, Swarm};
use tokio::sync::mpsc;

use super::measure::{Network, body, number};
use super::{Fallible, NODES, SETTLING};

type Gossipsub = Behaviour<Copies, AllowAllSubscriptionFilter>;

pub async fn start(signed: bool) -> Fallible<Network> {
    let (heard, hear) = mpsc::unbounded_channel();
    let copies = Arc::new(AtomicU64::new(0));
    let topic = IdentTopic::new("comparison");
    let mut known: Vec<Multiaddr> = Vec::new();
    let mut nodes = Vec::new();
    for _ in 0..NODES {
        let mut swarm = swarm(signed, Arc::clone(&copies))?;
        swarm.behaviour_mut().subscribe(&topic)?;
        swarm.listen_on("/ip4/127.0.0.1/udp/0/quic-v1".parse()?)?;
        let own = loop {
            if let SwarmEvent::NewListenAddr { address, .. } = swarm.select_next_some().await {
                break address;
            }
        };
        for address in &known {
            swarm.dial(address.clone())?;
        }
        known.push(own);
        let (orders, queue) = mpsc::unbounded_channel();
        tokio::spawn(drive(swarm, topic.clone(), queue, heard.clone()));
        nodes.push(orders);
    }
    tokio::time::sleep(SETTLING).await;
    Ok(Network {
        say: Box::new(move |node, number| {
            let _ = nodes[node].send(number);
        }),
        heard: hear,
        copies,
        _alive: Box::new(()),
    })
}

fn swarm(signed: bool, copies: Arc<AtomicU64>) -> Fallible<Swarm<Gossipsub>> {
    let swarm = libp2p::SwarmBuilder::with_new_identity()
        .with_tokio()
        .with_quic()
        .with_behaviour(|key| {
            let (author, mode) = if signed {
                let author = MessageAuthenticity::Signed(key.clone());
                (author, ValidationMode::Strict)
            } else {
                let author = MessageAuthenticity::Author(key.public().to_peer_id());
                (author, ValidationMode::Permissive)
            };
            let config = ConfigBuilder::default().validation_mode(mode).build()?;
            let gossipsub = Gossipsub::new_with_transform(author, config, Copies(copies))?;
            Ok(gossipsub)
        })?
        .with_swarm_config(|config| config.with_idle_connection_timeout(Duration::from_secs(3600)))
        .build();
    Ok(swarm)
}

async fn drive(
    mut swarm: Swarm<Gossipsub>,
    topic: IdentTopic,
    mut orders: mpsc::UnboundedReceiver<u64>,
    heard: mpsc::UnboundedSender<(u64, Instant)>,
) {
    loop {
        tokio::select! {
            order = orders.recv() => {
                let Some(number) = order else { return };
                let body = body(number).into_bytes();
                swarm.behaviour_mut().publish(topic.hash(), body).expect("published");
            }
            event = swarm.select_next_some() => {
                if let SwarmEvent::Behaviour(Event::Message { message, .. }) = event
                    && let Some(number) = number(&message.data)
                {
                    let _ = heard.send((number, Instant::now()));
                }
            }
        }
    }
}

/// Counts every message that comes, before it is known whether it came before.
struct Copies(Arc<AtomicU64>);

impl DataTransform for Copies {
    fn inbound_transform(&self, raw: RawMessage) -> Result<gossipsub::Message, std::io::Error> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Ok(gossipsub::Message {
            source: raw.source,
            data: raw.data,
            sequence_number: raw.sequence_number,
            topic: raw.topic,
        })
    }

    fn outbound_transform(&self, _: &TopicHash, data: Vec<u8>) -> Result<Vec<u8>, std::io::Error> {
        Ok(data)
    }
}
