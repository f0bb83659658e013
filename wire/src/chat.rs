//! The frames of a one-to-one chat, on the chat stream each side opens (spec `40-messaging`).
//!
//! [`ChatOpen`] comes first. Once both sides have sent theirs, [`Envelope`]s carry everything else
//! inside the ratchet; [`Undecryptable`] asks for a new session.

use crate::codec::{Bytes, List, Text, body, checked_field};
use crate::extension::Extensions;
use crate::hash::Context;
use crate::id::PeerId;
use crate::limits;
use crate::record::SignedRecord;

body! {
    /// Opens a chat stream: who writes, with which right, and with which keys to answer.
    pub struct ChatOpen {
        /// What the sender calls itself; shown to people as a stranger's text.
        pub name: Text<{ limits::NAME }>,
        /// Proof of holding an invite of the receiver's.
        pub invite: Option<InviteProof>,
        /// A [`DeviceRecord`](crate::record::DeviceRecord) of the sender's.
        pub device: SignedRecord,
        /// Sessions the sender holds with the receiver, newest first.
        pub sessions: List<[u8; 32], { limits::SESSIONS }>,
        /// Extensions.
        pub extensions: Extensions,
    }
}

body! {
    /// Shows that the sender holds the secret of an invite, without showing the secret.
    pub struct InviteProof {
        /// Which invite.
        pub invite: [u8; 16],
        /// [`InviteProof::mac`].
        pub mac: [u8; 32],
    }
}

impl InviteProof {
    /// The proof that `redeemer` holds `secret`, an invite of `inviter`'s: worthless to anyone else.
    #[must_use]
    pub fn mac(secret: &[u8; 32], inviter: &PeerId, redeemer: &PeerId) -> [u8; 32] {
        let key = Context::INVITE_PROOF.digest(&[secret]);
        let mut hasher = blake3::Hasher::new_keyed(&key);
        hasher
            .update(inviter.public_key())
            .update(redeemer.public_key());
        *hasher.finalize().as_bytes()
    }
}

body! {
    /// One message of a ratchet session; its plaintext is a [`Parcel`](crate::parcel::Parcel).
    pub struct Envelope {
        /// Which session.
        pub session: [u8; 32],
        /// Whether the message also opens the session.
        pub stage: Stage,
        /// The ratchet message.
        pub message: Bytes<{ limits::RATCHET_MESSAGE }>,
        /// Extensions.
        pub extensions: Extensions,
    }
}

/// Which kind of Olm message an envelope holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// A pre-key message: opens the session, and repeats the opening until it is answered.
    Opening,
    /// A message of an established session.
    Established,
}

impl Stage {
    fn to_repr(self) -> u8 {
        match self {
            Self::Opening => 0,
            Self::Established => 1,
        }
    }

    fn from_repr(code: u8) -> Result<Self, &'static str> {
        match code {
            0 => Ok(Self::Opening),
            1 => Ok(Self::Established),
            _ => Err("the stage is neither 0 nor 1"),
        }
    }
}
checked_field!(Stage as u8);

body! {
    /// Says that an envelope could not be decrypted. Its sender makes a new session and sends what
    /// is not acknowledged again.
    pub struct Undecryptable {
        /// The session of that envelope.
        pub session: [u8; 32],
        /// Extensions.
        pub extensions: Extensions,
    }
}
