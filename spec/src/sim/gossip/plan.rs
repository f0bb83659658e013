//! What a run is asked to do, and what it says.

use super::links::Manner;

/// What to run.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Members, attackers included.
    pub members: u32,
    /// Of everything random.
    pub seed: u64,
    /// Part of the frames that is lost, 0 to 1.
    pub loss: f64,
    /// What becomes of these.
    pub manner: Manner,
    /// Part of the members that goes every minute; others come.
    pub churn_per_min: f64,
    /// Minutes the room is split in two halves; 0 when it is not.
    pub partition_min: f64,
    /// Part of the members that is hostile.
    pub hostile: f64,
    /// Messages that are measured; of a split room, both halves together.
    pub messages: u32,
    /// Who writes them, in turn.
    pub authors: u32,
    /// Minutes of silence at the end that are measured.
    pub idle_min: f64,
}

/// What came of it. Fractions are 0 to 1.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Members that were online at the end, attackers included.
    pub members: u32,
    /// Messages that were measured.
    pub messages: u32,
    /// Part of all messages that honest members hold who were online at the end.
    pub delivered: f64,
    /// How often an item came again, for each message and member.
    pub duplicates_mean: f64,
    /// Bytes of all frames over the bytes of the items they delivered.
    pub bytes_ratio: f64,
    /// Milliseconds until a message was delivered, median.
    pub latency_ms_p50: u64,
    /// The same, 99th percentile.
    pub latency_ms_p99: u64,
    /// The same, worst.
    pub latency_ms_max: u64,
    /// Seconds after a split ended until a member held everything, 99th percentile over members; 0
    /// without a split.
    pub heal_s_p99: f64,
    /// Bytes of frames a member sends in a second in which nobody writes.
    pub idle_bytes_per_node_s: f64,
    /// Deliveries in all.
    pub deliveries: u64,
    /// BLAKE3 over all events.
    pub trace_hash: [u8; 32],
    /// Frames and bytes for each measured delivery, by kind.
    pub kinds: Vec<(&'static str, f64, f64)>,
    /// Numbers beyond these.
    pub more: Vec<(&'static str, f64)>,
}
