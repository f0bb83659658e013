//! Where others can reach this node, as its address record tells everybody.
//!
//! An address is told when it is of use to whoever reads it: one at which strangers reached us, one
//! that the operator of a serving node vouches for, or one of our own at which a peer saw us, unless
//! that is a private one and the network is not. Behind a NAT that leaves the circuits over relays:
//! the addresses that hole punching needs go to contacts, not to everybody.

use std::net::SocketAddr;

use dchat_nat::scope::{Scope, is_global, scope};
use dchat_wire::dht::Socket;
use dchat_wire::{Address, limits};

/// Circuits that keep their places in the record: one for each relay that holds a reservation, and
/// as many for those that take their place.
const CIRCUITS: usize = 4;

/// What is known of this node's place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    /// Own addresses and those of relays that hold a reservation.
    pub(super) listening: Vec<Address>,
    /// Where strangers reached us.
    pub(super) reached: Option<SocketAddr>,
    /// Strangers tried to reach us, and could not.
    pub(super) unreached: bool,
    /// Where a peer saw us, if that is an address of our own.
    pub(super) seen: Option<SocketAddr>,
    /// Whether the network is a private one.
    pub(super) private: bool,
    /// Whether whoever runs this node says that it can be reached.
    pub(super) vouched: bool,
}

impl Place {
    /// Whether others reach us without a relay, as far as is known.
    pub(super) fn is_reachable(&self) -> bool {
        self.reached.is_some() || self.vouched || (self.private && self.seen.is_some())
    }

    /// Our own addresses at which others may reach us, the best first.
    pub(super) fn direct(&self) -> Vec<SocketAddr> {
        let own = || self.listening.iter().filter_map(direct);
        let global = || own().filter(|own| is_global(own.ip()));
        let mut reachable: Vec<SocketAddr> = self.reached.into_iter().collect();
        // No NAT stands before an address at which others see us; a firewall may.
        let open = self.seen.is_some_and(|seen| is_global(seen.ip())) && !self.unreached;
        if self.reached.is_some() || self.vouched || open {
            reachable.extend(global());
        }
        if self.private
            && let Some(seen) = self.seen
        {
            reachable.push(seen);
        }
        if (self.private && self.seen.is_some()) || (self.vouched && reachable.is_empty()) {
            reachable.extend(own().filter(|own| scope(own.ip()) != Scope::Link));
        }
        let mut unique: Vec<SocketAddr> = Vec::new();
        for socket in reachable {
            if !unique.contains(&socket) {
                unique.push(socket);
            }
        }
        unique
    }

    /// The addresses of the record, without our PeerId.
    pub(super) fn addresses(&self) -> Vec<Address> {
        let circuits = self.listening.iter().filter_map(|address| match *address {
            Address::Circuit { socket, relay, .. } => Some(Address::Circuit {
                socket,
                relay,
                peer: None,
            }),
            Address::Direct { .. } => None,
        });
        let circuits: Vec<Address> = circuits.take(CIRCUITS).collect();
        let direct = self.direct().into_iter().map(Address::direct);
        let room = limits::ADDRESSES - circuits.len();
        direct.take(room).chain(circuits).collect()
    }

    /// Where a relay or whoever offers a service is, as an advert has it: one address of each family.
    pub(super) fn sockets(&self) -> Option<(Socket, Option<Socket>)> {
        let mut reachable = self.direct().into_iter();
        let first = reachable.next()?;
        let other = reachable.find(|other| other.is_ipv4() != first.is_ipv4());
        Some((
            Socket::new(first).ok()?,
            other.and_then(|other| Socket::new(other).ok()),
        ))
    }
}

fn direct(address: &Address) -> Option<SocketAddr> {
    match address {
        Address::Direct { socket, .. } => Some(*socket),
        Address::Circuit { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed expectation is a failed test")]
    use dchat_wire::sign::Identity;

    use super::*;

    fn socket(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    fn circuit() -> Address {
        Address::Circuit {
            socket: socket("198.51.100.1:4001"),
            relay: Identity::from_seed(&[1; 32]).peer_id(),
            peer: None,
        }
    }

    fn at(own: &[&str]) -> Place {
        let own = own.iter().map(|own| Address::direct(socket(own)));
        Place {
            listening: own.chain([circuit()]).collect(),
            ..Place::default()
        }
    }

    #[test]
    fn behind_a_nat_only_circuits_are_told() {
        let place = Place {
            // By a neighbour in the same LAN.
            seen: Some(socket("192.168.1.2:4001")),
            ..at(&["192.168.1.2:4001"])
        };
        assert_eq!(place.addresses(), [circuit()]);
        assert!(!place.is_reachable());
    }

    #[test]
    fn where_strangers_reached_us_is_told() {
        let place = Place {
            reached: Some(socket("203.0.113.7:4001")),
            ..at(&["192.168.1.2:4001", "[2001:db8::2]:4001"])
        };
        let told = [
            Address::direct(socket("203.0.113.7:4001")),
            Address::direct(socket("[2001:db8::2]:4001")),
            circuit(),
        ];
        assert_eq!(place.addresses(), told);
        let (first, other) = place.sockets().unwrap();
        assert_eq!(first.addr(), socket("203.0.113.7:4001"));
        assert_eq!(other.map(Socket::addr), Some(socket("[2001:db8::2]:4001")));
    }

    #[test]
    fn a_private_network_tells_private_addresses_once_a_peer_saw_one() {
        let place = Place {
            private: true,
            ..at(&["10.0.0.2:4001", "203.0.113.7:4001"])
        };
        assert_eq!(place.addresses(), [circuit()]);
        let place = Place {
            seen: Some(socket("127.0.0.1:4001")),
            ..place
        };
        let told = ["127.0.0.1:4001", "10.0.0.2:4001", "203.0.113.7:4001"];
        assert_eq!(place.direct(), told.map(socket));
        assert!(place.is_reachable());
    }

    #[test]
    fn an_address_of_the_world_at_which_a_peer_saw_us_is_told_unless_strangers_failed() {
        let place = Place {
            seen: Some(socket("203.0.113.7:4001")),
            ..at(&["203.0.113.7:4001", "10.0.0.2:4001"])
        };
        assert_eq!(place.direct(), [socket("203.0.113.7:4001")]);
        assert!(!place.is_reachable(), "a firewall may be in the way");
        let place = Place {
            unreached: true,
            ..place
        };
        assert!(place.direct().is_empty());
    }

    #[test]
    fn who_runs_a_serving_node_vouches_for_its_address() {
        let place = Place {
            vouched: true,
            ..at(&["10.0.0.1:4001", "203.0.113.7:4001"])
        };
        assert_eq!(place.direct(), [socket("203.0.113.7:4001")]);
        let place = Place {
            vouched: true,
            ..at(&["10.0.0.1:4001"])
        };
        assert_eq!(place.direct(), [socket("10.0.0.1:4001")]);
    }

    #[test]
    fn circuits_keep_their_places_among_many_addresses() {
        let many: Vec<String> = (1..=30).map(|n| format!("203.0.113.{n}:4001")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        let place = Place {
            vouched: true,
            ..at(&many)
        };
        let told = place.addresses();
        assert_eq!(told.len(), limits::ADDRESSES);
        assert_eq!(told.last(), Some(&circuit()));
    }
}
