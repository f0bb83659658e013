//! Making connections: which address first, how long, and how often again.
//!
//! A dial tries a peer's addresses one after the other, 250 ms apart and without waiting for the
//! ones before to fail (RFC 8305); the first that proves the expected key wins and the rest is
//! cancelled. An attempt is a QUIC handshake to a virtual address of its own. Peers that shall stay
//! connected are dialed again and again by the keeper, which is pure.

mod keeper;
mod order;
mod race;

pub use keeper::TooManyKept;

pub(crate) use keeper::{Dial, Input, Keeper};
pub(crate) use order::usable;
pub(crate) use race::{dial, dial_anybody, dial_boxed, dial_for};
