//! What was written, and what the databases of all members together hold.
//!
//! A member's database is not copied for each: an item is the same for all, so what a member has
//! stored follows from its frontier. Signatures are modelled: 64 bytes that only this module makes,
//! and that are checked whenever a core asks.

use std::collections::BTreeMap;
use std::sync::Arc;

use dchat_gossip::log::{Item, Position, Proof, Verdict};
use dchat_gossip::node::Draft;
use dchat_gossip::{Frontier, Judge, LogId};
use dchat_wire::codec::{Bytes, List};
use dchat_wire::extension::Extensions;
use dchat_wire::gossip::{ItemHead, ItemHeader, SignedItem, body_hash};

/// The key of the room.
pub const ROOM: [u8; 32] = [7; 32];
/// Bytes of a message's body.
pub const TEXT: usize = 256;
/// The side of an item that was written while the room was whole.
pub const EVERYWHERE: u8 = u8::MAX;

/// An honest member's message.
#[derive(Clone, Debug)]
pub struct Written {
    /// The item.
    pub item: Arc<Item>,
    /// When, in milliseconds since 1970.
    pub at: u64,
    /// The side its author was on, or [`EVERYWHERE`].
    pub side: u8,
}

/// All items.
#[derive(Clone, Debug, Default)]
pub struct Library {
    /// By the author's number.
    logs: BTreeMap<u32, Vec<Written>>,
    authors: BTreeMap<LogId, u32>,
    /// What attackers wrote, honest in nothing but their signature.
    forks: BTreeMap<LogId, Vec<Arc<Item>>>,
    proofs: BTreeMap<LogId, Proof>,
    count: u32,
}

impl Library {
    /// Puts an honest message on record.
    pub fn write(&mut self, item: Arc<Item>, at: u64, side: u8) {
        let author = author_of(&item);
        self.authors.insert(item.log(), author);
        let log = self.logs.entry(author).or_default();
        log.push(Written { item, at, side });
        self.count += 1;
    }

    /// Puts on record what contradicts something.
    pub fn fork(&mut self, item: Arc<Item>) {
        self.forks.entry(item.log()).or_default().push(item);
    }

    /// How many honest messages there are.
    #[must_use]
    pub fn count(&self) -> u32 {
        self.count
    }

    /// The honest message of which this is a copy.
    #[must_use]
    pub fn written(&self, item: &Item) -> Option<&Written> {
        let log = self.logs.get(&author_of(item))?;
        let written = log.get(item.seq().checked_sub(1)? as usize)?;
        (written.item.hash() == item.hash()).then_some(written)
    }

    /// All honest messages, by author.
    pub fn all(&self) -> impl Iterator<Item = &Written> {
        self.logs.values().flatten()
    }

    /// Authors of honest messages, and how many each wrote.
    pub fn authors(&self) -> impl Iterator<Item = (u32, u32)> {
        let logs = self.logs.iter();
        logs.map(|(author, log)| (*author, u32::try_from(log.len()).unwrap_or(u32::MAX)))
    }

    /// Items of a log after `after` up to `upto`, about `most_bytes` of them.
    #[must_use]
    pub fn load(&self, log: LogId, after: u32, upto: u32, most_bytes: usize) -> Vec<Arc<Item>> {
        let honest = self.log(log).skip(after as usize);
        let honest = honest.map(|written| &written.item);
        let forks = self.forks.get(&log).into_iter().flatten();
        let mut items: Vec<Arc<Item>> = Vec::new();
        let mut bytes = 0;
        for item in honest.chain(forks) {
            let wanted = item.seq() > after && item.seq() <= upto;
            if !wanted || items.last().is_some_and(|last| last.seq() == item.seq()) {
                continue;
            }
            bytes += item.encoded_len();
            if bytes > most_bytes && !items.is_empty() {
                break;
            }
            items.push(Arc::clone(item));
        }
        items
    }

    /// The newest honest messages a member holds, in the order of the room, the newest first.
    #[must_use]
    pub fn newest(&self, held: &Frontier, most: usize) -> Vec<Arc<Item>> {
        let mut newest: Vec<&Arc<Item>> = Vec::new();
        for (_, tip) in held.iter().filter(|(_, tip)| !tip.closed) {
            let author = self.authors.get(&tip.id);
            let log = author.and_then(|author| self.logs.get(author));
            let log = log.and_then(|log| log.get(..tip.seq as usize));
            let last = log.unwrap_or_default().iter().rev().take(most);
            newest.extend(last.map(|written| &written.item));
        }
        newest.sort_by_key(|item| core::cmp::Reverse(Position::of(item)));
        newest.truncate(most);
        newest.into_iter().map(Arc::clone).collect()
    }

    fn log(&self, log: LogId) -> impl Iterator<Item = &Written> {
        let author = self.authors.get(&log);
        let written = author.and_then(|author| self.logs.get(author));
        written.into_iter().flatten()
    }

    /// A stored item that contradicts `item`.
    #[must_use]
    pub fn against(&self, seq: u32, item: &Item) -> Option<Arc<Item>> {
        let honest = self.log(item.log()).map(|written| &written.item);
        let mut all = honest.chain(self.forks.get(&item.log()).into_iter().flatten());
        let other = all.find(|other| other.seq() == seq && other.hash() != item.hash());
        other.map(Arc::clone)
    }

    /// Keeps evidence.
    pub fn prove(&mut self, proof: &Proof) {
        let kept = self.proofs.entry(proof.log());
        kept.or_insert_with(|| proof.clone());
    }

    /// The evidence against an author.
    #[must_use]
    pub fn proof(&self, log: LogId) -> Option<&Proof> {
        self.proofs.get(&log)
    }
}

/// Checks signatures, and nothing else.
#[derive(Clone, Copy, Debug)]
pub struct Signatures;

impl Judge for Signatures {
    fn judge(&mut self, item: &Item) -> Verdict {
        if item.signed().signature == signature(item.hash()) {
            Verdict::Accept
        } else {
            Verdict::Reject
        }
    }
}

/// The key of a member.
#[must_use]
pub fn key(author: u32) -> [u8; 32] {
    let mut key = [0; 32];
    key[..4].copy_from_slice(&author.to_le_bytes());
    key
}

/// The member that signed an item.
#[must_use]
pub fn author_of(item: &Item) -> u32 {
    let [a, b, c, d, ..] = *item.author();
    u32::from_le_bytes([a, b, c, d])
}

/// The log of a member.
#[must_use]
pub fn log_of(author: u32) -> LogId {
    LogId::of(&ROOM, &key(author), &[0; 16])
}

/// What stands for a signature of the item with this hash.
fn signature(hash: &[u8; 32]) -> [u8; 64] {
    let mut signature = [0; 64];
    let keyed = blake3::keyed_hash(&ROOM, hash);
    signature[..32].copy_from_slice(keyed.as_bytes());
    signature
}

/// The next item of `author` with this text; `None` of a text that is too long.
#[must_use]
pub fn compose(author: u32, draft: &Draft, text: Vec<u8>) -> Option<Arc<Item>> {
    let item = forge(author, draft, text)?;
    let signature = signature(item.hash());
    let signed = item.signed().clone();
    Item::new(
        &ROOM,
        SignedItem {
            signature,
            ..signed
        },
    )
    .ok()
}

/// The same without a signature.
#[must_use]
pub fn forge(author: u32, draft: &Draft, text: Vec<u8>) -> Option<Arc<Item>> {
    let heads = draft.heads.iter().map(|(log, seq, hash)| {
        let [a, b, c, d, e, f, g, h, ..] = *hash;
        let (log, seq, hash) = (log.0, *seq, [a, b, c, d, e, f, g, h]);
        ItemHead { log, seq, hash }
    });
    let header = ItemHeader {
        author: key(author),
        incarnation: [0; 16],
        seq: draft.seq,
        prev: draft.prev,
        lamport: draft.lamport,
        sent_at: draft.sent_at,
        keep_s: 0,
        floor: 0,
        heads: List::first_of(heads),
        kind: 1,
        body_len: u32::try_from(text.len()).ok()?,
        body_hash: body_hash(&text),
        extensions: Extensions::default(),
    };
    let body = Some(Bytes::new(text).ok()?);
    let signature = [0; 64];
    Item::new(
        &ROOM,
        SignedItem {
            header,
            signature,
            body,
        },
    )
    .ok()
}
