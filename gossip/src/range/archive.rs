//! The row of all items.

use dchat_wire::gossip::{Place, Span};

use crate::log::Item;
use crate::siphash::siphash;

/// A place in the row: lamport time, then the first eight bytes of the hash.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// Lamport time.
    pub lamport: u64,
    /// First eight bytes of the item's hash, big-endian.
    pub hash: u64,
}

impl Key {
    /// Before everything.
    pub const FIRST: Self = Self {
        lamport: 0,
        hash: 0,
    };
    /// After everything.
    pub const END: Self = Self {
        lamport: u64::MAX,
        hash: u64::MAX,
    };

    /// Of `item`.
    #[must_use]
    pub fn of(item: &Item) -> Self {
        Self::new(item.signed().header.lamport, item.hash())
    }

    /// Of the item with this lamport time and hash.
    #[must_use]
    pub fn new(lamport: u64, hash: &[u8; 32]) -> Self {
        let [a, b, c, d, e, f, g, h, ..] = *hash;
        let hash = u64::from_be_bytes([a, b, c, d, e, f, g, h]);
        Self { lamport, hash }
    }
}

impl From<&Place> for Key {
    fn from(place: &Place) -> Self {
        Self {
            lamport: place.lamport,
            hash: place.hash,
        }
    }
}

impl From<Key> for Place {
    fn from(key: Key) -> Self {
        Self {
            lamport: key.lamport,
            hash: key.hash,
        }
    }
}

/// What is in a range.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// How many items.
    pub count: u32,
    /// The sum of their salted hashes, modulo 2^64.
    pub sum: u64,
}

/// The places of items, in order, each once: sixteen bytes an item.
#[derive(Clone, Debug, Default)]
pub struct Archive {
    keys: Vec<Key>,
}

impl FromIterator<Key> for Archive {
    fn from_iter<I: IntoIterator<Item = Key>>(keys: I) -> Self {
        let mut keys: Vec<Key> = keys.into_iter().collect();
        keys.sort_unstable();
        keys.dedup();
        Self { keys }
    }
}

impl Archive {
    /// How many items there are.
    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }

    /// The items from `from` up to and without `to`, in order.
    #[must_use]
    pub fn range(&self, from: Key, to: Key) -> &[Key] {
        let begin = self.keys.partition_point(|key| *key < from);
        let end = self.keys.partition_point(|key| *key < to).max(begin);
        self.keys.get(begin..end).unwrap_or_default()
    }

    /// What is in a range, under `salt`.
    #[must_use]
    pub fn summary(&self, salt: u64, from: Key, to: Key) -> Summary {
        let keys = self.range(from, to);
        let sum = |sum: u64, key: &Key| {
            sum.wrapping_add(siphash(
                (salt, 0x7261_6e67_6573_756d),
                (key.lamport, key.hash),
            ))
        };
        Summary {
            count: u32::try_from(keys.len()).unwrap_or(u32::MAX),
            sum: keys.iter().fold(0, sum),
        }
    }

    /// The range as it travels.
    #[must_use]
    pub fn span(&self, salt: u64, from: Key, to: Key) -> Span {
        let summary = self.summary(salt, from, to);
        Span {
            from: from.into(),
            to: to.into(),
            count: summary.count,
            sum: summary.sum,
        }
    }

    /// Cuts a range into at most `parts` of about as many items each: the places where they begin,
    /// and where the last ends.
    #[must_use]
    pub fn cuts(&self, from: Key, to: Key, parts: usize) -> Vec<Key> {
        let keys = self.range(from, to);
        let parts = parts.clamp(1, keys.len().max(1));
        let mut cuts = vec![from];
        for part in 1..parts {
            cuts.extend(keys.get(part * keys.len() / parts));
        }
        cuts.push(to);
        cuts.dedup();
        cuts
    }
}
