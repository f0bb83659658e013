//! Making a room's node from what is stored.

use std::collections::{BTreeMap, BTreeSet};

use dchat_gossip::frontier::Tip;
use dchat_gossip::{Input, LogId, Node, Time};
use dchat_wire::PeerId;

use super::Room;
use super::kind::{Kind, Known};
use super::room::Turn;
use crate::api::ApiError;
use crate::node::engine::Session;
use crate::node::engine::effect::Effects;
use crate::node::engine::fault::Fault;
use crate::node::profile::random;
use crate::store::{self, RoomTip, Tx, UnixMillis};

impl Session {
    /// Makes all nodes from the database when those in memory are not what it says.
    pub(in crate::node::engine) fn restore_rooms(
        &mut self,
        tx: &Tx<'_>,
        now: UnixMillis,
        out: &mut Effects,
    ) -> Result<(), Fault> {
        if !core::mem::take(&mut self.rooms.stale) {
            return Ok(());
        }
        self.rooms.rooms.clear();
        self.rooms.streams.clear();
        self.rooms.reaching.clear();
        for row in tx.rooms()? {
            self.enter_room(tx, row, now, out)?;
        }
        Ok(())
    }

    /// Starts the node of `row`, and offers it whoever is connected.
    pub(super) fn enter_room(
        &mut self,
        tx: &Tx<'_>,
        row: store::Room,
        now: UnixMillis,
        out: &mut Effects,
    ) -> Result<(), Fault> {
        let time = self.rooms.clock.now(now);
        let Some(kind) = Kind::of(tx, &row, &self.identity)? else {
            tracing::warn!(name = row.name, "a room cannot be entered");
            return Ok(());
        };
        let id = row.id;
        let room = room(tx, row, kind, self.rooms.me, time)?;
        self.rooms.rooms.insert(id, room);
        self.found_by_rendezvous(&id, out);
        let connected: Vec<PeerId> = self.rooms.links.keys().copied().collect();
        self.offer(tx, &id, connected, now, out)?;
        self.offer_members(tx, &id, now, out)
    }

    /// Tells a room's node of peers that may be in it.
    pub(super) fn offer(
        &mut self,
        tx: &Tx<'_>,
        id: &store::ConversationId,
        mut peers: Vec<PeerId>,
        now: UnixMillis,
        out: &mut Effects,
    ) -> Result<(), Fault> {
        let (me, time) = (self.rooms.me, self.rooms.clock.now(now));
        if let Some(room) = self.rooms.rooms.get(id) {
            peers.retain(|peer| *peer != me && room.may_ask(peer, time));
        }
        if peers.is_empty() {
            return Ok(());
        }
        self.drive(tx, id, Turn::Input(Input::Contacts(peers)), now, out)
    }
}

fn room(tx: &Tx<'_>, row: store::Room, kind: Kind, me: PeerId, now: Time) -> Result<Room, Fault> {
    let [one, other] = [random::<8>()?, random::<8>()?].map(u64::from_le_bytes);
    let mut node = Node::new(kind.config(), me, (one, other), now);
    let tips = tx.room_tips(&row.id)?;
    let mut counted = Vec::with_capacity(tips.len());
    for stored in &tips {
        counted.extend(kind.counted(tx, tip(stored))?);
    }
    if node.restore(counted).is_err() {
        tracing::warn!(name = row.name, "a room has more logs than there may be");
    }
    let known = tips.iter().filter_map(|tip| {
        let author = Known::before(tip.author?);
        Some((LogId(tip.log), author))
    });
    let log = LogId::of(&kind.id(), kind.own_key().public_key(), &row.incarnation);
    let own = tips.iter().filter(|tip| tip.own).map(|tip| LogId(tip.log));
    Ok(Room {
        own: own.chain([log]).collect(),
        authors: known.collect(),
        keys: BTreeMap::new(),
        full: tx.full_items(&row.id)?,
        row,
        kind,
        node,
        log,
        forgotten: 0,
        neighbours: Vec::new(),
        strangers: BTreeMap::new(),
        early: BTreeSet::new(),
        lines: BTreeMap::new(),
        held: BTreeSet::new(),
        held_by: BTreeMap::new(),
    })
}

fn tip(stored: &RoomTip) -> Tip {
    let empty = Tip::empty(LogId(stored.log));
    if stored.closed {
        return Tip {
            hour: stored.hour,
            closed: true,
            ..empty
        };
    }
    Tip {
        hash: stored.hash,
        seq: u32::try_from(stored.seq).unwrap_or(u32::MAX),
        hour: stored.hour,
        lamport: stored.lamport,
        sent_at: stored.sent_at,
        ..empty
    }
}

/// Random bytes for a log's incarnation.
pub(super) fn incarnation() -> Result<store::Incarnation, ApiError> {
    random()
}
