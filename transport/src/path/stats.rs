//! What the switch counts.

/// Counters since the start and sizes now. A counter only grows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Inbound datagrams that are neither QUIC nor ours.
    pub foreign: u64,
    /// Probes under a tag no connection has.
    pub probe_unknown: u64,
    /// Probes whose MAC or shape is wrong.
    pub probe_invalid: u64,
    /// Questions left unanswered because of a rate limit or because they were repeated.
    pub probe_refused: u64,
    /// Answers that fit no question of ours at that address.
    pub answer_unmatched: u64,
    /// Outbound datagrams (a GSO batch counts once) to a virtual address that leads nowhere.
    pub unmapped: u64,
    /// Outbound datagrams that looked for a larger size over a relay.
    pub oversized: u64,
    /// Outbound datagrams (a GSO batch counts once) over what an unproven address may be sent.
    pub unallowed: u64,
    /// Outbound datagrams the operating system refused.
    pub send_failed: u64,
    /// Short headers with an id we do not know, from an address we do.
    pub unknown_ids: u64,
    /// QUIC datagrams from strangers shown to quinn without an entry.
    pub strangers: u64,
    /// Provisional entries evicted to make room.
    pub evicted: u64,
    /// New addresses not taken as candidates, for a limit.
    pub newcomers_refused: u64,
    /// Questions not sent, for a rate limit.
    pub probes_withheld: u64,
    /// Questions sent.
    pub probes_sent: u64,
    /// Answers sent.
    pub answers_sent: u64,
    /// Answers received to questions of ours.
    pub answers_received: u64,
    /// Times an active path came in doubt.
    pub doubts: u64,
    /// Times the active path changed.
    pub switches: u64,
    /// Outputs dropped because the caller did not drain them.
    pub outputs_dropped: u64,
    /// Packets that came over relays and found their queue full, or their leg gone.
    pub relayed_dropped: u64,
    /// STUN and REACH datagrams that found their queue full.
    pub sides_dropped: u64,
    /// Virtual addresses now.
    pub virtual_addresses: usize,
    /// Of these, attempts from outside that are not attached yet.
    pub provisional: usize,
    /// Connection ids known now.
    pub cids: usize,
}
