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
        let zone = self.buckets.iter().skip(self.zone);
        let zone = zone.flat_map(|bucket| &bucket.entries);
        let mut near: Vec<_> = zone.map(|entry| self.at.distance(&entry.at)).collect();
        (rank < near.len()).then(|| *near.select_nth_unstable(rank).1)
    }
}
