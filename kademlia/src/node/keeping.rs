//! The records held for others, and what keeps them where they belong.

use std::sync::Arc;

use dchat_wire::record::SignedRecord;

use crate::call::{Answer, Question};
use crate::contact::{Contact, Subnet};
use crate::key::Key;
use crate::record::Notary;
use crate::repair::AskId;
use crate::store::Put;
use crate::time::Time;
use crate::token::Writer;

use super::Node;

impl<H: Copy + Ord, N: Notary> Node<H, N> {
    /// Whether a record under `key` belongs here: no farther than twice the k-th sibling.
    pub(super) fn is_near(&self, key: &Key) -> bool {
        let Some(sibling) = self.table.sibling_distance(self.config.k) else {
            return true;
        };
        self.at().distance(key).fraction() <= 2.0 * sibling.fraction()
    }

    /// Keeps a record of our own if we are among those who should: nearer to its key than the last
    /// of the `nodes` that keep it.
    pub(super) fn keep_own(&mut self, key: &Key, record: &Arc<SignedRecord>, last: Option<Key>) {
        let ours = self.at().distance(key);
        if !self.serving || last.is_some_and(|last| last.distance(key) < ours) {
            return;
        }
        let put = Put {
            key: *key,
            record,
            writer: Writer {
                id: self.at().0,
                subnet: Subnet::EXEMPT,
            },
            near: true,
        };
        // Refused means that a newer one is held, or that there is no room: others keep it.
        if self.store.put(&put, self.now, &mut self.notary).is_ok() {
            self.repair.handle_stored(self.now);
        }
    }

    /// When records go or neighbours are to be looked at.
    pub(super) fn next_keeping(&self) -> Option<Time> {
        let times = [self.store.poll_timeout(), self.repair.poll_timeout()];
        times.into_iter().flatten().min()
    }

    /// Drops what is over, and begins a round of repair when it is time.
    pub(super) fn keep_records(&mut self) {
        if self.next_keeping().is_none_or(|next| next > self.now) {
            return;
        }
        self.store.expire(self.now);
        let share = self.config.k as f64 / self.estimate.unwrap_or(1.0).max(1.0);
        let neighbours = self.neighbours();
        self.repair
            .handle_timeout(&mut self.store, &neighbours, share, self.now);
    }

    /// A sibling is gone: what it held may have to be held by others.
    pub(super) fn lost_sibling(&mut self) {
        if self.repair.poll_timeout().is_some() {
            let neighbours = self.neighbours();
            self.repair.handle_lost(&neighbours, self.now);
        }
    }

    /// The next question of the repair.
    pub(super) fn next_repair(&mut self) -> Option<(Contact<H>, AskId, Question)> {
        if self.has_left {
            return None;
        }
        let ask = self.repair.poll_ask(&mut self.store)?;
        Some((ask.to, ask.id, ask.question))
    }

    pub(super) fn repair_answered(&mut self, id: AskId, answer: &Answer<H>) {
        let (store, notary) = (&mut self.store, &mut self.notary);
        if self
            .repair
            .handle_answer(id, answer, store, notary, self.now)
        {
            self.repair.handle_stored(self.now);
        }
    }

    fn neighbours(&self) -> Vec<Contact<H>> {
        let siblings = self.table.siblings();
        let alive = siblings.iter().filter(|entry| entry.fails() == 0);
        alive.map(|entry| entry.contact()).collect()
    }
}
