//! The contacts nearest to a key, without touching the heap.

use crate::call::{K, Nodes};
use crate::key::{BITS, Key};

use super::Table;
use super::entry::Entry;

impl<H: Copy> Table<H> {
    /// Up to `want` (at most [`K`]) of the contacts that `admits`, nearest to
    /// `target` first.
    ///
    /// Buckets are taken in the order of their distance from the target, so only those are looked
    /// at that give something: usually one or two. Where the bits of the target differ from ours the
    /// bucket of that bit lies towards it, and the first such bit weighs most; then comes home, then
    /// the buckets of the bits that agree, the last of them first.
    #[must_use]
    pub fn closest(
        &self,
        target: &Key,
        want: usize,
        admits: impl Fn(&Entry<H>) -> bool,
    ) -> Nodes<H> {
        let want = want.min(K);
        let mut found = Nodes::default();
        let home = self.buckets.len().saturating_sub(1);
        let shared = self.at.common_prefix(target);
        let towards = |index: usize| {
            let bit = index as u32;
            bit >= shared && bit < BITS && self.at.bit(bit) != target.bit(bit)
        };
        let nearer = (shared as usize..home).filter(|index| towards(*index));
        let farther = (0..home).rev().filter(|index| !towards(*index));
        for index in nearer.chain([home]).chain(farther) {
            if found.len() >= want {
                break;
            }
            if let Some(bucket) = self.buckets.get(index) {
                nearest_first(&bucket.entries, target, &mut |entry| {
                    if admits(entry) {
                        found.push(entry.contact());
                    }
                    found.len() < want
                });
            }
        }
        found
    }
}

/// Shows `see` the entries, which are in the order of their keys, nearest to `target` first, until it
/// returns false.
///
/// Sorted keys are a binary trie: those that share a prefix stand together. At the first bit in which
/// they differ, the half that agrees with the target is nearer as a whole.
fn nearest_first<H: Copy>(
    entries: &[Entry<H>],
    target: &Key,
    see: &mut impl FnMut(&Entry<H>) -> bool,
) -> bool {
    let [first, .., last] = entries else {
        return entries.first().is_none_or(see);
    };
    let split = first.at.common_prefix(&last.at);
    if split >= BITS {
        return entries.iter().all(see);
    }
    let middle = entries.partition_point(|entry| !entry.at.bit(split));
    let (zeros, ones) = entries.split_at(middle);
    let (near, far) = match target.bit(split) {
        true => (ones, zeros),
        false => (zeros, ones),
    };
    nearest_first(near, target, see) && nearest_first(far, target, see)
}
