//! Single frames, header and body (`10-encoding` §4).

use crate::case::{Case, Suite};
use crate::json::Json;
use crate::structure::Structure;

use super::address::direct_v4;
use super::chat_open::chat_open;
use super::dht;
use super::envelope::envelope;
use super::gossip;
use super::hello::{hello, versions};
use super::identify::identify;
use super::nat;
use super::ping::ping;
use super::relay;
use super::undecryptable::undecryptable;

/// The bit of the flags that forbids skipping.
pub(super) const CRITICAL: u16 = 1;

/// Types of frames (`registry` §1): number, name, limit.
pub(super) const TYPES: [(u16, &str, usize); 42] = [
    (0x0001, "HELLO", 2048),
    (0x0002, "IDENTIFY", 4096),
    (0x0003, "IDENTIFY_PUSH", 4096),
    (0x0004, "PING", 1024),
    (0x0005, "PONG", 1024),
    (0x0006, "CANDIDATES", 4096),
    (0x0007, "PUNCH", 1024),
    (0x0008, "REACH", 1024),
    (0x0009, "REACHED", 1024),
    (0x0010, "CHAT_OPEN", 8192),
    (0x0011, "ENVELOPE", 135_680),
    (0x0012, "UNDECRYPTABLE", 1024),
    (0x0020, "RELAY_RESERVE", 1024),
    (0x0021, "RELAY_RESERVED", 8192),
    (0x0022, "RELAY_REFUSED", 1024),
    (0x0023, "RELAY_CONNECT", 1024),
    (0x0024, "RELAY_INCOMING", 1024),
    (0x0025, "RELAY_ACCEPT", 1024),
    (0x0026, "RELAY_OPENED", 1024),
    (0x0030, "DHT_FIND", 1024),
    (0x0031, "DHT_NODES", 4096),
    (0x0032, "DHT_GET", 1024),
    (0x0033, "DHT_VALUES", 36_864),
    (0x0034, "DHT_PUT", 8192),
    (0x0035, "DHT_STORED", 1024),
    (0x0036, "DHT_REFUSED", 1024),
    (0x0040, "GOSSIP_OPEN", 1024),
    (0x0041, "GOSSIP_LEAVE", 4096),
    (0x0042, "GOSSIP_JOIN", 1024),
    (0x0043, "GOSSIP_SHUFFLE", 4096),
    (0x0044, "GOSSIP_PUSH", 70_656),
    (0x0045, "GOSSIP_ANNOUNCE", 16_384),
    (0x0046, "GOSSIP_PULL", 20_480),
    (0x0047, "GOSSIP_TREE", 20_480),
    (0x0048, "GOSSIP_DIGEST", 16),
    (0x0049, "GOSSIP_SKETCH", 40_960),
    (0x004a, "GOSSIP_MORE", 8192),
    (0x004b, "GOSSIP_PROOF", 8192),
    (0x004c, "GOSSIP_RANGE", 8192),
    (0x004d, "GOSSIP_SPANS", 8192),
    (0x004e, "GOSSIP_FETCH", 1024),
    (0x0050, "GROUP_OPERATIONS", 163_840),
];

/// A header and a body.
pub(super) fn frame(code: u16, flags: u16, body: &[u8]) -> Vec<u8> {
    let mut bytes = header(body.len() as u32, code, flags);
    bytes.extend_from_slice(body);
    bytes
}

/// A header alone.
pub(super) fn header(len: u32, code: u16, flags: u16) -> Vec<u8> {
    [
        len.to_le_bytes().as_slice(),
        &code.to_le_bytes(),
        &flags.to_le_bytes(),
    ]
    .concat()
}

/// A small body of each type, in the order of [`TYPES`].
pub(super) fn bodies() -> [Structure; 42] {
    [
        hello(&versions(1, 1), 0, &[1]),
        identify(1, None, &[]),
        identify(2, None, &[]),
        ping(1, &[]),
        ping(1, &[]),
        nat::candidates(),
        nat::punch(1, false, None),
        nat::reach(0, &direct_v4().part()),
        nat::reached(0),
        chat_open("Alice", None, 0),
        envelope(1, &[3, 10]),
        undecryptable(&[]),
        relay::reserve(),
        relay::reserved(),
        relay::refused(1),
        relay::connect(),
        relay::incoming(),
        relay::accept(),
        relay::opened(),
        dht::find(),
        dht::nodes(),
        dht::get(),
        dht::values(),
        dht::put(),
        dht::stored(),
        dht::refused(2),
        gossip::open(),
        gossip::leave(2),
        gossip::join(),
        gossip::shuffle(),
        gossip::push(255),
        gossip::announce(),
        gossip::pull(),
        gossip::tree(),
        gossip::digest(),
        gossip::sketch(0, &[0; 18]),
        gossip::more(),
        gossip::proof(),
        gossip::range(),
        gossip::spans(),
        gossip::fetch(),
        gossip::operations(&[[1; 32]]),
    ]
}

pub(super) fn suite() -> Suite {
    let mut cases = Vec::new();
    for ((code, name, max), body) in TYPES.into_iter().zip(bodies()) {
        let slug = name.to_lowercase().replace('_', "-");
        cases.push(whole(
            &slug,
            name,
            &body,
            &frame(code, CRITICAL, &body.bytes),
        ));
        cases.extend(faults(&slug, code, max, &body.bytes));
    }
    let last = undecryptable(&[]);
    let skippable = frame(0x0012, 0, &last.bytes);
    cases.push(whole(
        "known-without-critical",
        "UNDECRYPTABLE",
        &last,
        &skippable,
    ));
    let all_flags = frame(0x0012, 0xffff, &last.bytes);
    cases.push(whole(
        "known-with-all-flags",
        "UNDECRYPTABLE",
        &last,
        &all_flags,
    ));
    // Header of the list 8, nonce 8, kind 2, count 8: a value of 998 bytes fills the limit.
    let largest = ping(1, &[(1, &[0x77; 998])]);
    let bytes = frame(0x0004, CRITICAL, &largest.bytes);
    cases.push(whole("ping-at-the-limit", "PING", &largest, &bytes));
    let larger = ping(1, &[(1, &[0x77; 999])]);
    let bytes = frame(0x0004, CRITICAL, &larger.bytes);
    cases.push(
        Case::invalid(
            "frame/ping-one-over-the-limit",
            "frame",
            &["DC-WIRE-015"],
            "too-long",
        )
        .comment("the body alone would decode")
        .with("bytes", Json::bytes(&bytes)),
    );
    Suite {
        name: "frame",
        cases,
    }
}

fn whole(slug: &str, name: &'static str, body: &Structure, bytes: &[u8]) -> Case {
    let expected = Json::Object(vec![("frame", name.into()), ("body", body.json())]);
    Case::valid(
        format!("frame/{slug}"),
        "frame",
        &["DC-WIRE-010", "DC-WIRE-011", "DC-WIRE-012"],
        expected,
    )
    .with("bytes", Json::bytes(bytes))
}

fn faults(slug: &str, code: u16, max: usize, body: &[u8]) -> Vec<Case> {
    let good = frame(code, CRITICAL, body);
    let too_long = header(max as u32 + 1, code, CRITICAL);
    let longer = frame(code, CRITICAL, &[body, &[0]].concat());
    let all: [(&str, Vec<u8>, &'static str, &'static [&'static str]); 5] = [
        ("over-limit", too_long, "too-long", &["DC-WIRE-015"]),
        (
            "without-body",
            frame(code, CRITICAL, &[]),
            "unexpected-end",
            &["DC-WIRE-017"],
        ),
        (
            "body-longer",
            longer,
            "trailing-bytes",
            &["DC-WIRE-003", "DC-WIRE-017"],
        ),
        (
            "cut",
            good[..good.len() - 1].to_vec(),
            "truncated",
            &["DC-WIRE-019"],
        ),
        (
            "header-cut",
            good[..7].to_vec(),
            "truncated",
            &["DC-WIRE-019"],
        ),
    ];
    all.into_iter()
        // A body of the only length that its type may have is too long with a byte more.
        .filter(|(fault, ..)| *fault != "body-longer" || body.len() < max)
        .map(|(fault, bytes, error, req)| {
            Case::invalid(format!("frame/{slug}-{fault}"), "frame", req, error)
                .with("bytes", Json::bytes(&bytes))
        })
        .collect()
}
