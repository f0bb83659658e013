//! Whose file is it? Asked before SQLite touches it.
//!
//! SQLCipher puts a 16-byte salt at the start of the file. Ours is the public id of the database
//! key: with a raw 256-bit key the salt has nothing to hide, and so a file made with another key
//! can be told from one that was damaged, which SQLCipher itself reports alike.

use std::{
    fs::File,
    io::{self, Read as _},
    path::Path,
};

use super::OpenError;
use crate::vault::KeyId;

/// SQLCipher 4's page size; every file of ours is a multiple of it.
const PAGE: u64 = 4096;
/// How an unencrypted SQLite file starts.
const PLAIN: &[u8; 16] = b"SQLite format 3\0";

/// Refuses a file that `key` cannot have made; a missing or empty one will be made.
pub(super) fn inspect(path: &Path, key: &KeyId) -> Result<(), OpenError> {
    let failed = |source| OpenError::File {
        path: path.to_owned(),
        source,
    };
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(error)),
    };
    let length = file.metadata().map_err(failed)?.len();
    // A journal means that the first write was cut short; SQLite takes it back itself.
    if length == 0 || path.with_extension("db-journal").exists() {
        return Ok(());
    }
    let mut salt = KeyId::default();
    let path = path.to_owned();
    match file.read_exact(&mut salt) {
        Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => Err(OpenError::File {
            path,
            source: error,
        }),
        Ok(()) if salt == *key => Ok(()),
        Ok(()) if salt == *PLAIN => Err(OpenError::NotEncrypted { path }),
        Ok(()) if length % PAGE == 0 => Err(OpenError::WrongKey { path }),
        _ => Err(OpenError::NotADatabase { path }),
    }
}
