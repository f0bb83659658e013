//! What can be told of a datagram without any key: the invariants of QUIC (RFC 8999) and our probes.

use dchat_wire::probe::Probe;

use super::bounds;

/// A connection id of ours. All have this length, so that a short header can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cid(u64);

impl Cid {
    /// Bytes of every connection id we choose.
    pub const LEN: usize = 8;

    /// Reads one; `None` for any other length, which cannot be ours.
    #[must_use]
    pub fn new(bytes: &[u8]) -> Option<Self> {
        bytes
            .try_into()
            .ok()
            .map(|bytes| Self(u64::from_be_bytes(bytes)))
    }
}

/// A datagram by the shape of its first packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packet<'a> {
    /// Our own path probe or its answer.
    Probe,
    /// QUIC with a short header, to an id of our length.
    Short {
        /// Destination connection id.
        dcid: Cid,
    },
    /// QUIC with a long header.
    Long {
        /// Destination connection id, of any length up to 20.
        dcid: &'a [u8],
        /// Source connection id, of any length up to 20.
        scid: &'a [u8],
        /// Whether it may begin a connection: version 1, type Initial, padded as a client must.
        opens: bool,
        /// Whether its source id names a connection: not so in Retry and Version Negotiation.
        names_source: bool,
    },
    /// Nothing we speak.
    Foreign,
}

/// QUIC version 1 (RFC 9000).
const VERSION_1: [u8; 4] = [0, 0, 0, 1];
const VERSION_NEGOTIATION: [u8; 4] = [0, 0, 0, 0];
/// Longest connection id of version 1 (RFC 9000 §17.2).
const LONGEST_CID: usize = 20;

impl<'a> Packet<'a> {
    /// Reads the shape of a datagram. Never fails: what has none is [`Foreign`](Self::Foreign).
    #[must_use]
    pub fn of(datagram: &'a [u8]) -> Self {
        match datagram.first() {
            _ if Probe::is_probe(datagram) => Self::Probe,
            Some(0x40..=0x7f) => match datagram.get(1..=Cid::LEN).and_then(Cid::new) {
                Some(dcid) => Self::Short { dcid },
                None => Self::Foreign,
            },
            // Version Negotiation may leave bit 0x40 clear (RFC 9000 §17.2.1).
            Some(first @ 0x80..) => Self::long(*first, datagram).unwrap_or(Self::Foreign),
            Some(..0x40) | None => Self::Foreign,
        }
    }

    fn long(first: u8, datagram: &'a [u8]) -> Option<Self> {
        let version = datagram.get(1..5)?;
        let (dcid, rest) = cid(datagram.get(5..)?)?;
        let (scid, _) = cid(rest)?;
        let v1 = version == VERSION_1;
        let kind = first >> 4 & 0b11;
        Some(Self::Long {
            dcid,
            scid,
            opens: v1 && kind == INITIAL && datagram.len() >= bounds::INITIAL,
            names_source: version != VERSION_NEGOTIATION && !(v1 && kind == RETRY),
        })
    }
}

/// Long header types of version 1 (RFC 9000 §17.2).
const INITIAL: u8 = 0;
const RETRY: u8 = 3;

fn cid(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (len, rest) = bytes.split_first()?;
    let len = usize::from(*len);
    if len > LONGEST_CID {
        return None;
    }
    rest.split_at_checked(len)
}
