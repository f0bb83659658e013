//! What members of rooms and groups tell each other (`80-gossip` §3, `81-groups` §2 and §4).

use crate::actor::{ALICE, Actor, BOB, CAROL, filler};
use crate::case::{Case, Suite};
use crate::fault::{self, broken, whole};
use crate::structure::{Part, Structure};

use super::group::{LogCut, operation_of, seat, signed_operation};
use super::item::{header, signed};

fn u64s(numbers: &[u64]) -> Vec<Part> {
    numbers.iter().map(|number| Part::u64(*number)).collect()
}

fn u32s(numbers: &[u32]) -> Vec<Part> {
    let one = |number: &u32| Part {
        bytes: number.to_le_bytes().to_vec(),
        json: crate::Json::Number(*number),
    };
    numbers.iter().map(one).collect()
}

fn address() -> Part {
    // /ip4/192.0.2.7/udp/4001/quic-v1
    let bytes = [4, 192, 0, 2, 7, 0x91, 0x02, 0x0f, 0xa1, 0xcd, 0x03];
    Part {
        bytes: crate::structure::counted(&bytes),
        json: "/ip4/192.0.2.7/udp/4001/quic-v1".into(),
    }
}

pub(super) fn contact(who: Actor, addresses: usize) -> Structure {
    Structure::new()
        .push("Contact.peer", &who.part(), true)
        .list("Contact.addresses", &vec![address(); addresses], false)
}

pub(super) fn mark(log: u64, seq: u32, age: u16) -> Structure {
    Structure::new()
        .u64("Mark.log", log)
        .u32("Mark.seq", seq)
        .u16("Mark.age", age)
}

pub(super) fn want(log: u64, after: u32, upto: u32) -> Structure {
    Structure::new()
        .u64("Want.log", log)
        .u32("Want.after", after)
        .u32("Want.upto", upto)
}

pub(super) fn place(lamport: u64, hash: u64) -> Structure {
    Structure::new()
        .u64("Place.lamport", lamport)
        .u64("Place.hash", hash)
}

pub(super) fn span() -> Structure {
    Structure::new()
        .push("Span.from", &place(0, 0).part(), false)
        .push("Span.to", &place(u64::MAX, u64::MAX).part(), false)
        .u32("Span.count", 7)
        .u64("Span.sum", 0x0123_4567_89ab_cdef)
}

pub(super) fn open() -> Structure {
    Structure::new()
        .fixed("GossipOpen.room", &filler(0x40))
        .u64("GossipOpen.nonce", 77)
        .boolean("GossipOpen.answer", false)
        .boolean("GossipOpen.alone", true)
        .extensions("GossipOpen.extensions", &[])
}

pub(super) fn leave(reason: u8) -> Structure {
    let peers = [contact(BOB, 1).part(), contact(CAROL, 0).part()];
    Structure::new()
        .u8("GossipLeave.reason", reason)
        .list("GossipLeave.peers", &peers, false)
        .extensions("GossipLeave.extensions", &[])
}

pub(super) fn join() -> Structure {
    Structure::new()
        .push("GossipJoin.peer", &contact(BOB, 2).part(), false)
        .u8("GossipJoin.hops", 4)
        .extensions("GossipJoin.extensions", &[])
}

pub(super) fn shuffle() -> Structure {
    Structure::new()
        .boolean("GossipShuffle.answer", true)
        .list("GossipShuffle.peers", &[contact(CAROL, 1).part()], false)
        .extensions("GossipShuffle.extensions", &[])
}

pub(super) fn push(hops: u8) -> Structure {
    let item = signed(ALICE, &header(), b"hello");
    Structure::new()
        .u8("GossipPush.hops", hops)
        .push("GossipPush.item", &item.0.part(), false)
}

pub(super) fn announce() -> Structure {
    let marks = [mark(1, 2, 3).part(), mark(u64::MAX, 4, 65_535).part()];
    Structure::new().list("GossipAnnounce.marks", &marks, false)
}

pub(super) fn pull() -> Structure {
    Structure::new()
        .boolean("GossipPull.graft", true)
        .list("GossipPull.wants", &[want(1, 2, 9).part()], false)
        .extensions("GossipPull.extensions", &[])
}

pub(super) fn tree() -> Structure {
    Structure::new()
        .list("GossipTree.graft", &u64s(&[1]), true)
        .list("GossipTree.prune", &u64s(&[2, 3]), true)
        .extensions("GossipTree.extensions", &[])
}

pub(super) fn digest() -> Structure {
    Structure::new()
        .u64("GossipDigest.root", 0x0807_0605_0403_0201)
        .u32("GossipDigest.total", 100_000)
        .u32("GossipDigest.horizon", 498_672)
}

pub(super) fn sketch(of: u8, cells: &[u8]) -> Structure {
    Structure::new()
        .u32("GossipSketch.salt", 5)
        .u8("GossipSketch.of", of)
        .u32("GossipSketch.horizon", 498_672)
        .u32("GossipSketch.first", 9)
        .bytes("GossipSketch.cells", cells)
        .extensions("GossipSketch.extensions", &[])
}

pub(super) fn more() -> Structure {
    Structure::new()
        .u32("GossipMore.salt", 5)
        .u32("GossipMore.have", 18)
        .u32("GossipMore.want", u32::MAX)
        .list("GossipMore.unknown", &u32s(&[9, 8]), true)
        .extensions("GossipMore.extensions", &[])
}

pub(super) fn proof() -> Structure {
    let stub = |seq: u32| {
        let mut log = header();
        log.seq = seq;
        signed(ALICE, &log, b"hello").stub().part()
    };
    Structure::new()
        .list("GossipProof.items", &[stub(1), stub(2)], false)
        .extensions("GossipProof.extensions", &[])
}

pub(super) fn range() -> Structure {
    Structure::new()
        .u64("GossipRange.salt", 6)
        .list("GossipRange.spans", &[span().part()], false)
        .u16("GossipRange.newest", 50)
        .extensions("GossipRange.extensions", &[])
}

pub(super) fn spans() -> Structure {
    Structure::new()
        .u64("GossipSpans.salt", 6)
        .list("GossipSpans.spans", &[span().part()], false)
        .extensions("GossipSpans.extensions", &[])
}

pub(super) fn fetch() -> Structure {
    Structure::new()
        .push("GossipFetch.from", &place(0, 0).part(), false)
        .push("GossipFetch.to", &place(9, 9).part(), false)
        .u16("GossipFetch.most", 1000)
        .extensions("GossipFetch.extensions", &[])
}

pub(super) fn operations(heads: &[[u8; 32]]) -> Structure {
    let hashes =
        |list: &[[u8; 32]]| -> Vec<Part> { list.iter().map(|hash| Part::fixed(hash)).collect() };
    let one = signed_operation(ALICE, &operation_of(ALICE, "create"));
    Structure::new()
        .fixed("GroupOperations.group", &filler(0x50))
        .list("GroupOperations.heads", &hashes(heads), true)
        .list("GroupOperations.lacking", &hashes(&[[9; 32]]), true)
        .list("GroupOperations.operations", &[one.part()], false)
        .extensions("GroupOperations.extensions", &[])
}

pub(super) fn keys(count: u8) -> Structure {
    let session = |number: u8| Part::fixed(&[number; 165]);
    let sessions: Vec<Part> = (0..count).map(session).collect();
    Structure::new()
        .fixed("GroupKeys.group", &filler(0x50))
        .list("GroupKeys.sessions", &sessions, true)
        .extensions("GroupKeys.extensions", &[])
}

pub(super) fn sealed_body() -> Structure {
    Structure::new()
        .fixed("SealedBody.session", &filler(0x51))
        .bytes("SealedBody.message", &[3, 1, 4, 1, 5])
}

pub(super) fn suite() -> Suite {
    let all: Vec<(&str, &'static str, Structure)> = vec![
        ("gossip-open", "GossipOpen", open()),
        ("gossip-leave", "GossipLeave", leave(2)),
        ("contact", "Contact", contact(BOB, 2)),
        ("gossip-join", "GossipJoin", join()),
        ("gossip-shuffle", "GossipShuffle", shuffle()),
        ("gossip-push", "GossipPush", push(255)),
        ("gossip-announce", "GossipAnnounce", announce()),
        ("mark", "Mark", mark(1, 2, 3)),
        ("gossip-pull", "GossipPull", pull()),
        ("want", "Want", want(1, 2, 9)),
        ("gossip-tree", "GossipTree", tree()),
        ("gossip-digest", "GossipDigest", digest()),
        ("gossip-sketch", "GossipSketch", sketch(0, &[0; 18])),
        ("gossip-more", "GossipMore", more()),
        ("gossip-proof", "GossipProof", proof()),
        ("gossip-range", "GossipRange", range()),
        ("span", "Span", span()),
        ("place", "Place", place(1, 2)),
        ("gossip-spans", "GossipSpans", spans()),
        ("gossip-fetch", "GossipFetch", fetch()),
        (
            "signed-item",
            "SignedItem",
            signed(ALICE, &header(), b"hello").0,
        ),
        (
            "item-header",
            "ItemHeader",
            header().structure(ALICE, b"hello"),
        ),
        ("item-head", "ItemHead", super::item::head()),
        (
            "group-operations",
            "GroupOperations",
            operations(&[[1; 32], [2; 32]]),
        ),
        ("operation", "Operation", operation_of(ALICE, "remove")),
        ("seat", "Seat", seat(&[0; 32], ALICE, ALICE, "Alice")),
        ("log-cut", "LogCut", LogCut([7; 16], 5).structure()),
        (
            "signed-operation",
            "SignedOperation",
            signed_operation(ALICE, &operation_of(ALICE, "create")),
        ),
        ("group-keys", "GroupKeys", keys(2)),
        ("sealed-body", "SealedBody", sealed_body()),
        (
            "room-body",
            "RoomBody",
            super::room::body(ALICE, "Alice", b"hello"),
        ),
    ];
    let mut cases = Vec::new();
    for (slug, name, structure) in &all {
        cases.push(whole(format!("{slug}/plain"), name, structure));
    }
    cases.extend(values());
    for (slug, name, structure) in &all {
        cases.extend(fault::cuts(slug, name, structure));
    }
    cases.extend(lists());
    cases.extend(refused());
    Suite {
        name: "gossip",
        cases,
    }
}

/// Values at the edge of what there is.
fn values() -> Vec<Case> {
    let mut cases: Vec<Case> = (1..=4)
        .map(|reason| {
            whole(
                format!("gossip-leave/reason-{reason}"),
                "GossipLeave",
                &leave(reason),
            )
        })
        .collect();
    let nothing = Structure::new().list("GossipAnnounce.marks", &[], true);
    cases.push(whole("gossip-announce/nothing", "GossipAnnounce", &nothing));
    cases.push(whole("gossip-push/cold", "GossipPush", &push(3)));
    cases.push(whole(
        "gossip-sketch/tips",
        "GossipSketch",
        &sketch(1, &[1; 9]),
    ));
    cases.push(whole(
        "gossip-sketch/no-cells",
        "GossipSketch",
        &sketch(0, &[]),
    ));
    let stub = signed(ALICE, &header(), b"hello").stub();
    cases.push(whole("signed-item/stub", "SignedItem", &stub));
    for deed in [
        "create", "invite", "accept", "leave", "promote", "rename", "policy",
    ] {
        let operation = operation_of(ALICE, deed);
        cases.push(whole(format!("operation/{deed}"), "Operation", &operation));
    }
    cases.push(whole("group-keys/none", "GroupKeys", &keys(0)));
    cases
}

fn lists() -> Vec<Case> {
    let counts = fault::counts;
    let header = header().structure(ALICE, b"hello");
    let operation = operation_of(ALICE, "remove");
    let contact = contact(BOB, 0);
    [
        counts("contact", "Contact", &contact, "Contact.addresses", 2),
        counts(
            "gossip-leave",
            "GossipLeave",
            &leave(1),
            "GossipLeave.peers",
            8,
        ),
        counts(
            "gossip-shuffle",
            "GossipShuffle",
            &shuffle(),
            "GossipShuffle.peers",
            8,
        ),
        counts(
            "gossip-announce",
            "GossipAnnounce",
            &announce(),
            "GossipAnnounce.marks",
            1024,
        ),
        counts(
            "gossip-pull",
            "GossipPull",
            &pull(),
            "GossipPull.wants",
            1024,
        ),
        counts(
            "gossip-tree",
            "GossipTree",
            &tree(),
            "GossipTree.graft",
            1024,
        ),
        counts(
            "gossip-tree",
            "GossipTree",
            &tree(),
            "GossipTree.prune",
            1024,
        ),
        counts(
            "gossip-sketch",
            "GossipSketch",
            &sketch(0, &[]),
            "GossipSketch.cells",
            36_864,
        ),
        counts(
            "gossip-more",
            "GossipMore",
            &more(),
            "GossipMore.unknown",
            1024,
        ),
        counts(
            "gossip-proof",
            "GossipProof",
            &proof(),
            "GossipProof.items",
            2,
        ),
        counts(
            "gossip-range",
            "GossipRange",
            &range(),
            "GossipRange.spans",
            64,
        ),
        counts(
            "gossip-spans",
            "GossipSpans",
            &spans(),
            "GossipSpans.spans",
            64,
        ),
        counts("item-header", "ItemHeader", &header, "ItemHeader.heads", 4),
        counts("operation", "Operation", &operation, "Operation.after", 16),
        counts("operation", "Operation", &operation, "Operation.text", 256),
        counts("operation", "Operation", &operation, "Operation.cut", 16),
        counts(
            "group-keys",
            "GroupKeys",
            &keys(0),
            "GroupKeys.sessions",
            256,
        ),
    ]
    .concat()
}

fn refused() -> Vec<Case> {
    let req: &'static [&'static str] = &["DC-WIRE-001"];
    let mut cases = fault::extensions(
        "gossip-open",
        "GossipOpen",
        &open(),
        "GossipOpen.extensions",
    );
    for (slug, reason) in [("reason-0", 0), ("reason-5", 5), ("reason-255", 255)] {
        let bytes = leave(reason).bytes;
        let case = broken(
            format!("gossip-leave/{slug}"),
            "GossipLeave",
            req,
            &bytes,
            "invalid",
        );
        cases.push(case.field(Some("GossipLeave.reason")));
    }
    let of = sketch(2, &[]).bytes;
    let case = broken("gossip-sketch/of-2", "GossipSketch", req, &of, "invalid");
    cases.push(case.field(Some("GossipSketch.of")));
    let two = open().replace("GossipOpen.answer", &[2]);
    let case = broken(
        "gossip-open/answer-2",
        "GossipOpen",
        &["DC-WIRE-001", "DC-WIRE-006"],
        &two,
        "not-boolean",
    );
    cases.push(case.field(Some("GossipOpen.answer")));
    let no_key = contact(BOB, 0).replace("Contact.peer", &[0; 32]);
    let case = broken("contact/no-key", "Contact", req, &no_key, "invalid");
    cases.push(case.field(Some("Contact.peer")));
    for (slug, heads) in [
        ("heads-descending", [[2; 32], [1; 32]]),
        ("heads-twice-the-same", [[1; 32], [1; 32]]),
    ] {
        let bytes = operations(&heads).bytes;
        let id = format!("group-operations/{slug}");
        let case = broken(id, "GroupOperations", req, &bytes, "invalid");
        cases.push(case.field(Some("GroupOperations.heads")));
    }
    let operation = operation_of(ALICE, "remove");
    let descending = |name: &'static str| {
        let hashes = [Part::fixed(&[2; 32]), Part::fixed(&[1; 32])];
        Structure::new().list(name, &hashes, false).bytes
    };
    let name = "GroupOperations.lacking";
    let bytes = operations(&[[1; 32]]).replace(name, &descending(name));
    let id = "group-operations/lacking-descending";
    let case = broken(id, "GroupOperations", req, &bytes, "invalid");
    cases.push(case.field(Some(name)));
    let name = "Operation.after";
    let bytes = operation.replace(name, &descending(name));
    let case = broken(
        "operation/after-descending",
        "Operation",
        req,
        &bytes,
        "invalid",
    );
    cases.push(case.field(Some(name)));
    for (slug, deed) in [("deed-0", 0), ("deed-9", 9)] {
        let bytes = operation.replace("Operation.deed", &[deed]);
        let case = broken(
            format!("operation/{slug}"),
            "Operation",
            req,
            &bytes,
            "invalid",
        );
        cases.push(case.field(Some("Operation.deed")));
    }
    let two = |one: [u8; 16], other: [u8; 16]| {
        let cut = [
            LogCut(one, 1).structure().part(),
            LogCut(other, 1).structure().part(),
        ];
        let list = Structure::new().list("Operation.cut", &cut, false);
        operation.replace("Operation.cut", &list.bytes)
    };
    for (slug, bytes) in [
        ("cut-descending", two([2; 16], [1; 16])),
        ("cut-twice-the-same", two([1; 16], [1; 16])),
    ] {
        let case = broken(
            format!("operation/{slug}"),
            "Operation",
            req,
            &bytes,
            "invalid",
        );
        cases.push(case.field(Some("Operation.cut")));
    }
    cases
}
