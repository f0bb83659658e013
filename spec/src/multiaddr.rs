//! Addresses put down by hand (`20-identity` §5).

use std::net::IpAddr;

use crate::actor::{Actor, PEER_PREFIX};
use crate::json::Json;
use crate::structure::{Part, counted};

/// An address in both forms.
#[derive(Clone, Debug, Default)]
pub struct Multiaddr {
    /// The text.
    pub text: String,
    /// The binary form.
    pub bytes: Vec<u8>,
}

impl Multiaddr {
    /// `/ip4|ip6/…/udp/…/quic-v1`.
    #[must_use]
    pub fn quic(ip: IpAddr, port: u16) -> Self {
        Self::default().ip(ip).udp(port).quic_v1()
    }

    /// `/ip4/…` or `/ip6/…`.
    #[must_use]
    pub fn ip(self, ip: IpAddr) -> Self {
        match ip {
            IpAddr::V4(ip) => self.add(&format!("/ip4/{ip}"), &[0x04], &ip.octets()),
            IpAddr::V6(ip) => self.add(&format!("/ip6/{ip}"), &[0x29], &ip.octets()),
        }
    }

    /// `/udp/…`.
    #[must_use]
    pub fn udp(self, port: u16) -> Self {
        self.add(&format!("/udp/{port}"), &[0x91, 0x02], &port.to_be_bytes())
    }

    /// `/quic-v1`.
    #[must_use]
    pub fn quic_v1(self) -> Self {
        self.add("/quic-v1", &[0xcd, 0x03], &[])
    }

    /// `/p2p/…`.
    #[must_use]
    pub fn p2p(self, peer: Actor) -> Self {
        let value = [&[38], PEER_PREFIX.as_slice(), &peer.public()].concat();
        self.add(&format!("/p2p/{}", peer.text()), &[0xa5, 0x03], &value)
    }

    /// `/p2p-circuit`.
    #[must_use]
    pub fn circuit(self) -> Self {
        self.add("/p2p-circuit", &[0xa2, 0x02], &[])
    }

    /// Any part.
    #[must_use]
    pub fn add(mut self, text: &str, code: &[u8], value: &[u8]) -> Self {
        self.text.push_str(text);
        self.bytes.extend_from_slice(code);
        self.bytes.extend_from_slice(value);
        self
    }

    /// A field of type `Address`.
    #[must_use]
    pub fn part(&self) -> Part {
        Part {
            bytes: counted(&self.bytes),
            json: Json::from(self.text.as_str()),
        }
    }
}
