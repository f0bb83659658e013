//! Where we stand: whether we have a public address, where others reach us, and whose addresses we
//! take.
//!
//! * State: our own sockets, what the NATs' survey and dial-back found out, and whether a peer sees
//!   us at an address of our own.
//! * Outputs: whether to serve, at which sockets, and which subnet an address counts for.
//! * Invariant: a node with a public address takes no private one: nobody else could reach it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use dchat_kademlia::Subnet;
use dchat_nat::scope::{Scope, is_global, scope};
use dchat_wire::dht::{Server, Socket};

use super::config::{DhtConfig, Serve};
use crate::nat::{NatStatus, Reachability};
use crate::path::canonical;

/// See the [module](self).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Standing {
    serve: Serve,
    exempt: bool,
    difficulty: u8,
    /// Whoever runs this node begins with private addresses alone: the network is a private one,
    /// whatever addresses this machine has besides.
    told_private: bool,
    /// Our interfaces' addresses, and the loopback ones.
    own: Vec<SocketAddr>,
    /// Where the world sees us, or will.
    outside: Vec<SocketAddr>,
    /// Where strangers reached us.
    reached: Option<SocketAddr>,
    /// Where a peer saw us, if that is an address of our own.
    seen: Option<SocketAddr>,
}

impl Standing {
    pub(super) fn new(config: &DhtConfig) -> Self {
        Self {
            serve: config.serve,
            exempt: config.exempt_private,
            difficulty: config.difficulty,
            told_private: !config.bootstrap.is_empty()
                && config
                    .bootstrap
                    .iter()
                    .all(|address| !is_global(address.socket().ip())),
            own: Vec::new(),
            outside: Vec::new(),
            reached: None,
            seen: None,
        }
    }

    /// What is known of us now.
    pub(super) fn update(&mut self, own: &[SocketAddr], nat: &NatStatus) {
        self.own = own.iter().map(|socket| canonical(*socket)).collect();
        for socket in own {
            let loopback: IpAddr = match socket {
                SocketAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
                SocketAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
            };
            let loopback = SocketAddr::new(loopback, socket.port());
            if !self.own.contains(&loopback) {
                self.own.push(loopback);
            }
        }
        let outside = [nat.reflexive(&[]), nat.mapped()].concat().into_iter();
        self.outside = outside
            .map(|candidate| candidate.address.socket())
            .filter(|socket| is_global(socket.ip()))
            .collect();
        self.reached = match nat.reachability {
            Reachability::Public(socket) => Some(socket),
            Reachability::Unknown | Reachability::Private => None,
        };
        if self.seen.is_some_and(|seen| !self.own.contains(&seen)) {
            self.seen = None;
        }
    }

    /// A peer we are connected to directly sees us there. Tells whether that is news.
    pub(super) fn observed(&mut self, at: SocketAddr) -> bool {
        let at = canonical(at);
        let news = self.own.contains(&at) && self.seen.is_none();
        if news {
            self.seen = Some(at);
        }
        news
    }

    /// Whether nothing of us is public, as far as is known, or the network is a private one all the
    /// same.
    pub(super) fn is_private(&self) -> bool {
        let own = || self.own.iter().any(|socket| is_global(socket.ip()));
        self.told_private || (self.reached.is_none() && self.outside.is_empty() && !own())
    }

    /// Where a peer saw us, if that is an address of our own.
    pub(super) fn seen(&self) -> Option<SocketAddr> {
        self.seen
    }

    /// Zero bits asked of a puzzle.
    pub(super) fn difficulty(&self) -> u8 {
        if self.exempt && self.is_private() {
            0
        } else {
            self.difficulty
        }
    }

    /// Whether we answer others.
    pub(super) fn serves(&self) -> bool {
        match self.serve {
            Serve::Never => false,
            Serve::Always => true,
            Serve::Auto => self.reached.is_some() || (self.is_private() && self.seen.is_some()),
        }
    }

    /// Whether packets could be sent there from here and, where we are public, by everybody.
    pub(super) fn takes(&self, ip: IpAddr) -> bool {
        match scope(ip) {
            Scope::Nobody => false,
            Scope::Global => true,
            Scope::Host | Scope::Link | Scope::Site => !self.exempt || self.is_private(),
        }
    }

    /// What the limits on subnets count an address for.
    pub(super) fn subnet(&self, ip: IpAddr) -> Subnet {
        if self.exempt && !is_global(ip) && self.is_private() {
            Subnet::EXEMPT
        } else {
            Subnet::of(ip)
        }
    }

    /// What we say of ourselves to a peer at `to` that sees us at `observed`: the address it sees, if
    /// it is ours, or else the best for its family.
    pub(super) fn claim(
        &self,
        nonce: u64,
        to: IpAddr,
        observed: Option<SocketAddr>,
    ) -> Option<Server> {
        let same = |socket: &SocketAddr| socket.is_ipv4() == to.to_canonical().is_ipv4();
        let observed = observed
            .map(canonical)
            .filter(|at| self.own.contains(at) || self.reached == Some(*at));
        let public = self.own.iter().filter(|socket| is_global(socket.ip()));
        let world: Vec<SocketAddr> = self.reached.iter().chain(public).copied().collect();
        let near = |socket: &&SocketAddr| socket.ip().is_loopback() == to.is_loopback();
        let near = || self.seen.iter().chain(&self.own).filter(near).copied();
        let far = || world.iter().chain(&self.outside).copied();
        let all = || {
            let near = near();
            // This machine is asked at its own address, and the world at one of the world.
            let first = near.clone().filter(|_| !is_global(to) && world.is_empty());
            first.chain(far()).chain(near)
        };
        let socket = observed
            .or_else(|| all().find(|at| same(at)))
            .or_else(|| all().next())?;
        let mut others = world.iter().copied();
        let other = others.find(|at| at.is_ipv4() != socket.is_ipv4());
        Some(Server {
            nonce,
            socket: Socket::new(socket).ok()?,
            other: other.and_then(|at| Socket::new(at).ok()),
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed assumption fails the test")]

    use super::*;

    fn socket(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    fn standing(serve: Serve, own: &[&str], reached: Option<&str>) -> Standing {
        let config = DhtConfig {
            serve,
            ..DhtConfig::default()
        };
        let mut standing = Standing::new(&config);
        let own: Vec<SocketAddr> = own.iter().map(|text| socket(text)).collect();
        let nat = NatStatus {
            reachability: reached
                .map_or(Reachability::Unknown, |at| Reachability::Public(socket(at))),
            ..NatStatus::default()
        };
        standing.update(&own, &nat);
        standing
    }

    /// Checks DC-DHT-004 (positive).
    #[test]
    fn a_private_node_serves_once_a_peer_sees_it_at_its_own_address() {
        let mut node = standing(Serve::Auto, &["192.168.1.2:4001"], None);
        assert!(node.is_private() && !node.serves());
        // A NAT in between.
        assert!(!node.observed(socket("198.51.100.7:4001")));
        assert!(!node.serves());
        assert!(node.observed(socket("192.168.1.2:4001")));
        assert!(node.serves());
        assert_eq!(node.difficulty(), 0);
        // The address is gone.
        node.update(&[socket("10.0.0.3:4001")], &NatStatus::default());
        assert!(!node.serves());
    }

    /// Checks DC-DHT-004 (positive, negative), DC-DHT-006 (positive, negative).
    /// Checks DC-DHT-009 (negative).
    #[test]
    fn a_public_node_serves_once_strangers_reached_it_and_takes_no_private_addresses() {
        let own = &["198.51.100.2:4001"];
        assert!(!standing(Serve::Auto, own, None).serves());
        let node = standing(Serve::Auto, own, Some("198.51.100.2:4001"));
        assert!(node.serves() && !node.is_private());
        assert_eq!(node.difficulty(), dchat_kademlia::puzzle::DIFFICULTY);
        assert!(!node.takes(socket("192.168.1.9:1").ip()));
        assert!(node.takes(socket("203.0.113.9:1").ip()));
        assert!(!node.subnet(socket("192.168.1.9:1").ip()).is_exempt());
    }

    #[test]
    fn a_private_node_exempts_private_addresses_and_no_others() {
        let node = standing(Serve::Auto, &["192.168.1.2:4001"], None);
        assert!(node.takes(socket("192.168.1.9:1").ip()) && node.takes(socket("127.0.0.1:1").ip()));
        assert!(node.subnet(socket("192.168.1.9:1").ip()).is_exempt());
        assert!(!node.subnet(socket("203.0.113.9:1").ip()).is_exempt());
        assert!(!node.takes(socket("224.0.0.1:1").ip()));
    }

    #[test]
    fn a_claim_names_the_address_the_peer_sees_or_the_best_of_its_family() {
        let own = &["192.168.1.2:4001", "[2001:db8::2]:4001"];
        let node = standing(Serve::Always, own, Some("198.51.100.2:4001"));
        let claim = |to: &str, observed: Option<&str>| {
            let claim = node
                .claim(7, socket(to).ip(), observed.map(socket))
                .unwrap();
            (claim.socket.addr(), claim.other.map(Socket::addr))
        };
        let (v4, v6) = (socket("198.51.100.2:4001"), socket("[2001:db8::2]:4001"));
        assert_eq!(claim("203.0.113.1:1", None), (v4, Some(v6)));
        assert_eq!(claim("[2001:db8::9]:1", None), (v6, Some(v4)));
        let near = claim("192.168.1.9:1", Some("192.168.1.2:4001"));
        assert_eq!(near, (socket("192.168.1.2:4001"), Some(v6)));
        // A NAT's mapping of the moment is no place to be found at.
        assert_eq!(claim("203.0.113.1:1", Some("198.51.100.9:77")).0, v4);
    }

    /// Checks DC-DHT-009 (positive).
    #[test]
    fn who_begins_with_private_addresses_alone_is_on_a_private_network() {
        let begin = |bootstrap: &[&str]| {
            let config = DhtConfig {
                bootstrap: bootstrap
                    .iter()
                    .map(|text| dchat_wire::Address::direct(socket(text)))
                    .collect(),
                ..DhtConfig::default()
            };
            let mut standing = Standing::new(&config);
            standing.update(&[socket("203.0.113.2:1")], &NatStatus::default());
            standing
        };
        let mut node = begin(&["127.0.0.1:1", "192.168.1.1:1"]);
        assert!(node.is_private() && node.takes(socket("127.0.0.1:1").ip()));
        assert_eq!(node.difficulty(), 0);
        assert!(node.observed(socket("127.0.0.1:1")) && node.serves());
        assert!(!begin(&["127.0.0.1:1", "198.51.100.1:1"]).is_private());
        assert!(!begin(&[]).is_private());
    }

    #[test]
    fn serving_can_be_forced_either_way() {
        assert!(standing(Serve::Always, &["192.168.1.2:1"], None).serves());
        let never = standing(Serve::Never, &["198.51.100.2:1"], Some("198.51.100.2:1"));
        assert!(!never.serves());
    }
}
