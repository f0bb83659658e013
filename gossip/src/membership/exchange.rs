//! What a member says and asks about operations: which no other names, which it lacks, and which
//! somebody else does.

use std::collections::BTreeSet;

use dchat_wire::group::{Parents, SignedOperation};
use dchat_wire::{PeerId, limits};

use super::graph::{Membership, Node, Past};

impl Membership {
    /// Hashes of operations that no other names; the lowest when there are more than one message names.
    #[must_use]
    pub fn heads(&self) -> Parents {
        Parents::new(self.unnamed().map(|node| node.hash).collect())
    }

    /// What the next operation of `author` has to name: the [`heads`](Self::heads). When there are more
    /// than one can name, one that has seen the author's last, or that one itself, is among them, so that
    /// it counts on from there; the rest is named by the one after it.
    #[must_use]
    pub fn parents(&self, author: &PeerId) -> Parents {
        let numbered = self.nodes.iter().enumerate();
        let own = numbered.filter(|(_, node)| node.operation.author == *author);
        let last = own.max_by_key(|(_, node)| node.operation.seq);
        let Some((last, node)) = last else {
            return self.heads();
        };
        let own = node.hash;
        let goes_on = |node: &&Node| node.hash == own || node.past.has(last);
        let first = self.unnamed().filter(goes_on).map(|node| node.hash).min();
        let mut others: Vec<[u8; 32]> = self.unnamed().map(|node| node.hash).collect();
        others.retain(|hash| Some(*hash) != first);
        others.sort_unstable();
        others.truncate(limits::GROUP_PARENTS - 1);
        others.extend(first);
        Parents::new(others)
    }

    /// Operations that no other names.
    fn unnamed(&self) -> impl Iterator<Item = &Node> {
        let parents = self
            .nodes
            .iter()
            .map(|node| node.operation.after.as_slice());
        let named: BTreeSet<&[u8; 32]> = parents.flatten().collect();
        let nodes = self.nodes.iter();
        nodes.filter(move |node| !named.contains(&node.hash))
    }

    /// Hashes of operations that are waited for, at most as many as one message names.
    #[must_use]
    pub fn lacking(&self) -> Parents {
        let waiting = self.waiting.values();
        let named = waiting.flat_map(|(operation, _)| operation.after.as_slice().iter().copied());
        Parents::new(
            named
                .filter(|hash| !self.numbers.contains_key(hash) && !self.waiting.contains_key(hash))
                .collect(),
        )
    }

    /// Operations that somebody lacks who knows `heads` and waits for `lacking`: none before one it
    /// names, at most as many as one message carries.
    #[must_use]
    pub fn after(&self, heads: &Parents, lacking: &Parents) -> Vec<SignedOperation> {
        let known = self.reached(heads.as_slice());
        let nodes = self.nodes.iter().enumerate();
        let lacks = |number: usize, node: &Node| {
            !known.has(number) || lacking.as_slice().contains(&node.hash)
        };
        nodes
            .filter(|(number, node)| lacks(*number, node))
            .take(limits::GROUP_OPERATIONS)
            .map(|(_, node)| node.signed.clone())
            .collect()
    }

    /// The operation `hash` and all of its past, none before one it names: what somebody is told of
    /// what was done to it, and no more.
    #[must_use]
    pub fn upto(&self, hash: &[u8; 32]) -> Vec<SignedOperation> {
        let reached = self.reached(core::slice::from_ref(hash));
        let nodes = self.nodes.iter().enumerate();
        nodes
            .filter(|(number, _)| reached.has(*number))
            .map(|(_, node)| node.signed.clone())
            .collect()
    }

    /// These operations and all they had seen.
    fn reached(&self, hashes: &[[u8; 32]]) -> Past {
        let mut reached = Past::default();
        for hash in hashes {
            let number = self.numbers.get(hash).copied();
            if let Some((number, node)) =
                number.and_then(|number| Some((number, self.nodes.get(number)?)))
            {
                reached.add_all(&node.past);
                reached.add(number);
            }
        }
        reached
    }

    /// The sequence of the next operation of `author`.
    #[must_use]
    pub fn next_seq(&self, author: &PeerId) -> u32 {
        let own = self.nodes.iter().map(|node| &node.operation);
        let own = own.filter(|operation| operation.author == *author);
        own.map(|operation| operation.seq).max().unwrap_or(0) + 1
    }
}
