//! Saying something in a room.

use dchat_gossip::frontier::MAX_SEQ;
use dchat_gossip::log::Item;
use dchat_gossip::node::Draft;
use dchat_gossip::{Input, LogId};
use dchat_wire::List;
use dchat_wire::extension::Extensions;
use dchat_wire::gossip::{ItemHead, ItemHeader};
use dchat_wire::hash::entry_id;
use dchat_wire::parcel::entry_kind;

use super::room::Turn;
use crate::node::engine::Session;
use crate::node::engine::effect::Effects;
use crate::node::engine::fault::Fault;
use crate::store::limits::MAX_UNACKNOWLEDGED;
use crate::store::{ConversationId, EntryId, LogName, Tx, UnixMillis};

impl Session {
    /// Adds a text to our log in a room, and returns its name. Others get it once the batch is
    /// committed.
    pub(super) fn say(
        &mut self,
        tx: &Tx<'_>,
        id: &ConversationId,
        text: &str,
        ttl_s: Option<u64>,
        now: UnixMillis,
        out: &mut Effects,
    ) -> Result<EntryId, Fault> {
        let time = self.rooms.clock.now(now);
        self.tidy_own_log(tx, id)?;
        let Some(room) = self.rooms.rooms.get_mut(id) else {
            return Err(Fault::denied("you are not in this room any more."));
        };
        let log = room.log;
        let draft = room.node.draft(log, time);
        let header = header(&draft, &room.row.incarnation, ttl_s);
        let signed = room.kind.seal(tx, header, &self.name, text)?;
        let is_group = room.kind.group().is_some();
        let incarnation = signed.header.incarnation;
        let item = Item::new(&room.kind.id(), signed).map_err(|error| {
            tracing::error!(%error, "an item of our own");
            Fault::denied("the message cannot be sent as it is.")
        })?;
        let author = room.kind.own_key();
        if is_group {
            // Members are told the key first.
            self.in_group(tx, id, None, now, out, |_, _| Ok(()))?;
        }
        self.drive(tx, id, Turn::Input(Input::Publish(item)), now, out)?;
        let frontier = self.rooms.rooms.get(id).map(|room| room.node.frontier());
        let taken = frontier
            .and_then(|frontier| frontier.tip(frontier.find(&log)?))
            .is_some_and(|tip| tip.seq == draft.seq);
        if !taken {
            return Err(Fault::denied(
                "the room takes no message right now: a clock is far ahead. Try again.",
            ));
        }
        Ok(entry_id(id, &author, &incarnation, draft.seq.into()))
    }

    /// Begins another log where the present one cannot go on: it is full, or has been forgotten for
    /// its age while the database still knows it.
    fn tidy_own_log(&mut self, tx: &Tx<'_>, id: &ConversationId) -> Result<(), Fault> {
        let Some(room) = self.rooms.rooms.get(id) else {
            return Ok(());
        };
        let log = room.log;
        let name = LogName {
            conversation: *id,
            author: *self.rooms.me.public_key(),
            incarnation: log.0,
        };
        let stored = tx.frontier(&name)?;
        let waiting = stored.map_or(0, |log| log.last_seq() - log.acked);
        if waiting >= MAX_UNACKNOWLEDGED {
            return Err(Fault::denied(format!(
                "{MAX_UNACKNOWLEDGED} messages wait for somebody to come to this room already."
            )));
        }
        let frontier = room.node.frontier();
        let tip = frontier.find(&log).and_then(|log| frontier.tip(log));
        let held = tip.map_or(0, |tip| if tip.closed { MAX_SEQ } else { tip.seq });
        let stored = stored.map_or(0, |log| log.last_seq());
        if held >= MAX_SEQ || u64::from(held) != stored {
            self.begin_log(tx, id)?;
        }
        Ok(())
    }
}

fn header(draft: &Draft, incarnation: &[u8; 16], ttl_s: Option<u64>) -> ItemHeader {
    let head = |(log, seq, hash): &(LogId, u32, [u8; 32])| {
        let [a, b, c, d, e, f, g, h, ..] = *hash;
        ItemHead {
            log: log.0,
            seq: *seq,
            hash: [a, b, c, d, e, f, g, h],
        }
    };
    ItemHeader {
        author: [0; 32],
        incarnation: *incarnation,
        seq: draft.seq,
        prev: draft.prev,
        lamport: draft.lamport,
        sent_at: draft.sent_at,
        keep_s: ttl_s.map_or(0, |ttl| u32::try_from(ttl).unwrap_or(u32::MAX)),
        floor: 0,
        heads: List::first_of(draft.heads.iter().map(head)),
        kind: entry_kind::TEXT,
        body_len: 0,
        body_hash: [0; 32],
        extensions: Extensions::default(),
    }
}
