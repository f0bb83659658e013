//! In which order addresses are tried.

use std::net::SocketAddr;

use crate::limits::DIAL_ADDRESSES;

/// The addresses worth trying: each once, families alternating (RFC 8305 §4) beginning with that of
/// the first, the caller's order within a family, at most [`DIAL_ADDRESSES`].
pub(crate) fn order(addrs: &[SocketAddr]) -> Vec<SocketAddr> {
    let mut families: [Vec<SocketAddr>; 2] = Default::default();
    let mut first = None;
    for addr in addrs.iter().filter_map(usable) {
        let family = usize::from(addr.is_ipv6());
        first.get_or_insert(family);
        if !families[family].contains(&addr) {
            families[family].push(addr);
        }
    }
    let first = first.unwrap_or_default();
    let mut turns = [
        families[first].iter().copied(),
        families[1 - first].iter().copied(),
    ];
    let mut ordered = Vec::new();
    loop {
        let before = ordered.len();
        for turn in &mut turns {
            ordered.extend(turn.next());
        }
        if ordered.len() == before {
            ordered.truncate(DIAL_ADDRESSES);
            return ordered;
        }
    }
}

/// The address in its plain form, when it can be one socket's.
pub(crate) fn usable(addr: &SocketAddr) -> Option<SocketAddr> {
    let mut plain = *addr;
    plain.set_ip(addr.ip().to_canonical());
    let ip = plain.ip();
    let broadcast = matches!(ip, std::net::IpAddr::V4(ip) if ip.is_broadcast());
    let one = plain.port() != 0 && !ip.is_unspecified() && !ip.is_multicast() && !broadcast;
    one.then_some(plain)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed assumption fails the test")]

    use super::*;

    fn addrs(list: &[&str]) -> Vec<SocketAddr> {
        list.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn families_alternate_beginning_with_the_first() {
        let given = addrs(&[
            "[::2]:1",
            "192.0.2.1:1",
            "192.0.2.2:1",
            "[::3]:1",
            "192.0.2.3:1",
        ]);
        let expected = addrs(&[
            "[::2]:1",
            "192.0.2.1:1",
            "[::3]:1",
            "192.0.2.2:1",
            "192.0.2.3:1",
        ]);
        assert_eq!(order(&given), expected);
    }

    #[test]
    fn what_is_no_socket_or_was_there_is_left_out() {
        let given = addrs(&[
            "0.0.0.0:1",
            "192.0.2.1:0",
            "224.0.0.251:5353",
            "255.255.255.255:9",
            "192.0.2.1:9",
            "[::ffff:192.0.2.1]:9",
        ]);
        assert_eq!(order(&given), addrs(&["192.0.2.1:9"]));
    }

    #[test]
    fn many_addresses_are_cut() {
        let given: Vec<_> = (1..100)
            .map(|port| SocketAddr::from(([192, 0, 2, 1], port)))
            .collect();
        assert_eq!(order(&given), given[..DIAL_ADDRESSES]);
    }
}
