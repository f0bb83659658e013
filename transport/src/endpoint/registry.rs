//! The connections that are up: at most one a peer.
//!
//! * State: for each peer its connection and what the [arbitration](crate::connection::arbitrate)
//!   knows of it; the peers to which a dial of ours has passed its handshake and waits for HELLO.
//! * Inputs: a connection whose HELLO came ([`Registry::offer`]), one that ended, trust. Output: a
//!   [`Verdict`].
//! * Bounds: [`Limits::connections`] in all, [`Limits::strangers`] of peers not trusted,
//!   [`Limits::table_connections`] that serve the DHT alone; one dial a peer waits.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use dchat_wire::nat::Candidates;
use dchat_wire::{Address, PeerId};

use crate::connection::{Claim, Kept, arbitrate};
use crate::limits::{Limits, SIMULTANEOUS};

/// A connection that is up.
#[derive(Clone, Debug)]
pub(crate) struct Live<C> {
    pub(crate) connection: C,
    pub(crate) claim: Claim,
    pub(crate) number: u64,
    pub(crate) since: Instant,
    /// The peer's own addresses, from its newest IDENTIFY.
    pub(crate) addrs: Vec<Address>,
    /// Its newest CANDIDATES.
    pub(crate) candidates: Option<Candidates>,
    /// Whether a question for a sign of life is under way.
    pub(crate) asked: bool,
    /// Whether it is of interest to the application, and not to the DHT alone.
    pub(crate) visible: bool,
    /// Where the peer saw us, from its newest IDENTIFY.
    pub(crate) observed: Option<Address>,
}

/// What becomes of a connection that came up.
#[derive(Debug)]
pub(crate) enum Verdict<C> {
    /// It is the one; what it replaces has to be closed.
    Admitted { replaced: Option<C> },
    /// The other one stays, and this one has to be closed.
    Duplicate { existing: C },
    /// The other one would stay, but has been up for so long that the peer would not have dialed if
    /// it had it: ask it for a sign of life, then offer again.
    Doubtful { existing: C },
    /// There are too many connections.
    Full,
}

/// Whether a dial of ours may go on to HELLO.
#[derive(Debug)]
pub(crate) enum Claiming<C> {
    /// It may. Give the claim back with [`Registry::unclaim`].
    Granted,
    /// A connection is up; so long ago that it may be dead, or not.
    Live { existing: C, age: Duration },
    /// Another dial of ours to this peer waits for HELLO.
    Pending,
}

/// The table.
#[derive(Debug)]
pub(crate) struct Registry<C> {
    us: PeerId,
    limits: Limits,
    live: BTreeMap<PeerId, Live<C>>,
    claimed: BTreeSet<PeerId>,
    trusted: BTreeSet<PeerId>,
}

impl<C: Clone> Registry<C> {
    pub(crate) fn new(us: PeerId, limits: Limits) -> Self {
        Self {
            us,
            limits,
            live: BTreeMap::new(),
            claimed: BTreeSet::new(),
            trusted: BTreeSet::new(),
        }
    }

    pub(crate) fn live(&self, peer: &PeerId) -> Option<&Live<C>> {
        self.live.get(peer)
    }

    pub(crate) fn live_mut(&mut self, peer: &PeerId) -> Option<&mut Live<C>> {
        self.live.get_mut(peer)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&PeerId, &Live<C>)> {
        self.live.iter()
    }

    pub(crate) fn is_trusted(&self, peer: &PeerId) -> bool {
        self.trusted.contains(peer)
    }

    pub(crate) fn trusted(&self) -> &BTreeSet<PeerId> {
        &self.trusted
    }

    /// Sets whether `peer` is trusted, and tells whether that is a change.
    pub(crate) fn trust(&mut self, peer: PeerId, trusted: bool) -> bool {
        if trusted {
            self.trusted.insert(peer)
        } else {
            self.trusted.remove(&peer)
        }
    }

    /// Asks for a dial of ours to go on.
    pub(crate) fn claim(&mut self, peer: PeerId, now: Instant) -> Claiming<C> {
        if let Some(live) = self.live.get(&peer) {
            return Claiming::Live {
                existing: live.connection.clone(),
                age: now.saturating_duration_since(live.since),
            };
        }
        if self.claimed.insert(peer) {
            Claiming::Granted
        } else {
            Claiming::Pending
        }
    }

    /// The dial that was granted is up or over.
    pub(crate) fn unclaim(&mut self, peer: &PeerId) {
        self.claimed.remove(peer);
    }

    /// A connection with `peer` has heard HELLO. `visible` says whether the application shall know of
    /// it; one that replaces a visible one is visible.
    pub(crate) fn offer(
        &mut self,
        peer: PeerId,
        number: u64,
        claim: Claim,
        connection: &C,
        visible: bool,
        now: Instant,
    ) -> Verdict<C> {
        let existing = self.live.get(&peer);
        let visible = visible || existing.is_some_and(|live| live.visible);
        if let Some(live) = existing {
            if arbitrate(&self.us, &peer, &live.claim, &claim) == Kept::Existing {
                let existing = live.connection.clone();
                let age = now.saturating_duration_since(live.since);
                return if age > SIMULTANEOUS {
                    Verdict::Doubtful { existing }
                } else {
                    Verdict::Duplicate { existing }
                };
            }
        } else if self.is_full_for(&peer, visible) {
            return Verdict::Full;
        }
        let live = Live {
            connection: connection.clone(),
            claim,
            number,
            since: now,
            addrs: Vec::new(),
            candidates: None,
            asked: false,
            visible,
            observed: None,
        };
        let replaced = self.live.insert(peer, live).map(|live| live.connection);
        Verdict::Admitted { replaced }
    }

    /// The connection numbered `number` is over. Tells whether it was the one that was up.
    pub(crate) fn remove(&mut self, peer: &PeerId, number: u64) -> bool {
        let is_live = self
            .live
            .get(peer)
            .is_some_and(|live| live.number == number);
        if is_live {
            self.live.remove(peer);
        }
        is_live
    }

    /// Connections the application knows nothing of.
    pub(crate) fn hidden(&self) -> impl Iterator<Item = &C> {
        let hidden = self.live.values().filter(|live| !live.visible);
        hidden.map(|live| &live.connection)
    }

    /// Whether one more stranger may be shown to the application.
    pub(crate) fn has_room_for_stranger(&self) -> bool {
        let strangers = self.live.iter();
        let strangers = strangers.filter(|(peer, live)| live.visible && !self.is_trusted(peer));
        strangers.count() < self.limits.strangers
    }

    fn is_full_for(&self, peer: &PeerId, visible: bool) -> bool {
        self.live.len() >= self.limits.connections
            || if visible {
                !self.is_trusted(peer) && !self.has_room_for_stranger()
            } else {
                self.hidden().count() >= self.limits.table_connections
            }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::panic, reason = "a failed assumption fails the test")]

    use dchat_wire::sign::Identity;

    use super::*;

    fn peer(seed: u8) -> PeerId {
        Identity::from_seed(&[seed; 32]).peer_id()
    }

    fn registry() -> Registry<u64> {
        let limits = Limits {
            connections: 3,
            strangers: 2,
            ..Limits::default()
        };
        Registry::new(peer(1), limits)
    }

    fn claim(dialer: PeerId, instance: u8, order: u64) -> Claim {
        Claim {
            dialer,
            instance: [instance; 16],
            order,
        }
    }

    #[test]
    fn strangers_leave_room_for_those_trusted() {
        let now = Instant::now();
        let mut registry = registry();
        registry.trust(peer(9), true);
        registry.trust(peer(8), true);
        for seed in [2, 3] {
            let verdict = registry.offer(peer(seed), 1, claim(peer(seed), 1, 1), &1, true, now);
            assert!(matches!(verdict, Verdict::Admitted { replaced: None }));
        }
        let stranger = registry.offer(peer(4), 1, claim(peer(4), 1, 1), &1, true, now);
        assert!(matches!(stranger, Verdict::Full));
        let trusted = registry.offer(peer(9), 1, claim(peer(9), 1, 1), &1, true, now);
        assert!(matches!(trusted, Verdict::Admitted { .. }));
        let beyond = registry.offer(peer(8), 1, claim(peer(8), 1, 1), &1, true, now);
        assert!(matches!(beyond, Verdict::Full));
    }

    /// Checks DC-CONN-063 (positive).
    #[test]
    fn a_loser_against_a_young_connection_is_a_duplicate_and_against_an_old_one_doubtful() {
        let now = Instant::now();
        let mut registry = registry();
        let (small, large) = (peer(1).min(peer(2)), peer(1).max(peer(2)));
        registry.offer(peer(2), 1, claim(small, 1, 1), &1, true, now);
        let young = registry.offer(peer(2), 2, claim(large, 1, 2), &2, true, now);
        assert!(matches!(young, Verdict::Duplicate { existing: 1 }));
        let later = now + SIMULTANEOUS * 2;
        let old = registry.offer(peer(2), 3, claim(large, 1, 3), &3, true, later);
        assert!(matches!(old, Verdict::Doubtful { existing: 1 }));
    }

    #[test]
    fn the_end_of_a_replaced_connection_is_not_the_end_of_the_new_one() {
        let now = Instant::now();
        let mut registry = registry();
        registry.offer(peer(2), 1, claim(peer(2), 1, 1), &1, true, now);
        let verdict = registry.offer(peer(2), 2, claim(peer(2), 2, 2), &2, true, now);
        assert!(matches!(verdict, Verdict::Admitted { replaced: Some(1) }));
        assert!(!registry.remove(&peer(2), 1));
        assert!(registry.live(&peer(2)).is_some());
        assert!(registry.remove(&peer(2), 2));
    }

    /// Checks DC-CONN-041 (positive, negative).
    #[test]
    fn one_dial_of_ours_at_a_time_waits_for_hello() {
        let now = Instant::now();
        let mut registry = registry();
        assert!(matches!(registry.claim(peer(2), now), Claiming::Granted));
        assert!(matches!(registry.claim(peer(2), now), Claiming::Pending));
        registry.unclaim(&peer(2));
        assert!(matches!(registry.claim(peer(2), now), Claiming::Granted));
        registry.offer(peer(2), 1, claim(peer(1), 1, 1), &1, true, now);
        registry.unclaim(&peer(2));
        assert!(matches!(
            registry.claim(peer(2), now),
            Claiming::Live { .. }
        ));
    }
}
