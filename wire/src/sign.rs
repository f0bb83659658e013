//! One way to sign, and one to verify.
//!
//! A signature covers a context and a message, each preceded by its length, so that no signature
//! made for one purpose verifies for another (spec `20-identity` §3).

use crate::defect::{self, Defect};
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use zeroize::Zeroizing;

use crate::id::PeerId;

/// What a signature is for. The registry of spec `registry` §4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A [`record`](crate::record).
    Record,
    /// An item of a [room](crate::gossip).
    Item,
    /// An operation on a [group's](crate::group) membership.
    Membership,
    /// That a key signs for a person in a [room](crate::room).
    RoomAuthor,
    /// That a key made for a group is a member's.
    Seat,
}

impl Purpose {
    /// All of them, for the registry and its tests.
    pub const ALL: &'static [Self] = &[
        Self::Record,
        Self::Item,
        Self::Membership,
        Self::RoomAuthor,
        Self::Seat,
    ];

    /// The context string, 1 to 255 bytes of ASCII.
    #[must_use]
    pub fn context(self) -> &'static str {
        match self {
            Self::Record => "dchat/1 record",
            Self::Item => "dchat/1 item",
            Self::Membership => "dchat/1 membership",
            Self::RoomAuthor => "dchat/1 room author",
            Self::Seat => "dchat/1 seat",
        }
    }
}

/// A signature that does not verify: forged, for another purpose, or over other bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the signature is not the peer's over these bytes")]
pub struct BadSignature;

/// A node's secret key.
#[derive(Clone)]
pub struct Identity {
    key: SigningKey,
    peer: PeerId,
}

impl Identity {
    /// Makes the identity whose Ed25519 seed is `seed`.
    #[must_use]
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        let key = SigningKey::from_bytes(seed);
        #[expect(
            clippy::expect_used,
            reason = "a derived key is a multiple of the base point: canonical and of large order"
        )]
        let peer = PeerId::from_public_key(key.verifying_key().to_bytes())
            .expect("a derived public key is valid");
        Self { key, peer }
    }

    /// The public half.
    #[must_use]
    pub fn peer_id(&self) -> PeerId {
        self.peer
    }

    /// The seed, to be stored encrypted.
    #[must_use]
    pub fn seed(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.key.to_bytes())
    }

    /// Signs `message` for `purpose`.
    #[must_use]
    pub fn sign(&self, purpose: Purpose, message: &[u8]) -> [u8; 64] {
        self.key.sign(&signed_bytes(purpose, message)).to_bytes()
    }
}

impl core::fmt::Debug for Identity {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Identity({:?})", self.peer)
    }
}

/// Checks that `signature` is `peer`'s over `message` for `purpose`, strictly (RFC 8032 with
/// canonical encodings and no small-order points).
///
/// # Errors
/// [`BadSignature`]: the bytes are not the peer's; drop them.
pub fn verify(
    peer: &PeerId,
    purpose: Purpose,
    message: &[u8],
    signature: &[u8; 64],
) -> Result<(), BadSignature> {
    if defect::is(Defect::AcceptsAnySignature) {
        return Ok(());
    }
    VerifyingKey::from_bytes(peer.public_key())
        .and_then(|key| {
            let signature = Signature::from_bytes(signature);
            let message = signed_bytes(purpose, message);
            if defect::is(Defect::VerifiesLoosely) {
                return ed25519_dalek::Verifier::verify(&key, &message, &signature);
            }
            key.verify_strict(&message, &signature)
        })
        .map_err(|_| BadSignature)
}

/// `u8` context length, context, `u64` message length, message.
#[must_use]
pub fn signed_bytes(purpose: Purpose, message: &[u8]) -> Vec<u8> {
    let purpose = if defect::is(Defect::SignsWithoutPurpose) {
        Purpose::Record
    } else {
        purpose
    };
    let context = purpose.context().as_bytes();
    let mut bytes = Vec::with_capacity(1 + context.len() + 8 + message.len());
    bytes.push(context.len() as u8);
    bytes.extend_from_slice(context);
    bytes.extend_from_slice(&(message.len() as u64).to_le_bytes());
    bytes.extend_from_slice(message);
    bytes
}
