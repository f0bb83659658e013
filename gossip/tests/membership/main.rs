//! Membership: the same state from the same operations in any order, and what removal means.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

mod arrival;
mod bounds;
mod replica;
mod standing;
mod writers;
