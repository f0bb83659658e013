//! Numbers that follow from a seed and that nobody else can foresee.

use core::time::Duration;

/// The seed, and how many numbers were drawn.
#[derive(Clone, Debug)]
pub(crate) struct Rng {
    key: [u8; 32],
    next: u64,
}

impl Rng {
    pub(crate) fn new(seed: [u8; 32]) -> Self {
        Self { key: seed, next: 0 }
    }

    /// Thirty-two random bytes.
    pub(crate) fn bytes(&mut self) -> [u8; 32] {
        self.next += 1;
        *blake3::keyed_hash(&self.key, &self.next.to_le_bytes()).as_bytes()
    }

    /// A random number.
    pub(crate) fn word(&mut self) -> u64 {
        let [a, b, c, d, e, f, g, h, ..] = self.bytes();
        u64::from_le_bytes([a, b, c, d, e, f, g, h])
    }

    /// Three quarters to five quarters of `time`, so that nodes do not act in step.
    pub(crate) fn jitter(&mut self, time: Duration) -> Duration {
        let eighths = 6.0 + 4.0 * (self.word() >> 40) as f64 / f64::from(1 << 24);
        time.mul_f64(eighths / 8.0)
    }
}
