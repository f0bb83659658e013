//! Rooms (`80-gossip`). All but a few cases need a room that the peer has joined, and run one after
//! another: a member has a bounded number of neighbours.

mod body;
mod compare;
mod evidence;
mod item;
mod open;
mod spread;

use super::super::case::{Case, Profile};

pub(super) fn cases() -> Vec<Case> {
    let alone = [
        item::cases(),
        spread::cases(),
        evidence::cases(),
        compare::cases(),
        body::cases(),
    ];
    let alone = alone.into_iter().flatten().map(Case::alone);
    let cases = open::cases().into_iter().chain(alone);
    cases.map(|case| case.profile(Profile::Gossip)).collect()
}
