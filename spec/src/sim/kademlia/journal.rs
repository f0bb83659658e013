//! The hash of everything that happened, for worlds of many events.

/// Bytes gathered before they are hashed: BLAKE3 is fast on long inputs only.
const BLOCK: usize = 64 * 1024;

/// BLAKE3 over all events in their order: when, what, who. Two runs with the same hash went through
/// the same events at the same times.
#[derive(Clone, Debug)]
pub struct Journal {
    gathered: Vec<u8>,
    hashed: blake3::Hasher,
    events: u64,
}

impl Journal {
    const CONTEXT: &str = "dchat-sim 2026 kademlia journal";

    /// Of a world in which nothing has happened.
    #[must_use]
    pub fn new() -> Self {
        Self {
            gathered: Vec::with_capacity(BLOCK),
            hashed: blake3::Hasher::new_derive_key(Self::CONTEXT),
            events: 0,
        }
    }

    /// Adds an event: its kind, its time in milliseconds, whom it concerns, and one number more.
    pub fn note(&mut self, kind: u8, at: u64, ends: [u32; 2], what: u32) {
        let head = at << 8 | u64::from(kind);
        self.gathered.extend_from_slice(&head.to_le_bytes());
        for word in [ends[0], ends[1], what] {
            self.gathered.extend_from_slice(&word.to_le_bytes());
        }
        self.events += 1;
        if self.gathered.len() >= BLOCK {
            self.hashed.update(&self.gathered);
            self.gathered.clear();
        }
    }

    /// Events so far.
    #[must_use]
    pub fn events(&self) -> u64 {
        self.events
    }

    /// The hash of all events so far.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        let mut hasher = self.hashed.clone();
        *hasher.update(&self.gathered).finalize().as_bytes()
    }
}

impl Default for Journal {
    fn default() -> Self {
        Self::new()
    }
}
