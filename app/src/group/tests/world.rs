//! Members that meet now and then: neighbours exchange operations and items, entries travel in order
//! between two, and whoever is refused gets neither.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use dchat_gossip::Item;
use dchat_wire::PeerId;
use dchat_wire::codec::{self, Bytes, List};
use dchat_wire::extension::Extensions;
use dchat_wire::gossip::{ItemHeader, SignedItem};
use dchat_wire::group::{GroupKeys, GroupOperations};
use dchat_wire::parcel::entry_kind;
use dchat_wire::sign::Identity;

use super::memory::{At, Memory};
use crate::group::{Event, Group, Opened, Output};

pub(super) fn identity(number: u8) -> Identity {
    Identity::from_seed(&[number; 32])
}

pub(super) fn peer(number: u8) -> PeerId {
    identity(number).peer_id()
}

pub(super) struct Member {
    pub(super) number: u8,
    pub(super) identity: Identity,
    pub(super) ledger: Memory,
    pub(super) group: Group,
    /// What could be read, also what counts no more.
    pub(super) texts: BTreeMap<At, String>,
    pub(super) events: Vec<Event>,
    /// Entries under way to others.
    pub(super) letters: BTreeMap<PeerId, VecDeque<(u16, Vec<u8>)>>,
    seeds: u32,
}

impl Member {
    pub(super) fn seed(&mut self) -> [u8; 32] {
        self.seeds += 1;
        *blake3::hash(&[&[self.number], self.seeds.to_le_bytes().as_slice()].concat()).as_bytes()
    }

    /// Does what a person would, if it may.
    pub(super) fn does<T, E>(
        &mut self,
        deed: impl FnOnce(&mut Group, &mut Memory, &Identity) -> Result<T, E>,
    ) -> Result<T, E> {
        let done = deed(&mut self.group, &mut self.ledger, &self.identity);
        self.drain();
        done
    }

    pub(super) fn invites(&mut self, number: u8) -> bool {
        self.does(|group, ledger, me| group.invite(ledger, me, peer(number), 1))
            .is_ok()
    }

    pub(super) fn accepts(&mut self) -> bool {
        let seed = self.seed();
        self.does(|group, ledger, me| group.accept(ledger, me, "name", &seed, 1))
            .is_ok()
    }

    pub(super) fn removes(&mut self, number: u8) -> bool {
        self.does(|group, ledger, me| group.remove(ledger, me, peer(number), 1))
            .is_ok()
    }

    pub(super) fn leaves(&mut self) -> bool {
        self.does(|group, ledger, me| group.leave(ledger, me, 1))
            .is_ok()
    }

    pub(super) fn promotes(&mut self, number: u8) -> bool {
        self.does(|group, ledger, me| group.promote(ledger, me, peer(number), 1))
            .is_ok()
    }

    pub(super) fn sets(&mut self, setting: &str) -> bool {
        let setting = setting.parse().unwrap();
        self.does(|group, ledger, me| group.set_policy(ledger, me, setting, 1))
            .is_ok()
    }

    pub(super) fn says(&mut self, text: &str) -> Option<At> {
        self.says_at(text, 1)
    }

    pub(super) fn says_at(&mut self, text: &str, now: u64) -> Option<At> {
        let author = self.group.author(&mut self.ledger).unwrap()?;
        let body = self
            .does(|group, ledger, _| group.seal(ledger, text, now))
            .ok()?;
        let own = self.ledger.items.values();
        let last = own
            .filter(|item| item.author() == author.peer_id().public_key())
            .max_by_key(|item| item.seq());
        let lamport = self.ledger.items.keys().map(|at| at.0).max().unwrap_or(0);
        let header = ItemHeader {
            incarnation: [self.number; 16],
            seq: last.map_or(1, |item| item.seq() + 1),
            prev: last.map_or([0; 32], |item| *item.hash()),
            lamport: lamport + 1,
            ..header()
        };
        let at = self.keeps(&author, header, body);
        self.texts.insert(at, text.to_owned());
        Some(at)
    }

    fn keeps(&mut self, author: &Identity, header: ItemHeader, body: Vec<u8>) -> At {
        let body = Bytes::new(body).unwrap();
        let signed = SignedItem::sign(author, self.group.id(), header, body);
        let item = Item::new(self.group.id(), signed).unwrap();
        let at = place(&item);
        self.ledger.items.insert(at, item);
        at
    }

    /// Holds the item number `seq`, not the first, of one of the logs of `author`.
    pub(super) fn holds(&mut self, author: &Identity, log: u8, seq: u32) {
        let header = ItemHeader {
            incarnation: [log; 16],
            seq,
            prev: [log; 32],
            ..header()
        };
        self.keeps(author, header, Vec::new());
    }

    /// Takes an item, if it counts and follows what is held of its log.
    fn receives(&mut self, item: &Arc<Item>) {
        if self.group.writer(item).is_none() {
            return;
        }
        let log = self.ledger.items.keys().filter(|at| at.1 == item.log().0);
        if log.map(|at| at.2).max().unwrap_or(0) + 1 != item.seq() {
            return;
        }
        self.ledger.items.insert(place(item), item.clone());
        self.reads(item);
    }

    fn reads(&mut self, item: &Item) {
        if let Opened::Text { text, .. } = self.group.open(&mut self.ledger, item).unwrap() {
            self.texts.insert(place(item), text);
        }
    }

    /// Takes an entry.
    pub(super) fn hears(&mut self, from: &PeerId, kind: u16, body: &[u8]) {
        if kind == entry_kind::GROUP_KEYS {
            let keys: GroupKeys = codec::decode(body).unwrap();
            let group = &mut self.group;
            group.receive_keys(&mut self.ledger, from, &keys).unwrap();
        } else {
            let operations: GroupOperations = codec::decode(body).unwrap();
            let heard = self
                .group
                .receive_operations(&mut self.ledger, &operations)
                .unwrap();
            assert!(!heard.is_bad);
        }
        self.drain();
    }

    pub(super) fn drain(&mut self) {
        while let Some(output) = self.group.poll_output() {
            match output {
                Output::Tell { to, kind, body } => {
                    assert!(body.len() < 48 * 1024);
                    self.letters.entry(to).or_default().push_back((kind, body));
                }
                Output::Readable { .. } => {
                    let items: Vec<_> = self.ledger.items.values().cloned().collect();
                    for item in items {
                        if !self.texts.contains_key(&place(&item)) {
                            self.reads(&item);
                        }
                    }
                }
                Output::Event(event) => self.events.push(event),
                Output::Recount(_) | Output::Spread { .. } => {}
            }
        }
    }

    /// What a person is shown: what counts, in order; `None` where it cannot be read.
    pub(super) fn history(&self) -> Vec<(At, Option<&str>)> {
        let items = self.ledger.items.iter();
        items
            .filter(|(_, item)| self.group.writer(item).is_some())
            .map(|(at, _)| (*at, self.texts.get(at).map(String::as_str)))
            .collect()
    }

    pub(super) fn shown(&self) -> Vec<&str> {
        self.history()
            .into_iter()
            .filter_map(|(_, text)| text)
            .collect()
    }

    /// Loads everything again, as after a restart.
    pub(super) fn restarts(&mut self) {
        let me = self.identity.peer_id();
        self.group = Group::load(&mut self.ledger, *self.group.id(), me).unwrap();
    }
}

pub(super) fn place(item: &Item) -> At {
    (item.signed().header.lamport, item.log().0, item.seq())
}

/// Of an author's first item.
fn header() -> ItemHeader {
    ItemHeader {
        author: [0; 32],
        incarnation: [0; 16],
        seq: 1,
        prev: [0; 32],
        lamport: 1,
        sent_at: 1,
        keep_s: 0,
        floor: 0,
        heads: List::default(),
        kind: entry_kind::TEXT,
        body_len: 0,
        body_hash: [0; 32],
        extensions: Extensions::default(),
    }
}

pub(super) struct World {
    pub(super) members: Vec<Member>,
}

impl World {
    /// A group of `count` people of whom the first made it and invited nobody yet.
    pub(super) fn new(count: u8) -> Self {
        let creator = identity(1);
        let seed = [77; 32];
        let (made, created) = Group::create(&creator, "the group", "one", &seed, 1).unwrap();
        let mut members: Vec<Member> = (1..=count)
            .map(|number| Member {
                number,
                identity: identity(number),
                group: Group::load(&mut Memory::default(), *made.id(), peer(number)).unwrap(),
                ledger: Memory::default(),
                texts: BTreeMap::new(),
                events: Vec::new(),
                letters: BTreeMap::new(),
                seeds: 0,
            })
            .collect();
        members[0]
            .does(|group, ledger, _| group.begin(ledger, created, &seed))
            .unwrap();
        Self { members }
    }

    /// A group whose `count` people are all members and have seen each other.
    pub(super) fn joined(count: u8) -> Self {
        let mut world = Self::new(count);
        for number in 2..=count {
            assert!(world.one(1).invites(number));
            world.post(1, number);
            assert!(world.one(number).accepts());
            world.post(number, 1);
        }
        world.settle(&|_, _| true);
        world
    }

    pub(super) fn one(&mut self, number: u8) -> &mut Member {
        &mut self.members[usize::from(number) - 1]
    }

    /// Carries what `from` wrote to `to`.
    pub(super) fn post(&mut self, from: u8, to: u8) {
        let letters = self.one(from).letters.remove(&peer(to)).unwrap_or_default();
        for (kind, body) in letters {
            self.one(to).hears(&peer(from), kind, &body);
        }
    }

    /// Lets two be neighbours, if neither refuses: they exchange operations, then items.
    pub(super) fn meet(&mut self, one: u8, other: u8) {
        let accepts = |member: &Member, who: u8| {
            member.group.roster().members.contains_key(&peer(who))
                && member.group.standing().is_some()
        };
        if !accepts(self.one(one), other) || !accepts(self.one(other), one) {
            return;
        }
        let mut frames = VecDeque::from([
            (one, other, self.one(one).group.greeting()),
            (other, one, self.one(other).group.greeting()),
        ]);
        let mut count = 0;
        while let Some((from, to, frame)) = frames.pop_front() {
            count += 1;
            assert!(count < 1000, "the exchange does not end");
            let member = self.one(to);
            let heard = member
                .group
                .receive_operations(&mut member.ledger, &frame)
                .unwrap();
            member.drain();
            frames.extend(heard.reply.map(|reply| (to, from, reply)));
        }
        for (from, to) in [(one, other), (other, one)] {
            if !accepts(self.one(from), to) || !self.one(to).group.roster().is_member(&peer(to)) {
                continue;
            }
            let items: Vec<_> = self.one(from).ledger.items.values().cloned().collect();
            for item in items {
                self.one(to).receives(&item);
            }
        }
    }

    /// Everybody meets everybody whom `linked` lets, until nothing changes.
    pub(super) fn settle(&mut self, linked: &dyn Fn(u8, u8) -> bool) {
        let count = self.members.len() as u8;
        for _ in 0..4 {
            for one in 1..=count {
                for other in 1..=count {
                    if one != other && linked(one, other) {
                        self.post(one, other);
                        if one < other {
                            self.meet(one, other);
                        }
                    }
                }
            }
        }
    }
}
