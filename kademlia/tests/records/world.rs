//! Nodes that hold records, and nothing between them: who asks is answered at once.

use std::collections::BTreeMap;
use std::sync::Arc;

use dchat_kademlia::call::{Answer, Nodes, Question};
use dchat_kademlia::record::{Meta, Notary, Strict};
use dchat_kademlia::repair::{Ask, Repair};
use dchat_kademlia::store::{Limits, Put, Store};
use dchat_kademlia::token::Writer;
use dchat_kademlia::{Contact, Key, Subnet, Time};
use dchat_wire::dht::Refusal;
use dchat_wire::record::SignedRecord;

use crate::support::*;

/// Bytes of headers of a packet: IP, UDP and QUIC's own.
const PACKET: usize = 58;
/// Bytes of a new connection, both ways.
const CONNECTION: usize = 5000;

/// Reads each record once: there are thousands of copies of one.
#[derive(Default)]
pub struct Memo(BTreeMap<*const SignedRecord, (Arc<SignedRecord>, Meta)>);

impl Notary for Memo {
    fn read(&mut self, record: &SignedRecord) -> Result<Meta, Refusal> {
        match self.0.get(&std::ptr::from_ref(record)) {
            Some((_, meta)) => Ok(*meta),
            None => Strict.read(record),
        }
    }

    fn verify(&mut self, record: &SignedRecord, meta: &Meta) -> Result<(), Refusal> {
        if self.0.contains_key(&std::ptr::from_ref(record)) {
            return Ok(());
        }
        Strict.verify(record, meta)
    }
}

impl Memo {
    pub fn know(&mut self, record: &Arc<SignedRecord>) {
        let meta = Strict.read(record).unwrap();
        self.0.insert(Arc::as_ptr(record), (record.clone(), meta));
    }
}

/// What a node does with questions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    Honest,
    /// Claims to have everything, stores nothing, and never repairs.
    Liar,
}

pub struct Peer {
    pub at: Key,
    pub manner: Manner,
    pub store: Store,
    pub repair: Repair<u32>,
    /// Whom it has a connection to, and until when.
    warm: BTreeMap<u32, Time>,
}

/// Random numbers (SplitMix64).
pub struct Random(pub u64);

impl Random {
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// 0 to 1, never 0.
    pub fn fraction(&mut self) -> f64 {
        ((self.draw() >> 11) + 1) as f64 / (1_u64 << 53) as f64
    }

    pub fn key(&mut self) -> Key {
        let mut key = [0; 32];
        for part in key.chunks_mut(8) {
            part.copy_from_slice(&self.draw().to_be_bytes());
        }
        Key(key)
    }
}

pub struct World {
    pub peers: Vec<Option<Peer>>,
    /// Those that are there, by position.
    order: Vec<(u64, u32)>,
    pub now: Time,
    pub random: Random,
    pub notary: Memo,
    /// Bytes sent.
    pub bytes: usize,
    pub questions: usize,
}

pub fn prefix(key: &Key) -> u64 {
    u64::from_be_bytes(*key.0.first_chunk().unwrap())
}

impl World {
    pub fn new(nodes: usize, seed: u64) -> Self {
        let mut world = Self {
            peers: Vec::new(),
            order: Vec::new(),
            now: NOW,
            random: Random(seed),
            notary: Memo::default(),
            bytes: 0,
            questions: 0,
        };
        for _ in 0..nodes {
            world.join(Manner::Honest);
        }
        world
    }

    pub fn join(&mut self, manner: Manner) -> u32 {
        let at = self.random.key();
        self.join_at(at, manner)
    }

    pub fn join_at(&mut self, at: Key, manner: Manner) -> u32 {
        let index = self.peers.len() as u32;
        let peer = Peer {
            at,
            manner,
            store: Store::new(Limits::default()),
            repair: Repair::new(at, self.random.draw()),
            warm: BTreeMap::new(),
        };
        self.peers.push(Some(peer));
        let entry = (prefix(&at), index);
        let place = self.order.partition_point(|other| *other < entry);
        self.order.insert(place, entry);
        index
    }

    pub fn leave(&mut self, index: u32) {
        if let Some(peer) = self.peers[index as usize].take() {
            let entry = (prefix(&peer.at), index);
            let place = self.order.binary_search(&entry).unwrap();
            self.order.remove(place);
        }
    }

    pub fn alive(&self) -> Vec<u32> {
        self.order.iter().map(|(_, index)| *index).collect()
    }

    /// The `count` nodes nearest to `key`, nearest first.
    pub fn nearest(&self, key: &Key, count: usize) -> Vec<u32> {
        let key = prefix(key);
        // The smallest subtree around the key that holds enough.
        let subtree = (0..=64).find_map(|bits| {
            let mask = if bits == 64 {
                u64::MAX
            } else {
                (1 << bits) - 1
            };
            let (low, high) = (key & !mask, key | mask);
            let from = self.order.partition_point(|(at, _)| *at < low);
            let to = self.order.partition_point(|(at, _)| *at <= high);
            (to - from >= count || bits == 64).then(|| &self.order[from..to])
        });
        let mut near: Vec<_> = subtree.unwrap().to_vec();
        near.sort_unstable_by_key(|(at, _)| at ^ key);
        near.truncate(count);
        near.into_iter().map(|(_, index)| index).collect()
    }

    fn neighbours(&self, of: u32) -> Vec<Contact<u32>> {
        let Some(peer) = &self.peers[of as usize] else {
            return Vec::new();
        };
        let mut near = self.nearest(&peer.at, 41);
        near.retain(|index| *index != of);
        let contact = |index: u32| Contact {
            at: self.peers[index as usize].as_ref().unwrap().at,
            subnet: Subnet::EXEMPT,
            handle: index,
        };
        near.into_iter().map(contact).collect()
    }

    /// Stores a record at `index`, as its publisher does.
    pub fn publish_at(&mut self, index: u32, record: &Arc<SignedRecord>) {
        self.notary.know(record);
        let publisher = Writer {
            id: [0xee; 32],
            subnet: Subnet::EXEMPT,
        };
        let key = self.notary.read(record).unwrap().key;
        self.put(index, key, record, publisher).ok();
    }

    /// Stores a record at the twenty nearest.
    pub fn publish(&mut self, record: &Arc<SignedRecord>) {
        let key = key_of(record);
        for index in self.nearest(&key, 20) {
            self.publish_at(index, record);
        }
    }

    fn put(
        &mut self,
        index: u32,
        key: Key,
        record: &Arc<SignedRecord>,
        writer: Writer,
    ) -> Result<u32, Refusal> {
        let peer = self.peers[index as usize].as_mut().unwrap();
        if peer.manner == Manner::Liar {
            return Ok(3600);
        }
        let put = Put {
            key,
            record,
            writer,
            near: true,
        };
        let stored = peer.store.put(&put, self.now, &mut self.notary);
        peer.repair.handle_stored(self.now);
        let stored = stored.map_err(|refused| refused.reason)?;
        Ok(stored.keep_s)
    }

    /// Who holds the record.
    pub fn holders(&self, record: &SignedRecord) -> Vec<u32> {
        let key = key_of(record);
        let digest = record.digest()[..8].try_into().unwrap();
        let holds = |index: &u32| {
            let peer = self.peers[*index as usize].as_ref().unwrap();
            peer.store.find(&key, &digest).is_some()
        };
        self.alive().into_iter().filter(holds).collect()
    }

    /// How many of the twenty nearest hold the record.
    pub fn replicas(&self, record: &SignedRecord) -> usize {
        let key = key_of(record);
        let digest = record.digest()[..8].try_into().unwrap();
        let near = self.nearest(&key, 20).into_iter();
        near.filter(|index| {
            let peer = self.peers[*index as usize].as_ref().unwrap();
            peer.store.find(&key, &digest).is_some()
        })
        .count()
    }

    /// Tells every node who is gone.
    pub fn notice_losses(&mut self) {
        for index in self.alive() {
            let neighbours = self.neighbours(index);
            let peer = self.peers[index as usize].as_mut().unwrap();
            peer.repair.handle_lost(&neighbours, self.now);
        }
    }

    /// Everything that is due until `milliseconds` have passed.
    pub fn run(&mut self, milliseconds: u64) {
        let end = Time(self.now.0 + milliseconds);
        while self.now < end {
            self.now = Time(end.0.min(self.now.0 + 10_000));
            for index in self.alive() {
                self.step(index);
            }
        }
    }

    pub fn step(&mut self, index: u32) {
        let Some(peer) = &mut self.peers[index as usize] else {
            return;
        };
        peer.store.expire(self.now);
        let due = peer.repair.poll_timeout();
        if due.is_none_or(|due| due > self.now) || peer.manner == Manner::Liar {
            return;
        }
        let neighbours = self.neighbours(index);
        let share = 20.0 / self.order.len() as f64;
        let now = self.now;
        let peer = self.peers[index as usize].as_mut().unwrap();
        peer.warm.retain(|_, until| *until > now);
        peer.repair
            .handle_timeout(&mut peer.store, &neighbours, share, now);
        loop {
            let peer = self.peers[index as usize].as_mut().unwrap();
            let Some(ask) = peer.repair.poll_ask(&mut peer.store) else {
                return;
            };
            let answer = self.carry_out(index, &ask);
            let peer = self.peers[index as usize].as_mut().unwrap();
            match answer {
                Some(answer) => {
                    let (store, notary) = (&mut peer.store, &mut self.notary);
                    peer.repair
                        .handle_answer(ask.id, &answer, store, notary, now);
                }
                None => peer.repair.handle_failure(ask.id),
            }
        }
    }

    fn carry_out(&mut self, from: u32, ask: &Ask<u32>) -> Option<Answer<u32>> {
        let asker = self.peers[from as usize].as_mut()?;
        self.questions += 1;
        let until = Time(self.now.0 + 60_000);
        if asker.warm.insert(ask.to.handle, until).is_none() {
            self.bytes += CONNECTION;
        }
        let writer = Writer {
            id: asker.at.0,
            subnet: Subnet::EXEMPT,
        };
        let now = self.now;
        let peer = self.peers[ask.to.handle as usize].as_mut()?;
        let answer = match &ask.question {
            Question::Get { key, have, .. } => {
                let values = match peer.manner {
                    Manner::Honest => peer.store.values(key, have, now),
                    Manner::Liar => dchat_kademlia::store::Values {
                        records: Vec::new(),
                        held: have.len() as u16,
                    },
                };
                let records = values.records.iter();
                let len: usize = records
                    .map(|record| 72 + record.body.as_slice().len())
                    .sum();
                self.bytes += 2 * PACKET + 74 + 8 * have.len() + 51 + len;
                Answer::Values {
                    records: values.records,
                    held: values.held,
                    token: [0; 16],
                    nodes: Nodes::default(),
                }
            }
            Question::Put { key, record, .. } => {
                self.bytes += 2 * PACKET + 64 + 72 + record.body.as_slice().len() + 20;
                match self.put(ask.to.handle, *key, record, writer) {
                    Ok(keep_s) => Answer::Stored { keep_s },
                    Err(reason) => Answer::Refused {
                        reason,
                        retry_after_s: 0,
                    },
                }
            }
            _ => return None,
        };
        Some(answer)
    }
}
