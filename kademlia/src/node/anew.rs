//! Own records that lie too far from where they belong, and are stored anew.
//!
//! A put that was led among colluding nodes finds the nearest of them, and they lie thinner than the
//! nodes of the whole network. Whether they do is known at once, or when more of the network is: so
//! what was put is remembered with the size of the network that its holders would make, and put once
//! more when that is too small by the estimate of now, after waits that double.
//!
//! Bounds: [`REMEMBERED`] records, each put anew [`TIMES`] times at most and until it expires.

use core::time::Duration;
use std::sync::Arc;

use dchat_wire::record::SignedRecord;

use crate::key::Key;
use crate::lookup::{Goal, Task};
use crate::record::Notary;
use crate::time::Time;

use super::Node;
use super::io::Search;

/// Own records remembered, the latest put.
const REMEMBERED: usize = 32;
/// Times a record is put anew: with [`FIRST`] doubling, within a quarter of an hour. A key near which
/// nodes are few by chance costs no more than that.
const TIMES: u8 = 5;
/// From a put to the first time it is put anew: until then a node that has just joined has looked up
/// its place again.
const FIRST: Duration = Duration::from_secs(30);

#[derive(Clone, Debug, Default)]
pub(super) struct Anew {
    /// Latest put last.
    own: Vec<Own>,
    /// The one that is put anew now.
    putting: Option<Search>,
}

#[derive(Clone, Debug)]
struct Own {
    key: Key,
    record: Arc<SignedRecord>,
    expires: Time,
    /// Nodes the network would have if those who hold it were the nearest.
    size: f64,
    /// Not before then.
    again: Time,
    times: u8,
}

impl Anew {
    /// Whether the node itself wanted this put.
    pub(super) fn is_putting(&self, search: Search) -> bool {
        self.putting == Some(search)
    }

    /// A put is over, after which the network would have `size` nodes.
    fn put(&mut self, id: Search, what: (Key, &Arc<SignedRecord>), size: f64, now: Time) {
        let (key, record) = what;
        if self.is_putting(id) {
            self.putting = None;
            // A newer one may have been put meanwhile.
            let same = |own: &&mut Own| Arc::ptr_eq(&own.record, record);
            if let Some(known) = self.own.iter_mut().find(same) {
                known.size = size;
            }
            return;
        }
        self.own.retain(|own| own.key != key && own.expires > now);
        if self.own.len() >= REMEMBERED {
            self.own.remove(0);
        }
        let Ok(body) = record.unverified() else {
            return;
        };
        self.own.push(Own {
            key,
            record: Arc::clone(record),
            expires: Time(body.expires_at),
            size,
            again: now + FIRST,
            times: 0,
        });
    }

    /// What to put anew when the network has more than `most` nodes for each that its holders make.
    fn next(&mut self, size: f64, most: f64, now: Time) -> Option<(Key, Arc<SignedRecord>)> {
        if self.putting.is_some() {
            return None;
        }
        let own = self.own.iter_mut().find(|own| {
            own.again <= now && own.expires > now && own.times < TIMES && size > most * own.size
        })?;
        own.times += 1;
        own.again = now + FIRST * (1 << own.times);
        Some((own.key, Arc::clone(&own.record)))
    }
}

impl<H: Copy + Ord, N: Notary> Node<H, N> {
    /// Remembers what was put where.
    pub(super) fn was_put(&mut self, task: &Task<H>) {
        let Goal::Put(record) = &task.goal else {
            return;
        };
        // Whoever found hardly anybody is told so, and puts again itself.
        let size = task.measured(self.config.k);
        if !self.config.maintain || (size.is_none() && !self.is_own(task)) {
            return;
        }
        let anew = self.anew.get_or_insert_default();
        let what = (task.target(), record);
        anew.put(task.id, what, size.unwrap_or(0.0), self.now);
    }

    /// Puts anew what lies too thin by now.
    pub(super) fn put_anew(&mut self) {
        let (Some(anew), Some(size)) = (&mut self.anew, self.estimate) else {
            return;
        };
        let is_free = self.tasks.len() < self.config.searches;
        let next = is_free.then(|| anew.next(size, self.config.odd.into(), self.now));
        if let Some((key, record)) = next.flatten() {
            // It may be over at once.
            anew.putting = Some(Search(self.next_search));
            self.put(key, record, self.now);
        }
    }

    /// Whether nobody but the node itself waits for this lookup.
    pub(super) fn is_own(&self, task: &Task<H>) -> bool {
        let is_anew = |anew: &Anew| anew.is_putting(task.id);
        matches!(task.goal, Goal::Join) || self.anew.as_deref().is_some_and(is_anew)
    }
}
