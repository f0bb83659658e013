//! What the agent may do.

use crate::candidate::{Permit, Prefix};

/// What one agent may do. The default is an ordinary node.
#[derive(Clone, Debug)]
pub struct Config {
    /// Our address is shown to nobody: nothing is sent and nothing probed. Default: off.
    pub relay_only: bool,
    /// The relayed path itself runs over the loopback interface, so the peer is on this machine
    /// and its loopback addresses are ours. Default: off.
    pub loopback: bool,
    /// Whether ports are guessed where a NAT maps by destination: a burst of up to
    /// [`GUESSES`](super::bounds::GUESSES) small datagrams to one address. Off for networks that
    /// take that for a port scan. Default: on.
    pub guess: bool,
    /// Extra sockets that may be open at once, at most [`SOCKETS`](super::bounds::SOCKETS). Each
    /// takes a file descriptor and a mapping of the NAT for half a minute. Default: all.
    pub sockets: u16,
    /// Addresses that mean something inside this program only, and are never probed.
    pub synthetic: Vec<Prefix>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            relay_only: false,
            loopback: false,
            guess: true,
            sockets: super::bounds::SOCKETS,
            synthetic: Vec::new(),
        }
    }
}

impl Config {
    pub(super) fn permit(&self) -> Permit {
        Permit {
            loopback: self.loopback,
            synthetic: self.synthetic.clone(),
        }
    }
}
