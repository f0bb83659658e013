//! The contacts nearest to a key, without touching the heap.

use crate::call::{K, Nodes};
use crate::key::{BITS, Key};

use super::Table;
use super::bucket::Bucket;
use super::entry::Entry;

impl<H: Copy> Table<H> {
    /// Up to `want` (at most [`K`](crate::call::K)) of the contacts that `admits`, nearest to
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
                nearest_of(bucket, target, want, &admits, &mut found);
            }
        }
        found
    }
}

/// Appends the nearest of one bucket until there are `want`.
///
/// The nearest so far are kept sorted by the first eight bytes of their distance. In a bucket of 20
/// each entry is moved past five others, in one of 128 most are turned down by one comparison.
fn nearest_of<H: Copy>(
    bucket: &Bucket<H>,
    target: &Key,
    want: usize,
    admits: impl Fn(&Entry<H>) -> bool,
    found: &mut Nodes<H>,
) {
    let room = want.saturating_sub(found.len()).min(K);
    let head = target.head();
    let mut order = [(u64::MAX, 0_u16); K];
    let Some(order) = order.get_mut(..room) else {
        return;
    };
    let mut len = 0;
    for (index, entry) in bucket.entries.iter().enumerate() {
        let distance = entry.at.head() ^ head;
        let is_nearer = |other: &(u64, u16)| {
            distance < other.0 || distance == other.0 && is_nearer(bucket, target, entry, other.1)
        };
        let has_place = len < room || order.last().is_some_and(is_nearer);
        if !has_place || !admits(entry) {
            continue;
        }
        let mut place = len.min(room - 1);
        while let Some(before) = place.checked_sub(1)
            && let Some(other) = order.get(before).copied()
            && is_nearer(&other)
        {
            order[place] = other;
            place = before;
        }
        order[place] = (distance, index as u16);
        len = (len + 1).min(room);
    }
    for (_, index) in order.iter().take(len) {
        if let Some(entry) = bucket.entries.get(usize::from(*index)) {
            found.push(entry.contact());
        }
    }
}

/// Whether `entry` is nearer than the one at `other`, where the first eight bytes do not tell.
#[cold]
fn is_nearer<H: Copy>(bucket: &Bucket<H>, target: &Key, entry: &Entry<H>, other: u16) -> bool {
    let other = bucket.entries.get(usize::from(other));
    other.is_some_and(|other| target.distance(&entry.at) < target.distance(&other.at))
}
