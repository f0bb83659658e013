//! Whom we know at which distance: k-buckets, split lazily.
//!
//! **State.** Bucket `i` holds contacts that share exactly `i` leading bits with us; the last one,
//! *home*, all that share more. It is split when it outgrows the sibling list. With few contacts
//! there is one bucket, with many about one for each bit of the network's size.
//!
//! **Who is let in.** Only whom the caller has exchanged something authenticated with. Where there
//! is room, anybody within the limits by subnet. In a full bucket:
//! - near us, where all contacts together are fewer than the siblings, the nearest stay: the
//!   2k nearest nodes are all known, whatever their age;
//! - elsewhere those that have been there long stay. A newcomer takes the place of a young one only
//!   if that spreads the bucket more evenly over its branches, or halves a round trip within one;
//! - else it becomes a spare, and the entry not heard of for longest is to be pinged.
//!
//! **Bounds.** Buckets hold at most [`Config::capacity`] or what the siblings need; 256 buckets.

mod admit;
mod bucket;
mod closest;
mod entry;
mod siblings;
mod subnets;
mod upkeep;

use std::sync::Arc;

pub use admit::Admission;
pub use entry::Entry;
pub(crate) use entry::seconds;
pub use upkeep::Missed;

use crate::config::Config;
use crate::contact::Contact;
use crate::key::{BITS, Key};
use bucket::Bucket;
use subnets::Subnets;

/// The contacts of a node.
#[derive(Clone, Debug)]
pub struct Table<H> {
    config: Arc<Config>,
    at: Key,
    buckets: Vec<Bucket<H>>,
    subnets: Subnets,
    len: usize,
    /// First bucket of which all nodes nearer than it together are fewer than the siblings.
    zone: usize,
}

impl<H: Copy> Table<H> {
    /// The table of the node at `at`, without contacts.
    #[must_use]
    pub fn new(config: Arc<Config>, at: Key) -> Self {
        Self {
            config,
            at,
            buckets: Vec::new(),
            subnets: Subnets::new(),
            len: 0,
            zone: 0,
        }
    }

    /// Our position.
    #[must_use]
    pub fn at(&self) -> Key {
        self.at
    }

    /// Contacts.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// All contacts, farthest bucket first.
    pub fn iter(&self) -> impl Iterator<Item = &Entry<H>> {
        self.buckets.iter().flat_map(|bucket| &bucket.entries)
    }

    /// Contacts in each bucket, farthest first.
    pub fn sizes(&self) -> impl Iterator<Item = usize> {
        self.buckets.iter().map(|bucket| bucket.entries.len())
    }

    /// The contact at `at`.
    #[must_use]
    pub fn entry(&self, at: &Key) -> Option<&Entry<H>> {
        let bucket = self.buckets.get(self.index(at)?)?;
        bucket.entries.iter().find(|entry| entry.at == *at)
    }

    /// The contact named `handle`; looks through the whole table.
    #[must_use]
    pub fn named(&self, handle: H) -> Option<Contact<H>>
    where
        H: PartialEq,
    {
        let mut contacts = self.iter().map(Entry::contact);
        contacts.find(|contact| contact.handle == handle)
    }

    /// The bucket `at` belongs to; none for ourselves.
    fn index(&self, at: &Key) -> Option<usize> {
        let shared = self.at.common_prefix(at);
        let home = self.buckets.len().saturating_sub(1);
        (shared < BITS).then(|| (shared as usize).min(home))
    }

    /// Contacts in the buckets nearer than `index`.
    fn nearer_than(&self, index: usize) -> usize {
        let nearer = self.buckets.iter().skip(index + 1);
        nearer.map(|bucket| bucket.entries.len()).sum()
    }

    /// After the number of contacts of a bucket changed: where the siblings are.
    fn find_zone(&mut self) {
        let (before, mut nearer) = (self.zone, 0);
        self.zone = 0;
        for (index, bucket) in self.buckets.iter().enumerate().rev() {
            nearer += bucket.entries.len();
            if nearer >= self.config.siblings {
                self.zone = index;
                break;
            }
        }
        self.trim(before);
    }
}
