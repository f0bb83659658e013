//! PeerIds as bytes and as text (`20-identity` §2).

use ed25519_dalek::VerifyingKey;

use crate::actor::{ALICE, Actor, BOB, CAROL, PEER_PREFIX, RELAY, peer_text};
use crate::case::{Case, Suite};
use crate::json::Json;

pub(super) fn suite() -> Suite {
    let mut cases = Vec::new();
    let actors = [
        ("alice", ALICE),
        ("bob", BOB),
        ("carol", CAROL),
        ("relay", RELAY),
        ("seed-0", Actor(0)),
        ("seed-255", Actor(255)),
    ];
    for (slug, actor) in actors {
        cases.extend(both_ways(slug, &actor.public()));
    }
    cases.extend(both_ways("mixed-order", &mixed_order()));
    cases.extend(refused_keys());
    cases.extend(refused_text());
    Suite {
        name: "peer-id",
        cases,
    }
}

/// A key of large order with a part of order 8: canonical, so accepted.
pub(super) fn mixed_order() -> [u8; 32] {
    let torsion = curve25519_dalek::constants::EIGHT_TORSION[1];
    let point = ALICE.key().verifying_key().to_edwards() + torsion;
    point.compress().to_bytes()
}

/// The encodings of the eight points of small order, canonical and not.
pub(super) fn small_order() -> Vec<[u8; 32]> {
    let mut keys: Vec<[u8; 32]> = curve25519_dalek::constants::EIGHT_TORSION
        .iter()
        .map(|point| point.compress().to_bytes())
        .collect();
    for (y, sign) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
        keys.push(above_p(y, sign));
    }
    // x = 0 with the sign bit set: aliases of y = 1 and y = -1.
    for mut key in [keys[0], keys[4]] {
        key[31] |= 0x80;
        keys.push(key);
    }
    keys
}

/// The encoding of `p + y`, for `y` below 19.
fn above_p(y: u8, sign: u8) -> [u8; 32] {
    let mut key = [0xff; 32];
    key[0] = 0xed + y;
    key[31] = 0x7f | sign << 7;
    key
}

fn both_ways(slug: &str, key: &[u8; 32]) -> [Case; 2] {
    let (key, text) = (Json::bytes(key), Json::from(peer_text(key)));
    let req = &["DC-ID-006"];
    [
        Case::valid(
            format!("peer-id/{slug}"),
            "peer-id-bytes",
            req,
            Json::Object(vec![("text", text.clone())]),
        )
        .with("key", key.clone()),
        Case::valid(
            format!("peer-id/{slug}-text"),
            "peer-id-text",
            req,
            Json::Object(vec![("key", key)]),
        )
        .with("text", text),
    ]
}

fn refused_keys() -> Vec<Case> {
    let mut cases = Vec::new();
    for (index, key) in small_order().iter().enumerate() {
        cases.push(refused_key(
            format!("small-order-{index}"),
            &["DC-ID-005"],
            key,
        ));
    }
    for y in 2..19 {
        for sign in [0, 1] {
            let key = above_p(y, sign);
            // Only those that are points are aliases; the others are covered below.
            if VerifyingKey::from_bytes(&key).is_ok() {
                let slug = format!("alias-{y}-{sign}");
                cases.push(refused_key(slug, &["DC-ID-004"], &key));
            }
        }
    }
    let no_points = (2..=u8::MAX).filter_map(|y| {
        let mut key = [0; 32];
        key[0] = y;
        VerifyingKey::from_bytes(&key).is_err().then_some(key)
    });
    for (index, key) in no_points.take(4).enumerate() {
        cases.push(refused_key(
            format!("no-point-{index}"),
            &["DC-ID-003"],
            &key,
        ));
    }
    cases.push(
        Case::invalid(
            "peer-id/small-order-text",
            "peer-id-text",
            &["DC-ID-007"],
            "not-a-key",
        )
        .with("text", peer_text(&[0; 32])),
    );
    cases
}

fn refused_key(slug: String, req: &'static [&'static str], key: &[u8; 32]) -> Case {
    Case::invalid(format!("peer-id/{slug}"), "peer-id-bytes", req, "not-a-key")
        .with("key", Json::bytes(key))
}

fn refused_text() -> Vec<Case> {
    let text = ALICE.text();
    let key = ALICE.public();
    let base58 = |bytes: &[u8]| bs58::encode(bytes).into_string();
    let with = |prefix: [u8; 6]| base58(&[prefix.as_slice(), &key].concat());
    let all = [
        ("empty", String::new()),
        ("cut", text[..51].to_owned()),
        ("longer", format!("{text}1")),
        ("leading-one", format!("1{text}")),
        ("space-before", format!(" {text}")),
        ("newline-behind", format!("{text}\n")),
        ("zero-digit", text.replacen('K', "0", 1)),
        ("letter-l", text.replacen('K', "l", 1)),
        ("lower-case", text.to_lowercase()),
        ("not-ascii", text.replacen('K', "Ķ", 1)),
        ("multibase", format!("z{text}")),
        ("key-only", base58(&key)),
        ("secp256k1-type", with([0x00, 0x24, 0x08, 0x02, 0x12, 0x20])),
        ("sha2-multihash", with([0x12, 0x24, 0x08, 0x01, 0x12, 0x20])),
        (
            "wrong-multihash-length",
            with([0x00, 0x25, 0x08, 0x01, 0x12, 0x20]),
        ),
        (
            "31-bytes",
            base58(&[PEER_PREFIX.as_slice(), &key[..31]].concat()),
        ),
        (
            "33-bytes",
            base58(&[PEER_PREFIX.as_slice(), &key, &[0]].concat()),
        ),
        ("cid", "bafzaajaiaejcbcui4pouolx3cq".to_owned()),
    ];
    all.into_iter()
        .map(|(slug, text)| {
            let id = format!("peer-id/text-{slug}");
            Case::invalid(
                id,
                "peer-id-text",
                &["DC-ID-006", "DC-ID-007"],
                "not-a-peer-id",
            )
            .with("text", text)
        })
        .collect()
}
