//! Streams between this node and a neighbour, for one room.
//!
//! A room's stream goes both ways, and either side may open it. Each side sends on the stream it opened,
//! or else on the newest the other opened; it reads all of them, and believes the newest. A stream that
//! ends takes the link with it, unless a newer one is there.

use core::time::Duration;

use dchat_gossip::Time;

/// Names a stream to the network half: odd numbers are streams we opened.
pub(in crate::node) type StreamId = u64;

/// Whether this side opened it.
pub(in crate::node) fn is_ours(stream: StreamId) -> bool {
    stream % 2 == 1
}

/// Bytes sent to one neighbour in one batch before it counts as congested: what is asked for in one
/// frame may be far more than a stream takes at once.
const BATCH: usize = 256 * 1024;

/// Frames with operations of a group from one neighbour in a minute: twice what a newcomer to the
/// largest group takes, with as many questions.
const OPERATIONS: u32 = 256;
const MINUTE: Duration = Duration::from_secs(60);

/// The streams with one neighbour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Line {
    /// On which we send.
    pub(super) out: Option<StreamId>,
    /// The newest on which something came.
    pub(super) heard: Option<StreamId>,
    /// Bytes sent in this batch.
    pub(super) batch: usize,
    /// The node was told that it is congested.
    pub(super) congested: bool,
    /// Frames with operations of a group that came since, and since when.
    operations: (u32, Time),
}

impl Line {
    /// The other side opened `stream`.
    pub(super) fn opened(&mut self, stream: StreamId) {
        if !self.out.is_some_and(is_ours) {
            self.out = Some(stream);
        }
    }

    /// So many bytes more were sent; true when that was enough for now.
    pub(super) fn sent(&mut self, bytes: usize) -> bool {
        self.batch += bytes;
        let enough = self.batch > BATCH && !self.congested;
        self.congested |= enough;
        enough
    }

    /// Counts a frame with operations of a group; false when there are too many of them.
    pub(super) fn may_tell(&mut self, now: Time) -> bool {
        let (count, since) = &mut self.operations;
        if *since + MINUTE <= now {
            (*count, *since) = (0, now);
        }
        *count += 1;
        *count <= OPERATIONS
    }

    /// Something came on `stream`; false when it comes too late to count.
    pub(super) fn came(&mut self, stream: StreamId) -> bool {
        let counts = self.heard.is_none_or(|heard| order(heard) <= order(stream));
        if counts {
            self.heard = Some(stream);
        }
        counts
    }
}

/// Numbers of both sides are drawn from counters of their own; what the other side opened replaces
/// what it said on ours.
fn order(stream: StreamId) -> (bool, u64) {
    (!is_ours(stream), stream)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks DC-GOSSIP-008 (positive).
    #[test]
    fn one_sends_on_the_own_stream_or_else_on_the_newest_of_the_other() {
        let mut line = Line::default();
        line.opened(2);
        line.opened(4);
        assert_eq!(line.out, Some(4));
        line.out = Some(1);
        line.opened(6);
        assert_eq!(line.out, Some(1));
    }

    /// Checks DC-GOSSIP-012 (positive).
    #[test]
    fn a_neighbour_is_congested_once_until_it_has_room_again() {
        let mut line = Line::default();
        assert!(!line.sent(BATCH));
        assert!(line.sent(1));
        assert!(!line.sent(BATCH));
        (line.batch, line.congested) = (0, false);
        assert!(line.sent(BATCH + 1));
    }

    #[test]
    fn a_neighbour_that_sends_operations_without_end_is_noticed() {
        let mut line = Line::default();
        for _ in 0..OPERATIONS {
            assert!(line.may_tell(Time(100_000)));
        }
        assert!(!line.may_tell(Time(159_999)));
        assert!(line.may_tell(Time(160_000)));
    }

    /// Checks DC-GOSSIP-008 (negative).
    #[test]
    fn what_comes_on_an_older_stream_counts_no_longer() {
        let mut line = Line::default();
        assert!(line.came(1));
        assert!(line.came(2));
        assert!(line.came(2));
        assert!(!line.came(1));
        assert!(line.came(4));
        assert!(!line.came(2));
    }
}
