//! Which peers to dial, and when, so that those we want connected are.
//!
//! * State: a bounded table of kept peers: their addresses, whether they are connected, being dialed
//!   or waited for, and how often dialing failed in a row.
//! * Inputs: [`Input`] with the time. Outputs: [`Dial`]s, at most a given number at a time.
//! * Invariants: a peer is dialed only while it is not connected and at most once at a time; a wait
//!   is between half and all of [`REDIAL_MIN`]` · 2^failures`, and of [`REDIAL_MAX`] at most.
//! * Hints (the peer was seen on the local network, the network changed) end a wait, but the time
//!   between two dials of one peer is never below half of [`REDIAL_MIN`], whoever sends them.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use dchat_wire::{Address, PeerId};

use super::order::order;
use crate::entropy::Entropy;
use crate::limits::{REDIAL_MAX, REDIAL_MIN};

/// A connection that lasted this long was a good one: its end is not another failure.
const GOOD: Duration = Duration::from_secs(10);

/// A new fact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Input {
    /// A connection with the peer is up.
    Connected(PeerId),
    /// It is gone, and there is no other.
    Disconnected(PeerId),
    /// A dial this table asked for ended without a connection.
    Failed(PeerId),
    /// The peer seems to be at these addresses now.
    Hint(PeerId, Vec<Address>),
    /// Our own addresses changed.
    NetworkChanged,
}

/// Dial this peer, and tell how it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Dial {
    pub(crate) peer: PeerId,
    pub(crate) addrs: Vec<Address>,
}

/// No more peers can be kept. Nothing changed; forget one first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no more than {limit} peers can be kept connected: forget one first")]
pub struct TooManyKept {
    /// [`Limits::kept_peers`](crate::Limits::kept_peers).
    pub limit: usize,
}

#[derive(Debug)]
struct Kept {
    /// Most recently learned first.
    addrs: Vec<Address>,
    state: State,
    failures: u32,
    /// When the last dial began.
    dialed: Option<Instant>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Connected { since: Instant },
    Dialing,
    Waiting { until: Instant },
}

/// The table.
#[derive(Debug)]
pub(crate) struct Keeper {
    peers: BTreeMap<PeerId, Kept>,
    limit: usize,
    dials: usize,
    dialing: usize,
    entropy: Entropy,
    now: Option<Instant>,
}

impl Keeper {
    /// An empty table for `limit` peers that asks for `dials` at a time.
    pub(crate) fn new(limit: usize, dials: usize, seed: [u8; 32]) -> Self {
        Self {
            peers: BTreeMap::new(),
            limit,
            dials,
            dialing: 0,
            entropy: Entropy::new(seed),
            now: None,
        }
    }

    /// Keeps `peer`, or adds addresses to one that is kept.
    pub(crate) fn keep(
        &mut self,
        peer: PeerId,
        addrs: &[Address],
        connected: bool,
        now: Instant,
    ) -> Result<(), TooManyKept> {
        if self.peers.contains_key(&peer) {
            self.hint(peer, addrs, now);
            return Ok(());
        }
        if self.peers.len() >= self.limit {
            return Err(TooManyKept { limit: self.limit });
        }
        let state = if connected {
            State::Connected { since: now }
        } else {
            State::Waiting { until: now }
        };
        let kept = Kept {
            addrs: order(addrs),
            state,
            failures: 0,
            dialed: None,
        };
        self.peers.insert(peer, kept);
        self.handle_timeout(now);
        Ok(())
    }

    /// Keeps `peer` no longer. A dial under way is not stopped.
    pub(crate) fn forget(&mut self, peer: &PeerId) {
        if let Some(kept) = self.peers.remove(peer)
            && kept.state == State::Dialing
        {
            self.dialing -= 1;
        }
    }

    /// Whether `peer` is kept.
    pub(crate) fn contains(&self, peer: &PeerId) -> bool {
        self.peers.contains_key(peer)
    }

    pub(crate) fn handle_input(&mut self, input: Input, now: Instant) {
        match input {
            Input::Connected(peer) => self.enter(peer, |kept| match kept.state {
                State::Connected { since } => State::Connected { since },
                _ => State::Connected { since: now },
            }),
            Input::Disconnected(peer) => self.lost(peer, now),
            Input::Failed(peer) => self.failed(peer, now),
            Input::Hint(peer, addrs) => self.hint(peer, &addrs, now),
            Input::NetworkChanged => {
                for kept in self.peers.values_mut() {
                    kept.hurry(now);
                }
            }
        }
        self.handle_timeout(now);
    }

    /// Time is now `now`.
    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        self.now = Some(now);
    }

    /// The next dial that is due, if one more may run.
    pub(crate) fn poll_output(&mut self) -> Option<Dial> {
        let now = self.now?;
        if self.dialing >= self.dials {
            return None;
        }
        // Who waits longest is dialed first, so that none starves while the dials are few.
        let (_, peer) = self
            .peers
            .iter()
            .filter_map(|(peer, kept)| Some((kept.due()?, *peer)))
            .filter(|(due, _)| *due <= now)
            .min()?;
        let kept = self.peers.get_mut(&peer)?;
        kept.state = State::Dialing;
        kept.dialed = Some(now);
        self.dialing += 1;
        Some(Dial {
            peer,
            addrs: kept.addrs.clone(),
        })
    }

    /// When the next dial is due; `None` while nothing is or no more may run.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        if self.dialing >= self.dials {
            return None;
        }
        self.peers.values().filter_map(Kept::due).min()
    }

    fn enter(&mut self, peer: PeerId, next: impl FnOnce(&mut Kept) -> State) {
        if let Some(kept) = self.peers.get_mut(&peer) {
            let was_dialing = kept.state == State::Dialing;
            kept.state = next(kept);
            if was_dialing && kept.state != State::Dialing {
                self.dialing -= 1;
            }
        }
    }

    fn lost(&mut self, peer: PeerId, now: Instant) {
        let spread = self.entropy.number();
        self.enter(peer, |kept| match kept.state {
            State::Connected { since } => {
                if now.saturating_duration_since(since) >= GOOD {
                    kept.failures = 0;
                }
                let wait = wait(kept.failures, spread);
                kept.failures = kept.failures.saturating_add(1);
                State::Waiting { until: now + wait }
            }
            // A dial of ours is under way already.
            state => state,
        });
    }

    fn failed(&mut self, peer: PeerId, now: Instant) {
        let spread = self.entropy.number();
        self.enter(peer, |kept| match kept.state {
            State::Dialing => {
                let wait = wait(kept.failures, spread);
                kept.failures = kept.failures.saturating_add(1);
                State::Waiting { until: now + wait }
            }
            state => state,
        });
    }

    fn hint(&mut self, peer: PeerId, addrs: &[Address], now: Instant) {
        if let Some(kept) = self.peers.get_mut(&peer) {
            let mut all = order(addrs);
            all.append(&mut kept.addrs);
            kept.addrs = order(&all);
            kept.hurry(now);
        }
        self.handle_timeout(now);
    }
}

impl Kept {
    fn due(&self) -> Option<Instant> {
        match self.state {
            State::Waiting { until } if !self.addrs.is_empty() => Some(until),
            _ => None,
        }
    }

    /// There is reason to believe that a dial would succeed now.
    fn hurry(&mut self, now: Instant) {
        if let State::Waiting { until } = &mut self.state {
            let earliest = self.dialed.map_or(now, |dialed| dialed + REDIAL_MIN);
            *until = (*until).min(earliest.max(now));
            self.failures = 0;
        }
    }
}

/// The wait after `failures` failed dials: `spread` chooses it between half and all of its bound.
fn wait(failures: u32, spread: u64) -> Duration {
    let bound = REDIAL_MIN
        .saturating_mul(1 << failures.min(16))
        .min(REDIAL_MAX);
    let half = bound / 2;
    // 2^16 steps are finer than any clock that matters here.
    half + half * (spread % 65_536) as u32 / 65_536
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed assumption fails the test")]

    use std::net::SocketAddr;

    use dchat_wire::sign::Identity;
    use proptest::prelude::*;

    use super::*;

    fn peer(seed: u8) -> PeerId {
        Identity::from_seed(&[seed; 32]).peer_id()
    }

    fn addr(port: u16) -> Address {
        Address::direct(SocketAddr::from(([192, 0, 2, 1], port)))
    }

    fn keeper() -> Keeper {
        Keeper::new(3, 2, [7; 32])
    }

    /// Checks DC-CONN-060 (positive).
    #[test]
    fn a_kept_peer_is_dialed_at_once_and_again_ever_later() {
        let mut now = Instant::now();
        let mut keeper = keeper();
        keeper.keep(peer(1), &[addr(1)], false, now).unwrap();
        let mut waits = Vec::new();
        for _ in 0..12 {
            assert_eq!(
                keeper.poll_output(),
                Some(Dial {
                    peer: peer(1),
                    addrs: vec![addr(1)]
                })
            );
            assert_eq!(keeper.poll_output(), None);
            keeper.handle_input(Input::Failed(peer(1)), now);
            let due = keeper.poll_timeout().unwrap();
            waits.push(due - now);
            now = due;
            keeper.handle_timeout(now);
        }
        assert!(waits[0] >= REDIAL_MIN / 2 && waits[0] <= REDIAL_MIN);
        assert!(waits[11] >= REDIAL_MAX / 2 && waits[11] <= REDIAL_MAX);
        assert!(waits.windows(3).all(|three| three[0] <= three[2] * 2));
    }

    #[test]
    fn a_connected_peer_is_not_dialed_and_a_lost_one_soon_is() {
        let now = Instant::now();
        let mut keeper = keeper();
        keeper.keep(peer(1), &[addr(1)], false, now).unwrap();
        keeper.poll_output().unwrap();
        keeper.handle_input(Input::Connected(peer(1)), now);
        assert_eq!(keeper.poll_timeout(), None);
        let later = now + Duration::from_secs(60);
        keeper.handle_input(Input::Disconnected(peer(1)), later);
        assert!(keeper.poll_timeout().unwrap() <= later + REDIAL_MIN);
    }

    /// Checks DC-CONN-060 (negative).
    #[test]
    fn a_hint_ends_the_wait_but_not_more_often_than_allowed() {
        let now = Instant::now();
        let mut keeper = keeper();
        keeper.keep(peer(1), &[addr(1)], false, now).unwrap();
        let mut at = now;
        for _ in 0..8 {
            keeper.poll_output().unwrap();
            keeper.handle_input(Input::Failed(peer(1)), at);
            at = keeper.poll_timeout().unwrap();
            keeper.handle_timeout(at);
        }
        keeper.poll_output().unwrap();
        keeper.handle_input(Input::Failed(peer(1)), at);
        keeper.handle_input(Input::Hint(peer(1), vec![addr(2)]), at);
        assert_eq!(keeper.poll_timeout(), Some(at + REDIAL_MIN));
        keeper.handle_timeout(at + REDIAL_MIN);
        assert_eq!(keeper.poll_output().unwrap().addrs, [addr(2), addr(1)]);
    }

    #[test]
    fn a_peer_without_addresses_waits_for_one() {
        let now = Instant::now();
        let mut keeper = keeper();
        keeper.keep(peer(1), &[], false, now).unwrap();
        assert_eq!(keeper.poll_output(), None);
        keeper.handle_input(Input::Hint(peer(1), vec![addr(5)]), now);
        assert_eq!(keeper.poll_output().unwrap().addrs, [addr(5)]);
    }

    #[test]
    fn dials_and_peers_are_bounded_and_forgetting_frees_both() {
        let now = Instant::now();
        let mut keeper = keeper();
        for seed in 1..=3 {
            keeper.keep(peer(seed), &[addr(1)], false, now).unwrap();
        }
        let full = keeper.keep(peer(4), &[addr(1)], false, now);
        assert_eq!(full, Err(TooManyKept { limit: 3 }));
        let first = keeper.poll_output().unwrap();
        keeper.poll_output().unwrap();
        assert_eq!(keeper.poll_output(), None);
        assert_eq!(keeper.poll_timeout(), None);
        keeper.forget(&first.peer);
        assert!(keeper.poll_output().is_some());
        keeper.keep(peer(4), &[addr(1)], false, now).unwrap();
    }

    #[test]
    fn a_changed_network_tries_everybody_again() {
        let mut now = Instant::now();
        let mut keeper = keeper();
        keeper.keep(peer(1), &[addr(1)], false, now).unwrap();
        for _ in 0..10 {
            keeper.poll_output().unwrap();
            keeper.handle_input(Input::Failed(peer(1)), now);
            now = keeper.poll_timeout().unwrap();
            keeper.handle_timeout(now);
        }
        keeper.poll_output().unwrap();
        keeper.handle_input(Input::Failed(peer(1)), now);
        let changed = now + Duration::from_secs(5);
        keeper.handle_input(Input::NetworkChanged, changed);
        assert_eq!(keeper.poll_timeout(), Some(changed));
    }

    proptest! {
        #[test]
        fn whatever_happens_counts_stay_true_and_dials_apart(
            steps in proptest::collection::vec((0u8..8, 1u8..5, 0u64..3000), 0..200),
        ) {
            let mut now = Instant::now();
            let mut keeper = keeper();
            let mut last: BTreeMap<PeerId, Instant> = BTreeMap::new();
            for (what, who, millis) in steps {
                now += Duration::from_millis(millis);
                let peer = peer(who);
                match what {
                    0 => drop(keeper.keep(peer, &[addr(1)], false, now)),
                    1 => {
                        keeper.forget(&peer);
                        last.remove(&peer);
                    }
                    2 => keeper.handle_input(Input::Connected(peer), now),
                    3 => keeper.handle_input(Input::Disconnected(peer), now),
                    4 => keeper.handle_input(Input::Failed(peer), now),
                    5 => keeper.handle_input(Input::Hint(peer, vec![addr(2)]), now),
                    6 => keeper.handle_input(Input::NetworkChanged, now),
                    _ => keeper.handle_timeout(now),
                }
                while let Some(dial) = keeper.poll_output() {
                    let before = last.insert(dial.peer, now);
                    prop_assert!(before.is_none_or(|at| now - at >= REDIAL_MIN / 2));
                }
                let dialing = keeper.peers.values().filter(|kept| kept.state == State::Dialing);
                prop_assert_eq!(dialing.count(), keeper.dialing);
                prop_assert!(keeper.dialing <= 2 && keeper.peers.len() <= 3);
            }
        }
    }
}
