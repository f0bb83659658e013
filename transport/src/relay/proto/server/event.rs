//! What goes into a relay and what comes out.

use std::net::IpAddr;

use bytes::Bytes;
use dchat_wire::relay::Refusal;
use dchat_wire::{Frame, PeerId};

use super::config::Policy;
use crate::relay::proto::{ConnId, StreamId};

/// What is told to a relay.
#[derive(Clone, Debug)]
pub enum Input {
    /// A connection is up; the peer has proven its key.
    Up {
        /// The connection.
        conn: ConnId,
        /// Who it is with.
        peer: PeerId,
        /// From where, for the limits by subnet.
        ip: IpAddr,
        /// Largest datagram it takes, in bytes; 0 when it takes none.
        largest: usize,
    },
    /// The connection is gone, and all its streams with it.
    Gone {
        /// The connection.
        conn: ConnId,
    },
    /// A frame came on a stream: the first of a stream the peer opened (RESERVE, CONNECT), or one
    /// on a stream that is open between us.
    Frame {
        /// The connection.
        conn: ConnId,
        /// The stream.
        stream: StreamId,
        /// The frame.
        frame: Frame,
        /// Milliseconds since 1970, for vouchers.
        unix_ms: u64,
    },
    /// The peer ended or reset its side of a stream, or it could not be opened. Of no importance
    /// for a stream that was closed here.
    Ended {
        /// The connection.
        conn: ConnId,
        /// The stream.
        stream: StreamId,
    },
    /// A datagram came. Its buffer is used again when nobody else holds it.
    Datagram {
        /// The connection.
        conn: ConnId,
        /// Its bytes.
        datagram: Bytes,
    },
    /// How many bytes of datagrams a connection takes from now on, besides all that were given out
    /// for it; replaces what was said before. Little is better than much: what waits here is
    /// shared fairly, what waits in the connection is not.
    Room {
        /// The connection.
        conn: ConnId,
        /// How many bytes.
        bytes: usize,
    },
    /// The largest datagram a connection takes has changed.
    Largest {
        /// The connection.
        conn: ConnId,
        /// In bytes; 0 when it takes none.
        bytes: usize,
    },
    /// Another policy. Reservations and channels it excludes end.
    Policy(Policy),
    /// The relay goes away: everything ends, and all later requests are refused.
    Shutdown,
}

/// What a relay wants done, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Open a stream, write the frame, keep it open.
    Open {
        /// The connection.
        conn: ConnId,
        /// What the stream is called from now on.
        stream: StreamId,
        /// INCOMING.
        frame: Box<Frame>,
    },
    /// Write the frame and keep the stream open.
    Write {
        /// The connection.
        conn: ConnId,
        /// The stream.
        stream: StreamId,
        /// The frame.
        frame: Box<Frame>,
    },
    /// Write the frame if there is one, finish the stream, and read no more from it. Said exactly
    /// once of every stream of a connection that lives.
    Close {
        /// The connection.
        conn: ConnId,
        /// The stream.
        stream: StreamId,
        /// The last word.
        frame: Option<Box<Frame>>,
    },
    /// Send a datagram. Never more than the connection has room for.
    Transmit {
        /// The connection.
        conn: ConnId,
        /// Its bytes, not larger than the connection's largest.
        datagram: Bytes,
    },
    /// Datagrams wait for a connection: say [`Input::Room`] once it has some. Repeated after each
    /// [`Input::Room`] that was not enough.
    Waiting {
        /// The connection.
        conn: ConnId,
    },
    /// Something happened that is worth a line in a log.
    Event(Event),
}

/// What happened at a relay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A peer got a reservation, or a longer one.
    Reserved {
        /// Who.
        peer: PeerId,
        /// For how long, in seconds.
        lifetime_s: u32,
    },
    /// A peer's reservation is over.
    Released {
        /// Who.
        peer: PeerId,
        /// Why.
        reason: Release,
    },
    /// Two peers have a channel.
    Opened {
        /// Who asked for it.
        caller: PeerId,
        /// Who accepted it.
        callee: PeerId,
    },
    /// They have it no more.
    Closed {
        /// Who had asked for it.
        caller: PeerId,
        /// Who had accepted it.
        callee: PeerId,
        /// Datagrams taken from both.
        packets: u64,
        /// Their bytes.
        bytes: u64,
    },
    /// A request was refused.
    Refused {
        /// Whose, if its connection is known.
        peer: Option<PeerId>,
        /// Why.
        reason: Refusal,
    },
}

/// Why a reservation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Release {
    /// It was not renewed.
    Expired,
    /// The peer was away for longer than the grace.
    Left,
    /// The policy excludes the peer now.
    Excluded,
    /// The relay shuts down.
    ShuttingDown,
}
