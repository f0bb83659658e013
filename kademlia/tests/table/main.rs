//! The table: against a naive model, and each of its policies.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on has failed"
)]

mod model;
mod policies;
mod support;
