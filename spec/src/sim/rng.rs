//! Randomness that a seed determines.

use std::time::Duration;

/// A stream of numbers, xoshiro256++ (Blackman and Vigna 2019): fast, and good for everything but
/// secrets. Each part of a world has a stream of its own, so that one more draw in one part changes
/// nothing in another.
#[derive(Clone, Debug)]
pub struct Rng([u64; 4]);

impl Rng {
    const CONTEXT: &str = "dchat-sim 2026 random stream";

    /// The stream named `label`, `index` of the world with this seed.
    #[must_use]
    pub fn new(seed: u64, label: &str, index: u64) -> Self {
        Self(Self::words(&Self::secret(seed, label, index)))
    }

    /// 32 bytes for a core that wants a seed of its own.
    #[must_use]
    pub fn secret(seed: u64, label: &str, index: u64) -> [u8; 32] {
        *blake3::Hasher::new_derive_key(Self::CONTEXT)
            .update(&seed.to_le_bytes())
            .update(&index.to_le_bytes())
            .update(label.as_bytes())
            .finalize()
            .as_bytes()
    }

    fn words(bytes: &[u8; 32]) -> [u64; 4] {
        let mut words = [0; 4];
        for (word, chunk) in words.iter_mut().zip(bytes.chunks_exact(8)) {
            *word = chunk
                .iter()
                .fold(0, |word, byte| word << 8 | u64::from(*byte));
        }
        // The only state it never leaves.
        if words == [0; 4] { [1; 4] } else { words }
    }

    /// 64 random bits.
    pub fn next_u64(&mut self) -> u64 {
        let [a, b, c, d] = &mut self.0;
        let result = a.wrapping_add(*d).rotate_left(23).wrapping_add(*a);
        let shifted = *b << 17;
        *c ^= *a;
        *d ^= *b;
        *b ^= *c;
        *a ^= *d;
        *c ^= shifted;
        *d = d.rotate_left(45);
        result
    }

    /// In `0..bound`; 0 when the bound is 0. The bias is below 2⁻³² for bounds below 2³².
    pub fn below(&mut self, bound: u64) -> u64 {
        let wide = u128::from(self.next_u64()) * u128::from(bound);
        u64::try_from(wide >> 64).unwrap_or_default()
    }

    /// In `0.0..1.0`.
    pub fn unit(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// True in this part of cases. Draws nothing when it is 0, so that a network without loss costs
    /// none.
    pub fn chance(&mut self, part: f64) -> bool {
        part > 0.0 && self.unit() < part
    }

    /// Between zero and `most`.
    pub fn span(&mut self, most: Duration) -> Duration {
        let most = u64::try_from(most.as_nanos()).unwrap_or(u64::MAX);
        Duration::from_nanos(self.below(most))
    }

    /// Between `least` and `most`.
    pub fn between(&mut self, least: Duration, most: Duration) -> Duration {
        least + self.span(most.saturating_sub(least))
    }

    /// Until the next event of a Poisson process with this many events per second.
    pub fn until_next(&mut self, per_second: f64) -> Duration {
        let seconds = -(1.0 - self.unit()).ln() / per_second;
        Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
    }

    /// Fills with random bytes.
    pub fn fill(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            let word = self.next_u64().to_le_bytes();
            chunk.copy_from_slice(&word[..chunk.len()]);
        }
    }

    /// One of these; `None` of none.
    pub fn pick<'a, T>(&mut self, of: &'a [T]) -> Option<&'a T> {
        of.get(usize::try_from(self.below(of.len() as u64)).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_of_one_seed_differ_and_repeat() {
        let draw = |label, index| Rng::new(1, label, index).next_u64();
        assert_eq!(draw("a", 0), draw("a", 0));
        assert_ne!(draw("a", 0), draw("a", 1));
        assert_ne!(draw("a", 0), draw("b", 0));
    }

    #[test]
    fn numbers_stay_below_their_bound_and_reach_all_of_it() {
        let mut rng = Rng::new(7, "bound", 0);
        let mut seen = [0_u32; 10];
        for _ in 0..10_000 {
            let drawn = rng.below(10);
            assert!(drawn < 10);
            seen[usize::try_from(drawn).unwrap_or_default()] += 1;
        }
        assert!(
            seen.iter().all(|times| (800..1200).contains(times)),
            "{seen:?}"
        );
        assert_eq!(rng.below(0), 0);
    }

    #[test]
    fn a_poisson_process_keeps_its_rate() {
        let mut rng = Rng::new(7, "poisson", 0);
        let total: Duration = (0..10_000).map(|_| rng.until_next(100.0)).sum();
        assert!((95.0..105.0).contains(&total.as_secs_f64()), "{total:?}");
    }
}
