//! The records a node holds for others (spec `70-dht` §7).
//!
//! State: records, each with its writer and the moment it goes; at most one of a key, kind, signer
//! and slot, or two with the same sequence when the signer contradicts itself. Inputs: records to
//! put, whose token the caller has checked, keys to look under, time. Outputs: what is held under a
//! key, and for a put how long it is kept or why it is refused.
//!
//! A put is checked in this order: what the record is; whether an equal or newer one is held; the
//! rate of its writer's subnet; the quotas of the writer, the subnet, the kind, the key, the far
//! share and the whole; and last the signature. So a flood costs a few microseconds each, and what
//! is refused changes nothing but the subnet's rate. What is held never gives way to what comes, but
//! under a topic of which more speak than there is room for: there a lot decides that each node draws
//! for each subnet.
//!
//! Bounds: [`Limits`]. A store that holds nothing and has refused nothing lately has no heap.

mod check;
mod limits;
mod pace;
mod shelf;

use std::sync::Arc;

use dchat_wire::defect::{self, Defect};
use dchat_wire::dht::Refusal;
use dchat_wire::limits::{DHT_RECORDS, DHT_VALUES};
use dchat_wire::record::SignedRecord;

pub use limits::{Limits, OVERHEAD};

use crate::key::Key;
use crate::record::Notary;
use crate::time::Time;
use crate::token::Writer;
use check::{Found, seconds};
use pace::Pace;
pub(crate) use shelf::Shelf;

/// A record to be stored.
#[derive(Clone, Copy, Debug)]
pub struct Put<'a> {
    /// Where.
    pub key: Key,
    /// What.
    pub record: &'a Arc<SignedRecord>,
    /// Who asks for it; not who signed it.
    pub writer: Writer,
    /// Whether the key is near this node: within twice the distance of its twentieth sibling, or
    /// it knows fewer.
    pub near: bool,
}

/// What became of a record that is held now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Seconds until it goes.
    pub keep_s: u32,
    /// Whether it was not held before.
    pub new: bool,
}

/// Why a record is not stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Why.
    pub reason: Refusal,
    /// Seconds after which asking again makes sense; 0 when it never does.
    pub retry_after_s: u32,
    /// Digests of two records of one signer with the same sequence; the second is held as evidence
    /// beside the first, unless two are held already.
    pub evidence: Option<[[u8; 8]; 2]>,
}

impl From<Refusal> for Refused {
    fn from(reason: Refusal) -> Self {
        Self {
            reason,
            retry_after_s: 0,
            evidence: None,
        }
    }
}

/// What is held under a key.
#[derive(Clone, Debug, Default)]
pub struct Values {
    /// The records, at most [`DHT_RECORDS`] and [`DHT_VALUES`] bytes with the nodes beside them,
    /// without those the asker has.
    pub records: Vec<Arc<SignedRecord>>,
    /// How many there are in all.
    pub held: u16,
}

/// Bytes of an answer that records may take: the rest is for twenty nodes of 79 bytes, the
/// answerer, and the counts.
const VALUES: usize = DHT_VALUES - 2048;

/// The records a node holds.
#[derive(Clone, Debug)]
pub struct Store {
    limits: Limits,
    seed: u64,
    inner: Option<Box<Inner>>,
}

const _: () = assert!(size_of::<Store>() <= 64);

#[derive(Clone, Debug, Default)]
struct Inner {
    shelf: Shelf,
    pace: Pace,
    /// Turns with every question, so that askers of a crowded key get different records.
    turn: usize,
}

impl Store {
    /// An empty store.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            seed: 0,
            inner: None,
        }
    }

    /// With a `seed` that nobody else knows, from which follows what stays under a topic of which
    /// more speak than there is room for.
    #[must_use]
    pub fn with_seed(self, seed: u64) -> Self {
        Self { seed, ..self }
    }

    /// How many records are held.
    #[must_use]
    pub fn len(&self) -> usize {
        self.inner.as_ref().map_or(0, |inner| inner.shelf.len())
    }

    /// Whether nothing is held.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes held, as quotas count them.
    #[must_use]
    pub fn bytes(&self) -> u32 {
        self.inner.as_ref().map_or(0, |inner| inner.shelf.bytes())
    }

    /// Bytes of records whose key was not near when they came.
    #[must_use]
    pub fn far_bytes(&self) -> u32 {
        self.inner
            .as_ref()
            .map_or(0, |inner| inner.shelf.far_bytes())
    }

    /// Everything held, in no order that means anything: with its key and when it goes.
    pub fn records(&self) -> impl Iterator<Item = (Key, &Arc<SignedRecord>, Time)> {
        self.inner
            .iter()
            .flat_map(|inner| inner.shelf.iter())
            .map(|held| (held.key, &held.record, held.until))
    }

    /// What is held under `key` at `now`, without records whose digests begin like one of `have`.
    /// Of more than an answer can carry, others each time.
    pub fn values(&mut self, key: &Key, have: &[[u8; 8]], now: Time) -> Values {
        let Some(inner) = &mut self.inner else {
            return Values::default();
        };
        let found = inner
            .shelf
            .under(key)
            .map(|(_, held)| held)
            .filter(|held| held.until > now);
        let count = found.clone().count();
        if count == 0 {
            return Values::default();
        }
        let all = defect::is(Defect::RepeatsKnownRecords);
        let wanted = found
            .clone()
            .filter(|held| all || !have.contains(&held.digest));
        let lacking = wanted.clone().count();
        let skip = if lacking > DHT_RECORDS {
            inner.turn = inner.turn.wrapping_add(1);
            inner.turn.wrapping_mul(DHT_RECORDS / 2 + 1) % lacking
        } else {
            0
        };
        let mut room = VALUES;
        let records = wanted
            .clone()
            .skip(skip)
            .chain(wanted.take(skip))
            .take(DHT_RECORDS)
            .take_while(|held| {
                let len = 8 + 64 + held.record.body.as_slice().len();
                let fits = len <= room;
                room = room.saturating_sub(len);
                fits
            })
            .map(|held| Arc::clone(&held.record))
            .collect();
        Values {
            records,
            held: u16::try_from(count).unwrap_or(u16::MAX),
        }
    }

    /// Stores a record.
    ///
    /// # Errors
    /// [`Refused`]: the record is not stored, but for evidence that its signer contradicts itself.
    /// What was held before stays.
    pub fn put<N: Notary + ?Sized>(
        &mut self,
        put: &Put<'_>,
        now: Time,
        notary: &mut N,
    ) -> Result<Kept, Refused> {
        let meta = notary.read(put.record)?;
        meta.check(&put.key, now)?;
        let limits = self.limits;
        let name = check::name(&meta);
        let found = match &self.inner {
            Some(inner) => Found::of(&inner.shelf, &meta, &name)?,
            None => Found::default(),
        };
        if let Some(until) = found.same {
            return Ok(Kept {
                keep_s: seconds(until, now),
                new: false,
            });
        }
        let inner = self.inner.get_or_insert_default();
        inner
            .pace
            .take(put.writer.subnet, limits.rate(), now)
            .map_err(|wait| Refused {
                retry_after_s: wait,
                ..Refusal::TooMany.into()
            })?;
        let held = check::held(put, &meta, name, &found, &limits, now);
        let loser = check::quotas(&inner.shelf, &limits, &held, &found, self.seed, now)?;
        notary.verify(put.record, &meta)?;
        if let Some(loser) = loser {
            inner.shelf.remove_named(&meta.key, &loser);
        }
        let until = held.until;
        if let Some(conflict) = found.conflict {
            inner.shelf.insert(held);
            return Err(check::conflict(conflict.digest, &meta));
        }
        inner.shelf.remove_named(&meta.key, &name);
        if !defect::is(Defect::StoresNothing) {
            inner.shelf.insert(held);
        }
        Ok(Kept {
            keep_s: seconds(until, now),
            new: true,
        })
    }

    /// The record under `key` whose digest begins like this.
    #[must_use]
    pub fn find(&self, key: &Key, digest: &[u8; 8]) -> Option<Arc<SignedRecord>> {
        let shelf = &self.inner.as_ref()?.shelf;
        let mut found = shelf.under(key).filter(|(_, held)| held.digest == *digest);
        found.next().map(|(_, held)| Arc::clone(&held.record))
    }

    /// For repair, which keeps its marks in the records.
    pub(crate) fn shelf_mut(&mut self) -> Option<&mut Shelf> {
        self.inner.as_mut().map(|inner| &mut inner.shelf)
    }

    /// When [`expire`](Self::expire) has something to do; none for an empty store.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Time> {
        let inner = self.inner.as_ref()?;
        match inner.shelf.first() {
            Some((_, held)) => Some(held.until),
            None => Some(inner.pace.idle_at(self.limits.rate())),
        }
    }

    /// Drops what is over at `now`; how many records that were. A record that was far when it came
    /// and is near by now stays until it expires.
    pub fn expire(&mut self, now: Time) -> usize {
        let Some(inner) = &mut self.inner else {
            return 0;
        };
        let mut dropped = 0;
        while let Some((index, held)) = inner.shelf.first()
            && held.until <= now
            && let Some(held) = inner.shelf.remove(index)
        {
            match check::extended(held, now) {
                Some(held) => inner.shelf.insert(held),
                None => dropped += 1,
            }
        }
        if inner.shelf.len() == 0 {
            inner.pace.forget(self.limits.rate(), now);
            if inner.pace.is_idle() {
                self.inner = None;
            }
        }
        dropped
    }
}
