//! One conversation on the wire, from HELLO to the acknowledgement (`91-trace`).
//!
//! Bob has the smaller PeerId, so he makes the session; Alice has the message. All secrets are fixed.

use crate::actor::{ALICE, Actor, BOB, filler};
use crate::case::{Case, Suite};
use crate::json::Json;
use crate::multiaddr::Multiaddr;
use crate::olm::{Initiator, Step, message, next_chain, public};
use crate::structure::{Part, Structure};

use super::digest::entry_hash;
use super::frame::{CRITICAL, frame};
use super::identify::identify;
use super::parcel::{content, sealed};
use super::record::device_record_of;

/// Secrets of Alice's device: identity key, fallback key, and the ratchet key of her reply.
const ALICES: [u8; 3] = [0x41, 0x51, 0x61];
/// Secrets of Bob's device: identity key, fallback key, base key, and his two ratchet keys.
const BOBS: [u8; 5] = [0x11, 0x19, 0x21, 0x31, 0x71];
/// What names Alice's log: the one that [`entry_hash`] knows.
const INCARNATION: u8 = 0x30;
const TEXT: &str = "Hello, Bob!";

fn device(actor: Actor, secrets: [u8; 2]) -> Structure {
    let payload = Structure::new()
        .fixed("DeviceRecord.identity_key", &public(&filler(secrets[0])))
        .fixed("DeviceRecord.signing_key", &filler(0x40))
        .fixed("DeviceRecord.fallback_key", &public(&filler(secrets[1])))
        .extensions("DeviceRecord.extensions", &[]);
    device_record_of(actor, &payload)
}

/// HELLO, a frame of a reserved type, IDENTIFY.
fn control(instance: u8, kinds: [u16; 2], own: [u8; 4], theirs: [u8; 4]) -> (Vec<u8>, Json) {
    let hello = Structure::new()
        .push("Hello.versions", &super::hello::versions(1, 1), true)
        .fixed("Hello.instance", &filler(instance)[..16])
        .u64("Hello.roles", 0)
        .list("Hello.capabilities", &[Part::u16(1)], true)
        .extensions("Hello.extensions", &[(kinds[0], &[0xc0, 0xff, 0xee])]);
    let address = |ip: [u8; 4]| Multiaddr::quic(ip.into(), 4001).part();
    let identify = identify(1, Some(&address(theirs)), &[address(own)]);
    let bytes = [
        frame(0x0001, CRITICAL, &hello.bytes),
        frame(kinds[1], 0, b"nothing"),
        frame(0x0002, CRITICAL, &identify.bytes),
    ];
    let read = |name: &'static str, body: &Structure| {
        Json::Object(vec![
            ("frame", name.into()),
            ("body", Json::bytes(&body.bytes)),
        ])
    };
    let frames = Json::List(vec![read("HELLO", &hello), read("IDENTIFY", &identify)]);
    (bytes.concat(), Json::Object(vec![("frames", frames)]))
}

fn chat_open(actor: Actor, name: &str, secrets: [u8; 2]) -> Structure {
    Structure::new()
        .text("ChatOpen.name", name)
        .option("ChatOpen.invite", None, false)
        .push("ChatOpen.device", &device(actor, secrets).part(), false)
        .list("ChatOpen.sessions", &[], true)
        .extensions("ChatOpen.extensions", &[])
}

fn envelope(session: &[u8; 32], stage: u8, message: &[u8]) -> Structure {
    Structure::new()
        .fixed("Envelope.session", session)
        .u8("Envelope.stage", stage)
        .bytes("Envelope.message", message)
        .extensions("Envelope.extensions", &[])
}

fn session() -> Initiator {
    Initiator {
        identity: filler(BOBS[0]),
        base: filler(BOBS[2]),
        ratchet: filler(BOBS[3]),
        their_identity: public(&filler(ALICES[0])),
        their_fallback: public(&filler(ALICES[1])),
    }
}

/// What Alice's log holds, as one of the two says it.
fn frontier(read: u64, tip: &[u8; 32]) -> Part {
    Structure::new()
        .fixed("Frontier.author", &ALICE.public())
        .fixed("Frontier.incarnation", &filler(INCARNATION)[..16])
        .u64("Frontier.held", 1)
        .u64("Frontier.low_water", 1)
        .u64("Frontier.read", read)
        .fixed("Frontier.tip", tip)
        .part()
}

/// The four parcels, in the order in which they travel.
fn parcels() -> [Structure; 4] {
    let content = content(1, None, TEXT.as_bytes());
    let hash = entry_hash(ALICE, 1, &[0; 32], &content.bytes);
    let entry = Structure::new()
        .fixed("Entry.incarnation", &filler(INCARNATION)[..16])
        .u64("Entry.seq", 1)
        .fixed("Entry.prev", &[0; 32])
        .fixed("Entry.hash", &hash)
        .option("Entry.content", Some(&content.part()), false)
        .part();
    [
        sealed(&[], &[]),
        sealed(&[frontier(1, &hash)], &[]),
        sealed(&[], &[entry]),
        sealed(&[frontier(0, &hash)], &[]),
    ]
}

/// The messages that carry them: Bob's opening, two of Alice's, Bob's in the chain of his next step.
fn messages() -> [Vec<u8>; 4] {
    let bob = session();
    let [nothing, frontiers, text, acknowledgement] = parcels();
    let [first, alices, bobs] = [BOBS[3], ALICES[2], BOBS[4]].map(filler);
    let root = Step::first(&bob.shared());
    let reply = root.reply(&alices, &public(&first));
    let again = reply.reply(&bobs, &public(&alices));
    let second = next_chain(&reply.chain);
    [
        bob.opening(0, &nothing.bytes),
        message(&reply.chain, 0, &public(&alices), &frontiers.bytes),
        message(&second, 1, &public(&alices), &text.bytes),
        message(&again.chain, 0, &public(&bobs), &acknowledgement.bytes),
    ]
}

pub(super) fn suite() -> Suite {
    let mut cases = greetings();
    cases.extend(openings());
    cases.extend(envelopes());
    cases.extend(plaintexts());
    Suite {
        name: "trace",
        cases,
    }
}

fn greetings() -> Vec<Case> {
    let (alices, bobs) = ([192, 0, 2, 1], [198, 51, 100, 2]);
    let sides = [
        ("alice", control(0xa0, [0x1a2a, 0x3a4a], alices, bobs)),
        ("bob", control(0xb0, [0x5a6a, 0x7a0a], bobs, alices)),
    ];
    let case = |(side, (bytes, expected)): (&str, (Vec<u8>, Json))| {
        let req = &["DC-WIRE-013", "DC-WIRE-022", "DC-WIRE-025", "DC-CONN-026"];
        Case::valid(format!("trace/{side}-control"), "stream", req, expected)
            .with("bytes", Json::bytes(&bytes))
    };
    sides.into_iter().map(case).collect()
}

fn framed(id: &str, name: &'static str, code: u16, body: &Structure) -> Case {
    let expected = Json::Object(vec![("frame", name.into()), ("body", body.json())]);
    let bytes = frame(code, CRITICAL, &body.bytes);
    Case::valid(
        format!("trace/{id}"),
        "frame",
        &["DC-WIRE-010", "DC-WIRE-011"],
        expected,
    )
    .with("bytes", Json::bytes(&bytes))
}

fn openings() -> Vec<Case> {
    let sides = [
        ("alice", ALICE, "Alice", [ALICES[0], ALICES[1]]),
        ("bob", BOB, "Bob", [BOBS[0], BOBS[1]]),
    ];
    let case = |(side, actor, name, secrets)| {
        framed(
            &format!("{side}-chat-open"),
            "CHAT_OPEN",
            0x0010,
            &chat_open(actor, name, secrets),
        )
    };
    sides.into_iter().map(case).collect()
}

fn envelopes() -> Vec<Case> {
    let id = session().session_id();
    let names = [
        "bob-first",
        "alice-frontiers",
        "alice-text",
        "bob-acknowledgement",
    ];
    let sent = names.into_iter().zip([0, 1, 1, 1]).zip(messages());
    sent.map(|((name, stage), message)| {
        framed(name, "ENVELOPE", 0x0011, &envelope(&id, stage, &message))
    })
    .collect()
}

fn plaintexts() -> Vec<Case> {
    let parcels = parcels();
    let names = ["nothing", "frontiers", "text", "acknowledgement"];
    let mut cases: Vec<Case> = names
        .into_iter()
        .zip(&parcels)
        .map(|(name, parcel)| {
            let req = &["DC-CHAT-029", "DC-CHAT-030"];
            Case::valid(format!("trace/parcel-{name}"), "parcel", req, parcel.json())
                .with("bytes", Json::bytes(&parcel.bytes))
        })
        .collect();
    let bob = session();
    let [nothing, ..] = &parcels;
    let [opening, ..] = messages();
    let expected = Json::Object(vec![(
        "plaintexts",
        Json::List(vec![Json::bytes(&nothing.bytes)]),
    )]);
    let req = &["DC-CHAT-013", "DC-CHAT-014", "DC-CHAT-021"];
    cases.push(
        Case::valid("trace/bob-first-opens", "olm-decrypt", req, expected)
            .with("identity_secret", Json::bytes(&filler(ALICES[0])))
            .with("fallback_secret", Json::bytes(&filler(ALICES[1])))
            .with("sender_identity", Json::bytes(&public(&bob.identity)))
            .with("session", Json::bytes(&bob.session_id()))
            .with("messages", Json::List(vec![Json::bytes(&opening)])),
    );
    cases
}
