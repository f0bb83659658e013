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

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Option<Scope> {
        text.parse().ok().map(scope)
    }

    #[test]
    fn addresses_have_the_scope_of_their_registry() {
        for (text, expected) in [
            ("0.0.0.0", Scope::Nobody),
            ("224.0.0.1", Scope::Nobody),
            ("255.255.255.255", Scope::Nobody),
            ("127.0.0.1", Scope::Host),
            ("169.254.1.1", Scope::Link),
            ("10.0.0.1", Scope::Site),
            ("172.31.255.255", Scope::Site),
            ("172.32.0.0", Scope::Global),
            ("100.64.0.0", Scope::Site),
            ("100.127.255.255", Scope::Site),
            ("100.128.0.0", Scope::Global),
            ("8.8.8.8", Scope::Global),
            ("::", Scope::Nobody),
            ("ff02::1", Scope::Nobody),
            ("::1", Scope::Host),
            ("fe80::1", Scope::Link),
            ("fd00::1", Scope::Site),
            ("2001:db8::1", Scope::Global),
            ("::ffff:10.0.0.1", Scope::Site),
        ] {
            assert_eq!(of(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn subnets_are_24_and_48_bits() {
        let same =
            |one: &str, other: &str| one.parse().ok().map(subnet) == other.parse().ok().map(subnet);
        assert!(same("192.0.2.1", "192.0.2.254"));
        assert!(!same("192.0.2.1", "192.0.3.1"));
        assert!(same("2001:db8:1::1", "2001:db8:1:ffff::1"));
        assert!(!same("2001:db8:1::1", "2001:db8:2::1"));
        assert!(same("::ffff:192.0.2.1", "192.0.2.9"));
    }
}
