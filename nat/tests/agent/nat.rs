//! A NAT as mapping × filtering × allocation, or a firewall that maps nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

use dchat_wire::nat::{Allocation, Filtering, Mapping, NatClass};

/// Numbers from a seed (xorshift64*), for the world; the agents have their own.
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        let mut random = Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        for _ in 0..8 {
            random.next();
        }
        random
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        (self.next() >> 16) % limit
    }

    pub(crate) fn chance(&mut self, probability: f64) -> bool {
        (self.next() >> 11) as f64 / ((1u64 << 53) as f64) < probability
    }
}

/// What a mapping is made for.
type Key = (SocketAddr, Option<IpAddr>, Option<u16>);

#[derive(Clone, Debug)]
struct Binding {
    inside: SocketAddr,
    sent: BTreeSet<SocketAddr>,
}

#[derive(Clone, Debug)]
pub(crate) struct Nat {
    pub(crate) ip: IpAddr,
    pub(crate) class: NatClass,
    /// New mappings of strangers behind it between two of ours, at most.
    pub(crate) strangers: u64,
    bindings: BTreeMap<u16, Binding>,
    by_key: BTreeMap<Key, u16>,
    last: u16,
    random: Random,
}

impl Nat {
    pub(crate) fn new(ip: IpAddr, class: NatClass, seed: u64) -> Self {
        let mut random = Random::new(seed);
        Self {
            ip,
            class,
            strangers: 0,
            bindings: BTreeMap::new(),
            by_key: BTreeMap::new(),
            last: 1024 + random.below(60_000) as u16,
            random,
        }
    }

    /// A packet leaves; gives its source outside, or nothing when there is no port left.
    pub(crate) fn out(&mut self, from: SocketAddr, to: SocketAddr) -> Option<SocketAddr> {
        let key = match self.class.mapping {
            Mapping::Unknown | Mapping::None | Mapping::EndpointIndependent => (from, None, None),
            Mapping::AddressDependent => (from, Some(to.ip()), None),
            Mapping::AddressAndPortDependent => (from, Some(to.ip()), Some(to.port())),
        };
        let port = match self.by_key.get(&key) {
            Some(port) => *port,
            None => {
                let port = self.allocate(from.port())?;
                self.by_key.insert(key, port);
                port
            }
        };
        let binding = self.bindings.entry(port).or_insert_with(|| Binding {
            inside: from,
            sent: BTreeSet::new(),
        });
        binding.sent.insert(to);
        Some(match self.class.mapping {
            Mapping::None => from,
            _ => SocketAddr::new(self.ip, port),
        })
    }

    /// A packet comes in; gives its destination inside.
    pub(crate) fn inward(&self, from: SocketAddr, to: SocketAddr) -> Option<SocketAddr> {
        let open = self.class.filtering == Filtering::None;
        let Some(binding) = self.bindings.get(&to.port()) else {
            return (open && self.class.mapping == Mapping::None).then_some(to);
        };
        let admitted = match self.class.filtering {
            Filtering::Unknown | Filtering::None | Filtering::EndpointIndependent => true,
            Filtering::AddressDependent => binding.sent.iter().any(|to| to.ip() == from.ip()),
            Filtering::AddressAndPortDependent => binding.sent.contains(&from),
        };
        admitted.then_some(binding.inside)
    }

    fn allocate(&mut self, wanted: u16) -> Option<u16> {
        let block = usize::from(self.class.block_len);
        if self.class.allocation == Allocation::Block && self.bindings.len() >= block {
            return None;
        }
        loop {
            let port = match self.class.allocation {
                Allocation::Preserving if !self.bindings.contains_key(&wanted) => wanted,
                Allocation::Sequential => {
                    let skipped = match self.strangers {
                        0 => 0,
                        some => self.random.below(some + 1) as u16,
                    };
                    let steps = self.class.stride.wrapping_mul(1 + skipped);
                    self.last = self.last.wrapping_add(steps);
                    self.last
                }
                Allocation::Block => {
                    let offset = self.random.below(u64::from(self.class.block_len));
                    self.class.block_first + offset as u16
                }
                _ if self.class.mapping == Mapping::None => wanted,
                _ => 1024 + self.random.below(64512) as u16,
            };
            if port >= 1024 && !self.bindings.contains_key(&port) {
                return Some(port);
            }
        }
    }
}
