//! The scan every datagram passes before a codec sees it: lengths, count and places of attributes.

use std::ops::Range;

use super::message::{DecodeError, TransactionId};
use super::{MAX_ATTRIBUTES, MAX_DATAGRAM};

/// RFC 8489 §5.
pub(super) const HEADER: usize = 20;
pub(super) const COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];

/// Attribute types (RFC 8489 §18.3, RFC 5780 §9.1, RFC 3489 §11.2).
pub(super) mod kind {
    pub(in crate::stun) const MAPPED_ADDRESS: u16 = 0x0001;
    pub(in crate::stun) const CHANGE_REQUEST: u16 = 0x0003;
    pub(in crate::stun) const SOURCE_ADDRESS: u16 = 0x0004;
    pub(in crate::stun) const CHANGED_ADDRESS: u16 = 0x0005;
    pub(in crate::stun) const USERNAME: u16 = 0x0006;
    pub(in crate::stun) const MESSAGE_INTEGRITY: u16 = 0x0008;
    pub(in crate::stun) const ERROR_CODE: u16 = 0x0009;
    pub(in crate::stun) const UNKNOWN_ATTRIBUTES: u16 = 0x000a;
    pub(in crate::stun) const REFLECTED_FROM: u16 = 0x000b;
    pub(in crate::stun) const REALM: u16 = 0x0014;
    pub(in crate::stun) const NONCE: u16 = 0x0015;
    pub(in crate::stun) const MESSAGE_INTEGRITY_SHA256: u16 = 0x001c;
    pub(in crate::stun) const PASSWORD_ALGORITHM: u16 = 0x001d;
    pub(in crate::stun) const USERHASH: u16 = 0x001e;
    pub(in crate::stun) const XOR_MAPPED_ADDRESS: u16 = 0x0020;
    pub(in crate::stun) const PADDING: u16 = 0x0026;
    pub(in crate::stun) const FINGERPRINT: u16 = 0x8028;
    pub(in crate::stun) const RESPONSE_ORIGIN: u16 = 0x802b;
    pub(in crate::stun) const OTHER_ADDRESS: u16 = 0x802c;
}

/// Whether a datagram is STUN's: the first two bits are zero and the magic cookie follows (RFC 8489
/// §5). QUIC has the second bit set, probes and reach datagrams have no cookie.
#[must_use]
pub fn is_stun(datagram: &[u8]) -> bool {
    datagram.len() >= HEADER
        && datagram.first().is_some_and(|first| first & 0xc0 == 0)
        && datagram.get(4..8) == Some(COOKIE.as_slice())
}

/// One attribute by its place in the datagram.
#[derive(Clone, Debug)]
pub(super) struct Attribute {
    pub(super) kind: u16,
    /// Where its type stands.
    pub(super) at: usize,
    /// Without padding.
    pub(super) value: Range<usize>,
}

/// A message whose lengths are right.
#[derive(Debug)]
pub(super) struct Scanned<'a> {
    pub(super) bytes: &'a [u8],
    /// The message type field.
    pub(super) kind: u16,
    pub(super) id: TransactionId,
    /// At most [`MAX_ATTRIBUTES`], in order; those after MESSAGE-INTEGRITY left out.
    pub(super) attributes: Vec<Attribute>,
}

impl<'a> Scanned<'a> {
    pub(super) fn of(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        if !is_stun(bytes) {
            return Err(DecodeError::NotStun);
        }
        let length = usize::from(u16_at(bytes, 2)?);
        if bytes.len() > MAX_DATAGRAM || length % 4 != 0 || length + HEADER != bytes.len() {
            return Err(DecodeError::Length);
        }
        let mut id = [0; 12];
        id.copy_from_slice(bytes.get(8..HEADER).ok_or(DecodeError::Length)?);
        Ok(Self {
            bytes,
            kind: u16_at(bytes, 0)?,
            id: TransactionId(id),
            attributes: significant(attributes(bytes)?),
        })
    }

    pub(super) fn first(&self, kind: u16) -> Option<&Attribute> {
        self.attributes.iter().find(|found| found.kind == kind)
    }

    pub(super) fn value(&self, attribute: &Attribute) -> &'a [u8] {
        self.bytes.get(attribute.value.clone()).unwrap_or_default()
    }

    /// The message up to an attribute, with the length a hash over it is made with (RFC 8489 §14.5):
    /// that of a message which ends with the attribute.
    pub(super) fn before(&self, attribute: &Attribute) -> Vec<u8> {
        let mut text = self.bytes.get(..attribute.at).unwrap_or_default().to_vec();
        let end = attribute.value.end.saturating_sub(HEADER);
        if let (Some(field), Ok(length)) = (text.get_mut(2..4), u16::try_from(end)) {
            field.copy_from_slice(&length.to_be_bytes());
        }
        text
    }
}

fn u16_at(bytes: &[u8], at: usize) -> Result<u16, DecodeError> {
    match bytes.get(at..at + 2) {
        Some(&[high, low]) => Ok(u16::from_be_bytes([high, low])),
        _ => Err(DecodeError::Length),
    }
}

fn attributes(bytes: &[u8]) -> Result<Vec<Attribute>, DecodeError> {
    let mut found = Vec::new();
    let mut at = HEADER;
    while at < bytes.len() {
        if found.len() == MAX_ATTRIBUTES {
            return Err(DecodeError::TooManyAttributes);
        }
        let kind = u16_at(bytes, at)?;
        let length = usize::from(u16_at(bytes, at + 2)?);
        let value = at + 4..at + 4 + length;
        let next = value.end.next_multiple_of(4);
        if next > bytes.len() {
            return Err(DecodeError::Length);
        }
        found.push(Attribute { kind, at, value });
        at = next;
    }
    Ok(found)
}

/// Leaves out what a receiver has to ignore (RFC 8489 §14.5-14.7): all that follows an integrity
/// attribute but the stronger one and the fingerprint, and all that follows the fingerprint.
fn significant(all: Vec<Attribute>) -> Vec<Attribute> {
    let mut rank = 0;
    all.into_iter()
        .filter(|attribute| {
            let own = match attribute.kind {
                kind::MESSAGE_INTEGRITY => 1,
                kind::MESSAGE_INTEGRITY_SHA256 => 2,
                kind::FINGERPRINT => 3,
                _ => 0,
            };
            let kept = rank == 0 || own > rank;
            if kept {
                rank = own;
            }
            kept
        })
        .collect()
}
