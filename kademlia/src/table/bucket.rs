//! Contacts that share the same number of leading bits with us.

use crate::contact::Subnet;
use crate::key::Key;

use super::entry::Entry;

/// The contacts of one distance, in the order of their keys, and those that would take their places.
#[derive(Clone, Debug)]
pub(super) struct Bucket<H> {
    pub(super) entries: Vec<Entry<H>>,
    /// Authenticated as well, but there was no room. The last one was heard of last.
    pub(super) spares: Vec<Entry<H>>,
    /// No entry is due before this second.
    pub(super) due: u32,
    /// Second in which somebody was last asked for contacts of this distance.
    pub(super) refreshed: u32,
    /// Whom it turns down.
    pub(super) closed: Closed,
}

/// What is known of a full bucket until it changes: so a newcomer for whom there is no place costs
/// next to nothing, however many come.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Closed {
    /// Until this second it turns down newcomers.
    pub(super) until: u32,
    /// But for those that are nearer, in milliseconds, than this,
    pub(super) slow: u16,
    /// and those of these branches, a bit each.
    pub(super) open: u64,
}

impl<H: Copy> Bucket<H> {
    pub(super) const fn new(refreshed: u32) -> Self {
        Self {
            entries: Vec::new(),
            spares: Vec::new(),
            due: u32::MAX,
            refreshed,
            closed: Closed {
                until: 0,
                slow: 0,
                open: 0,
            },
        }
    }

    pub(super) fn position(&self, at: &Key) -> Option<usize> {
        let head = at.head();
        let place = self.entries.partition_point(|entry| entry.at.head() < head);
        let mut same = self.entries.iter().enumerate().skip(place);
        let found = same.find(|(_, entry)| entry.at.head() != head || entry.at == *at);
        found
            .filter(|(_, entry)| entry.at == *at)
            .map(|(index, _)| index)
    }

    /// Adds an entry. Room is made by a quarter, to `capacity` at most: doubling would waste a third
    /// of the table's memory.
    pub(super) fn insert(&mut self, entry: Entry<H>, capacity: usize) {
        let len = self.entries.len();
        if len == self.entries.capacity() {
            let room = capacity.saturating_sub(len).max(1);
            self.entries.reserve_exact((len / 4).max(4).min(room));
        }
        self.due = self.due.min(entry.due());
        self.closed.until = 0;
        // It may have waited here: nobody stands in both lists, or it would move up a second time.
        self.spares.retain(|spare| spare.at != entry.at);
        let place = self.entries.partition_point(|other| other.at < entry.at);
        self.entries.insert(place, entry);
    }

    /// Takes out the entry at `index`.
    pub(super) fn take(&mut self, index: usize) -> Entry<H> {
        self.closed.until = 0;
        self.entries.remove(index)
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
