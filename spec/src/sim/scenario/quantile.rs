//! Summing up many runs.

/// The smallest value that at least this part of the values does not exceed; `None` of none.
#[must_use]
pub fn quantile<T: Copy + PartialOrd>(values: &mut [T], part: f64) -> Option<T> {
    values.sort_by(|a, b| a.partial_cmp(b).unwrap_or(std::cmp::Ordering::Equal));
    let rank = (part * values.len() as f64).ceil() as usize;
    values.get(rank.saturating_sub(1)).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_values_of_the_sample() {
        let mut values: Vec<u32> = (1..=100).rev().collect();
        assert_eq!(quantile(&mut values, 0.5), Some(50));
        assert_eq!(quantile(&mut values, 0.99), Some(99));
        assert_eq!(quantile(&mut values, 1.0), Some(100));
        assert_eq!(quantile(&mut [7], 0.5), Some(7));
        assert_eq!(quantile::<u32>(&mut [], 0.5), None);
    }
}
