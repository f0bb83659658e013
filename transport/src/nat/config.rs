//! What a node does about NATs.

use super::portmap::PortMapConfig;
use super::server::StunServer;

/// Settings of an endpoint's NAT traversal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NatConfig {
    /// STUN servers to ask, at most [`STUN_SERVERS`](super::STUN_SERVERS) of them; connected nodes
    /// that answer STUN are asked as well. Default: none.
    pub stun: Vec<StunServer>,
    /// How to ask gateways for a mapping. Default: not at all, so that a node that is only a client
    /// of a test or a tool opens nothing; a daemon asks.
    pub port_mapping: PortMapConfig,
    /// Whether to answer others' STUN and REACH. Default yes: it costs little, amplifies nothing, and
    /// everybody needs two who do.
    pub serve: bool,
    /// Whether to find out by itself what the NATs do, at the start and whenever the network changed.
    /// Default yes; without servers and nodes to ask nothing is sent.
    pub survey: bool,
}

impl Default for NatConfig {
    fn default() -> Self {
        Self {
            stun: Vec::new(),
            port_mapping: PortMapConfig::off(),
            serve: true,
            survey: true,
        }
    }
}

impl NatConfig {
    /// Of a node whose address peers shall not learn: it asks gateways for no mapping, since nobody
    /// is to use it, and sends nobody anything.
    pub(crate) fn hidden(self) -> Self {
        Self {
            port_mapping: PortMapConfig::off(),
            serve: false,
            ..self
        }
    }
}
