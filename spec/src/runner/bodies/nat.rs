//! STUN messages, REACH, CANDIDATES and PUNCH (`50-nat`).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::structure::{Part, Structure};

/// REACH.
pub const REACH: u16 = 0x0008;
/// REACHED.
pub const REACHED: u16 = 0x0009;
/// The capabilities (`registry` §7).
pub const CAN_PUNCH: u16 = 2;
/// See [`CAN_PUNCH`].
pub const CAN_REACH: u16 = 3;

/// Where a REACH datagram is to come from (`registry` §12).
pub mod from {
    /// Another port.
    pub const PORT: u8 = 0;
    /// Another node.
    pub const NODE: u8 = 1;
    /// The usual socket.
    pub const HERE: u8 = 2;
}

/// Answers to REACH (`registry` §12).
pub mod result {
    /// Sent.
    pub const SENT: u8 = 0;
    /// Forbidden.
    pub const FORBIDDEN: u8 = 1;
    /// Limited.
    pub const LIMITED: u8 = 2;
    /// Unable.
    pub const UNABLE: u8 = 3;
}

/// STUN message types (RFC 8489 §5).
pub mod stun {
    /// Binding request.
    pub const REQUEST: u16 = 0x0001;
    /// Binding success response.
    pub const SUCCESS: u16 = 0x0101;
    /// Binding error response.
    pub const ERROR: u16 = 0x0111;
    /// The magic cookie.
    pub const COOKIE: u32 = 0x2112_a442;
    /// CHANGE-REQUEST (RFC 5780 §7.2).
    pub const CHANGE_REQUEST: u16 = 0x0003;
    /// ERROR-CODE.
    pub const ERROR_CODE: u16 = 0x0009;
    /// XOR-MAPPED-ADDRESS.
    pub const XOR_MAPPED_ADDRESS: u16 = 0x0020;
    /// SOFTWARE.
    pub const SOFTWARE: u16 = 0x8022;
    /// FINGERPRINT.
    pub const FINGERPRINT: u16 = 0x8028;
}

/// A STUN message in the making.
#[derive(Clone, Debug)]
pub struct Stun(Vec<u8>);

impl Stun {
    /// A message without attributes.
    #[must_use]
    pub fn new(kind: u16, transaction: &[u8; 12]) -> Self {
        let mut bytes = [kind.to_be_bytes(), [0, 0]].concat();
        bytes.extend_from_slice(&stun::COOKIE.to_be_bytes());
        bytes.extend_from_slice(transaction);
        Self(bytes)
    }

    /// With an attribute, padded with zeros.
    #[must_use]
    pub fn with(mut self, kind: u16, value: &[u8]) -> Self {
        self.0.extend_from_slice(&kind.to_be_bytes());
        self.0
            .extend_from_slice(&(value.len() as u16).to_be_bytes());
        self.0.extend_from_slice(value);
        self.0.resize(self.0.len().next_multiple_of(4), 0);
        self.counted(0)
    }

    /// With SOFTWARE of dashes, so that the message has `len` bytes.
    #[must_use]
    pub fn padded(self, len: usize) -> Self {
        let value = len.saturating_sub(self.0.len() + 4);
        self.with(stun::SOFTWARE, &vec![b'-'; value])
    }

    /// With FINGERPRINT at the end; every bit of `spoil` makes one of its bits wrong.
    #[must_use]
    pub fn fingerprint(self, spoil: u32) -> Self {
        // It covers the length with itself in it.
        let counted = self.counted(8);
        let print = crc32(&counted.0) ^ 0x5354_554e ^ spoil;
        counted.with(stun::FINGERPRINT, &print.to_be_bytes())
    }

    fn counted(mut self, more: usize) -> Self {
        let len = (self.0.len() - 20 + more) as u16;
        self.0[2..4].copy_from_slice(&len.to_be_bytes());
        self
    }

    /// The bytes.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        self.0.clone()
    }
}

/// CRC-32 of ISO 3309, bit by bit.
fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            let carry = crc & 1;
            crc >>= 1;
            if carry == 1 {
                crc ^= 0xedb8_8320;
            }
        }
    }
    !crc
}

/// A STUN message that came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Read {
    /// Its type.
    pub kind: u16,
    /// Its transaction.
    pub transaction: [u8; 12],
    /// Its attributes.
    pub attributes: Vec<(u16, Vec<u8>)>,
}

/// Reads one; `None` for anything that is none.
#[must_use]
pub fn read(bytes: &[u8]) -> Option<Read> {
    let (kind, rest) = bytes.split_first_chunk()?;
    let (len, rest) = rest.split_first_chunk()?;
    let (cookie, rest) = rest.split_first_chunk()?;
    let (transaction, mut rest) = rest.split_first_chunk()?;
    let is_whole = usize::from(u16::from_be_bytes(*len)) == rest.len();
    if u32::from_be_bytes(*cookie) != stun::COOKIE || !is_whole {
        return None;
    }
    let mut attributes = Vec::new();
    while let Some((kind, after)) = rest.split_first_chunk() {
        let (len, after) = after.split_first_chunk()?;
        let len = usize::from(u16::from_be_bytes(*len));
        let value = after.get(..len)?.to_vec();
        attributes.push((u16::from_be_bytes(*kind), value));
        rest = after.get(len.next_multiple_of(4)..)?;
    }
    Some(Read {
        kind: u16::from_be_bytes(*kind),
        transaction: *transaction,
        attributes,
    })
}

impl Read {
    fn attribute(&self, kind: u16) -> Option<&[u8]> {
        let found = self.attributes.iter().find(|(is, _)| *is == kind);
        found.map(|(_, value)| value.as_slice())
    }

    /// XOR-MAPPED-ADDRESS.
    #[must_use]
    pub fn mapped(&self) -> Option<SocketAddr> {
        let value = self.attribute(stun::XOR_MAPPED_ADDRESS)?;
        let mut mask = stun::COOKIE.to_be_bytes().to_vec();
        mask.extend_from_slice(&self.transaction);
        let (&[_, family, high, low], ip) = value.split_first_chunk()?;
        let port = u16::from_be_bytes([high, low]) ^ (stun::COOKIE >> 16) as u16;
        let ip: Vec<u8> = ip
            .iter()
            .zip(&mask)
            .map(|(byte, mask)| byte ^ mask)
            .collect();
        let ip: IpAddr = match family {
            1 => Ipv4Addr::from(<[u8; 4]>::try_from(ip).ok()?).into(),
            2 => Ipv6Addr::from(<[u8; 16]>::try_from(ip).ok()?).into(),
            _ => return None,
        };
        Some(SocketAddr::new(ip, port))
    }

    /// The code of ERROR-CODE.
    #[must_use]
    pub fn error(&self) -> Option<u16> {
        let value = self.attribute(stun::ERROR_CODE)?;
        let &[_, _, class, number] = value.first_chunk()?;
        Some(u16::from(class & 7) * 100 + u16::from(number))
    }
}

/// The body of REACH. `target` is a binary multiaddr.
#[must_use]
pub fn reach(token: &[u8; 16], from: u8, target: &[u8]) -> Structure {
    Structure::new()
        .fixed("Reach.token", token)
        .u8("Reach.from", from)
        .push("Reach.target", &super::address(target), true)
        .extensions("Reach.extensions", &[])
}

/// The `NatClass` of codes for mapping, filtering and allocation.
#[must_use]
pub fn class([mapping, filtering, allocation]: [u8; 3]) -> Structure {
    Structure::new()
        .u8("NatClass.mapping", mapping)
        .u8("NatClass.filtering", filtering)
        .u8("NatClass.allocation", allocation)
        .u16("NatClass.stride", 0)
        .u16("NatClass.block_first", 0)
        .u16("NatClass.block_len", 0)
}

/// A `Candidate` at a binary multiaddr.
#[must_use]
pub fn candidate(kind: u8, multiaddr: &[u8]) -> Part {
    Structure::new()
        .u8("Candidate.kind", kind)
        .push("Candidate.address", &super::address(multiaddr), true)
        .part()
}

/// The body of CANDIDATES.
#[must_use]
pub fn candidates(generation: u32, class: &Structure, list: &[Part]) -> Structure {
    Structure::new()
        .u32("Candidates.generation", generation)
        .push("Candidates.class", &class.part(), false)
        .list("Candidates.candidates", list, false)
        .extensions("Candidates.extensions", &[])
}

/// The body of PUNCH, which predicts that packets come from a binary multiaddr.
#[must_use]
pub fn punch(round: u32, answers: bool, at: Option<&[u8]>) -> Structure {
    let prediction = at.map(|at| {
        Structure::new()
            .push("Prediction.address", &super::address(at), true)
            .u16("Prediction.stride", 1)
            .u16("Prediction.count", 4)
            .part()
    });
    Structure::new()
        .u32("Punch.round", round)
        .boolean("Punch.answers", answers)
        .option("Punch.prediction", prediction.as_ref(), false)
        .u16("Punch.sockets", 1)
        .extensions("Punch.extensions", &[])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 5769 §2.2 without what is not of interest here: the address and the fingerprint's check value.
    #[test]
    fn a_message_is_read_as_it_is_written() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        let transaction = [
            0xb7, 0xe7, 0xa7, 0x01, 0xbc, 0x34, 0xd6, 0x86, 0xfa, 0x87, 0xdf, 0xae,
        ];
        let message = Stun::new(stun::SUCCESS, &transaction)
            .with(
                stun::XOR_MAPPED_ADDRESS,
                &[0x00, 0x01, 0xa1, 0x47, 0xe1, 0x12, 0xa6, 0x43],
            )
            .fingerprint(0);
        let read = read(&message.bytes());
        let mapped = read.as_ref().and_then(Read::mapped);
        assert_eq!(mapped, Some(SocketAddr::from(([192, 0, 2, 1], 32853))));
        assert_eq!(read.map(|read| read.transaction), Some(transaction));
    }
}
