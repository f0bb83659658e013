//! Opening and closing.

use std::fmt;

use rusqlite::{
    Connection, OpenFlags, OptionalExtension as _, TransactionBehavior, config::DbConfig,
};
use zeroize::Zeroizing;

use super::{
    MetaKey, OpenError, StoreError, Tx, View,
    file::inspect,
    schema::{self, MIGRATIONS, Migration},
    search,
};
use crate::{
    home::{FileName, LockedHome},
    vault::DatabaseKey,
};

/// How long to wait for another program (a backup tool, say) that reads the file, in
/// milliseconds. Longer would look like a hang.
const BUSY_TIMEOUT_MS: u32 = 2_000;
/// Page cache in KiB. A page of history and an append touch far less; a daemon that idles keeps
/// no more than this.
const PAGE_CACHE_KIB: u32 = 2_048;
/// What the write-ahead log shrinks to after a checkpoint, in bytes.
const WAL_KEPT: u32 = 4 * 1024 * 1024;
/// Prepared statements kept; there are fewer different ones than this.
const STATEMENTS: usize = 96;

/// What a commit has to outlast.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outlasts {
    /// The process and the power of the machine: it is on disk when the call returns.
    Power,
    /// The process alone, until the next commit that outlasts the power takes it along. What is lost
    /// then is the last there was, all of it or none.
    Process,
}

/// The open database of one profile. One thread uses it at a time.
pub struct Store {
    pub(super) conn: Connection,
    /// What commits outlast now.
    outlasts: Outlasts,
    #[cfg(feature = "crash-points")]
    pub(super) observer: Option<super::crash::Observer>,
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Store(..)")
    }
}

impl Store {
    /// Opens the database of a profile, making it when there is none, and brings it up to date.
    ///
    /// # Errors
    /// See [`OpenError`]; in particular a database of a newer dchat, of another vault or of
    /// another program is refused without being touched.
    pub fn open(home: &LockedHome, key: &DatabaseKey) -> Result<Self, OpenError> {
        Self::open_migrated(home, key, MIGRATIONS)
    }

    pub(super) fn open_migrated(
        home: &LockedHome,
        key: &DatabaseKey,
        migrations: &[Migration],
    ) -> Result<Self, OpenError> {
        let path = home.path(FileName::Database);
        inspect(&path, &key.id())?;
        // SQLite gives -wal and -shm the mode of the database, so this makes them private too.
        home.create_private(&path)
            .map_err(|source| OpenError::File {
                path: path.clone(),
                source,
            })?;
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut conn = Connection::open_with_flags(&path, flags)?;
        // Until we know that the file is ours to change.
        conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
        unlock(&conn, key)?;
        let found = schema::version(&conn)?;
        let known = u32::try_from(migrations.len()).unwrap_or(u32::MAX);
        if found > known {
            return Err(OpenError::Newer { path, found, known });
        }
        if conn.is_readonly("main")? {
            return Err(StoreError::ReadOnly.into());
        }
        configure(&conn)?;
        schema::migrate(&mut conn, &path, found, migrations)?;
        let mut store = Self {
            conn,
            outlasts: Outlasts::Power,
            #[cfg(feature = "crash-points")]
            observer: None,
        };
        search::reindex_if_stale(&mut store)?;
        store
            .conn
            .set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false)?;
        Ok(store)
    }

    /// Runs `work` and commits what it did, durably and as one; or, when it fails, nothing.
    ///
    /// `point` names this commit for the tests that crash at it.
    ///
    /// # Errors
    /// What `work` returned, or why the commit failed.
    pub fn transaction<T, E: From<StoreError>>(
        &mut self,
        point: &'static str,
        work: impl FnOnce(&Tx<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        self.transaction_that(Outlasts::Power, point, work)
    }

    /// As [`transaction`](Self::transaction), with a commit that outlasts as much as is said.
    ///
    /// # Errors
    /// What `work` returned, or why the commit failed.
    pub fn transaction_that<T, E: From<StoreError>>(
        &mut self,
        outlasts: Outlasts,
        point: &'static str,
        work: impl FnOnce(&Tx<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        if self.outlasts != outlasts {
            self.conn
                .execute_batch(match outlasts {
                    Outlasts::Power => "PRAGMA synchronous = FULL",
                    Outlasts::Process => "PRAGMA synchronous = NORMAL",
                })
                .map_err(StoreError::from)?;
            self.outlasts = outlasts;
        }
        let transaction = self
            .conn
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(StoreError::from)?;
        let value = work(&Tx::new(&transaction))?;
        // SQLite undoes all by itself on some errors. If `work` made light of one, what it did
        // after is not what it meant to do.
        if transaction.is_autocommit() {
            return Err(StoreError::Aborted.into());
        }
        #[cfg(feature = "crash-points")]
        super::crash::observe(&mut self.observer, point, super::crash::CommitSide::Before);
        #[cfg(not(feature = "crash-points"))]
        let _ = point;
        transaction.commit().map_err(StoreError::from)?;
        #[cfg(feature = "crash-points")]
        super::crash::observe(&mut self.observer, point, super::crash::CommitSide::After);
        Ok(value)
    }

    /// Has what was committed outlast the power of the machine.
    ///
    /// # Errors
    /// Why it may not; it outlasts the process all the same.
    pub fn settle(&mut self, point: &'static str) -> Result<(), StoreError> {
        // A commit that is synced takes those before it along, but only if it writes anything.
        self.transaction(point, |tx| {
            let before = tx.meta(MetaKey::SETTLED)?;
            let was_odd = before.is_some_and(|value| value.as_slice() == [1]);
            tx.set_meta(MetaKey::SETTLED, &[u8::from(!was_odd)])
        })
    }

    /// Runs `look` on one consistent state of the database.
    ///
    /// # Errors
    /// What `look` returned, or why the database cannot be read.
    pub fn read<T, E: From<StoreError>>(
        &mut self,
        look: impl FnOnce(&View<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let transaction = self.conn.transaction().map_err(StoreError::from)?;
        look(&View::new(&transaction))
    }

    /// Checks that every page of the file authenticates, also those in no use, and that tables
    /// and indexes agree; for `doctor` and after a crash of the machine. Takes time in proportion
    /// to the file.
    ///
    /// # Errors
    /// [`StoreError::Corrupted`] with the first finding.
    pub fn verify(&self) -> Result<(), StoreError> {
        let finding = |pragma: &str| {
            self.conn
                .query_row(pragma, [], |row| row.get::<_, String>(0))
                .optional()
        };
        // A page that a power cut tore while it was moved out of the write-ahead log is whole
        // there: move it again before looking at the file itself.
        self.conn
            .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
        // The one says "ok", the other says nothing when all is well.
        let structure = finding("PRAGMA integrity_check(1)")?.filter(|found| found != "ok");
        let found = match structure {
            Some(found) => Some(found),
            None => finding("PRAGMA cipher_integrity_check")?,
        };
        match found {
            Some(detail) => Err(StoreError::Corrupted { detail }),
            None => Ok(()),
        }
    }

    /// Moves the write-ahead log into the database and closes it.
    ///
    /// # Errors
    /// Why that failed. What was committed is safe all the same.
    pub fn close(self) -> Result<(), StoreError> {
        self.conn.close().map_err(|(_, error)| error.into())
    }
}

fn unlock(conn: &Connection, key: &DatabaseKey) -> Result<(), OpenError> {
    // SQLCipher would write its findings to our standard error; they come back as errors anyway.
    conn.execute_batch("PRAGMA cipher_log_level = NONE")?;
    let mut spell = Zeroizing::new(String::with_capacity(160));
    spell.push_str("PRAGMA key = \"x'");
    push_hex(&mut spell, key.as_bytes());
    push_hex(&mut spell, &key.id());
    spell.push_str("'\"");
    conn.execute_batch(&spell)?;
    let cipher = conn.query_row("PRAGMA cipher_version", [], |row| row.get::<_, String>(0));
    match cipher {
        Ok(_) => Ok(()),
        Err(rusqlite::Error::QueryReturnedNoRows) => Err(OpenError::NoEncryption),
        Err(error) => Err(error.into()),
    }
}

fn configure(conn: &Connection) -> Result<(), OpenError> {
    conn.set_prepared_statement_cache_capacity(STATEMENTS);
    conn.execute_batch(&format!(
        // Memory security would lock and wipe every allocation of SQLite, at a multiple of the
        // time; the pages it protects are the messages that the screen shows.
        "PRAGMA cipher_memory_security = OFF;
         PRAGMA busy_timeout = {BUSY_TIMEOUT_MS};
         PRAGMA journal_mode = WAL;
         PRAGMA synchronous = FULL;
         PRAGMA secure_delete = ON;
         PRAGMA foreign_keys = ON;
         PRAGMA trusted_schema = OFF;
         PRAGMA temp_store = MEMORY;
         PRAGMA journal_size_limit = {WAL_KEPT};
         PRAGMA cache_size = -{PAGE_CACHE_KIB};"
    ))?;
    Ok(())
}

/// Appends lower-case hexadecimal without an intermediate string that would not be wiped.
fn push_hex(to: &mut String, bytes: &[u8]) {
    for nibble in bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]) {
        to.extend(char::from_digit(u32::from(nibble), 16));
    }
}
