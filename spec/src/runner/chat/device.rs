//! The keys of a partner's device (`20-identity` §4).

use core::fmt;

use vodozemac::olm::Account;

use crate::structure::Structure;

use super::super::identity::Identity;
use super::now;

/// 30 days in milliseconds: the longest life of a `DeviceRecord`.
pub const LIFE: u64 = 2_592_000_000;

/// The keys.
pub struct Device {
    /// The Olm account.
    pub account: Account,
    fallback: [u8; 32],
}

/// What a record says, for cases that say it wrongly.
#[derive(Clone, Debug)]
pub struct Claims {
    /// 2 for a `DeviceRecord`.
    pub kind: u16,
    /// Whose it says it is.
    pub signer: [u8; 32],
    /// Not before.
    pub issued_at: u64,
    /// Not after.
    pub expires_at: u64,
    /// Curve25519 identity key.
    pub identity_key: [u8; 32],
    /// Curve25519 fallback key.
    pub fallback_key: [u8; 32],
}

impl Device {
    /// New keys. The library draws them.
    #[must_use]
    pub fn new() -> Self {
        let mut account = Account::new();
        account.generate_fallback_key();
        let fallback = account.fallback_key().into_values().next();
        account.mark_keys_as_published();
        let fallback = fallback.map_or([0; 32], |key| key.to_bytes());
        Self { account, fallback }
    }

    /// What a correct record of these keys says now.
    #[must_use]
    pub fn claims(&self, identity: &Identity) -> Claims {
        let issued_at = now();
        Claims {
            kind: 2,
            signer: identity.public(),
            issued_at,
            expires_at: issued_at + LIFE,
            identity_key: self.account.curve25519_key().to_bytes(),
            fallback_key: self.fallback,
        }
    }

    /// A correct `SignedRecord`.
    #[must_use]
    pub fn record(&self, identity: &Identity) -> Vec<u8> {
        self.claims(identity).signed_by(identity)
    }
}

impl Default for Device {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Device").finish_non_exhaustive()
    }
}

impl Claims {
    /// The `SignedRecord`.
    #[must_use]
    pub fn signed_by(&self, identity: &Identity) -> Vec<u8> {
        identity.signed_record(&self.body().bytes).bytes
    }

    /// The `RecordBody`.
    #[must_use]
    pub fn body(&self) -> Structure {
        let payload = Structure::new()
            .fixed("DeviceRecord.identity_key", &self.identity_key)
            .fixed("DeviceRecord.signing_key", &[9; 32])
            .fixed("DeviceRecord.fallback_key", &self.fallback_key)
            .extensions("DeviceRecord.extensions", &[]);
        Structure::new()
            .fixed("RecordBody.signer", &self.signer)
            .u16("RecordBody.kind", self.kind)
            .u64("RecordBody.sequence", self.issued_at)
            .u64("RecordBody.issued_at", self.issued_at)
            .u64("RecordBody.expires_at", self.expires_at)
            .bytes("RecordBody.payload", &payload.bytes)
            .extensions("RecordBody.extensions", &[])
    }
}
