//! Messages: what was said, and what is on its way.

use std::collections::BTreeMap;

use dchat_wire::hash::pair_conversation;
use dchat_wire::{PeerId, limits};

use super::effect::{Command, Effects};
use super::rooms::title;
use super::{Fault, Session};
use crate::api::{self, Event, MessageState, Reply};
use crate::node::convert;
use crate::store::limits::MAX_PAGE;
use crate::store::{
    ContactState, ConversationId, Entry, EntryId, LogName, PeerKey, Tx, UnixMillis,
};

impl Session {
    #[expect(
        clippy::too_many_arguments,
        reason = "the request's fields, the clock and the effects"
    )]
    pub(super) fn send(
        &mut self,
        tx: &Tx<'_>,
        to: &str,
        text: &str,
        ttl_s: Option<u64>,
        token: Option<&str>,
        now: UnixMillis,
        out: &mut Effects,
    ) -> Result<Reply, Fault> {
        if text.is_empty() {
            return Err(Fault::usage("there is nothing to send: the text is empty."));
        }
        if text.len() > limits::TEXT {
            return Err(Fault::usage(format!(
                "the text has {} bytes; a message holds at most {}. Send it in parts.",
                text.len(),
                limits::TEXT
            )));
        }
        let token = token.map(parse_token).transpose()?;
        if let Some(token) = &token
            && let Some(id) = tx.sent_under(token)?
        {
            return self.sent(tx, &convert::hex(&id));
        }
        let id = if is_room(to) {
            self.send_to_room(tx, to, text, ttl_s, now, out)?
        } else {
            self.send_to_contact(tx, to, text, ttl_s, now, out)?
        };
        if let Some(token) = &token {
            tx.remember_sent(token, &id, now)?;
        }
        let state = MessageState::Queued;
        let id = convert::hex(&id);
        out.event(Event::MessageState {
            id: id.clone(),
            state,
        });
        Ok(Reply::Sent(api::Sent { id, state }))
    }

    fn send_to_contact(
        &mut self,
        tx: &Tx<'_>,
        to: &str,
        text: &str,
        ttl_s: Option<u64>,
        now: UnixMillis,
        out: &mut Effects,
    ) -> Result<EntryId, Fault> {
        let contact = self.find_or_add(tx, to, now, out)?;
        let peer = peer_of(&contact.peer)?;
        let expires_at =
            ttl_s.map(|seconds| now.saturating_add_unsigned(seconds.saturating_mul(1000)));
        let id = self.append(tx, &peer, text, expires_at, now)?;
        out.command(Command::Hurry { peer });
        self.push(&peer);
        Ok(id)
    }

    /// A message of ours and how far it has come.
    pub(super) fn sent(&self, tx: &Tx<'_>, id: &str) -> Result<Reply, Fault> {
        let unknown = || Fault::not_found("no message of this home has this id.");
        let entry = convert::entry_id(id).ok_or_else(unknown)?;
        let entry = tx
            .entry(&entry)?
            .filter(|entry| entry.own)
            .ok_or_else(unknown)?;
        let state = convert::state(entry.state).ok_or_else(unknown)?;
        Ok(Reply::Sent(api::Sent {
            id: id.to_owned(),
            state,
        }))
    }

    pub(super) fn history(
        &self,
        tx: &Tx<'_>,
        to: &str,
        limit: u32,
        before: Option<&str>,
    ) -> Result<Reply, Fault> {
        let conversation = self.named(tx, to)?;
        let before = before
            .map(|id| {
                let entry = convert::entry_id(id)
                    .map(|id| tx.entry(&id))
                    .transpose()?
                    .flatten();
                entry
                    .filter(|entry| entry.conversation == conversation)
                    .ok_or_else(|| Fault::not_found("no message of this conversation has this id."))
            })
            .transpose()?;
        let page = if is_room(to) {
            let place = before.map(|entry| tx.item_place(entry.ord)).transpose()?;
            tx.room_history(&conversation, place.flatten(), page_size(limit))?
        } else {
            let before = before.map(|entry| entry.ord);
            tx.history(&conversation, before, page_size(limit))?
        };
        self.shown(tx, &page.entries)
    }

    pub(super) fn search(
        &self,
        tx: &Tx<'_>,
        words: &str,
        to: Option<&str>,
        limit: u32,
    ) -> Result<Reply, Fault> {
        let conversation = to.map(|to| self.named(tx, to)).transpose()?;
        let mut page = tx.search(conversation.as_ref(), words, page_size(limit))?;
        page.entries.reverse();
        self.shown(tx, &page.entries)
    }

    pub(super) fn unread(
        &self,
        tx: &Tx<'_>,
        from: Option<&str>,
        limit: u32,
    ) -> Result<Reply, Fault> {
        let conversation = from.map(|from| self.named(tx, from)).transpose()?;
        let page = tx.unread(conversation.as_ref(), page_size(limit))?;
        self.shown(tx, &page.entries)
    }

    pub(super) fn mark_read(
        &mut self,
        tx: &Tx<'_>,
        ids: &[String],
        now: UnixMillis,
        out: &mut Effects,
    ) -> Result<Reply, Fault> {
        // One mark for each log, at the newest of its messages.
        let mut marks: BTreeMap<LogName, u64> = BTreeMap::new();
        for id in ids.iter().take(MAX_PAGE) {
            let found = convert::entry_id(id)
                .map(|id| tx.entry(&id))
                .transpose()?
                .flatten();
            if let Some(entry) = found.filter(|entry| !entry.own) {
                let log = LogName {
                    conversation: entry.conversation,
                    author: entry.author,
                    incarnation: entry.incarnation,
                };
                let mark = marks.entry(log).or_default();
                *mark = entry.seq.max(*mark);
            }
        }
        for (log, through) in marks {
            // What is read in a room is nobody else's business.
            if tx.room(&log.conversation)?.is_some() {
                tx.mark_read(&log, through)?;
            } else {
                let peer = peer_of(&log.author)?;
                self.read_through(tx, &peer, log.incarnation, through, now, out)?;
            }
        }
        Ok(Reply::Done)
    }

    /// Messages for people, each with the conversation it is of.
    fn shown(&self, tx: &Tx<'_>, entries: &[Entry]) -> Result<Reply, Fault> {
        let mut titles: BTreeMap<ConversationId, Option<Title>> = BTreeMap::new();
        let mut messages = Vec::new();
        for entry in entries {
            let title = match titles.get(&entry.conversation) {
                Some(title) => title.clone(),
                None => {
                    let title = self.title(tx, entry)?;
                    titles.insert(entry.conversation, title.clone());
                    title
                }
            };
            match title {
                Some(Title::Pair(with)) => messages.extend(convert::message(entry, with, None)),
                Some(Title::Room(title)) => {
                    let name = tx.room_person(&entry.conversation, &entry.author)?;
                    let name = name.filter(|name| !name.is_empty());
                    messages.extend(convert::message(entry, title, name));
                }
                None => {}
            }
        }
        Ok(Reply::Messages(messages))
    }

    /// What the conversation of `entry` is called.
    fn title(&self, tx: &Tx<'_>, entry: &Entry) -> Result<Option<Title>, Fault> {
        if let Some(room) = tx.room(&entry.conversation)? {
            return Ok(Some(Title::Room(title(&room))));
        }
        let other = if entry.own {
            self.other_side(tx, &entry.conversation)?
        } else {
            Some(entry.author)
        };
        Ok(other.map(|other| Title::Pair(convert::peer_text(&other))))
    }

    /// The contact a one-to-one conversation is with.
    fn other_side(
        &self,
        tx: &Tx<'_>,
        conversation: &ConversationId,
    ) -> Result<Option<PeerKey>, Fault> {
        let is_with =
            |key: &PeerKey| matches!(self.conversation(key), Ok(name) if name == *conversation);
        Ok(tx
            .contacts()?
            .into_iter()
            .map(|contact| contact.peer)
            .find(is_with))
    }

    /// The conversation with a contact, or in a room.
    fn named(&self, tx: &Tx<'_>, name: &str) -> Result<ConversationId, Fault> {
        if is_room(name) {
            return Ok(self.conversation_room(tx, name)?.id);
        }
        let contact = self.find(tx, name)?;
        if contact.state == ContactState::Blocked {
            return Err(Fault::not_found(format!(
                "{name} was refused, and nothing of theirs is shown. `dchat add` takes that back."
            )));
        }
        self.conversation(&contact.peer)
    }

    pub(super) fn conversation(&self, peer: &PeerKey) -> Result<ConversationId, Fault> {
        Ok(pair_conversation(&self.identity.peer_id(), &peer_of(peer)?))
    }
}

/// What a conversation is called.
#[derive(Clone, Debug)]
enum Title {
    /// By the other side's PeerId.
    Pair(String),
    /// By its sign and name.
    Room(String),
}

/// Whether a text names a room or a group.
fn is_room(text: &str) -> bool {
    text.starts_with(['#', '@'])
}

pub(super) fn peer_of(key: &PeerKey) -> Result<PeerId, Fault> {
    PeerId::from_public_key(*key).map_err(|_| Fault::not_found("this contact's key is not usable."))
}

fn parse_token(text: &str) -> Result<[u8; 16], Fault> {
    convert::entry_id(text).ok_or_else(|| Fault::usage("a token is 32 hexadecimal digits."))
}

fn page_size(limit: u32) -> usize {
    usize::try_from(limit).unwrap_or(MAX_PAGE).min(MAX_PAGE)
}
