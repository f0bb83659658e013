//! Sessions: who is told which, when there is a new one, and what they open.

use dchat_wire::codec;
use dchat_wire::group::{GroupKeys, SealedBody};
use dchat_wire::parcel::entry_kind;

use super::world::{World, peer};
use crate::e2ee::OutboundSession;
use crate::group::{MAX_AGE, MAX_MESSAGES, Opened};

fn session(world: &mut World, number: u8) -> [u8; 32] {
    let stored = world.one(number).ledger.outbound.clone().unwrap();
    OutboundSession::from_state(&stored.state).unwrap().id().0
}

/// Checks DC-GROUP-016 (positive).
#[test]
fn a_session_is_told_once_to_everybody_and_before_it_is_used() {
    let mut world = World::joined(4);
    assert!(world.one(1).says("one").is_some());
    for number in 2..=4 {
        let letters = &world.one(1).letters[&peer(number)];
        assert_eq!(letters.len(), 1);
        assert_eq!(letters[0].0, entry_kind::GROUP_KEYS);
        let keys: GroupKeys = codec::decode(&letters[0].1).unwrap();
        assert_eq!(keys.sessions.len(), 1);
    }
    assert!(world.one(1).says("two").is_some());
    assert_eq!(world.one(1).letters[&peer(2)].len(), 1);
}

/// Checks DC-GROUP-018 (positive).
#[test]
fn a_session_ends_after_a_hundred_items() {
    let mut world = World::joined(2);
    assert!(world.one(1).says("first").is_some());
    let first = session(&mut world, 1);
    for _ in 1..MAX_MESSAGES {
        assert!(world.one(1).says("more").is_some());
    }
    assert_eq!(session(&mut world, 1), first);
    assert!(world.one(1).says("the next").is_some());
    assert_ne!(session(&mut world, 1), first);
    world.settle(&|_, _| true);
    assert_eq!(world.one(2).shown().len(), 101);
}

/// Checks DC-GROUP-018 (positive).
#[test]
fn a_session_ends_after_seven_days_and_when_the_clock_went_back() {
    let mut world = World::joined(2);
    assert!(world.one(1).says_at("now", 1000).is_some());
    let first = session(&mut world, 1);
    assert!(world.one(1).says_at("almost", 999 + MAX_AGE).is_some());
    assert_eq!(session(&mut world, 1), first);
    assert!(
        world
            .one(1)
            .says_at("a week later", 1000 + MAX_AGE)
            .is_some()
    );
    let second = session(&mut world, 1);
    assert_ne!(second, first);
    assert!(world.one(1).says_at("before all that", 5).is_some());
    assert_ne!(session(&mut world, 1), second);
}

/// Checks DC-GROUP-018 (positive), DC-GROUP-019 (positive).
#[test]
fn a_session_ends_when_anybody_goes_even_who_never_was_told_it() {
    let mut world = World::joined(4);
    assert!(world.one(2).says("one").is_some());
    world.settle(&|_, _| true);
    let first = session(&mut world, 2);
    assert!(world.one(1).invites(9));
    world.settle(&|_, _| true);
    assert_eq!(session(&mut world, 2), first, "nobody went");
    assert!(world.one(3).leaves());
    world.settle(&|_, _| true);
    assert!(world.one(2).ledger.outbound.is_none());
    assert!(world.one(2).says("two").is_some());
    assert_ne!(session(&mut world, 2), first);
    assert!(!world.one(2).letters.contains_key(&peer(3)));
}

/// Checks DC-GROUP-016 (negative).
#[test]
fn who_goes_and_comes_again_is_not_told_what_was_said_between() {
    let mut world = World::joined(3);
    assert!(world.one(2).says("one").is_some());
    world.settle(&|_, _| true);
    assert!(world.one(1).removes(3));
    world.settle(&|_, _| true);
    assert!(world.one(2).says("two").is_some());
    assert!(world.one(1).invites(3));
    world.settle(&|_, _| true);
    assert!(world.one(3).accepts());
    world.settle(&|_, _| true);
    assert!(world.one(2).says("three").is_some());
    world.settle(&|_, _| true);
    assert_eq!(world.one(3).shown(), ["one", "three"]);
    assert_eq!(world.one(1).shown(), ["one", "two", "three"]);
}

/// What a newcomer reads of ten messages, of which `policy` lets it read some.
fn read_by_a_newcomer(policy: &str) -> Vec<String> {
    let mut world = World::joined(3);
    assert!(world.one(1).sets(policy));
    world.settle(&|_, _| true);
    for number in 0..10_u8 {
        let author = 1 + number % 3;
        assert!(world.one(author).says(&number.to_string()).is_some());
        world.settle(&|_, _| true);
    }
    let mut late = World::new(4).members.remove(3);
    late.group =
        crate::group::Group::load(&mut late.ledger, *world.one(1).group.id(), peer(4)).unwrap();
    world.members.push(late);
    assert!(world.one(1).invites(4));
    world.settle(&|_, _| true);
    assert!(world.one(4).accepts());
    world.settle(&|_, _| true);
    assert!(world.one(2).says("hello four").is_some());
    world.settle(&|_, _| true);
    assert_eq!(world.one(4).history().len(), 11, "all is held, read or not");
    world
        .one(4)
        .shown()
        .into_iter()
        .map(str::to_owned)
        .collect()
}

/// Checks DC-GROUP-020 (negative).
#[test]
fn a_newcomer_reads_nothing_from_before_by_default() {
    assert_eq!(read_by_a_newcomer("late=none"), ["hello four"]);
}

/// Checks DC-GROUP-020 (positive).
#[test]
fn a_newcomer_reads_the_last_few_where_the_policy_says_so() {
    let read = read_by_a_newcomer("late=4");
    assert_eq!(read, ["6", "7", "8", "9", "hello four"]);
}

/// Checks DC-GROUP-020 (positive).
#[test]
fn a_newcomer_reads_everything_where_the_policy_says_so() {
    assert_eq!(read_by_a_newcomer("late=all").len(), 11);
}

/// Checks DC-GROUP-014 (positive).
#[test]
fn an_item_waits_for_its_key() {
    let mut world = World::joined(2);
    assert!(world.one(1).says("early").is_some());
    world.meet(1, 2);
    assert_eq!(world.one(2).shown(), Vec::<&str>::new());
    assert_eq!(world.one(2).history().len(), 1);
    world.post(1, 2);
    assert_eq!(world.one(2).shown(), ["early"]);
}

/// Checks DC-GROUP-014 (negative).
#[test]
fn nobody_reads_with_a_session_under_the_name_of_another() {
    let mut world = World::joined(3);
    assert!(world.one(1).says("mine").is_some());
    world.settle(&|_, _| true);
    // 2 says the session of 1 is its own, and 3 gets an item of 2 that copies the body of 1.
    let item = world.one(1).ledger.items.values().next().unwrap().clone();
    let stolen = world.one(2).ledger.sessions[0].2;
    let keys = GroupKeys {
        group: *world.one(1).group.id(),
        sessions: codec::List::first_of([stolen]),
        extensions: Default::default(),
    };
    world
        .one(3)
        .hears(&peer(2), entry_kind::GROUP_KEYS, &codec::encode(&keys));
    let three = world.one(3);
    let Opened::Text { from, .. } = three.group.open(&mut three.ledger, &item).unwrap() else {
        panic!("not read");
    };
    assert_eq!(from, peer(1));
    let held = three
        .ledger
        .sessions
        .iter()
        .filter(|(of, ..)| *of == peer(1));
    assert_eq!(held.count(), 1);
}

#[test]
fn a_later_key_does_not_take_the_place_of_an_earlier_one() {
    let mut world = World::joined(2);
    assert!(world.one(1).says("one").is_some());
    world.settle(&|_, _| true);
    let held = world.one(2).ledger.sessions.clone();
    let stored = world.one(1).ledger.outbound.clone().unwrap();
    let later = OutboundSession::from_state(&stored.state).unwrap().reader();
    let keys = GroupKeys {
        group: *world.one(1).group.id(),
        sessions: codec::List::first_of([*later.export().unwrap()]),
        extensions: Default::default(),
    };
    world
        .one(2)
        .hears(&peer(1), entry_kind::GROUP_KEYS, &codec::encode(&keys));
    assert!(world.one(2).ledger.sessions == held);
}

/// Checks DC-GROUP-017 (positive, negative).
#[test]
fn a_stranger_can_leave_only_a_few_keys() {
    let mut world = World::joined(2);
    let strangers: Vec<_> = (0..300)
        .map(|_| {
            *OutboundSession::generate()
                .unwrap()
                .reader()
                .export()
                .unwrap()
        })
        .collect();
    let before = world.one(2).ledger.sessions.len();
    let keys = GroupKeys {
        group: *world.one(1).group.id(),
        sessions: codec::List::first_of(strangers),
        extensions: Default::default(),
    };
    world
        .one(2)
        .hears(&peer(9), entry_kind::GROUP_KEYS, &codec::encode(&keys));
    let added = world.one(2).ledger.sessions.len() - before;
    assert_eq!(added, crate::group::MAX_STRANGE_SESSIONS);
}

#[test]
fn a_sealed_body_names_its_session_and_not_its_text() {
    let mut world = World::joined(2);
    assert!(world.one(1).says("a text nobody else reads").is_some());
    let item = world.one(1).ledger.items.values().next().unwrap().clone();
    let body = item.signed().body.as_ref().unwrap().as_slice().to_vec();
    let sealed: SealedBody = codec::decode(&body).unwrap();
    assert_eq!(sealed.session, session(&mut world, 1));
    assert!(!body.windows(4).any(|part| part == b"text"));
}
