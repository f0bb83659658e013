//! What is remembered of the own records in the distributed hash table, so that those of the next run
//! count as newer and end no earlier (spec `70-dht` §6.1), whatever the clock says by then.
//!
//! At most [`MAX_OWN_RECORDS`], those signed last. Of one name the highest sequence and the latest end
//! stay, in whichever order they are told.

use rusqlite::params;

use super::limits::MAX_OWN_RECORDS;
use super::transaction::{seq_from_sql, seq_to_sql};
use super::{StoreError, Tx, View};

/// The latest of the records of one name that this profile has signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnRecord {
    /// The kind's number in records.
    pub kind: u16,
    /// What tells records of the kind apart: the name of a service; empty for a kind of which there is
    /// one.
    pub name: String,
    /// The highest sequence used, or known to be held by others.
    pub sequence: u64,
    /// When the last of them ends, in milliseconds since 1970.
    pub expires_at: u64,
}

impl View<'_> {
    /// What is remembered of own records, those signed last first.
    ///
    /// # Errors
    /// Only those of the environment.
    pub fn own_records(&self) -> Result<Vec<OwnRecord>, StoreError> {
        self.all(
            "SELECT kind, name, sequence, expires_at FROM own_records \
             ORDER BY sequence DESC, kind, name LIMIT ?1",
            [seq_to_sql(MAX_OWN_RECORDS as u64)],
            |row| {
                Ok(OwnRecord {
                    kind: row.get(0)?,
                    name: row.get(1)?,
                    sequence: seq_from_sql(row, 2)?,
                    expires_at: seq_from_sql(row, 3)?,
                })
            },
        )
    }
}

impl Tx<'_> {
    /// Remembers a record. To be committed before anybody else sees it.
    ///
    /// # Errors
    /// Only those of the environment.
    pub fn remember_own_record(&self, record: &OwnRecord) -> Result<(), StoreError> {
        self.run(
            "INSERT INTO own_records (kind, name, sequence, expires_at) VALUES (?1, ?2, ?3, ?4) \
             ON CONFLICT (kind, name) DO UPDATE SET sequence = max(sequence, excluded.sequence), \
             expires_at = max(expires_at, excluded.expires_at)",
            params![
                record.kind,
                record.name,
                seq_to_sql(record.sequence),
                seq_to_sql(record.expires_at),
            ],
        )?;
        self.run(
            "DELETE FROM own_records WHERE (kind, name) IN \
             (SELECT kind, name FROM own_records ORDER BY sequence DESC, kind, name \
             LIMIT -1 OFFSET ?1)",
            [seq_to_sql(MAX_OWN_RECORDS as u64)],
        )?;
        Ok(())
    }
}
