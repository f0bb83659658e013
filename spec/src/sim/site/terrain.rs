//! Building a profile into a network.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::profile::Profile;
use crate::sim::nat::{Behaviour, Filtering};
use crate::sim::net::{BoxId, HostId, InterfaceId, Net, Quality, RealmId};
use crate::sim::rng::Rng;

/// A node's place in the network.
#[derive(Clone, Debug)]
pub struct Place {
    /// The node.
    pub host: HostId,
    /// Its one interface.
    pub interface: InterfaceId,
    /// The realm it is in.
    pub realm: RealmId,
    /// The IPv4 boxes in front of it, from the node outwards.
    pub boxes: Vec<BoxId>,
    /// The IPv6 firewall in front of it.
    pub firewall: Option<BoxId>,
    /// Its addresses.
    pub addresses: Vec<IpAddr>,
}

/// A network that a node could be in.
#[derive(Clone, Debug)]
pub struct Home {
    /// The realm a node would be in.
    pub realm: RealmId,
    /// The IPv4 boxes in front of it, from the inside outwards.
    pub boxes: Vec<BoxId>,
    /// The IPv6 firewall in front of it.
    pub firewall: Option<BoxId>,
    /// The addresses a node would have.
    pub addresses: Vec<IpAddr>,
}

/// Gives out addresses while a network is built. Public ones are taken from blocks that are
/// assigned on the real internet, as code that tells scopes apart does not believe the blocks for
/// documentation to be public.
#[derive(Debug)]
pub struct Terrain {
    rng: Rng,
    sites: u8,
}

impl Terrain {
    /// Nothing given out yet.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            rng: Rng::new(seed, "terrain", 0),
            sites: 0,
        }
    }

    /// A host of the internet's with `many` IPv4 and IPv6 addresses.
    pub fn server(&mut self, net: &mut Net, many: u8, quality: Quality) -> Place {
        let site = self.site();
        let addresses = (1..=many)
            .map(|last| public_v4(site, last))
            .chain((1..=many).map(|last| public_v6(site, last)))
            .collect();
        self.inside(net, Net::INTERNET, addresses, quality)
    }

    /// A node behind what its profile says; `quality` is that of the outermost link.
    pub fn node(&mut self, net: &mut Net, profile: Profile, quality: Quality) -> Place {
        let home = self.home(net, profile, quality);
        let own = if home.boxes.is_empty() {
            quality
        } else {
            Quality::IDEAL
        };
        let mut place = self.inside(net, home.realm, home.addresses, own);
        (place.boxes, place.firewall) = (home.boxes, home.firewall);
        place
    }

    /// What a profile says, with addresses for a node in it, and no node.
    pub fn home(&mut self, net: &mut Net, profile: Profile, quality: Quality) -> Home {
        let site = self.site();
        let mut realm = Net::INTERNET;
        let mut boxes = Vec::new();
        for (depth, behaviour) in (0..).zip(profile.boxes().into_iter().rev()) {
            let outside = match depth {
                0 => public_v4(site, 1),
                // RFC 6598: addresses between a carrier and its customers.
                _ => IpAddr::V4(Ipv4Addr::new(100, 64, self.byte(), self.byte())),
            };
            let quality = if depth == 0 { quality } else { Quality::IDEAL };
            let inside = net.realm();
            boxes.push(net.middlebox((inside, realm), behaviour, vec![outside], quality));
            realm = inside;
        }
        boxes.reverse();
        let mut addresses = vec![match boxes.is_empty() {
            true => public_v4(site, 2),
            // Homes use few networks, so the two of a pair are at times in the same one.
            false => {
                let third = self.byte() % 2;
                IpAddr::V4(Ipv4Addr::new(192, 168, third, self.byte().clamp(2, 200)))
            }
        }];
        let mut firewall = None;
        if profile.has_ipv6() {
            addresses.push(public_v6(site, 2));
            if realm != Net::INTERNET {
                let behaviour = Behaviour::firewall(Filtering::AddressAndPortDependent);
                let ends = (realm, Net::INTERNET);
                firewall = Some(net.middlebox(ends, behaviour, Vec::new(), quality));
            }
        }
        Home {
            realm,
            boxes,
            firewall,
            addresses,
        }
    }

    fn inside(
        &mut self,
        net: &mut Net,
        realm: RealmId,
        addresses: Vec<IpAddr>,
        quality: Quality,
    ) -> Place {
        let host = net.host();
        let interface = net.interface(host, realm, addresses.clone(), quality);
        Place {
            host,
            interface,
            realm,
            boxes: Vec::new(),
            firewall: None,
            addresses,
        }
    }

    fn site(&mut self) -> u8 {
        self.sites += 1;
        self.sites
    }

    fn byte(&mut self) -> u8 {
        u8::try_from(self.rng.below(250)).unwrap_or_default() + 1
    }
}

fn public_v4(site: u8, last: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(20, site, 7, last))
}

fn public_v6(site: u8, last: u8) -> IpAddr {
    IpAddr::V6(Ipv6Addr::new(
        0x2a01,
        u16::from(site),
        0,
        0,
        0,
        0,
        0,
        u16::from(last),
    ))
}
