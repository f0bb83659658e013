//! What valid operations make of a group.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use dchat_wire::defect::{self, Defect};
use dchat_wire::group::{Cut, Deed, Operation, Policy};
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
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// What it is.
    pub standing: Standing,
    /// Who offered it its place; nobody the creator's.
    pub by: Option<PeerId>,
    /// What it calls itself; empty while it is only invited.
    pub name: String,
}

/// Who writes with a key, and how far that counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Writer {
    /// Who.
    pub member: PeerId,
    /// Of one who went, how far each of its logs counts, and those not here not at all; `None`
    /// while it is a member.
    pub ends: Option<BTreeMap<[u8; 16], u32>>,
}

impl Writer {
    /// The last item of `log` that counts.
    #[must_use]
    pub fn upto(&self, log: &[u8; 16]) -> u32 {
        let counts_all = defect::is(Defect::CountsBeyondCut);
        self.ends
            .as_ref()
            .filter(|_| !counts_all)
            .map_or(u32::MAX, |ends| ends.get(log).copied().unwrap_or(0))
    }

    /// Makes it end where both end.
    fn end(&mut self, cut: &Cut) {
        let cut = cut.as_slice().iter().map(|log| (log.log, log.seq));
        let ends = match self.ends.take() {
            None => cut.collect(),
            Some(ends) => cut
                .filter_map(|(log, seq)| Some((log, seq.min(*ends.get(&log)?))))
                .collect(),
        };
        self.ends = Some(ends);
    }
}

/// A group as all see it who know the same operations.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Roster {
    /// Everybody, at most [`limits::GROUP_MEMBERS`].
    pub members: BTreeMap<PeerId, Member>,
    /// By their keys, all that ever wrote here: who went is not a member any more, and what it wrote
    /// before counts.
    pub writers: BTreeMap<[u8; 32], Writer>,
    /// Its name.
    pub name: String,
    /// Its policy.
    pub policy: Policy,
}

impl Roster {
    /// Whether `peer` may read and write.
    #[must_use]
    pub fn is_member(&self, peer: &PeerId) -> bool {
        self.members
            .get(peer)
            .is_some_and(|member| member.standing >= Standing::Member)
    }

    /// Whether `peer` may change who belongs here.
    #[must_use]
    pub fn is_admin(&self, peer: &PeerId) -> bool {
        self.members
            .get(peer)
            .is_some_and(|member| member.standing == Standing::Admin)
    }

    /// Who may read and write.
    pub fn readers(&self) -> impl Iterator<Item = &PeerId> {
        let members = self.members.iter();
        members
            .filter(|(_, member)| member.standing >= Standing::Member)
            .map(|(peer, _)| peer)
    }

    /// Who wrote item `seq` of `log` with `key`, if that counts.
    #[must_use]
    pub fn writer(&self, key: &[u8; 32], log: &[u8; 16], seq: u32) -> Option<&PeerId> {
        let writer = self.writers.get(key)?;
        (seq <= writer.upto(log)).then_some(&writer.member)
    }
}

/// What `who` is by the valid operations in `within`, or in all of them.
pub(super) fn standing(
    nodes: &[Node],
    labels: &[Label],
    within: Option<&Past>,
    who: &PeerId,
) -> Option<(Standing, Option<PeerId>)> {
    let valid = valid(nodes, labels, within);
    let ends: Vec<usize> = valid
        .clone()
        .filter(|(_, node)| ends(&node.operation, who))
        .map(|(number, _)| number)
        .collect();
    // Only what was done knowing of every end outlives it.
    let outlives = |node: &Node| ends.iter().all(|end| node.past.has(*end));
    let (mut best, mut offer): (Option<Standing>, Option<&Node>) = (None, None);
    for (_, node) in valid.clone().filter(|(_, node)| outlives(node)) {
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
    let promoted = valid.clone().any(|(_, node)| {
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
    for node in order.iter().copied() {
        let operation = &node.operation;
        let named = match operation.deed {
            Deed::Create => {
                operation.text.as_str().clone_into(&mut roster.name);
                Some(operation.author)
            }
            Deed::Invite => operation.subject,
            Deed::Rename => {
                operation.text.as_str().clone_into(&mut roster.name);
                None
            }
            Deed::Policy => {
                if let Ok(setting) = operation.text.as_str().parse() {
                    roster.policy.set(setting);
                }
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
            let name = String::new();
            roster.members.insert(who, Member { standing, by, name });
        }
    }
    for node in &order {
        seat(nodes, labels, node, &mut roster);
    }
    roster
}

/// Adds the key that `node` takes, and the name with it.
fn seat(nodes: &[Node], labels: &[Label], node: &Node, roster: &mut Roster) {
    let (author, Some(seat)) = (node.operation.author, &node.operation.seat) else {
        return;
    };
    let after: Vec<(usize, &Node)> = valid(nodes, labels, None)
        .filter(|(_, end)| ends(&end.operation, &author))
        .filter(|(number, _)| !node.past.has(*number))
        .collect();
    // One done knowing of another ends a later place, with another key.
    let is_first = |end: &Node| !after.iter().any(|(number, _)| end.past.has(*number));
    let ends: Vec<&Node> = after
        .iter()
        .map(|(_, end)| *end)
        .filter(|end| is_first(end))
        .collect();
    match roster.members.get_mut(&author) {
        Some(member) => seat.name.as_str().clone_into(&mut member.name),
        // One too many for the group.
        None if ends.is_empty() => return,
        None => {}
    }
    // Whoever took a key that has a seat already writes nothing with it, and ends nothing of it.
    let Entry::Vacant(place) = roster.writers.entry(seat.key) else {
        return;
    };
    let writer = place.insert(Writer {
        member: author,
        ends: None,
    });
    for end in ends {
        writer.end(&end.operation.cut);
    }
}

/// The valid operations in `within`, or all that are valid.
fn valid<'n>(
    nodes: &'n [Node],
    labels: &'n [Label],
    within: Option<&'n Past>,
) -> impl Iterator<Item = (usize, &'n Node)> + Clone {
    let numbered = nodes.iter().zip(labels).enumerate();
    numbered
        .filter(move |(number, (_, label))| {
            **label == Label::Valid && within.is_none_or(|within| within.has(*number))
        })
        .map(|(number, (node, _))| (number, node))
}

/// Whether `operation` ends a membership of `who`: it removes it, or is its leaving.
fn ends(operation: &Operation, who: &PeerId) -> bool {
    match operation.deed {
        Deed::Remove => operation.subject == Some(*who),
        Deed::Leave => operation.author == *who,
        _ => false,
    }
}
