//! The mappings of a box.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use super::behaviour::{Filtering, Mapping};
use crate::sim::time::Time;

/// What a mapping is found by from inside. The parts of the destination that the behaviour does not
/// look at are absent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    inside: SocketAddr,
    towards: Option<SocketAddr>,
}

impl Key {
    pub(super) fn new(mapping: Mapping, inside: SocketAddr, to: SocketAddr) -> Self {
        let towards = match mapping {
            Mapping::None | Mapping::EndpointIndependent => None,
            Mapping::AddressDependent => Some(SocketAddr::new(to.ip(), 0)),
            Mapping::AddressAndPortDependent => Some(to),
        };
        Self { inside, towards }
    }
}

/// One mapping.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) inside: SocketAddr,
    pub(super) outside: SocketAddr,
    pub(super) expires: Time,
    /// Destinations that may answer, until when.
    sent_to: BTreeMap<SocketAddr, Time>,
}

impl Entry {
    pub(super) fn new(inside: SocketAddr, outside: SocketAddr) -> Self {
        Self {
            inside,
            outside,
            expires: Time::ZERO,
            sent_to: BTreeMap::new(),
        }
    }

    /// Something goes from inside to `to`, which may answer until `until`.
    pub(super) fn sent(&mut self, filtering: Filtering, to: SocketAddr, until: Time) {
        self.expires = until;
        if let Some(who) = seen_as(filtering, to) {
            self.sent_to.insert(who, until);
        }
    }

    /// Whether `from` is let in.
    pub(super) fn admits(&self, filtering: Filtering, from: SocketAddr, now: Time) -> bool {
        seen_as(filtering, from)
            .is_none_or(|who| self.sent_to.get(&who).is_some_and(|until| *until > now))
    }
}

/// What the filter looks at.
fn seen_as(filtering: Filtering, who: SocketAddr) -> Option<SocketAddr> {
    match filtering {
        Filtering::EndpointIndependent => None,
        Filtering::AddressDependent => Some(SocketAddr::new(who.ip(), 0)),
        Filtering::AddressAndPortDependent => Some(who),
    }
}

/// All mappings, by both of their ends.
#[derive(Clone, Debug, Default)]
pub(super) struct Table {
    entries: BTreeMap<Key, Entry>,
    keys: BTreeMap<SocketAddr, Key>,
}

impl Table {
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn clear(&mut self) {
        self.entries.clear();
        self.keys.clear();
    }

    /// The mapping with this key, if it lives.
    pub(super) fn inside(&mut self, key: Key, now: Time) -> Option<&mut Entry> {
        if self.entries.get(&key)?.expires <= now {
            let entry = self.entries.remove(&key)?;
            self.keys.remove(&entry.outside);
            return None;
        }
        self.entries.get_mut(&key)
    }

    /// The mapping with this public address, if it lives.
    pub(super) fn outside(&mut self, outside: SocketAddr, now: Time) -> Option<&mut Entry> {
        let key = *self.keys.get(&outside)?;
        self.inside(key, now)
    }

    /// Whether a live mapping has this public address.
    pub(super) fn is_taken(&self, outside: SocketAddr, now: Time) -> bool {
        let key = self.keys.get(&outside);
        key.and_then(|key| self.entries.get(key))
            .is_some_and(|entry| entry.expires > now)
    }

    /// Adds a mapping in place of a dead one with the same public address.
    pub(super) fn insert(&mut self, key: Key, entry: Entry) -> &mut Entry {
        if let Some(dead) = self.keys.insert(entry.outside, key) {
            self.entries.remove(&dead);
        }
        self.entries.remove(&key);
        self.entries.entry(key).or_insert(entry)
    }

    /// Forgets what is dead.
    pub(super) fn sweep(&mut self, now: Time) {
        self.entries.retain(|_, entry| entry.expires > now);
        let entries = &self.entries;
        self.keys.retain(|_, key| entries.contains_key(key));
    }
}
