//! Whose the logs are, and how far they count.

use dchat_gossip::membership::Refused;
use dchat_wire::group::{Cut, Deed, LogCut, Operation};

use crate::replica::{four, key, merged, open, peer, signed, write};

/// Checks DC-GROUP-009 (negative).
#[test]
fn what_a_removed_member_wrote_counts_as_far_as_the_remover_had_seen() {
    let mut group = four();
    assert_eq!(group.counts(4, 1, 7), Some(u32::MAX));
    group.ends(Deed::Remove, Some(4), &[(7, 12)]);
    assert_eq!(group.counts(4, 1, 7), Some(12));
    assert_eq!(group.counts(4, 1, 8), Some(0), "a log nobody had seen");
    let roster = group.known.roster();
    assert_eq!(roster.writer(&key(4, 1), &[7; 16], 12), Some(&peer(4)));
    assert_eq!(roster.writer(&key(4, 1), &[7; 16], 13), None);
}

#[test]
fn of_two_removals_the_lower_number_counts() {
    let group = four();
    let (mut one, mut two) = (group.of(1), group.of(2));
    one.ends(Deed::Remove, Some(4), &[(7, 12), (8, 3)]);
    two.ends(Deed::Remove, Some(4), &[(7, 9)]);
    let both = merged(&one, &two);
    assert_eq!(
        (both.counts(4, 1, 7), both.counts(4, 1, 8)),
        (Some(9), Some(0))
    );
}

#[test]
fn a_removal_that_is_void_cuts_nothing() {
    let group = four();
    let (mut one, mut two) = (group.of(1), group.of(2));
    one.ends(Deed::Remove, Some(2), &[]);
    two.ends(Deed::Remove, Some(4), &[(7, 9)]);
    two.ends(Deed::Remove, Some(1), &[]);
    let both = merged(&one, &two);
    assert_eq!(both.counts(4, 1, 7), Some(u32::MAX));
    assert_eq!(both.counts(1, 1, 7), Some(u32::MAX));
    assert_eq!(both.counts(2, 1, 7), Some(0));
}

/// Checks DC-GROUP-004 (positive).
#[test]
fn who_comes_again_writes_with_another_key_and_only_the_old_one_is_cut() {
    let mut group = four();
    group.ends(Deed::Remove, Some(4), &[(7, 12)]);
    group.adds(4);
    assert_eq!(group.counts(4, 1, 7), Some(12));
    assert_eq!(group.counts(4, 2, 7), Some(u32::MAX));
    let mut gone = group.of(4);
    gone.ends(Deed::Leave, None, &[(9, 20)]);
    assert_eq!(gone.counts(4, 1, 7), Some(12));
    assert_eq!(gone.counts(4, 2, 9), Some(20));
}

#[test]
fn of_two_who_take_one_key_the_first_writes_with_it_and_the_other_ends_nothing() {
    let mut group = four();
    group.does(Deed::Invite, Some(5));
    let mut thief = group.of(5);
    let taken = write(&thief.known, 5, Deed::Accept, None, "");
    let mut operation = open(&taken).unwrap();
    operation.seat.as_mut().unwrap().key = key(4, 1);
    let taken = signed(&operation);
    thief.known.insert(taken, open).unwrap();
    thief.ends(Deed::Leave, None, &[]);
    let both = merged(&group, &thief);
    let roster = both.known.roster();
    assert_eq!(roster.writer(&key(4, 1), &[7; 16], 99), Some(&peer(4)));
    assert!(!roster.members.contains_key(&peer(5)));
}

/// Checks DC-GROUP-004 (negative).
#[test]
fn a_key_is_not_taken_twice() {
    let mut group = four();
    group.ends(Deed::Remove, Some(4), &[]);
    group.does(Deed::Invite, Some(4));
    let again = write(&group.known, 4, Deed::Accept, None, "");
    let mut operation = open(&again).unwrap();
    operation.seat.as_mut().unwrap().key = key(4, 1);
    let again = signed(&operation);
    assert_eq!(group.known.insert(again, open), Err(Refused::OldKey));
}

#[test]
fn a_seat_and_a_cut_stand_only_where_they_mean_something() {
    let mut group = four();
    let with = |change: fn(&mut Operation), deed, subject| {
        let made = write(&group.known, 1, deed, subject, "");
        let mut operation = open(&made).unwrap();
        change(&mut operation);
        signed(&operation)
    };
    let cut = |operation: &mut Operation| {
        operation.cut = Cut::new(vec![LogCut {
            log: [1; 16],
            seq: 1,
        }]);
    };
    let seatless = |operation: &mut Operation| operation.seat = None;
    let wrong = [
        with(cut, Deed::Invite, Some(5)),
        with(seatless, Deed::Accept, None),
    ];
    for signed in wrong {
        assert_eq!(group.known.insert(signed, open), Err(Refused::Shape));
    }
}
