//! A home that was put back to an old copy.

use super::memory::Progress;
use super::world::{A, B, World};
use crate::conversation::{Author, Output, Warning};

/// A world where A wrote `delivered` texts, then went back to a copy made after `copied` of them
/// were delivered and one more was queued.
fn went_back(copied: usize, delivered: usize) -> World {
    let mut world = World::connected();
    for number in 1..=copied {
        world.write(A, &format!("{number:03}"), None);
    }
    world.run();
    world.write(A, &format!("{:03}", copied + 1), None);
    let copy = world.sides[A].ledger.clone();
    for number in copied + 2..=delivered {
        world.write(A, &format!("{number:03}"), None);
    }
    world.run();
    world.disconnect();
    world.sides[A].ledger = copy;
    world
}

/// Checks DC-CHAT-041 (positive), DC-CHAT-059 (positive), DC-CHAT-060 (positive).
#[test]
fn a_copy_that_wrote_nothing_learns_what_was_delivered() {
    let mut world = went_back(3, 9);
    world.connect();
    world.run();
    assert_eq!(world.shown(B).len(), 9);
    let rows: Vec<_> = world.sides[A].ledger.own_rows().collect();
    assert_eq!(rows.len(), 4);
    assert!(rows.iter().all(|row| row.progress == Progress::Delivered));
    let diverged = Warning::Diverged { moved: 0 };
    assert!(world.warnings(A).contains(&diverged));
    world.write(A, "after", None);
    world.run();
    assert_eq!(world.shown(B).last(), Some(&"after"));
    assert_eq!(world.sides[A].ledger.logs.len(), 2);
}

/// Checks DC-CHAT-035 (positive), DC-CHAT-036 (positive), DC-CHAT-060 (negative).
/// Checks DC-CHAT-061 (positive).
#[test]
fn a_copy_that_wrote_on_moves_exactly_what_is_new() {
    for written in [1, 5, 40] {
        let mut world = went_back(3, 20);
        let ids: Vec<_> = (0..written)
            .map(|number| world.write(A, &format!("new {number:03}"), None).id)
            .collect();
        world.connect();
        world.run();
        let shown = world.shown(B);
        assert_eq!(shown.len(), 20 + written);
        assert!(shown.is_sorted_by(|a, b| a < b), "{shown:?}");
        let moved = written as u64;
        assert!(world.warnings(A).contains(&Warning::Diverged { moved }));
        let renamed: Vec<_> = world.sides[A]
            .events
            .iter()
            .filter_map(|event| match event {
                Output::Renamed { from, to } => Some((*from, *to)),
                _ => None,
            })
            .collect();
        let from: Vec<_> = renamed.iter().map(|(from, _)| *from).collect();
        assert_eq!(from, ids);
        for (_, to) in renamed {
            let progress = world.sides[A].ledger.progress_of(&to);
            assert_eq!(progress, Some(Progress::Delivered));
        }
    }
}

/// Checks DC-CHAT-038 (negative).
#[test]
fn a_stub_that_is_moved_to_another_log_keeps_the_hash_its_content_had() {
    let mut world = went_back(3, 20);
    let brief = world.write(A, "brief", Some(1000)).id;
    world.write(A, "lasting", None);
    let rows = world.sides[A].ledger.own_rows();
    let had: Vec<[u8; 32]> = rows
        .filter(|row| row.entry.id == brief)
        .map(|row| row.entry.hash)
        .collect();
    world.now += 1000;
    let now = world.now;
    world.sides[A].ledger.expire(now);
    world.connect();
    world.run();
    assert_eq!(world.shown(B).last(), Some(&"lasting"));
    let log = world.sides[B].ledger.logs.last().unwrap().incarnation;
    let rows = &world.sides[B].ledger.rows;
    let [stub, lasting] = [1, 2].map(|seq| &rows[&(Author::Peer, log, seq)].entry);
    assert_eq!((stub.text.as_ref(), stub.hash), (None, had[0]));
    assert_eq!(lasting.prev, had[0]);
}

#[test]
fn what_was_read_before_the_copy_is_known_to_be_read() {
    let mut world = went_back(3, 9);
    world.connect();
    world.read_all(B);
    world.run();
    let mut rows = world.sides[A].ledger.own_rows();
    assert!(rows.all(|row| row.progress == Progress::Read));
}

/// Checks DC-CHAT-035 (negative), DC-CHAT-036 (negative).
#[test]
fn two_copies_that_take_turns_lose_nothing() {
    let mut world = World::connected();
    world.write(A, "00", None);
    world.run();
    let mut other = world.sides[A].ledger.clone();
    let mut expected = vec!["00".to_owned()];
    for turn in 1..7 {
        world.disconnect();
        core::mem::swap(&mut world.sides[A].ledger, &mut other);
        let text = format!("{turn:02}");
        world.write(A, &text, None);
        expected.push(text);
        world.connect();
        world.run();
    }
    assert_eq!(world.shown(B), expected);
}

/// Checks DC-CHAT-042 (negative).
#[test]
fn a_reader_that_went_back_gets_everything_again() {
    let mut world = World::connected();
    let copy = world.sides[B].ledger.clone();
    for text in ["1", "2", "3"] {
        world.write(A, text, None);
    }
    world.run();
    world.disconnect();
    world.sides[B].ledger = copy;
    world.connect();
    world.run();
    assert_eq!(world.shown(B), ["1", "2", "3"]);
}
