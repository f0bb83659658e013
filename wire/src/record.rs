//! Signed statements of an identity that others may store and pass on.
//!
//! A signature covers the bytes that were received, never a re-encoding (spec `20-identity` §4).

use crate::address::Address;
use crate::codec::{self, Bytes, DecodeError, List, body};
use crate::defect::{self, Defect};
use crate::extension::Extensions;
use crate::hash::Context;
use crate::id::PeerId;
use crate::limits;
use crate::sign::{self, BadSignature, Identity, Purpose};

body! {
    /// A record as it travels: the encoded [`RecordBody`] and the signature over those very bytes.
    pub struct SignedRecord {
        /// Encoded [`RecordBody`].
        pub body: Bytes<{ limits::RECORD_BODY }>,
        /// Ed25519, purpose [`Purpose::Record`].
        pub signature: [u8; 64],
    }
}

body! {
    /// What is signed.
    pub struct RecordBody {
        /// Who says it.
        pub signer: PeerId,
        /// What the payload is; [`kind`] lists them.
        pub kind: u16,
        /// A later record of the same signer and kind has a higher one.
        pub sequence: u64,
        /// Milliseconds since 1970.
        pub issued_at: u64,
        /// Milliseconds since 1970; later than `issued_at`.
        pub expires_at: u64,
        /// The encoded body of the kind.
        pub payload: Bytes<{ limits::RECORD_PAYLOAD }>,
        /// Extensions.
        pub extensions: Extensions,
    }
}

/// What a record may say (spec `registry` §8).
pub mod kind {
    /// [`AddressRecord`](super::AddressRecord).
    pub const ADDRESS: u16 = 1;
    /// [`DeviceRecord`](super::DeviceRecord).
    pub const DEVICE: u16 = 2;
    /// [`Voucher`](crate::relay::Voucher).
    pub const VOUCHER: u16 = 3;
    /// [`RelayAdvert`](crate::advert::RelayAdvert).
    pub const RELAY: u16 = 4;
    /// [`ServiceAdvert`](crate::advert::ServiceAdvert).
    pub const SERVICE: u16 = 5;
    /// [`MailboxPointer`](crate::advert::MailboxPointer).
    pub const MAILBOX: u16 = 6;
    /// [`Presence`](crate::advert::Presence).
    pub const PRESENCE: u16 = 7;
    /// [`Rendezvous`](crate::advert::Rendezvous).
    pub const RENDEZVOUS: u16 = 8;
}

/// A body that can be the payload of a record.
pub trait Payload: codec::Body {
    /// Its code in [`kind`].
    const KIND: u16;
    /// Longest time between issue and expiry, in milliseconds.
    const MAX_LIFETIME: u64;
}

body! {
    /// Where the signer can be reached.
    pub struct AddressRecord {
        /// At least one.
        pub addresses: List<Address, { limits::ADDRESSES }>,
        /// Extensions.
        pub extensions: Extensions,
    }
}

impl Payload for AddressRecord {
    const KIND: u16 = kind::ADDRESS;
    /// A day: a node that is up renews it long before.
    const MAX_LIFETIME: u64 = 24 * HOUR;
}

body! {
    /// The keys with which a session to the signer's device is made (spec `40-messaging` §3).
    pub struct DeviceRecord {
        /// Curve25519 identity key of the device.
        pub identity_key: [u8; 32],
        /// Ed25519 key of the ratchet account.
        pub signing_key: [u8; 32],
        /// Curve25519 fallback key, rotated every 7 days.
        pub fallback_key: [u8; 32],
        /// Extensions.
        pub extensions: Extensions,
    }
}

impl Payload for DeviceRecord {
    const KIND: u16 = kind::DEVICE;
    /// Thirty days: a fallback key lives for 7 and its predecessor is kept for as long again; an
    /// invite in between must still open a session.
    const MAX_LIFETIME: u64 = 30 * 24 * HOUR;
}

const HOUR: u64 = 60 * 60 * 1000;
/// How far a signer's clock may be ahead of ours, in milliseconds.
pub const CLOCK_SKEW: u64 = 10 * 60 * 1000;

/// Why a record is not believed. It is dropped; what was known before stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// The bytes are no record.
    #[error("malformed record: {0}")]
    Malformed(#[from] DecodeError),
    /// Not the signer's bytes.
    #[error(transparent)]
    BadSignature(#[from] BadSignature),
    /// Another kind than the one asked for.
    #[error("the record is of kind {0}, which is not the kind expected here")]
    WrongKind(u16),
    /// Signed by someone else than the peer it is about.
    #[error("the record is signed by another peer")]
    WrongSigner,
    /// Its time is over.
    #[error("the record has expired")]
    Expired,
    /// Issued in the future, or for longer than the kind allows.
    #[error("the record's times are not plausible")]
    BadTimes,
}

/// A record whose signature, signer, kind and times have been checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified<P> {
    /// Sequence of the record.
    pub sequence: u64,
    /// Milliseconds since 1970.
    pub issued_at: u64,
    /// Milliseconds since 1970.
    pub expires_at: u64,
    /// The payload.
    pub payload: P,
}

impl RecordBody {
    /// Checks that the times are plausible for a kind that lives `max_lifetime` milliseconds at
    /// most, and not over at `now`.
    ///
    /// # Errors
    /// [`RecordError::BadTimes`] or [`RecordError::Expired`].
    pub fn check_times(&self, max_lifetime: u64, now: u64) -> Result<(), RecordError> {
        let lifetime = self.expires_at.checked_sub(self.issued_at);
        let max_lifetime = if defect::is(Defect::AcceptsLongLivedRecord) {
            u64::MAX
        } else {
            max_lifetime
        };
        if !lifetime.is_some_and(|lifetime| (1..=max_lifetime).contains(&lifetime))
            || self.issued_at > now.saturating_add(CLOCK_SKEW)
                && !defect::is(Defect::AcceptsRecordFromFuture)
        {
            return Err(RecordError::BadTimes);
        }
        if self.expires_at <= now && !defect::is(Defect::AcceptsExpiredRecord) {
            return Err(RecordError::Expired);
        }
        Ok(())
    }
}

impl SignedRecord {
    /// The record's name: a digest of the signed bytes and the signature.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        Context::RECORD.digest(&[&self.signature, self.body.as_slice()])
    }

    /// Signs `payload`, valid from `issued_at` for `lifetime` milliseconds, capped to what the kind
    /// allows.
    #[must_use]
    pub fn issue<P: Payload>(
        identity: &Identity,
        sequence: u64,
        issued_at: u64,
        lifetime: u64,
        payload: &P,
    ) -> Self {
        let record = RecordBody {
            signer: identity.peer_id(),
            kind: P::KIND,
            sequence,
            issued_at,
            expires_at: issued_at.saturating_add(lifetime.min(P::MAX_LIFETIME)),
            // Both payloads are far below the limits, so the fallbacks are never taken.
            payload: Bytes::new(codec::encode(payload)).unwrap_or_default(),
            extensions: Extensions::default(),
        };
        let body = codec::encode(&record);
        let signature = identity.sign(Purpose::Record, &body);
        Self {
            body: Bytes::new(body).unwrap_or_default(),
            signature,
        }
    }

    /// What is signed, without the signature being checked.
    ///
    /// # Errors
    /// [`RecordError::Malformed`] when the bytes are no [`RecordBody`].
    pub fn unverified(&self) -> Result<RecordBody, RecordError> {
        Ok(codec::decode(self.body.as_slice())?)
    }

    /// Checks that `signer` signed these very bytes.
    ///
    /// # Errors
    /// [`RecordError::BadSignature`].
    pub fn verify(&self, signer: &PeerId) -> Result<(), RecordError> {
        let body = self.body.as_slice();
        Ok(sign::verify(
            signer,
            Purpose::Record,
            body,
            &self.signature,
        )?)
    }

    /// Checks everything and opens the payload: the cheap checks first, the signature last.
    ///
    /// # Errors
    /// [`RecordError`] says which check failed.
    pub fn open<P: Payload>(&self, signer: &PeerId, now: u64) -> Result<Verified<P>, RecordError> {
        let record = self.unverified()?;
        if record.kind != P::KIND && !defect::is(Defect::AcceptsRecordOfOtherKind) {
            return Err(RecordError::WrongKind(record.kind));
        }
        if record.signer != *signer && !defect::is(Defect::AcceptsRecordOfOtherSigner) {
            return Err(RecordError::WrongSigner);
        }
        record.check_times(P::MAX_LIFETIME, now)?;
        let payload = codec::decode(record.payload.as_slice())?;
        self.verify(&record.signer)?;
        Ok(Verified {
            sequence: record.sequence,
            issued_at: record.issued_at,
            expires_at: record.expires_at,
            payload,
        })
    }
}
