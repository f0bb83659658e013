//! A node's record: written for ourselves, checked for others.

use std::net::{IpAddr, SocketAddr};

use dchat_wire::hello::VERSION;
use dchat_wire::{Address, PeerId};
use mdns_sd::{ResolvedService, ScopedIp, ServiceInfo};

use super::table::Record;
use crate::dial::usable;
use crate::limits::DIAL_ADDRESSES;

/// The service type.
pub(super) const SERVICE: &str = "_dchat._udp.local.";
/// TXT key of the protocol version.
const VERSION_KEY: &str = "v";
/// TXT key of the instance.
const INSTANCE_KEY: &str = "i";

/// Our record, or `None` while there is no address to put into it. A record has one port: that of
/// most addresses.
pub(super) fn ours(
    peer: &PeerId,
    instance: &[u8; 16],
    addrs: &[Address],
) -> Result<Option<ServiceInfo>, mdns_sd::Error> {
    let own = |addr: &Address| match addr {
        Address::Direct { socket, .. } => Some(*socket),
        // Whoever hears this can do without a relay.
        Address::Circuit { .. } => None,
    };
    let sockets: Vec<SocketAddr> = addrs.iter().filter_map(own).collect();
    let shared_by = |port: u16| {
        sockets
            .iter()
            .filter(|socket| socket.port() == port)
            .count()
    };
    let Some(port) = sockets
        .iter()
        .map(SocketAddr::port)
        .max_by_key(|port| shared_by(*port))
    else {
        return Ok(None);
    };
    let ips: Vec<IpAddr> = sockets
        .iter()
        .filter(|socket| socket.port() == port)
        .map(SocketAddr::ip)
        .collect();
    let name = peer.to_string();
    let host = format!("{name}.local.");
    let txt = [
        (VERSION_KEY, VERSION.to_string()),
        (INSTANCE_KEY, hex(instance)),
    ];
    let mut info = ServiceInfo::new(SERVICE, &name, &host, &ips[..], port, &txt[..])?;
    // The name is a public key: whoever else claims it is a liar or a copy, and yielding to either
    // would give up the name.
    info.set_requires_probe(false);
    Ok(Some(info))
}

/// Another node's record; `None` for what is not one, speaks no version of ours, or is our own.
pub(super) fn theirs(us: &PeerId, service: &ResolvedService) -> Option<Record> {
    let name = service.get_fullname();
    let peer: PeerId = name
        .strip_suffix(SERVICE)?
        .strip_suffix('.')?
        .parse()
        .ok()?;
    let version: u16 = service.get_property_val_str(VERSION_KEY)?.parse().ok()?;
    if peer == *us || version != VERSION {
        return None;
    }
    let port = service.get_port();
    let mut addrs: Vec<SocketAddr> = service
        .get_addresses()
        .iter()
        .map(|ip| SocketAddr::new(plain(ip), port))
        .filter(|addr| !is_v6_link_local(addr.ip()))
        .filter_map(|addr| usable(&addr))
        .collect();
    // Others first: a loopback address is ours as well as the peer's.
    addrs.sort_unstable_by_key(|addr| (addr.ip().is_loopback(), *addr));
    addrs.truncate(DIAL_ADDRESSES);
    if addrs.is_empty() {
        return None;
    }
    Some(Record {
        name: name.to_owned(),
        peer,
        addrs,
        instance: service.get_property_val_str(INSTANCE_KEY).and_then(unhex),
    })
}

fn plain(ip: &ScopedIp) -> IpAddr {
    ip.to_ip_addr()
}

fn is_v6_link_local(ip: IpAddr) -> bool {
    matches!(ip, IpAddr::V6(ip) if ip.is_unicast_link_local())
}

fn hex(bytes: &[u8; 16]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<[u8; 16]> {
    let mut bytes = [0; 16];
    if text.len() != 32 || !text.is_ascii() {
        return None;
    }
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * at..2 * at + 2)?, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed assumption fails the test")]

    use dchat_wire::sign::Identity;

    use super::*;

    fn peer(seed: u8) -> PeerId {
        Identity::from_seed(&[seed; 32]).peer_id()
    }

    fn address(text: &str) -> Address {
        Address::direct(text.parse().unwrap())
    }

    fn resolved(addrs: &[&str]) -> ResolvedService {
        let addrs: Vec<Address> = addrs.iter().map(|text| address(text)).collect();
        let info = ours(&peer(1), &[0xa5; 16], &addrs).unwrap().unwrap();
        info.as_resolved_service()
    }

    #[test]
    fn what_one_writes_another_reads() {
        let service = resolved(&["192.0.2.1:4001", "[2001:db8::1]:4001"]);
        let record = theirs(&peer(2), &service).unwrap();
        assert_eq!(record.peer, peer(1));
        assert_eq!(record.instance, Some([0xa5; 16]));
        let mut addrs = record.addrs;
        addrs.sort_unstable();
        let expected: Vec<SocketAddr> = ["192.0.2.1:4001", "[2001:db8::1]:4001"]
            .map(|text| text.parse().unwrap())
            .into();
        assert_eq!(addrs, expected);
    }

    #[test]
    fn the_port_of_most_addresses_is_written() {
        let service = resolved(&["192.0.2.1:1", "192.0.2.2:2", "192.0.2.3:2"]);
        assert_eq!(service.get_port(), 2);
        assert_eq!(service.get_addresses().len(), 2);
    }

    #[test]
    fn our_own_record_and_those_that_name_no_peer_are_not_read() {
        assert_eq!(theirs(&peer(1), &resolved(&["192.0.2.1:1"])), None);
        let mut named = resolved(&["192.0.2.1:1"]);
        named.fullname = format!("printer.{SERVICE}");
        assert_eq!(theirs(&peer(2), &named), None);
        let lower = resolved(&["192.0.2.1:1"]);
        named.fullname = lower.fullname.to_lowercase();
        assert_eq!(theirs(&peer(2), &named), None);
    }

    #[test]
    fn addresses_that_lead_nowhere_are_left_out() {
        let service = resolved(&["192.0.2.1:0"]);
        assert_eq!(theirs(&peer(2), &service), None);
        let service = resolved(&["[fe80::1]:7", "224.0.0.251:7"]);
        assert_eq!(theirs(&peer(2), &service), None);
    }
}
