//! Public rooms: from a name and a secret to keys, and what is sealed in an item (spec `80-gossip`
//! §2 and §4).
//!
//! A room is what follows from its [key](RoomKey); who has the key is in. From it follow what the
//! room is called where logs are named and items signed ([`RoomKey::room`]), what is shown to a peer
//! to be let in ([`open_tag`]), where members find each other ([`RoomKey::rendezvous`]), and what
//! bodies are sealed with. A sealed body names its author, with the identity's word that the key
//! that signs the item is its own ([`RoomBody::verify`]).

mod body;
mod name;

pub use body::{FalseAuthor, RoomBody, Unopened, author};
pub use name::{RoomName, RoomNameError};

use core::fmt;

use zeroize::Zeroizing;

use crate::defect::{self, Defect};
use crate::hash::Context;
use crate::id::PeerId;
use crate::limits;

/// What a room is: whoever has it reads everything and writes.
#[derive(Clone, PartialEq, Eq)]
pub struct RoomKey(Zeroizing<[u8; 32]>);

/// A room's secret can be guessed, or is no secret but a file. Nothing was derived.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the secret has {len} bytes and must have {} to {}; make one with: openssl rand -hex 32",
    limits::ROOM_SECRET_MIN,
    limits::ROOM_SECRET
)]
pub struct BadSecret {
    /// Its length without the line's end.
    pub len: usize,
}

impl RoomKey {
    /// The key of the room that is called `name` and, where `secret` is given, closed to those
    /// without it. Line ends behind the secret are not part of it.
    ///
    /// Whoever is asked into a room can try names and secrets against what it was shown: a secret
    /// has to be random, and is not stretched.
    ///
    /// # Errors
    /// [`BadSecret`].
    pub fn derive(name: &RoomName, secret: Option<&[u8]>) -> Result<Self, BadSecret> {
        let secret = match secret {
            Some(secret) => Zeroizing::new(Context::ROOM_SECRET.digest(&[within(secret)?])),
            None => Zeroizing::new([0; 32]),
        };
        let secret = if defect::is(Defect::IgnoresRoomSecret) {
            Zeroizing::new([0; 32])
        } else {
            secret
        };
        let parts: [&[u8]; 2] = [secret.as_slice(), name.as_str().as_bytes()];
        Ok(Self(Zeroizing::new(Context::ROOM_KEY.digest(&parts))))
    }

    /// What the room is called where its logs are named, its items hashed and signed. It does not
    /// travel.
    #[must_use]
    pub fn room(&self) -> [u8; 32] {
        Context::ROOM.digest(&[self.0.as_slice()])
    }

    /// [`GossipOpen::room`](crate::gossip::GossipOpen::room) of a stream of `from`'s to `to`.
    #[must_use]
    pub fn open_tag(&self, from: &PeerId, to: &PeerId) -> [u8; 32] {
        open_tag(&self.0, from, to)
    }

    /// The secret under which members leave word in the DHT where they are (spec `70-dht` §8).
    #[must_use]
    pub fn rendezvous(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(Context::ROOM_RENDEZVOUS.digest(&[self.0.as_slice()]))
    }

    fn body_key(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(Context::ROOM_BODY.digest(&[self.0.as_slice()]))
    }
}

impl fmt::Debug for RoomKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RoomKey")
    }
}

/// What `from` shows `to` to be let in: it names the room to who is in it, and to nobody else; it is
/// worthless to everybody but `from`. `key` is that of a room, or the name of a group.
#[must_use]
pub fn open_tag(key: &[u8; 32], from: &PeerId, to: &PeerId) -> [u8; 32] {
    Context::ROOM_OPEN.digest(&[key, from.public_key(), to.public_key()])
}

fn within(secret: &[u8]) -> Result<&[u8], BadSecret> {
    let end = secret
        .iter()
        .rposition(|byte| !matches!(byte, b'\r' | b'\n'))
        .map_or(0, |last| last + 1);
    let secret = secret.get(..end).unwrap_or_default();
    if (limits::ROOM_SECRET_MIN..=limits::ROOM_SECRET).contains(&secret.len()) {
        Ok(secret)
    } else {
        Err(BadSecret { len: secret.len() })
    }
}
