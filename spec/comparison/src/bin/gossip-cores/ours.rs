//! A room of `dchat_gossip::Node`s.

use std::collections::BTreeMap;
use std::sync::Arc;

use dchat_gossip::log::Item;
use dchat_gossip::node::{Load, Output};
use dchat_gossip::{Config, Input, LogId, Message, Node, Time, Verdict};
use dchat_wire::gossip::{Contact, ItemHead, ItemHeader, SignedItem, body_hash};
use dchat_wire::{Address, Bytes, Frame, FrameReader, List, PeerId};

use super::{BODY, Count, How, Room, Stopwatch, TURN};

const ROOM: [u8; 32] = [3; 32];

struct Ours {
    nodes: Vec<Node<PeerId>>,
    /// Numbers of members by their names.
    numbers: BTreeMap<PeerId, usize>,
    names: Vec<PeerId>,
    /// When each node is due.
    due: Vec<Time>,
    /// Everything written, for those who ask later than the cores remember.
    written: BTreeMap<LogId, Vec<Arc<Item>>>,
    now: Time,
    inputs: Vec<(usize, Arrival)>,
    /// What this turn takes in and says; kept, so that no time goes into growing them.
    taken: Vec<(usize, Arrival)>,
    outputs: Vec<(usize, Output<PeerId>)>,
    how: How,
    count: Count,
    clock: Stopwatch,
}

/// What comes to a member.
enum Arrival {
    Input(Input<PeerId>),
    /// An item as it was decoded, and how it was pushed.
    Item(PeerId, u8, SignedItem),
    /// Bytes of a stream.
    Bytes(PeerId, Vec<u8>),
}

pub fn make(members: usize, how: How) -> Box<dyn Room> {
    let now = Time(1_800_000_000_000);
    let config = Arc::new(Config::default());
    let names: Vec<PeerId> = (0..members).map(name).collect();
    let node = |(number, name): (usize, &PeerId)| {
        Node::new(config.clone(), *name, (7, number as u64), now)
    };
    let mut room = Ours {
        nodes: names.iter().enumerate().map(node).collect(),
        numbers: names.iter().copied().zip(0..).collect(),
        due: vec![now; members],
        names,
        written: BTreeMap::new(),
        now,
        inputs: Vec::new(),
        taken: Vec::new(),
        outputs: Vec::new(),
        how,
        count: Count::default(),
        clock: Stopwatch::default(),
    };
    for member in 1..members {
        // Three that came before.
        let known = [1, 2, 3].map(|step: usize| room.names[member * step * 7919 % member]);
        let input = Input::Contacts(known.to_vec());
        room.inputs.push((member, Arrival::Input(input)));
        room.turn();
    }
    Box::new(room)
}

fn name(number: usize) -> PeerId {
    let mut seed = [9; 32];
    seed[..8].copy_from_slice(&(number as u64).to_le_bytes());
    dchat_wire::sign::Identity::from_seed(&seed).peer_id()
}

impl Room for Ours {
    fn publish(&mut self, member: usize) {
        let author = *self.names[member].public_key();
        let incarnation = [1; 16];
        let log = LogId::of(&ROOM, &author, &incarnation);
        let draft = self.nodes[member].draft(log, self.now);
        let head = |(log, seq, hash): &(LogId, u32, [u8; 32])| ItemHead {
            log: log.0,
            seq: *seq,
            hash: hash[..8].try_into().expect("eight bytes"),
        };
        let mut body = vec![5; BODY];
        body[..4].copy_from_slice(&draft.seq.to_le_bytes());
        let header = ItemHeader {
            author,
            incarnation,
            seq: draft.seq,
            prev: draft.prev,
            lamport: draft.lamport,
            sent_at: draft.sent_at,
            keep_s: 0,
            floor: 0,
            heads: List::first_of(draft.heads.iter().map(head)),
            kind: 1,
            body_len: BODY as u32,
            body_hash: body_hash(&body),
            extensions: Default::default(),
        };
        let signed = SignedItem {
            header,
            signature: [0; 64],
            body: Some(Bytes::new(body).expect("not too long")),
        };
        let item = Item::new(&ROOM, signed).expect("an item");
        self.written.entry(log).or_default().push(item.clone());
        let input = Input::Publish(item);
        self.inputs.push((member, Arrival::Input(input)));
    }

    fn turn(&mut self) {
        self.now = Time(self.now.0 + TURN);
        let (now, codec) = (self.now, self.how == How::Codec);
        core::mem::swap(&mut self.inputs, &mut self.taken);
        let inputs = &mut self.taken;
        let (nodes, due, names) = (&mut self.nodes, &mut self.due, &self.names);
        let outputs = &mut self.outputs;
        let mut sent: Vec<(usize, PeerId, Vec<u8>)> = Vec::new();
        let mut said = |member: usize, node: &mut Node<PeerId>, due: &mut Time| {
            while let Some(output) = node.poll_output() {
                match output {
                    Output::Send { to, message } if codec => {
                        let bytes = message.to_frame(ROOM, contact).to_bytes();
                        sent.push((member, to, bytes));
                    }
                    output => outputs.push((member, output)),
                }
            }
            *due = node.poll_timeout();
        };
        self.clock.time(|| {
            for (member, arrival) in inputs.drain(..) {
                let node = &mut nodes[member];
                let input = match arrival {
                    Arrival::Input(input) => input,
                    Arrival::Item(from, hops, signed) => {
                        let item = Item::new(&ROOM, signed).expect("an item");
                        let message = Message::Push { hops, item };
                        Input::Received { from, message }
                    }
                    Arrival::Bytes(from, bytes) => Input::Received {
                        from,
                        message: decoded(&bytes),
                    },
                };
                node.handle_input(input, now, &mut |_: &Item| Verdict::Accept);
                said(member, node, &mut due[member]);
            }
            for member in 0..nodes.len() {
                if due[member] <= now {
                    nodes[member].handle_timeout(now);
                    said(member, &mut nodes[member], &mut due[member]);
                }
            }
        });
        self.count.spent = self.clock.nanos();
        for (member, to, bytes) in sent {
            self.count.frames += 1;
            self.count.copies += u64::from(matches!(frame(&bytes), Frame::GossipPush(_)));
            let to = self.numbers[&to];
            self.inputs.push((to, Arrival::Bytes(names[member], bytes)));
        }
        let mut outputs = core::mem::take(&mut self.outputs);
        for (member, output) in outputs.drain(..) {
            self.carry_out(member, output);
        }
        self.outputs = outputs;
    }

    fn count(&self) -> Count {
        self.count
    }
}

impl Ours {
    fn carry_out(&mut self, member: usize, output: Output<PeerId>) {
        let me = self.names[member];
        match output {
            Output::Send { to, message } => {
                self.count.frames += 1;
                let arrival = match message {
                    Message::Push { hops, item } if self.how == How::Hashed => {
                        self.count.copies += 1;
                        Arrival::Item(me, hops, item.signed().clone())
                    }
                    message @ Message::Push { .. } => {
                        self.count.copies += 1;
                        Arrival::Input(Input::Received { from: me, message })
                    }
                    message => Arrival::Input(Input::Received { from: me, message }),
                };
                self.inputs.push((self.numbers[&to], arrival));
            }
            Output::Deliver { from, .. } => self.count.delivered += u64::from(from != me),
            Output::Connect(peer) => {
                let input = Input::Up(peer);
                self.inputs.push((member, Arrival::Input(input)));
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
                self.inputs.push((member, Arrival::Input(input)));
            }
            Output::Load(Load::Newest { peer, .. }) => {
                let items = Vec::new();
                let input = Input::LoadedNewest { peer, items };
                self.inputs.push((member, Arrival::Input(input)));
            }
            Output::Release(_) | Output::Early { .. } => {}
            Output::Load(Load::Proof { .. } | Load::Row { .. })
            | Output::Clash { .. }
            | Output::Evidence(_)
            | Output::Shunned(_) => panic!("members mean well: {output:?}"),
        }
    }
}

fn contact(peer: &PeerId) -> Contact {
    let socket = "192.0.2.1:4001".parse().expect("an address");
    Contact {
        peer: *peer,
        addresses: List::first_of([Address::direct(socket)]),
    }
}

fn frame(bytes: &[u8]) -> Frame {
    let (mut reader, mut rest) = (FrameReader::new(), bytes);
    reader.read(&mut rest).expect("a frame").expect("whole")
}

fn decoded(bytes: &[u8]) -> Message<PeerId> {
    Message::from_frame(frame(bytes), &ROOM, |contact| Some(contact.peer))
        .expect("an item")
        .expect("of gossip")
}
