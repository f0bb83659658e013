//! Our ends: what carries datagrams away from this node.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use dchat_wire::PeerId;

use super::address::{ChannelAddress, is_reserved};
use super::bounds;

/// One of our ends. An id is given once and not used again in the life of a switch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LegId(pub u32);

/// What kind of way a path is; the order is the order of preference (its tier).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PathKind {
    /// Straight to the peer's own address, over one of our UDP sockets.
    Direct,
    /// Over a channel of a relay.
    Relayed,
}

/// What a leg of ours can reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leg {
    /// A UDP socket bound to this address. `dual` says that one bound to `::` also carries IPv4.
    Udp {
        /// Where it is bound, with the real port.
        bound: SocketAddr,
        /// IPv6 and IPv4 on one socket.
        dual: bool,
    },
    /// A UDP socket of one connection: the one of a scatter whose probe was answered.
    Adopted {
        /// Where it is bound, with the real port.
        bound: SocketAddr,
    },
    /// A connection to a relay. Its channels are its [`ChannelAddress`]es.
    Relay {
        /// The relay.
        relay: PeerId,
        /// Where it listens.
        socket: SocketAddr,
    },
}

impl Leg {
    /// The tier of paths over this leg.
    #[must_use]
    pub fn kind(&self) -> PathKind {
        match self {
            Self::Udp { .. } | Self::Adopted { .. } => PathKind::Direct,
            Self::Relay { .. } => PathKind::Relayed,
        }
    }

    /// Whether a datagram to `remote` can leave here at all.
    #[must_use]
    pub fn reaches(&self, remote: SocketAddr) -> bool {
        match self {
            Self::Udp { bound, dual } => udp_reaches(*bound, *dual, remote),
            Self::Adopted { bound } => udp_reaches(*bound, false, remote),
            Self::Relay { .. } => ChannelAddress::from_socket_addr(remote).is_some(),
        }
    }

    /// Where a packet that arrived for `ip` was addressed to; `None` when that is not known.
    #[must_use]
    pub fn local(&self, ip: Option<IpAddr>) -> Option<SocketAddr> {
        match self {
            Self::Udp { bound, .. } | Self::Adopted { bound } if bound.ip().is_unspecified() => {
                ip.map(|ip| SocketAddr::new(ip, bound.port()))
            }
            Self::Udp { bound, .. } | Self::Adopted { bound } => Some(*bound),
            Self::Relay { .. } => None,
        }
    }

    /// Where the relay of this leg is, if it has one.
    pub(super) fn relay(&self) -> Option<(PeerId, SocketAddr)> {
        match self {
            Self::Relay { relay, socket } => Some((*relay, *socket)),
            Self::Udp { .. } | Self::Adopted { .. } => None,
        }
    }

    /// Whether every connection may send from it to any address. A channel is no address to choose.
    fn is_shared(&self) -> bool {
        match self {
            Self::Udp { .. } => true,
            Self::Adopted { .. } | Self::Relay { .. } => false,
        }
    }

    /// How many of its kind there may be.
    fn bound(&self) -> usize {
        match self {
            Self::Udp { .. } => bounds::LEGS,
            Self::Adopted { .. } => bounds::ADOPTED_LEGS,
            Self::Relay { .. } => bounds::RELAY_LEGS,
        }
    }
}

fn udp_reaches(bound: SocketAddr, dual: bool, remote: SocketAddr) -> bool {
    let family = match (bound, remote) {
        (SocketAddr::V4(_), SocketAddr::V4(_)) | (SocketAddr::V6(_), SocketAddr::V6(_)) => true,
        (SocketAddr::V6(_), SocketAddr::V4(_)) => dual,
        (SocketAddr::V4(_), SocketAddr::V6(_)) => false,
    };
    // A socket on the loopback address reaches nothing else; the wildcard reaches all.
    let scope =
        bound.ip().is_unspecified() || bound.ip().is_loopback() == remote.ip().is_loopback();
    family && scope && !is_reserved(remote)
}

/// The legs there are now.
#[derive(Debug, Default)]
pub(super) struct Legs {
    table: BTreeMap<LegId, Leg>,
    next: u32,
}

impl Legs {
    /// Adds one; `None` when there are as many of its kind as may be.
    pub(super) fn add(&mut self, leg: Leg) -> Option<LegId> {
        let kind = std::mem::discriminant(&leg);
        let like = self.table.values();
        let like = like.filter(|other| std::mem::discriminant(*other) == kind);
        if like.count() >= leg.bound() {
            return None;
        }
        let id = LegId(self.next);
        // An id used twice could send one peer's packets to another; four thousand million legs
        // outlast any process.
        self.next = self.next.checked_add(1)?;
        self.table.insert(id, leg);
        Some(id)
    }

    pub(super) fn remove(&mut self, id: LegId) -> Option<Leg> {
        self.table.remove(&id)
    }

    pub(super) fn get(&self, id: LegId) -> Option<&Leg> {
        self.table.get(&id)
    }

    /// The legs for everybody that lead to `remote`, in the order they came.
    pub(super) fn reaching(&self, remote: SocketAddr) -> impl Iterator<Item = LegId> {
        let legs = self.table.iter();
        legs.filter(move |(_, leg)| leg.is_shared() && leg.reaches(remote))
            .map(|(id, _)| *id)
    }
}
