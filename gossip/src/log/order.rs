//! The order in which everybody shows the items of a room.

use super::item::Item;
use crate::frontier::LogId;

/// Where an item stands among all of a room: by lamport time, then log, then sequence. The same for
/// everybody, and never before an item its author had seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// Lamport time.
    pub lamport: u64,
    /// Log.
    pub log: LogId,
    /// Sequence.
    pub seq: u32,
}

impl Position {
    /// Of `item`.
    #[must_use]
    pub fn of(item: &Item) -> Self {
        Self {
            lamport: item.signed().header.lamport,
            log: item.log(),
            seq: item.seq(),
        }
    }
}
