//! Whether an item follows what is held of its log.

use core::time::Duration;

use dchat_wire::defect::{self, Defect};
use dchat_wire::record::CLOCK_SKEW;

use super::item::Item;
use crate::frontier::Tip;
use crate::time::Time;

/// How long a room keeps items.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window(pub Duration);

impl Default for Window {
    /// A day, the default of public rooms.
    fn default() -> Self {
        Self(Duration::from_secs(24 * 3600))
    }
}

/// Where an item stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// It is the next one.
    Next,
    /// It is held, or below what is held.
    Held,
    /// Items between are missing.
    Ahead,
    /// Its author signed it and something it contradicts that is held: the item at this sequence.
    Clash(u32),
    /// The log is closed.
    Closed,
    /// It comes from a clock far ahead of ours: nobody's fault that is known; it will be had again
    /// when its time has come.
    Early,
}

/// Where `item` stands when the log is held up to `tip`.
///
/// Missing items are passed over when nobody has to keep them: those below the floor the item sets,
/// and all before an item that is itself older than the window.
#[must_use]
pub fn place(tip: &Tip, item: &Item, window: Window, now: Time) -> Place {
    let header = &item.signed().header;
    if tip.closed {
        return Place::Closed;
    }
    let any_time = defect::is(Defect::AcceptsItemsFromFuture);
    if !any_time
        && (header.sent_at > now.0.saturating_add(CLOCK_SKEW)
            || header.lamport > now.0.saturating_add(2 * CLOCK_SKEW))
    {
        return Place::Early;
    }
    if header.seq == tip.seq && *item.hash() != tip.hash {
        return Place::Clash(tip.seq);
    }
    if header.seq <= tip.seq {
        return Place::Held;
    }
    if header.seq > tip.seq + 1 {
        let old = Time(header.sent_at) + window.0 < now;
        return if header.floor == header.seq || old {
            Place::Next
        } else {
            Place::Ahead
        };
    }
    let follows =
        header.prev == tip.hash && header.lamport > tip.lamport && header.sent_at >= tip.sent_at;
    if follows || tip.seq == 0 || defect::is(Defect::ForksLogs) {
        Place::Next
    } else {
        Place::Clash(tip.seq)
    }
}
