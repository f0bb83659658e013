//! Relays found in the table, for whoever cannot be reached and was told of none.
//!
//! * State: relays that said they relay, which of the topic's shards were asked in this round, and
//!   when the next is due.
//! * Inputs: whether relays are wanted, how many hold a reservation, what was found. Outputs: the
//!   shard to ask next, the relays to try.
//! * Invariants: relays that hold a reservation stay; a round begins no sooner than its wait after
//!   the last, which doubles while rounds find too little.
//! * Bounds: [`POOL`] relays.

use std::time::{Duration, Instant};

use dchat_wire::{Address, PeerId, limits};

/// Relays remembered; which of them is the best, round trips tell.
const POOL: usize = 32;
/// Relays tried at a time.
const TRIED: usize = 8;
/// Relays that are to hold a reservation.
const HELD: usize = 2;
/// How long relays that were found get to take us before others are looked for.
const TRIAL: Duration = Duration::from_secs(15);
/// Longest wait between two rounds.
const LONGEST: Duration = Duration::from_secs(10 * 60);

/// See the [module](self).
#[derive(Debug)]
pub(super) struct RelaySearch {
    /// Latest found first.
    pool: Vec<Address>,
    wanted: bool,
    asking: bool,
    /// Shards of this round that were not asked yet.
    left: Vec<u8>,
    due: Option<Instant>,
    wait: Duration,
}

impl Default for RelaySearch {
    fn default() -> Self {
        Self {
            pool: Vec::new(),
            wanted: false,
            asking: false,
            left: Vec::new(),
            due: None,
            wait: TRIAL,
        }
    }
}

impl RelaySearch {
    /// Whether relays are wanted, and how many hold a reservation. Tells whether nothing is wanted
    /// any more that was.
    pub(super) fn update(&mut self, wanted: bool, held: usize, now: Instant) -> bool {
        let ended = self.wanted && !wanted;
        self.wanted = wanted;
        if !wanted || held >= HELD {
            self.due = None;
            self.left.clear();
            self.wait = TRIAL;
        } else if self.due.is_none() {
            // One that was there has gone, or none was looked for: the pool is tried meanwhile.
            self.due = Some(now);
        }
        ended
    }

    /// The shard to ask now. `seed` is drawn at random and chooses the order.
    pub(super) fn next(&mut self, seed: u64, now: Instant) -> Option<u8> {
        if self.asking || self.due.is_none_or(|due| due > now) {
            return None;
        }
        if self.left.is_empty() {
            self.left = shuffled((0..limits::RELAY_SHARDS).collect(), seed);
        }
        let shard = self.left.pop()?;
        self.asking = true;
        Some(shard)
    }

    /// What a shard held. `tried` in vain or found enough, the next shard comes at once or later.
    pub(super) fn found(&mut self, relays: impl IntoIterator<Item = Address>, now: Instant) {
        self.asking = false;
        let mut new = 0;
        for relay in relays.into_iter().take(POOL) {
            let Some(peer) = relay.peer() else {
                continue;
            };
            let before = self.pool.len();
            self.pool.retain(|known| known.peer() != Some(peer));
            new += usize::from(self.pool.len() == before);
            self.pool.insert(0, relay);
        }
        self.pool.truncate(POOL);
        if self.due.is_none() {
            return;
        }
        if new >= HELD || self.left.is_empty() {
            // Give them time; then go on, with the shards that are left or a new round.
            self.due = Some(now + self.wait);
            if self.left.is_empty() {
                self.wait = (self.wait * 2).min(LONGEST);
            }
        } else {
            self.due = Some(now);
        }
    }

    /// Relays to try: those in `held` first, then others in an order that `seed` chooses, those of
    /// different providers before those of the same.
    pub(super) fn chosen(&self, held: &[PeerId], seed: u64) -> Vec<Address> {
        let is_held = |relay: &Address| relay.peer().is_some_and(|peer| held.contains(&peer));
        let (mut chosen, others): (Vec<Address>, Vec<Address>) =
            self.pool.iter().partition(|relay| is_held(relay));
        let (mut first, mut second) = (Vec::new(), Vec::new());
        for relay in shuffled(others, seed) {
            let subnet = |relay: &Address| dchat_nat::scope::subnet(relay.socket().ip());
            let same = |other: &Address| subnet(other) == subnet(&relay);
            if chosen.iter().chain(&first).any(same) {
                second.push(relay);
            } else {
                first.push(relay);
            }
        }
        chosen.append(&mut first);
        chosen.append(&mut second);
        chosen.truncate(TRIED);
        chosen
    }

    /// Whether more relays are to be tried.
    pub(super) fn is_short(&self) -> bool {
        self.due.is_some()
    }

    /// When a shard is due.
    pub(super) fn due(&self) -> Option<Instant> {
        self.due.filter(|_| !self.asking)
    }
}

/// Fisher and Yates's shuffle, by a number drawn at random (an xorshift generator spreads it).
pub(super) fn shuffled<T>(mut items: Vec<T>, seed: u64) -> Vec<T> {
    let mut state = seed | 1;
    for last in (1..items.len()).rev() {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let bound = last as u64 + 1;
        items.swap(last, usize::try_from(state % bound).unwrap_or(0));
    }
    items
}

#[cfg(test)]
mod tests {
    use dchat_wire::sign::Identity;

    use super::*;

    fn relay(seed: u8) -> Address {
        let socket = std::net::SocketAddr::from(([198, 51, seed, 1], 4001));
        Address::direct(socket).of(Identity::from_seed(&[seed; 32]).peer_id())
    }

    fn peer(seed: u8) -> PeerId {
        Identity::from_seed(&[seed; 32]).peer_id()
    }

    #[test]
    fn all_shards_are_asked_until_two_relays_are_found() {
        let now = Instant::now();
        let mut search = RelaySearch::default();
        assert_eq!(search.next(1, now), None, "nobody wants one");
        search.update(true, 0, now);
        let mut asked = Vec::new();
        while let Some(shard) = search.next(1, now) {
            assert_eq!(search.next(1, now), None, "one at a time");
            asked.push(shard);
            search.found([], now);
        }
        asked.sort_unstable();
        let all: Vec<u8> = (0..limits::RELAY_SHARDS).collect();
        assert_eq!(asked, all);
        assert_eq!(search.due(), Some(now + TRIAL));
        let later = now + TRIAL;
        assert!(search.next(1, later).is_some());
        search.found([relay(1), relay(2)], later);
        assert_eq!(search.next(1, later), None, "they are tried first");
    }

    #[test]
    fn rounds_in_vain_become_rare() {
        let start = Instant::now();
        let mut search = RelaySearch::default();
        let rounds = (0..7200)
            .filter(|second| {
                let now = start + Duration::from_secs(*second);
                search.update(true, 1, now);
                let mut asked = false;
                while search.next(*second, now).is_some() {
                    asked = true;
                    search.found([relay(1)], now);
                }
                asked
            })
            .count();
        assert!((5..25).contains(&rounds), "{rounds}");
    }

    #[test]
    fn nothing_is_asked_while_two_hold_a_reservation_and_at_once_when_one_is_lost() {
        let now = Instant::now();
        let mut search = RelaySearch::default();
        search.update(true, 0, now);
        search.next(1, now);
        search.found([relay(1), relay(2)], now);
        search.update(true, 2, now);
        assert_eq!(search.due(), None);
        search.update(true, 1, now);
        assert_eq!(search.due(), Some(now));
        assert!(search.update(false, 1, now));
        assert_eq!(search.due(), None);
    }

    #[test]
    fn what_is_held_stays_and_the_others_are_of_different_providers_first() {
        let now = Instant::now();
        let mut search = RelaySearch::default();
        search.update(true, 0, now);
        let near = |host: u8| {
            let socket = std::net::SocketAddr::from(([198, 51, 1, host], 4001));
            Address::direct(socket).of(peer(100 + host))
        };
        search.found((1..=10).map(relay).chain((2..=20).map(near)), now);
        for seed in 0..50 {
            let chosen = search.chosen(&[peer(7)], seed);
            assert_eq!(chosen.first(), Some(&relay(7)));
            assert_eq!(chosen.len(), TRIED);
            let of_one = chosen
                .iter()
                .filter(|one| one.socket().ip() == near(2).socket().ip());
            assert!(of_one.count() <= 1);
            let mut subnets: Vec<_> = chosen
                .iter()
                .map(|one| dchat_nat::scope::subnet(one.socket().ip()))
                .collect();
            subnets.sort_unstable();
            subnets.dedup();
            assert_eq!(subnets.len(), TRIED);
        }
    }

    #[test]
    fn a_flood_of_adverts_fills_the_pool_and_no_more() {
        let now = Instant::now();
        let mut search = RelaySearch::default();
        search.update(true, 0, now);
        for _ in 0..10 {
            search.found((0..=255).map(relay), now);
        }
        assert!(search.pool.len() <= POOL);
        let unnamed = Address::direct(relay(1).socket());
        search.found([unnamed], now);
        assert!(!search.pool.contains(&unnamed));
    }
}
