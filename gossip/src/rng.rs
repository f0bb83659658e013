//! Numbers that others cannot foresee and we can repeat.

use crate::siphash::siphash;

/// A stream of numbers under a key: SipHash of a counter.
#[derive(Clone, Debug)]
pub(crate) struct Rng {
    key: (u64, u64),
    next: u64,
}

impl Rng {
    pub(crate) fn new(seed: (u64, u64)) -> Self {
        Self { key: seed, next: 0 }
    }

    pub(crate) fn number(&mut self) -> u64 {
        self.next = self.next.wrapping_add(1);
        siphash(self.key, (self.next, 0))
    }

    /// A number below `end`; 0 when `end` is 0.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        if end == 0 {
            return 0;
        }
        // Sixty-four bits over the sizes of our lists leave no bias worth a second draw.
        (self.number() % end as u64) as usize
    }

    /// A number from `low` to `high`, both included.
    pub(crate) fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.number() % (high.saturating_sub(low) + 1)
    }
}
