//! What `doctor` finds out about the network around a node.

use serde::{Deserialize, Serialize};

use super::PathKind;

/// The report. A value that could not be found out is null.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Doctor {
    /// Whether any UDP datagram of ours was answered.
    pub udp: bool,
    /// Whether IPv4 leads out of this machine.
    pub ipv4: bool,
    /// Whether IPv6 does.
    pub ipv6: bool,
    /// What stands between this node and the others.
    pub nat: Nat,
    /// What the gateway opens when asked.
    pub port_mapping: PortMapping,
    /// Whether strangers can reach this node.
    pub reachability: Reachability,
    /// Relays this node has asked.
    pub relays: Vec<Relay>,
    /// What to do about it, in sentences; empty when all is well.
    pub advice: Vec<String>,
    /// About one peer, when asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer: Option<PeerPath>,
}

/// NATs and firewalls in front of the node (RFC 4787).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Nat {
    /// What the public address of a socket depends on.
    pub mapping: Option<Behaviour>,
    /// From where datagrams are let in.
    pub filtering: Option<Behaviour>,
    /// Which port a new mapping gets.
    pub allocation: Option<Allocation>,
    /// Whether the node reaches itself by its public address.
    pub hairpin: Option<bool>,
    /// Seconds after which an idle mapping is gone; measured by a daemon over time.
    pub lifetime_s: Option<u64>,
    /// Whether there are two NATs in a row.
    pub double: Option<bool>,
    /// How others see the node.
    pub public: Vec<String>,
}

/// What a mapping or a filter depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Behaviour {
    /// On nothing about the other side.
    EndpointIndependent,
    /// On its address.
    AddressDependent,
    /// On its address and port.
    AddressAndPortDependent,
    /// There is none.
    None,
}

/// How ports are given out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Allocation {
    /// The socket's own port, where free.
    Preserving,
    /// One after the other.
    Sequential,
    /// Any of a block.
    Block,
    /// Any.
    Random,
}

/// Whether the gateway gave a mapping by each protocol.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortMapping {
    /// UPnP Internet Gateway Device.
    pub upnp: bool,
    /// NAT-PMP (RFC 6886).
    pub nat_pmp: bool,
    /// PCP (RFC 6887).
    pub pcp: bool,
}

/// Whether strangers reach a node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reachability {
    /// At least two nodes of different subnets have reached it unasked.
    Public,
    /// They have tried and not reached it.
    Private,
    /// Too few have tried.
    #[default]
    Unknown,
}

/// A relay.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Relay {
    /// Its multiaddr.
    pub addr: String,
    /// Round trip in milliseconds; null while it is not reached.
    pub rtt_ms: Option<f64>,
}

/// How a peer is reached, and why not better.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PeerPath {
    /// `12D3KooW…`
    pub peer_id: String,
    /// How packets reach it; null when it is not connected.
    pub path: Option<PathKind>,
    /// Multiaddr of the path.
    pub addr: Option<String>,
    /// For programs: `direct`, `not-connected`, or why it is relayed.
    pub reason: String,
    /// The same in a sentence.
    pub explanation: String,
}
