//! What is known of the port mappings.

use core::fmt;
use std::net::SocketAddr;

use dchat_nat::lease::{Failure, Grant, Refusal};

/// What one protocol came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MappingState {
    /// It is switched off.
    #[default]
    Off,
    /// The gateway has been asked and may still answer.
    Asking,
    /// A mapping is there: what is sent to this address arrives at our socket, unless there is a
    /// second NAT behind the gateway.
    Mapped(SocketAddr),
    /// The gateway said no, or granted what cannot be.
    Refused(Failure),
    /// What it said is not of the protocol.
    Nonsense,
    /// There is no gateway, none that is known, or no address of ours that it could map.
    NoGateway,
    /// Nobody answered.
    NoAnswer,
}

impl fmt::Display for MappingState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => f.write_str("off"),
            Self::Asking => f.write_str("asking"),
            Self::Mapped(addr) => write!(f, "mapped to {addr}"),
            Self::Refused(failure) => write!(f, "refused: {failure}"),
            Self::Nonsense => f.write_str("the gateway answers nonsense"),
            Self::NoGateway => f.write_str("no gateway"),
            Self::NoAnswer => f.write_str("no answer"),
        }
    }
}

/// What each protocol came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PortMapping {
    /// UPnP IGD, IPv4.
    pub upnp: MappingState,
    /// NAT-PMP (RFC 6886).
    pub nat_pmp: MappingState,
    /// PCP (RFC 6887), IPv4.
    pub pcp: MappingState,
    /// A hole in the gateway's IPv6 firewall, by UPnP.
    pub pinhole: MappingState,
}

impl PortMapping {
    /// The addresses at which we are reached thanks to a mapping, each once.
    #[must_use]
    pub fn addrs(&self) -> Vec<SocketAddr> {
        let mut addrs = Vec::new();
        for state in [self.pcp, self.nat_pmp, self.upnp, self.pinhole] {
            if let MappingState::Mapped(addr) = state
                && !addrs.contains(&addr)
            {
                addrs.push(addr);
            }
        }
        addrs
    }

    /// Whether no protocol waits for a first answer.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        ![self.pcp, self.nat_pmp, self.upnp, self.pinhole].contains(&MappingState::Asking)
    }
}

/// Which mapping is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    /// The address of ours.
    pub(super) internal: SocketAddr,
    /// The outside port we had or would like; 0 for any.
    pub(super) suggested: u16,
    /// For how long, in seconds.
    pub(super) seconds: u32,
}

/// Why there is no mapping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unmapped {
    NoGateway,
    NoAnswer,
    /// What it said is of no protocol.
    Nonsense,
    Refused(Refusal),
}

impl Unmapped {
    /// As the lease knows it. Silence is not asked about again as rarely as a protocol that nobody
    /// speaks: the gateway may be starting.
    pub(super) fn refusal(self) -> Refusal {
        match self {
            Self::NoGateway => Refusal::Unsupported,
            Self::NoAnswer | Self::Nonsense => Refusal::Busy,
            Self::Refused(refusal) => refusal,
        }
    }
}

/// An answer of a gateway.
pub(super) type Answer = Result<Grant, Unmapped>;
