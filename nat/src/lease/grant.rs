//! What a gateway grants, and whether it can be believed.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::scope::{self, Scope};

/// Longest life taken for granted, which also stands for UPnP's "for ever": a gateway may have
/// restarted long before.
pub(super) const LIFE_MOST: Duration = Duration::from_secs(24 * 3600);

/// A mapping as the gateway says it made it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The local port it leads to.
    pub internal: u16,
    /// The port outside.
    pub port: u16,
    /// The address outside; `None` where the gateway does not tell.
    pub address: Option<IpAddr>,
    /// For how long; [`Duration::MAX`] for a mapping without end.
    pub lifetime: Duration,
    /// Seconds that the gateway counts since it started (PCP, NAT-PMP).
    pub epoch: Option<u32>,
}

/// What a gateway says instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// There is no gateway, or none that knows the protocol.
    Unsupported,
    /// It is not allowed.
    Denied,
    /// The port outside is another's.
    Taken,
    /// It has no room, or a passing fault.
    Busy,
}

/// Why there is no mapping. Ours stays what it was; the gateway is asked again later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// It does not know the protocol.
    #[error("no gateway here knows this protocol; port mapping may be switched off in the router")]
    Unsupported,
    /// It does not allow it.
    #[error("the gateway denies port mappings; allow them in the router's settings")]
    Denied,
    /// The port outside is another's, and so was the next.
    #[error("the gateway has given the port to another host")]
    Taken,
    /// It has no room.
    #[error("the gateway is out of room for port mappings")]
    Busy,
    /// It does not answer.
    #[error("the gateway does not answer")]
    Silent,
    /// The lease ended, and was not renewed.
    #[error("the port mapping ended and the gateway did not renew it")]
    Expired,
    /// It answers with port 0.
    #[error("the gateway answers nonsense: port 0")]
    PortZero,
    /// It mapped to another port than the one asked for.
    #[error("the gateway answers nonsense: a mapping to another local port")]
    OtherInternal,
    /// It answers with an address that none can have, such as a loopback or multicast one.
    #[error("the gateway answers nonsense: an external address that cannot be one")]
    NoAddress,
    /// It grants no time.
    #[error("the gateway answers nonsense: a mapping that ends at once")]
    NoTime,
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Unsupported => Self::Unsupported,
            Refusal::Denied => Self::Denied,
            Refusal::Taken => Self::Taken,
            Refusal::Busy => Self::Busy,
        }
    }
}

/// A grant that can be believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sound {
    pub(super) port: u16,
    pub(super) external: Option<SocketAddr>,
    /// The gateway itself has a private address outside.
    pub(super) behind: bool,
    pub(super) lifetime: Duration,
}

impl Grant {
    /// What can be believed of it, for a mapping of `internal`.
    pub(super) fn sound(&self, internal: SocketAddr) -> Result<Sound, Failure> {
        if self.internal != internal.port() {
            return Err(Failure::OtherInternal);
        }
        if self.port == 0 {
            return Err(Failure::PortZero);
        }
        if self.lifetime < Duration::from_secs(1) {
            return Err(Failure::NoTime);
        }
        let address = self.address.map(|address| address.to_canonical());
        let family = address.is_none_or(|a| a.is_ipv4() == internal.ip().to_canonical().is_ipv4());
        let scope = address.map(scope::scope);
        if !family || matches!(scope, Some(Scope::Nobody | Scope::Host)) {
            return Err(Failure::NoAddress);
        }
        Ok(Sound {
            port: self.port,
            external: address.map(|address| SocketAddr::new(address, self.port)),
            behind: matches!(scope, Some(Scope::Site | Scope::Link)),
            lifetime: self.lifetime.min(LIFE_MOST),
        })
    }
}
