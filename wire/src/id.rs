//! Who a node is: an Ed25519 public key, written as the field writes it (`12D3KooW…`).

use core::fmt;
use core::str::FromStr;

use ed25519_dalek::VerifyingKey;

use crate::codec::checked_field;
use crate::defect::{self, Defect};

/// Before the key in its written form: identity multihash (`00`, 36 bytes) of a protobuf with key
/// type Ed25519 (`08 01`) and 32 bytes of data (`12 20`). Source: libp2p peer-ids specification.
const PREFIX: [u8; 6] = [0x00, 0x24, 0x08, 0x01, 0x12, 0x20];

/// A node's public key, which is its name.
///
/// The key decodes to a curve point of large order and re-encodes to itself, so one node has one
/// name: a signature under an alias of a key is refused where the alias is parsed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerId([u8; 32]);

/// Why bytes or text name no peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PeerIdError {
    /// Not base58btc, or not the length and prefix of an Ed25519 PeerId.
    #[error("not a PeerId: it should look like 12D3KooW… and be 52 characters long")]
    Malformed,
    /// The 32 bytes are not the canonical encoding of a usable curve point.
    #[error("not a PeerId: the key in it is not a valid Ed25519 public key")]
    NotAKey,
}

impl PeerId {
    /// Takes a public key of 32 bytes.
    ///
    /// # Errors
    /// [`PeerIdError::NotAKey`] for bytes that are no point, do not re-encode to themselves, or
    /// have small order.
    pub fn from_public_key(key: [u8; 32]) -> Result<Self, PeerIdError> {
        let point = VerifyingKey::from_bytes(&key).map_err(|_| PeerIdError::NotAKey)?;
        // Decompression accepts y ≥ p and, for x = 0, either sign. The points with x = 0 have small
        // order, so a reduced y is all that is left of re-encoding, which would take as long again.
        if (is_reduced(&key) || defect::is(Defect::AcceptsAliasKey))
            && (!point.is_weak() || defect::is(Defect::AcceptsWeakKey))
        {
            Ok(Self(key))
        } else {
            Err(PeerIdError::NotAKey)
        }
    }

    /// The public key.
    #[must_use]
    pub fn public_key(&self) -> &[u8; 32] {
        &self.0
    }

    /// The first characters, for logs and prompts: `12D3Ko…` and the last four.
    #[must_use]
    pub fn short(&self) -> String {
        let full = self.to_string();
        let tail = full.len().saturating_sub(4);
        format!("12D3Ko…{}", full.get(tail..).unwrap_or_default())
    }

    fn to_repr(self) -> [u8; 32] {
        self.0
    }

    fn from_repr(key: [u8; 32]) -> Result<Self, &'static str> {
        Self::from_public_key(key).map_err(|_| "not a canonical Ed25519 public key")
    }
}
checked_field!(PeerId as [u8; 32]);

/// Whether the y coordinate in an encoded point is below p = 2^255 − 19 (RFC 8032 §5.1.3 step 1).
fn is_reduced(key: &[u8; 32]) -> bool {
    let [low, middle @ .., high] = key;
    *low < 0xed || high & 0x7f != 0x7f || middle.iter().any(|byte| *byte != 0xff)
}

impl fmt::Display for PeerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = [0; 38];
        bytes[..6].copy_from_slice(&PREFIX);
        bytes[6..].copy_from_slice(&self.0);
        f.write_str(&bs58::encode(bytes).into_string())
    }
}

impl fmt::Debug for PeerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.short())
    }
}

impl FromStr for PeerId {
    type Err = PeerIdError;

    fn from_str(text: &str) -> Result<Self, PeerIdError> {
        let mut bytes = [0; 38];
        // With this prefix they are always 52 base58 digits; long text must not be decoded at all.
        if text.len() != 52 || bs58::decode(text).onto(&mut bytes) != Ok(38) {
            return Err(PeerIdError::Malformed);
        }
        let key = bytes
            .strip_prefix(&PREFIX)
            .and_then(|key| key.try_into().ok());
        Self::from_public_key(key.ok_or(PeerIdError::Malformed)?)
    }
}
