//! The newest items of a room, to somebody who comes late and before their logs have come; and where all
//! of them stand, to somebody who compares.
//!
//! They are shown when they come and stored in their turn; they are told of once. What is remembered
//! of them is lost with the process: then they are told of a second time, when they are stored.

use std::sync::Arc;

use dchat_gossip::log::Item;
use dchat_gossip::range::Key;
use dchat_wire::PeerId;

use super::deliver::{expiry, id_of};
use super::drive::item_of;
use crate::api::{self, Event};
use crate::node::convert;
use crate::node::engine::Session;
use crate::node::engine::effect::Effects;
use crate::node::engine::fault::Fault;
use crate::store::{ConversationId, Tx, UnixMillis};

/// Items that were shown early and are remembered: a few times as many as a node asks for.
const SHOWN: usize = 256;

impl Session {
    /// Tells people of an item before its turn. Of a group's, which can be read in order only, nothing
    /// is said.
    pub(super) fn shown_early(
        &mut self,
        tx: &Tx<'_>,
        id: &ConversationId,
        item: &Arc<Item>,
        now: UnixMillis,
        out: &mut Effects,
    ) -> Result<(), Fault> {
        let me = self.rooms.me;
        let Some(room) = self.rooms.rooms.get_mut(id) else {
            return Ok(());
        };
        let own = item.author() == room.kind.own_key().public_key();
        let past = expiry(item, room.kind.keep().time).is_some_and(|expires_at| expires_at <= now);
        if room.kind.group().is_some() || own || past {
            return Ok(());
        }
        let (said, _) = room.kind.read(tx, item, room.authors.get(&item.log()))?;
        let speaker = said
            .author
            .and_then(|key| PeerId::from_public_key(key).ok());
        let (Some(text), Some(speaker)) = (said.text, speaker) else {
            return Ok(());
        };
        if room.early.len() >= SHOWN || !room.early.insert(*item.hash()) {
            return Ok(());
        }
        let title = room.title();
        let mention = speaker != me && self.is_named(tx, id, None, &text)?;
        out.event(Event::Message(api::Message {
            conversation: title,
            from: speaker.to_string(),
            name: said.name.filter(|name| !name.is_empty()),
            id: convert::hex(&id_of(id, item)),
            seq: item.seq().into(),
            text,
            sent_at: crate::time::rfc3339(item.sent_at()),
            state: None,
            mention,
        }));
        Ok(())
    }

    /// Where all items stand that [`Self::newest_items`] could bring; `None` when there are more than
    /// `most`, and of a group.
    pub(super) fn row(
        &self,
        tx: &Tx<'_>,
        id: &ConversationId,
        most: usize,
    ) -> Result<Option<Vec<Key>>, Fault> {
        let room = self.rooms.rooms.get(id);
        if room.is_none_or(|room| room.kind.group().is_some()) {
            return Ok(None);
        }
        let places = tx.full_places(id, most)?;
        let key = |(lamport, hash): (u64, [u8; 32])| Key::new(lamport, &hash);
        Ok(places.map(|places| places.into_iter().map(key).collect()))
    }

    /// The newest stored items of a room that still have a body, for a member that holds little.
    pub(super) fn newest_items(
        &self,
        tx: &Tx<'_>,
        id: &ConversationId,
        (from, to): (Key, Key),
        most: usize,
        bytes: usize,
    ) -> Result<Vec<Arc<Item>>, Fault> {
        let Some(room) = self
            .rooms
            .rooms
            .get(id)
            .filter(|room| room.kind.group().is_none())
        else {
            return Ok(Vec::new());
        };
        let key = room.kind.id();
        let stored = tx.newest_items(id, (from.lamport, to.lamport), most, bytes)?;
        let items = stored
            .into_iter()
            .filter_map(|stored| item_of(&key, stored));
        let within = |item: &Arc<Item>| (from..to).contains(&Key::of(item));
        Ok(items.filter(within).collect())
    }
}
