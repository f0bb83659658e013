//! The contacts nearest to a key, without touching the heap.

use core::cmp::Ordering;

use crate::call::Nodes;
use crate::key::{BITS, Key};

use super::Table;
use super::bucket::Bucket;
use super::entry::Entry;

/// More entries than this of one bucket are not looked at: no bucket holds as many.
const WIDEST: usize = 256;

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
fn nearest_of<H: Copy>(
    bucket: &Bucket<H>,
    target: &Key,
    want: usize,
    admits: impl Fn(&Entry<H>) -> bool,
    found: &mut Nodes<H>,
) {
    let room = want.saturating_sub(found.len());
    let head = target.head();
    let mut order = [(0_u64, 0_u16); WIDEST];
    let mut len = 0;
    for (index, entry) in bucket.entries.iter().enumerate() {
        if let Some(place) = order.get_mut(len)
            && admits(entry)
        {
            *place = (entry.at.head() ^ head, index as u16);
            len += 1;
        }
    }
    let entry = |index: u16| bucket.entries.get(usize::from(index));
    let compare = |a: &(u64, u16), b: &(u64, u16)| match a.0.cmp(&b.0) {
        Ordering::Equal => {
            let distance = |i| entry(i).map(|entry| entry.at.distance(target));
            distance(a.1).cmp(&distance(b.1))
        }
        order => order,
    };
    let Some(mut order) = order.get_mut(..len) else {
        return;
    };
    if len > room && room > 0 {
        order.select_nth_unstable_by(room - 1, compare);
        order = &mut order[..room];
    }
    order.sort_unstable_by(compare);
    for (_, index) in order.iter().take(room) {
        if let Some(entry) = entry(*index) {
            found.push(entry.contact());
        }
    }
}
