//! Megolm (`81-groups` §5.1), as far as the vectors need it: a session with everything given.

use ed25519_dalek::{Signer as _, SigningKey};

use crate::olm::{encrypt, field, hkdf, hmac, varint};

/// A sender's session at an index.
#[derive(Clone, Debug)]
pub struct Session {
    /// Seed of its Ed25519 key.
    pub seed: [u8; 32],
    /// How often the ratchet has advanced.
    pub index: u32,
    /// The four parts of the ratchet.
    pub parts: [[u8; 32]; 4],
}

impl Session {
    fn key(&self) -> SigningKey {
        SigningKey::from_bytes(&self.seed)
    }

    /// The session one index further.
    #[must_use]
    pub fn next(&self) -> Self {
        let mut next = self.clone();
        next.index += 1;
        // The first part whose turn it is makes itself and all that follow anew.
        let turn = match next.index {
            index if index.is_multiple_of(1 << 24) => 0,
            index if index.is_multiple_of(1 << 16) => 1,
            index if index.is_multiple_of(1 << 8) => 2,
            _ => 3,
        };
        for part in turn..4 {
            next.parts[part] = hmac(&self.parts[turn], &[part as u8]);
        }
        next
    }

    /// The session at `index`, which is not below its own.
    #[must_use]
    pub fn at(&self, index: u32) -> Self {
        (self.index..index).fold(self.clone(), |session, _| session.next())
    }

    /// The export format: what reads from this index on.
    #[must_use]
    pub fn export(&self) -> Vec<u8> {
        let key = self.key().verifying_key().to_bytes();
        [
            &[1][..],
            &self.index.to_be_bytes(),
            self.parts.as_flattened(),
            &key,
        ]
        .concat()
    }

    /// The message that says `plaintext` at this index.
    #[must_use]
    pub fn message(&self, plaintext: &[u8]) -> Vec<u8> {
        self.signed(&self.unsigned(plaintext))
    }

    /// A message without its signature.
    #[must_use]
    pub fn unsigned(&self, plaintext: &[u8]) -> Vec<u8> {
        let keys = hkdf(&[0], self.parts.as_flattened(), b"MEGOLM_KEYS", 80);
        let ciphertext = encrypt(&keys[..32], &keys[64..], plaintext);
        let mut bytes = vec![3, 0x08];
        bytes.extend(varint(self.index.into()));
        bytes.extend(field(0x12, &ciphertext));
        let mac = hmac(&keys[32..64], &bytes);
        bytes.extend_from_slice(&mac[..8]);
        bytes
    }

    /// What is signed, and the signature.
    #[must_use]
    pub fn signed(&self, message: &[u8]) -> Vec<u8> {
        [message, &self.key().sign(message).to_bytes()].concat()
    }
}
