//! What goes into the agent and what comes out.

use std::net::SocketAddr;
use std::time::Duration;

use dchat_wire::Frame;
use dchat_wire::extension::Extensions;
use dchat_wire::nat::{Candidate, Candidates, NatClass, Punch};

use super::config::Config;
use super::outcome::Outcome;
use crate::candidate::{Permit, offer};

/// Generation of the first CANDIDATES.
pub(super) const FIRST: u32 = 1;

/// Which socket of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Socket {
    /// The usual one of the remote address's family.
    Main,
    /// The n-th extra one, from 0, of the scatter opened last. Always IPv4.
    Extra(u16),
}

/// What we know of ourselves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Local {
    /// The NATs in front of us; [`NatClass::UNKNOWN`] until classified.
    pub class: NatClass,
    /// Our addresses of every kind, in any order and number; the peer is told the best
    /// [`CANDIDATES`](dchat_wire::limits::CANDIDATES) of them.
    pub candidates: Vec<Candidate>,
}

impl Local {
    /// The CANDIDATES that an agent with this configuration would begin with, for the first write of
    /// the control stream: whoever sends it gives the agent [`Input::Told`] instead of having it say
    /// the same again half a round trip later.
    #[must_use]
    pub fn opening(&self, config: &Config) -> Candidates {
        self.candidates(FIRST, &config.permit())
    }

    pub(super) fn candidates(&self, generation: u32, permit: &Permit) -> Candidates {
        Candidates {
            generation,
            class: self.class.clone(),
            candidates: offer(&self.candidates, permit),
            extensions: Extensions::default(),
        }
    }
}

/// What the agent is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// Ours, at first and whenever they change. The same again is ignored.
    Local(Local),
    /// Ours, as the peer was told them with [`Local::opening`] before there was an agent. Taken only
    /// as the first input about ourselves.
    Told(Local),
    /// From the peer's control stream.
    Candidates(Candidates),
    /// From the peer's control stream.
    Punch(Punch),
    /// Answers [`Output::Sample`]: the public address that a brand-new mapping got just now, or
    /// `None` when no reflector answered. Without an `Output::Sample` before it is ignored.
    Sampled(Option<SocketAddr>),
    /// The peer answered a probe of ours, authenticated: this way works in both directions.
    Answered {
        /// The socket the probe left from and the answer came to.
        from: Socket,
        /// The address that was probed and answered.
        remote: SocketAddr,
        /// From probe to answer.
        rtt: Duration,
    },
    /// The peer's probe came in, authenticated; the switch answers it, the agent probes back.
    Asked {
        /// The socket it came to.
        from: Socket,
        /// Where it came from.
        remote: SocketAddr,
    },
    /// No direct path works any more. Begins again, with backoff.
    Lost,
    /// Our interfaces, routes or NAT are others now: what was learned of addresses is void and
    /// backoff starts over. A [`Input::Local`] with the new addresses follows when they are known.
    NetworkChanged,
}

/// What the agent wants done, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Send one authenticated probe of the smallest size. It is already paced and counted: no
    /// further limit but the node's own need be applied. One that cannot be sent is not repeated
    /// sooner.
    Probe {
        /// From this socket.
        from: Socket,
        /// To this address.
        remote: SocketAddr,
    },
    /// CANDIDATES or PUNCH, for the peer's control stream, in order.
    Send(Frame),
    /// Send a STUN request from a fresh IPv4 socket, so that a new mapping is made, and report
    /// [`Input::Sampled`] within [`SAMPLE_TIMEOUT`](super::bounds::SAMPLE_TIMEOUT).
    Sample,
    /// Bind this many extra IPv4 sockets, numbered from 0, and send nothing from them: mappings are
    /// to be made by the probes. Replaces extra sockets from before, except any that carries a
    /// proven path. Fewer (or none) may be bound; probes from a missing one are dropped.
    Open {
        /// At most [`SOCKETS`](super::bounds::SOCKETS).
        sockets: u16,
    },
    /// The extra sockets are not needed any more, except any that carries a proven path.
    Close,
    /// An attempt ended, or a better direct path was found.
    Outcome(Outcome),
}
