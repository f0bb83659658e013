//! Who may start a handshake, decided before anything is spent on one.
//!
//! * State: a count of handshakes, and for each network with any its handshakes and connections.
//! * Input: the address an Initial came from and whether a Retry has proven it. Output: a
//!   [`Decision`]; an accepted one carries a permit whose end is counted by dropping it.
//! * Bounds: one entry a network with a permit, and at most [`Limits::handshakes`] permits of
//!   handshakes and [`Limits::connections`] of connections.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};

use crate::limits::Limits;
use crate::sync::lock;

/// The part of an address that one party is assumed to control: an IPv4 address, an IPv6 /64, or a
/// channel of a relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Network {
    /// The loopback addresses of this machine.
    Host,
    V4([u8; 4]),
    V6([u8; 8]),
    /// One attempt over a relay.
    Relayed([u8; 8]),
}

impl Network {
    pub(crate) fn of(ip: IpAddr) -> Self {
        match ip.to_canonical() {
            ip if ip.is_loopback() => Self::Host,
            IpAddr::V4(ip) => Self::V4(ip.octets()),
            IpAddr::V6(ip) => {
                let [a, b, c, d, e, f, g, h, ..] = ip.octets();
                Self::V6([a, b, c, d, e, f, g, h])
            }
        }
    }

    /// For an attempt of which only its virtual address is known: nobody shares it.
    pub(crate) fn virtual_of(virt: SocketAddr) -> Self {
        match virt.ip() {
            ip @ IpAddr::V4(_) => Self::of(ip),
            IpAddr::V6(ip) => {
                let [.., a, b, c, d, e, f, g, h] = ip.octets();
                Self::Relayed([a, b, c, d, e, f, g, h])
            }
        }
    }
}

/// What to do with an incoming connection attempt.
#[derive(Debug)]
pub(crate) enum Decision {
    /// Go on with the handshake.
    Accept(Permit),
    /// Ask for a proof of the address first.
    Retry,
    /// Say no: the network has its share.
    Refuse,
    /// Say nothing: even a refusal costs more than the attempt.
    Ignore,
}

#[derive(Debug, Default)]
struct Counts {
    handshakes: usize,
    connections: usize,
}

#[derive(Debug, Default)]
struct Table {
    handshakes: usize,
    networks: BTreeMap<Network, Counts>,
}

/// The table, shared with the permits it gave.
#[derive(Clone, Debug)]
pub(crate) struct Admission {
    table: Arc<Mutex<Table>>,
    limits: Limits,
}

impl Admission {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            table: Arc::default(),
            limits,
        }
    }

    /// Decides on an attempt from `network`; `proven` when a Retry has shown that it is the sender's.
    pub(crate) fn decide(&self, network: Network, proven: bool) -> Decision {
        let mut table = lock(&self.table);
        if table.handshakes >= self.limits.handshakes {
            return Decision::Ignore;
        }
        let (handshakes, connections) = table
            .networks
            .get(&network)
            .map_or((0, 0), |counts| (counts.handshakes, counts.connections));
        let is_bounded = network != Network::Host || self.limits.loopback_is_network;
        let network_full = is_bounded
            && (handshakes >= self.limits.handshakes_per_network
                || handshakes + connections >= self.limits.connections_per_network);
        if !proven && (table.handshakes >= self.limits.retry_from || network_full) {
            return Decision::Retry;
        }
        if network_full {
            return Decision::Refuse;
        }
        table.handshakes += 1;
        table.networks.entry(network).or_default().handshakes += 1;
        Decision::Accept(Permit {
            table: Arc::clone(&self.table),
            network,
            handshaking: true,
        })
    }
}

/// One handshake's or connection's place in the table.
#[derive(Debug)]
pub(crate) struct Permit {
    table: Arc<Mutex<Table>>,
    network: Network,
    handshaking: bool,
}

impl Permit {
    /// HELLO came: from now on it counts as a connection.
    pub(crate) fn connected(&mut self) {
        if core::mem::take(&mut self.handshaking) {
            let mut table = lock(&self.table);
            table.handshakes = table.handshakes.saturating_sub(1);
            let counts = table.networks.entry(self.network).or_default();
            counts.handshakes = counts.handshakes.saturating_sub(1);
            counts.connections += 1;
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut table = lock(&self.table);
        if self.handshaking {
            table.handshakes = table.handshakes.saturating_sub(1);
        }
        if let Some(counts) = table.networks.get_mut(&self.network) {
            let count = if self.handshaking {
                &mut counts.handshakes
            } else {
                &mut counts.connections
            };
            *count = count.saturating_sub(1);
            if counts.handshakes + counts.connections == 0 {
                table.networks.remove(&self.network);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> Limits {
        Limits {
            handshakes: 6,
            handshakes_per_network: 2,
            connections_per_network: 3,
            retry_from: 4,
            ..Limits::default()
        }
    }

    fn ip(last: u8) -> Network {
        Network::of(IpAddr::from([192, 0, 2, last]))
    }

    fn accept(admission: &Admission, ip: Network) -> Option<Permit> {
        match admission.decide(ip, true) {
            Decision::Accept(permit) => Some(permit),
            _ => None,
        }
    }

    /// Checks DC-CONN-057 (positive, negative).
    #[test]
    fn one_network_gets_its_share_of_handshakes_and_no_more() {
        let admission = Admission::new(limits());
        let permits = [accept(&admission, ip(1)), accept(&admission, ip(1))];
        assert!(permits.iter().all(Option::is_some));
        assert!(matches!(admission.decide(ip(1), false), Decision::Retry));
        assert!(matches!(admission.decide(ip(1), true), Decision::Refuse));
        assert!(accept(&admission, ip(2)).is_some());
        drop(permits);
        assert!(accept(&admission, ip(1)).is_some());
    }

    #[test]
    fn this_machine_is_bounded_by_the_handshakes_of_all_only() {
        let admission = Admission::new(limits());
        let host = Network::of(IpAddr::from([127, 0, 0, 1]));
        let mut permits: Vec<_> = (0..6).map(|_| accept(&admission, host)).collect();
        assert!(permits.iter().all(Option::is_some));
        assert!(accept(&admission, host).is_none());
        permits.iter_mut().flatten().for_each(Permit::connected);
        assert!(accept(&admission, host).is_some());
    }

    #[test]
    fn connections_count_until_they_end() {
        let admission = Admission::new(limits());
        let mut kept = Vec::new();
        for _ in 0..3 {
            let mut permit = accept(&admission, ip(1));
            permit.iter_mut().for_each(Permit::connected);
            kept.push(permit);
        }
        assert!(kept.iter().all(Option::is_some));
        assert!(accept(&admission, ip(1)).is_none());
        kept.pop();
        assert!(accept(&admission, ip(1)).is_some());
    }

    /// Checks DC-CONN-005 (positive).
    #[test]
    fn under_load_an_unproven_address_has_to_prove_itself() {
        let admission = Admission::new(limits());
        let permits: Vec<_> = (0..4).map(|n| accept(&admission, ip(n))).collect();
        assert!(matches!(admission.decide(ip(9), false), Decision::Retry));
        let proven = admission.decide(ip(9), true);
        assert!(matches!(proven, Decision::Accept(_)));
        assert_eq!(permits.len(), 4);
    }

    /// Checks DC-CONN-057 (negative), DC-CONN-058 (negative).
    #[test]
    fn beyond_all_handshakes_nothing_is_answered() {
        let admission = Admission::new(limits());
        let permits: Vec<_> = (0..6).map(|n| accept(&admission, ip(n))).collect();
        assert!(matches!(admission.decide(ip(9), true), Decision::Ignore));
        drop(permits);
        assert!(lock(&admission.table).networks.is_empty());
        assert_eq!(lock(&admission.table).handshakes, 0);
    }

    #[test]
    fn a_network_is_one_address_or_a_64() {
        let v6 = |text: &str| text.parse::<IpAddr>().ok().map(Network::of);
        assert_eq!(v6("::1"), Some(Network::Host));
        assert_eq!(v6("2001:db8::1"), v6("2001:db8::2"));
        assert_ne!(v6("2001:db8::1"), v6("2001:db8:0:1::1"));
        assert_eq!(v6("::ffff:192.0.2.1"), v6("192.0.2.1"));
        assert_ne!(v6("192.0.2.2"), v6("192.0.2.1"));
    }
}
