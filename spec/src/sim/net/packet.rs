//! A UDP datagram on its way.

use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;

/// One datagram. It is never fragmented: QUIC forbids it (RFC 9000 §14).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// Source, as it reads where the packet is now.
    pub src: SocketAddr,
    /// Destination, likewise.
    pub dst: SocketAddr,
    /// What UDP carries.
    pub payload: Bytes,
}

impl Packet {
    /// Bytes of the IP packet.
    #[must_use]
    pub fn size(&self) -> usize {
        const UDP: usize = 8;
        let ip = match self.dst.ip() {
            IpAddr::V4(_) => 20,
            IpAddr::V6(_) => 40,
        };
        ip + UDP + self.payload.len()
    }
}
