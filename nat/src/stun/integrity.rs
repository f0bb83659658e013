//! Message integrity (RFC 8489 §9, §14.5): a check for whoever shares a password with the sender.

use core::fmt;

use stun_rs::attributes::stun::{MessageIntegrity, MessageIntegritySha256};
use stun_rs::{Algorithm, AlgorithmId, HMACKey};

use super::message::DecodeError;
use super::scan::{Scanned, kind};

/// Longest user name, realm or password prepared, in bytes: string preparation is costly
/// (RFC 8489 §14.3, §14.9 allow little more).
const TEXT: usize = 763;

/// What integrity is keyed with.
#[derive(Clone, PartialEq, Eq)]
pub struct Key(HMACKey);

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(…)")
    }
}

impl Key {
    /// Of the short-term mechanism (RFC 8489 §9.1.1): the prepared password.
    ///
    /// # Errors
    /// [`IntegrityError::Text`]: our caller's text cannot be prepared.
    pub fn short_term(password: &str) -> Result<Self, IntegrityError> {
        bounded(&[password])?;
        HMACKey::new_short_term(password)
            .map(Self)
            .map_err(|_| IntegrityError::Text)
    }

    /// Of the long-term mechanism (RFC 8489 §9.2.2), with MD5.
    ///
    /// # Errors
    /// [`IntegrityError::Text`]: our caller's text cannot be prepared.
    pub fn long_term(user: &str, realm: &str, password: &str) -> Result<Self, IntegrityError> {
        bounded(&[user, realm, password])?;
        HMACKey::new_long_term(user, realm, password, Algorithm::from(AlgorithmId::MD5))
            .map(Self)
            .map_err(|_| IntegrityError::Text)
    }
}

/// Which attribute proved the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Integrity {
    /// MESSAGE-INTEGRITY.
    Sha1,
    /// MESSAGE-INTEGRITY-SHA256.
    Sha256,
}

/// Why a message is not proven to be of who knows the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IntegrityError {
    /// Our caller's text cannot be prepared, or is too long.
    #[error("the user name, realm or password cannot be used as a STUN credential")]
    Text,
    /// The message is none.
    #[error(transparent)]
    Message(#[from] DecodeError),
    /// There is no integrity attribute.
    #[error("the STUN message carries no integrity")]
    Missing,
    /// The integrity is not of this key, or of another message.
    #[error("the integrity of the STUN message does not fit the key")]
    Wrong,
}

/// Checks a message of any method and class against `key`; the stronger attribute decides when there
/// are two.
///
/// # Errors
/// Every [`IntegrityError`] but `Text`.
pub fn verify(datagram: &[u8], key: &Key) -> Result<Integrity, IntegrityError> {
    let scanned = Scanned::of(datagram)?;
    let (right, which) = if let Some(found) = scanned.first(kind::MESSAGE_INTEGRITY_SHA256) {
        let value: [u8; 32] = exact(scanned.value(found))?;
        let right = MessageIntegritySha256::from(value).validate(&scanned.before(found), &key.0);
        (right, Integrity::Sha256)
    } else if let Some(found) = scanned.first(kind::MESSAGE_INTEGRITY) {
        let value: [u8; 20] = exact(scanned.value(found))?;
        let right = MessageIntegrity::from(value).validate(&scanned.before(found), &key.0);
        (right, Integrity::Sha1)
    } else {
        return Err(IntegrityError::Missing);
    };
    right.then_some(which).ok_or(IntegrityError::Wrong)
}

fn exact<const N: usize>(value: &[u8]) -> Result<[u8; N], IntegrityError> {
    value.try_into().map_err(|_| IntegrityError::Wrong)
}

fn bounded(texts: &[&str]) -> Result<(), IntegrityError> {
    if texts.iter().all(|text| text.len() <= TEXT) {
        Ok(())
    } else {
        Err(IntegrityError::Text)
    }
}
