//! Frames by hand (`10-encoding` §4), and the numbers of `registry` §1 and §3 as they stand there.

use crate::structure::Structure;

/// Flag bit: who does not know the type must close.
pub const CRITICAL: u16 = 1;
/// Largest body of a type that is not known.
pub const UNKNOWN_LIMIT: u32 = 163_840;

/// Close codes (`registry` §3).
pub mod codes {
    /// The sender shuts down.
    pub const DONE: u64 = 0x00;
    /// A fault of the sender's own.
    pub const INTERNAL: u64 = 0x01;
    /// Bytes that are not a canonical frame.
    pub const MALFORMED: u64 = 0x02;
    /// A frame or stream that may not come here or now.
    pub const UNEXPECTED: u64 = 0x03;
    /// No version in common.
    pub const VERSION: u64 = 0x04;
    /// A critical frame of unknown type.
    pub const UNSUPPORTED: u64 = 0x05;
    /// Another connection was kept.
    pub const DUPLICATE: u64 = 0x06;
    /// More than the node gives.
    pub const LIMIT: u64 = 0x07;
    /// HELLO did not come in time.
    pub const TIMEOUT: u64 = 0x08;
    /// Nothing is wanted of the peer.
    pub const REFUSED: u64 = 0x09;
    /// The peer's key is the node's own.
    pub const MYSELF: u64 = 0x0a;

    /// The name of a code.
    #[must_use]
    pub fn name(code: u64) -> &'static str {
        match code {
            DONE => "DONE",
            INTERNAL => "INTERNAL",
            MALFORMED => "MALFORMED",
            UNEXPECTED => "UNEXPECTED",
            VERSION => "VERSION",
            UNSUPPORTED => "UNSUPPORTED",
            DUPLICATE => "DUPLICATE",
            LIMIT => "LIMIT",
            TIMEOUT => "TIMEOUT",
            REFUSED => "REFUSED",
            MYSELF => "MYSELF",
            _ => "a code without a name",
        }
    }
}

/// Where a frame type may stand (`registry` §1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// On the control stream.
    Control,
    /// A question on a bidirectional stream.
    Question,
    /// An answer on one.
    Answer,
    /// On the chat stream.
    Chat,
    /// On the stream of a room.
    Room,
}

/// A row of `registry` §1.
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    /// The number.
    pub code: u16,
    /// The name.
    pub name: &'static str,
    /// Largest body in bytes.
    pub limit: u32,
    /// Where it may stand.
    pub place: Place,
}

const fn kind(code: u16, name: &'static str, limit: u32, place: Place) -> Kind {
    Kind {
        code,
        name,
        limit,
        place,
    }
}

/// HELLO.
pub const HELLO: u16 = 0x0001;
/// IDENTIFY.
pub const IDENTIFY: u16 = 0x0002;
/// IDENTIFY_PUSH.
pub const IDENTIFY_PUSH: u16 = 0x0003;
/// PING.
pub const PING: u16 = 0x0004;
/// PONG.
pub const PONG: u16 = 0x0005;
/// CANDIDATES.
pub const CANDIDATES: u16 = 0x0006;
/// PUNCH.
pub const PUNCH: u16 = 0x0007;
/// CHAT_OPEN.
pub const CHAT_OPEN: u16 = 0x0010;
/// ENVELOPE.
pub const ENVELOPE: u16 = 0x0011;
/// UNDECRYPTABLE.
pub const UNDECRYPTABLE: u16 = 0x0012;

/// Every frame type of `registry` §1.
pub const KINDS: &[Kind] = &[
    kind(HELLO, "HELLO", 2048, Place::Control),
    kind(IDENTIFY, "IDENTIFY", 4096, Place::Control),
    kind(IDENTIFY_PUSH, "IDENTIFY_PUSH", 4096, Place::Control),
    kind(PING, "PING", 1024, Place::Question),
    kind(PONG, "PONG", 1024, Place::Answer),
    kind(CANDIDATES, "CANDIDATES", 4096, Place::Control),
    kind(PUNCH, "PUNCH", 1024, Place::Control),
    kind(0x0008, "REACH", 1024, Place::Question),
    kind(0x0009, "REACHED", 1024, Place::Answer),
    kind(CHAT_OPEN, "CHAT_OPEN", 8192, Place::Chat),
    kind(ENVELOPE, "ENVELOPE", 135_680, Place::Chat),
    kind(UNDECRYPTABLE, "UNDECRYPTABLE", 1024, Place::Chat),
    kind(0x0020, "RELAY_RESERVE", 1024, Place::Question),
    kind(0x0021, "RELAY_RESERVED", 8192, Place::Answer),
    kind(0x0022, "RELAY_REFUSED", 1024, Place::Answer),
    kind(0x0023, "RELAY_CONNECT", 1024, Place::Question),
    kind(0x0024, "RELAY_INCOMING", 1024, Place::Question),
    kind(0x0025, "RELAY_ACCEPT", 1024, Place::Answer),
    kind(0x0026, "RELAY_OPENED", 1024, Place::Answer),
    kind(0x0030, "DHT_FIND", 1024, Place::Question),
    kind(0x0031, "DHT_NODES", 4096, Place::Answer),
    kind(0x0032, "DHT_GET", 1024, Place::Question),
    kind(0x0033, "DHT_VALUES", 36_864, Place::Answer),
    kind(0x0034, "DHT_PUT", 8192, Place::Question),
    kind(0x0035, "DHT_STORED", 1024, Place::Answer),
    kind(0x0036, "DHT_REFUSED", 1024, Place::Answer),
    kind(0x0040, "GOSSIP_OPEN", 1024, Place::Room),
    kind(0x0041, "GOSSIP_LEAVE", 4096, Place::Room),
    kind(0x0042, "GOSSIP_JOIN", 1024, Place::Room),
    kind(0x0043, "GOSSIP_SHUFFLE", 4096, Place::Room),
    kind(0x0044, "GOSSIP_PUSH", 70_656, Place::Room),
    kind(0x0045, "GOSSIP_ANNOUNCE", 16_384, Place::Room),
    kind(0x0046, "GOSSIP_PULL", 20_480, Place::Room),
    kind(0x0047, "GOSSIP_TREE", 20_480, Place::Room),
    kind(0x0048, "GOSSIP_DIGEST", 16, Place::Room),
    kind(0x0049, "GOSSIP_SKETCH", 40_960, Place::Room),
    kind(0x004a, "GOSSIP_MORE", 8192, Place::Room),
    kind(0x004b, "GOSSIP_PROOF", 8192, Place::Room),
    kind(0x004c, "GOSSIP_RANGE", 8192, Place::Room),
    kind(0x004d, "GOSSIP_SPANS", 8192, Place::Room),
    kind(0x004e, "GOSSIP_FETCH", 1024, Place::Room),
    kind(0x0050, "GROUP_OPERATIONS", 163_840, Place::Room),
];

/// The name of a frame type, or its number.
#[must_use]
pub fn name(code: u16) -> String {
    let found = KINDS.iter().find(|kind| kind.code == code);
    found.map_or_else(|| format!("{code:#06x}"), |kind| kind.name.to_owned())
}

/// Whether a value is reserved (`10-encoding` §5.1).
#[must_use]
pub fn is_reserved(code: u16) -> bool {
    code & 0x0f0f == 0x0a0a
}

/// A header.
#[must_use]
pub fn header(length: u32, code: u16, flags: u16) -> Vec<u8> {
    [
        length.to_le_bytes().as_slice(),
        &code.to_le_bytes(),
        &flags.to_le_bytes(),
    ]
    .concat()
}

/// A frame as a correct sender sends one of the registry: with CRITICAL.
#[must_use]
pub fn frame(code: u16, body: &[u8]) -> Vec<u8> {
    flagged(code, CRITICAL, body)
}

/// A frame with any flags.
#[must_use]
pub fn flagged(code: u16, flags: u16, body: &[u8]) -> Vec<u8> {
    [header(body.len() as u32, code, flags), body.to_vec()].concat()
}

/// The body of PING and PONG.
#[must_use]
pub fn ping(nonce: u64, extensions: &[(u16, &[u8])]) -> Structure {
    Structure::new()
        .u64("Ping.nonce", nonce)
        .extensions("Ping.extensions", extensions)
}

#[cfg(test)]
mod tests {
    use dchat_wire::FrameType;

    use super::*;

    #[test]
    fn the_table_is_that_of_the_registry() {
        assert_eq!(KINDS.len(), FrameType::ALL.len());
        for kind in KINDS {
            let known = FrameType::from_code(kind.code).map(FrameType::max_body);
            assert_eq!(known, Some(kind.limit as usize), "{}", kind.name);
            let row = format!("| `{:#06x}` | {} |", kind.code, kind.name);
            let (_, registry) = super::super::requirement::DOCUMENTS[10];
            assert!(registry.contains(&row), "{row}");
        }
    }
}
