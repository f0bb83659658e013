//! What is known of the port mappings.

use core::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// Why a gateway gives no mapping.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// Its owner has not allowed it.
    #[error("the gateway does not allow it: its port mapping may be switched off in its settings")]
    NotAuthorized,
    /// It has no port or memory left.
    #[error("the gateway has no free port")]
    NoResources,
    /// It speaks the protocol, but not this part of it.
    #[error("the gateway does not support it")]
    Unsupported,
    /// It has no address in the world.
    #[error("the gateway has no public address")]
    NoAddress,
    /// What it said makes no sense.
    #[error("the gateway answered nonsense")]
    Nonsense,
    /// An error with this code of its protocol.
    #[error("the gateway answered with error {0}")]
    Code(u16),
}

/// What one protocol came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MappingState {
    /// It is switched off.
    #[default]
    Off,
    /// The gateway has been asked and may still answer.
    Asking,
    /// A mapping is there: packets to this address arrive at our socket.
    Mapped(SocketAddr),
    /// The gateway said no.
    Refused(Refusal),
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
            Self::Refused(refusal) => write!(f, "refused: {refusal}"),
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
    /// The port of our socket, never 0.
    pub(super) port: core::num::NonZeroU16,
    /// The outside port we had or would like.
    pub(super) external: core::num::NonZeroU16,
    /// For how long.
    pub(super) lifetime: Duration,
}

/// A mapping that is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Granted {
    /// The outside.
    pub(super) external: SocketAddr,
    /// For how long it was given.
    pub(super) lifetime: Duration,
}

/// Why it is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    NoGateway,
    NoAnswer,
    Refused(Refusal),
}

impl From<Failure> for MappingState {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::NoGateway => Self::NoGateway,
            Failure::NoAnswer => Self::NoAnswer,
            Failure::Refused(refusal) => Self::Refused(refusal),
        }
    }
}

/// The address a gateway claims to have outside, if it is one that anything could arrive at.
pub(super) fn plausible(ip: IpAddr, port: u16) -> Result<SocketAddr, Failure> {
    let nowhere = match ip {
        IpAddr::V4(ip) => ip.is_unspecified() || ip.octets()[0] == 0,
        IpAddr::V6(ip) => ip.is_unspecified(),
    };
    if nowhere {
        return Err(Failure::Refused(Refusal::NoAddress));
    }
    let impossible = match ip {
        IpAddr::V4(ip) => ip.is_loopback() || ip.is_multicast() || ip.octets()[0] >= 240,
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_multicast() || ip.is_unicast_link_local(),
    };
    if impossible || port == 0 {
        return Err(Failure::Refused(Refusal::Nonsense));
    }
    Ok(SocketAddr::new(ip, port))
}
