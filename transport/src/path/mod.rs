//! Which real path carries each packet of a connection: the pure switch under one virtual address
//! per connection.
//!
//! **State.** The legs: UDP sockets, connections to relays, and sockets that one connection alone
//! uses; they come and go. Per virtual address the real paths known to lead to its peer (a leg of
//! ours and a remote address, which over a relay is a [`ChannelAddress`]), which one is active, and
//! what is being found out about the others; beside it the connection ids and probe tags that tell
//! whose a datagram is. For a connection with an accepted contact an [`Agent`](dchat_nat::agent),
//! which says what to ask to find a direct path.
//!
//! **In.** [`Switch::inbound`] and [`Switch::outbound`] see every datagram and answer at once: for
//! whom is it, which way does it go. Everything else comes through [`Switch::handle_input`] and
//! [`Switch::handle_timeout`]; the caller then drains [`Switch::poll_output`] until it is empty and
//! sleeps until [`Switch::poll_timeout`]. Time is passed in; transaction ids come from the seed.
//!
//! **Out.** Probes and answers to send, switches, what the agents want said to the peers or done
//! with sockets, and how their searches end: [`Output`].
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
//! **How much an address is sent that has shown nothing.** Until a packet comes from there to an id
//! that we chose, at most three times what came from it (RFC 9000 §8.1), to the byte.
//!
//! **How a path becomes active.** A connection has exactly one path until its probe keys are
//! attached. Afterwards an address is sent nothing but a bounded number of authenticated probes
//! until it has answered one ([`probe`](dchat_wire::probe)). A direct path is taken only after it has
//! also answered a probe as large as the connection's data, at least 1,200 bytes; which is sent
//! only to who has answered a small one. The active path changes only
//! 1. when it is *gone*: its leg was removed or its channel closed. The best proven one takes over in
//!    the same call; if there is none, whichever answers first,
//! 2. when it is *in doubt* (something sent over it, nothing heard over it for three round trips, at
//!    least 200 ms) and another path answers while it does not. While in doubt, packets are sent
//!    twice: over the active path and over the best other that was heard of late, relayed ones first,
//!    up to [`bounds::COPIES`] bytes. That ends when the active path answers or another takes over,
//! 3. when the peer's packets *moved* to another address and the active path, asked, is silent. If
//!    something was sent over it meanwhile it is in doubt from then on,
//! 4. when a path is of a *better tier*: a direct one, from a relay, at once; unless it failed within
//!    [`bounds::DWELL`],
//! 5. when a path is clearly *better*: round trip, with hysteresis and a dwell time. For that alone
//!    no path is taken that carries less.
//!
//! **What shows that a path works.** Only what comes over it, or its answer to a probe. The two sides
//! may prefer different paths for as long as they like, and then each hears the other over the one
//! that it does not send on: packets there say that the peer lives, and nothing about the path we
//! use. Where the active path has lately answered in spite of them, its silence is no doubt at first:
//! it alone is asked, with the path the peer is on, and no copies are made until it lets the time
//! for an answer pass. So it is asked once per three round trips while something is sent.
//!
//! **Relayed paths** have a budget of places of their own, are measured like all others and so kept
//! warm, and never win against a direct path that works. Over them quinn's probes for larger
//! packets are dropped, so that it stays at 1,200 bytes: a larger packet would be split. Data that
//! has grown larger on a direct path is not dropped. After a move to a direct path quinn finds the
//! larger size by itself. That a path carries less than the one before it finds only by four rounds of
//! loss, and nothing outside can tell it sooner; so its sizes end at 1,232 bytes
//! ([`congestion`](crate::congestion)), which every link of at least 1,280 carries.
//!
//! **Whom an agent has asked.** Addresses come from an accepted contact, over an authenticated
//! connection. What the agent may ask is bounded by its plan and its ledger
//! ([`dchat_nat::agent::bounds`]); here only the rate of all it asks is, and that nothing goes to
//! loopback, multicast, or a prefix that means something in this process only. Its questions are
//! of the smallest size, and an address becomes a path only by answering one: the same
//! transaction, from the same address, to the same socket.
//!
//! **Invariants.** Without an agent an unproven address receives at most [`bounds::UNPROVEN_PROBES`]
//! probes or as many bytes as came from it, whichever is more, and one of them unless something
//! changed; with one, that and what the agent's bounds allow. Data goes to proven paths only. An
//! answer is never longer than its question. With nothing in doubt and nothing pending there is no
//! timeout. Every table is bounded by [`bounds`] and [`Config`].

mod address;
mod allowance;
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
