//! Records for those who share a secret (`70-dht` §8).

use chacha20poly1305::aead::{Aead as _, Payload};
use chacha20poly1305::{Key, KeyInit as _, XChaCha20Poly1305, XNonce};
use ed25519_dalek::SigningKey;

use crate::actor::{ALICE, BOB, filler};
use crate::case::{Case, Suite};
use crate::json::Json;

use super::digest::{BLINDED_SEAL, BLINDED_SIGNER, derive};
use super::position::dht_key;

const PRESENCE: u16 = 7;
/// The hour of the records of the other suites.
const EPOCH: u64 = 498_192;
const NONCE: [u8; 24] = [0x6e; 24];

fn secret() -> [u8; 32] {
    filler(0xa0)
}

fn signer(secret: &[u8], epoch: u64, label: &[u8]) -> [u8; 32] {
    let seed = derive(BLINDED_SIGNER, &[secret, &epoch.to_le_bytes(), label]);
    SigningKey::from_bytes(&seed).verifying_key().to_bytes()
}

pub(super) fn suite() -> Suite {
    let mut cases = identities();
    cases.extend(sealed());
    Suite {
        name: "blinded",
        cases,
    }
}

fn identities() -> Vec<Case> {
    let req = &["DC-DHT-036"];
    let of = |case: Case, kind: u16, epoch: u64, label: &[u8]| {
        case.with("secret", Json::bytes(&secret()))
            .with("epoch", Json::decimal(epoch))
            .with("label", Json::bytes(label))
            .with("kind", Json::Number(kind.into()))
    };
    let here = |slug: &str, kind: u16, epoch: u64, label: &[u8]| {
        let signer = signer(&secret(), epoch, label);
        let expected = Json::Object(vec![
            ("signer", Json::bytes(&signer)),
            ("key", Json::bytes(&dht_key(kind, &signer))),
        ]);
        let id = format!("blinded/{slug}");
        of(
            Case::valid(id, "blinded-identity", req, expected),
            kind,
            epoch,
            label,
        )
    };
    let wrong = |slug: &str, claimed: &[u8]| {
        let case = Case::invalid(
            format!("blinded/{slug}"),
            "blinded-identity",
            req,
            "mismatch",
        );
        of(case, PRESENCE, EPOCH, &ALICE.public()).with("claimed", Json::bytes(claimed))
    };
    let swapped = EPOCH.swap_bytes();
    vec![
        here("alice", PRESENCE, EPOCH, &ALICE.public()),
        here("alice-an-hour-later", PRESENCE, EPOCH + 1, &ALICE.public()),
        here("bob", PRESENCE, EPOCH, &BOB.public()),
        here("group", 8, EPOCH, b""),
        here("first-hour", 8, 0, b""),
        here("last-hour", 8, u64::MAX, b""),
        wrong(
            "identity-of-another-writer",
            &signer(&secret(), EPOCH, &BOB.public()),
        ),
        wrong(
            "identity-of-another-hour",
            &signer(&secret(), EPOCH - 1, &ALICE.public()),
        ),
        wrong(
            "identity-of-another-secret",
            &signer(&filler(0xa1), EPOCH, &ALICE.public()),
        ),
        wrong(
            "epoch-big-endian",
            &signer(&secret(), swapped, &ALICE.public()),
        ),
        wrong("alice-herself", &ALICE.public()),
    ]
}

/// For what a payload is sealed.
#[derive(Clone, Copy)]
struct Seal {
    secret: [u8; 32],
    epoch: u64,
    kind: u16,
    signer: [u8; 32],
}

impl Seal {
    fn seal(&self, plain: &[u8]) -> Vec<u8> {
        let key = derive(BLINDED_SEAL, &[&self.secret, &self.epoch.to_le_bytes()]);
        let aad = [self.kind.to_le_bytes().as_slice(), &self.signer].concat();
        let payload = Payload {
            msg: plain,
            aad: &aad,
        };
        let cipher = XChaCha20Poly1305::new(&Key::from(key));
        // Never fails for so few bytes; if it did, the vectors would fail everywhere else.
        let sealed = cipher.encrypt(&XNonce::from(NONCE), payload);
        [NONCE.as_slice(), &sealed.unwrap_or_default()].concat()
    }
}

/// The count, the content and zeros, in so many bytes.
fn padded(count: u16, content: &[u8], len: usize) -> Vec<u8> {
    let mut plain = [count.to_le_bytes().as_slice(), content].concat();
    plain.resize(len, 0);
    plain
}

fn sealed() -> Vec<Case> {
    let req = &["DC-DHT-036"];
    let ours = Seal {
        secret: secret(),
        epoch: EPOCH,
        kind: PRESENCE,
        signer: signer(&secret(), EPOCH, &ALICE.public()),
    };
    let of = |case: Case, sealed: &[u8]| {
        case.with("secret", Json::bytes(&ours.secret))
            .with("epoch", Json::decimal(ours.epoch))
            .with("kind", Json::Number(ours.kind.into()))
            .with("signer", Json::bytes(&ours.signer))
            .with("sealed", Json::bytes(sealed))
    };
    let opens = |slug: &str, content: &[u8], len: usize| {
        let plain = padded(content.len() as u16, content, len - 40);
        let expected = Json::Object(vec![("plain", Json::bytes(content))]);
        let id = format!("sealed/{slug}");
        of(
            Case::valid(id, "sealed-payload", req, expected),
            &ours.seal(&plain),
        )
    };
    let refused = |slug: &str, sealed: &[u8]| {
        of(
            Case::invalid(
                format!("sealed/{slug}"),
                "sealed-payload",
                req,
                "not-sealed",
            ),
            sealed,
        )
    };
    let plain = padded(5, b"hello", 216);
    let good = ours.seal(&plain);
    let flipped = |at: usize| {
        let mut changed = good.clone();
        changed[at] ^= 1;
        changed
    };
    let other_signer = Seal {
        signer: BOB.public(),
        ..ours
    };
    let other_secret = Seal {
        secret: filler(0xa1),
        ..ours
    };
    let other_epoch = Seal {
        epoch: EPOCH + 1,
        ..ours
    };
    let other_kind = Seal { kind: 8, ..ours };
    vec![
        opens("hello", b"hello", 256),
        opens("nothing", b"", 256),
        opens("fills-the-least", &[0x61; 214], 256),
        opens("one-more", &[0x61; 215], 512),
        opens("most", &[0x61; 982], 1024),
        refused("for-another-signer", &other_signer.seal(&plain)),
        refused("for-another-kind", &other_kind.seal(&plain)),
        refused("in-another-hour", &other_epoch.seal(&plain)),
        refused("with-another-secret", &other_secret.seal(&plain)),
        refused("nonce-changed", &flipped(0)),
        refused("first-byte-changed", &flipped(24)),
        refused("tag-changed", &flipped(255)),
        refused("cut", &good[..255]),
        refused("longer", &[good.as_slice(), &[0]].concat()),
        refused("empty", &[]),
        refused("nonce-alone", &NONCE),
        refused("nothing-inside", &ours.seal(&[])),
        refused(
            "count-over-its-content",
            &ours.seal(&padded(215, b"hello", 216)),
        ),
    ]
}
