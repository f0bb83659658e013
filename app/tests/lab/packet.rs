//! What a middlebox reads and rewrites of an IP packet.
//!
//! UDP, ICMP echo and the ICMP errors that quote either; everything else, and every fragment but
//! one that is a whole packet, is none of ours. Slices are whole IP packets. Checksums are always
//! made anew: the kernel of the other end checks them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4};

const ICMP: u8 = 1;
const UDP: u8 = 17;
const ICMPV6: u8 = 58;

/// What a port means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Transport {
    /// A port is a UDP port.
    Udp,
    /// The identifier of an echo stands for the port of who asked; the other's is 0.
    Echo,
}

/// From where to where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flow {
    /// What ports mean.
    pub transport: Transport,
    /// Who sent it.
    pub source: SocketAddr,
    /// For whom it is.
    pub destination: SocketAddr,
}

/// The flow of a packet, if it is UDP or an echo.
pub fn flow(packet: &[u8]) -> Option<Flow> {
    let (source, destination, protocol, payload) = dissect(packet)?;
    let (transport, from, to) = ports(protocol, payload)?;
    Some(Flow {
        transport,
        source: SocketAddr::new(source, from),
        destination: SocketAddr::new(destination, to),
    })
}

/// The flow of the packet which an ICMP error quotes.
pub fn quoted(packet: &[u8]) -> Option<Flow> {
    let (_, _, protocol, payload) = dissect(packet)?;
    let kind = *payload.first()?;
    let error = match protocol {
        ICMP => matches!(kind, 3 | 11 | 12),
        ICMPV6 => (1..=4).contains(&kind),
        _ => false,
    };
    if error { flow(payload.get(8..)?) } else { None }
}

/// An empty UDP packet.
pub fn udp(source: SocketAddrV4, destination: SocketAddrV4) -> Vec<u8> {
    let mut packet = vec![0; 28];
    packet[0] = 0x45;
    packet[3] = 28;
    packet[8] = 64;
    packet[9] = UDP;
    packet[25] = 8;
    set_source(&mut packet, source);
    set_destination(&mut packet, destination);
    packet
}

/// Gives a packet with a [`flow`] another IPv4 source.
pub fn set_source(packet: &mut [u8], source: SocketAddrV4) {
    write(packet, 12, source, Side::Source);
    seal(packet);
}

/// Gives a packet with a [`flow`] another IPv4 destination.
pub fn set_destination(packet: &mut [u8], destination: SocketAddrV4) {
    write(packet, 16, destination, Side::Destination);
    seal(packet);
}

/// Gives an ICMP error with a [`quoted`] flow another destination, which is also the source of
/// what it quotes.
pub fn set_quoted_source(packet: &mut [u8], source: SocketAddrV4) {
    let inner = header(packet) + 8;
    write(&mut packet[inner..], 12, source, Side::Source);
    packet[16..20].copy_from_slice(&source.ip().octets());
    seal(packet);
}

#[derive(Clone, Copy, PartialEq)]
enum Side {
    Source,
    Destination,
}

/// Addresses, protocol and payload of a packet that is no fragment.
fn dissect(packet: &[u8]) -> Option<(IpAddr, IpAddr, u8, &[u8])> {
    match packet.first()? >> 4 {
        4 => {
            let fragment = u16::from_be_bytes([*packet.get(6)?, *packet.get(7)?]) & 0x3fff;
            let octets = |at: usize| <[u8; 4]>::try_from(packet.get(at..at + 4)?).ok();
            (fragment == 0).then_some((
                IpAddr::from(Ipv4Addr::from(octets(12)?)),
                IpAddr::from(Ipv4Addr::from(octets(16)?)),
                *packet.get(9)?,
                packet.get(header(packet)..)?,
            ))
        }
        6 => {
            let octets = |at: usize| <[u8; 16]>::try_from(packet.get(at..at + 16)?).ok();
            Some((
                IpAddr::from(Ipv6Addr::from(octets(8)?)),
                IpAddr::from(Ipv6Addr::from(octets(24)?)),
                *packet.get(6)?,
                packet.get(40..)?,
            ))
        }
        _ => None,
    }
}

fn ports(protocol: u8, payload: &[u8]) -> Option<(Transport, u16, u16)> {
    let word = |at: usize| {
        Some(u16::from_be_bytes([
            *payload.get(at)?,
            *payload.get(at + 1)?,
        ]))
    };
    match (protocol, *payload.first()?) {
        (UDP, _) => Some((Transport::Udp, word(0)?, word(2)?)),
        (ICMP, 8) | (ICMPV6, 128) => Some((Transport::Echo, word(4)?, 0)),
        (ICMP, 0) | (ICMPV6, 129) => Some((Transport::Echo, 0, word(4)?)),
        _ => None,
    }
}

/// The length of an IPv4 header.
fn header(packet: &[u8]) -> usize {
    usize::from(packet[0] & 0x0f) * 4
}

fn write(packet: &mut [u8], address_at: usize, to: SocketAddrV4, side: Side) {
    packet[address_at..address_at + 4].copy_from_slice(&to.ip().octets());
    let (protocol, payload) = (packet[9], header(packet));
    let port_at = match (protocol, side) {
        (UDP, Side::Source) => payload,
        (UDP, Side::Destination) => payload + 2,
        _ => payload + 4,
    };
    packet[port_at..port_at + 2].copy_from_slice(&to.port().to_be_bytes());
}

/// Makes the checksums of an IPv4 packet right (RFC 1071).
fn seal(packet: &mut [u8]) {
    let start = header(packet);
    packet[10..12].fill(0);
    let sum = checksum(0, &packet[..start]);
    packet[10..12].copy_from_slice(&sum.to_be_bytes());
    let (at, pseudo) = match packet[9] {
        UDP => {
            let length = (packet.len() - start) as u32;
            (start + 6, add(u32::from(UDP) + length, &packet[12..20]))
        }
        _ => (start + 2, 0),
    };
    packet[at..at + 2].fill(0);
    let sum = match checksum(pseudo, &packet[start..]) {
        // RFC 768: zero would say that there is none.
        0 if packet[9] == UDP => u16::MAX,
        sum => sum,
    };
    packet[at..at + 2].copy_from_slice(&sum.to_be_bytes());
}

fn checksum(before: u32, bytes: &[u8]) -> u16 {
    let mut sum = add(before, bytes);
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

fn add(before: u32, bytes: &[u8]) -> u32 {
    bytes.chunks(2).fold(before, |sum, pair| {
        sum + u32::from(u16::from_be_bytes([
            pair[0],
            pair.get(1).copied().unwrap_or(0),
        ]))
    })
}
