//! Sketches under way: one of ours that is read elsewhere, and one of another's that is read here.

use dchat_wire::gossip::Sketched;

use crate::sketch::{Decoder, Snapshot};
use crate::time::Time;

/// How often one difference has rounds begin soon again: what is lost on the way is had by then.
const SAME: u8 = 8;

/// One of ours.
#[derive(Clone, Debug)]
pub(crate) struct Sketching {
    /// Who reads it: a slot.
    pub(crate) by: usize,
    pub(crate) of: Sketched,
    pub(crate) horizon: u32,
    pub(crate) snapshot: Snapshot,
    pub(crate) sent: usize,
    pub(crate) until: Time,
}

/// One of another's.
#[derive(Clone, Debug)]
pub(crate) struct Reading {
    /// Whose: a slot.
    pub(crate) of: usize,
    pub(crate) what: Sketched,
    pub(crate) horizon: u32,
    pub(crate) decoder: Decoder,
    pub(crate) until: Time,
}

/// A neighbour held more than we did.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Behind {
    /// Who.
    pub(crate) of: usize,
    /// The sum of its sequences then: ours reaches it when what was missing has come, or as much.
    pub(crate) total: u32,
    pub(crate) horizon: u32,
    /// When to look.
    pub(crate) at: Time,
    /// How often that has been.
    pub(crate) looked: u8,
}

/// At most one of each, so that sketches take a bounded part of memory and time.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sessions {
    pub(crate) sketching: Option<Sketching>,
    pub(crate) reading: Option<Reading>,
    /// Not before this time another sketch of ours.
    pub(crate) rest_until: Time,
    pub(crate) behind: Option<Behind>,
    /// What was held here and there when looking for what is missing was given up.
    pub(crate) gave_up: Option<(u32, u32)>,
    /// The last difference that was read, and how often it was the same.
    pub(crate) same: (u64, u8),
    /// Slots whose digest differed while there was no time for them.
    pub(crate) later: u16,
    /// When there is.
    pub(crate) later_at: Time,
}

impl Sessions {
    pub(crate) fn next(&self) -> Time {
        let ends = [
            self.sketching.as_ref().map(|one| one.until),
            self.reading.as_ref().map(|one| one.until),
            (self.later != 0).then_some(self.later_at),
            self.behind.map(|behind| behind.at),
        ];
        ends.into_iter().flatten().min().unwrap_or(Time(u64::MAX))
    }

    /// Whether a difference is worth looking again soon: it is not what it was so often that asking
    /// changes nothing, as where the items are early.
    pub(crate) fn is_news(&mut self, difference: u64) -> bool {
        self.same = match self.same {
            (last, times) if last == difference => (last, times.saturating_add(1)),
            _ => (difference, 0),
        };
        self.same.1 < SAME
    }

    /// Ends those that waited too long.
    pub(crate) fn expire(&mut self, now: Time) {
        self.sketching.take_if(|one| one.until <= now);
        self.reading.take_if(|one| one.until <= now);
    }

    /// Ends those with the link in `slot`.
    pub(crate) fn drop_slot(&mut self, slot: usize) {
        self.sketching.take_if(|one| one.by == slot);
        self.reading.take_if(|one| one.of == slot);
        self.later &= !(1 << slot);
    }
}
