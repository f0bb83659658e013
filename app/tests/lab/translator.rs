//! The emulated NAT as a pure state machine: packets and time in, verdicts out.
//!
//! Its behaviour is put together from the terms of RFC 4787: mapping × filtering × allocation,
//! lifetime, hairpinning. Invariants: an outside port belongs to at most one mapping of a
//! transport; a packet from outside passes only if a live mapping has the port and its filter
//! admits the sender. At most one mapping a port and [`MAX_PERMITTED`] senders a mapping.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::time::{Duration, Instant};

use super::dice::Dice;
use super::packet::{self, Transport};

/// Senders that one mapping remembers to admit; further ones are not admitted. A birthday probe
/// asks fewer than a thousand.
const MAX_PERMITTED: usize = 4096;

/// On what of the remote end a decision depends (RFC 4787, sections 4.1 and 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Dependence {
    /// On nothing.
    Endpoint,
    /// On its address.
    Address,
    /// On its address and port.
    AddressAndPort,
}

/// How the port of a new mapping is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Allocation {
    /// The inside port where it is free, else the next one that is.
    Preserving,
    /// The last one chosen plus a stride.
    Sequential(u16),
    /// Any of a block of so many that belong to this subscriber.
    Block(u16),
    /// Any.
    Random,
}

/// What kind of NAT it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Behaviour {
    /// When a mapping is used again.
    pub mapping: Dependence,
    /// Who may send through a mapping.
    pub filtering: Dependence,
    /// The port of a new mapping.
    pub allocation: Allocation,
    /// Whether an inside host reaches another through the outside address.
    pub hairpin: bool,
    /// How long a mapping lives after the last packet from inside.
    pub lifetime: Duration,
}

impl Behaviour {
    /// A common NAT with this mapping and filtering: ports kept if mappings are, else random.
    pub const fn new(mapping: Dependence, filtering: Dependence) -> Self {
        Self {
            mapping,
            filtering,
            allocation: match mapping {
                Dependence::Endpoint => Allocation::Preserving,
                _ => Allocation::Random,
            },
            hairpin: false,
            lifetime: Duration::from_secs(120),
        }
    }

    /// The same with another way to choose ports.
    pub const fn allocating(self, allocation: Allocation) -> Self {
        Self { allocation, ..self }
    }
}

/// Where a packet goes on, rewritten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// To the outside.
    Out,
    /// To the inside.
    In,
    /// Nowhere.
    Drop,
}

/// What tells mappings of one inside port apart.
type Remote = (Option<Ipv4Addr>, Option<u16>);
type Key = (Transport, SocketAddrV4, Remote);

#[derive(Debug)]
struct Mapping {
    outside: u16,
    permitted: BTreeSet<SocketAddrV4>,
    expires: Instant,
}

/// The NAT.
#[derive(Debug)]
pub struct Translator {
    behaviour: Behaviour,
    public: Ipv4Addr,
    mappings: BTreeMap<Key, Mapping>,
    ports: BTreeMap<(Transport, u16), Key>,
    last: u16,
    block: u16,
    dice: Dice,
}

impl Translator {
    /// A NAT with one outside address and no mapping.
    pub fn new(behaviour: Behaviour, public: Ipv4Addr, seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        Self {
            behaviour,
            public,
            mappings: BTreeMap::new(),
            ports: BTreeMap::new(),
            last: 20_000 + dice.below(20_000) as u16,
            block: 1024 + dice.below(50_000) as u16,
            dice,
        }
    }

    /// Its outside address.
    pub fn public(&self) -> Ipv4Addr {
        self.public
    }

    /// Forgets every mapping, and chooses ports elsewhere from now on.
    pub fn reboot(&mut self) {
        let seed = self.dice.roll();
        *self = Self::new(self.behaviour, self.public, seed);
    }

    /// A packet from inside.
    pub fn outbound(&mut self, packet: &mut [u8], now: Instant) -> Verdict {
        let Some(flow) = packet::flow(packet) else {
            return Verdict::Drop;
        };
        let (SocketAddr::V4(inside), SocketAddr::V4(remote)) = (flow.source, flow.destination)
        else {
            return Verdict::Drop;
        };
        let Some(outside) = self.map(flow.transport, inside, remote, now) else {
            return Verdict::Drop;
        };
        packet::set_source(packet, SocketAddrV4::new(self.public, outside));
        if *remote.ip() != self.public {
            return Verdict::Out;
        }
        if self.behaviour.hairpin {
            self.inbound(packet, now)
        } else {
            Verdict::Drop
        }
    }

    /// A packet from outside.
    pub fn inbound(&mut self, packet: &mut [u8], now: Instant) -> Verdict {
        if let Some(quoted) = packet::quoted(packet) {
            return match self.holder(quoted.transport, quoted.source.port(), now) {
                Some(inside) => {
                    packet::set_quoted_source(packet, inside);
                    Verdict::In
                }
                None => Verdict::Drop,
            };
        }
        let Some(flow) = packet::flow(packet) else {
            return Verdict::Drop;
        };
        let (SocketAddr::V4(remote), outside) = (flow.source, flow.destination.port()) else {
            return Verdict::Drop;
        };
        match self.holder(flow.transport, outside, now) {
            Some(inside) if self.admits(flow.transport, outside, remote) => {
                packet::set_destination(packet, inside);
                Verdict::In
            }
            _ => Verdict::Drop,
        }
    }

    /// The outside port for a packet of `inside` to `remote`, which may answer from now on.
    fn map(
        &mut self,
        transport: Transport,
        inside: SocketAddrV4,
        remote: SocketAddrV4,
        now: Instant,
    ) -> Option<u16> {
        let key = (transport, inside, self.told_apart(remote));
        if self
            .mappings
            .get(&key)
            .is_none_or(|mapping| mapping.expires <= now)
        {
            self.forget(&key);
            let outside = self.allocate(transport, inside.port(), now)?;
            self.ports.insert((transport, outside), key);
            let permitted = BTreeSet::new();
            let mapping = Mapping {
                outside,
                permitted,
                expires: now,
            };
            self.mappings.insert(key, mapping);
        }
        let mapping = self.mappings.get_mut(&key)?;
        mapping.expires = now + self.behaviour.lifetime;
        if mapping.permitted.len() < MAX_PERMITTED {
            mapping.permitted.insert(remote);
        }
        Some(mapping.outside)
    }

    fn told_apart(&self, remote: SocketAddrV4) -> Remote {
        match self.behaviour.mapping {
            Dependence::Endpoint => (None, None),
            Dependence::Address => (Some(*remote.ip()), None),
            Dependence::AddressAndPort => (Some(*remote.ip()), Some(remote.port())),
        }
    }

    fn forget(&mut self, key: &Key) {
        if let Some(mapping) = self.mappings.remove(key) {
            self.ports.remove(&(key.0, mapping.outside));
        }
    }

    /// Whose mapping an outside port is.
    fn holder(&mut self, transport: Transport, outside: u16, now: Instant) -> Option<SocketAddrV4> {
        let key = *self.ports.get(&(transport, outside))?;
        if self.mappings.get(&key)?.expires <= now {
            self.forget(&key);
            return None;
        }
        Some(key.1)
    }

    fn admits(&self, transport: Transport, outside: u16, remote: SocketAddrV4) -> bool {
        let key = self.ports.get(&(transport, outside));
        let Some(mapping) = key.and_then(|key| self.mappings.get(key)) else {
            return false;
        };
        let permitted = &mapping.permitted;
        match self.behaviour.filtering {
            Dependence::Endpoint => true,
            Dependence::Address => permitted.iter().any(|one| one.ip() == remote.ip()),
            Dependence::AddressAndPort => permitted.contains(&remote),
        }
    }

    fn allocate(&mut self, transport: Transport, wanted: u16, now: Instant) -> Option<u16> {
        let (first, size) = match self.behaviour.allocation {
            Allocation::Block(size) => (self.block, size),
            _ => (1024, u16::MAX - 1024),
        };
        let offset = |port: u16| port.wrapping_sub(first) % size;
        let (mut at, step) = match self.behaviour.allocation {
            Allocation::Preserving => (offset(wanted), 1),
            Allocation::Sequential(stride) => (offset(self.last.wrapping_add(stride)), stride),
            Allocation::Block(_) | Allocation::Random => {
                (self.dice.below(u64::from(size)) as u16, 1)
            }
        };
        for _ in 0..size {
            let port = first + at;
            if self.holder(transport, port, now).is_none() {
                self.last = port;
                return Some(port);
            }
            at = ((u32::from(at) + u32::from(step)) % u32::from(size)) as u16;
        }
        None
    }
}
