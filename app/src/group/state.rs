//! The group in memory.

use std::collections::VecDeque;

use dchat_gossip::membership::{Membership, Roster, Standing};
use dchat_wire::PeerId;
use dchat_wire::codec::List;
use dchat_wire::extension::Extensions;
use dchat_wire::group::{GroupOperations, Parents, SignedOperation};
use dchat_wire::sign::Identity;

use super::{GroupLedger, Output};

/// One private group; see the [module](super).
#[derive(Debug)]
pub struct Group {
    pub(super) me: PeerId,
    pub(super) membership: Membership,
    /// Of `membership`.
    pub(super) roster: Roster,
    pub(super) outputs: VecDeque<Output>,
}

impl Group {
    /// The group as the ledger has it; empty when nothing is known but its name.
    ///
    /// # Errors
    /// The environment's.
    pub fn load<L: GroupLedger>(
        ledger: &mut L,
        group: [u8; 32],
        me: PeerId,
    ) -> Result<Self, L::Error> {
        let mut membership = Membership::new(group);
        for signed in ledger.operations()? {
            // They were checked when they came; an operation that a changed file holds is left out.
            let _ = membership.restore(signed, read_stored);
        }
        Ok(Self::of(membership, me))
    }

    pub(super) fn of(membership: Membership, me: PeerId) -> Self {
        Self {
            me,
            roster: membership.roster(),
            membership,
            outputs: VecDeque::new(),
        }
    }

    /// Its name to members' programs: the hash of the operation that made it.
    #[must_use]
    pub fn id(&self) -> &[u8; 32] {
        self.membership.group()
    }

    /// Who belongs to it, what it is called, and its policy.
    #[must_use]
    pub fn roster(&self) -> &Roster {
        &self.roster
    }

    /// What we are in it.
    #[must_use]
    pub fn standing(&self) -> Option<Standing> {
        self.roster
            .members
            .get(&self.me)
            .map(|member| member.standing)
    }

    /// Whether nothing is known but its name.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.membership.is_empty()
    }

    /// How many operations are known.
    #[must_use]
    pub fn len(&self) -> usize {
        self.membership.len()
    }

    /// The key we sign items with, while we are a member.
    ///
    /// # Errors
    /// The environment's.
    pub fn author<L: GroupLedger>(&self, ledger: &mut L) -> Result<Option<Identity>, L::Error> {
        let seed = ledger.seat()?;
        let author = seed.map(|seed| Identity::from_seed(&seed));
        Ok(author.filter(|author| self.writes_with(author.peer_id().public_key())))
    }

    /// Whether `key` is one we write with now.
    fn writes_with(&self, key: &[u8; 32]) -> bool {
        let writer = self.roster.writers.get(key);
        writer.is_some_and(|writer| writer.member == self.me && writer.ends.is_none())
    }

    /// Operations added after the first `since`, in frames for neighbours, which may lack them.
    #[must_use]
    pub fn news(&self, since: usize) -> Vec<GroupOperations> {
        let all = self.membership.operations(since);
        let all: Vec<SignedOperation> = all.map(|(_, signed)| signed.clone()).collect();
        all.chunks(dchat_wire::limits::GROUP_OPERATIONS)
            .map(|some| self.frame(some.to_vec()))
            .collect()
    }

    /// What opens the exchange with a neighbour: what we know and what we lack.
    #[must_use]
    pub fn greeting(&self) -> GroupOperations {
        self.frame(Vec::new())
    }

    pub(super) fn frame(&self, operations: Vec<SignedOperation>) -> GroupOperations {
        GroupOperations {
            group: *self.id(),
            heads: self.membership.heads(),
            lacking: self.membership.lacking(),
            operations: List::first_of(operations),
            extensions: Extensions::default(),
        }
    }

    /// What is to be done next.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    pub(super) fn knows_all(&self, heads: &Parents) -> bool {
        let mut heads = heads.as_slice().iter();
        heads.all(|hash| self.membership.has(hash))
    }
}

/// Decodes an operation whose signature was checked before it was stored.
fn read_stored(
    signed: &SignedOperation,
) -> Result<dchat_wire::group::Operation, dchat_wire::group::OperationError> {
    Ok(dchat_wire::codec::decode(signed.body.as_slice())?)
}
