//! Two peers who behave.

use dchat_wire::Frame;
use dchat_wire::limits;

use super::memory::Progress;
use super::world::{A, B, Crash, World};
use crate::conversation::entry::{OVERHEAD, to_wire};
use crate::conversation::{ComposeError, Draft, LogEntry, Output, State, compose, window};

/// Checks DC-CHAT-007 (positive), DC-CHAT-008 (positive), DC-CHAT-009 (positive).
/// Checks DC-CHAT-027 (positive), DC-CHAT-044 (positive), DC-CHAT-045 (positive).
/// Checks DC-CHAT-048 (positive), DC-CHAT-050 (positive), DC-CHAT-062 (positive).
/// Checks DC-CHAT-063 (positive).
#[test]
fn a_message_is_delivered_then_read() {
    let mut world = World::connected();
    let id = world.write(A, "你好", None).id;
    assert_eq!(
        world.sides[A].ledger.progress_of(&id),
        Some(Progress::Queued)
    );
    world.run();
    assert_eq!(world.shown(B), ["你好"]);
    world.read_all(B);
    world.run();
    let states = [State::Delivered, State::Read].map(|state| Output::StateChanged { id, state });
    assert_eq!(world.sides[A].events, states);
    let Some(Output::Message(message)) = world.sides[B].events.last() else {
        panic!("a message");
    };
    assert_eq!((message.id, message.seq), (id, 1));
}

/// Checks DC-CHAT-032 (positive), DC-CHAT-039 (positive), DC-CHAT-040 (positive).
/// Checks DC-CHAT-042 (positive).
#[test]
fn what_was_written_apart_arrives_on_meeting() {
    let mut world = World::new();
    for text in ["a", "b", "c"] {
        world.write(A, text, None);
        world.write(B, text, None);
    }
    world.connect();
    world.run();
    assert_eq!(world.shown(A), ["a", "b", "c"]);
    assert_eq!(world.shown(B), ["a", "b", "c"]);
}

/// Checks DC-CHAT-039 (positive, negative).
#[test]
fn the_first_parcel_of_who_waited_for_the_session_has_no_entries_either() {
    let mut world = World::new();
    world.write(B, "written before", None);
    world.connect();
    // Openings and A's frontiers: B has all it needs to send what it wrote.
    for side in [A, B] {
        world.deliver(side, 9, Crash::No);
    }
    assert_eq!(world.sides[A].inbox.len(), 2);
    world.deliver(A, 1, Crash::No);
    assert_eq!(world.shown(A), [""; 0]);
    world.deliver(A, 1, Crash::No);
    assert_eq!(world.shown(A), ["written before"]);
}

/// Checks DC-CHAT-049 (positive).
#[test]
fn a_batch_travels_in_full_parcels_and_is_acknowledged_once() {
    let mut world = World::new();
    for number in 0..200 {
        world.write(A, &format!("{number}"), None);
    }
    world.connect();
    // Openings, A's frontiers, B's frontiers.
    for side in [A, B, A] {
        world.deliver(side, 9, Crash::No);
    }
    assert_eq!(
        world.sides[B].inbox.len(),
        200_usize.div_ceil(limits::PARCEL_ENTRIES)
    );
    world.deliver(B, 9, Crash::No);
    assert_eq!(world.shown(B).len(), 200);
    assert_eq!(world.sides[A].inbox.len(), 1);
}

/// Checks DC-CHAT-049 (negative), DC-CHAT-059 (negative).
#[test]
fn acknowledgements_are_not_acknowledged() {
    let mut world = World::connected();
    world.write(A, "a", None);
    world.deliver(B, 1, Crash::No);
    world.deliver(A, 1, Crash::No);
    assert!(world.sides[B].inbox.is_empty());
}

/// Checks DC-CHAT-043 (positive, negative).
#[test]
fn no_more_is_on_the_way_than_the_window_allows() {
    let mut world = World::connected();
    for _ in 0..window::ENTRIES + 100 {
        world.write(A, "x", None);
    }
    assert_eq!(world.sides[B].inbox.len(), window::ENTRIES);
    world.run();
    assert_eq!(world.shown(B).len(), window::ENTRIES + 100);
}

/// Checks DC-CHAT-043 (positive, negative).
#[test]
fn no_more_bytes_are_on_the_way_than_the_window_allows() {
    let mut world = World::connected();
    let text = "x".repeat(limits::TEXT);
    for _ in 0..20 {
        world.write(A, &text, None);
    }
    assert_eq!(
        world.sides[B].inbox.len(),
        window::BYTES / (limits::TEXT + OVERHEAD)
    );
    world.run();
    assert_eq!(world.shown(B).len(), 20);
}

#[test]
fn the_size_an_entry_is_counted_with_is_not_less_than_its_encoding() {
    for text in ["", "x", &"x".repeat(limits::TEXT)] {
        let entry = LogEntry {
            seq: 1,
            id: [1; 16],
            prev: [2; 32],
            hash: [3; 32],
            kind: 1,
            text: Some(text.to_owned()),
            sent_at: 1,
            expires_at: Some(5),
        };
        let size = dchat_wire::encode(&to_wire(&entry, &[4; 16], 2)).len();
        assert!(size <= text.len() + OVERHEAD);
    }
}

/// Checks DC-CHAT-038 (positive), DC-CHAT-052 (positive).
#[test]
fn a_message_that_expired_before_it_was_sent_travels_as_a_stub() {
    let mut world = World::new();
    let brief = world.write(A, "brief", Some(1000)).id;
    world.write(A, "lasting", None);
    world.now += 1000;
    let now = world.now;
    world.sides[A].ledger.expire(now);
    world.connect();
    world.run();
    assert_eq!(world.shown(B), ["lasting"]);
    assert_eq!(
        world.sides[A].ledger.progress_of(&brief),
        Some(Progress::Failed)
    );
    assert_eq!(world.sides[B].ledger.logs[0].last_seq, 2);
}

/// Checks DC-CHAT-053 (positive).
#[test]
fn a_message_that_expires_on_the_way_is_kept_as_a_stub() {
    let mut world = World::connected();
    world.write(A, "brief", Some(1000));
    world.now += 1000;
    world.run();
    assert!(world.shown(B).is_empty());
    assert_eq!(world.sides[B].ledger.logs[0].last_seq, 1);
}

/// Checks DC-CHAT-025 (negative), DC-CHAT-047 (negative).
/// Checks DC-CHAT-048 (negative).
#[test]
fn nothing_is_sent_when_the_transaction_is_not_committed() {
    let mut world = World::connected();
    world.write(A, "a", None);
    world.deliver(B, 1, Crash::BeforeCommit);
    assert!(world.shown(B).is_empty());
    world.connect();
    world.run();
    assert_eq!(world.shown(B), ["a"]);
}

/// Checks DC-CHAT-033 (negative), DC-CHAT-051 (negative), DC-CONN-042 (negative).
#[test]
fn frames_lost_after_the_commit_are_sent_again() {
    let mut world = World::connected();
    world.write(A, "a", None);
    world.disconnect();
    world.connect();
    world.run();
    assert_eq!(world.shown(B), ["a"]);
    let envelopes = |frame: &Frame| matches!(frame, Frame::Envelope(_));
    assert!(!world.sides[B].inbox.iter().any(envelopes));
}

/// Checks DC-CHAT-027 (negative).
#[test]
fn a_text_over_the_limit_is_not_queued() {
    let mut world = World::new();
    let (pair, now) = (world.sides[A].pair, world.now);
    let text = "x".repeat(limits::TEXT + 1);
    let draft = Draft {
        text: &text,
        expires_at: None,
    };
    let refused = compose(&mut world.sides[A].ledger, &pair, &draft, &[1; 16], now);
    assert!(matches!(refused, Err(ComposeError::TooLong { .. })));
    assert!(world.sides[A].ledger.logs.is_empty());
}

#[test]
fn a_message_that_is_due_already_is_not_queued() {
    let mut world = World::new();
    let (pair, now) = (world.sides[A].pair, world.now);
    let draft = Draft {
        text: "late",
        expires_at: Some(now),
    };
    let refused = compose(&mut world.sides[A].ledger, &pair, &draft, &[1; 16], now);
    assert!(matches!(refused, Err(ComposeError::Expired)));
}

/// Checks DC-CHAT-064 (positive, negative).
#[test]
fn a_new_chat_stream_of_the_same_connection_begins_the_chat_again() {
    let mut world = World::connected();
    world.write(A, "1", None);
    world.run();
    world.write(A, "2", None);
    world.write(B, "on the stream that is replaced", None);
    world.reopen();
    world.write(A, "3", None);
    world.write(B, "after it", None);
    world.run();
    assert_eq!(world.shown(B), ["1", "2", "3"]);
    let both = ["on the stream that is replaced", "after it"];
    assert_eq!(world.shown(A), both);
    world.write(A, "4", None);
    world.reopen();
    world.run();
    assert_eq!(world.shown(B), ["1", "2", "3", "4"]);
    assert_eq!(world.shown(A), both, "nothing comes twice");
    let sessions = [A, B].map(|side| world.sides[side].ledger.sessions.len());
    assert_eq!(sessions, [1, 1], "the session goes on");
}
