//! Parcels: padding that tells little, in exactly one way.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

mod support;

use dchat_wire::parcel::{Parcel, ParcelTooLarge, entry_hash, padded_len};
use dchat_wire::{Bytes, DecodeError, List, codec, encode, limits};
use proptest::prelude::*;
use support::samples::{self, content, parcel, peer};

#[test]
fn padding_grows_costs_little_and_settles() {
    let mut before = 0;
    let mut steps = std::collections::BTreeSet::new();
    for len in 0..=limits::PARCEL {
        let padded = padded_len(len);
        assert!(padded >= len && padded >= before, "{len}");
        assert_eq!(padded_len(padded), padded, "{len}");
        if len > limits::PARCEL_MIN {
            assert!(padded * 100 <= len * 112, "{len} becomes {padded}");
        }
        before = padded;
        steps.insert(padded);
    }
    // All that a length can tell.
    assert_eq!(steps.len(), 161);
    assert_eq!(padded_len(0), limits::PARCEL_MIN);
    assert_eq!(padded_len(limits::PARCEL), limits::PARCEL);
    assert_eq!(padded_len(usize::MAX >> 1), limits::PARCEL);
}

/// Worked by hand from the definition: E = ⌊log₂ L⌋, S = ⌊log₂ E⌋ + 1, round up to 2^(E−S).
#[test]
fn known_lengths_are_padded_as_defined() {
    for (len, padded) in [
        (256, 256),
        (257, 272),
        (300, 304),
        (1000, 1024),
        (5000, 5120),
        (70_000, 71_680),
    ] {
        assert_eq!(padded_len(len), padded, "{len}");
    }
}

/// Checks DC-CHAT-030 (positive), DC-CHAT-031 (positive).
#[test]
fn a_sealed_parcel_has_a_padded_length() {
    let sealed = parcel().seal().unwrap();
    assert_eq!(sealed.len(), padded_len(encode(&parcel()).len()));
    assert_eq!(
        Parcel::new(List::default(), List::default())
            .seal()
            .unwrap()
            .len(),
        256
    );
}

#[test]
fn padding_says_how_many_zeros_it_is() {
    let opened = Parcel::open(&parcel().seal().unwrap()).unwrap();
    let zeros = padded_len(encode(&parcel()).len()) - encode(&parcel()).len();
    assert!(zeros > 0);
    assert_eq!(
        (opened.padding.len(), opened.padding.is_empty()),
        (zeros, false)
    );
    assert_eq!(
        (parcel().padding.len(), parcel().padding.is_empty()),
        (0, true)
    );
}

#[test]
fn sealing_again_changes_nothing() {
    let sealed = parcel().seal().unwrap();
    assert_eq!(Parcel::open(&sealed).unwrap().seal().unwrap(), sealed);
}

/// Checks DC-CHAT-031 (negative).
#[test]
fn every_other_amount_of_padding_is_refused() {
    let unpadded = encode(&parcel());
    let start = unpadded.len() - 8;
    let right = padded_len(unpadded.len()) - unpadded.len();
    for amount in 0..600 {
        let bytes = [
            &unpadded[..start],
            &encode(&(amount as u64)),
            &vec![0; amount],
        ]
        .concat();
        let opened = Parcel::open(&bytes);
        assert_eq!(opened.is_ok(), amount == right, "{amount}");
    }
}

/// Checks DC-CHAT-031 (negative).
#[test]
fn padding_that_is_not_zero_is_refused() {
    let sealed = Parcel::new(List::default(), List::default())
        .seal()
        .unwrap();
    for from_the_end in 1..=256 - 32 {
        let mut bytes = sealed.clone();
        let at = bytes.len() - from_the_end;
        bytes[at] = 1;
        assert_eq!(
            Parcel::open(&bytes),
            Err(DecodeError::Invalid {
                field: "Parcel.padding",
                reason: "padding that is not zero"
            })
        );
    }
}

/// Checks DC-CHAT-029 (negative).
#[test]
fn a_parcel_over_its_limit_cannot_be_sealed() {
    let mut content = content();
    content.body = Bytes::new(vec![0; limits::TEXT]).unwrap();
    let entry = dchat_wire::parcel::Entry {
        content: Some(content),
        ..samples::entry()
    };
    let parcel = Parcel::new(List::default(), List::new(vec![entry; 2]).unwrap());
    let len = codec::encoded_len(&parcel);
    assert!(len > limits::PARCEL);
    assert_eq!(parcel.seal(), Err(ParcelTooLarge { len }));
}

#[test]
fn the_hash_of_an_entry_covers_everything_in_it() {
    let hash = |conversation: u8, author: u8, incarnation: u8, seq, prev: u8, content: &_| {
        entry_hash(
            &[conversation; 32],
            &peer(author),
            &[incarnation; 16],
            seq,
            &[prev; 32],
            content,
        )
    };
    let mut other = content();
    other.sent_at += 1;
    let hashes = [
        hash(1, 1, 1, 1, 1, &content()),
        hash(2, 1, 1, 1, 1, &content()),
        hash(1, 2, 1, 1, 1, &content()),
        hash(1, 1, 2, 1, 1, &content()),
        hash(1, 1, 1, 2, 1, &content()),
        hash(1, 1, 1, 1, 2, &content()),
        hash(1, 1, 1, 1, 1, &other),
    ];
    let distinct: std::collections::BTreeSet<_> = hashes.iter().collect();
    assert_eq!(distinct.len(), hashes.len());
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes: Vec<u8>) {
        prop_assert!(Parcel::open(&bytes).is_err());
    }
}
