//! How an attempt ended, and why not better.

use core::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use super::io::Socket;

/// How things stand between two peers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The peer answered directly.
    Direct {
        /// The socket of ours it answered to.
        from: Socket,
        /// Its address.
        remote: SocketAddr,
        /// Of that exchange.
        rtt: Duration,
        /// Probes of ours that this attempt had taken by then.
        probes: u32,
    },
    /// The relay carries everything.
    Relayed(Reason),
}

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    /// We.
    Ours,
    /// The peer.
    Theirs,
}

/// Why there is no direct path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// This side is configured never to show its address.
    RelayOnly,
    /// An attempt is under way, or waits for our own or the peer's addresses.
    StillTrying,
    /// The peer sent no addresses, or has never answered PUNCH in two attempts: it does not punch, or
    /// does not want to.
    PeerDoesNotPunch,
    /// This side has no address that may be probed.
    NoCandidates(Side),
    /// One has IPv4 only and the other IPv6 only.
    NoCommonFamily,
    /// Nobody outside sees this side: it has but private addresses, so UDP is blocked or no
    /// reflector answered.
    UdpBlocked(Side),
    /// Both NATs map by destination and no port of either can be guessed often enough.
    BothSymmetric,
    /// One NAT maps by destination, and guessing is switched off on our side or its ports are too
    /// many.
    PortsUnpredictable,
    /// Our NAT's next port could not be sampled: no reflector answered.
    SampleFailed,
    /// Nothing came through although it should have: a firewall on either side, or an address that
    /// is not what it seems.
    Filtered,
    /// The peer's probes arrive here and ours are not answered.
    OneWay,
    /// Ports were guessed in vain.
    Exhausted {
        /// Probes of ours in this attempt.
        probes: u32,
    },
    /// Too many probes went unanswered lately; the next attempt is due later.
    Limited,
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ours => "our side",
            Self::Theirs => "the peer",
        })
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RelayOnly => f.write_str("relay-only mode is on"),
            Self::StillTrying => f.write_str("still trying"),
            Self::PeerDoesNotPunch => {
                f.write_str("the peer takes no part in finding a direct path")
            }
            Self::NoCandidates(side) => write!(f, "{side} has no address to probe"),
            Self::NoCommonFamily => f.write_str("one side has IPv4 only, the other IPv6 only"),
            Self::UdpBlocked(side) => write!(
                f,
                "{side} is seen by nobody outside: UDP is blocked or no STUN server answered"
            ),
            Self::BothSymmetric => f.write_str(
                "both NATs give each destination another port, and neither's can be predicted",
            ),
            Self::PortsUnpredictable => f.write_str(
                "one NAT gives each destination another port, which is not guessed here",
            ),
            Self::SampleFailed => {
                f.write_str("our NAT's next port is not known: no STUN server answered")
            }
            Self::Filtered => {
                f.write_str("a firewall on either side drops what should come through")
            }
            Self::OneWay => f.write_str("the peer's packets arrive, ours do not"),
            Self::Exhausted { probes } => write!(f, "{probes} probes met no open port"),
            Self::Limited => f.write_str("too many probes went unanswered lately; later again"),
        }
    }
}
