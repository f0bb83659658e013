//! Rooms: what follows from a name and a secret, and what is sealed in items.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

mod support;

use dchat_wire::codec::{Bytes, Text};
use dchat_wire::gossip::{ItemHeader, SignedItem, body_hash, item_message};
use dchat_wire::parcel::entry_kind;
use dchat_wire::room::{BadSecret, FalseAuthor, RoomBody, RoomKey, RoomName, Unopened, author};
use dchat_wire::sign::{self, Identity, Purpose};
use dchat_wire::{PeerId, limits};
use support::{gossip, samples};

const SECRET: &[u8] = b"0123456789abcdef";

fn key_of(name: &str, secret: Option<&[u8]>) -> RoomKey {
    RoomKey::derive(&RoomName::new(name).unwrap(), secret).unwrap()
}

fn lobby() -> RoomKey {
    key_of("lobby", None)
}

fn says(person: &Identity, room: &RoomKey, text: &str) -> RoomBody {
    RoomBody::new(
        person,
        &room.room(),
        Text::new("Ann").unwrap(),
        Bytes::new(text.into()).unwrap(),
    )
}

fn item(room: &RoomKey) -> SignedItem {
    let person = samples::identity(1);
    let key = author(&person, &room.room());
    room.seal(&key, gossip::header(), &says(&person, room, "你好"))
}

/// Checks DC-GOSSIP-005 (negative).
#[test]
fn everything_of_a_room_depends_on_its_name_and_secret() {
    let (one, other) = (samples::peer(1), samples::peer(2));
    let rooms = [
        lobby(),
        key_of("lounge", None),
        key_of("lobby", Some(SECRET)),
        key_of("lobby", Some(b"0123456789abcdeF")),
    ];
    for (at, room) in rooms.iter().enumerate() {
        for before in &rooms[..at] {
            assert_ne!(room.room(), before.room());
            assert_ne!(room.rendezvous(), before.rendezvous());
            assert_ne!(room.open_tag(&one, &other), before.open_tag(&one, &other));
            assert_eq!(room.open(&item(before)), Err(Unopened::NotSealed));
        }
    }
    assert_eq!(lobby(), key_of("#LOBBY", None));
}

#[test]
fn nobody_can_show_the_tag_of_another() {
    let room = lobby();
    let (ann, bob, eve) = (samples::peer(1), samples::peer(2), samples::peer(3));
    let shown = room.open_tag(&ann, &bob);
    for (from, to) in [(&bob, &ann), (&eve, &bob), (&ann, &eve), (&bob, &eve)] {
        assert_ne!(room.open_tag(from, to), shown);
    }
}

/// Checks DC-GOSSIP-003 (positive, negative).
#[test]
fn a_secret_is_long_and_ends_before_its_lines_end() {
    let key = key_of("lobby", Some(SECRET));
    assert_eq!(key_of("lobby", Some(b"0123456789abcdef\n")), key);
    assert_eq!(key_of("lobby", Some(b"0123456789abcdef\r\n")), key);
    assert_ne!(key_of("lobby", Some(b"0123456789abcdef ")), key);
    let name = RoomName::new("lobby").unwrap();
    for (secret, len) in [
        (vec![b'x'; 15], 15),
        (vec![b'\n'; 99], 0),
        (vec![1; 1025], 1025),
    ] {
        assert_eq!(
            RoomKey::derive(&name, Some(&secret)).unwrap_err(),
            BadSecret { len }
        );
    }
}

/// Checks DC-GOSSIP-019 (positive), DC-GOSSIP-028 (positive).
#[test]
fn an_item_says_what_was_sealed_in_it() {
    let (room, person) = (lobby(), samples::identity(1));
    let item = item(&room);
    let body = room.open(&item).unwrap();
    assert_eq!(body, says(&person, &room, "你好"));
    assert_eq!(body.verify(&room.room(), &item.header.author), Ok(()));
    assert_eq!(body.author, person.peer_id());
    assert_ne!(&item.header.author, person.peer_id().public_key());
    let signer = PeerId::from_public_key(item.header.author).unwrap();
    let message = item_message(&room.room(), &item.header);
    assert!(sign::verify(&signer, Purpose::Item, &message, &item.signature).is_ok());
}

/// Whatever part of the header is another one, the body is of another item.
#[test]
fn a_body_is_sealed_for_one_header() {
    let (room, item) = (lobby(), item(&lobby()));
    let changes: [fn(&mut ItemHeader); 9] = [
        |header| header.author[0] ^= 1,
        |header| header.incarnation[0] ^= 1,
        |header| header.seq += 1,
        |header| header.prev[0] ^= 1,
        |header| header.lamport += 1,
        |header| header.sent_at += 1,
        |header| header.keep_s += 1,
        |header| header.floor += 1,
        |header| header.kind = entry_kind::TEXT + 1,
    ];
    for change in changes {
        let mut moved = item.clone();
        change(&mut moved.header);
        assert_eq!(room.open(&moved), Err(Unopened::NotSealed));
    }
}

#[test]
fn a_body_that_is_none_is_told_apart_from_one_of_another_key() {
    let room = lobby();
    let item = item(&room);
    let stub = SignedItem {
        body: None,
        ..item.clone()
    };
    assert_eq!(room.open(&stub), Err(Unopened::Stub));
    let mut sealed = item.body.clone().unwrap().into_vec();
    *sealed.last_mut().unwrap() ^= 1;
    let damaged = SignedItem {
        body: Some(Bytes::new(sealed).unwrap()),
        ..item
    };
    assert_eq!(room.open(&damaged), Err(Unopened::NotSealed));
    let empty = SignedItem {
        body: Some(Bytes::default()),
        ..damaged
    };
    assert_eq!(room.open(&empty), Err(Unopened::NotSealed));
}

#[test]
fn nobody_speaks_for_another() {
    let room = lobby();
    let (ann, eve) = (samples::identity(1), samples::identity(2));
    let said = says(&ann, &room, "hello");
    let key = author(&ann, &room.room());
    let eves = author(&eve, &room.room());
    let (key, eves) = (key.peer_id(), eves.peer_id());
    assert_eq!(said.verify(&room.room(), key.public_key()), Ok(()));
    // Eve repeats Ann's statement under a key of her own, or puts Ann's name before hers.
    assert_eq!(
        said.verify(&room.room(), eves.public_key()),
        Err(FalseAuthor)
    );
    let claim = RoomBody {
        author: ann.peer_id(),
        ..says(&eve, &room, "hello")
    };
    assert_eq!(
        claim.verify(&room.room(), eves.public_key()),
        Err(FalseAuthor)
    );
    let elsewhere = key_of("lounge", None).room();
    assert_eq!(said.verify(&elsewhere, key.public_key()), Err(FalseAuthor));
}

/// The header with the longest body fits where a body may be.
#[test]
fn the_longest_message_can_be_sealed() {
    let (room, person) = (lobby(), samples::identity(1));
    let key = author(&person, &room.room());
    let mut longest = says(&person, &room, "");
    longest.name = Text::new("x".repeat(limits::NAME)).unwrap();
    longest.content = Bytes::new(vec![b'x'; limits::TEXT]).unwrap();
    let item = room.seal(&key, gossip::header(), &longest);
    let body = item.body.as_ref().unwrap().as_slice();
    assert_eq!(item.header.body_len as usize, body.len());
    assert_eq!(item.header.body_hash, body_hash(body));
    assert_eq!(room.open(&item), Ok(longest));
}

/// Two items at one place have the same nonce only when all but what is said is the same.
#[test]
fn another_moment_is_another_seal() {
    let (room, person) = (lobby(), samples::identity(1));
    let key = author(&person, &room.room());
    let at = |sent_at| {
        let header = ItemHeader {
            sent_at,
            ..gossip::header()
        };
        let item = room.seal(&key, header, &says(&person, &room, "hello"));
        item.body.unwrap().into_vec()
    };
    let (one, other) = (at(samples::NOW), at(samples::NOW + 1));
    let same = one.iter().zip(&other).filter(|(a, b)| a == b).count();
    assert!(same < one.len() / 8, "{same} bytes of {}", one.len());
}

/// Checks DC-GOSSIP-005 (positive, negative).
#[test]
fn who_signs_in_a_room_follows_from_the_person_and_the_room_and_is_nobody_elsewhere() {
    let (one, other) = (samples::identity(1), samples::identity(2));
    let (room, lounge) = (lobby().room(), key_of("lounge", None).room());
    let signs = |person: &Identity, room| author(person, room).peer_id();
    assert_eq!(signs(&one, &room), signs(&samples::identity(1), &room));
    let keys = [
        one.peer_id(),
        other.peer_id(),
        signs(&one, &room),
        signs(&one, &lounge),
        signs(&other, &room),
    ];
    for (at, key) in keys.iter().enumerate() {
        assert!(!keys[..at].contains(key), "key {at}");
    }
}
