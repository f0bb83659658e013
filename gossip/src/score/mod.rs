//! What is held against a neighbour, and for it.
//!
//! Faults cost: an invalid item, an announcement whose item never comes, a sketch that cannot be one,
//! more frames than anybody needs. They fade with time, so that loss alone evicts nobody, and with
//! `EVICT` of them the link ends and the peer is shunned for a while. Use speaks for a neighbour
//! when one has to go: who never was the first to bring or name anything goes first.

mod bucket;

pub(crate) use bucket::Bucket;

use crate::time::Time;

/// Points at which a link ends.
pub(crate) const EVICT: u32 = 100;
/// Milliseconds in which one point fades: ten minutes to forget an eviction's worth.
const FADES: u64 = 6_000;

/// What a neighbour did wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Brought an item that is rejected: it checked nothing, or made it.
    Invalid,
    /// Named an item and did not send it when asked.
    Missing,
    /// Sent what cannot be part of what it claims to be: cells, proofs.
    Nonsense,
    /// More frames than anybody needs.
    Flood,
    /// The tree through it lost an item.
    Lost,
}

impl Fault {
    fn points(self) -> u32 {
        match self {
            // An honest member passes nothing on unchecked, so one is no accident, but a restart in
            // the middle of a policy change may make a few.
            Self::Invalid => 40,
            Self::Nonsense => 25,
            Self::Missing => 5,
            Self::Flood => 2,
            Self::Lost => 1,
        }
    }
}

/// The record of one link.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Score {
    faults: u32,
    faded: Time,
    useful: u32,
}

impl Score {
    pub(crate) fn new(now: Time) -> Self {
        Self {
            faded: now,
            ..Self::default()
        }
    }

    /// Counts a fault; true when the link must end.
    pub(crate) fn fault(&mut self, fault: Fault, now: Time) -> bool {
        let faded = now.0.saturating_sub(self.faded.0) / FADES;
        self.faults = self
            .faults
            .saturating_sub(u32::try_from(faded).unwrap_or(u32::MAX));
        self.faded = Time(self.faded.0 + faded * FADES);
        self.faults += fault.points();
        self.faults >= EVICT
    }

    /// It was the first to bring an item: of its own accord, or `asked`. That makes up for as much
    /// as goes wrong on a link that loses a fifth of all, when two of five pulls fail.
    pub(crate) fn useful(&mut self, asked: bool) {
        self.useful = self.useful.saturating_add(1);
        let makes_up = if asked { 8 } else { 1 };
        self.faults = self.faults.saturating_sub(makes_up);
    }

    /// What it was blamed for not sending came after all.
    pub(crate) fn was_late(&mut self) {
        self.faults = self.faults.saturating_sub(Fault::Missing.points());
    }

    /// Half of what was, so that the past does not decide for ever.
    pub(crate) fn fade(&mut self) {
        self.useful /= 2;
    }

    /// Higher is better.
    pub(crate) fn worth(&self) -> i64 {
        i64::from(self.useful) - 4 * i64::from(self.faults)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_invalid_items_evict() {
        let mut score = Score::new(Time(0));
        let evicted: Vec<_> = (0..3)
            .map(|_| score.fault(Fault::Invalid, Time(5)))
            .collect();
        assert_eq!(evicted, [false, false, true]);
    }

    /// Checks DC-GOSSIP-047 (positive).
    #[test]
    fn a_link_that_loses_half_of_what_is_pulled_stays() {
        let mut score = Score::new(Time(0));
        for pull in 0..3000 {
            if pull % 2 == 0 {
                assert!(!score.fault(Fault::Missing, Time(0)));
            } else {
                score.useful(true);
            }
        }
        assert!((0..25).any(|_| score.fault(Fault::Missing, Time(0))));
    }

    #[test]
    fn what_loss_does_fades() {
        let mut score = Score::new(Time(0));
        for minute in 0..600 {
            assert!(!score.fault(Fault::Missing, Time(minute * 60_000)));
        }
    }
}
