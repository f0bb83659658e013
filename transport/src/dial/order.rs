//! In which order addresses are tried.

use std::net::SocketAddr;

use dchat_wire::Address;

use crate::limits::{DIAL_ADDRESSES, DIAL_CIRCUITS};

/// The addresses worth trying, without the peer they name: each once, the direct ones before the
/// circuits. Of the direct ones families alternate (RFC 8305 §4) beginning with that of the first,
/// with the caller's order within a family. At most [`DIAL_ADDRESSES`], of which circuits keep up
/// to [`DIAL_CIRCUITS`] places.
pub(crate) fn order(addrs: &[Address]) -> Vec<Address> {
    let mut families: [Vec<Address>; 2] = Default::default();
    let mut circuits = Vec::new();
    let mut first = None;
    for addr in addrs.iter().filter_map(plain) {
        let list = match addr {
            Address::Direct { socket, .. } => {
                let family = usize::from(socket.is_ipv6());
                first.get_or_insert(family);
                &mut families[family]
            }
            Address::Circuit { .. } => &mut circuits,
        };
        if !list.contains(&addr) {
            list.push(addr);
        }
    }
    circuits.truncate(DIAL_CIRCUITS);
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
            ordered.truncate(DIAL_ADDRESSES - circuits.len());
            ordered.append(&mut circuits);
            return ordered;
        }
    }
}

/// The address without the peer and in its plain form, when it names one socket.
fn plain(addr: &Address) -> Option<Address> {
    let socket = usable(&addr.socket())?;
    Some(match addr {
        Address::Direct { .. } => Address::direct(socket),
        Address::Circuit { relay, .. } => Address::Circuit {
            socket,
            relay: *relay,
            peer: None,
        },
    })
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

    use dchat_wire::sign::Identity;

    use super::*;

    fn addrs(list: &[&str]) -> Vec<Address> {
        let socket = |text: &&str| Address::direct(text.parse().unwrap());
        list.iter().map(socket).collect()
    }

    fn circuit(port: u16, relay: u8) -> Address {
        Address::Circuit {
            socket: SocketAddr::from(([192, 0, 2, 9], port)),
            relay: Identity::from_seed(&[relay; 32]).peer_id(),
            peer: None,
        }
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
            .map(|port| Address::direct(SocketAddr::from(([192, 0, 2, 1], port))))
            .collect();
        assert_eq!(order(&given), given[..DIAL_ADDRESSES]);
    }

    #[test]
    fn circuits_come_last_and_keep_their_places() {
        let peer = Identity::from_seed(&[7; 32]).peer_id();
        let mut given: Vec<_> = (1..100)
            .map(|port| Address::direct(SocketAddr::from(([192, 0, 2, 1], port))))
            .collect();
        given.insert(0, circuit(1, 1).of(peer));
        given.push(circuit(1, 2));
        given.push(circuit(1, 1));
        let ordered = order(&given);
        assert_eq!(ordered.len(), DIAL_ADDRESSES);
        assert_eq!(
            ordered[DIAL_ADDRESSES - 2..],
            [circuit(1, 1), circuit(1, 2)]
        );
        let circuits = (0..50).map(|port| circuit(port + 1, 1)).collect::<Vec<_>>();
        assert_eq!(order(&circuits), circuits[..DIAL_CIRCUITS]);
    }
}
