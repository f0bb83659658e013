//! Finding a way through NATs, without a socket, a clock or randomness of its own.
//!
//! What a node wants to know of its own NAT, what it tells a peer, and which datagrams the two then
//! send so that a direct path opens: each is a state machine with the same four verbs
//! (`handle_input`, `handle_timeout`, `poll_output`, `poll_timeout`). The very same code runs in
//! production, in the simulated world and under the fuzzer.

pub mod agent;
pub mod candidate;
pub mod classify;
pub mod lease;
pub mod plan;
pub mod reach;
pub mod scope;
pub mod stun;
