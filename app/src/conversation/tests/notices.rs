//! What travels between two and is no text.

use dchat_wire::codec::{Bytes, List};
use dchat_wire::extension::Extensions;
use dchat_wire::limits;
use dchat_wire::parcel::{Content, entry_kind};

use super::world::{A, B, Crash, World};
use crate::conversation::{ComposeError, Input, Notice, Output, compose_notice};

const KIND: u16 = entry_kind::GROUP_KEYS;

fn write(world: &mut World, side: usize, body: &[u8]) {
    write_of(world, side, KIND, body);
}

fn write_of(world: &mut World, side: usize, kind: u16, body: &[u8]) {
    let (pair, now) = (world.sides[side].pair, world.now);
    let ledger = &mut world.sides[side].ledger;
    compose_notice(ledger, &pair, kind, body, &[7; 16], now).unwrap();
}

/// Delivers all that is on the way to `side`, and returns what came that is no text.
fn receive(world: &mut World, side: usize) -> Vec<Notice> {
    let now = world.now;
    let frames: Vec<_> = world.sides[side].inbox.drain(..).collect();
    let mut notices = Vec::new();
    world.transact(side, Crash::No, |chat, ledger| {
        for frame in frames {
            chat.handle_input(ledger, Input::Frame(frame), now).unwrap();
        }
        notices = chat.take_notices();
    });
    notices
}

#[test]
fn a_notice_arrives_once_among_texts_in_order_and_nobody_is_shown_it() {
    let mut world = World::new();
    world.write(A, "before", None);
    let body: Vec<u8> = (0..=255).collect();
    write(&mut world, A, &body);
    world.write(A, "after", None);
    world.connect();
    let mut notices = Vec::new();
    for _ in 0..20 {
        notices.extend(receive(&mut world, B));
        assert!(receive(&mut world, A).is_empty());
    }
    assert_eq!(notices, [Notice { kind: KIND, body }]);
    assert_eq!(world.shown(B), ["before", "after"]);
    world.connect();
    for _ in 0..20 {
        assert!(receive(&mut world, B).is_empty());
        receive(&mut world, A);
    }
    let messages = world.sides[B].events.iter();
    let messages = messages.filter(|event| matches!(event, Output::Message(_)));
    assert_eq!(messages.count(), 2);
    assert_eq!(world.warnings(B), []);
}

#[test]
fn a_notice_that_is_too_long_is_not_taken() {
    let mut world = World::new();
    let (pair, now) = (world.sides[A].pair, world.now);
    let body = vec![0; limits::TEXT];
    let refused = compose_notice(
        &mut world.sides[A].ledger,
        &pair,
        KIND,
        &body,
        &[7; 16],
        now,
    );
    assert!(matches!(refused, Err(ComposeError::TooLong { .. })));
    let body = vec![0; limits::TEXT / 4 * 3];
    compose_notice(
        &mut world.sides[A].ledger,
        &pair,
        KIND,
        &body,
        &[7; 16],
        now,
    )
    .unwrap();
}

#[test]
fn debug_does_not_show_a_notice() {
    let notice = Notice {
        kind: KIND,
        body: vec![0xab; 3],
    };
    assert_eq!(format!("{notice:?}"), "Notice(kind 3, 3 bytes)");
}

/// Checks DC-CHAT-028 (positive, negative).
#[test]
fn an_entry_of_an_unknown_kind_takes_its_place_and_is_not_shown() {
    let mut world = World::new();
    write_of(&mut world, A, 77, b"from the future");
    world.write(A, "behind it", None);
    world.connect();
    let mut notices = Vec::new();
    for _ in 0..20 {
        notices.extend(receive(&mut world, B));
        receive(&mut world, A);
    }
    assert_eq!(notices, []);
    assert_eq!(world.shown(B), ["behind it"]);
    let told = world.sides[B].events.iter();
    let told = told.filter(|event| matches!(event, Output::Message(_)));
    assert_eq!(told.count(), 1);
    assert_eq!(world.sides[B].ledger.logs[0].last_seq, 2);
    assert_eq!(world.sides[A].ledger.logs[0].acked, 2);
}

/// Checks DC-CHAT-028 (negative).
#[test]
fn a_kind_that_is_not_known_is_no_notice() {
    let content = |kind| Content {
        sent_at: 0,
        expires_at: None,
        heads: List::default(),
        kind,
        body: Bytes::new(vec![1]).unwrap(),
        extensions: Extensions::default(),
    };
    let entry = |kind| dchat_wire::parcel::Entry {
        incarnation: [1; 16],
        seq: 1,
        prev: [0; 32],
        hash: [0; 32],
        content: Some(content(kind)),
    };
    let known = |kind| crate::conversation::entry::notice(&entry(kind)).is_some();
    assert!(known(entry_kind::GROUP_OPERATIONS) && known(entry_kind::GROUP_KEYS));
    assert!(!known(entry_kind::TEXT) && !known(77) && !known(0));
}
