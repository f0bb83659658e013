//! A few members of one room, and a network that does what it likes.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use dchat_gossip::log::{Position, Proof};
use dchat_gossip::node::{Input, Load, Node, Output};
use dchat_gossip::range::Key;
use dchat_gossip::{Config, Item, LogId, Message, Time, Verdict};
use dchat_wire::codec::{Bytes, List};
use dchat_wire::gossip::{ItemHead, ItemHeader, SignedItem, body_hash};
use dchat_wire::{Frame, FrameReader, limits};

use crate::script::Script;

/// How many members.
const MEMBERS: u8 = 4;
const ROOM: [u8; 32] = [7; 32];
const START: u64 = 1_795_435_200_000;
/// Messages on their way; more are lost.
const MOST: usize = 2048;

/// Input: a script of what members say, of messages that arrive, late, twice or never, of connections
/// that go and come, restarts, queues that are full, authors that contradict themselves, time, and of
/// frames that no member would send.
///
/// Items of a log are delivered in order and each once, after everything their author had seen of its
/// own; no timer fires for ever; what is kept is bounded. When nobody lied and everything can arrive
/// again, all members end with the same, in minutes.
///
/// # Panics
/// When it is not so.
pub fn gossip_nodes(data: &[u8]) {
    let mut script = Script::new(data);
    let mut world = World::new(script.u8());
    let mut steps = 0;
    while let Some(step) = script.step() {
        steps += 1;
        if steps > 300 {
            break;
        }
        world.step(step, &mut script);
        world.settle();
        world.check();
    }
    world.end();
}

#[derive(Default)]
struct Store {
    items: BTreeMap<LogId, BTreeMap<u32, Arc<Item>>>,
    proofs: BTreeMap<LogId, Proof>,
}

struct World {
    config: Arc<Config>,
    nodes: Vec<Node<u8>>,
    stores: Vec<Store>,
    /// From, to, what.
    wire: VecDeque<(u8, u8, Message<u8>)>,
    inputs: VecDeque<(u8, Input<u8>)>,
    /// Whether two members can reach each other.
    cut: [[bool; MEMBERS as usize]; MEMBERS as usize],
    now: Time,
    lied: bool,
    incarnations: [u8; MEMBERS as usize],
}

fn log_of(author: u8, incarnation: u8) -> LogId {
    LogId::of(&ROOM, &[author; 32], &[incarnation; 16])
}

fn node(config: &Arc<Config>, me: u8, now: Time) -> Node<u8> {
    Node::new(Arc::clone(config), me, (u64::from(me) + 1, 9), now)
}

impl World {
    fn new(choice: u8) -> Self {
        let config = Arc::new(Config {
            degree: 2 + usize::from(choice & 3),
            spare: usize::from(choice >> 2 & 1),
            ..Config::default()
        });
        let now = Time(START);
        let mut world = Self {
            nodes: (0..MEMBERS).map(|me| node(&config, me, now)).collect(),
            config,
            stores: (0..MEMBERS).map(|_| Store::default()).collect(),
            wire: VecDeque::new(),
            inputs: VecDeque::new(),
            cut: Default::default(),
            now,
            lied: false,
            incarnations: [0; MEMBERS as usize],
        };
        world.introduce();
        world.settle();
        world
    }

    /// Everybody hears of everybody.
    fn introduce(&mut self) {
        for me in 0..MEMBERS {
            let others = (0..MEMBERS).filter(|other| *other != me).collect();
            self.inputs.push_back((me, Input::Contacts(others)));
        }
    }

    fn step(&mut self, step: u8, script: &mut Script<'_>) {
        let who = script.below(MEMBERS.into()) as u8;
        let other = script.below(MEMBERS.into()) as u8;
        match step % 16 {
            0..3 => self.say(who, script.u8()),
            3..7 => self.arrive(script.u8(), true),
            7 => {
                let at = usize::from(script.u8());
                if let Some((from, to, message)) = self.wire.get(at % self.wire.len().max(1)) {
                    let again = (*from, *to, message.clone());
                    self.wire.push_back(again);
                }
            }
            8 => self.arrive(script.u8(), false),
            9 => {
                let (one, two) = (usize::from(who), usize::from(other));
                let cut = script.flag() && one != two;
                self.cut[one][two] = cut;
                self.cut[two][one] = cut;
                if cut {
                    self.wire.retain(|(from, to, _)| {
                        (*from, *to) != (who, other) && (*from, *to) != (other, who)
                    });
                    self.inputs.push_back((who, Input::Down(other)));
                    self.inputs.push_back((other, Input::Down(who)));
                }
            }
            10 => {
                let congested = script.flag();
                let peer = other;
                self.inputs
                    .push_back((who, Input::Congested { peer, congested }));
            }
            11 => self.restart(who, script.flag()),
            12 => self.contradict(who, other),
            13 => self.lie(who, other, script),
            _ => {
                self.now = self.now + script.time().min(Duration::from_secs(120));
                for node in &mut self.nodes {
                    node.handle_timeout(self.now);
                }
            }
        }
    }

    fn item(&self, who: u8, log: LogId, incarnation: u8, text: u8) -> Option<Arc<Item>> {
        let draft = self.nodes[usize::from(who)].draft(log, self.now);
        let body = Bytes::new(vec![text; usize::from(text)]).ok()?;
        let heads = draft.heads.iter().map(|(log, seq, hash)| ItemHead {
            log: log.0,
            seq: *seq,
            hash: core::array::from_fn(|at| hash[at]),
        });
        let header = ItemHeader {
            author: [who; 32],
            incarnation: [incarnation; 16],
            seq: draft.seq,
            prev: draft.prev,
            lamport: draft.lamport,
            sent_at: draft.sent_at,
            keep_s: 0,
            floor: 1,
            heads: List::first_of(heads),
            kind: 1,
            body_len: body.as_slice().len() as u32,
            body_hash: body_hash(body.as_slice()),
            extensions: Default::default(),
        };
        // Signatures are the driver's: here every item is taken for signed.
        let signed = SignedItem {
            header,
            signature: [0; 64],
            body: Some(body),
        };
        Item::new(&ROOM, signed).ok()
    }

    fn say(&mut self, who: u8, text: u8) {
        let incarnation = self.incarnations[usize::from(who)];
        let log = log_of(who, incarnation);
        if let Some(item) = self.item(who, log, incarnation, text) {
            self.inputs.push_back((who, Input::Publish(item)));
        }
    }

    fn arrive(&mut self, which: u8, at_all: bool) {
        if self.wire.is_empty() {
            return;
        }
        let at = usize::from(which) % self.wire.len();
        if let Some((from, to, message)) = self.wire.remove(at).filter(|_| at_all) {
            self.inputs
                .push_back((to, Input::Received { from, message }));
        }
    }

    /// A member begins anew with what it had stored.
    fn restart(&mut self, who: u8, new_log: bool) {
        let at = usize::from(who);
        let tips: Vec<_> = self.nodes[at]
            .frontier()
            .iter()
            .map(|(_, tip)| *tip)
            .collect();
        let mut fresh = node(&self.config, who, self.now);
        fresh.restore(tips).unwrap();
        self.nodes[at] = fresh;
        self.incarnations[at] = self.incarnations[at].wrapping_add(new_log.into());
        let others = (0..MEMBERS).filter(|other| *other != who).collect();
        self.inputs.push_back((who, Input::Contacts(others)));
    }

    /// An author signs another item in the place of its newest, and gives it to one neighbour.
    fn contradict(&mut self, who: u8, to: u8) {
        let log = log_of(who, self.incarnations[usize::from(who)]);
        let store = &self.stores[usize::from(who)];
        let newest = store
            .items
            .get(&log)
            .and_then(|items| items.last_key_value());
        let Some((_, newest)) = newest.filter(|_| who != to) else {
            return;
        };
        let mut signed = newest.signed().clone();
        signed.header.keep_s ^= 1;
        let item = Item::new(&ROOM, signed).unwrap();
        let message = Message::Push { hops: 0, item };
        self.inputs
            .push_back((to, Input::Received { from: who, message }));
    }

    /// A frame nobody sent; it may be one that a member could have sent.
    fn lie(&mut self, from: u8, to: u8, script: &mut Script<'_>) {
        let bytes = script.bytes(512);
        let Ok(Some(frame)) = FrameReader::new().read(&mut &bytes[..]) else {
            return;
        };
        let frame: Frame = frame;
        let member =
            |contact: dchat_wire::gossip::Contact| Some(contact.peer.public_key()[0] % MEMBERS);
        if let Ok(Some(message)) = Message::from_frame(frame, &ROOM, member) {
            self.lied = true;
            self.inputs
                .push_back((to, Input::Received { from, message }));
        }
    }

    /// Feeds inputs and takes outputs until nothing is left but what is on the wire.
    fn settle(&mut self) {
        let mut turns = 0;
        loop {
            for me in 0..MEMBERS {
                while let Some(output) = self.nodes[usize::from(me)].poll_output() {
                    self.output(me, output);
                }
            }
            let Some((who, input)) = self.inputs.pop_front() else {
                return;
            };
            turns += 1;
            assert!(turns < 100_000, "inputs answer inputs without end");
            let mut judge = |_: &Item| Verdict::Accept;
            self.nodes[usize::from(who)].handle_input(input, self.now, &mut judge);
        }
    }

    fn output(&mut self, me: u8, output: Output<u8>) {
        let at = usize::from(me);
        match output {
            Output::Send { to, message } => {
                if let Message::Spans { spans, .. } = &message {
                    let many = spans.len() > limits::GOSSIP_SPANS;
                    assert!(self.lied && !many, "nobody asked for {spans:?}");
                }
                if !self.cut[at][usize::from(to)] && self.wire.len() < MOST {
                    self.wire.push_back((me, to, message));
                }
            }
            Output::Deliver { item, .. } => {
                let log = self.stores[at].items.entry(item.log()).or_default();
                let last = log.last_key_value();
                if let Some((seq, last)) = last {
                    assert!(*seq < item.seq(), "{item:?} after item {seq}");
                    assert!(Position::of(last) < Position::of(&item));
                }
                log.insert(item.seq(), item);
            }
            Output::Connect(peer) => {
                let cut = self.cut[at][usize::from(peer)];
                let input = if cut {
                    Input::Down(peer)
                } else {
                    Input::Up(peer)
                };
                self.inputs.push_back((me, input));
            }
            Output::Load(Load::Items {
                peer,
                log,
                after,
                upto,
                ..
            }) => {
                let stored = self.stores[at].items.get(&log);
                let range = stored
                    .into_iter()
                    .flat_map(|items| items.range(after + 1..=upto.max(after + 1)));
                let items = range.take(16).map(|(_, item)| Arc::clone(item)).collect();
                self.inputs.push_back((me, Input::Loaded { peer, items }));
            }
            Output::Load(Load::Newest { peer, most, .. }) => {
                let logs = self.stores[at].items.values();
                let mut items: Vec<_> = logs.flat_map(BTreeMap::values).map(Arc::clone).collect();
                items.sort_by_key(|item| std::cmp::Reverse(Position::of(item)));
                items.truncate(most);
                self.inputs
                    .push_back((me, Input::LoadedNewest { peer, items }));
            }
            Output::Load(Load::Row { most }) => {
                let logs = self.stores[at].items.values();
                let items = logs.flat_map(BTreeMap::values);
                let keys: Vec<_> = items.map(|item| Key::of(item)).collect();
                let keys = (keys.len() <= most).then_some(keys);
                self.inputs.push_back((me, Input::LoadedRow(keys)));
            }
            Output::Early { item, .. } => {
                let log = self.stores[at].items.get(&item.log());
                let held = log.and_then(|log| log.last_key_value());
                assert!(
                    held.is_none_or(|(seq, _)| *seq + 1 < item.seq()),
                    "{item:?} is no earlier than its turn"
                );
            }
            Output::Load(Load::Proof { peer, log }) => {
                if let Some(proof) = self.stores[at].proofs.get(&log) {
                    let (one, other) = proof.items();
                    let (one, other) = (Arc::clone(one), Arc::clone(other));
                    self.inputs
                        .push_back((me, Input::LoadedProof { peer, one, other }));
                }
            }
            Output::Clash { log, seq, item } => {
                let stored = self.stores[at]
                    .items
                    .get(&log)
                    .and_then(|items| items.get(&seq));
                if let Some(one) = stored.map(Arc::clone) {
                    let other = item;
                    self.inputs
                        .push_back((me, Input::Contradiction { one, other }));
                }
            }
            Output::Evidence(proof) => {
                assert!(self.stores[at].proofs.insert(proof.log(), proof).is_none());
            }
            Output::Release(_) | Output::Shunned(_) => {}
        }
    }

    fn check(&mut self) {
        for node in &mut self.nodes {
            let stat = node.stat();
            assert!(
                stat.parked <= 128 && stat.wanted <= 4096 && stat.passive <= 64,
                "{stat:?}"
            );
            assert!(node.neighbours().count() <= self.config.degree + self.config.spare + 3);
        }
    }

    /// Everything can arrive again, and does.
    fn end(&mut self) {
        self.cut = Default::default();
        for one in 0..MEMBERS {
            for peer in 0..MEMBERS {
                let congested = false;
                self.inputs
                    .push_back((one, Input::Congested { peer, congested }));
            }
        }
        self.introduce();
        self.settle();
        for second in 0..900 {
            let mut steps = 0;
            while let Some((from, to, message)) = self.wire.pop_front() {
                self.inputs
                    .push_back((to, Input::Received { from, message }));
                self.settle();
                steps += 1;
                assert!(steps < 100_000, "messages answer messages without end");
            }
            let equal = {
                let roots: Vec<_> = self.nodes.iter_mut().map(Node::root).collect();
                roots.iter().all(|root| *root == roots[0])
            };
            if second > 5 && (equal || self.lied && second > 60) {
                return;
            }
            self.tick();
            self.settle();
        }
        assert!(
            self.lied,
            "members hold different logs after a quarter of an hour"
        );
    }

    /// A second passes, and whatever is due in it.
    fn tick(&mut self) {
        let end = self.now + Duration::from_secs(1);
        for node in &mut self.nodes {
            let mut timers = 0;
            while node.poll_timeout() <= end {
                let now = node.poll_timeout().max(self.now);
                node.handle_timeout(now);
                timers += 1;
                assert!(timers < 10_000, "a timer fires for ever");
            }
        }
        self.now = end;
    }
}
