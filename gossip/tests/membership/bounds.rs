//! Nobody keeps others from acting by doing things without end.

use dchat_gossip::membership::{
    MAX_OPERATIONS, Membership, PER_INVITE, PER_REMOVED, RESERVED, Refused,
};
use dchat_wire::codec::Text;
use dchat_wire::group::{Deed, Operation, SignedOperation};

use crate::replica::{Replica, four, open, peer, signed, write};

/// Concurrent operations of `author`, which all come after what `group` knows.
fn forks(group: &Replica, author: u8, deed: Deed, count: usize) -> Vec<SignedOperation> {
    let one = write(&group.known, author, deed, None, "");
    let one = open(&one).unwrap();
    let fork = |number| {
        signed(&Operation {
            text: Text::new(format!("fork {number}")).unwrap(),
            ..one.clone()
        })
    };
    (0..count).map(fork).collect()
}

/// Gives operations to `to`, as a frame would; how many were refused for want of room.
fn give(to: &mut Membership, operations: &[SignedOperation]) -> usize {
    let mut refused = 0;
    for signed in operations {
        match to.insert(signed.clone(), open) {
            Err(Refused::TooMany) => refused += 1,
            Err(error) => panic!("{error}"),
            Ok(_) => {}
        }
    }
    refused
}

/// All that `from` knows, none before one it names.
fn all(from: &Membership) -> Vec<SignedOperation> {
    from.operations(0)
        .map(|(_, signed)| signed.clone())
        .collect()
}

/// Checks DC-GROUP-027 (positive).
#[test]
fn a_member_that_does_things_without_end_does_not_keep_administrators_from_acting() {
    let mut group = four();
    let flood = forks(&group, 4, Deed::Leave, 3 * PER_INVITE);
    let refused = give(&mut group.known, &flood);
    // Its ACCEPT was the first.
    assert_eq!(refused, 2 * PER_INVITE + 1);
    let before = group.known.len();
    // In one line instead of side by side.
    let mut member = four().of(4);
    let start = member.known.len();
    for _ in 0..3 * PER_INVITE {
        let signed = write(&member.known, 4, Deed::Rename, None, "mine");
        let _ = member.known.insert(signed, open);
    }
    assert_eq!(member.known.len(), start + PER_INVITE - 1);
    for _ in 0..3 * PER_INVITE {
        group.does(Deed::Invite, Some(5));
    }
    assert_eq!(group.known.len(), before + 3 * PER_INVITE);
}

/// Checks DC-GROUP-027 (positive).
#[test]
fn who_was_invited_by_nobody_who_may_is_heard_twice_and_invites_nobody() {
    let group = four();
    let mut member = group.of(4);
    member.does(Deed::Invite, Some(5));
    let mut guest = member.of(5);
    guest.does(Deed::Accept, None);
    let leaves = forks(&guest, 5, Deed::Leave, 3);
    assert_eq!(give(&mut guest.known, &leaves), 2);
    let guests = write(&guest.known, 5, Deed::Invite, Some(6), "");
    assert_eq!(guest.known.insert(guests, open), Err(Refused::TooMany));
    // All of it is void.
    assert_eq!(guest.known.roster(), group.known.roster());
}

#[test]
fn an_invitation_makes_room_for_what_came_before_it() {
    let group = four();
    let mut member = group.of(4);
    let by_member = member.does(Deed::Invite, Some(5));
    let act = write(&member.known, 5, Deed::Rename, None, "ours");
    let by_admin = group.clone().does(Deed::Invite, Some(5));
    let told = |order: [&SignedOperation; 3]| {
        let mut known = group.known.clone();
        let refused = give(&mut known, &order.map(Clone::clone));
        (refused, known)
    };
    let (refused, late) = told([&by_member, &act, &by_admin]);
    assert_eq!(refused, 1);
    assert!(late.has(&act.hash()));
    let (refused, early) = told([&by_admin, &by_member, &act]);
    assert_eq!(refused, 0);
    assert_eq!(early.roster(), late.roster());
    assert_eq!(early.len(), late.len());
}

/// Checks DC-GROUP-026 (positive, negative).
#[test]
fn many_members_together_leave_room_for_administrators() {
    let mut group = Replica::create();
    for member in 2..=210 {
        group.does(Deed::Invite, Some(member));
    }
    let base = group.clone();
    let mut refused = 0;
    for member in 2..=210 {
        refused += give(
            &mut group.known,
            &forks(&base, member, Deed::Leave, PER_INVITE),
        );
    }
    assert!(refused > 0);
    assert_eq!(4 * RESERVED, MAX_OPERATIONS);
    assert_eq!(group.known.len(), MAX_OPERATIONS - RESERVED);
    for _ in 0..2 {
        group.does(Deed::Remove, Some(2));
        group.does(Deed::Invite, Some(2));
    }
    assert_eq!(group.known.len(), MAX_OPERATIONS - RESERVED + 4);
}

/// Checks DC-GROUP-027 (negative).
#[test]
fn who_was_removed_and_has_not_seen_it_fills_nothing() {
    let mut group = four();
    let mut gone = group.of(2);
    group.does(Deed::Remove, Some(2));
    // Number two was an administrator.
    for _ in 0..PER_REMOVED + 20 {
        gone.does(Deed::Invite, Some(9));
    }
    let before = group.known.len();
    give(&mut group.known, &all(&gone.known));
    assert_eq!(group.known.len(), before + PER_REMOVED);
    // What it did while it was one takes nothing of that away, and who removed it goes on.
    group.does(Deed::Invite, Some(5));
}

/// Checks DC-GROUP-028 (positive, negative).
#[test]
fn members_that_had_room_for_different_parts_of_too_much_come_together_again() {
    let group = four();
    let flood = forks(&group, 4, Deed::Leave, 2 * PER_INVITE);
    let (half, other) = flood.split_at(PER_INVITE);
    let (mut one, mut two) = (group.of(3), group.of(1));
    assert_eq!(give(&mut one.known, half), 1);
    assert_eq!(give(&mut two.known, other), 1);
    // Number three leaves, having seen one part; number one has seen the other.
    one.does(Deed::Leave, None);
    two.does(Deed::Remove, Some(4));
    for _ in 0..3 {
        let (ones, twos) = (all(&one.known), all(&two.known));
        give(&mut one.known, &twos);
        give(&mut two.known, &ones);
    }
    assert_eq!(one.known.roster(), two.known.roster());
    assert!(!one.known.roster().members.contains_key(&peer(3)));
    assert!(!one.known.roster().members.contains_key(&peer(4)));
    // What there was room for once there is room for after a restart.
    let mut again = Membership::new(*one.known.group());
    for signed in all(&one.known) {
        again.restore(signed, open).unwrap();
    }
    assert_eq!(again.len(), one.known.len());
    assert_eq!(again.roster(), one.known.roster());
}
