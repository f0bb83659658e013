//! Streams of frames, however they are split.

use dchat_wire::frame::{Frame, FrameError, FrameReader};

use crate::hand;

/// Input: a count of pieces (modulo 16), that many piece lengths, then the stream. The lengths are
/// used in turn; without any the stream comes at once.
///
/// The frames and the end must be the same for the split stream, the whole stream, and a reader
/// written by hand; an error must be final.
///
/// # Panics
/// When they are not.
pub fn frame_stream(data: &[u8]) {
    let (count, rest) = data.split_first().unwrap_or((&0, &[]));
    let (lengths, stream) = rest.split_at(usize::from(count % 16).min(rest.len()));
    let whole = read(&[stream]);
    let reference = hand::stream(stream);
    assert_eq!(whole.frames, reference.frames, "by hand");
    assert_eq!(whole.end_name(), reference.end, "by hand");
    assert_eq!(whole, read(&pieces(stream, lengths)), "split");
}

fn pieces<'a>(mut stream: &'a [u8], lengths: &[u8]) -> Vec<&'a [u8]> {
    let mut pieces = Vec::new();
    // A stream of nothing but empty pieces has no end.
    for length in lengths.iter().cycle().map(|length| usize::from(*length)) {
        if stream.is_empty() || lengths.iter().all(|length| *length == 0) {
            break;
        }
        let (piece, rest) = stream.split_at(length.min(stream.len()));
        pieces.push(piece);
        stream = rest;
    }
    pieces.push(stream);
    pieces
}

#[derive(Debug, PartialEq)]
struct Outcome {
    frames: Vec<Frame>,
    error: Option<FrameError>,
    between_frames: bool,
    /// Bytes taken when the error came, or all.
    taken: usize,
}

fn read(pieces: &[&[u8]]) -> Outcome {
    let mut reader = FrameReader::new();
    let mut frames = Vec::new();
    let mut taken = 0;
    for piece in pieces {
        let mut input = *piece;
        loop {
            match reader.read(&mut input) {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => break assert!(input.is_empty(), "bytes left without a frame"),
                Err(error) => {
                    assert_eq!(reader.read(&mut input), Err(error), "an error is final");
                    return Outcome {
                        frames,
                        error: Some(error),
                        between_frames: false,
                        taken: taken + piece.len() - input.len(),
                    };
                }
            }
        }
        taken += piece.len();
    }
    Outcome {
        frames,
        error: None,
        between_frames: reader.is_between_frames(),
        taken,
    }
}

impl Outcome {
    fn end_name(&self) -> &'static str {
        match self.error {
            Some(FrameError::Malformed { error, .. }) => error.name(),
            Some(FrameError::TooLong { .. }) => "too-long",
            Some(FrameError::Unsupported { .. }) => "unsupported",
            None if self.between_frames => "end",
            None => "inside",
        }
    }
}
