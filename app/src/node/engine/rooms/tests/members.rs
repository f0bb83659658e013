//! What members of a room get of each other: at once, after restarts, in parts, and for how long.

use dchat_wire::gossip::{ItemHeader, Parting};
use dchat_wire::room::{RoomKey, RoomName};

use super::*;

/// Checks DC-GOSSIP-050 (positive).
#[test]
fn a_message_is_delivered_when_another_member_has_stored_it() {
    let mut world = World::new(&["Alice", "Bob"]);
    world.homes.iter_mut().for_each(|home| home.join("lobby"));
    let alone = world.homes[0].say("alone");
    world.run(1000);
    assert!(!delivered(&world.homes[0].events(), &alone));
    world.connect(0, 1);
    world.run(2000);
    assert!(delivered(&world.homes[0].events(), &alone));
    let together = world.homes[0].say("together");
    world.run(100);
    assert!(delivered(&world.homes[0].events(), &together));
    assert_eq!(said(&world.homes[1].events()), ["alone", "together"]);
}

/// Checks DC-GOSSIP-013 (positive), DC-GOSSIP-016 (positive, negative).
#[test]
fn what_is_written_follows_what_was_written_before_also_when_the_clock_went_back() {
    let mut world = World::new(&["Alice", "Bob"]);
    world.homes.iter_mut().for_each(|home| home.join("lobby"));
    world.connect(0, 1);
    world.run(2000);
    for text in ["1", "2", "3"] {
        world.homes[0].say(text);
        world.run(500);
    }
    NOW.set(now() - HOUR);
    world.homes[0].say("4");
    world.run(2000);
    let pushed = world.sent.iter().filter_map(|(from, frame)| match frame {
        Frame::GossipPush(push) if *from == 0 => Some(&push.item.header),
        _ => None,
    });
    let headers: Vec<&ItemHeader> = pushed.collect();
    assert_eq!(headers.len(), 4);
    let room = RoomKey::derive(&RoomName::new("lobby").unwrap(), None).unwrap();
    for pair in headers.windows(2) {
        let (one, next) = (pair[0], pair[1]);
        assert_eq!(next.seq, one.seq + 1);
        assert_eq!(next.prev, dchat_wire::gossip::item_hash(&room.room(), one));
        assert!(next.lamport > one.lamport && next.sent_at >= one.sent_at);
        assert!(next.floor >= one.floor && next.floor <= next.seq);
    }
}

/// Checks DC-GOSSIP-014 (negative).
#[test]
fn what_could_not_be_stored_is_sent_to_nobody() {
    let mut world = World::new(&["Alice", "Bob"]);
    world.homes.iter_mut().for_each(|home| home.join("lobby"));
    world.connect(0, 1);
    world.run(2000);
    world.sent.clear();
    let (to, _reply) = oneshot::channel();
    let say = Request::Send {
        to: "#lobby".to_owned(),
        text: "never said".to_owned(),
        ttl_s: None,
        token: None,
    };
    world.homes[0].fail(vec![Input::Call(Box::new(say), to)]);
    world.run(5000);
    let pushed = |(_, frame): &(usize, Frame)| matches!(frame, Frame::GossipPush(_));
    assert!(!world.sent.iter().any(pushed));
    world.homes[0].say("said");
    world.run(2000);
    for home in &mut world.homes {
        assert_eq!(home.texts(), ["said"]);
    }
}

#[test]
fn what_a_failed_batch_did_never_happened_and_is_made_up_for() {
    let mut world = World::new(&["Alice", "Bob"]);
    world.homes.iter_mut().for_each(|home| home.join("lobby"));
    world.connect(0, 1);
    world.run(2000);
    let id = world.homes[0].say("hello");
    assert!(world.carry());
    let lost: Vec<Input> = core::mem::take(&mut world.waiting)
        .into_iter()
        .map(|(home, input)| {
            assert_eq!(home, 1);
            input
        })
        .collect();
    assert!(!lost.is_empty());
    world.homes[1].fail(lost);
    assert!(said(&world.homes[1].events()).is_empty());
    assert!(world.homes[1].texts().is_empty());
    assert!(!delivered(&world.homes[0].events(), &id));
    world.run(20_000);
    assert_eq!(said(&world.homes[1].events()), ["hello"]);
    assert!(delivered(&world.homes[0].events(), &id));
}

/// Checks DC-GOSSIP-013 (positive), DC-GOSSIP-014 (positive).
#[test]
fn who_restarts_goes_on_where_it_was() {
    let mut world = World::new(&["Alice", "Bob"]);
    world.homes.iter_mut().for_each(|home| home.join("lobby"));
    world.connect(0, 1);
    world.run(2000);
    world.homes[0].say("1");
    world.run(500);
    world.homes[1].say("2");
    world.run(500);
    world.disconnect(0, 1);
    world.run(100);
    world.homes[1].say("3");
    let bob = world.homes.remove(1);
    world.homes.push(bob.restart("Bob"));
    assert_eq!(world.homes[1].texts(), ["1", "2", "3"]);
    world.homes[1].say("4");
    world.connect(0, 1);
    world.run(5000);
    assert_eq!(world.homes[0].texts(), ["1", "2", "3", "4"]);
}

/// Checks DC-GOSSIP-009 (positive, negative).
#[test]
fn who_is_not_in_the_room_says_so_and_is_not_asked_again_for_a_while() {
    let mut world = World::new(&["Alice", "Bob"]);
    world.homes[0].join("lobby");
    world.homes[1].join("den");
    world.connect(0, 1);
    world.run(120_000);
    assert_eq!((world.opens(0), world.opens(1)), (1, 1));
    let unknown = world.sent.iter().filter(|(_, frame)| {
        matches!(frame, Frame::GossipLeave(leave) if leave.reason == Parting::UnknownRoom)
    });
    assert_eq!(unknown.count(), 2);
    // Whoever joins later asks by itself.
    world.homes[1].join("lobby");
    world.homes[0].say("hello");
    world.run(2000);
    assert_eq!(world.homes[1].texts(), ["hello"]);
}

/// Checks DC-GOSSIP-043 (positive).
#[test]
fn much_that_is_asked_for_is_sent_in_parts() {
    let mut world = World::new(&["Alice", "Bob"]);
    world.homes.iter_mut().for_each(|home| home.join("lobby"));
    let long = "x".repeat(20_000);
    for number in 0..150 {
        world.homes[0].say(&format!("{number} {long}"));
    }
    world.run(100);
    world.connect(0, 1);
    world.run(60_000);
    assert_eq!(world.homes[1].texts().len(), 150);
    // What counts as much, what was loaded at once beyond it, and of each the item that was too much.
    let most = 2 * (256 + 24) * 1024;
    assert!(world.most_bytes < most, "{}", world.most_bytes);
}

/// Checks DC-GOSSIP-022 (positive).
#[test]
fn what_is_beyond_the_window_is_gone_and_the_room_goes_on() {
    let mut world = World::new(&["Alice", "Bob"]);
    world.homes.iter_mut().for_each(|home| home.join("lobby"));
    world.connect(0, 1);
    world.run(2000);
    world.homes[0].say("yesterday");
    world.run(500);
    for _ in 0..28 {
        NOW.set(now() + HOUR);
        world.run(100);
    }
    for home in &mut world.homes {
        assert!(home.texts().is_empty());
    }
    world.homes[0].say("today");
    world.run(2000);
    assert_eq!(world.homes[1].texts(), ["today"]);
    let logs = |home: &Home| {
        let room = home.engine.session.rooms.rooms.values().next().unwrap();
        (room.node.frontier().len(), room.authors.len())
    };
    assert_eq!(logs(&world.homes[0]), (1, 1));
    assert_eq!(logs(&world.homes[1]), (1, 1));
}

/// Checks DC-GOSSIP-006 (positive, negative), DC-GOSSIP-051 (positive, negative).
#[test]
fn a_home_that_was_copied_writes_another_log() {
    let mut world = World::new(&["Alice", "Bob"]);
    world.homes.iter_mut().for_each(|home| home.join("lobby"));
    world.homes[0].say("1");
    let alice = world.homes.remove(0);
    let [alice, copy] = alice.copied("Alice");
    world.homes.insert(0, alice);
    world.connect(0, 1);
    world.run(2000);
    world.homes[0].say("2");
    world.run(2000);
    assert_eq!(world.homes[1].texts(), ["1", "2"]);
    world.disconnect(0, 1);
    world.run(100);
    // The copy comes instead.
    world.homes[0] = copy;
    world.connect(0, 1);
    world.run(5000);
    world.homes[0].say("3");
    world.run(2000);
    for home in &mut world.homes {
        assert_eq!(home.texts(), ["1", "2", "3"]);
    }
}

#[test]
fn who_is_named_in_a_room_is_told_by_the_name_it_has_then() {
    let mut world = World::new(&["Alice", "Bob"]);
    world.homes.iter_mut().for_each(|home| home.join("lobby"));
    world.connect(0, 1);
    world.run(2000);
    world.homes[0].say("@bob one");
    world.run(500);
    let name = "Robert".to_owned();
    assert!(world.homes[1].call(Request::SetName { name }).is_ok());
    world.homes[0].say("@bob two");
    world.homes[0].say("@robert three");
    world.run(500);
    let rooms = world.homes[1].call(Request::Rooms);
    let Ok(Reply::Rooms(rooms)) = rooms else {
        panic!("{rooms:?}");
    };
    assert_eq!((rooms[0].unread, rooms[0].mentions), (3, 2));
    let status = world.homes[1].call(Request::Status);
    assert!(
        matches!(&status, Ok(Reply::Status(status)) if status.mentions == 2),
        "{status:?}"
    );
}
