//! Which operations are valid.

use std::collections::BTreeMap;

use dchat_wire::PeerId;
use dchat_wire::defect::{self, Defect};
use dchat_wire::group::Deed;

use super::graph::Node;
use super::state::{Standing, standing};

/// What is known of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Label {
    /// Nothing yet.
    Open,
    /// It counts.
    Valid,
    /// It does not.
    Void,
}

/// The labels of all operations. They depend on the set only: an operation is judged once its whole
/// past is, and is valid when its author was entitled and every removal that would void it is void.
/// Where removals void each other and nothing else is left to judge, one stands: a removal before
/// anything else, then by seniority.
pub(super) fn labels(nodes: &[Node]) -> Vec<Label> {
    let mut labels = vec![Label::Open; nodes.len()];
    let removals: Vec<usize> = (0..nodes.len())
        .filter(|at| is_removal(nodes, *at))
        .collect();
    let seniority = seniority(nodes);
    loop {
        let mut blocked = Vec::new();
        let mut progress = false;
        for (number, node) in nodes.iter().enumerate() {
            if labels.get(number) != Some(&Label::Open) || !past_is_judged(node, &labels) {
                continue;
            }
            let label = if is_entitled(nodes, &labels, node) {
                judged_by(nodes, &labels, &removals, number)
            } else {
                Label::Void
            };
            if label == Label::Open {
                blocked.push(number);
            } else if let Some(place) = labels.get_mut(number) {
                *place = label;
                progress = true;
            }
        }
        if progress {
            continue;
        }
        let key = |number: &usize| {
            let node = nodes.get(*number)?;
            let removes = is_removal(nodes, *number);
            Some((
                !removes,
                seniority.get(&node.operation.author).copied(),
                node.hash,
            ))
        };
        let Some(first) = blocked.into_iter().min_by_key(key) else {
            return labels;
        };
        // It stands, so what would void it does not: in a ring of three the third removal would.
        let beaten: Vec<usize> = removals
            .iter()
            .copied()
            .filter(|other| labels.get(*other) == Some(&Label::Open))
            .filter(|other| *other != first && strikes(nodes, &labels, *other, first))
            .filter(|_| is_removal(nodes, first))
            .collect();
        for (number, label) in beaten
            .into_iter()
            .map(|number| (number, Label::Void))
            .chain([(first, Label::Valid)])
        {
            if let Some(place) = labels.get_mut(number) {
                *place = label;
            }
        }
    }
}

fn is_removal(nodes: &[Node], number: usize) -> bool {
    let node = nodes.get(number);
    node.is_some_and(|node| node.operation.deed == Deed::Remove)
}

fn past_is_judged(node: &Node, labels: &[Label]) -> bool {
    let mut labels = labels.iter().enumerate();
    labels.all(|(number, label)| *label != Label::Open || !node.past.has(number))
}

/// Whether the author could do this, by what is valid of its past.
fn is_entitled(nodes: &[Node], labels: &[Label], node: &Node) -> bool {
    let operation = &node.operation;
    let held = standing(nodes, labels, Some(&node.past), &operation.author);
    let held = held.map(|(held, _)| held);
    match operation.deed {
        Deed::Create => true,
        Deed::Accept => held == Some(Standing::Invited),
        Deed::Leave => held.is_some(),
        Deed::Invite if defect::is(Defect::AnybodyInvites) => held >= Some(Standing::Member),
        Deed::Invite | Deed::Remove | Deed::Promote | Deed::Rename | Deed::Policy => {
            held == Some(Standing::Admin)
        }
    }
}

/// What the removals make of an operation: void when a valid one strikes it, open while one that
/// does is.
fn judged_by(nodes: &[Node], labels: &[Label], removals: &[usize], number: usize) -> Label {
    let mut label = Label::Valid;
    for removal in removals {
        if *removal == number || !strikes(nodes, labels, *removal, number) {
            continue;
        }
        match labels.get(*removal) {
            Some(Label::Valid) => return Label::Void,
            Some(Label::Open) => label = Label::Open,
            _ => {}
        }
    }
    label
}

/// Whether `removal` voids what `number` does: its author is the one removed, and the remover had
/// not seen it; unless the author had been invited again by one who knew of the removal.
fn strikes(nodes: &[Node], labels: &[Label], removal: usize, number: usize) -> bool {
    let (Some(by), Some(node)) = (nodes.get(removal), nodes.get(number)) else {
        return false;
    };
    if defect::is(Defect::RemovalDoesNotWin) {
        return false;
    }
    let author = node.operation.author;
    if by.operation.subject != Some(author) || by.past.has(number) {
        return false;
    }
    let invited_again = nodes.iter().enumerate().any(|(at, other)| {
        node.past.has(at)
            && labels.get(at) == Some(&Label::Valid)
            && other.operation.deed == Deed::Invite
            && other.operation.subject == Some(author)
            && other.past.has(removal)
    });
    !invited_again
}

/// The place of everybody in the creation chain: the creator's, then by the depth of the first
/// invitation, then by its hash.
fn seniority(nodes: &[Node]) -> BTreeMap<PeerId, (u32, [u8; 32])> {
    let mut places = BTreeMap::new();
    for node in nodes {
        let operation = &node.operation;
        let (who, place) = match (operation.deed, operation.subject) {
            (Deed::Create, _) => (operation.author, (0, [0; 32])),
            (Deed::Invite, Some(subject)) => (subject, (node.depth, node.hash)),
            _ => continue,
        };
        let place = if defect::is(Defect::JuniorStays) {
            (u32::MAX - place.0, place.1)
        } else {
            place
        };
        let held = places.entry(who).or_insert(place);
        *held = place.min(*held);
    }
    places
}
