//! Conversations with connected peers, and who may have one.
//!
//! A link is a live connection. It carries a conversation once the peer is a contact; before that,
//! the CHAT_OPEN of a stranger is kept (one a link) so that accepting the stranger is enough.
//! A member of a group of ours may talk without being a contact, for what concerns the group
//! (`40-messaging` §1.1); once it writes a text, it also waits to be accepted, and until then its texts
//! are shown nowhere.

use std::collections::{BTreeMap, BTreeSet};

use dchat_wire::chat::{ChatOpen, InviteProof};
use dchat_wire::close::Code;
use dchat_wire::defect::{self, Defect};
use dchat_wire::{Frame, PeerId, Text};
use subtle::ConstantTimeEq as _;

use super::contacts::{Standing, default_name};
use super::effect::{Command, Effects, LinkId};
use super::ledger::TxLedger;
use super::{Fault, Session};
use crate::api::{self, Event, MessageState};
use crate::conversation::{
    ComposeError, Conversation, Draft, EntryId, Error, Input, Misbehaviour, Output, Pair, State,
    compose, publish_device,
};
use crate::node::convert;
use crate::node::profile::random;
use crate::store::limits::MAX_PAGE;
use crate::store::{ContactName, ContactState, Filed, Redemption, StoreError, Tx, UnixMillis};

/// Chat streams of a peer's on one connection, each in place of the one before: who begins again may
/// ask for everything that is under way once more.
const MAX_STREAMS: u32 = 8;

/// The live links and their conversations. One link a peer: a new one replaces the earlier.
#[derive(Debug)]
pub(super) struct Chats {
    me: PeerId,
    links: BTreeMap<LinkId, Link>,
    /// Links whose conversation took an input in this batch.
    touched: BTreeSet<LinkId>,
}

#[derive(Debug)]
struct Link {
    peer: PeerId,
    chat: Chat,
    /// The peer's newest chat stream.
    heard: Option<u64>,
    /// How many there were.
    streams: u32,
    /// What the peer called itself when it opened its chat.
    name: Option<ContactName>,
    /// Whether the texts of this batch are of somebody who has to be accepted before they are shown.
    waits: bool,
}

#[derive(Debug)]
enum Chat {
    /// Nobody has opened one.
    Closed,
    /// A stranger has, and waits.
    Asked(Box<ChatOpen>),
    /// We have, and the peer has or will.
    Open(Box<Conversation>),
    /// Ended by an error; the connection is being closed.
    Over,
}

impl Chats {
    pub(super) fn new(me: PeerId) -> Self {
        Self {
            me,
            links: BTreeMap::new(),
            touched: BTreeSet::new(),
        }
    }

    pub(super) fn link_down(&mut self, link: LinkId) {
        self.links.remove(&link);
        self.touched.remove(&link);
    }

    fn link_of(&self, peer: &PeerId) -> Option<LinkId> {
        self.links
            .iter()
            .find(|(_, link)| link.peer == *peer)
            .map(|(id, _)| *id)
    }

    /// The peer waits no longer. How many texts of it are shown when this batch is committed.
    fn admit(&mut self, peer: &PeerId) -> usize {
        let id = self.link_of(peer);
        let Some(link) = id.and_then(|id| self.links.get_mut(&id)) else {
            return 0;
        };
        link.waits = false;
        match &link.chat {
            Chat::Open(conversation) => conversation.brought_texts(),
            Chat::Closed | Chat::Asked(_) | Chat::Over => 0,
        }
    }

    /// Hands out what the committed batch staged.
    pub(super) fn committed(&mut self, out: &mut Effects) {
        for id in core::mem::take(&mut self.touched) {
            let Some(Link {
                peer,
                chat: Chat::Open(conversation),
                waits,
                ..
            }) = self.links.get_mut(&id)
            else {
                continue;
            };
            conversation.committed();
            while let Some(output) = conversation.poll_output() {
                if !(*waits && matches!(output, Output::Message(_))) {
                    show(output, id, peer, out);
                }
            }
        }
    }

    /// Ends every chat: what their conversations hold in memory never happened.
    pub(super) fn rolled_back(&mut self, out: &mut Effects) {
        self.touched.clear();
        for (id, link) in &mut self.links {
            if matches!(link.chat, Chat::Open(_)) {
                link.chat = Chat::Over;
                out.command(Command::Drop {
                    link: *id,
                    code: Code::Internal,
                });
            }
        }
    }
}

/// Turns an output into what others see.
fn show(output: Output, link: LinkId, peer: &PeerId, out: &mut Effects) {
    match output {
        Output::Send(frame) => out.frame(link, frame),
        Output::Message(message) => out.event(Event::Message(api::Message {
            conversation: peer.to_string(),
            from: peer.to_string(),
            name: None,
            id: convert::hex(&message.id),
            seq: message.seq,
            text: message.text,
            sent_at: crate::time::rfc3339(message.sent_at),
            state: None,
            mention: false,
        })),
        Output::StateChanged { id, state } => out.event(Event::MessageState {
            id: convert::hex(&id),
            state: match state {
                State::Delivered => MessageState::Delivered,
                State::Read => MessageState::Read,
            },
        }),
        Output::Renamed { from, to } => out.event(Event::MessageRenamed {
            from: convert::hex(&from),
            to: convert::hex(&to),
        }),
        Output::Warn(warning) => out.event(Event::Error {
            code: "conversation".to_owned(),
            message: format!("{}: {warning}", peer.short()),
        }),
    }
}

impl Session {
    pub(super) fn link_up(
        &mut self,
        tx: &Tx<'_>,
        link: LinkId,
        peer: PeerId,
        now: UnixMillis,
        out: &mut Effects,
    ) -> Result<(), Fault> {
        self.chats.links.insert(
            link,
            Link {
                peer,
                chat: Chat::Closed,
                heard: None,
                streams: 0,
                name: None,
                waits: false,
            },
        );
        match tx.contact(peer.public_key())? {
            Some(contact) if contact.state != ContactState::Blocked => {
                tx.contact_seen(peer.public_key(), now)?;
                self.start_chat(tx, &peer, now, out)
            }
            // A member of a group of ours, for whom something waits.
            None if self.shares_a_group(&peer) && self.has_word_for(tx, &peer)? => {
                self.start_chat(tx, &peer, now, out)
            }
            _ => Ok(()),
        }
    }

    /// Opens our side of the chat with a contact that is connected and has none open.
    pub(super) fn start_chat(
        &mut self,
        tx: &Tx<'_>,
        peer: &PeerId,
        now: UnixMillis,
        out: &mut Effects,
    ) -> Result<(), Fault> {
        let Some(id) = self.chats.link_of(peer) else {
            return Ok(());
        };
        let asked = match self.chats.links.get_mut(&id).map(|link| &mut link.chat) {
            Some(chat @ (Chat::Closed | Chat::Asked(_))) => core::mem::replace(chat, Chat::Over),
            _ => return Ok(()),
        };
        let open = Input::Open {
            name: Text::new(self.name.clone()).unwrap_or_default(),
            invite: self.proof_for(tx, peer, now)?,
            device: self.device_record(tx, now)?,
        };
        let conversation = Conversation::new(Pair::new(self.chats.me, *peer), random()?);
        if let Some(link) = self.chats.links.get_mut(&id) {
            link.chat = Chat::Open(Box::new(conversation));
        }
        self.feed(tx, id, open, now, out)?;
        if let Chat::Asked(theirs) = asked {
            self.peer_opened(tx, id, *peer, *theirs, now, out)?;
        }
        Ok(())
    }

    /// Ends the chat with a peer that is no contact any more.
    pub(super) fn close_chat(&mut self, peer: &PeerId, out: &mut Effects) {
        if let Some(id) = self.chats.link_of(peer) {
            self.end(id, Code::Refused, out);
        }
    }

    fn end(&mut self, id: LinkId, code: Code, out: &mut Effects) {
        self.chats.touched.remove(&id);
        if let Some(link) = self.chats.links.get_mut(&id) {
            link.chat = Chat::Over;
        }
        out.command(Command::Drop { link: id, code });
    }

    pub(super) fn frame(
        &mut self,
        tx: &Tx<'_>,
        (id, stream): (LinkId, u64),
        frame: Frame,
        now: UnixMillis,
        out: &mut Effects,
    ) -> Result<(), Fault> {
        let Some(link) = self.chats.links.get_mut(&id) else {
            return Ok(());
        };
        let first = link.heard.is_none_or(|heard| heard < stream);
        if link.heard.is_some_and(|heard| heard > stream) {
            // Of a stream that was replaced.
            return Ok(());
        }
        if first {
            let replaces = link.heard.replace(stream).is_some();
            link.streams += 1;
            if link.streams > MAX_STREAMS {
                self.end(id, Code::Limit, out);
                return Ok(());
            }
            if replaces {
                self.feed(tx, id, Input::Replaced, now, out)?;
            }
        }
        let Some(Link { peer, chat, .. }) = self.chats.links.get(&id) else {
            return Ok(());
        };
        match (frame, chat) {
            (_, Chat::Over) => Ok(()),
            (Frame::ChatOpen(_), Chat::Asked(_)) if !first => {
                self.end(id, Code::Unexpected, out);
                Ok(())
            }
            (Frame::ChatOpen(open), _) => self.peer_opened(tx, id, *peer, open, now, out),
            (frame, Chat::Open(_)) => self.feed(tx, id, Input::Frame(frame), now, out),
            (_, Chat::Closed | Chat::Asked(_)) if defect::is(Defect::AcceptsStrangersMessages) => {
                Ok(())
            }
            // A stranger that goes on before it is accepted.
            (_, Chat::Closed | Chat::Asked(_)) => {
                self.end(id, Code::Unexpected, out);
                Ok(())
            }
        }
    }

    /// The peer opened its side: a contact talks on, a stranger with an invite becomes one, and any
    /// other waits to be accepted.
    fn peer_opened(
        &mut self,
        tx: &Tx<'_>,
        id: LinkId,
        peer: PeerId,
        open: ChatOpen,
        now: UnixMillis,
        out: &mut Effects,
    ) -> Result<(), Fault> {
        if let Some(link) = self.chats.links.get_mut(&id) {
            link.name = ContactName::new(open.name.as_str()).ok();
        }
        let contact = tx.contact(peer.public_key())?;
        match contact.as_ref().map(|contact| contact.state) {
            Some(ContactState::Blocked) => {
                self.end(id, Code::Refused, out);
                return Ok(());
            }
            Some(ContactState::Accepted) => {}
            Some(ContactState::Outgoing) => {
                tx.set_contact_state(peer.public_key(), ContactState::Accepted)?;
                tx.release_invite(peer.public_key())?;
                self.befriended(tx, &peer, out)?;
            }
            None if self.redeems(tx, &peer, open.invite.as_ref(), now)? => {
                let theirs = open.name.as_str();
                let name = match ContactName::new(theirs) {
                    Ok(_) => theirs.to_owned(),
                    Err(_) => default_name(&peer),
                };
                // Opens our side first: then what they sent finds a conversation.
                self.befriend(tx, &peer, &name, None, Standing::REDEEMED, now, out)?;
            }
            None if self.shares_a_group(&peer) => self.start_chat(tx, &peer, now, out)?,
            None => return self.ask(tx, id, &peer, open, now, out),
        }
        self.feed(tx, id, Input::Frame(Frame::ChatOpen(open)), now, out)
    }

    /// Tells that `peer` is a contact now.
    pub(super) fn befriended(
        &self,
        tx: &Tx<'_>,
        peer: &PeerId,
        out: &mut Effects,
    ) -> Result<(), Fault> {
        if let Some(contact) = tx.contact(peer.public_key())? {
            out.event(Event::Contact(convert::contact(&contact)));
        }
        Ok(())
    }

    /// Tells of the texts that were kept with the request of `peer`, which is answered.
    pub(super) fn show_kept(
        &mut self,
        tx: &Tx<'_>,
        peer: &PeerId,
        out: &mut Effects,
    ) -> Result<(), Fault> {
        let conversation = self.conversation(peer.public_key())?;
        let page = tx.unread(Some(&conversation), MAX_PAGE)?;
        let shown_later = self.chats.admit(peer);
        let before = page.entries.len().saturating_sub(shown_later);
        for entry in page.entries.iter().take(before) {
            let message = convert::message(entry, peer.to_string(), None);
            message
                .into_iter()
                .for_each(|message| out.event(Event::Message(message)));
        }
        if page.more {
            out.event(Event::Missed { count: 1 });
        }
        Ok(())
    }

    /// Files the wish of a stranger.
    fn ask(
        &mut self,
        tx: &Tx<'_>,
        id: LinkId,
        peer: &PeerId,
        open: ChatOpen,
        now: UnixMillis,
        out: &mut Effects,
    ) -> Result<(), Fault> {
        let link = self.chats.links.get(&id);
        let name = link.and_then(|link| link.name.clone());
        match tx.file_request(peer.public_key(), name.as_ref(), now)? {
            Filed::New => asks(peer, name.as_ref(), now, out),
            Filed::Again | Filed::Contact => {}
            Filed::Full => {
                self.end(id, Code::Limit, out);
                return Ok(());
            }
        }
        if let Some(link) = self.chats.links.get_mut(&id) {
            link.chat = Chat::Asked(Box::new(open));
        }
        Ok(())
    }

    /// Whether `proof` redeems an invite of ours for `peer`; if so, it is theirs from now on.
    fn redeems(
        &self,
        tx: &Tx<'_>,
        peer: &PeerId,
        proof: Option<&InviteProof>,
        now: UnixMillis,
    ) -> Result<bool, Fault> {
        let Some(proof) = proof else {
            return Ok(false);
        };
        let Some(invite) = tx.invite(&proof.invite)? else {
            return Ok(false);
        };
        let expected = InviteProof::mac(&invite.secret, &self.chats.me, peer);
        if !bool::from(expected.ct_eq(&proof.mac)) && !defect::is(Defect::AcceptsForgedProof) {
            return Ok(false);
        }
        let redeemed = tx.redeem_invite(&proof.invite, peer.public_key(), now)?;
        Ok(matches!(redeemed, Redemption::Redeemed | Redemption::Again))
    }

    fn proof_for(
        &self,
        tx: &Tx<'_>,
        peer: &PeerId,
        now: UnixMillis,
    ) -> Result<Option<InviteProof>, Fault> {
        let held = tx.held_invite(peer.public_key(), now)?;
        Ok(held.map(|held| InviteProof {
            invite: held.invite,
            mac: InviteProof::mac(&held.secret, peer, &self.chats.me),
        }))
    }

    /// Our signed device record, made or renewed where that is due.
    pub(super) fn device_record(
        &self,
        tx: &Tx<'_>,
        now: UnixMillis,
    ) -> Result<dchat_wire::record::SignedRecord, Fault> {
        let mut ledger = TxLedger::new(tx, Pair::new(self.chats.me, self.chats.me));
        publish_device(&mut ledger, &self.identity, now.unsigned_abs()).map_err(fault)
    }

    /// Queues a text for `peer` and returns its name.
    pub(super) fn append(
        &mut self,
        tx: &Tx<'_>,
        peer: &PeerId,
        text: &str,
        expires_at: Option<UnixMillis>,
        now: UnixMillis,
    ) -> Result<EntryId, Fault> {
        let pair = Pair::new(self.chats.me, *peer);
        let draft = Draft {
            text,
            expires_at: expires_at.map(i64::unsigned_abs),
        };
        let mut ledger = TxLedger::new(tx, pair);
        let composed = compose(&mut ledger, &pair, &draft, &random()?, now.unsigned_abs());
        composed
            .map(|composed| composed.id)
            .map_err(|error| match error {
                ComposeError::Ledger(error) => Fault::Store(error),
                ComposeError::Full { .. } => Fault::denied(format!("{error}.")),
                ComposeError::TooLong { .. } | ComposeError::Expired => {
                    Fault::usage(format!("{error}."))
                }
            })
    }

    /// Whether `peer` is connected.
    pub(super) fn is_connected(&self, peer: &PeerId) -> bool {
        self.chats.link_of(peer).is_some()
    }

    /// Strangers who are connected and wait to be accepted.
    pub(super) fn strangers_asking(&self) -> Vec<PeerId> {
        let links = self.chats.links.values();
        let asking = links.filter(|link| matches!(link.chat, Chat::Asked(_)));
        asking.map(|link| link.peer).collect()
    }

    /// Has the chat with `peer` send what was queued, when it is open.
    pub(super) fn push(&mut self, peer: &PeerId) {
        if let Some(id) = self.chats.link_of(peer) {
            self.chats.touched.insert(id);
        }
    }

    /// Tells `peer` that a person read its log `incarnation` through this number, and notes it.
    pub(super) fn read_through(
        &mut self,
        tx: &Tx<'_>,
        peer: &PeerId,
        incarnation: [u8; 16],
        through: u64,
        now: UnixMillis,
        out: &mut Effects,
    ) -> Result<(), Fault> {
        let open = self.chats.link_of(peer).filter(|id| {
            matches!(
                self.chats.links.get(id),
                Some(Link {
                    chat: Chat::Open(_),
                    ..
                })
            )
        });
        if let Some(id) = open {
            return self.feed(
                tx,
                id,
                Input::Read {
                    incarnation,
                    through,
                },
                now,
                out,
            );
        }
        let conversation = self.conversation(peer.public_key())?;
        let author = *peer.public_key();
        let log = crate::store::LogName {
            conversation,
            author,
            incarnation,
        };
        tx.mark_read(&log, through)?;
        Ok(())
    }

    /// Gives an input to the conversation of a link. One that fails ends alone: its part of the
    /// transaction is undone and its connection closed.
    fn feed(
        &mut self,
        tx: &Tx<'_>,
        id: LinkId,
        input: Input,
        now: UnixMillis,
        out: &mut Effects,
    ) -> Result<(), Fault> {
        let Some(link) = self.chats.links.get(&id) else {
            return Ok(());
        };
        let (peer, name) = (link.peer, link.name.clone());
        let mut filed = None;
        self.step(tx, id, out, |conversation, ledger| {
            let brought = conversation.brought_texts() > 0;
            conversation.handle_input(ledger, input, now.unsigned_abs())?;
            // The first of a transaction is enough.
            if !brought && conversation.brought_texts() > 0 {
                let key = peer.public_key();
                let request = tx.file_request(key, name.as_ref(), now);
                match *filed.insert(request.map_err(Error::Ledger)?) {
                    Filed::Full => return Err(Misbehaviour::TooManyRequests.into()),
                    Filed::New | Filed::Again | Filed::Contact => {}
                }
            }
            Ok(())
        })?;
        if filed == Some(Filed::New) {
            asks(&peer, name.as_ref(), now, out);
        }
        if let (Some(filed), Some(link)) = (filed, self.chats.links.get_mut(&id)) {
            link.waits = filed != Filed::Contact;
        }
        let Some(Link {
            peer,
            chat: Chat::Open(conversation),
            ..
        }) = self.chats.links.get_mut(&id)
        else {
            return Ok(());
        };
        let (peer, notices) = (*peer, conversation.take_notices());
        for notice in notices {
            match self.noticed(tx, &peer, &notice, now, out) {
                // The others are acknowledged too, and do not come again.
                Err(Fault::Refused(error)) => tracing::debug!(%peer, %error, "a notice"),
                done => done?,
            }
        }
        Ok(())
    }

    fn step(
        &mut self,
        tx: &Tx<'_>,
        id: LinkId,
        out: &mut Effects,
        work: impl FnOnce(&mut Conversation, &mut TxLedger<'_, '_>) -> Result<(), Error<StoreError>>,
    ) -> Result<(), Fault> {
        let Some(Link {
            peer,
            chat: Chat::Open(conversation),
            ..
        }) = self.chats.links.get_mut(&id)
        else {
            return Ok(());
        };
        let pair = Pair::new(self.chats.me, *peer);
        let done = tx.part(|| work(conversation, &mut TxLedger::new(tx, pair)).map_err(Failed));
        match done {
            Ok(()) => {
                self.chats.touched.insert(id);
                Ok(())
            }
            Err(Failed(Error::Ledger(error))) => Err(Fault::Store(error)),
            Err(Failed(error)) => {
                out.event(Event::Error {
                    code: "peer".to_owned(),
                    message: format!("{}: {error}. The connection was closed.", peer.short()),
                });
                // Messages it sent before in this batch are stored, but nobody was told of them.
                out.event(Event::Missed { count: 1 });
                self.end(id, error.code(), out);
                Ok(())
            }
        }
    }

    /// Ends the batch: forgets what has expired, lets every touched conversation encrypt what is
    /// due, and says when the next entry expires.
    pub(super) fn finish(
        &mut self,
        tx: &Tx<'_>,
        now: UnixMillis,
        out: &mut Effects,
    ) -> Result<Option<UnixMillis>, StoreError> {
        for id in tx.expire(now)?.failed {
            out.event(Event::MessageState {
                id: convert::hex(&id),
                state: MessageState::Failed,
            });
        }
        for id in self.chats.touched.clone() {
            let settled = self.step(tx, id, out, |conversation, ledger| {
                conversation.settle(ledger, now.unsigned_abs())
            });
            match settled {
                Ok(()) => {}
                Err(Fault::Store(error)) => return Err(error),
                Err(Fault::Refused(error)) => tracing::debug!(%error, "settling"),
            }
        }
        let rooms = match self.tend_rooms(tx, now, out) {
            Ok(due) => due,
            Err(Fault::Store(error)) => return Err(error),
            Err(Fault::Refused(error)) => {
                tracing::warn!(%error, "tending rooms");
                None
            }
        };
        let ends = tx.next_expiry()?;
        Ok([rooms, ends].into_iter().flatten().min())
    }
}

/// Tells that somebody waits to be accepted.
fn asks(peer: &PeerId, name: Option<&ContactName>, now: UnixMillis, out: &mut Effects) {
    out.event(Event::Request(api::ContactRequest {
        peer_id: peer.to_string(),
        name: name.map(ToString::to_string).unwrap_or_default(),
        at: convert::at(now),
    }));
}

/// An error of a conversation, inside a part of a transaction.
struct Failed(Error<StoreError>);

impl From<StoreError> for Failed {
    fn from(error: StoreError) -> Self {
        Self(Error::Ledger(error))
    }
}

fn fault(error: Error<StoreError>) -> Fault {
    match error {
        Error::Ledger(error) => Fault::Store(error),
        other => Fault::denied(format!("{other}.")),
    }
}
