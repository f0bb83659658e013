//! Whom to ask: the connected nodes that answer STUN and REACH.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use dchat_nat::scope::{Scope, scope, subnet};
use dchat_wire::hello::{capability, role};

use crate::connection::Connection;
use crate::path::{PathKind, canonical};

/// Nodes asked in one survey; a classification asks four of each family.
const HELPERS: usize = 8;
/// Connections looked at for them: a relay has thousands.
const LOOKED_AT: usize = 256;

/// The nodes among `connections` that answer REACH and that we reach directly, with where they are.
pub(crate) fn reachers(connections: Vec<Connection>) -> Vec<(SocketAddr, Connection)> {
    let direct = |connection: Connection| {
        let able = connection.hello().capabilities.contains(capability::REACH);
        let path = connection.path();
        let addr = canonical(path.addr.socket());
        (able && path.kind == PathKind::Direct).then_some((addr, connection))
    };
    let connections = connections.into_iter().take(LOOKED_AT);
    connections.filter_map(direct).collect()
}

/// Those whose word about us counts, the best first: not on a private network of our own, from where
/// nobody sees what our NATs do. Relays come first, since strangers reach them also from a socket that
/// they know nothing of, then those we dialed; and of each rank one of each subnet before a second.
pub(crate) fn helpers(connections: Vec<Connection>) -> Vec<(SocketAddr, Connection)> {
    let networks = networks();
    let mut all = reachers(connections);
    all.retain(|(addr, _)| is_outside(addr.ip(), &networks));
    all.sort_by_key(|(addr, connection)| {
        let relays = connection.hello().roles & role::RELAY != 0;
        (!relays, !connection.opened_by_us(), *addr)
    });
    let mut subnets = BTreeSet::new();
    let (mut chosen, more): (Vec<_>, Vec<_>) = all
        .into_iter()
        .partition(|(addr, _)| subnets.insert(subnet(addr.ip())));
    chosen.extend(more);
    chosen.truncate(HELPERS);
    chosen
}

/// The networks our interfaces are in: address and length of the prefix.
fn networks() -> Vec<(IpAddr, u8)> {
    let interfaces = if_addrs::get_if_addrs().unwrap_or_default();
    let network = |interface: if_addrs::Interface| match interface.addr {
        if_addrs::IfAddr::V4(v4) => (v4.ip.into(), v4.prefixlen),
        if_addrs::IfAddr::V6(v6) => (v6.ip.into(), v6.prefixlen),
    };
    interfaces.into_iter().map(network).collect()
}

fn is_outside(ip: IpAddr, networks: &[(IpAddr, u8)]) -> bool {
    let own = |(network, length): &(IpAddr, u8)| within(ip, *network, *length);
    !matches!(scope(ip), Scope::Link | Scope::Site) || !networks.iter().any(own)
}

fn within(ip: IpAddr, network: IpAddr, length: u8) -> bool {
    let (difference, bits) = match (ip, network) {
        (IpAddr::V4(ip), IpAddr::V4(network)) => {
            (u128::from(ip.to_bits() ^ network.to_bits()), 32_u32)
        }
        (IpAddr::V6(ip), IpAddr::V6(network)) => (ip.to_bits() ^ network.to_bits(), 128),
        _ => return false,
    };
    let host = bits.saturating_sub(length.into());
    difference.checked_shr(host).unwrap_or(0) == 0
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed assumption fails the test")]

    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_neighbour_on_a_private_network_cannot_tell_what_our_nat_does() {
        let networks = [(ip("192.168.1.5"), 24), (ip("203.0.113.5"), 24)];
        assert!(!is_outside(ip("192.168.1.9"), &networks));
        assert!(is_outside(ip("192.168.2.9"), &networks));
        assert!(is_outside(ip("203.0.113.9"), &networks));
        assert!(is_outside(ip("8.8.8.8"), &networks));
    }

    #[test]
    fn a_prefix_is_compared_within_its_family() {
        assert!(within(ip("192.0.2.1"), ip("192.0.2.254"), 24));
        assert!(!within(ip("192.0.2.1"), ip("192.0.3.1"), 24));
        assert!(!within(ip("192.0.2.1"), ip("2001:db8::1"), 0));
        assert!(within(ip("::1"), ip("::2"), 0));
        assert!(within(ip("::1"), ip("::1"), 128));
    }
}
