//! Why a vault does not open.

use std::{io, path::PathBuf};

use super::slot::Cost;

/// Why the vault could not be made, opened or changed. `vault.json` and `key` are as before,
/// or the change is complete: never in between.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// No `vault.json` and no database: a new profile.
    #[error("this profile has no vault yet; `dchat init` makes one")]
    Missing,
    /// A database without its vault.
    #[error(
        "{} exists, but {} with its key is missing; put the vault file back, or move the database \
         away to start anew (it cannot be read without its key)",
        database.display(), vault.display()
    )]
    Orphan {
        /// The database that cannot be opened.
        database: PathBuf,
        /// Where the vault should be.
        vault: PathBuf,
    },
    /// `create` on a profile that has one.
    #[error("{} exists already; it was left alone", vault.display())]
    Exists {
        /// The vault found.
        vault: PathBuf,
    },
    /// The vault opens with a passphrase and none was given.
    #[error("this profile is locked; give its passphrase")]
    Locked,
    /// The passphrase does not open the vault.
    #[error("wrong passphrase; try again (mind the keyboard layout)")]
    WrongPassphrase,
    /// `remove_passphrase` and the like with a key that is not this vault's: our caller's fault.
    #[error("the key given is not the key of this vault")]
    ForeignKey,
    /// The file `key` is needed and not there.
    #[error("{} is missing and no passphrase is set; put it back from where it was moved", key.display())]
    KeyFileMissing {
        /// Where the key file should be.
        key: PathBuf,
    },
    /// What is in a file was not written by dchat for this profile, or was damaged since.
    #[error("{} {}; put back the file that belongs to this profile", path.display(), culprit)]
    Foreign {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        culprit: Culprit,
    },
    /// Written by a later dchat.
    #[error("{} has version {version}, which this dchat does not know; use a newer dchat", path.display())]
    Newer {
        /// The vault.
        path: PathBuf,
        /// Its version.
        version: u32,
    },
    /// Others may read a secret.
    #[error("others can read {} (mode {mode:o}); run `chmod 600 {}` if nobody else has", path.display(), path.display())]
    Exposed {
        /// The key file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The system does not let us.
    #[error("no permission for {}: {source}; check that you own it and may write there", path.display())]
    Permission {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file system failed.
    #[error("cannot read or write {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// No random bytes, no keys.
    #[error("the system gives no random bytes: {0}")]
    Entropy(getrandom::Error),
    /// Argon2id refused to run: not enough memory, or our own parameters are wrong.
    #[error("cannot derive a key from the passphrase: {0}")]
    Derivation(argon2::Error),
    /// Encryption failed, which a 32-byte message cannot cause.
    #[error("cannot wrap the database key")]
    Wrapping,
}

/// What is wrong with a file of the vault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Culprit {
    /// Longer than any vault of ours.
    #[error("is too long to be a vault")]
    TooLong,
    /// Not the JSON of a vault; what the parser said.
    #[error("is not a dchat vault ({0})")]
    Syntax(String),
    /// Zero or more than eight slots.
    #[error("has {0} slots where there are one to eight")]
    Slots(usize),
    /// Argon2id parameters outside the range we run.
    #[error(
        "asks for {0:?} to derive a key, outside of {floor:?} to {ceiling:?}",
        floor = Cost::FLOOR, ceiling = Cost::CEILING
    )]
    Cost(Cost),
    /// The key file is not 32 bytes.
    #[error("is not 32 bytes long")]
    KeyLength,
    /// The key file is intact in form but opens no slot: it belongs to another profile, or the
    /// slot was damaged.
    #[error("does not open the vault beside it")]
    DoesNotOpen,
    /// A slot opened and what it held is not the key the file names.
    #[error("holds a key other than the one it names")]
    WrongKey,
}
