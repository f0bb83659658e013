//! Nodes on loopback sockets, and peers that break the rules.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failed assumption fails the test; not every test uses everything"
)]

use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

use dchat_transport::{Connection, Endpoint, EndpointConfig, Event, Events, Limits};
use dchat_wire::chat::ChatOpen;
use dchat_wire::record::SignedRecord;
use dchat_wire::sign::Identity;
use dchat_wire::{Address, Bytes, Frame, PeerId, Text};

pub mod raw;

/// Longer than anything here takes on a busy machine; its end is a failure.
pub const PATIENCE: Duration = Duration::from_secs(20);

pub struct Node {
    pub endpoint: Endpoint,
    pub events: Events,
    pub addr: SocketAddr,
}

impl Node {
    pub fn peer(&self) -> PeerId {
        self.endpoint.peer_id()
    }

    /// Where it listens.
    pub fn address(&self) -> Address {
        Address::direct(self.addr)
    }

    /// The next event that `wanted` makes something of.
    pub async fn expect<T>(&mut self, mut wanted: impl FnMut(Event) -> Option<T>) -> T {
        within(async {
            loop {
                let event = self.events.next().await.expect("events go on");
                if let Some(value) = wanted(event) {
                    return value;
                }
            }
        })
        .await
    }

    pub async fn connected(&mut self) -> Connection {
        self.expect(|event| match event {
            Event::Connected(connection) => Some(connection),
            _ => None,
        })
        .await
    }
}

pub async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future)
        .await
        .expect("it takes too long")
}

/// Waits until `condition` holds, looking again after each 5 ms.
pub async fn until(mut condition: impl FnMut() -> bool) {
    within(async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

pub fn config(seed: u8) -> EndpointConfig {
    let mut config = EndpointConfig::new(Identity::from_seed(&[seed; 32]));
    config.listen = vec![SocketAddr::from(([127, 0, 0, 1], 0))];
    config.mdns = None;
    config
}

pub fn start(config: EndpointConfig) -> Node {
    let (endpoint, events) = Endpoint::bind(config).expect("loopback can be bound");
    let first = endpoint.listen_addrs().first().map(Address::socket);
    // A host may have no address yet.
    let addr = first.unwrap_or(SocketAddr::from(([127, 0, 0, 1], 0)));
    Node {
        endpoint,
        events,
        addr,
    }
}

pub fn node(seed: u8) -> Node {
    start(config(seed))
}

pub fn node_with(seed: u8, limits: Limits) -> Node {
    let mut config = config(seed);
    config.limits = limits;
    start(config)
}

/// Two seeds whose nodes stand in this order of PeerIds: the smaller first.
pub fn ordered(one: u8, other: u8) -> (u8, u8) {
    let peer = |seed| Identity::from_seed(&[seed; 32]).peer_id();
    if peer(one) < peer(other) {
        (one, other)
    } else {
        (other, one)
    }
}

pub async fn pair(one: u8, other: u8) -> (Node, Node, Connection, Connection) {
    let (mut a, mut b) = (node(one), node(other));
    let out = within(a.endpoint.connect(Some(b.peer()), &[b.address()]))
        .await
        .expect("a connection on loopback");
    let inc = b.connected().await;
    assert_eq!(a.connected().await, out);
    (a, b, out, inc)
}

/// A CHAT_OPEN, told from others by `mark`. The transport does not look into it.
pub fn chat_open(mark: u8) -> Frame {
    Frame::ChatOpen(ChatOpen {
        name: Text::new("n").unwrap(),
        invite: None,
        device: SignedRecord {
            body: Bytes::new(vec![mark]).unwrap(),
            signature: [mark; 64],
        },
        sessions: Default::default(),
        extensions: Default::default(),
    })
}
