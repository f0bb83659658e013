//! Windowed maximum of delivery rates.

/// Rounds a rate stays believed: BBR's choice; long enough to span a whole probing cycle, so that
/// the rate found by probing is not forgotten before the next probe.
const ROUNDS: usize = 10;

/// Largest rate, in bytes a second, over the last 10 rounds.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct MaxRate {
    rounds: [u64; ROUNDS],
    at: usize,
    max: u64,
}

impl MaxRate {
    /// The maximum, 0 before the first sample.
    pub(super) fn value(&self) -> u64 {
        self.max
    }

    /// Adds a sample to the current round.
    pub(super) fn add(&mut self, rate: u64) {
        if let Some(slot) = self.rounds.get_mut(self.at) {
            *slot = rate.max(*slot);
        }
        self.max = self.max.max(rate);
    }

    /// Begins a round; the oldest is forgotten, unless nothing would be left.
    pub(super) fn next_round(&mut self) {
        self.at = (self.at + 1) % ROUNDS;
        if let Some(slot) = self.rounds.get_mut(self.at) {
            *slot = 0;
        }
        match self.rounds.iter().copied().max() {
            Some(max) if max > 0 => self.max = max,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_maximum_lasts_ten_rounds_and_no_longer() {
        let mut rate = MaxRate::default();
        rate.add(100);
        for _ in 0..ROUNDS - 1 {
            rate.next_round();
            rate.add(40);
            assert_eq!(rate.value(), 100);
        }
        rate.next_round();
        assert_eq!(rate.value(), 40);
    }

    #[test]
    fn silence_does_not_erase_the_last_known_rate() {
        let mut rate = MaxRate::default();
        rate.add(100);
        for _ in 0..3 * ROUNDS {
            rate.next_round();
        }
        assert_eq!(rate.value(), 100);
    }
}
