//! What an endpoint is made from.

use std::net::{Ipv6Addr, SocketAddr};

use dchat_wire::Address;
use dchat_wire::sign::Identity;

use crate::dht::DhtConfig;
use crate::limits::Limits;
use crate::nat::NatConfig;
use crate::relay::proto::server;

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
    /// What the node relays, and for whom. Used only with [`dchat_wire::hello::role::RELAY`] among
    /// the roles.
    pub relay: RelaySettings,
    /// Relays to hold reservations at, so that others reach us through them: direct addresses, which
    /// should name their peer: without, whoever answers there is believed. Circuits are left out.
    /// Default: none.
    pub relays: Vec<Address>,
    /// Whether peers shall never learn our address. Then they are dialed over circuits only, told
    /// only circuits, and nothing is announced on the local network; only relays are dialed
    /// directly. Default: no.
    pub relay_only: bool,
    /// Our part in the DHT, if any. In relay-only mode there is none: who asks shows its address.
    /// Default: none.
    pub dht: Option<DhtConfig>,
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
            relay: RelaySettings::default(),
            relays: Vec::new(),
            relay_only: false,
            dht: None,
            limits: Limits::default(),
            mdns: Some(MdnsConfig::default()),
            seed: None,
        }
    }
}

/// What a relay gives, and to whom.
#[derive(Clone, Debug, Default)]
pub struct RelaySettings {
    /// How much.
    pub limits: server::Limits,
    /// To whom.
    pub policy: server::Policy,
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
