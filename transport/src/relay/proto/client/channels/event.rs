//! What goes into the channels of a node and what comes out.

use std::time::Duration;

use dchat_wire::relay::Refusal;
use dchat_wire::{Frame, PeerId};

use super::config::Consent;
use crate::relay::proto::{ConnId, StreamId};

/// What is told about channels.
#[derive(Clone, Debug)]
pub enum Input {
    /// A connection to a relay is up.
    Up {
        /// The connection.
        conn: ConnId,
        /// The relay.
        relay: PeerId,
    },
    /// It is gone, with all its streams.
    Gone {
        /// The connection.
        conn: ConnId,
    },
    /// A channel is wanted. While one is being asked for, asking again changes nothing.
    Ask {
        /// The connection to the relay.
        conn: ConnId,
        /// To whom.
        peer: PeerId,
    },
    /// A channel is wanted no more.
    Shut {
        /// The connection.
        conn: ConnId,
        /// The channel's number.
        channel: u32,
    },
    /// A frame came on a stream: INCOMING, the first of a stream the relay opened, or the answer on
    /// one of ours.
    Frame {
        /// The connection.
        conn: ConnId,
        /// The stream.
        stream: StreamId,
        /// The frame.
        frame: Frame,
    },
    /// The relay ended or reset its side of a stream, or it could not be opened.
    Ended {
        /// The connection.
        conn: ConnId,
        /// The stream.
        stream: StreamId,
    },
    /// Another consent. Channels it excludes end.
    Consent(Consent),
}

/// What is wanted done, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Open a stream, write the frame, keep it open.
    Open {
        /// The connection.
        conn: ConnId,
        /// What the stream is called from now on.
        stream: StreamId,
        /// CONNECT.
        frame: Box<Frame>,
    },
    /// Write the frame and keep the stream open.
    Write {
        /// The connection.
        conn: ConnId,
        /// The stream.
        stream: StreamId,
        /// ACCEPT.
        frame: Box<Frame>,
    },
    /// Write the frame if there is one, finish the stream, and read no more from it.
    Close {
        /// The connection.
        conn: ConnId,
        /// The stream.
        stream: StreamId,
        /// REFUSED, or nothing.
        frame: Option<Box<Frame>>,
    },
    /// A channel is there.
    Opened {
        /// The connection.
        conn: ConnId,
        /// The relay.
        relay: PeerId,
        /// With whom, says the relay.
        peer: PeerId,
        /// What its datagrams are named with on this connection.
        channel: u32,
        /// Whether we asked for it.
        asked: bool,
        /// Bytes per second of each direction, where we asked; 0 for no limit of its own.
        bytes_per_s: u32,
    },
    /// A channel that was asked for cannot be had.
    Failed {
        /// The connection.
        conn: ConnId,
        /// To whom.
        peer: PeerId,
        /// Why.
        failure: Failure,
    },
    /// A channel that was there is not any more.
    Closed {
        /// The connection.
        conn: ConnId,
        /// The relay.
        relay: PeerId,
        /// With whom it was.
        peer: PeerId,
        /// Its number.
        channel: u32,
    },
}

/// Why a channel cannot be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The relay refused.
    #[error("{}", reason.text())]
    Refused {
        /// Why.
        reason: Refusal,
        /// After which time asking again makes sense; `None` when it does not.
        retry_after: Option<Duration>,
    },
    /// The relay did not answer.
    #[error("the relay did not answer")]
    NoAnswer,
    /// The connection to the relay is gone, or was never known.
    #[error("there is no connection to the relay")]
    NotConnected,
    /// Too many channels already.
    #[error("there are too many channels already")]
    TooMany,
    /// The relay's answer makes no sense; it is at fault.
    #[error("the relay's answer makes no sense")]
    Nonsense,
}

/// Counters since the start, and sizes now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Channels open or asked for.
    pub channels: usize,
    /// Of these, of strangers who asked for them.
    pub strangers: usize,
    /// Channels let in.
    pub accepted: u64,
    /// Channels not let in.
    pub declined: u64,
    /// Frames and numbers of relays that make no sense.
    pub nonsense: u64,
}
