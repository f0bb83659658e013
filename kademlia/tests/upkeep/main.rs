//! How a node gets to know others and keeps what it knows fresh.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on has failed"
)]

mod healing;
mod joining;
#[path = "../net/mod.rs"]
mod net;
mod serving;
