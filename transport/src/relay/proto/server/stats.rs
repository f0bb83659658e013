//! What a relay counts.

use dchat_wire::relay::Refusal;

/// Counters since the start, and sizes now. A counter only grows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Connections known now.
    pub connections: usize,
    /// Reservations held now.
    pub reservations: usize,
    /// Open channels now.
    pub channels: usize,
    /// Channels asked for and not answered now.
    pub unanswered: usize,
    /// Bytes waiting for room in connections now, with [`CHARGE`](super::CHARGE) for each datagram.
    pub queued: usize,
    /// Reservations granted to peers that had none.
    pub reserved: u64,
    /// Reservations prolonged.
    pub renewed: u64,
    /// Channels opened.
    pub opened: u64,
    /// Datagrams handed to connections.
    pub packets: u64,
    /// Their bytes, headers of the channel included.
    pub bytes: u64,
    /// Datagrams cut in two because they did not fit the connection they were for.
    pub split: u64,
    /// Datagrams dropped.
    pub drops: Drops,
    /// Refusals said.
    pub refusals: Refusals,
    /// Frames that make no sense on their stream; the stream was closed.
    pub unexpected: u64,
}

/// Datagrams dropped, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Drops {
    /// Bytes that are no datagram of the relay protocol.
    pub meaningless: u64,
    /// From a connection not known here.
    pub no_connection: u64,
    /// For a channel the sender is not an end of.
    pub no_channel: u64,
    /// For a channel the other end has not accepted yet.
    pub not_open: u64,
    /// Over the channel's rate.
    pub channel_rate: u64,
    /// Over the sender's rate.
    pub peer_rate: u64,
    /// Over the relay's rate.
    pub total_rate: u64,
    /// Oldest of the longest queue, or new without any place.
    pub queue_full: u64,
    /// Would not fit the receiving connection even in two parts.
    pub too_large: u64,
    /// Waited for a connection or channel that ended.
    pub ended: u64,
}

impl Drops {
    /// For whatever reason.
    #[must_use]
    pub fn total(&self) -> u64 {
        let Self {
            meaningless,
            no_connection,
            no_channel,
            not_open,
            channel_rate,
            peer_rate,
            total_rate,
            queue_full,
            too_large,
            ended,
        } = *self;
        let unaddressed = meaningless + no_connection + no_channel + not_open;
        unaddressed + channel_rate + peer_rate + total_rate + queue_full + too_large + ended
    }
}

/// Refusals said, by code.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Refusals([u64; Refusal::ALL.len()]);

impl Refusals {
    /// How often `reason` was said.
    #[must_use]
    pub fn of(&self, reason: Refusal) -> u64 {
        self.0.get(place(reason)).copied().unwrap_or_default()
    }

    /// All codes and how often each was said.
    pub fn iter(&self) -> impl Iterator<Item = (Refusal, u64)> {
        Refusal::ALL.iter().copied().zip(self.0)
    }

    pub(super) fn count(&mut self, reason: Refusal) {
        if let Some(count) = self.0.get_mut(place(reason)) {
            *count += 1;
        }
    }
}

/// Codes are numbered from one.
fn place(reason: Refusal) -> usize {
    usize::from(reason as u16).wrapping_sub(1)
}
