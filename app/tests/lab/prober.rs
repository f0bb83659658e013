//! Finds out what a NAT really does, from both of its sides, with plain sockets.
//!
//! Nothing is guessed and nothing is timed: both ends are ours, and that a packet was filtered is
//! known when a later one that is certainly let in has arrived without it.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::Duration;

use super::internet::{Internet, public};
use super::translator::Dependence;
use crate::support::namespace::Host;

/// Longer than a packet takes on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(10);
/// What arrives so long after a later packet has not arrived.
const GRACE: Duration = Duration::from_millis(30);
/// New mappings looked at to find out how ports are chosen.
const SAMPLES: usize = 24;

/// What a NAT was seen to do.
#[derive(Debug)]
pub struct Observed {
    /// When it uses a mapping again.
    pub mapping: Dependence,
    /// Whom it lets in.
    pub filtering: Dependence,
    /// Inside and outside port of mappings made one after the other.
    pub ports: Vec<(u16, u16)>,
    /// The outside address.
    pub address: IpAddr,
}

impl Observed {
    /// Whether every port was kept.
    pub fn preserves(&self) -> bool {
        self.ports.iter().all(|(inside, outside)| inside == outside)
    }

    /// The step from port to port, if it is always the same.
    pub fn stride(&self) -> Option<u16> {
        let steps: BTreeSet<u16> = self
            .ports
            .windows(2)
            .map(|two| two[1].1.wrapping_sub(two[0].1))
            .collect();
        if steps.len() == 1 {
            steps.first().copied()
        } else {
            None
        }
    }

    /// From the lowest to the highest port.
    pub fn span(&self) -> u16 {
        let ports = || self.ports.iter().map(|(_, outside)| *outside);
        ports().max().unwrap_or(0) - ports().min().unwrap_or(0)
    }
}

/// Three sockets on the internet: two ports of one address, and another address.
#[derive(Debug)]
pub struct Prober {
    hosts: [Host; 2],
    first: UdpSocket,
    other_port: UdpSocket,
    other_address: UdpSocket,
}

impl Prober {
    /// Sets it up.
    pub fn new(internet: &Internet) -> Option<Self> {
        let [one, two] = [public(false, 200), public(true, 200)];
        let hosts = [internet.host(&one)?, internet.host(&two)?];
        Some(Self {
            first: bind(&hosts[0], one[0]),
            other_port: bind(&hosts[0], one[0]),
            other_address: bind(&hosts[1], two[0]),
            hosts,
        })
    }

    /// The address that everybody asks first.
    pub fn first(&self) -> SocketAddr {
        self.first.local_addr().unwrap()
    }

    /// From where a packet of `socket` comes to [`first`](Self::first).
    pub fn mapped(&self, socket: &UdpSocket) -> SocketAddr {
        reach(socket, &self.first)
    }

    /// Sends to `to` from [`first`](Self::first).
    pub fn send(&self, to: SocketAddr) {
        self.first.send_to(b"!", to).unwrap();
    }

    /// Whether anything gets out of this place and back.
    pub fn gets_through(&self, host: &Host) -> bool {
        let socket = bind(host, "0.0.0.0".parse().unwrap());
        socket.send_to(b"?", self.first()).unwrap();
        let Some(from) = receive(&self.first, Duration::from_millis(500)) else {
            return false;
        };
        self.send(from);
        receive(&socket, PATIENCE).is_some()
    }

    /// Observes what is between `host` and the internet.
    pub fn observe(&self, host: &Host) -> Observed {
        let any: IpAddr = "0.0.0.0".parse().unwrap();
        let socket = bind(host, any);
        let first = reach(&socket, &self.first);
        let mapping = if reach(&socket, &self.other_port) != first {
            Dependence::AddressAndPort
        } else if reach(&socket, &self.other_address) != first {
            Dependence::Address
        } else {
            Dependence::Endpoint
        };
        let ports = (0..SAMPLES)
            .map(|_| {
                let socket = bind(host, any);
                (
                    socket.local_addr().unwrap().port(),
                    reach(&socket, &self.first).port(),
                )
            })
            .collect();
        Observed {
            mapping,
            filtering: self.filtering(host),
            ports,
            address: first.ip(),
        }
    }

    fn filtering(&self, host: &Host) -> Dependence {
        let socket = bind(host, "0.0.0.0".parse().unwrap());
        let outside = reach(&socket, &self.first);
        for stranger in [&self.other_address, &self.other_port] {
            stranger.send_to(b"!", outside).unwrap();
        }
        std::thread::sleep(GRACE);
        self.send(outside);
        let mut heard = Vec::new();
        while heard.last() != Some(&self.first()) {
            heard.push(receive(&socket, PATIENCE).expect("an answer is let in"));
        }
        if heard.contains(&self.other_address.local_addr().unwrap()) {
            Dependence::Endpoint
        } else if heard.contains(&self.other_port.local_addr().unwrap()) {
            Dependence::Address
        } else {
            Dependence::AddressAndPort
        }
    }
}

/// A socket of `host` at a free port.
pub fn bind(host: &Host, address: IpAddr) -> UdpSocket {
    host.within(|| UdpSocket::bind((address, 0)).unwrap())
}

/// Who sent the next packet, if one comes in time.
pub fn receive(socket: &UdpSocket, patience: Duration) -> Option<SocketAddr> {
    socket.set_read_timeout(Some(patience)).unwrap();
    Some(socket.recv_from(&mut [0; 64]).ok()?.1)
}

/// Sends a packet and says from where it came.
fn reach(from: &UdpSocket, to: &UdpSocket) -> SocketAddr {
    from.send_to(b"?", to.local_addr().unwrap()).unwrap();
    receive(to, PATIENCE).expect("a packet from inside gets out")
}
