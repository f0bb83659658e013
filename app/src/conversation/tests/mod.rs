//! Two peers in virtual time, over ledgers in memory.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod bad_input;
mod exchange;
mod memory;
mod notices;
mod restored;
mod sessions;
mod simulation;
mod stages;
mod world;
