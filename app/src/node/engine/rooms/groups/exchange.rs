//! Operations and keys that come, and those that go.

use dchat_wire::close::Code;
use dchat_wire::group::{GroupKeys, GroupOperations};
use dchat_wire::hash::pair_conversation;
use dchat_wire::parcel::entry_kind;
use dchat_wire::{Frame, PeerId, codec};

use super::super::restore::incarnation;
use crate::api;
use crate::conversation::{ComposeError, Notice, Pair, compose_notice};
use crate::group::Group;
use crate::node::engine::Session;
use crate::node::engine::effect::{Command, Effects, LinkId};
use crate::node::engine::fault::Fault;
use crate::node::engine::ledger::TxLedger;
use crate::node::profile::random;
use crate::store::{ConversationId, Room, RoomError, RoomKind, StoreError, Tx, UnixMillis};

/// Groups this profile knows of without being a member: invitations that wait for an answer, or for
/// the rest of what makes them.
const MAX_INVITATIONS: usize = 64;

impl Session {
    /// A neighbour sent operations.
    pub(in crate::node::engine::rooms) fn group_frame(
        &mut self,
        tx: &Tx<'_>,
        id: &ConversationId,
        (from, link): (PeerId, LinkId),
        frame: &GroupOperations,
        now: UnixMillis,
        out: &mut Effects,
    ) -> Result<(), Fault> {
        let time = self.rooms.clock.now(now);
        let room = self.rooms.rooms.get_mut(id);
        let line = room.and_then(|room| room.lines.get_mut(&from));
        if line.is_some_and(|line| !line.may_tell(time)) {
            out.command(Command::Drop {
                link,
                code: Code::Limit,
            });
            return Ok(());
        }
        let heard = self.in_group(tx, id, Some(&from), now, out, |group, ledger| {
            Ok(group.receive_operations(ledger, frame)?)
        })?;
        if heard.is_bad {
            tracing::debug!(%from, "a neighbour passes on what is no operation of the group");
            out.command(Command::Drop {
                link,
                code: Code::Unexpected,
            });
            return Ok(());
        }
        if let Some(reply) = heard.reply {
            self.send_frame(id, &from, Frame::GroupOperations(reply), out);
        }
        Ok(())
    }

    /// What a link begins with: operations come before items.
    pub(in crate::node::engine::rooms) fn greeting(&self, id: &ConversationId) -> Option<Frame> {
        let group = self.rooms.rooms.get(id)?.kind.group()?;
        Some(Frame::GroupOperations(group.greeting()))
    }

    /// What tells `peer`, who shows `tag` to be let in, that it is not in any more.
    pub(in crate::node::engine::rooms) fn farewell(
        &self,
        peer: &PeerId,
        tag: &[u8; 32],
    ) -> Vec<Frame> {
        let rooms = self.rooms.rooms.values();
        let mut shown = rooms.filter(|room| room.kind.tag(peer, &self.rooms.me) == *tag);
        let group = shown.find_map(|room| room.kind.group());
        let told = group.map_or_else(Vec::new, |group| group.farewell(peer));
        told.into_iter().map(Frame::GroupOperations).collect()
    }

    /// Sends a frame on a room's stream that is open.
    pub(super) fn send_frame(
        &self,
        id: &ConversationId,
        to: &PeerId,
        frame: Frame,
        out: &mut Effects,
    ) {
        let room = self.rooms.rooms.get(id);
        let stream = room.and_then(|room| room.lines.get(to)?.out);
        let link = self.rooms.links.get(to).map(|(link, _)| *link);
        if let (Some(stream), Some(link)) = (stream, link) {
            out.room_frame(link, stream, frame);
        }
    }

    /// An entry of a one-to-one conversation that is no text.
    pub(in crate::node::engine) fn noticed(
        &mut self,
        tx: &Tx<'_>,
        from: &PeerId,
        notice: &Notice,
        now: UnixMillis,
        out: &mut Effects,
    ) -> Result<(), Fault> {
        match notice.kind {
            entry_kind::GROUP_OPERATIONS => {
                let Ok(frame) = codec::decode::<GroupOperations>(&notice.body) else {
                    return Ok(());
                };
                if !self.knows_group(tx, from, &frame, now, out)? {
                    tracing::debug!(%from, "word of a group that cannot be followed");
                    return Ok(());
                }
                let id = frame.group;
                self.in_group(tx, &id, Some(from), now, out, |group, ledger| {
                    Ok(group.receive_operations(ledger, &frame)?)
                })?;
            }
            entry_kind::GROUP_KEYS => {
                let Ok(keys) = codec::decode::<GroupKeys>(&notice.body) else {
                    return Ok(());
                };
                let id = keys.group;
                if tx
                    .room(&id)?
                    .is_some_and(|room| room.kind == RoomKind::Group)
                {
                    self.in_group(tx, &id, Some(from), now, out, |group, ledger| {
                        Ok(group.receive_keys(ledger, from, &keys)?)
                    })?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Whether the group of `frame` is here; one that is not is from now on, when the frame begins
    /// with the operation that makes it, and there is room. Where there is none, the user is told.
    fn knows_group(
        &mut self,
        tx: &Tx<'_>,
        from: &PeerId,
        frame: &GroupOperations,
        now: UnixMillis,
        out: &mut Effects,
    ) -> Result<bool, Fault> {
        if let Some(known) = tx.room(&frame.group)? {
            return Ok(known.kind == RoomKind::Group);
        }
        let made = frame.operations.first();
        let made = made.filter(|made| made.hash() == frame.group);
        let Some(made) = made.and_then(|made| made.open().ok()) else {
            return Ok(false);
        };
        let groups = self
            .rooms
            .rooms
            .values()
            .filter_map(|room| room.kind.group());
        let waiting = groups.filter(|group| !group.roster().is_member(&self.rooms.me));
        let full = waiting.count() >= MAX_INVITATIONS;
        let name = self.free_group_name(tx, made.text.as_str(), &frame.group)?;
        let row = Room {
            id: frame.group,
            kind: RoomKind::Group,
            name: name.as_str().to_owned(),
            secret: None,
            incarnation: incarnation()?,
            joined_at: now,
            left_at: None,
        };
        let kept = !full && has_room(tx.join_room(&row, name.key()))?;
        if !kept {
            // It is acknowledged with the rest of its conversation, so nobody sends it again by itself.
            out.event(api::Event::Error {
                code: "group".to_owned(),
                message: format!(
                    "an invitation of {} to the group {name} was not kept: there are as many rooms, groups \
                     and invitations here as there may be. Leave some of them (`dchat group list`, \
                     `dchat room list`), and ask to be invited again.",
                    from.short()
                ),
            });
        }
        Ok(kept)
    }

    /// Writes something that is no text to `to`, and sees that it gets there.
    pub(super) fn tell(
        &mut self,
        tx: &Tx<'_>,
        to: &PeerId,
        kind: u16,
        body: &[u8],
        now: UnixMillis,
        out: &mut Effects,
    ) -> Result<(), Fault> {
        let pair = Pair::new(self.rooms.me, *to);
        let mut ledger = TxLedger::new(tx, pair);
        let fresh = random()?;
        match compose_notice(&mut ledger, &pair, kind, body, &fresh, now.unsigned_abs()) {
            Ok(_) => {}
            Err(ComposeError::Ledger(error)) => return Err(Fault::Store(error)),
            Err(error) => {
                // Two days of messages wait for somebody: one that never comes back reads nothing.
                tracing::warn!(%to, %error, "word of a group");
                return Ok(());
            }
        }
        out.command(Command::Hurry { peer: *to });
        self.start_chat(tx, to, now, out)?;
        self.push(to);
        self.reach_member(tx, to, out)
    }

    /// Whether somebody that is no contact may have a chat with us: it is in a group we are in.
    pub(in crate::node::engine) fn shares_a_group(&self, peer: &PeerId) -> bool {
        let groups = self
            .rooms
            .rooms
            .values()
            .filter_map(|room| room.kind.group());
        groups.map(Group::roster).any(|roster| {
            roster.members.contains_key(peer) && roster.members.contains_key(&self.rooms.me)
        })
    }

    /// Whether something waits for `peer`.
    pub(in crate::node::engine) fn has_word_for(
        &self,
        tx: &Tx<'_>,
        peer: &PeerId,
    ) -> Result<bool, Fault> {
        let conversation = pair_conversation(&self.rooms.me, peer);
        let logs = tx.frontiers(&conversation)?;
        Ok(logs.iter().any(|log| log.own && log.acked < log.last_seq()))
    }
}

/// Whether there was room for a group. A database that fails is no answer: then the whole batch is
/// undone, and what it brought comes again.
fn has_room(joined: Result<(), RoomError>) -> Result<bool, StoreError> {
    match joined {
        Ok(()) => Ok(true),
        Err(RoomError::Full | RoomError::NameTaken { .. }) => Ok(false),
        Err(RoomError::Store(error)) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed expectation is a failed test")]

    use super::*;

    #[test]
    fn a_store_that_fails_is_not_taken_for_one_without_room() {
        assert!(has_room(Ok(())).unwrap());
        assert!(!has_room(Err(RoomError::Full)).unwrap());
        let failed = has_room(Err(RoomError::Store(StoreError::Aborted)));
        assert!(matches!(failed, Err(StoreError::Aborted)), "{failed:?}");
    }
}
