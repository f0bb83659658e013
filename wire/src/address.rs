//! Where a peer can be reached, written as a multiaddr.
//!
//! Two forms exist, and no other is accepted (spec `20-identity` §5):
//!
//! ```text
//! /ip4/192.168.1.23/udp/4001/quic-v1[/p2p/PEER]
//! /ip6/2001:db8::1/udp/4001/quic-v1/p2p/RELAY/p2p-circuit[/p2p/PEER]
//! ```

use core::fmt;
use core::str::FromStr;
use std::net::{IpAddr, SocketAddr};

use multiaddr::{Multiaddr, Protocol};

use crate::codec::{Bytes, checked_field};
use crate::defect::{self, Defect};
use crate::id::PeerId;
use crate::limits;

/// An address of a peer, directly or through a relay.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Address {
    /// A socket the peer listens on.
    Direct {
        /// Never an IPv4 address mapped into IPv6.
        socket: SocketAddr,
        /// Whose it is, where that is known.
        peer: Option<PeerId>,
    },
    /// A relay that forwards to the peer.
    Circuit {
        /// Where the relay listens.
        socket: SocketAddr,
        /// The relay.
        relay: PeerId,
        /// The peer behind it, where that is known.
        peer: Option<PeerId>,
    },
}

/// Why text is no address of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Not a multiaddr at all.
    #[error("not an address: write it as /ip4/192.168.1.23/udp/4001/quic-v1")]
    NotMultiaddr,
    /// A multiaddr of another transport or shape.
    #[error(
        "not a DChat address: /ip4/… or /ip6/…, then /udp/PORT/quic-v1, then optionally \
         /p2p/PEER or /p2p/RELAY/p2p-circuit/p2p/PEER"
    )]
    Unsupported,
}

impl Address {
    /// The direct address of an unnamed peer.
    #[must_use]
    pub fn direct(socket: SocketAddr) -> Self {
        Self::Direct {
            socket: plain(socket),
            peer: None,
        }
    }

    /// The same address with the peer named.
    #[must_use]
    pub fn of(self, peer: PeerId) -> Self {
        match self {
            Self::Direct { socket, .. } => Self::Direct {
                socket,
                peer: Some(peer),
            },
            Self::Circuit { socket, relay, .. } => Self::Circuit {
                socket,
                relay,
                peer: Some(peer),
            },
        }
    }

    /// The peer it leads to, where it says.
    #[must_use]
    pub fn peer(&self) -> Option<PeerId> {
        match self {
            Self::Direct { peer, .. } | Self::Circuit { peer, .. } => *peer,
        }
    }

    /// The socket packets are sent to: the peer's, or its relay's.
    #[must_use]
    pub fn socket(&self) -> SocketAddr {
        match self {
            Self::Direct { socket, .. } | Self::Circuit { socket, .. } => *socket,
        }
    }

    /// Whether packets can be sent to it: not to port 0, every interface, or many hosts. Only such an
    /// address may travel; a receiver refuses the whole body around any other.
    #[must_use]
    pub fn names_one_socket(&self) -> bool {
        let socket = self.socket();
        socket.port() != 0 && !socket.ip().is_unspecified() && !socket.ip().is_multicast()
    }

    fn to_multiaddr(self) -> Multiaddr {
        let (socket, relay, peer) = match self {
            Self::Direct { socket, peer } => (socket, None, peer),
            Self::Circuit {
                socket,
                relay,
                peer,
            } => (socket, Some(relay), peer),
        };
        let mut address = Multiaddr::empty()
            .with(socket.ip().to_canonical().into())
            .with(Protocol::Udp(socket.port()))
            .with(Protocol::QuicV1);
        if let Some(relay) = relay {
            address = with_peer(address, relay).with(Protocol::P2pCircuit);
        }
        match peer {
            Some(peer) => with_peer(address, peer),
            None => address,
        }
    }

    fn from_multiaddr(address: &Multiaddr) -> Result<Self, AddressError> {
        let mut parts = address.iter();
        let ip = match parts.next() {
            Some(Protocol::Ip4(ip)) => IpAddr::V4(ip),
            Some(Protocol::Ip6(ip)) => IpAddr::V6(ip),
            _ => return Err(AddressError::Unsupported),
        };
        let Some(Protocol::Udp(port)) = parts.next() else {
            return Err(AddressError::Unsupported);
        };
        let Some(Protocol::QuicV1) = parts.next() else {
            return Err(AddressError::Unsupported);
        };
        let socket = SocketAddr::new(ip, port);
        let first = parts.next().map(peer_of).transpose()?;
        let Some(relayed) = parts.next() else {
            return Ok(Self::Direct {
                socket,
                peer: first,
            });
        };
        let (Some(relay), Protocol::P2pCircuit) = (first, relayed) else {
            return Err(AddressError::Unsupported);
        };
        let peer = parts.next().map(peer_of).transpose()?;
        match parts.next() {
            None => Ok(Self::Circuit {
                socket,
                relay,
                peer,
            }),
            Some(_) => Err(AddressError::Unsupported),
        }
    }

    fn to_repr(self) -> Bytes<{ limits::ADDRESS }> {
        // The longest form is below the limit, so the fallback is never taken.
        Bytes::new(self.to_multiaddr().to_vec()).unwrap_or_default()
    }

    fn from_repr(bytes: Bytes<{ limits::ADDRESS }>) -> Result<Self, &'static str> {
        let address = Multiaddr::try_from(bytes.as_slice().to_vec())
            .ok()
            .and_then(|multiaddr| Self::from_multiaddr(&multiaddr).ok())
            .ok_or("not an address of a form in use")?;
        // A multiaddr's varints have longer encodings of the same number, and an IPv4 address can be
        // written as IPv6.
        if address.to_repr() != bytes && !defect::is(Defect::AcceptsLooseAddress) {
            return Err("the address is not in its canonical encoding");
        }
        if !address.names_one_socket() && !defect::is(Defect::AcceptsAddressWithoutSocket) {
            return Err("the address names no single socket");
        }
        Ok(address)
    }
}
checked_field!(Address as Bytes<{ limits::ADDRESS }>);

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_multiaddr().fmt(f)
    }
}

impl fmt::Debug for Address {
    /// Without the digits: addresses tell where people are, and logs must not.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, family) = match self {
            Self::Direct { socket, .. } => ("direct", family(socket)),
            Self::Circuit { socket, .. } => ("circuit", family(socket)),
        };
        write!(f, "Address({kind} {family})")
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let multiaddr: Multiaddr = text.parse().map_err(|_| AddressError::NotMultiaddr)?;
        Ok(match Self::from_multiaddr(&multiaddr)? {
            Self::Direct { socket, peer } => Self::Direct {
                socket: plain(socket),
                peer,
            },
            Self::Circuit {
                socket,
                relay,
                peer,
            } => Self::Circuit {
                socket: plain(socket),
                relay,
                peer,
            },
        })
    }
}

fn family(socket: &SocketAddr) -> &'static str {
    if socket.is_ipv4() { "ip4" } else { "ip6" }
}

/// Without IPv4-in-IPv6, flow label and scope, none of which a multiaddr carries.
fn plain(socket: SocketAddr) -> SocketAddr {
    SocketAddr::new(socket.ip().to_canonical(), socket.port())
}

fn with_peer(address: Multiaddr, peer: PeerId) -> Multiaddr {
    // The multiaddr crate's own peer id type: the written form is the same by definition.
    match format!("/p2p/{peer}").parse::<Multiaddr>() {
        Ok(suffix) => suffix.iter().fold(address, Multiaddr::with),
        Err(_) => address,
    }
}

fn peer_of(part: Protocol<'_>) -> Result<PeerId, AddressError> {
    match part {
        Protocol::P2p(peer) => peer
            .to_string()
            .parse()
            .map_err(|_| AddressError::Unsupported),
        _ => Err(AddressError::Unsupported),
    }
}
