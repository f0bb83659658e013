//! Own logs that are ended and continued in another: what a restored or copied home does.

use rusqlite::params;

use super::transaction::{seq_from_sql, seq_to_sql};
use super::{EntryId, Hash, LogName, StoreError, Tx, View};

/// A new place for an own entry.
#[derive(Debug, Clone, Copy)]
pub struct Place {
    /// Its number there.
    pub seq: u64,
    /// Its name there.
    pub id: EntryId,
    /// Hash of the entry before.
    pub prev: Hash,
    /// Its hash there.
    pub hash: Hash,
}

impl View<'_> {
    /// Hash of entry `seq` of a log; `None` when it is not here.
    ///
    /// # Errors
    /// Only those of the environment.
    pub fn hash_at(&self, log: &LogName, seq: u64) -> Result<Option<Hash>, StoreError> {
        let Some(log) = self.log(log)? else {
            return Ok(None);
        };
        self.one(
            "SELECT hash FROM entries WHERE log = ?1 AND seq = ?2",
            params![log.key, seq_to_sql(seq)],
            |row| row.get(0),
        )
    }
}

impl Tx<'_> {
    /// Begins a log of our own.
    ///
    /// # Errors
    /// Only those of the environment.
    pub fn start_own(&self, log: &LogName) -> Result<(), StoreError> {
        match self.log(log)? {
            Some(_) => Ok(()),
            None => self.create_log(log, true).map(drop),
        }
    }

    /// Moves entry `seq` of our log `from`, with its text, its state and its place in the history,
    /// to `place`, which is the next of our log `to`.
    ///
    /// # Errors
    /// [`StoreError::Aborted`] when one of the logs is not ours or `place` is not the next; and
    /// those of the environment.
    pub fn move_own(
        &self,
        from: &LogName,
        seq: u64,
        to: &LogName,
        place: &Place,
    ) -> Result<(), StoreError> {
        let (Some(from), Some(to)) = (self.log(from)?, self.log(to)?) else {
            return Err(StoreError::Aborted);
        };
        let own = from.frontier.own && to.frontier.own;
        if !own || to.frontier.next_seq != place.seq || to.frontier.tip != place.prev {
            return Err(StoreError::Aborted);
        }
        let moved = self.run(
            "UPDATE entries SET log = ?3, seq = ?4, id = ?5, prev = ?6, hash = ?7 \
             WHERE log = ?1 AND seq = ?2",
            params![
                from.key,
                seq_to_sql(seq),
                to.key,
                seq_to_sql(place.seq),
                place.id,
                place.prev,
                place.hash
            ],
        )?;
        if moved != 1 {
            return Err(StoreError::Aborted);
        }
        self.advance(&to, &place.hash)
    }

    /// Ends our log at number `last_seq` with hash `tip`; later entries were moved.
    ///
    /// # Errors
    /// Only those of the environment; also when later entries are still here.
    pub fn end_own(&self, log: &LogName, last_seq: u64, tip: &Hash) -> Result<(), StoreError> {
        let Some(log) = self.log(log)?.filter(|log| log.frontier.own) else {
            return Err(StoreError::Aborted);
        };
        let last: Option<u64> = self.one(
            "SELECT ifnull(max(seq), 0) FROM entries WHERE log = ?1",
            [log.key],
            |row| seq_from_sql(row, 0),
        )?;
        if last.is_some_and(|last| last > last_seq) {
            return Err(StoreError::Aborted);
        }
        self.run(
            "UPDATE logs SET next_seq = ?2, tip = ?3, acked = min(acked, ?4), read = min(read, ?4), \
             low_water = min(low_water, ?2) WHERE log = ?1",
            params![log.key, seq_to_sql(last_seq + 1), tip, seq_to_sql(last_seq)],
        )?;
        Ok(())
    }
}
