//! The peers that mDNS shows, without any input or output of its own.
//!
//! A peer that was killed says no goodbye, and its records would live on for 75 minutes. So each is
//! asked from time to time whether it is still there, and at once when a connection with it ends.
//!
//! * State: a bounded table of instances, by name without regard to case as DNS compares them.
//! * Inputs: records that were resolved or removed, suspicions, the time. Outputs: [`Output`].
//! * Bounds: a given number of peers. A full table takes no stranger; a peer that matters (kept or
//!   trusted) takes the place of a stranger.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::Instant;

use dchat_wire::PeerId;

use crate::limits::MDNS_VERIFY;

/// A record of a peer, checked as far as a record can be: the peer itself has proven nothing yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    /// The full name of the instance.
    pub(crate) name: String,
    pub(crate) peer: PeerId,
    pub(crate) addrs: Vec<SocketAddr>,
    /// Changes whenever the peer's process starts.
    pub(crate) instance: Option<[u8; 16]>,
}

/// What follows from an input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Output {
    /// A peer is there, or its record changed.
    Found {
        peer: PeerId,
        addrs: Vec<SocketAddr>,
        instance: Option<[u8; 16]>,
    },
    /// It is gone.
    Gone(PeerId),
    /// Ask whether this instance is still there.
    Verify(String),
}

#[derive(Debug)]
struct Entry {
    name: String,
    record: Record,
    matters: bool,
    verify_at: Instant,
}

/// The table.
#[derive(Debug)]
pub(crate) struct DiscoveryTable {
    entries: BTreeMap<PeerId, Entry>,
    outputs: VecDeque<Output>,
    limit: usize,
}

impl DiscoveryTable {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            entries: BTreeMap::new(),
            outputs: VecDeque::new(),
            limit,
        }
    }

    /// A record came or changed. `matters` says whether its peer is kept or trusted.
    pub(crate) fn resolved(&mut self, record: Record, matters: bool, now: Instant) {
        if !self.entries.contains_key(&record.peer) && !self.make_room(matters) {
            return;
        }
        let verify_at = now + MDNS_VERIFY;
        let entry = Entry {
            name: record.name.to_lowercase(),
            record: record.clone(),
            matters,
            verify_at,
        };
        let before = self.entries.insert(record.peer, entry);
        if before.is_none_or(|before| before.record != record) {
            self.outputs.push_back(Output::Found {
                peer: record.peer,
                addrs: record.addrs,
                instance: record.instance,
            });
        }
    }

    /// A record was withdrawn or has expired.
    pub(crate) fn removed(&mut self, name: &str) {
        let name = name.to_lowercase();
        let peer = self
            .entries
            .iter()
            .find_map(|(peer, entry)| (entry.name == name).then_some(*peer));
        if let Some(peer) = peer {
            self.remove(peer);
        }
    }

    /// Nobody is known any more.
    pub(crate) fn clear(&mut self) {
        let peers: Vec<PeerId> = self.entries.keys().copied().collect();
        peers.into_iter().for_each(|peer| self.remove(peer));
    }

    /// There is reason to doubt that `peer` is still there.
    pub(crate) fn suspect(&mut self, peer: &PeerId, now: Instant) {
        if let Some(entry) = self.entries.get_mut(peer) {
            entry.verify_at = now;
        }
        self.handle_timeout(now);
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        for entry in self.entries.values_mut() {
            if entry.verify_at <= now {
                entry.verify_at = now + MDNS_VERIFY;
                let name = entry.record.name.clone();
                self.outputs.push_back(Output::Verify(name));
            }
        }
    }

    pub(crate) fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.entries.values().map(|entry| entry.verify_at).min()
    }

    fn make_room(&mut self, matters: bool) -> bool {
        if self.entries.len() < self.limit {
            return true;
        }
        let stranger = self
            .entries
            .iter()
            .find_map(|(peer, entry)| (!entry.matters).then_some(*peer));
        match stranger {
            Some(peer) if matters => {
                self.remove(peer);
                true
            }
            _ => false,
        }
    }

    fn remove(&mut self, peer: PeerId) {
        if self.entries.remove(&peer).is_some() {
            self.outputs.push_back(Output::Gone(peer));
        }
    }
}

#[cfg(test)]
mod tests {
    use dchat_wire::sign::Identity;

    use super::*;

    fn record(seed: u8, port: u16) -> Record {
        let peer = Identity::from_seed(&[seed; 32]).peer_id();
        Record {
            name: format!("{peer}._dchat._udp.local."),
            peer,
            addrs: vec![SocketAddr::from(([192, 0, 2, seed], port))],
            instance: Some([seed; 16]),
        }
    }

    fn drain(table: &mut DiscoveryTable) -> Vec<Output> {
        core::iter::from_fn(|| table.poll_output()).collect()
    }

    fn found(record: &Record) -> Output {
        Output::Found {
            peer: record.peer,
            addrs: record.addrs.clone(),
            instance: record.instance,
        }
    }

    #[test]
    fn a_peer_is_found_once_and_again_when_its_record_changes() {
        let now = Instant::now();
        let mut table = DiscoveryTable::new(4);
        table.resolved(record(1, 1), false, now);
        table.resolved(record(1, 1), false, now);
        assert_eq!(drain(&mut table), [found(&record(1, 1))]);
        table.resolved(record(1, 2), false, now);
        assert_eq!(drain(&mut table), [found(&record(1, 2))]);
    }

    #[test]
    fn names_are_compared_without_case() {
        let now = Instant::now();
        let mut table = DiscoveryTable::new(4);
        table.resolved(record(1, 1), false, now);
        drain(&mut table);
        table.removed(&record(1, 1).name.to_lowercase());
        assert_eq!(drain(&mut table), [Output::Gone(record(1, 1).peer)]);
        table.removed(&record(1, 1).name);
        assert_eq!(drain(&mut table), []);
    }

    #[test]
    fn each_peer_is_verified_in_turn_and_at_once_when_suspected() {
        let now = Instant::now();
        let mut table = DiscoveryTable::new(4);
        table.resolved(record(1, 1), false, now);
        drain(&mut table);
        assert_eq!(table.poll_timeout(), Some(now + MDNS_VERIFY));
        table.handle_timeout(now);
        assert_eq!(drain(&mut table), []);
        table.suspect(&record(1, 1).peer, now);
        assert_eq!(drain(&mut table), [Output::Verify(record(1, 1).name)]);
        table.handle_timeout(now + MDNS_VERIFY);
        assert_eq!(drain(&mut table), [Output::Verify(record(1, 1).name)]);
    }

    /// Checks DC-CONN-066 (positive, negative).
    #[test]
    fn a_full_table_refuses_strangers_and_gives_their_place_to_who_matters() {
        let now = Instant::now();
        let mut table = DiscoveryTable::new(2);
        table.resolved(record(1, 1), true, now);
        table.resolved(record(2, 1), false, now);
        drain(&mut table);
        table.resolved(record(3, 1), false, now);
        assert_eq!(drain(&mut table), []);
        table.resolved(record(4, 1), true, now);
        assert_eq!(
            drain(&mut table),
            [Output::Gone(record(2, 1).peer), found(&record(4, 1))]
        );
        table.resolved(record(5, 1), true, now);
        assert_eq!(drain(&mut table), []);
    }
}
