//! Which real path carries each packet of a connection: the pure switch under one virtual address
//! per connection.
//!
//! **State.** Per virtual address the real paths known to lead to its peer (a leg of ours and a
//! remote address), which one is active, and what is being found out about the others; beside it
//! the connection ids and probe tags that tell whose a datagram is.
//!
//! **In.** [`Switch::inbound`] and [`Switch::outbound`] see every datagram and answer at once: for
//! whom is it, which way does it go. Everything else comes through [`Switch::handle_input`] and
//! [`Switch::handle_timeout`]; the caller then drains [`Switch::poll_output`] until it is empty and
//! sleeps until [`Switch::poll_timeout`]. Time is passed in; transaction ids come from the seed.
//!
//! **Out.** Probes and answers to send, switches, and [`PathEvent`](Output)s.
//!
//! **How a datagram finds its connection.** By our connection id first: an id we put into a long
//! header is bound to the virtual address it left from, and no datagram from outside rebinds it. A
//! handshake packet to an id we did not choose belongs to the virtual address derived by a keyed
//! hash from its source address and its source connection id: one per attempt, the same before
//! and after a Retry, and the same again when its entry was evicted meanwhile. A short header with
//! an unknown id (a stateless reset, or an id the peer was given under encryption and begins to use,
//! as quinn does right after the handshake) goes to the connection whose active path it came over,
//! which then learns the id; when there are several, to each of them. What is left is shown to
//! quinn without an entry being made, so that it can answer with a reset or a version negotiation.
//!
//! **How a path becomes active.** A connection has exactly one path until its probe keys are
//! attached. Afterwards an address is sent nothing but a bounded number of authenticated probes
//! until it has answered one ([`probe`](dchat_wire::probe)). The active path changes only
//! 1. when it is *in doubt* (something sent, nothing heard) and another path answers while it does
//!    not,
//! 2. when the peer's packets *moved* to another address and the active path, asked, is silent,
//! 3. when a path is clearly *better*: tier, then round trip, with hysteresis and a dwell time.
//!
//! **Invariants.** An unproven address receives at most [`bounds::UNPROVEN_PROBES`] probes or as
//! many bytes as came from it, whichever is more, and one of them unless something changed. An
//! answer is never longer than its question. With nothing in doubt and nothing pending there is no
//! timeout. Every table is bounded by [`bounds`] and [`Config`].

mod address;
mod answers;
mod attached;
pub mod bounds;
mod check;
mod connection;
mod context;
mod leg;
mod limit;
mod measure;
mod packet;
#[expect(
    clippy::module_inception,
    reason = "a path is what the module is about"
)]
mod path;
mod questions;
mod replies;
mod rtt;
mod selection;
mod set;
mod sizes;
mod stats;
mod switch;

pub use address::{ChannelAddress, PathId, Route, VirtualAddress, canonical};
pub use attached::{Arrival, ProbePair};
pub use context::Output;
pub use leg::{Leg, LegId, PathKind};
pub use packet::{Cid, Packet};
pub use path::PathInfo;
pub use stats::Stats;
pub use switch::{Config, ExtraArrival, Input, Outbound, Switch, Verdict};

#[cfg(test)]
mod tests;
