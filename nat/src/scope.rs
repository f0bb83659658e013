//! What an address can be used for, judged by its digits alone.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Who can send to an address (RFC 6890 and its registries, as far as it matters here).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// Nobody: unspecified, multicast, broadcast, or reserved.
    Nobody,
    /// This host.
    Host,
    /// This link.
    Link,
    /// This site, or the provider's network (RFC 1918, RFC 4193, RFC 6598).
    Site,
    /// Everybody. Addresses for documentation and benchmarks count as such: networks in which this
    /// is tested use them.
    Global,
}

/// The scope of an address; IPv4 written as IPv6 counts as IPv4.
#[must_use]
pub fn scope(ip: IpAddr) -> Scope {
    match ip.to_canonical() {
        IpAddr::V4(ip) => v4(ip),
        IpAddr::V6(ip) => v6(ip),
    }
}

/// Whether everybody can send to it.
#[must_use]
pub fn is_global(ip: IpAddr) -> bool {
    scope(ip) == Scope::Global
}

/// The network that counts as one party: /24 of IPv4, /48 of IPv6, with the rest zero.
#[must_use]
pub fn subnet(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V4(ip) => IpAddr::V4(Ipv4Addr::from(u32::from(ip) & !0xff)),
        IpAddr::V6(ip) => IpAddr::V6(Ipv6Addr::from(u128::from(ip) >> 80 << 80)),
    }
}

fn v4(ip: Ipv4Addr) -> Scope {
    let [a, b, ..] = ip.octets();
    if a == 0 || a >= 224 {
        Scope::Nobody
    } else if ip.is_loopback() {
        Scope::Host
    } else if ip.is_link_local() {
        Scope::Link
    } else if ip.is_private() || a == 100 && b & 0xc0 == 64 {
        Scope::Site
    } else {
        Scope::Global
    }
}

fn v6(ip: Ipv6Addr) -> Scope {
    if ip.is_unspecified() || ip.is_multicast() {
        Scope::Nobody
    } else if ip.is_loopback() {
        Scope::Host
    } else if ip.is_unicast_link_local() {
        Scope::Link
    } else if ip.is_unique_local() {
        Scope::Site
    } else {
        Scope::Global
    }
}
