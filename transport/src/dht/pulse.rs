//! The keys of pulses, and the pulses under way.
//!
//! * State: for each key its peer; for each peer its two newest keys, since the two ends may differ
//!   in which is the newest; for each pulse of ours under way who waits for its answer.
//! * Bounds: a given number of keys, of which those used longest ago make room, and [`UNDER_WAY`]
//!   pulses.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use dchat_wire::PeerId;
use dchat_wire::pulse::{Pulse, PulseKey};
use tokio::sync::oneshot;

/// Pulses that wait for an answer; more are not sent. The core asks a few a second.
const UNDER_WAY: usize = 1_024;

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Pulses {
    keys: BTreeMap<[u8; 8], Held>,
    peers: BTreeMap<PeerId, [Option<[u8; 8]>; 2]>,
    ages: BTreeMap<u64, [u8; 8]>,
    uses: u64,
    limit: usize,
    waiting: BTreeMap<[u8; 8], Waiting>,
}

#[derive(Debug)]
struct Held {
    key: PulseKey,
    peer: PeerId,
    used: u64,
}

#[derive(Debug)]
struct Waiting {
    peer: PeerId,
    to: SocketAddr,
    answered: oneshot::Sender<()>,
}

impl Pulses {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            keys: BTreeMap::new(),
            peers: BTreeMap::new(),
            ages: BTreeMap::new(),
            uses: 0,
            limit: limit.max(1),
            waiting: BTreeMap::new(),
        }
    }

    /// A connection with `peer` yields this key.
    pub(super) fn insert(&mut self, peer: PeerId, key: PulseKey) {
        let id = key.id;
        if self.keys.contains_key(&id) {
            return;
        }
        while self.keys.len() >= self.limit {
            let Some((_, oldest)) = self.ages.pop_first() else {
                break;
            };
            self.remove(oldest);
        }
        let of_peer = self.peers.entry(peer).or_default();
        let [newest, before] = *of_peer;
        *of_peer = [Some(id), newest];
        if let Some(before) = before {
            self.drop_key(before);
        }
        self.uses += 1;
        self.ages.insert(self.uses, id);
        let used = self.uses;
        self.keys.insert(id, Held { key, peer, used });
    }

    /// The newest key of `peer`.
    pub(super) fn key(&mut self, peer: &PeerId) -> Option<PulseKey> {
        let [newest, _] = *self.peers.get(peer)?;
        self.used(newest?)
    }

    /// Whose datagram this is, and what it says.
    pub(super) fn open(&mut self, datagram: &[u8]) -> Option<(PeerId, PulseKey, Pulse)> {
        let id = Pulse::id(datagram)?;
        let held = self.keys.get(&id)?;
        let (peer, pulse) = (held.peer, Pulse::open(&held.key, datagram)?);
        let key = self.used(id)?;
        Some((peer, key, pulse))
    }

    /// A question with `nonce` goes to `peer` at `to`: its answer is told there. `None` when too many
    /// are under way.
    pub(super) fn begin(
        &mut self,
        nonce: [u8; 8],
        peer: PeerId,
        to: SocketAddr,
    ) -> Option<oneshot::Receiver<()>> {
        self.waiting
            .retain(|_, waiting| !waiting.answered.is_closed());
        if self.waiting.len() >= UNDER_WAY {
            return None;
        }
        let (answered, told) = oneshot::channel();
        let waiting = Waiting { peer, to, answered };
        self.waiting.insert(nonce, waiting);
        Some(told)
    }

    /// `peer` answered from `from`. Tells whether that was asked, of it and there.
    pub(super) fn answered(&mut self, nonce: [u8; 8], peer: PeerId, from: SocketAddr) -> bool {
        let waiting = self.waiting.get(&nonce);
        if !waiting.is_some_and(|waiting| waiting.peer == peer && waiting.to == from) {
            return false;
        }
        // Who waited may have given up by now.
        let waiting = self.waiting.remove(&nonce);
        waiting.is_some_and(|waiting| waiting.answered.send(()).is_ok())
    }

    fn used(&mut self, id: [u8; 8]) -> Option<PulseKey> {
        let held = self.keys.get_mut(&id)?;
        self.ages.remove(&held.used);
        self.uses += 1;
        held.used = self.uses;
        self.ages.insert(held.used, id);
        Some(held.key.clone())
    }

    fn drop_key(&mut self, id: [u8; 8]) {
        if let Some(held) = self.keys.remove(&id) {
            self.ages.remove(&held.used);
        }
    }

    fn remove(&mut self, id: [u8; 8]) {
        let Some(held) = self.keys.remove(&id) else {
            return;
        };
        self.ages.remove(&held.used);
        if let Some(ids) = self.peers.get_mut(&held.peer) {
            for place in ids.iter_mut().filter(|place| **place == Some(id)) {
                *place = None;
            }
            if *ids == [None, None] {
                self.peers.remove(&held.peer);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed assumption fails the test")]

    use dchat_wire::sign::Identity;

    use super::*;

    fn peer(seed: u8) -> PeerId {
        Identity::from_seed(&[seed; 32]).peer_id()
    }

    fn key(seed: u8) -> PulseKey {
        PulseKey::from_exporter(&[seed; PulseKey::EXPORTED])
    }

    fn here() -> SocketAddr {
        SocketAddr::from(([192, 0, 2, 1], 1))
    }

    #[test]
    fn the_two_newest_keys_of_a_peer_open_and_the_newest_asks() {
        let mut pulses = Pulses::new(16);
        for seed in 1..=3 {
            pulses.insert(peer(1), key(seed));
        }
        let question = Pulse::Question { nonce: [7; 8] };
        assert_eq!(pulses.key(&peer(1)), Some(key(3)));
        assert_eq!(pulses.open(&question.seal(&key(1))), None);
        for seed in [2, 3] {
            let opened = pulses.open(&question.seal(&key(seed)));
            assert_eq!(opened, Some((peer(1), key(seed), question)));
        }
    }

    /// Checks DC-DHT-045 (positive, negative).
    #[test]
    fn keys_used_longest_ago_make_room() {
        let mut pulses = Pulses::new(3);
        for seed in 1..=3 {
            pulses.insert(peer(seed), key(seed));
        }
        assert!(pulses.key(&peer(1)).is_some());
        pulses.insert(peer(4), key(4));
        assert!(pulses.key(&peer(1)).is_some());
        assert!(pulses.key(&peer(2)).is_none());
        for seed in 5..100 {
            pulses.insert(peer(seed % 7), key(seed));
            assert!(pulses.keys.len() <= 3 && pulses.ages.len() == pulses.keys.len());
            assert!(pulses.peers.len() <= 3);
        }
    }

    /// Checks DC-DHT-044 (positive, negative).
    #[test]
    fn an_answer_counts_once_and_only_from_whom_and_where_it_was_asked() {
        let mut pulses = Pulses::new(3);
        let mut told = pulses.begin([1; 8], peer(1), here()).unwrap();
        let there = SocketAddr::from(([192, 0, 2, 9], 1));
        assert!(!pulses.answered([1; 8], peer(2), here()));
        assert!(!pulses.answered([1; 8], peer(1), there));
        assert!(!pulses.answered([2; 8], peer(1), here()));
        assert!(told.try_recv().is_err());
        assert!(pulses.answered([1; 8], peer(1), here()));
        assert!(told.try_recv().is_ok());
        assert!(!pulses.answered([1; 8], peer(1), here()));
    }

    /// Checks DC-DHT-022 (negative).
    #[test]
    fn pulses_under_way_are_bounded_and_forgotten_with_who_waits() {
        let mut pulses = Pulses::new(3);
        let begin = |pulses: &mut Pulses, number: usize| {
            pulses.begin((number as u64).to_le_bytes(), peer(1), here())
        };
        let told: Vec<_> = (0..UNDER_WAY)
            .map(|number| begin(&mut pulses, number))
            .collect();
        assert!(told.iter().all(Option::is_some));
        assert!(begin(&mut pulses, UNDER_WAY).is_none());
        drop(told);
        assert!(begin(&mut pulses, UNDER_WAY).is_some());
        assert_eq!(pulses.waiting.len(), 1);
    }
}
