//! A network in virtual time for quinn-proto: real QUIC state machines, no socket, no sleeping.
//!
//! A [`World`] owns links and flows. A [`Flow`] is a client and a server endpoint with one
//! connection, whose packets travel over one link each way; flows that name the same link share its
//! queue. Time jumps from event to event, so a minute at 100 Mbit/s takes seconds, and the same
//! seed gives the same run (up to the bytes of the handshake). [`Flow::route`] changes the links of
//! a flow, which is what a path switch is to the network.

#![allow(
    dead_code,
    unused_imports,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "each test uses its part, and a harness that cannot go on must stop"
)]

pub mod flow;
pub mod link;
pub mod world;

pub use flow::{Flow, FlowConfig, Progress};
pub use link::{Link, LinkId, LinkStats};
pub use world::World;
