//! Frames and datagrams of relaying (`60-relay`).

use crate::structure::Structure;

use super::super::frames::frame;
use super::super::journal::RawFrame;

/// RELAY_RESERVE.
pub const RESERVE: u16 = 0x0020;
/// RELAY_RESERVED.
pub const RESERVED: u16 = 0x0021;
/// RELAY_REFUSED.
pub const REFUSED: u16 = 0x0022;
/// RELAY_CONNECT.
pub const CONNECT: u16 = 0x0023;
/// RELAY_INCOMING.
pub const INCOMING: u16 = 0x0024;
/// RELAY_ACCEPT.
pub const ACCEPT: u16 = 0x0025;
/// RELAY_OPENED.
pub const OPENED: u16 = 0x0026;

/// Role bit of a relay (`registry` §6).
pub const ROLE: u64 = 0x01;

/// Refusals (`registry` §13).
pub mod refusal {
    /// The node does not relay.
    pub const NOT_A_RELAY: u16 = 1;
    /// More than the relay gives one peer or subnet.
    pub const LIMITED: u16 = 4;
    /// The peer holds no reservation at this relay.
    pub const NO_RESERVATION: u16 = 5;
    /// The peer declined.
    pub const DECLINED: u16 = 6;
    /// The peer did not answer the relay.
    pub const NO_ANSWER: u16 = 7;
    /// The other side left the relay.
    pub const ENDED: u16 = 8;
}

/// The body of RELAY_RESERVE.
#[must_use]
pub fn reserve(lifetime_s: u32, extensions: &[(u16, &[u8])]) -> Structure {
    Structure::new()
        .u32("RelayReserve.lifetime_s", lifetime_s)
        .extensions("RelayReserve.extensions", extensions)
}

/// The body of RELAY_CONNECT.
#[must_use]
pub fn connect(peer: &[u8; 32], extensions: &[(u16, &[u8])]) -> Structure {
    Structure::new()
        .fixed("RelayConnect.peer", peer)
        .extensions("RelayConnect.extensions", extensions)
}

/// The body of RELAY_INCOMING.
#[must_use]
pub fn incoming(peer: &[u8; 32], channel: u32) -> Structure {
    Structure::new()
        .fixed("RelayIncoming.peer", peer)
        .u32("RelayIncoming.channel", channel)
        .extensions("RelayIncoming.extensions", &[])
}

/// RELAY_ACCEPT.
#[must_use]
pub fn accept() -> Vec<u8> {
    let body = Structure::new().extensions("RelayAccept.extensions", &[]);
    frame(ACCEPT, &body.bytes)
}

/// RELAY_REFUSED.
#[must_use]
pub fn refused(reason: u16, retry_after_s: u32) -> Vec<u8> {
    let body = Structure::new()
        .u16("RelayRefused.reason", reason)
        .u32("RelayRefused.retry_after_s", retry_after_s)
        .extensions("RelayRefused.extensions", &[]);
    frame(REFUSED, &body.bytes)
}

/// Reason and seconds of a RELAY_REFUSED or DHT_REFUSED.
#[must_use]
pub fn refusal_of(frame: &RawFrame) -> Option<(u16, u32)> {
    let (reason, rest) = frame.body.split_first_chunk()?;
    let retry = rest.first_chunk()?;
    Some((u16::from_le_bytes(*reason), u32::from_le_bytes(*retry)))
}

/// A datagram of a channel that holds a whole packet.
#[must_use]
pub fn whole(channel: u32, packet: &[u8]) -> Vec<u8> {
    [&[0x01], channel.to_le_bytes().as_slice(), packet].concat()
}

/// A datagram with a part of a packet.
#[must_use]
pub fn part(is_second: bool, channel: u32, number: u16, part: &[u8]) -> Vec<u8> {
    let kind = if is_second { 0x03 } else { 0x02 };
    [
        &[kind],
        channel.to_le_bytes().as_slice(),
        &number.to_le_bytes(),
        part,
    ]
    .concat()
}

/// A datagram of a channel that came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Carried {
    /// A whole packet.
    Whole {
        /// The channel.
        channel: u32,
        /// The packet.
        packet: Vec<u8>,
    },
    /// Half of one.
    Part {
        /// Whether it is the second.
        is_second: bool,
        /// The channel.
        channel: u32,
        /// The packet's number.
        number: u16,
        /// The half.
        part: Vec<u8>,
    },
    /// Anything else.
    Other(Vec<u8>),
}

impl Carried {
    /// Reads one; `None` for a datagram that only wakes.
    #[must_use]
    pub fn read(datagram: &[u8]) -> Option<Self> {
        let other = || Some(Self::Other(datagram.to_vec()));
        let (&kind, rest) = datagram.split_first()?;
        if kind == 0 {
            return None;
        }
        let Some((channel, rest)) = rest.split_first_chunk() else {
            return other();
        };
        let channel = u32::from_le_bytes(*channel);
        match (kind, rest.split_first_chunk()) {
            (0x01, _) => Some(Self::Whole {
                channel,
                packet: rest.to_vec(),
            }),
            (0x02 | 0x03, Some((number, part))) => Some(Self::Part {
                is_second: kind == 0x03,
                channel,
                number: u16::from_le_bytes(*number),
                part: part.to_vec(),
            }),
            _ => other(),
        }
    }
}
