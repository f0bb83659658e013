//! Addresses at which peers may reach each other: which of ours are told, which of theirs are
//! probed and in what order.
//!
//! A connection has one socket a family, so every candidate of ours in that family has the same
//! base (RFC 8445 §5.1.1) and a pair is named by the peer's address alone.
//!
//! **Order.** Addresses fall into groups that fail together: global IPv6, public IPv4, private
//! IPv4, private IPv6, relays. The order takes one of each group in turn, so that thirty dead
//! interfaces of one kind put a good address of another kind off by a few places only.

mod offer;
mod scope;
mod target;

pub use offer::offer;
pub use scope::{Permit, Prefix, Scope};
pub use target::{Rank, Target, seen, targets};

/// One of each group in turn, until all are empty.
fn interleave<T, const N: usize>(groups: [Vec<T>; N]) -> Vec<T> {
    let mut groups = groups.map(Vec::into_iter);
    let mut all = Vec::new();
    loop {
        let before = all.len();
        all.extend(groups.iter_mut().filter_map(Iterator::next));
        if all.len() == before {
            return all;
        }
    }
}
