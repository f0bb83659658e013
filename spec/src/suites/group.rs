//! Operations on a group's membership, each by itself (`81-groups` §2).

use crate::actor::{ALICE, Actor, BOB, CAROL, filler};
use crate::case::{Case, Suite};
use crate::json::Json;
use crate::structure::{Part, Structure};

use super::digest::{MEMBERSHIP, derive};

/// Context of the signatures of operations (`registry` §4).
pub(super) const CONTEXT: &str = "dchat/1 membership";
const SEAT: &str = "dchat/1 seat";

/// How far a log counts.
#[derive(Clone, Copy, Debug)]
pub(super) struct LogCut(pub(super) [u8; 16], pub(super) u32);

impl LogCut {
    pub(super) fn structure(self) -> Structure {
        Structure::new()
            .fixed("LogCut.log", &self.0)
            .u32("LogCut.seq", self.1)
    }
}

/// The seat of `who` in `group`, which the operation names so, with `key`.
pub(super) fn seat(group: &[u8; 32], who: Actor, key: Actor, name: &str) -> Structure {
    let message = [group.as_slice(), &who.public()].concat();
    Structure::new()
        .fixed("Seat.key", &key.public())
        .fixed("Seat.proof", &key.sign(SEAT, &message))
        .text("Seat.name", name)
}

/// An operation.
#[derive(Clone, Debug)]
pub(super) struct Operation {
    pub(super) group: [u8; 32],
    pub(super) author: Actor,
    pub(super) seq: u32,
    pub(super) after: Vec<[u8; 32]>,
    pub(super) at: u64,
    pub(super) deed: u8,
    pub(super) subject: Option<Actor>,
    pub(super) text: String,
    pub(super) seat: Option<Structure>,
    pub(super) cut: Vec<LogCut>,
}

impl Operation {
    pub(super) fn structure(&self) -> Structure {
        let after: Vec<Part> = self.after.iter().map(|hash| Part::fixed(hash)).collect();
        let cut: Vec<Part> = self.cut.iter().map(|cut| cut.structure().part()).collect();
        let subject = self.subject.map(Actor::part);
        let seat = self.seat.as_ref().map(Structure::part);
        Structure::new()
            .fixed("Operation.group", &self.group)
            .push("Operation.author", &self.author.part(), true)
            .u32("Operation.seq", self.seq)
            .list("Operation.after", &after, true)
            .u64("Operation.at", self.at)
            .u8("Operation.deed", self.deed)
            .option("Operation.subject", subject.as_ref(), true)
            .text("Operation.text", &self.text)
            .option("Operation.seat", seat.as_ref(), false)
            .list("Operation.cut", &cut, false)
            .extensions("Operation.extensions", &[])
    }
}

/// An operation of each deed that is well formed.
pub(super) fn operation_of(author: Actor, deed: &str) -> Structure {
    let group = filler(0x50);
    let mut operation = Operation {
        group,
        author,
        seq: 3,
        after: vec![filler(0x60), filler(0x61)],
        at: super::item::SENT_AT,
        deed: 0,
        subject: None,
        text: String::new(),
        seat: None,
        cut: Vec::new(),
    };
    match deed {
        "create" => {
            (operation.group, operation.seq, operation.deed) = ([0; 32], 1, 1);
            operation.after = Vec::new();
            "friends".clone_into(&mut operation.text);
            operation.seat = Some(seat(&[0; 32], author, Actor(101), "Alice"));
        }
        "invite" => (operation.deed, operation.subject) = (2, Some(BOB)),
        "accept" => {
            operation.deed = 3;
            operation.seat = Some(seat(&group, author, Actor(101), "Alice"));
        }
        "leave" => (operation.deed, operation.cut) = (4, vec![LogCut([7; 16], 5)]),
        "remove" => {
            (operation.deed, operation.subject) = (5, Some(BOB));
            operation.cut = vec![LogCut([7; 16], 5), LogCut([8; 16], 1)];
        }
        "promote" => (operation.deed, operation.subject) = (6, Some(CAROL)),
        "rename" => (operation.deed, operation.text) = (7, "others".to_owned()),
        _ => (operation.deed, operation.text) = (8, "late=50".to_owned()),
    }
    operation.structure()
}

/// `operation` signed by `author`.
pub(super) fn signed_operation(author: Actor, operation: &Structure) -> Structure {
    let signature = author.sign(CONTEXT, &operation.bytes);
    Structure::new()
        .bytes("SignedOperation.body", &operation.bytes)
        .fixed("SignedOperation.signature", &signature)
}

pub(super) fn hash(operation: &Structure) -> [u8; 32] {
    derive(MEMBERSHIP, &[&operation.bytes])
}

fn signed_with(operation: &[u8], signature: [u8; 64]) -> Vec<u8> {
    Structure::new()
        .bytes("SignedOperation.body", operation)
        .fixed("SignedOperation.signature", &signature)
        .bytes
}

pub(super) fn suite() -> Suite {
    let req = &["DC-GROUP-003"];
    let opens = |deed: &str| {
        let operation = operation_of(ALICE, deed);
        let expected = Json::Object(vec![
            ("hash", Json::bytes(&hash(&operation))),
            ("author", Json::bytes(&ALICE.public())),
        ]);
        Case::valid(format!("group/{deed}"), "operation", req, expected).with(
            "bytes",
            Json::bytes(&signed_operation(ALICE, &operation).bytes),
        )
    };
    let refused = |slug: &str, error: &'static str, bytes: &[u8]| {
        Case::invalid(format!("group/{slug}"), "operation", req, error)
            .with("bytes", Json::bytes(bytes))
    };
    let remove = operation_of(ALICE, "remove");
    let accept = operation_of(ALICE, "accept");
    let with_seat = |seat: &Structure| {
        let seat = Structure::new().option("Operation.seat", Some(&seat.part()), false);
        let bytes = accept.replace("Operation.seat", &seat.bytes);
        signed_with(&bytes, ALICE.sign(CONTEXT, &bytes))
    };
    let group = filler(0x50);
    let mut flipped = ALICE.sign(CONTEXT, &remove.bytes);
    flipped[0] ^= 1;
    let mut proof = seat(&group, ALICE, Actor(101), "Alice");
    proof.bytes[40] ^= 1;
    let no_key = Structure::new()
        .fixed("Seat.key", &[0; 32])
        .fixed("Seat.proof", &[0; 64])
        .text("Seat.name", "Alice");
    let short = &remove.bytes[..remove.bytes.len() - 1];
    let mut cases: Vec<Case> = [
        "create", "invite", "accept", "leave", "remove", "promote", "rename", "policy",
    ]
    .into_iter()
    .map(opens)
    .collect();
    cases.extend([
        refused(
            "signature-changed",
            "bad-signature",
            &signed_with(&remove.bytes, flipped),
        ),
        refused(
            "signed-by-another",
            "bad-signature",
            &signed_with(&remove.bytes, BOB.sign(CONTEXT, &remove.bytes)),
        ),
        refused(
            "signed-as-an-item",
            "bad-signature",
            &signed_with(&remove.bytes, ALICE.sign("dchat/1 item", &remove.bytes)),
        ),
        refused(
            "seat-of-another",
            "bad-signature",
            &with_seat(&seat(&group, BOB, Actor(101), "Alice")),
        ),
        refused(
            "seat-in-another-group",
            "bad-signature",
            &with_seat(&seat(&[0; 32], ALICE, Actor(101), "Alice")),
        ),
        refused("proof-changed", "bad-signature", &with_seat(&proof)),
        refused("seat-without-a-key", "bad-signature", &with_seat(&no_key)),
        refused(
            "cut",
            "unexpected-end",
            &signed_with(short, ALICE.sign(CONTEXT, short)),
        ),
        refused(
            "nothing-signed",
            "unexpected-end",
            &signed_with(b"", ALICE.sign(CONTEXT, b"")),
        ),
    ]);
    Suite {
        name: "group",
        cases,
    }
}
