//! How many channels there may be, and who may have one to us.

use std::collections::BTreeSet;
use std::time::Duration;

use dchat_wire::PeerId;

use crate::relay::proto::Rate;

/// How much is kept and let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// Connections to relays, default 32: those held and those contacts are reached over.
    pub connections: usize,
    /// Channels in all, open or asked for, default 512.
    pub channels: usize,
    /// Channels of one peer over one relay, default 4: both may ask at once, and again before the
    /// old ones are seen to be dead.
    pub per_peer: usize,
    /// Strangers that may have a channel at once, default 16.
    pub strangers: usize,
    /// Strangers let in over time, default 1/s and 16 at once.
    pub stranger_rate: Rate,
    /// How long an answer to CONNECT may take, default 8 s: the relay waits 5 s for the other side.
    pub answer: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            connections: 32,
            channels: 512,
            per_peer: 4,
            strangers: 16,
            stranger_rate: Rate {
                per_second: 1,
                burst: 16,
            },
            answer: Duration::from_secs(8),
        }
    }
}

/// Who may have a channel to us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Consent {
    /// Always.
    pub contacts: BTreeSet<PeerId>,
    /// Never, contact or not.
    pub denied: BTreeSet<PeerId>,
    /// Whether those in neither list may, within the bounds for strangers; false in private mode.
    pub strangers: bool,
}

impl Default for Consent {
    /// Strangers may: it is how one gets to know somebody.
    fn default() -> Self {
        Self {
            contacts: BTreeSet::new(),
            denied: BTreeSet::new(),
            strangers: true,
        }
    }
}
