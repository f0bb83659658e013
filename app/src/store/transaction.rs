//! The two handles that operations hang on.

use std::ops::Deref;

use rusqlite::{Connection, OptionalExtension as _, Params, Row};

use super::StoreError;

/// Reads from one consistent state.
#[derive(Debug)]
pub struct View<'c> {
    pub(super) conn: &'c Connection,
}

/// Reads and writes of one transaction; see [`Store::transaction`](super::Store::transaction).
#[derive(Debug)]
pub struct Tx<'c> {
    view: View<'c>,
}

impl<'c> View<'c> {
    pub(super) fn new(conn: &'c Connection) -> Self {
        Self { conn }
    }

    /// The one row, if there is one.
    pub(super) fn one<T>(
        &self,
        sql: &str,
        params: impl Params,
        read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Option<T>, StoreError> {
        Ok(self
            .conn
            .prepare_cached(sql)?
            .query_row(params, read)
            .optional()?)
    }

    /// All rows; the statement bounds how many.
    pub(super) fn all<T>(
        &self,
        sql: &str,
        params: impl Params,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, StoreError> {
        let mut statement = self.conn.prepare_cached(sql)?;
        let rows = statement.query_map(params, read)?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// A number that is always there, such as a count.
    pub(super) fn count(&self, sql: &str, params: impl Params) -> Result<u64, StoreError> {
        let count: i64 = self
            .conn
            .prepare_cached(sql)?
            .query_row(params, |row| row.get(0))?;
        Ok(count.unsigned_abs())
    }
}

impl<'c> Tx<'c> {
    pub(super) fn new(conn: &'c Connection) -> Self {
        Self {
            view: View::new(conn),
        }
    }

    /// Runs a change and says how many rows it touched.
    pub(super) fn run(&self, sql: &str, params: impl Params) -> Result<usize, StoreError> {
        Ok(self.conn.prepare_cached(sql)?.execute(params)?)
    }
}

impl Tx<'_> {
    /// Runs `work` as a part of the transaction that can fail alone: when it does, what it changed
    /// is undone and what came before it stays.
    ///
    /// # Errors
    /// What `work` returned; or the environment's, and then the whole transaction must be given up.
    pub fn part<T, E: From<StoreError>>(
        &self,
        work: impl FnOnce() -> Result<T, E>,
    ) -> Result<T, E> {
        self.run("SAVEPOINT part", [])?;
        match work() {
            Ok(value) => {
                self.run("RELEASE part", [])?;
                Ok(value)
            }
            Err(error) => {
                // SQLite undoes all by itself on some errors; then there is nothing to go back to.
                if !self.conn.is_autocommit() {
                    self.run("ROLLBACK TO part", [])?;
                    self.run("RELEASE part", [])?;
                }
                Err(error)
            }
        }
    }
}

impl<'c> Deref for Tx<'c> {
    type Target = View<'c>;

    fn deref(&self) -> &View<'c> {
        &self.view
    }
}

/// A sequence number as SQLite stores it. Numbers from peers may be anything; one that does not
/// fit is beyond every log, and so is the largest that does.
pub(super) fn seq_to_sql(seq: u64) -> i64 {
    i64::try_from(seq).unwrap_or(i64::MAX)
}

/// A sequence number from a column whose CHECK keeps it from being negative.
pub(super) fn seq_from_sql(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    row.get::<_, i64>(column).map(i64::unsigned_abs)
}

/// Refuses a value over its bound.
pub(super) fn within(what: &'static str, length: usize, limit: usize) -> Result<(), StoreError> {
    if length <= limit {
        Ok(())
    } else {
        Err(StoreError::TooLarge { what, limit })
    }
}
