//! What a conversation asks its caller to do.

use core::fmt;

use dchat_wire::Frame;

use super::{Incarnation, Warning};

/// Name of a message, equal on both sides (`dchat_wire::hash::entry_id`).
pub type EntryId = [u8; 16];

/// A committed consequence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Write this frame to our chat stream, in this order.
    Send(Frame),
    /// A message of the peer's is in the ledger and may be shown.
    Message(Message),
    /// An own message came further.
    StateChanged {
        /// Which.
        id: EntryId,
        /// How far.
        state: State,
    },
    /// An own message has another name now, because its log began a new incarnation.
    Renamed {
        /// Its name until now.
        from: EntryId,
        /// Its name from now on.
        to: EntryId,
    },
    /// Something a person or a log should know; the conversation goes on.
    Warn(Warning),
}

/// Something of the peer's that is no text. It is acted on in the transaction that took it, or never.
#[derive(Clone, PartialEq, Eq)]
pub struct Notice {
    /// What the body is ([`entry_kind`](dchat_wire::parcel::entry_kind)), one that is known here.
    pub kind: u16,
    /// The body.
    pub body: Vec<u8>,
}

impl fmt::Debug for Notice {
    /// Without the body, which may hold keys.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Notice(kind {}, {} bytes)", self.kind, self.body.len())
    }
}

/// How far an own message came. `queued` is where it begins and `failed` is the ledger's expiry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// The other side committed it.
    Delivered,
    /// A person on the other side read it.
    Read,
}

/// A message of the peer's.
#[derive(Clone, PartialEq, Eq)]
pub struct Message {
    /// Its name.
    pub id: EntryId,
    /// Its log.
    pub incarnation: Incarnation,
    /// Its number there.
    pub seq: u64,
    /// What it says.
    pub text: String,
    /// When it was written, in milliseconds since 1970 by the author's clock.
    pub sent_at: u64,
    /// When its text is to go.
    pub expires_at: Option<u64>,
}

impl fmt::Debug for Message {
    /// Without the text: logs must not hold it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message")
            .field("seq", &self.seq)
            .finish_non_exhaustive()
    }
}
