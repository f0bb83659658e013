//! Scenarios: several scripted peers around one running implementation, which has to do its part between
//! them. A scenario is a [`Case`] that has the node for itself.
//!
//! * `relay`: two peers that talk end to end through it, and one of them dies.
//! * `table`: nodes of the DHT that name each other and hold records.
//! * `room`: members of one room that know nobody but it.
//! * `partition`: two halves of a room whose logs went apart, and that meet in it.

mod host;
mod partition;
mod relay;
mod room;
mod table;

use super::case::Case;

/// Every case of `dchat-conformance scenario`.
#[must_use]
pub fn catalogue() -> Vec<Case> {
    let all = [
        table::cases(),
        relay::cases(),
        room::cases(),
        partition::cases(),
    ];
    all.into_iter().flatten().map(Case::alone).collect()
}
