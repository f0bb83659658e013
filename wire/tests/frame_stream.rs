//! Streams of frames: any split reads the same, and what is skipped or refused is so in time.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

mod support;

use dchat_wire::close::Code;
use dchat_wire::frame::{FrameError, FrameReader};
use dchat_wire::{DecodeError, Frame, FrameType, grease, limits};
use proptest::prelude::*;
use support::{hand, samples, strategies as any_of};

#[derive(Debug, PartialEq)]
struct Outcome {
    frames: Vec<Frame>,
    error: Option<FrameError>,
    between_frames: bool,
    /// Bytes taken until the error, or all.
    taken: usize,
}

fn read<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Outcome {
    let mut reader = FrameReader::new();
    let (mut frames, mut taken) = (Vec::new(), 0);
    for mut piece in pieces {
        let len = piece.len();
        loop {
            match reader.read(&mut piece) {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => break,
                Err(error) => {
                    return Outcome {
                        frames,
                        error: Some(error),
                        between_frames: reader.is_between_frames(),
                        taken: taken + len - piece.len(),
                    };
                }
            }
        }
        assert!(piece.is_empty(), "no frame and bytes left");
        taken += len;
    }
    Outcome {
        frames,
        error: None,
        between_frames: reader.is_between_frames(),
        taken,
    }
}

fn header(code: u16, flags: u16, len: u32) -> Vec<u8> {
    let mut header = len.to_le_bytes().to_vec();
    header.extend_from_slice(&code.to_le_bytes());
    header.extend_from_slice(&flags.to_le_bytes());
    header
}

/// Frames, reserved ones between them, and sometimes damage at the end.
fn stream() -> impl Strategy<Value = Vec<u8>> {
    let frames = prop::collection::vec((any_of::frame(), any::<u8>(), any::<bool>()), 0..5);
    (frames, any::<bool>(), any_of::mutations()).prop_map(|(frames, damaged, mutations)| {
        let mut stream = Vec::new();
        for (frame, seed, skipped) in frames {
            if skipped {
                stream.extend(grease::frame(seed, &[seed; 20]));
            }
            stream.extend(frame.to_bytes());
        }
        if damaged {
            any_of::mutate(stream, &mutations)
        } else {
            stream
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Checks DC-WIRE-018 (positive).
    #[test]
    fn any_split_reads_the_same(stream in stream(), sizes in prop::collection::vec(1..70_usize, 1..9)) {
        let whole = read([stream.as_slice()]);
        let mut rest = stream.as_slice();
        let pieces = sizes.iter().cycle().map_while(|size| {
            let (piece, tail) = rest.split_at((*size).min(rest.len()));
            rest = tail;
            (!piece.is_empty()).then_some(piece)
        });
        prop_assert_eq!(&read(pieces), &whole);
        prop_assert_eq!(&read(stream.chunks(1)), &whole);
    }

    #[test]
    fn a_reader_written_by_hand_finds_the_same_frames(stream in stream()) {
        let ours = read([stream.as_slice()]);
        let by_hand = hand::stream(&stream);
        prop_assert_eq!(ours.frames, by_hand.frames);
        prop_assert_eq!(ours.error.is_none(), matches!(by_hand.end, "end" | "inside"));
        prop_assert_eq!(ours.error.is_none() && ours.between_frames, by_hand.end == "end");
    }

    /// Checks DC-WIRE-018 (negative).
    #[test]
    fn arbitrary_bytes_never_panic_and_split_alike(stream: Vec<u8>) {
        prop_assert_eq!(read(stream.chunks(3)), read([stream.as_slice()]));
    }
}

#[test]
fn every_two_way_split_of_a_stream_reads_the_same() {
    let stream: Vec<u8> = samples::frames().iter().flat_map(Frame::to_bytes).collect();
    let whole = read([stream.as_slice()]);
    assert_eq!(whole.frames, samples::frames());
    for at in 0..=stream.len() {
        let (front, back) = stream.split_at(at);
        assert_eq!(read([front, back]), whole, "split at {at}");
    }
}

/// Checks DC-WIRE-019 (positive, negative).
#[test]
fn a_stream_may_end_only_between_frames() {
    let stream: Vec<u8> = samples::frames().iter().flat_map(Frame::to_bytes).collect();
    let mut ends = vec![0];
    for frame in samples::frames() {
        ends.push(ends.last().unwrap() + frame.to_bytes().len());
    }
    for at in 0..=stream.len() {
        assert_eq!(
            read([&stream[..at]]).between_frames,
            ends.contains(&at),
            "cut at {at}"
        );
    }
}

#[test]
fn a_skipped_frame_is_not_an_end_until_it_is_over() {
    let frame = grease::frame(3, b"12345");
    for at in 1..frame.len() {
        assert!(!read([&frame[..at]]).between_frames, "cut at {at}");
    }
    assert!(read([frame.as_slice()]).between_frames);
}

#[test]
fn an_empty_frame_of_an_unknown_type_is_skipped() {
    let stream = [header(0x7fff, 0, 0), samples::frames()[3].to_bytes()].concat();
    assert_eq!(
        read([stream.as_slice()]).frames,
        [samples::frames()[3].clone()]
    );
}

/// Checks DC-WIRE-013 (positive), DC-WIRE-025 (negative).
#[test]
fn every_reserved_frame_is_skipped() {
    for seed in 0..=u8::MAX {
        let reserved = grease::frame(seed, &[seed; 40]);
        assert_eq!(reserved[6..8], [0, 0], "flags");
        assert!(
            reserved.len() <= limits::FRAME_HEADER + 32,
            "more than fits is cut"
        );
        let stream = [reserved, samples::frames()[3].to_bytes()].concat();
        let outcome = read([stream.as_slice()]);
        assert_eq!(
            (outcome.frames.len(), outcome.error),
            (1, None),
            "seed {seed}"
        );
    }
}

/// Checks DC-WIRE-010 (negative), DC-WIRE-011 (negative), DC-WIRE-012 (negative).
#[test]
fn unknown_flag_bits_are_ignored() {
    let mut bytes = samples::frames()[3].to_bytes();
    bytes[6] = 0xfe;
    bytes[7] = 0xff;
    let outcome = read([bytes.as_slice()]);
    // And none of them is written again.
    let written: Vec<Vec<u8>> = outcome.frames.iter().map(Frame::to_bytes).collect();
    assert_eq!(written, [samples::frames()[3].to_bytes()]);
}

/// Checks DC-WIRE-014 (negative).
#[test]
fn a_critical_frame_of_an_unknown_type_is_refused_at_its_header() {
    let bytes = header(0x7fff, 1, 100);
    let outcome = read([bytes.as_slice()]);
    assert_eq!(
        outcome.error,
        Some(FrameError::Unsupported { code: 0x7fff })
    );
    assert_eq!(outcome.taken, limits::FRAME_HEADER);
    assert_eq!(outcome.error.unwrap().code(), Code::Unsupported);
}

/// Checks DC-WIRE-015 (positive, negative).
#[test]
fn a_length_over_its_limit_is_refused_before_the_body_comes() {
    for frame_type in FrameType::ALL {
        let (code, limit) = (*frame_type as u16, frame_type.max_body());
        let len = limit as u32 + 1;
        let outcome = read([header(code, 1, len).as_slice()]);
        assert_eq!(
            outcome.error,
            Some(FrameError::TooLong { code, len, limit })
        );
        assert_eq!(outcome.error.unwrap().code(), Code::Malformed);
        assert_eq!(read([header(code, 1, limit as u32).as_slice()]).error, None);
    }
}

/// Checks DC-WIRE-013 (negative), DC-WIRE-016 (positive, negative).
#[test]
fn an_unknown_frame_over_the_limit_is_refused_and_not_skipped() {
    let limit = limits::UNKNOWN_BODY;
    let len = limit as u32 + 1;
    assert_eq!(
        read([header(0x7fff, 0, len).as_slice()]).error,
        Some(FrameError::TooLong {
            code: 0x7fff,
            len,
            limit
        })
    );
    let whole = [header(0x7fff, 0, limit as u32), vec![9; limit]].concat();
    assert!(read(whole.chunks(4000)).between_frames);
}

/// Checks DC-WIRE-017 (negative), DC-WIRE-030 (negative).
#[test]
fn a_malformed_body_names_its_frame_and_field() {
    let mut bytes = samples::frames()[0].to_bytes();
    bytes[8] = 0;
    let error = read([bytes.as_slice()]).error.unwrap();
    let FrameError::Malformed {
        frame,
        error: DecodeError::Invalid { field, .. },
    } = error
    else {
        panic!("{error:?}");
    };
    assert_eq!((frame, field), (FrameType::Hello, "Hello.versions"));
    assert_eq!(error.code(), Code::Malformed);
}

#[test]
fn an_error_is_final() {
    let mut reader = FrameReader::new();
    let bad = header(0x7fff, 1, 0);
    let error = reader.read(&mut bad.as_slice()).unwrap_err();
    let good = samples::frames()[3].to_bytes();
    let mut input = good.as_slice();
    assert_eq!(reader.read(&mut input), Err(error));
    assert_eq!(input.len(), good.len(), "nothing more is taken");
    assert!(!reader.is_between_frames());
}

#[test]
fn the_debug_text_of_a_reader_shows_no_bytes() {
    let mut reader = FrameReader::new();
    let bytes = Frame::Envelope(samples::envelope(&[171; 40])).to_bytes();
    assert_eq!(reader.read(&mut &bytes[..60]), Ok(None));
    assert!(!format!("{reader:?}").contains("171"), "{reader:?}");
}
