//! Lookups over a small network on virtual time: what they find, what they cost, and what others can
//! do to them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on has failed"
)]

mod attack;
mod find;
mod inputs;
#[path = "../net/mod.rs"]
mod net;
mod records;
