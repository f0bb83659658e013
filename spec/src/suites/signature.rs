//! Signatures (`20-identity` §3).

use curve25519_dalek::constants::{ED25519_BASEPOINT_TABLE, EIGHT_TORSION};
use curve25519_dalek::scalar::Scalar;
use sha2::{Digest as _, Sha512};

use crate::actor::{ALICE, BOB, RECORD, signed_bytes};
use crate::case::{Case, Suite};
use crate::json::Json;

use super::peer_id::{mixed_order, small_order};

/// Contexts of signatures (`registry` §4).
const CONTEXTS: [(&str, &str); 5] = [
    ("record", RECORD),
    ("item", "dchat/1 item"),
    ("membership", "dchat/1 membership"),
    ("room-author", "dchat/1 room author"),
    ("seat", "dchat/1 seat"),
];

pub(super) fn suite() -> Suite {
    let mut cases = layouts();
    cases.extend(accepted());
    cases.extend(refused());
    cases.extend(contexts());
    cases.push(cofactored(false));
    cases.push(cofactored(true));
    Suite {
        name: "signature",
        cases,
    }
}

fn layouts() -> Vec<Case> {
    [
        ("abc", &b"abc"[..]),
        ("nothing", b""),
        ("zeros-300", &[0; 300]),
    ]
    .into_iter()
    .map(|(slug, message)| {
        let bytes = Json::bytes(&signed_bytes(RECORD, message));
        let expected = Json::Object(vec![("bytes", bytes)]);
        let id = format!("signature/signed-bytes-{slug}");
        Case::valid(id, "signed-bytes", &["DC-ID-008"], expected)
            .with("context", RECORD)
            .with("message", Json::bytes(message))
    })
    .collect()
}

fn over(case: Case, signer: &[u8; 32], message: &[u8], signature: &[u8]) -> Case {
    case.with("signer", Json::bytes(signer))
        .with("context", RECORD)
        .with("message", Json::bytes(message))
        .with("signature", Json::bytes(signature))
}

fn verifies(slug: &str, signer: &[u8; 32], message: &[u8], signature: &[u8]) -> Case {
    let id = format!("signature/{slug}");
    let case = Case::valid(id, "signature", &["DC-ID-008"], Json::Object(Vec::new()));
    over(case, signer, message, signature)
}

fn accepted() -> Vec<Case> {
    [("alice", ALICE), ("bob", BOB)]
        .into_iter()
        .flat_map(|(name, actor)| {
            [
                ("empty", &b""[..]),
                ("short", b"a message"),
                ("long", &[0x42; 1000]),
            ]
            .map(|(slug, message)| {
                let signature = actor.sign(RECORD, message);
                verifies(
                    &format!("{name}-{slug}"),
                    &actor.public(),
                    message,
                    &signature,
                )
            })
        })
        .collect()
}

/// A signature for each context, and for each taken for one of another.
fn contexts() -> Vec<Case> {
    let message = b"a message";
    let alice = ALICE.public();
    let asked = |case: Case, context: &str, signature: &[u8; 64]| {
        case.with("signer", Json::bytes(&alice))
            .with("context", context)
            .with("message", Json::bytes(message))
            .with("signature", Json::bytes(signature))
    };
    let mut cases = Vec::new();
    for (slug, context) in CONTEXTS.into_iter().skip(1) {
        let bytes = Json::bytes(&signed_bytes(context, message));
        let expected = Json::Object(vec![("bytes", bytes)]);
        let id = format!("signature/signed-bytes-as-{slug}");
        let case = Case::valid(id, "signed-bytes", &["DC-ID-008"], expected);
        cases.push(
            case.with("context", context)
                .with("message", Json::bytes(message)),
        );
        let id = format!("signature/as-{slug}");
        let case = Case::valid(id, "signature", &["DC-ID-008"], Json::Object(Vec::new()));
        cases.push(asked(case, context, &ALICE.sign(context, message)));
    }
    for (slug, context) in CONTEXTS {
        for (other_slug, other) in CONTEXTS {
            if other != context {
                let id = format!("signature/{other_slug}-as-{slug}");
                let case = Case::invalid(id, "signature", &["DC-ID-008"], "bad-signature");
                cases.push(asked(case, context, &ALICE.sign(other, message)));
            }
        }
    }
    cases
}

fn refused() -> Vec<Case> {
    let message = b"a message";
    let good = ALICE.sign(RECORD, message);
    let alice = ALICE.public();
    let join = |r: &[u8], s: &[u8]| [r, s].concat();
    let (r, s) = good.split_at(32);
    let secret = ALICE.key().to_scalar();
    let neutral = small_order()[0];
    // With R neutral and S = k·a the equation holds for anybody who may choose such an R.
    let forged = (challenge(&neutral, &alice, message) * secret).to_bytes();
    let alias = small_order()[10];
    let forged_alias = (challenge(&alias, &alice, message) * secret).to_bytes();
    let all = [
        ("zeros", "DC-ID-008", vec![0; 64]),
        ("ones", "DC-ID-009", vec![0xff; 64]),
        ("s-plus-order", "DC-ID-009", join(r, &plus_order(s))),
        ("s-is-order", "DC-ID-009", join(r, &plus_order(&[0; 32]))),
        (
            "s-high-bit",
            "DC-ID-009",
            join(r, &{
                let mut s = s.to_vec();
                s[31] |= 0x80;
                s
            }),
        ),
        ("r-neutral", "DC-ID-010", join(&neutral, &forged)),
        (
            "r-alias-of-neutral",
            "DC-ID-012",
            join(&alias, &forged_alias),
        ),
        (
            "r-of-another",
            "DC-ID-008",
            join(&BOB.sign(RECORD, message)[..32], s),
        ),
        ("halves-swapped", "DC-ID-008", join(s, r)),
        (
            "other-signer",
            "DC-ID-008",
            BOB.sign(RECORD, message).to_vec(),
        ),
        (
            "other-message",
            "DC-ID-008",
            ALICE.sign(RECORD, b"another one").to_vec(),
        ),
        (
            "other-context",
            "DC-ID-008",
            ALICE.sign("dchat/1 handshake", message).to_vec(),
        ),
        (
            "context-shifted",
            "DC-ID-008",
            ALICE.sign("dchat/1 recor", b"da message").to_vec(),
        ),
    ];
    all.into_iter()
        .map(|(slug, req, signature)| {
            let req: &'static [&'static str] = match req {
                "DC-ID-009" => &["DC-ID-009"],
                "DC-ID-010" => &["DC-ID-010"],
                "DC-ID-012" => &["DC-ID-012"],
                _ => &["DC-ID-008"],
            };
            let case = Case::invalid(
                format!("signature/{slug}"),
                "signature",
                req,
                "bad-signature",
            );
            over(case, &alice, message, &signature)
        })
        .collect()
}

/// `k` of RFC 8032 §5.1.7.
fn challenge(r: &[u8; 32], key: &[u8; 32], message: &[u8]) -> Scalar {
    let mut hash = Sha512::new();
    hash.update(r);
    hash.update(key);
    hash.update(signed_bytes(RECORD, message));
    Scalar::from_bytes_mod_order_wide(&hash.finalize().into())
}

/// `s` plus the group order, as 32 bytes.
fn plus_order(s: &[u8]) -> Vec<u8> {
    // -1 is the order less one, so one more carries into the order itself.
    let order_less_one = (-Scalar::ONE).to_bytes();
    let mut carry = 1;
    s.iter()
        .zip(order_less_one)
        .map(|(a, b)| {
            let sum = u16::from(*a) + u16::from(b) + carry;
            carry = sum >> 8;
            sum as u8
        })
        .collect()
}

/// A signature under a key of mixed order. It holds with the cofactor for every message, and without
/// it only for those whose challenge is a multiple of eight.
fn cofactored(also_without: bool) -> Case {
    let key = mixed_order();
    let secret = ALICE.key().to_scalar();
    let nonce = Scalar::from(0x00dc_4a17_u64);
    let r = (&nonce * ED25519_BASEPOINT_TABLE).compress().to_bytes();
    let found = (0..=u8::MAX).find_map(|byte| {
        let challenge = challenge(&r, &key, &[byte]);
        let vanishes = EIGHT_TORSION[1] * challenge == EIGHT_TORSION[0];
        (vanishes == also_without).then_some((byte, challenge))
    });
    let (byte, challenge) = found.unwrap_or((0, Scalar::ZERO));
    let signature = [r, (nonce + challenge * secret).to_bytes()].concat();
    if also_without {
        return verifies("mixed-order-key", &key, &[byte], &signature);
    }
    let id = "signature/holds-only-with-the-cofactor";
    let case = Case::invalid(id, "signature", &["DC-ID-011"], "bad-signature");
    over(case, &key, &[byte], &signature)
}
