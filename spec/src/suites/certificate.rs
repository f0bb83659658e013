//! Certificates as a peer presents them (`20-identity` §7).

use crate::actor::{ALICE, Actor, BOB};
use crate::case::{Case, Suite};
use crate::der::{Validity, certificate, ed25519_spki, oid, spki};
use crate::json::Json;

use super::peer_id::small_order;

const ED25519: [u8; 3] = [0x2b, 0x65, 0x70];

pub(super) fn suite() -> Suite {
    let mut cases = accepted();
    cases.extend(refused_keys());
    cases.extend(refused_chains());
    Suite {
        name: "certificate",
        cases,
    }
}

fn plain(actor: Actor) -> Vec<u8> {
    over(&ed25519_spki(&actor.public()))
}

fn over(spki: &[u8]) -> Vec<u8> {
    certificate(ALICE, spki, "dchat", Validity::Long)
}

fn chain(case: Case, certificates: &[Vec<u8>]) -> Case {
    let list = certificates.iter().map(|der| Json::bytes(der)).collect();
    case.with("chain", Json::List(list))
}

fn accepted() -> Vec<Case> {
    let key = ALICE.public();
    let spki = ed25519_spki(&key);
    let mut unsigned = plain(ALICE);
    let len = unsigned.len();
    unsigned[len - 64..].fill(0);
    let all = [
        ("alice", plain(ALICE)),
        ("signature-ignored", unsigned),
        (
            "signed-by-another",
            certificate(BOB, &spki, "dchat", Validity::Long),
        ),
        (
            "validity-ignored",
            certificate(ALICE, &spki, "dchat", Validity::Past),
        ),
        (
            "name-ignored",
            certificate(ALICE, &spki, "example.org", Validity::Long),
        ),
        (
            "long-name",
            certificate(ALICE, &spki, &"n".repeat(300), Validity::Long),
        ),
    ];
    all.into_iter()
        .map(|(slug, der)| {
            let expected = Json::Object(vec![("key", Json::bytes(&key))]);
            let req = &["DC-ID-037", "DC-ID-042"];
            let case = Case::valid(format!("certificate/{slug}"), "certificate", req, expected);
            chain(case, &[der])
        })
        .collect()
}

fn refused_keys() -> Vec<Case> {
    let key = ALICE.public();
    let bits = [&[0], key.as_slice()].concat();
    // The base point of P-256 (SEC 2 §2.4.2), compressed.
    let p256_point = [
        0x00, 0x03, 0x6b, 0x17, 0xd1, 0xf2, 0xe1, 0x2c, 0x42, 0x47, 0xf8, 0xbc, 0xe6, 0xe5, 0x63,
        0xa4, 0x40, 0xf2, 0x77, 0x03, 0x7d, 0x81, 0x2d, 0xeb, 0x33, 0xa0, 0xf4, 0xa1, 0x39, 0x45,
        0xd8, 0x98, 0xc2, 0x96,
    ];
    let p256 = spki(
        &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01],
        &oid(&[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07]),
        &p256_point,
    );
    let unused_bits = [&[1], key.as_slice()].concat();
    let longer = [bits.as_slice(), &[0]].concat();
    let others = [
        ("p256", p256),
        ("x25519", spki(&[0x2b, 0x65, 0x6e], &[], &bits)),
        ("ed448-number", spki(&[0x2b, 0x65, 0x71], &[], &bits)),
        ("null-parameters", spki(&ED25519, &[0x05, 0x00], &bits)),
        ("unused-bits", spki(&ED25519, &[], &unused_bits)),
        ("31-bytes", spki(&ED25519, &[], &bits[..32])),
        ("33-bytes", spki(&ED25519, &[], &longer)),
    ];
    let mut cases: Vec<Case> = others
        .into_iter()
        .map(|(slug, spki)| refused(slug, &["DC-ID-040"], "not-ed25519", &[over(&spki)]))
        .collect();
    for (slug, index) in [
        ("neutral-key", 0),
        ("small-order-key", 1),
        ("alias-key", 10),
    ] {
        let der = over(&ed25519_spki(&small_order()[index]));
        cases.push(refused(slug, &["DC-ID-041"], "not-a-key", &[der]));
    }
    cases
}

fn refused_chains() -> Vec<Case> {
    let good = plain(ALICE);
    let cut = |len: usize| good[..len].to_vec();
    let longer = [good.as_slice(), &[0]].concat();
    let mut other_tag = good.clone();
    other_tag[0] = 0x31;
    let count = &["DC-ID-037", "DC-ID-038"];
    let shape = &["DC-ID-039"];
    let not = "not-a-certificate";
    vec![
        refused("none", count, "certificate-count", &[]),
        refused(
            "two",
            count,
            "certificate-count",
            &[plain(ALICE), plain(BOB)],
        ),
        refused(
            "the-same-twice",
            count,
            "certificate-count",
            &[plain(ALICE), plain(ALICE)],
        ),
        refused("empty", shape, not, &[Vec::new()]),
        refused("one-byte", shape, not, &[cut(1)]),
        refused("cut-in-the-key", shape, not, &[cut(150)]),
        refused("cut-at-the-end", shape, not, &[cut(good.len() - 1)]),
        refused("a-byte-more", shape, not, &[longer]),
        refused("no-sequence", shape, not, &[other_tag]),
        refused("key-alone", shape, not, &[ed25519_spki(&ALICE.public())]),
        refused(
            "text",
            shape,
            not,
            &[b"-----BEGIN CERTIFICATE-----".to_vec()],
        ),
    ]
}

fn refused(
    slug: &str,
    req: &'static [&'static str],
    error: &'static str,
    certificates: &[Vec<u8>],
) -> Case {
    let id = format!("certificate/{slug}");
    chain(Case::invalid(id, "certificate", req, error), certificates)
}
