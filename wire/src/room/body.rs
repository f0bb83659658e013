//! What an item of a room says, and its sealing.

use chacha20poly1305::aead::{Aead as _, Payload};
use chacha20poly1305::{KeyInit as _, XChaCha20Poly1305, XNonce};
use zeroize::Zeroizing;

use super::RoomKey;
use crate::codec::{self, Bytes, DecodeError, Text, body};
use crate::defect::{self, Defect};
use crate::extension::Extensions;
use crate::gossip::{ItemHeader, SignedItem};
use crate::hash::Context;
use crate::id::PeerId;
use crate::limits;
use crate::sign::{self, BadSignature, Identity, Purpose};

body! {
    /// The plaintext of an item's body in a room. What the content is, the item's kind says.
    pub struct RoomBody {
        /// Who speaks.
        pub author: PeerId,
        /// The author's, over the room and the key that signs the item, purpose
        /// [`Purpose::RoomAuthor`].
        pub statement: [u8; 64],
        /// What the author calls itself; shown to people as a stranger's text.
        pub name: Text<{ limits::NAME }>,
        /// For [`entry_kind::TEXT`](crate::parcel::entry_kind::TEXT) UTF-8.
        pub content: Bytes<{ limits::TEXT }>,
        /// Extensions.
        pub extensions: Extensions,
    }
}

/// The statement is not its author's, or is about another key or room: nobody knows who wrote the
/// item. It is kept and passed on, since its signature holds, and shown to nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the item does not come from the person it names")]
pub struct FalseAuthor;

/// Why an item says nothing. Each names whose fault it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unopened {
    /// It is a stub: its time is over.
    #[error("only a stub is left of the item")]
    Stub,
    /// Its author did not seal it with the room's key for this place: nobody can read it, and it is
    /// rejected.
    #[error("the body was not sealed with this room's key for this item")]
    NotSealed,
    /// Its author sealed something that is no body, or one of a later version: it is kept and passed
    /// on, and not shown.
    #[error("malformed body of an item: {0}")]
    Malformed(#[from] DecodeError),
}

/// The key `person` signs with in `room`: always the same one, so that a restored home needs nothing
/// else; and not its own, so that items alone tell nobody who spoke.
#[must_use]
pub fn author(person: &Identity, room: &[u8; 32]) -> Identity {
    let seed = person.seed();
    let parts: [&[u8]; 2] = [seed.as_slice(), room];
    Identity::from_seed(&Zeroizing::new(Context::ROOM_AUTHOR.digest(&parts)))
}

impl RoomBody {
    /// What `person` says in `room`, called `name`.
    #[must_use]
    pub fn new(
        person: &Identity,
        room: &[u8; 32],
        name: Text<{ limits::NAME }>,
        content: Bytes<{ limits::TEXT }>,
    ) -> Self {
        let key = author(person, room).peer_id();
        Self {
            author: person.peer_id(),
            statement: person.sign(Purpose::RoomAuthor, &statement(room, key.public_key())),
            name,
            content,
            extensions: Extensions::default(),
        }
    }

    /// Checks that the person agrees to speak in `room` by `key`, the author of the item. One that
    /// was checked with the same author, statement, room and key need not be checked again.
    ///
    /// # Errors
    /// [`FalseAuthor`].
    pub fn verify(&self, room: &[u8; 32], key: &[u8; 32]) -> Result<(), FalseAuthor> {
        if defect::is(Defect::AcceptsFalseAuthor) {
            return Ok(());
        }
        let message = statement(room, key);
        sign::verify(&self.author, Purpose::RoomAuthor, &message, &self.statement)
            .map_err(|BadSignature| FalseAuthor)
    }
}

fn statement(room: &[u8; 32], key: &[u8; 32]) -> [u8; 64] {
    let mut bytes = [0; 64];
    bytes[..32].copy_from_slice(room);
    bytes[32..].copy_from_slice(key);
    bytes
}

impl RoomKey {
    /// Seals `plain` as the item after the one `header` names, and signs it with `key`, which is
    /// [`author`] of the person. The header's author, body length and body hash are set here.
    ///
    /// One who signs two items that differ in their bodies only seals both with one nonce; they are
    /// also proof that the author contradicts itself.
    #[must_use]
    pub fn seal(&self, key: &Identity, mut header: ItemHeader, plain: &RoomBody) -> SignedItem {
        let room = self.room();
        header.author = *key.peer_id().public_key();
        let associated = associated(&room, &header);
        let plain = Zeroizing::new(codec::encode(plain));
        let payload = Payload {
            msg: &plain,
            aad: &associated,
        };
        let sealed = self.cipher().encrypt(&nonce(&associated), payload);
        // The cipher fails for what is longer than memory, and every part of a body is bounded far
        // below the limit.
        let body = Bytes::new(sealed.unwrap_or_default()).unwrap_or_default();
        SignedItem::sign(key, &room, header, body)
    }

    /// What `item` says. Its signature is not looked at, nor is [`RoomBody::verify`] called.
    ///
    /// # Errors
    /// [`Unopened`].
    pub fn open(&self, item: &SignedItem) -> Result<RoomBody, Unopened> {
        let sealed = item.body.as_ref().ok_or(Unopened::Stub)?;
        let associated = associated(&self.room(), &item.header);
        let payload = Payload {
            msg: sealed.as_slice(),
            aad: &associated,
        };
        let plain = self
            .cipher()
            .decrypt(&nonce(&associated), payload)
            .map_err(|_| Unopened::NotSealed)?;
        Ok(codec::decode(&Zeroizing::new(plain))?)
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new(&chacha20poly1305::Key::from(*self.body_key()))
    }
}

/// The room and the header but for its last words on the body, which are not known before the body
/// is sealed.
fn associated(room: &[u8; 32], header: &ItemHeader) -> Vec<u8> {
    let header = ItemHeader {
        body_len: 0,
        body_hash: [0; 32],
        ..header.clone()
    };
    [room.as_slice(), &codec::encode(&header)].concat()
}

/// A digest of the place and all that is known of it: a home that was copied, and writes another
/// item at the same place, does so at another time, and therefore with another nonce.
fn nonce(associated: &[u8]) -> XNonce {
    let mut nonce = [0; 24];
    nonce.copy_from_slice(&Context::ROOM_NONCE.digest(&[associated])[..24]);
    XNonce::from(nonce)
}
