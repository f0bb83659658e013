//! Random values of everything that travels, each within its limits.

use std::net::{IpAddr, SocketAddr};

use dchat_wire::advert::{MailboxPointer, Presence, RelayAdvert, Rendezvous, ServiceAdvert};
use dchat_wire::chat::{ChatOpen, Envelope, InviteProof, Stage, Undecryptable};
use dchat_wire::dht::{
    self, DhtFind, DhtGet, DhtNodes, DhtPut, DhtRefused, DhtStored, DhtValues, Node, Server, Socket,
};
use dchat_wire::extension::{CRITICAL, Extension, Extensions};
use dchat_wire::hello::{Capabilities, Hello, Versions};
use dchat_wire::identify::Identify;
use dchat_wire::invite::{Invite, InviteSecret, VERSION};
use dchat_wire::nat::{
    Allocation, Candidate, CandidateKind, Candidates, Filtering, Mapping, NatClass, Prediction,
    Punch, Reach, ReachFrom, ReachResult, Reached,
};
use dchat_wire::parcel::{Content, Entry, Frontier, Head, Parcel};
use dchat_wire::ping::Ping;
use dchat_wire::record::{AddressRecord, DeviceRecord, RecordBody, SignedRecord};
use dchat_wire::relay::{
    Refusal, RelayAccept, RelayConnect, RelayIncoming, RelayOpened, RelayRefused, RelayReserve,
    RelayReserved, Voucher,
};
use dchat_wire::{Address, Bytes, Frame, List, PeerId, Text, codec, limits};
use proptest::collection::{btree_map, btree_set, vec};
use proptest::option;
use proptest::prelude::*;

use super::samples;

/// Keys are derived from one byte: deriving is slow, and which key it is changes nothing.
pub fn peer() -> impl Strategy<Value = PeerId> + Clone {
    any::<u8>().prop_map(samples::peer)
}

pub fn socket() -> impl Strategy<Value = SocketAddr> + Clone {
    (any::<IpAddr>(), 1_u16..)
        .prop_map(|(ip, port)| SocketAddr::new(ip.to_canonical(), port))
        .prop_filter("one socket", |socket| {
            !socket.ip().is_unspecified() && !socket.ip().is_multicast()
        })
}

pub fn address() -> impl Strategy<Value = Address> + Clone {
    let direct =
        (socket(), option::of(peer())).prop_map(|(socket, peer)| Address::Direct { socket, peer });
    let circuit =
        (socket(), peer(), option::of(peer())).prop_map(|(socket, relay, peer)| Address::Circuit {
            socket,
            relay,
            peer,
        });
    prop_oneof![direct, circuit]
}

pub fn bytes<const MAX: usize>(up_to: usize) -> impl Strategy<Value = Bytes<MAX>> + Clone {
    vec(any::<u8>(), 0..=up_to.min(MAX)).prop_map(|bytes| Bytes::new(bytes).unwrap())
}

pub fn text<const MAX: usize>() -> impl Strategy<Value = Text<MAX>> + Clone {
    // A character takes up to four bytes.
    vec(any::<char>(), 0..=MAX / 4)
        .prop_map(|characters| Text::new(String::from_iter(characters)).unwrap())
}

pub fn list<T: core::fmt::Debug, const MAX: usize>(
    item: impl Strategy<Value = T> + Clone,
    up_to: usize,
) -> impl Strategy<Value = List<T, MAX>> + Clone {
    vec(item, 0..=up_to.min(MAX)).prop_map(|items| List::new(items).unwrap())
}

pub fn extension() -> impl Strategy<Value = Extension> {
    (any::<u16>(), bytes(24)).prop_map(|(kind, value)| Extension { kind, value })
}

/// Small enough for every frame to stay within its own limit.
pub fn extensions() -> impl Strategy<Value = Extensions> + Clone {
    btree_map(0..CRITICAL, bytes(24), 0..=limits::EXTENSIONS).prop_map(|map| {
        let items = map.into_iter();
        let list = List::first_of(items.map(|(kind, value)| Extension { kind, value }));
        Extensions::new(list).unwrap()
    })
}

pub fn hello() -> impl Strategy<Value = Hello> {
    let versions = (1_u16.., any::<u16>())
        .prop_map(|(a, b)| Versions::new(a.min(b).max(1), a.max(b)).unwrap());
    let capabilities = btree_set(any::<u16>(), 0..=limits::CAPABILITIES)
        .prop_map(|set| Capabilities::new(List::first_of(set)).unwrap());
    (
        versions,
        any::<[u8; 16]>(),
        any::<u64>(),
        capabilities,
        extensions(),
    )
        .prop_map(
            |(versions, instance, roles, capabilities, extensions)| Hello {
                versions,
                instance,
                roles,
                capabilities,
                extensions,
            },
        )
}

pub fn identify() -> impl Strategy<Value = Identify> {
    let addresses = list(address(), limits::ADDRESSES);
    (any::<u64>(), option::of(address()), addresses, extensions()).prop_map(
        |(revision, observed, addresses, extensions)| Identify {
            revision,
            observed,
            addresses,
            extensions,
        },
    )
}

pub fn ping() -> impl Strategy<Value = Ping> {
    (any::<u64>(), extensions()).prop_map(|(nonce, extensions)| Ping { nonce, extensions })
}

pub fn signed_record() -> impl Strategy<Value = SignedRecord> + Clone {
    (bytes(600), any::<[[u8; 32]; 2]>()).prop_map(|(body, halves)| SignedRecord {
        body,
        signature: core::array::from_fn(|index| halves[index / 32][index % 32]),
    })
}

pub fn record_body() -> impl Strategy<Value = RecordBody> {
    (
        peer(),
        any::<u16>(),
        any::<[u64; 3]>(),
        bytes(600),
        extensions(),
    )
        .prop_map(|(signer, kind, times, payload, extensions)| RecordBody {
            signer,
            kind,
            sequence: times[0],
            issued_at: times[1],
            expires_at: times[2],
            payload,
            extensions,
        })
}

pub fn address_record() -> impl Strategy<Value = AddressRecord> {
    (list(address(), limits::ADDRESSES), extensions()).prop_map(|(addresses, extensions)| {
        AddressRecord {
            addresses,
            extensions,
        }
    })
}

pub fn device_record() -> impl Strategy<Value = DeviceRecord> {
    (any::<[[u8; 32]; 3]>(), extensions()).prop_map(|(keys, extensions)| DeviceRecord {
        identity_key: keys[0],
        signing_key: keys[1],
        fallback_key: keys[2],
        extensions,
    })
}

pub fn invite_proof() -> impl Strategy<Value = InviteProof> {
    (any::<[u8; 16]>(), any::<[u8; 32]>()).prop_map(|(invite, mac)| InviteProof { invite, mac })
}

pub fn chat_open() -> impl Strategy<Value = ChatOpen> {
    (
        text(),
        option::of(invite_proof()),
        signed_record(),
        list(any::<[u8; 32]>(), limits::SESSIONS),
        extensions(),
    )
        .prop_map(|(name, invite, device, sessions, extensions)| ChatOpen {
            name,
            invite,
            device,
            sessions,
            extensions,
        })
}

pub fn envelope() -> impl Strategy<Value = Envelope> {
    let stage = prop_oneof![Just(Stage::Opening), Just(Stage::Established)];
    (any::<[u8; 32]>(), stage, bytes(3000), extensions()).prop_map(
        |(session, stage, message, extensions)| Envelope {
            session,
            stage,
            message,
            extensions,
        },
    )
}

pub fn undecryptable() -> impl Strategy<Value = Undecryptable> {
    (any::<[u8; 32]>(), extensions()).prop_map(|(session, extensions)| Undecryptable {
        session,
        extensions,
    })
}

pub fn invite() -> impl Strategy<Value = Invite> {
    (
        peer(),
        any::<[[u8; 16]; 3]>(),
        any::<u64>(),
        text(),
        list(address(), limits::INVITE_ADDRESSES),
        signed_record(),
        extensions(),
    )
        .prop_map(
            |(peer, random, expires_at, name, addresses, device, extensions)| Invite {
                version: VERSION,
                peer,
                id: random[0],
                secret: InviteSecret::new(core::array::from_fn(|index| {
                    random[1 + index / 16][index % 16]
                })),
                expires_at,
                name,
                addresses,
                device,
                extensions,
            },
        )
}

pub fn head() -> impl Strategy<Value = Head> + Clone {
    (peer(), any::<[u8; 16]>(), any::<u64>(), any::<[u8; 32]>()).prop_map(
        |(author, incarnation, seq, hash)| Head {
            author,
            incarnation,
            seq,
            hash,
        },
    )
}

pub fn content() -> impl Strategy<Value = Content> + Clone {
    (
        any::<u64>(),
        option::of(any::<u64>()),
        list(head(), limits::HEADS),
        any::<u16>(),
        bytes(400),
        extensions(),
    )
        .prop_map(
            |(sent_at, expires_at, heads, kind, body, extensions)| Content {
                sent_at,
                expires_at,
                heads,
                kind,
                body,
                extensions,
            },
        )
}

pub fn entry() -> impl Strategy<Value = Entry> + Clone {
    (
        any::<[u8; 16]>(),
        any::<u64>(),
        any::<[[u8; 32]; 2]>(),
        option::of(content()),
    )
        .prop_map(|(incarnation, seq, hashes, content)| Entry {
            incarnation,
            seq,
            prev: hashes[0],
            hash: hashes[1],
            content,
        })
}

pub fn frontier() -> impl Strategy<Value = Frontier> + Clone {
    (
        peer(),
        any::<[u8; 16]>(),
        any::<[u64; 3]>(),
        any::<[u8; 32]>(),
    )
        .prop_map(|(author, incarnation, marks, tip)| Frontier {
            author,
            incarnation,
            held: marks[0],
            low_water: marks[1],
            read: marks[2],
            tip,
        })
}

pub fn parcel() -> impl Strategy<Value = Parcel> {
    (list(frontier(), limits::PARCEL_FRONTIERS), list(entry(), 6))
        .prop_map(|(frontiers, entries)| Parcel::new(frontiers, entries))
}

/// One of the values an enum has.
fn any_of<T: Copy + core::fmt::Debug + 'static>(
    all: &'static [T],
) -> impl Strategy<Value = T> + Clone {
    prop::sample::select(all)
}

pub fn nat_class() -> impl Strategy<Value = NatClass> {
    (
        any_of(Mapping::ALL),
        any_of(Filtering::ALL),
        any_of(Allocation::ALL),
        any::<[u16; 3]>(),
    )
        .prop_map(|(mapping, filtering, allocation, numbers)| NatClass {
            mapping,
            filtering,
            allocation,
            stride: numbers[0],
            block_first: numbers[1],
            block_len: numbers[2],
        })
}

pub fn candidate() -> impl Strategy<Value = Candidate> + Clone {
    (any_of(CandidateKind::ALL), address()).prop_map(|(kind, address)| Candidate { kind, address })
}

pub fn candidates() -> impl Strategy<Value = Candidates> {
    let list = list(candidate(), limits::CANDIDATES);
    (any::<u32>(), nat_class(), list, extensions()).prop_map(
        |(generation, class, candidates, extensions)| Candidates {
            generation,
            class,
            candidates,
            extensions,
        },
    )
}

pub fn prediction() -> impl Strategy<Value = Prediction> {
    (address(), any::<[u16; 2]>()).prop_map(|(address, [stride, count])| Prediction {
        address,
        stride,
        count,
    })
}

pub fn punch() -> impl Strategy<Value = Punch> {
    let prediction = option::of(prediction());
    (any::<(u32, bool, u16)>(), prediction, extensions()).prop_map(
        |((round, answers, sockets), prediction, extensions)| Punch {
            round,
            answers,
            prediction,
            sockets,
            extensions,
        },
    )
}

pub fn reach() -> impl Strategy<Value = Reach> {
    (
        any::<[u8; 16]>(),
        any_of(ReachFrom::ALL),
        address(),
        extensions(),
    )
        .prop_map(|(token, from, target, extensions)| Reach {
            token,
            from,
            target,
            extensions,
        })
}

pub fn reached() -> impl Strategy<Value = Reached> {
    (any_of(ReachResult::ALL), extensions())
        .prop_map(|(result, extensions)| Reached { result, extensions })
}

/// Every frame between a peer and its relay.
pub fn relay() -> impl Strategy<Value = Frame> {
    let numbers = any::<(u32, u32, u16)>();
    (
        0..7_u8,
        peer(),
        numbers,
        signed_record(),
        any_of(Refusal::ALL),
        extensions(),
    )
        .prop_map(
            |(which, peer, (a, b, channels), voucher, reason, extensions)| match which {
                0 => Frame::RelayReserve(RelayReserve {
                    lifetime_s: a,
                    extensions,
                }),
                1 => Frame::RelayReserved(RelayReserved {
                    lifetime_s: a,
                    channels,
                    bytes_per_s: b,
                    voucher,
                    extensions,
                }),
                2 => Frame::RelayRefused(RelayRefused {
                    reason,
                    retry_after_s: a,
                    extensions,
                }),
                3 => Frame::RelayConnect(RelayConnect { peer, extensions }),
                4 => Frame::RelayIncoming(RelayIncoming {
                    peer,
                    channel: a,
                    extensions,
                }),
                5 => Frame::RelayAccept(RelayAccept { extensions }),
                _ => Frame::RelayOpened(RelayOpened {
                    channel: a,
                    bytes_per_s: b,
                    extensions,
                }),
            },
        )
}

pub fn voucher() -> impl Strategy<Value = Voucher> {
    (peer(), extensions()).prop_map(|(peer, extensions)| Voucher { peer, extensions })
}

fn dht_socket() -> impl Strategy<Value = Socket> + Clone {
    socket().prop_map(|socket| Socket::new(socket).unwrap())
}

fn node() -> impl Strategy<Value = Node> + Clone {
    (
        any::<[u8; 32]>(),
        any::<u64>(),
        dht_socket(),
        option::of(dht_socket()),
    )
        .prop_map(|(key, nonce, socket, other)| Node {
            key,
            nonce,
            socket,
            other,
        })
}

fn server() -> impl Strategy<Value = Option<Server>> + Clone {
    let server = (any::<u64>(), dht_socket(), option::of(dht_socket()));
    option::of(server.prop_map(|(nonce, socket, other)| Server {
        nonce,
        socket,
        other,
    }))
}

/// Every question of the DHT.
pub fn dht_question() -> impl Strategy<Value = Frame> {
    let lists = (
        list(any::<u32>(), limits::DHT_KNOWN),
        // With all extensions and all known nodes, this many fit a frame.
        list(any::<[u8; 8]>(), 24),
    );
    (
        0..3_u8,
        any::<([u8; 32], u8, [u8; 16])>(),
        lists,
        server(),
        signed_record(),
        extensions(),
    )
        .prop_map(
            |(which, (key, want, token), (known, have), server, record, extensions)| match which {
                0 => Frame::DhtFind(DhtFind {
                    target: key,
                    want,
                    known,
                    server,
                    extensions,
                }),
                1 => Frame::DhtGet(DhtGet {
                    key,
                    want,
                    known,
                    have,
                    server,
                    extensions,
                }),
                _ => Frame::DhtPut(DhtPut {
                    key,
                    token,
                    record,
                    extensions,
                }),
            },
        )
}

/// Every answer of the DHT.
pub fn dht_answer() -> impl Strategy<Value = Frame> {
    (
        0..4_u8,
        any::<(u16, u32, [u8; 16])>(),
        list(node(), limits::DHT_NODES),
        list(signed_record(), limits::DHT_RECORDS),
        server(),
        any_of(dht::Refusal::ALL),
        extensions(),
    )
        .prop_map(
            |(which, (held, seconds, token), nodes, records, server, reason, extensions)| {
                match which {
                    0 => Frame::DhtNodes(DhtNodes {
                        nodes,
                        server,
                        extensions,
                    }),
                    1 => Frame::DhtValues(DhtValues {
                        records,
                        held,
                        token,
                        nodes,
                        server,
                        extensions,
                    }),
                    2 => Frame::DhtStored(DhtStored {
                        keep_s: seconds,
                        extensions,
                    }),
                    _ => Frame::DhtRefused(DhtRefused {
                        reason,
                        retry_after_s: seconds,
                        extensions,
                    }),
                }
            },
        )
}

/// Every payload that leads to somebody.
pub fn adverts() -> impl Strategy<
    Value = (
        RelayAdvert,
        ServiceAdvert,
        MailboxPointer,
        Presence,
        Rendezvous,
    ),
> {
    (
        any::<(u8, [u8; 16])>(),
        (dht_socket(), option::of(dht_socket())),
        text(),
        list(address(), limits::ADVERT_ADDRESSES),
        bytes(limits::SEALED),
        extensions(),
    )
        .prop_map(
            |((shard, slot), (socket, other), name, addresses, sealed, extensions)| {
                (
                    RelayAdvert {
                        shard,
                        socket,
                        other,
                        extensions: extensions.clone(),
                    },
                    ServiceAdvert {
                        name,
                        addresses: addresses.clone(),
                        extensions: extensions.clone(),
                    },
                    MailboxPointer {
                        mailboxes: addresses,
                        extensions: extensions.clone(),
                    },
                    Presence {
                        sealed: sealed.clone(),
                        extensions: extensions.clone(),
                    },
                    Rendezvous {
                        slot,
                        sealed,
                        extensions,
                    },
                )
            },
        )
}

pub fn frame() -> impl Strategy<Value = Frame> {
    prop_oneof![
        hello().prop_map(Frame::Hello),
        identify().prop_map(Frame::Identify),
        identify().prop_map(Frame::IdentifyPush),
        ping().prop_map(Frame::Ping),
        ping().prop_map(Frame::Pong),
        chat_open().prop_map(Frame::ChatOpen),
        envelope().prop_map(Frame::Envelope),
        undecryptable().prop_map(Frame::Undecryptable),
        candidates().prop_map(Frame::Candidates),
        punch().prop_map(Frame::Punch),
        reach().prop_map(Frame::Reach),
        reached().prop_map(Frame::Reached),
        relay(),
        dht_question(),
        dht_answer(),
    ]
}

/// How one encoding of a body is damaged.
#[derive(Clone, Debug)]
pub struct Mutation {
    at: prop::sample::Index,
    kind: u8,
    byte: u8,
}

pub fn mutations() -> impl Strategy<Value = Vec<Mutation>> {
    let one = (any::<prop::sample::Index>(), 0..6_u8, any::<u8>());
    vec(
        one.prop_map(|(at, kind, byte)| Mutation { at, kind, byte }),
        1..4,
    )
}

/// `bytes` with `mutations` done to them in order.
pub fn mutate(mut bytes: Vec<u8>, mutations: &[Mutation]) -> Vec<u8> {
    for Mutation { at, kind, byte } in mutations {
        if bytes.is_empty() {
            bytes.push(*byte);
        }
        let at = at.index(bytes.len());
        match kind {
            0 => bytes[at] ^= 1 << (byte % 8),
            1 => bytes[at] = *byte,
            2 => bytes.truncate(at),
            3 => bytes.insert(at, *byte),
            4 => drop(bytes.remove(at)),
            _ => bytes.extend_from_slice(&codec::encode(&u64::from(*byte))),
        }
    }
    bytes
}
