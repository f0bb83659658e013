//! The agent in a small world of its own: two peers, NATs, a relay for what they say to each other,
//! virtual time and seeded loss.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking and shows its table"
)]

mod behaviour;
mod matrix;
mod nat;
mod oracle;
mod profile;
mod properties;
mod world;
