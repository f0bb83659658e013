//! Random bytes from one seed.
//!
//! State: a 32-byte seed and a counter. Output: BLAKE3 keyed with the seed over a label and the
//! counter, so that a test with a given seed sees the same bytes and different uses are independent.

use std::sync::atomic::{AtomicU64, Ordering};

use zeroize::Zeroizing;

/// A source of random bytes, shared by the parts of one endpoint.
pub(crate) struct Entropy {
    seed: Zeroizing<[u8; 32]>,
    drawn: AtomicU64,
}

impl Entropy {
    /// A source whose output `seed` determines.
    pub(crate) fn new(seed: [u8; 32]) -> Self {
        Self {
            seed: Zeroizing::new(seed),
            drawn: AtomicU64::new(0),
        }
    }

    /// Bytes for one named use, always the same.
    pub(crate) fn derive<const N: usize>(&self, label: &str) -> [u8; N] {
        let mut hasher = blake3::Hasher::new_keyed(&self.seed);
        hasher.update(b"derive").update(label.as_bytes());
        let mut bytes = [0; N];
        hasher.finalize_xof().fill(&mut bytes);
        bytes
    }

    /// Bytes that were never drawn before.
    pub(crate) fn draw<const N: usize>(&self) -> [u8; N] {
        let count = self.drawn.fetch_add(1, Ordering::Relaxed);
        let mut hasher = blake3::Hasher::new_keyed(&self.seed);
        hasher.update(b"draw").update(&count.to_le_bytes());
        let mut bytes = [0; N];
        hasher.finalize_xof().fill(&mut bytes);
        bytes
    }

    /// A number that was never drawn before.
    pub(crate) fn number(&self) -> u64 {
        u64::from_le_bytes(self.draw())
    }
}

impl core::fmt::Debug for Entropy {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Entropy(redacted)")
    }
}
