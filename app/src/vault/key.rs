//! Secrets as types: what they may do is print nothing and vanish.

use std::fmt;

use unicode_normalization::UnicodeNormalization as _;
use zeroize::Zeroizing;

use super::VaultError;

/// Derives the public name of a database key. A BLAKE3 derive-key context is its own domain.
const KEY_ID_CONTEXT: &str = "dchat 2026 database key id v1";

/// A source of random bytes; production passes `&mut getrandom::fill`.
pub type Entropy<'a> = &'a mut dyn FnMut(&mut [u8]) -> Result<(), getrandom::Error>;

/// Public name of a database key: says which key belongs to which file without telling it.
pub type KeyId = [u8; 16];

/// The key of one profile's database, 32 uniformly random bytes.
pub struct DatabaseKey(Zeroizing<[u8; 32]>);

impl DatabaseKey {
    /// Makes a new key.
    ///
    /// # Errors
    /// [`VaultError::Entropy`] when the source fails.
    pub fn generate(entropy: Entropy<'_>) -> Result<Self, VaultError> {
        Ok(Self(random(entropy)?))
    }

    /// Takes over bytes that are already a key.
    pub fn from_bytes(bytes: Zeroizing<[u8; 32]>) -> Self {
        Self(bytes)
    }

    /// The key itself.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Its public name (BLAKE3 derive-key, first 16 bytes).
    pub fn id(&self) -> KeyId {
        let digest = Zeroizing::new(blake3::derive_key(KEY_ID_CONTEXT, self.as_bytes()));
        let mut id = KeyId::default();
        id.iter_mut()
            .zip(digest.iter())
            .for_each(|(to, from)| *to = *from);
        id
    }
}

impl fmt::Debug for DatabaseKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DatabaseKey(..)")
    }
}

/// What a person types to open the vault, in Unicode NFC so that every keyboard gives one form.
pub struct Passphrase(Zeroizing<String>);

impl Passphrase {
    /// Longest passphrase, in bytes as typed: far beyond anything typed, and it bounds the work.
    pub const MAX_BYTES: usize = 1024;

    /// Takes what was typed.
    ///
    /// # Errors
    /// An empty or an overlong one.
    pub fn new(typed: Zeroizing<String>) -> Result<Self, PassphraseError> {
        if typed.is_empty() {
            return Err(PassphraseError::Empty);
        }
        if typed.len() > Self::MAX_BYTES {
            return Err(PassphraseError::TooLong);
        }
        // NFC makes at most three times the bytes; with room for them no unwiped copy is left.
        let mut normal = Zeroizing::new(String::with_capacity(3 * typed.len()));
        normal.extend(typed.nfc());
        Ok(Self(normal))
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passphrase(..)")
    }
}

/// A passphrase that cannot be one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PassphraseError {
    /// Nothing was typed.
    #[error("the passphrase is empty; type at least one character")]
    Empty,
    /// More than [`Passphrase::MAX_BYTES`].
    #[error(
        "the passphrase is longer than {} bytes; choose a shorter one",
        Passphrase::MAX_BYTES
    )]
    TooLong,
}

/// `N` random bytes that vanish when dropped.
pub(super) fn random<const N: usize>(
    entropy: Entropy<'_>,
) -> Result<Zeroizing<[u8; N]>, VaultError> {
    let mut bytes = Zeroizing::new([0; N]);
    entropy(bytes.as_mut_slice()).map_err(VaultError::Entropy)?;
    Ok(bytes)
}
