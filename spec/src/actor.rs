//! The identities of the vectors: fixed seeds, and what they sign.

use ed25519_dalek::{Signer as _, SigningKey};

use crate::structure::{Part, Structure};

/// Context of record signatures (`registry` §4).
pub const RECORD: &str = "dchat/1 record";

/// An identity whose seed is one byte 32 times.
#[derive(Clone, Copy, Debug)]
pub struct Actor(pub u8);

/// Seed `01` × 32.
pub const ALICE: Actor = Actor(1);
/// Seed `02` × 32.
pub const BOB: Actor = Actor(2);
/// Seed `03` × 32.
pub const CAROL: Actor = Actor(3);
/// Seed `04` × 32, a relay.
pub const RELAY: Actor = Actor(4);

impl Actor {
    /// The seed.
    #[must_use]
    pub fn seed(self) -> [u8; 32] {
        [self.0; 32]
    }

    /// The key pair.
    #[must_use]
    pub fn key(self) -> SigningKey {
        SigningKey::from_bytes(&self.seed())
    }

    /// The public key.
    #[must_use]
    pub fn public(self) -> [u8; 32] {
        self.key().verifying_key().to_bytes()
    }

    /// The written form of a PeerId (`20-identity` §2.1).
    #[must_use]
    pub fn text(self) -> String {
        peer_text(&self.public())
    }

    /// A field of type `PeerId`.
    #[must_use]
    pub fn part(self) -> Part {
        Part::fixed(&self.public())
    }

    /// A signature as `20-identity` §3 says.
    #[must_use]
    pub fn sign(self, context: &str, message: &[u8]) -> [u8; 64] {
        self.key().sign(&signed_bytes(context, message)).to_bytes()
    }

    /// A `SignedRecord` over `body`.
    #[must_use]
    pub fn signed_record(self, body: &[u8]) -> Structure {
        Structure::new()
            .bytes("SignedRecord.body", body)
            .fixed("SignedRecord.signature", &self.sign(RECORD, body))
    }
}

/// Before the key in the written form.
pub const PEER_PREFIX: [u8; 6] = [0x00, 0x24, 0x08, 0x01, 0x12, 0x20];

/// The written form of any 32 bytes, valid or not.
#[must_use]
pub fn peer_text(key: &[u8]) -> String {
    bs58::encode([PEER_PREFIX.as_slice(), key].concat()).into_string()
}

/// What a signature covers.
#[must_use]
pub fn signed_bytes(context: &str, message: &[u8]) -> Vec<u8> {
    [
        &[context.len() as u8],
        context.as_bytes(),
        &(message.len() as u64).to_le_bytes(),
        message,
    ]
    .concat()
}

/// 32 bytes that are no secret and no key: a filler that is recognised in a dump.
#[must_use]
pub fn filler(first: u8) -> [u8; 32] {
    core::array::from_fn(|index| first.wrapping_add(index as u8))
}
