//! The default gateways: whom to ask for a port mapping.
//!
//! Linux tells its routes in `/proc/net`; there they are read. On other systems, and where `/proc` is
//! not mounted, the gateway is unknown: PCP and NAT-PMP then have nobody to ask, while UPnP asks by
//! multicast and needs none.
//!
//! Bounds: 64 KiB of each table are read, which is some 400 routes; the kernel lists those without a
//! destination first in IPv4.

use std::fs::File;
use std::io::Read as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

/// Bytes read of a routing table.
const TABLE: u64 = 64 * 1024;
/// The route is usable (`RTF_UP` of Linux's `route.h`).
const UP: u32 = 0x1;
/// Its next hop is a gateway (`RTF_GATEWAY`).
const VIA_GATEWAY: u32 = 0x2;

/// The router that a family's packets to the world go to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gateway {
    /// Its address, in its own subnet.
    pub ip: IpAddr,
    /// The interface that leads to it.
    pub interface: String,
    /// The number of that interface, which a link-local address needs.
    pub index: Option<u32>,
}

impl Gateway {
    /// A port of the gateway, with the interface where the address means nothing without one.
    #[must_use]
    pub fn socket(&self, port: u16) -> SocketAddr {
        match self.ip {
            IpAddr::V6(ip) if ip.is_unicast_link_local() => {
                let scope = self.index.unwrap_or_default();
                std::net::SocketAddrV6::new(ip, port, 0, scope).into()
            }
            ip => SocketAddr::new(ip, port),
        }
    }

    /// The address our packets to the gateway come from; `None` when there is no way to it.
    #[must_use]
    pub fn local_ip(&self) -> Option<IpAddr> {
        source(self.socket(9))
    }
}

/// The source address of our packets to `remote`. Nothing is sent.
pub(crate) fn source(remote: SocketAddr) -> Option<IpAddr> {
    let any: IpAddr = if remote.is_ipv4() {
        Ipv4Addr::UNSPECIFIED.into()
    } else {
        Ipv6Addr::UNSPECIFIED.into()
    };
    let socket = UdpSocket::bind((any, 0)).ok()?;
    socket.connect(remote).ok()?;
    let ip = socket.local_addr().ok()?.ip();
    (!ip.is_unspecified()).then_some(ip)
}

/// The IPv4 gateway, where the system tells.
#[must_use]
pub fn default_v4() -> Option<Gateway> {
    let (ip, interface) = first_v4(&table("/proc/net/route")?)?;
    Some(named(ip.into(), interface))
}

/// The IPv6 gateway, where the system tells.
#[must_use]
pub fn default_v6() -> Option<Gateway> {
    let (ip, interface) = first_v6(&table("/proc/net/ipv6_route")?)?;
    Some(named(ip.into(), interface))
}

fn named(ip: IpAddr, interface: String) -> Gateway {
    let interfaces = if_addrs::get_if_addrs().unwrap_or_default();
    let index = interfaces
        .iter()
        .find(|one| one.name == interface)
        .and_then(|one| one.index);
    Gateway {
        ip,
        interface,
        index,
    }
}

fn table(path: &str) -> Option<String> {
    let mut text = String::new();
    let file = File::open(path).ok()?;
    file.take(TABLE).read_to_string(&mut text).ok()?;
    Some(text)
}

/// The default route with the least metric. A line: interface, destination, gateway, flags,
/// references, uses, metric, mask, …; addresses as numbers of the machine's byte order, in hex.
fn first_v4(table: &str) -> Option<(Ipv4Addr, String)> {
    let route = |line: &str| {
        let mut fields = line.split_ascii_whitespace();
        let interface = fields.next()?;
        let destination = hex(fields.next()?)?;
        let gateway = hex(fields.next()?)?;
        let flags = hex(fields.next()?)?;
        let metric: u32 = fields.nth(2)?.parse().ok()?;
        let mask = hex(fields.next()?)?;
        let usable = flags & (UP | VIA_GATEWAY) == UP | VIA_GATEWAY;
        let gateway = Ipv4Addr::from(gateway.to_ne_bytes());
        (usable && destination == 0 && mask == 0 && !gateway.is_unspecified())
            .then(|| (metric, gateway, interface.to_owned()))
    };
    let best = table
        .lines()
        .filter_map(route)
        .min_by_key(|route| route.0)?;
    Some((best.1, best.2))
}

/// As [`first_v4`]. A line: destination, its length, source, its length, next hop, metric,
/// references, uses, flags, interface; all in hex, addresses in network order.
fn first_v6(table: &str) -> Option<(Ipv6Addr, String)> {
    let route = |line: &str| {
        let mut fields = line.split_ascii_whitespace();
        let destination = u128::from_str_radix(fields.next()?, 16).ok()?;
        let length = hex(fields.next()?)?;
        let gateway = fields.nth(2)?;
        let gateway = Ipv6Addr::from(u128::from_str_radix(gateway, 16).ok()?);
        let metric = hex(fields.next()?)?;
        let flags = hex(fields.nth(2)?)?;
        let interface = fields.next()?;
        let usable = flags & (UP | VIA_GATEWAY) == UP | VIA_GATEWAY;
        (usable && destination == 0 && length == 0 && !gateway.is_unspecified())
            .then(|| (metric, gateway, interface.to_owned()))
    };
    let best = table
        .lines()
        .filter_map(route)
        .min_by_key(|route| route.0)?;
    Some((best.1, best.2))
}

fn hex(field: &str) -> Option<u32> {
    u32::from_str_radix(field, 16).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed assumption fails the test")]

    use super::*;

    const HEADER: &str =
        "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT";

    fn number(ip: [u8; 4]) -> String {
        format!("{:08X}", u32::from_ne_bytes(ip))
    }

    #[test]
    fn of_several_default_routes_the_one_with_the_least_metric_is_taken() {
        let wlan = number([192, 168, 7, 1]);
        let cable = number([10, 0, 0, 138]);
        let net = number([10, 0, 0, 0]);
        let table = format!(
            "{HEADER}\n\
             wlan0\t00000000\t{wlan}\t0003\t0\t0\t600\t00000000\t0\t0\t0\n\
             eth0\t00000000\t{cable}\t0003\t0\t0\t100\t00000000\t0\t0\t0\n\
             eth0\t{net}\t00000000\t0001\t0\t0\t0\t000000FF\t0\t0\t0\n"
        );
        let (ip, interface) = first_v4(&table).unwrap();
        assert_eq!(ip, Ipv4Addr::new(10, 0, 0, 138));
        assert_eq!(interface, "eth0");
    }

    #[test]
    fn a_route_that_is_down_or_without_gateway_is_none() {
        let gateway = number([10, 0, 0, 1]);
        for (gateway, flags) in [(gateway.as_str(), "0002"), ("00000000", "0001")] {
            let table =
                format!("{HEADER}\neth0\t00000000\t{gateway}\t{flags}\t0\t0\t0\t00000000\t0\t0\t0");
            assert_eq!(first_v4(&table), None);
        }
    }

    #[test]
    fn the_default_route_of_ipv6_is_found() {
        let zero = "0".repeat(32);
        let hop = "fe800000000000000000000000000001";
        let table = format!(
            "{zero} 00 {zero} 00 {zero} ffffffff 00000001 00000000 00200200       lo\n\
             20010db8000000000000000000000000 40 {zero} 00 {zero} 00000100 00000001 00000000 00000001     eth0\n\
             {zero} 00 {zero} 00 {hop} 00000400 00000002 00000000 00000003     eth0\n"
        );
        let (ip, interface) = first_v6(&table).unwrap();
        assert_eq!(ip, "fe80::1".parse::<Ipv6Addr>().unwrap());
        assert_eq!(interface, "eth0");
    }

    #[test]
    fn other_text_is_no_route() {
        for text in ["", "\n\n", HEADER, "eth0 zz zz", "a b c d e f g h i j k"] {
            assert_eq!(first_v4(text), None);
            assert_eq!(first_v6(text), None);
        }
    }

    #[test]
    fn the_source_of_packets_to_ourselves_is_ourselves() {
        let ip = source("127.0.0.1:9".parse().unwrap()).unwrap();
        assert!(ip.is_loopback());
    }
}
