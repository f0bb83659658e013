//! What goes into the keeper of reservations and what comes out.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use dchat_wire::relay::Refusal;
use dchat_wire::{Address, Frame, PeerId};

use super::config::Candidate;
use crate::relay::proto::client::voucher::VoucherError;

/// What is told to the keeper.
#[derive(Clone, Debug)]
pub enum Input {
    /// The relays that could be used, in order of preference, replacing earlier ones.
    Candidates(Vec<Candidate>),
    /// A connection to a relay is up, whoever wanted it.
    Up {
        /// The relay.
        relay: PeerId,
        /// The address it has.
        socket: SocketAddr,
        /// Its round trip.
        rtt: Duration,
    },
    /// A relay's round trip was measured, over a connection or otherwise.
    Rtt {
        /// The relay.
        relay: PeerId,
        /// Its round trip.
        rtt: Duration,
    },
    /// There is no connection to a relay any more, or none could be made. Not said of an old
    /// connection that another has taken the place of.
    Gone {
        /// The relay.
        relay: PeerId,
    },
    /// How a RESERVE was answered.
    Answer {
        /// The relay.
        relay: PeerId,
        /// Of [`Output::Reserve`].
        ask: u64,
        /// RESERVED or REFUSED; `None` when the stream ended without a frame.
        frame: Option<Frame>,
        /// Milliseconds since 1970, to check vouchers with.
        unix_ms: u64,
    },
    /// The node has other addresses or routes: those at rest are tried again.
    NetworkChanged,
}

/// What the keeper wants done, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Connect to a relay and say [`Input::Up`] or [`Input::Gone`].
    Connect {
        /// The relay.
        relay: PeerId,
        /// Where it listens.
        sockets: Vec<SocketAddr>,
    },
    /// The connection to a relay is not needed here any more.
    Release {
        /// The relay.
        relay: PeerId,
    },
    /// Send RESERVE on a stream of its own and say [`Input::Answer`].
    Reserve {
        /// The relay.
        relay: PeerId,
        /// Which question it is.
        ask: u64,
        /// RESERVE.
        frame: Box<Frame>,
    },
    /// The addresses under which we can be reached, all of them; said when they change.
    Circuits(Vec<Address>),
    /// Something happened that is worth a line in a log.
    Event(Event),
}

/// What happened with a relay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A reservation is held, or held longer.
    Held {
        /// The relay.
        relay: PeerId,
        /// For how long from now.
        lifetime: Duration,
    },
    /// The relay said no.
    Refused {
        /// The relay.
        relay: PeerId,
        /// Why.
        reason: Refusal,
    },
    /// The relay's voucher is worth nothing; the relay is at fault.
    BadVoucher {
        /// The relay.
        relay: PeerId,
        /// What is wrong with it.
        error: VoucherError,
    },
    /// The relay could not be reached, did not answer, or answered nonsense.
    Failed {
        /// The relay.
        relay: PeerId,
    },
    /// A reservation that was held is not any more.
    Lost {
        /// The relay.
        relay: PeerId,
    },
}

/// A reservation that is held, for those who want to show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// The relay.
    pub relay: PeerId,
    /// Its address.
    pub socket: SocketAddr,
    /// Its round trip, as measured last.
    pub rtt: Option<Duration>,
    /// When it ends unless it is renewed.
    pub until: Instant,
}
