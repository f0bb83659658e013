//! One connection with one peer.
//!
//! [`Connection`] is the handle; a task of its own drives the connection from the end of the
//! handshake on: it sends HELLO and waits for the peer's, lets the [arbitration](arbitrate) decide
//! whether this connection stays, then keeps addresses exchanged, answers questions and hands
//! streams to the application.
//!
//! * Invariants: nothing but HELLO is acted upon before HELLO came; at most one connection a peer is
//!   up; every failure the peer causes closes with its [`Code`](dchat_wire::close::Code).
//! * Bounds: tasks and buffers of a connection are those of its streams, which
//!   [`Limits`](crate::Limits) count.

mod aim;
mod arbitration;
mod control;
mod driver;
mod frames;
mod handle;
mod streams;

pub(crate) use aim::{Aim, Errand};
pub use arbitration::{Claim, Kept, arbitrate};
pub use frames::FrameStream;
pub use handle::{Connection, PathInfo};

pub(crate) use control::Announcement;
pub(crate) use driver::{Established, run};
pub(crate) use frames::first_frame;
pub(crate) use handle::close;
