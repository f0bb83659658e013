//! Two members with a link that loses nothing, on virtual time.
#![allow(dead_code, reason = "each test file uses a part of it")]

use std::cmp::Reverse;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use dchat_gossip::log::{Item, Position, Proof};
use dchat_gossip::node::{Draft, Input, Load, Node, Output};
use dchat_gossip::{Config, LogId, Time, Verdict};
use dchat_wire::codec::{Bytes, List};
use dchat_wire::extension::Extensions;
use dchat_wire::gossip::{ItemHeader, SignedItem, body_hash};

pub(crate) const ROOM: [u8; 32] = [7; 32];
pub(crate) const START: u64 = 1_795_435_200_000;

pub(crate) fn log_of(author: u8) -> LogId {
    LogId::of(&ROOM, &[author; 32], &[0; 16])
}

/// The item `draft` describes, of `author`'s only log.
pub(crate) fn item(author: u8, draft: &Draft, text: &[u8]) -> Arc<Item> {
    let body = Bytes::new(text.to_vec()).unwrap();
    let header = ItemHeader {
        author: [author; 32],
        incarnation: [0; 16],
        seq: draft.seq,
        prev: draft.prev,
        lamport: draft.lamport,
        sent_at: draft.sent_at,
        keep_s: 0,
        floor: 0,
        heads: List::default(),
        kind: 1,
        body_len: text.len() as u32,
        body_hash: body_hash(text),
        extensions: Extensions::default(),
    };
    let signed = SignedItem {
        header,
        signature: [0; 64],
        body: Some(body),
    };
    Item::new(&ROOM, signed).unwrap()
}

/// What a member showed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shown {
    pub(crate) early: Vec<Arc<Item>>,
    pub(crate) delivered: Vec<Arc<Item>>,
    pub(crate) proofs: Vec<Proof>,
    pub(crate) came_again: u64,
}

/// Two members; 0 and 1 are their names.
pub(crate) struct Pair {
    pub(crate) nodes: [Node<u8>; 2],
    stores: [BTreeMap<(LogId, u32), Arc<Item>>; 2],
    proofs: [BTreeMap<LogId, Proof>; 2],
    pub(crate) now: Time,
    /// How far the clock of each is ahead.
    pub(crate) ahead: [Duration; 2],
}

impl Pair {
    pub(crate) fn new() -> Self {
        let config = Arc::new(Config::default());
        let node = |me: u8| Node::new(Arc::clone(&config), me, (me.into(), 9), Time(START));
        Self {
            nodes: [node(0), node(1)],
            stores: Default::default(),
            proofs: Default::default(),
            now: Time(START),
            ahead: [Duration::ZERO; 2],
        }
    }

    fn time(&self, who: u8) -> Time {
        self.now + self.ahead[usize::from(who)]
    }

    /// Has a member write so many items.
    pub(crate) fn write(&mut self, who: u8, count: u32) {
        for _ in 0..count {
            self.now = self.now + Duration::from_millis(1);
            let draft = self.nodes[usize::from(who)].draft(log_of(who), self.time(who));
            let item = item(who, &draft, b"hello");
            let outputs = self.give(who, Input::Publish(item));
            self.carry(who, outputs, &mut Shown::default());
        }
    }

    pub(crate) fn newest_of(&self, who: u8) -> Arc<Item> {
        let store = self.stores[usize::from(who)].values();
        let newest = store.max_by_key(|item| Position::of(item));
        Arc::clone(newest.unwrap())
    }

    /// Gives a member an input, and takes what it says.
    pub(crate) fn give(&mut self, who: u8, input: Input<u8>) -> Vec<Output<u8>> {
        let now = self.time(who);
        let node = &mut self.nodes[usize::from(who)];
        node.handle_input(input, now, &mut |_: &Item| Verdict::Accept);
        std::iter::from_fn(|| node.poll_output()).collect()
    }

    /// Has both find each other and talk for a minute; what member 1 showed.
    pub(crate) fn meet(&mut self) -> Shown {
        self.meet_until(|_, _| ())
    }

    /// The same; `look` sees member 1 after every step.
    pub(crate) fn meet_until(&mut self, mut look: impl FnMut(&Node<u8>, &Shown)) -> Shown {
        let mut shown = Shown::default();
        let before = self.nodes[1].stat().duplicates;
        let outputs = self.give(1, Input::Contacts(vec![0]));
        self.carry(1, outputs, &mut shown);
        let end = self.now + Duration::from_secs(60);
        while self.now < end {
            self.now = self.now + Duration::from_millis(5);
            for who in [0, 1] {
                let now = self.time(who);
                let node = &mut self.nodes[usize::from(who)];
                if node.poll_timeout() <= now {
                    node.handle_timeout(now);
                    let outputs = std::iter::from_fn(|| node.poll_output()).collect();
                    self.carry_watched(who, outputs, &mut shown, &mut look);
                }
            }
        }
        shown.came_again = self.nodes[1].stat().duplicates - before;
        shown
    }

    /// The connection is gone.
    pub(crate) fn part(&mut self) {
        for (who, peer) in [(0, 1), (1, 0)] {
            let outputs = self.give(who, Input::Down(peer));
            self.carry(who, outputs, &mut Shown::default());
        }
    }

    /// Does what a member says, and what follows from it.
    pub(crate) fn carry(&mut self, who: u8, outputs: Vec<Output<u8>>, shown: &mut Shown) {
        self.carry_watched(who, outputs, shown, &mut |_, _| ());
    }

    fn carry_watched(
        &mut self,
        who: u8,
        outputs: Vec<Output<u8>>,
        shown: &mut Shown,
        look: &mut impl FnMut(&Node<u8>, &Shown),
    ) {
        let mut queue: VecDeque<(u8, Output<u8>)> =
            outputs.into_iter().map(|output| (who, output)).collect();
        while let Some((who, output)) = queue.pop_front() {
            let Some((to, input)) = self.follows(who, output, shown) else {
                continue;
            };
            let outputs = self.give(to, input);
            queue.extend(outputs.into_iter().map(|output| (to, output)));
            look(&self.nodes[1], shown);
        }
    }

    /// What follows from one output: an input, and whose.
    pub(crate) fn follows(
        &mut self,
        who: u8,
        output: Output<u8>,
        shown: &mut Shown,
    ) -> Option<(u8, Input<u8>)> {
        let at = usize::from(who);
        match output {
            Output::Send { to, message } => Some((to, Input::Received { from: who, message })),
            Output::Connect(peer) => Some((who, Input::Up(peer))),
            Output::Deliver { item, .. } => {
                if who == 1 {
                    shown.delivered.push(Arc::clone(&item));
                }
                self.stores[at].insert((item.log(), item.seq()), item);
                None
            }
            Output::Early { item, .. } => {
                if who == 1 {
                    shown.early.push(item);
                }
                None
            }
            Output::Load(Load::Items {
                peer,
                log,
                after,
                upto,
                ..
            }) => {
                let stored = self.stores[at].range((log, after + 1)..=(log, upto));
                let items = stored.take(100).map(|(_, item)| Arc::clone(item)).collect();
                Some((who, Input::Loaded { peer, items }))
            }
            Output::Load(Load::Newest {
                peer,
                from,
                to,
                most,
                ..
            }) => {
                let within = |item: &&Arc<Item>| {
                    let key = dchat_gossip::range::Key::of(item);
                    from <= key && key < to
                };
                let stored = self.stores[at].values().filter(within);
                let mut items: Vec<_> = stored.map(Arc::clone).collect();
                items.sort_by_key(|item| Reverse(Position::of(item)));
                items.truncate(most);
                Some((who, Input::LoadedNewest { peer, items }))
            }
            Output::Load(Load::Row { most }) => {
                let items = self.stores[at].values();
                let keys: Vec<_> = items
                    .map(|item| dchat_gossip::range::Key::of(item))
                    .collect();
                Some((who, Input::LoadedRow((keys.len() <= most).then_some(keys))))
            }
            Output::Load(Load::Proof { peer, log }) => {
                let proof = self.proofs[at].get(&log)?;
                let (one, other) = proof.items();
                let (one, other) = (Arc::clone(one), Arc::clone(other));
                Some((who, Input::LoadedProof { peer, one, other }))
            }
            Output::Clash { log, seq, item } => {
                let one = self.stores[at].get(&(log, seq)).map(Arc::clone)?;
                Some((who, Input::Contradiction { one, other: item }))
            }
            Output::Evidence(proof) => {
                if who == 1 {
                    shown.proofs.push(proof.clone());
                }
                self.proofs[at].insert(proof.log(), proof);
                None
            }
            Output::Release(_) | Output::Shunned(_) => None,
        }
    }
}
