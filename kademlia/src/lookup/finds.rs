//! What a get has found: the newest valid record of each signer and slot, and who contradicts
//! itself.

use std::sync::Arc;

use dchat_wire::limits::DHT_RECORDS;
use dchat_wire::record::SignedRecord;

use crate::key::Key;
use crate::record::{Meta, Notary};
use crate::time::Time;

/// Records kept: as many as a node holds under one key.
const KEPT: usize = 64;
/// Contradictions reported: one is proof enough.
const CONFLICTS: usize = 8;

/// Digests of two records of which at most one can be.
type Conflict = ([u8; 32], [u8; 32]);

#[derive(Clone, Debug, Default)]
pub(super) struct Finds {
    held: Vec<(Meta, Arc<SignedRecord>)>,
    conflicts: Vec<Conflict>,
    /// Answers in a row that held something and brought nothing newer.
    agreeing: usize,
}

impl Finds {
    pub(super) fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    pub(super) fn agreeing(&self) -> usize {
        self.agreeing
    }

    pub(super) fn has_conflict(&self) -> bool {
        !self.conflicts.is_empty()
    }

    /// For a question: what need not be sent again.
    pub(super) fn have(&self) -> Vec<[u8; 8]> {
        let newest = self.held.iter().take(DHT_RECORDS);
        newest.map(|(meta, _)| meta.short_digest()).collect()
    }

    /// Takes in an answer under `key`, in which only records of `kind` count; false when something
    /// in it is no valid record.
    pub(super) fn take<N: Notary + ?Sized>(
        &mut self,
        (key, kind): (&Key, u16),
        records: Vec<Arc<SignedRecord>>,
        held: u16,
        now: Time,
        notary: &mut N,
    ) -> bool {
        let (mut is_news, mut is_honest) = (false, true);
        let counts =
            held > 0 && (records.is_empty() && !self.held.is_empty() || !records.is_empty());
        for record in records.into_iter().take(DHT_RECORDS) {
            match notary.validate(key, &record, now) {
                Ok(meta) if meta.kind == kind => is_news |= self.insert(meta, record),
                Ok(_) => {}
                Err(_) => is_honest = false,
            }
        }
        if is_news {
            self.agreeing = 1;
        } else if counts && is_honest && !self.held.is_empty() {
            self.agreeing += 1;
        }
        is_honest
    }

    /// True when it is newer than what was known.
    fn insert(&mut self, meta: Meta, record: Arc<SignedRecord>) -> bool {
        let same = |known: &&mut (Meta, Arc<SignedRecord>)| {
            known.0.signer == meta.signer && known.0.slot == meta.slot
        };
        let Some(known) = self.held.iter_mut().find(same) else {
            let has_room = self.held.len() < KEPT;
            if has_room {
                self.held.push((meta, record));
            }
            return has_room;
        };
        if meta.sequence > known.0.sequence {
            *known = (meta, record);
            return true;
        }
        if meta.sequence == known.0.sequence && meta.digest != known.0.digest {
            let pair = (
                known.0.digest.min(meta.digest),
                known.0.digest.max(meta.digest),
            );
            if !self.conflicts.contains(&pair) && self.conflicts.len() < CONFLICTS {
                self.conflicts.push(pair);
            }
            // Everybody takes the same of the two, whatever came first.
            if meta.digest < known.0.digest {
                *known = (meta, record);
            }
        }
        false
    }

    pub(super) fn finish(self) -> (Vec<Arc<SignedRecord>>, Vec<Conflict>) {
        let records = self.held.into_iter().map(|(_, record)| record).collect();
        (records, self.conflicts)
    }
}
