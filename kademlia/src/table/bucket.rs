//! Contacts that share the same number of leading bits with us.

use crate::contact::Subnet;
use crate::key::Key;

use super::entry::Entry;

/// The contacts of one distance, in no order, and those that would take their places.
#[derive(Clone, Debug)]
pub(super) struct Bucket<H> {
    pub(super) entries: Vec<Entry<H>>,
    /// Authenticated as well, but there was no room. The last one was heard of last.
    pub(super) spares: Vec<Entry<H>>,
    /// No entry is due before this second.
    pub(super) due: u32,
    /// Second in which somebody was last asked for contacts of this distance.
    pub(super) refreshed: u32,
}

impl<H: Copy> Bucket<H> {
    pub(super) const fn new(refreshed: u32) -> Self {
        Self {
            entries: Vec::new(),
            spares: Vec::new(),
            due: u32::MAX,
            refreshed,
        }
    }

    pub(super) fn position(&self, at: &Key) -> Option<usize> {
        let head = at.head();
        let is_it = |entry: &Entry<H>| entry.at.head() == head && entry.at == *at;
        self.entries.iter().position(is_it)
    }

    /// Grows by a quarter at most: doubling would waste a third of the table's memory.
    pub(super) fn push(&mut self, entry: Entry<H>) {
        if self.entries.len() == self.entries.capacity() {
            self.entries.reserve_exact((self.entries.len() / 4).max(4));
        }
        self.due = self.due.min(entry.due());
        self.entries.push(entry);
    }

    pub(super) fn count_subnet(&self, subnet: Subnet) -> usize {
        self.entries.iter().filter(|e| e.subnet() == subnet).count()
    }

    /// Remembers `entry` for later; forgets the one not heard of for longest beyond `room`.
    pub(super) fn spare(&mut self, entry: Entry<H>, room: usize) {
        let same = |spare: &Entry<H>| {
            spare.at == entry.at
                || (!entry.subnet().is_exempt() && spare.subnet() == entry.subnet())
        };
        if let Some(index) = self.spares.iter().position(same) {
            self.spares.remove(index);
        }
        if room == 0 {
            return;
        }
        if self.spares.len() >= room {
            self.spares.remove(0);
        }
        if self.spares.capacity() == 0 {
            self.spares.reserve_exact(room);
        }
        self.spares.push(entry);
    }
}
