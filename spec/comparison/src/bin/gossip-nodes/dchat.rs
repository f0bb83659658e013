//! DChat as programs embed it: a room, and databases on disk.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use dchat::Peer;
use dchat::api::Event;
use dchat::seam::PeerConfig;
use dchat::settings::Dht;
use dchat_wire::Address;
use tokio::sync::mpsc;

use super::measure::{Network, body, number};
use super::{Fallible, NODES, SETTLING};

const ROOM: &str = "comparison";
/// Between two looks for neighbours.
const LOOK: Duration = Duration::from_millis(100);

pub async fn start() -> Fallible<Network> {
    let homes = tempfile::tempdir()?;
    let (heard, hear) = mpsc::unbounded_channel();
    let copies = Arc::new(AtomicU64::new(0));
    let (mut nodes, mut known): (Vec<Peer>, Vec<Address>) = (Vec::new(), Vec::new());
    for node in 0..NODES {
        let peer = Peer::open(PeerConfig {
            listen: vec!["/ip4/127.0.0.1/udp/0/quic-v1".parse()?],
            dial: known.clone(),
            mdns: false,
            dht: Dht {
                enabled: false,
                ..Dht::default()
            },
            ..PeerConfig::new(homes.path().join(node.to_string()))
        })
        .await?;
        peer.join_room(ROOM, None).await?;
        for address in &peer.id().await?.addresses {
            known.push(address.parse()?);
        }
        tokio::spawn(listen(peer.clone(), heard.clone(), Arc::clone(&copies)));
        nodes.push(peer);
    }
    for node in &nodes {
        let linked = async || -> Fallible<usize> {
            let members = node.members(ROOM).await?;
            Ok(members.iter().filter(|member| member.connected).count())
        };
        // With itself: not all are neighbours of all in a room of ten.
        while linked().await? < NODES - 1 {
            tokio::time::sleep(LOOK).await;
        }
    }
    tokio::time::sleep(SETTLING).await;
    let alive = (nodes.clone(), homes);
    Ok(Network {
        say: Box::new(move |node, number| {
            let node = nodes[node].clone();
            tokio::spawn(async move {
                let room = format!("#{ROOM}");
                node.send(&room, &body(number)).await.expect("sent");
            });
        }),
        heard: hear,
        copies,
        _alive: Box::new(alive),
    })
}

async fn listen(peer: Peer, heard: mpsc::UnboundedSender<(u64, Instant)>, copies: Arc<AtomicU64>) {
    let mut events = peer.events();
    while let Some(event) = events.next().await {
        match event {
            Event::Message(message) => {
                copies.fetch_add(1, Ordering::Relaxed);
                if let Some(number) = number(message.text.as_bytes()) {
                    let _ = heard.send((number, Instant::now()));
                }
            }
            Event::Missed { .. } => panic!("a reader lags"),
            _ => {}
        }
    }
}
