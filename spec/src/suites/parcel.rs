//! Parcels with their padding (`40-messaging` §4).

use crate::actor::{ALICE, BOB, filler};
use crate::case::{Case, Suite};
use crate::fault::{self, broken, whole};
use crate::json::Json;
use crate::structure::{Part, Structure};

use super::padding::padded;
use super::peer_id::small_order;
use super::record::ISSUED;

const ZEROS: [u8; 32] = [0; 32];

/// A `Content` of kind `kind` without heads.
pub(super) fn content(kind: u16, expires_at: Option<u64>, body: &[u8]) -> Structure {
    content_with(kind, expires_at, &[], body)
}

fn content_with(kind: u16, expires_at: Option<u64>, heads: &[Part], body: &[u8]) -> Structure {
    let expires_at = expires_at.map(Part::u64);
    Structure::new()
        .u64("Content.sent_at", ISSUED)
        .option("Content.expires_at", expires_at.as_ref(), true)
        .list("Content.heads", heads, true)
        .u16("Content.kind", kind)
        .bytes("Content.body", body)
        .extensions("Content.extensions", &[])
}

fn head(seq: u64) -> Part {
    Structure::new()
        .fixed("Head.author", &BOB.public())
        .fixed("Head.incarnation", &filler(0x30)[..16])
        .u64("Head.seq", seq)
        .fixed("Head.hash", &filler(0x50))
        .part()
}

fn entry(seq: u64, content: Option<&Part>) -> Part {
    let prev = if seq == 1 { ZEROS } else { filler(0x70) };
    Structure::new()
        .fixed("Entry.incarnation", &filler(0x30)[..16])
        .u64("Entry.seq", seq)
        .fixed("Entry.prev", &prev)
        .fixed("Entry.hash", &filler(0x90))
        .option("Entry.content", content, false)
        .part()
}

fn frontier(author: &[u8; 32], held: u64, read: u64) -> Part {
    let tip = if held == 0 { ZEROS } else { filler(0xb0) };
    Structure::new()
        .fixed("Frontier.author", author)
        .fixed("Frontier.incarnation", &filler(0x30)[..16])
        .u64("Frontier.held", held)
        .u64("Frontier.low_water", 1)
        .u64("Frontier.read", read)
        .fixed("Frontier.tip", &tip)
        .part()
}

/// A parcel with `padding` zeros.
fn parcel(frontiers: &[Part], entries: &[Part], padding: &[u8]) -> Structure {
    Structure::new()
        .list("Parcel.frontiers", frontiers, false)
        .list("Parcel.entries", entries, false)
        .extensions("Parcel.extensions", &[])
        .bytes("Parcel.padding", padding)
}

/// A parcel padded as it must be.
pub(super) fn sealed(frontiers: &[Part], entries: &[Part]) -> Structure {
    let len = parcel(frontiers, entries, &[]).bytes.len();
    let missing = padded(len).saturating_sub(len);
    parcel(frontiers, entries, &vec![0; missing])
}

/// A parcel of one text.
pub(super) fn text_parcel(text: &str) -> Structure {
    let content = content(1, None, text.as_bytes()).part();
    sealed(&[], &[entry(1, Some(&content))])
}

pub(super) fn suite() -> Suite {
    let mut cases = structures();
    cases.extend(opened());
    cases.extend(badly_padded());
    cases.extend(inside());
    Suite {
        name: "parcel",
        cases,
    }
}

fn structures() -> Vec<Case> {
    let empty = parcel(&[], &[], &[]);
    let mut cases = vec![
        whole("parcel/unpadded", "Parcel", &empty)
            .comment("decodes; only its padding is refused when it is opened"),
    ];
    cases.extend(fault::cuts("parcel", "Parcel", &empty));
    cases.extend(fault::counts(
        "parcel",
        "Parcel",
        &empty,
        "Parcel.frontiers",
        16,
    ));
    cases.extend(fault::counts(
        "parcel",
        "Parcel",
        &empty,
        "Parcel.entries",
        64,
    ));
    cases.extend(fault::counts(
        "parcel",
        "Parcel",
        &empty,
        "Parcel.padding",
        131_072,
    ));
    cases.extend(fault::extensions(
        "parcel",
        "Parcel",
        &empty,
        "Parcel.extensions",
    ));
    cases
}

fn open(id: &str, parcel: &Structure) -> Case {
    let req = &["DC-CHAT-029", "DC-CHAT-030"];
    Case::valid(format!("parcel/{id}"), "parcel", req, parcel.json())
        .with("bytes", Json::bytes(&parcel.bytes))
}

fn opened() -> Vec<Case> {
    let hello = content(1, None, "你好".as_bytes()).part();
    let expiring = content(1, Some(ISSUED + 1000), b"soon gone").part();
    let unknown = content(0xffff, None, &[0; 3]).part();
    let heads: Vec<Part> = (1..=4).map(head).collect();
    let headed = content_with(1, None, &heads, b"seen all four").part();
    let longest = content(1, None, &[b'a'; 65_536]).part();
    let largest = content(2, None, &[0x11; 66_560]).part();
    let (alice, bob) = (ALICE.public(), BOB.public());
    let both = [frontier(&alice, 3, 2), frontier(&bob, 0, 0)];
    let frontiers: Vec<Part> = (0..16).map(|held| frontier(&bob, held, 0)).collect();
    let stubs: Vec<Part> = (1..=64).map(|seq| entry(seq, None)).collect();
    vec![
        open("empty", &sealed(&[], &[])),
        open("acknowledgement", &sealed(&both, &[])),
        open("text", &sealed(&[], &[entry(1, Some(&hello))])),
        open("expiring", &sealed(&[], &[entry(2, Some(&expiring))])),
        open("unknown-kind", &sealed(&[], &[entry(2, Some(&unknown))])),
        open("stub", &sealed(&[], &[entry(2, None)])),
        open("most-heads", &sealed(&both, &[entry(9, Some(&headed))])),
        open("longest-text", &sealed(&[], &[entry(2, Some(&longest))])),
        open("longest-body", &sealed(&[], &[entry(2, Some(&largest))])),
        open("most-frontiers", &sealed(&frontiers, &[])),
        open("most-entries", &sealed(&[], &stubs)),
        open(
            "highest-seq",
            &sealed(
                &[frontier(&bob, u64::MAX, u64::MAX)],
                &[entry(u64::MAX, None)],
            ),
        ),
    ]
}

fn badly_padded() -> Vec<Case> {
    let stub = [entry(2, None), entry(3, None), entry(4, None)];
    let empty = |padding: &[u8]| parcel(&[], &[], padding).bytes;
    let three = |padding: usize| parcel(&[], &stub, &vec![0; padding]).bytes;
    let mut not_zero = [0; 224];
    not_zero[223] = 1;
    let all = [
        ("no-padding", empty(&[])),
        ("one-less", empty(&[0; 223])),
        ("one-more", empty(&[0; 225])),
        ("next-step", empty(&[0; 240])),
        ("last-byte-not-zero", empty(&not_zero)),
        ("other-step", three(30)),
        ("step-too-far", three(5 + 16)),
    ];
    all.into_iter()
        .map(|(slug, bytes)| {
            let id = format!("parcel/padding-{slug}");
            Case::invalid(id, "parcel", &["DC-CHAT-031"], "invalid")
                .field(Some("Parcel.padding"))
                .with("bytes", Json::bytes(&bytes))
        })
        .collect()
}

/// Faults in the structures inside a parcel.
fn inside() -> Vec<Case> {
    let hello = content(1, None, b"hello");
    let entry_of = |content: Vec<u8>| {
        let json = Json::Null;
        let part = Part {
            bytes: content,
            json,
        };
        parcel(&[], &[entry(1, Some(&part))], &[]).bytes
    };
    let mut option = parcel(&[], &[entry(1, None)], &[]).bytes;
    option[16 + 88] = 7;
    let bad_author = parcel(&[frontier(&small_order()[0], 1, 1)], &[], &[]).bytes;
    let long = [&hello.bytes[..19], 66_561_u64.to_le_bytes().as_slice()].concat();
    let heads = [&hello.bytes[..9], 5_u64.to_le_bytes().as_slice()].concat();
    let expires = [&hello.bytes[..8], &[9]].concat();
    let critical = Structure::new().extensions("e", &[(0x8000, &[])]).bytes;
    let cut = sealed(&[], &[]).bytes[..100].to_vec();
    let frontier_cut = parcel(&[frontier(&BOB.public(), 1, 1)], &[], &[]).bytes[..111].to_vec();
    let all: [(&str, Vec<u8>, &'static str, &'static str); 9] = [
        ("content-tag", option, "not-boolean", "Entry.content"),
        ("author-no-key", bad_author, "invalid", "Frontier.author"),
        ("body-66561", entry_of(long), "over-limit", "Content.body"),
        ("five-heads", entry_of(heads), "over-limit", "Content.heads"),
        (
            "expires-tag",
            entry_of(expires),
            "not-boolean",
            "Content.expires_at",
        ),
        (
            "content-critical-extension",
            entry_of(hello.replace("Content.extensions", &critical)),
            "invalid",
            "Content.extensions",
        ),
        ("cut-in-the-zeros", cut, "unexpected-end", "Parcel.padding"),
        (
            "cut-in-frontier",
            frontier_cut,
            "unexpected-end",
            "Parcel.frontiers",
        ),
        (
            "content-missing",
            {
                let whole = parcel(&[], &[entry(1, Some(&hello.part()))], &[]).bytes;
                whole[..16 + 88 + 1 + 8].to_vec()
            },
            "unexpected-end",
            "Content.expires_at",
        ),
    ];
    all.into_iter()
        .map(|(slug, bytes, error, field)| {
            let req: &'static [&'static str] = match (error, slug) {
                ("not-boolean", _) => &["DC-WIRE-001", "DC-WIRE-006"],
                ("over-limit", _) => &["DC-WIRE-001", "DC-WIRE-007"],
                (_, "content-critical-extension") => &["DC-WIRE-001", "DC-WIRE-021"],
                (_, "cut-in-the-zeros" | "cut-in-frontier") => &["DC-WIRE-001", "DC-WIRE-029"],
                _ => &["DC-WIRE-001"],
            };
            broken(format!("parcel/{slug}"), "Parcel", req, &bytes, error).field(Some(field))
        })
        .collect()
}
