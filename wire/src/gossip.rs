//! Rooms and groups: what members of one tell each other (spec `80-gossip`).
//!
//! A room is a set of logs, one for each author and incarnation, gap-free, chained by hash and
//! signed. Frames of a room travel on a stream that begins with [`GossipOpen`], so none of the others
//! names the room. Logs are named by the first eight bytes of their [`log_id`]; what a name leads to
//! is believed only for the signature of the items that come.

use crate::address::Address;
use crate::codec::{self, Bytes, List, body, checked_field, codes};
use crate::extension::Extensions;
use crate::hash::Context;
use crate::id::PeerId;
use crate::limits;
use crate::sign::{Identity, Purpose};

body! {
    /// One entry of a log without its body: what is hashed, chained and signed. It stays when the
    /// body has expired.
    pub struct ItemHeader {
        /// Ed25519 key the author made for this room.
        pub author: [u8; 32],
        /// Which of the author's logs.
        pub incarnation: [u8; 16],
        /// From 1, without gaps.
        pub seq: u32,
        /// [`item_hash`] of the item before; zeros for the first.
        pub prev: [u8; 32],
        /// Greater than that of every item the author had seen.
        pub lamport: u64,
        /// Milliseconds since 1970 by the author's clock; never earlier than the item before.
        pub sent_at: u64,
        /// Seconds after `sent_at` at which the body is to be forgotten; 0 for the room's window.
        pub keep_s: u32,
        /// Items of this log below this sequence need not be had to go on; never falls.
        pub floor: u32,
        /// The newest items of other logs the author had seen.
        pub heads: List<ItemHead, { limits::HEADS }>,
        /// What the body is, as in [`entry_kind`](crate::parcel::entry_kind).
        pub kind: u16,
        /// Bytes of the body.
        pub body_len: u32,
        /// [`body_hash`] of the body.
        pub body_hash: [u8; 32],
        /// Extensions.
        pub extensions: Extensions,
    }
}

body! {
    /// An item of another log.
    pub struct ItemHead {
        /// [`log_id`] of its log.
        pub log: [u8; 16],
        /// Its sequence.
        pub seq: u32,
        /// The first eight bytes of its hash.
        pub hash: [u8; 8],
    }
}

body! {
    /// One entry of a log as it travels.
    pub struct SignedItem {
        /// What is signed.
        pub header: ItemHeader,
        /// The author's, over the room and the header, purpose [`Purpose::Item`].
        pub signature: [u8; 64],
        /// Absent from a stub, which is all that is left of an item whose body has expired.
        pub body: Option<Bytes<{ limits::ENTRY_BODY }>>,
    }
}

/// The name of an author's log in a room.
#[must_use]
pub fn log_id(room: &[u8; 32], author: &[u8; 32], incarnation: &[u8; 16]) -> [u8; 16] {
    half(Context::LOG.digest(&[room, author, incarnation]))
}

/// The hash of an item, which the next one of its log names as `prev`.
#[must_use]
pub fn item_hash(room: &[u8; 32], header: &ItemHeader) -> [u8; 32] {
    Context::ITEM.digest(&[room, &codec::encode(header)])
}

/// The hash of an item's body.
#[must_use]
pub fn body_hash(body: &[u8]) -> [u8; 32] {
    Context::ITEM_BODY.digest(&[body])
}

/// What the author signs of an item: the room and the header.
#[must_use]
pub fn item_message(room: &[u8; 32], header: &ItemHeader) -> Vec<u8> {
    [room.as_slice(), &codec::encode(header)].concat()
}

impl SignedItem {
    /// Signs `header` for `room`. The header's author, body length and body hash are set from
    /// `author` and `body`.
    #[must_use]
    pub fn sign(
        author: &Identity,
        room: &[u8; 32],
        mut header: ItemHeader,
        body: Bytes<{ limits::ENTRY_BODY }>,
    ) -> Self {
        header.author = *author.peer_id().public_key();
        header.body_len = u32::try_from(body.as_slice().len()).unwrap_or(u32::MAX);
        header.body_hash = body_hash(body.as_slice());
        let signature = author.sign(Purpose::Item, &item_message(room, &header));
        Self {
            header,
            signature,
            body: Some(body),
        }
    }
}

fn half(digest: [u8; 32]) -> [u8; 16] {
    let mut id = [0; 16];
    id.copy_from_slice(&digest[..16]);
    id
}

body! {
    /// GOSSIP_OPEN: first frame each way on a room's stream. The first asks to be neighbours, the
    /// answer agrees; [`GossipLeave`] refuses.
    pub struct GossipOpen {
        /// Which room: [`open_tag`](crate::room::open_tag) of the sender and the receiver, which names
        /// it to who is in it and shows that the sender is.
        pub room: [u8; 32],
        /// The digests of this link are salted with both sides' numbers.
        pub nonce: u64,
        /// Whether it is an answer.
        pub answer: bool,
        /// The asker has no neighbour: refuse only when the room is unknown.
        pub alone: bool,
        /// Extensions.
        pub extensions: Extensions,
    }
}

body! {
    /// A member and where it may be reached.
    pub struct Contact {
        /// Who.
        pub peer: PeerId,
        /// Where; empty when the sender knows the receiver knows.
        pub addresses: List<Address, { limits::GOSSIP_ADDRESSES }>,
    }
}

codes! {
    /// Why a member ends a link, or does not begin it (spec `registry` §15).
    pub enum Parting as u8, "the reason is none that is registered" {
        /// It leaves the room.
        Leaving = 1,
        /// It has as many neighbours as it wants.
        Full = 2,
        /// The room is not one of its rooms.
        UnknownRoom = 3,
        /// The other breaks the rules.
        Misbehaved = 4,
    }
}

body! {
    /// GOSSIP_LEAVE: no longer neighbours; others to try instead.
    pub struct GossipLeave {
        /// Why.
        pub reason: Parting,
        /// Other members.
        pub peers: List<Contact, { limits::GOSSIP_PEERS }>,
        /// Extensions.
        pub extensions: Extensions,
    }
}

body! {
    /// GOSSIP_JOIN: somebody is new in the room; pass it on, or take it as a neighbour.
    pub struct GossipJoin {
        /// Who is new.
        pub peer: Contact,
        /// How often it may still be passed on.
        pub hops: u8,
        /// Extensions.
        pub extensions: Extensions,
    }
}

body! {
    /// GOSSIP_SHUFFLE: some members for some others.
    pub struct GossipShuffle {
        /// Whether it is an answer, which is not answered.
        pub answer: bool,
        /// Members.
        pub peers: List<Contact, { limits::GOSSIP_PEERS }>,
        /// Extensions.
        pub extensions: Extensions,
    }
}

body! {
    /// GOSSIP_PUSH: an item, which has extensions of its own.
    pub struct GossipPush {
        /// How often it may still be pushed on by those who know no tree for its log; 255 for an item
        /// that was asked for or found missing, and comes along no tree.
        pub hops: u8,
        /// The item; behind a pointer, so that a frame is no larger for it.
        pub item: Box<SignedItem>,
    }
}

body! {
    /// How far the sender holds a log.
    pub struct Mark {
        /// First eight bytes of the [`log_id`], little-endian.
        pub log: u64,
        /// Its newest item here.
        pub seq: u32,
        /// Milliseconds since that item came; 65,535 for longer.
        pub age: u16,
    }
}

body! {
    /// GOSSIP_ANNOUNCE: what the sender holds, to be pulled. It has no extensions: there is one for
    /// nearly every item.
    pub struct GossipAnnounce {
        /// At most one for a log.
        pub marks: List<Mark, { limits::GOSSIP_MARKS }>,
    }
}

body! {
    /// A part of a log.
    pub struct Want {
        /// First eight bytes of the [`log_id`], little-endian.
        pub log: u64,
        /// The newest item the sender holds.
        pub after: u32,
        /// The last item wanted.
        pub upto: u32,
    }
}

body! {
    /// GOSSIP_PULL: send these items.
    pub struct GossipPull {
        /// And push the later ones of these logs.
        pub graft: bool,
        /// Which.
        pub wants: List<Want, { limits::GOSSIP_MARKS }>,
        /// Extensions.
        pub extensions: Extensions,
    }
}

body! {
    /// GOSSIP_TREE: who pushes what from now on.
    pub struct GossipTree {
        /// Push the items of these logs to the sender.
        pub graft: List<u64, { limits::GOSSIP_MARKS }>,
        /// Announce them instead.
        pub prune: List<u64, { limits::GOSSIP_MARKS }>,
        /// Extensions.
        pub extensions: Extensions,
    }
}

body! {
    /// GOSSIP_DIGEST: all the sender holds, in sixteen bytes. It has no extensions: it is the frame a
    /// quiet room consists of, and never changes.
    pub struct GossipDigest {
        /// A salted hash of the newest item of every log.
        pub root: u64,
        /// The sum of their sequences, modulo 2^32.
        pub total: u32,
        /// Hours since 1970: logs whose newest item is older are left out.
        pub horizon: u32,
    }
}

/// What the cells of a sketch add up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sketched {
    /// The sequence of each log.
    Sequences,
    /// The first three bytes of each log's newest hash: finds forks.
    Tips,
}

impl Sketched {
    fn to_repr(self) -> u8 {
        match self {
            Self::Sequences => 0,
            Self::Tips => 1,
        }
    }

    fn from_repr(code: u8) -> Result<Self, &'static str> {
        match code {
            0 => Ok(Self::Sequences),
            1 => Ok(Self::Tips),
            _ => Err("what is sketched is neither 0 nor 1"),
        }
    }
}
checked_field!(Sketched as u8);

body! {
    /// GOSSIP_SKETCH: some cells of a sketch of what the sender holds.
    pub struct GossipSketch {
        /// Salts the hashes of the logs; a new one for each sketch.
        pub salt: u32,
        /// What is added up.
        pub of: Sketched,
        /// As in [`GossipDigest`].
        pub horizon: u32,
        /// Number of the first cell here.
        pub first: u32,
        /// Nine bytes a cell.
        pub cells: Bytes<{ limits::GOSSIP_CELLS * 9 }>,
        /// Extensions.
        pub extensions: Extensions,
    }
}

body! {
    /// GOSSIP_MORE: the next cells of that sketch, or none when it has been read.
    pub struct GossipMore {
        /// Which sketch.
        pub salt: u32,
        /// How many cells have come.
        pub have: u32,
        /// How many more are wanted.
        pub want: u32,
        /// Logs found in the sketch that the sender does not know, by their hash in it: announce
        /// them.
        pub unknown: List<u32, { limits::GOSSIP_MARKS }>,
        /// Extensions.
        pub extensions: Extensions,
    }
}

body! {
    /// GOSSIP_PROOF: an author signed two items with one place in one log.
    pub struct GossipProof {
        /// The two, without their bodies; with fewer it proves nothing.
        pub items: List<SignedItem, 2>,
        /// Extensions.
        pub extensions: Extensions,
    }
}

body! {
    /// A place in an archive: items are in order of lamport time, then of hash.
    pub struct Place {
        /// The item's lamport time.
        pub lamport: u64,
        /// First eight bytes of its hash, big-endian.
        pub hash: u64,
    }
}

body! {
    /// What an archive holds from one place up to, and without, another.
    pub struct Span {
        /// The first place.
        pub from: Place,
        /// The place after the last.
        pub to: Place,
        /// How many items.
        pub count: u32,
        /// The sum of their salted hashes.
        pub sum: u64,
    }
}

body! {
    /// GOSSIP_RANGE: asks what an archive holds.
    pub struct GossipRange {
        /// Salts the sums; a new one for each catching up.
        pub salt: u64,
        /// What the asker holds of each range: the answerer tells where it differs.
        pub spans: List<Span, { limits::GOSSIP_SPANS }>,
        /// Send this many of the newest items first; 0 for none.
        pub newest: u16,
        /// Extensions.
        pub extensions: Extensions,
    }
}

body! {
    /// GOSSIP_SPANS: where an archive differs from what was asked.
    pub struct GossipSpans {
        /// Of the question.
        pub salt: u64,
        /// Parts that differ, in order. Where the parts of a span are missing, it agrees.
        pub spans: List<Span, { limits::GOSSIP_SPANS }>,
        /// Extensions.
        pub extensions: Extensions,
    }
}

body! {
    /// GOSSIP_FETCH: send the items of a part of the archive, the newest first.
    pub struct GossipFetch {
        /// The first place.
        pub from: Place,
        /// The place after the last.
        pub to: Place,
        /// At most so many.
        pub most: u16,
        /// Extensions.
        pub extensions: Extensions,
    }
}
