//! Every kind of NAT is told for what it is, by every kind of server.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "tests fail by panicking, and print what they measured"
)]

mod matrix;
mod places;
mod scene;
mod servers;
#[path = "../support/mod.rs"]
mod support;
