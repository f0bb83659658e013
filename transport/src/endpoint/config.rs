//! What an endpoint is made from.

use std::net::{Ipv6Addr, SocketAddr};

use dchat_wire::sign::Identity;

use crate::limits::Limits;
use crate::nat::NatConfig;

/// Settings of an [`Endpoint`](super::Endpoint).
#[derive(Clone, Debug)]
pub struct EndpointConfig {
    /// The node's key.
    pub identity: Identity,
    /// Where to listen; port 0 lets the system choose. Default: `[::]:0`, which is
    /// all interfaces in both families.
    pub listen: Vec<SocketAddr>,
    /// Bits of [`dchat_wire::hello::role`]. Default: none.
    pub roles: u64,
    /// What to do about NATs.
    pub nat: NatConfig,
    /// How much others may take.
    pub limits: Limits,
    /// Discovery on the local network, if wanted. Default: on.
    pub mdns: Option<MdnsConfig>,
    /// Everything random of this endpoint follows from it, its instance included. `None` (default)
    /// takes it from the operating system. Give one only to repeat a test: an instance that repeats
    /// keeps peers from noticing a restart.
    pub seed: Option<[u8; 32]>,
}

impl EndpointConfig {
    /// The defaults, for `identity`.
    #[must_use]
    pub fn new(identity: Identity) -> Self {
        Self {
            identity,
            listen: vec![SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0))],
            roles: 0,
            nat: NatConfig::default(),
            limits: Limits::default(),
            mdns: Some(MdnsConfig::default()),
            seed: None,
        }
    }
}

/// Settings of discovery by mDNS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MdnsConfig {
    /// The UDP port of the group. Default 5353 (RFC 6762); another one makes a group apart, for
    /// tests.
    pub port: u16,
    /// Whether loopback interfaces take part although there are others. Default no; without any
    /// others they always do.
    pub loopback: bool,
}

impl Default for MdnsConfig {
    fn default() -> Self {
        Self {
            port: 5353,
            loopback: false,
        }
    }
}
