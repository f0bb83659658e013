//! Questions, nodes and records of the DHT (`70-dht`).

use std::net::{IpAddr, SocketAddr};

use argon2::{Algorithm, Argon2, Params, Version};

use crate::json::Json;
use crate::structure::{Part, Structure};

use super::super::frames::frame;
use super::super::identity::Identity;
use super::derive;

/// DHT_FIND.
pub const FIND: u16 = 0x0030;
/// DHT_NODES.
pub const NODES: u16 = 0x0031;
/// DHT_GET.
pub const GET: u16 = 0x0032;
/// DHT_VALUES.
pub const VALUES: u16 = 0x0033;
/// DHT_PUT.
pub const PUT: u16 = 0x0034;
/// DHT_STORED.
pub const STORED: u16 = 0x0035;
/// DHT_REFUSED.
pub const REFUSED: u16 = 0x0036;

/// The capability (`registry` §7).
pub const CAPABILITY: u16 = 4;
/// Most nodes in an answer.
pub const K: usize = 20;
/// Difficulty of the public network.
pub const DIFFICULTY: u32 = 12;

const POSITION: &str = "dchat/1 2026-11 dht position";
const KEY: &str = "dchat/1 2026-11 dht key";
const RECORD: &str = "dchat/1 2026-11 record digest";
const PULSE: &str = "dchat/1 2026-11 pulse";
const SALT: &[u8] = b"dchat/1 dht puzzle";

/// Refusals (`registry` §14).
pub mod refusal {
    /// The node does not serve the DHT.
    pub const NOT_SERVING: u16 = 1;
    /// More questions than the node answers.
    pub const TOO_MANY: u16 = 2;
    /// The write token is missing or too old.
    pub const BAD_TOKEN: u16 = 3;
    /// The record is malformed or of no kind that is stored.
    pub const BAD_RECORD: u16 = 4;
    /// The record's signature does not verify.
    pub const BAD_SIGNATURE: u16 = 5;
    /// The record does not belong under this key.
    pub const WRONG_KEY: u16 = 6;
    /// The record has expired or its times are not plausible.
    pub const EXPIRED: u16 = 7;
    /// A newer record is held.
    pub const OUTDATED: u16 = 8;
    /// Another record with the same sequence is held.
    pub const CONFLICT: u16 = 9;
    /// The writer has as many records here as one may have.
    pub const WRITER_QUOTA: u16 = 10;
    /// The node is too far from the key to keep the record.
    pub const TOO_FAR: u16 = 13;
    /// The puzzle of the node that asks is not solved.
    pub const BAD_PUZZLE: u16 = 14;

    /// The name of a reason.
    #[must_use]
    pub fn name(reason: u16) -> &'static str {
        const NAMES: [&str; 14] = [
            "NOT_SERVING",
            "TOO_MANY",
            "BAD_TOKEN",
            "BAD_RECORD",
            "BAD_SIGNATURE",
            "WRONG_KEY",
            "EXPIRED",
            "OUTDATED",
            "CONFLICT",
            "WRITER_QUOTA",
            "SUBNET_QUOTA",
            "FULL",
            "TOO_FAR",
            "BAD_PUZZLE",
        ];
        let name = usize::from(reason)
            .checked_sub(1)
            .and_then(|at| NAMES.get(at));
        name.copied().unwrap_or("a reason without a name")
    }
}

/// What one pass of the puzzle yields (§2): leading zero bits, and the position.
#[must_use]
pub fn pass(key: &[u8; 32], nonce: u64) -> (u32, [u8; 32]) {
    let mut out = [0; 64];
    let password = [key.as_slice(), &nonce.to_le_bytes()].concat();
    if let Ok(params) = Params::new(1024, 1, 1, Some(64)) {
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        // Zeros, should it ever fail, are nobody's position.
        let _ = argon2.hash_password_into(&password, SALT, &mut out);
    }
    let (first, rest) = out.split_at(8);
    let mut number = [0; 8];
    number.copy_from_slice(first);
    let zeros = u64::from_be_bytes(number).leading_zeros();
    (zeros, derive(POSITION, &[rest]))
}

/// The last four bytes of a position, as `known` names it.
#[must_use]
pub fn tail(position: &[u8; 32]) -> u32 {
    let [.., a, b, c, d] = *position;
    u32::from_be_bytes([a, b, c, d])
}

/// XOR of two positions.
#[must_use]
pub fn distance(one: &[u8; 32], other: &[u8; 32]) -> [u8; 32] {
    core::array::from_fn(|index| one[index] ^ other[index])
}

/// The key of a record (§6.1).
#[must_use]
pub fn key(kind: u16, name: &[u8]) -> [u8; 32] {
    derive(KEY, &[&kind.to_le_bytes(), name])
}

/// A `Socket`.
#[must_use]
pub fn socket(socket: SocketAddr) -> Part {
    let ip = match socket.ip() {
        IpAddr::V4(ip) => ip.to_ipv6_mapped(),
        IpAddr::V6(ip) => ip,
    };
    Part::fixed(&[ip.octets().as_slice(), &socket.port().to_be_bytes()].concat())
}

/// A `Server`.
#[must_use]
pub fn server(nonce: u64, at: SocketAddr) -> Structure {
    server_at(nonce, &socket(at))
}

/// A `Server` at any bytes.
#[must_use]
pub fn server_at(nonce: u64, at: &Part) -> Structure {
    Structure::new()
        .u64("Server.nonce", nonce)
        .push("Server.socket", at, true)
        .option("Server.other", None, true)
}

/// A `Node`.
#[must_use]
pub fn node(key: &[u8; 32], nonce: u64, at: SocketAddr) -> Structure {
    Structure::new()
        .fixed("Node.key", key)
        .u64("Node.nonce", nonce)
        .push("Node.socket", &socket(at), true)
        .option("Node.other", None, true)
}

fn tails(known: &[u32]) -> Vec<Part> {
    let part = |tail: &u32| Part {
        bytes: tail.to_le_bytes().to_vec(),
        json: Json::Null,
    };
    known.iter().map(part).collect()
}

/// The body of DHT_FIND.
#[must_use]
pub fn find(target: &[u8; 32], want: u8, known: &[u32], server: Option<&Structure>) -> Structure {
    let server = server.map(Structure::part);
    Structure::new()
        .fixed("DhtFind.target", target)
        .u8("DhtFind.want", want)
        .list("DhtFind.known", &tails(known), true)
        .option("DhtFind.server", server.as_ref(), false)
        .extensions("DhtFind.extensions", &[])
}

/// The body of DHT_GET that asks for records alone.
#[must_use]
pub fn get(key: &[u8; 32], want: u8, have: &[[u8; 8]]) -> Structure {
    let have: Vec<Part> = have.iter().map(|digest| Part::fixed(digest)).collect();
    Structure::new()
        .fixed("DhtGet.key", key)
        .u8("DhtGet.want", want)
        .list("DhtGet.known", &[], true)
        .list("DhtGet.have", &have, true)
        .option("DhtGet.server", None, false)
        .extensions("DhtGet.extensions", &[])
}

/// The body of DHT_PUT.
#[must_use]
pub fn put(key: &[u8; 32], token: &[u8; 16], record: &Structure) -> Structure {
    Structure::new()
        .fixed("DhtPut.key", key)
        .fixed("DhtPut.token", token)
        .push("DhtPut.record", &record.part(), false)
        .extensions("DhtPut.extensions", &[])
}

/// DHT_NODES.
#[must_use]
pub fn nodes(nodes: &[Structure], server: Option<&Structure>) -> Vec<u8> {
    let nodes: Vec<Part> = nodes.iter().map(Structure::part).collect();
    let server = server.map(Structure::part);
    let body = Structure::new()
        .list("DhtNodes.nodes", &nodes, false)
        .option("DhtNodes.server", server.as_ref(), false)
        .extensions("DhtNodes.extensions", &[]);
    frame(NODES, &body.bytes)
}

/// DHT_VALUES.
#[must_use]
pub fn values(records: &[Structure], held: u16, token: &[u8; 16], near: &[Structure]) -> Vec<u8> {
    let records: Vec<Part> = records.iter().map(Structure::part).collect();
    let near: Vec<Part> = near.iter().map(Structure::part).collect();
    let body = Structure::new()
        .list("DhtValues.records", &records, false)
        .u16("DhtValues.held", held)
        .fixed("DhtValues.token", token)
        .list("DhtValues.nodes", &near, false)
        .option("DhtValues.server", None, false)
        .extensions("DhtValues.extensions", &[]);
    frame(VALUES, &body.bytes)
}

/// DHT_STORED.
#[must_use]
pub fn stored(keep_s: u32) -> Vec<u8> {
    let body = Structure::new()
        .u32("DhtStored.keep_s", keep_s)
        .extensions("DhtStored.extensions", &[]);
    frame(STORED, &body.bytes)
}

/// DHT_REFUSED.
#[must_use]
pub fn refused(reason: u16, retry_after_s: u32) -> Vec<u8> {
    let body = Structure::new()
        .u16("DhtRefused.reason", reason)
        .u32("DhtRefused.retry_after_s", retry_after_s)
        .extensions("DhtRefused.extensions", &[]);
    frame(REFUSED, &body.bytes)
}

/// A record before it is signed. Every field may be made wrong.
#[derive(Clone, Debug)]
pub struct Statement {
    /// Whose it is said to be.
    pub signer: [u8; 32],
    /// What it is.
    pub kind: u16,
    /// Its sequence.
    pub sequence: u64,
    /// When it was made.
    pub issued_at: u64,
    /// Until when it holds.
    pub expires_at: u64,
    /// What it says.
    pub payload: Vec<u8>,
    /// Extensions.
    pub extensions: Vec<(u16, Vec<u8>)>,
}

impl Statement {
    /// The body.
    #[must_use]
    pub fn body(&self) -> Structure {
        let extensions: Vec<(u16, &[u8])> = self
            .extensions
            .iter()
            .map(|(kind, value)| (*kind, value.as_slice()))
            .collect();
        Structure::new()
            .fixed("RecordBody.signer", &self.signer)
            .u16("RecordBody.kind", self.kind)
            .u64("RecordBody.sequence", self.sequence)
            .u64("RecordBody.issued_at", self.issued_at)
            .u64("RecordBody.expires_at", self.expires_at)
            .bytes("RecordBody.payload", &self.payload)
            .extensions("RecordBody.extensions", &extensions)
    }

    /// Signed by `identity`, who is not always the signer it names.
    #[must_use]
    pub fn sign(&self, identity: &Identity) -> Structure {
        identity.signed_record(&self.body().bytes)
    }
}

/// The digest of a record (§6.1).
#[must_use]
pub fn digest(record: &dchat_wire::record::SignedRecord) -> [u8; 32] {
    derive(RECORD, &[&record.signature, record.body.as_slice()])
}

/// A datagram of pulses under the 40 bytes that TLS exports: `0x24` asks, `0x25` answers (§10).
#[must_use]
pub fn pulse(kind: u8, exported: &[u8; 40], nonce: [u8; 8]) -> Vec<u8> {
    let (id, secret) = exported.split_at(8);
    let mut datagram = [&[kind], id, nonce.as_slice()].concat();
    let mac = blake3::keyed_hash(&derive(PULSE, &[secret]), &datagram);
    datagram.extend_from_slice(&mac.as_bytes()[..16]);
    datagram
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::actor::ALICE;

    #[test]
    fn the_puzzle_is_that_of_the_document() {
        let (zeros, position) = pass(&ALICE.public(), 4094);
        assert!(zeros >= DIFFICULTY);
        assert_eq!(position[..4], [0xce, 0x4a, 0xa0, 0xa6]);
        assert_eq!(key(4, &[0])[..4], [0xd4, 0x1a, 0x0b, 0xa2]);
    }
}
