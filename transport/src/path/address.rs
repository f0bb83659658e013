//! Names of ways and ends: paths, channels, and the virtual addresses quinn sees.

use std::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV6};

use super::leg::LegId;

/// First half of every virtual address: a unique local prefix (RFC 4193) whose 40 bits of global id
/// spell `dchat`. It never appears on a network.
const PREFIX: [u16; 4] = [0xfd64, 0x6368, 0x6174, 0x0001];
/// First half of every channel's address, from the same unique local prefix.
const CHANNELS: [u16; 4] = [0xfd64, 0x6368, 0x6174, 0x0002];
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

/// A channel of a relay, as the peer's end of a path over that relay's leg. It means something only
/// together with the leg, and is never an address on a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChannelAddress(pub u32);

impl ChannelAddress {
    /// As routes and arrivals name it.
    #[must_use]
    pub fn socket_addr(self) -> SocketAddr {
        let [a, b, c, d] = CHANNELS;
        let [high, low] = [16, 0].map(|shift| (self.0 >> shift) as u16);
        SocketAddr::new(Ipv6Addr::new(a, b, c, d, 0, 0, high, low).into(), PORT)
    }

    /// The inverse of [`socket_addr`](Self::socket_addr); `None` for every other address.
    #[must_use]
    pub fn from_socket_addr(addr: SocketAddr) -> Option<Self> {
        let SocketAddr::V6(addr) = addr else {
            return None;
        };
        let segments = addr.ip().segments();
        let [.., middle, zero, high, low] = segments;
        (segments[..4] == CHANNELS && middle == 0 && zero == 0 && addr.port() == PORT)
            .then(|| Self(u32::from(high) << 16 | u32::from(low)))
    }
}

/// Whether an address is of a prefix that only has a meaning inside this process. From a network
/// such an address is a forgery.
#[must_use]
pub(super) fn is_reserved(addr: SocketAddr) -> bool {
    match addr {
        SocketAddr::V4(_) => false,
        SocketAddr::V6(addr) => addr.ip().segments()[..3] == PREFIX[..3],
    }
}

/// A path within the life of its connection. 0 is the one the connection began on; a path that is
/// left and taken again keeps its id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PathId(pub u64);

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
        || is_reserved(addr);
    addr.port() != 0 && !forbidden && (loopback || !ip.is_loopback())
}
