//! Numbers that are unpredictable to others and repeatable for us.

/// A stream of numbers under a key.
#[derive(Clone, Debug)]
pub(super) struct Rng {
    key: [u8; 32],
    next: u64,
}

impl Rng {
    pub(super) fn new(seed: [u8; 32]) -> Self {
        Self { key: seed, next: 0 }
    }

    /// Another stream, which goes its own way.
    pub(super) fn fork(&self) -> Self {
        Self::new(blake3::keyed_hash(&self.key, b"fork").into())
    }

    pub(super) fn number(&mut self) -> u64 {
        let hash = blake3::keyed_hash(&self.key, &self.next.to_le_bytes());
        self.next = self.next.wrapping_add(1);
        let mut bytes = [0; 8];
        bytes.copy_from_slice(&hash.as_bytes()[..8]);
        u64::from_le_bytes(bytes)
    }
}

/// All numbers below `len`, each once, in an order nobody else knows: an affine permutation, which
/// takes no memory however many there are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shuffle {
    len: u32,
    factor: u32,
    offset: u32,
}

impl Shuffle {
    pub(super) fn new(len: u16, rng: &mut Rng) -> Self {
        let len = u32::from(len.max(1));
        let draw = |rng: &mut Rng| (rng.number() % u64::from(len)) as u32;
        let mut factor = draw(rng).max(1);
        while common_divisor(factor, len) != 1 {
            factor = factor % len + 1;
        }
        Self {
            len,
            factor,
            offset: draw(rng),
        }
    }

    /// The `index`-th of them; after all it begins again.
    pub(super) fn at(&self, index: u16) -> u16 {
        let product = u64::from(self.factor) * u64::from(index) + u64::from(self.offset);
        (product % u64::from(self.len)) as u16
    }
}

fn common_divisor(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { common_divisor(b, a % b) }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_shuffle_names_every_number_once() {
        let mut rng = Rng::new([7; 32]);
        for len in [1, 2, 3, 64, 512, 1000, 64512] {
            let shuffle = Shuffle::new(len, &mut rng);
            let all: BTreeSet<u16> = (0..len).map(|index| shuffle.at(index)).collect();
            assert_eq!(all.len(), usize::from(len));
            assert_eq!(all.last(), Some(&(len - 1)));
        }
    }
}
