//! What somebody may say in a room: who is let in, whose an item is, and who is heard no more.

use dchat_gossip::Item;
use dchat_gossip::range::{Archive, Key};
use dchat_wire::gossip::{GossipOpen, GossipPush, GossipRange, ItemHeader, SignedItem};
use dchat_wire::room::{RoomBody, RoomKey, RoomName, author};
use dchat_wire::sign::Purpose;
use dchat_wire::{List, Text};

use super::*;

/// A peer that says whatever the test wants.
struct Stranger {
    person: Identity,
    key: RoomKey,
}

impl Stranger {
    fn new() -> Self {
        let name = RoomName::new("lobby").unwrap();
        Self {
            person: Identity::from_seed(&[66; 32]),
            key: RoomKey::derive(&name, None).unwrap(),
        }
    }

    /// The tag with which it opens the room to `home`.
    fn tag(&self, home: &Home) -> [u8; 32] {
        self.key.open_tag(&self.person.peer_id(), &home.peer)
    }

    fn arrive(&self, home: &mut Home, tag: [u8; 32]) {
        let up = Input::Up {
            link: 9,
            peer: self.person.peer_id(),
            rooms: Some("/ip4/192.0.2.6/udp/6/quic-v1".parse().unwrap()),
        };
        home.engine.batch(vec![up], false);
        self.open(home, 2, tag);
    }

    fn open(&self, home: &mut Home, stream: StreamId, tag: [u8; 32]) {
        let frame = Frame::GossipOpen(GossipOpen {
            room: tag,
            nonce: 1,
            answer: false,
            alone: true,
            extensions: Default::default(),
        });
        self.send_on(home, stream, frame);
    }

    fn send(&self, home: &mut Home, frame: Frame) {
        self.send_on(home, 2, frame);
    }

    fn send_on(&self, home: &mut Home, stream: StreamId, frame: Frame) {
        let input = Input::RoomFrame {
            link: 9,
            stream,
            frame: Box::new(frame),
        };
        home.engine.batch(vec![input], false);
    }

    fn push(&self, home: &mut Home, item: SignedItem) {
        self.send(
            home,
            Frame::GossipPush(GossipPush {
                hops: 0,
                item: Box::new(item),
            }),
        );
    }

    fn header(&self, seq: u32, prev: [u8; 32]) -> ItemHeader {
        ItemHeader {
            author: [0; 32],
            incarnation: [6; 16],
            seq,
            prev,
            lamport: now().unsigned_abs() + u64::from(seq),
            sent_at: now().unsigned_abs(),
            keep_s: 0,
            floor: 0,
            heads: List::default(),
            kind: 1,
            body_len: 0,
            body_hash: [0; 32],
            extensions: Default::default(),
        }
    }

    fn body(&self, text: &str) -> RoomBody {
        let room = self.key.room();
        let content = Bytes::new(text.as_bytes().to_vec()).unwrap();
        let name = Text::new("Mallory".to_owned()).unwrap();
        RoomBody::new(&self.person, &room, name, content)
    }

    fn seal(&self, header: ItemHeader, body: &RoomBody) -> SignedItem {
        let key = author(&self.person, &self.key.room());
        self.key.seal(&key, header, body)
    }
}

#[test]
fn streams_that_are_over_are_forgotten() {
    let mut alice = Home::new("Alice");
    alice.join("lobby");
    let stranger = Stranger::new();
    let tag = stranger.tag(&alice);
    stranger.arrive(&mut alice, tag);
    for stream in (4..400).step_by(2) {
        stranger.open(&mut alice, stream, tag);
        let stream = stream - 2;
        let ended = Input::StreamEnded { stream };
        alice.engine.batch(vec![ended], false);
    }
    let rooms = &alice.engine.session.rooms;
    // The one Alice opened herself, and the newest.
    assert_eq!(rooms.streams.len(), 2);
    let room = rooms.rooms.values().next().unwrap();
    assert_eq!(room.node.neighbours().count(), 1);
}

/// Checks DC-GOSSIP-007 (negative), DC-GOSSIP-009 (negative).
#[test]
fn nobody_is_let_in_with_a_tag_that_was_made_for_another() {
    let mut alice = Home::new("Alice");
    alice.join("lobby");
    let stranger = Stranger::new();
    let bob = Identity::from_seed(&[7; 32]).peer_id();
    let tag = stranger.key.open_tag(&bob, &alice.peer);
    stranger.arrive(&mut alice, tag);
    let mut left = false;
    while let Ok(effect) = alice.effects.try_recv() {
        if let Effect::RoomFrame {
            stream: 2, frame, ..
        } = effect
        {
            assert!(matches!(frame, Frame::GossipLeave(_)), "{frame:?}");
            left = true;
        }
    }
    assert!(left);
    stranger.push(
        &mut alice,
        stranger.seal(stranger.header(1, [0; 32]), &stranger.body("hi")),
    );
    assert!(alice.texts().is_empty());
}

/// Checks DC-GOSSIP-028 (negative).
#[test]
fn an_item_speaks_for_the_person_it_names_alone() {
    let mut alice = Home::new("Alice");
    alice.join("lobby");
    let stranger = Stranger::new();
    let tag = stranger.tag(&alice);
    stranger.arrive(&mut alice, tag);
    let bob = Identity::from_seed(&[7; 32]).peer_id();
    let mut lie = stranger.body("I am Bob");
    lie.author = bob;
    let first = stranger.seal(stranger.header(1, [0; 32]), &lie);
    let prev = dchat_wire::gossip::item_hash(&stranger.key.room(), &first.header);
    stranger.push(&mut alice, first);
    // Kept, so that all have the same, and shown to nobody.
    assert!(alice.texts().is_empty());
    let second = stranger.seal(stranger.header(2, prev), &stranger.body("I am myself"));
    let prev = dchat_wire::gossip::item_hash(&stranger.key.room(), &second.header);
    stranger.push(&mut alice, second);
    let mut third = stranger.seal(stranger.header(3, prev), &stranger.body("changed"));
    third.signature[0] ^= 1;
    stranger.push(&mut alice, third);
    let events = alice.events();
    let messages: Vec<_> = events
        .iter()
        .filter_map(|event| match event {
            Event::Message(message) => Some((message.from.clone(), message.text.as_str())),
            _ => None,
        })
        .collect();
    assert_eq!(
        messages,
        [(stranger.person.peer_id().to_string(), "I am myself")]
    );
    assert_eq!(alice.texts(), ["I am myself"]);
}

#[test]
fn a_log_that_two_identities_share_is_the_first_ones() {
    let mut alice = Home::new("Alice");
    alice.join("lobby");
    let stranger = Stranger::new();
    let room = stranger.key.room();
    let tag = stranger.tag(&alice);
    stranger.arrive(&mut alice, tag);
    let first = stranger.seal(stranger.header(1, [0; 32]), &stranger.body("mine"));
    let prev = dchat_wire::gossip::item_hash(&room, &first.header);
    stranger.push(&mut alice, first);
    // Another identity vouches for the same key.
    let other = Identity::from_seed(&[7; 32]);
    let key = author(&stranger.person, &room).peer_id();
    let mut body = stranger.body("mine too");
    body.author = other.peer_id();
    body.statement = other.sign(Purpose::RoomAuthor, &[room, *key.public_key()].concat());
    assert!(body.verify(&room, key.public_key()).is_ok());
    let second = stranger.seal(stranger.header(2, prev), &body);
    let prev = dchat_wire::gossip::item_hash(&room, &second.header);
    stranger.push(&mut alice, second);
    let third = stranger.seal(stranger.header(3, prev), &stranger.body("still mine"));
    stranger.push(&mut alice, third);
    assert_eq!(alice.texts(), ["mine", "still mine"]);
    let mut alice = alice.restart("Alice");
    assert_eq!(alice.texts(), ["mine", "still mine"]);
    assert_eq!(
        alice
            .engine
            .session
            .rooms
            .rooms
            .values()
            .next()
            .unwrap()
            .authors
            .len(),
        1
    );
}

/// Checks DC-GOSSIP-023 (negative), DC-GOSSIP-024 (positive).
#[test]
fn who_contradicts_itself_is_heard_no_more_and_others_are() {
    let mut alice = Home::new("Alice");
    alice.join("lobby");
    alice.say("mine");
    let stranger = Stranger::new();
    let tag = stranger.tag(&alice);
    stranger.arrive(&mut alice, tag);
    for text in ["one thing", "another"] {
        let item = stranger.seal(stranger.header(1, [0; 32]), &stranger.body(text));
        stranger.push(&mut alice, item);
    }
    assert_eq!(alice.texts(), ["mine"]);
    let told = alice.events().into_iter().any(
        |event| matches!(event, Event::Error { message, .. } if message.contains("one place")),
    );
    assert!(told);
    let alice = alice.restart("Alice");
    let room = alice.engine.session.rooms.rooms.values().next().unwrap();
    let closed = room.node.frontier().iter().filter(|(_, tip)| tip.closed);
    assert_eq!(closed.count(), 1);
}

/// What a home sent in rooms since the last look.
fn frames(home: &mut Home) -> Vec<Frame> {
    let effects = core::iter::from_fn(|| home.effects.try_recv().ok());
    let frames = effects.filter_map(|effect| match effect {
        Effect::RoomFrame { frame, .. } => Some(frame),
        _ => None,
    });
    frames.collect()
}

/// Checks DC-GOSSIP-046 (positive).
#[test]
fn who_compares_ranges_is_sent_the_newest_and_then_told_what_is_held() {
    let mut alice = Home::new("Alice");
    alice.join("lobby");
    for text in ["one", "two", "three"] {
        alice.say(text);
    }
    let stranger = Stranger::new();
    let tag = stranger.tag(&alice);
    stranger.arrive(&mut alice, tag);
    frames(&mut alice);
    let everything = Archive::default().span(7, Key::FIRST, Key::END);
    let range = GossipRange {
        salt: 7,
        spans: List::first_of([everything]),
        newest: 3,
        extensions: Default::default(),
    };
    stranger.send(&mut alice, Frame::GossipRange(range));
    let said = frames(&mut alice);
    let Some((Frame::GossipSpans(spans), pushed)) = said.split_last() else {
        panic!("{said:?}");
    };
    let room = stranger.key.room();
    let item = |frame: &Frame| match frame {
        Frame::GossipPush(push) => Item::new(&room, (*push.item).clone()).unwrap(),
        other => panic!("{other:?}"),
    };
    let items: Vec<_> = pushed.iter().map(item).collect();
    let seqs: Vec<u32> = items.iter().map(|item| item.seq()).collect();
    assert_eq!(seqs, [3, 2, 1]);
    let row: Archive = items.iter().map(|item| Key::of(item)).collect();
    let whole = row.span(7, Key::FIRST, Key::END);
    assert_eq!(spans.spans.as_slice(), [whole]);
}
