//! How far an address means the same host, and which addresses are never probed.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use crate::scope;

/// An IPv6 prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prefix {
    /// Its first address.
    pub address: Ipv6Addr,
    /// Its length, 0 to 128; more counts as 128.
    pub bits: u8,
}

impl Prefix {
    /// Whether `ip` is in it.
    #[must_use]
    pub fn contains(&self, ip: Ipv6Addr) -> bool {
        let host = 128 - u32::from(self.bits.min(128));
        let mask = u128::MAX.checked_shl(host).unwrap_or(0);
        (ip.to_bits() ^ self.address.to_bits()) & mask == 0
    }
}

/// Where an address means the same host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// On this machine.
    Loopback,
    /// In one private network: RFC 1918, RFC 6598 (behind a carrier's NAT), RFC 4193.
    Private,
    /// Everywhere.
    Global,
}

/// Which addresses may be probed at all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Permit {
    /// Loopback addresses of the peer are ours.
    pub loopback: bool,
    /// Addresses that mean something inside this program only.
    pub synthetic: Vec<Prefix>,
}

impl Permit {
    /// The scope of an address that may be probed. `None` for port 0, unspecified, multicast,
    /// broadcast and reserved addresses (0/8, 240/4), link-local ones, whose interface a peer
    /// cannot name, IPv4 inside IPv6, synthetic ones, and loopback unless permitted.
    #[must_use]
    pub fn scope(&self, addr: SocketAddr) -> Option<Scope> {
        if addr.port() == 0 || self.is_nobodys(addr.ip()) {
            return None;
        }
        match scope::scope(addr.ip()) {
            scope::Scope::Nobody | scope::Scope::Link => None,
            scope::Scope::Host => self.loopback.then_some(Scope::Loopback),
            scope::Scope::Site => Some(Scope::Private),
            scope::Scope::Global => Some(Scope::Global),
        }
    }

    /// Whether it is no address of a host's own: a synthetic one, or IPv4 inside IPv6, mapped or
    /// compatible.
    fn is_nobodys(&self, ip: IpAddr) -> bool {
        let IpAddr::V6(ip) = ip else {
            return false;
        };
        let embedded = ip.segments()[..5] == [0; 5] && !ip.is_loopback();
        embedded || self.synthetic.iter().any(|prefix| prefix.contains(ip))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "literal addresses")]

    use super::*;

    fn scope(addr: &str) -> Option<Scope> {
        Permit::default().scope(addr.parse().unwrap())
    }

    /// Checks DC-NAT-013 (positive, negative).
    #[test]
    fn only_addresses_of_one_reachable_host_may_be_probed() {
        for addr in [
            "0.0.0.0:1",
            "0.1.2.3:1",
            "127.0.0.1:1",
            "169.254.3.4:1",
            "224.0.0.1:1",
            "240.0.0.1:1",
            "255.255.255.255:1",
            "8.8.8.8:0",
            "[::]:1",
            "[::1]:1",
            "[fe80::1]:1",
            "[ff02::1]:1",
            "[::ffff:8.8.8.8]:1",
            "[::8.8.8.8]:1",
        ] {
            assert_eq!(scope(addr), None, "{addr}");
        }
        for addr in [
            "10.0.0.1:1",
            "172.31.0.1:1",
            "192.168.1.1:1",
            "100.64.0.1:1",
        ] {
            assert_eq!(scope(addr), Some(Scope::Private), "{addr}");
        }
        assert_eq!(scope("[fd00::1]:1"), Some(Scope::Private));
        for addr in [
            "8.8.8.8:1",
            "172.32.0.1:1",
            "100.128.0.1:1",
            "[2001:db8::1]:1",
        ] {
            assert_eq!(scope(addr), Some(Scope::Global), "{addr}");
        }
    }

    /// Checks DC-NAT-013 (positive, negative).
    #[test]
    fn loopback_is_probed_only_where_it_is_ours() {
        let permit = Permit {
            loopback: true,
            ..Permit::default()
        };
        assert_eq!(
            permit.scope("127.0.0.1:4001".parse().unwrap()),
            Some(Scope::Loopback)
        );
        assert_eq!(
            permit.scope("[::1]:4001".parse().unwrap()),
            Some(Scope::Loopback)
        );
    }

    #[test]
    fn synthetic_prefixes_are_not_probed() {
        let prefix = Prefix {
            address: "fd64:6368:6174::".parse().unwrap(),
            bits: 48,
        };
        let permit = Permit {
            loopback: false,
            synthetic: vec![prefix],
        };
        assert_eq!(
            permit.scope("[fd64:6368:6174:1::7]:4001".parse().unwrap()),
            None
        );
        assert!(
            permit
                .scope("[fd64:6368:6175:1::7]:4001".parse().unwrap())
                .is_some()
        );
    }

    #[test]
    fn a_prefix_of_no_bits_holds_everything() {
        let all = Prefix {
            address: "2001:db8::".parse().unwrap(),
            bits: 0,
        };
        let one = Prefix {
            address: "2001:db8::".parse().unwrap(),
            bits: 200,
        };
        assert!(all.contains("ff::1".parse().unwrap()));
        assert!(!one.contains("2001:db8::1".parse().unwrap()));
    }
}
