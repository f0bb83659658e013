//! The logs: what an item is, when it follows, and what becomes of an author who contradicts itself.
//!
//! A log counts its items from 1 without gaps, and each names the hash of the one before. Its author
//! signs each, and promises never to sign two for one place, nor one that does not follow. Two items
//! that break the promise are a [`Proof`]; whoever sees it closes the log: nothing of it counts any
//! more, for anybody, whatever came first (spec `80-gossip` §4). Other logs are not touched.

mod item;
mod order;
mod parked;
mod place;
mod proof;

pub(crate) use item::hour;
pub use item::{Item, ItemFault};
pub use order::Position;
pub use parked::Parked;
pub use place::{Place, Window, place};
pub use proof::{Proof, ProofFault};

/// What the driver says of an item that is where it may be: its signature, the right of its author
/// to write here, its content. Asked once for each item, after every cheap check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Keep it, show it and pass it on.
    Accept,
    /// Its author could not have meant it, or is not who it says: whoever sent it misbehaves.
    Reject,
    /// Neither: drop it and blame nobody.
    Ignore,
}

/// Who gives [`Verdict`]s.
pub trait Judge {
    /// Of one item.
    fn judge(&mut self, item: &Item) -> Verdict;
}

impl<F: FnMut(&Item) -> Verdict> Judge for F {
    fn judge(&mut self, item: &Item) -> Verdict {
        self(item)
    }
}
