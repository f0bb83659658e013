//! The bodies of a chat, by hand (`40-messaging` §2 and §4).

use crate::structure::{Part, Structure};

use super::super::frames::{self, frame};

/// CHAT_OPEN.
#[derive(Clone, Debug)]
pub struct ChatOpen {
    /// What the sender calls itself.
    pub name: String,
    /// `InviteProof`: the invite's id and the mac.
    pub proof: Option<([u8; 16], [u8; 32])>,
    /// An encoded `SignedRecord`.
    pub device: Vec<u8>,
    /// Sessions, newest first.
    pub sessions: Vec<[u8; 32]>,
}

impl ChatOpen {
    /// The body.
    #[must_use]
    pub fn body(&self) -> Structure {
        let proof = self.proof.map(|(invite, mac)| {
            Structure::new()
                .fixed("InviteProof.invite", &invite)
                .fixed("InviteProof.mac", &mac)
                .part()
        });
        let sessions: Vec<Part> = self.sessions.iter().map(|id| Part::fixed(id)).collect();
        let device = Part {
            bytes: self.device.clone(),
            json: crate::Json::Null,
        };
        Structure::new()
            .text("ChatOpen.name", &self.name)
            .option("ChatOpen.invite", proof.as_ref(), false)
            .push("ChatOpen.device", &device, false)
            .list("ChatOpen.sessions", &sessions, true)
            .extensions("ChatOpen.extensions", &[])
    }

    /// The frame.
    #[must_use]
    pub fn frame(&self) -> Vec<u8> {
        frame(frames::CHAT_OPEN, &self.body().bytes)
    }
}

/// The body of ENVELOPE.
#[must_use]
pub fn envelope(session: &[u8; 32], stage: u8, message: &[u8]) -> Structure {
    Structure::new()
        .fixed("Envelope.session", session)
        .u8("Envelope.stage", stage)
        .bytes("Envelope.message", message)
        .extensions("Envelope.extensions", &[])
}

/// UNDECRYPTABLE.
#[must_use]
pub fn undecryptable(session: &[u8; 32]) -> Vec<u8> {
    let body = Structure::new()
        .fixed("Undecryptable.session", session)
        .extensions("Undecryptable.extensions", &[]);
    frame(frames::UNDECRYPTABLE, &body.bytes)
}

/// A frontier.
#[derive(Clone, Debug)]
pub struct Frontier {
    /// Whose log.
    pub author: [u8; 32],
    /// Which log.
    pub incarnation: [u8; 16],
    /// How much is held.
    pub held: u64,
    /// The first that is to be had.
    pub low_water: u64,
    /// How much was shown.
    pub read: u64,
    /// The hash of the last that is held.
    pub tip: [u8; 32],
}

impl Frontier {
    fn part(&self) -> Part {
        Structure::new()
            .fixed("Frontier.author", &self.author)
            .fixed("Frontier.incarnation", &self.incarnation)
            .u64("Frontier.held", self.held)
            .u64("Frontier.low_water", self.low_water)
            .u64("Frontier.read", self.read)
            .fixed("Frontier.tip", &self.tip)
            .part()
    }
}

/// An entry of another log: author, incarnation, sequence, hash.
pub type Head = ([u8; 32], [u8; 16], u64, [u8; 32]);

/// What an author wrote.
#[derive(Clone, Debug)]
pub struct Content {
    /// By the author's clock.
    pub sent_at: u64,
    /// When it is to be forgotten.
    pub expires_at: Option<u64>,
    /// Entries of other logs.
    pub heads: Vec<Head>,
    /// 1 for text.
    pub kind: u16,
    /// What it says.
    pub body: Vec<u8>,
    /// Extensions.
    pub extensions: Vec<(u16, Vec<u8>)>,
}

impl Content {
    /// A text.
    #[must_use]
    pub fn text(text: &str) -> Self {
        Self {
            sent_at: super::now(),
            expires_at: None,
            heads: Vec::new(),
            kind: 1,
            body: text.as_bytes().to_vec(),
            extensions: Vec::new(),
        }
    }

    /// The encoding, which the hash covers.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let heads: Vec<Part> = self
            .heads
            .iter()
            .map(|(author, incarnation, seq, hash)| {
                Structure::new()
                    .fixed("Head.author", author)
                    .fixed("Head.incarnation", incarnation)
                    .u64("Head.seq", *seq)
                    .fixed("Head.hash", hash)
                    .part()
            })
            .collect();
        let extensions: Vec<(u16, &[u8])> = self
            .extensions
            .iter()
            .map(|(kind, value)| (*kind, value.as_slice()))
            .collect();
        let expires_at = self.expires_at.map(Part::u64);
        Structure::new()
            .u64("Content.sent_at", self.sent_at)
            .option("Content.expires_at", expires_at.as_ref(), true)
            .list("Content.heads", &heads, false)
            .u16("Content.kind", self.kind)
            .bytes("Content.body", &self.body)
            .extensions("Content.extensions", &extensions)
            .bytes
    }
}

/// An entry.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Which log of the sender.
    pub incarnation: [u8; 16],
    /// From 1.
    pub seq: u64,
    /// The hash of the one before.
    pub prev: [u8; 32],
    /// Its own.
    pub hash: [u8; 32],
    /// An encoded `Content`; absent in a stub.
    pub content: Option<Vec<u8>>,
}

impl Entry {
    fn part(&self) -> Part {
        let content = self.content.as_ref().map(|bytes| Part {
            bytes: bytes.clone(),
            json: crate::Json::Null,
        });
        Structure::new()
            .fixed("Entry.incarnation", &self.incarnation)
            .u64("Entry.seq", self.seq)
            .fixed("Entry.prev", &self.prev)
            .fixed("Entry.hash", &self.hash)
            .option("Entry.content", content.as_ref(), false)
            .part()
    }
}

/// A parcel without padding, its count included.
#[must_use]
pub fn parcel(frontiers: &[Frontier], entries: &[Entry], extensions: &[(u16, &[u8])]) -> Structure {
    let frontiers: Vec<Part> = frontiers.iter().map(Frontier::part).collect();
    let entries: Vec<Part> = entries.iter().map(Entry::part).collect();
    Structure::new()
        .list("Parcel.frontiers", &frontiers, false)
        .list("Parcel.entries", &entries, false)
        .extensions("Parcel.extensions", extensions)
        .bytes("Parcel.padding", &[])
}

/// A parcel as it is encrypted, padded as §4.1 says.
#[must_use]
pub fn padded(parcel: &Structure) -> Vec<u8> {
    let unpadded = parcel.bytes.len();
    padded_to(parcel, padded_length(unpadded))
}

/// The same with any length, at least that without padding.
#[must_use]
pub fn padded_to(parcel: &Structure, len: usize) -> Vec<u8> {
    let missing = len.saturating_sub(parcel.bytes.len());
    parcel.replace(
        "Parcel.padding",
        &crate::structure::counted(&vec![0; missing]),
    )
}

/// `P(n)` (§4.1).
#[must_use]
pub fn padded_length(n: usize) -> usize {
    let m = n.max(256);
    let e = m.ilog2();
    let s = e.ilog2() + 1;
    let g = 1_usize << (e - s);
    m.div_ceil(g).saturating_mul(g).min(131_072)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_those_of_the_document() {
        let table = [
            (0, 256),
            (257, 272),
            (511, 512),
            (513, 544),
            (65_537, 67_584),
        ];
        for (n, padded) in table {
            assert_eq!(padded_length(n), padded);
        }
        assert_eq!(padded(&parcel(&[], &[], &[])).len(), 256);
    }
}
