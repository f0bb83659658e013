//! Which addresses count as one holder.

use std::net::IpAddr;

/// The network a limit is counted by: what one holder is commonly given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Subnet {
    /// IPv4 /24, the smallest network routed on its own.
    V4([u8; 3]),
    /// IPv6 /48, what a site is given (RFC 6177).
    V6([u8; 6]),
}

impl Subnet {
    /// The network of `ip`; an IPv4 address mapped into IPv6 counts as what it is.
    pub(super) fn of(ip: IpAddr) -> Self {
        match ip.to_canonical() {
            IpAddr::V4(ip) => {
                let [a, b, c, _] = ip.octets();
                Self::V4([a, b, c])
            }
            IpAddr::V6(ip) => {
                let [a, b, c, d, e, f, ..] = ip.octets();
                Self::V6([a, b, c, d, e, f])
            }
        }
    }
}

/// Whether `ip` is loopback, link-local, or of a network for private use (RFC 1918, RFC 4193).
pub(super) fn is_private(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(ip) => ip.is_loopback() || ip.is_private() || ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Subnet {
        Subnet::of(text.parse().unwrap_or(IpAddr::from([0; 4])))
    }

    #[test]
    fn neighbours_share_a_network_and_others_do_not() {
        assert_eq!(of("203.0.113.1"), of("203.0.113.254"));
        assert_eq!(of("203.0.113.1"), of("::ffff:203.0.113.9"));
        assert_ne!(of("203.0.113.1"), of("203.0.112.1"));
        assert_eq!(of("2001:db8:7::1"), of("2001:db8:7:ffff::1"));
        assert_ne!(of("2001:db8:7::1"), of("2001:db8:8::1"));
    }

    #[test]
    fn private_addresses_are_told_from_public_ones() {
        for ip in [
            "127.0.0.1",
            "10.1.2.3",
            "192.168.0.9",
            "::1",
            "fd00::1",
            "fe80::1",
        ] {
            assert!(ip.parse().is_ok_and(is_private), "{ip}");
        }
        for ip in ["203.0.113.1", "2001:db8::1", "172.32.0.1"] {
            assert!(ip.parse().is_ok_and(|ip| !is_private(ip)), "{ip}");
        }
    }
}
