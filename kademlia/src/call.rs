//! What nodes ask each other, apart from the bytes it travels in (spec `70-dht` §4).
//!
//! Answers are of bounded size and, but for records, hold everything in place: making one and
//! reading one allocates nothing.

use std::sync::Arc;

use dchat_wire::dht::Refusal;
use dchat_wire::limits;
use dchat_wire::record::SignedRecord;

use crate::contact::Contact;
use crate::key::Key;

/// Nodes in a k-bucket, and so in an answer: the paper's k, at which half of the nodes leaving at
/// once loses nothing in practice.
pub const K: usize = limits::DHT_NODES;

/// At most `N` values in place, in the order they were pushed.
#[derive(Clone, Copy, Debug)]
pub struct Few<T, const N: usize> {
    items: [Option<T>; N],
    len: usize,
}

impl<T: Copy, const N: usize> Default for Few<T, N> {
    fn default() -> Self {
        Self {
            items: [None; N],
            len: 0,
        }
    }
}

impl<T: Copy, const N: usize> Few<T, N> {
    /// Adds `item`; false, and nothing changed, when there is no room.
    pub fn push(&mut self, item: T) -> bool {
        let Some(place) = self.items.get_mut(self.len) else {
            return false;
        };
        *place = Some(item);
        self.len += 1;
        true
    }

    /// The values.
    pub fn iter(&self) -> impl Iterator<Item = T> + '_ {
        self.items.iter().flatten().copied()
    }

    /// How many.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}

/// Nodes of an answer, nearest first.
pub type Nodes<H> = Few<Contact<H>, K>;
/// [Tails](Key::tail) of the positions an asker knows.
pub type Known = Few<u32, { limits::DHT_KNOWN }>;

/// A question.
#[derive(Clone, Debug)]
pub enum Question {
    /// Are you there? Cheap: a [pulse](dchat_wire::hash::Context::PULSE) where both still hold its
    /// key, else a connection.
    Ping,
    /// Who is nearest to `target`, without those `known`?
    Find {
        /// The position.
        target: Key,
        /// At most [`K`].
        want: u8,
        /// To be left out.
        known: Known,
    },
    /// What is stored under `key`, and who is nearest to it?
    Get {
        /// The key.
        key: Key,
        /// At most [`K`].
        want: u8,
        /// To be left out.
        known: Known,
        /// First eight bytes of the digests of records to be left out.
        have: Vec<[u8; 8]>,
    },
    /// Store `record` under `key`.
    Put {
        /// The key.
        key: Key,
        /// Of the answer to a `Get` for the key.
        token: [u8; 16],
        /// The record.
        record: Arc<SignedRecord>,
    },
}

/// An answer.
#[derive(Clone, Debug)]
pub enum Answer<H> {
    /// To `Ping`.
    Pong,
    /// To `Find`.
    Nodes(Nodes<H>),
    /// To `Get`.
    Values {
        /// Stored under the key, at most [`limits::DHT_RECORDS`].
        records: Vec<Arc<SignedRecord>>,
        /// How many are stored, with those left out.
        held: u16,
        /// To put a record under the key.
        token: [u8; 16],
        /// Near the key.
        nodes: Nodes<H>,
    },
    /// To `Put`: kept for so many seconds.
    Stored {
        /// Seconds.
        keep_s: u32,
    },
    /// No.
    Refused {
        /// Why.
        reason: Refusal,
        /// Seconds after which asking again makes sense; 0 when it never does.
        retry_after_s: u32,
    },
}
