//! Values out and back in.

use arbitrary::{Result, Unstructured};
use dchat_wire::codec::{Body, encoded_len};
use dchat_wire::invite::Invite;
use dchat_wire::parcel::Parcel;
use dchat_wire::{FrameReader, decode, encode, limits};

use crate::build::Build;

/// Input: which kind of value and what it is made of. It must come back as it was.
///
/// # Panics
/// When it does not.
pub fn round_trip(data: &[u8]) {
    // Bytes that end early make no value; there is nothing to check then.
    let _ = check(&mut Build(Unstructured::new(data)));
}

fn check(build: &mut Build<'_>) -> Result<()> {
    match build.below(10)? {
        0 => {
            let frame = build.frame()?;
            let bytes = frame.to_bytes();
            let (mut reader, mut input) = (FrameReader::new(), bytes.as_slice());
            assert_eq!(reader.read(&mut input), Ok(Some(frame)));
            assert!(input.is_empty() && reader.is_between_frames());
        }
        1 => {
            let parcel = build.parcel()?;
            returns(&parcel);
            let Ok(bytes) = parcel.clone().seal() else {
                assert!(encoded_len(&parcel) > limits::PARCEL);
                return Ok(());
            };
            let opened = Parcel::open(&bytes).unwrap();
            assert_eq!(opened.entries, parcel.entries);
            assert_eq!(opened.frontiers, parcel.frontiers);
        }
        2 => {
            let invite = build.invite()?;
            returns(&invite);
            assert_eq!(invite.to_string().parse::<Invite>(), Ok(invite));
        }
        3 => returns(&build.address_record()?),
        4 => returns(&build.device_record()?),
        5 => returns(&build.relay_advert()?),
        6 => returns(&build.service_advert()?),
        7 => returns(&build.mailbox_pointer()?),
        8 => returns(&build.presence()?),
        _ => returns(&build.rendezvous()?),
    }
    Ok(())
}

fn returns<T: Body + PartialEq + core::fmt::Debug>(value: &T) {
    let bytes = encode(value);
    assert_eq!(bytes.len(), encoded_len(value));
    if bytes.len() <= limits::FRAME_BODY {
        assert_eq!(decode::<T>(&bytes).as_ref(), Ok(value));
    }
}
