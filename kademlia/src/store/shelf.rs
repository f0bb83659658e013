//! What is held, in two orders: by key, and by when it is to go.

use core::cmp::Ordering;
use std::sync::Arc;

use dchat_wire::record::SignedRecord;

use crate::contact::Subnet;
use crate::key::Key;
use crate::time::Time;

/// Which records replace one another: a digest of kind, signer and slot.
pub(crate) type Name = [u8; 16];

/// A record and what is known of it.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    pub(crate) key: Key,
    pub(crate) name: Name,
    /// Of two records of one name and sequence, the one that came second.
    pub(crate) rival: bool,
    /// Whether the key is near the node.
    pub(crate) near: bool,
    pub(crate) kind: u16,
    /// As quotas count it.
    pub(crate) bytes: u32,
    pub(crate) record: Arc<SignedRecord>,
    pub(crate) sequence: u64,
    /// When it is to go.
    pub(crate) until: Time,
    pub(crate) digest: [u8; 8],
    /// First bytes of the writer's public key.
    pub(crate) writer: u64,
    pub(crate) subnet: Subnet,
    /// Whether no round of [`repair`](crate::repair) has seen it yet.
    pub(crate) fresh: bool,
    /// Neighbours that are taken to have it, one bit each.
    pub(crate) holders: u64,
    /// Neighbours that are to be asked for it in this round.
    pub(crate) wanted: u64,
}

// A hundred thousand nodes of the simulated world hold millions of these.
const _: () = assert!(size_of::<Held>() <= 128);

impl Held {
    fn place(&self) -> (&Key, &Name, bool) {
        (&self.key, &self.name, self.rival)
    }

    fn turn(&self) -> (Time, &Key, &Name, bool) {
        (self.until, &self.key, &self.name, self.rival)
    }
}

/// The records, packed, and their places in both orders. An index is four bytes, so that moving
/// half of them for an insertion is cheap even in a full store.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shelf {
    held: Vec<Held>,
    by_key: Vec<u32>,
    by_time: Vec<u32>,
    bytes: u32,
    far_bytes: u32,
}

impl Shelf {
    pub(crate) fn len(&self) -> usize {
        self.held.len()
    }

    pub(crate) fn bytes(&self) -> u32 {
        self.bytes
    }

    pub(crate) fn far_bytes(&self) -> u32 {
        self.far_bytes
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Held> {
        self.held.iter()
    }

    pub(crate) fn at(&self, index: usize) -> Option<&Held> {
        self.held.get(index)
    }

    /// For changes that move it in neither order.
    pub(crate) fn at_mut(&mut self, index: usize) -> Option<&mut Held> {
        self.held.get_mut(index)
    }

    /// Says anew whether the key of a record is near.
    pub(crate) fn set_near(&mut self, index: usize, near: bool) {
        let Some(held) = self.held.get_mut(index) else {
            return;
        };
        match (held.near, near) {
            (true, false) => self.far_bytes = self.far_bytes.saturating_add(held.bytes),
            (false, true) => self.far_bytes = self.far_bytes.saturating_sub(held.bytes),
            _ => {}
        }
        held.near = near;
    }

    /// Where the records under `key` are, those of one name side by side.
    pub(crate) fn under(&self, key: &Key) -> impl Iterator<Item = (usize, &Held)> + Clone {
        let from = self.partition(&self.by_key, |held| held.key < *key);
        let key = *key;
        self.by_key
            .get(from..)
            .unwrap_or_default()
            .iter()
            .map(|index| *index as usize)
            .filter_map(|index| Some((index, self.held.get(index)?)))
            .take_while(move |(_, held)| held.key == key)
    }

    /// The record that goes next.
    pub(crate) fn first(&self) -> Option<(usize, &Held)> {
        let index = *self.by_time.first()? as usize;
        Some((index, self.held.get(index)?))
    }

    /// Takes out all records of one name.
    pub(crate) fn remove_named(&mut self, key: &Key, name: &Name) {
        loop {
            let found = self.under(key).find(|(_, held)| held.name == *name);
            let Some(index) = found.map(|(index, _)| index) else {
                return;
            };
            if self.remove(index).is_none() {
                return;
            }
        }
    }

    pub(crate) fn insert(&mut self, held: Held) {
        let index = self.held.len() as u32;
        let at = self.partition(&self.by_key, |other| other.place() < held.place());
        self.by_key.insert(at, index);
        let at = self.partition(&self.by_time, |other| other.turn() < held.turn());
        self.by_time.insert(at, index);
        self.bytes = self.bytes.saturating_add(held.bytes);
        if !held.near {
            self.far_bytes = self.far_bytes.saturating_add(held.bytes);
        }
        self.held.push(held);
    }

    /// Takes the record at `index` out; the last one takes its index.
    pub(crate) fn remove(&mut self, index: usize) -> Option<Held> {
        let (key_at, time_at) = self.places(index)?;
        self.by_key.remove(key_at);
        self.by_time.remove(time_at);
        let last = self.held.len() - 1;
        if index != last {
            let (key_at, time_at) = self.places(last)?;
            let index = index as u32;
            if let Some(place) = self.by_key.get_mut(key_at) {
                *place = index;
            }
            if let Some(place) = self.by_time.get_mut(time_at) {
                *place = index;
            }
        }
        let held = self.held.swap_remove(index);
        self.bytes = self.bytes.saturating_sub(held.bytes);
        if !held.near {
            self.far_bytes = self.far_bytes.saturating_sub(held.bytes);
        }
        // What a flood took is given back, without doing so at every step.
        if self.held.capacity() > 32 && self.held.len() < self.held.capacity() / 4 {
            let room = self.held.len() * 2;
            self.held.shrink_to(room);
            self.by_key.shrink_to(room);
            self.by_time.shrink_to(room);
        }
        Some(held)
    }

    /// Where both orders have the record at `index`.
    fn places(&self, index: usize) -> Option<(usize, usize)> {
        let held = self.held.get(index)?;
        let by_key = self.search(&self.by_key, |other| other.place().cmp(&held.place()))?;
        let by_time = self.search(&self.by_time, |other| other.turn().cmp(&held.turn()))?;
        Some((by_key, by_time))
    }

    fn search(&self, order: &[u32], compare: impl Fn(&Held) -> Ordering) -> Option<usize> {
        order
            .binary_search_by(|index| {
                self.held
                    .get(*index as usize)
                    .map_or(Ordering::Greater, &compare)
            })
            .ok()
    }

    fn partition(&self, order: &[u32], before: impl Fn(&Held) -> bool) -> usize {
        order.partition_point(|index| self.held.get(*index as usize).is_some_and(&before))
    }
}
