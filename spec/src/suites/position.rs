//! Where nodes and records are: puzzles, keys and distances (`70-dht` §2 and §6).

use argon2::{Algorithm, Argon2, Params, Version};

use crate::actor::{ALICE, Actor, BOB, filler};
use crate::case::{Case, Suite};
use crate::json::Json;

use super::digest::{DHT_KEY, POSITION, derive};

const SALT: &[u8] = b"dchat/1 dht puzzle";
/// Difficulty of the public network.
const PUBLIC: u32 = 12;

/// What one pass yields.
fn pass(key: &[u8; 32], nonce: u64) -> [u8; 64] {
    let mut out = [0; 64];
    let password = [key.as_slice(), &nonce.to_le_bytes()].concat();
    if let Ok(params) = Params::new(1024, 1, 1, Some(64)) {
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        // Zeros would make the vectors fail everywhere else.
        let _ = argon2.hash_password_into(&password, SALT, &mut out);
    }
    out
}

fn zeros(out: &[u8; 64]) -> u32 {
    let mut first = [0; 8];
    first.copy_from_slice(&out[..8]);
    u64::from_be_bytes(first).leading_zeros()
}

/// The position of a node.
fn position(out: &[u8; 64]) -> [u8; 32] {
    derive(POSITION, &[&out[8..]])
}

/// The key of a record.
pub(super) fn dht_key(kind: u16, name: &[u8]) -> [u8; 32] {
    derive(DHT_KEY, &[&kind.to_le_bytes(), name])
}

pub(super) fn suite() -> Suite {
    let mut cases = positions();
    cases.extend(keys());
    cases.extend(distances());
    Suite {
        name: "position",
        cases,
    }
}

fn claim(case: Case, actor: Actor, nonce: u64, difficulty: u32) -> Case {
    case.with("key", Json::bytes(&actor.public()))
        .with("nonce", Json::decimal(nonce))
        .with("difficulty", Json::Number(difficulty))
}

fn positions() -> Vec<Case> {
    let req = &["DC-DHT-007", "DC-DHT-008"];
    let here = |slug: &str, actor: Actor, nonce: u64, difficulty: u32| {
        let at = Json::bytes(&position(&pass(&actor.public(), nonce)));
        let expected = Json::Object(vec![("position", at)]);
        let id = format!("position/{slug}");
        claim(
            Case::valid(id, "position", req, expected),
            actor,
            nonce,
            difficulty,
        )
    };
    let wrong = |slug: &str, error: &'static str, nonce: u64, difficulty: u32| {
        let id = format!("position/{slug}");
        claim(
            Case::invalid(id, "position", req, error),
            ALICE,
            nonce,
            difficulty,
        )
    };
    // The first nonce of Alice's that the public network accepts is looked for here, as a node does.
    let solved = (0..).find(|nonce| zeros(&pass(&ALICE.public(), *nonce)) >= PUBLIC);
    let solved = solved.unwrap_or_default();
    let out = pass(&ALICE.public(), solved);
    let found = zeros(&out);
    let all_of_it = derive(POSITION, &[&out]);
    vec![
        here("alice-free", ALICE, 0, 0),
        here("bob-free", BOB, 0, 0),
        here("alice-solved", ALICE, solved, PUBLIC),
        here("alice-just-solved", ALICE, solved, found),
        wrong("alice-one-bit-short", "not-accepted", solved, found + 1),
        wrong("alice-next-nonce", "not-accepted", solved + 1, PUBLIC),
        wrong("difficulty-65", "not-accepted", solved, 65),
        wrong("of-another-nonce", "mismatch", solved, PUBLIC)
            .with("claimed", Json::bytes(&position(&pass(&ALICE.public(), 0)))),
        wrong("of-all-that-comes-out", "mismatch", solved, PUBLIC)
            .with("claimed", Json::bytes(&all_of_it)),
        wrong("of-the-key-alone", "mismatch", solved, PUBLIC).with(
            "claimed",
            Json::bytes(&derive(POSITION, &[&ALICE.public()])),
        ),
    ]
}

fn keys() -> Vec<Case> {
    let req = &["DC-DHT-027"];
    let of = |case: Case, kind: u16, name: &[u8]| {
        case.with("kind", Json::Number(kind.into()))
            .with("name", Json::bytes(name))
    };
    let here = |slug: &str, kind: u16, name: &[u8]| {
        let expected = Json::Object(vec![("key", Json::bytes(&dht_key(kind, name)))]);
        of(
            Case::valid(format!("dht-key/{slug}"), "dht-key", req, expected),
            kind,
            name,
        )
    };
    let wrong = |slug: &str, claimed: &[u8]| {
        let case = Case::invalid(format!("dht-key/{slug}"), "dht-key", req, "mismatch");
        of(case, 1, &ALICE.public()).with("claimed", Json::bytes(claimed))
    };
    let swapped = derive(DHT_KEY, &[&1_u16.to_be_bytes(), &ALICE.public()]);
    vec![
        here("address", 1, &ALICE.public()),
        here("device", 2, &ALICE.public()),
        here("relay-shard-0", 4, &[0]),
        here("relay-shard-3", 4, &[3]),
        here("service", 5, b"mirror"),
        here("service-without-name", 5, b""),
        here("mailbox", 6, &ALICE.public()),
        here("presence", 7, &BOB.public()),
        here("rendezvous", 8, &BOB.public()),
        wrong("of-another-kind", &dht_key(2, &ALICE.public())),
        wrong("of-another-signer", &dht_key(1, &BOB.public())),
        wrong("kind-big-endian", &swapped),
        wrong("name-itself", &ALICE.public()),
        wrong("without-kind", &derive(DHT_KEY, &[&ALICE.public()])),
        wrong(
            "kind-last",
            &derive(DHT_KEY, &[&ALICE.public(), &1_u16.to_le_bytes()]),
        ),
    ]
}

fn distances() -> Vec<Case> {
    let req = &["DC-DHT-018"];
    let with = |first: usize, bits: u8| {
        let mut other = filler(0x20);
        other[first] ^= bits;
        other
    };
    let of = |case: Case, other: &[u8; 32]| {
        case.with("one", Json::bytes(&filler(0x20)))
            .with("other", Json::bytes(other))
    };
    let distance = |other: &[u8; 32]| -> Vec<u8> {
        filler(0x20).iter().zip(other).map(|(a, b)| a ^ b).collect()
    };
    let here = |slug: &str, other: [u8; 32]| {
        let distance = distance(&other);
        let whole = distance.iter().take_while(|byte| **byte == 0).count();
        let rest = distance.get(whole).map_or(0, |byte| byte.leading_zeros());
        let tail = u32::from_be_bytes([other[28], other[29], other[30], other[31]]);
        let expected = Json::Object(vec![
            ("distance", Json::bytes(&distance)),
            ("shared", Json::Number(8 * whole as u32 + rest)),
            ("tail", Json::Number(tail)),
        ]);
        of(
            Case::valid(format!("distance/{slug}"), "distance", req, expected),
            &other,
        )
    };
    let wrong = |slug: &str, claimed: &[u8]| {
        let case = Case::invalid(format!("distance/{slug}"), "distance", req, "mismatch");
        of(case, &filler(0x47)).with("claimed", Json::bytes(claimed))
    };
    let mut turned = distance(&filler(0x47));
    turned.reverse();
    let sum: Vec<u8> = filler(0x20)
        .iter()
        .zip(filler(0x47))
        .map(|(a, b)| a.wrapping_sub(b))
        .collect();
    vec![
        here("to-itself", filler(0x20)),
        here("first-bit", with(0, 0x80)),
        here("second-bit", with(0, 0x40)),
        here("last-bit", with(31, 1)),
        here("in-the-middle", with(15, 0x1f)),
        here("all-bits", filler(0x20).map(|byte| !byte)),
        wrong("turned", &turned),
        wrong("difference", &sum),
        wrong("none", &[0; 32]),
        wrong("one-itself", &filler(0x20)),
    ]
}
