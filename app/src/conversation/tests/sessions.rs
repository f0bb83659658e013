//! Which session is used, and what happens when one is lost.

use std::convert::Infallible;

use dchat_wire::Frame;
use dchat_wire::chat::{ChatOpen, Stage, Undecryptable};
use dchat_wire::codec::{List, Text};
use dchat_wire::extension::Extensions;

use super::world::{A, B, Crash, World};
use crate::conversation::exchange::MAX_RENEWALS;
use crate::conversation::{Error, Input, Misbehaviour, Output, Warning};
use crate::e2ee::{AcceptError, Device, SessionId};

fn sessions(world: &World, side: usize) -> usize {
    world.sides[side].ledger.sessions.len()
}

/// Checks DC-CHAT-010 (positive), DC-CHAT-011 (positive), DC-CHAT-018 (positive).
/// Checks DC-CHAT-055 (positive).
#[test]
fn the_first_meeting_makes_one_session_that_lasts() {
    let mut world = World::connected();
    for _ in 0..3 {
        world.connect();
        world.run();
    }
    assert_eq!((sessions(&world, A), sessions(&world, B)), (1, 1));
}

/// Checks DC-CHAT-010 (negative), DC-CHAT-058 (positive).
#[test]
fn a_session_that_one_side_lost_is_replaced() {
    for side in [A, B] {
        let mut world = World::connected();
        world.write(A, "before", None);
        world.disconnect();
        world.sides[side].ledger.sessions.clear();
        world.connect();
        world.write(B, "during", None);
        world.run();
        assert_eq!(world.shown(A), ["during"]);
        assert_eq!(world.shown(B), ["before"]);
    }
}

/// Checks DC-CHAT-024 (positive), DC-CHAT-056 (positive).
#[test]
fn a_session_lost_in_mid_connection_is_renewed_and_all_is_sent_again() {
    let mut world = World::connected();
    // A's memory of the session goes back, as a copied home's would.
    let old = world.sides[B].ledger.sessions.clone();
    for text in ["1", "2", "3"] {
        world.write(A, text, None);
        world.run();
        world.write(B, text, None);
        world.run();
    }
    world.disconnect();
    world.sides[B].ledger.sessions = old;
    world.connect();
    world.write(A, "4", None);
    world.write(B, "4", None);
    world.run();
    assert_eq!(world.shown(A), ["1", "2", "3", "4"]);
    assert_eq!(world.shown(B), ["1", "2", "3", "4"]);
    let warnings = [world.warnings(A), world.warnings(B)].concat();
    assert!(warnings.contains(&Warning::Renewed));
}

#[test]
fn a_damaged_session_is_dropped_and_replaced() {
    for side in [A, B] {
        let mut world = World::connected();
        world.disconnect();
        for stored in world.sides[side].ledger.sessions.values_mut() {
            stored.state = b"damaged".to_vec().into();
        }
        world.connect();
        world.write(A, "a", None);
        world.write(B, "b", None);
        world.run();
        assert_eq!((world.shown(A), world.shown(B)), (vec!["b"], vec!["a"]));
        assert!(world.warnings(side).contains(&Warning::SessionLost));
    }
}

/// Checks DC-CHAT-024 (negative).
#[test]
fn an_opening_for_a_fallback_key_that_is_gone_is_cured_by_the_current_record() {
    let mut world = World::connected();
    world.disconnect();
    // B makes new keys between the opening of the chat and A's first message.
    for side in [A, B] {
        world.sides[side].ledger.sessions.clear();
    }
    world.connect();
    world.sides[B].ledger.device = None;
    let identity = world.sides[B].identity.clone();
    let now = world.now;
    crate::conversation::publish_device(&mut world.sides[B].ledger, &identity, now).unwrap();
    world.write(A, "a", None);
    // The record A has names keys that B has not: every renewal fails until the connection ends.
    let mut asked = 0;
    while world.sides[B].chat.is_some() && asked < 3 {
        world.deliver(B, 1, super::world::Crash::No);
        world.deliver(A, 1, super::world::Crash::No);
        asked += 1;
    }
    let unknown = Warning::Undecryptable(AcceptError::UnknownFallback);
    assert!(world.warnings(B).contains(&unknown));
    world.connect();
    world.run();
    assert_eq!(world.shown(B), ["a"]);
}

#[test]
fn sessions_stay_within_their_bound() {
    let mut world = World::connected();
    for _ in 0..12 {
        world.disconnect();
        world.sides[A].ledger.sessions.clear();
        world.now += 1;
        world.connect();
        world.run();
    }
    assert!(sessions(&world, B) <= dchat_wire::limits::SESSIONS);
    world.write(A, "a", None);
    world.run();
    assert_eq!(world.shown(B), ["a"]);
}

/// A wrote "lost" in a session of its own, B has made another since, and A sends with that one. Gives
/// the name of the first.
fn overtaken() -> (World, SessionId) {
    let mut world = World::connected();
    world.write(A, "lost", None);
    world.sides[B].inbox.clear();
    let first = *world.sides[A].ledger.sessions.keys().next().unwrap();
    complain(&mut world, B, first);
    world.deliver(A, 10, Crash::No);
    world.run();
    assert_eq!((sessions(&world, A), sessions(&world, B)), (2, 2));
    assert!(world.shown(B).is_empty(), "nobody has asked for it");
    world.sides[B].events.clear();
    (world, first)
}

/// Tells a side that the other cannot decrypt what came in a session.
fn complain(world: &mut World, side: usize, session: SessionId) {
    let now = world.now;
    world.transact(side, Crash::No, |chat, ledger| {
        let frame = Frame::Undecryptable(Undecryptable {
            session: session.0,
            extensions: Extensions::default(),
        });
        chat.handle_input(ledger, Input::Frame(frame), now).unwrap();
    });
}

/// Checks DC-CHAT-057 (positive).
#[test]
fn what_was_lost_in_an_earlier_session_is_sent_again_in_the_one_in_use() {
    let (mut world, first) = overtaken();
    complain(&mut world, A, first);
    assert_eq!(world.sides[B].inbox.len(), 2, "frontiers, then the entry");
    world.run();
    assert_eq!(world.shown(B), ["lost"]);
    assert!(world.warnings(B).is_empty());
}

/// Checks DC-CHAT-057 (negative).
#[test]
fn a_complaint_about_an_earlier_session_makes_no_further_one() {
    let (mut world, first) = overtaken();
    complain(&mut world, A, first);
    for frame in &world.sides[B].inbox {
        let Frame::Envelope(envelope) = frame else {
            panic!("no envelope: {frame:?}");
        };
        assert_eq!(envelope.stage, Stage::Established);
        assert_ne!(envelope.session, first.0);
    }
    world.run();
    assert_eq!((sessions(&world, A), sessions(&world, B)), (2, 2));
    // What was acknowledged since then is not sent once more.
    complain(&mut world, A, first);
    assert!(world.sides[B].inbox.is_empty(), "it was answered before");
}

/// Gives A a CHAT_OPEN of B's that lists no session, as the first frame of a new stream.
fn replace_stream(world: &mut World) -> Result<(), Error<Infallible>> {
    let state = world.sides[B].ledger.device.clone().unwrap();
    let device = Device::from_state(&state).unwrap();
    let now = world.now;
    world.transact(A, Crash::No, |chat, ledger| {
        chat.handle_input(ledger, Input::Replaced, now).unwrap();
    });
    world.feed(Frame::ChatOpen(ChatOpen {
        name: Text::default(),
        invite: None,
        device: device.record().unwrap().clone(),
        sessions: List::default(),
        extensions: Extensions::default(),
    }))
}

/// Checks DC-CHAT-064 (positive), DC-CONN-037 (positive).
#[test]
fn a_chat_stream_that_replaces_another_begins_the_chat_again() {
    let mut world = World::connected();
    world.sides[A].events.clear();
    replace_stream(&mut world).unwrap();
    // The side that leads makes a session, since none is listed, and says its frontiers in it.
    let sent: Vec<&Frame> = world.sides[A].events.iter().filter_map(frame).collect();
    let [Frame::Envelope(opening)] = sent[..] else {
        panic!("one envelope, not {sent:?}");
    };
    assert_eq!(opening.stage, Stage::Opening);
    assert_eq!(sessions(&world, A), 2);
}

fn frame(output: &Output) -> Option<&Frame> {
    match output {
        Output::Send(frame) => Some(frame),
        _ => None,
    }
}

#[test]
fn replacing_the_chat_stream_makes_no_more_sessions_than_asking_for_them() {
    let mut world = World::connected();
    for _ in 0..MAX_RENEWALS {
        replace_stream(&mut world).unwrap();
    }
    let error = replace_stream(&mut world).unwrap_err();
    assert!(
        matches!(error, Error::Peer(Misbehaviour::TooManyRenewals)),
        "{error}"
    );
}
