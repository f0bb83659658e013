//! The places where a peer may be, by name, and how they are built.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::atomic::{AtomicU8, Ordering};

use super::gateway::{Gateway, KERNEL_LIFETIME, Nat, Uplink};
use super::internet::Internet;
use super::link::Conditions;
use super::service::Service;
use super::translator::{Allocation, Behaviour, Dependence};
use crate::support::namespace::Host;

use Dependence::{Address, AddressAndPort, Endpoint};

/// Number of the peer in its LAN. The LANs of all peers look alike, as they do in the world.
const PEER: u8 = 10;
/// The block of a NAT that gives each subscriber one (RFC 7753 speaks of such NATs): 256 ports.
const BLOCK: Nat = Nat::PortBlock {
    first: 30_208,
    last: 30_463,
};

static NEXT: AtomicU8 = AtomicU8::new(10);

/// A place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// On the internet itself, in both families.
    Public,
    /// IPv6 behind a stateful firewall, and for IPv4 a NAT.
    V6Firewall(Nat),
    /// Behind a NAT.
    Nat(Nat),
    /// Behind a home router behind the NAT of the provider.
    Double {
        /// The provider's.
        outer: Nat,
        /// The home router's.
        inner: Nat,
    },
    /// Behind a NAT that lets no UDP through.
    UdpCut,
    /// Behind a NAT that keeps ports and opens them on request, by UPnP, NAT-PMP and PCP.
    PortMapping,
}

const fn emulated(mapping: Dependence, filtering: Dependence) -> Profile {
    Profile::Nat(Nat::Emulated(Behaviour::new(mapping, filtering)))
}

const fn symmetric(allocation: Allocation) -> Profile {
    let behaviour = Behaviour::new(AddressAndPort, AddressAndPort);
    Profile::Nat(Nat::Emulated(behaviour.allocating(allocation)))
}

/// Every place that has a name.
pub const PROFILES: [(&str, Profile); 20] = [
    ("public", Profile::Public),
    ("v6-firewall", Profile::V6Firewall(Nat::Masquerade)),
    ("ei-ei", emulated(Endpoint, Endpoint)),
    ("ei-ad", emulated(Endpoint, Address)),
    ("ei-apd", emulated(Endpoint, AddressAndPort)),
    ("ad-ei", emulated(Address, Endpoint)),
    ("ad-ad", emulated(Address, Address)),
    ("ad-apd", emulated(Address, AddressAndPort)),
    ("apd-ei", emulated(AddressAndPort, Endpoint)),
    ("apd-ad", emulated(AddressAndPort, Address)),
    ("apd-apd", emulated(AddressAndPort, AddressAndPort)),
    ("sequential", symmetric(Allocation::Sequential(1))),
    ("port-block", symmetric(Allocation::Block(256))),
    ("masquerade", Profile::Nat(Nat::Masquerade)),
    ("kernel-random", Profile::Nat(Nat::Random)),
    ("kernel-block", Profile::Nat(BLOCK)),
    (
        "double-nat",
        Profile::Double {
            outer: Nat::Emulated(
                Behaviour::new(Endpoint, AddressAndPort).allocating(Allocation::Random),
            ),
            inner: Nat::Masquerade,
        },
    ),
    (
        "double-kernel-random",
        Profile::Double {
            outer: Nat::Random,
            inner: Nat::Masquerade,
        },
    ),
    ("udp-cut", Profile::UdpCut),
    ("port-mapping", Profile::PortMapping),
];

impl Profile {
    /// The place of this name.
    pub fn named(name: &str) -> Self {
        let found = PROFILES.iter().find(|(known, _)| *known == name);
        found
            .unwrap_or_else(|| panic!("no profile is called {name}"))
            .1
    }

    /// Whether it leads to the internet by IPv6.
    pub fn has_v6(self) -> bool {
        matches!(self, Self::Public | Self::V6Firewall(_))
    }

    /// What the IPv4 NATs on the way from the peer do together; `None` where there is none.
    pub fn behaviour(self) -> Option<Behaviour> {
        match self {
            Self::Public => None,
            Self::V6Firewall(nat) | Self::Nat(nat) => Some(behaviour(nat)),
            Self::Double { outer, inner } => Some(chained(behaviour(outer), behaviour(inner))),
            Self::UdpCut | Self::PortMapping => Some(behaviour(Nat::Masquerade)),
        }
    }
}

/// Two NATs in a row depend on whatever either depends on. Ports are those of the outer one.
fn chained(outer: Behaviour, inner: Behaviour) -> Behaviour {
    Behaviour {
        mapping: outer.mapping.max(inner.mapping),
        filtering: outer.filtering.max(inner.filtering),
        allocation: match (outer.allocation, inner.allocation) {
            (Allocation::Preserving, inner) => inner,
            (outer, _) => outer,
        },
        hairpin: outer.hairpin && inner.hairpin,
        lifetime: outer.lifetime.min(inner.lifetime),
    }
}

/// What a NAT does, in the terms of the emulated one.
pub fn behaviour(nat: Nat) -> Behaviour {
    let kernel = |mapping, allocation| Behaviour {
        allocation,
        lifetime: KERNEL_LIFETIME,
        ..Behaviour::new(mapping, AddressAndPort)
    };
    match nat {
        Nat::Emulated(behaviour) => behaviour,
        Nat::Masquerade => kernel(Endpoint, Allocation::Preserving),
        Nat::Random => kernel(AddressAndPort, Allocation::Random),
        Nat::PortBlock { first, last } => {
            kernel(AddressAndPort, Allocation::Block(last - first + 1))
        }
    }
}

/// The routers of a place, the outermost first.
#[derive(Debug)]
pub struct Site {
    /// What opens ports here.
    port_mapper: Option<Service>,
    /// Empty on the internet itself.
    pub gateways: Vec<Gateway>,
    /// Its address on the internet.
    pub public: Ipv4Addr,
}

impl Site {
    /// Builds a place with clean lines and a host in it.
    pub fn build(internet: &Internet, profile: Profile) -> Option<(Host, Self)> {
        let host = Host::new()?;
        let site = Self::around(internet, profile, &host, Conditions::default())?;
        Some((host, site))
    }

    /// Builds a place around a host that has no cable. Only emulated NATs have a line.
    pub fn around(
        internet: &Internet,
        profile: Profile,
        host: &Host,
        line: Conditions,
    ) -> Option<Self> {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let public = match profile {
            // miniupnpd works behind no address that is reserved. This one leads nowhere else
            // from inside the laboratory.
            Profile::PortMapping => Ipv4Addr::new(45, 0, 113, number),
            _ => Ipv4Addr::new(203, 0, 113, number),
        };
        let prefix = Ipv6Addr::new(0x2001, 0xdb8, 0x100 + u16::from(number), 0, 0, 0, 0, 0);
        let uplink = |nat: Nat, address, prefix| Uplink {
            address,
            prefix,
            line: match nat {
                Nat::Emulated(_) => line,
                _ => Conditions::default(),
            },
        };
        let mut gateways = Vec::new();
        match profile {
            Profile::Public => {
                let v6 = Ipv6Addr::from(u128::from(prefix) | 1);
                internet
                    .router
                    .attach(host, "eth0", &[public.into(), v6.into()]);
            }
            Profile::V6Firewall(nat) => {
                let uplink = uplink(nat, public, Some(prefix));
                gateways.push(Gateway::new(&internet.router, nat, uplink)?);
            }
            Profile::Nat(nat) => {
                gateways.push(Gateway::new(
                    &internet.router,
                    nat,
                    uplink(nat, public, None),
                )?);
            }
            Profile::UdpCut | Profile::PortMapping => {
                let nat = Nat::Masquerade;
                gateways.push(Gateway::new(
                    &internet.router,
                    nat,
                    uplink(nat, public, None),
                )?);
                if profile == Profile::UdpCut {
                    gateways[0].cut_udp();
                }
            }
            Profile::Double { outer, inner } => {
                let provider = Gateway::new(&internet.router, outer, uplink(outer, public, None))?;
                // Of the shared address space (RFC 6598).
                let shared = Ipv4Addr::new(100, 64, 0, 2);
                let home = Gateway::new(&provider.router, inner, uplink(inner, shared, None))?;
                gateways.extend([provider, home]);
            }
        }
        let mapping = profile == Profile::PortMapping;
        let site = Self {
            port_mapper: mapping.then(|| Service::port_mapper(&gateways[0])),
            gateways,
            public,
        };
        site.plug(host);
        internet.router.host.wait_until_up();
        Some(site)
    }

    /// Plugs a host without a cable in, where the place is not the internet itself.
    pub fn plug(&self, host: &Host) {
        if let Some(home) = self.gateways.last() {
            home.plug(host, PEER);
        }
        host.wait_until_up();
        for gateway in &self.gateways {
            gateway.router.host.wait_until_up();
        }
    }

    /// Makes the line to the internet one of this MTU.
    pub fn narrow(&self, internet: &Internet, mtu: u16) {
        internet.router.narrow(self.public, mtu);
        self.outermost().narrow(mtu);
    }

    /// Plugs a second host in, which has no routers of its own.
    pub fn share(&self, host: &Host) -> Self {
        let home = self.gateways.last().expect("there is a LAN here");
        home.plug(host, PEER + 1);
        host.wait_until_up();
        home.router.host.wait_until_up();
        Self {
            port_mapper: None,
            gateways: Vec::new(),
            public: self.public,
        }
    }

    /// The router that the provider runs, or the only one.
    pub fn outermost(&self) -> &Gateway {
        self.gateways.first().expect("there is a router here")
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        // A device of an inner router is in the namespace of an outer one.
        while self.gateways.pop().is_some() {}
    }
}
