//! A decoder written by hand from the specification, without the codec crate, to compare with.
//!
//! It answers with the value or with the name of the refusal (spec `10-encoding` §7).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use dchat_wire::advert::{MailboxPointer, Presence, RelayAdvert, Rendezvous, ServiceAdvert};
use dchat_wire::chat::{ChatOpen, Envelope, InviteProof, Stage, Undecryptable};
use dchat_wire::dht::{
    self, DhtFind, DhtGet, DhtNodes, DhtPut, DhtRefused, DhtStored, DhtValues, Node, Server, Socket,
};
use dchat_wire::extension::{Extension, Extensions};
use dchat_wire::hello::{Capabilities, Hello, Versions};
use dchat_wire::identify::Identify;
use dchat_wire::invite::{Invite, InviteSecret};
use dchat_wire::nat::{
    Allocation, Candidate, CandidateKind, Candidates, Filtering, Mapping, NatClass, Prediction,
    Punch, Reach, ReachFrom, ReachResult, Reached,
};
use dchat_wire::parcel::{Content, Entry, Frontier, Head, Padding, Parcel};
use dchat_wire::ping::Ping;
use dchat_wire::record::{AddressRecord, DeviceRecord, RecordBody, SignedRecord};
use dchat_wire::relay::{
    Refusal, RelayAccept, RelayConnect, RelayIncoming, RelayOpened, RelayRefused, RelayReserve,
    RelayReserved, Voucher,
};
use dchat_wire::{Address, Bytes, Frame, FrameType, List, PeerId, Text};

/// The name of a refusal.
pub type Named = &'static str;

const END: Named = "unexpected-end";
const OVER: Named = "over-limit";
const INVALID: Named = "invalid";

/// Decodes exactly one `T`.
pub fn decode<T: ByHand>(bytes: &[u8]) -> Result<T, Named> {
    if bytes.len() > 160 * 1024 {
        return Err(OVER);
    }
    let mut hand = Hand { rest: bytes };
    let value = T::read(&mut hand)?;
    if hand.rest.is_empty() {
        Ok(value)
    } else {
        Err("trailing-bytes")
    }
}

/// Bytes still to be read.
pub struct Hand<'a> {
    rest: &'a [u8],
}

/// A type read by hand.
pub trait ByHand: Sized {
    /// Fewest bytes a value takes.
    const LEAST: usize;
    /// Reads one from the front.
    fn read(hand: &mut Hand<'_>) -> Result<Self, Named>;
}

impl<'a> Hand<'a> {
    fn take(&mut self, len: usize) -> Result<&'a [u8], Named> {
        let (front, rest) = self.rest.split_at_checked(len).ok_or(END)?;
        self.rest = rest;
        Ok(front)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Named> {
        Ok(self.take(N)?.try_into().unwrap())
    }

    fn u8(&mut self) -> Result<u8, Named> {
        Ok(self.take(1)?[0])
    }

    fn u16(&mut self) -> Result<u16, Named> {
        self.array().map(u16::from_le_bytes)
    }

    fn u32(&mut self) -> Result<u32, Named> {
        self.array().map(u32::from_le_bytes)
    }

    fn boolean(&mut self) -> Result<bool, Named> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err("not-boolean"),
        }
    }

    /// One of the values of an enum, whose codes count from `first`.
    fn one_of<T: Copy>(all: &[T], code: u64, first: u64) -> Result<T, Named> {
        let at = code.checked_sub(first).ok_or(INVALID)?;
        all.get(at as usize).copied().ok_or(INVALID)
    }

    fn u64(&mut self) -> Result<u64, Named> {
        self.array().map(u64::from_le_bytes)
    }

    fn count(&mut self, most: usize) -> Result<usize, Named> {
        let count = self.u64()?;
        if count > most as u64 {
            return Err(OVER);
        }
        Ok(count as usize)
    }

    fn bytes(&mut self, most: usize) -> Result<&'a [u8], Named> {
        let len = self.count(most)?;
        self.take(len)
    }

    fn string<const MAX: usize>(&mut self) -> Result<Bytes<MAX>, Named> {
        Ok(Bytes::new(self.bytes(MAX)?.to_vec()).unwrap())
    }

    fn text<const MAX: usize>(&mut self) -> Result<Text<MAX>, Named> {
        let text = core::str::from_utf8(self.bytes(MAX)?).map_err(|_| INVALID)?;
        Ok(Text::new(text).unwrap())
    }

    fn option<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, Named>,
    ) -> Result<Option<T>, Named> {
        match self.u8()? {
            0 => Ok(None),
            1 => read(self).map(Some),
            _ => Err("not-boolean"),
        }
    }

    fn list<T, const MAX: usize>(
        &mut self,
        least: usize,
        mut read: impl FnMut(&mut Self) -> Result<T, Named>,
    ) -> Result<List<T, MAX>, Named> {
        let count = self.count(MAX)?;
        if self.rest.len() < count * least {
            return Err(END);
        }
        let mut items = Vec::new();
        for _ in 0..count {
            items.push(read(self)?);
        }
        Ok(List::new(items).unwrap())
    }

    fn items<T: ByHand, const MAX: usize>(&mut self) -> Result<List<T, MAX>, Named> {
        self.list(T::LEAST, T::read)
    }

    fn peer(&mut self) -> Result<PeerId, Named> {
        PeerId::from_public_key(self.array()?).map_err(|_| INVALID)
    }

    fn extensions(&mut self) -> Result<Extensions, Named> {
        let list: List<Extension, 16> = self.items()?;
        let ascending = list.windows(2).all(|pair| pair[0].kind < pair[1].kind);
        if !ascending || list.iter().any(|extension| extension.kind >= 0x8000) {
            return Err(INVALID);
        }
        Ok(Extensions::new(list).unwrap())
    }
}

impl ByHand for Address {
    const LEAST: usize = 8;

    fn read(hand: &mut Hand<'_>) -> Result<Self, Named> {
        let bytes = hand.bytes(128)?;
        multiaddr(bytes).ok_or(INVALID)
    }
}

impl ByHand for Socket {
    const LEAST: usize = 18;

    fn read(hand: &mut Hand<'_>) -> Result<Self, Named> {
        let ip: [u8; 16] = hand.array()?;
        let port = u16::from_be_bytes(hand.array()?);
        let ip = match ip {
            [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d] => {
                IpAddr::V4(Ipv4Addr::new(a, b, c, d))
            }
            _ => IpAddr::V6(Ipv6Addr::from(ip)),
        };
        if port == 0 || ip.is_unspecified() || ip.is_multicast() {
            return Err(INVALID);
        }
        Ok(Self::new(SocketAddr::new(ip, port)).unwrap())
    }
}

/// The two forms of multiaddr in use.
fn multiaddr(bytes: &[u8]) -> Option<Address> {
    let (ip, rest) = match bytes {
        [0x04, a, b, c, d, rest @ ..] => (IpAddr::V4(Ipv4Addr::new(*a, *b, *c, *d)), rest),
        [0x29, rest @ ..] => {
            let (octets, rest) = rest.split_first_chunk::<16>()?;
            (IpAddr::V6(Ipv6Addr::from(*octets)), rest)
        }
        _ => return None,
    };
    // udp 273, port, quic-v1 461, both codes as varints.
    let [0x91, 0x02, high, low, 0xcd, 0x03, rest @ ..] = rest else {
        return None;
    };
    let port = u16::from_be_bytes([*high, *low]);
    let mapped = matches!(ip, IpAddr::V6(ip) if ip.to_ipv4_mapped().is_some());
    if port == 0 || ip.is_unspecified() || ip.is_multicast() || mapped {
        return None;
    }
    let socket = SocketAddr::new(ip, port);
    let (first, rest) = p2p(rest)?;
    // p2p-circuit 290.
    match (first, rest) {
        (peer, []) => Some(Address::Direct { socket, peer }),
        (Some(relay), [0xa2, 0x02, rest @ ..]) => match p2p(rest)? {
            (peer, []) => Some(Address::Circuit {
                socket,
                relay,
                peer,
            }),
            _ => None,
        },
        _ => None,
    }
}

/// p2p 421 with an identity multihash of an Ed25519 key, if that comes next.
fn p2p(bytes: &[u8]) -> Option<(Option<PeerId>, &[u8])> {
    let [0xa5, 0x03, rest @ ..] = bytes else {
        return Some((None, bytes));
    };
    let [0x26, 0x00, 0x24, 0x08, 0x01, 0x12, 0x20, rest @ ..] = rest else {
        return None;
    };
    let (key, rest) = rest.split_first_chunk::<32>()?;
    Some((Some(PeerId::from_public_key(*key).ok()?), rest))
}

macro_rules! by_hand {
    ($type:ident, $least:literal, |$hand:ident| { $($field:ident: $read:expr),* $(,)? }) => {
        impl ByHand for $type {
            const LEAST: usize = $least;

            fn read($hand: &mut Hand<'_>) -> Result<Self, Named> {
                $(let $field = $read;)*
                Ok(Self { $($field),* })
            }
        }
    };
}

#[path = "hand_rooms.rs"]
mod rooms;

by_hand!(Extension, 10, |hand| { kind: hand.u16()?, value: hand.string()? });
by_hand!(Hello, 44, |hand| {
    versions: {
        let both = hand.array::<4>()?;
        let low = u16::from_le_bytes([both[0], both[1]]);
        let high = u16::from_le_bytes([both[2], both[3]]);
        if low == 0 || high < low {
            return Err(INVALID);
        }
        Versions::new(low, high).unwrap()
    },
    instance: hand.array()?,
    roles: hand.u64()?,
    capabilities: {
        let list = hand.list(2, Hand::u16)?;
        if list.windows(2).any(|pair| pair[0] >= pair[1]) {
            return Err(INVALID);
        }
        Capabilities::new(list).unwrap()
    },
    extensions: hand.extensions()?,
});
by_hand!(Identify, 25, |hand| {
    revision: hand.u64()?,
    observed: hand.option(Address::read)?,
    addresses: hand.items()?,
    extensions: hand.extensions()?,
});
by_hand!(Ping, 16, |hand| { nonce: hand.u64()?, extensions: hand.extensions()? });
by_hand!(InviteProof, 48, |hand| { invite: hand.array()?, mac: hand.array()? });
by_hand!(ChatOpen, 97, |hand| {
    name: hand.text()?,
    invite: hand.option(InviteProof::read)?,
    device: ByHand::read(hand)?,
    sessions: hand.list(32, Hand::array)?,
    extensions: hand.extensions()?,
});
by_hand!(Envelope, 49, |hand| {
    session: hand.array()?,
    stage: match hand.u8()? {
        0 => Stage::Opening,
        1 => Stage::Established,
        _ => return Err(INVALID),
    },
    message: hand.string()?,
    extensions: hand.extensions()?,
});
by_hand!(Undecryptable, 40, |hand| { session: hand.array()?, extensions: hand.extensions()? });
by_hand!(SignedRecord, 72, |hand| { body: hand.string()?, signature: hand.array()? });
by_hand!(RecordBody, 74, |hand| {
    signer: hand.peer()?,
    kind: hand.u16()?,
    sequence: hand.u64()?,
    issued_at: hand.u64()?,
    expires_at: hand.u64()?,
    payload: hand.string()?,
    extensions: hand.extensions()?,
});
by_hand!(AddressRecord, 16, |hand| {
    addresses: hand.items()?,
    extensions: hand.extensions()?,
});
by_hand!(DeviceRecord, 104, |hand| {
    identity_key: hand.array()?,
    signing_key: hand.array()?,
    fallback_key: hand.array()?,
    extensions: hand.extensions()?,
});
by_hand!(Invite, 185, |hand| {
    version: hand.u8()?,
    peer: hand.peer()?,
    id: hand.array()?,
    secret: InviteSecret::new(hand.array()?),
    expires_at: hand.u64()?,
    name: hand.text()?,
    addresses: hand.items()?,
    device: ByHand::read(hand)?,
    extensions: hand.extensions()?,
});
by_hand!(Head, 88, |hand| {
    author: hand.peer()?,
    incarnation: hand.array()?,
    seq: hand.u64()?,
    hash: hand.array()?,
});
by_hand!(Content, 35, |hand| {
    sent_at: hand.u64()?,
    expires_at: hand.option(Hand::u64)?,
    heads: hand.items()?,
    kind: hand.u16()?,
    body: hand.string()?,
    extensions: hand.extensions()?,
});
by_hand!(Entry, 89, |hand| {
    incarnation: hand.array()?,
    seq: hand.u64()?,
    prev: hand.array()?,
    hash: hand.array()?,
    content: hand.option(Content::read)?,
});
by_hand!(Frontier, 104, |hand| {
    author: hand.peer()?,
    incarnation: hand.array()?,
    held: hand.u64()?,
    low_water: hand.u64()?,
    read: hand.u64()?,
    tip: hand.array()?,
});
by_hand!(Parcel, 32, |hand| {
    frontiers: hand.items()?,
    entries: hand.items()?,
    extensions: hand.extensions()?,
    padding: {
        if hand.bytes(128 * 1024)?.iter().any(|byte| *byte != 0) {
            return Err(INVALID);
        }
        // Only the codec can make padding; how much there was shows in the length.
        Padding::default()
    },
});

by_hand!(NatClass, 9, |hand| {
    mapping: Hand::one_of(Mapping::ALL, hand.u8()?.into(), 0)?,
    filtering: Hand::one_of(Filtering::ALL, hand.u8()?.into(), 0)?,
    allocation: Hand::one_of(Allocation::ALL, hand.u8()?.into(), 0)?,
    stride: hand.u16()?,
    block_first: hand.u16()?,
    block_len: hand.u16()?,
});
by_hand!(Candidate, 9, |hand| {
    kind: Hand::one_of(CandidateKind::ALL, hand.u8()?.into(), 0)?,
    address: Address::read(hand)?,
});
by_hand!(Candidates, 29, |hand| {
    generation: hand.u32()?,
    class: NatClass::read(hand)?,
    candidates: hand.items()?,
    extensions: hand.extensions()?,
});
by_hand!(Prediction, 12, |hand| {
    address: Address::read(hand)?,
    stride: hand.u16()?,
    count: hand.u16()?,
});
by_hand!(Punch, 16, |hand| {
    round: hand.u32()?,
    answers: hand.boolean()?,
    prediction: hand.option(Prediction::read)?,
    sockets: hand.u16()?,
    extensions: hand.extensions()?,
});
by_hand!(Reach, 33, |hand| {
    token: hand.array()?,
    from: Hand::one_of(ReachFrom::ALL, hand.u8()?.into(), 0)?,
    target: Address::read(hand)?,
    extensions: hand.extensions()?,
});
by_hand!(Reached, 9, |hand| {
    result: Hand::one_of(ReachResult::ALL, hand.u8()?.into(), 0)?,
    extensions: hand.extensions()?,
});
by_hand!(RelayReserve, 12, |hand| {
    lifetime_s: hand.u32()?,
    extensions: hand.extensions()?,
});
by_hand!(RelayReserved, 90, |hand| {
    lifetime_s: hand.u32()?,
    channels: hand.u16()?,
    bytes_per_s: hand.u32()?,
    voucher: ByHand::read(hand)?,
    extensions: hand.extensions()?,
});
by_hand!(Voucher, 40, |hand| { peer: hand.peer()?, extensions: hand.extensions()? });
by_hand!(RelayConnect, 40, |hand| { peer: hand.peer()?, extensions: hand.extensions()? });
by_hand!(RelayIncoming, 44, |hand| {
    peer: hand.peer()?,
    channel: hand.u32()?,
    extensions: hand.extensions()?,
});
by_hand!(RelayAccept, 8, |hand| { extensions: hand.extensions()? });
by_hand!(RelayOpened, 16, |hand| {
    channel: hand.u32()?,
    bytes_per_s: hand.u32()?,
    extensions: hand.extensions()?,
});
by_hand!(RelayRefused, 14, |hand| {
    reason: Hand::one_of(Refusal::ALL, hand.u16()?.into(), 1)?,
    retry_after_s: hand.u32()?,
    extensions: hand.extensions()?,
});

by_hand!(Node, 59, |hand| {
    key: hand.array()?,
    nonce: hand.u64()?,
    socket: Socket::read(hand)?,
    other: hand.option(Socket::read)?,
});
by_hand!(Server, 27, |hand| {
    nonce: hand.u64()?,
    socket: Socket::read(hand)?,
    other: hand.option(Socket::read)?,
});
by_hand!(DhtFind, 50, |hand| {
    target: hand.array()?,
    want: hand.u8()?,
    known: hand.list(4, Hand::u32)?,
    server: hand.option(Server::read)?,
    extensions: hand.extensions()?,
});
by_hand!(DhtNodes, 17, |hand| {
    nodes: hand.items()?,
    server: hand.option(Server::read)?,
    extensions: hand.extensions()?,
});
by_hand!(DhtGet, 58, |hand| {
    key: hand.array()?,
    want: hand.u8()?,
    known: hand.list(4, Hand::u32)?,
    have: hand.list(8, Hand::array)?,
    server: hand.option(Server::read)?,
    extensions: hand.extensions()?,
});
by_hand!(DhtValues, 43, |hand| {
    records: hand.items()?,
    held: hand.u16()?,
    token: hand.array()?,
    nodes: hand.items()?,
    server: hand.option(Server::read)?,
    extensions: hand.extensions()?,
});
by_hand!(DhtPut, 128, |hand| {
    key: hand.array()?,
    token: hand.array()?,
    record: ByHand::read(hand)?,
    extensions: hand.extensions()?,
});
by_hand!(DhtStored, 12, |hand| { keep_s: hand.u32()?, extensions: hand.extensions()? });
by_hand!(DhtRefused, 14, |hand| {
    reason: Hand::one_of(dht::Refusal::ALL, hand.u16()?.into(), 1)?,
    retry_after_s: hand.u32()?,
    extensions: hand.extensions()?,
});
by_hand!(RelayAdvert, 28, |hand| {
    shard: hand.u8()?,
    socket: Socket::read(hand)?,
    other: hand.option(Socket::read)?,
    extensions: hand.extensions()?,
});
by_hand!(ServiceAdvert, 24, |hand| {
    name: hand.text()?,
    addresses: hand.items()?,
    extensions: hand.extensions()?,
});
by_hand!(MailboxPointer, 16, |hand| {
    mailboxes: hand.items()?,
    extensions: hand.extensions()?,
});
by_hand!(Presence, 16, |hand| { sealed: hand.string()?, extensions: hand.extensions()? });
by_hand!(Rendezvous, 32, |hand| {
    slot: hand.array()?,
    sealed: hand.string()?,
    extensions: hand.extensions()?,
});

/// What a whole stream holds.
#[derive(Debug, PartialEq, Eq)]
pub struct Stream {
    /// The frames before its end or its first error.
    pub frames: Vec<Frame>,
    /// How it ends: `end`, `inside`, or the name of a refusal.
    pub end: &'static str,
}

/// Cuts a whole stream into frames.
pub fn stream(mut bytes: &[u8]) -> Stream {
    let mut frames = Vec::new();
    loop {
        let end = match frame(&mut bytes) {
            Ok(Some(frame)) => {
                frames.push(frame);
                continue;
            }
            Ok(None) => continue,
            Err(end) => end,
        };
        return Stream { frames, end };
    }
}

fn frame(stream: &mut &[u8]) -> Result<Option<Frame>, &'static str> {
    if stream.is_empty() {
        return Err("end");
    }
    let (header, rest) = stream.split_first_chunk::<8>().ok_or("inside")?;
    let len = u32::from_le_bytes(header[..4].try_into().unwrap()) as usize;
    let code = u16::from_le_bytes([header[4], header[5]]);
    let known = FrameType::from_code(code);
    if known.is_none() && header[6] & 1 == 1 {
        return Err("unsupported");
    }
    let limit = match code {
        0x0001 => 2048,
        0x0002 | 0x0003 | 0x0006 => 4096,
        0x0004 | 0x0005 | 0x0007..=0x0009 | 0x0012 | 0x0020 | 0x0022..=0x0026 => 1024,
        0x0030 | 0x0032 | 0x0035 | 0x0036 => 1024,
        0x0031 => 4096,
        0x0033 => 36 * 1024,
        0x0010 | 0x0021 | 0x0034 => 8192,
        0x0011 => 128 * 1024 + 512 + 4096,
        _ => rooms::limit(code).unwrap_or(160 * 1024),
    };
    if len > limit {
        return Err("too-long");
    }
    let (body, rest) = rest.split_at_checked(len).ok_or("inside")?;
    *stream = rest;
    Ok(match code {
        0x0001 => Some(Frame::Hello(decode(body)?)),
        0x0002 => Some(Frame::Identify(decode(body)?)),
        0x0003 => Some(Frame::IdentifyPush(decode(body)?)),
        0x0004 => Some(Frame::Ping(decode(body)?)),
        0x0005 => Some(Frame::Pong(decode(body)?)),
        0x0006 => Some(Frame::Candidates(decode(body)?)),
        0x0007 => Some(Frame::Punch(decode(body)?)),
        0x0008 => Some(Frame::Reach(decode(body)?)),
        0x0009 => Some(Frame::Reached(decode(body)?)),
        0x0010 => Some(Frame::ChatOpen(decode(body)?)),
        0x0011 => Some(Frame::Envelope(decode(body)?)),
        0x0012 => Some(Frame::Undecryptable(decode(body)?)),
        0x0020 => Some(Frame::RelayReserve(decode(body)?)),
        0x0021 => Some(Frame::RelayReserved(decode(body)?)),
        0x0022 => Some(Frame::RelayRefused(decode(body)?)),
        0x0023 => Some(Frame::RelayConnect(decode(body)?)),
        0x0024 => Some(Frame::RelayIncoming(decode(body)?)),
        0x0025 => Some(Frame::RelayAccept(decode(body)?)),
        0x0026 => Some(Frame::RelayOpened(decode(body)?)),
        0x0030 => Some(Frame::DhtFind(decode(body)?)),
        0x0031 => Some(Frame::DhtNodes(decode(body)?)),
        0x0032 => Some(Frame::DhtGet(decode(body)?)),
        0x0033 => Some(Frame::DhtValues(decode(body)?)),
        0x0034 => Some(Frame::DhtPut(decode(body)?)),
        0x0035 => Some(Frame::DhtStored(decode(body)?)),
        0x0036 => Some(Frame::DhtRefused(decode(body)?)),
        _ => rooms::frame(code, body)?,
    })
}
