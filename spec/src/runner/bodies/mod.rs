//! Bodies by hand, of the services that not every node offers. A module a document.

pub mod dht;
pub mod group;
pub mod nat;
pub mod relay;
pub mod room;

use crate::structure::{Part, counted};

/// `derive(context, parts)` (`20-identity` §1).
#[must_use]
pub fn derive(context: &str, parts: &[&[u8]]) -> [u8; 32] {
    blake3::derive_key(context, &parts.concat())
}

/// A binary multiaddr as a field of type `Address`.
#[must_use]
pub fn address(multiaddr: &[u8]) -> Part {
    Part {
        bytes: counted(multiaddr),
        json: crate::Json::Null,
    }
}

/// The binary multiaddr `/ip4|ip6/…/udp/…/quic-v1`, with `/p2p/…` where a key is given
/// (`20-identity` §5).
#[must_use]
pub fn multiaddr(socket: std::net::SocketAddr, peer: Option<&[u8; 32]>) -> Vec<u8> {
    let mut bytes = match socket.ip() {
        std::net::IpAddr::V4(ip) => [&[4][..], &ip.octets()].concat(),
        std::net::IpAddr::V6(ip) => [&[41][..], &ip.octets()].concat(),
    };
    bytes.extend_from_slice(&[0x91, 0x02]);
    bytes.extend_from_slice(&socket.port().to_be_bytes());
    bytes.extend_from_slice(&[0xcd, 0x03]);
    if let Some(peer) = peer {
        bytes.extend_from_slice(&[0xa5, 0x03, 38]);
        bytes.extend_from_slice(&crate::actor::PEER_PREFIX);
        bytes.extend_from_slice(peer);
    }
    bytes
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::panic,
        reason = "a failed assumption fails the test"
    )]

    use dchat_wire::Address;

    use super::*;
    use crate::actor::ALICE;

    #[test]
    fn a_multiaddr_is_what_dchat_wire_reads() {
        for text in ["192.0.2.7:4001", "[2001:db8::7]:1"] {
            let socket = text.parse().unwrap();
            let bytes = address(&multiaddr(socket, Some(&ALICE.public()))).bytes;
            let read: Address = dchat_wire::codec::decode(&bytes).unwrap();
            let Address::Direct { socket: at, peer } = read else {
                panic!("{read:?}");
            };
            assert_eq!((at, *peer.unwrap().public_key()), (socket, ALICE.public()));
        }
    }
}
