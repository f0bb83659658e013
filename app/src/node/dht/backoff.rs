//! Waits that grow while something is in vain.

use std::time::Duration;

/// First and longest wait.
pub(super) type Bounds = (Duration, Duration);

/// The first wait, doubled so often, and the longest at most.
pub(super) fn doubled((first, longest): Bounds, times: u32) -> Duration {
    first.saturating_mul(1 << times.min(16)).min(longest)
}

/// Between half and all of `wait`, as `drawn` chooses, so that nodes that began together part.
pub(super) fn spread(wait: Duration, drawn: u64) -> Duration {
    let half = wait / 2;
    half + half.mul_f64(f64::from(drawn as u32) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_wait_doubles_up_to_the_longest() {
        let bounds = (SECOND, 60 * SECOND);
        let waits = [0, 1, 5, 6, u32::MAX].map(|times| doubled(bounds, times).as_secs());
        assert_eq!(waits, [1, 2, 32, 60, 60]);
    }

    #[test]
    fn a_wait_is_spread_between_its_half_and_all_of_it() {
        let wait = 60 * SECOND;
        assert_eq!(spread(wait, 0), 30 * SECOND);
        assert_eq!(spread(wait, u64::MAX), wait);
        let middle = spread(wait, u64::from(u32::MAX / 2));
        assert_eq!(middle.as_secs(), 44);
    }
}
