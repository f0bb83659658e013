//! Measuring all paths against each other: rounds of probes, side by side so that what burdens all
//! of them burdens the comparison of none, and one decision at the end.

use std::time::Instant;

use super::bounds;

/// A measurement under way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Measure {
    /// Rounds still to send; at 0 the last answers are waited for.
    pub(super) rounds: u32,
    /// When the next round or the decision is due.
    pub(super) next: Instant,
    /// Whether a path proved itself too late for this one.
    pub(super) again: bool,
}

impl Measure {
    /// Begins one whose first round is sent now. A lone path is asked once, for its round trip.
    pub(super) fn new(paths: usize, now: Instant) -> Self {
        let rounds = if paths > 1 { bounds::MEASURE_ROUNDS } else { 1 };
        Self {
            rounds: rounds - 1,
            next: now + bounds::MEASURE_GAP,
            again: false,
        }
    }
}
