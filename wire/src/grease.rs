//! Reserved code points that are sent so that peers keep ignoring what they do not know (RFC 8701).
//!
//! A reserved value has the low nibble `A` in both bytes (`0x?A?A`) and, for extensions, is not
//! critical. Which one is sent, and with which content, is the caller's random choice.

use crate::codec::{Bytes, List};
use crate::extension::{CRITICAL, Extension, Extensions};
use crate::limits::FRAME_HEADER;

/// Most bytes in the content of a reserved frame or extension.
pub const CONTENT: usize = 32;

/// Whether `code` is reserved for this use and will never mean anything.
#[must_use]
pub fn is_reserved(code: u16) -> bool {
    code & 0x0f0f == 0x0a0a
}

/// The reserved code chosen by `seed`, never one that is critical as an extension.
#[must_use]
pub fn code(seed: u8) -> u16 {
    let spread = u16::from(seed & 0xf0) << 8 | u16::from(seed & 0x0f) << 4;
    (spread & !CRITICAL) | 0x0a0a
}

/// A frame of a reserved type, header and all, that every receiver skips.
#[must_use]
pub fn frame(seed: u8, content: &[u8]) -> Vec<u8> {
    let content = content.get(..CONTENT).unwrap_or(content);
    let mut bytes = Vec::with_capacity(FRAME_HEADER + content.len());
    bytes.extend_from_slice(&(content.len() as u32).to_le_bytes());
    bytes.extend_from_slice(&code(seed).to_le_bytes());
    bytes.extend_from_slice(&[0, 0]);
    bytes.extend_from_slice(content);
    bytes
}

/// A block with one extension of a reserved type.
#[must_use]
pub fn extensions(seed: u8, content: &[u8]) -> Extensions {
    let value = content.get(..CONTENT).unwrap_or(content).to_vec();
    Bytes::new(value)
        .ok()
        .map(|value| {
            List::first_of([Extension {
                kind: code(seed),
                value,
            }])
        })
        .and_then(|list| Extensions::new(list).ok())
        .unwrap_or_default()
}
