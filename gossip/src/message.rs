//! What members tell each other, apart from the bytes it travels in (spec `80-gossip` §3).
//!
//! Items are shared, not copied; members are handles `H` the driver chooses.

use std::sync::Arc;

use dchat_wire::Frame;
use dchat_wire::codec::{Bytes, List};
use dchat_wire::extension::Extensions;
use dchat_wire::gossip::{
    Contact, GossipAnnounce, GossipDigest, GossipFetch, GossipJoin, GossipLeave, GossipMore,
    GossipOpen, GossipProof, GossipPull, GossipPush, GossipRange, GossipShuffle, GossipSketch,
    GossipSpans, GossipTree, Mark, Parting, Sketched, Span, Want,
};

use crate::frontier::Digest;
use crate::log::{Item, ItemFault};
use crate::range::Key;

/// A message; each stands for the frame of the same name.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(
    missing_docs,
    reason = "the fields are those of the frames, which say what they mean"
)]
pub enum Message<H> {
    Open {
        nonce: u64,
        answer: bool,
        alone: bool,
    },
    Leave {
        reason: Parting,
        peers: Vec<H>,
    },
    Join {
        peer: H,
        hops: u8,
    },
    Shuffle {
        answer: bool,
        peers: Vec<H>,
    },
    Push {
        hops: u8,
        item: Arc<Item>,
    },
    Announce(Vec<Mark>),
    Pull {
        graft: bool,
        wants: Vec<Want>,
    },
    Tree {
        graft: Vec<u64>,
        prune: Vec<u64>,
    },
    Digest(Digest),
    Sketch {
        salt: u32,
        of: Sketched,
        horizon: u32,
        first: u32,
        cells: Vec<u8>,
    },
    More {
        salt: u32,
        have: u32,
        want: u32,
        unknown: Vec<u32>,
    },
    Proof(Arc<Item>, Arc<Item>),
    Range {
        salt: u64,
        spans: Vec<Span>,
        newest: u16,
    },
    Spans {
        salt: u64,
        spans: Vec<Span>,
    },
    Fetch {
        from: Key,
        to: Key,
        most: u16,
    },
}

/// Frame header, the count of one list, and an empty block of extensions.
const FRAME: usize = 8;
const COUNT: usize = 8;
/// A contact with one IPv4 address: key, count, and the address with its count.
const CONTACT: usize = 32 + 8 + 8 + 11;
/// A span: two places, a count and a sum.
const SPAN: usize = 2 * 16 + 4 + 8;

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
                Self::Push { item, .. } => 1 + item.encoded_len(),
                Self::Announce(marks) => COUNT + marks.len() * 14,
                Self::Pull { wants, .. } => 1 + COUNT + wants.len() * 16 + extensions,
                Self::Tree { graft, prune } => {
                    2 * COUNT + (graft.len() + prune.len()) * 8 + extensions
                }
                Self::Digest(_) => 16,
                Self::Sketch { cells, .. } => 4 + 1 + 4 + 4 + COUNT + cells.len() + extensions,
                Self::More { unknown, .. } => 12 + COUNT + unknown.len() * 4 + extensions,
                Self::Proof(one, other) => {
                    let bodies = one.body_len() + other.body_len();
                    COUNT + one.encoded_len() + other.encoded_len() - bodies + extensions
                }
                Self::Range { spans, .. } => 8 + COUNT + spans.len() * SPAN + 2 + extensions,
                Self::Spans { spans, .. } => 8 + COUNT + spans.len() * SPAN + extensions,
                Self::Fetch { .. } => 2 * 16 + 2 + extensions,
            }
    }

    /// The frame. `open` is the digest that names the room in [`GossipOpen`]; `contact` says where a
    /// member may be reached.
    pub fn to_frame(&self, open: [u8; 32], mut contact: impl FnMut(&H) -> Contact) -> Frame {
        let extensions = Extensions::default();
        match self {
            Self::Open {
                nonce,
                answer,
                alone,
            } => Frame::GossipOpen(GossipOpen {
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
                item: Box::new(item.signed().clone()),
            }),
            Self::Announce(marks) => Frame::GossipAnnounce(GossipAnnounce {
                marks: List::first_of(marks.iter().cloned()),
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
            Self::Sketch {
                salt,
                of,
                horizon,
                first,
                cells,
            } => Frame::GossipSketch(GossipSketch {
                salt: *salt,
                of: *of,
                horizon: *horizon,
                first: *first,
                cells: Bytes::new(cells.clone()).unwrap_or_default(),
                extensions,
            }),
            Self::More {
                salt,
                have,
                want,
                unknown,
            } => Frame::GossipMore(GossipMore {
                salt: *salt,
                have: *have,
                want: *want,
                unknown: List::first_of(unknown.iter().copied()),
                extensions,
            }),
            Self::Proof(one, other) => Frame::GossipProof(GossipProof {
                items: List::first_of([one.stub(), other.stub()]),
                extensions,
            }),
            Self::Range {
                salt,
                spans,
                newest,
            } => Frame::GossipRange(GossipRange {
                salt: *salt,
                spans: List::first_of(spans.iter().cloned()),
                newest: *newest,
                extensions,
            }),
            Self::Spans { salt, spans } => Frame::GossipSpans(GossipSpans {
                salt: *salt,
                spans: List::first_of(spans.iter().cloned()),
                extensions,
            }),
            Self::Fetch { from, to, most } => Frame::GossipFetch(GossipFetch {
                from: (*from).into(),
                to: (*to).into(),
                most: *most,
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
                peers: body
                    .peers
                    .into_vec()
                    .into_iter()
                    .filter_map(handle)
                    .collect(),
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
                peers: body
                    .peers
                    .into_vec()
                    .into_iter()
                    .filter_map(handle)
                    .collect(),
            },
            Frame::GossipPush(body) => Self::Push {
                hops: body.hops,
                item: Item::new(room, *body.item)?,
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
                let mut items = body.items.into_vec().into_iter();
                match (items.next(), items.next()) {
                    (Some(one), Some(other)) => {
                        Self::Proof(Item::new(room, one)?, Item::new(room, other)?)
                    }
                    _ => return Ok(None),
                }
            }
            Frame::GossipRange(body) => Self::Range {
                salt: body.salt,
                spans: body.spans.into_vec(),
                newest: body.newest,
            },
            Frame::GossipSpans(body) => Self::Spans {
                salt: body.salt,
                spans: body.spans.into_vec(),
            },
            Frame::GossipFetch(body) => Self::Fetch {
                from: (&body.from).into(),
                to: (&body.to).into(),
                most: body.most,
            },
            _ => return Ok(None),
        }))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use dchat_wire::gossip::{ItemHeader, SignedItem};
    use dchat_wire::sign::Identity;
    use dchat_wire::{Address, PeerId};

    use super::*;

    const ROOM: [u8; 32] = [3; 32];

    fn item(seq: u32) -> Arc<Item> {
        let header = ItemHeader {
            author: [0; 32],
            incarnation: [1; 16],
            seq,
            prev: [u8::from(seq > 1); 32],
            lamport: 5,
            sent_at: 5,
            keep_s: 0,
            floor: 0,
            heads: List::default(),
            kind: 1,
            body_len: 0,
            body_hash: [0; 32],
            extensions: Extensions::default(),
        };
        let body = Bytes::new(b"hello".to_vec()).unwrap();
        let author = Identity::from_seed(&[1; 32]);
        Item::new(&ROOM, SignedItem::sign(&author, &ROOM, header, body)).unwrap()
    }

    fn peer(number: u8) -> PeerId {
        Identity::from_seed(&[number; 32]).peer_id()
    }

    fn contact(number: &u8) -> Contact {
        let socket = "192.0.2.1:4001".parse().unwrap();
        Contact {
            peer: peer(*number),
            addresses: List::first_of([Address::direct(socket)]),
        }
    }

    fn messages() -> Vec<Message<u8>> {
        let (item_1, item_2) = (item(1), item(2));
        let mark = Mark {
            log: 1,
            seq: 2,
            age: 3,
        };
        let want = Want {
            log: 1,
            after: 2,
            upto: 3,
        };
        let digest = Digest {
            root: 1,
            total: 2,
            horizon: 3,
        };
        let span = Span {
            from: Key::FIRST.into(),
            to: Key::END.into(),
            count: 4,
            sum: 5,
        };
        vec![
            Message::Open {
                nonce: 1,
                answer: true,
                alone: false,
            },
            Message::Leave {
                reason: Parting::Full,
                peers: vec![1, 2],
            },
            Message::Join { peer: 1, hops: 2 },
            Message::Shuffle {
                answer: false,
                peers: vec![3],
            },
            Message::Push {
                hops: 1,
                item: item_1,
            },
            Message::Announce(vec![mark; 3]),
            Message::Pull {
                graft: true,
                wants: vec![want; 2],
            },
            Message::Tree {
                graft: vec![1],
                prune: vec![2, 3],
            },
            Message::Digest(digest),
            Message::Sketch {
                salt: 1,
                of: Sketched::Tips,
                horizon: 2,
                first: 3,
                cells: vec![7; 18],
            },
            Message::More {
                salt: 1,
                have: 2,
                want: 3,
                unknown: vec![4],
            },
            Message::Proof(item_2, item(3)),
            Message::Range {
                salt: 1,
                spans: vec![span.clone(); 2],
                newest: 3,
            },
            Message::Spans {
                salt: 1,
                spans: vec![span],
            },
            Message::Fetch {
                from: Key::FIRST,
                to: Key::END,
                most: 50,
            },
        ]
    }

    #[test]
    fn a_message_is_as_long_as_its_frame_and_returns() {
        for message in messages() {
            let frame = message.to_frame([9; 32], contact);
            assert_eq!(frame.to_bytes().len(), message.frame_len(), "{message:?}");
            let of = |contact: Contact| (1..9).find(|number| peer(*number) == contact.peer);
            let back = Message::from_frame(frame, &ROOM, of).unwrap().unwrap();
            if let (Message::Proof(one, _), Message::Proof(sent, _)) = (&back, &message) {
                assert_eq!(one.hash(), sent.hash());
            } else {
                assert_eq!(back, message);
            }
        }
    }

    #[test]
    fn members_without_a_handle_are_left_out() {
        let shuffle = Message::Shuffle {
            answer: false,
            peers: vec![1_u8, 2],
        };
        let frame = shuffle.to_frame([9; 32], contact);
        let back = Message::<u8>::from_frame(frame, &ROOM, |_| None)
            .unwrap()
            .unwrap();
        assert_eq!(
            back,
            Message::Shuffle {
                answer: false,
                peers: vec![]
            }
        );
    }
}
