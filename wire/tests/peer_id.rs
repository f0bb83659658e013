//! One node has one name: known pairs of key and text, and everything that is no key refused.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

mod support;

use dchat_wire::id::PeerIdError;
use dchat_wire::sign::Identity;
use dchat_wire::{DecodeError, PeerId, decode};
use ed25519_dalek::VerifyingKey;
use support::hex;

fn key(text: &str) -> [u8; 32] {
    hex::bytes(text).try_into().unwrap()
}

/// From the peer-ids specification of libp2p: a key pair, and a PeerId with its CID.
/// Checks DC-ID-006 (positive), DC-ID-007 (positive).
#[test]
fn known_keys_are_written_as_the_field_writes_them() {
    let seed = key("7e0830617c4a7de83925dfb2694556b12936c477a0e1feb2e148ec9da60fee7d");
    let public = key("1ed1e8fae2c4a144b8be8fd4b47bf3d3b34b871c3cacf6010f0e42d474fce27e");
    let peer = Identity::from_seed(&seed).peer_id();
    assert_eq!(peer.public_key(), &public);
    assert_eq!(
        peer.to_string(),
        "12D3KooWBtg3aaRMjxwedh83aGiUkwSxDwUZkzuJcfaqUmo7R3pq"
    );

    let public = key("2ffa35a99d3a3cfbb17bb7c1dc5561b18a8dcca4df38dc613ea859c37eb1336b");
    let peer = PeerId::from_public_key(public).unwrap();
    let text = "12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA";
    assert_eq!(peer.to_string(), text);
    assert_eq!(text.parse(), Ok(peer));
    assert_eq!(peer.short(), "12D3Ko…U5SA");
}

/// Checks DC-ID-007 (negative).
#[test]
fn the_other_spellings_of_a_peer_id_are_refused() {
    for text in [
        "",
        "1",
        "12D3KooW",
        // The same as a CID.
        "bafzaajaiaejcal72gwuz2or47oyxxn6b3rkwdmmkrxgkjxzy3rqt5kczyn7lcm3l",
        // An RSA key.
        "QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N",
        // One character more, less, outside the alphabet, and white space.
        "112D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA",
        "12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5S",
        "12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5S0",
        " 12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA",
        "12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5é",
    ] {
        assert_eq!(
            text.parse::<PeerId>(),
            Err(PeerIdError::Malformed),
            "{text}"
        );
    }
    let long = "1".repeat(100_000);
    assert_eq!(long.parse::<PeerId>(), Err(PeerIdError::Malformed));
}

/// The encodings of y = 2^255 - 19 + `k` with either sign: none is how its point is written.
fn unreduced(k: u8, sign: bool) -> [u8; 32] {
    let mut key = [0xff; 32];
    key[0] = 0xed + k;
    key[31] = if sign { 0xff } else { 0x7f };
    key
}

/// Checks DC-ID-004 (negative).
#[test]
fn a_key_whose_y_is_not_reduced_is_refused() {
    let mut taken_by_the_curve = 0;
    for k in 0..19 {
        for sign in [false, true] {
            let key = unreduced(k, sign);
            assert_eq!(PeerId::from_public_key(key), Err(PeerIdError::NotAKey));
            let point = VerifyingKey::from_bytes(&key);
            taken_by_the_curve += usize::from(point.is_ok_and(|point| !point.is_weak()));
        }
    }
    // Decompression alone, and strict verification after it, would let these through.
    assert_eq!(taken_by_the_curve, 20);
}

/// The eight points of small order, with those of their encodings that are not canonical.
const SMALL_ORDER: [&str; 14] = [
    "0100000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000080",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
];

/// Checks DC-ID-005 (negative).
#[test]
fn a_key_of_small_order_is_refused() {
    for text in SMALL_ORDER {
        let key = key(text);
        assert!(
            VerifyingKey::from_bytes(&key).is_ok_and(|point| point.is_weak()),
            "{text}"
        );
        assert_eq!(
            PeerId::from_public_key(key),
            Err(PeerIdError::NotAKey),
            "{text}"
        );
        let refused = Err(DecodeError::Invalid {
            field: "body",
            reason: "not a canonical Ed25519 public key",
        });
        assert_eq!(decode::<PeerId>(&key), refused);
    }
}

/// Checks DC-ID-003 (negative).
#[test]
fn bytes_that_are_no_point_are_refused() {
    // x² has no root for y = 2.
    let mut key = [0; 32];
    key[0] = 2;
    assert!(VerifyingKey::from_bytes(&key).is_err());
    assert_eq!(PeerId::from_public_key(key), Err(PeerIdError::NotAKey));
}

/// Checks DC-ID-004 (positive).
#[test]
fn around_the_field_s_end_a_key_is_taken_exactly_when_it_re_encodes_to_itself() {
    let mut taken = 0;
    for low in 0..=u8::MAX {
        for (middle, high) in [(0xff, 0x7f), (0xff, 0xff), (0xfe, 0x7f), (0xff, 0x7e)] {
            let mut key = [0xff; 32];
            (key[0], key[17], key[31]) = (low, middle, high);
            let re_encodes = VerifyingKey::from_bytes(&key).is_ok_and(|point| {
                point.to_edwards().compress().to_bytes() == key && !point.is_weak()
            });
            assert_eq!(
                PeerId::from_public_key(key).is_ok(),
                re_encodes,
                "{key:02x?}"
            );
            taken += u32::from(re_encodes);
        }
    }
    assert!(taken > 300, "{taken} keys are points");
}
