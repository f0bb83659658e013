//! What no protocol can beat: how soon flooding would bring an item to everybody.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::tally::Histogram;
use super::world::World;

impl World {
    /// Milliseconds until an item of `author` would reach each honest member if everybody sent it to
    /// all neighbours at once and nothing were lost: shortest paths over the links there are.
    pub fn flooding(&self, author: u32, into: &mut Histogram) {
        let mut best = vec![u64::MAX; self.nodes().len()];
        let mut queue = BinaryHeap::from([Reverse((0_u64, author))]);
        best[author as usize] = 0;
        while let Some(Reverse((at, node))) = queue.pop() {
            if at > best[node as usize] {
                continue;
            }
            if node != author {
                into.add(at);
            }
            for peer in self.nodes()[node as usize].neighbours() {
                let there = at + self.links.delay(node, peer);
                let honest = !self.members()[peer as usize].conduct.is_hostile();
                if honest && there < best[peer as usize] {
                    best[peer as usize] = there;
                    queue.push(Reverse((there, peer)));
                }
            }
        }
    }
}
