//! Searches that are measured, and how each is judged.

use dchat_kademlia::Key;
use dchat_kademlia::call::{K, Nodes};
use dchat_kademlia::node::Search;

/// What is searched for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aim {
    /// The nodes nearest to the target.
    Find,
    /// The world's record of this number.
    Get(u32),
    /// To store it.
    Put(u32),
}

/// How a search came to know of a node.
#[derive(Clone, Copy, Debug)]
pub struct Chain {
    /// The node.
    pub to: u32,
    /// Answers in the longest chain that led to it.
    pub length: u8,
    /// Whether it answered.
    pub answered: bool,
}

/// A search under way.
#[derive(Clone, Debug)]
pub struct Job {
    /// Who searches.
    pub node: u32,
    /// The core's name for the search.
    pub search: Search,
    /// Where.
    pub target: Key,
    /// What for.
    pub aim: Aim,
    /// Since when, in milliseconds.
    pub began: u64,
    /// Calls made for it.
    pub calls: u32,
    /// Everybody heard of.
    pub chains: Vec<Chain>,
}

impl Job {
    /// A call for this search goes to `node`.
    pub fn asks(&mut self, node: u32) {
        self.calls += 1;
        if !self.chains.iter().any(|chain| chain.to == node) {
            self.chains.push(Chain {
                to: node,
                length: 0,
                answered: false,
            });
        }
    }

    /// `node` answered and named `nodes`.
    pub fn told(&mut self, node: u32, nodes: &Nodes<u32>) {
        let Some(chain) = self.chains.iter_mut().find(|chain| chain.to == node) else {
            return;
        };
        chain.answered = true;
        let length = chain.length.saturating_add(1);
        for named in nodes.iter() {
            match self
                .chains
                .iter_mut()
                .find(|chain| chain.to == named.handle)
            {
                Some(chain) if !chain.answered => chain.length = chain.length.max(length),
                Some(_) => {}
                None => self.chains.push(Chain {
                    to: named.handle,
                    length,
                    answered: false,
                }),
            }
        }
    }

    /// Answers in the longest chain that led to `node`.
    #[must_use]
    pub fn hops(&self, node: u32) -> u8 {
        let chain = self.chains.iter().find(|chain| chain.to == node);
        chain.map_or(0, |chain| chain.length)
    }
}

/// What came of a search.
#[derive(Clone, Copy, Debug)]
pub struct Ended {
    /// What for.
    pub aim: Aim,
    /// Milliseconds it took.
    pub took_ms: u32,
    /// Calls made for it.
    pub calls: u32,
    /// Answers in the longest chain that led to the nearest node that answered.
    pub hops: u8,
    /// Whether it found the nearest of the nodes that had joined when it began.
    pub nearest: bool,
    /// How many of the `k` nearest nodes there are are in the result.
    pub overlap: u8,
    /// How many there are to be found: less than `k` in a small world.
    pub wanted: u8,
    /// How many of the result are hostile.
    pub hostile: u8,
    /// Whether the value came, or nodes stored it.
    pub value: bool,
    /// Nodes that stored it.
    pub stored: u16,
}

impl Ended {
    /// Whether all of the nearest nodes there are were found.
    #[must_use]
    pub fn exact(&self) -> bool {
        self.overlap == self.wanted
    }
}

/// How many of the true nearest nodes are among those found.
#[must_use]
pub fn overlap(found: &[u32], truth: &[u32]) -> u8 {
    let common = truth.iter().filter(|node| found.contains(node)).take(K);
    u8::try_from(common.count()).unwrap_or(u8::MAX)
}
