//! An ordinary STUN server with two addresses and two ports (RFC 5780), written from the RFCs and
//! not with the codec it serves to test.

use std::net::{IpAddr, SocketAddr};

use bytes::{BufMut, Bytes, BytesMut};

use crate::sim::net::{HostId, Net, Packet};

/// Its usual port (RFC 8489 §18.6) and the other one.
const PORTS: [u16; 2] = [3478, 3479];
const MAGIC: u32 = 0x2112_a442;
const BINDING_REQUEST: u16 = 0x0001;
const BINDING_SUCCESS: u16 = 0x0101;
const CHANGE_REQUEST: u16 = 0x0003;
const XOR_MAPPED_ADDRESS: u16 = 0x0020;
const RESPONSE_ORIGIN: u16 = 0x802b;
const OTHER_ADDRESS: u16 = 0x802c;
const CHANGE_IP: u32 = 4;
const CHANGE_PORT: u32 = 2;

/// A STUN server.
#[derive(Clone, Copy, Debug)]
pub struct StunServer {
    host: HostId,
}

impl StunServer {
    /// On a host with two addresses of each family it serves.
    #[must_use]
    pub fn new(host: HostId) -> Self {
        Self { host }
    }

    /// Answers a request; anything else is ignored.
    pub fn datagram(&self, net: &mut Net, packet: &Packet) {
        let family = |ip: &IpAddr| ip.is_ipv4() == packet.dst.is_ipv4();
        let own: Vec<IpAddr> = net
            .addresses(self.host)
            .into_iter()
            .filter(family)
            .collect();
        let (Some(request), [_, _]) = (Request::read(&packet.payload), own.as_slice()) else {
            return;
        };
        let (Some(ip), Some(port)) = (
            own.iter().find(|ip| **ip != packet.dst.ip()),
            PORTS.iter().find(|port| **port != packet.dst.port()),
        ) else {
            return;
        };
        let other = SocketAddr::new(*ip, *port);
        let from = SocketAddr::new(
            if request.change & CHANGE_IP == 0 {
                packet.dst.ip()
            } else {
                other.ip()
            },
            if request.change & CHANGE_PORT == 0 {
                packet.dst.port()
            } else {
                other.port()
            },
        );
        let answer = request.answer(packet.src, from, other);
        // It has both addresses, so this cannot fail while its link is up; else it is just silent.
        let _unroutable = net.send(
            self.host,
            (Some(from.ip()), from.port()),
            packet.src,
            answer,
        );
    }
}

struct Request {
    transaction: [u8; 12],
    change: u32,
}

impl Request {
    fn read(bytes: &[u8]) -> Option<Self> {
        let u16_at = |at: usize| Some(u16::from_be_bytes(bytes.get(at..at + 2)?.try_into().ok()?));
        let u32_at = |at: usize| Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
        if u16_at(0)? != BINDING_REQUEST || u32_at(4)? != MAGIC {
            return None;
        }
        let mut change = 0;
        let mut at = 20;
        while let (Some(kind), Some(len)) = (u16_at(at), u16_at(at + 2)) {
            if kind == CHANGE_REQUEST {
                change = u32_at(at + 4)?;
            }
            at += 4 + usize::from(len).next_multiple_of(4);
        }
        Some(Self {
            transaction: bytes.get(8..20)?.try_into().ok()?,
            change,
        })
    }

    fn answer(&self, seen: SocketAddr, from: SocketAddr, other: SocketAddr) -> Bytes {
        let mut attributes = BytesMut::new();
        self.put_address(&mut attributes, XOR_MAPPED_ADDRESS, seen, true);
        self.put_address(&mut attributes, RESPONSE_ORIGIN, from, false);
        self.put_address(&mut attributes, OTHER_ADDRESS, other, false);
        let mut out = BytesMut::with_capacity(20 + attributes.len());
        out.put_u16(BINDING_SUCCESS);
        out.put_u16(u16::try_from(attributes.len()).unwrap_or_default());
        out.put_u32(MAGIC);
        out.put_slice(&self.transaction);
        out.put_slice(&attributes);
        out.freeze()
    }

    fn put_address(&self, out: &mut BytesMut, kind: u16, addr: SocketAddr, xor: bool) {
        let mut mask = [0; 16];
        if xor {
            mask[..4].copy_from_slice(&MAGIC.to_be_bytes());
            mask[4..].copy_from_slice(&self.transaction);
        }
        let (family, octets) = match addr.ip() {
            IpAddr::V4(ip) => (1, ip.octets().to_vec()),
            IpAddr::V6(ip) => (2, ip.octets().to_vec()),
        };
        out.put_u16(kind);
        out.put_u16(u16::try_from(4 + octets.len()).unwrap_or_default());
        out.put_u8(0);
        out.put_u8(family);
        out.put_u16(addr.port() ^ u16::from_be_bytes([mask[0], mask[1]]));
        for (octet, mask) in octets.iter().zip(mask) {
            out.put_u8(octet ^ mask);
        }
    }
}
