//! Rooms and groups of this profile, each with its gossip node, on the engine's thread.
//!
//! State: for every room or group this profile is in a [`Room`]: the gossip [`Node`] restored from the
//! database, what is [particular](kind) about it, and the [streams](lines) over which it talks to its
//! neighbours; beside them the live connections and a bounded [book](book) of addresses heard of.
//! Inputs: connections that come and go, frames of rooms' streams, members found, time, and what the
//! user of this home asks for. Each input is applied within the batch's transaction: what a node
//! delivers is stored there, and what it sends is an effect, released after the commit. Outputs:
//! effects of the batch, and the time by which [`Session::tend_rooms`] wants to be called.
//!
//! Invariants: nothing is announced, acknowledged or served before it is committed, and nothing of our
//! own before it is on disk. After a batch
//! that failed every node is dropped and made anew from the database, and every stream is reset, so
//! that neighbours begin anew as well. What says that another member holds a message of ours is that
//! member's announcement of our log; an author's neighbours announce its log to it as soon as they
//! have stored something of it, and when they become neighbours.
//!
//! A group differs from a room in its [`Kind`] alone.

mod book;
mod clock;
mod deliver;
mod drive;
mod early;
mod frames;
mod groups;
mod held;
mod kind;
mod lines;
mod restore;
mod room;
mod say;
mod tend;
mod verbs;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use dchat_wire::{Address, PeerId};

use self::book::Book;
use self::clock::Clock;
pub(super) use self::groups::MemberChange;
pub(in crate::node) use self::lines::{StreamId, is_ours};
pub(super) use self::room::{Room, title};
use super::LinkId;
use super::effect::{Command, Effects};
use crate::store::{ConversationId, UnixMillis};

/// All rooms and groups; see the [module](self).
#[derive(Debug)]
pub(super) struct Rooms {
    me: PeerId,
    clock: Clock,
    /// At most [`MAX_ROOMS`](crate::store::limits::MAX_ROOMS).
    rooms: BTreeMap<ConversationId, Room>,
    /// Whether the nodes in memory are not what the database says.
    stale: bool,
    /// Live connections, and where the other end is.
    links: BTreeMap<PeerId, (LinkId, Address)>,
    book: Book,
    /// Peers the network half was asked to connect to.
    reaching: BTreeSet<PeerId>,
    /// Which room a stream is of, and with whom; at most a few for each link and room.
    streams: BTreeMap<StreamId, (ConversationId, PeerId)>,
    next_stream: u64,
    /// Rooms whose node took an input in this batch.
    touched: BTreeSet<ConversationId>,
    /// When to look again for members for whom something waits.
    look_at: UnixMillis,
}

impl Rooms {
    pub(super) fn new(me: PeerId) -> Self {
        Self {
            me,
            clock: Clock::default(),
            rooms: BTreeMap::new(),
            stale: true,
            links: BTreeMap::new(),
            book: Book::default(),
            reaching: BTreeSet::new(),
            streams: BTreeMap::new(),
            next_stream: 0,
            touched: BTreeSet::new(),
            look_at: 0,
        }
    }

    /// Whether `stream` is one of a room that is no group.
    pub(super) fn is_of_open_room(&self, stream: StreamId) -> bool {
        let room = self.streams.get(&stream);
        let room = room.and_then(|(id, _)| self.rooms.get(id));
        room.is_some_and(|room| room.row.kind == crate::store::RoomKind::Room)
    }

    /// What the nodes hold in memory never happened.
    pub(super) fn rolled_back(&mut self, out: &mut Effects) {
        self.stale = true;
        self.touched.clear();
        self.streams.clear();
        out.command(Command::ResetRooms);
    }
}
