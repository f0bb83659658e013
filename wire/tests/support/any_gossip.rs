//! Random values of what members of rooms and groups tell each other, each within its limits.

use dchat_wire::extension::Extensions;
use dchat_wire::gossip::{
    Contact, GossipAnnounce, GossipDigest, GossipFetch, GossipJoin, GossipLeave, GossipMore,
    GossipOpen, GossipProof, GossipPull, GossipPush, GossipRange, GossipShuffle, GossipSketch,
    GossipSpans, GossipTree, ItemHead, ItemHeader, Mark, Parting, Place, SignedItem, Sketched,
    Span, Want,
};
use dchat_wire::group::{
    Cut, Deed, GroupKeys, GroupOperations, LogCut, Operation, Parents, Seat, SignedOperation,
};
use dchat_wire::room::RoomBody;
use dchat_wire::{Bytes, Frame, List, PeerId, codec};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::strategies::{address, bytes, extensions, list, peer, text};

fn signature() -> impl Strategy<Value = [u8; 64]> + Clone {
    any::<[[u8; 32]; 2]>()
        .prop_map(|halves| core::array::from_fn(|index| halves[index / 32][index % 32]))
}

fn head() -> impl Strategy<Value = ItemHead> + Clone {
    any::<([u8; 16], u32, [u8; 8])>().prop_map(|(log, seq, hash)| ItemHead { log, seq, hash })
}

/// Two blocks of extensions, so that items stay small enough for a frame with two.
fn few_extensions() -> impl Strategy<Value = Extensions> + Clone {
    extensions().prop_map(|block| {
        let few = block.as_slice().iter().take(2).cloned();
        Extensions::new(List::first_of(few)).unwrap()
    })
}

pub fn header() -> impl Strategy<Value = ItemHeader> + Clone {
    let log = any::<([u8; 32], [u8; 16], u32, [u8; 32])>();
    let times = any::<(u64, u64, u32, u32)>();
    let body = any::<(u16, u32, [u8; 32])>();
    (log, times, list(head(), 4), body, few_extensions()).prop_map(
        |(
            (author, incarnation, seq, prev),
            (lamport, sent_at, keep_s, floor),
            heads,
            (kind, body_len, body_hash),
            extensions,
        )| ItemHeader {
            author,
            incarnation,
            seq,
            prev,
            lamport,
            sent_at,
            keep_s,
            floor,
            heads,
            kind,
            body_len,
            body_hash,
            extensions,
        },
    )
}

pub fn item() -> impl Strategy<Value = SignedItem> + Clone {
    (header(), signature(), option::of(bytes(300))).prop_map(|(header, signature, body)| {
        SignedItem {
            header,
            signature,
            body,
        }
    })
}

pub fn room_body() -> impl Strategy<Value = RoomBody> {
    (peer(), signature(), text(), bytes(300), extensions()).prop_map(
        |(author, statement, name, content, extensions)| RoomBody {
            author,
            statement,
            name,
            content,
            extensions,
        },
    )
}

fn contact() -> impl Strategy<Value = Contact> + Clone {
    (peer(), list(address(), 2)).prop_map(|(peer, addresses)| Contact { peer, addresses })
}

fn place() -> impl Strategy<Value = Place> + Clone {
    any::<(u64, u64)>().prop_map(|(lamport, hash)| Place { lamport, hash })
}

fn span() -> impl Strategy<Value = Span> + Clone {
    (place(), place(), any::<u32>(), any::<u64>()).prop_map(|(from, to, count, sum)| Span {
        from,
        to,
        count,
        sum,
    })
}

fn links() -> impl Strategy<Value = Frame> {
    let open = any::<([u8; 32], u64, bool, bool)>();
    let reason = prop::sample::select(Parting::ALL);
    prop_oneof![
        (open, extensions()).prop_map(|((room, nonce, answer, alone), extensions)| {
            Frame::GossipOpen(GossipOpen {
                room,
                nonce,
                answer,
                alone,
                extensions,
            })
        }),
        (reason, list(contact(), 8), extensions()).prop_map(|(reason, peers, extensions)| {
            Frame::GossipLeave(GossipLeave {
                reason,
                peers,
                extensions,
            })
        }),
        (contact(), any::<u8>(), few_extensions()).prop_map(|(peer, hops, extensions)| {
            Frame::GossipJoin(GossipJoin {
                peer,
                hops,
                extensions,
            })
        }),
        (any::<bool>(), list(contact(), 8), extensions()).prop_map(
            |(answer, peers, extensions)| {
                Frame::GossipShuffle(GossipShuffle {
                    answer,
                    peers,
                    extensions,
                })
            }
        ),
    ]
}

fn spreading() -> impl Strategy<Value = Frame> {
    let mark = any::<(u64, u32, u16)>().prop_map(|(log, seq, age)| Mark { log, seq, age });
    let want = any::<(u64, u32, u32)>().prop_map(|(log, after, upto)| Want { log, after, upto });
    let logs = || list(any::<u64>(), 40);
    prop_oneof![
        (any::<u8>(), item().prop_map(Box::new))
            .prop_map(|(hops, item)| Frame::GossipPush(GossipPush { hops, item })),
        list(mark, 40).prop_map(|marks| Frame::GossipAnnounce(GossipAnnounce { marks })),
        (any::<bool>(), list(want, 40), extensions()).prop_map(|(graft, wants, extensions)| {
            Frame::GossipPull(GossipPull {
                graft,
                wants,
                extensions,
            })
        }),
        (logs(), logs(), extensions()).prop_map(|(graft, prune, extensions)| {
            Frame::GossipTree(GossipTree {
                graft,
                prune,
                extensions,
            })
        }),
        (list(item(), 2), extensions())
            .prop_map(|(items, extensions)| Frame::GossipProof(GossipProof { items, extensions })),
    ]
}

fn comparing() -> impl Strategy<Value = Frame> {
    let of = prop_oneof![Just(Sketched::Sequences), Just(Sketched::Tips)];
    let numbers = any::<(u32, u32, u32)>();
    let unknown = list(any::<u32>(), 40);
    prop_oneof![
        any::<(u64, u32, u32)>().prop_map(|(root, total, horizon)| {
            Frame::GossipDigest(GossipDigest {
                root,
                total,
                horizon,
            })
        }),
        (numbers, of, bytes(300), extensions()).prop_map(
            |((salt, horizon, first), of, cells, extensions)| {
                Frame::GossipSketch(GossipSketch {
                    salt,
                    of,
                    horizon,
                    first,
                    cells,
                    extensions,
                })
            }
        ),
        (any::<(u32, u32, u32)>(), unknown, extensions()).prop_map(
            |((salt, have, want), unknown, extensions)| {
                Frame::GossipMore(GossipMore {
                    salt,
                    have,
                    want,
                    unknown,
                    extensions,
                })
            }
        ),
        (any::<u64>(), list(span(), 64), any::<u16>(), extensions()).prop_map(
            |(salt, spans, newest, extensions)| {
                Frame::GossipRange(GossipRange {
                    salt,
                    spans,
                    newest,
                    extensions,
                })
            }
        ),
        (any::<u64>(), list(span(), 64), extensions()).prop_map(|(salt, spans, extensions)| {
            Frame::GossipSpans(GossipSpans {
                salt,
                spans,
                extensions,
            })
        }),
        (place(), place(), any::<u16>(), extensions()).prop_map(|(from, to, most, extensions)| {
            Frame::GossipFetch(GossipFetch {
                from,
                to,
                most,
                extensions,
            })
        }),
    ]
}

fn hashes() -> impl Strategy<Value = Parents> + Clone {
    vec(any::<[u8; 32]>(), 0..20).prop_map(Parents::new)
}

pub fn operation() -> impl Strategy<Value = Operation> + Clone {
    let seat = (any::<[u8; 32]>(), signature(), text()).prop_map(|(key, proof, name)| Seat {
        key,
        proof,
        name,
    });
    let cut = any::<([u8; 16], u32)>().prop_map(|(log, seq)| LogCut { log, seq });
    let who: (_, BoxedStrategy<Option<PeerId>>) = (peer(), option::of(peer()).boxed());
    let deed = prop::sample::select(Deed::ALL);
    let numbers = any::<([u8; 32], u32, u64)>();
    let given = (option::of(seat), vec(cut, 0..20).prop_map(Cut::new));
    (
        who,
        numbers,
        hashes(),
        deed,
        text(),
        given,
        few_extensions(),
    )
        .prop_map(
            |((author, subject), (group, seq, at), after, deed, text, (seat, cut), extensions)| {
                Operation {
                    group,
                    author,
                    seq,
                    after,
                    at,
                    deed,
                    subject,
                    text,
                    seat,
                    cut,
                    extensions,
                }
            },
        )
        .boxed()
}

fn operations() -> impl Strategy<Value = Frame> {
    let signed = (operation(), signature()).prop_map(|(operation, signature)| SignedOperation {
        body: Bytes::new(codec::encode(&operation)).unwrap_or_default(),
        signature,
    });
    let lists = (hashes(), hashes(), list(signed, 4));
    (any::<[u8; 32]>(), lists, extensions()).prop_map(
        |(group, (heads, lacking, operations), extensions)| {
            Frame::GroupOperations(GroupOperations {
                group,
                heads,
                lacking,
                operations,
                extensions,
            })
        },
    )
}

pub fn keys() -> impl Strategy<Value = GroupKeys> {
    let session = any::<[u8; 32]>().prop_map(|seed| core::array::from_fn(|at| seed[at % 32]));
    (any::<[u8; 32]>(), list(session, 4), extensions()).prop_map(|(group, sessions, extensions)| {
        GroupKeys {
            group,
            sessions,
            extensions,
        }
    })
}

/// Any frame of rooms and groups.
pub fn frame() -> impl Strategy<Value = Frame> {
    prop_oneof![links(), spreading(), comparing(), operations()]
}
