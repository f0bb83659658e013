//! Names of things that carry packets: legs, paths, and the virtual addresses quinn sees.

use std::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV6};

/// First half of every virtual address: a unique local prefix (RFC 4193) whose 40 bits of global id
/// spell `dchat`. It never appears on a network.
const PREFIX: [u16; 4] = [0xfd64, 0x6368, 0x6174, 0x0001];
/// Port of every virtual address. quinn refuses to dial port 0; the value means nothing.
const PORT: u16 = 4001;

/// What quinn takes for a peer's address: one per connection attempt, for the connection's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VirtualAddress(u64);

impl VirtualAddress {
    /// Our own address, as `local_addr` reports it.
    pub const LOCAL: Self = Self(0);
    pub(super) const FIRST: Self = Self(0);
    pub(super) const LAST: Self = Self(u64::MAX);

    /// For an outgoing attempt: the `serial`-th under this key.
    #[must_use]
    pub fn dialed(key: &[u8; 32], serial: u64) -> Self {
        Self::hashed(
            blake3::Hasher::new_keyed(key)
                .update(b"dial")
                .update(&serial.to_le_bytes()),
        )
    }

    /// For an incoming attempt: a function of where it comes from and of the connection id its
    /// client chose for itself (empty where there is none), and of nothing we would have to
    /// remember.
    #[must_use]
    pub fn provisional(key: &[u8; 32], from: SocketAddr, scid: &[u8]) -> Self {
        let ip = match from.ip() {
            IpAddr::V4(ip) => ip.to_ipv6_mapped(),
            IpAddr::V6(ip) => ip,
        };
        let mut hasher = blake3::Hasher::new_keyed(key);
        hasher
            .update(b"from")
            .update(&ip.octets())
            .update(&from.port().to_le_bytes())
            .update(scid);
        Self::hashed(&hasher)
    }

    fn hashed(hasher: &blake3::Hasher) -> Self {
        let mut bytes = [0; 8];
        hasher.finalize_xof().fill(&mut bytes);
        // 0 is our own address.
        Self(u64::from_le_bytes(bytes).max(1))
    }

    /// As quinn sees it.
    #[must_use]
    pub fn socket_addr(self) -> SocketAddr {
        let [a, b, c, d] = PREFIX;
        let [e, f, g, h] = [48, 32, 16, 0].map(|shift| (self.0 >> shift) as u16);
        SocketAddr::new(Ipv6Addr::new(a, b, c, d, e, f, g, h).into(), PORT)
    }

    /// The inverse of [`socket_addr`](Self::socket_addr); `None` for every other address.
    #[must_use]
    pub fn from_socket_addr(addr: SocketAddr) -> Option<Self> {
        let SocketAddr::V6(addr) = addr else {
            return None;
        };
        let segments = addr.ip().segments();
        (segments[..4] == PREFIX && addr.port() == PORT).then(|| {
            Self(
                segments[4..]
                    .iter()
                    .fold(0, |id, part| id << 16 | u64::from(*part)),
            )
        })
    }
}

/// A path within the life of its connection. 0 is the one the connection began on; a path that is
/// left and taken again keeps its id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PathId(pub u64);

/// One of our ends: an index into the legs the switch was made with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LegId(pub u8);

/// What kind of way a path is; the order is the order of preference (its tier).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PathKind {
    /// Straight to the peer's own address, over one of our UDP sockets.
    Direct,
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
}

impl Leg {
    /// The tier of paths over this leg.
    #[must_use]
    pub fn kind(&self) -> PathKind {
        match self {
            Self::Udp { .. } => PathKind::Direct,
        }
    }

    /// Whether a datagram to `remote` can leave here at all.
    #[must_use]
    pub fn reaches(&self, remote: SocketAddr) -> bool {
        match self {
            Self::Udp { bound, dual } => {
                let family = match (bound, remote) {
                    (SocketAddr::V4(_), SocketAddr::V4(_))
                    | (SocketAddr::V6(_), SocketAddr::V6(_)) => true,
                    (SocketAddr::V6(_), SocketAddr::V4(_)) => *dual,
                    (SocketAddr::V4(_), SocketAddr::V6(_)) => false,
                };
                // A socket on the loopback address reaches nothing else; the wildcard reaches all.
                let scope = bound.ip().is_unspecified()
                    || bound.ip().is_loopback() == remote.ip().is_loopback();
                family && scope
            }
        }
    }

    /// Where a packet that arrived for `ip` was addressed to; `None` when that is not known.
    #[must_use]
    pub fn local(&self, ip: Option<IpAddr>) -> Option<SocketAddr> {
        match self {
            Self::Udp { bound, .. } if bound.ip().is_unspecified() => {
                ip.map(|ip| SocketAddr::new(ip, bound.port()))
            }
            Self::Udp { bound, .. } => Some(*bound),
        }
    }
}

/// The way one datagram takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// Our end.
    pub leg: LegId,
    /// Source address to insist on: where the peer addressed us on this path. `None` leaves the
    /// choice to the operating system, which follows its routes.
    pub local: Option<IpAddr>,
    /// The peer's end.
    pub remote: SocketAddr,
}

/// The one form of an address that the switch compares: IPv4 never inside IPv6, no flow label, and
/// a scope only where it means something.
#[must_use]
pub fn canonical(addr: SocketAddr) -> SocketAddr {
    match addr {
        SocketAddr::V4(_) => addr,
        SocketAddr::V6(v6) => match v6.ip().to_canonical() {
            ip @ IpAddr::V4(_) => SocketAddr::new(ip, v6.port()),
            IpAddr::V6(ip) => {
                let scope = if ip.is_unicast_link_local() {
                    v6.scope_id()
                } else {
                    0
                };
                SocketAddrV6::new(ip, v6.port(), 0, scope).into()
            }
        },
    }
}

/// Whether a peer may ask us to probe this address. `loopback` says that we already reach the peer
/// over the loopback interface, without which its loopback is not ours.
#[must_use]
pub(super) fn may_be_offered(addr: SocketAddr, loopback: bool) -> bool {
    let ip = addr.ip();
    let forbidden = ip.is_unspecified()
        || ip.is_multicast()
        || matches!(ip, IpAddr::V4(v4) if v4.is_broadcast() || v4.octets()[0] == 0)
        || VirtualAddress::from_socket_addr(SocketAddr::new(ip, PORT)).is_some();
    addr.port() != 0 && !forbidden && (loopback || !ip.is_loopback())
}
