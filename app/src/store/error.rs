//! What can go wrong, and whose fault it is.

use std::{io, path::PathBuf};

use rusqlite::ErrorCode;

/// A transaction that did not happen. Nothing of it is stored.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Environment: no room for the change. The store goes on working once there is.
    #[error("the disk is full; free some space and try again")]
    DiskFull,
    /// Environment: the file or its directory may not be written.
    #[error("the database is read-only; check the permissions of the profile directory")]
    ReadOnly,
    /// Environment: pages that do not authenticate or do not fit together.
    #[error(
        "the database is damaged ({detail}); stop dchat, keep a copy of the profile directory, \
         and go back to a backup or to dchat.db.before-v*"
    )]
    Corrupted {
        /// What SQLite found.
        detail: String,
    },
    /// Environment: another process holds the database although we hold the profile's lock.
    #[error("another program holds the database open; close it and try again")]
    Busy,
    /// Environment: the disk failed.
    #[error("reading or writing the database failed ({detail}); check the disk")]
    Io {
        /// What SQLite said.
        detail: String,
    },
    /// Our caller handed over more than a bound allows.
    #[error("{what} is longer than {limit} bytes")]
    TooLarge {
        /// Of what.
        what: &'static str,
        /// The bound, from [`limits`](super::limits).
        limit: usize,
    },
    /// Our caller went on after an error that had already undone the transaction.
    #[error("the transaction was undone by an earlier error")]
    Aborted,
    /// A defect of this module, or a database that was changed by hand.
    #[error("the database refused an operation: {0}")]
    Internal(rusqlite::Error),
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        let detail = || error.to_string();
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::DiskFull,
            Some(ErrorCode::ReadOnly) => Self::ReadOnly,
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                Self::Corrupted { detail: detail() }
            }
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Busy,
            Some(
                ErrorCode::SystemIoFailure
                | ErrorCode::CannotOpen
                | ErrorCode::PermissionDenied
                | ErrorCode::OutOfMemory,
            ) => Self::Io { detail: detail() },
            _ => Self::Internal(error),
        }
    }
}

/// Why the database does not open. Its file was not changed, unless [`OpenError::Store`] came
/// while a migration ran, which then did not happen.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Encrypted, but with another key.
    #[error(
        "{} belongs to another vault; put back the vault.json and key it was made with",
        path.display()
    )]
    WrongKey {
        /// The database.
        path: PathBuf,
    },
    /// Not SQLCipher at all, or cut off.
    #[error("{} is not a dchat database; move it away", path.display())]
    NotADatabase {
        /// The file.
        path: PathBuf,
    },
    /// SQLite without encryption: somebody else's.
    #[error("{} is not encrypted, so dchat did not make it; move it away", path.display())]
    NotEncrypted {
        /// The file.
        path: PathBuf,
    },
    /// Made by a later dchat.
    #[error("{} has version {found}, this dchat knows {known}; use a newer dchat", path.display())]
    Newer {
        /// The database.
        path: PathBuf,
        /// Its schema version.
        found: u32,
        /// The latest version known here.
        known: u32,
    },
    /// The file system does not let us.
    #[error("cannot open {}: {source}; check that you own it and may write there", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The copy that is made before a migration failed, so the migration was not begun.
    #[error("cannot copy the database to {} before bringing it up to date: {source}", path.display())]
    Copy {
        /// The copy.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// This program was linked to an SQLite that cannot encrypt: the builder's fault.
    #[error("this dchat was built without SQLCipher and will not store anything in the clear")]
    NoEncryption,
    /// Damaged, full, read-only, busy: as for any transaction.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<rusqlite::Error> for OpenError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Store(error.into())
    }
}
