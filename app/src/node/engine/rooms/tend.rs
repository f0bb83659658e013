//! What is due at the end of a batch.

use dchat_gossip::Time;
use dchat_wire::PeerId;

use super::room::Turn;
use crate::node::engine::Session;
use crate::node::engine::effect::Effects;
use crate::node::engine::fault::Fault;
use crate::store::{ConversationId, Tx, UnixMillis};

/// Logs are forgotten that have been beyond the window for so many hours, as nodes do.
const FORGET: u32 = 2;
/// Items there may be more than are kept before the oldest go, so that not each new one counts all.
const OVER: u64 = 64;

impl Session {
    /// Gives nodes their time, tells authors what is held of theirs, and lets go of what is beyond
    /// the window. When to do it again.
    pub(in crate::node::engine) fn tend_rooms(
        &mut self,
        tx: &Tx<'_>,
        now: UnixMillis,
        out: &mut Effects,
    ) -> Result<Option<UnixMillis>, Fault> {
        self.restore_rooms(tx, now, out)?;
        let time = self.rooms.clock.now(now);
        for id in self.room_ids() {
            let room = self.rooms.rooms.get(&id);
            if room.is_some_and(|room| room.node.poll_timeout() <= time) {
                self.drive(tx, &id, Turn::Timeout, now, out)?;
            }
        }
        tx.expire_items(now)?;
        for id in core::mem::take(&mut self.rooms.touched) {
            self.acknowledge_authors(&id, out);
            if let Some(room) = self.rooms.rooms.get_mut(&id) {
                room.lines.values_mut().for_each(|line| line.batch = 0);
            }
            self.keep_to_window(tx, &id, time, now)?;
        }
        let rooms = self.rooms.rooms.values();
        let due = rooms.map(|room| room.node.poll_timeout()).min();
        let due = due.map(|due| {
            let left = i64::try_from(due.since(time).as_millis()).unwrap_or(i64::MAX);
            // Never at once again: what is due now was done.
            now.saturating_add(left.max(1))
        });
        let look = self.tend_groups(tx, now, out)?;
        let ends = tx.next_item_expiry()?;
        Ok([due, ends, look].into_iter().flatten().min())
    }

    fn keep_to_window(
        &mut self,
        tx: &Tx<'_>,
        id: &ConversationId,
        time: Time,
        now: UnixMillis,
    ) -> Result<(), Fault> {
        let Some(room) = self.rooms.rooms.get_mut(id) else {
            return Ok(());
        };
        let keep = room.kind.keep();
        if let Some(most) = keep.items
            && room.full > most + OVER
        {
            // Bodies also end by themselves, which was not counted.
            room.full = tx.full_items(id)?;
            let over = room.full.saturating_sub(most);
            if over > 0 {
                tx.end_oldest_items(id, over, now)?;
                room.full -= over.min(room.full);
            }
        }
        let Some(window) = keep.time else {
            return Ok(());
        };
        let window = u64::try_from(window.as_millis()).unwrap_or(u64::MAX);
        let hour = u32::try_from(time.0.saturating_sub(window) / 3_600_000).unwrap_or(u32::MAX);
        let before = hour.saturating_sub(FORGET);
        if before > room.forgotten {
            room.forgotten = before;
            tx.forget_room_logs(id, before, &room.log.0)?;
            let frontier = room.node.frontier();
            let known = core::mem::take(&mut room.authors);
            let known = known.into_iter();
            room.authors = known
                .filter(|(log, _)| frontier.find(log).is_some())
                .collect();
            let (present, own) = (room.log, core::mem::take(&mut room.own));
            let own = own.into_iter();
            room.own = own
                .filter(|log| *log == present || frontier.find(log).is_some())
                .collect();
        }
        Ok(())
    }

    /// Neighbours of a room, by PeerId.
    pub(super) fn neighbours(&self, id: &ConversationId) -> Vec<PeerId> {
        let room = self.rooms.rooms.get(id);
        room.map_or_else(Vec::new, |room| room.node.neighbours().collect())
    }
}
