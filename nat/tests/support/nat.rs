//! One NAT as mapping × filtering × allocation × hairpin.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

use dchat_wire::nat::{Filtering, Mapping};

/// A small deterministic generator (SplitMix64).
#[derive(Clone, Debug)]
pub(crate) struct Rng(pub u64);

impl Rng {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    pub(crate) fn chance(&mut self, p: f64) -> bool {
        (self.next() >> 11) as f64 / ((1_u64 << 53) as f64) < p
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ports {
    Preserving,
    Sequential(i16),
    Block { first: u16, len: u16 },
    Random,
}

#[derive(Clone, Debug)]
pub(crate) struct Nat {
    pub(crate) mapping: Mapping,
    pub(crate) filtering: Filtering,
    pub(crate) ports: Ports,
    pub(crate) hairpin: bool,
    pub(crate) outside: IpAddr,
    counter: u16,
    rng: Rng,
    out: BTreeMap<(SocketAddr, Option<IpAddr>, Option<u16>), u16>,
    back: BTreeMap<u16, SocketAddr>,
    sent: BTreeMap<u16, BTreeSet<SocketAddr>>,
}

impl Nat {
    pub(crate) fn new(
        mapping: Mapping,
        filtering: Filtering,
        ports: Ports,
        hairpin: bool,
        outside: IpAddr,
        seed: u64,
    ) -> Self {
        let mut rng = Rng(seed);
        Self {
            mapping,
            filtering,
            ports,
            hairpin,
            outside,
            counter: 20_000 + rng.below(20_000) as u16,
            rng,
            out: BTreeMap::new(),
            back: BTreeMap::new(),
            sent: BTreeMap::new(),
        }
    }

    /// A new mapping of another host behind the same NAT.
    pub(crate) fn cross_traffic(&mut self) {
        if let Ports::Sequential(stride) = self.ports {
            self.counter = self.counter.wrapping_add_signed(stride);
        }
    }

    pub(crate) fn outbound(&mut self, from: SocketAddr, to: SocketAddr) -> SocketAddr {
        if self.mapping == Mapping::None {
            self.sent.entry(from.port()).or_default().insert(to);
            self.back.insert(from.port(), from);
            return from;
        }
        let key = match self.mapping {
            Mapping::EndpointIndependent => (from, None, None),
            Mapping::AddressDependent => (from, Some(to.ip()), None),
            _ => (from, Some(to.ip()), Some(to.port())),
        };
        let port = match self.out.get(&key) {
            Some(port) => *port,
            None => {
                let port = self.allocate(from.port());
                self.out.insert(key, port);
                self.back.insert(port, from);
                port
            }
        };
        self.sent.entry(port).or_default().insert(to);
        SocketAddr::new(self.outside, port)
    }

    /// Where a datagram from outside goes, if it is let in.
    pub(crate) fn inbound(&self, from: SocketAddr, port: u16) -> Option<SocketAddr> {
        let inside = *self.back.get(&port)?;
        let sent = self.sent.get(&port)?;
        let open = match self.filtering {
            Filtering::AddressDependent => sent.iter().any(|to| to.ip() == from.ip()),
            Filtering::AddressAndPortDependent => sent.contains(&from),
            _ => true,
        };
        open.then_some(inside)
    }

    fn allocate(&mut self, wanted: u16) -> u16 {
        let mut port = wanted;
        loop {
            port = match self.ports {
                Ports::Preserving if port == wanted && !self.back.contains_key(&port) => port,
                Ports::Preserving => 1024 + self.rng.below(64_000) as u16,
                Ports::Sequential(stride) => {
                    self.counter = self.counter.wrapping_add_signed(stride);
                    self.counter
                }
                Ports::Block { first, len } => first + self.rng.below(u64::from(len)) as u16,
                Ports::Random => 1024 + self.rng.below(64_500) as u16,
            };
            if !self.back.contains_key(&port) {
                return port;
            }
        }
    }
}
