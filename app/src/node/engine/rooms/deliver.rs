//! Storing an item a node delivers, and showing it.

use std::sync::Arc;

use dchat_gossip::LogId;
use dchat_gossip::log::Item;
use dchat_wire::hash::entry_id;
use dchat_wire::{PeerId, codec};

use crate::api::{self, Event};
use crate::group::Group;
use crate::mention;
use crate::node::convert;
use crate::node::engine::Session;
use crate::node::engine::effect::Effects;
use crate::node::engine::fault::Fault;
use crate::store::{
    ConversationId, EntryId, EntryState, LogName, NewItem, PeerKey, ReceivedEntry, Tx, UnixMillis,
};

/// What is stored of an item, owned.
pub(super) struct Row {
    conversation: ConversationId,
    log: [u8; 16],
    author: Option<PeerKey>,
    own: bool,
    id: EntryId,
    hash: [u8; 32],
    prev: [u8; 32],
    seq: u64,
    kind: u16,
    sent_at: UnixMillis,
    expires_at: Option<UnixMillis>,
    state: EntryState,
    hour: u32,
    lamport: u64,
    header: Vec<u8>,
    signature: [u8; 64],
    body: Option<Vec<u8>>,
    text: Option<String>,
}

/// The row of `item`, of a log of `author`'s, as one that says nothing.
pub(super) fn new_item(
    conversation: &ConversationId,
    item: &Item,
    author: Option<PeerKey>,
    own: bool,
) -> Row {
    let signed = item.signed();
    let header = &signed.header;
    Row {
        conversation: *conversation,
        log: item.log().0,
        author,
        own,
        id: id_of(conversation, item),
        hash: *item.hash(),
        prev: header.prev,
        seq: item.seq().into(),
        kind: header.kind,
        sent_at: UnixMillis::try_from(item.sent_at()).unwrap_or(UnixMillis::MAX),
        expires_at: None,
        state: EntryState::Received,
        hour: item.hour(),
        lamport: header.lamport,
        header: codec::encode(header),
        signature: signed.signature,
        body: signed.body.as_ref().map(|body| body.as_slice().to_vec()),
        text: None,
    }
}

impl Row {
    pub(super) fn as_new(&self) -> NewItem<'_> {
        NewItem {
            conversation: self.conversation,
            log: self.log,
            author: self.author,
            own: self.own,
            entry: ReceivedEntry {
                seq: self.seq,
                id: self.id,
                hash: self.hash,
                prev: self.prev,
                kind: self.kind,
                text: self.text.as_deref(),
                sent_at: self.sent_at,
                expires_at: self.expires_at,
            },
            state: self.state,
            hour: self.hour,
            lamport: self.lamport,
            header: &self.header,
            signature: &self.signature,
            body: self.body.as_deref(),
        }
    }
}

/// The name of an item to people and programs: the same for everybody, and known to its author before
/// it is sent.
pub(super) fn id_of(room: &[u8; 32], item: &Item) -> EntryId {
    let header = &item.signed().header;
    // Its signature was verified by this key, so it is one.
    PeerId::from_public_key(header.author).map_or([0; 16], |author| {
        entry_id(room, &author, &header.incarnation, item.seq().into())
    })
}

impl Session {
    /// Stores a new item that follows what is held of its log, and tells people.
    pub(super) fn delivered(
        &mut self,
        tx: &Tx<'_>,
        id: &ConversationId,
        item: &Arc<Item>,
        from: PeerId,
        now: UnixMillis,
        out: &mut Effects,
    ) -> Result<(), Fault> {
        let me = self.rooms.me;
        let Some(room) = self.rooms.rooms.get_mut(id) else {
            return Ok(());
        };
        let log = item.log();
        let (said, known) = room.kind.read(tx, item, room.authors.get(&log))?;
        if let Some(known) = known {
            room.authors.insert(log, known);
        }
        let own = item.author() == room.kind.own_key().public_key();
        let mut row = new_item(id, item, said.author, own);
        row.expires_at = expiry(item, room.kind.keep().time);
        row.state = match (own, from == me) {
            (true, true) => EntryState::Queued,
            // One of ours that comes from others is held by them.
            (true, false) => EntryState::Delivered,
            (false, _) => EntryState::Received,
        };
        if row.expires_at.is_none_or(|expires_at| expires_at > now) {
            row.text = said.text;
        } else {
            row.body = None;
        }
        if !tx.append_item(&row.as_new(), now)? {
            return Ok(());
        }
        room.full += u64::from(row.body.is_some());
        if own {
            room.own.insert(log);
        }
        let speaker = said
            .author
            .and_then(|key| PeerId::from_public_key(key).ok());
        if let (Some(speaker), Some(name)) = (&speaker, &said.name) {
            tx.meet(id, speaker.public_key(), name, now)?;
        }
        // Members of a group are told whoever brought it: they are shown who has what.
        let is_near = |peer: &PeerId| {
            let mut near = room.node.neighbours();
            room.kind.group().is_some() && near.any(|near| near == *peer)
        };
        if let Some(author) = speaker.filter(|peer| *peer != me && (*peer == from || is_near(peer)))
        {
            room.held.insert((author, log));
        }
        if let (Some(speaker), Some(_)) = (speaker.filter(|peer| *peer != me), room.kind.group()) {
            // Whoever says that it had seen something of ours has it.
            let heads = item.signed().header.heads.iter();
            let heads = heads.filter(|head| LogId(head.log) == room.log);
            let held: Vec<(u64, u32)> = heads.map(|head| (room.log.prefix(), head.seq)).collect();
            room.note_held(speaker, &held);
        }
        let told = room.early.remove(item.hash());
        let title = room.title();
        let in_group = room.kind.group().map(|group| called(group, &me));
        let astray = own && from != me && log == room.log;
        let mention = match (&row.text, &speaker) {
            (Some(text), Some(speaker)) if *speaker != me => {
                let named = self.is_named(tx, id, in_group.as_ref(), text)?;
                if named {
                    let log = LogName {
                        conversation: *id,
                        author: *speaker.public_key(),
                        incarnation: row.log,
                    };
                    tx.note_mention(&log, row.seq)?;
                }
                named
            }
            _ => false,
        };
        if let (Some(text), Some(speaker), false) = (row.text, speaker, from == me || told) {
            out.event(Event::Message(api::Message {
                conversation: title,
                from: speaker.to_string(),
                name: said.name.filter(|name| !name.is_empty()),
                id: convert::hex(&row.id),
                seq: row.seq,
                text,
                sent_at: crate::time::rfc3339(item.sent_at()),
                state: own.then_some(api::MessageState::Delivered),
                mention,
            }));
        }
        if astray {
            // Another life of this home writes this log: ours is another from now on.
            self.begin_log(tx, id)?;
        }
        Ok(())
    }
}

/// What people are called in a group: we, and the others.
#[derive(Clone, Debug, Default)]
pub(super) struct Called {
    own: String,
    others: Vec<String>,
}

/// What `me` and the others in `group` are called there.
pub(super) fn called(group: &Group, me: &PeerId) -> Called {
    let mut called = Called::default();
    for (peer, member) in &group.roster().members {
        if peer == me {
            called.own.clone_from(&member.name);
        } else {
            called.others.push(member.name.clone());
        }
    }
    called
}

impl Session {
    /// Whether `text`, said by somebody else, names this profile: as it is called now, or in the group.
    pub(super) fn is_named(
        &self,
        tx: &Tx<'_>,
        id: &ConversationId,
        in_group: Option<&Called>,
        text: &str,
    ) -> Result<bool, Fault> {
        let me = self.rooms.me;
        let own = [
            self.name.as_str(),
            in_group.map_or("", |called| &called.own),
        ];
        let mut failed = None;
        let named = mention::is_named(text, &me.to_string(), &own, || {
            if let Some(called) = in_group {
                return called.others.clone();
            }
            let people = tx.room_people(id).unwrap_or_else(|error| {
                failed = Some(error);
                Vec::new()
            });
            let others = people.into_iter();
            let others = others.filter(|person| person.peer != *me.public_key());
            others.map(|person| person.name).collect()
        });
        match failed {
            Some(error) => Err(error.into()),
            None => Ok(named),
        }
    }
}

/// When the body of `item` is to go.
pub(super) fn expiry(item: &Item, window: Option<core::time::Duration>) -> Option<UnixMillis> {
    let header = &item.signed().header;
    let asked = (header.keep_s > 0).then(|| u64::from(header.keep_s) * 1000);
    let window = window.map(|window| u64::try_from(window.as_millis()).unwrap_or(u64::MAX));
    let keep = match (asked, window) {
        (Some(asked), Some(window)) => Some(asked.min(window)),
        (asked, window) => asked.or(window),
    };
    keep.map(|keep| UnixMillis::try_from(header.sent_at.saturating_add(keep)).unwrap_or(i64::MAX))
}
