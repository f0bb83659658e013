//! Which contacts to look up, and when.
//!
//! * State: for each contact that is kept connected, whether it is, whether it is being looked up,
//!   when that is due, and how often it was in vain.
//! * Inputs: contacts that come and go, connections, results, hints that somebody is wanted now.
//!   Output: [`Seek::next`], whom to look up.
//! * Invariants: nobody who is connected is looked up; at most [`AT_ONCE`] lookups at a time, of one
//!   contact at most one, and no two of one contact begin within [`BETWEEN`]; a wait is between half
//!   and all of [`WAIT`]`.0 · 2^failures`, and of `WAIT.1` at most.
//! * Bounds: as many contacts as are kept connected.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use dchat_wire::PeerId;

use super::backoff::{Bounds, doubled, spread};

/// Lookups at a time: one of a few dozen questions each second keeps a line of 1 Mbit/s idle.
const AT_ONCE: usize = 2;
/// Between two lookups of one contact, whoever wants it now.
const BETWEEN: Duration = Duration::from_secs(5);
/// First and longest wait after a lookup in vain. Whoever comes back dials us, for it has not moved
/// from where we look; the lookups find those of whom both sides have moved.
const WAIT: Bounds = (Duration::from_secs(5), Duration::from_secs(30 * 60));
/// How long addresses that are known get to answer before others are looked for.
const HEAD_START: Duration = Duration::from_secs(2);

/// See the [module](self).
#[derive(Debug, Default)]
pub(super) struct Seek {
    contacts: BTreeMap<PeerId, Contact>,
    looking: usize,
}

#[derive(Debug)]
struct Contact {
    connected: bool,
    looking: bool,
    /// When the last lookup began.
    began: Option<Instant>,
    due: Instant,
    failures: u32,
}

impl Seek {
    /// `peer` is to be connected. Known addresses are tried first.
    pub(super) fn want(&mut self, peer: PeerId, has_addresses: bool, now: Instant) {
        let due = if has_addresses { now + HEAD_START } else { now };
        self.contacts.entry(peer).or_insert(Contact {
            connected: false,
            looking: false,
            began: None,
            due,
            failures: 0,
        });
    }

    /// No longer.
    pub(super) fn unwant(&mut self, peer: &PeerId) {
        if let Some(contact) = self.contacts.remove(peer)
            && contact.looking
        {
            self.looking -= 1;
        }
    }

    /// A connection is up.
    pub(super) fn connected(&mut self, peer: &PeerId) {
        if let Some(contact) = self.contacts.get_mut(peer) {
            contact.connected = true;
            contact.failures = 0;
        }
    }

    /// It is gone, and may be back at once.
    pub(super) fn disconnected(&mut self, peer: &PeerId, now: Instant) {
        if let Some(contact) = self.contacts.get_mut(peer) {
            contact.connected = false;
            contact.due = now + HEAD_START;
        }
    }

    /// Somebody of this home wants to reach `peer` now.
    pub(super) fn hurry(&mut self, peer: &PeerId, now: Instant) {
        if let Some(contact) = self.contacts.get_mut(peer) {
            contact.hurry(now);
        }
    }

    /// The network is another one, and whoever was not found may be now.
    pub(super) fn network_changed(&mut self, now: Instant) {
        for contact in self.contacts.values_mut() {
            contact.hurry(now);
        }
    }

    /// Whom to look up now. To be asked until there is nobody.
    pub(super) fn next(&mut self, now: Instant) -> Option<PeerId> {
        if self.looking >= AT_ONCE {
            return None;
        }
        // Who waits longest is first, so that none starves.
        let waiting = self.contacts.iter();
        let (_, peer) = waiting
            .filter_map(|(peer, contact)| Some((contact.due()?, *peer)))
            .filter(|(due, _)| *due <= now)
            .min()?;
        let contact = self.contacts.get_mut(&peer)?;
        contact.looking = true;
        contact.began = Some(now);
        self.looking += 1;
        Some(peer)
    }

    /// A lookup is over. `drawn` chooses the wait between half and all of its bound. Tells whether
    /// `peer` is still wanted.
    pub(super) fn done(&mut self, peer: &PeerId, drawn: u64, now: Instant) -> bool {
        // Somebody forgotten meanwhile is not counted any more.
        let Some(contact) = self.contacts.get_mut(peer) else {
            return false;
        };
        if core::mem::take(&mut contact.looking) {
            self.looking -= 1;
        }
        contact.due = now + spread(doubled(WAIT, contact.failures), drawn);
        contact.failures = contact.failures.saturating_add(1);
        true
    }

    /// When somebody is due; `None` while nobody is or no more lookups may run.
    pub(super) fn due(&self) -> Option<Instant> {
        if self.looking >= AT_ONCE {
            return None;
        }
        self.contacts.values().filter_map(Contact::due).min()
    }
}

impl Contact {
    fn due(&self) -> Option<Instant> {
        (!self.connected && !self.looking).then_some(self.due)
    }

    fn hurry(&mut self, now: Instant) {
        let earliest = self.began.map_or(now, |began| now.max(began + BETWEEN));
        self.due = self.due.min(earliest);
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed expectation is a failed test")]
    use dchat_wire::sign::Identity;

    use super::*;

    fn peer(seed: u8) -> PeerId {
        Identity::from_seed(&[seed; 32]).peer_id()
    }

    /// The seconds at which one contact is looked up within an hour, each time in vain.
    fn lookups(seek: &mut Seek, start: Instant) -> Vec<u64> {
        (0..3600)
            .filter(|second| {
                let now = start + Duration::from_secs(*second);
                let Some(peer) = seek.next(now) else {
                    return false;
                };
                seek.done(&peer, u64::MAX, now);
                true
            })
            .collect()
    }

    #[test]
    fn a_contact_without_an_address_is_looked_up_at_once_and_then_ever_more_rarely() {
        let start = Instant::now();
        let mut seek = Seek::default();
        seek.want(peer(1), false, start);
        let times = lookups(&mut seek, start);
        assert_eq!(times[..5], [0, 5, 15, 35, 75], "{times:?}");
        assert!(times.len() < 12, "{times:?}");
    }

    #[test]
    fn known_addresses_are_tried_first() {
        let start = Instant::now();
        let mut seek = Seek::default();
        seek.want(peer(1), true, start);
        assert_eq!(seek.next(start), None);
        assert_eq!(seek.due(), Some(start + HEAD_START));
        seek.connected(&peer(1));
        assert_eq!(seek.due(), None);
        seek.disconnected(&peer(1), start);
        assert_eq!(seek.next(start + HEAD_START), Some(peer(1)));
    }

    #[test]
    fn nobody_who_is_connected_or_forgotten_is_looked_up() {
        let start = Instant::now();
        let later = start + Duration::from_secs(9999);
        let mut seek = Seek::default();
        seek.want(peer(1), false, start);
        seek.want(peer(2), false, start);
        seek.connected(&peer(1));
        seek.unwant(&peer(2));
        assert_eq!(seek.next(later), None);
        // Forgotten while being looked up.
        seek.disconnected(&peer(1), start);
        assert_eq!(seek.next(later), Some(peer(1)));
        seek.unwant(&peer(1));
        assert!(!seek.done(&peer(1), 0, later));
        assert_eq!((seek.looking, seek.due()), (0, None));
    }

    #[test]
    fn few_are_looked_up_at_a_time_and_none_starves() {
        let start = Instant::now();
        let mut seek = Seek::default();
        for seed in 0..100 {
            seek.want(peer(seed), false, start);
        }
        let mut looked = BTreeMap::new();
        let mut now = start;
        for _ in 0..50 {
            let together: Vec<PeerId> = core::iter::from_fn(|| seek.next(now)).collect();
            assert_eq!(together.len(), AT_ONCE);
            assert_eq!(seek.due(), None);
            now += Duration::from_millis(50);
            for peer in together {
                *looked.entry(peer).or_insert(0) += 1;
                seek.done(&peer, 7, now);
            }
        }
        assert_eq!(looked.len(), 100);
    }

    #[test]
    fn who_is_wanted_now_is_looked_up_soon_and_not_in_a_storm() {
        let start = Instant::now();
        let mut seek = Seek::default();
        seek.want(peer(1), false, start);
        lookups(&mut seek, start);
        let now = start + Duration::from_secs(3600);
        assert_eq!(seek.next(now), None);
        seek.hurry(&peer(1), now);
        assert_eq!(seek.next(now), Some(peer(1)));
        seek.done(&peer(1), u64::MAX, now);
        for _ in 0..100 {
            seek.hurry(&peer(1), now);
        }
        assert_eq!(seek.next(now), None);
        assert_eq!(seek.due(), Some(now + BETWEEN));
    }
}
