#![allow(unused_macros, unused_imports, reason = "not every test needs it")]
//! One fixed value of everything members of rooms and groups tell each other.

use dchat_wire::codec::{self, Bytes, List, Text};
use dchat_wire::gossip::{
    Contact, GossipAnnounce, GossipDigest, GossipFetch, GossipJoin, GossipLeave, GossipMore,
    GossipOpen, GossipProof, GossipPull, GossipPush, GossipRange, GossipShuffle, GossipSketch,
    GossipSpans, GossipTree, ItemHead, ItemHeader, Mark, Parting, Place, SignedItem, Sketched,
    Span, Want,
};
use dchat_wire::group::{
    Cut, Deed, GroupKeys, GroupOperations, LogCut, Operation, Parents, SealedBody, Seat,
    SignedOperation,
};
use dchat_wire::room::{RoomBody, RoomKey, RoomName, author};
use dchat_wire::{Address, Frame, limits};

use super::samples::{NOW, extensions, identity, peer, v4};

pub const ROOM: [u8; 32] = [0x90; 32];

pub fn head() -> ItemHead {
    ItemHead {
        log: [0x91; 16],
        seq: 7,
        hash: [0x92; 8],
    }
}

pub fn header() -> ItemHeader {
    ItemHeader {
        author: [0; 32],
        incarnation: [0x93; 16],
        seq: 2,
        prev: [0x94; 32],
        lamport: 9,
        sent_at: NOW,
        keep_s: 3600,
        floor: 1,
        heads: List::first_of([head()]),
        kind: 1,
        body_len: 0,
        body_hash: [0; 32],
        extensions: extensions(),
    }
}

pub fn item() -> SignedItem {
    let body = Bytes::new("你好".into()).unwrap();
    SignedItem::sign(&identity(1), &ROOM, header(), body)
}

pub fn room_key() -> RoomKey {
    RoomKey::derive(&RoomName::new("lobby").unwrap(), None).unwrap()
}

pub fn room_body() -> RoomBody {
    RoomBody::new(
        &identity(1),
        &room_key().room(),
        Text::new("Ann").unwrap(),
        Bytes::new("你好".into()).unwrap(),
    )
}

/// What [`room_body`] is sealed to.
pub fn sealed_item() -> SignedItem {
    let key = room_key();
    let author = author(&identity(1), &key.room());
    key.seal(&author, header(), &room_body())
}

pub fn stub() -> SignedItem {
    SignedItem {
        body: None,
        ..item()
    }
}

pub fn contact() -> Contact {
    Contact {
        peer: peer(2),
        addresses: List::first_of([Address::direct(v4())]),
    }
}

pub fn mark() -> Mark {
    Mark {
        log: 0x9596,
        seq: 8,
        age: 250,
    }
}

pub fn want() -> Want {
    Want {
        log: 0x9596,
        after: 3,
        upto: 8,
    }
}

pub fn span() -> Span {
    let place = |lamport| Place { lamport, hash: 5 };
    Span {
        from: place(1),
        to: place(100),
        count: 40,
        sum: 0x9798,
    }
}

pub fn operation() -> Operation {
    Operation {
        group: [0x99; 32],
        author: peer(1),
        seq: 3,
        after: Parents::new(vec![[0x9b; 32], [0x9a; 32]]),
        at: NOW,
        deed: Deed::Remove,
        subject: Some(peer(2)),
        text: Text::new("").unwrap(),
        seat: None,
        cut: Cut::new(vec![log_cut(2), log_cut(1)]),
        extensions: extensions(),
    }
}

pub fn log_cut(number: u8) -> LogCut {
    LogCut {
        log: [number; 16],
        seq: u32::from(number) + 4,
    }
}

pub fn seat() -> Seat {
    let name = Text::new("Ann").unwrap();
    Seat::new(&identity(7), &[0x99; 32], &peer(1), name)
}

pub fn acceptance() -> Operation {
    Operation {
        deed: Deed::Accept,
        subject: None,
        seat: Some(seat()),
        cut: Cut::default(),
        ..operation()
    }
}

pub fn keys() -> GroupKeys {
    GroupKeys {
        group: [0x99; 32],
        sessions: List::first_of([[0x9c; 165], [0x9d; 165]]),
        extensions: extensions(),
    }
}

pub fn sealed_body() -> SealedBody {
    SealedBody {
        session: [0x9e; 32],
        message: Bytes::new(vec![3, 1, 4, 1, 5]).unwrap(),
    }
}

pub fn signed_operation() -> SignedOperation {
    SignedOperation::sign(&identity(1), operation())
}

/// One of each type, in order of code.
pub fn frames() -> Vec<Frame> {
    let extensions = extensions();
    vec![
        Frame::GossipOpen(GossipOpen {
            room: ROOM,
            nonce: 77,
            answer: false,
            alone: true,
            extensions: extensions.clone(),
        }),
        Frame::GossipLeave(GossipLeave {
            reason: Parting::Full,
            peers: List::first_of([contact()]),
            extensions: extensions.clone(),
        }),
        Frame::GossipJoin(GossipJoin {
            peer: contact(),
            hops: 4,
            extensions: extensions.clone(),
        }),
        Frame::GossipShuffle(GossipShuffle {
            answer: true,
            peers: List::first_of([contact()]),
            extensions: extensions.clone(),
        }),
        Frame::GossipPush(GossipPush {
            hops: 2,
            item: Box::new(item()),
        }),
        Frame::GossipAnnounce(GossipAnnounce {
            marks: List::first_of([mark()]),
        }),
        Frame::GossipPull(GossipPull {
            graft: true,
            wants: List::first_of([want()]),
            extensions: extensions.clone(),
        }),
        Frame::GossipTree(GossipTree {
            graft: List::first_of([1]),
            prune: List::first_of([2, 3]),
            extensions: extensions.clone(),
        }),
        Frame::GossipDigest(GossipDigest {
            root: 0x9c9d,
            total: 100_000,
            horizon: 498_672,
        }),
        Frame::GossipSketch(GossipSketch {
            salt: 5,
            of: Sketched::Sequences,
            horizon: 498_672,
            first: 24,
            cells: Bytes::new(vec![0x9e; 18]).unwrap(),
            extensions: extensions.clone(),
        }),
        Frame::GossipMore(GossipMore {
            salt: 5,
            have: 26,
            want: 50,
            unknown: List::first_of([9]),
            extensions: extensions.clone(),
        }),
        Frame::GossipProof(GossipProof {
            items: List::first_of([stub(), stub()]),
            extensions: extensions.clone(),
        }),
        Frame::GossipRange(GossipRange {
            salt: 6,
            spans: List::first_of([span()]),
            newest: 50,
            extensions: extensions.clone(),
        }),
        Frame::GossipSpans(GossipSpans {
            salt: 6,
            spans: List::first_of([span()]),
            extensions: extensions.clone(),
        }),
        Frame::GossipFetch(GossipFetch {
            from: span().from,
            to: span().to,
            most: 100,
            extensions: extensions.clone(),
        }),
        Frame::GroupOperations(GroupOperations {
            group: [0x99; 32],
            heads: Parents::new(vec![[0x9a; 32]]),
            lacking: Parents::default(),
            operations: List::first_of([signed_operation()]),
            extensions,
        }),
    ]
}

/// One of every body by its name.
pub fn encoded_bodies() -> Vec<(&'static str, Vec<u8>)> {
    fn one<T: codec::Body>(value: &T) -> (&'static str, Vec<u8>) {
        (T::NAME, codec::encode(value))
    }
    let mut bodies = vec![
        one(&head()),
        one(&header()),
        one(&item()),
        one(&contact()),
        one(&mark()),
        one(&want()),
        one(&span()),
        one(&span().from),
        one(&operation()),
        one(&log_cut(1)),
        one(&seat()),
        one(&signed_operation()),
        one(&keys()),
        one(&sealed_body()),
        one(&room_body()),
    ];
    bodies.extend(frames().iter().map(|frame| {
        let body = frame.to_bytes().split_off(limits::FRAME_HEADER);
        (frame.frame_type().name(), body)
    }));
    bodies
}

/// The largest body of each type that has a list or bytes in it, without extensions.
pub fn fullest() -> Vec<Frame> {
    fn full<T: Clone, const MAX: usize>(item: T) -> List<T, MAX> {
        List::new(vec![item; MAX]).unwrap()
    }
    let address = Address::Circuit {
        socket: super::samples::v6(),
        relay: peer(2),
        peer: Some(peer(1)),
    };
    let contact = Contact {
        peer: peer(1),
        addresses: full(address),
    };
    let mut header = header();
    header.heads = full(head());
    let body = Bytes::new(vec![1; limits::ENTRY_BODY]).unwrap();
    let item = SignedItem::sign(&identity(1), &ROOM, header, body);
    let stub = SignedItem {
        body: None,
        ..item.clone()
    };
    let parents = || Parents::new((0..limits::GROUP_PARENTS).map(|i| [i as u8; 32]).collect());
    let operation = SignedOperation {
        body: Bytes::new(vec![1; limits::GROUP_OPERATION]).unwrap(),
        signature: [0; 64],
    };
    let mut frames = frames();
    for frame in &mut frames {
        match frame {
            Frame::GossipLeave(body) => body.peers = full(contact.clone()),
            Frame::GossipJoin(body) => body.peer = contact.clone(),
            Frame::GossipShuffle(body) => body.peers = full(contact.clone()),
            Frame::GossipPush(body) => *body.item = item.clone(),
            Frame::GossipAnnounce(body) => body.marks = full(mark()),
            Frame::GossipPull(body) => body.wants = full(want()),
            Frame::GossipTree(body) => (body.graft, body.prune) = (full(1), full(1)),
            Frame::GossipSketch(body) => {
                body.cells = Bytes::new(vec![1; limits::GOSSIP_CELLS * 9]).unwrap();
            }
            Frame::GossipMore(body) => body.unknown = full(1),
            Frame::GossipProof(body) => body.items = full(stub.clone()),
            Frame::GossipRange(body) => body.spans = full(span()),
            Frame::GossipSpans(body) => body.spans = full(span()),
            Frame::GroupOperations(body) => {
                (body.heads, body.lacking) = (parents(), parents());
                body.operations = full(operation.clone());
            }
            _ => {}
        }
    }
    frames
}

/// Calls `$check!(sample)` for one of every body.
macro_rules! for_every_gossip_body {
    ($check:ident) => {
        $check!(gossip::head());
        $check!(gossip::header());
        $check!(gossip::item());
        $check!(gossip::stub());
        $check!(gossip::contact());
        $check!(gossip::mark());
        $check!(gossip::want());
        $check!(gossip::span());
        $check!(gossip::operation());
        $check!(gossip::signed_operation());
        $check!(gossip::log_cut(1));
        $check!(gossip::seat());
        $check!(gossip::acceptance());
        $check!(gossip::keys());
        $check!(gossip::sealed_body());
        $check!(gossip::room_body());
    };
}
pub(crate) use for_every_gossip_body;
