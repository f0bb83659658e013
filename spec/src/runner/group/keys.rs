//! Sessions of senders (`81-groups` §5): those that the peer hands over, and those of the runner's members.

use dchat_wire::gossip::{SignedItem, item_message};
use dchat_wire::group::{GroupKeys, SealedBody};
use dchat_wire::sign::{Purpose, verify};
use dchat_wire::{PeerId, codec};
use vodozemac::megolm::{ExportedSessionKey, InboundGroupSession, MegolmMessage, SessionConfig};

use super::super::bodies::group::{EXPORT, sealed};
use super::super::bodies::room::{Author, Item};
use super::super::case::{Fault, Outcome, expect};
use super::super::partner::Partner;
use crate::megolm::Session;

/// A session that was handed over, as it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Handed(pub [u8; EXPORT]);

impl Handed {
    /// The Ed25519 key that names it.
    #[must_use]
    pub fn session(&self) -> [u8; 32] {
        let mut key = [0; 32];
        key.copy_from_slice(&self.0[EXPORT - 32..]);
        key
    }

    /// From which item on it reads.
    #[must_use]
    pub fn index(&self) -> u32 {
        let [_, a, b, c, d, ..] = self.0;
        u32::from_be_bytes([a, b, c, d])
    }

    /// Decrypts a message; the index it was encrypted at, and what it says.
    ///
    /// # Errors
    /// A fault when the session or the message is none, or the one does not read the other.
    pub fn opens(&self, message: &[u8]) -> Result<(u32, Vec<u8>), Fault> {
        let wrong = |what: &str, seen: String| Fault::new(what, seen).by("DC-GROUP-013");
        let key = ExportedSessionKey::from_bytes(&self.0)
            .map_err(|error| wrong("a session in Megolm's export format", error.to_string()))?;
        let mut session = InboundGroupSession::import(&key, SessionConfig::version_1());
        let message = MegolmMessage::from_bytes(message)
            .map_err(|error| wrong("a Megolm message", error.to_string()))?;
        let opened = session.decrypt(&message);
        let opened = opened.map_err(|error| {
            wrong(
                "a message that the session handed over reads",
                error.to_string(),
            )
        })?;
        Ok((opened.message_index, opened.plaintext))
    }
}

/// The sessions in the body of an entry GROUP_KEYS for this group.
///
/// # Errors
/// A fault when it is none.
pub fn handed(group: &[u8; 32], body: &[u8]) -> Result<Vec<Handed>, Fault> {
    let read: Result<GroupKeys, _> = codec::decode(body);
    let keys =
        read.map_err(|error| Fault::new("GroupKeys in an entry of that kind", error.to_string()))?;
    if keys.group != *group {
        return Ok(Vec::new());
    }
    Ok(keys.sessions.iter().copied().map(Handed).collect())
}

/// The sealed body of an item.
#[must_use]
pub fn body_of(item: &SignedItem) -> Option<SealedBody> {
    codec::decode(item.body.as_ref()?.as_slice()).ok()
}

/// Expects that an item is signed by its author, for this group.
///
/// # Errors
/// A fault when it is not.
pub fn expect_signed(group: &[u8; 32], item: &SignedItem) -> Outcome {
    let message = item_message(group, &item.header);
    let author = PeerId::from_public_key(item.header.author);
    let signed = author
        .is_ok_and(|author| verify(&author, Purpose::Item, &message, &item.signature).is_ok());
    let body = item
        .body
        .as_ref()
        .map(|body| body.as_slice())
        .unwrap_or_default();
    let right = signed
        && item.header.body_len as usize == body.len()
        && item.header.body_hash == dchat_wire::gossip::body_hash(body);
    expect(right, "an item that its author signed", "another")
}

/// A sender's session of one of the runner's members.
#[derive(Clone, Debug)]
pub struct Sender(pub Session);

impl Sender {
    /// A new one.
    #[must_use]
    pub fn new(partner: &Partner) -> Self {
        let parts = core::array::from_fn(|_| partner.fresh());
        Self(Session {
            seed: partner.fresh(),
            index: 0,
            parts,
        })
    }

    /// Its name.
    #[must_use]
    pub fn session(&self) -> [u8; 32] {
        let export = self.0.export();
        let mut key = [0; 32];
        key.copy_from_slice(&export[EXPORT - 32..]);
        key
    }

    /// The author's next item, sealed at the session's next index.
    pub fn item(&mut self, author: &mut Author, text: &str) -> Item {
        let body = sealed(&self.session(), &self.0.message(text.as_bytes())).bytes;
        self.0 = self.0.next();
        let item = author.sealed_item(&author.next, body);
        author.next = author.after(&item);
        item
    }
}
