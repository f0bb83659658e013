//! What valid operations make of a group.

use std::collections::BTreeMap;

use dchat_wire::group::Deed;
use dchat_wire::{PeerId, limits};

use super::graph::{Node, Past};
use super::label::Label;

/// What somebody is in a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// Offered a place.
    Invited,
    /// A member.
    Member,
    /// A member that may invite, remove, promote, rename and set the policy.
    Admin,
}

/// One of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member {
    /// What it is.
    pub standing: Standing,
    /// Who offered it its place; nobody the creator's.
    pub by: Option<PeerId>,
}

/// A group as all see it who know the same operations.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Roster {
    /// Everybody, at most [`limits::GROUP_MEMBERS`].
    pub members: BTreeMap<PeerId, Member>,
    /// Its name.
    pub name: String,
    /// Its policy.
    pub policy: String,
}

impl Roster {
    /// Whether `peer` may read and write.
    #[must_use]
    pub fn is_member(&self, peer: &PeerId) -> bool {
        self.members
            .get(peer)
            .is_some_and(|member| member.standing >= Standing::Member)
    }
}

/// What `who` is by the valid operations in `within`, or in all of them.
pub(super) fn standing(
    nodes: &[Node],
    labels: &[Label],
    within: Option<&Past>,
    who: &PeerId,
) -> Option<(Standing, Option<PeerId>)> {
    let counts = |number: usize| {
        labels.get(number) == Some(&Label::Valid) && within.is_none_or(|within| within.has(number))
    };
    let valid = || {
        nodes
            .iter()
            .enumerate()
            .filter(move |(number, _)| counts(*number))
    };
    // Everything that ends a membership: a removal, or leaving.
    let ends: Vec<usize> = valid()
        .filter(|(_, node)| match node.operation.deed {
            Deed::Remove => node.operation.subject == Some(*who),
            Deed::Leave => node.operation.author == *who,
            _ => false,
        })
        .map(|(number, _)| number)
        .collect();
    // Only what was done knowing of every end outlives it.
    let outlives = |node: &Node| ends.iter().all(|end| node.past.has(*end));
    let (mut best, mut offer): (Option<Standing>, Option<&Node>) = (None, None);
    for (_, node) in valid().filter(|(_, node)| outlives(node)) {
        let operation = &node.operation;
        let own = operation.author == *who;
        let about = operation.subject == Some(*who);
        let gives = match operation.deed {
            Deed::Create if own => Standing::Admin,
            Deed::Accept if own => Standing::Member,
            Deed::Invite if about => Standing::Invited,
            _ => continue,
        };
        best = best.max(Some(gives));
        let earlier = |other: &Node| (other.depth, other.hash) < (node.depth, node.hash);
        if operation.deed == Deed::Invite && !offer.is_some_and(earlier) {
            offer = Some(node);
        }
    }
    let promoted = valid().any(|(_, node)| {
        let operation = &node.operation;
        operation.deed == Deed::Promote && operation.subject == Some(*who) && outlives(node)
    });
    let best = best?;
    let standing = if promoted && best == Standing::Member {
        Standing::Admin
    } else {
        best
    };
    Some((standing, offer.map(|offer| offer.operation.author)))
}

/// The group by all valid operations.
pub(super) fn roster(nodes: &[Node], labels: &[Label]) -> Roster {
    let mut order: Vec<&Node> = nodes
        .iter()
        .zip(labels)
        .filter(|(_, label)| **label == Label::Valid)
        .map(|(node, _)| node)
        .collect();
    order.sort_unstable_by_key(|node| (node.depth, node.hash));
    let mut roster = Roster::default();
    for node in order {
        let operation = &node.operation;
        let named = match operation.deed {
            Deed::Create => Some(operation.author),
            Deed::Invite => operation.subject,
            Deed::Rename => {
                operation.text.as_str().clone_into(&mut roster.name);
                None
            }
            Deed::Policy => {
                operation.text.as_str().clone_into(&mut roster.policy);
                None
            }
            _ => None,
        };
        let Some(who) = named.filter(|who| !roster.members.contains_key(who)) else {
            continue;
        };
        // Of more than there may be, who were invited earlier: concurrent invitations can exceed
        // what each of their authors knew of.
        if roster.members.len() < limits::GROUP_MEMBERS
            && let Some((standing, by)) = standing(nodes, labels, None, &who)
        {
            roster.members.insert(who, Member { standing, by });
        }
    }
    roster
}
