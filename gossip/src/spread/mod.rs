//! How items get from member to member: a tree for each log, and announcements beside it.
//!
//! A member has, for each log, a parent that pushes its items here and children they are pushed to:
//! sets of link slots. Who gets an item a second time prunes that branch; who lacks one that another
//! announces pulls it, and grafts itself there when its parent failed. An announcement says how long
//! ago the item came, so a member that would have had it earlier from the announcer moves its branch
//! there: trees tend to the fastest paths. A log nobody has a tree for is pushed a few hops, as far
//! as paths hardly cross, and announced from there (after Plumtree, Leitão et al., SRDS 2007).

mod branch;
mod recent;
mod wants;

pub(crate) use branch::{Branch, NOBODY};
pub(crate) use recent::Recent;
pub(crate) use wants::Wants;

/// How many hops to push an item of a log without a tree, when the room has about `members`: the
/// first from its author crosses no other; each further one while it reaches at most an eighth of
/// the room, which costs about one duplicate for every sixteen members.
pub(crate) fn cold_hops(members: usize, degree: usize) -> u8 {
    let (mut hops, mut reached) = (1, degree.max(2));
    while reached * (degree.max(2) - 1) * 8 <= members {
        reached *= degree.max(2) - 1;
        hops += 1;
    }
    hops
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_room_is_pushed_to_once() {
        let hops = [2, 9, 100, 447, 448, 3136, 10_000].map(|members| cold_hops(members, 8));
        assert_eq!(hops, [1, 1, 1, 1, 2, 3, 3]);
    }
}
