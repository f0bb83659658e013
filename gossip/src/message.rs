//! What members tell each other, apart from the bytes it travels in (spec `80-gossip` §3).
//!
//! Items are shared, not copied; members are handles `H` the driver chooses.

use std::sync::Arc;

use dchat_wire::Frame;
use dchat_wire::codec::{Bytes, List};
use dchat_wire::extension::Extensions;
use dchat_wire::gossip::{
    Contact, GossipAnnounce, GossipDigest, GossipJoin, GossipLeave, GossipMore, GossipOpen,
    GossipProof, GossipPull, GossipPush, GossipShuffle, GossipSketch, GossipTree, Mark, Parting,
    Sketched, Want,
};

use crate::frontier::Digest;
use crate::log::{Item, ItemFault};

/// A message; each stands for the frame of the same name.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields are those of the frames, which say what they mean")]
pub enum Message<H> {
    Open { nonce: u64, answer: bool, alone: bool },
    Leave { reason: Parting, peers: Vec<H> },
    Join { peer: H, hops: u8 },
    Shuffle { answer: bool, peers: Vec<H> },
    Push { hops: u8, item: Arc<Item> },
    Announce(Vec<Mark>),
    Pull { graft: bool, wants: Vec<Want> },
    Tree { graft: Vec<u64>, prune: Vec<u64> },
    Digest(Digest),
    Sketch { salt: u32, of: Sketched, horizon: u32, first: u32, cells: Vec<u8> },
    More { salt: u32, have: u32, want: u32, unknown: Vec<u32> },
    Proof(Arc<Item>, Arc<Item>),
}

/// Frame header, the count of one list, and an empty block of extensions.
const FRAME: usize = 8;
const COUNT: usize = 8;
/// A contact with one IPv4 address: key, count, and the address with its count.
const CONTACT: usize = 32 + 8 + 8 + 11;

impl<H> Message<H> {
    /// Bytes of the frame, with one address for every member it names.
    #[must_use]
    pub fn frame_len(&self) -> usize {
        let extensions = COUNT;
        FRAME
            + match self {
                Self::Open { .. } => 32 + 8 + 1 + 1 + extensions,
                Self::Leave { peers, .. } | Self::Shuffle { peers, .. } => {
                    1 + COUNT + peers.len() * CONTACT + extensions
                }
                Self::Join { .. } => CONTACT + 1 + extensions,
                Self::Push { item, .. } => 1 + item.encoded_len() + extensions,
                Self::Announce(marks) => COUNT + marks.len() * 14 + extensions,
                Self::Pull { wants, .. } => 1 + COUNT + wants.len() * 16 + extensions,
                Self::Tree { graft, prune } => {
                    2 * COUNT + (graft.len() + prune.len()) * 8 + extensions
                }
                Self::Digest(_) => 16,
                Self::Sketch { cells, .. } => 4 + 1 + 4 + 4 + COUNT + cells.len() + extensions,
                Self::More { unknown, .. } => 12 + COUNT + unknown.len() * 4 + extensions,
                Self::Proof(one, other) => {
                    let bodies = one.body_len() + other.body_len();
                    one.encoded_len() + other.encoded_len() - bodies + extensions
                }
            }
    }

    /// The frame. `open` is the digest that names the room in [`GossipOpen`]; `contact` says where a
    /// member may be reached.
    pub fn to_frame(&self, open: [u8; 32], mut contact: impl FnMut(&H) -> Contact) -> Frame {
        let extensions = Extensions::default();
        match self {
            Self::Open { nonce, answer, alone } => Frame::GossipOpen(GossipOpen {
                room: open,
                nonce: *nonce,
                answer: *answer,
                alone: *alone,
                extensions,
            }),
            Self::Leave { reason, peers } => Frame::GossipLeave(GossipLeave {
                reason: *reason,
                peers: List::first_of(peers.iter().map(contact)),
                extensions,
            }),
            Self::Join { peer, hops } => Frame::GossipJoin(GossipJoin {
                peer: contact(peer),
                hops: *hops,
                extensions,
            }),
            Self::Shuffle { answer, peers } => Frame::GossipShuffle(GossipShuffle {
                answer: *answer,
                peers: List::first_of(peers.iter().map(contact)),
                extensions,
            }),
            Self::Push { hops, item } => Frame::GossipPush(GossipPush {
                hops: *hops,
                item: item.signed().clone(),
                extensions,
            }),
            Self::Announce(marks) => Frame::GossipAnnounce(GossipAnnounce {
                marks: List::first_of(marks.iter().cloned()),
                extensions,
            }),
            Self::Pull { graft, wants } => Frame::GossipPull(GossipPull {
                graft: *graft,
                wants: List::first_of(wants.iter().cloned()),
                extensions,
            }),
            Self::Tree { graft, prune } => Frame::GossipTree(GossipTree {
                graft: List::first_of(graft.iter().copied()),
                prune: List::first_of(prune.iter().copied()),
                extensions,
            }),
            Self::Digest(digest) => Frame::GossipDigest(GossipDigest {
                root: digest.root,
                total: digest.total,
                horizon: digest.horizon,
            }),
            Self::Sketch { salt, of, horizon, first, cells } => Frame::GossipSketch(GossipSketch {
                salt: *salt,
                of: *of,
                horizon: *horizon,
                first: *first,
                cells: Bytes::new(cells.clone()).unwrap_or_default(),
                extensions,
            }),
            Self::More { salt, have, want, unknown } => Frame::GossipMore(GossipMore {
                salt: *salt,
                have: *have,
                want: *want,
                unknown: List::first_of(unknown.iter().copied()),
                extensions,
            }),
            Self::Proof(one, other) => Frame::GossipProof(GossipProof {
                one: one.stub(),
                other: other.stub(),
                extensions,
            }),
        }
    }

    /// The message of a frame on a room's stream, or `None` for a frame that is none. `handle` gives
    /// members their handles, or `None` to leave one out.
    ///
    /// # Errors
    /// [`ItemFault`]: its sender passes on what is no item.
    pub fn from_frame(
        frame: Frame,
        room: &[u8; 32],
        mut handle: impl FnMut(Contact) -> Option<H>,
    ) -> Result<Option<Self>, ItemFault> {
        Ok(Some(match frame {
            Frame::GossipOpen(body) => Self::Open {
                nonce: body.nonce,
                answer: body.answer,
                alone: body.alone,
            },
            Frame::GossipLeave(body) => Self::Leave {
                reason: body.reason,
                peers: body.peers.into_vec().into_iter().filter_map(handle).collect(),
            },
            Frame::GossipJoin(body) => match handle(body.peer) {
                Some(peer) => Self::Join {
                    peer,
                    hops: body.hops,
                },
                None => return Ok(None),
            },
            Frame::GossipShuffle(body) => Self::Shuffle {
                answer: body.answer,
                peers: body.peers.into_vec().into_iter().filter_map(handle).collect(),
            },
            Frame::GossipPush(body) => Self::Push {
                hops: body.hops,
                item: Item::new(room, body.item)?,
            },
            Frame::GossipAnnounce(body) => Self::Announce(body.marks.into_vec()),
            Frame::GossipPull(body) => Self::Pull {
                graft: body.graft,
                wants: body.wants.into_vec(),
            },
            Frame::GossipTree(body) => Self::Tree {
                graft: body.graft.into_vec(),
                prune: body.prune.into_vec(),
            },
            Frame::GossipDigest(body) => Self::Digest(Digest {
                root: body.root,
                total: body.total,
                horizon: body.horizon,
            }),
            Frame::GossipSketch(body) => Self::Sketch {
                salt: body.salt,
                of: body.of,
                horizon: body.horizon,
                first: body.first,
                cells: body.cells.into_vec(),
            },
            Frame::GossipMore(body) => Self::More {
                salt: body.salt,
                have: body.have,
                want: body.want,
                unknown: body.unknown.into_vec(),
            },
            Frame::GossipProof(body) => {
                Self::Proof(Item::new(room, body.one)?, Item::new(room, body.other)?)
            }
            _ => return Ok(None),
        }))
    }
}
