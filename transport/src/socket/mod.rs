//! The socket quinn sends and receives on: one or more real UDP sockets and the node's connections to
//! relays, with the path switch ([`crate::path`]) between them and it.
//!
//! **State.** The legs (a bound socket each, or a [`Carrier`]), the switch behind one mutex that is
//! held for the lookup of one batch, packets that came over relays and wait, the extra sockets of
//! connections that look for an open port, and a task that drives the switch's timers.
//!
//! **In, out.** quinn uses [`VirtualSocket`]; it sees only virtual addresses, one per connection
//! attempt. The node uses [`Paths`] to make addresses, attach keys, offer candidates, add and remove
//! relays and pass on what came over them, and reads [`PathEvents`]. Datagrams beside QUIC, STUN
//! and what a REACH asks for, are handed to a [`SideChannel`].
//!
//! **Relays.** Each datagram of a batch goes to the carrier by itself. Inbound packets are read in turn
//! with the UDP sockets, and those of each relay in turn with those of others. What finds a full
//! queue, here or in the carrier, is lost, as in any router.
//!
//! **Invariants.** No error of one leg or path fails the socket: what cannot be sent is lost, as
//! datagrams may be, and the switch is told. What quinn sends to an address that leads nowhere is
//! dropped and counted. Datagrams of one connection stay in order. `writable` is only reported of
//! the leg that said it was not.
//!
//! **Bounds.** [`crate::path::bounds`]; events queue up to [`EVENTS`], side datagrams up to
//! [`SIDE_DATAGRAMS`], packets of one relay up to 1,024, and are dropped and counted beyond; held back
//! datagrams are those of one batch; two connections at a time have extra sockets, at most
//! [`SOCKETS`](dchat_nat::agent::bounds::SOCKETS) each.
//!
//! quinn's `grease_quic_bit` has to be off, or its packets cannot be told from others by their
//! first byte, and `migration` too, since quinn has nothing to migrate between. Connection ids have
//! to be 8 bytes long, as quinn makes them by default.

mod bind;
mod carrier;
mod core;
mod demux;
mod driver;
mod ends;
mod events;
mod inner;
mod leg;
mod paths;
mod scatter;
mod shared;
mod side;
mod virtual_socket;
mod writable;

pub use bind::{BindCause, BindError, bind, bind_with};
pub use carrier::{Carried, Carrier, TooManyLegs};
pub use events::{EVENTS, PathEvent, PathEvents};
pub use paths::{Paths, Traverse};
pub use shared::SwitchHook;
pub use side::{SIDE_DATAGRAMS, SideChannel, SideDatagram};
pub use virtual_socket::VirtualSocket;

pub use crate::path::{Config, LegId, PathId, PathInfo, PathKind, ProbePair, Stats};

#[cfg(test)]
mod tests;
