//! Reading frames from a stream.

use bytes::{Buf as _, Bytes};
use dchat_wire::limits::FRAME_HEADER;
use dchat_wire::{Frame, FrameReader};
use quinn::{ReadError, RecvStream};

use crate::error::StreamError;

/// Bytes taken from a stream at a time: two packets of a jumbo frame, so that little is buffered
/// that flow control already counts as read.
const CHUNK: usize = 16 * 1024;

/// The frames of one stream.
///
/// State: the [`FrameReader`]'s and at most 16 KiB of bytes that were read and not yet cut.
#[derive(Debug)]
pub struct FrameStream {
    recv: RecvStream,
    reader: FrameReader,
    chunk: Bytes,
}

impl FrameStream {
    /// The frames from where `recv` and `reader` stand, as an
    /// [`Event::Stream`](crate::Event::Stream) gives them.
    #[must_use]
    pub fn new(recv: RecvStream, reader: FrameReader) -> Self {
        Self {
            recv,
            reader,
            chunk: Bytes::new(),
        }
    }

    /// The next frame, or `None` when the stream ended between two. May be cancelled and called
    /// again without losing anything.
    ///
    /// # Errors
    /// [`StreamError`]; no frame will follow.
    pub async fn next(&mut self) -> Result<Option<Frame>, StreamError> {
        loop {
            let mut input = &self.chunk[..];
            let frame = self.reader.read(&mut input)?;
            let left = input.len();
            self.chunk.advance(self.chunk.len() - left);
            if frame.is_some() {
                return Ok(frame);
            }
            match self.recv.read_chunk(CHUNK, true).await {
                Ok(Some(chunk)) => self.chunk = chunk.bytes,
                Ok(None) if self.reader.is_between_frames() => return Ok(None),
                Ok(None) => return Err(StreamError::Truncated),
                Err(error) => return Err(stream_error(&error)),
            }
        }
    }

    /// The stream, to stop it.
    pub fn recv(&mut self) -> &mut RecvStream {
        &mut self.recv
    }
}

/// Reads the first frame that is known, and not a byte more, so that `recv` and `reader` can be
/// handed on. `None` when the stream ended before one.
pub(crate) async fn first_frame(
    recv: &mut RecvStream,
    reader: &mut FrameReader,
) -> Result<Option<Frame>, StreamError> {
    loop {
        let mut header = [0; FRAME_HEADER];
        let mut filled = 0;
        while filled < FRAME_HEADER {
            let Some(bytes) = chunk(recv, FRAME_HEADER - filled).await? else {
                return if filled == 0 {
                    Ok(None)
                } else {
                    Err(StreamError::Truncated)
                };
            };
            header[filled..filled + bytes.len()].copy_from_slice(&bytes);
            filled += bytes.len();
        }
        let [a, b, c, d, ..] = header;
        let mut left = u32::from_le_bytes([a, b, c, d]) as usize;
        let mut frame = reader.read(&mut &header[..])?;
        while left > 0 {
            let Some(bytes) = chunk(recv, left).await? else {
                return Err(StreamError::Truncated);
            };
            left -= bytes.len();
            frame = reader.read(&mut &bytes[..])?;
        }
        if frame.is_some() {
            return Ok(frame);
        }
    }
}

async fn chunk(recv: &mut RecvStream, most: usize) -> Result<Option<Bytes>, StreamError> {
    let chunk = recv.read_chunk(most, true).await;
    chunk
        .map(|chunk| chunk.map(|chunk| chunk.bytes))
        .map_err(|error| stream_error(&error))
}

fn stream_error(error: &ReadError) -> StreamError {
    match error {
        ReadError::Reset(code) => StreamError::Reset(code.into_inner()),
        _ => StreamError::Closed,
    }
}
