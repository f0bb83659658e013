//! A room somewhat larger than a full mesh, on links whose delays vary more than they differ, as
//! between processes of one machine: trees move all the time, and still nobody is left out.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failed expectation is a failed test"
)]

use std::collections::BTreeMap;
use std::sync::Arc;

use dchat_gossip::log::Item;
use dchat_gossip::node::{Load, Output};
use dchat_gossip::{Config, Input, LogId, Message, Node, Time, Verdict};
use dchat_wire::Bytes;
use dchat_wire::gossip::{ItemHeader, SignedItem, body_hash};

const ROOM: [u8; 32] = [3; 32];
const MEMBERS: u32 = 10;
const START: u64 = 1_800_000_000_000;
/// Milliseconds a frame takes.
const DELAY: (u64, u64) = (1, 12);

enum Due {
    Input(Input<u32>),
    Timeout,
}

struct World {
    nodes: Vec<Node<u32>>,
    queue: BTreeMap<(u64, u64), (u32, Due)>,
    /// When what was sent last from one to another arrives: streams keep the order.
    lines: BTreeMap<(u32, u32), u64>,
    number: u64,
    now: u64,
    random: u64,
    stored: BTreeMap<LogId, Vec<Arc<Item>>>,
    /// By author and sequence, how many have it.
    delivered: BTreeMap<(LogId, u32), u32>,
}

impl World {
    fn new(seed: u64) -> Self {
        let config = Arc::new(Config::default());
        let node = |member: u32| {
            let seed = (seed, u64::from(member));
            Node::new(config.clone(), member, seed, Time(START))
        };
        let mut world = Self {
            nodes: (0..MEMBERS).map(node).collect(),
            queue: BTreeMap::new(),
            lines: BTreeMap::new(),
            number: 0,
            now: START,
            random: seed,
            stored: BTreeMap::new(),
            delivered: BTreeMap::new(),
        };
        for member in 1..MEMBERS {
            world.put(
                0,
                member,
                Due::Input(Input::Contacts((0..member).collect())),
            );
        }
        world.run(30_000);
        world
    }

    /// SplitMix64, below `most`.
    fn below(&mut self, most: u64) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = (self.random ^ (self.random >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % most
    }

    fn put(&mut self, after: u64, member: u32, due: Due) {
        self.number += 1;
        self.queue
            .insert((self.now + after, self.number), (member, due));
    }

    fn run(&mut self, for_ms: u64) {
        let end = self.now + for_ms;
        while let Some(first) = self
            .queue
            .first_entry()
            .filter(|first| first.key().0 <= end)
        {
            self.now = self.now.max(first.key().0);
            let (member, due) = first.remove();
            self.turn(member, due);
        }
        self.now = end;
    }

    fn turn(&mut self, member: u32, due: Due) {
        let now = Time(self.now);
        let node = &mut self.nodes[member as usize];
        match due {
            Due::Input(input) => node.handle_input(input, now, &mut |_: &Item| Verdict::Accept),
            Due::Timeout if node.poll_timeout() <= now => node.handle_timeout(now),
            Due::Timeout => {}
        }
        let next = node.poll_timeout();
        let outputs: Vec<_> = std::iter::from_fn(|| node.poll_output()).collect();
        self.put(next.0.saturating_sub(self.now).max(1), member, Due::Timeout);
        for output in outputs {
            match output {
                Output::Send { to, message } => self.send(member, to, message),
                Output::Deliver { item, .. } => {
                    *self.delivered.entry((item.log(), item.seq())).or_default() += 1;
                }
                Output::Connect(peer) => self.put(0, member, Due::Input(Input::Up(peer))),
                Output::Load(Load::Items {
                    peer,
                    log,
                    after,
                    upto,
                    ..
                }) => {
                    let items = self.stored[&log][after as usize..upto as usize].to_vec();
                    self.put(0, member, Due::Input(Input::Loaded { peer, items }));
                }
                // Nobody is so far behind that the newest would be worth more than the rest.
                Output::Load(Load::Newest { peer, .. }) => {
                    let items = Vec::new();
                    self.put(0, member, Due::Input(Input::LoadedNewest { peer, items }));
                }
                Output::Release(_) | Output::Early { .. } => {}
                other => panic!("members mean well: {other:?}"),
            }
        }
    }

    fn send(&mut self, from: u32, to: u32, message: Message<u32>) {
        let delay = DELAY.0 + self.below(DELAY.1 - DELAY.0);
        let line = self.lines.entry((from, to)).or_default();
        *line = (*line).max(self.now + delay);
        let after = *line - self.now;
        self.put(after, to, Due::Input(Input::Received { from, message }));
    }

    fn write(&mut self, member: u32) -> (LogId, u32) {
        let author = [member as u8 + 1; 32];
        let log = LogId::of(&ROOM, &author, &[1; 16]);
        let draft = self.nodes[member as usize].draft(log, Time(self.now));
        let header = ItemHeader {
            author,
            incarnation: [1; 16],
            seq: draft.seq,
            prev: draft.prev,
            lamport: draft.lamport,
            sent_at: draft.sent_at,
            keep_s: 0,
            floor: 0,
            heads: Default::default(),
            kind: 1,
            body_len: 5,
            body_hash: body_hash(b"hello"),
            extensions: Default::default(),
        };
        let signed = SignedItem {
            header,
            signature: [0; 64],
            body: Some(Bytes::new(b"hello".to_vec()).unwrap()),
        };
        let item = Item::new(&ROOM, signed).unwrap();
        self.stored.entry(log).or_default().push(item.clone());
        self.turn(member, Due::Input(Input::Publish(item)));
        (log, draft.seq)
    }
}

#[test]
fn every_message_is_with_everybody_within_seconds() {
    for seed in 0..8 {
        let mut world = World::new(seed);
        for number in 0..200 {
            let written = world.write(number % MEMBERS);
            let mut waited = 0;
            while world.delivered.get(&written).copied().unwrap_or(0) < MEMBERS {
                assert!(
                    waited < 6000,
                    "seed {seed}: message {number} is with {:?}",
                    world.delivered.get(&written)
                );
                world.run(50);
                waited += 50;
            }
        }
    }
}
