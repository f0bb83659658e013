//! Items of logs: their hashes, names and signatures, and what no author may sign (`80-gossip` §4).

use crate::actor::{ALICE, Actor, BOB, filler};
use crate::case::{Case, Suite};
use crate::json::Json;
use crate::structure::{Part, Structure};

use super::digest::{ITEM, ITEM_BODY, LOG, derive};

/// Context of the signatures of items (`registry` §4).
pub(super) const CONTEXT: &str = "dchat/1 item";
/// The room of items that belong to no named one.
pub(super) const ROOM: u8 = 0x40;

/// What an author chooses of a header.
#[derive(Clone, Debug)]
pub(super) struct Header {
    pub(super) incarnation: [u8; 16],
    pub(super) seq: u32,
    pub(super) prev: [u8; 32],
    pub(super) lamport: u64,
    pub(super) sent_at: u64,
    pub(super) keep_s: u32,
    pub(super) floor: u32,
    pub(super) kind: u16,
}

/// The first item of a log, sent when the other suites take place.
pub(super) fn header() -> Header {
    let mut incarnation = [0; 16];
    incarnation.copy_from_slice(&filler(0x30)[..16]);
    Header {
        incarnation,
        seq: 1,
        prev: [0; 32],
        lamport: SENT_AT + 5,
        sent_at: SENT_AT,
        keep_s: 0,
        floor: 1,
        kind: 1,
    }
}

/// 2026-11-23, 12:00 UTC.
pub(super) const SENT_AT: u64 = 1_795_435_200_000;

pub(super) fn head() -> Structure {
    Structure::new()
        .fixed("ItemHead.log", &filler(0x31)[..16])
        .u32("ItemHead.seq", 7)
        .fixed("ItemHead.hash", &filler(0x32)[..8])
}

impl Header {
    /// The header of an item of `author` with this body.
    pub(super) fn structure(&self, author: Actor, body: &[u8]) -> Structure {
        self.laid_out(
            &author.public(),
            body.len() as u32,
            &derive(ITEM_BODY, &[body]),
        )
    }

    pub(super) fn laid_out(&self, author: &[u8; 32], len: u32, hash: &[u8; 32]) -> Structure {
        Structure::new()
            .fixed("ItemHeader.author", author)
            .fixed("ItemHeader.incarnation", &self.incarnation)
            .u32("ItemHeader.seq", self.seq)
            .fixed("ItemHeader.prev", &self.prev)
            .u64("ItemHeader.lamport", self.lamport)
            .u64("ItemHeader.sent_at", self.sent_at)
            .u32("ItemHeader.keep_s", self.keep_s)
            .u32("ItemHeader.floor", self.floor)
            .list("ItemHeader.heads", &[head().part()], false)
            .u16("ItemHeader.kind", self.kind)
            .u32("ItemHeader.body_len", len)
            .fixed("ItemHeader.body_hash", hash)
            .extensions("ItemHeader.extensions", &[])
    }
}

/// A signed item, and what stands in its header.
#[derive(Clone, Debug)]
pub(super) struct Signed(pub(super) Structure, Structure, [u8; 64]);

impl Signed {
    pub(super) fn stub(&self) -> Structure {
        laid_out(&self.1, &self.2, None)
    }
}

/// `body` signed by `author` in the room of this module.
pub(super) fn signed(author: Actor, header: &Header, body: &[u8]) -> Signed {
    let header = header.structure(author, body);
    let signature = author.sign(CONTEXT, &[filler(ROOM).as_slice(), &header.bytes].concat());
    Signed(laid_out(&header, &signature, Some(body)), header, signature)
}

pub(super) fn laid_out(header: &Structure, signature: &[u8; 64], body: Option<&[u8]>) -> Structure {
    let body = body.map(|body| Part {
        bytes: crate::structure::counted(body),
        json: Json::bytes(body),
    });
    Structure::new()
        .push("SignedItem.header", &header.part(), false)
        .fixed("SignedItem.signature", signature)
        .option("SignedItem.body", body.as_ref(), true)
}

pub(super) fn log_name(room: &[u8], author: &[u8], incarnation: &[u8]) -> [u8; 16] {
    let mut name = [0; 16];
    name.copy_from_slice(&derive(LOG, &[room, author, incarnation])[..16]);
    name
}

fn of(case: Case, item: &[u8]) -> Case {
    case.with("room", Json::bytes(&filler(ROOM)))
        .with("bytes", Json::bytes(item))
}

fn accepted(slug: &str, header: &Header, body: &[u8], stub: bool) -> Case {
    let item = signed(ALICE, header, body);
    let bytes = if stub {
        item.stub().bytes
    } else {
        item.0.bytes.clone()
    };
    let hash = derive(ITEM, &[&filler(ROOM), &item.1.bytes]);
    let log = log_name(&filler(ROOM), &ALICE.public(), &header.incarnation);
    let expected = Json::Object(vec![
        ("log", Json::bytes(&log)),
        ("hash", Json::bytes(&hash)),
    ]);
    let req = &["DC-GOSSIP-018"];
    of(
        Case::valid(format!("item/{slug}"), "item", req, expected),
        &bytes,
    )
}

fn refused(slug: &str, error: &'static str, bytes: &[u8]) -> Case {
    let req = &["DC-GOSSIP-018", "DC-GOSSIP-019"];
    of(
        Case::invalid(format!("item/{slug}"), "item", req, error),
        bytes,
    )
}

fn with(change: impl FnOnce(&mut Header)) -> Header {
    let mut changed = header();
    change(&mut changed);
    changed
}

pub(super) fn suite() -> Suite {
    let second = with(|header| (header.seq, header.prev) = (2, [7; 32]));
    let last = with(|header| (header.seq, header.prev) = (4_194_303, [7; 32]));
    let early = with(|header| header.lamport = header.sent_at);
    let top = with(|header| {
        (header.seq, header.prev, header.floor) = (9, [7; 32], 9);
    });
    let wrong = |header: Header| signed(ALICE, &header, b"hello").0.bytes;
    let good = signed(ALICE, &header(), b"hello");
    let forged = |signature: [u8; 64]| laid_out(&good.1, &signature, Some(b"hello")).bytes;
    let room = |room: u8| {
        let message = [filler(room).as_slice(), &good.1.bytes].concat();
        ALICE.sign(CONTEXT, &message)
    };
    let message = [filler(ROOM).as_slice(), &good.1.bytes].concat();
    let other_body = laid_out(&good.1, &good.2, Some(b"hallo")).bytes;
    let long_stub = {
        let header = header().laid_out(&ALICE.public(), 66_561, &[0; 32]);
        let message = [filler(ROOM).as_slice(), &header.bytes].concat();
        laid_out(&header, &ALICE.sign(CONTEXT, &message), None).bytes
    };
    let wrong_len = {
        let header = header().laid_out(&ALICE.public(), 4, &derive(ITEM_BODY, &[b"hello"]));
        let message = [filler(ROOM).as_slice(), &header.bytes].concat();
        laid_out(&header, &ALICE.sign(CONTEXT, &message), Some(b"hello")).bytes
    };
    let no_key = {
        let header = header().laid_out(&[0; 32], 5, &derive(ITEM_BODY, &[b"hello"]));
        laid_out(&header, &[0; 64], Some(b"hello")).bytes
    };
    let mut cases = vec![
        accepted("first", &header(), b"hello", false),
        accepted("second", &second, b"hello", false),
        accepted("last", &last, b"hello", false),
        accepted("lamport-is-the-time", &early, b"hello", false),
        accepted("nothing-said", &header(), b"", false),
        accepted("longest", &header(), &[b'a'; 66_560], false),
        accepted("stub", &header(), b"hello", true),
        accepted("passes-over-what-is-before", &top, b"hello", false),
        refused(
            "sequence-0",
            "bad-sequence",
            &wrong(with(|header| header.seq = 0)),
        ),
        refused(
            "sequence-over-the-last",
            "bad-sequence",
            &wrong(with(|header| {
                (header.seq, header.prev) = (4_194_304, [7; 32])
            })),
        ),
        refused(
            "first-after-another",
            "bad-previous",
            &wrong(with(|header| header.prev = [7; 32])),
        ),
        refused(
            "second-after-none",
            "bad-previous",
            &wrong(with(|header| header.seq = 2)),
        ),
        refused(
            "floor-above-itself",
            "bad-floor",
            &wrong(with(|header| header.floor = 2)),
        ),
        refused(
            "lamport-before-the-time",
            "bad-lamport",
            &wrong(with(|header| header.lamport = header.sent_at - 1)),
        ),
        refused("another-body", "bad-body", &other_body),
        refused("body-of-another-length", "bad-body", &wrong_len),
        refused("stub-of-too-much", "bad-body", &long_stub),
        refused(
            "signed-in-another-room",
            "bad-signature",
            &forged(room(ROOM + 1)),
        ),
        refused(
            "signed-by-another",
            "bad-signature",
            &forged(BOB.sign(CONTEXT, &message)),
        ),
        refused(
            "signed-for-another-purpose",
            "bad-signature",
            &forged(ALICE.sign("dchat/1 membership", &message)),
        ),
        refused("signature-of-zeros", "bad-signature", &forged([0; 64])),
        refused("author-is-no-key", "bad-signature", &no_key),
        refused(
            "cut",
            "unexpected-end",
            &good.0.bytes[..good.0.bytes.len() - 1],
        ),
    ];
    for case in &mut cases {
        if ["item/passes-over-what-is-before", "item/floor-above-itself"].contains(&case.id()) {
            case.checks("DC-GOSSIP-016");
        }
    }
    Suite {
        name: "item",
        cases,
    }
}
