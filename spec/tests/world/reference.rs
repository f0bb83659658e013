//! A NAT as the tables of RFC 4787 put it: decided from the whole history, without a table.

use std::net::SocketAddr;
use std::time::Duration;

use dchat_spec::sim::Time;
use dchat_spec::sim::nat::{Behaviour, Filtering, Mapping};

/// A packet that left, with the public address it got.
#[derive(Clone, Copy, Debug)]
struct Left {
    at: Time,
    inside: SocketAddr,
    outside: SocketAddr,
    to: SocketAddr,
}

/// All that ever left.
#[derive(Clone, Debug)]
pub(crate) struct History {
    behaviour: Behaviour,
    left: Vec<Left>,
}

impl History {
    pub(crate) fn new(behaviour: Behaviour) -> Self {
        Self {
            behaviour,
            left: Vec::new(),
        }
    }

    /// The public address that a packet must get; `None` when it makes a new mapping.
    pub(crate) fn public(
        &self,
        inside: SocketAddr,
        to: SocketAddr,
        now: Time,
    ) -> Option<SocketAddr> {
        let same = |left: &&Left| {
            left.inside == inside
                && match self.behaviour.mapping {
                    Mapping::None | Mapping::EndpointIndependent => true,
                    Mapping::AddressDependent => left.to.ip() == to.ip(),
                    Mapping::AddressAndPortDependent => left.to == to,
                }
        };
        // A mapping that died and came again is another, so only its last use counts.
        let last = self.left.iter().rev().find(same)?;
        self.fresh(last, now).then_some(last.outside)
    }

    /// Whom a packet from outside reaches.
    pub(crate) fn admitted(
        &self,
        from: SocketAddr,
        outside: SocketAddr,
        now: Time,
    ) -> Option<SocketAddr> {
        let through = || {
            self.left
                .iter()
                .rev()
                .filter(|left| left.outside == outside)
        };
        let inside = through()
            .next()
            .filter(|last| self.fresh(last, now))?
            .inside;
        let asked = through().any(|left| {
            self.fresh(left, now)
                && match self.behaviour.filtering {
                    Filtering::EndpointIndependent => true,
                    Filtering::AddressDependent => left.to.ip() == from.ip(),
                    Filtering::AddressAndPortDependent => left.to == from,
                }
        });
        asked.then_some(inside)
    }

    /// Public addresses in use, which no other mapping may get.
    pub(crate) fn in_use(&self, outside: SocketAddr, now: Time) -> bool {
        let mut through = self.left.iter().filter(|left| left.outside == outside);
        through.any(|left| self.fresh(left, now))
    }

    pub(crate) fn note(
        &mut self,
        inside: SocketAddr,
        outside: SocketAddr,
        to: SocketAddr,
        at: Time,
    ) {
        self.left.push(Left {
            at,
            inside,
            outside,
            to,
        });
    }

    fn fresh(&self, left: &Left, now: Time) -> bool {
        now.since(left.at) < self.behaviour.lifetime || self.behaviour.lifetime == Duration::MAX
    }
}
