//! What a middlebox does, as choices.

use std::time::Duration;

/// What the public address of a socket depends on (RFC 4787 §4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mapping {
    /// Nothing is translated: a firewall.
    None,
    /// The socket alone.
    EndpointIndependent,
    /// The socket and the destination's address.
    AddressDependent,
    /// The socket and the destination's address and port.
    AddressAndPortDependent,
}

/// Who is let in (RFC 4787 §5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Filtering {
    /// Anyone, while the mapping lives.
    EndpointIndependent,
    /// Addresses something was sent to.
    AddressDependent,
    /// Addresses and ports something was sent to.
    AddressAndPortDependent,
}

/// Which public port a new mapping gets (RFC 4787 §4.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Allocation {
    /// The socket's own where it is free.
    Preserving,
    /// The one before plus this, which may be negative.
    Sequential {
        /// From one new mapping to the next; not 0.
        stride: i16,
    },
    /// Any of a block of this many ports, aligned to its size, that belongs to the inside host.
    Block {
        /// Ports in a block; at least 1.
        ports: u16,
    },
    /// Any.
    Random,
}

/// Everything about a middlebox that does not change.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Behaviour {
    /// What the public address depends on.
    pub mapping: Mapping,
    /// Who is let in.
    pub filtering: Filtering,
    /// Which port is given out.
    pub allocation: Allocation,
    /// How long a mapping lives without traffic that refreshes it.
    pub lifetime: Duration,
    /// Whether packets from outside refresh a mapping too (RFC 4787 §4.3 lets a NAT choose).
    pub inbound_refresh: bool,
    /// Whether a packet from inside to a public address of the box comes in again.
    pub hairpin: bool,
    /// Mappings at once; what needs one more is dropped.
    pub mappings: usize,
    /// New mappings per second that hosts we do not simulate make on the same box. They matter to
    /// who predicts the next port.
    pub others: f64,
}

impl Behaviour {
    /// A NAT of these three behaviours that is otherwise an ordinary one: 120 s of life (RFC 4787
    /// REQ-5's least), refreshed from inside only, no hairpinning, 65,536 mappings, used by nobody
    /// else.
    #[must_use]
    pub fn nat(mapping: Mapping, filtering: Filtering, allocation: Allocation) -> Self {
        Self {
            mapping,
            filtering,
            allocation,
            lifetime: Duration::from_secs(120),
            inbound_refresh: false,
            hairpin: false,
            mappings: 65_536,
            others: 0.0,
        }
    }

    /// A stateful firewall: what was not asked for is not let in (RFC 6092 REC-15 lets state for
    /// UDP go after 120 s).
    #[must_use]
    pub fn firewall(filtering: Filtering) -> Self {
        Self::nat(Mapping::None, filtering, Allocation::Preserving)
    }
}
