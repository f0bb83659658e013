//! The comparison of three decoders of one format: the codec, one written by hand, and `wincode`.

use dchat_wire::codec::Body;
use dchat_wire::parcel::Parcel;
use dchat_wire::{decode, encode};

use super::hand::{self, ByHand};
use super::mirror::Mirrored;

/// Compares what the three make of `bytes` as a `T`.
///
/// # Panics
/// When they disagree.
pub fn agree<T: ByHand + Mirrored + PartialEq + core::fmt::Debug>(bytes: &[u8]) {
    let ours = decode::<T>(bytes);
    let by_hand = hand::decode::<T>(bytes);
    assert_eq!(
        ours.as_ref().map(unpadded).map_err(|error| error.name()),
        by_hand.as_ref().map(unpadded).map_err(|name| *name),
        "by hand, {}: {ours:?}",
        T::NAME
    );
    let wincode = T::wincode_rewritten(bytes);
    match ours {
        Ok(value) => {
            assert_eq!(wincode.as_deref(), Some(bytes), "wincode reads {}", T::NAME);
            assert_eq!(value.wincode_bytes(), bytes, "wincode writes {}", T::NAME);
        }
        // wincode knows the shape and no rule: bounds, order, UTF-8, keys, addresses, zeros.
        Err(error) if matches!(error.name(), "over-limit" | "invalid") => {}
        Err(error) => assert_eq!(wincode, None, "{}: {error}", T::NAME),
    }
}

/// The encoding of `value`, of a parcel without the padding, which the decoder by hand cannot make.
fn unpadded<T: Body>(value: &T) -> Vec<u8> {
    let bytes = encode(value);
    if T::NAME != Parcel::NAME {
        return bytes;
    }
    let parcel: Parcel = decode(&bytes).unwrap();
    encode(&Parcel {
        padding: Default::default(),
        ..parcel
    })
}
