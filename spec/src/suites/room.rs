//! Rooms: from a name and a secret to keys, and sealed bodies (`80-gossip` §2 and §4.5).

use chacha20poly1305::aead::{Aead as _, Payload};
use chacha20poly1305::{Key, KeyInit as _, XChaCha20Poly1305, XNonce};
use ed25519_dalek::{Signer as _, SigningKey};

use crate::actor::{ALICE, Actor, BOB, signed_bytes};
use crate::case::{Case, Suite};
use crate::json::Json;
use crate::structure::Structure;

use super::digest::{
    ITEM_BODY, ROOM, ROOM_AUTHOR, ROOM_BODY, ROOM_KEY, ROOM_NONCE, ROOM_OPEN, ROOM_RENDEZVOUS,
    ROOM_SECRET, derive,
};
use super::item::{CONTEXT, Header, header, laid_out};

/// Context of statements (`registry` §4).
const STATEMENT: &str = "dchat/1 room author";
const SECRET: &[u8] = b"0123456789abcdef";

/// The key of the room with a name that is folded already.
fn key(name: &str, secret: Option<&[u8]>) -> [u8; 32] {
    let secret = secret.map_or([0; 32], |secret| derive(ROOM_SECRET, &[secret]));
    derive(ROOM_KEY, &[&secret, name.as_bytes()])
}

fn room(key: &[u8; 32]) -> [u8; 32] {
    derive(ROOM, &[key])
}

fn input(case: Case, text: &str, secret: Option<&[u8]>) -> Case {
    case.with("text", text)
        .with("secret", secret.map_or(Json::Null, Json::bytes))
        .with("seed", Json::bytes(&ALICE.seed()))
        .with("one", Json::bytes(&ALICE.public()))
        .with("other", Json::bytes(&BOB.public()))
}

fn named(slug: &str, text: &str, name: &str, secret: Option<&[u8]>, used: Option<&[u8]>) -> Case {
    let key = key(name, used);
    let tag = derive(ROOM_OPEN, &[&key, &ALICE.public(), &BOB.public()]);
    let author = author(ALICE, &room(&key)).verifying_key().to_bytes();
    let expected = Json::Object(vec![
        ("name", name.into()),
        ("author", Json::bytes(&author)),
        ("room", Json::bytes(&room(&key))),
        ("rendezvous", Json::bytes(&derive(ROOM_RENDEZVOUS, &[&key]))),
        ("tag", Json::bytes(&tag)),
    ]);
    let req = &["DC-GOSSIP-002"];
    input(
        Case::valid(format!("room/{slug}"), "room", req, expected),
        text,
        secret,
    )
}

fn no_room(slug: &str, error: &'static str, text: &str, secret: Option<&[u8]>) -> Case {
    let req: &'static [&'static str] = match error {
        "bad-secret" => &["DC-GOSSIP-003"],
        _ => &["DC-GOSSIP-002"],
    };
    input(
        Case::invalid(format!("room/{slug}"), "room", req, error),
        text,
        secret,
    )
}

fn names() -> Vec<Case> {
    let plain = |slug: &str, text: &str, name: &str| named(slug, text, name, None, None);
    let bad = |slug: &str, text: &str| no_room(slug, "bad-name", text, None);
    let secret = |slug: &str, secret: &[u8]| no_room(slug, "bad-secret", "lobby", Some(secret));
    let line = b"0123456789abcdef\r\n";
    let longest = "a".repeat(64);
    vec![
        plain("lobby", "lobby", "lobby"),
        plain("with-its-sign", "#lobby", "lobby"),
        plain("upper-case", "LOBBY", "lobby"),
        plain(
            "full-width",
            "\u{ff03}\u{ff2c}\u{ff2f}\u{ff22}\u{ff22}\u{ff39}",
            "lobby",
        ),
        plain("sharp-s", "Stra\u{df}e", "strasse"),
        // Its lower case is U+00DF, whose upper case is two letters: it takes a second pass.
        plain("capital-sharp-s", "STRA\u{1e9e}E", "strasse"),
        plain(
            "capital-sigma",
            "\u{39f}\u{394}\u{39f}\u{3a3}",
            "\u{3bf}\u{3b4}\u{3bf}\u{3c3}",
        ),
        plain(
            "final-sigma",
            "\u{3bf}\u{3b4}\u{3bf}\u{3c2}",
            "\u{3bf}\u{3b4}\u{3bf}\u{3c3}",
        ),
        plain("combining", "Cafe\u{301}", "caf\u{e9}"),
        plain("invisible", "lob\u{200b}by", "lobby"),
        plain("han", "\u{5927}\u{5385}", "\u{5927}\u{5385}"),
        plain("dotted-i", "\u{130}", "i\u{307}"),
        plain("heart", "\u{2764}\u{fe0f}", "\u{2764}"),
        plain("longest", &longest, &longest),
        named(
            "with-a-secret",
            "lobby",
            "lobby",
            Some(SECRET),
            Some(SECRET),
        ),
        named(
            "secret-with-its-line-end",
            "lobby",
            "lobby",
            Some(line),
            Some(SECRET),
        ),
        named(
            "secret-with-a-space",
            "lobby",
            "lobby",
            Some(b"0123456789abcdef "),
            Some(b"0123456789abcdef "),
        ),
        named(
            "longest-secret",
            "lobby",
            "lobby",
            Some(&[1; 1024]),
            Some(&[1; 1024]),
        ),
        bad("empty", ""),
        bad("sign-alone", "#"),
        bad("invisible-alone", "\u{200b}"),
        bad("two-words", "two words"),
        bad("ideographic-space", "two\u{3000}words"),
        bad("tab", "tab\t"),
        bad("newline", "lobby\n"),
        bad("private-use", "\u{e000}"),
        bad("unassigned", "\u{378}"),
        bad("two-signs", "##lobby"),
        bad("sign-inside", "a#b"),
        bad("too-long", &"a".repeat(65)),
        bad("too-long-in-bytes", &"\u{e9}".repeat(33)),
        bad("far-too-long", &"a".repeat(5000)),
        secret("secret-of-15-bytes", &[b'x'; 15]),
        secret("secret-of-line-ends", &[b'\n'; 40]),
        secret("secret-empty", b""),
        secret("secret-too-long", &[1; 1025]),
    ]
}

/// The key somebody signs with in a room.
fn author(person: Actor, room: &[u8; 32]) -> SigningKey {
    SigningKey::from_bytes(&derive(ROOM_AUTHOR, &[&person.seed(), room]))
}

/// What Alice's key in the room of [`body`] is named in.
fn statement(person: Actor, room: &[u8; 32], key: &SigningKey) -> [u8; 64] {
    let key = key.verifying_key().to_bytes();
    person.sign(STATEMENT, &[room.as_slice(), &key].concat())
}

fn body_of(person: Actor, statement: &[u8; 64], name: &str, content: &[u8]) -> Structure {
    Structure::new()
        .push("RoomBody.author", &person.part(), true)
        .fixed("RoomBody.statement", statement)
        .text("RoomBody.name", name)
        .bytes("RoomBody.content", content)
        .extensions("RoomBody.extensions", &[])
}

/// What `person` says in the lobby.
pub(super) fn body(person: Actor, name: &str, content: &[u8]) -> Structure {
    let room = room(&key("lobby", None));
    let statement = statement(person, &room, &author(person, &room));
    body_of(person, &statement, name, content)
}

/// An item whose body is sealed for `place` and `nonce`, and signed with another header.
struct Sealing<'a> {
    key: [u8; 32],
    room: [u8; 32],
    signer: &'a SigningKey,
    place: Header,
    header: Header,
}

impl Sealing<'_> {
    fn sealed(&self, plain: &[u8]) -> Vec<u8> {
        let signer = self.signer.verifying_key().to_bytes();
        let place = self.place.laid_out(&signer, 0, &[0; 32]).bytes;
        let place = [self.room.as_slice(), &place].concat();
        let key = derive(ROOM_BODY, &[&self.key]);
        let nonce = derive(ROOM_NONCE, &[&place]);
        let mut first = [0; 24];
        first.copy_from_slice(&nonce[..24]);
        let payload = Payload {
            msg: plain,
            aad: &place,
        };
        // Never fails for so few bytes; if it did, the vectors would fail everywhere else.
        XChaCha20Poly1305::new(&Key::from(key))
            .encrypt(&XNonce::from(first), payload)
            .unwrap_or_default()
    }

    fn item(&self, sealed: &[u8], stub: bool) -> Vec<u8> {
        let signer = self.signer.verifying_key().to_bytes();
        let hash = derive(ITEM_BODY, &[sealed]);
        let header = self.header.laid_out(&signer, sealed.len() as u32, &hash);
        let message = [self.room.as_slice(), &header.bytes].concat();
        let signature = self
            .signer
            .sign(&signed_bytes(CONTEXT, &message))
            .to_bytes();
        laid_out(&header, &signature, (!stub).then_some(sealed)).bytes
    }
}

fn bodies() -> Vec<Case> {
    let lobby = key("lobby", None);
    let room = room(&lobby);
    let signer = author(ALICE, &room);
    let own = || Sealing {
        key: lobby,
        room,
        signer: &signer,
        place: header(),
        header: header(),
    };
    let of = |case: Case, item: &[u8]| {
        case.with("text", "lobby")
            .with("secret", Json::Null)
            .with("item", Json::bytes(item))
    };
    let opens = |slug: &str, name: &str, content: &[u8]| {
        let plain = body(ALICE, name, content);
        let sealed = own().sealed(&plain.bytes);
        let expected = Json::Object(vec![
            ("author", Json::bytes(&ALICE.public())),
            ("name", name.into()),
            ("content", Json::bytes(content)),
        ]);
        let req = &["DC-GOSSIP-026", "DC-GOSSIP-027"];
        let case = Case::valid(format!("room-body/{slug}"), "room-body", req, expected);
        of(case, &own().item(&sealed, false)).with("bytes", Json::bytes(&sealed))
    };
    let refused = |slug: &str, error: &'static str, sealing: &Sealing<'_>, sealed: &[u8]| {
        let req: &'static [&'static str] = match error {
            "not-sealed" => &["DC-GOSSIP-026"],
            "false-author" => &["DC-GOSSIP-027", "DC-GOSSIP-028"],
            _ => &["DC-GOSSIP-028"],
        };
        let case = Case::invalid(format!("room-body/{slug}"), "room-body", req, error);
        of(case, &sealing.item(sealed, error == "stub")).with("bytes", Json::bytes(sealed))
    };
    let hello = body(ALICE, "Alice", b"hello").bytes;
    let good = own().sealed(&hello);
    let moved = |change: fn(&mut Header)| {
        let mut sealing = own();
        change(&mut sealing.header);
        sealing
    };
    let other_key = Sealing {
        key: key("lobby", Some(SECRET)),
        ..own()
    };
    let bob = author(BOB, &room);
    let by_bob = Sealing {
        signer: &bob,
        ..own()
    };
    let elsewhere = statement(ALICE, &[9; 32], &signer);
    let by_bobs_hand = statement(BOB, &room, &signer);
    let cases = vec![
        opens("hello", "Alice", b"hello"),
        opens("nothing", "", b""),
        opens(
            "chinese",
            "\u{7231}\u{4e3d}\u{4e1d}",
            "\u{4f60}\u{597d}".as_bytes(),
        ),
        opens("longest", &"a".repeat(64), &[b'a'; 65_536]),
        refused(
            "key-of-another-room",
            "not-sealed",
            &own(),
            &other_key.sealed(&hello),
        ),
        refused(
            "in-another-place",
            "not-sealed",
            &moved(|header| (header.seq, header.prev) = (2, [7; 32])),
            &good,
        ),
        refused(
            "at-another-time",
            "not-sealed",
            &moved(|header| header.sent_at -= 1),
            &good,
        ),
        refused(
            "of-another-kind",
            "not-sealed",
            &moved(|header| header.kind = 2),
            &good,
        ),
        refused(
            "in-another-log",
            "not-sealed",
            &moved(|header| header.incarnation[0] ^= 1),
            &good,
        ),
        refused("by-another-key", "not-sealed", &by_bob, &good),
        refused("tag-changed", "not-sealed", &own(), &{
            let mut changed = good.clone();
            changed[good.len() - 1] ^= 1;
            changed
        }),
        refused("too-short", "not-sealed", &own(), &[0; 15]),
        refused("stub", "stub", &own(), &good),
        refused(
            "nothing-inside",
            "unexpected-end",
            &own(),
            &own().sealed(b""),
        ),
        refused(
            "more-inside",
            "trailing-bytes",
            &own(),
            &own().sealed(&[hello.as_slice(), &[0]].concat()),
        ),
        refused(
            "statement-under-another-key",
            "false-author",
            &by_bob,
            &by_bob.sealed(&hello),
        ),
        refused(
            "statement-of-another-room",
            "false-author",
            &own(),
            &own().sealed(&body_of(ALICE, &elsewhere, "Alice", b"hello").bytes),
        ),
        refused(
            "statement-of-another-person",
            "false-author",
            &own(),
            &own().sealed(&body_of(ALICE, &by_bobs_hand, "Alice", b"hello").bytes),
        ),
    ];
    cases
}

pub(super) fn suite() -> Suite {
    let mut cases = names();
    cases.extend(bodies());
    Suite {
        name: "room",
        cases,
    }
}
