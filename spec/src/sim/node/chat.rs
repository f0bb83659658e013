//! What the application does: numbered messages on one stream, and what came of them.

use std::time::Duration;

use crate::sim::time::Time;

/// Bytes of a message: number, time it was written, padding up to a short line of text.
pub(super) const MESSAGE: usize = 100;

/// Messages received.
#[derive(Clone, Debug, Default)]
pub struct Received {
    /// How many, each once.
    pub messages: u64,
    /// Those whose number was seen before.
    pub doubled: u64,
    /// Those that came after a later one, or with some missing before them.
    pub reordered: u64,
    /// From writing to reading, of each.
    pub delays: Vec<Duration>,
}

/// One side of a conversation.
#[derive(Clone, Debug, Default)]
pub struct Chat {
    written: u64,
    next: u64,
    partial: Vec<u8>,
    received: Received,
}

impl Chat {
    /// The next message.
    pub fn write(&mut self, now: Time) -> [u8; MESSAGE] {
        let mut message = [0; MESSAGE];
        message[..8].copy_from_slice(&self.written.to_le_bytes());
        message[8..16].copy_from_slice(&now.as_nanos().to_le_bytes());
        self.written += 1;
        message
    }

    /// Takes the next bytes of the other side's stream.
    pub fn read(&mut self, bytes: &[u8], now: Time) {
        self.partial.extend_from_slice(bytes);
        while let Some(message) = self.partial.first_chunk::<MESSAGE>().copied() {
            self.partial.drain(..MESSAGE);
            let word = |at: usize| {
                let bytes = message
                    .get(at..at + 8)
                    .and_then(|bytes| bytes.try_into().ok());
                u64::from_le_bytes(bytes.unwrap_or_default())
            };
            let (number, written) = (word(0), Time::from_nanos(word(8)));
            let received = &mut self.received;
            if number < self.next {
                received.doubled += 1;
                continue;
            }
            received.reordered += u64::from(number != self.next);
            self.next = number + 1;
            received.messages += 1;
            received.delays.push(now.since(written));
        }
    }

    /// Messages written so far.
    #[must_use]
    pub fn written(&self) -> u64 {
        self.written
    }

    /// What came in.
    #[must_use]
    pub fn received(&self) -> &Received {
        &self.received
    }
}
