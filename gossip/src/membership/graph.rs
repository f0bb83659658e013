//! The operations and what each has seen.

use dchat_wire::defect::{self, Defect};
use std::collections::{BTreeMap, BTreeSet};

use dchat_wire::group::{Deed, Operation, OperationError, Parents, SignedOperation};
use dchat_wire::limits;

use super::label::{Label, labels};
use super::state::{self, Roster};

/// Operations of one group: sixteen for each of 256 members. A group that needs more is made anew.
pub const MAX_OPERATIONS: usize = 4096;
/// Operations that wait for others.
pub const MAX_WAITING: usize = 256;

/// A set of operations, by their numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Past(Vec<u64>);

impl Past {
    pub(super) fn has(&self, number: usize) -> bool {
        let word = self.0.get(number / 64);
        word.is_some_and(|word| word & (1 << (number % 64)) != 0)
    }

    fn add(&mut self, number: usize) {
        if self.0.len() <= number / 64 {
            self.0.resize(number / 64 + 1, 0);
        }
        if let Some(word) = self.0.get_mut(number / 64) {
            *word |= 1 << (number % 64);
        }
    }

    fn add_all(&mut self, other: &Self) {
        if self.0.len() < other.0.len() {
            self.0.resize(other.0.len(), 0);
        }
        for (word, more) in self.0.iter_mut().zip(&other.0) {
            *word |= more;
        }
    }
}

/// One operation.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) hash: [u8; 32],
    pub(super) operation: Operation,
    pub(super) signed: SignedOperation,
    /// Without itself.
    pub(super) past: Past,
    /// The longest way to the operation that made the group.
    pub(super) depth: u32,
}

/// What became of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inserted {
    /// It is part of the graph, with so many that waited for it.
    Added(usize),
    /// It is here already.
    Known,
    /// It waits for operations it names.
    Waiting,
}

/// Why an operation is dropped. What is known stays as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Its sender is at fault.
    #[error(transparent)]
    Bad(#[from] OperationError),
    /// Its sender is at fault: it belongs to another group, or makes another one.
    #[error("the operation is of another group")]
    OtherGroup,
    /// Its author is at fault: the shape is one no program of ours makes.
    #[error("the operation lacks what its deed needs, or counts wrongly")]
    Shape,
    /// Its author is at fault: it takes the key of a place it had before, so nobody could tell what
    /// it wrote when.
    #[error("the operation takes a key that its author had taken before")]
    OldKey,
    /// Its author is at fault: nobody who was never offered a place may do anything.
    #[error("the author was offered no place in the past of the operation")]
    Stranger,
    /// Nobody is at fault: the group has to be made anew.
    #[error("the group has {MAX_OPERATIONS} operations already")]
    Full,
}

/// The membership of one group.
#[derive(Clone, Debug)]
pub struct Membership {
    group: [u8; 32],
    /// In order of arrival, which is one in which none comes before one it names.
    pub(super) nodes: Vec<Node>,
    numbers: BTreeMap<[u8; 32], usize>,
    waiting: BTreeMap<[u8; 32], (Operation, SignedOperation)>,
}

impl Membership {
    /// A group of which only the name is known: the hash of the operation that made it.
    #[must_use]
    pub fn new(group: [u8; 32]) -> Self {
        Self {
            group,
            nodes: Vec::new(),
            numbers: BTreeMap::new(),
            waiting: BTreeMap::new(),
        }
    }

    /// Its name.
    #[must_use]
    pub fn group(&self) -> &[u8; 32] {
        &self.group
    }

    /// Takes an operation. `open` decodes it and checks its signature
    /// ([`SignedOperation::open`]); it is asked only about what is not here.
    ///
    /// # Errors
    /// [`Refused`] says why it is dropped.
    pub fn insert(
        &mut self,
        signed: SignedOperation,
        open: impl FnOnce(&SignedOperation) -> Result<Operation, OperationError>,
    ) -> Result<Inserted, Refused> {
        let hash = signed.hash();
        if self.numbers.contains_key(&hash) || self.waiting.contains_key(&hash) {
            return Ok(Inserted::Known);
        }
        if self.nodes.len() >= MAX_OPERATIONS {
            return Err(Refused::Full);
        }
        let operation = open(&signed)?;
        self.check(&hash, &operation)?;
        if !self.is_ready(&operation) {
            if self.waiting.len() >= MAX_WAITING {
                // Any will do: whoever sent it is asked for it again.
                self.waiting.pop_first();
            }
            self.waiting.insert(hash, (operation, signed));
            return Ok(Inserted::Waiting);
        }
        self.add(hash, operation, signed)?;
        let mut added = 0;
        while let Some(hash) = self.ready() {
            if let Some((operation, signed)) = self.waiting.remove(&hash) {
                added += usize::from(self.add(hash, operation, signed).is_ok());
            }
        }
        Ok(Inserted::Added(added))
    }

    /// What can be said of an operation without the others.
    fn check(&self, hash: &[u8; 32], operation: &Operation) -> Result<(), Refused> {
        let creates = operation.deed == Deed::Create;
        if creates != (*hash == self.group) || (!creates && operation.group != self.group) {
            return Err(Refused::OtherGroup);
        }
        let has_subject = matches!(operation.deed, Deed::Invite | Deed::Remove | Deed::Promote);
        let seats = matches!(operation.deed, Deed::Create | Deed::Accept);
        let ends = matches!(operation.deed, Deed::Leave | Deed::Remove);
        let shape = operation.subject.is_some() == has_subject
            && operation.seat.is_some() == seats
            && (ends || operation.cut.as_slice().is_empty())
            && operation.after.as_slice().is_empty() == creates
            && (!creates || (operation.group == [0; 32] && operation.seq == 1));
        if shape { Ok(()) } else { Err(Refused::Shape) }
    }

    fn is_ready(&self, operation: &Operation) -> bool {
        let mut named = operation.after.as_slice().iter();
        named.all(|hash| self.numbers.contains_key(hash))
    }

    fn ready(&self) -> Option<[u8; 32]> {
        let mut waiting = self.waiting.iter();
        waiting
            .find(|(_, (operation, _))| self.is_ready(operation))
            .map(|(hash, _)| *hash)
    }

    /// Adds an operation all of whose past is here.
    fn add(
        &mut self,
        hash: [u8; 32],
        operation: Operation,
        signed: SignedOperation,
    ) -> Result<(), Refused> {
        if self.nodes.len() >= MAX_OPERATIONS {
            return Err(Refused::Full);
        }
        let (mut past, mut depth) = (Past::default(), 0);
        for named in operation.after.as_slice() {
            let number = self.numbers.get(named).copied();
            if let Some((number, node)) =
                number.and_then(|number| Some((number, self.nodes.get(number)?)))
            {
                past.add_all(&node.past);
                past.add(number);
                depth = depth.max(node.depth + 1);
            }
        }
        self.check_past(&operation, &past)?;
        self.numbers.insert(hash, self.nodes.len());
        self.nodes.push(Node {
            hash,
            operation,
            signed,
            past,
            depth,
        });
        Ok(())
    }

    /// What can be said of an operation from its past alone: it was offered a place, and counts on
    /// from its last operation. Being void or not does not matter here, so the answer never changes.
    fn check_past(&self, operation: &Operation, past: &Past) -> Result<(), Refused> {
        if operation.deed == Deed::Create {
            return Ok(());
        }
        let (mut offered, mut last) = (false, 0);
        let key = operation.seat.as_ref().map(|seat| &seat.key);
        for (number, node) in self.nodes.iter().enumerate() {
            if !past.has(number) {
                continue;
            }
            let earlier = &node.operation;
            offered |= earlier.deed == Deed::Invite && earlier.subject == Some(operation.author);
            if earlier.author == operation.author {
                offered |= earlier.deed == Deed::Create;
                last = last.max(earlier.seq);
                let again = key.is_some() && key == earlier.seat.as_ref().map(|seat| &seat.key);
                if again && !defect::is(Defect::AcceptsOldSeat) {
                    return Err(Refused::OldKey);
                }
            }
        }
        if !offered && !defect::is(Defect::AcceptsStrangersOperations) {
            return Err(Refused::Stranger);
        }
        if operation.seq != last + 1 {
            return Err(Refused::Shape);
        }
        Ok(())
    }

    /// Who belongs to the group now, and what counts of what anybody wrote. It takes time quadratic
    /// in the number of operations, a sixth of a second for a full group: to be kept by the caller.
    #[must_use]
    pub fn roster(&self) -> Roster {
        state::roster(&self.nodes, &labels(&self.nodes))
    }

    /// The operations, none before one it names, in order of arrival, without the first `skip`.
    pub fn operations(&self, skip: usize) -> impl Iterator<Item = (&Operation, &SignedOperation)> {
        let nodes = self.nodes.iter().skip(skip);
        nodes.map(|node| (&node.operation, &node.signed))
    }

    /// Whether the operation with this hash is part of the graph.
    #[must_use]
    pub fn has(&self, hash: &[u8; 32]) -> bool {
        self.numbers.contains_key(hash)
    }

    /// How many operations are part of the graph.
    #[must_use]
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// Hashes of operations that are void, ascending.
    #[must_use]
    pub fn void(&self) -> Vec<[u8; 32]> {
        let labelled = self.nodes.iter().zip(labels(&self.nodes));
        let void = labelled.filter(|(_, label)| *label == Label::Void);
        let mut void: Vec<_> = void.map(|(node, _)| node.hash).collect();
        void.sort_unstable();
        void
    }

    /// Hashes of operations that no other names: what the next has to name. When there are more than
    /// one can name, the lowest; the rest is named by the one after it.
    #[must_use]
    pub fn heads(&self) -> Parents {
        let parents = self
            .nodes
            .iter()
            .map(|node| node.operation.after.as_slice());
        let named: BTreeSet<&[u8; 32]> = parents.flatten().collect();
        let hashes = self.nodes.iter().map(|node| node.hash);
        Parents::new(hashes.filter(|hash| !named.contains(hash)).collect())
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
    pub fn next_seq(&self, author: &dchat_wire::PeerId) -> u32 {
        let own = self.nodes.iter().map(|node| &node.operation);
        let own = own.filter(|operation| operation.author == *author);
        own.map(|operation| operation.seq).max().unwrap_or(0) + 1
    }
}
