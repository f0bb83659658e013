//! A ledger in memory; a clone of it is a copy of the home.

use std::collections::BTreeMap;
use std::convert::Infallible;

use crate::conversation::{
    Author, EntryId, Hash, Incarnation, Ledger, Log, LogEntry, Place, Receipt, Received,
    StoredSession,
};
use crate::e2ee::{Secret, SessionId};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Progress {
    Queued,
    Delivered,
    Read,
    Failed,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Row {
    pub(super) entry: LogEntry,
    pub(super) progress: Progress,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Memory {
    pub(super) device: Option<Secret>,
    pub(super) sessions: BTreeMap<SessionId, StoredSession>,
    pub(super) logs: Vec<Log>,
    pub(super) rows: BTreeMap<(Author, Incarnation, u64), Row>,
    /// Every text of the peer's, in the order in which it was appended.
    pub(super) shown: Vec<String>,
}

impl Memory {
    fn log_mut(&mut self, author: Author, incarnation: &Incarnation) -> Option<&mut Log> {
        self.logs
            .iter_mut()
            .find(|log| log.author == author && log.incarnation == *incarnation)
    }

    fn start(&mut self, author: Author, incarnation: &Incarnation) -> &mut Log {
        self.logs.push(Log {
            author,
            incarnation: *incarnation,
            last_seq: 0,
            tip: [0; 32],
            low_water: 1,
            acked: 0,
            read: 0,
        });
        self.logs.last_mut().unwrap()
    }

    pub(super) fn own_rows(&self) -> impl Iterator<Item = &Row> {
        let own = self.logs.iter().filter(|log| log.author == Author::Own);
        own.flat_map(|log| {
            let of = |seq| (Author::Own, log.incarnation, seq);
            self.rows.range(of(0)..=of(u64::MAX)).map(|(_, row)| row)
        })
    }

    pub(super) fn progress_of(&self, id: &EntryId) -> Option<Progress> {
        let row = self.own_rows().find(|row| row.entry.id == *id);
        row.map(|row| row.progress)
    }

    /// As the database does: removes texts that are due; what was not acknowledged failed.
    pub(super) fn expire(&mut self, now: u64) {
        for ((author, ..), row) in &mut self.rows {
            let due = row.entry.expires_at.is_some_and(|at| at <= now);
            if !due || row.entry.text.take().is_none() {
                continue;
            }
            if *author == Author::Own && row.progress == Progress::Queued {
                row.progress = Progress::Failed;
            }
        }
    }
}

impl Ledger for Memory {
    type Error = Infallible;

    fn device(&mut self) -> Result<Option<Secret>, Infallible> {
        Ok(self.device.clone())
    }

    fn save_device(&mut self, state: &[u8]) -> Result<(), Infallible> {
        self.device = Some(state.to_vec().into());
        Ok(())
    }

    fn sessions(&mut self) -> Result<Vec<StoredSession>, Infallible> {
        Ok(self.sessions.values().cloned().collect())
    }

    fn save_session(&mut self, id: &SessionId, state: &[u8], now: u64) -> Result<(), Infallible> {
        let created_at = self.sessions.get(id).map_or(now, |known| known.created_at);
        self.sessions.insert(
            *id,
            StoredSession {
                id: *id,
                state: state.to_vec().into(),
                created_at,
                last_used_at: now,
            },
        );
        assert!(self.sessions.len() <= dchat_wire::limits::SESSIONS);
        Ok(())
    }

    fn remove_session(&mut self, id: &SessionId) -> Result<(), Infallible> {
        self.sessions.remove(id);
        Ok(())
    }

    fn logs(&mut self) -> Result<Vec<Log>, Infallible> {
        Ok(self.logs.clone())
    }

    fn start_own_log(&mut self, incarnation: &Incarnation) -> Result<(), Infallible> {
        self.start(Author::Own, incarnation);
        Ok(())
    }

    fn append_own(
        &mut self,
        incarnation: &Incarnation,
        entry: &LogEntry,
        _now: u64,
    ) -> Result<(), Infallible> {
        let log = self.log_mut(Author::Own, incarnation).unwrap();
        assert_eq!((entry.seq, entry.prev), (log.last_seq + 1, log.tip));
        (log.last_seq, log.tip) = (entry.seq, entry.hash);
        let row = Row {
            entry: entry.clone(),
            progress: Progress::Queued,
        };
        let key = (Author::Own, *incarnation, entry.seq);
        assert!(self.rows.insert(key, row).is_none());
        Ok(())
    }

    fn own_entries_after(
        &mut self,
        incarnation: &Incarnation,
        after: u64,
        count: usize,
        bytes: usize,
    ) -> Result<Vec<LogEntry>, Infallible> {
        let of = |seq| (Author::Own, *incarnation, seq);
        let mut sum = 0;
        Ok(self
            .rows
            .range(of(after + 1)..=of(u64::MAX))
            .take(count)
            .map(|(_, row)| row.entry.clone())
            .take_while(|entry| {
                let room = sum < bytes;
                sum += entry.text.as_ref().map_or(0, String::len);
                room
            })
            .collect())
    }

    fn hash_at(
        &mut self,
        author: Author,
        incarnation: &Incarnation,
        seq: u64,
    ) -> Result<Option<Hash>, Infallible> {
        let row = self.rows.get(&(author, *incarnation, seq));
        Ok(row.map(|row| row.entry.hash))
    }

    fn acknowledge(
        &mut self,
        incarnation: &Incarnation,
        through: u64,
        receipt: Receipt,
    ) -> Result<Vec<EntryId>, Infallible> {
        let log = self.log_mut(Author::Own, incarnation).unwrap();
        assert!(through <= log.last_seq);
        let (known, becomes) = match receipt {
            Receipt::Delivered => (log.acked, Progress::Delivered),
            Receipt::Read => (log.read, Progress::Read),
        };
        if through <= known {
            return Ok(Vec::new());
        }
        log.acked = log.acked.max(through);
        if receipt == Receipt::Read {
            log.read = through;
        }
        let of = |seq| (Author::Own, *incarnation, seq);
        let mut changed = Vec::new();
        for (_, row) in self.rows.range_mut(of(known + 1)..=of(through)) {
            if row.progress < becomes {
                row.progress = becomes;
                changed.push(row.entry.id);
            }
        }
        Ok(changed)
    }

    fn move_own(
        &mut self,
        from: &Incarnation,
        seq: u64,
        to: &Incarnation,
        place: &Place,
    ) -> Result<(), Infallible> {
        let mut row = self.rows.remove(&(Author::Own, *from, seq)).unwrap();
        let log = self.log_mut(Author::Own, to).unwrap();
        assert_eq!((place.seq, place.prev), (log.last_seq + 1, log.tip));
        (log.last_seq, log.tip) = (place.seq, place.hash);
        row.entry.seq = place.seq;
        row.entry.id = place.id;
        row.entry.prev = place.prev;
        row.entry.hash = place.hash;
        self.rows.insert((Author::Own, *to, place.seq), row);
        Ok(())
    }

    fn end_own_log(
        &mut self,
        incarnation: &Incarnation,
        last_seq: u64,
        tip: &Hash,
    ) -> Result<(), Infallible> {
        let log = self.log_mut(Author::Own, incarnation).unwrap();
        assert!(log.acked <= last_seq);
        (log.last_seq, log.tip) = (last_seq, *tip);
        Ok(())
    }

    fn append_received(
        &mut self,
        incarnation: &Incarnation,
        entry: &LogEntry,
        _now: u64,
    ) -> Result<Received, Infallible> {
        let known = self.log_mut(Author::Peer, incarnation).copied();
        let (last_seq, tip) = known.map_or((0, [0; 32]), |log| (log.last_seq, log.tip));
        if entry.seq <= last_seq {
            let held = &self.rows[&(Author::Peer, *incarnation, entry.seq)];
            return Ok(if held.entry.hash == entry.hash {
                Received::Duplicate
            } else {
                Received::Fork
            });
        }
        let next_seq = last_seq + 1;
        if entry.seq > next_seq {
            return Ok(Received::Gap { next_seq });
        }
        if entry.prev != tip {
            return Ok(Received::Fork);
        }
        if known.is_none() {
            self.start(Author::Peer, incarnation);
        }
        let log = self.log_mut(Author::Peer, incarnation).unwrap();
        (log.last_seq, log.tip) = (entry.seq, entry.hash);
        self.shown.extend(entry.text.clone());
        let row = Row {
            entry: entry.clone(),
            progress: Progress::Delivered,
        };
        self.rows
            .insert((Author::Peer, *incarnation, entry.seq), row);
        Ok(Received::Appended)
    }

    fn mark_read(&mut self, incarnation: &Incarnation, through: u64) -> Result<bool, Infallible> {
        let Some(log) = self.log_mut(Author::Peer, incarnation) else {
            return Ok(false);
        };
        let through = through.min(log.last_seq);
        let news = through > log.read;
        log.read = log.read.max(through);
        Ok(news)
    }
}
