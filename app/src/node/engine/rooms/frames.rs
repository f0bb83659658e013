//! What comes from the network half: connections, streams, frames, and members found.

use core::time::Duration;

use dchat_gossip::{Input, LogId, Message};
use dchat_wire::close::Code;
use dchat_wire::defect::{self, Defect};
use dchat_wire::gossip::{GossipLeave, Mark, Parting, Want};
use dchat_wire::{Address, Frame, List, PeerId};

use super::book::bare;
use super::lines::{StreamId, is_ours};
use super::room::Turn;
use crate::node::engine::Session;
use crate::node::engine::effect::{Command, Effects, LinkId};
use crate::node::engine::fault::Fault;
use crate::store::{ConversationId, Tx, UnixMillis};

/// How long who is not in a room is not asked again. Whoever joins it asks by itself.
const STRANGER: Duration = Duration::from_secs(600);

impl Session {
    /// A connection is up: its peer may be in any room.
    pub(in crate::node::engine) fn room_link_up(
        &mut self,
        tx: &Tx<'_>,
        link: LinkId,
        peer: PeerId,
        path: Address,
        now: UnixMillis,
        out: &mut Effects,
    ) -> Result<(), Fault> {
        self.rooms.links.insert(peer, (link, path));
        self.rooms.reaching.remove(&peer);
        for id in self.room_ids() {
            let room = self.rooms.rooms.get_mut(&id);
            let may_link = room.is_some_and(|room| {
                room.strangers.remove(&peer);
                room.kind.may_link(&peer)
            });
            // It may have been put out since the node asked for it.
            let input = if may_link {
                Input::Up(peer)
            } else {
                Input::Down(peer)
            };
            self.drive(tx, &id, Turn::Input(input), now, out)?;
            self.offer(tx, &id, vec![peer], now, out)?;
        }
        Ok(())
    }

    /// A connection is gone.
    pub(in crate::node::engine) fn room_link_down(
        &mut self,
        tx: &Tx<'_>,
        link: LinkId,
        now: UnixMillis,
        out: &mut Effects,
    ) -> Result<(), Fault> {
        let mut links = self.rooms.links.iter();
        let Some(peer) = links.find_map(|(peer, (id, _))| (*id == link).then_some(*peer)) else {
            return Ok(());
        };
        if let Some((_, path)) = self.rooms.links.remove(&peer) {
            self.rooms.book.learn(peer, &[bare(path)]);
        }
        self.lose(tx, &peer, now, out)
    }

    /// A peer that was to be reached is not to be had.
    pub(in crate::node::engine) fn unreachable(
        &mut self,
        tx: &Tx<'_>,
        peer: &PeerId,
        now: UnixMillis,
        out: &mut Effects,
    ) -> Result<(), Fault> {
        self.rooms.reaching.remove(peer);
        if self.rooms.links.contains_key(peer) {
            return Ok(());
        }
        self.lose(tx, peer, now, out)
    }

    fn lose(
        &mut self,
        tx: &Tx<'_>,
        peer: &PeerId,
        now: UnixMillis,
        out: &mut Effects,
    ) -> Result<(), Fault> {
        for id in self.room_ids() {
            self.release(&id, peer, out);
            self.drive(tx, &id, Turn::Input(Input::Down(*peer)), now, out)?;
        }
        Ok(())
    }

    /// Peers were found that may be in the room `of`, or in any.
    pub(in crate::node::engine) fn found(
        &mut self,
        tx: &Tx<'_>,
        of: Option<ConversationId>,
        found: Vec<(PeerId, Vec<Address>)>,
        now: UnixMillis,
        out: &mut Effects,
    ) -> Result<(), Fault> {
        for (peer, addresses) in &found {
            self.rooms.book.learn(*peer, addresses);
        }
        let peers: Vec<PeerId> = found.into_iter().map(|(peer, _)| peer).collect();
        let ids = of.map_or_else(|| self.room_ids(), |id| vec![id]);
        for id in ids {
            self.offer(tx, &id, peers.clone(), now, out)?;
        }
        Ok(())
    }

    /// A room's stream is over.
    pub(in crate::node::engine) fn stream_ended(
        &mut self,
        tx: &Tx<'_>,
        stream: StreamId,
        now: UnixMillis,
        out: &mut Effects,
    ) -> Result<(), Fault> {
        let Some((id, peer)) = self.rooms.streams.get(&stream).copied() else {
            return Ok(());
        };
        let line = self
            .rooms
            .rooms
            .get(&id)
            .and_then(|room| room.lines.get(&peer));
        let carries =
            |line: &super::lines::Line| line.heard == Some(stream) || line.out == Some(stream);
        if !line.is_some_and(carries) {
            // A newer one is there; this one is of no more use.
            self.rooms.streams.remove(&stream);
            if let Some((link, _)) = self.rooms.links.get(&peer) {
                let link = *link;
                out.command(Command::EndStream { link, stream });
            }
            return Ok(());
        }
        self.release(&id, &peer, out);
        self.drive(tx, &id, Turn::Input(Input::Down(peer)), now, out)
    }

    /// A stream takes no more for now, or does again.
    pub(in crate::node::engine) fn stream_congested(
        &mut self,
        tx: &Tx<'_>,
        stream: StreamId,
        congested: bool,
        now: UnixMillis,
        out: &mut Effects,
    ) -> Result<(), Fault> {
        let Some((id, peer)) = self.rooms.streams.get(&stream).copied() else {
            return Ok(());
        };
        let room = self.rooms.rooms.get_mut(&id);
        if let Some(line) = room.and_then(|room| room.lines.get_mut(&peer)) {
            line.congested = congested;
        }
        let input = Input::Congested { peer, congested };
        self.drive(tx, &id, Turn::Input(input), now, out)
    }

    /// A frame of a room's stream. The first of each names the room.
    pub(in crate::node::engine) fn room_frame(
        &mut self,
        tx: &Tx<'_>,
        (link, stream): (LinkId, StreamId),
        frame: Frame,
        now: UnixMillis,
        out: &mut Effects,
    ) -> Result<(), Fault> {
        let mut links = self.rooms.links.iter();
        let Some(peer) = links.find_map(|(peer, (id, _))| (*id == link).then_some(*peer)) else {
            return Ok(());
        };
        let id = match (self.rooms.streams.get(&stream), &frame) {
            (Some((id, _)), _) => *id,
            (None, Frame::GossipOpen(open)) if !is_ours(stream) => {
                let Some(id) = self.room_shown(&peer, &open.room) else {
                    for told in self.farewell(&peer, &open.room) {
                        out.room_frame(link, stream, told);
                    }
                    out.room_frame(link, stream, unknown_room());
                    out.command(Command::EndStream { link, stream });
                    return Ok(());
                };
                self.rooms.streams.insert(stream, (id, peer));
                if let Some(room) = self.rooms.rooms.get_mut(&id) {
                    room.lines.entry(peer).or_default().opened(stream);
                }
                id
            }
            // Of a stream that is over here.
            (None, _) => return Ok(()),
        };
        let me = self.rooms.me;
        let Some(room) = self.rooms.rooms.get_mut(&id) else {
            return Ok(());
        };
        let another_room = matches!(&frame, Frame::GossipOpen(open)
            if open.room != room.kind.tag(&peer, &me) && !defect::is(Defect::OpensAnyRoom));
        if another_room || !is_of_rooms(&frame) {
            out.command(Command::Drop {
                link,
                code: Code::Unexpected,
            });
            return Ok(());
        }
        if !room.lines.entry(peer).or_default().came(stream) {
            return Ok(());
        }
        self.take(tx, &id, link, peer, frame, now, out)
    }

    #[expect(clippy::too_many_arguments, reason = "where the frame comes from")]
    fn take(
        &mut self,
        tx: &Tx<'_>,
        id: &ConversationId,
        link: LinkId,
        peer: PeerId,
        frame: Frame,
        now: UnixMillis,
        out: &mut Effects,
    ) -> Result<(), Fault> {
        let time = self.rooms.clock.now(now);
        let me = self.rooms.me;
        let Some(room) = self.rooms.rooms.get_mut(id) else {
            return Ok(());
        };
        match &frame {
            Frame::GossipAnnounce(body) => {
                let held = body.marks.iter().map(|Mark { log, seq, .. }| (*log, *seq));
                let held: Vec<(u64, u32)> = held.collect();
                room.note_held(peer, &held);
                self.held_by_others(tx, id, &held, out)?;
            }
            Frame::GossipPull(body) => {
                let held = body
                    .wants
                    .iter()
                    .map(|Want { log, after, .. }| (*log, *after));
                let held: Vec<(u64, u32)> = held.collect();
                room.note_held(peer, &held);
                self.held_by_others(tx, id, &held, out)?;
            }
            Frame::GossipLeave(body) if body.reason == Parting::UnknownRoom => {
                room.is_stranger(peer, time + STRANGER);
            }
            Frame::GroupOperations(body) if room.kind.group().is_some() => {
                return self.group_frame(tx, id, (peer, link), body, now, out);
            }
            // Of a later version.
            frame if !is_gossip(frame) => return Ok(()),
            _ => {}
        }
        let (book, rooms) = (&mut self.rooms.book, &mut self.rooms.rooms);
        let Some(room) = rooms.get_mut(id) else {
            return Ok(());
        };
        let handle = |contact: dchat_wire::gossip::Contact| {
            book.learn(contact.peer, &contact.addresses);
            (contact.peer != me).then_some(contact.peer)
        };
        match Message::from_frame(frame, &room.kind.id(), handle) {
            Ok(Some(message)) => {
                let input = Input::Received {
                    from: peer,
                    message,
                };
                self.drive(tx, id, Turn::Input(input), now, out)
            }
            Ok(None) => Ok(()),
            Err(error) => {
                tracing::debug!(%peer, %error, "a member passes on what is no item");
                self.drive(tx, id, Turn::Input(Input::NoItem(peer)), now, out)
            }
        }
    }

    /// The room that `peer` shows `tag` to be let into.
    fn room_shown(&self, peer: &PeerId, tag: &[u8; 32]) -> Option<ConversationId> {
        let shown = self.rooms.rooms.iter().find(|(_, room)| {
            let is_shown = room.kind.tag(peer, &self.rooms.me) == *tag;
            room.kind.may_link(peer) && (is_shown || defect::is(Defect::OpensAnyRoom))
        });
        shown.map(|(id, _)| *id)
    }

    pub(super) fn room_ids(&self) -> Vec<ConversationId> {
        self.rooms.rooms.keys().copied().collect()
    }

    /// The log of ours in a room whose name begins with `prefix`.
    pub(super) fn own_log(&self, id: &ConversationId, prefix: u64) -> Option<LogId> {
        let room = self.rooms.rooms.get(id)?;
        room.own.iter().copied().find(|log| log.prefix() == prefix)
    }
}

/// Frames that may come on a room's stream.
fn is_of_rooms(frame: &Frame) -> bool {
    matches!(frame, Frame::GroupOperations(_)) || is_gossip(frame)
}

/// Frames that a gossip node knows what to do with.
fn is_gossip(frame: &Frame) -> bool {
    matches!(
        frame,
        Frame::GossipOpen(_)
            | Frame::GossipLeave(_)
            | Frame::GossipJoin(_)
            | Frame::GossipShuffle(_)
            | Frame::GossipPush(_)
            | Frame::GossipAnnounce(_)
            | Frame::GossipPull(_)
            | Frame::GossipTree(_)
            | Frame::GossipDigest(_)
            | Frame::GossipSketch(_)
            | Frame::GossipMore(_)
            | Frame::GossipProof(_)
            | Frame::GossipRange(_)
            | Frame::GossipSpans(_)
            | Frame::GossipFetch(_)
    )
}

fn unknown_room() -> Frame {
    Frame::GossipLeave(GossipLeave {
        reason: Parting::UnknownRoom,
        peers: List::default(),
        extensions: Default::default(),
    })
}
