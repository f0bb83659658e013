//! A middlebox at work.

use std::net::{IpAddr, SocketAddr};

use super::allocation::Allocator;
use super::behaviour::{Behaviour, Mapping};
use super::table::{Entry, Key, Table};
use crate::sim::rng::Rng;
use crate::sim::time::Time;

/// Why a packet is dropped by a box.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// Nothing lives at that public address.
    NoMapping,
    /// The filter does not let it in.
    Filtered,
    /// No port, or no place in the table, is left for a new mapping.
    Exhausted,
    /// It is meant for the box's own public address from inside, and the box does not hairpin.
    NoHairpin,
}

/// A NAT or firewall: its behaviour, its public addresses, its table.
#[derive(Clone, Debug)]
pub struct Translator {
    behaviour: Behaviour,
    public: Vec<IpAddr>,
    allocator: Allocator,
    table: Table,
    /// Inside hosts in the order they were first seen, for pooling.
    hosts: Vec<IpAddr>,
}

impl Translator {
    /// A box with these public addresses; none for a firewall. An inside host keeps one of them
    /// (paired pooling, RFC 4787 REQ-2).
    #[must_use]
    pub fn new(behaviour: Behaviour, public: Vec<IpAddr>, rng: Rng) -> Self {
        Self {
            behaviour,
            public,
            allocator: Allocator::new(behaviour.allocation, behaviour.others, rng),
            table: Table::default(),
            hosts: Vec::new(),
        }
    }

    /// What it does.
    #[must_use]
    pub fn behaviour(&self) -> &Behaviour {
        &self.behaviour
    }

    /// Whether an address is one of its own.
    #[must_use]
    pub fn owns(&self, ip: IpAddr) -> bool {
        self.public.contains(&ip)
    }

    /// Mappings, with dead ones that were not noticed yet.
    #[must_use]
    pub fn mappings(&self) -> usize {
        self.table.len()
    }

    /// Forgets everything it learned.
    pub fn reboot(&mut self) {
        self.table.clear();
        self.hosts.clear();
        self.allocator.reboot();
    }

    /// Gives it other public addresses, as a provider does over night; what was mapped is gone.
    pub fn renumber(&mut self, public: Vec<IpAddr>) {
        self.public = public;
        self.reboot();
    }

    /// Its public addresses.
    #[must_use]
    pub fn public(&self) -> &[IpAddr] {
        &self.public
    }

    /// A packet from inside `src` to `dst` leaves: its source outside.
    ///
    /// # Errors
    /// [`Refused::Exhausted`] when it would need one mapping more than there may be.
    pub fn outbound(
        &mut self,
        src: SocketAddr,
        dst: SocketAddr,
        now: Time,
    ) -> Result<SocketAddr, Refused> {
        let behaviour = self.behaviour;
        let key = Key::new(behaviour.mapping, src, dst);
        let until = now + behaviour.lifetime;
        if let Some(entry) = self.table.inside(key, now) {
            entry.sent(behaviour.filtering, dst, until);
            return Ok(entry.outside);
        }
        if self.table.len() >= behaviour.mappings {
            self.table.sweep(now);
            if self.table.len() >= behaviour.mappings {
                return Err(Refused::Exhausted);
            }
        }
        let outside = self.allocate(src, now).ok_or(Refused::Exhausted)?;
        let entry = self.table.insert(key, Entry::new(src, outside));
        entry.sent(behaviour.filtering, dst, until);
        Ok(outside)
    }

    /// A packet from outside `src` to `dst` comes: its destination inside.
    ///
    /// # Errors
    /// [`Refused`] when it is dropped; the table is as before.
    pub fn inbound(
        &mut self,
        src: SocketAddr,
        dst: SocketAddr,
        now: Time,
    ) -> Result<SocketAddr, Refused> {
        let behaviour = self.behaviour;
        let entry = self.table.outside(dst, now).ok_or(Refused::NoMapping)?;
        if !entry.admits(behaviour.filtering, src, now) {
            return Err(Refused::Filtered);
        }
        if behaviour.inbound_refresh {
            entry.expires = now + behaviour.lifetime;
        }
        Ok(entry.inside)
    }

    /// A packet from inside `src` to a public address of the box: source and destination with which
    /// it comes in again.
    ///
    /// # Errors
    /// [`Refused`] when it is dropped.
    pub fn hairpin(
        &mut self,
        src: SocketAddr,
        dst: SocketAddr,
        now: Time,
    ) -> Result<(SocketAddr, SocketAddr), Refused> {
        if !self.behaviour.hairpin {
            return Err(Refused::NoHairpin);
        }
        let src = self.outbound(src, dst, now)?;
        Ok((src, self.inbound(src, dst, now)?))
    }

    fn allocate(&mut self, src: SocketAddr, now: Time) -> Option<SocketAddr> {
        if self.behaviour.mapping == Mapping::None {
            return Some(src);
        }
        let host = match self.hosts.iter().position(|host| *host == src.ip()) {
            Some(host) => host,
            None => {
                self.hosts.push(src.ip());
                self.hosts.len() - 1
            }
        };
        let ip = *self.public.get(host % self.public.len().max(1))?;
        let table = &self.table;
        let taken = |port| table.is_taken(SocketAddr::new(ip, port), now);
        let port = self.allocator.choose((src.ip(), src.port()), taken, now)?;
        Some(SocketAddr::new(ip, port))
    }
}
