//! Networks that are there at once.
//!
//! A static network's tables are filled by feeding each core, through its own admission, contacts
//! drawn at random from each range of positions that a bucket covers, somewhat more than the bucket
//! holds, and the nodes nearest to it: what it would have met in time. Nothing of the core is
//! bypassed, only the time is saved. Networks in which anybody comes or goes grow by real joins
//! instead (`scenario::town`).

use core::time::Duration;

use dchat_kademlia::Key;
use dchat_kademlia::node::Input;

use super::world::World;

/// Contacts fed beyond a bucket's capacity, so that admission has something to choose from.
const SURPLUS: usize = 4;

impl World {
    /// Starts everybody and fills their tables.
    pub fn fill(&mut self) {
        let count = u32::try_from(self.people.len()).unwrap_or(u32::MAX);
        let mut sorted: Vec<(Key, u32)> = (0..count)
            .map(|node| (self.people[node as usize].at, node))
            .collect();
        sorted.sort_unstable();
        for node in 0..count {
            self.boot(node);
            self.feed(node, &sorted);
        }
        for node in 0..count {
            self.settle(node);
        }
    }

    fn feed(&mut self, node: u32, sorted: &[(Key, u32)]) {
        let time = self.time();
        let at = self.people[node as usize].at;
        let mut chosen = Vec::new();
        let mut range = 0..sorted.len();
        for depth in 0..64 {
            let (near, far) = halves(sorted, range, &at, depth);
            let wanted = self.setting.config.capacity(depth) + SURPLUS;
            for _ in 0..wanted.min(far.len()) {
                let drawn = if far.len() <= wanted {
                    continue;
                } else {
                    far.start + self.rng.below(far.len() as u64) as usize
                };
                chosen.push(sorted[drawn].1);
            }
            if far.len() <= wanted {
                chosen.extend(sorted[far].iter().map(|(_, node)| *node));
            }
            range = near;
            if range.len() <= 1 {
                break;
            }
        }
        let siblings = self.setting.config.siblings;
        chosen.extend(super::truth::nearest_sorted(sorted, &at, siblings + 1));
        let Some(core) = self.nodes[node as usize].as_mut() else {
            return;
        };
        core.handle_input(Input::Serving(true), time);
        for other in chosen {
            if other == node {
                continue;
            }
            let rtt = u64::from(self.links.rtt(node, other));
            core.handle_input(
                Input::Seen {
                    contact: self.people[other as usize].contact(other),
                    rtt: Some(Duration::from_micros(rtt * 100)),
                    ours: true,
                },
                time,
            );
        }
    }
}

/// The parts of a range, whose nodes share the first `depth` bits with `at`, that share the next bit
/// too, and that do not.
fn halves(
    sorted: &[(Key, u32)],
    range: core::ops::Range<usize>,
    at: &Key,
    depth: usize,
) -> (core::ops::Range<usize>, core::ops::Range<usize>) {
    let bit = |key: &Key| key.0[depth / 8] >> (7 - depth % 8) & 1;
    let middle = range.start + sorted[range.clone()].partition_point(|(key, _)| bit(key) == 0);
    let (low, high) = (range.start..middle, middle..range.end);
    if bit(at) == 0 {
        (low, high)
    } else {
        (high, low)
    }
}
