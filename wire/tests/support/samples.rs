//! One fixed value of everything that travels: small, with every part of it filled in.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use dchat_wire::advert::{MailboxPointer, Presence, RelayAdvert, Rendezvous, ServiceAdvert};
use dchat_wire::chat::{ChatOpen, Envelope, InviteProof, Stage, Undecryptable};
use dchat_wire::dht::{
    self, DhtFind, DhtGet, DhtNodes, DhtPut, DhtRefused, DhtStored, DhtValues, Node, Server, Socket,
};
use dchat_wire::extension::{Extension, Extensions};
use dchat_wire::hello::{Capabilities, Hello, Versions, capability, role};
use dchat_wire::identify::Identify;
use dchat_wire::invite::{self, Invite, InviteSecret};
use dchat_wire::nat::{
    Allocation, Candidate, CandidateKind, Candidates, Filtering, Mapping, NatClass, Prediction,
    Punch, Reach, ReachFrom, ReachResult, Reached,
};
use dchat_wire::parcel::{Content, Entry, Frontier, Head, Parcel, entry_hash, entry_kind};
use dchat_wire::ping::Ping;
use dchat_wire::probe::{Probe, ProbeKeys};
use dchat_wire::record::{AddressRecord, DeviceRecord, RecordBody, SignedRecord};
use dchat_wire::relay::{
    Refusal, RelayAccept, RelayConnect, RelayIncoming, RelayOpened, RelayRefused, RelayReserve,
    RelayReserved, Voucher,
};
use dchat_wire::sign::Identity;
use dchat_wire::{Address, Bytes, Frame, List, PeerId, Text, codec};

/// 2026-11-21 00:00 UTC in milliseconds.
pub const NOW: u64 = 1_795_219_200_000;

pub fn identity(seed: u8) -> Identity {
    Identity::from_seed(&[seed; 32])
}

pub fn peer(seed: u8) -> PeerId {
    identity(seed).peer_id()
}

pub fn v4() -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 168, 1, 23)), 4001)
}

pub fn v6() -> SocketAddr {
    let ip = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);
    SocketAddr::new(IpAddr::V6(ip), 4001)
}

/// Both families, direct and through a relay, named and not.
pub fn addresses() -> Vec<Address> {
    vec![
        Address::direct(v4()),
        Address::direct(v6()),
        Address::direct(v4()).of(peer(1)),
        Address::Circuit {
            socket: v6(),
            relay: peer(2),
            peer: None,
        },
        Address::Circuit {
            socket: v4(),
            relay: peer(2),
            peer: Some(peer(1)),
        },
    ]
}

pub fn bytes<const MAX: usize>(value: &[u8]) -> Bytes<MAX> {
    Bytes::new(value.to_vec()).unwrap()
}

pub fn text<const MAX: usize>(value: &str) -> Text<MAX> {
    Text::new(value).unwrap()
}

pub fn extension(kind: u16, value: &[u8]) -> Extension {
    Extension {
        kind,
        value: bytes(value),
    }
}

pub fn extensions() -> Extensions {
    let list = List::first_of([extension(0x0102, b""), extension(0x1a2a, b"grease")]);
    Extensions::new(list).unwrap()
}

pub fn hello() -> Hello {
    let list = List::first_of([capability::CHAT, 0x0203]);
    Hello {
        versions: Versions::OURS,
        instance: [0x11; 16],
        roles: role::RELAY | role::BOOTSTRAP,
        capabilities: Capabilities::new(list).unwrap(),
        extensions: extensions(),
    }
}

pub fn identify() -> Identify {
    Identify {
        revision: 7,
        observed: Some(Address::direct(v6())),
        addresses: List::first_of(addresses()),
        extensions: Extensions::default(),
    }
}

pub fn ping() -> Ping {
    Ping {
        nonce: 0x0102_0304_0506_0708,
        extensions: Extensions::default(),
    }
}

pub fn device() -> DeviceRecord {
    DeviceRecord {
        identity_key: [0x21; 32],
        signing_key: [0x22; 32],
        fallback_key: [0x23; 32],
        extensions: Extensions::default(),
    }
}

pub fn address_record() -> AddressRecord {
    AddressRecord {
        addresses: List::first_of(addresses()),
        extensions: extensions(),
    }
}

pub fn signed_device() -> SignedRecord {
    SignedRecord::issue(&identity(1), 3, NOW, 1_000_000, &device())
}

pub fn signed_addresses() -> SignedRecord {
    SignedRecord::issue(&identity(1), 4, NOW, 1_000_000, &address_record())
}

pub fn record_body() -> RecordBody {
    codec::decode(signed_addresses().body.as_slice()).unwrap()
}

pub fn invite_proof() -> InviteProof {
    InviteProof {
        invite: [0x31; 16],
        mac: InviteProof::mac(&[0x32; 32], &peer(2), &peer(1)),
    }
}

pub fn chat_open() -> ChatOpen {
    ChatOpen {
        name: text("Bø 对聊"),
        invite: Some(invite_proof()),
        device: signed_device(),
        sessions: List::first_of([[0x41; 32], [0x42; 32]]),
        extensions: extensions(),
    }
}

pub fn envelope(message: &[u8]) -> Envelope {
    Envelope {
        session: [0x51; 32],
        stage: Stage::Established,
        message: bytes(message),
        extensions: Extensions::default(),
    }
}

pub fn undecryptable() -> Undecryptable {
    Undecryptable {
        session: [0x51; 32],
        extensions: extensions(),
    }
}

/// Every frame type.
pub fn frames() -> Vec<Frame> {
    vec![
        Frame::Hello(hello()),
        Frame::Identify(identify()),
        Frame::IdentifyPush(Identify {
            revision: 8,
            observed: None,
            addresses: List::default(),
            extensions: extensions(),
        }),
        Frame::Ping(ping()),
        Frame::Pong(ping()),
        Frame::Candidates(candidates()),
        Frame::Punch(punch()),
        Frame::Reach(reach()),
        Frame::Reached(reached()),
        Frame::ChatOpen(chat_open()),
        Frame::Envelope(envelope(&[0x52; 40])),
        Frame::Undecryptable(undecryptable()),
        Frame::RelayReserve(relay_reserve()),
        Frame::RelayReserved(relay_reserved()),
        Frame::RelayRefused(relay_refused()),
        Frame::RelayConnect(relay_connect()),
        Frame::RelayIncoming(relay_incoming()),
        Frame::RelayAccept(relay_accept()),
        Frame::RelayOpened(relay_opened()),
        Frame::DhtFind(dht_find()),
        Frame::DhtNodes(dht_nodes()),
        Frame::DhtGet(dht_get()),
        Frame::DhtValues(dht_values()),
        Frame::DhtPut(dht_put()),
        Frame::DhtStored(dht_stored()),
        Frame::DhtRefused(dht_refused()),
    ]
}

pub fn nat_class() -> NatClass {
    NatClass {
        mapping: Mapping::AddressAndPortDependent,
        filtering: Filtering::AddressDependent,
        allocation: Allocation::Block,
        stride: 0,
        block_first: 40_960,
        block_len: 512,
    }
}

pub fn candidate() -> Candidate {
    Candidate {
        kind: CandidateKind::Reflexive,
        address: Address::direct(v4()),
    }
}

pub fn candidates() -> Candidates {
    let relayed = Candidate {
        kind: CandidateKind::Relayed,
        address: Address::Circuit {
            socket: v6(),
            relay: peer(3),
            peer: None,
        },
    };
    Candidates {
        generation: 3,
        class: nat_class(),
        candidates: List::first_of([candidate(), relayed]),
        extensions: extensions(),
    }
}

pub fn prediction() -> Prediction {
    Prediction {
        address: Address::direct(v4()),
        stride: 0xfffe,
        count: 12,
    }
}

pub fn punch() -> Punch {
    Punch {
        round: 2,
        answers: true,
        prediction: Some(prediction()),
        sockets: 450,
        extensions: extensions(),
    }
}

pub fn reach() -> Reach {
    Reach {
        token: [0x71; 16],
        from: ReachFrom::OtherNode,
        target: Address::direct(v4()),
        extensions: extensions(),
    }
}

pub fn reached() -> Reached {
    Reached {
        result: ReachResult::Limited,
        extensions: extensions(),
    }
}

pub fn relay_reserve() -> RelayReserve {
    RelayReserve {
        lifetime_s: 3600,
        extensions: extensions(),
    }
}

pub fn voucher() -> Voucher {
    Voucher {
        peer: peer(1),
        extensions: extensions(),
    }
}

pub fn relay_reserved() -> RelayReserved {
    RelayReserved {
        lifetime_s: 1800,
        channels: 16,
        bytes_per_s: 1_000_000,
        voucher: SignedRecord::issue(&identity(3), 5, NOW, 1_800_000, &voucher()),
        extensions: extensions(),
    }
}

pub fn relay_refused() -> RelayRefused {
    RelayRefused {
        reason: Refusal::Full,
        retry_after_s: 60,
        extensions: extensions(),
    }
}

pub fn relay_connect() -> RelayConnect {
    RelayConnect {
        peer: peer(2),
        extensions: extensions(),
    }
}

pub fn relay_incoming() -> RelayIncoming {
    RelayIncoming {
        peer: peer(1),
        channel: 7,
        extensions: extensions(),
    }
}

pub fn relay_accept() -> RelayAccept {
    RelayAccept {
        extensions: extensions(),
    }
}

pub fn relay_opened() -> RelayOpened {
    RelayOpened {
        channel: 9,
        bytes_per_s: 0,
        extensions: extensions(),
    }
}

pub fn head() -> Head {
    Head {
        author: peer(2),
        incarnation: [0x62; 16],
        seq: 9,
        hash: [0x63; 32],
    }
}

pub fn content() -> Content {
    Content {
        sent_at: NOW,
        expires_at: Some(NOW + 60_000),
        heads: List::first_of([head()]),
        kind: entry_kind::TEXT,
        body: bytes("你好".as_bytes()),
        extensions: extensions(),
    }
}

pub fn entry() -> Entry {
    let content = content();
    Entry {
        incarnation: [0x61; 16],
        seq: 1,
        prev: [0; 32],
        hash: entry_hash(&[0x60; 32], &peer(1), &[0x61; 16], 1, &[0; 32], &content),
        content: Some(content),
    }
}

pub fn stub() -> Entry {
    Entry {
        incarnation: [0x61; 16],
        seq: 2,
        prev: entry().hash,
        hash: [0x64; 32],
        content: None,
    }
}

pub fn frontier() -> Frontier {
    Frontier {
        author: peer(2),
        incarnation: [0x62; 16],
        held: 9,
        low_water: 2,
        read: 8,
        tip: [0x63; 32],
    }
}

pub fn parcel() -> Parcel {
    Parcel::new(
        List::first_of([frontier()]),
        List::first_of([entry(), stub()]),
    )
}

pub fn invite() -> Invite {
    Invite {
        version: invite::VERSION,
        peer: peer(1),
        id: [0x71; 16],
        secret: InviteSecret::new([0x72; 32]),
        expires_at: NOW + invite::LIFETIME,
        name: text("Alice"),
        addresses: List::first_of([Address::direct(v4())]),
        device: signed_device(),
        extensions: Extensions::default(),
    }
}

pub fn node(seed: u8) -> Node {
    Node {
        key: *peer(seed).public_key(),
        nonce: 0x0102_0304_0506_0708,
        socket: Socket::new(v4()).unwrap(),
        other: Some(Socket::new(v6()).unwrap()),
    }
}

pub fn server() -> Server {
    Server {
        nonce: 0x1112_1314_1516_1718,
        socket: Socket::new(v6()).unwrap(),
        other: Some(Socket::new(v4()).unwrap()),
    }
}

pub fn dht_find() -> DhtFind {
    DhtFind {
        target: [0xd1; 32],
        want: 20,
        known: List::first_of([0x2122_2324, 0x3132_3334]),
        server: Some(server()),
        extensions: extensions(),
    }
}

pub fn dht_nodes() -> DhtNodes {
    let alone = Node {
        other: None,
        ..node(2)
    };
    DhtNodes {
        nodes: List::first_of([node(1), alone]),
        server: Some(server()),
        extensions: extensions(),
    }
}

pub fn dht_get() -> DhtGet {
    DhtGet {
        key: [0xd2; 32],
        want: 20,
        known: List::first_of([0x4142_4344]),
        have: List::first_of([[0xd3; 8], [0xd4; 8]]),
        server: Some(server()),
        extensions: extensions(),
    }
}

pub fn dht_values() -> DhtValues {
    DhtValues {
        records: List::first_of([signed_addresses(), signed_device()]),
        held: 3,
        token: [0xd5; 16],
        nodes: List::first_of([node(3)]),
        server: Some(server()),
        extensions: extensions(),
    }
}

pub fn dht_put() -> DhtPut {
    DhtPut {
        key: [0xd2; 32],
        token: [0xd5; 16],
        record: signed_device(),
        extensions: extensions(),
    }
}

pub fn dht_stored() -> DhtStored {
    DhtStored {
        keep_s: 7200,
        extensions: extensions(),
    }
}

pub fn dht_refused() -> DhtRefused {
    DhtRefused {
        reason: dht::Refusal::TooMany,
        retry_after_s: 30,
        extensions: extensions(),
    }
}

pub fn relay_advert() -> RelayAdvert {
    RelayAdvert {
        shard: 2,
        socket: Socket::new(v4()).unwrap(),
        other: Some(Socket::new(v6()).unwrap()),
        extensions: extensions(),
    }
}

pub fn service_advert() -> ServiceAdvert {
    ServiceAdvert {
        name: text("mirror"),
        addresses: List::first_of(addresses()),
        extensions: extensions(),
    }
}

pub fn mailbox_pointer() -> MailboxPointer {
    MailboxPointer {
        mailboxes: List::first_of(addresses()),
        extensions: extensions(),
    }
}

pub fn presence() -> Presence {
    Presence {
        sealed: bytes(&[0xd6; 40]),
        extensions: extensions(),
    }
}

pub fn rendezvous() -> Rendezvous {
    Rendezvous {
        slot: [0xd7; 16],
        sealed: bytes(&[0xd8; 40]),
        extensions: extensions(),
    }
}

/// Keys of a connection: the client's and the server's.
pub fn probe_keys() -> (ProbeKeys, ProbeKeys) {
    ProbeKeys::from_exporter(&core::array::from_fn(|index| index as u8))
}

pub fn ask() -> Probe {
    Probe::Ask {
        transaction: [0x81; 8],
    }
}

pub fn answer(observed: SocketAddr) -> Probe {
    Probe::Answer {
        transaction: [0x81; 8],
        observed,
    }
}

/// The encoding of one value of every body, by the type's name.
pub fn encoded_bodies() -> Vec<(&'static str, Vec<u8>)> {
    fn one<T: codec::Body>(value: &T) -> (&'static str, Vec<u8>) {
        (T::NAME, codec::encode(value))
    }
    vec![
        one(&extension(0x0102, b"value")),
        one(&hello()),
        one(&identify()),
        one(&ping()),
        one(&chat_open()),
        one(&invite_proof()),
        one(&envelope(&[0x52; 40])),
        one(&undecryptable()),
        one(&signed_addresses()),
        one(&record_body()),
        one(&address_record()),
        one(&device()),
        one(&invite()),
        one(&parcel()),
        one(&frontier()),
        one(&entry()),
        one(&content()),
        one(&head()),
        one(&nat_class()),
        one(&candidate()),
        one(&candidates()),
        one(&prediction()),
        one(&punch()),
        one(&reach()),
        one(&reached()),
        one(&relay_reserve()),
        one(&relay_reserved()),
        one(&voucher()),
        one(&relay_connect()),
        one(&relay_incoming()),
        one(&relay_accept()),
        one(&relay_opened()),
        one(&relay_refused()),
        one(&node(1)),
        one(&server()),
        one(&dht_find()),
        one(&dht_nodes()),
        one(&dht_get()),
        one(&dht_values()),
        one(&dht_put()),
        one(&dht_stored()),
        one(&dht_refused()),
        one(&relay_advert()),
        one(&service_advert()),
        one(&mailbox_pointer()),
        one(&presence()),
        one(&rendezvous()),
    ]
    .into_iter()
    .chain(super::gossip::encoded_bodies())
    .collect()
}
