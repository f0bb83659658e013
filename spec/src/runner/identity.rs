//! Who a partner is: a key, what it signs, and its certificate (`20-identity`).

use core::fmt;

use ed25519_dalek::{Signer as _, SigningKey};

use crate::actor::{RECORD, peer_text, signed_bytes};
use crate::der::{Validity, ed25519_spki, signed_certificate};
use crate::structure::Structure;

/// A key pair.
#[derive(Clone)]
pub struct Identity(SigningKey);

impl Identity {
    /// The identity of a seed.
    #[must_use]
    pub fn new(seed: &[u8; 32]) -> Self {
        Self(SigningKey::from_bytes(seed))
    }

    /// The key pair.
    #[must_use]
    pub fn key(&self) -> &SigningKey {
        &self.0
    }

    /// The public key: the PeerId.
    #[must_use]
    pub fn public(&self) -> [u8; 32] {
        self.0.verifying_key().to_bytes()
    }

    /// The written form of the PeerId.
    #[must_use]
    pub fn text(&self) -> String {
        peer_text(&self.public())
    }

    /// A signature as `20-identity` §3 says.
    #[must_use]
    pub fn sign(&self, context: &str, message: &[u8]) -> [u8; 64] {
        self.0.sign(&signed_bytes(context, message)).to_bytes()
    }

    /// A `SignedRecord` over the bytes of a `RecordBody`.
    #[must_use]
    pub fn signed_record(&self, body: &[u8]) -> Structure {
        Structure::new()
            .bytes("SignedRecord.body", body)
            .fixed("SignedRecord.signature", &self.sign(RECORD, body))
    }

    /// A self-signed certificate, right in everything (`20-identity` §7).
    #[must_use]
    pub fn certificate(&self) -> Vec<u8> {
        let spki = ed25519_spki(&self.public());
        signed_certificate(&self.0, &spki, "partner", Validity::Long)
    }
}

impl fmt::Debug for Identity {
    /// The name and not the secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text())
    }
}
