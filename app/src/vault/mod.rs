//! The database key, wrapped.
//!
//! State: one random 32-byte [`DatabaseKey`] per profile, never stored in the clear, wrapped in
//! *slots* kept in `vault.json`. A slot is opened by a key-encryption key (KEK) that comes from
//! - the file `key` (32 random bytes, mode 0600): the default, protects a copied database; or
//! - a passphrase through Argon2id: protects a copied profile.
//!
//! Wrapping is XChaCha20-Poly1305 under a fresh random nonce, with the key's id and the slot's
//! id, kind and parameters as associated data, so that no part of a slot can be exchanged.
//!
//! Inputs: a [`LockedHome`](crate::home::LockedHome), a [`Passphrase`], an [`Entropy`] source.
//! Output: the [`DatabaseKey`], zeroized when dropped and hidden from `Debug`.
//!
//! Invariants:
//! - at every moment, also between any two file operations of a change that is cut short, there
//!   is a slot in `vault.json` that opens with what the user holds (old or new);
//! - the key never changes, so no change of the vault can lose the database.
//!
//! The last invariant has a price: whoever copied `vault.json` *and* `key` before a passphrase
//! was set can open the database with that copy for ever.
//!
//! Bounds: the file is at most 16 KiB with at most 8 slots; Argon2id parameters outside
//! [`Cost::FLOOR`]..=[`Cost::CEILING`] are refused before any memory is taken.

mod error;
mod file;
mod key;
mod slot;
mod unlock;

#[cfg(test)]
mod tests;

pub use error::{Culprit, VaultError};
pub use key::{DatabaseKey, Entropy, KeyId, Passphrase, PassphraseError};
pub use slot::Cost;
pub use unlock::Vault;
