//! When members of groups are looked up who are where nobody knows.
//!
//! * State: for each that was looked up lately, how often in vain, and until when it is not looked up again.
//! * Input: that somebody is to be reached now, which the engine says again and again while it wants so; and
//!   connections. Output: whether to look it up.
//! * Invariant: between two lookups of one member is at least [`WAIT`]`.0 · 2^failures`, and `WAIT.1` at most.
//! * Bound: [`MOST`]; who may be looked up again soonest is forgotten first, which costs a lookup.
//!
//! Contacts are kept connected and [sought](super::seek) whether somebody asks or not; members are many, and
//! most of them reach each other over a few.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use dchat_wire::PeerId;

use super::backoff::{Bounds, doubled};

/// Members remembered: those of four of the largest groups.
const MOST: usize = 1024;
/// First and longest wait after a lookup.
const WAIT: Bounds = (Duration::from_secs(30), Duration::from_secs(30 * 60));

/// See the [module](self).
#[derive(Debug, Default)]
pub(super) struct Members {
    looked: BTreeMap<PeerId, Looked>,
}

#[derive(Clone, Copy, Debug)]
struct Looked {
    failures: u32,
    not_before: Instant,
}

impl Members {
    /// Whether to look `peer` up now; it counts as done, and in vain until it is connected.
    pub(super) fn may_look(&mut self, peer: PeerId, now: Instant) -> bool {
        let known = self.looked.get(&peer);
        if known.is_some_and(|known| known.not_before > now) {
            return false;
        }
        let failures = known.map_or(0, |known| known.failures);
        let looked = Looked {
            failures: failures + 1,
            not_before: now + doubled(WAIT, failures),
        };
        self.looked.insert(peer, looked);
        if self.looked.len() > MOST {
            let soonest = self.looked.iter().min_by_key(|(_, one)| one.not_before);
            if let Some(soonest) = soonest.map(|(peer, _)| *peer) {
                self.looked.remove(&soonest);
            }
        }
        true
    }

    /// A connection with `peer` is up.
    pub(super) fn connected(&mut self, peer: &PeerId) {
        self.looked.remove(peer);
    }
}

#[cfg(test)]
mod tests {
    use dchat_wire::sign::Identity;

    use super::*;

    fn peer(number: u32) -> PeerId {
        let mut seed = [7; 32];
        seed[..4].copy_from_slice(&number.to_le_bytes());
        Identity::from_seed(&seed).peer_id()
    }

    #[test]
    fn who_is_not_found_is_looked_up_ever_more_rarely_until_it_is_there() {
        let start = Instant::now();
        let mut members = Members::default();
        let one = peer(1);
        let looked = |members: &mut Members| -> Vec<u64> {
            let seconds = (0..7200).filter(|second| {
                let now = start + Duration::from_secs(*second);
                members.may_look(one, now)
            });
            seconds.collect()
        };
        let times = looked(&mut members);
        assert_eq!(times[..5], [0, 30, 90, 210, 450], "{times:?}");
        assert!(times.len() < 12, "{times:?}");
        members.connected(&one);
        assert!(members.may_look(one, start + Duration::from_secs(7200)));
    }

    #[test]
    fn as_many_are_remembered_as_there_is_room_for() {
        let start = Instant::now();
        let mut members = Members::default();
        for number in 0..=MOST as u32 {
            let now = start + Duration::from_millis(number.into());
            assert!(members.may_look(peer(number), now));
        }
        assert_eq!(members.looked.len(), MOST);
        let now = start + Duration::from_secs(2);
        assert!(!members.may_look(peer(MOST as u32), now));
        assert!(members.may_look(peer(0), now), "forgotten");
    }
}
