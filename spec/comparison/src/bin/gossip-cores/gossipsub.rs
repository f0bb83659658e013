//! A room of libp2p's gossipsub, in swarms over the memory transport.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use futures_util::Stream as _;
use libp2p::core::transport::{MemoryTransport, PortUse, Transport as _};
use libp2p::core::{Endpoint, upgrade::Version};
use libp2p::gossipsub::{
    self, AllowAllSubscriptionFilter, Behaviour, ConfigBuilder, DataTransform, Event, IdentTopic,
    MessageAuthenticity, RawMessage, TopicHash, ValidationMode,
};
use libp2p::swarm::{
    self, ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, Swarm, THandler,
    THandlerInEvent, THandlerOutEvent, ToSwarm,
};
use libp2p::{Multiaddr, PeerId, identity::Keypair, plaintext, yamux};

use super::{BODY, Count, How, Room, Stopwatch};

/// Connections a member makes; as many are made to it.
const DIALS: usize = 8;
/// Real time for meshes to grow in: the heartbeat's clock is the machine's.
const GROWING: Duration = Duration::from_secs(3);

type Gossipsub = Behaviour<Copies, AllowAllSubscriptionFilter>;

struct Swarms {
    swarms: Vec<Swarm<Apart>>,
    topic: IdentTopic,
    woken: Arc<Woken>,
    copies: Arc<AtomicU64>,
    number: u64,
    count: Count,
    clock: Stopwatch,
}

pub fn make(members: usize, _how: How) -> Box<dyn Room> {
    let copies = Arc::new(AtomicU64::new(0));
    let base = rand::random::<u32>() as usize;
    let address = |member: usize| -> Multiaddr {
        let port = base * 1000 + member + 1;
        format!("/memory/{port}").parse().expect("an address")
    };
    let mut room = Swarms {
        swarms: (0..members).map(|_| swarm(&copies)).collect(),
        topic: IdentTopic::new("comparison"),
        woken: Arc::default(),
        copies,
        number: 0,
        count: Count::default(),
        clock: Stopwatch::default(),
    };
    for (member, swarm) in room.swarms.iter_mut().enumerate() {
        swarm.listen_on(address(member)).expect("listens");
        let topic = &room.topic;
        let subscribed = swarm.behaviour_mut().inner.subscribe(topic);
        assert!(subscribed.expect("subscribes"));
    }
    room.turn();
    for member in 0..members {
        for step in 1..=DIALS {
            // Other members, all over the ring.
            let other = (member + step * step * members / 71 + step) % members;
            if other != member {
                let swarm = &mut room.swarms[member];
                swarm.dial(address(other)).expect("dials");
            }
        }
        room.turn();
    }
    let begun = Instant::now();
    while begun.elapsed() < GROWING {
        room.turn();
    }
    Box::new(room)
}

fn swarm(copies: &Arc<AtomicU64>) -> Swarm<Apart> {
    let key = Keypair::generate_ed25519();
    let me = key.public().to_peer_id();
    let config = ConfigBuilder::default()
        .heartbeat_initial_delay(Duration::ZERO)
        .validation_mode(ValidationMode::Permissive)
        .build()
        .expect("a configuration");
    // The name is said and not proven.
    let author = MessageAuthenticity::Author(me);
    let copies = Copies(Arc::clone(copies));
    let inner = Gossipsub::new_with_transform(author, config, copies).expect("a behaviour");
    let transport = MemoryTransport::default()
        .upgrade(Version::V1)
        .authenticate(plaintext::Config::new(&key))
        .multiplex(yamux::Config::default())
        .boxed();
    let behaviour = Apart {
        inner,
        reported: Vec::new(),
        wanted: VecDeque::new(),
    };
    let config = swarm::Config::without_executor();
    let config = config.with_idle_connection_timeout(Duration::from_secs(3600));
    Swarm::new(transport, behaviour, me, config)
}

impl Room for Swarms {
    fn publish(&mut self, member: usize) {
        self.number += 1;
        let mut body = vec![5; BODY];
        body[..8].copy_from_slice(&self.number.to_le_bytes());
        let inner = &mut self.swarms[member].behaviour_mut().inner;
        let topic = self.topic.hash();
        let published = self.clock.time(|| inner.publish(topic, body));
        published.expect("somebody is there");
    }

    fn turn(&mut self) {
        self.carry();
        let mut context = Context::from_waker(Waker::noop());
        let (mut delivered, mut frames) = (0, 0);
        let swarms = &mut self.swarms;
        self.clock.time(|| {
            for swarm in swarms {
                let apart = swarm.behaviour_mut();
                for (peer, connection, event) in apart.reported.drain(..) {
                    frames += 1;
                    let inner = &mut apart.inner;
                    inner.on_connection_handler_event(peer, connection, event);
                }
                while let Poll::Ready(wanted) = apart.inner.poll(&mut context) {
                    let is_message =
                        matches!(wanted, ToSwarm::GenerateEvent(Event::Message { .. }));
                    delivered += u64::from(is_message);
                    apart.wanted.push_back(wanted);
                }
            }
        });
        self.count.delivered += delivered;
        self.count.frames += frames;
        self.count.copies = self.copies.load(Ordering::Relaxed);
        self.count.spent = self.clock.nanos();
    }

    fn count(&self) -> Count {
        self.count
    }
}

impl Swarms {
    /// Runs transports and handlers until they have nothing left to do.
    fn carry(&mut self) {
        let waker = Waker::from(Arc::clone(&self.woken));
        let mut context = Context::from_waker(&waker);
        loop {
            for swarm in &mut self.swarms {
                while Pin::new(&mut *swarm).poll_next(&mut context).is_ready() {}
            }
            if !self.woken.0.swap(false, Ordering::SeqCst) {
                return;
            }
        }
    }
}

/// Whether anything woke.
#[derive(Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
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

/// The behaviour with what it is told and what it wants held up, so that it can be timed apart.
struct Apart {
    inner: Gossipsub,
    reported: Vec<(PeerId, ConnectionId, THandlerOutEvent<Gossipsub>)>,
    wanted: VecDeque<ToSwarm<Event, THandlerInEvent<Gossipsub>>>,
}

impl NetworkBehaviour for Apart {
    type ConnectionHandler = <Gossipsub as NetworkBehaviour>::ConnectionHandler;
    type ToSwarm = Event;

    fn handle_established_inbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        let inner = &mut self.inner;
        inner.handle_established_inbound_connection(connection, peer, local, remote)
    }

    fn handle_established_outbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        address: &Multiaddr,
        role: Endpoint,
        port: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        let inner = &mut self.inner;
        inner.handle_established_outbound_connection(connection, peer, address, role, port)
    }

    fn on_swarm_event(&mut self, event: FromSwarm) {
        self.inner.on_swarm_event(event);
    }

    fn on_connection_handler_event(
        &mut self,
        peer: PeerId,
        connection: ConnectionId,
        event: THandlerOutEvent<Self>,
    ) {
        self.reported.push((peer, connection, event));
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ToSwarm<Event, THandlerInEvent<Self>>> {
        self.wanted.pop_front().map_or(Poll::Pending, Poll::Ready)
    }
}
