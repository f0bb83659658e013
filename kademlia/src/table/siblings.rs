//! The nodes nearest to ourselves.

use crate::key::{Distance, Key};

use super::Table;
use super::entry::Entry;

impl<H: Copy> Table<H> {
    /// The [`Config::siblings`](crate::Config::siblings) nearest contacts, nearest first.
    #[must_use]
    pub fn siblings(&self) -> Vec<Entry<H>> {
        let zone = self.buckets.iter().skip(self.zone);
        let mut near: Vec<_> = zone.flat_map(|bucket| &bucket.entries).copied().collect();
        near.sort_unstable_by_key(|entry| self.at.distance(&entry.at));
        near.truncate(self.config.siblings);
        near
    }

    /// Whether `at` is nearer than the farthest of the siblings.
    #[must_use]
    pub fn is_sibling(&self, at: &Key) -> bool {
        let last = self.sibling_distance(self.config.siblings);
        last.is_none_or(|last| self.at.distance(at) < last)
    }

    /// How far the `rank`-th nearest contact is, the nearest being 1; none when there are fewer.
    #[must_use]
    pub fn sibling_distance(&self, rank: usize) -> Option<Distance> {
        let rank = rank.checked_sub(1)?;
        // The zone holds the siblings and part of one more bucket: rarely more than 64 nodes.
        let mut near = [Distance::ZERO; 96];
        let zone = self.buckets.iter().skip(self.zone).rev();
        let mut len = 0;
        let all = zone.flat_map(|bucket| &bucket.entries);
        for (place, entry) in near.iter_mut().zip(all) {
            *place = self.at.distance(&entry.at);
            len += 1;
        }
        let near = near.get_mut(..len)?;
        (rank < len).then(|| *near.select_nth_unstable(rank).1)
    }
}
