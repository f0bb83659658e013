//! Items of rooms and groups: as they travel for other members, and as entries for people.
//!
//! An item is stored once, with its entry, its log's tip and its place in one transaction. What is
//! stored of a log has no hole above its low-water mark; the caller has checked that an item follows.
//! [When its time is over](super::item_expiry) its body goes, and what it said with it; a stub stays
//! until the whole log is forgotten.

use rusqlite::{Row, params};

use super::{
    ConversationId, Cursor, EntryState, Hash, Incarnation, LogName, Page, PeerKey, ReceivedEntry,
    StoreError, Tx, UnixMillis, View,
    entry::{entry_columns, entry_joins},
    history::page,
    limits::{MAX_META, MAX_PAGE, MAX_PAGE_BYTES, MAX_ROOM_LOGS, MAX_TEXT},
    log::Log,
    terms,
    transaction::{seq_from_sql, seq_to_sql, within},
};

/// The author of a log that nobody is known to write.
const NOBODY: PeerKey = [0; 32];

/// Where an item stands among all of its room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ItemPlace {
    /// Lamport time.
    pub lamport: u64,
    /// Name of the log in the room.
    pub log: Incarnation,
    /// Sequence.
    pub seq: u64,
}

/// How far one log of a room is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RoomTip {
    /// Name of the log in the room.
    pub log: Incarnation,
    /// Whose; `None` while nobody is known to write it.
    pub author: Option<PeerKey>,
    /// Whether this profile writes it, or wrote it once.
    pub own: bool,
    /// Sequence of the newest item; 0 when there is none.
    pub seq: u64,
    /// Its hash.
    pub hash: Hash,
    /// Hour since 1970 in which it was sent.
    pub hour: u32,
    /// Whether its author contradicted itself.
    pub closed: bool,
    /// Lamport time of the newest item.
    pub lamport: u64,
    /// When it was sent.
    pub sent_at: u64,
    /// Own logs: another member holds all through here.
    pub acked: u64,
}

/// An item to be stored.
#[derive(Debug, Clone, Copy)]
pub struct NewItem<'t> {
    /// The room.
    pub conversation: ConversationId,
    /// Name of its log there.
    pub log: Incarnation,
    /// Whose log it is, where that is known.
    pub author: Option<PeerKey>,
    /// Whether this profile wrote it.
    pub own: bool,
    /// The entry; without a text when it is a stub, or cannot be read, or is none to be shown.
    pub entry: ReceivedEntry<'t>,
    /// What becomes of the entry.
    pub state: EntryState,
    /// Hour since 1970 in which it was sent.
    pub hour: u32,
    /// Lamport time.
    pub lamport: u64,
    /// The header as it travels.
    pub header: &'t [u8],
    /// The author's signature.
    pub signature: &'t [u8; 64],
    /// The sealed body; `None` for a stub.
    pub body: Option<&'t [u8]>,
}

/// An item as it travels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredItem {
    /// Its sequence.
    pub seq: u64,
    /// The header.
    pub header: Vec<u8>,
    /// The author's signature.
    pub signature: [u8; 64],
    /// The sealed body; `None` for a stub.
    pub body: Option<Vec<u8>>,
}

/// The two items that closed a log, as they travel.
pub type StoredProof = (Vec<u8>, Vec<u8>);

/// About so many bytes of items, but at least one.
fn taken_up_to(rows: &mut rusqlite::Rows<'_>, bytes: usize) -> Result<Vec<StoredItem>, StoreError> {
    let (mut items, mut taken) = (Vec::new(), 0);
    while let Some(row) = rows.next()? {
        let item = StoredItem::from_row(row)?;
        taken += item.header.len() + 64 + item.body.as_ref().map_or(0, Vec::len);
        if taken > bytes && !items.is_empty() {
            break;
        }
        items.push(item);
    }
    Ok(items)
}

impl View<'_> {
    /// How far every log of a room is held.
    ///
    /// # Errors
    /// Only those of the environment.
    pub fn room_tips(&self, conversation: &ConversationId) -> Result<Vec<RoomTip>, StoreError> {
        self.all(
            "SELECT l.incarnation, l.author, l.own, l.next_seq - 1, l.tip, m.hour, m.closed, \
             m.lamport, m.sent_at, l.acked \
             FROM conversations c CROSS JOIN logs l ON l.conversation = c.conversation \
             CROSS JOIN room_logs m ON m.log = l.log \
             WHERE c.id = ?1 ORDER BY l.log LIMIT ?2",
            params![conversation, seq_to_sql(MAX_ROOM_LOGS as u64)],
            |row| {
                let author: PeerKey = row.get(1)?;
                Ok(RoomTip {
                    log: row.get(0)?,
                    author: (author != NOBODY).then_some(author),
                    own: row.get(2)?,
                    seq: seq_from_sql(row, 3)?,
                    hash: row.get(4)?,
                    hour: row.get(5)?,
                    closed: row.get(6)?,
                    lamport: seq_from_sql(row, 7)?,
                    sent_at: seq_from_sql(row, 8)?,
                    acked: seq_from_sql(row, 9)?,
                })
            },
        )
    }

    /// Items of a log after `after` and up to `upto`, in order: at most [`MAX_PAGE`], and about
    /// `bytes` of them but at least one.
    ///
    /// # Errors
    /// Only those of the environment.
    pub fn items(
        &self,
        conversation: &ConversationId,
        log: &Incarnation,
        (after, upto): (u64, u64),
        bytes: usize,
    ) -> Result<Vec<StoredItem>, StoreError> {
        let sql = "SELECT i.seq, i.header, i.signature, i.body FROM conversations c \
             CROSS JOIN logs l ON l.conversation = c.conversation AND l.incarnation = ?2 \
             CROSS JOIN items i ON i.log = l.log AND i.seq > ?3 AND i.seq <= ?4 \
             WHERE c.id = ?1 ORDER BY i.seq LIMIT ?5";
        let mut statement = self.conn.prepare_cached(sql)?;
        let mut rows = statement.query(params![
            conversation,
            log,
            seq_to_sql(after),
            seq_to_sql(upto),
            seq_to_sql(MAX_PAGE as u64)
        ])?;
        taken_up_to(&mut rows, bytes)
    }

    /// The newest items of a room that have a body, of those with a lamport time in `between`, both
    /// ends included, the newest first: at most `most`, and about `bytes` of them but at least one.
    ///
    /// # Errors
    /// Only those of the environment.
    pub fn newest_items(
        &self,
        conversation: &ConversationId,
        between: (u64, u64),
        most: usize,
        bytes: usize,
    ) -> Result<Vec<StoredItem>, StoreError> {
        let sql = "SELECT i.seq, i.header, i.signature, i.body FROM items i \
             WHERE i.conversation = (SELECT conversation FROM conversations WHERE id = ?1) \
             AND i.lamport >= ?2 AND i.lamport <= ?3 AND i.body IS NOT NULL \
             ORDER BY i.lamport DESC, i.log_name DESC, i.seq DESC LIMIT ?4";
        let mut statement = self.conn.prepare_cached(sql)?;
        let mut rows = statement.query(params![
            conversation,
            seq_to_sql(between.0),
            seq_to_sql(between.1),
            seq_to_sql(most.min(MAX_PAGE) as u64)
        ])?;
        taken_up_to(&mut rows, bytes)
    }

    /// Where all items of a room stand that have a body: their lamport times and hashes, in order of
    /// the former; `None` when there are more than `most`.
    ///
    /// # Errors
    /// Only those of the environment.
    pub fn full_places(
        &self,
        conversation: &ConversationId,
        most: usize,
    ) -> Result<Option<Vec<(u64, Hash)>>, StoreError> {
        let places: Vec<(u64, Hash)> = self.all(
            "SELECT i.lamport, e.hash FROM items i \
             CROSS JOIN entries e ON e.log = i.log AND e.seq = i.seq \
             WHERE i.conversation = (SELECT conversation FROM conversations WHERE id = ?1) \
             AND i.body IS NOT NULL ORDER BY i.lamport, i.log_name, i.seq LIMIT ?2",
            params![conversation, seq_to_sql(most as u64 + 1)],
            |row| Ok((seq_from_sql(row, 0)?, row.get(1)?)),
        )?;
        Ok((places.len() <= most).then_some(places))
    }

    /// What closed a log.
    ///
    /// # Errors
    /// Only those of the environment.
    pub fn proof(
        &self,
        conversation: &ConversationId,
        log: &Incarnation,
    ) -> Result<Option<StoredProof>, StoreError> {
        let found = self.one(
            "SELECT m.one, m.other FROM conversations c \
             CROSS JOIN logs l ON l.conversation = c.conversation AND l.incarnation = ?2 \
             CROSS JOIN room_logs m ON m.log = l.log WHERE c.id = ?1",
            params![conversation, log],
            |row| {
                let pair: (Option<Vec<u8>>, Option<Vec<u8>>) = (row.get(0)?, row.get(1)?);
                Ok(pair)
            },
        )?;
        Ok(found.and_then(|(one, other)| Some((one?, other?))))
    }

    /// As [`history`](Self::history), in the order in which every member shows the messages of a
    /// room, and without stubs. `before` is the place of a message of it.
    ///
    /// # Errors
    /// Only those of the environment.
    pub fn room_history(
        &self,
        conversation: &ConversationId,
        before: Option<ItemPlace>,
        entries: usize,
    ) -> Result<Page, StoreError> {
        let sql = concat!(
            "SELECT ",
            entry_columns!(),
            " FROM items i CROSS JOIN entries e ON e.log = i.log AND e.seq = i.seq ",
            entry_joins!(),
            " WHERE i.conversation = (SELECT conversation FROM conversations WHERE id = ?1) \
             AND (i.lamport, i.log_name, i.seq) < (?2, ?3, ?4) AND e.text IS NOT NULL \
             ORDER BY i.lamport DESC, i.log_name DESC, i.seq DESC LIMIT ?5"
        );
        let before = before.unwrap_or(ItemPlace {
            lamport: u64::MAX,
            log: [u8::MAX; 16],
            seq: u64::MAX,
        });
        let mut page = page(self, sql, entries, MAX_PAGE_BYTES, |limit| {
            (
                conversation,
                seq_to_sql(before.lamport),
                before.log,
                seq_to_sql(before.seq),
                limit,
            )
        })?;
        page.entries.reverse();
        Ok(page)
    }

    /// Where the item of an entry of a room stands; `None` for an entry that is of none.
    ///
    /// # Errors
    /// Only those of the environment.
    pub fn item_place(&self, entry: Cursor) -> Result<Option<ItemPlace>, StoreError> {
        self.one(
            "SELECT i.lamport, i.log_name, i.seq FROM entries e \
             CROSS JOIN items i ON i.log = e.log AND i.seq = e.seq WHERE e.ord = ?1",
            [entry],
            |row| {
                Ok(ItemPlace {
                    lamport: seq_from_sql(row, 0)?,
                    log: row.get(1)?,
                    seq: seq_from_sql(row, 2)?,
                })
            },
        )
    }
}

impl StoredItem {
    fn from_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            seq: seq_from_sql(row, 0)?,
            header: row.get(1)?,
            signature: row.get(2)?,
            body: row.get(3)?,
        })
    }
}

impl Tx<'_> {
    /// Stores an item that follows what is held of its log, and its entry. Items between the two,
    /// which nobody has to keep, are passed over. `false` when it is held already.
    ///
    /// # Errors
    /// [`StoreError::TooLarge`] for what the wire should not have let through, and those of the
    /// environment.
    pub fn append_item(&self, item: &NewItem<'_>, now: UnixMillis) -> Result<bool, StoreError> {
        let entry = &item.entry;
        within("the message", entry.text.map_or(0, str::len), MAX_TEXT)?;
        within("the header", item.header.len(), MAX_META)?;
        let log = self.room_log(item)?;
        if entry.seq < log.frontier.next_seq {
            return Ok(false);
        }
        let log = self.pass_over(log, entry)?;
        self.insert(&log, entry, item.state, now)?;
        self.run(
            "INSERT INTO items (conversation, log, seq, lamport, log_name, header, signature, \
             body, expires_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
            params![
                log.conversation,
                log.key,
                seq_to_sql(entry.seq),
                seq_to_sql(item.lamport),
                item.log,
                item.header,
                item.signature,
                item.body,
                entry.expires_at,
            ],
        )?;
        self.run(
            "UPDATE room_logs SET hour = ?2, lamport = ?3, sent_at = ?4 WHERE log = ?1",
            params![log.key, item.hour, seq_to_sql(item.lamport), entry.sent_at],
        )?;
        // What one says oneself is read, wherever it comes from.
        if item.own {
            self.run(
                "UPDATE logs SET read = next_seq - 1 WHERE log = ?1",
                [log.key],
            )?;
        }
        if item.own && item.state != EntryState::Queued {
            self.run(
                "UPDATE logs SET acked = next_seq - 1 WHERE log = ?1",
                [log.key],
            )?;
        }
        Ok(true)
    }

    /// The log of an item, which begins with it where there is none, and whose author is known from
    /// now on where it was not.
    fn room_log(&self, item: &NewItem<'_>) -> Result<Log, StoreError> {
        let by = |author| LogName {
            conversation: item.conversation,
            author,
            incarnation: item.log,
        };
        let author = item.author.unwrap_or(NOBODY);
        let found = match self.log(&by(author))? {
            None if author != NOBODY => self.log(&by(NOBODY))?,
            found => found,
        };
        if let Some(log) = found {
            if log.frontier.log.author != author {
                self.run(
                    "UPDATE logs SET author = ?2 WHERE log = ?1",
                    params![log.key, author],
                )?;
            }
            return Ok(log);
        }
        // It may be known whose it is although this item does not say so.
        let known: Option<PeerKey> = self.one(
            "SELECT l.author FROM conversations c \
             CROSS JOIN logs l ON l.conversation = c.conversation AND l.incarnation = ?2 \
             WHERE c.id = ?1",
            params![item.conversation, item.log],
            |row| row.get(0),
        )?;
        if let Some(known) = known {
            return self.log(&by(known))?.ok_or(StoreError::Aborted);
        }
        let log = self.create_log(&by(author), item.own)?;
        self.run(
            "INSERT INTO room_logs (log, closed, hour, lamport, sent_at) VALUES (?1, 0, 0, 0, 0)",
            [log.key],
        )?;
        Ok(log)
    }

    /// Has `log` go on with `entry`.
    fn pass_over(&self, log: Log, entry: &ReceivedEntry<'_>) -> Result<Log, StoreError> {
        if entry.seq == log.frontier.next_seq {
            return Ok(log);
        }
        let read = if log.frontier.read == log.frontier.last_seq() {
            entry.seq - 1
        } else {
            log.frontier.read
        };
        self.run(
            "UPDATE logs SET next_seq = ?2, low_water = ?2, tip = ?3, read = ?4 WHERE log = ?1",
            params![log.key, seq_to_sql(entry.seq), entry.prev, seq_to_sql(read)],
        )?;
        Ok(log)
    }

    /// Closes a log, with the two items that show why: nothing of it counts any more, so what it said
    /// goes too.
    ///
    /// # Errors
    /// Only those of the environment.
    pub fn close_room_log(
        &self,
        item: &NewItem<'_>,
        (one, other): (&[u8], &[u8]),
    ) -> Result<(), StoreError> {
        let log = self.room_log(item)?;
        self.run(
            "UPDATE room_logs SET closed = 1, hour = max(hour, ?2), one = ?3, other = ?4 \
             WHERE log = ?1",
            params![log.key, item.hour, one, other],
        )?;
        self.void_items(&log)
    }

    /// Has what a log says be as if it had not been said; stubs stay.
    fn void_items(&self, log: &Log) -> Result<(), StoreError> {
        let said: Vec<(i64, String)> = self.all(
            "SELECT ord, text FROM entries WHERE log = ?1 AND text IS NOT NULL",
            [log.key],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )?;
        for (ord, text) in said {
            self.unindex_entry(ord, log.conversation, &terms::index(&text))?;
            self.run("UPDATE entries SET text = NULL WHERE ord = ?1", [ord])?;
        }
        self.run("UPDATE items SET body = NULL WHERE log = ?1", [log.key])?;
        Ok(())
    }

    /// Notes what an item says that could not be read when it came. `false` when there is no such
    /// item, or it can be read already.
    ///
    /// # Errors
    /// [`StoreError::TooLarge`] and those of the environment.
    pub fn reveal(&self, log: &LogName, seq: u64, text: &str) -> Result<bool, StoreError> {
        within("the message", text.len(), MAX_TEXT)?;
        let Some(log) = self.log(log)? else {
            return Ok(false);
        };
        let ord: Option<i64> = self.one(
            "UPDATE entries SET text = ?3 WHERE log = ?1 AND seq = ?2 AND text IS NULL \
             RETURNING ord",
            params![log.key, seq_to_sql(seq), text],
            |row| row.get(0),
        )?;
        let Some(ord) = ord else {
            return Ok(false);
        };
        self.index_entry(ord, log.conversation, &terms::index(text))?;
        Ok(true)
    }

    /// Notes that an item names this profile.
    ///
    /// # Errors
    /// Only those of the environment.
    pub fn note_mention(&self, log: &LogName, seq: u64) -> Result<(), StoreError> {
        if let Some(log) = self.log(log)? {
            self.run(
                "UPDATE entries SET mention = 1 WHERE log = ?1 AND seq = ?2",
                params![log.key, seq_to_sql(seq)],
            )?;
        }
        Ok(())
    }
}
