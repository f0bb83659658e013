//! What the other side has not got yet, and what it says it has.

use rusqlite::params;

use super::{
    Entry, EntryId, EntryState, LogName, StoreError, Tx, View,
    entry::{entry_columns, entry_joins},
    history::page,
    limits::TEXT,
    transaction::{seq_from_sql, seq_to_sql},
};

/// Own entries of one log that wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pending {
    /// The log.
    pub log: LogName,
    /// The other side has all through this number.
    pub acked: u64,
    /// Our last number.
    pub last_seq: u64,
}

/// What somebody says about our entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Receipt {
    /// A mailbox holds them.
    Stored,
    /// The other side committed them.
    Delivered,
    /// The other side read them.
    Read,
}

/// What became of a receipt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Acknowledged {
    /// The states of these texts changed, in order of their numbers. Empty when all was known.
    Changed(Vec<EntryId>),
    /// The other side reports a number that we have not given out: it knows a later life of this
    /// log, so this home was restored or copied and must start a new incarnation. Nothing
    /// changed.
    Beyond {
        /// Our last number.
        last_seq: u64,
    },
    /// We write no such log. Nothing changed.
    NoSuchLog,
}

impl View<'_> {
    /// All own logs with entries that the other side has not committed.
    ///
    /// # Errors
    /// Only those of the environment.
    pub fn pending(&self) -> Result<Vec<Pending>, StoreError> {
        self.all(
            "SELECT c.id, l.author, l.incarnation, l.acked, l.next_seq - 1 \
             FROM logs l CROSS JOIN conversations c ON c.conversation = l.conversation \
             WHERE l.own = 1 AND l.acked < l.next_seq - 1 ORDER BY l.log",
            [],
            |row| {
                Ok(Pending {
                    log: LogName {
                        conversation: row.get(0)?,
                        author: row.get(1)?,
                        incarnation: row.get(2)?,
                    },
                    acked: seq_from_sql(row, 3)?,
                    last_seq: seq_from_sql(row, 4)?,
                })
            },
        )
    }

    /// Entries of a log after number `after`, in order: at most `entries` of them
    /// ([`MAX_PAGE`](super::limits::MAX_PAGE)), ending with the one whose text brings the sum to
    /// `bytes`. Stubs are part of the log and are sent as such.
    ///
    /// # Errors
    /// Only those of the environment.
    pub fn entries_after(
        &self,
        log: &LogName,
        after: u64,
        entries: usize,
        bytes: usize,
    ) -> Result<Vec<Entry>, StoreError> {
        let Some(log) = self.log(log)? else {
            return Ok(Vec::new());
        };
        let sql = concat!(
            "SELECT ",
            entry_columns!(),
            " FROM entries e ",
            entry_joins!(),
            " WHERE e.log = ?1 AND e.seq > ?2 ORDER BY e.seq LIMIT ?3"
        );
        page(self, sql, entries, bytes, |limit| {
            (log.key, seq_to_sql(after), limit)
        })
        .map(|page| page.entries)
    }
}

impl Tx<'_> {
    /// Takes a receipt for all entries of our log `log` through number `through`. States only
    /// move forward, and failed entries stay failed: what the other side acknowledges is then
    /// their stub.
    ///
    /// # Errors
    /// Only those of the environment.
    pub fn acknowledge(
        &self,
        log: &LogName,
        through: u64,
        receipt: Receipt,
    ) -> Result<Acknowledged, StoreError> {
        let Some(log) = self.log(log)?.filter(|log| log.frontier.own) else {
            return Ok(Acknowledged::NoSuchLog);
        };
        let at = &log.frontier;
        if through > at.last_seq() {
            return Ok(Acknowledged::Beyond {
                last_seq: at.last_seq(),
            });
        }
        let (known, becomes, before) = match receipt {
            Receipt::Stored => (at.acked, EntryState::Stored, [EntryState::Queued; 3]),
            Receipt::Delivered => (
                at.acked,
                EntryState::Delivered,
                [EntryState::Queued, EntryState::Stored, EntryState::Stored],
            ),
            Receipt::Read => (
                at.read,
                EntryState::Read,
                [
                    EntryState::Queued,
                    EntryState::Stored,
                    EntryState::Delivered,
                ],
            ),
        };
        if through <= known {
            return Ok(Acknowledged::Changed(Vec::new()));
        }
        let mut changed: Vec<(i64, EntryId, u16)> = self.all(
            "UPDATE entries SET state = ?4 WHERE log = ?1 AND seq > ?2 AND seq <= ?3 \
             AND state IN (?5, ?6, ?7) RETURNING seq, id, kind",
            params![
                log.key,
                seq_to_sql(known),
                seq_to_sql(through),
                becomes,
                before[0],
                before[1],
                before[2]
            ],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
        )?;
        if receipt != Receipt::Stored && changed.iter().any(|(.., kind)| *kind > TEXT) {
            // What is no text has done its work, and may hold keys.
            self.run(
                "UPDATE entries SET text = NULL \
                 WHERE log = ?1 AND seq > ?2 AND seq <= ?3 AND kind > ?4",
                params![log.key, seq_to_sql(known), seq_to_sql(through), TEXT],
            )?;
        }
        // SQLite leaves the order of RETURNING open.
        changed.retain(|(.., kind)| *kind <= TEXT);
        changed.sort_unstable_by_key(|(seq, ..)| *seq);
        let acked = if receipt == Receipt::Stored {
            at.acked
        } else {
            at.acked.max(through)
        };
        let read = if receipt == Receipt::Read {
            through
        } else {
            at.read
        };
        self.run(
            "UPDATE logs SET acked = ?2, read = ?3 WHERE log = ?1",
            params![log.key, seq_to_sql(acked), seq_to_sql(read)],
        )?;
        Ok(Acknowledged::Changed(
            changed.into_iter().map(|(_, id, _)| id).collect(),
        ))
    }
}
