//! The I/O of those who use relays, driven through [`proto::client`](super::proto::client).
//!
//! * `relays`: the two state machines with what they need to act: reservations and channels.
//! * `link`: one connection to a relay as a leg of the socket; `carry` packets on their way to it.
//! * `channel`: opening one, with a connection to its relay made where there is none.
//! * `warm`: a second relayed path for trusted peers.
//!
//! A connection to a relay is always direct: packets are not relayed twice. Sending a packet never
//! takes a lock of the relay's connection, whose own sending may be waiting for ours: packets wait in
//! a bounded queue which a task of the link empties.
//!
//! Bounds: those of the state machines; [`Limits::relays_on_demand`](crate::Limits) relays besides
//! those that hold a reservation; a queue for each link.

mod act;
mod carry;
mod channel;
mod link;
mod relays;
mod warm;

pub use relays::RelayInfo;

pub(crate) use channel::{Channel, called, open, was_announced};
pub(crate) use link::{link, unlink};
pub(crate) use relays::{
    Relays, consent_changed, drive, infos, network_changed, quiesce, set_relays,
};
pub(crate) use warm::{Channels, keep_warm};
