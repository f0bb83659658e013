//! The conversation's durable side, over one transaction of the store.

use crate::conversation::{
    Author, EntryId, Hash, Incarnation, Ledger, Log, LogEntry, Pair, Place, Receipt, Received,
    StoredSession,
};
use crate::e2ee::{Secret, SessionId};
use crate::store::{self, AppendError, LogName, ReceivedEntry, StoreError, Tx, UnixMillis};

/// One conversation inside one transaction.
pub(super) struct TxLedger<'t, 'c> {
    tx: &'t Tx<'c>,
    pair: Pair,
}

impl<'t, 'c> TxLedger<'t, 'c> {
    pub(super) fn new(tx: &'t Tx<'c>, pair: Pair) -> Self {
        Self { tx, pair }
    }

    fn log(&self, author: Author, incarnation: &Incarnation) -> LogName {
        let author = match author {
            Author::Own => self.pair.own(),
            Author::Peer => self.pair.peer(),
        };
        LogName {
            conversation: *self.pair.conversation(),
            author: *author.public_key(),
            incarnation: *incarnation,
        }
    }
}

impl Ledger for TxLedger<'_, '_> {
    type Error = StoreError;

    fn device(&mut self) -> Result<Option<Secret>, StoreError> {
        Ok(self.tx.account()?.map(Secret::from))
    }

    fn save_device(&mut self, state: &[u8]) -> Result<(), StoreError> {
        self.tx.save_account(state)
    }

    fn sessions(&mut self) -> Result<Vec<StoredSession>, StoreError> {
        let sessions = self.tx.sessions(self.pair.peer().public_key())?;
        let readable = sessions.into_iter().filter_map(|session| {
            Some(StoredSession {
                id: SessionId(session.id.try_into().ok()?),
                state: Secret::from(session.state),
                created_at: millis(session.created_at),
                last_used_at: millis(session.last_used_at),
            })
        });
        Ok(readable.collect())
    }

    fn save_session(&mut self, id: &SessionId, state: &[u8], now: u64) -> Result<(), StoreError> {
        self.tx
            .save_session(self.pair.peer().public_key(), &id.0, state, time(now))
    }

    fn remove_session(&mut self, id: &SessionId) -> Result<(), StoreError> {
        self.tx
            .remove_session(self.pair.peer().public_key(), &id.0)
            .map(drop)
    }

    fn logs(&mut self) -> Result<Vec<Log>, StoreError> {
        let frontiers = self.tx.frontiers(self.pair.conversation())?;
        Ok(frontiers
            .into_iter()
            .map(|frontier| Log {
                author: if frontier.own {
                    Author::Own
                } else {
                    Author::Peer
                },
                incarnation: frontier.log.incarnation,
                last_seq: frontier.last_seq(),
                tip: frontier.tip,
                low_water: frontier.low_water,
                acked: frontier.acked,
                read: frontier.read,
            })
            .collect())
    }

    fn start_own_log(&mut self, incarnation: &Incarnation) -> Result<(), StoreError> {
        self.tx.start_own(&self.log(Author::Own, incarnation))
    }

    fn append_own(
        &mut self,
        incarnation: &Incarnation,
        entry: &LogEntry,
        now: u64,
    ) -> Result<(), StoreError> {
        let new = store::NewEntry {
            id: entry.id,
            kind: entry.kind,
            text: entry.text.as_deref().unwrap_or_default(),
            sent_at: time(entry.sent_at),
            expires_at: entry.expires_at.map(time),
        };
        let log = self.log(Author::Own, incarnation);
        match self.tx.append_own(&log, &new, time(now), |_, _| entry.hash) {
            Ok(_) => Ok(()),
            Err(AppendError::Store(error)) => Err(error),
            // The core checks both before it asks.
            Err(AppendError::OutboxFull | AppendError::ForeignLog) => Err(StoreError::Aborted),
        }
    }

    fn own_entries_after(
        &mut self,
        incarnation: &Incarnation,
        after: u64,
        count: usize,
        bytes: usize,
    ) -> Result<Vec<LogEntry>, StoreError> {
        let log = self.log(Author::Own, incarnation);
        let entries = self.tx.entries_after(&log, after, count, bytes)?;
        Ok(entries
            .into_iter()
            .map(|entry| LogEntry {
                seq: entry.seq,
                id: entry.id,
                prev: entry.prev,
                hash: entry.hash,
                kind: entry.kind,
                text: entry.text,
                sent_at: millis(entry.sent_at),
                expires_at: entry.expires_at.map(millis),
            })
            .collect())
    }

    fn hash_at(
        &mut self,
        author: Author,
        incarnation: &Incarnation,
        seq: u64,
    ) -> Result<Option<Hash>, StoreError> {
        self.tx.hash_at(&self.log(author, incarnation), seq)
    }

    fn acknowledge(
        &mut self,
        incarnation: &Incarnation,
        through: u64,
        receipt: Receipt,
    ) -> Result<Vec<EntryId>, StoreError> {
        let receipt = match receipt {
            Receipt::Delivered => store::Receipt::Delivered,
            Receipt::Read => store::Receipt::Read,
        };
        let log = self.log(Author::Own, incarnation);
        Ok(match self.tx.acknowledge(&log, through, receipt)? {
            store::Acknowledged::Changed(ids) => ids,
            store::Acknowledged::Beyond { .. } | store::Acknowledged::NoSuchLog => Vec::new(),
        })
    }

    fn move_own(
        &mut self,
        from: &Incarnation,
        seq: u64,
        to: &Incarnation,
        place: &Place,
    ) -> Result<(), StoreError> {
        let (from, to) = (self.log(Author::Own, from), self.log(Author::Own, to));
        let place = store::Place {
            seq: place.seq,
            id: place.id,
            prev: place.prev,
            hash: place.hash,
        };
        self.tx.move_own(&from, seq, &to, &place)
    }

    fn end_own_log(
        &mut self,
        incarnation: &Incarnation,
        last_seq: u64,
        tip: &Hash,
    ) -> Result<(), StoreError> {
        self.tx
            .end_own(&self.log(Author::Own, incarnation), last_seq, tip)
    }

    fn append_received(
        &mut self,
        incarnation: &Incarnation,
        entry: &LogEntry,
        now: u64,
    ) -> Result<Received, StoreError> {
        let received = ReceivedEntry {
            seq: entry.seq,
            id: entry.id,
            hash: entry.hash,
            prev: entry.prev,
            kind: entry.kind,
            text: entry.text.as_deref(),
            sent_at: time(entry.sent_at),
            expires_at: entry.expires_at.map(time),
        };
        let log = self.log(Author::Peer, incarnation);
        Ok(match self.tx.append_received(&log, &received, time(now))? {
            store::Received::Appended { .. } => Received::Appended,
            store::Received::Duplicate => Received::Duplicate,
            store::Received::Gap { next_seq } => Received::Gap { next_seq },
            store::Received::TooManyIncarnations => Received::TooManyIncarnations,
            // Ids follow from numbers and the log is the peer's, so the last two do not happen.
            store::Received::Fork | store::Received::IdReused | store::Received::OwnLog => {
                Received::Fork
            }
        })
    }

    fn mark_read(&mut self, incarnation: &Incarnation, through: u64) -> Result<bool, StoreError> {
        self.tx
            .mark_read(&self.log(Author::Peer, incarnation), through)
    }
}

/// A time of the wire as the store keeps it; beyond its range it is as late as can be.
fn time(millis: u64) -> UnixMillis {
    UnixMillis::try_from(millis).unwrap_or(UnixMillis::MAX)
}

fn millis(time: UnixMillis) -> u64 {
    u64::try_from(time).unwrap_or(0)
}
