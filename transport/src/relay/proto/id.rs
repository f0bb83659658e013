//! What the caller's connections and streams are called here.

/// A connection, named by the caller. A name is not used again for another connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnId(pub u64);

/// A bidirectional stream of one connection.
///
/// Streams the other side opened are named by the caller with [`StreamId::theirs`]; those a state
/// machine asks the caller to open are named by the state machine. The two never collide.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId(pub(super) u64);

impl StreamId {
    const OURS: u64 = 1 << 63;

    /// A stream the other side opened. QUIC's stream ids (below 2^62, RFC 9000 §2.1) can be used as
    /// they are; the highest bit of `id` is ignored.
    #[must_use]
    pub const fn theirs(id: u64) -> Self {
        Self(id & !Self::OURS)
    }

    /// The `serial`-th stream that a state machine had opened.
    pub(super) const fn ours(serial: u64) -> Self {
        Self(serial | Self::OURS)
    }

    /// Whether a state machine had it opened.
    #[must_use]
    pub const fn is_ours(self) -> bool {
        self.0 & Self::OURS != 0
    }
}
