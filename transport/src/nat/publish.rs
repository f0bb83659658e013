//! What the endpoint is told of our NATs.

use std::net::SocketAddr;

use dchat_wire::nat::{Candidate, CandidateKind, NatClass};

use super::status::NatStatus;
use crate::endpoint::Shared;
use crate::sync::lock;

/// Tells the endpoint our candidates, if they are others now.
pub(super) fn publish(shared: &Shared) {
    // Held to the end: of two at once the later one has the last word.
    let mut published = lock(&shared.nat.published);
    let now = Published::of(&shared.nat.status().borrow(), &shared.own_sockets());
    if published.as_ref() != Some(&now) {
        *published = Some(now.clone());
        let class = now.class;
        shared.set_local_candidates(class.clone(), CandidateKind::Mapped, now.mapped);
        shared.set_local_candidates(class, CandidateKind::Reflexive, now.reflexive);
    }
}

/// What it was told last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Published {
    class: NatClass,
    mapped: Vec<Candidate>,
    reflexive: Vec<Candidate>,
}

impl Published {
    fn of(status: &NatStatus, own: &[SocketAddr]) -> Self {
        Self {
            class: status.class(),
            mapped: status.mapped(),
            reflexive: status.reflexive(own),
        }
    }
}
