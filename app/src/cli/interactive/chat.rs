//! What an interactive chat knows, and what it tells the person.
//!
//! Pure: events and times go in, lines for the screen come out. Bounds: [`PENDING`] own messages and
//! [`SEEN`] messages and nodes are remembered; beyond that, states of old messages go unmentioned.

use core::time::Duration;
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Instant,
};

use crate::{
    api::{Contact, Event, GroupChange, Id, Message, MessageState, PeerInfo, Sent},
    cli::{
        plan,
        words::{self, Names},
    },
    text,
};

/// Own messages whose further way is told.
const PENDING: usize = 16_384;
/// Messages, and nodes nearby, that were shown already.
const SEEN: usize = 4096;
/// How long delivery may take before a word is said about it.
const SLOW: Duration = Duration::from_secs(3);
/// How long to wait for anybody before a word is said about it.
const LONELY: Duration = Duration::from_secs(5);
/// Characters of an own message by which it is recognised.
const EXCERPT: usize = 32;

/// The state of one interactive chat.
#[derive(Debug)]
pub(crate) struct Chat {
    me: Id,
    names: Names,
    contacts: BTreeMap<String, Contact>,
    /// Rooms and groups we are in, with their signs.
    rooms: BTreeSet<String>,
    /// Chosen with `/to`, by adding, by accepting or by joining.
    chosen: Option<String>,
    /// Who wrote last, or the room where somebody did.
    last: Option<String>,
    connected: BTreeSet<String>,
    pending: BTreeMap<String, Pending>,
    seen: Seen,
    nearby: Seen,
    since: Instant,
    comforted: bool,
}

/// Whom we know, who is there, and where we are.
#[derive(Debug, Default)]
pub(crate) struct Whom {
    /// All contacts.
    pub(crate) contacts: Vec<Contact>,
    /// Live connections.
    pub(crate) peers: Vec<PeerInfo>,
    /// Rooms and groups, with their signs.
    pub(crate) rooms: BTreeSet<String>,
}

#[derive(Debug)]
struct Pending {
    to: String,
    excerpt: String,
    since: Instant,
    state: MessageState,
    mentioned: bool,
}

/// The newest [`SEEN`] of a kind.
#[derive(Debug, Default)]
struct Seen {
    known: BTreeSet<String>,
    order: VecDeque<String>,
}

impl Chat {
    /// Starts with who we are, whom we know and who is there.
    pub(crate) fn new(me: Id, whom: Whom, now: Instant) -> Self {
        let mut chat = Self {
            names: Names::default(),
            me,
            contacts: BTreeMap::new(),
            rooms: BTreeSet::new(),
            chosen: None,
            last: None,
            connected: BTreeSet::new(),
            pending: BTreeMap::new(),
            seen: Seen::default(),
            nearby: Seen::default(),
            since: now,
            comforted: false,
        };
        chat.refresh(whom);
        chat
    }

    /// Takes whom we know and who is there anew.
    pub(crate) fn refresh(&mut self, whom: Whom) {
        self.names = Names::new(&whom.contacts, Some((&self.me.peer_id, &self.me.name)));
        self.rooms = whom.rooms;
        self.contacts = whom
            .contacts
            .into_iter()
            .map(|contact| (contact.peer_id.clone(), contact))
            .collect();
        let connected = whom.peers.into_iter();
        self.connected = connected.map(|peer| peer.peer_id).collect();
    }

    /// The first lines.
    pub(crate) fn banner(&self) -> String {
        let mut lines = vec![format!(
            "DChat {}. You are {}.",
            env!("CARGO_PKG_VERSION"),
            text::name(&self.me.name)
        )];
        lines.push(format!("PeerId     {}", text::line(&self.me.peer_id)));
        for address in &self.me.addresses {
            lines.push(format!("listening  {}", text::line(address)));
        }
        lines.push(match self.contacts.len() + self.rooms.len() {
            0 => {
                "No contacts yet. /invite here and /add there makes two people contacts; who is on \
                  the same network is found by itself. /join lobby enters a room. /help shows the \
                  rest."
                    .to_owned()
            }
            _ => match self.target() {
                Some(to) => {
                    format!("You write to {}. /help shows the rest.", self.short(&to))
                }
                None => "Choose whom you write to with /to NAME. /help shows the rest.".to_owned(),
            },
        });
        lines.join("\n")
    }

    /// `name> `; in a room `name #room> `.
    pub(crate) fn prompt(&self) -> String {
        let room = self.target().filter(|to| is_room(to));
        let room = room.map_or_else(String::new, |room| format!(" {}", text::line(&room)));
        format!("{}{room}> ", text::name(&self.me.name))
    }

    /// A conversation in words: `Bob (12D3Ko…x7Qq)`, or `#lobby`.
    pub(crate) fn called(&self, to: &str) -> String {
        if is_room(to) {
            text::line(to)
        } else {
            self.names.full(to)
        }
    }

    /// As [`called`](Self::called), without the PeerId of somebody who has a name.
    fn short(&self, to: &str) -> String {
        if is_room(to) {
            text::line(to)
        } else {
            self.names.of(to)
        }
    }

    /// We are in a room, and write there.
    pub(crate) fn enter(&mut self, room: String) {
        self.rooms.insert(room.clone());
        self.chosen = Some(room);
    }

    /// We have left a room.
    pub(crate) fn leave(&mut self, room: &str) {
        self.rooms.remove(room);
    }

    /// The names in use.
    pub(crate) fn names(&self) -> &Names {
        &self.names
    }

    /// The own identity.
    pub(crate) fn me(&self) -> &Id {
        &self.me
    }

    /// We are called otherwise now.
    pub(crate) fn rename_me(&mut self, name: String) {
        self.me.name = name;
        let contacts: Vec<_> = self.contacts.values().cloned().collect();
        self.names = Names::new(&contacts, Some((&self.me.peer_id, &self.me.name)));
    }

    /// Whom plain text goes to: chosen, else the only contact or room, else who wrote last.
    pub(crate) fn target(&self) -> Option<String> {
        let known = |to: &&String| self.contacts.contains_key(*to) || self.rooms.contains(*to);
        let only = || {
            let mut all = self.contacts.keys().chain(&self.rooms);
            all.next().filter(|_| all.next().is_none())
        };
        self.chosen
            .as_ref()
            .filter(known)
            .or_else(only)
            .or_else(|| self.last.as_ref().filter(known))
            .cloned()
    }

    /// Chooses whom plain text goes to, by name, PeerId or the beginning of a name.
    ///
    /// # Errors
    /// What to type instead.
    pub(crate) fn choose(&mut self, who: &str) -> Result<String, String> {
        if let Some(name) = who.strip_prefix('#') {
            let room = plan::room(name).map_err(|failure| failure.message)?;
            let room = format!("#{room}");
            if !self.rooms.contains(&room) {
                return Err(format!(
                    "you are not in {room}. Enter it with /join {room}."
                ));
            }
            self.chosen = Some(room.clone());
            return Ok(room);
        }
        if who.starts_with('@') {
            if !self.rooms.contains(who) {
                return Err(format!(
                    "you are not in {who}. /group list shows your groups."
                ));
            }
            self.chosen = Some(who.to_owned());
            return Ok(who.to_owned());
        }
        let is = |contact: &&Contact| contact.peer_id == who || contact.name == who;
        let begins =
            |contact: &&Contact| contact.name.to_lowercase().starts_with(&who.to_lowercase());
        let mut like = self.contacts.values().filter(begins);
        let found = match (self.contacts.values().find(is), like.next(), like.next()) {
            (Some(exact), ..) => exact,
            (None, Some(one), None) => one,
            (None, Some(_), Some(_)) => {
                return Err(format!("more than one contact's name begins with '{who}'."));
            }
            (None, None, _) => {
                return Err(format!("no contact is called '{who}'. See /contacts."));
            }
        };
        self.chosen = Some(found.peer_id.clone());
        Ok(self.names.full(&found.peer_id))
    }

    /// Somebody is a contact now; `chosen` makes it the one plain text goes to.
    pub(crate) fn learn(&mut self, contact: Contact, chosen: bool) {
        self.names.learn(&contact);
        if chosen {
            self.chosen = Some(contact.peer_id.clone());
        }
        self.contacts.insert(contact.peer_id.clone(), contact);
    }

    /// A message of ours was queued.
    pub(crate) fn sent(&mut self, sent: &Sent, to: &str, text: &str, now: Instant) {
        if self.pending.len() >= PENDING {
            self.pending.retain(|_, pending| pending.undelivered());
        }
        if self.pending.len() < PENDING {
            let pending = Pending {
                to: to.to_owned(),
                excerpt: text::excerpt(text, EXCERPT),
                since: now,
                state: sent.state,
                mentioned: false,
            };
            self.pending.insert(sent.id.clone(), pending);
        }
    }

    /// Own messages of which delivery is not known.
    pub(crate) fn undelivered(&self) -> Vec<String> {
        self.pending
            .iter()
            .filter(|(_, pending)| pending.undelivered())
            .map(|(id, _)| id.clone())
            .collect()
    }

    /// The line for a received message; `None` for one that was shown.
    pub(crate) fn received(&mut self, message: &Message) -> Option<String> {
        if message.from == self.me.peer_id || !self.seen.insert(&message.id) {
            return None;
        }
        let room = is_room(&message.conversation).then(|| message.conversation.clone());
        self.last = room.or_else(|| Some(message.from.clone()));
        Some(words::message(message, &self.names))
    }

    /// A message of ours came further.
    pub(crate) fn state(&mut self, id: &str, state: MessageState) -> Option<String> {
        let pending = self.pending.get_mut(id)?;
        if state <= pending.state {
            return None;
        }
        pending.state = state;
        let to = if is_room(&pending.to) {
            text::line(&pending.to)
        } else {
            self.names.of(&pending.to)
        };
        let excerpt = &pending.excerpt;
        let line = match state {
            MessageState::Queued => return None,
            MessageState::Stored => format!("  · left at a mailbox for {to}: {excerpt}"),
            MessageState::Delivered => format!("  ✓ delivered to {to}: {excerpt}"),
            MessageState::Read => format!("  ✓✓ read by {to}: {excerpt}"),
            // It expired, or we left.
            MessageState::Failed if is_room(&pending.to) => {
                format!("  ✗ nobody in {to} had it in time: {excerpt}")
            }
            MessageState::Failed => {
                format!("  ✗ expired before it was delivered to {to}: {excerpt}")
            }
        };
        // Nobody is told who read what in a room.
        if state >= MessageState::Read || is_room(&pending.to) {
            self.pending.remove(id);
        }
        Some(line)
    }

    /// What to say about an event other than a received message.
    pub(crate) fn event(&mut self, event: &Event) -> Option<String> {
        let line = match event {
            Event::Message(message) => return self.received(message),
            Event::MessageState { id, state } => return self.state(id, *state),
            Event::PeerConnected { peer_id, .. } => {
                self.connected.insert(peer_id.clone());
                self.contacts.contains_key(peer_id).then_some(())?;
                words::event(event, &self.names)
            }
            Event::PeerDisconnected { peer_id, .. } => {
                self.connected.remove(peer_id);
                self.contacts.contains_key(peer_id).then_some(())?;
                words::event(event, &self.names)
            }
            Event::Discovered { peer_id, .. } => {
                if self.contacts.contains_key(peer_id) || !self.nearby.insert(peer_id) {
                    return None;
                }
                format!(
                    "found {} nearby. To chat: /add {}",
                    words::short(peer_id),
                    text::line(peer_id)
                )
            }
            Event::Expired { peer_id } => {
                self.nearby.remove(peer_id);
                return None;
            }
            Event::Request(asking) => format!(
                "{}, who calls itself {}, wants to chat. /accept {} or /refuse {}",
                words::short(&asking.peer_id),
                text::name(&asking.name),
                text::line(&asking.peer_id),
                text::line(&asking.peer_id),
            ),
            Event::Contact(contact) => {
                let new = !self.contacts.contains_key(&contact.peer_id);
                self.learn(contact.clone(), false);
                new.then_some(())?;
                words::event(event, &self.names)
            }
            Event::Listening { addr } => {
                if self.me.addresses.contains(addr) {
                    return None;
                }
                words::event(event, &self.names)
            }
            Event::MessageRenamed { from, to } => {
                if let Some(pending) = self.pending.remove(from) {
                    self.pending.insert(to.clone(), pending);
                }
                return None;
            }
            Event::Group(news) => {
                match news.change {
                    GroupChange::Joined if news.peer_id.as_ref() == Some(&self.me.peer_id) => {
                        self.rooms.insert(news.conversation.clone());
                    }
                    GroupChange::Left | GroupChange::Removed
                        if news.peer_id.as_ref() == Some(&self.me.peer_id) =>
                    {
                        self.leave(&news.conversation);
                    }
                    _ => {}
                }
                words::event(event, &self.names)
            }
            Event::PathChanged { .. } | Event::Error { .. } | Event::Missed { .. } => {
                words::event(event, &self.names)
            }
        };
        Some(format!("* {line}"))
    }

    /// What to say as time goes by.
    pub(crate) fn tick(&mut self, now: Instant) -> Vec<String> {
        let mut lines = Vec::new();
        let mut mentioned = BTreeSet::new();
        for pending in self.pending.values_mut() {
            let slow = now.saturating_duration_since(pending.since) >= SLOW;
            if !slow || pending.mentioned || !pending.undelivered() {
                continue;
            }
            pending.mentioned = true;
            if !self.connected.contains(&pending.to) && mentioned.insert(pending.to.clone()) {
                let to = &pending.to;
                lines.push(if is_room(to) {
                    format!(
                        "  … queued: nobody else is in {} now; it goes out when somebody is",
                        text::line(to)
                    )
                } else {
                    format!(
                        "  … queued: {} is not reachable now, and gets it once you are both online",
                        self.names.of(to)
                    )
                });
            }
        }
        let lonely = now.saturating_duration_since(self.since) >= LONELY;
        if lonely && self.connected.is_empty() && !self.comforted {
            self.comforted = true;
            lines.push(self.comfort());
        }
        if !self.connected.is_empty() {
            self.comforted = true;
        }
        lines
    }

    fn comfort(&self) -> String {
        let waits = if self.contacts.is_empty() {
            ""
        } else {
            " What you write waits until they are."
        };
        format!(
            "* Nobody is reachable yet.{waits} On the same network, start dchat there too. From \
             elsewhere: start with --bootstrap ADDR, then /add PEERID finds anybody; or /invite \
             here and /add there."
        )
    }
}

/// Whether a conversation is one of many.
fn is_room(to: &str) -> bool {
    to.starts_with(['#', '@'])
}

impl Pending {
    fn undelivered(&self) -> bool {
        self.state < MessageState::Delivered
    }
}

impl Seen {
    /// Whether it is new.
    fn insert(&mut self, what: &str) -> bool {
        if !self.known.insert(what.to_owned()) {
            return false;
        }
        self.order.push_back(what.to_owned());
        if self.order.len() > SEEN
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
        true
    }

    fn remove(&mut self, what: &str) {
        if self.known.remove(what) {
            self.order.retain(|known| known != what);
        }
    }
}
