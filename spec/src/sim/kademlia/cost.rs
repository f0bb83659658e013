//! What calls cost on the wire, in bytes with IP and UDP headers.
//!
//! Bodies have the length that `dchat-wire` encodes them to (a test holds this table against its
//! encoder); packets, acknowledgements and handshakes add what QUIC adds.

use dchat_kademlia::call::{Answer, Question};
use dchat_wire::limits::FRAME_HEADER;
use dchat_wire::record::SignedRecord;

/// IPv4 and UDP headers.
pub const DATAGRAM: u64 = 28;
/// A short QUIC header, a STREAM frame's header and the tag of the AEAD.
pub const PACKET: u64 = 30;
/// Bytes of a stream that fit a packet at QUIC's smallest datagram of 1,200 bytes.
pub const PAYLOAD: u64 = 1_170;
/// A pulse and its answer: 33 bytes each in a datagram.
pub const PULSE: u64 = DATAGRAM + 33;
/// A packet with an acknowledgement alone.
pub const ACK: u64 = DATAGRAM + PACKET;
/// The dialer's first flight: a ClientHello with X25519MLKEM768 in two padded datagrams. It is sent
/// again when nothing comes back.
pub const FIRST_FLIGHT: u64 = 2 * (DATAGRAM + 1_200);
/// What both sides of a handshake send until they have each other's HELLO: as captured between two
/// real endpoints, without probes of the MTU, which connections of the DHT leave out.
pub const HANDSHAKE: u64 = 7_700;
/// What keeps a connection for the minute after its last use, and closes it.
pub const KEPT: u64 = 960;
/// Packets of a handshake before the first question can leave, any of which may be lost.
pub const HANDSHAKE_PACKETS: u32 = 5;
/// Round trips before the first question can leave: the handshake, and the HELLO of the node dialed,
/// which comes after the dialer's last packet of it.
pub const HANDSHAKE_RTTS: u32 = 2;
/// What a node says of itself once on a connection: nonce, socket, and that there is no other.
pub const SERVER: u64 = 8 + 18 + 1;

const NODE: u64 = 32 + 8 + 18 + 1;
const LIST: u64 = 8;
const ABSENT: u64 = 1;
const EXTENSIONS: u64 = LIST;

/// The frame of a question, without a [`SERVER`]. A `Ping` over a connection is a `Find` that wants
/// nobody.
#[must_use]
pub fn question(question: &Question) -> u64 {
    let find = |known: usize| 32 + 1 + LIST + 4 * known as u64 + ABSENT + EXTENSIONS;
    let body = match question {
        Question::Ping => find(0),
        Question::Find { known, .. } => find(known.len()),
        Question::Get { known, have, .. } => find(known.len()) + LIST + 8 * have.len() as u64,
        Question::Put { record, .. } => 32 + 16 + self::record(record) + EXTENSIONS,
    };
    FRAME_HEADER as u64 + body
}

/// The frame of an answer, without a [`SERVER`].
#[must_use]
pub fn answer<H: Copy>(answer: &Answer<H>) -> u64 {
    let nodes = |count: usize| LIST + NODE * count as u64 + ABSENT + EXTENSIONS;
    let body = match answer {
        Answer::Pong => nodes(0),
        Answer::Nodes(named) => nodes(named.len()),
        Answer::Values {
            records,
            nodes: named,
            ..
        } => {
            let records: u64 = records.iter().map(|record| self::record(record)).sum();
            LIST + records + 2 + 16 + nodes(named.len())
        }
        Answer::Stored { .. } => 4 + EXTENSIONS,
        Answer::Refused { .. } => 2 + 4 + EXTENSIONS,
    };
    FRAME_HEADER as u64 + body
}

fn record(record: &SignedRecord) -> u64 {
    LIST + record.body.as_slice().len() as u64 + 64
}

/// Packets that carry so many bytes of a stream.
#[must_use]
pub fn packets(bytes: u64) -> u32 {
    u32::try_from(bytes.div_ceil(PAYLOAD)).unwrap_or(u32::MAX)
}

/// So many bytes of a stream, with the headers of their packets.
#[must_use]
pub fn stream(bytes: u64) -> u64 {
    bytes + u64::from(packets(bytes)) * (DATAGRAM + PACKET)
}
