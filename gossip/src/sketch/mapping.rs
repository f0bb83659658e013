//! Which cells a log is added to.

/// The numbers of the cells of one log, ascending from 0, without end: cell `i` is one of them with
/// probability `1 / (1 + i/2)` (Yang et al., §4.2).
#[derive(Clone, Copy, Debug)]
pub(super) struct Cells {
    state: u64,
    next: u64,
}

impl Cells {
    /// Of the log that hashes to `hash` in the sketch with `salt`.
    pub(super) fn of(hash: u32, salt: u32) -> Self {
        Self {
            state: u64::from(hash) << 32 | u64::from(salt),
            next: 0,
        }
    }

    /// Those below `end`.
    pub(super) fn below(self, end: usize) -> impl Iterator<Item = usize> {
        self.take_while(move |cell| *cell < end)
    }

    /// SplitMix64 (Steele, Lea and Flood, 2014); its upper half.
    fn draw(&mut self) -> u32 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 32) as u32
    }
}

impl Iterator for Cells {
    type Item = usize;

    /// With `u` uniform in (0, 1] the next cell after `i` is `i + (i + 1.5)·(1/√u − 1)`, rounded up:
    /// in whole numbers, `√u = root / 2^32`.
    fn next(&mut self) -> Option<usize> {
        let cell = self.next;
        // The row of cells ends long before the product below could overflow.
        if cell > 1 << 24 {
            return None;
        }
        let root = ((u64::from(self.draw()) + 1) << 32).isqrt();
        self.next = cell + (2 * cell + 3) * ((1 << 32) - root) / (2 * root) + 1;
        Some(cell as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_as_dense_as_the_code_wants() {
        let mut counts = [0_u32; 200];
        for hash in 1..=20_000 {
            for cell in Cells::of(hash, 7).below(counts.len()) {
                counts[cell] += 1;
            }
        }
        for (cell, count) in counts.iter().enumerate() {
            let expected = 20_000.0 / (1.0 + cell as f64 / 2.0);
            let error = f64::from(*count) / expected - 1.0;
            assert!(error.abs() < 0.25, "cell {cell}: {count} of {expected}");
        }
    }
}
