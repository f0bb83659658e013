//! What is particular about a room, and about a group: its keys, who may be in it, what its items say,
//! how long they are kept, and frames of its own.
//!
//! Everything else is the same for both. What an item's signature is over, and that it is its author's,
//! is checked before [`Kind::judge`] is asked. A kind decides alike at every member from what the item
//! and the transaction hold, so that all end with the same items.

use core::time::Duration;
use std::sync::Arc;

use dchat_gossip::log::{Item, Window};
use dchat_gossip::{Config, Verdict};
use dchat_wire::gossip::{ItemHeader, SignedItem};
use dchat_wire::room::{RoomBody, RoomKey, RoomName, Unopened, author};
use dchat_wire::sign::Identity;
use dchat_wire::{Bytes, Frame, PeerId, Text};
use zeroize::Zeroizing;

use super::super::Fault;
use super::super::effect::Effects;
use crate::store::{self, PeerKey, StoreError, Tx, UnixMillis};

/// How long rooms keep items: the network's default.
const ROOM_WINDOW: Duration = Duration::from_secs(24 * 3600);
/// How many they keep.
const ROOM_ITEMS: u64 = 10_000;

/// See the [module](self).
pub(super) enum Kind {
    /// Whoever has its key is in.
    Room(Box<OpenRoom>),
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
    pub(super) fn of(row: &store::Room, me: &Identity) -> Option<Self> {
        match row.kind {
            store::RoomKind::Room => {
                let key = RoomName::new(&row.name).ok()?;
                let secret = row.secret.as_ref().map(|secret| secret.as_slice());
                let key = RoomKey::derive(&key, secret).ok()?;
                Some(Self::Room(Box::new(OpenRoom::new(key, me))))
            }
            store::RoomKind::Group => None,
        }
    }

    /// The room where its logs are named and its items are signed.
    pub(super) fn id(&self) -> [u8; 32] {
        match self {
            Self::Room(room) => room.id,
        }
    }

    /// What `from` shows `to` to be let in.
    pub(super) fn tag(&self, from: &PeerId, to: &PeerId) -> [u8; 32] {
        match self {
            Self::Room(room) => room.key.open_tag(from, to),
        }
    }

    /// The key that signs our own items.
    pub(super) fn own_key(&self) -> PeerId {
        match self {
            Self::Room(room) => room.author.peer_id(),
        }
    }

    /// The secret under which members find each other, where they are found that way.
    pub(super) fn rendezvous(&self) -> Option<Zeroizing<[u8; 32]>> {
        match self {
            Self::Room(room) => Some(room.key.rendezvous()),
        }
    }

    /// Whether `peer` may be a neighbour.
    pub(super) fn may_link(&self, _peer: &PeerId) -> bool {
        match self {
            Self::Room(_) => true,
        }
    }

    pub(super) fn keep(&self) -> Keep {
        match self {
            Self::Room(_) => Keep {
                time: Some(ROOM_WINDOW),
                items: Some(ROOM_ITEMS),
            },
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
        }
    }

    /// What `item`, which was accepted, says. `known` is the author of its log so far.
    ///
    /// # Errors
    /// Those of the database.
    pub(super) fn read(
        &mut self,
        _tx: &Tx<'_>,
        item: &Item,
        known: Option<&Known>,
    ) -> Result<(Said, Option<Known>), StoreError> {
        match self {
            Self::Room(room) => Ok(room.read(item, known)),
        }
    }

    /// Makes an item of `text`, to follow what `header` names.
    ///
    /// # Errors
    /// [`Fault`]: the text is too long, or the database fails.
    pub(super) fn seal(
        &mut self,
        _tx: &Tx<'_>,
        header: ItemHeader,
        name: &str,
        text: &str,
    ) -> Result<SignedItem, Fault> {
        match self {
            Self::Room(room) => room.seal(header, name, text),
        }
    }

    /// A frame that is not the gossip node's came from a neighbour.
    ///
    /// # Errors
    /// [`Fault`].
    pub(super) fn frame(
        &mut self,
        _tx: &Tx<'_>,
        _from: &PeerId,
        _frame: Frame,
        _now: UnixMillis,
        _out: &mut Effects,
    ) -> Result<(), Fault> {
        match self {
            // Of a later version.
            Self::Room(_) => Ok(()),
        }
    }
}

impl core::fmt::Debug for Kind {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Room(_) => f.write_str("Room"),
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
