//! What an observer of the frames sees: who makes the session, and at which stage its messages are.

use dchat_wire::Frame;
use dchat_wire::chat::Stage;

use super::world::{A, B, Crash, World};

/// An envelope on its way: from whom, of which session, at which stage.
type Seen = (usize, [u8; 32], Stage);

/// Delivers frame by frame until nothing is on the way.
fn watch(world: &mut World) -> Vec<Seen> {
    let mut seen = Vec::new();
    while world.sides.iter().any(|side| !side.inbox.is_empty()) {
        for side in [A, B] {
            if let Some(Frame::Envelope(envelope)) = world.sides[side].inbox.front() {
                seen.push((1 - side, envelope.session, envelope.stage));
            }
            world.deliver(side, 1, Crash::No);
        }
    }
    seen
}

/// Checks DC-CHAT-011 (negative), DC-CHAT-020 (positive, negative).
#[test]
fn the_smaller_makes_the_session_and_says_so_until_it_is_answered() {
    let mut world = World::new();
    // The larger has something to say and waits all the same.
    world.write(B, "from the larger", None);
    world.connect();
    let mut seen = watch(&mut world);
    for side in [A, B, A, B] {
        world.write(side, "more", None);
        seen.extend(watch(&mut world));
    }
    assert_eq!(seen[0].0, A);
    assert_eq!(seen[0].2, Stage::Opening);
    let answered = seen.iter().position(|(from, ..)| *from == B).unwrap();
    for (at, (from, session, stage)) in seen.iter().enumerate() {
        assert_eq!(*session, seen[0].1, "one session");
        if *from == B || at > answered + 1 {
            assert_eq!(*stage, Stage::Established, "{at}");
        } else if at < answered {
            assert_eq!(*stage, Stage::Opening, "{at}");
        }
    }
    assert_eq!(world.shown(A)[0], "from the larger");
}

/// Checks DC-CHAT-055 (positive, negative).
#[test]
fn who_is_made_a_session_sends_with_it_although_it_holds_another() {
    let mut world = World::connected();
    let old = *world.sides[B].ledger.sessions.keys().next().unwrap();
    world.disconnect();
    world.sides[A].ledger.sessions.clear();
    world.connect();
    world.write(B, "text", None);
    let seen = watch(&mut world);
    let (from, made, stage) = seen[0];
    assert_eq!((from, stage), (A, Stage::Opening));
    let bs: Vec<&Seen> = seen.iter().filter(|(from, ..)| *from == B).collect();
    assert!(!bs.is_empty() && bs.iter().all(|(_, session, _)| *session == made));
    assert!(
        world.sides[B].ledger.sessions.contains_key(&old),
        "it is still held"
    );
    assert_eq!(world.shown(A), ["text"]);
}

/// Checks DC-CHAT-054 (positive, negative).
#[test]
fn whatever_its_clock_says_a_log_is_read_in_the_order_it_was_written_in() {
    let mut world = World::new();
    let now = world.now;
    let texts = ["now", "in a thousand years", "in 1970", "now again"];
    for (text, at) in texts.iter().zip([now, now * 19, 1, now]) {
        world.now = at;
        world.write(A, text, None);
    }
    world.now = now;
    world.connect();
    world.run();
    assert_eq!(world.shown(B), texts);
    assert_eq!(world.warnings(B), []);
}
