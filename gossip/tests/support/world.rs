//! Many members on virtual time, and a network between them that delays, loses and splits.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::sync::Arc;

use dchat_gossip::log::{Item, Verdict};
use dchat_gossip::node::{Load, Output};
use dchat_gossip::{Config, Input, LogId, Message, Node, Time};
use dchat_wire::codec::{Bytes, List};
use dchat_wire::extension::Extensions;
use dchat_wire::gossip::{ItemHead, ItemHeader, SignedItem, body_hash};

pub const ROOM: [u8; 32] = [7; 32];
/// 2026-11-21 00:00 UTC.
pub const START: u64 = 1_795_219_200_000;

/// A repeatable stream of numbers.
pub struct Random(pub u64);

impl Random {
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, end: u64) -> u64 {
        self.number() % end
    }

    pub fn chance(&mut self, part: f64) -> bool {
        (self.number() >> 11) as f64 / ((1_u64 << 53) as f64) < part
    }
}

/// How frames travel.
#[derive(Clone, Copy, Debug)]
pub struct Net {
    /// Part of frames that are lost.
    pub loss: f64,
    /// Lost frames come later instead, after so many round trips, and hold up those behind them.
    pub as_delay: bool,
}

enum Event {
    Arrive {
        from: u32,
        to: u32,
        message: Message<u32>,
    },
    Wake {
        node: u32,
    },
    Connected {
        node: u32,
        peer: u32,
    },
    Unreachable {
        node: u32,
        peer: u32,
    },
}

struct Queued(u64, u64, Event);

impl PartialEq for Queued {
    fn eq(&self, other: &Self) -> bool {
        (self.0, self.1) == (other.0, other.1)
    }
}
impl Eq for Queued {}
impl PartialOrd for Queued {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Queued {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.0, self.1).cmp(&(other.0, other.1))
    }
}

/// One published item.
pub struct Sent {
    pub item: Arc<Item>,
    pub author: u32,
    pub at: u64,
}

pub struct World {
    pub now: u64,
    pub nodes: Vec<Node<u32>>,
    pub alive: Vec<bool>,
    /// Only members of one side reach each other.
    pub side: Vec<u8>,
    /// Members that pass nothing on.
    pub mute: BTreeSet<u32>,
    pub net: Net,
    pub random: Random,
    pub config: Arc<Config>,
    pub sent: Vec<Sent>,
    /// For each item and member, milliseconds until it was delivered.
    pub latency: BTreeMap<[u8; 32], Vec<u32>>,
    pub keep_latency: bool,
    /// Bytes of all frames, and of those by kind.
    pub bytes: u64,
    pub by_kind: BTreeMap<&'static str, (u64, u64)>,
    pub evidence: BTreeSet<(u32, LogId)>,
    pub shunned: Vec<(u32, u32)>,
    pub bad: BTreeSet<[u8; 32]>,
    delivered: Vec<BTreeMap<LogId, u32>>,
    store: BTreeMap<LogId, Vec<Arc<Item>>>,
    proofs: BTreeMap<LogId, (Arc<Item>, Arc<Item>)>,
    wake: Vec<u64>,
    queue: BinaryHeap<Reverse<Queued>>,
    serial: u64,
    clear_at: BTreeMap<(u32, u32), u64>,
    seed: u64,
}

impl World {
    pub fn new(members: u32, seed: u64, net: Net, config: Config) -> Self {
        let mut world = Self {
            now: START,
            nodes: Vec::new(),
            alive: Vec::new(),
            side: Vec::new(),
            mute: BTreeSet::new(),
            net,
            random: Random(seed),
            config: Arc::new(config),
            sent: Vec::new(),
            latency: BTreeMap::new(),
            keep_latency: true,
            bytes: 0,
            by_kind: BTreeMap::new(),
            evidence: BTreeSet::new(),
            shunned: Vec::new(),
            bad: BTreeSet::new(),
            delivered: Vec::new(),
            store: BTreeMap::new(),
            proofs: BTreeMap::new(),
            wake: Vec::new(),
            queue: BinaryHeap::new(),
            serial: 0,
            clear_at: BTreeMap::new(),
            seed,
        };
        for _ in 0..members {
            world.add();
        }
        world
    }

    /// A new member, which knows up to three others.
    pub fn add(&mut self) -> u32 {
        let number = self.nodes.len() as u32;
        let node = self.make(number);
        self.nodes.push(node);
        self.alive.push(true);
        self.side.push(0);
        self.delivered.push(BTreeMap::new());
        self.wake.push(u64::MAX);
        self.introduce(number);
        number
    }

    fn make(&mut self, number: u32) -> Node<u32> {
        let seed = (self.seed ^ self.random.number(), u64::from(number));
        Node::new(Arc::clone(&self.config), number, seed, Time(self.now))
    }

    pub fn introduce(&mut self, number: u32) {
        let mut contacts = Vec::new();
        if number > 0 {
            for _ in 0..3 {
                contacts.push(self.random.below(u64::from(number)) as u32);
            }
        }
        self.input(number, Input::Contacts(contacts));
    }

    /// Goes without a word; its neighbours notice after three to five seconds.
    pub fn crash(&mut self, number: u32) {
        self.alive[number as usize] = false;
        let neighbours: Vec<u32> = self.nodes[number as usize].neighbours().collect();
        for peer in neighbours {
            self.lose(peer, number);
        }
    }

    fn lose(&mut self, node: u32, peer: u32) {
        let after = 3000 + self.random.below(2000);
        self.push(after, Event::Unreachable { node, peer });
    }

    /// Comes back with what it had stored, under its old number.
    pub fn restart(&mut self, number: u32) {
        let tips: Vec<_> = {
            let frontier = self.nodes[number as usize].frontier();
            frontier.iter().map(|(_, tip)| *tip).collect()
        };
        let mut node = self.make(number);
        node.restore(tips).unwrap();
        self.nodes[number as usize] = node;
        self.alive[number as usize] = true;
        self.wake[number as usize] = u64::MAX;
        let contacts = (0..3).map(|_| self.random.below(self.nodes.len() as u64) as u32);
        let contacts: Vec<u32> = contacts.collect();
        self.input(number, Input::Contacts(contacts));
    }

    /// Splits the room; links between the halves are lost.
    pub fn split(&mut self, second: impl Fn(u32) -> bool) {
        for number in 0..self.nodes.len() as u32 {
            self.side[number as usize] = u8::from(second(number));
        }
        for number in 0..self.nodes.len() as u32 {
            let neighbours: Vec<u32> = self.nodes[number as usize].neighbours().collect();
            for peer in neighbours {
                if self.side[peer as usize] != self.side[number as usize] {
                    self.lose(number, peer);
                }
            }
        }
    }

    pub fn heal(&mut self) {
        self.side.fill(0);
    }

    pub fn latency_of(&self, one: u32, other: u32) -> u64 {
        let pair = (u64::from(one.min(other)) << 32) | u64::from(one.max(other));
        10 + Random(self.seed ^ pair).below(41)
    }

    pub fn log_of(author: u32) -> LogId {
        LogId::of(&ROOM, &key(author), &[0; 16])
    }

    /// A signed item of `author` of `len` bytes of text; signatures are not checked in this world.
    pub fn item(&mut self, author: u32, len: usize) -> Arc<Item> {
        let draft = self.nodes[author as usize].draft(Self::log_of(author), Time(self.now));
        let mut body = vec![b'x'; len.max(8)];
        body[..8].copy_from_slice(&self.random.number().to_le_bytes());
        let heads = draft.heads.iter().map(|(log, seq, hash)| ItemHead {
            log: log.0,
            seq: *seq,
            hash: hash[..8].try_into().unwrap(),
        });
        let header = ItemHeader {
            author: key(author),
            incarnation: [0; 16],
            seq: draft.seq,
            prev: draft.prev,
            lamport: draft.lamport,
            sent_at: draft.sent_at,
            keep_s: 0,
            floor: 0,
            heads: List::first_of(heads),
            kind: 1,
            body_len: body.len() as u32,
            body_hash: body_hash(&body),
            extensions: Extensions::default(),
        };
        let signed = SignedItem {
            header,
            signature: [0; 64],
            body: Some(Bytes::new(body).unwrap()),
        };
        Item::new(&ROOM, signed).unwrap()
    }

    pub fn publish(&mut self, author: u32) {
        let item = self.item(author, 200);
        self.store
            .entry(item.log())
            .or_default()
            .push(Arc::clone(&item));
        if self.keep_latency {
            self.latency.insert(*item.hash(), Vec::new());
        }
        self.sent.push(Sent {
            item: Arc::clone(&item),
            author,
            at: self.now,
        });
        self.input(author, Input::Publish(item));
    }

    /// Has the drivers store `item`, which is published by nobody.
    pub fn keep(&mut self, item: &Arc<Item>) {
        let stored = self.store.entry(item.log()).or_default();
        if !stored.iter().any(|other| other.hash() == item.hash()) {
            stored.push(Arc::clone(item));
        }
    }

    /// Gives a member a message as if `from` had sent it.
    pub fn inject(&mut self, from: u32, to: u32, message: Message<u32>) {
        self.input(to, Input::Received { from, message });
    }

    pub fn input(&mut self, number: u32, input: Input<u32>) {
        let bad = &self.bad;
        let mut judge = |item: &Item| {
            if bad.contains(item.hash()) {
                Verdict::Reject
            } else {
                Verdict::Accept
            }
        };
        self.nodes[number as usize].handle_input(input, Time(self.now), &mut judge);
        self.drain(number);
    }

    fn drain(&mut self, number: u32) {
        while let Some(output) = self.nodes[number as usize].poll_output() {
            self.output(number, output);
        }
        let next = self.nodes[number as usize].poll_timeout().0;
        if next < self.wake[number as usize] {
            self.wake[number as usize] = next;
            self.push(next.saturating_sub(self.now), Event::Wake { node: number });
        }
    }

    fn output(&mut self, number: u32, output: Output<u32>) {
        match output {
            Output::Send { to, message } => self.transmit(number, to, message),
            Output::Deliver { item, .. } => {
                let held = self.delivered[number as usize]
                    .entry(item.log())
                    .or_default();
                assert!(item.seq() > *held, "{number}: {item:?} after {held}");
                *held = item.seq();
                let sent_at = item.sent_at();
                if let Some(times) = self.latency.get_mut(item.hash()) {
                    times.push((self.now - sent_at) as u32);
                }
            }
            Output::Connect(peer) => {
                let reachable = self.alive[peer as usize]
                    && self.side[peer as usize] == self.side[number as usize];
                if reachable {
                    let after = 3 * self.latency_of(number, peer);
                    self.push(after, Event::Connected { node: number, peer });
                } else {
                    self.push(3000, Event::Unreachable { node: number, peer });
                }
            }
            Output::Release(_) => {}
            Output::Load(Load::Items {
                peer,
                log,
                after,
                upto,
                most_bytes,
            }) => {
                let mut bytes = 0;
                let stored = self.store.get(&log).map_or(&[][..], Vec::as_slice);
                let items = stored
                    .iter()
                    .filter(|item| item.seq() > after && item.seq() <= upto)
                    .take_while(|item| {
                        bytes += item.encoded_len();
                        bytes <= most_bytes
                    })
                    .cloned()
                    .collect();
                self.input(number, Input::Loaded { peer, items });
            }
            Output::Load(Load::Proof { peer, log }) => {
                let (one, other) = self.proofs[&log].clone();
                self.input(number, Input::LoadedProof { peer, one, other });
            }
            Output::Clash { log, seq, item } => {
                let mut stored = self.store[&log].iter();
                let stored =
                    stored.find(|stored| stored.seq() == seq && stored.hash() != item.hash());
                let one = Arc::clone(stored.unwrap());
                self.input(number, Input::Contradiction { one, other: item });
            }
            Output::Evidence(proof) => {
                let (one, other) = proof.items();
                self.proofs
                    .insert(proof.log(), (Arc::clone(one), Arc::clone(other)));
                self.evidence.insert((number, proof.log()));
            }
            Output::Shunned(peer) => self.shunned.push((number, peer)),
        }
    }

    fn transmit(&mut self, from: u32, to: u32, message: Message<u32>) {
        if self.mute.contains(&from)
            && matches!(message, Message::Push { .. } | Message::Announce(_))
        {
            return;
        }
        let len = message.frame_len() as u64;
        self.bytes += len;
        let kind = self.by_kind.entry(kind(&message)).or_default();
        kind.0 += 1;
        kind.1 += len;
        let latency = self.latency_of(from, to);
        let mut after = latency;
        if self.random.chance(self.net.loss) {
            if !self.net.as_delay {
                return;
            }
            // A retransmission after about one round trip, which may be lost as well.
            after += 2 * latency + 10;
            while self.random.chance(self.net.loss) {
                after += 4 * latency;
            }
        }
        if self.net.as_delay {
            let clear = self.clear_at.entry((from, to)).or_default();
            let at = (self.now + after).max(*clear);
            *clear = at;
            after = at - self.now;
        }
        self.push(after, Event::Arrive { from, to, message });
    }

    fn push(&mut self, after: u64, event: Event) {
        self.serial += 1;
        self.queue
            .push(Reverse(Queued(self.now + after, self.serial, event)));
    }

    /// Lets `ms` milliseconds pass.
    pub fn run(&mut self, ms: u64) {
        let end = self.now + ms;
        while self.queue.peek().is_some_and(|next| next.0.0 <= end) {
            let Some(Reverse(Queued(at, _, event))) = self.queue.pop() else {
                break;
            };
            self.now = at;
            self.happen(event);
        }
        self.now = end;
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Arrive { from, to, message } => {
                let there = self.alive[to as usize]
                    && self.alive[from as usize]
                    && self.side[from as usize] == self.side[to as usize];
                if there {
                    self.input(to, Input::Received { from, message });
                }
            }
            Event::Wake { node } => {
                if !self.alive[node as usize] || self.wake[node as usize] > self.now {
                    return;
                }
                self.wake[node as usize] = u64::MAX;
                self.nodes[node as usize].handle_timeout(Time(self.now));
                self.drain(node);
            }
            Event::Connected { node, peer } => {
                if self.alive[node as usize] {
                    self.input(node, Input::Up(peer));
                }
            }
            Event::Unreachable { node, peer } => {
                if self.alive[node as usize] {
                    self.input(node, Input::Down(peer));
                }
            }
        }
    }

    /// Runs until every living member holds the same, at most `ms`; how long it took.
    pub fn until_equal(&mut self, ms: u64) -> Option<u64> {
        let begun = self.now;
        loop {
            if self.is_equal() {
                return Some(self.now - begun);
            }
            if self.now - begun >= ms {
                return None;
            }
            self.run(100);
        }
    }

    /// Whether all living members hold all that was sent.
    pub fn is_equal(&mut self) -> bool {
        let mut newest: BTreeMap<LogId, u32> = BTreeMap::new();
        for sent in &self.sent {
            let seq = newest.entry(sent.item.log()).or_default();
            *seq = (*seq).max(sent.item.seq());
        }
        for (number, alive) in self.alive.iter().enumerate() {
            if !alive || self.mute.contains(&(number as u32)) {
                continue;
            }
            let frontier = self.nodes[number].frontier();
            for (log, seq) in &newest {
                let tip = frontier.find(log).and_then(|log| frontier.tip(log));
                if !tip.is_some_and(|tip| tip.seq >= *seq || tip.closed) {
                    return false;
                }
            }
        }
        true
    }

    /// Living members that lack something, and how many items.
    pub fn lacking(&self) -> Vec<(u32, usize)> {
        let lacks = |number: usize, item: &Item| {
            let frontier = self.nodes[number].frontier();
            let tip = frontier.find(&item.log()).and_then(|log| frontier.tip(log));
            !tip.is_some_and(|tip| tip.seq >= item.seq() || tip.closed)
        };
        (0..self.nodes.len())
            .filter(|number| self.alive[*number])
            .map(|number| {
                let lacking = self.sent.iter().filter(|sent| lacks(number, &sent.item));
                (number as u32, lacking.count())
            })
            .filter(|(_, lacking)| *lacking > 0)
            .collect()
    }

    pub fn roots(&mut self) -> BTreeSet<[u8; 32]> {
        let alive: Vec<usize> = (0..self.nodes.len()).filter(|at| self.alive[*at]).collect();
        alive.iter().map(|at| self.nodes[*at].root()).collect()
    }

    pub fn duplicates(&self) -> u64 {
        self.nodes.iter().map(|node| node.stat().duplicates).sum()
    }

    pub fn delivered(&self) -> u64 {
        self.nodes.iter().map(|node| node.stat().delivered).sum()
    }

    /// Milliseconds by which flooding would have brought an item of `author` to everybody.
    pub fn flooding(&self, author: u32) -> Vec<u32> {
        let mut best = vec![u64::MAX; self.nodes.len()];
        let mut queue = BinaryHeap::from([Reverse((0_u64, author))]);
        best[author as usize] = 0;
        while let Some(Reverse((at, node))) = queue.pop() {
            if at > best[node as usize] {
                continue;
            }
            for peer in self.nodes[node as usize].neighbours() {
                let there = at + self.latency_of(node, peer);
                if there < best[peer as usize] {
                    best[peer as usize] = there;
                    queue.push(Reverse((there, peer)));
                }
            }
        }
        best.iter()
            .filter(|at| **at < u64::MAX)
            .map(|at| *at as u32)
            .collect()
    }

    /// Counts bytes anew.
    pub fn reset_counts_keep_sent(&mut self) {
        self.bytes = 0;
        self.by_kind.clear();
    }

    pub fn reset_counts(&mut self) {
        self.bytes = 0;
        self.by_kind.clear();
        self.sent.clear();
        self.latency.clear();
    }
}

pub fn key(author: u32) -> [u8; 32] {
    let mut key = [0; 32];
    key[..4].copy_from_slice(&author.to_le_bytes());
    key
}

pub fn percentile(sorted: &[u32], part: f64) -> u32 {
    if sorted.is_empty() {
        return 0;
    }
    sorted[((sorted.len() - 1) as f64 * part).round() as usize]
}

fn kind(message: &Message<u32>) -> &'static str {
    match message {
        Message::Open { .. } => "open",
        Message::Leave { .. } => "leave",
        Message::Join { .. } => "join",
        Message::Shuffle { .. } => "shuffle",
        Message::Push { .. } => "push",
        Message::Announce(_) => "announce",
        Message::Pull { .. } => "pull",
        Message::Tree { .. } => "tree",
        Message::Digest(_) => "digest",
        Message::Sketch { .. } => "sketch",
        Message::More { .. } => "more",
        Message::Proof(..) => "proof",
    }
}
