//! The relay's side.
//!
//! **State.** The connections with their peers; one reservation a peer; channels between two
//! connections; datagrams that wait for room in a connection.
//!
//! **In.** [`Input`]: connections that come and go, frames on streams, ends of streams, datagrams,
//! and how much a connection can take. **Out.** [`Output`]: streams to open, frames to write,
//! streams to close, datagrams to send. After each input and each timeout the caller drains
//! [`Relay::poll_output`] and sleeps until [`Relay::poll_timeout`] or the next input.
//!
//! **Invariants.**
//! * A datagram goes only to the other end of the channel it came on, and only after both ends
//!   have consented: one by CONNECT, the other by ACCEPT.
//! * Every stream is closed exactly once while its connection lives: a request that is refused or
//!   is a RESERVE at once, the streams of a channel when the channel ends. A CONNECT is answered
//!   exactly once before that, unless its asker ended the stream first.
//! * The refusal says what is true at this relay; the word of the peer asked is only ever passed
//!   on as [`Declined`](dchat_wire::relay::Refusal::Declined).
//! * A reservation belongs to a peer, not to a connection: it moves with the peer to its newest
//!   connection, and ends when it is not renewed or the peer stays away.
//! * Within one connection, waiting datagrams of different channels take turns by bytes (deficit
//!   round robin, Shreedhar and Varghese 1995), and what is dropped is the oldest of the longest
//!   queue: a flood costs its own channel.
//!
//! **Bounds.** Every table by [`Limits`]; waiting bytes by channel, connection and in all, each
//! datagram charged [`CHARGE`] beside its length; outputs by what one input can cause: a shutdown
//! or a new policy closes every channel, room in a connection is used up once.

mod closing;
mod config;
mod event;
mod forwarding;
mod queue;
mod relay;
mod requests;
mod stats;
mod tables;

pub use config::{Access, Config, Limits, Policy};
pub use event::{Event, Input, Output, Release};
pub use queue::CHARGE;
pub use relay::Relay;
pub use stats::{Drops, Refusals, Stats};

#[cfg(test)]
mod tests;
