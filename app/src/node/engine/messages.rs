//! Messages: what was said, and what is on its way.

use std::collections::BTreeMap;

use dchat_wire::hash::pair_conversation;
use dchat_wire::{PeerId, limits};

use super::effect::{Command, Effects};
use super::{Fault, Session};
use crate::api::{self, Event, MessageState, Reply};
use crate::node::convert;
use crate::store::limits::MAX_PAGE;
use crate::store::{ConversationId, Entry, PeerKey, Tx, UnixMillis};

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
        let contact = self.find_or_add(tx, to, now, out)?;
        let peer = peer_of(&contact.peer)?;
        let expires_at =
            ttl_s.map(|seconds| now.saturating_add_unsigned(seconds.saturating_mul(1000)));
        let id = self.append(tx, &peer, text, expires_at, now)?;
        if let Some(token) = &token {
            tx.remember_sent(token, &id, now)?;
        }
        let state = MessageState::Queued;
        let id = convert::hex(&id);
        out.event(Event::MessageState {
            id: id.clone(),
            state,
        });
        out.command(Command::Hurry { peer });
        self.push(&peer);
        Ok(Reply::Sent(api::Sent { id, state }))
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
        let contact = self.find(tx, to)?;
        let conversation = self.conversation(&contact.peer)?;
        let before = before
            .map(|id| {
                let entry = convert::entry_id(id)
                    .map(|id| tx.entry(&id))
                    .transpose()?
                    .flatten();
                entry
                    .filter(|entry| entry.conversation == conversation)
                    .map(|entry| entry.ord)
                    .ok_or_else(|| Fault::not_found("no message of this conversation has this id."))
            })
            .transpose()?;
        let page = tx.history(&conversation, before, page_size(limit))?;
        let shown = page
            .entries
            .iter()
            .filter_map(|entry| convert::message(entry, &contact.peer));
        Ok(Reply::Messages(shown.collect()))
    }

    pub(super) fn search(
        &self,
        tx: &Tx<'_>,
        words: &str,
        to: Option<&str>,
        limit: u32,
    ) -> Result<Reply, Fault> {
        let conversation = self.conversation_of(tx, to)?;
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
        let conversation = self.conversation_of(tx, from)?;
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
        let mut marks: BTreeMap<(PeerKey, [u8; 16]), u64> = BTreeMap::new();
        for id in ids.iter().take(MAX_PAGE) {
            let found = convert::entry_id(id)
                .map(|id| tx.entry(&id))
                .transpose()?
                .flatten();
            if let Some(entry) = found.filter(|entry| !entry.own) {
                let mark = marks.entry((entry.author, entry.incarnation)).or_default();
                *mark = entry.seq.max(*mark);
            }
        }
        for ((author, incarnation), through) in marks {
            self.read_through(tx, &peer_of(&author)?, incarnation, through, now, out)?;
        }
        Ok(Reply::Done)
    }

    /// Messages for people, each with the other side of its conversation.
    fn shown(&self, tx: &Tx<'_>, entries: &[Entry]) -> Result<Reply, Fault> {
        let mut others: Vec<(ConversationId, PeerKey)> = Vec::new();
        let mut messages = Vec::new();
        for entry in entries {
            let known = others
                .iter()
                .find(|(id, _)| *id == entry.conversation)
                .map(|(_, key)| *key);
            let other = match known {
                Some(other) => other,
                None if !entry.own => entry.author,
                None => match self.other_side(tx, &entry.conversation)? {
                    Some(other) => other,
                    None => continue,
                },
            };
            if known.is_none() {
                others.push((entry.conversation, other));
            }
            messages.extend(convert::message(entry, &other));
        }
        Ok(Reply::Messages(messages))
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

    fn conversation_of(
        &self,
        tx: &Tx<'_>,
        name: Option<&str>,
    ) -> Result<Option<ConversationId>, Fault> {
        name.map(|name| {
            self.find(tx, name)
                .and_then(|contact| self.conversation(&contact.peer))
        })
        .transpose()
    }

    pub(super) fn conversation(&self, peer: &PeerKey) -> Result<ConversationId, Fault> {
        Ok(pair_conversation(&self.identity.peer_id(), &peer_of(peer)?))
    }
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
