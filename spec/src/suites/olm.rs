//! The Olm profile: keys, layouts, and a first flight (`40-messaging` §3).

use crate::actor::filler;
use crate::case::{Case, Suite};
use crate::json::Json;
use crate::olm::{Initiator, Step, cipher_keys, field, message_key, next_chain, pre_key, public};

use super::parcel::text_parcel;

/// Secrets of the receiver: identity key and fallback key.
const RECEIVER: [u8; 2] = [0x41, 0x51];
/// Secret of the receiver's first ratchet key.
const REPLY: u8 = 0x61;

fn initiator() -> Initiator {
    Initiator {
        identity: filler(0x11),
        base: filler(0x21),
        ratchet: filler(0x31),
        their_identity: public(&filler(RECEIVER[0])),
        their_fallback: public(&filler(RECEIVER[1])),
    }
}

pub(super) fn suite() -> Suite {
    let mut cases = keys();
    cases.extend(messages());
    cases.extend(decrypted());
    cases.extend(undecryptable());
    Suite { name: "olm", cases }
}

fn secrets(case: Case, side: &Initiator) -> Case {
    case.with("identity_secret", Json::bytes(&side.identity))
        .with("base_secret", Json::bytes(&side.base))
        .with("ratchet_secret", Json::bytes(&side.ratchet))
        .with("their_identity", Json::bytes(&side.their_identity))
        .with("their_fallback", Json::bytes(&side.their_fallback))
        .with("their_ratchet", Json::bytes(&public(&filler(REPLY))))
}

fn keys() -> Vec<Case> {
    let side = initiator();
    let shared = side.shared();
    let first = Step::first(&shared);
    let reply = first.reply(&side.ratchet, &public(&filler(REPLY)));
    let second = next_chain(&first.chain);
    let expected = Json::Object(vec![
        ("shared", Json::bytes(&shared)),
        ("root", Json::bytes(&first.root)),
        ("chain", Json::bytes(&first.chain)),
        ("message_key_0", Json::bytes(&message_key(&first.chain))),
        ("message_key_1", Json::bytes(&message_key(&second))),
        (
            "cipher_keys_0",
            Json::bytes(&cipher_keys(&message_key(&first.chain))),
        ),
        ("reply_root", Json::bytes(&reply.root)),
        ("reply_chain", Json::bytes(&reply.chain)),
        ("session", Json::bytes(&side.session_id())),
    ]);
    let valid = Case::valid("olm/keys", "olm-keys", &["DC-CHAT-011"], expected);
    let low_order = |slug: &str, change: fn(&mut Initiator)| {
        let mut side = initiator();
        change(&mut side);
        let id = format!("olm/{slug}");
        secrets(
            Case::invalid(id, "olm-keys", &["DC-CHAT-018"], "not-a-key"),
            &side,
        )
    };
    let mut swapped = initiator();
    core::mem::swap(&mut swapped.their_identity, &mut swapped.their_fallback);
    let mismatch = Case::invalid(
        "olm/session-of-swapped-keys",
        "olm-keys",
        &["DC-CHAT-014"],
        "mismatch",
    );
    vec![
        secrets(valid, &side),
        low_order("fallback-of-small-order", |side| {
            side.their_fallback = [0; 32]
        }),
        low_order("identity-of-small-order", |side| {
            side.their_identity = [0; 32];
            side.their_identity[0] = 1;
        }),
        secrets(mismatch, &side).with("claimed", Json::bytes(&swapped.session_id())),
    ]
}

fn laid_out(id: &str, stage: u32, bytes: &[u8], expected: Vec<(&'static str, Json)>) -> Case {
    let id = format!("olm/{id}");
    Case::valid(id, "olm-message", &["DC-CHAT-022"], Json::Object(expected))
        .with("stage", Json::Number(stage))
        .with("bytes", Json::bytes(bytes))
}

/// A message whose parts are recognised in a dump; its MAC is no MAC.
fn sample(ratchet: &[u8], index: &[u8], ciphertext: &[u8]) -> Vec<u8> {
    [
        &[3],
        field(0x0a, ratchet).as_slice(),
        &[0x10],
        index,
        &field(0x22, ciphertext),
        &[0xee; 8],
    ]
    .concat()
}

fn messages() -> Vec<Case> {
    let (ratchet, ciphertext) = (filler(0x71), [0x99; 32]);
    let inner = sample(&ratchet, &[5], &ciphertext);
    let outer = pre_key(&filler(0x01), &filler(0x02), &filler(0x03), &inner);
    let fields = |index: u64, ciphertext: &[u8]| {
        vec![
            ("ratchet_key", Json::bytes(&ratchet)),
            ("index", Json::decimal(index)),
            ("ciphertext", Json::bytes(ciphertext)),
            ("mac", Json::bytes(&[0xee; 8])),
        ]
    };
    let opening = vec![
        ("fallback_key", Json::bytes(&filler(0x01))),
        ("base_key", Json::bytes(&filler(0x02))),
        ("identity_key", Json::bytes(&filler(0x03))),
        ("message", Json::bytes(&inner)),
    ];
    let long = [0x99; 304];
    let with_version = |version: u8, bytes: &[u8]| [&[version], &bytes[1..]].concat();
    let wrong = [
        ("message-empty", 1, Vec::new()),
        ("message-version-2", 1, with_version(2, &inner)),
        ("message-version-0", 1, with_version(0, &inner)),
        ("message-too-short", 1, inner[..9].to_vec()),
        ("message-cut", 1, inner[..40].to_vec()),
        (
            "message-key-31",
            1,
            sample(&ratchet[..31], &[5], &ciphertext),
        ),
        (
            "message-key-33",
            1,
            sample(&[&ratchet[..], &[0]].concat(), &[5], &ciphertext),
        ),
        ("opening-empty", 0, Vec::new()),
        ("opening-version-4", 0, with_version(4, &outer)),
        ("opening-cut", 0, outer[..60].to_vec()),
        ("opening-key-31", 0, pre_key_31(&inner)),
        ("opening-without-message", 0, outer[..103].to_vec()),
        (
            "opening-around-garbage",
            0,
            pre_key(&filler(1), &filler(2), &filler(3), &[7; 50]),
        ),
    ];
    let mut cases = vec![
        laid_out("message", 1, &inner, fields(5, &ciphertext)),
        laid_out(
            "message-index-300",
            1,
            &sample(&ratchet, &[0xac, 0x02], &ciphertext),
            fields(300, &ciphertext),
        ),
        laid_out(
            "message-two-bytes-of-length",
            1,
            &sample(&ratchet, &[0], &long),
            fields(0, &long),
        ),
        laid_out("opening", 0, &outer, opening),
    ];
    cases.extend(wrong.into_iter().map(|(id, stage, bytes)| {
        let id = format!("olm/{id}");
        Case::invalid(id, "olm-message", &["DC-CHAT-022"], "bad-olm-message")
            .with("stage", Json::Number(stage))
            .with("bytes", Json::bytes(&bytes))
    }));
    cases
}

fn pre_key_31(inner: &[u8]) -> Vec<u8> {
    [
        vec![3],
        field(0x0a, &filler(1)[..31]),
        field(0x12, &filler(2)),
        field(0x1a, &filler(3)),
        field(0x22, inner),
    ]
    .concat()
}

fn received(case: Case, session: &[u8; 32], sender: &[u8; 32], messages: &[Vec<u8>]) -> Case {
    let messages = messages.iter().map(|bytes| Json::bytes(bytes)).collect();
    case.with("identity_secret", Json::bytes(&filler(RECEIVER[0])))
        .with("fallback_secret", Json::bytes(&filler(RECEIVER[1])))
        .with("sender_identity", Json::bytes(sender))
        .with("session", Json::bytes(session))
        .with("messages", Json::List(messages))
}

fn decrypted() -> Vec<Case> {
    let side = initiator();
    let identity = public(&side.identity);
    let flight = |id: &str, texts: &[(u64, Vec<u8>)]| {
        let messages: Vec<Vec<u8>> = texts
            .iter()
            .map(|(index, text)| side.opening(*index, text))
            .collect();
        let plaintexts = texts.iter().map(|(_, text)| Json::bytes(text)).collect();
        let expected = Json::Object(vec![("plaintexts", Json::List(plaintexts))]);
        let id = format!("olm/{id}");
        let req = &["DC-CHAT-013", "DC-CHAT-014", "DC-CHAT-021"];
        received(
            Case::valid(id, "olm-decrypt", req, expected),
            &side.session_id(),
            &identity,
            &messages,
        )
    };
    let parcel = |text: &str| text_parcel(text).bytes;
    vec![
        flight("first-parcel", &[(0, parcel("hello"))]),
        flight(
            "three-in-order",
            &[(0, parcel("1")), (1, parcel("2")), (2, parcel("3"))],
        ),
        flight(
            "second-comes-last",
            &[(0, parcel("1")), (2, parcel("3")), (1, parcel("2"))],
        ),
        flight("first-is-lost", &[(1, parcel("2"))]),
        flight("no-plaintext", &[(0, Vec::new())]),
        flight("one-block", &[(0, vec![0x16; 16])]),
    ]
}

fn undecryptable() -> Vec<Case> {
    let side = initiator();
    let identity = public(&side.identity);
    let session = side.session_id();
    let good = side.opening(0, b"a message");
    let flipped = |from_end: usize| {
        let mut bytes = good.clone();
        let at = bytes.len() - from_end;
        bytes[at] ^= 1;
        bytes
    };
    let mut other_base = initiator();
    other_base.base = filler(0x22);
    let all = [
        (
            "mac-changed",
            "undecryptable",
            session,
            identity,
            vec![flipped(1)],
        ),
        (
            "ciphertext-changed",
            "undecryptable",
            session,
            identity,
            vec![flipped(9)],
        ),
        (
            "used-twice",
            "undecryptable",
            session,
            identity,
            vec![good.clone(), good.clone()],
        ),
        (
            "of-another-device",
            "wrong-identity",
            session,
            public(&filler(0x12)),
            vec![good.clone()],
        ),
        (
            "of-another-session",
            "mismatch",
            other_base.session_id(),
            identity,
            vec![good],
        ),
    ];
    all.into_iter()
        .map(|(id, error, session, sender, messages)| {
            let id = format!("olm/{id}");
            let req: &'static [&'static str] = match id.as_str() {
                "olm/of-another-device" => &["DC-CHAT-013"],
                "olm/of-another-session" => &["DC-CHAT-014"],
                "olm/used-twice" => &["DC-CHAT-019"],
                _ => &["DC-CHAT-021"],
            };
            received(
                Case::invalid(id, "olm-decrypt", req, error),
                &session,
                &sender,
                &messages,
            )
        })
        .collect()
}
