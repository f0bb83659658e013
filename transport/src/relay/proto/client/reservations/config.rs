//! Which relays there are, and how they are used.

use std::net::SocketAddr;
use std::time::Duration;

use dchat_wire::PeerId;

/// Sockets of one relay that are used: two families, and a second of each.
pub const SOCKETS: usize = 4;

/// Numbers of the keeper of reservations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// Relays to hold, default 2: when one dies the other carries on.
    pub wanted: usize,
    /// Relays to choose from, default 32; of a longer list the first.
    pub candidates: usize,
    /// For how long to ask, default 1 h: relays commonly give no more.
    pub lifetime: Duration,
    /// When a connection is called slow and the next relay is tried beside it, default 2 s.
    pub slow: Duration,
    /// When a connection or an answer is given up, default 10 s: as long as a handshake takes.
    pub give_up: Duration,
    /// Rest after the first failure, default 1 s.
    pub rest_min: Duration,
    /// Longest rest after failures, default 5 min.
    pub rest_max: Duration,
    /// Rest of a relay that refused for good, or lied, default 1 h: policies change.
    pub never: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            wanted: 2,
            candidates: 32,
            lifetime: Duration::from_secs(60 * 60),
            slow: Duration::from_secs(2),
            give_up: Duration::from_secs(10),
            rest_min: Duration::from_secs(1),
            rest_max: Duration::from_secs(5 * 60),
            never: Duration::from_secs(60 * 60),
        }
    }
}

/// A relay that could be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Who it is.
    pub relay: PeerId,
    /// Where it listens; the first [`SOCKETS`] are used.
    pub sockets: Vec<SocketAddr>,
    /// Named by the user rather than found.
    pub configured: bool,
}
