//! An invite: what one person gives another so that both become contacts, verified by construction.
//!
//! Written as a link, `dchat:` and unpadded base64url of the encoding and a 4-byte checksum
//! (spec `20-identity` §6).

use core::fmt;
use core::str::FromStr;

use zeroize::Zeroizing;

use crate::address::Address;
use crate::codec::{self, List, Text, body, checked_field};
use crate::defect::{self, Defect};
use crate::extension::Extensions;
use crate::hash::Context;
use crate::id::PeerId;
use crate::limits;
use crate::record::SignedRecord;

body! {
    /// The content of an invite link.
    pub struct Invite {
        /// Layout of what follows; 1.
        pub version: u8,
        /// Who invites.
        pub peer: PeerId,
        /// Names the invite to the inviter.
        pub id: [u8; 16],
        /// Known to the inviter and to whoever holds the link. Serves one person.
        pub secret: InviteSecret,
        /// Milliseconds since 1970.
        pub expires_at: u64,
        /// What the inviter calls itself.
        pub name: Text<{ limits::NAME }>,
        /// Where the inviter can be reached, without PeerIds.
        pub addresses: List<Address, { limits::INVITE_ADDRESSES }>,
        /// A [`DeviceRecord`](crate::record::DeviceRecord) of the inviter's.
        pub device: SignedRecord,
        /// Extensions.
        pub extensions: Extensions,
    }
}

/// The layout in [`Invite::version`].
pub const VERSION: u8 = 1;
/// How long an invite can be redeemed, in milliseconds: 7 days.
pub const LIFETIME: u64 = 7 * 24 * 60 * 60 * 1000;

const SCHEME: &str = "dchat:";
const CHECKSUM: usize = 4;

/// The 32 secret bytes of an invite; hidden in `Debug` and wiped when dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct InviteSecret(Zeroizing<[u8; 32]>);

impl InviteSecret {
    /// Takes 32 random bytes.
    #[must_use]
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    fn to_repr(&self) -> [u8; 32] {
        *self.0
    }

    fn from_repr(bytes: [u8; 32]) -> Result<Self, &'static str> {
        Ok(Self::new(bytes))
    }
}
checked_field!(InviteSecret as [u8; 32]);

impl fmt::Debug for InviteSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InviteSecret(redacted)")
    }
}

/// Why a link is no invite.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InviteError {
    /// Another scheme, or none.
    #[error("not an invite: it should start with dchat:")]
    NotALink,
    /// Characters lost or changed on the way.
    #[error("the invite is damaged; copy the whole link again")]
    Damaged,
    /// Made by a newer DChat.
    #[error("the invite is of version {0}, which this DChat does not know; update DChat")]
    Newer(u8),
    /// The checksum is right but the content is not an invite: its maker's fault.
    #[error("the invite is not well formed: {0}")]
    Malformed(codec::DecodeError),
}

impl fmt::Display for Invite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = codec::encode(self);
        let check = Context::INVITE_CHECK.digest(&[&bytes]);
        bytes.extend_from_slice(&check[..CHECKSUM]);
        write!(f, "{SCHEME}{}", base64url(&bytes))
    }
}

impl FromStr for Invite {
    type Err = InviteError;

    fn from_str(link: &str) -> Result<Self, InviteError> {
        let text = link
            .trim()
            .strip_prefix(SCHEME)
            .ok_or(InviteError::NotALink)?;
        if text.len() > limits::INVITE_LINK {
            return Err(InviteError::Damaged);
        }
        let bytes = from_base64url(text).ok_or(InviteError::Damaged)?;
        let split = bytes
            .len()
            .checked_sub(CHECKSUM)
            .ok_or(InviteError::Damaged)?;
        let (body, check) = bytes.split_at(split);
        let is_whole = Context::INVITE_CHECK.digest(&[body])[..CHECKSUM] == *check;
        if !is_whole && !defect::is(Defect::AcceptsDamagedInvite) {
            return Err(InviteError::Damaged);
        }
        match body.first() {
            Some(&VERSION) => codec::decode(body).map_err(InviteError::Malformed),
            Some(&newer) => Err(InviteError::Newer(newer)),
            None => Err(InviteError::Damaged),
        }
    }
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Unpadded base64url (RFC 4648 §5).
fn base64url(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let mut bytes = [0; 4];
        bytes[1..=chunk.len()].copy_from_slice(chunk);
        let word = u32::from_be_bytes(bytes);
        for digit in 0..=chunk.len() {
            let index = (word >> (18 - 6 * digit)) & 63;
            text.push(char::from(ALPHABET[index as usize]));
        }
    }
    text
}

fn digit(character: u8) -> Option<u8> {
    match character {
        b'A'..=b'Z' => Some(character - b'A'),
        b'a'..=b'z' => Some(character - b'a' + 26),
        b'0'..=b'9' => Some(character - b'0' + 52),
        b'-' => Some(62),
        b'_' => Some(63),
        _ => None,
    }
}

/// The one byte string whose [`base64url`] is `text`; `None` for any other text.
fn from_base64url(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() * 3 / 4);
    for chunk in text.as_bytes().chunks(4) {
        let mut word = 0_u32;
        for (place, character) in chunk.iter().enumerate() {
            word |= u32::from(digit(*character)?) << (18 - 6 * place);
        }
        let whole = chunk.len() - 1;
        bytes.extend_from_slice(&word.to_be_bytes()[1..=whole]);
    }
    (base64url(&bytes) == text || defect::is(Defect::AcceptsLooseBase64)).then_some(bytes)
}
