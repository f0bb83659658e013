//! What lasts: the seam to the database.

use core::fmt;

use crate::e2ee::{Secret, SessionId};

use super::{EntryId, Hash, Incarnation};

/// Whose log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Author {
    /// Ours.
    Own,
    /// The other side's.
    Peer,
}

/// How far a log goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Log {
    /// Who writes it.
    pub author: Author,
    /// Which of the author's.
    pub incarnation: Incarnation,
    /// Number of the last entry; 0 when there is none.
    pub last_seq: u64,
    /// Hash of the last entry; zeros when there is none.
    pub tip: Hash,
    /// Entries below are not to be had.
    pub low_water: u64,
    /// Own logs: the other side holds all through here.
    pub acked: u64,
    /// The reading side has read all through here.
    pub read: u64,
}

/// One entry of a log, as it is stored.
#[derive(Clone, PartialEq, Eq)]
pub struct LogEntry {
    /// Number in its log, from 1.
    pub seq: u64,
    /// Its name to people and programs.
    pub id: EntryId,
    /// Hash of the entry before.
    pub prev: Hash,
    /// Its hash.
    pub hash: Hash,
    /// What it is (`dchat_wire::parcel::entry_kind`); 0 when a stub does not say.
    pub kind: u16,
    /// What it says; `None` in a stub.
    pub text: Option<String>,
    /// When its author wrote it, in milliseconds since 1970 by the author's clock.
    pub sent_at: u64,
    /// When its text is to go.
    pub expires_at: Option<u64>,
}

impl fmt::Debug for LogEntry {
    /// Without the text: logs must not hold it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogEntry")
            .field("seq", &self.seq)
            .field("stub", &self.text.is_none())
            .finish_non_exhaustive()
    }
}

/// A new place for an own entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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

/// A ratchet session as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredSession {
    /// Its name.
    pub id: SessionId,
    /// Its state, opaque.
    pub state: Secret,
    /// When it was first saved, in milliseconds since 1970.
    pub created_at: u64,
    /// When it was last saved.
    pub last_used_at: u64,
}

/// What the other side says about our entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Receipt {
    /// It committed them.
    Delivered,
    /// A person read them.
    Read,
}

/// What became of an entry of the peer's. Only `Appended` changed anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    /// The next of its log, now stored. A log begins with its entry 1.
    Appended,
    /// Stored before, with the same hash.
    Duplicate,
    /// Something before it is missing.
    Gap {
        /// The number that is next.
        next_seq: u64,
    },
    /// Another entry has this number, or it does not point to the one before it.
    Fork,
    /// The author has more logs here than the ledger keeps.
    TooManyIncarnations,
}

/// The durable side of one conversation, inside one transaction.
///
/// All changes through one `Ledger` are committed together or not at all. Reads see the changes
/// made before them. An error is the environment's (a full disk, a damaged database): the
/// transaction must then be undone.
pub trait Ledger {
    /// Why the environment refused.
    type Error: core::error::Error + 'static;

    /// State of the [`Device`](crate::e2ee::Device), shared by all conversations.
    ///
    /// # Errors
    /// The environment's, here and below.
    fn device(&mut self) -> Result<Option<Secret>, Self::Error>;

    /// Keeps the state of the device.
    fn save_device(&mut self, state: &[u8]) -> Result<(), Self::Error>;

    /// The sessions with this peer, at most 8, in any order.
    fn sessions(&mut self) -> Result<Vec<StoredSession>, Self::Error>;

    /// Keeps the state of a session, used `now`.
    fn save_session(&mut self, id: &SessionId, state: &[u8], now: u64) -> Result<(), Self::Error>;

    /// Forgets a session.
    fn remove_session(&mut self, id: &SessionId) -> Result<(), Self::Error>;

    /// All logs of both authors, in order of their creation here. The last own one is the current.
    fn logs(&mut self) -> Result<Vec<Log>, Self::Error>;

    /// The current own log.
    fn own_log(&mut self) -> Result<Option<Log>, Self::Error> {
        let mut logs = self.logs()?.into_iter().rev();
        Ok(logs.find(|log| log.author == Author::Own))
    }

    /// Begins an own log, which becomes the current one.
    fn start_own_log(&mut self, incarnation: &Incarnation) -> Result<(), Self::Error>;

    /// Appends `entry`, which is the next of the current own log, in state `queued`.
    fn append_own(
        &mut self,
        incarnation: &Incarnation,
        entry: &LogEntry,
        now: u64,
    ) -> Result<(), Self::Error>;

    /// Own entries after number `after`, in order: at most `count`, and no more once their texts
    /// came to `bytes` (the one that reaches it is included).
    fn own_entries_after(
        &mut self,
        incarnation: &Incarnation,
        after: u64,
        count: usize,
        bytes: usize,
    ) -> Result<Vec<LogEntry>, Self::Error>;

    /// Hash of an entry, or `None` when it is not held.
    fn hash_at(
        &mut self,
        author: Author,
        incarnation: &Incarnation,
        seq: u64,
    ) -> Result<Option<Hash>, Self::Error>;

    /// Takes a receipt for the entries of an own log through number `through`, which it has.
    /// States only move forward and `failed` stays. Returns the entries whose state changed, in
    /// order of their numbers.
    fn acknowledge(
        &mut self,
        incarnation: &Incarnation,
        through: u64,
        receipt: Receipt,
    ) -> Result<Vec<EntryId>, Self::Error>;

    /// Moves entry `seq` of the own log `from`, its text and state with it, to `place`, which is
    /// the next of the own log `to`.
    fn move_own(
        &mut self,
        from: &Incarnation,
        seq: u64,
        to: &Incarnation,
        place: &Place,
    ) -> Result<(), Self::Error>;

    /// Ends an own log, whose later entries were moved, at number `last_seq` with hash `tip`.
    fn end_own_log(
        &mut self,
        incarnation: &Incarnation,
        last_seq: u64,
        tip: &Hash,
    ) -> Result<(), Self::Error>;

    /// Appends an entry of the peer's if it is the next of its log. Safe to repeat.
    fn append_received(
        &mut self,
        incarnation: &Incarnation,
        entry: &LogEntry,
        now: u64,
    ) -> Result<Received, Self::Error>;

    /// Marks a log of the peer's read through a number, or its end. Returns whether that is news.
    fn mark_read(&mut self, incarnation: &Incarnation, through: u64) -> Result<bool, Self::Error>;
}
