//! The relay's I/O: streams and datagrams of connections, driven through [`proto::server::Relay`].
//!
//! * State: the pure relay, and for each connection that ever asked for something, or whose
//!   peer holds a reservation, its handle and the
//!   streams that are open on it.
//! * Inputs: requests on streams, datagrams, the end of connections. Outputs: answers, streams
//!   opened to those who are called, datagrams.
//! * A packet costs two short locks of a connection and a share of one of the relay: datagrams are
//!   read and forwarded in batches, without a task between the connections. What a connection does
//!   not take waits in the pure relay, which shares it fairly.
//! * Bounds: those of [`proto::server::Limits`]; [`BUFFER`] bytes wait in a connection; one task for
//!   each open stream, one for each connection that sends datagrams, one for each that is full.
//!
//! [`proto::server::Relay`]: crate::relay::proto::server::Relay
//! [`proto::server::Limits`]: crate::relay::proto::server::Limits

mod forward;
mod state;
mod stream;

pub(crate) use forward::{fill, forward};
pub(crate) use state::{RelayServer, unix_ms};
pub(crate) use stream::{returned, serve};

/// Bytes of datagrams that may wait in one connection of a relay: a few batches. More would only
/// make a queue that the fair ones in front of it cannot reach.
pub(crate) const BUFFER: usize = 128 * 1024;
