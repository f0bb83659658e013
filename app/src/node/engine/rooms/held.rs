//! What members hold of their own logs at each other: the acknowledgement of a room.
//!
//! A neighbour that has stored an item it got from its author announces the author's log to it, once a
//! batch, and all of the author's logs when the two become neighbours. An announcement of a log of ours
//! therefore says that another member holds it that far; so does a request for what comes after.

use dchat_gossip::LogId;
use dchat_wire::gossip::{GossipAnnounce, Mark};
use dchat_wire::{Frame, List, PeerId};

use super::restore::incarnation;
use crate::api::{Event, MessageState};
use crate::node::convert;
use crate::node::engine::Session;
use crate::node::engine::effect::Effects;
use crate::node::engine::fault::Fault;
use crate::store::{Acknowledged, ConversationId, LogName, Receipt, Tx};

impl Session {
    /// A neighbour says how far it holds some logs, by the beginnings of their names.
    pub(super) fn held_by_others(
        &mut self,
        tx: &Tx<'_>,
        id: &ConversationId,
        held: &[(u64, u32)],
        out: &mut Effects,
    ) -> Result<(), Fault> {
        for (prefix, seq) in held {
            let Some(log) = self.own_log(id, *prefix) else {
                continue;
            };
            let name = LogName {
                conversation: *id,
                author: *self.rooms.me.public_key(),
                incarnation: log.0,
            };
            match tx.acknowledge(&name, u64::from(*seq), Receipt::Delivered)? {
                Acknowledged::Changed(ids) => {
                    for id in ids {
                        out.event(Event::MessageState {
                            id: convert::hex(&id),
                            state: MessageState::Delivered,
                        });
                    }
                }
                // It knows a later life of this home: what is written there must not be contradicted.
                Acknowledged::Beyond { .. } => {
                    if self.rooms.rooms.get(id).is_some_and(|room| room.log == log) {
                        self.begin_log(tx, id)?;
                    }
                }
                Acknowledged::NoSuchLog => {}
            }
        }
        Ok(())
    }

    /// From now on we write another log in a room.
    pub(super) fn begin_log(&mut self, tx: &Tx<'_>, id: &ConversationId) -> Result<(), Fault> {
        let Some(room) = self.rooms.rooms.get_mut(id) else {
            return Ok(());
        };
        let incarnation = incarnation()?;
        tx.begin_room_log(id, &incarnation)?;
        let author = room.kind.own_key();
        room.row.incarnation = incarnation;
        room.held_by.clear();
        room.log = LogId::of(&room.kind.id(), author.public_key(), &incarnation);
        room.own.insert(room.log);
        Ok(())
    }

    /// Tells neighbours how far their own logs are held here: those of which something came in this
    /// batch, and all of neighbours that are new.
    pub(super) fn acknowledge_authors(&mut self, id: &ConversationId, out: &mut Effects) {
        let Some(room) = self.rooms.rooms.get_mut(id) else {
            return;
        };
        let neighbours: Vec<PeerId> = room.node.neighbours().collect();
        for peer in &neighbours {
            if !room.neighbours.contains(peer) {
                let theirs = room.authors.iter();
                let theirs = theirs.filter(|(_, known)| known.author == *peer.public_key());
                room.held.extend(theirs.map(|(log, _)| (*peer, *log)));
            }
        }
        let mut held = core::mem::take(&mut room.held).into_iter().peekable();
        while let Some((peer, log)) = held.next() {
            let mut marks: Vec<Mark> = mark(room, log).into_iter().collect();
            while let Some((_, log)) = held.next_if(|(next, _)| *next == peer) {
                marks.extend(mark(room, log));
            }
            let stream = room.lines.get(&peer).and_then(|line| line.out);
            let link = self.rooms.links.get(&peer).map(|(link, _)| *link);
            if let (Some(stream), Some(link), false) = (stream, link, marks.is_empty())
                && neighbours.contains(&peer)
            {
                let marks = List::first_of(marks);
                out.room_frame(
                    link,
                    stream,
                    Frame::GossipAnnounce(GossipAnnounce { marks }),
                );
            }
        }
        let count = neighbours.len();
        let changed = count != room.neighbours.len();
        room.neighbours = neighbours;
        if changed {
            self.found_by_rendezvous(id, out);
        }
    }
}

fn mark(room: &super::Room, log: LogId) -> Option<Mark> {
    let frontier = room.node.frontier();
    let tip = frontier.tip(frontier.find(&log)?)?;
    (tip.seq > 0).then_some(Mark {
        log: log.prefix(),
        seq: tip.seq,
        age: u16::MAX,
    })
}
