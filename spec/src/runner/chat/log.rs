//! A log of the partner's (`40-messaging` §5 and §6).

use super::body::{Content, Entry, Frontier};

const PAIR: &str = "dchat/1 2026-11 pair conversation";
const ENTRY: &str = "dchat/1 2026-11 entry hash";

/// The name of the conversation of two peers.
#[must_use]
pub fn conversation(one: &[u8; 32], other: &[u8; 32]) -> [u8; 32] {
    let (smaller, larger) = if one < other {
        (one, other)
    } else {
        (other, one)
    };
    derive(PAIR, &[smaller, larger])
}

fn derive(context: &str, parts: &[&[u8]]) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_derive_key(context);
    for part in parts {
        hasher.update(part);
    }
    *hasher.finalize().as_bytes()
}

/// A log and all its entries.
#[derive(Clone, Debug)]
pub struct Log {
    /// The conversation.
    pub conversation: [u8; 32],
    /// The author.
    pub author: [u8; 32],
    /// Its name.
    pub incarnation: [u8; 16],
    /// Its entries, from 1.
    pub entries: Vec<Entry>,
}

impl Log {
    /// An empty one.
    #[must_use]
    pub fn new(conversation: [u8; 32], author: [u8; 32], incarnation: [u8; 16]) -> Self {
        Self {
            conversation,
            author,
            incarnation,
            entries: Vec::new(),
        }
    }

    /// How many entries it has.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.entries.len() as u64
    }

    /// Whether it has none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The hash of the entry of this number; zeros for 0.
    #[must_use]
    pub fn hash_at(&self, seq: u64) -> [u8; 32] {
        let index = usize::try_from(seq).ok().and_then(|seq| seq.checked_sub(1));
        let entry = index.and_then(|index| self.entries.get(index));
        entry.map_or([0; 32], |entry| entry.hash)
    }

    /// The next entry, which is not appended.
    #[must_use]
    pub fn next(&self, content: &Content) -> Entry {
        self.entry(self.len() + 1, self.hash_at(self.len()), content.bytes())
    }

    /// Any entry with the hash that is right for it.
    #[must_use]
    pub fn entry(&self, seq: u64, prev: [u8; 32], content: Vec<u8>) -> Entry {
        let hash = derive(
            ENTRY,
            &[
                &self.conversation,
                &self.author,
                &self.incarnation,
                &seq.to_le_bytes(),
                &prev,
                &content,
            ],
        );
        Entry {
            incarnation: self.incarnation,
            seq,
            prev,
            hash,
            content: Some(content),
        }
    }

    /// Appends a text and gives its entry.
    pub fn say(&mut self, text: &str) -> Entry {
        self.append(&Content::text(text))
    }

    /// Appends anything and gives its entry.
    pub fn append(&mut self, content: &Content) -> Entry {
        let entry = self.next(content);
        self.entries.push(entry.clone());
        entry
    }

    /// What its author says of it.
    #[must_use]
    pub fn frontier(&self) -> Frontier {
        Frontier {
            author: self.author,
            incarnation: self.incarnation,
            held: self.len(),
            low_water: 1,
            read: self.len(),
            tip: self.hash_at(self.len()),
        }
    }
}
