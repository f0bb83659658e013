//! What is particular about a room, and about a group: its keys, who may be in it, what its items say,
//! how long they are kept, and frames of its own.
//!
//! Everything else is the same for both. What an item's signature is over, and that it is its author's,
//! is checked before [`Kind::judge`] is asked. A kind decides alike at every member from what the item
//! and the transaction hold, so that all end with the same items.

use core::time::Duration;
use std::sync::Arc;

use dchat_gossip::frontier::Tip;
use dchat_gossip::log::{Item, Window};
use dchat_gossip::{Config, Verdict};
use dchat_wire::gossip::{ItemHeader, SignedItem};
use dchat_wire::room::{RoomBody, RoomKey, RoomName, Unopened, author, open_tag};
use dchat_wire::sign::Identity;
use dchat_wire::{Bytes, PeerId, Text};
use zeroize::Zeroizing;

use super::super::Fault;
use super::groups::Circle;
use crate::group::Group;
use crate::store::{self, PeerKey, StoreError, Tx};

/// How long rooms keep items: the network's default.
const ROOM_WINDOW: Duration = Duration::from_secs(24 * 3600);
/// How many they keep.
const ROOM_ITEMS: u64 = 10_000;

/// See the [module](self).
pub(super) enum Kind {
    /// Whoever has its key is in.
    Room(Box<OpenRoom>),
    /// Who is in is what its members say.
    Group(Box<Circle>),
}

/// What an item says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Said {
    /// Who says it; `None` when nobody is known to.
    pub(super) author: Option<PeerKey>,
    /// What they call themselves, where the item says so.
    pub(super) name: Option<String>,
    /// The text to be shown; `None` for what is none, cannot be read, or must not be shown.
    pub(super) text: Option<String>,
}

/// How long items are kept. The bounds are those of everybody in the room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Keep {
    /// From when they were sent.
    pub(super) time: Option<Duration>,
    /// At most so many with a body.
    pub(super) items: Option<u64>,
}

impl Kind {
    /// The kind of `row`, as `me` is in it; `None` when the row is not usable.
    ///
    /// # Errors
    /// Those of the database.
    pub(super) fn of(
        tx: &Tx<'_>,
        row: &store::Room,
        me: &Identity,
    ) -> Result<Option<Self>, StoreError> {
        if row.kind == store::RoomKind::Group {
            let circle = Circle::load(tx, row.id, me.peer_id())?;
            return Ok(Some(Self::Group(Box::new(circle))));
        }
        let secret = row.secret.as_ref().map(|secret| secret.as_slice());
        let name = RoomName::new(&row.name).ok();
        let key = name.and_then(|name| RoomKey::derive(&name, secret).ok());
        Ok(key.map(|key| Self::Room(Box::new(OpenRoom::new(key, me)))))
    }

    /// The group, where it is one.
    pub(super) fn group(&self) -> Option<&Group> {
        match self {
            Self::Room(_) => None,
            Self::Group(circle) => circle.group(),
        }
    }

    pub(super) fn circle_mut(&mut self) -> Option<&mut Circle> {
        match self {
            Self::Room(_) => None,
            Self::Group(circle) => Some(circle),
        }
    }

    /// Who is known to be in without having been met.
    pub(super) fn members(&self) -> Vec<PeerId> {
        match self {
            Self::Room(_) => Vec::new(),
            Self::Group(circle) => circle.members(),
        }
    }

    /// How far a stored log counts; `None` when it does not.
    ///
    /// # Errors
    /// Those of the database.
    pub(super) fn counted(&self, tx: &Tx<'_>, tip: Tip) -> Result<Option<Tip>, StoreError> {
        match self {
            Self::Room(_) => Ok(Some(tip)),
            Self::Group(circle) => circle.counted(tx, tip),
        }
    }

    /// The room where its logs are named and its items are signed.
    pub(super) fn id(&self) -> [u8; 32] {
        match self {
            Self::Room(room) => room.id,
            Self::Group(circle) => circle.id(),
        }
    }

    /// What `from` shows `to` to be let in.
    pub(super) fn tag(&self, from: &PeerId, to: &PeerId) -> [u8; 32] {
        match self {
            Self::Room(room) => room.key.open_tag(from, to),
            Self::Group(circle) => open_tag(&circle.id(), from, to),
        }
    }

    /// The key that signs our own items.
    pub(super) fn own_key(&self) -> PeerId {
        match self {
            Self::Room(room) => room.author.peer_id(),
            Self::Group(circle) => circle.own_key(),
        }
    }

    /// The secret under which members find each other, where they are found that way.
    pub(super) fn rendezvous(&self) -> Option<Zeroizing<[u8; 32]>> {
        match self {
            Self::Room(room) => Some(room.key.rendezvous()),
            // Who went knows its name for ever, and is not to find those who stayed.
            Self::Group(_) => None,
        }
    }

    /// Whether `peer` may be a neighbour.
    pub(super) fn may_link(&self, peer: &PeerId) -> bool {
        match self {
            Self::Room(_) => true,
            Self::Group(circle) => circle.may_link(peer),
        }
    }

    pub(super) fn keep(&self) -> Keep {
        match self {
            Self::Room(_) => Keep {
                time: Some(ROOM_WINDOW),
                items: Some(ROOM_ITEMS),
            },
            Self::Group(circle) => circle.keep(),
        }
    }

    pub(super) fn config(&self) -> Arc<Config> {
        let window = self.keep().time.unwrap_or(Duration::MAX);
        Arc::new(Config {
            window: Window(window),
            ..Config::default()
        })
    }

    /// What to do with an item that its author signed.
    ///
    /// # Errors
    /// Those of the database.
    pub(super) fn judge(&self, _tx: &Tx<'_>, item: &Item) -> Result<Verdict, StoreError> {
        match self {
            Self::Room(room) => Ok(match room.key.open(item.signed()) {
                // Nobody can read it, and only its author could have sealed it.
                Err(Unopened::NotSealed) => Verdict::Reject,
                Ok(_) | Err(Unopened::Stub | Unopened::Malformed(_)) => Verdict::Accept,
            }),
            Self::Group(circle) => Ok(circle.judge(item)),
        }
    }

    /// What `item`, which was accepted, says. `known` is the author of its log so far.
    ///
    /// # Errors
    /// Those of the database.
    pub(super) fn read(
        &mut self,
        tx: &Tx<'_>,
        item: &Item,
        known: Option<&Known>,
    ) -> Result<(Said, Option<Known>), StoreError> {
        match self {
            Self::Room(room) => Ok(room.read(item, known)),
            Self::Group(circle) => circle.read(tx, item),
        }
    }

    /// Makes an item of `text`, to follow what `header` names.
    ///
    /// # Errors
    /// [`Fault`]: the text is too long, or the database fails.
    pub(super) fn seal(
        &mut self,
        tx: &Tx<'_>,
        header: ItemHeader,
        name: &str,
        text: &str,
    ) -> Result<SignedItem, Fault> {
        match self {
            Self::Room(room) => room.seal(header, name, text),
            Self::Group(circle) => circle.seal(tx, header, text),
        }
    }
}

impl core::fmt::Debug for Kind {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Room(_) => f.write_str("Room"),
            Self::Group(_) => f.write_str("Group"),
        }
    }
}

/// Whose a log is, with what has shown it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Known {
    /// Who.
    pub(super) author: PeerKey,
    /// The statement that was checked last; zeros when none was since the node started.
    pub(super) statement: [u8; 64],
}

impl Known {
    /// Known from before a restart.
    pub(super) fn before(author: PeerKey) -> Self {
        Self {
            author,
            statement: [0; 64],
        }
    }
}

/// A room with its keys.
pub(super) struct OpenRoom {
    key: RoomKey,
    id: [u8; 32],
    me: Identity,
    author: Identity,
}

impl OpenRoom {
    fn new(key: RoomKey, me: &Identity) -> Self {
        let id = key.room();
        Self {
            author: author(me, &id),
            me: me.clone(),
            id,
            key,
        }
    }

    /// An item whose author's word for it is missing or another's is kept like any other, and shown
    /// to nobody. So is one of a log that is known to be somebody else's.
    fn read(&self, item: &Item, known: Option<&Known>) -> (Said, Option<Known>) {
        let unread = |known: Option<&Known>| Said {
            author: known.map(|known| known.author),
            ..Said::default()
        };
        let Ok(body) = self.key.open(item.signed()) else {
            return (unread(known), known.copied());
        };
        let now = Known {
            author: *body.author.public_key(),
            statement: body.statement,
        };
        let is_his = known == Some(&now)
            || known.is_none_or(|known| known.author == now.author)
                && body.verify(&self.id, item.author()).is_ok();
        if !is_his {
            return (unread(known), known.copied());
        }
        let is_text = item.signed().header.kind == dchat_wire::parcel::entry_kind::TEXT;
        let text = || String::from_utf8(body.content.into_vec()).ok();
        let said = Said {
            author: Some(now.author),
            name: Some(body.name.as_str().to_owned()),
            text: if is_text { text() } else { None },
        };
        (said, Some(now))
    }

    fn seal(&self, header: ItemHeader, name: &str, text: &str) -> Result<SignedItem, Fault> {
        let content = Bytes::new(text.as_bytes().to_vec())
            .map_err(|error| Fault::usage(format!("{error}.")))?;
        let name = Text::new(name.to_owned()).unwrap_or_default();
        let body = RoomBody::new(&self.me, &self.id, name, content);
        Ok(self.key.seal(&self.author, header, &body))
    }
}
