//! Records that only those find who share a secret (spec `70-dht` §8).
//!
//! From the secret follow, for each hour and each writer, an identity that signs, and with it the
//! key its records are stored under; and a key that seals what they say. To everybody else, the
//! nodes that store them included, they are records of an unknown signer that nothing links to a
//! person, to another hour, or to one another; and nobody without the secret can write there.
//!
//! Whoever shares the secret can sign as every writer: what must be told apart among them is told
//! apart inside what is sealed, and one of them who outbids another's sequence silences it until the
//! epoch ends. The clock decides which epoch is current, and clocks differ by up
//! to [`CLOCK_SKEW`]: near a boundary a reader [asks](Epoch::readable) for both epochs.
//!
//! To the network one hour's identities must look like anybody's: read and write over connections
//! whose own identity is a throwaway one, and not all of them at the same moment of the hour.

use core::fmt;

use chacha20poly1305::aead::{Aead as _, Payload};
use chacha20poly1305::{KeyInit as _, XChaCha20Poly1305, XNonce};
use dchat_wire::defect::{self, Defect};
use dchat_wire::hash::{Context, dht_key};
use dchat_wire::record::CLOCK_SKEW;
use dchat_wire::sign::Identity;
use dchat_wire::{Bytes, limits};
use zeroize::Zeroizing;

use crate::key::Key;
use crate::time::Time;

/// Milliseconds of an epoch: presence is published hourly, and after an hour nothing is left that
/// links to it.
pub const EPOCH: u64 = 60 * 60 * 1000;
/// Bytes of the nonce before what is sealed, and of the tag behind it.
const AROUND: usize = 24 + 16;
/// Lengths a sealed payload can have: what is inside is padded to one of them, so that its length
/// tells little.
const LENGTHS: [usize; 3] = [256, 512, limits::SEALED];
/// Most bytes that can be sealed: two are their count.
pub const PLAIN: usize = limits::SEALED - AROUND - 2;

/// The hours since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch(pub u64);

impl Epoch {
    /// The epoch of `now`.
    #[must_use]
    pub fn of(now: Time) -> Self {
        Self(now.0 / EPOCH)
    }

    /// When it ends.
    #[must_use]
    pub fn end(self) -> Time {
        Time(self.0.saturating_add(1).saturating_mul(EPOCH))
    }

    /// The epochs a reader asks for: the current one, and the one that a writer whose clock
    /// differs, or who has not renewed its record yet, may be in.
    pub fn readable(now: Time) -> impl Iterator<Item = Self> {
        let current = Self::of(now);
        let into = now.0 % EPOCH;
        let other = if into < CLOCK_SKEW {
            current.0.checked_sub(1)
        } else if into >= EPOCH - CLOCK_SKEW {
            current.0.checked_add(1)
        } else {
            None
        };
        [Some(current), other.map(Self)].into_iter().flatten()
    }
}

/// What those share who find each other. Comparing two takes a time that depends on them: compare own
/// ones alone.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<[u8; 32]>);

/// What is to be sealed is longer than [`PLAIN`]; nothing was sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{len} bytes are to be sealed and at most {PLAIN} can be")]
pub struct TooLong {
    /// Its length.
    pub len: usize,
}

/// Sealed by somebody without the secret, in another epoch, for another kind or signer, or
/// damaged; it is to be dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the payload was not sealed with this secret for this epoch, kind and signer")]
pub struct NotSealedForUs;

/// A record's kind and signer, for which a payload is sealed and for no other.
#[derive(Clone, Copy, Debug)]
pub struct Seal<'a> {
    /// The epoch.
    pub epoch: Epoch,
    /// The record's kind.
    pub kind: u16,
    /// The public key that signs the record.
    pub signer: &'a [u8; 32],
}

impl Secret {
    /// Takes a secret of 32 random bytes, or a digest of something as hard to guess.
    #[must_use]
    pub fn new(secret: Zeroizing<[u8; 32]>) -> Self {
        Self(secret)
    }

    /// Who signs for the writer `label` in an epoch: for two peers each its public key, for a
    /// group nothing.
    #[must_use]
    pub fn identity(&self, epoch: Epoch, label: &[u8]) -> Identity {
        let epoch = if defect::is(Defect::BlindsWithoutEpoch) {
            Epoch(0)
        } else {
            epoch
        };
        let parts: [&[u8]; 3] = [self.0.as_slice(), &epoch.0.to_le_bytes(), label];
        Identity::from_seed(&Zeroizing::new(Context::BLINDED_SIGNER.digest(&parts)))
    }

    /// Where the records of `kind` are that the writer `label` signs in an epoch.
    #[must_use]
    pub fn key(&self, kind: u16, epoch: Epoch, label: &[u8]) -> Key {
        let signer = self.identity(epoch, label).peer_id();
        Key(dht_key(kind, signer.public_key()))
    }

    /// Seals `plain`, padded. `nonce` is drawn at random each time.
    ///
    /// # Errors
    /// [`TooLong`].
    pub fn seal(
        &self,
        seal: &Seal<'_>,
        nonce: [u8; 24],
        plain: &[u8],
    ) -> Result<Bytes<{ limits::SEALED }>, TooLong> {
        let too_long = TooLong { len: plain.len() };
        let needed = AROUND + 2 + plain.len();
        let length = LENGTHS.into_iter().find(|length| needed <= *length);
        let inside = length.ok_or(too_long)? - AROUND;
        let mut padded = Zeroizing::new(Vec::with_capacity(inside));
        let count = u16::try_from(plain.len()).map_err(|_| too_long)?;
        padded.extend_from_slice(&count.to_le_bytes());
        padded.extend_from_slice(plain);
        padded.resize(inside, 0);
        let payload = Payload {
            msg: &padded,
            aad: &seal.associated(),
        };
        let sealed = self
            .cipher(seal.epoch)
            .encrypt(&XNonce::from(nonce), payload)
            .map_err(|_| too_long)?;
        Bytes::new([nonce.as_slice(), &sealed].concat()).map_err(|_| too_long)
    }

    /// Opens what was sealed for the same epoch, kind and signer.
    ///
    /// # Errors
    /// [`NotSealedForUs`].
    pub fn open(
        &self,
        seal: &Seal<'_>,
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, NotSealedForUs> {
        let (nonce, sealed) = sealed.split_first_chunk::<24>().ok_or(NotSealedForUs)?;
        let payload = Payload {
            msg: sealed,
            aad: &seal.associated(),
        };
        let padded = self
            .cipher(seal.epoch)
            .decrypt(&XNonce::from(*nonce), payload)
            .map_err(|_| NotSealedForUs)?;
        let padded = Zeroizing::new(padded);
        let (count, rest) = padded.split_first_chunk::<2>().ok_or(NotSealedForUs)?;
        let plain = rest.get(..usize::from(u16::from_le_bytes(*count)));
        Ok(Zeroizing::new(plain.ok_or(NotSealedForUs)?.to_vec()))
    }

    fn cipher(&self, epoch: Epoch) -> XChaCha20Poly1305 {
        let parts: [&[u8]; 2] = [self.0.as_slice(), &epoch.0.to_le_bytes()];
        let key = Zeroizing::new(Context::BLINDED_SEAL.digest(&parts));
        XChaCha20Poly1305::new(&chacha20poly1305::Key::from(*key))
    }
}

impl Seal<'_> {
    fn associated(&self) -> [u8; 34] {
        let mut bytes = [0; 34];
        bytes[..2].copy_from_slice(&self.kind.to_le_bytes());
        bytes[2..].copy_from_slice(self.signer);
        bytes
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}
