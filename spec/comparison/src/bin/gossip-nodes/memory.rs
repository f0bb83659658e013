//! DChat's protocol without the product around it: `dchat_gossip::Node` over `dchat_transport`, each in
//! one task, with items signed and checked and kept in memory only.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Instant, SystemTime};

use dchat_gossip::log::Item;
use dchat_gossip::node::{Load, Output};
use dchat_gossip::{Config, Input, LogId, Message, Node, Time, Verdict};
use dchat_transport::{Connection, Endpoint, EndpointConfig, Event, Events, FrameStream};
use dchat_wire::gossip::{Contact, ItemHead, ItemHeader, SignedItem, item_message};
use dchat_wire::sign::{Identity, Purpose, Verifier};
use dchat_wire::{Address, Bytes, Frame, FrameReader, List, PeerId};
use tokio::sync::mpsc;

use super::measure::{Network, body, number};
use super::{Fallible, NODES, SETTLING};

const ROOM: [u8; 32] = [3; 32];
const INCARNATION: [u8; 16] = [1; 16];
/// Bytes written at once.
const WRITE: usize = 64 * 1024;

/// Keys of authors, as the product keeps them ready.
type Keys = BTreeMap<[u8; 32], Verifier>;

pub async fn start() -> Fallible<Network> {
    let (heard, hear) = mpsc::unbounded_channel();
    let copies = Arc::new(AtomicU64::new(0));
    let (mut nodes, mut known) = (Vec::new(), Vec::<Address>::new());
    for node in 0..NODES {
        let me = Identity::from_seed(blake3::hash(&node.to_le_bytes()).as_bytes());
        let (endpoint, events) = Endpoint::bind(EndpointConfig {
            listen: vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 0))],
            mdns: None,
            ..EndpointConfig::new(me.clone())
        })?;
        let (orders, queue) = mpsc::unbounded_channel();
        let config = Arc::new(Config::default());
        let seed = (1, node as u64);
        let member = Member {
            node: Node::new(config, me.peer_id(), seed, now()),
            log: LogId::of(&ROOM, me.peer_id().public_key(), &INCARNATION),
            me,
            connections: BTreeMap::new(),
            outlets: BTreeMap::new(),
            written: BTreeMap::new(),
            keys: Keys::new(),
            inputs: orders.clone(),
            heard: heard.clone(),
            copies: Arc::clone(&copies),
        };
        tokio::spawn(member.run(events, queue));
        for address in &known {
            let dialed = endpoint.connect(None, &[*address]).await?;
            let _ = orders.send(Order::Meet(dialed.peer_id()));
        }
        known.extend(endpoint.listen_addrs());
        nodes.push((orders, endpoint));
    }
    tokio::time::sleep(SETTLING).await;
    Ok(Network {
        say: Box::new(move |node, number| {
            let _ = nodes[node].0.send(Order::Say(number));
        }),
        heard: hear,
        copies,
        _alive: Box::new(()),
    })
}

fn now() -> Time {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    Time(since.map_or(0, |since| since.as_millis() as u64))
}

enum Order {
    Say(u64),
    Meet(PeerId),
    Frame(PeerId, Frame),
}

struct Member {
    me: Identity,
    node: Node<PeerId>,
    log: LogId,
    connections: BTreeMap<PeerId, Connection>,
    /// Queues of streams that are written to.
    outlets: BTreeMap<PeerId, mpsc::UnboundedSender<Vec<u8>>>,
    written: BTreeMap<LogId, Vec<Arc<Item>>>,
    keys: Keys,
    inputs: mpsc::UnboundedSender<Order>,
    heard: mpsc::UnboundedSender<(u64, Instant)>,
    copies: Arc<AtomicU64>,
}

impl Member {
    async fn run(mut self, mut events: Events, mut orders: mpsc::UnboundedReceiver<Order>) {
        loop {
            let wait = self.node.poll_timeout().since(now());
            tokio::select! {
                Some(order) = orders.recv() => self.take(order),
                Some(event) = events.next() => self.happened(event),
                () = tokio::time::sleep(wait) => {
                    self.node.handle_timeout(now());
                    self.carry_out();
                }
            }
        }
    }

    fn happened(&mut self, event: Event) {
        match event {
            Event::Connected(connection) => {
                self.connections.insert(connection.peer_id(), connection);
            }
            Event::Stream {
                conn,
                send: Some(send),
                recv,
                first,
                reader,
            } => {
                let peer = conn.peer_id();
                self.outlets.entry(peer).or_insert_with(|| {
                    let (outlet, queue) = mpsc::unbounded_channel();
                    tokio::spawn(write(send, queue));
                    outlet
                });
                let inputs = self.inputs.clone();
                let _ = inputs.send(Order::Frame(peer, *first));
                tokio::spawn(read(peer, FrameStream::new(recv, reader), inputs));
            }
            _ => {}
        }
    }

    fn take(&mut self, order: Order) {
        match order {
            Order::Say(number) => {
                let item = self.item(number);
                self.give(Input::Publish(item));
            }
            Order::Meet(peer) => self.give(Input::Contacts(vec![peer])),
            Order::Frame(from, frame) => {
                if matches!(frame, Frame::GossipPush(_)) {
                    self.copies.fetch_add(1, Ordering::Relaxed);
                }
                let message = Message::from_frame(frame, &ROOM, |contact| Some(contact.peer));
                if let Some(message) = message.expect("an item") {
                    self.give(Input::Received { from, message });
                }
            }
        }
    }

    fn give(&mut self, input: Input<PeerId>) {
        self.handle(input);
        self.carry_out();
    }

    fn handle(&mut self, input: Input<PeerId>) {
        let keys = &mut self.keys;
        let mut judge = |item: &Item| is_signed(keys, item);
        self.node.handle_input(input, now(), &mut judge);
    }

    fn item(&mut self, number: u64) -> Arc<Item> {
        let draft = self.node.draft(self.log, now());
        let head = |(log, seq, hash): &(LogId, u32, [u8; 32])| ItemHead {
            log: log.0,
            seq: *seq,
            hash: hash[..8].try_into().expect("eight bytes"),
        };
        let header = ItemHeader {
            author: [0; 32],
            incarnation: INCARNATION,
            seq: draft.seq,
            prev: draft.prev,
            lamport: draft.lamport,
            sent_at: draft.sent_at,
            keep_s: 0,
            floor: 0,
            heads: List::first_of(draft.heads.iter().map(head)),
            kind: 1,
            body_len: 0,
            body_hash: [0; 32],
            extensions: Default::default(),
        };
        let body = Bytes::new(body(number).into_bytes()).expect("not too long");
        Item::new(&ROOM, SignedItem::sign(&self.me, &ROOM, header, body)).expect("an item")
    }

    fn carry_out(&mut self) {
        while let Some(output) = self.node.poll_output() {
            match output {
                Output::Send { to, message } => self.send(to, &message),
                Output::Deliver { item, from } => {
                    let body = item.signed().body.as_ref().map(|body| body.as_slice());
                    if from != self.me.peer_id()
                        && let Some(number) = body.and_then(number)
                    {
                        let _ = self.heard.send((number, Instant::now()));
                    }
                    self.written.entry(item.log()).or_default().push(item);
                }
                Output::Connect(peer) => {
                    let input = if self.connections.contains_key(&peer) {
                        Input::Up(peer)
                    } else {
                        Input::Down(peer)
                    };
                    self.handle(input);
                }
                Output::Load(Load::Items {
                    peer,
                    log,
                    after,
                    upto,
                    ..
                }) => {
                    let items = self.written[&log][after as usize..upto as usize].to_vec();
                    let input = Input::Loaded { peer, items };
                    self.handle(input);
                }
                Output::Load(Load::Newest { peer, .. }) => {
                    let items = Vec::new();
                    self.handle(Input::LoadedNewest { peer, items });
                }
                Output::Release(_) | Output::Early { .. } => {}
                Output::Load(Load::Proof { .. } | Load::Row { .. })
                | Output::Clash { .. }
                | Output::Evidence(_)
                | Output::Shunned(_) => panic!("members mean well: {output:?}"),
            }
        }
    }

    fn send(&mut self, to: PeerId, message: &Message<PeerId>) {
        let Some(connection) = self.connections.get(&to) else {
            return;
        };
        let inputs = &self.inputs;
        let outlet = self.outlets.entry(to).or_insert_with(|| {
            let (outlet, queue) = mpsc::unbounded_channel();
            tokio::spawn(open(connection.clone(), queue, inputs.clone()));
            outlet
        });
        let contact = |peer: &PeerId| Contact {
            peer: *peer,
            addresses: List::default(),
        };
        let _ = outlet.send(message.to_frame(ROOM, contact).to_bytes());
    }
}

fn is_signed(keys: &mut Keys, item: &Item) -> Verdict {
    let message = item_message(&ROOM, &item.signed().header);
    let signature = &item.signed().signature;
    let key = keys.entry(*item.author()).or_insert_with(|| {
        let author = PeerId::from_public_key(*item.author()).expect("a key");
        Verifier::new(&author)
    });
    match key.verify(Purpose::Item, &message, signature) {
        Ok(()) => Verdict::Accept,
        Err(_) => Verdict::Reject,
    }
}

async fn open(
    connection: Connection,
    queue: mpsc::UnboundedReceiver<Vec<u8>>,
    inputs: mpsc::UnboundedSender<Order>,
) {
    let (send, recv) = connection.open_bi().await.expect("a stream");
    let frames = FrameStream::new(recv, FrameReader::new());
    tokio::spawn(read(connection.peer_id(), frames, inputs));
    write(send, queue).await;
}

async fn write(mut send: quinn::SendStream, mut queue: mpsc::UnboundedReceiver<Vec<u8>>) {
    while let Some(mut bytes) = queue.recv().await {
        while bytes.len() < WRITE
            && let Ok(next) = queue.try_recv()
        {
            bytes.extend(next);
        }
        send.write_all(&bytes).await.expect("written");
    }
}

async fn read(peer: PeerId, mut frames: FrameStream, inputs: mpsc::UnboundedSender<Order>) {
    while let Ok(Some(frame)) = frames.next().await {
        let _ = inputs.send(Order::Frame(peer, frame));
    }
}
