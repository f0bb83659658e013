//! The relay protocol without I/O: no socket, clock or randomness; values go in and come out.
//!
//! ```text
//!   peer A                       relay                       peer B
//!     |                            |<--- RESERVE ---------------|   a stream, answered once
//!     |                            |---- RESERVED + voucher --->|
//!     |---- CONNECT B ------------>|                            |   a stream, kept open
//!     |                            |---- INCOMING A, number --->|   a stream, kept open
//!     |                            |<--- ACCEPT ----------------|
//!     |<--- OPENED, number --------|                            |
//!     |==== datagrams under A's number and under B's ==========>|   both ways
//!     |---- end of stream -------->|---- REFUSED(Ended), end -->|   either side's end ends it
//! ```
//!
//! * [`server::Relay`]: reservations, channels, limits, policy, and forwarding with fair queues.
//! * [`client::Reservations`]: at which relays to hold a reservation, and keeping it.
//! * [`client::Channels`]: asking for channels, and consenting to those others ask for.
//! * [`parts`]: packets that do not fit one datagram, cut in two and joined again.
//!
//! A relay learns who talks to whom and how much, and nothing else: what it forwards are the
//! encrypted packets of a QUIC connection between the two ends.

pub mod client;
pub mod parts;
pub mod server;

mod bucket;
mod id;
mod slab;
mod subnet;

pub use bucket::Rate;
pub use id::{ConnId, StreamId};

#[cfg(test)]
mod tests;
