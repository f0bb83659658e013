//! Numbered migrations, each in one transaction, with a copy of the file before.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use rusqlite::{Connection, TransactionBehavior};

use super::{OpenError, StoreError};

/// One step: from version `index` to `index + 1` of the list it is in.
pub(super) type Migration = &'static str;

/// All steps from an empty file to the present.
pub(super) const MIGRATIONS: &[Migration] = &[
    include_str!("schema/v1.sql"),
    include_str!("schema/v2.sql"),
    include_str!("schema/v3.sql"),
    include_str!("schema/v4.sql"),
    include_str!("schema/v5.sql"),
    include_str!("schema/v6.sql"),
];

/// The version a file has.
pub(super) fn version(conn: &Connection) -> rusqlite::Result<u32> {
    conn.query_row("PRAGMA user_version", [], |row| row.get(0))
}

/// Brings the file from `found` to the last of `migrations`.
///
/// A file with content is copied first, as it is (encrypted), to `<file>.before-vN`, N being the
/// version it goes to; copies made for earlier versions are removed when that succeeded.
pub(super) fn migrate(
    conn: &mut Connection,
    path: &Path,
    found: u32,
    migrations: &[Migration],
) -> Result<(), OpenError> {
    let known = u32::try_from(migrations.len()).unwrap_or(u32::MAX);
    if found == known {
        return Ok(());
    }
    if found > 0 {
        copy(conn, path, known)?;
    }
    for (to, step) in (1_u32..).zip(migrations).skip(found as usize) {
        let transaction = conn.transaction_with_behavior(TransactionBehavior::Exclusive)?;
        transaction.execute_batch(step)?;
        transaction.pragma_update(None, "user_version", to)?;
        transaction.commit()?;
    }
    Ok(())
}

/// Copies the whole database file, byte for byte, so that it stays under the same key.
fn copy(conn: &Connection, path: &Path, to: u32) -> Result<(), OpenError> {
    // Everything into the one file. Nobody else has it open: we hold the profile's lock.
    let busy: bool = conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
    if busy {
        return Err(StoreError::Busy.into());
    }
    let target = copy_path(path, to);
    let temporary = target.with_extension("new");
    let attempt = || {
        fs::copy(path, &temporary)?;
        fs::File::open(&temporary)?.sync_all()?;
        fs::rename(&temporary, &target)?;
        #[cfg(unix)]
        if let Some(dir) = path.parent() {
            fs::File::open(dir)?.sync_all()?;
        }
        remove_older_copies(path, &target)
    };
    attempt().map_err(|source| {
        // Half a copy is worth nothing and may be what filled the disk.
        let _ = fs::remove_file(&temporary);
        OpenError::Copy {
            path: target.clone(),
            source,
        }
    })
}

fn copy_prefix(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    format!("{name}.before-v")
}

fn copy_path(path: &Path, to: u32) -> PathBuf {
    path.with_file_name(format!("{}{to}", copy_prefix(path)))
}

fn remove_older_copies(path: &Path, keep: &Path) -> io::Result<()> {
    let Some(dir) = path.parent() else {
        return Ok(());
    };
    let prefix = copy_prefix(path);
    for file in fs::read_dir(dir)? {
        let file = file?.path();
        let version = file
            .file_name()
            .and_then(|name| name.to_str())
            .and_then(|name| name.strip_prefix(&prefix));
        // Only names we make: a number after the prefix.
        if file != keep && version.is_some_and(|version| version.parse::<u32>().is_ok()) {
            fs::remove_file(file)?;
        }
    }
    Ok(())
}
