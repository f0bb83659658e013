//! Counting what a world does.

/// Bytes and calls of all nodes within a span of time. Bytes are counted once, where they are sent.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    /// Of pulses.
    pub pulse_bytes: u64,
    /// Of handshakes, those that nobody answered too.
    pub handshake_bytes: u64,
    /// Of questions and answers about nodes.
    pub find_bytes: u64,
    /// Of questions and answers about records.
    pub record_bytes: u64,
    /// Of the measured searches, which the others leave out.
    pub search_bytes: u64,
    /// Pings.
    pub pings: u64,
    /// Calls other than pings, without those of measured searches.
    pub calls: u64,
    /// Handshakes, without those of measured searches.
    pub dials: u64,
    /// Of them to nobody.
    pub dead_dials: u64,
    /// Questions refused.
    pub refused: u64,
    /// Nodes named in honest answers.
    pub named: u64,
    /// Of them those that were gone.
    pub stale: u64,
    /// Milliseconds that nodes were up, summed.
    pub node_ms: u64,
    /// Nodes that joined.
    pub joins: u64,
    /// Measured searches whose node left before they ended.
    pub abandoned: u64,
}

impl Tally {
    /// All but the measured searches.
    #[must_use]
    pub fn upkeep_bytes(&self) -> u64 {
        self.pulse_bytes + self.handshake_bytes + self.find_bytes + self.record_bytes
    }

    /// Bytes a node sends in a second to stay in the table and keep its records.
    #[must_use]
    pub fn bytes_per_node_s(&self) -> f64 {
        self.upkeep_bytes() as f64 * 1000.0 / self.node_ms.max(1) as f64
    }

    /// Part of the nodes named that were gone.
    #[must_use]
    pub fn stale_served(&self) -> f64 {
        self.stale as f64 / self.named.max(1) as f64
    }
}
