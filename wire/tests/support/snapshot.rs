//! Values beside the bytes they are written as.

use dchat_wire::codec::Body;
use dchat_wire::{Frame, FrameReader, FrameType, decode, encode};

use super::hex;

/// These bytes are those of the snapshot, in hexadecimal.
#[track_caller]
pub fn is_written_as(bytes: &[u8], snapshot: &str) {
    assert_eq!(hex::text(bytes), hex::text(&hex::bytes(snapshot)));
}

/// Of `frames` the one of `frame_type` is written as `snapshot`, which reads as that frame.
#[track_caller]
pub fn frame(frames: Vec<Frame>, frame_type: FrameType, snapshot: &str) {
    let mut frames = frames.into_iter();
    let frame = frames
        .find(|frame| frame.frame_type() == frame_type)
        .unwrap();
    is_written_as(&frame.to_bytes(), snapshot);
    let bytes = hex::bytes(snapshot);
    let read: Option<Frame> = FrameReader::new().read(&mut bytes.as_slice()).unwrap();
    assert_eq!(read, Some(frame));
}

/// A body is written as `snapshot`, which reads as it.
#[track_caller]
pub fn body<T: Body + PartialEq + core::fmt::Debug>(value: &T, snapshot: &str) {
    is_written_as(&encode(value), snapshot);
    assert_eq!(decode::<T>(&hex::bytes(snapshot)).as_ref(), Ok(value));
}
