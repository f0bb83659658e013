//! Every prefix and every single flipped bit of a sample of everything: an error that names a field,
//! or another value whose encoding it is; never a panic.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

mod support;

use dchat_wire::codec::Body;
use dchat_wire::{DecodeError, decode, encode};
use support::{bodies, samples};

fn for_each_damage(bytes: &[u8], mut check: impl FnMut(&[u8], bool)) {
    for end in 0..bytes.len() {
        check(&bytes[..end], true);
    }
    let mut flipped = bytes.to_vec();
    for bit in 0..bytes.len() * 8 {
        flipped[bit / 8] ^= 1 << (bit % 8);
        check(&flipped, false);
        flipped[bit / 8] ^= 1 << (bit % 8);
    }
}

fn survives<T: Body>(bytes: &[u8]) {
    for_each_damage(bytes, |damaged, cut| match decode::<T>(damaged) {
        Ok(value) => {
            assert!(!cut, "{}: a prefix decodes", T::NAME);
            assert_eq!(encode(&value), damaged, "{}", T::NAME);
        }
        Err(error @ DecodeError::TrailingBytes { .. }) => assert_eq!(error.field(), None),
        Err(error) => {
            let field = error.field().unwrap();
            let (of, _) = field.split_once('.').expect(field);
            assert!(is_body(of), "{}: {field}", T::NAME);
            assert!(error.to_string().starts_with(field), "{error}");
            if cut {
                assert_eq!(error.name(), "unexpected-end", "{}", T::NAME);
            }
        }
    });
}

fn is_body(name: &str) -> bool {
    let mut found = false;
    macro_rules! one {
        ($body:ty) => {
            found |= <$body as Body>::NAME == name
        };
    }
    bodies::for_every_body!(one);
    found
}

#[test]
fn every_body_survives_every_cut_and_every_flipped_bit() {
    let samples = samples::encoded_bodies();
    macro_rules! one {
        ($body:ty) => {
            let name = <$body as Body>::NAME;
            let (_, bytes) = samples.iter().find(|(sample, _)| *sample == name).unwrap();
            survives::<$body>(bytes);
        };
    }
    bodies::for_every_body!(one);
}

/// Checks DC-WIRE-030 (positive).
#[test]
fn the_innermost_field_is_named() {
    let mut parcel = encode(&samples::parcel());
    // Frontier count, then the author of the first, which is made no point of the curve.
    parcel[8..40].fill(0xff);
    let error = decode::<dchat_wire::parcel::Parcel>(&parcel).unwrap_err();
    assert_eq!(error.field(), Some("Frontier.author"));
}

/// Checks DC-WIRE-002 (negative), DC-WIRE-029 (negative).
#[test]
fn a_list_longer_than_its_bytes_is_refused_before_its_items_are_read() {
    let mut bytes = encode(&samples::undecryptable());
    bytes.truncate(40);
    bytes[32] = 16;
    // Sixteen extensions of at least ten bytes, and none of them is there.
    assert_eq!(
        decode::<dchat_wire::chat::Undecryptable>(&bytes),
        Err(DecodeError::UnexpectedEnd {
            field: "Undecryptable.extensions"
        })
    );
}

/// Checks DC-WIRE-006 (positive, negative).
#[test]
fn a_tag_other_than_0_and_1_is_refused() {
    let mut bytes = encode(&samples::identify());
    bytes[8] = 2;
    assert_eq!(
        decode::<dchat_wire::identify::Identify>(&bytes),
        Err(DecodeError::NotBoolean {
            field: "Identify.observed"
        })
    );
    for (byte, value) in [(0, Ok(false)), (1, Ok(true)), (2, Err("not-boolean"))] {
        assert_eq!(decode::<bool>(&[byte]).map_err(|error| error.name()), value);
    }
}

/// Checks DC-WIRE-008 (negative).
#[test]
fn text_that_is_not_utf_8_is_refused() {
    let mut bytes = encode(&samples::chat_open());
    bytes[8] = 0xff;
    assert_eq!(
        decode::<dchat_wire::chat::ChatOpen>(&bytes),
        Err(DecodeError::Invalid {
            field: "ChatOpen.name",
            reason: "not UTF-8"
        })
    );
}
