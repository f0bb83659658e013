//! Positions and the distance between them: 256 bits under XOR (Maymounkov and Mazières, 2002).

use core::cmp::Ordering;
use core::fmt;

/// Bits of a key.
pub const BITS: u32 = 256;

/// A position in the table: a node's, or where a record belongs. Big-endian.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Key(pub [u8; 32]);

/// The XOR of two keys, ordered as an unsigned number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Distance([u64; 4]);

impl Key {
    /// How far `other` is.
    #[must_use]
    pub fn distance(&self, other: &Self) -> Distance {
        let (ours, theirs) = (self.words(), other.words());
        Distance(core::array::from_fn(|i| ours[i] ^ theirs[i]))
    }

    /// Leading bits both have in common: 256 for equal keys.
    #[must_use]
    pub fn common_prefix(&self, other: &Self) -> u32 {
        let head = self.head() ^ other.head();
        match head {
            0 => self.distance(other).leading_zeros(),
            _ => head.leading_zeros(),
        }
    }

    /// The last four bytes, by which an asker says which nodes it knows.
    #[must_use]
    pub fn tail(&self) -> u32 {
        let [.., a, b, c, d] = self.0;
        u32::from_be_bytes([a, b, c, d])
    }

    /// The first eight bytes as a number: what nearly always decides a comparison.
    #[must_use]
    pub(crate) fn head(&self) -> u64 {
        let [a, b, c, d, e, f, g, h, ..] = self.0;
        u64::from_be_bytes([a, b, c, d, e, f, g, h])
    }

    /// The bit at `index`, the most significant one being 0; false beyond the last.
    #[must_use]
    pub fn bit(&self, index: u32) -> bool {
        let byte = self.0.get((index / 8) as usize).copied().unwrap_or(0);
        byte & (0x80 >> (index % 8)) != 0
    }

    /// The key with the bit at `index` turned: the nearest one of the neighbouring branch.
    #[must_use]
    pub fn with_bit_turned(mut self, index: u32) -> Self {
        if let Some(byte) = self.0.get_mut((index / 8) as usize) {
            *byte ^= 0x80 >> (index % 8);
        }
        self
    }

    /// A key that shares exactly `depth` bits with this one; what follows is `noise`.
    #[must_use]
    pub(crate) fn scrambled_beyond(&self, depth: u32, noise: &[u8; 32]) -> Self {
        let mut key = *self;
        for bit in depth + 1..BITS {
            let byte = noise.get((bit / 8) as usize).copied().unwrap_or(0);
            if byte & (0x80 >> (bit % 8)) != 0 {
                key = key.with_bit_turned(bit);
            }
        }
        key.with_bit_turned(depth)
    }

    /// The `bits` (at most 8) that follow the first `from`, as a number; zeros beyond the last.
    #[must_use]
    pub(crate) fn branch(&self, from: u32, bits: u32) -> usize {
        let bits = bits.clamp(1, 8);
        if from + bits <= 64 {
            return (self.head() << from >> (64 - bits)) as usize;
        }
        let at = |i: usize| u16::from(self.0.get(i).copied().unwrap_or(0));
        let byte = (from / 8) as usize;
        let pair = at(byte) << 8 | at(byte + 1);
        usize::from(pair << (from % 8) >> (16 - bits))
    }

    /// The key as four words, most significant first.
    #[must_use]
    fn words(&self) -> [u64; 4] {
        let mut words = [0; 4];
        for (word, bytes) in words.iter_mut().zip(self.0.as_chunks::<8>().0) {
            *word = u64::from_be_bytes(*bytes);
        }
        words
    }
}

impl Distance {
    /// None at all.
    pub const ZERO: Self = Self([0; 4]);

    /// Leading zero bits, which is the length of the common prefix.
    #[must_use]
    pub fn leading_zeros(&self) -> u32 {
        let mut zeros = 0;
        for word in self.0 {
            zeros += word.leading_zeros();
            if word != 0 {
                break;
            }
        }
        zeros
    }

    /// The distance that is this fraction of the whole space, 0 to 1.
    #[must_use]
    pub fn of_fraction(fraction: f64) -> Self {
        // A float beyond the range becomes the nearest number.
        Self([(fraction * 2f64.powi(64)) as u64, 0, 0, 0])
    }

    /// As a fraction of the whole space, 0 to 1: for estimates.
    #[must_use]
    pub fn fraction(&self) -> f64 {
        self.0[0] as f64 / 2f64.powi(64)
    }
}

/// As big-endian numbers. Nearly always the first word decides; comparing bytes would take a call.
impl Ord for Key {
    fn cmp(&self, other: &Self) -> Ordering {
        match self.head().cmp(&other.head()) {
            Ordering::Equal => self.words().cmp(&other.words()),
            order => order,
        }
    }
}

impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for byte in &self.0[..4] {
            write!(f, "{byte:02x}")?;
        }
        f.write_str("…")
    }
}

impl fmt::Debug for Distance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "2^{}", BITS - self.leading_zeros())
    }
}
