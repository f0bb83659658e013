//! Coming and going.

use dchat_gossip::membership::Standing;
use dchat_wire::codec;
use dchat_wire::group::{LateJoin, Operation, Policy};

use super::world::{World, peer};
use crate::group::{ActError, Event};

/// Checks DC-GROUP-022 (positive, negative).
#[test]
fn an_invitation_shows_name_and_policy_and_can_be_accepted() {
    let mut world = World::new(3);
    assert!(world.one(1).sets("late=5"));
    assert!(world.one(1).invites(2));
    world.post(1, 2);
    let two = world.one(2);
    assert_eq!(two.group.standing(), Some(Standing::Invited));
    assert_eq!(two.group.roster().name, "the group");
    let policy = Policy {
        late_join: LateJoin::Last(5),
        keep_s: None,
    };
    assert_eq!(two.group.roster().policy, policy);
    let invited = Event::Invited {
        peer: peer(2),
        by: Some(peer(1)),
    };
    assert_eq!(
        two.events,
        [invited],
        "and no word of how the group came to be"
    );
    assert_eq!(two.says("not yet"), None);
    assert!(two.accepts());
    world.post(2, 1);
    let one = world.one(1);
    assert!(one.events.contains(&Event::Joined { peer: peer(2) }));
    assert_eq!(one.group.roster().members[&peer(2)].name, "name");
    assert!(world.one(1).says("welcome").is_some());
    world.settle(&|_, _| true);
    assert_eq!(world.one(2).shown(), ["welcome"]);
}

#[test]
fn an_invitation_can_be_turned_down() {
    let mut world = World::new(2);
    assert!(world.one(1).invites(2));
    world.post(1, 2);
    assert!(world.one(2).leaves());
    world.post(2, 1);
    assert!(world.one(1).events.contains(&Event::Left { peer: peer(2) }));
    assert!(!world.one(2).accepts());
    assert!(world.one(1).invites(2), "and be made again");
}

#[test]
fn what_may_not_be_done_is_refused_with_its_reason() {
    let mut world = World::joined(3);
    let refused = world
        .one(2)
        .does(|group, ledger, me| group.remove(ledger, me, peer(3), 1));
    assert!(matches!(refused, Err(ActError::NotAdmin)));
    let twice = world
        .one(1)
        .does(|group, ledger, me| group.invite(ledger, me, peer(3), 1));
    assert!(matches!(twice, Err(ActError::AlreadyThere)));
    let nobody = world
        .one(1)
        .does(|group, ledger, me| group.promote(ledger, me, peer(9), 1));
    assert!(matches!(nobody, Err(ActError::NotThere)));
    assert!(world.one(1).promotes(2));
    let again = world
        .one(1)
        .does(|group, ledger, me| group.promote(ledger, me, peer(2), 1));
    assert!(matches!(again, Err(ActError::AlreadyAdmin)));
    let again = world
        .one(1)
        .does(|group, ledger, me| group.accept(ledger, me, "", &[5; 32], 1));
    assert!(matches!(again, Err(ActError::NotInvited)));
}

/// Checks DC-GROUP-025 (positive, negative).
#[test]
fn a_removed_member_is_told_and_can_do_nothing_more() {
    let mut world = World::joined(4);
    assert!(world.one(1).removes(4));
    world.post(1, 4);
    let four = world.one(4);
    assert_eq!(four.group.standing(), None);
    let removed = Event::Removed {
        peer: peer(4),
        by: Some(peer(1)),
    };
    assert!(four.events.contains(&removed));
    assert_eq!(four.says("still here"), None);
    assert!(four.ledger.outbound.is_none());
    assert!(!four.leaves());
}

/// Checks DC-GROUP-024 (positive, negative).
#[test]
fn who_asks_to_be_let_in_again_is_told_why_not_by_anybody() {
    let mut world = World::joined(4);
    assert!(world.one(1).removes(4));
    world.settle(&|_, other| other != 4);
    assert!(world.one(1).invites(9));
    world.settle(&|_, other| other != 4);
    assert!(world.one(2).group.farewell(&peer(3)).is_empty());
    assert!(world.one(2).group.farewell(&peer(8)).is_empty());
    let told = world.one(2).group.farewell(&peer(4));
    let four = world.one(4);
    for frame in &told {
        let heard = four
            .group
            .receive_operations(&mut four.ledger, frame)
            .unwrap();
        assert!(!heard.is_bad);
    }
    four.drain();
    assert_eq!(four.group.standing(), None);
    assert!(
        !four.group.roster().members.contains_key(&peer(9)),
        "and no more"
    );
}

#[test]
fn a_group_has_at_most_256_members_invited_ones_included() {
    let mut world = World::new(1);
    let one = world.one(1);
    for number in 0..255_u8 {
        let whom = dchat_wire::sign::Identity::from_seed(&[number; 32]).peer_id();
        if whom != peer(1) {
            let invited = one.does(|group, ledger, me| group.invite(ledger, me, whom, 1));
            assert!(invited.is_ok(), "{number}: {invited:?}");
        }
    }
    let last = |seed| dchat_wire::sign::Identity::from_seed(&[seed; 32]).peer_id();
    assert!(
        one.does(|group, ledger, me| group.invite(ledger, me, last(255), 1))
            .is_ok()
    );
    let mut seed = [0; 32];
    seed[0] = 1;
    let one_more = dchat_wire::sign::Identity::from_seed(&seed).peer_id();
    let refused = one.does(|group, ledger, me| group.invite(ledger, me, one_more, 1));
    assert!(matches!(refused, Err(ActError::Full)));
}

#[test]
fn who_leaves_is_gone_for_everybody() {
    let mut world = World::joined(4);
    assert!(world.one(3).says("bye").is_some());
    world.settle(&|_, _| true);
    assert!(world.one(3).leaves());
    world.post(3, 1);
    world.settle(&|_, _| true);
    for number in [1, 2, 4] {
        let member = world.one(number);
        assert!(member.events.contains(&Event::Left { peer: peer(3) }));
        assert_eq!(member.shown(), ["bye"]);
    }
}

/// Checks DC-GROUP-019 (negative), DC-GROUP-024 (negative).
#[test]
fn two_sides_of_a_partition_end_with_one_history_and_the_removed_reads_nothing_later() {
    let mut world = World::joined(5);
    let split = |one: u8, other: u8| (one <= 2) == (other <= 2);
    assert!(world.one(1).says("together").is_some());
    world.settle(&|_, _| true);
    // 1 and 2 remove 5, who is with 3 and 4; both sides talk on.
    assert!(world.one(1).removes(5));
    world.settle(&split);
    assert!(world.one(2).says("without five").is_some());
    assert!(world.one(3).says("with five").is_some());
    assert!(world.one(5).says("from five, unseen by one").is_some());
    world.settle(&split);
    let mut shown = world.one(4).shown();
    shown.sort_unstable();
    assert_eq!(shown, ["from five, unseen by one", "together", "with five"]);
    world.settle(&|_, _| true);
    assert!(world.one(4).says("healed").is_some());
    world.settle(&|_, _| true);
    let history = world.one(1).history().len();
    for number in 1..=4 {
        let member = world.one(number);
        let mut shown = member.shown();
        shown.sort_unstable();
        assert_eq!(shown, ["healed", "together", "with five", "without five"]);
        assert_eq!(member.history().len(), history);
        assert!(!member.group.roster().members.contains_key(&peer(5)));
    }
    let five = world.one(5);
    assert!(
        !five
            .texts
            .values()
            .any(|text| text == "without five" || text == "healed")
    );
}

#[test]
fn a_restart_changes_nothing() {
    let mut world = World::joined(3);
    assert!(world.one(2).says("before").is_some());
    world.settle(&|_, _| true);
    for number in 1..=3 {
        let roster = world.one(number).group.roster().clone();
        world.one(number).restarts();
        assert_eq!(world.one(number).group.roster(), &roster);
    }
    assert!(world.one(2).says("after").is_some());
    world.settle(&|_, _| true);
    assert_eq!(world.one(3).shown(), ["before", "after"]);
}

/// Checks DC-GROUP-011 (positive), DC-GROUP-012 (positive).
#[test]
fn a_newcomer_of_a_large_group_is_told_everything_it_needs() {
    let mut world = World::new(3);
    for number in 0..150 {
        assert!(
            world
                .one(1)
                .sets(if number % 2 == 0 { "late=7" } else { "late=8" })
        );
    }
    assert!(world.one(1).invites(2));
    world.post(1, 2);
    assert!(world.one(2).accepts());
    world.post(2, 1);
    assert!(world.one(1).invites(3));
    world.settle(&|_, _| true);
    assert!(world.one(3).accepts());
    world.settle(&|_, _| true);
    let rosters: Vec<_> = (1..=3)
        .map(|number| world.one(number).group.roster().clone())
        .collect();
    assert_eq!(rosters[0], rosters[1]);
    assert_eq!(rosters[0], rosters[2]);
    assert_eq!(world.one(2).group.len(), 155);
}

/// Checks DC-GROUP-008 (negative).
#[test]
fn of_more_than_sixteen_logs_a_removal_names_those_with_the_greatest_sequences() {
    let mut world = World::joined(2);
    let author = {
        let two = world.one(2);
        two.group.author(&mut two.ledger).unwrap().unwrap()
    };
    // As many copies of the second's home, each of which wrote one item more than the one before it.
    let one = world.one(1);
    for log in 1..=20_u8 {
        one.holds(&author, log, u32::from(log) + 1);
    }
    assert!(one.removes(2));
    let removal: Operation =
        codec::decode(one.ledger.operations.last().unwrap().body.as_slice()).unwrap();
    let cut = removal.cut.as_slice();
    let mut sequences: Vec<u32> = cut.iter().map(|log| log.seq).collect();
    sequences.sort_unstable();
    assert_eq!(sequences, Vec::from_iter(6..=21));
    assert!(cut.is_sorted_by(|one, other| one.log < other.log));
}
