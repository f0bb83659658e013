//! Logs and their frontiers.

use rusqlite::{Row, params};

use super::{
    PeerKey, StoreError, Tx, View,
    entry::Hash,
    transaction::{seq_from_sql, seq_to_sql},
};

/// Name of a conversation: for two peers, a room or a group; made by the conversation layer.
pub type ConversationId = [u8; 32];

/// Random name of one life of an author's home; a restored or copied home starts a new one.
pub type Incarnation = [u8; 16];

/// Name of one log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogName {
    /// Where.
    pub conversation: ConversationId,
    /// Who.
    pub author: PeerKey,
    /// In which life.
    pub incarnation: Incarnation,
}

/// How far a log goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frontier {
    /// Which log.
    pub log: LogName,
    /// Whether this profile writes it.
    pub own: bool,
    /// Number of the next entry; all from `low_water` to the one before it are here.
    pub next_seq: u64,
    /// Hash of the entry before the next; zeros before the first.
    pub tip: Hash,
    /// The last place where something was skipped; without a hole from here on.
    pub low_water: u64,
    /// Own logs: the other side has committed all through here; 0 is nothing.
    pub acked: u64,
    /// The reading side has read all through here; 0 is nothing.
    pub read: u64,
}

impl Frontier {
    /// Number of the last entry here; 0 when there is none.
    pub const fn last_seq(&self) -> u64 {
        self.next_seq.saturating_sub(1)
    }
}

/// A log inside this module: its frontier, and its small numbers in the file.
pub(super) struct Log {
    pub(super) key: i64,
    pub(super) conversation: i64,
    pub(super) frontier: Frontier,
}

const SELECT: &str = "SELECT l.log, l.conversation, c.id, l.author, l.incarnation, l.own, \
     l.next_seq, l.tip, l.low_water, l.acked, l.read \
     FROM conversations c CROSS JOIN logs l ON l.conversation = c.conversation";

impl Log {
    fn from_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            key: row.get(0)?,
            conversation: row.get(1)?,
            frontier: Frontier {
                log: LogName {
                    conversation: row.get(2)?,
                    author: row.get(3)?,
                    incarnation: row.get(4)?,
                },
                own: row.get(5)?,
                next_seq: seq_from_sql(row, 6)?,
                tip: row.get(7)?,
                low_water: seq_from_sql(row, 8)?,
                acked: seq_from_sql(row, 9)?,
                read: seq_from_sql(row, 10)?,
            },
        })
    }
}

impl View<'_> {
    /// The frontier of one log, if it exists.
    ///
    /// # Errors
    /// Only those of the environment.
    pub fn frontier(&self, log: &LogName) -> Result<Option<Frontier>, StoreError> {
        Ok(self.log(log)?.map(|log| log.frontier))
    }

    /// All logs of a conversation, in order of their creation here.
    ///
    /// # Errors
    /// Only those of the environment.
    pub fn frontiers(&self, conversation: &ConversationId) -> Result<Vec<Frontier>, StoreError> {
        self.all(
            &format!("{SELECT} WHERE c.id = ?1 ORDER BY l.log"),
            [conversation],
            |row| Log::from_row(row).map(|log| log.frontier),
        )
    }

    pub(super) fn log(&self, log: &LogName) -> Result<Option<Log>, StoreError> {
        self.one(
            &format!("{SELECT} WHERE c.id = ?1 AND l.author = ?2 AND l.incarnation = ?3"),
            params![log.conversation, log.author, log.incarnation],
            Log::from_row,
        )
    }

    /// How many incarnations of an author a conversation has seen.
    pub(super) fn incarnations(&self, log: &LogName) -> Result<u64, StoreError> {
        self.count(
            "SELECT count(*) FROM conversations c CROSS JOIN logs l USING (conversation) \
             WHERE c.id = ?1 AND l.author = ?2",
            params![log.conversation, log.author],
        )
    }
}

impl Tx<'_> {
    /// Says that a log of another author begins at `low_water` for us, because what was before is
    /// not to be had any more (expired at the source, or before we joined). `tip` is the hash of
    /// the entry before. Never goes back, and never over entries that are here: then it returns
    /// `false` and changes nothing.
    ///
    /// # Errors
    /// Only those of the environment.
    pub fn skip_to(&self, log: &LogName, low_water: u64, tip: &Hash) -> Result<bool, StoreError> {
        // The next number must exist too, and the column holds 63 bits.
        if low_water >= i64::MAX.unsigned_abs() {
            return Ok(false);
        }
        let log = match self.log(log)? {
            Some(log) => log,
            None if low_water <= 1 || !self.has_room_for(log)? => return Ok(false),
            None => self.create_log(log, false)?,
        };
        let at = &log.frontier;
        if at.own || low_water <= at.next_seq {
            return Ok(false);
        }
        // What is skipped counts as read: there is nothing to read in it.
        let read = if at.read == at.last_seq() {
            low_water - 1
        } else {
            at.read
        };
        self.run(
            "UPDATE logs SET next_seq = ?2, low_water = ?2, tip = ?3, read = ?4 WHERE log = ?1",
            params![log.key, seq_to_sql(low_water), tip, seq_to_sql(read)],
        )?;
        Ok(true)
    }

    pub(super) fn create_log(&self, log: &LogName, own: bool) -> Result<Log, StoreError> {
        self.run(
            "INSERT OR IGNORE INTO conversations (id) VALUES (?1)",
            [log.conversation],
        )?;
        self.run(
            "INSERT INTO logs (conversation, author, incarnation, own, next_seq, tip, low_water, \
             acked, read) \
             SELECT conversation, ?2, ?3, ?4, 1, zeroblob(32), 1, 0, 0 \
             FROM conversations WHERE id = ?1",
            params![log.conversation, log.author, log.incarnation, own],
        )?;
        self.log(log)?.ok_or(StoreError::Aborted)
    }

    pub(super) fn has_room_for(&self, log: &LogName) -> Result<bool, StoreError> {
        Ok(self.incarnations(log)? < super::limits::MAX_INCARNATIONS as u64)
    }

    pub(super) fn advance(&self, log: &Log, tip: &Hash) -> Result<(), StoreError> {
        self.run(
            "UPDATE logs SET next_seq = next_seq + 1, tip = ?2 WHERE log = ?1",
            params![log.key, tip],
        )?;
        Ok(())
    }
}
