//! Hosts and their interfaces.

use std::net::IpAddr;

use super::link::Link;
use super::realm::RealmId;
use crate::sim::time::Time;

/// A host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct HostId(pub(super) usize);

impl HostId {
    /// A dense number from 0, in the order in which hosts were made.
    #[must_use]
    pub fn index(self) -> usize {
        self.0
    }
}

/// An interface of one host, by its place among them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct InterfaceId(pub(super) usize);

/// The host has no way to send that: no interface that is up with such a source address, of that
/// family. What an operating system reports as an unreachable network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the host has no route to that address; bring an interface of that family up")]
pub struct Unroutable;

#[derive(Clone, Debug)]
pub(super) struct Interface {
    pub(super) realm: RealmId,
    pub(super) addresses: Vec<IpAddr>,
    pub(super) link: Link,
    pub(super) up: bool,
}

impl Interface {
    /// The address a packet to `dst` leaves from.
    pub(super) fn source(&self, wanted: Option<IpAddr>, dst: IpAddr) -> Option<IpAddr> {
        let usable = |ip: &&IpAddr| {
            ip.is_ipv4() == dst.is_ipv4() && wanted.is_none_or(|wanted| wanted == **ip)
        };
        self.addresses
            .iter()
            .filter(|_| self.up)
            .find(usable)
            .copied()
    }
}

#[derive(Clone, Debug, Default)]
pub(super) struct Host {
    pub(super) interfaces: Vec<Interface>,
    pub(super) dead: bool,
    /// The timer that counts; earlier ones that were replaced ring in vain.
    pub(super) wake: Option<Time>,
}

impl Host {
    pub(super) fn has(&self, ip: IpAddr) -> bool {
        let mut up = self.interfaces.iter().filter(|interface| interface.up);
        ip.is_loopback() || up.any(|interface| interface.addresses.contains(&ip))
    }
}
