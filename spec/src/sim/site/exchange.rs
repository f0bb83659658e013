//! Which pairs can be traversed at all without guessing a port.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use bytes::Bytes;

use super::profile::Profile;
use super::terrain::{Place, Terrain};
use crate::sim::net::{Net, Occurrence, Quality};
use crate::sim::time::Time;

const PORT: u16 = 4001;
/// Each round either learns an address or the exchange is over; a pair has few.
const ROUNDS: usize = 16;

/// Whether a direct path between nodes of these profiles needs a port to be guessed.
///
/// Found out by an exchange on the very boxes of the profiles, without any of our protocol: both
/// sides know their own addresses and how a server sees them, tell each other at once and without
/// loss, and send from their one socket to every address of the other that they were told or have
/// seen a packet from, again and again. The pair needs no guess when some packet gets an answer
/// from where it was sent to. What this exchange does not find is found by nobody who only uses
/// what was observed.
#[must_use]
pub fn needs_guess(a: Profile, b: Profile) -> bool {
    let mut net = Net::new(0);
    let mut terrain = Terrain::new(0);
    let server = terrain.server(&mut net, 1, Quality::IDEAL);
    let nodes = [a, b].map(|profile| terrain.node(&mut net, profile, Quality::IDEAL));
    let told = [0, 1].map(|side| told_of(&mut net, &nodes[1 - side], &server));
    let mut known = told;
    // Who has heard from which address on what it sent to which.
    let mut heard: [BTreeSet<SocketAddr>; 2] = Default::default();
    for _ in 0..ROUNDS {
        for side in [0, 1] {
            for to in known[side].clone() {
                // The packet names what it was sent to, so that the other side can say so.
                let bytes = Bytes::from(to.to_string());
                if net.send(nodes[side].host, (None, PORT), to, bytes).is_err() {
                    continue;
                }
                while let Some(Occurrence::Datagram { host, packet }) = net.next(Time::NEVER) {
                    if host == nodes[1 - side].host {
                        known[1 - side].insert(packet.src);
                        heard[1 - side].insert(packet.src);
                    }
                }
            }
        }
        // `x` sends to `r`; that arrives from `s`; and what is sent to `s` arrives from `r`.
        let both_ways = heard[0].iter().any(|from| {
            let back = answer(&mut net, &nodes, 0, *from);
            back.is_some_and(|seen| answer(&mut net, &nodes, 1, seen) == Some(*from))
        });
        if both_ways {
            return false;
        }
    }
    true
}

/// As what a packet of `side` to `to` arrives at the other.
fn answer(net: &mut Net, nodes: &[Place; 2], side: usize, to: SocketAddr) -> Option<SocketAddr> {
    net.send(nodes[side].host, (None, PORT), to, Bytes::new())
        .ok()?;
    let mut seen = None;
    while let Some(Occurrence::Datagram { host, packet }) = net.next(Time::NEVER) {
        if host == nodes[1 - side].host {
            seen = Some(packet.src);
        }
    }
    seen
}

/// The addresses of a node, and how a server sees it in each family.
fn told_of(net: &mut Net, node: &Place, server: &Place) -> BTreeSet<SocketAddr> {
    let own = node.addresses.iter().map(|ip| SocketAddr::new(*ip, PORT));
    let mut known: BTreeSet<SocketAddr> = own.collect();
    for ip in &server.addresses {
        let to = SocketAddr::new(*ip, 3478);
        if net.send(node.host, (None, PORT), to, Bytes::new()).is_err() {
            continue;
        }
        while let Some(Occurrence::Datagram { host, packet }) = net.next(Time::NEVER) {
            if host == server.host {
                known.insert(packet.src);
            }
        }
    }
    known
}
