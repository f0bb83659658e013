//! A bidirectional stream on which both sides go on talking, as relays and rooms do.

use core::fmt;
use core::time::Duration;
use std::sync::Arc;

use quinn::{Connection, SendStream, VarInt};

use super::case::Fault;
use super::frames;
use super::heard::Heard;
use super::journal::{End, Journal, RawFrame, Stream};

/// The stream. What comes on it stands in the journal of its link.
pub struct Talk {
    /// Its number in the journal.
    pub stream: usize,
    send: SendStream,
    heard: Arc<Heard>,
    connection: Connection,
    patience: Duration,
}

impl Talk {
    pub(super) fn new(
        stream: usize,
        send: SendStream,
        heard: Arc<Heard>,
        connection: Connection,
        patience: Duration,
    ) -> Self {
        Self {
            stream,
            send,
            heard,
            connection,
            patience,
        }
    }

    /// Writes. What the peer does not want any more is not missed.
    pub async fn say(&mut self, bytes: &[u8]) {
        let _closed = self.send.write_all(bytes).await;
    }

    /// Ends this side.
    pub fn finish(&mut self) {
        let _closed = self.send.finish();
    }

    /// Resets this side.
    pub fn reset(&mut self, code: u64) {
        let code = VarInt::from_u64(code).unwrap_or(VarInt::MAX);
        let _closed = self.send.reset(code);
    }

    /// Waits until `wanted` finds something in what came on the stream.
    ///
    /// # Errors
    /// A fault that says `what` was expected, when the connection ends or patience does.
    pub async fn until<T>(
        &self,
        what: &str,
        wanted: impl Fn(&Stream) -> Option<T>,
    ) -> Result<T, Fault> {
        let on_stream = |journal: &Journal| wanted(journal.streams.get(self.stream)?);
        self.heard
            .until(&self.connection, self.patience, what, on_stream)
            .await
    }

    /// Waits for the first frame, which has to be of this type. Frames of unknown types do not count.
    ///
    /// # Errors
    /// A fault that says what came instead: another frame, or the end of the stream.
    pub async fn first(&self, code: u16) -> Result<RawFrame, Fault> {
        self.nth(0, code).await
    }

    /// The same for the frame with `before` others before it.
    ///
    /// # Errors
    /// As [`first`](Self::first).
    pub async fn nth(&self, before: usize, code: u16) -> Result<RawFrame, Fault> {
        let name = frames::name(code);
        let found = self.until(&name, |stream| match stream.known().nth(before) {
            Some(frame) => Some(Ok(frame.clone())),
            None => stream.end.map(Err),
        });
        match found.await? {
            Ok(frame) if frame.code == code => Ok(frame),
            Ok(frame) => Err(Fault::new(name, frame.to_string())),
            Err(end) => Err(Fault::new(name, format!("the end of the stream: {end:?}"))),
        }
    }

    /// Waits for the end of the peer's side.
    ///
    /// # Errors
    /// A fault when it goes on.
    pub async fn end(&self) -> Result<End, Fault> {
        self.until("the end of the stream", |stream| stream.end)
            .await
    }
}

impl fmt::Debug for Talk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Talk")
            .field("stream", &self.stream)
            .finish_non_exhaustive()
    }
}
