//! The distributed hash table: who is near a key, what is stored under it (spec `70-dht`).
//!
//! A question is the first frame of a bidirectional stream, its answer the only one back. A node is
//! named by its key and the nonce of its puzzle, from which its position follows
//! ([`position`](crate::hash) of what the puzzle yields); nothing here is believed of a node until
//! it has been spoken to.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use crate::codec::{List, body, checked_field, refusals};
use crate::extension::Extensions;
use crate::limits;
use crate::record::SignedRecord;

/// An address and port of a node: an IPv6 address, or an IPv4 one mapped into IPv6 (RFC 4291
/// §2.5.5.2), in 16 bytes, and the port in 2, both in network order.
///
/// It names one socket: neither port 0, nor the unspecified address, nor many hosts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Socket(SocketAddr);

impl Socket {
    /// Takes `socket`; an IPv4 address mapped into IPv6 becomes the IPv4 address it stands for.
    ///
    /// # Errors
    /// The spec's reason, when packets cannot be sent to it.
    pub fn new(socket: SocketAddr) -> Result<Self, &'static str> {
        let ip = socket.ip().to_canonical();
        if socket.port() == 0 || ip.is_unspecified() || ip.is_multicast() {
            return Err("the address names no one socket");
        }
        Ok(Self(SocketAddr::new(ip, socket.port())))
    }

    /// The address and port.
    #[must_use]
    pub fn addr(self) -> SocketAddr {
        self.0
    }

    fn to_repr(self) -> [u8; 18] {
        let mut bytes = [0; 18];
        let ip = match self.0.ip() {
            IpAddr::V4(ip) => ip.to_ipv6_mapped(),
            IpAddr::V6(ip) => ip,
        };
        bytes[..16].copy_from_slice(&ip.octets());
        bytes[16..].copy_from_slice(&self.0.port().to_be_bytes());
        bytes
    }

    fn from_repr(bytes: [u8; 18]) -> Result<Self, &'static str> {
        let [ip @ .., high, low] = bytes;
        let ip = IpAddr::V6(Ipv6Addr::from(ip));
        Self::new(SocketAddr::new(ip, u16::from_be_bytes([high, low])))
    }
}
checked_field!(Socket as [u8; 18]);

body! {
    /// A node that serves the DHT, as others know it. It has no extensions: it never changes.
    pub struct Node {
        /// Its public key. Whether it is a usable one shows when the node is dialed.
        pub key: [u8; 32],
        /// The nonce of its puzzle; 0 where the network asks for none.
        pub nonce: u64,
        /// Where it listens.
        pub socket: Socket,
        /// Where it listens in the other family.
        pub other: Option<Socket>,
    }
}

body! {
    /// What a node says of itself, once on a connection, when it serves the DHT.
    pub struct Server {
        /// The nonce of its puzzle; 0 where the network asks for none.
        pub nonce: u64,
        /// Where it listens.
        pub socket: Socket,
        /// Where it listens in the other family.
        pub other: Option<Socket>,
    }
}

body! {
    /// DHT_FIND: who is nearest to a position?
    pub struct DhtFind {
        /// The position.
        pub target: [u8; 32],
        /// How many are wanted, at most [`limits::DHT_NODES`].
        pub want: u8,
        /// Last four bytes of positions the asker knows already; these nodes are left out.
        pub known: List<u32, { limits::DHT_KNOWN }>,
        /// The asker, when it serves and has not said so on this connection.
        pub server: Option<Server>,
        /// Extensions.
        pub extensions: Extensions,
    }
}

body! {
    /// DHT_NODES: these are, nearest first.
    pub struct DhtNodes {
        /// Nodes the answerer has spoken to itself.
        pub nodes: List<Node, { limits::DHT_NODES }>,
        /// The answerer, when it has not said so on this connection.
        pub server: Option<Server>,
        /// Extensions.
        pub extensions: Extensions,
    }
}

body! {
    /// DHT_GET: what is stored under a key?
    pub struct DhtGet {
        /// The key.
        pub key: [u8; 32],
        /// How many nodes near it are wanted, at most [`limits::DHT_NODES`].
        pub want: u8,
        /// Last four bytes of positions the asker knows already; these nodes are left out.
        pub known: List<u32, { limits::DHT_KNOWN }>,
        /// First eight bytes of the [record digests](crate::record::SignedRecord::digest) the asker
        /// holds already; these records are left out.
        pub have: List<[u8; 8], { limits::DHT_RECORDS }>,
        /// The asker, when it serves and has not said so on this connection.
        pub server: Option<Server>,
        /// Extensions.
        pub extensions: Extensions,
    }
}

body! {
    /// DHT_VALUES: this is, and these nodes are near it.
    pub struct DhtValues {
        /// Records stored under the key, without those the asker holds.
        pub records: List<SignedRecord, { limits::DHT_RECORDS }>,
        /// How many are stored, with those left out.
        pub held: u16,
        /// With this a record may be put under the key here, by the asker and within ten minutes.
        pub token: [u8; 16],
        /// Nodes the answerer has spoken to itself, nearest to the key first.
        pub nodes: List<Node, { limits::DHT_NODES }>,
        /// The answerer, when it has not said so on this connection.
        pub server: Option<Server>,
        /// Extensions.
        pub extensions: Extensions,
    }
}

body! {
    /// DHT_PUT: store this.
    pub struct DhtPut {
        /// Where.
        pub key: [u8; 32],
        /// Of the answer to a DHT_GET for the key.
        pub token: [u8; 16],
        /// What.
        pub record: SignedRecord,
        /// Extensions.
        pub extensions: Extensions,
    }
}

body! {
    /// DHT_STORED: done.
    pub struct DhtStored {
        /// Seconds it will be kept unless it is put again; never beyond its expiry.
        pub keep_s: u32,
        /// Extensions.
        pub extensions: Extensions,
    }
}

body! {
    /// DHT_REFUSED: the node does not do what was asked.
    pub struct DhtRefused {
        /// Why.
        pub reason: Refusal,
        /// Seconds after which asking again makes sense; 0 when it never does.
        pub retry_after_s: u32,
        /// Extensions.
        pub extensions: Extensions,
    }
}

refusals! {
    /// Why a node does not answer or store (spec `registry` §14).
    pub enum Refusal {
        /// The node is a client: it answers nothing.
        NotServing = 1, "the node does not serve the DHT";
        /// The asker, or its subnet, asks more often than one may.
        TooMany = 2, "more questions than the node answers one asker or subnet";
        /// The token is not of an answer of the last ten minutes to the same asker and key.
        BadToken = 3, "the write token is missing or too old";
        /// Not canonical, of an unknown kind, or larger than its kind allows.
        BadRecord = 4, "the record is malformed or of no kind that is stored";
        /// The signature is not the signer's.
        BadSignature = 5, "the record's signature does not verify";
        /// The record does not belong under the key.
        WrongKey = 6, "the record does not belong under this key";
        /// It has expired, or its times are not plausible.
        Expired = 7, "the record has expired or its times are not plausible";
        /// A record with a higher sequence is held.
        Outdated = 8, "a newer record is held";
        /// Another record with the same sequence is held: the signer contradicts itself.
        Conflict = 9, "another record with the same sequence is held";
        /// The writer has as many records here as one may have.
        WriterQuota = 10, "the writer has as many records here as one may have";
        /// The subnet has as many records here as one may have.
        SubnetQuota = 11, "the subnet has as many records here as one may have";
        /// The key, the kind or the whole store is full.
        Full = 12, "no room for a record of this kind";
        /// The node is not among those near the key, and its share for such records is full.
        TooFar = 13, "the node is too far from the key to keep the record";
        /// The asker says it serves, but its puzzle is not solved.
        BadPuzzle = 14, "the puzzle of the node that asks is not solved";
    }
}
