//! The network half, with an engine that is the test.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failed expectation is a failed test"
)]
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{SystemTime, UNIX_EPOCH};

use dchat_kademlia::Key;
use dchat_kademlia::blinded::Secret;
use dchat_wire::chat::ChatOpen;
use dchat_wire::extension::Extensions;
use dchat_wire::hash::dht_key;
use dchat_wire::record::{AddressRecord, DeviceRecord, SignedRecord, kind};
use dchat_wire::sign::Identity;
use dchat_wire::{List, Text};
use transport::dht::{DhtConfig, Serve};
use zeroize::Zeroizing;

use super::*;
use crate::node::dht::Member;

/// A node on loopback whose engine is the test.
struct Node {
    endpoint: transport::Endpoint,
    effects: mpsc::UnboundedSender<Effect>,
    inputs: mpsc::Receiver<Input>,
    questions: mpsc::Sender<Question>,
}

impl Node {
    fn start(seed: u8, bootstrap: &[Address]) -> Self {
        let serve = if bootstrap.is_empty() {
            Serve::Always
        } else {
            Serve::Auto
        };
        Self::serving(seed, bootstrap, serve)
    }

    fn serving(seed: u8, bootstrap: &[Address], serve: Serve) -> Self {
        Self::remembering(seed, bootstrap, serve, true)
    }

    /// Whose home takes what it is to remember, or does not.
    fn remembering(seed: u8, bootstrap: &[Address], serve: Serve, remembers: bool) -> Self {
        let identity = Identity::from_seed(&[seed; 32]);
        let (endpoint, events) = transport::Endpoint::bind(transport::EndpointConfig {
            listen: vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 0))],
            mdns: None,
            dht: Some(DhtConfig {
                bootstrap: bootstrap.to_vec(),
                serve,
                ..DhtConfig::default()
            }),
            ..transport::EndpointConfig::new(identity.clone())
        })
        .unwrap();
        let config = PeerConfig {
            bootstrap: bootstrap.to_vec(),
            ..PeerConfig::new("unused")
        };
        let (engine, heard) = mpsc::channel(64);
        let (tell, inputs) = mpsc::channel(64);
        tokio::spawn(remember_all(heard, tell, remembers));
        let (effects, effect_queue) = mpsc::unbounded_channel();
        let (questions, queue) = mpsc::channel(1);
        let hub = Hub::new();
        let directory = Directory::new(&endpoint, &identity, &engine, &hub, &config, &[]);
        let network = Network::new(endpoint.clone(), directory, engine, hub);
        tokio::spawn(async move { network.run(&config, events, effect_queue, queue).await });
        Self {
            endpoint,
            effects,
            inputs,
            questions,
        }
    }

    fn address(&self) -> Address {
        let own = self.endpoint.listen_addrs();
        own.first().unwrap().of(self.endpoint.peer_id())
    }

    fn command(&self, command: Command) {
        self.effects.send(Effect::Command(command)).unwrap();
    }

    /// Puts the address record, as this home's user would.
    async fn put(&self) -> Result<crate::api::Reply, crate::api::ApiError> {
        let (to, answer) = oneshot::channel();
        let put = Question::Dht(Request::DhtPut { service: None }, to);
        self.questions.send(put).await.unwrap();
        answer.await.unwrap()
    }

    fn meet(&self, room: u8) {
        self.command(Command::Meet {
            topic: [room; 32],
            secret: Secret::new(Zeroizing::new([room; 32])),
            neighbours: 0,
        });
    }

    /// The members found next.
    async fn met(&mut self) -> (dht::Topic, Vec<Member>) {
        loop {
            if let Input::Met { topic, members } = self.inputs.recv().await.unwrap() {
                return (topic, members);
            }
        }
    }

    /// The next frame of a chat stream, with the number of the stream.
    async fn chat_frame(&mut self) -> (u64, Frame) {
        loop {
            if let Input::Frame { stream, frame, .. } = self.inputs.recv().await.unwrap() {
                return (stream, *frame);
            }
        }
    }

    /// The next connection.
    async fn up(&mut self) -> (LinkId, PeerId) {
        loop {
            if let Input::Up { link, peer, .. } = self.inputs.recv().await.unwrap() {
                return (link, peer);
            }
        }
    }
}

/// What the engine does with own records; everything else is the test's.
async fn remember_all(
    mut heard: mpsc::Receiver<Input>,
    tell: mpsc::Sender<Input>,
    remembers: bool,
) {
    while let Some(input) = heard.recv().await {
        if let Input::OwnRecord(_, done) = input {
            if remembers {
                let _ = done.send(());
            }
        } else if tell.send(input).await.is_err() {
            return;
        }
    }
}

async fn within<T>(work: impl Future<Output = T>) -> T {
    let patience = Duration::from_secs(60);
    tokio::time::timeout(patience, work).await.unwrap()
}

/// Checks DC-GOSSIP-007 (positive).
#[tokio::test]
async fn two_who_know_a_bootstrap_node_and_a_rooms_secret_meet() {
    let bootstrap = Node::start(1, &[]);
    let known = [bootstrap.address()];
    let mut others = [Node::start(2, &known), Node::start(3, &known)];
    // Of another room.
    let stranger = Node::start(4, &known);
    stranger.meet(8);
    for node in &others {
        node.meet(7);
    }
    let peers = others.each_ref().map(|node| node.endpoint.peer_id());
    for (node, other) in others.iter_mut().zip([peers[1], peers[0]]) {
        let (topic, members) = within(node.met()).await;
        assert_eq!(topic, [7; 32]);
        let [member] = members.as_slice() else {
            panic!("{members:?}");
        };
        assert_eq!(member.peer, other);
        let connected = node.endpoint.connect(Some(other), &member.addresses);
        let connection = within(connected).await.unwrap();
        assert_eq!(connection.peer_id(), other);
    }
}

/// Checks DC-DHT-026 (negative), DC-DHT-046 (negative).
#[tokio::test]
async fn a_record_that_the_home_cannot_remember_is_not_put() {
    let bootstrap = Node::start(1, &[]);
    let known = [bootstrap.address()];
    for (seed, remembers) in [(2, false), (3, true)] {
        let node = Node::remembering(seed, &known, Serve::Auto, remembers);
        let put = within(node.put()).await;
        assert_eq!(put.is_ok(), remembers, "{put:?}");
        let dht = bootstrap.endpoint.dht().unwrap();
        let key = Key(dht_key(kind::ADDRESS, node.endpoint.peer_id().public_key()));
        let got = dht.get(key, kind::ADDRESS).await.unwrap();
        assert_eq!(got.records.len(), usize::from(remembers));
    }
}

#[tokio::test]
async fn streams_a_chat_is_opened_on_again_are_told_apart() {
    let (mut here, mut there) = (Node::start(1, &[]), Node::start(2, &[]));
    let at = [there.address()];
    let connected = here.endpoint.connect(Some(there.endpoint.peer_id()), &at);
    within(connected).await.unwrap();
    let (link, _) = within(here.up()).await;
    let identity = Identity::from_seed(&[1; 32]);
    let keys = DeviceRecord {
        identity_key: [1; 32],
        signing_key: [2; 32],
        fallback_key: [3; 32],
        extensions: Extensions::default(),
    };
    let opens = |name: &str| {
        Frame::ChatOpen(ChatOpen {
            name: Text::new(name).unwrap(),
            invite: None,
            device: SignedRecord::issue(&identity, 1, 1, 1000, &keys),
            sessions: List::default(),
            extensions: Extensions::default(),
        })
    };
    let mut last = None;
    for name in ["first", "second"] {
        let frame = opens(name);
        here.effects
            .send(Effect::Frame {
                link,
                frame: frame.clone(),
            })
            .unwrap();
        let (stream, heard) = within(there.chat_frame()).await;
        assert_eq!(heard, frame);
        assert!(last.is_none_or(|last| last < stream));
        last = Some(stream);
    }
}

#[tokio::test]
async fn a_member_that_nobody_knows_the_place_of_is_looked_up() {
    let bootstrap = Node::start(1, &[]);
    let known = [bootstrap.address()];
    // Who only asks is not met by chance.
    let [mut here, there] = [2, 3].map(|seed| Node::serving(seed, &known, Serve::Never));
    let peer = there.endpoint.peer_id();
    // Who only asks publishes nothing by itself while nobody has reached it.
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let now = u64::try_from(now.as_millis()).unwrap();
    let at = AddressRecord {
        addresses: List::first_of([there.address()]),
        extensions: Extensions::default(),
    };
    let identity = Identity::from_seed(&[3; 32]);
    let record = SignedRecord::issue(&identity, now, now, 3_600_000, &at);
    let key = Key(dht_key(kind::ADDRESS, peer.public_key()));
    let dht = there.endpoint.dht().unwrap();
    let published = async {
        while dht
            .put(key, record.clone())
            .await
            .map_or(0, |put| put.stored)
            == 0
        {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    within(published).await;
    // Once it knows somebody to ask.
    let dht = here.endpoint.dht().unwrap();
    let joined = async {
        while dht.stat().contacts == 0 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    within(joined).await;
    let reach = |member| Command::Reach {
        peer,
        addresses: Vec::new(),
        member,
    };
    here.command(reach(false));
    let failed = async {
        loop {
            match here.inputs.recv().await.unwrap() {
                Input::Unreachable { peer } => return peer,
                Input::Up { peer: up, .. } => {
                    assert_ne!(up, peer, "nobody is looked up for a room")
                }
                _ => {}
            }
        }
    };
    assert_eq!(within(failed).await, peer);
    here.command(reach(true));
    let reached = async { while here.up().await.1 != peer {} };
    within(reached).await;
}
