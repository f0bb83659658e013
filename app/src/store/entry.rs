//! A message as it is stored.

use rusqlite::{
    Row,
    types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef},
};

use super::{
    ConversationId, Incarnation, PeerKey, StoreError, UnixMillis, View, transaction::seq_from_sql,
};

/// Random name of a message, made by its author.
pub type EntryId = [u8; 16];

/// Hash of an entry; 32 zero bytes come before the first of a log.
pub type Hash = [u8; 32];

/// Place in the order of arrival over all logs of this profile; a cursor for pages.
pub type Cursor = i64;

/// How far a message has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryState {
    /// Ours, nowhere but here.
    Queued,
    /// Ours, held by a mailbox.
    Stored,
    /// Ours, committed by the other side.
    Delivered,
    /// Ours, read by the other side.
    Read,
    /// Ours, expired before the other side acknowledged it.
    Failed,
    /// Theirs.
    Received,
}

impl EntryState {
    /// The word of the CLI contract (`received` has no event of its own).
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Stored => "stored",
            Self::Delivered => "delivered",
            Self::Read => "read",
            Self::Failed => "failed",
            Self::Received => "received",
        }
    }

    const fn code(self) -> i64 {
        match self {
            Self::Queued => 2,
            Self::Stored => 3,
            Self::Delivered => 4,
            Self::Read => 5,
            Self::Failed => 6,
            Self::Received => 7,
        }
    }
}

impl ToSql for EntryState {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.code().into())
    }
}

impl FromSql for EntryState {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let code = value.as_i64()?;
        [
            Self::Queued,
            Self::Stored,
            Self::Delivered,
            Self::Read,
            Self::Failed,
            Self::Received,
        ]
        .into_iter()
        .find(|state| state.code() == code)
        .ok_or(FromSqlError::OutOfRange(code))
    }
}

/// One entry of one log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Order of arrival here.
    pub ord: Cursor,
    /// The conversation of its log.
    pub conversation: ConversationId,
    /// The author of its log.
    pub author: PeerKey,
    /// The incarnation of its log.
    pub incarnation: Incarnation,
    /// Whether this profile wrote it.
    pub own: bool,
    /// Number in its log, from 1.
    pub seq: u64,
    /// Its name.
    pub id: EntryId,
    /// Its hash.
    pub hash: Hash,
    /// The hash of the entry before it.
    pub prev: Hash,
    /// What it is; the numbers are the messaging specification's.
    pub kind: u16,
    /// What it says; `None` in the stub of an expired or withheld entry.
    pub text: Option<String>,
    /// When its author wrote it, by the author's clock.
    pub sent_at: UnixMillis,
    /// When it was committed here.
    pub committed_at: UnixMillis,
    /// When its text is to go.
    pub expires_at: Option<UnixMillis>,
    /// How far it has come.
    pub state: EntryState,
    /// Whether it names this profile; of rooms and groups only.
    pub mention: bool,
}

/// The columns of [`Entry`], from `entries e`, `logs l` and `conversations c`.
macro_rules! entry_columns {
    () => {
        "e.ord, c.id, l.author, l.incarnation, l.own, e.seq, e.id, e.hash, e.prev, e.kind, \
         e.text, e.sent_at, e.committed_at, e.expires_at, e.state, e.mention"
    };
}
/// What joins them once `e` is chosen. CROSS JOIN fixes the order: `e` leads.
macro_rules! entry_joins {
    () => {
        "CROSS JOIN logs l ON l.log = e.log \
         CROSS JOIN conversations c ON c.conversation = e.conversation"
    };
}
/// Whether what `l` says is shown to who asks for no conversation in particular: in rooms and groups,
/// and of contacts. What somebody else wrote to this profile alone waits until they are accepted.
macro_rules! is_welcome {
    () => {
        "(EXISTS (SELECT 1 FROM rooms r WHERE r.conversation = l.conversation) \
         OR EXISTS (SELECT 1 FROM contacts k WHERE k.peer = l.author AND k.state != 'blocked'))"
    };
}
pub(super) use {entry_columns, entry_joins, is_welcome};

impl Entry {
    pub(super) fn from_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            ord: row.get(0)?,
            conversation: row.get(1)?,
            author: row.get(2)?,
            incarnation: row.get(3)?,
            own: row.get(4)?,
            seq: seq_from_sql(row, 5)?,
            id: row.get(6)?,
            hash: row.get(7)?,
            prev: row.get(8)?,
            kind: row.get(9)?,
            text: row.get(10)?,
            sent_at: row.get(11)?,
            committed_at: row.get(12)?,
            expires_at: row.get(13)?,
            state: row.get(14)?,
            mention: row.get(15)?,
        })
    }
}

impl View<'_> {
    /// The entry called `id`; of several (ids are unique within a log only), one of ours first.
    ///
    /// # Errors
    /// Only those of the environment.
    pub fn entry(&self, id: &EntryId) -> Result<Option<Entry>, StoreError> {
        self.one(
            concat!(
                "SELECT ",
                entry_columns!(),
                " FROM entries e ",
                entry_joins!(),
                " WHERE e.id = ?1 ORDER BY l.own DESC, e.ord LIMIT 1"
            ),
            [id],
            Entry::from_row,
        )
    }
}
