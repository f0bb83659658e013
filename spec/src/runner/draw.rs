//! Everything a partner draws at random: a function of the seed, the case and the round, so that a run
//! can be repeated.
//!
//! Not covered: what QUIC, TLS and the ratchet draw for themselves.

/// Bytes that look random.
#[derive(Clone, Debug)]
pub struct Draw(blake3::OutputReader);

impl Draw {
    /// The bytes of one seed for one purpose.
    #[must_use]
    pub fn new(seed: u64, purpose: &str, round: u64) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("dchat/1 2026-11 conformance draw");
        hasher
            .update(&seed.to_le_bytes())
            .update(&round.to_le_bytes())
            .update(purpose.as_bytes());
        Self(hasher.finalize_xof())
    }

    /// The next `N` bytes.
    pub fn array<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.0.fill(&mut bytes);
        bytes
    }

    /// The next `len` bytes.
    pub fn bytes(&mut self, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        self.0.fill(&mut bytes);
        bytes
    }

    /// The next number.
    pub fn number(&mut self) -> u64 {
        u64::from_le_bytes(self.array())
    }

    /// A number below `bound`, which must not be 0. The bias is below 2⁻³² for the bounds used here.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.number() % bound.max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_draws_the_same_and_another_purpose_something_else() {
        let first: [u8; 32] = Draw::new(1, "a", 0).array();
        assert_eq!(first, Draw::new(1, "a", 0).array());
        for other in [
            Draw::new(2, "a", 0),
            Draw::new(1, "b", 0),
            Draw::new(1, "a", 1),
        ] {
            assert_ne!(first, other.clone().array());
        }
    }
}
