//! How much may be on the way unacknowledged.

use std::collections::VecDeque;

/// Entries in flight. A few round trips of full parcels; what is lost with a connection is encrypted
/// again, and at most half of the 2,000 keys that the other side can skip.
pub const ENTRIES: usize = 1024;
/// Bytes in flight, over one entry at the least: 1 MiB fills 100 Mbit/s at 80 ms.
pub const BYTES: usize = 1024 * 1024;

/// What was sent of one log on this connection and is not acknowledged.
#[derive(Debug, Default)]
pub(super) struct Window {
    /// Through here the peer holds the log.
    held: u64,
    /// Number of the next entry to send.
    next: u64,
    /// Number and size of what is on the way, in order.
    in_flight: VecDeque<(u64, usize)>,
    bytes: usize,
}

impl Window {
    /// Nothing sent, and the peer holds all through `held`.
    pub(super) fn starting_at(held: u64) -> Self {
        Self {
            held,
            next: held.saturating_add(1),
            ..Self::default()
        }
    }

    /// Forgets what is on the way: it will not arrive.
    pub(super) fn rewind(&mut self) {
        *self = Self::starting_at(self.held);
    }

    /// Number of the last entry that needs no sending.
    pub(super) fn sent(&self) -> u64 {
        self.next.saturating_sub(1)
    }

    /// Entries that may follow.
    pub(super) fn room(&self) -> usize {
        if self.bytes >= BYTES {
            return 0;
        }
        ENTRIES - self.in_flight.len().min(ENTRIES)
    }

    /// Counts entry `seq` of `size` bytes as sent, unless there is no room for it.
    pub(super) fn send(&mut self, seq: u64, size: usize) -> bool {
        let fits = self.in_flight.is_empty() || self.bytes + size <= BYTES;
        if self.room() == 0 || !fits {
            return false;
        }
        self.in_flight.push_back((seq, size));
        self.bytes += size;
        self.next = seq + 1;
        true
    }

    /// The peer holds all through `held`; never goes back.
    pub(super) fn acknowledge(&mut self, held: u64) {
        self.held = self.held.max(held);
        self.next = self.next.max(self.held.saturating_add(1));
        while let Some((seq, size)) = self.in_flight.front().copied() {
            if seq > self.held {
                break;
            }
            self.in_flight.pop_front();
            self.bytes -= size;
        }
    }
}
