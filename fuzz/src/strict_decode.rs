//! Every body, from any bytes.

use dchat_wire::codec::Field;
use dchat_wire::parcel::Parcel;
use dchat_wire::{Address, FrameType, PeerId, decode, encode};

use crate::bodies::for_every_body;

/// Input: the bytes of any body. What decodes must re-encode to the same bytes.
///
/// # Panics
/// When it does not.
pub fn strict_decode(data: &[u8]) {
    macro_rules! check {
        ($body:ty) => {
            canonical::<$body>(data)
        };
    }
    for_every_body!(check);
    canonical::<Address>(data);
    canonical::<PeerId>(data);
    if let Ok(parcel) = Parcel::open(data) {
        assert_eq!(
            parcel.seal().as_deref(),
            Ok(data),
            "a parcel has one padding"
        );
    }
    for frame_type in FrameType::ALL {
        if let Ok(frame) = frame_type.decode(data) {
            assert_eq!(frame.frame_type(), *frame_type);
            assert_eq!(&frame.to_bytes()[8..], data);
        }
    }
}

fn canonical<T: Field>(data: &[u8]) {
    match decode::<T>(data) {
        Ok(value) => assert_eq!(encode(&value), data, "{}", core::any::type_name::<T>()),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}
