//! The relay as a whole.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test stops where something is not as it should be"
)]

mod fairness;
mod forwarding;
mod properties;
mod refusals;
mod reservations;
mod world;
