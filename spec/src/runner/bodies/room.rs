//! Rooms: keys, items and frames (`80-gossip`).

use std::collections::BTreeSet;

use chacha20poly1305::aead::{Aead as _, Payload};
use chacha20poly1305::{Key, KeyInit as _, XChaCha20Poly1305, XNonce};

use crate::json::Json;
use crate::structure::{Part, Structure, counted};

use super::super::clock;
use super::super::frames::frame;
use super::super::identity::Identity;
use super::derive;

/// GOSSIP_OPEN.
pub const OPEN: u16 = 0x0040;
/// GOSSIP_LEAVE.
pub const LEAVE: u16 = 0x0041;
/// GOSSIP_JOIN.
pub const JOIN: u16 = 0x0042;
/// GOSSIP_SHUFFLE.
pub const SHUFFLE: u16 = 0x0043;
/// GOSSIP_PUSH.
pub const PUSH: u16 = 0x0044;
/// GOSSIP_ANNOUNCE.
pub const ANNOUNCE: u16 = 0x0045;
/// GOSSIP_PULL.
pub const PULL: u16 = 0x0046;
/// GOSSIP_TREE.
pub const TREE: u16 = 0x0047;
/// GOSSIP_DIGEST.
pub const DIGEST: u16 = 0x0048;
/// GOSSIP_SKETCH.
pub const SKETCH: u16 = 0x0049;
/// GOSSIP_MORE.
pub const MORE: u16 = 0x004a;
/// GOSSIP_PROOF.
pub const PROOF: u16 = 0x004b;
/// GOSSIP_RANGE.
pub const RANGE: u16 = 0x004c;
/// GOSSIP_SPANS.
pub const SPANS: u16 = 0x004d;
/// GOSSIP_FETCH.
pub const FETCH: u16 = 0x004e;

/// The capability (`registry` §7).
pub const CAPABILITY: u16 = 5;
/// `hops` of an item that was asked for.
pub const ASKED: u8 = 255;
/// `want` of GOSSIP_MORE: announce everything.
pub const EVERYTHING: u32 = u32::MAX;

/// Partings (`registry` §15).
pub mod parting {
    /// It leaves the room.
    pub const LEAVING: u8 = 1;
    /// It has as many neighbours as it wants.
    pub const FULL: u8 = 2;
    /// The room is none of its own.
    pub const UNKNOWN_ROOM: u8 = 3;
    /// The other breaks the rules.
    pub const MISBEHAVED: u8 = 4;
}

/// The keys of a room (§2.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Room {
    key: [u8; 32],
    /// Its name in logs and signatures.
    pub id: [u8; 32],
}

impl Room {
    /// The room of a folded name, without a secret.
    #[must_use]
    pub fn new(name: &str) -> Self {
        let key = derive("dchat/1 2026-11 room key", &[&[0; 32], name.as_bytes()]);
        let id = derive("dchat/1 2026-11 room", &[&key]);
        Self { key, id }
    }

    /// What a group is where a room is asked for (`81-groups` §1); its bodies are sealed otherwise.
    #[must_use]
    pub fn of_group(group: &[u8; 32]) -> Self {
        Self {
            key: *group,
            id: *group,
        }
    }

    /// What `from` shows `to` of the room.
    #[must_use]
    pub fn tag(&self, from: &[u8; 32], to: &[u8; 32]) -> [u8; 32] {
        derive("dchat/1 2026-11 room open", &[&self.key, from, to])
    }

    /// Seals a body for the header it goes with.
    #[must_use]
    pub fn seal(&self, author: &[u8; 32], header: &Header, plain: &[u8]) -> Vec<u8> {
        let place = header.laid_out(author, 0, &[0; 32]).bytes;
        let place = [self.id.as_slice(), &place].concat();
        let key = derive("dchat/1 2026-11 room body", &[&self.key]);
        let nonce = derive("dchat/1 2026-11 room nonce", &[&place]);
        let mut first = [0; 24];
        first.copy_from_slice(&nonce[..24]);
        let payload = Payload {
            msg: plain,
            aad: &place,
        };
        // It does not fail for so few bytes; if it did, no body would open.
        XChaCha20Poly1305::new(&Key::from(key))
            .encrypt(&XNonce::from(first), payload)
            .unwrap_or_default()
    }
}

/// What an author chooses of a header.
#[derive(Clone, Debug)]
pub struct Header {
    /// Which of its logs.
    pub incarnation: [u8; 16],
    /// The sequence.
    pub seq: u32,
    /// Hash of the item before.
    pub prev: [u8; 32],
    /// Lamport time.
    pub lamport: u64,
    /// Milliseconds since 1970.
    pub sent_at: u64,
    /// Below which items need not be had.
    pub floor: u32,
    /// What the body is.
    pub kind: u16,
}

impl Header {
    fn laid_out(&self, author: &[u8; 32], len: u32, hash: &[u8; 32]) -> Structure {
        Structure::new()
            .fixed("ItemHeader.author", author)
            .fixed("ItemHeader.incarnation", &self.incarnation)
            .u32("ItemHeader.seq", self.seq)
            .fixed("ItemHeader.prev", &self.prev)
            .u64("ItemHeader.lamport", self.lamport)
            .u64("ItemHeader.sent_at", self.sent_at)
            .u32("ItemHeader.keep_s", 0)
            .u32("ItemHeader.floor", self.floor)
            .list("ItemHeader.heads", &[], false)
            .u16("ItemHeader.kind", self.kind)
            .u32("ItemHeader.body_len", len)
            .fixed("ItemHeader.body_hash", hash)
            .extensions("ItemHeader.extensions", &[])
    }
}

/// An item, of which every part may be made wrong.
#[derive(Clone, Debug)]
pub struct Item {
    /// The author's key in the room.
    pub author: [u8; 32],
    /// The rest of the header.
    pub header: Header,
    /// As the header says.
    pub body_len: u32,
    /// As the header says.
    pub body_hash: [u8; 32],
    /// By the author.
    pub signature: [u8; 64],
    /// The sealed body.
    pub body: Option<Vec<u8>>,
}

impl Item {
    /// The encoded header.
    #[must_use]
    pub fn header_bytes(&self) -> Vec<u8> {
        self.header
            .laid_out(&self.author, self.body_len, &self.body_hash)
            .bytes
    }

    /// The hash by which the next one names it.
    #[must_use]
    pub fn hash(&self, room: &Room) -> [u8; 32] {
        derive(
            "dchat/1 2026-11 item hash",
            &[&room.id, &self.header_bytes()],
        )
    }

    /// Signed by a key, whoever it names.
    pub fn sign(&mut self, room: &[u8; 32], key: &Identity) {
        let message = [room.as_slice(), &self.header_bytes()].concat();
        self.signature = key.sign("dchat/1 item", &message);
    }

    /// Without its body.
    #[must_use]
    pub fn stub(mut self) -> Self {
        self.body = None;
        self
    }

    /// As it travels.
    #[must_use]
    pub fn structure(&self) -> Structure {
        let header = self
            .header
            .laid_out(&self.author, self.body_len, &self.body_hash);
        let body = self.body.as_ref().map(|body| Part {
            bytes: counted(body),
            json: Json::Null,
        });
        Structure::new()
            .push("SignedItem.header", &header.part(), false)
            .fixed("SignedItem.signature", &self.signature)
            .option("SignedItem.body", body.as_ref(), true)
    }

    /// GOSSIP_PUSH.
    #[must_use]
    pub fn push(&self, hops: u8) -> Vec<u8> {
        frame(PUSH, &push(hops, self).bytes)
    }
}

/// Somebody who writes in a room, one log of it.
#[derive(Clone, Debug)]
pub struct Author {
    /// The room.
    pub room: Room,
    /// Who it is.
    pub person: Identity,
    /// With which key it signs there.
    pub key: Identity,
    /// Where its next item begins.
    pub next: Header,
}

impl Author {
    /// A log that begins now. `seed` is that of `person`.
    #[must_use]
    pub fn new(room: &Room, seed: &[u8; 32], incarnation: [u8; 16]) -> Self {
        let key = derive("dchat/1 2026-11 room author", &[seed, &room.id]);
        Self::with_key(room, Identity::new(seed), Identity::new(&key), incarnation)
    }

    /// The same with any key to sign with.
    #[must_use]
    pub fn with_key(room: &Room, person: Identity, key: Identity, incarnation: [u8; 16]) -> Self {
        let now = clock::now_ms();
        Self {
            room: room.clone(),
            person,
            key,
            next: Header {
                incarnation,
                seq: 1,
                prev: [0; 32],
                lamport: now,
                sent_at: now,
                floor: 1,
                kind: 1,
            },
        }
    }

    /// The name of the log.
    #[must_use]
    pub fn log(&self) -> [u8; 16] {
        let parts = [
            self.room.id.as_slice(),
            &self.key.public(),
            &self.next.incarnation,
        ];
        let digest = derive("dchat/1 2026-11 room log", &parts);
        let mut name = [0; 16];
        name.copy_from_slice(&digest[..16]);
        name
    }

    /// Its beginning, as frames name it.
    #[must_use]
    pub fn mark(&self) -> u64 {
        let [a, b, c, d, e, f, g, h, ..] = self.log();
        u64::from_le_bytes([a, b, c, d, e, f, g, h])
    }

    /// The plaintext of a body that says `text`.
    #[must_use]
    pub fn plain(&self, text: &[u8]) -> Structure {
        let message = [self.room.id.as_slice(), &self.key.public()].concat();
        let statement = self.person.sign("dchat/1 room author", &message);
        Structure::new()
            .fixed("RoomBody.author", &self.person.public())
            .fixed("RoomBody.statement", &statement)
            .text("RoomBody.name", "partner")
            .bytes("RoomBody.content", text)
            .extensions("RoomBody.extensions", &[])
    }

    /// The item with this header and plaintext, right in everything else.
    #[must_use]
    pub fn item(&self, header: &Header, plain: &[u8]) -> Item {
        let body = self.room.seal(&self.key.public(), header, plain);
        self.sealed_item(header, body)
    }

    /// The item with this header and a body that is sealed.
    #[must_use]
    pub fn sealed_item(&self, header: &Header, body: Vec<u8>) -> Item {
        let mut item = Item {
            author: self.key.public(),
            header: header.clone(),
            body_len: body.len() as u32,
            body_hash: derive("dchat/1 2026-11 item body", &[&body]),
            signature: [0; 64],
            body: Some(body),
        };
        item.sign(&self.room.id, &self.key);
        item
    }

    /// Writes the next item.
    pub fn says(&mut self, text: &str) -> Item {
        let item = self.item(&self.next, self.plain(text.as_bytes()).bytes.as_slice());
        self.next = self.after(&item);
        item
    }

    /// The header of an item that follows `item`.
    #[must_use]
    pub fn after(&self, item: &Item) -> Header {
        let now = clock::now_ms().max(item.header.sent_at);
        Header {
            seq: item.header.seq + 1,
            prev: item.hash(&self.room),
            lamport: now.max(item.header.lamport + 1),
            sent_at: now,
            ..item.header.clone()
        }
    }
}

/// GOSSIP_OPEN.
#[must_use]
pub fn open(tag: &[u8; 32], nonce: u64, answer: bool, alone: bool) -> Structure {
    Structure::new()
        .fixed("GossipOpen.room", tag)
        .u64("GossipOpen.nonce", nonce)
        .boolean("GossipOpen.answer", answer)
        .boolean("GossipOpen.alone", alone)
        .extensions("GossipOpen.extensions", &[])
}

/// The body of GOSSIP_LEAVE.
#[must_use]
pub fn leave(reason: u8) -> Structure {
    Structure::new()
        .u8("GossipLeave.reason", reason)
        .list("GossipLeave.peers", &[], false)
        .extensions("GossipLeave.extensions", &[])
}

/// A `Contact` without addresses.
#[must_use]
pub fn contact(peer: &[u8; 32]) -> Structure {
    Structure::new()
        .fixed("Contact.peer", peer)
        .list("Contact.addresses", &[], false)
}

/// The body of GOSSIP_JOIN.
#[must_use]
pub fn join(peer: &[u8; 32], hops: u8) -> Structure {
    Structure::new()
        .push("GossipJoin.peer", &contact(peer).part(), false)
        .u8("GossipJoin.hops", hops)
        .extensions("GossipJoin.extensions", &[])
}

/// The body of GOSSIP_SHUFFLE.
#[must_use]
pub fn shuffle(answer: bool, peers: &[[u8; 32]]) -> Structure {
    let peers: Vec<Part> = peers.iter().map(|peer| contact(peer).part()).collect();
    Structure::new()
        .boolean("GossipShuffle.answer", answer)
        .list("GossipShuffle.peers", &peers, false)
        .extensions("GossipShuffle.extensions", &[])
}

/// The body of GOSSIP_PUSH.
#[must_use]
pub fn push(hops: u8, item: &Item) -> Structure {
    Structure::new().u8("GossipPush.hops", hops).push(
        "GossipPush.item",
        &item.structure().part(),
        false,
    )
}

/// The body of GOSSIP_ANNOUNCE: log, sequence and age.
#[must_use]
pub fn announce(marks: &[(u64, u32, u16)]) -> Structure {
    let mark = |&(log, seq, age): &(u64, u32, u16)| {
        let mark = Structure::new()
            .u64("Mark.log", log)
            .u32("Mark.seq", seq)
            .u16("Mark.age", age);
        mark.part()
    };
    let marks: Vec<Part> = marks.iter().map(mark).collect();
    Structure::new().list("GossipAnnounce.marks", &marks, false)
}

/// The body of GOSSIP_PULL: log, after and up to.
#[must_use]
pub fn pull(graft: bool, wants: &[(u64, u32, u32)]) -> Structure {
    let want = |&(log, after, upto): &(u64, u32, u32)| {
        let want = Structure::new()
            .u64("Want.log", log)
            .u32("Want.after", after)
            .u32("Want.upto", upto);
        want.part()
    };
    let wants: Vec<Part> = wants.iter().map(want).collect();
    Structure::new()
        .boolean("GossipPull.graft", graft)
        .list("GossipPull.wants", &wants, false)
        .extensions("GossipPull.extensions", &[])
}

/// The body of GOSSIP_TREE.
#[must_use]
pub fn tree(graft: &[u64], prune: &[u64]) -> Structure {
    let logs = |logs: &[u64]| -> Vec<Part> { logs.iter().map(|log| Part::u64(*log)).collect() };
    Structure::new()
        .list("GossipTree.graft", &logs(graft), true)
        .list("GossipTree.prune", &logs(prune), true)
        .extensions("GossipTree.extensions", &[])
}

/// The body of GOSSIP_DIGEST.
#[must_use]
pub fn digest(root: u64, total: u32, horizon: u32) -> Structure {
    Structure::new()
        .u64("GossipDigest.root", root)
        .u32("GossipDigest.total", total)
        .u32("GossipDigest.horizon", horizon)
}

/// The body of GOSSIP_SKETCH of sequences.
#[must_use]
pub fn sketch(salt: u32, horizon: u32, first: u32, cells: &[u8]) -> Structure {
    Structure::new()
        .u32("GossipSketch.salt", salt)
        .u8("GossipSketch.of", 0)
        .u32("GossipSketch.horizon", horizon)
        .u32("GossipSketch.first", first)
        .bytes("GossipSketch.cells", cells)
        .extensions("GossipSketch.extensions", &[])
}

/// The body of GOSSIP_MORE.
#[must_use]
pub fn more(salt: u32, have: u32, want: u32) -> Structure {
    Structure::new()
        .u32("GossipMore.salt", salt)
        .u32("GossipMore.have", have)
        .u32("GossipMore.want", want)
        .list("GossipMore.unknown", &[], true)
        .extensions("GossipMore.extensions", &[])
}

/// The body of GOSSIP_PROOF.
#[must_use]
pub fn proof(items: &[Item]) -> Structure {
    let items: Vec<Part> = items
        .iter()
        .map(|item| item.clone().stub().structure().part())
        .collect();
    Structure::new()
        .list("GossipProof.items", &items, false)
        .extensions("GossipProof.extensions", &[])
}

fn place(lamport: u64, hash: u64) -> Part {
    let place = Structure::new()
        .u64("Place.lamport", lamport)
        .u64("Place.hash", hash);
    place.part()
}

/// A `Span` of everything, of which so many items are held.
#[must_use]
pub fn whole_span(count: u32, sum: u64) -> Structure {
    Structure::new()
        .push("Span.from", &place(0, 0), false)
        .push("Span.to", &place(u64::MAX, u64::MAX), false)
        .u32("Span.count", count)
        .u64("Span.sum", sum)
}

/// The body of GOSSIP_RANGE.
#[must_use]
pub fn range(salt: u64, spans: &[Structure], newest: u16) -> Structure {
    let spans: Vec<Part> = spans.iter().map(Structure::part).collect();
    Structure::new()
        .u64("GossipRange.salt", salt)
        .list("GossipRange.spans", &spans, false)
        .u16("GossipRange.newest", newest)
        .extensions("GossipRange.extensions", &[])
}

/// The body of GOSSIP_SPANS.
#[must_use]
pub fn spans(salt: u64, spans: &[Structure]) -> Structure {
    let spans: Vec<Part> = spans.iter().map(Structure::part).collect();
    Structure::new()
        .u64("GossipSpans.salt", salt)
        .list("GossipSpans.spans", &spans, false)
        .extensions("GossipSpans.extensions", &[])
}

/// The body of GOSSIP_FETCH of everything.
#[must_use]
pub fn fetch(most: u16) -> Structure {
    Structure::new()
        .push("GossipFetch.from", &place(0, 0), false)
        .push("GossipFetch.to", &place(u64::MAX, u64::MAX), false)
        .u16("GossipFetch.most", most)
        .extensions("GossipFetch.extensions", &[])
}

/// The horizon of a window of a day, in hours since 1970.
#[must_use]
pub fn horizon() -> u32 {
    (clock::now_ms() / 3_600_000) as u32 - 24
}

/// The root and total of a digest (§5.1), of logs with tips and sequences.
#[must_use]
pub fn root(held: &[([u8; 16], [u8; 32], u32)], nonces: [u64; 2]) -> (u64, u32) {
    const FRONTIER: &str = "dchat/1 2026-11 frontier";
    let held: BTreeSet<_> = held.iter().collect();
    let mut parts = Vec::new();
    for first in 0..=255 {
        let part: Vec<u8> = held
            .iter()
            .filter(|(name, _, _)| name[0] == first)
            .flat_map(|(name, tip, seq)| [name.as_slice(), tip, &seq.to_le_bytes()].concat())
            .collect();
        let hash = if part.is_empty() {
            [0; 32]
        } else {
            derive(FRONTIER, &[&part])
        };
        parts.extend_from_slice(&hash);
    }
    let root = derive(FRONTIER, &[&parts]);
    let [one, other] = nonces;
    let (low, high) = (one.min(other).to_le_bytes(), one.max(other).to_le_bytes());
    let salted = derive(FRONTIER, &[&low, &high, &root]);
    let [a, b, c, d, e, f, g, h, ..] = salted;
    let total = held
        .iter()
        .fold(0_u32, |sum, (_, _, seq)| sum.wrapping_add(*seq));
    (u64::from_le_bytes([a, b, c, d, e, f, g, h]), total)
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::panic,
        reason = "a failed assumption fails the test"
    )]

    use dchat_wire::room::{RoomKey, RoomName};

    use super::*;

    #[test]
    fn an_item_is_what_dchat_wire_opens() {
        let room = Room::new("lobby");
        assert_eq!(room.id[..4], [0xc7, 0x4b, 0xdf, 0xf4]);
        let mut author = Author::new(&room, &[7; 32], [9; 16]);
        let item = author.says("hello");
        let read = dchat_wire::FrameType::from_code(PUSH)
            .unwrap()
            .decode(&push(3, &item).bytes)
            .unwrap();
        let dchat_wire::Frame::GossipPush(read) = read else {
            panic!("{read:?}");
        };
        let key = RoomKey::derive(&RoomName::new("#Lobby").unwrap(), None).unwrap();
        let body = key.open(&read.item).unwrap();
        assert_eq!(body.content.as_slice(), b"hello");
        body.verify(&room.id, &author.key.public()).unwrap();
        assert_eq!(
            dchat_wire::gossip::item_hash(&room.id, &read.item.header),
            item.hash(&room)
        );
        assert_eq!(author.next.seq, 2);
    }
}
