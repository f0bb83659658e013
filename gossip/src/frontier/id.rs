//! The name of a log.

use core::fmt;

use dchat_wire::gossip::log_id;

/// The name of an author's log in a room: half a digest of the room, the author's key and the
/// incarnation (spec `80-gossip` §2).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogId(pub [u8; 16]);

impl LogId {
    /// The name of the log of `author` and `incarnation` in `room`.
    #[must_use]
    pub fn of(room: &[u8; 32], author: &[u8; 32], incarnation: &[u8; 16]) -> Self {
        Self(log_id(room, author, incarnation))
    }

    /// The first eight bytes: enough to tell logs apart between members who mean well, and what
    /// comes of it is checked anyway.
    #[must_use]
    pub fn prefix(self) -> u64 {
        let [a, b, c, d, e, f, g, h, ..] = self.0;
        u64::from_le_bytes([a, b, c, d, e, f, g, h])
    }
}

impl fmt::Debug for LogId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, ..] = self.0;
        write!(f, "log {a:02x}{b:02x}{c:02x}{d:02x}…")
    }
}
