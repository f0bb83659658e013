//! Values made from fuzzed bytes, each within its limits.

use std::net::{IpAddr, SocketAddr};

use arbitrary::{Result, Unstructured};
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
use dchat_wire::record::{AddressRecord, DeviceRecord, SignedRecord};
use dchat_wire::relay::{
    Refusal, RelayAccept, RelayConnect, RelayIncoming, RelayOpened, RelayRefused, RelayReserve,
    RelayReserved,
};
use dchat_wire::{Address, Bytes, Frame, List, PeerId, Text};

use crate::samples;

/// A source of values.
pub(crate) struct Build<'a>(pub(crate) Unstructured<'a>);

impl Build<'_> {
    pub(crate) fn u64(&mut self) -> Result<u64> {
        self.0.arbitrary()
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        self.0.arbitrary()
    }

    pub(crate) fn below(&mut self, bound: usize) -> Result<usize> {
        self.0.int_in_range(0..=bound - 1)
    }

    fn bytes<const MAX: usize>(&mut self, most: usize) -> Result<Bytes<MAX>> {
        let len = self.below(most.min(MAX) + 1)?.min(self.0.len());
        Ok(Bytes::new(self.0.bytes(len)?.to_vec()).unwrap())
    }

    fn text<const MAX: usize>(&mut self) -> Result<Text<MAX>> {
        let text: &str = self.0.arbitrary()?;
        // A character takes up to four bytes.
        let text: String = text.chars().take(MAX / 4).collect();
        Ok(Text::new(text).unwrap())
    }

    fn option<T>(&mut self, make: impl FnOnce(&mut Self) -> Result<T>) -> Result<Option<T>> {
        if self.0.arbitrary()? {
            make(self).map(Some)
        } else {
            Ok(None)
        }
    }

    fn list<T, const MAX: usize>(
        &mut self,
        make: impl FnMut(&mut Self) -> Result<T>,
    ) -> Result<List<T, MAX>> {
        let count = self.below(MAX + 1)?;
        let mut make = make;
        let items = (0..count).map(|_| make(self)).collect::<Result<Vec<T>>>()?;
        Ok(List::new(items).unwrap())
    }

    fn peer(&mut self) -> Result<PeerId> {
        // A few keys: deriving one is slow, and which it is changes nothing.
        let index = self.below(4)?;
        static PEERS: std::sync::OnceLock<[PeerId; 4]> = std::sync::OnceLock::new();
        Ok(PEERS.get_or_init(|| [1, 2, 3, 4].map(samples::peer))[index])
    }

    fn address(&mut self) -> Result<Address> {
        let ip: IpAddr = self.0.arbitrary()?;
        let port = self.0.int_in_range(1..=u16::MAX)?;
        let socket = SocketAddr::new(ip.to_canonical(), port);
        let address = if self.0.arbitrary()? {
            Address::Direct {
                socket,
                peer: self.option(Self::peer)?,
            }
        } else {
            Address::Circuit {
                socket,
                relay: self.peer()?,
                peer: self.option(Self::peer)?,
            }
        };
        Ok(if address.names_one_socket() {
            address
        } else {
            Address::direct(samples::v4())
        })
    }

    fn extensions(&mut self) -> Result<Extensions> {
        let mut kind = 0;
        let count = self.below(5)?;
        let mut items = Vec::new();
        for _ in 0..count {
            kind += self.0.int_in_range(1..=CRITICAL / 8)?;
            items.push(Extension {
                kind,
                value: self.bytes(40)?,
            });
        }
        Ok(Extensions::new(List::new(items).unwrap()).unwrap())
    }

    fn identify(&mut self) -> Result<Identify> {
        Ok(Identify {
            revision: self.u64()?,
            observed: self.option(Self::address)?,
            addresses: self.list(Self::address)?,
            extensions: self.extensions()?,
        })
    }

    fn ping(&mut self) -> Result<Ping> {
        Ok(Ping {
            nonce: self.u64()?,
            extensions: self.extensions()?,
        })
    }

    fn hello(&mut self) -> Result<Hello> {
        let low = self.0.int_in_range(1..=u16::MAX)?;
        let mut capabilities: Vec<u16> = self.list::<_, 64>(|b| b.0.arbitrary())?.into_vec();
        capabilities.sort_unstable();
        capabilities.dedup();
        Ok(Hello {
            versions: Versions::new(low, self.0.int_in_range(low..=u16::MAX)?).unwrap(),
            instance: self.array()?,
            roles: self.u64()?,
            capabilities: Capabilities::new(List::new(capabilities).unwrap()).unwrap(),
            extensions: self.extensions()?,
        })
    }

    fn signed_record(&mut self) -> Result<SignedRecord> {
        Ok(SignedRecord {
            body: self.bytes(300)?,
            signature: self.array()?,
        })
    }

    pub(crate) fn address_record(&mut self) -> Result<AddressRecord> {
        Ok(AddressRecord {
            addresses: self.list(Self::address)?,
            extensions: self.extensions()?,
        })
    }

    pub(crate) fn device_record(&mut self) -> Result<DeviceRecord> {
        Ok(DeviceRecord {
            identity_key: self.array()?,
            signing_key: self.array()?,
            fallback_key: self.array()?,
            extensions: self.extensions()?,
        })
    }

    fn invite_proof(&mut self) -> Result<InviteProof> {
        Ok(InviteProof {
            invite: self.array()?,
            mac: self.array()?,
        })
    }

    /// A frame of any type.
    pub(crate) fn frame(&mut self) -> Result<Frame> {
        Ok(match self.below(26)? {
            0 => Frame::Hello(self.hello()?),
            1 => Frame::Identify(self.identify()?),
            2 => Frame::IdentifyPush(self.identify()?),
            3 => Frame::Ping(self.ping()?),
            4 => Frame::Pong(self.ping()?),
            5 => Frame::ChatOpen(ChatOpen {
                name: self.text()?,
                invite: self.option(Self::invite_proof)?,
                device: self.signed_record()?,
                sessions: self.list(Self::array)?,
                extensions: self.extensions()?,
            }),
            6 => Frame::Envelope(Envelope {
                session: self.array()?,
                stage: if self.0.arbitrary()? {
                    Stage::Opening
                } else {
                    Stage::Established
                },
                message: self.bytes(usize::MAX - 1)?,
                extensions: self.extensions()?,
            }),
            7 => Frame::Undecryptable(Undecryptable {
                session: self.array()?,
                extensions: self.extensions()?,
            }),
            8 => Frame::Candidates(Candidates {
                generation: self.0.arbitrary()?,
                class: self.nat_class()?,
                candidates: self.list(Self::candidate)?,
                extensions: self.extensions()?,
            }),
            9 => Frame::Punch(Punch {
                round: self.0.arbitrary()?,
                answers: self.0.arbitrary()?,
                prediction: self.option(Self::prediction)?,
                sockets: self.0.arbitrary()?,
                extensions: self.extensions()?,
            }),
            10 => Frame::Reach(Reach {
                token: self.array()?,
                from: self.one_of(ReachFrom::ALL)?,
                target: self.address()?,
                extensions: self.extensions()?,
            }),
            11 => Frame::Reached(Reached {
                result: self.one_of(ReachResult::ALL)?,
                extensions: self.extensions()?,
            }),
            12..19 => self.relay_frame()?,
            _ => self.dht_frame()?,
        })
    }

    /// A frame between a peer and its relay.
    fn relay_frame(&mut self) -> Result<Frame> {
        Ok(match self.below(7)? {
            0 => Frame::RelayReserve(RelayReserve {
                lifetime_s: self.0.arbitrary()?,
                extensions: self.extensions()?,
            }),
            1 => Frame::RelayReserved(RelayReserved {
                lifetime_s: self.0.arbitrary()?,
                channels: self.0.arbitrary()?,
                bytes_per_s: self.0.arbitrary()?,
                voucher: self.signed_record()?,
                extensions: self.extensions()?,
            }),
            2 => Frame::RelayRefused(RelayRefused {
                reason: self.one_of(Refusal::ALL)?,
                retry_after_s: self.0.arbitrary()?,
                extensions: self.extensions()?,
            }),
            3 => Frame::RelayConnect(RelayConnect {
                peer: self.peer()?,
                extensions: self.extensions()?,
            }),
            4 => Frame::RelayIncoming(RelayIncoming {
                peer: self.peer()?,
                channel: self.0.arbitrary()?,
                extensions: self.extensions()?,
            }),
            5 => Frame::RelayAccept(RelayAccept {
                extensions: self.extensions()?,
            }),
            _ => Frame::RelayOpened(RelayOpened {
                channel: self.0.arbitrary()?,
                bytes_per_s: self.0.arbitrary()?,
                extensions: self.extensions()?,
            }),
        })
    }

    fn socket(&mut self) -> Result<Socket> {
        let ip: IpAddr = self.0.arbitrary()?;
        let port = self.0.int_in_range(1..=u16::MAX)?;
        let socket = Socket::new(SocketAddr::new(ip, port));
        Ok(socket.unwrap_or_else(|_| Socket::new(samples::v4()).unwrap()))
    }

    fn server(&mut self) -> Result<Server> {
        Ok(Server {
            nonce: self.u64()?,
            socket: self.socket()?,
            other: self.option(Self::socket)?,
        })
    }

    fn node(&mut self) -> Result<Node> {
        Ok(Node {
            key: self.array()?,
            nonce: self.u64()?,
            socket: self.socket()?,
            other: self.option(Self::socket)?,
        })
    }

    fn tails<const MAX: usize>(&mut self) -> Result<List<u32, MAX>> {
        self.list(|build| build.0.arbitrary())
    }

    /// A question or answer of the DHT.
    fn dht_frame(&mut self) -> Result<Frame> {
        Ok(match self.below(7)? {
            0 => Frame::DhtFind(DhtFind {
                target: self.array()?,
                want: self.0.arbitrary()?,
                known: self.tails()?,
                server: self.option(Self::server)?,
                extensions: self.extensions()?,
            }),
            1 => Frame::DhtNodes(DhtNodes {
                nodes: self.list(Self::node)?,
                server: self.option(Self::server)?,
                extensions: self.extensions()?,
            }),
            2 => Frame::DhtGet(DhtGet {
                key: self.array()?,
                want: self.0.arbitrary()?,
                known: self.tails()?,
                have: self.list(Self::array)?,
                server: self.option(Self::server)?,
                extensions: self.extensions()?,
            }),
            3 => Frame::DhtValues(DhtValues {
                records: self.list(Self::signed_record)?,
                held: self.0.arbitrary()?,
                token: self.array()?,
                nodes: self.list(Self::node)?,
                server: self.option(Self::server)?,
                extensions: self.extensions()?,
            }),
            4 => Frame::DhtPut(DhtPut {
                key: self.array()?,
                token: self.array()?,
                record: self.signed_record()?,
                extensions: self.extensions()?,
            }),
            5 => Frame::DhtStored(DhtStored {
                keep_s: self.0.arbitrary()?,
                extensions: self.extensions()?,
            }),
            _ => Frame::DhtRefused(DhtRefused {
                reason: self.one_of(dht::Refusal::ALL)?,
                retry_after_s: self.0.arbitrary()?,
                extensions: self.extensions()?,
            }),
        })
    }

    pub(crate) fn relay_advert(&mut self) -> Result<RelayAdvert> {
        Ok(RelayAdvert {
            shard: self.0.arbitrary()?,
            socket: self.socket()?,
            other: self.option(Self::socket)?,
            extensions: self.extensions()?,
        })
    }

    pub(crate) fn service_advert(&mut self) -> Result<ServiceAdvert> {
        Ok(ServiceAdvert {
            name: self.text()?,
            addresses: self.list(Self::address)?,
            extensions: self.extensions()?,
        })
    }

    pub(crate) fn mailbox_pointer(&mut self) -> Result<MailboxPointer> {
        Ok(MailboxPointer {
            mailboxes: self.list(Self::address)?,
            extensions: self.extensions()?,
        })
    }

    pub(crate) fn presence(&mut self) -> Result<Presence> {
        Ok(Presence {
            sealed: self.bytes(usize::MAX - 1)?,
            extensions: self.extensions()?,
        })
    }

    pub(crate) fn rendezvous(&mut self) -> Result<Rendezvous> {
        Ok(Rendezvous {
            slot: self.array()?,
            sealed: self.bytes(usize::MAX - 1)?,
            extensions: self.extensions()?,
        })
    }

    fn one_of<T: Copy>(&mut self, all: &[T]) -> Result<T> {
        self.0.choose(all).copied()
    }

    fn nat_class(&mut self) -> Result<NatClass> {
        Ok(NatClass {
            mapping: self.one_of(Mapping::ALL)?,
            filtering: self.one_of(Filtering::ALL)?,
            allocation: self.one_of(Allocation::ALL)?,
            stride: self.0.arbitrary()?,
            block_first: self.0.arbitrary()?,
            block_len: self.0.arbitrary()?,
        })
    }

    fn candidate(&mut self) -> Result<Candidate> {
        Ok(Candidate {
            kind: self.one_of(CandidateKind::ALL)?,
            address: self.address()?,
        })
    }

    fn prediction(&mut self) -> Result<Prediction> {
        Ok(Prediction {
            address: self.address()?,
            stride: self.0.arbitrary()?,
            count: self.0.arbitrary()?,
        })
    }

    fn head(&mut self) -> Result<Head> {
        Ok(Head {
            author: self.peer()?,
            incarnation: self.array()?,
            seq: self.u64()?,
            hash: self.array()?,
        })
    }

    fn content(&mut self) -> Result<Content> {
        Ok(Content {
            sent_at: self.u64()?,
            expires_at: self.option(Self::u64)?,
            heads: self.list(Self::head)?,
            kind: self.0.arbitrary()?,
            body: self.bytes(2000)?,
            extensions: self.extensions()?,
        })
    }

    fn entry(&mut self) -> Result<Entry> {
        Ok(Entry {
            incarnation: self.array()?,
            seq: self.u64()?,
            prev: self.array()?,
            hash: self.array()?,
            content: self.option(Self::content)?,
        })
    }

    fn frontier(&mut self) -> Result<Frontier> {
        Ok(Frontier {
            author: self.peer()?,
            incarnation: self.array()?,
            held: self.u64()?,
            low_water: self.u64()?,
            read: self.u64()?,
            tip: self.array()?,
        })
    }

    pub(crate) fn parcel(&mut self) -> Result<Parcel> {
        Ok(Parcel::new(
            self.list(Self::frontier)?,
            self.list(Self::entry)?,
        ))
    }

    pub(crate) fn invite(&mut self) -> Result<Invite> {
        Ok(Invite {
            version: VERSION,
            peer: self.peer()?,
            id: self.array()?,
            secret: InviteSecret::new(self.array()?),
            expires_at: self.u64()?,
            name: self.text()?,
            addresses: self.list(Self::address)?,
            device: self.signed_record()?,
            extensions: self.extensions()?,
        })
    }
}
