//! Who is really there: what an omniscient reader would answer.

use std::collections::BTreeMap;

use dchat_kademlia::Key;

/// The positions of all nodes that are up, by which results are judged.
#[derive(Clone, Debug, Default)]
pub struct Truth(BTreeMap<Key, u32>);

impl Truth {
    /// A node comes up.
    pub fn insert(&mut self, at: Key, node: u32) {
        self.0.insert(at, node);
    }

    /// A node goes.
    pub fn remove(&mut self, at: &Key) {
        self.0.remove(at);
    }

    /// How many are up.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether none is up.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All of them, by position.
    pub fn iter(&self) -> impl Iterator<Item = (&Key, u32)> {
        self.0.iter().map(|(at, node)| (at, *node))
    }

    /// The `want` nodes nearest to `target` for which `counts` holds, nearest first.
    ///
    /// Nodes that share more leading bits with the target are all nearer than those that share
    /// fewer, so the search widens a common prefix until enough are in it.
    pub fn nearest(&self, target: &Key, want: usize, counts: impl Fn(u32) -> bool) -> Vec<u32> {
        let mut found: Vec<(Key, u32)> = Vec::new();
        // About `want` nodes are expected to share so many bits.
        let expected = (self.0.len().max(1) / want.max(1)).max(1).ilog2();
        for bits in (0..=expected).rev() {
            found = self
                .sharing(target, bits)
                .filter(|(_, node)| counts(*node))
                .collect();
            if found.len() >= want {
                break;
            }
        }
        found.sort_unstable_by_key(|(at, _)| target.distance(at));
        found.truncate(want);
        found.into_iter().map(|(_, node)| node).collect()
    }

    /// Nodes that share at least the first `bits` bits with `target`, at most 32.
    pub fn sharing(&self, target: &Key, bits: u32) -> impl Iterator<Item = (Key, u32)> + '_ {
        let (low, high) = span(target, bits);
        self.0.range(low..=high).map(|(at, node)| (*at, *node))
    }
}

/// The `want` nodes of a sorted list that are nearest to `target`, in no particular order.
#[must_use]
pub fn nearest_sorted(sorted: &[(Key, u32)], target: &Key, want: usize) -> Vec<u32> {
    let mut range = 0..sorted.len();
    for bits in 0..=64 {
        let (low, high) = span(target, bits);
        let start = sorted.partition_point(|(at, _)| *at < low);
        let end = sorted.partition_point(|(at, _)| *at <= high);
        if end - start < want {
            break;
        }
        range = start..end;
    }
    let mut found = sorted[range].to_vec();
    found.sort_unstable_by_key(|(at, _)| target.distance(at));
    found.truncate(want);
    found.into_iter().map(|(_, node)| node).collect()
}

/// The lowest and the highest position that share the first `bits` bits with `target`.
fn span(target: &Key, bits: u32) -> (Key, Key) {
    let (mut low, mut high) = (target.0, target.0);
    for (place, (low, high)) in low.iter_mut().zip(&mut high).enumerate() {
        let kept = bits.saturating_sub(u32::try_from(place * 8).unwrap_or(u32::MAX));
        let mask = u8::MAX.checked_shr(kept).unwrap_or(0);
        *low &= !mask;
        *high |= mask;
    }
    (Key(low), Key(high))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::Rng;

    fn key(rng: &mut Rng) -> Key {
        let mut key = [0; 32];
        rng.fill(&mut key);
        Key(key)
    }

    #[test]
    fn the_nearest_are_those_of_a_full_sort() {
        let mut rng = Rng::new(1, "truth", 0);
        for count in [0, 1, 5, 19, 20, 21, 300] {
            let mut truth = Truth::default();
            let mut all = Vec::new();
            for node in 0..count {
                let at = key(&mut rng);
                truth.insert(at, node);
                all.push((at, node));
            }
            for _ in 0..50 {
                let target = key(&mut rng);
                all.sort_by_key(|(at, _)| target.distance(at));
                let odd = |node: u32| !node.is_multiple_of(3);
                let wanted: Vec<u32> = all
                    .iter()
                    .map(|(_, node)| *node)
                    .filter(|n| odd(*n))
                    .take(20)
                    .collect();
                assert_eq!(truth.nearest(&target, 20, odd), wanted);
            }
        }
    }

    #[test]
    fn nodes_crowded_at_one_key_do_not_hide_the_others() {
        let mut rng = Rng::new(2, "truth", 0);
        let target = key(&mut rng);
        let mut truth = Truth::default();
        let mut all = Vec::new();
        for node in 0..1000 {
            let mut at = key(&mut rng);
            if node < 100 {
                at.0[..6].copy_from_slice(&target.0[..6]);
            }
            truth.insert(at, node);
            all.push((at, node));
        }
        all.sort_by_key(|(at, _)| target.distance(at));
        let wanted: Vec<u32> = all.iter().take(120).map(|(_, node)| *node).collect();
        assert_eq!(truth.nearest(&target, 120, |_| true), wanted);
    }
}
