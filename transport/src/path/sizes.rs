//! How large a connection's datagrams are, as far as the switch can see.
//!
//! quinn looks for larger datagrams with probes it sends singly, each size at most three times
//! (its `MAX_PROBE_RETRANSMITS`). Over a relay they would succeed, because what does not fit is
//! split, and every packet after them would travel in two parts. So they are dropped there, as a
//! smaller path would; data never is.

use dchat_wire::limits;

/// Size every path has to carry (RFC 9000 §14.1).
pub(super) const BASE: usize = 1200;

/// Times quinn sends a probe of one size.
const PROBE_TRIES: u8 = 3;
/// Sizes quinn tries between 1,200 and 1,280: halving that down to its 20 bytes takes three, and it
/// may begin again once.
const PROBE_SIZES: usize = 8;

/// What was seen of a connection's datagrams.
#[derive(Clone, Debug)]
pub(super) struct Sizes {
    /// Largest size of data.
    data: usize,
    /// Larger ones that went by singly, and how often.
    single: [(usize, u8); PROBE_SIZES],
    /// Whether a direct path was in use: only there data grows beyond the base.
    direct: bool,
}

impl Sizes {
    pub(super) fn new() -> Self {
        Self {
            data: BASE,
            single: [(0, 0); PROBE_SIZES],
            direct: false,
        }
    }

    /// What a path has to carry for data to go over it, as far as a probe can ask.
    pub(super) fn data(&self) -> usize {
        self.data.min(limits::PROBE_PADDED)
    }

    /// The connection moves to a path that carries only this much: its data will shrink.
    pub(super) fn shrink(&mut self, size: usize) {
        self.data = self.data.min(size).max(BASE);
        self.single = Self::new().single;
    }

    /// Datagrams of `size` leave, `len` bytes in all. Whether they may: not so what can only be a
    /// probe for a larger size, on a relayed path.
    pub(super) fn passes(&mut self, size: usize, len: usize, relayed: bool) -> bool {
        self.direct |= !relayed;
        if size <= self.data {
            return true;
        }
        // Probes come alone; and they come no more often than quinn sends them.
        if len > size || (self.direct && self.count(size) > PROBE_TRIES) {
            self.data = size;
            return true;
        }
        !relayed
    }

    /// Counts one of a size; without a place to count it counts as many.
    fn count(&mut self, size: usize) -> u8 {
        let known = self
            .single
            .iter()
            .position(|(of, times)| *of == size && *times > 0);
        let free = || self.single.iter().position(|(_, times)| *times == 0);
        let Some((of, times)) = known.or_else(free).and_then(|at| self.single.get_mut(at)) else {
            return u8::MAX;
        };
        *of = size;
        *times = times.saturating_add(1);
        *times
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks DC-RELAY-025 (negative).
    #[test]
    fn over_a_relay_every_probe_for_a_larger_size_is_dropped() {
        let mut sizes = Sizes::new();
        for size in [1452, 1452, 1452, 1326, 1263, 1452, 1452, 1452] {
            assert!(!sizes.passes(size, size, true));
        }
        assert!(sizes.passes(1200, 1200, true));
        assert!(sizes.passes(1200, 12_000, true));
    }

    /// Checks DC-RELAY-025 (positive).
    #[test]
    fn data_that_grew_on_a_direct_path_passes_over_a_relay() {
        let mut sizes = Sizes::new();
        assert!(sizes.passes(1452, 14_520, false));
        assert!(sizes.passes(1452, 1452, true));
        assert!(!sizes.passes(1472, 1472, true), "still a probe");
    }

    #[test]
    fn data_that_comes_singly_is_taken_for_a_probe_no_more_than_three_times() {
        let mut sizes = Sizes::new();
        assert!(sizes.passes(1452, 1452, false));
        let dropped = (0..10).filter(|_| !sizes.passes(1452, 1452, true));
        assert!(dropped.count() <= usize::from(PROBE_TRIES));
        assert!(sizes.passes(1452, 1452, true));
    }

    #[test]
    fn data_of_ever_other_sizes_passes_in_the_end() {
        let mut sizes = Sizes::new();
        assert!(sizes.passes(1300, 1300, false));
        let dropped = (1301..1472).filter(|size| !sizes.passes(*size, *size, true));
        assert!(dropped.count() <= PROBE_SIZES);
    }
}
