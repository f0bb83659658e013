//! Relaying: connections between peers that cannot reach each other directly, carried by a third
//! that can be reached by both (spec `60-relay`).
//!
//! [`proto`] is the whole protocol without I/O, for the relay and for those who use it.

pub mod proto;
