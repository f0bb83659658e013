//! Chat streams of strangers, and those that are replaced, over the same homes.

use dchat_wire::chat::{Envelope, Stage, Undecryptable};

use super::*;
use crate::store::limits::MAX_REQUESTS;

/// Two contacts that are connected, with how the second opened its chat.
fn two() -> (World, Box<Frame>) {
    let world = World::acquainted(&["Ann", "Ben"], |_, _| true);
    let opened = world.opened.get(&(1, World::link(0, 1))).unwrap().clone();
    (world, opened)
}

impl World {
    /// The first home is told of a frame on a chat stream of the second's.
    fn hears(&mut self, stream: u64, frame: &Frame) {
        let link = Self::link(0, 1);
        let frame = Box::new(frame.clone());
        let input = Input::Frame {
            link,
            stream,
            frame,
        };
        self.waiting.push_back((0, input));
        self.run(0);
    }
}

/// A frame that is wrong before CHAT_OPEN and harmless after it.
fn complaint() -> Frame {
    Frame::Undecryptable(Undecryptable {
        session: [7; 32],
        extensions: Default::default(),
    })
}

/// Checks DC-CHAT-065 (positive, negative), DC-CHAT-066 (positive).
/// Checks DC-CONN-037 (positive, negative).
#[test]
fn a_new_chat_stream_replaces_the_one_before_it() {
    let (mut world, opened) = two();
    world.hears(2, &opened);
    world.hears(2, &complaint());
    // Too late to matter, whatever it is.
    world.hears(1, &opened);
    assert_eq!(world.closed, []);
    world.hears(3, &complaint());
    assert_eq!(world.closed, [(0, Code::Unexpected)]);
}

/// Checks DC-CHAT-007 (negative).
#[test]
fn a_chat_stream_is_opened_once() {
    let (mut world, opened) = two();
    world.hears(1, &opened);
    assert_eq!(world.closed, [(0, Code::Unexpected)]);
}

/// The second has asked the first to be a contact.
fn asked() -> World {
    let mut world = World::acquainted(&["Ann", "Ben"], |_, _| false);
    let target = world.homes[0].peer.to_string();
    let added = world.homes[1].call(Request::Add { target, name: None });
    assert!(added.is_ok(), "{added:?}");
    world.run(100);
    world
}

/// Checks DC-CHAT-002 (positive).
#[test]
fn what_a_stranger_sends_behind_its_chat_open_closes_and_what_it_sends_once_accepted_does_not() {
    let envelope = Frame::Envelope(Envelope {
        session: [7; 32],
        stage: Stage::Established,
        message: Bytes::new(vec![3; 90]).unwrap(),
        extensions: Default::default(),
    });
    for frame in [envelope, complaint()] {
        let mut world = asked();
        world.hears(1, &frame);
        assert_eq!(world.closed, [(0, Code::Unexpected)]);
        let answered = world.opened.contains_key(&(0, World::link(0, 1)));
        assert!(!answered, "nothing is said to a stranger");

        let mut world = asked();
        let peer = world.homes[1].peer.to_string();
        let accepted = world.homes[0].call(Request::Accept { peer, name: None });
        assert!(accepted.is_ok(), "{accepted:?}");
        world.hears(1, &frame);
        assert_eq!(world.closed, []);
    }
}

/// Checks DC-CHAT-007 (negative).
#[test]
fn a_stranger_opens_its_chat_stream_once_too() {
    let mut world = asked();
    let opened = world.opened.get(&(1, World::link(0, 1))).unwrap().clone();
    world.hears(2, &opened);
    assert_eq!(world.closed, []);
    world.hears(2, &opened);
    assert_eq!(world.closed, [(0, Code::Unexpected)]);
}

/// Checks DC-CHAT-066 (negative).
#[test]
fn a_peer_that_replaces_its_chat_stream_without_end_is_left() {
    let (mut world, opened) = two();
    for stream in 2..=8 {
        world.hears(stream, &opened);
    }
    assert_eq!(world.closed, []);
    world.hears(9, &opened);
    assert_eq!(world.closed, [(0, Code::Limit)]);
}

/// Checks DC-CHAT-003 (negative).
#[test]
fn who_asks_when_as_many_ask_as_may_is_left() {
    let mut world = World::acquainted(&["Ann", "Ben"], |_, _| false);
    let filed = world.homes[0].engine.store.transaction("fills", |tx| {
        for n in 0..MAX_REQUESTS as u8 {
            tx.file_request(&[n | 0x80; 32], None, now())?;
        }
        Ok::<(), StoreError>(())
    });
    filed.unwrap();
    let target = world.homes[0].peer.to_string();
    let added = world.homes[1].call(Request::Add { target, name: None });
    assert!(added.is_ok(), "{added:?}");
    world.run(100);
    assert_eq!(world.closed, [(0, Code::Limit)]);
}
