//! Lines of bounded length from a stream.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt as _};

/// Bytes asked of the stream at a time.
const CHUNK: usize = 8 * 1024;

/// Splits a stream into lines. Holds at most one line and one chunk.
#[derive(Debug)]
pub struct LineReader<R> {
    stream: R,
    buffer: Vec<u8>,
    /// How much of the buffer is known to hold no line break.
    searched: usize,
    limit: usize,
}

/// Why there is no next line. The reader is of no further use.
#[derive(Debug, thiserror::Error)]
pub enum LineError {
    /// More bytes than the limit without a line break.
    #[error("a line of more than {0} bytes")]
    TooLong(usize),
    /// The stream ended inside a line.
    #[error("the last line is cut off")]
    Truncated,
    /// The stream failed.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl<R: AsyncRead + Unpin> LineReader<R> {
    /// Reads lines of at most `limit` bytes, their end not counted.
    pub fn new(stream: R, limit: usize) -> Self {
        Self {
            stream,
            buffer: Vec::new(),
            searched: 0,
            limit,
        }
    }

    /// The next line without its end; `None` when the stream has ended between lines. Dropping the
    /// future loses nothing.
    ///
    /// # Errors
    /// As [`LineError`] says.
    pub async fn next(&mut self) -> Result<Option<Vec<u8>>, LineError> {
        if !self.fill().await? {
            return Ok(None);
        }
        let mut line: Vec<u8> = self.buffer.drain(..=self.searched).collect();
        self.searched = 0;
        // One long line must not keep its memory for ever.
        self.buffer.shrink_to(CHUNK);
        line.pop();
        Ok(Some(line))
    }

    /// Waits until a whole line is at hand, or the stream has ended (`false`). Afterwards the byte
    /// at `searched` is the line's end. Dropping the future loses nothing.
    ///
    /// # Errors
    /// As [`LineError`] says.
    pub async fn fill(&mut self) -> Result<bool, LineError> {
        loop {
            let unsearched = self.buffer.get(self.searched..).unwrap_or_default();
            match unsearched.iter().position(|&byte| byte == b'\n') {
                Some(at) => self.searched += at,
                None => self.searched = self.buffer.len(),
            }
            if self.searched > self.limit {
                return Err(LineError::TooLong(self.limit));
            }
            if self.searched < self.buffer.len() {
                return Ok(true);
            }
            self.buffer.reserve(CHUNK);
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return if self.buffer.is_empty() {
                    Ok(false)
                } else {
                    Err(LineError::Truncated)
                };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed expectation is a failed test")]
    use super::*;

    async fn lines(input: &[u8], limit: usize) -> (Vec<Vec<u8>>, Option<LineError>) {
        let mut reader = LineReader::new(input, limit);
        let mut lines = Vec::new();
        loop {
            match reader.next().await {
                Ok(Some(line)) => lines.push(line),
                Ok(None) => return (lines, None),
                Err(error) => return (lines, Some(error)),
            }
        }
    }

    #[tokio::test]
    async fn lines_are_split_and_may_be_empty() {
        let (lines, error) = lines(b"a\n\nbc\n", 2).await;
        assert_eq!(lines, [b"a".to_vec(), b"".to_vec(), b"bc".to_vec()]);
        assert!(error.is_none());
    }

    #[tokio::test]
    async fn a_line_at_the_limit_passes_and_one_beyond_does_not() {
        assert!(lines(b"abc\n", 3).await.1.is_none());
        let (lines, error) = lines(b"ok\nabcd\n", 3).await;
        assert_eq!(lines.len(), 1);
        assert!(matches!(error, Some(LineError::TooLong(3))));
    }

    #[tokio::test]
    async fn a_line_without_end_is_not_taken_for_a_whole_one() {
        let (lines, error) = lines(b"a\nb", 10).await;
        assert_eq!(lines.len(), 1);
        assert!(matches!(error, Some(LineError::Truncated)));
    }

    #[tokio::test]
    async fn an_endless_line_is_refused_after_a_bounded_read() {
        let endless = tokio::io::repeat(b'x');
        let mut reader = LineReader::new(endless, 20_000);
        assert!(matches!(
            reader.next().await,
            Err(LineError::TooLong(20_000))
        ));
        assert!(reader.buffer.len() <= 20_000 + 2 * CHUNK);
    }
}
