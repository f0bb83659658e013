//! Members that are no neighbours.

use core::time::Duration;

use crate::rng::Rng;
use crate::time::Time;

/// Members remembered, of whom at most half went without a word.
const MOST: usize = 64;
const MOST_LOST: usize = 32;
/// Attempts after which a member that went is forgotten: an hour or so of them.
const ATTEMPTS: u8 = 30;
/// How long who misbehaved is not linked with.
const SHUN: Duration = Duration::from_secs(600);

#[derive(Clone, Copy, Debug)]
struct Known<H> {
    peer: H,
    /// Not to be tried before.
    not_before: Time,
    attempts: u8,
    lost: bool,
    shunned: bool,
}

/// The cache.
#[derive(Clone, Debug)]
pub(crate) struct Passive<H> {
    known: Vec<Known<H>>,
}

impl<H: Copy + Eq> Passive<H> {
    pub(crate) fn new() -> Self {
        Self { known: Vec::new() }
    }

    fn find(&mut self, peer: H) -> Option<&mut Known<H>> {
        self.known.iter_mut().find(|known| known.peer == peer)
    }

    /// Somebody was named; what is known of it stays as it is.
    pub(crate) fn heard(&mut self, peer: H, now: Time, rng: &mut Rng) {
        if self.find(peer).is_none() {
            self.insert(peer, false, now, rng);
        }
    }

    /// The driver knows that it is there: it may be tried at once, unless it misbehaved.
    pub(crate) fn found(&mut self, peer: H, now: Time, rng: &mut Rng) {
        self.heard(peer, now, rng);
        if let Some(known) = self.find(peer).filter(|known| !known.shunned) {
            known.lost = false;
            known.attempts = 0;
            known.not_before = now;
        }
    }

    /// It answered, or said goodbye: it may be tried again.
    pub(crate) fn well(&mut self, peer: H, now: Time, rng: &mut Rng) {
        self.heard(peer, now, rng);
        if let Some(known) = self.find(peer) {
            known.lost = false;
            known.attempts = 0;
        }
    }

    /// It went without a word, or cannot be reached.
    pub(crate) fn lost(&mut self, peer: H, now: Time, rng: &mut Rng) {
        if self.find(peer).is_none() {
            self.insert(peer, true, now, rng);
        }
        if let Some(known) = self.find(peer) {
            known.lost = true;
            known.attempts = known.attempts.saturating_add(1);
            known.not_before = now + Duration::from_secs(5);
            if known.attempts > ATTEMPTS && !known.shunned {
                self.known.retain(|known| known.peer != peer);
            }
        }
        self.make_room(rng);
    }

    /// It refused, having enough neighbours.
    pub(crate) fn refused(&mut self, peer: H, now: Time) {
        if let Some(known) = self.find(peer) {
            known.not_before = now + Duration::from_secs(10);
        }
    }

    /// It misbehaved.
    pub(crate) fn shun(&mut self, peer: H, now: Time, rng: &mut Rng) {
        self.heard(peer, now, rng);
        if let Some(known) = self.find(peer) {
            known.shunned = true;
            known.not_before = now + SHUN;
        }
    }

    pub(crate) fn is_shunned(&mut self, peer: H, now: Time) -> bool {
        self.find(peer)
            .is_some_and(|known| known.shunned && known.not_before > now)
    }

    fn insert(&mut self, peer: H, lost: bool, now: Time, rng: &mut Rng) {
        self.known.push(Known {
            peer,
            not_before: now,
            attempts: 0,
            lost,
            shunned: false,
        });
        self.make_room(rng);
    }

    /// Forgets somebody at random, of those who went when they are too many.
    fn make_room(&mut self, rng: &mut Rng) {
        let lost = self.known.iter().filter(|known| known.lost).count();
        if lost > MOST_LOST || self.known.len() > MOST {
            let of_lost = lost > MOST_LOST;
            let count = if of_lost {
                lost
            } else {
                self.known.len() - lost
            };
            let which = rng.below(count);
            let at = self
                .known
                .iter()
                .enumerate()
                .filter(|(_, known)| known.lost == of_lost)
                .nth(which);
            if let Some((at, _)) = at {
                self.known.swap_remove(at);
            }
        }
    }

    /// Somebody to link with who is not `taken`: one who went, or one who may well be there.
    pub(crate) fn pick(
        &self,
        lost: bool,
        now: Time,
        rng: &mut Rng,
        taken: impl Fn(H) -> bool,
    ) -> Option<H> {
        let fits =
            |known: &&Known<H>| known.lost == lost && known.not_before <= now && !taken(known.peer);
        let count = self.known.iter().filter(fits).count();
        let which = rng.below(count);
        self.known
            .iter()
            .filter(fits)
            .nth(which)
            .map(|known| known.peer)
    }

    /// Up to `most` members at random that may well be there.
    pub(crate) fn sample(&self, most: usize, rng: &mut Rng) -> Vec<H> {
        let mut well: Vec<H> = self
            .known
            .iter()
            .filter(|known| !known.lost && !known.shunned)
            .map(|known| known.peer)
            .collect();
        while well.len() > most {
            let at = rng.below(well.len());
            well.swap_remove(at);
        }
        well
    }

    pub(crate) fn len(&self) -> usize {
        self.known.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cache_is_bounded_and_keeps_both_kinds() {
        let mut rng = Rng::new((1, 2));
        let mut passive = Passive::new();
        for peer in 0..1000_u32 {
            passive.lost(peer, Time(0), &mut rng);
        }
        for peer in 1000..2000 {
            passive.heard(peer, Time(0), &mut rng);
        }
        assert_eq!(passive.len(), MOST);
        let late = Time(60_000);
        assert!(
            passive
                .pick(true, late, &mut rng, |_| false)
                .is_some_and(|peer| peer < 1000)
        );
        assert!(
            passive
                .pick(false, late, &mut rng, |_| false)
                .is_some_and(|peer| peer >= 1000)
        );
    }

    /// Checks DC-GOSSIP-038 (positive, negative).
    #[test]
    fn who_is_shunned_is_not_picked_until_it_is_over() {
        let mut rng = Rng::new((1, 2));
        let mut passive = Passive::new();
        passive.shun(1_u32, Time(0), &mut rng);
        assert!(passive.is_shunned(1, Time(1)));
        assert_eq!(passive.pick(false, Time(1), &mut rng, |_| false), None);
        assert_eq!(
            passive.pick(false, Time(700_000), &mut rng, |_| false),
            Some(1)
        );
        assert!(!passive.is_shunned(1, Time(700_000)));
    }

    #[test]
    fn who_was_found_may_be_tried_at_once_unless_it_misbehaved() {
        let mut rng = Rng::new((1, 2));
        let mut passive = Passive::new();
        passive.lost(1_u32, Time(0), &mut rng);
        assert_eq!(passive.pick(false, Time(1), &mut rng, |_| false), None);
        passive.found(1, Time(1), &mut rng);
        assert_eq!(passive.pick(false, Time(1), &mut rng, |_| false), Some(1));
        passive.shun(1, Time(2), &mut rng);
        passive.found(1, Time(3), &mut rng);
        assert!(passive.is_shunned(1, Time(4)));
    }

    #[test]
    fn who_never_answers_is_forgotten() {
        let mut rng = Rng::new((1, 2));
        let mut passive = Passive::new();
        for minute in 0..=u64::from(ATTEMPTS) {
            passive.lost(1_u32, Time(minute * 60_000), &mut rng);
        }
        assert_eq!(passive.len(), 0);
    }
}
