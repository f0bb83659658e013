//! New entries, ours and theirs.

use dchat_wire::defect::{self, Defect};
use rusqlite::params;

use super::{
    Cursor, EntryId, EntryState, Hash, LogName, StoreError, Tx, UnixMillis,
    limits::{MAX_TEXT, MAX_UNACKNOWLEDGED, TEXT},
    log::Log,
    terms,
    transaction::{seq_to_sql, within},
};

/// An entry of our own, before it has a number.
#[derive(Debug, Clone, Copy)]
pub struct NewEntry<'t> {
    /// Random.
    pub id: EntryId,
    /// As the messaging specification numbers kinds.
    pub kind: u16,
    /// At most [`MAX_TEXT`] bytes.
    pub text: &'t str,
    /// Now, as the recipient will see it.
    pub sent_at: UnixMillis,
    /// When it is to be given up and its text removed.
    pub expires_at: Option<UnixMillis>,
}

/// Where our entry went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    /// Order of arrival.
    pub ord: Cursor,
    /// Its number.
    pub seq: u64,
    /// The hash of the one before it.
    pub prev: Hash,
    /// Its hash.
    pub hash: Hash,
}

/// Why our entry was not taken. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// [`MAX_UNACKNOWLEDGED`] of ours wait for the other side already.
    #[error(
        "{MAX_UNACKNOWLEDGED} messages wait for this recipient already; \
         wait until they have been delivered"
    )]
    OutboxFull,
    /// The log named is one that somebody else writes: our caller's mistake.
    #[error("the log belongs to another author")]
    ForeignLog,
    /// As for any transaction.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// An entry of another author, decrypted and with its hash checked.
#[derive(Debug, Clone, Copy)]
pub struct ReceivedEntry<'t> {
    /// Number the author gave it.
    pub seq: u64,
    /// Name the author gave it.
    pub id: EntryId,
    /// Hash over its content, computed by the caller.
    pub hash: Hash,
    /// Hash of the entry before it, as the author says.
    pub prev: Hash,
    /// As the messaging specification numbers kinds.
    pub kind: u16,
    /// `None` for a stub.
    pub text: Option<&'t str>,
    /// By the author's clock.
    pub sent_at: UnixMillis,
    /// When its text is to go.
    pub expires_at: Option<UnixMillis>,
}

/// What became of an entry of another author. Only `Appended` changed anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Received {
    /// The next of its log, now stored.
    Appended {
        /// Order of arrival.
        ord: Cursor,
    },
    /// Stored before.
    Duplicate,
    /// Something before it is missing.
    Gap {
        /// The number that is next here.
        next_seq: u64,
    },
    /// Peer misbehaved: another entry with this number is here, or it does not point to the one
    /// before it. The author's history split, or it is not the author's.
    Fork,
    /// Peer misbehaved: an earlier entry of this log has the same id.
    IdReused,
    /// Peer misbehaved: it sends an entry of a log that this profile writes.
    OwnLog,
    /// Peer misbehaved: [`MAX_INCARNATIONS`](super::limits::MAX_INCARNATIONS) of this author are
    /// known already.
    TooManyIncarnations,
}

impl Tx<'_> {
    /// Appends an entry of our own under the next number of `log`, which begins when it does not
    /// exist. `hash` computes the entry's hash from its number and the hash before it.
    ///
    /// # Errors
    /// [`AppendError`].
    pub fn append_own(
        &self,
        log: &LogName,
        entry: &NewEntry<'_>,
        now: UnixMillis,
        hash: impl FnOnce(u64, &Hash) -> Hash,
    ) -> Result<Appended, AppendError> {
        within("the message", entry.text.len(), MAX_TEXT)?;
        let log = match self.log(log)? {
            Some(log) => log,
            None => self.create_log(log, true)?,
        };
        let at = log.frontier;
        if !at.own {
            return Err(AppendError::ForeignLog);
        }
        if at.last_seq() - at.acked >= MAX_UNACKNOWLEDGED {
            return Err(AppendError::OutboxFull);
        }
        let (seq, prev) = (at.next_seq, at.tip);
        let hash = hash(seq, &prev);
        let ord = self.insert(
            &log,
            &ReceivedEntry {
                seq,
                id: entry.id,
                hash,
                prev,
                kind: entry.kind,
                text: Some(entry.text),
                sent_at: entry.sent_at,
                expires_at: entry.expires_at,
            },
            EntryState::Queued,
            now,
        )?;
        Ok(Appended {
            ord,
            seq,
            prev,
            hash,
        })
    }

    /// Appends an entry of another author if it is the next of its log, which begins when it
    /// does not exist. Safe to repeat.
    ///
    /// # Errors
    /// [`StoreError::TooLarge`] for a text that the wire should not have let through, and those
    /// of the environment. Nothing was changed.
    pub fn append_received(
        &self,
        log: &LogName,
        entry: &ReceivedEntry<'_>,
        now: UnixMillis,
    ) -> Result<Received, StoreError> {
        within("the message", entry.text.map_or(0, str::len), MAX_TEXT)?;
        let known = self.log(log)?;
        let (next_seq, tip) = match &known {
            Some(known) if known.frontier.own => return Ok(Received::OwnLog),
            Some(known) => (known.frontier.next_seq, known.frontier.tip),
            None => (1, Hash::default()),
        };
        if entry.seq < next_seq {
            return self.seen_before(known.as_ref(), entry);
        }
        if entry.seq > next_seq && !defect::is(Defect::AcceptsGap) {
            return Ok(Received::Gap { next_seq });
        }
        if entry.prev != tip && !defect::is(Defect::AcceptsFork) && !defect::is(Defect::AcceptsGap)
        {
            return Ok(Received::Fork);
        }
        let log = match known {
            Some(known) if self.id_is_in(&known, &entry.id)? => return Ok(Received::IdReused),
            Some(known) => known,
            None if !self.has_room_for(log)? => return Ok(Received::TooManyIncarnations),
            None => self.create_log(log, false)?,
        };
        let ord = self.insert(&log, entry, EntryState::Received, now)?;
        Ok(Received::Appended { ord })
    }

    /// An old number: the entry that is here, another one, or one that was skipped.
    fn seen_before(
        &self,
        log: Option<&Log>,
        entry: &ReceivedEntry<'_>,
    ) -> Result<Received, StoreError> {
        let held: Option<Hash> = self.one(
            "SELECT hash FROM entries WHERE log = ?1 AND seq = ?2",
            params![log.map(|log| log.key), seq_to_sql(entry.seq)],
            |row| row.get(0),
        )?;
        Ok(match held {
            Some(held) if held != entry.hash => Received::Fork,
            // Number 0 does not exist, so nothing can be a repetition of it.
            None if entry.seq == 0 => Received::Fork,
            Some(_) | None => Received::Duplicate,
        })
    }

    fn id_is_in(&self, log: &Log, id: &EntryId) -> Result<bool, StoreError> {
        let found = self.one(
            "SELECT 1 FROM entries WHERE id = ?1 AND log = ?2",
            params![id, log.key],
            |_| Ok(()),
        )?;
        Ok(found.is_some())
    }

    pub(super) fn insert(
        &self,
        log: &Log,
        entry: &ReceivedEntry<'_>,
        state: EntryState,
        now: UnixMillis,
    ) -> Result<Cursor, StoreError> {
        self.run(
            "INSERT INTO entries (conversation, log, seq, id, hash, prev, kind, state, sent_at, \
             committed_at, expires_at, text) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
            params![
                log.conversation,
                log.key,
                seq_to_sql(entry.seq),
                entry.id,
                entry.hash,
                entry.prev,
                entry.kind,
                state,
                entry.sent_at,
                now,
                entry.expires_at,
                entry.text
            ],
        )?;
        let ord = self.conn.last_insert_rowid();
        self.advance(log, &entry.hash)?;
        if let Some(text) = entry.text.filter(|_| entry.kind <= TEXT) {
            self.index_entry(ord, log.conversation, &terms::index(text))?;
        }
        Ok(ord)
    }
}
