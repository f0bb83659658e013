//! The record of what was sent when, and on which path.
//!
//! quinn reports an acknowledgement by the instant its packet was sent, not by packet number, so
//! that instant is the key. Bursts sent within a 64th of an RTT share an entry; when the record is
//! full further bursts join the newest entry, which makes rate samples coarser and keeps the byte
//! accounting exact. Bytes of packets that carry only acknowledgements are never reported again;
//! they leave with the entry.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use super::paths::PathId;

/// Most entries kept for a connection: three RTTs of bursts at 64 entries an RTT, and some.
pub const MAX_BURSTS: usize = 256;

/// Entries whose memory an idle connection keeps.
const IDLE_BURSTS: usize = 16;

/// What a path had delivered at the moment a burst left, to turn its acknowledgement into a rate.
#[derive(Clone, Copy, Debug)]
pub(super) struct Snapshot {
    /// Bytes delivered on the path until then.
    pub(super) delivered: u64,
    /// When the last of those was acknowledged.
    pub(super) delivered_at: Instant,
    /// When the packet last acknowledged until then was sent.
    pub(super) first_sent: Instant,
    /// Whether the application or flow control, not the window, held the path back.
    pub(super) app_limited: bool,
}

/// Packets that left together.
#[derive(Clone, Copy, Debug)]
pub(super) struct Burst {
    first: Instant,
    last: Instant,
    left: u64,
    epoch: u64,
    pub(super) path: PathId,
    pub(super) snapshot: Snapshot,
    /// Two epochs sent at this very instant: the bytes count, samples would be guesses.
    pub(super) ambiguous: bool,
}

/// Bounded record of the bursts in flight, oldest first.
#[derive(Debug, Default)]
pub(super) struct Bursts {
    entries: VecDeque<Burst>,
    epoch: u64,
    began: Option<Instant>,
    foreign: u64,
}

impl Bursts {
    /// When the current epoch began, `None` for the first one.
    pub(super) fn began(&self) -> Option<Instant> {
        self.began
    }

    /// Bytes in flight that earlier epochs sent.
    pub(super) fn foreign(&self) -> u64 {
        self.foreign
    }

    /// Begins a new epoch: everything in flight becomes foreign.
    pub(super) fn begin_epoch(&mut self, now: Instant) {
        self.epoch += 1;
        self.began = Some(now);
        self.foreign = self.entries.iter().map(|burst| burst.left).sum();
    }

    /// Records `bytes` sent at `now`; bursts within `coalesce` of each other share an entry.
    pub(super) fn sent(
        &mut self,
        now: Instant,
        bytes: u64,
        path: PathId,
        snapshot: Snapshot,
        coalesce: Duration,
    ) {
        let full = self.entries.len() >= MAX_BURSTS;
        if let Some(newest) = self.entries.back_mut() {
            let same_epoch = newest.epoch == self.epoch;
            let near = now.saturating_duration_since(newest.first) <= coalesce;
            if now <= newest.last && !same_epoch {
                newest.ambiguous = true;
                newest.left += bytes;
                self.foreign += bytes;
                return;
            }
            if same_epoch && (near || full) {
                newest.last = newest.last.max(now);
                newest.left += bytes;
                return;
            }
        }
        if full {
            self.drop_oldest();
        }
        self.entries.push_back(Burst {
            first: now,
            last: now,
            left: bytes,
            epoch: self.epoch,
            path,
            snapshot,
            ambiguous: false,
        });
    }

    /// Takes `bytes` of a packet sent at `sent` out of its burst, which is returned with whether
    /// it belongs to the current epoch. `None`: sent before anything recorded.
    pub(super) fn acked(&mut self, sent: Instant, bytes: u64) -> Option<(Burst, bool)> {
        let index = self
            .entries
            .partition_point(|burst| burst.first <= sent)
            .checked_sub(1)?;
        let current = self.epoch;
        let burst = self.entries.get_mut(index)?;
        let taken = burst.left.min(bytes);
        burst.left -= taken;
        let own = burst.epoch == current;
        if !own {
            self.foreign -= taken;
        }
        Some((*burst, own))
    }

    /// Packets up to the one sent at `sent` are lost, `bytes` in all. quinn declares every
    /// outstanding packet before a lost one lost too, so older bursts are settled by this.
    /// Returns the bytes lost in the current epoch.
    pub(super) fn lost(&mut self, sent: Instant, mut bytes: u64) -> u64 {
        let mut own = 0;
        while let Some(oldest) = self.entries.front_mut() {
            if oldest.first > sent {
                break;
            }
            let taken = oldest.left.min(bytes);
            bytes -= taken;
            oldest.left -= taken;
            if oldest.epoch == self.epoch {
                own += taken;
            } else {
                self.foreign -= taken;
            }
            if oldest.last >= sent {
                break;
            }
            self.drop_oldest();
        }
        own
    }

    /// Whether the packet sent at `sent`, recorded still or not, belongs to the current epoch.
    pub(super) fn is_current(&self, sent: Instant) -> bool {
        if self.began.is_some_and(|began| sent < began) {
            return false;
        }
        let index = self.entries.partition_point(|burst| burst.first <= sent);
        match index
            .checked_sub(1)
            .and_then(|index| self.entries.get(index))
        {
            Some(burst) => burst.epoch == self.epoch,
            None => self
                .entries
                .front()
                .is_some_and(|burst| burst.epoch == self.epoch),
        }
    }

    /// Forgets bursts that an acknowledgement of one sent at `acked` settles: older ones that
    /// have outlived `horizon`, and empty ones at the front.
    pub(super) fn purge(&mut self, now: Instant, acked: Option<Instant>, horizon: Duration) {
        while let Some(oldest) = self.entries.front() {
            let settled = acked.is_some_and(|acked| oldest.last < acked)
                && now.saturating_duration_since(oldest.last) > horizon;
            if oldest.left > 0 && !settled {
                break;
            }
            self.drop_oldest();
        }
    }

    /// Nothing is in flight any more.
    pub(super) fn clear(&mut self) {
        self.entries.clear();
        self.entries.shrink_to(IDLE_BURSTS);
        self.foreign = 0;
    }

    fn drop_oldest(&mut self) {
        if let Some(oldest) = self.entries.pop_front()
            && oldest.epoch != self.epoch
        {
            self.foreign -= oldest.left;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn snapshot(now: Instant) -> Snapshot {
        Snapshot {
            delivered: 0,
            delivered_at: now,
            first_sent: now,
            app_limited: false,
        }
    }

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn an_ack_finds_the_burst_it_was_sent_with() {
        let start = Instant::now();
        let mut bursts = Bursts::default();
        for index in 0..10u32 {
            let now = start + MS * index;
            bursts.sent(
                now,
                1000,
                PathId(u64::from(index)),
                snapshot(now),
                Duration::ZERO,
            );
        }
        let found = bursts
            .acked(start + MS * 7, 1000)
            .map(|(burst, _)| burst.path);
        assert_eq!(found, Some(PathId(7)));
    }

    #[test]
    fn a_switch_makes_all_in_flight_foreign_and_a_loss_settles_what_is_older() {
        let start = Instant::now();
        let mut bursts = Bursts::default();
        for index in 0..4u32 {
            let now = start + MS * index;
            bursts.sent(now, 1000, PathId(0), snapshot(now), Duration::ZERO);
        }
        bursts.begin_epoch(start + MS * 4);
        assert_eq!(bursts.foreign(), 4000);
        let now = start + MS * 10;
        bursts.sent(now, 500, PathId(1), snapshot(now), Duration::ZERO);
        assert!(!bursts.is_current(start + MS * 3));
        assert_eq!(bursts.lost(start + MS * 3, 4000), 0);
        assert_eq!(bursts.foreign(), 0);
        assert!(bursts.is_current(now));
        bursts.purge(now + MS * 100, Some(now), MS);
        assert!(!bursts.is_current(start), "forgotten is not current");
    }

    #[test]
    fn bursts_of_two_epochs_at_one_instant_give_no_samples() {
        let now = Instant::now();
        let mut bursts = Bursts::default();
        bursts.sent(now, 1000, PathId(0), snapshot(now), MS);
        bursts.begin_epoch(now);
        bursts.sent(now, 1000, PathId(1), snapshot(now), MS);
        let ambiguous = bursts.acked(now, 1000).map(|(burst, _)| burst.ambiguous);
        assert_eq!(ambiguous, Some(true));
    }

    #[test]
    fn the_record_is_as_small_as_documented() {
        assert!(size_of::<Burst>() * MAX_BURSTS <= 28 * 1024);
    }

    proptest! {
        #[test]
        fn the_record_is_bounded_and_foreign_bytes_never_exceed_what_was_sent(
            operations in proptest::collection::vec((0u8..6, 0u64..2000, 0u32..50), 1..2000),
        ) {
            let start = Instant::now();
            let mut now = start;
            let mut bursts = Bursts::default();
            let mut sent = 0u64;
            for (operation, bytes, step) in operations {
                match operation {
                    0..=2 => {
                        now += MS * (step / 10);
                        sent += bytes;
                        bursts.sent(now, bytes, PathId(0), snapshot(now), MS);
                    }
                    3 => drop(bursts.acked(start + MS * step * 20, bytes)),
                    4 => drop(bursts.lost(start + MS * step * 20, bytes)),
                    _ => bursts.begin_epoch(now),
                }
                prop_assert!(bursts.entries.len() <= MAX_BURSTS);
                prop_assert!(bursts.foreign() <= sent);
                let foreign: u64 = bursts
                    .entries
                    .iter()
                    .filter(|burst| burst.epoch != bursts.epoch)
                    .map(|burst| burst.left)
                    .sum();
                prop_assert_eq!(bursts.foreign(), foreign);
            }
        }
    }
}
