//! Who is in a group and may do what, after changes that did not know of each other.

use dchat_gossip::membership::{Membership, Refused, Standing};
use dchat_wire::group::{Deed, LateJoin, Policy};

use crate::replica::{four, merged, open, peer, write};

#[test]
fn invited_accepted_promoted() {
    use Standing::{Admin, Invited, Member};
    let mut group = four();
    group.does(Deed::Invite, Some(5));
    let members = [
        (1, Admin),
        (2, Admin),
        (3, Admin),
        (4, Member),
        (5, Invited),
    ];
    assert_eq!(group.members(), members);
    assert_eq!(group.known.void(), Vec::<[u8; 32]>::new());
}

#[test]
fn what_a_removed_member_did_meanwhile_is_void() {
    let group = four();
    let (mut one, mut two) = (group.of(1), group.of(2));
    one.does(Deed::Remove, Some(2));
    two.does(Deed::Invite, Some(5));
    let mut five = two.of(5);
    five.does(Deed::Accept, None);
    let after = merged(&one, &five);
    assert_eq!(
        after.members().iter().map(|m| m.0).collect::<Vec<_>>(),
        [1, 3, 4]
    );
    assert_eq!(after.known.void().len(), 2);
}

#[test]
fn of_two_who_remove_each_other_the_senior_stays() {
    let group = four();
    for (senior, junior) in [(1, 2), (1, 3), (2, 3)] {
        let (mut one, mut other) = (group.of(senior), group.of(junior));
        one.does(Deed::Remove, Some(junior));
        other.does(Deed::Remove, Some(senior));
        let members: Vec<u8> = merged(&one, &other).members().iter().map(|m| m.0).collect();
        assert!(members.contains(&senior) && !members.contains(&junior));
    }
}

#[test]
fn a_removal_by_one_who_is_removed_meanwhile_is_void() {
    let group = four();
    let (mut three, mut two) = (group.of(3), group.of(2));
    // 3 removes 2, who is senior, while 2 removes 4.
    three.does(Deed::Remove, Some(2));
    two.does(Deed::Remove, Some(4));
    let members: Vec<u8> = merged(&three, &two).members().iter().map(|m| m.0).collect();
    assert_eq!(members, [1, 3, 4]);
}

#[test]
fn a_ring_of_removals_leaves_what_the_senior_did() {
    let group = four();
    let (mut one, mut two, mut three) = (group.of(1), group.of(2), group.of(3));
    one.does(Deed::Remove, Some(2));
    two.does(Deed::Remove, Some(3));
    three.does(Deed::Remove, Some(1));
    let two_of_them = merged(&one, &two);
    let all = merged(&two_of_them, &three);
    let members: Vec<u8> = all.members().iter().map(|m| m.0).collect();
    // 1 is the senior, so 2 goes and what 2 did is void; 3 stays, but 1 is not removed.
    assert_eq!(members, [1, 3, 4]);
}

#[test]
fn a_removed_member_can_be_invited_again() {
    let mut group = four();
    group.does(Deed::Remove, Some(4));
    assert_eq!(group.members().len(), 3);
    group.adds(4);
    assert_eq!(group.members().last(), Some(&(4, Standing::Member)));
    let mut left = group.of(4);
    left.does(Deed::Leave, None);
    assert_eq!(left.members().len(), 3);
}

#[test]
fn an_invitation_made_without_knowing_of_the_removal_does_not_undo_it() {
    let group = four();
    let (mut one, mut two) = (group.of(1), group.of(2));
    one.does(Deed::Remove, Some(4));
    two.does(Deed::Invite, Some(4));
    assert_eq!(merged(&one, &two).members().len(), 3);
}

#[test]
fn who_may_not_is_not_heard() {
    let mut group = four();
    let mut four = group.of(4);
    four.does(Deed::Remove, Some(1));
    assert_eq!(four.known.void().len(), 1);
    assert_eq!(four.members(), group.members());
    let stranger = write(&group.known, 9, Deed::Leave, None, "");
    assert_eq!(group.known.insert(stranger, open), Err(Refused::Stranger));
    let other = write(&Membership::new([7; 32]), 1, Deed::Leave, None, "");
    assert_eq!(group.known.insert(other, open), Err(Refused::OtherGroup));
    let again = write(&group.known, 1, Deed::Create, None, "another");
    assert_eq!(group.known.insert(again, open), Err(Refused::OtherGroup));
}

/// Checks DC-GROUP-021 (positive, negative).
#[test]
fn names_and_settings_of_both_sides_of_a_partition_count() {
    let group = four();
    let (mut one, mut two) = (group.of(1), group.of(2));
    one.says(Deed::Rename, "climbing");
    one.says(Deed::Policy, "late=20");
    two.says(Deed::Policy, "keep=7d");
    two.says(Deed::Policy, "unknown=yes");
    let roster = merged(&one, &two).known.roster();
    assert_eq!(roster.name, "climbing");
    let policy = Policy {
        keep_s: Some(7 * 86_400),
        late_join: LateJoin::Last(20),
    };
    assert_eq!(roster.policy, policy);
    assert_eq!(roster.members[&peer(3)].name, "member 3");
}
