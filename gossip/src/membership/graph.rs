//! The operations and what each has seen.

use std::collections::{BTreeMap, BTreeSet};

use dchat_wire::defect::{self, Defect};
use dchat_wire::group::{Deed, Operation, OperationError, SignedOperation};

use super::label::{Label, labels};
use super::state::{self, Roster};

/// Operations of one group: sixteen for each of 256 members. A group that needs more is made anew.
pub const MAX_OPERATIONS: usize = 4096;
/// Operations that wait for others.
pub const MAX_WAITING: usize = 256;
/// Operations there was no room for that are kept in case they turn out to be needed. Each is looked at
/// again with every one that comes.
const MAX_PARKED: usize = 64;
/// Of the operations of a group, those kept free for who may be an administrator: they can put out
/// whoever filled the rest.
pub const RESERVED: usize = MAX_OPERATIONS / 4;
/// Operations of somebody who is no administrator for each time it was invited: it takes its place and
/// leaves; the rest is for copies of a home, which may each do so.
pub const PER_INVITE: usize = 16;
/// ACCEPT and LEAVE of somebody who was invited by nobody who may invite: void, and known to all.
pub const PER_STRANGER: usize = 2;
/// Operations of somebody who was removed, done without having seen that: more than an administrator does
/// while a network is parted.
pub const PER_REMOVED: usize = 256;

/// A set of operations, by their numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Past(Vec<u64>);

impl Past {
    pub(super) fn has(&self, number: usize) -> bool {
        let word = self.0.get(number / 64);
        word.is_some_and(|word| word & (1 << (number % 64)) != 0)
    }

    pub(super) fn add(&mut self, number: usize) {
        if self.0.len() <= number / 64 {
            self.0.resize(number / 64 + 1, 0);
        }
        if let Some(word) = self.0.get_mut(number / 64) {
            *word |= 1 << (number % 64);
        }
    }

    pub(super) fn add_all(&mut self, other: &Self) {
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
    /// Its author may be an administrator, by its past: whether that counts is another matter.
    by_admin: bool,
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
    /// Its author did more than anybody needs to. An operation of somebody else's that names it makes room.
    #[error("its author has done more in this group than there is room for")]
    TooMany,
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
    /// Places in `nodes`, by hash.
    pub(super) numbers: BTreeMap<[u8; 32], usize>,
    pub(super) waiting: BTreeMap<[u8; 32], (Operation, SignedOperation)>,
    /// Those there was no room for, in case somebody else's turn out to rest on them; at most
    /// [`MAX_PARKED`].
    parked: BTreeMap<[u8; 32], (Operation, SignedOperation)>,
}

/// Whether there has to be room for an operation.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Room {
    Asked,
    Granted,
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
            parked: BTreeMap::new(),
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
        self.parked.remove(&hash);
        let before = self.nodes.len();
        let ready = self.is_ready(&operation);
        if ready {
            self.add(hash, operation, signed, Room::Asked)?;
        } else {
            keep(&mut self.waiting, MAX_WAITING, hash, (operation, signed));
        }
        let added = self.settle(before);
        Ok(if ready {
            Inserted::Added(added)
        } else if self.has(&hash) {
            Inserted::Added(added.saturating_sub(1))
        } else {
            Inserted::Waiting
        })
    }

    /// Takes back an operation that was part of the graph, in the order of
    /// [`operations`](Self::operations): there was room for it. `open` decodes it.
    ///
    /// # Errors
    /// [`Refused`]: it was none.
    pub fn restore(
        &mut self,
        signed: SignedOperation,
        open: impl FnOnce(&SignedOperation) -> Result<Operation, OperationError>,
    ) -> Result<(), Refused> {
        let hash = signed.hash();
        let operation = open(&signed)?;
        self.check(&hash, &operation)?;
        if self.has(&hash) || !self.is_ready(&operation) {
            return Err(Refused::Shape);
        }
        self.add(hash, operation, signed, Room::Granted)
    }

    /// Adds what waited for nothing but what has come, and of what there was no room for that which turned
    /// out to be needed, or for which there is room since there were `before` operations. How many.
    fn settle(&mut self, before: usize) -> usize {
        let mut added = 0;
        loop {
            let ready = self.ready();
            let ready = ready.and_then(|hash| Some((hash, self.waiting.remove(&hash)?)));
            let next = ready.or_else(|| {
                let mut parked = self.parked.iter();
                let next = parked.find(|(hash, (one, _))| {
                    self.is_needed(hash, one) || self.has_more_room(one, before)
                });
                let hash = next.map(|(hash, _)| *hash)?;
                Some((hash, self.parked.remove(&hash)?))
            });
            let Some((hash, (operation, signed))) = next else {
                return added;
            };
            added += usize::from(self.add(hash, operation, signed, Room::Asked).is_ok());
        }
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
        room: Room,
    ) -> Result<(), Refused> {
        if self.nodes.len() >= MAX_OPERATIONS {
            return Err(Refused::Full);
        }
        let (past, depth) = self.past(&operation);
        self.check_past(&operation, &past)?;
        let by_admin = self.by_admin(&operation, &past);
        let has_room = room == Room::Granted
            || self.has_room(&operation, &past, by_admin)
            || self.is_needed(&hash, &operation);
        if !has_room {
            keep(&mut self.parked, MAX_PARKED, hash, (operation, signed));
            return Err(Refused::TooMany);
        }
        self.numbers.insert(hash, self.nodes.len());
        self.nodes.push(Node {
            hash,
            operation,
            signed,
            past,
            depth,
            by_admin,
        });
        Ok(())
    }

    /// What an operation has seen, as far as it is here, and its depth.
    fn past(&self, operation: &Operation) -> (Past, u32) {
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
        (past, depth)
    }

    /// Whether there is room for an operation that there was none for, now that more than `before` are here.
    /// Only what is done to its author gives any.
    fn has_more_room(&self, operation: &Operation, before: usize) -> bool {
        let mut new = self.nodes.iter().skip(before);
        let author = Some(operation.author);
        if !new.any(|node| node.operation.subject == author) {
            return false;
        }
        let (past, _) = self.past(operation);
        let by_admin = self.by_admin(operation, &past);
        self.has_room(operation, &past, by_admin)
    }

    /// Whether the author of `operation` may be an administrator: it made the group, or somebody who may
    /// be one promoted it in its past. It follows from the past alone, so that it is the same everywhere.
    fn by_admin(&self, operation: &Operation, past: &Past) -> bool {
        let author = operation.author;
        let gives = |node: &Node| match node.operation.deed {
            Deed::Create => node.operation.author == author,
            Deed::Promote => node.by_admin && node.operation.subject == Some(author),
            _ => false,
        };
        let mut seen = self.nodes.iter().enumerate();
        operation.deed == Deed::Create || seen.any(|(number, node)| past.has(number) && gives(node))
    }

    /// Whether there is room for one more of its author's.
    fn has_room(&self, operation: &Operation, past: &Past, by_admin: bool) -> bool {
        let author = operation.author;
        let about = |node: &Node, deed: Deed| {
            node.by_admin && node.operation.deed == deed && node.operation.subject == Some(author)
        };
        let numbered = self.nodes.iter().enumerate();
        let removed =
            |(number, node): (usize, &Node)| about(node, Deed::Remove) && !past.has(number);
        if by_admin && !numbered.clone().any(removed) {
            return true;
        }
        let (mut own, mut invites, mut late) = (0, 0, 0);
        for (_, node) in numbered.clone() {
            invites += usize::from(about(node, Deed::Invite));
            own += usize::from(node.operation.author == author && !node.by_admin);
            late += usize::from(node.operation.author == author && node.by_admin);
        }
        if by_admin {
            // What it did before it was removed is in the past of that.
            let seen = numbered
                .clone()
                .filter(|(_, node)| about(node, Deed::Remove));
            let seen = seen.fold(Past::default(), |mut seen, (_, node)| {
                seen.add_all(&node.past);
                seen
            });
            let before = numbered.filter(|(number, node)| {
                node.operation.author == author && node.by_admin && seen.has(*number)
            });
            return late - before.count() < PER_REMOVED;
        }
        let room = match operation.deed {
            Deed::Accept | Deed::Leave if invites == 0 => PER_STRANGER,
            _ => invites * PER_INVITE,
        };
        own < room && self.nodes.len() < MAX_OPERATIONS - RESERVED
    }

    /// Whether something of somebody else's that waits rests on the operation `hash`: others took that up,
    /// and all have to end with the same.
    fn is_needed(&self, hash: &[u8; 32], operation: &Operation) -> bool {
        let mut reached = BTreeSet::new();
        let others = self.waiting.iter();
        let others = others.filter(|(_, (other, _))| other.author != operation.author);
        let mut next: Vec<&[u8; 32]> = others.map(|(hash, _)| hash).collect();
        while let Some(at) = next.pop() {
            let Some((waiting, _)) = self.waiting.get(at) else {
                continue;
            };
            for named in waiting.after.as_slice() {
                if named == hash {
                    return true;
                }
                if reached.insert(named) {
                    next.push(named);
                }
            }
        }
        false
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
}

/// Keeps an operation among at most `most`. Which of them goes does not matter: whoever sent it is asked for
/// it again.
fn keep<T>(waiting: &mut BTreeMap<[u8; 32], T>, most: usize, hash: [u8; 32], operation: T) {
    if waiting.len() >= most {
        waiting.pop_first();
    }
    waiting.insert(hash, operation);
}
